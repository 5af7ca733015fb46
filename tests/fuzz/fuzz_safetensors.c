/* safetensors files, and the networks in them.
 *
 * Input: a byte (1: the file as it is; else the JSON header alone, its length put before it and
 * zeros behind it, as many as the next two bytes say), the file or the header. */
#include "host/cpu/trainer_cpu.h"
#include "host/network/network_file.h"
#include "host/network/safetensors.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  static struct memory_file file;
  struct input in = {data, size};
  struct error e = {0};
  unsigned mode = take_number(&in, 1);
  size_t zeros = mode == 1 ? 0 : take_number(&in, 2), head = mode == 1 ? 0 : 8;
  uint8_t *bytes = calloc(1, head + in.left + zeros + 1);
  if (!bytes) abort();
  if (in.left) memcpy(bytes + head, in.bytes, in.left);
  for (size_t i = 0; i < head; i++) bytes[i] = (uint8_t)((uint64_t)in.left >> 8 * i);
  memory_file_set(&file, bytes, head + in.left + zeros);
  free(bytes);

  struct safetensors_file f = {0};
  if (safetensors_open(&f, file.path, &e)) {
    if (!e.message[0]) abort();
    return 0;
  }
  volatile double sum = 0; /* every number is read */
  for (int i = 0; i < f.n; i++) {
    if (safetensors_find(&f, f.tensors[i].name) != &f.tensors[i]) abort();
    for (int64_t k = 0; k < f.tensors[i].count; k++) sum = sum + (double)f.tensors[i].data[k];
  }
  safetensors_metadata(&f, "lr");
  safetensors_close(&f);
  struct network_file network = {0};
  trainer_cpu_thread_begin();
  if (network_file_load(&network, file.path, &e) == 0) network_file_close(&network);
  return 0;
}
