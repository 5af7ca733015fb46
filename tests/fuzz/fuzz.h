/* What the fuzzers share.  A fuzzer is LLVMFuzzerTestOneInput (libFuzzer,
 * https://llvm.org/docs/LibFuzzer.html): it gives a reader arbitrary bytes, and the sanitizers, the
 * memory limit and the time limit say whether the reader minds (make fuzz).
 *
 * Readers open files by name, so the bytes go into files in memory that have one. */
#ifndef GSOS_FUZZ_H
#define GSOS_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What a fuzzer takes its input apart with: bytes from the front, zeros where there are none
 * left. */
struct input {
  const uint8_t *bytes;
  size_t left;
};

__attribute__((unused)) static unsigned take_number(struct input *in, int bytes)
{
  unsigned value = 0;
  for (int i = 0; i < bytes && in->left; i++, in->bytes++, in->left--) value |= (unsigned)*in->bytes << 8 * i;
  return value;
}

/* Up to `size` bytes, where they lie. */
__attribute__((unused)) static struct input take_bytes(struct input *in, size_t size)
{
  if (size > in->left) size = in->left;
  struct input piece = {in->bytes, size};
  in->bytes += size;
  in->left -= size;
  return piece;
}

/* A file in memory, with a name to open it by. */
struct memory_file {
  int fd;
  char path[40];
};

__attribute__((unused)) static void memory_file_set(struct memory_file *f, const void *bytes, size_t size)
{
  if (!f->path[0]) {
    f->fd = memfd_create("fuzz", MFD_CLOEXEC);
    snprintf(f->path, sizeof f->path, "/proc/self/fd/%d", f->fd);
  }
  if (f->fd < 0 || ftruncate(f->fd, 0) || pwrite(f->fd, bytes, size, 0) != (ssize_t)size) abort();
}

/* A folder of this process; it stays behind in $TMPDIR, which tests/fuzz/run.sh removes. */
__attribute__((unused)) static const char *fuzz_folder(void)
{
  static char path[1024];
  const char *tmp = getenv("TMPDIR");
  if (path[0]) return path;
  snprintf(path, sizeof path, "%s/gsos-fuzz-XXXXXX", tmp && *tmp ? tmp : "/tmp");
  if (!mkdtemp(path)) abort();
  return path;
}

/* Gives a file in memory a name in that folder. */
__attribute__((unused)) static void memory_file_link(struct memory_file *f, const char *name)
{
  char path[1200];
  memory_file_set(f, "", 0);
  snprintf(path, sizeof path, "%s/%s", fuzz_folder(), name);
  if (symlink(f->path, path)) abort();
}

#endif
