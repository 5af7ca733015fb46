/* safetensors files: what is written comes back, what is damaged or hostile is refused.
 *
 * Not under ThreadSanitizer: one thread. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/base/rng.h"
#include "host/network/safetensors.h"

static char folder[1024], path[1100];

static int make_folder(void **state)
{
  (void)state;
  const char *tmp = getenv("TMPDIR");
  snprintf(folder, sizeof folder, "%s/gsos-safetensors-XXXXXX", tmp ? tmp : "/tmp");
  if (!mkdtemp(folder)) return -1;
  snprintf(path, sizeof path, "%s/network.safetensors", folder);
  return 0;
}

static int remove_folder(void **state)
{
  (void)state;
  unlink(path);
  return rmdir(folder); /* fails, and the test with it, where a temporary file was left behind */
}

static void write_bytes(const void *bytes, size_t size)
{
  /* Not written over: ext4 brings such a file to the disk at once, which would take most of the
   * time. */
  unlink(path);
  FILE *out = fopen(path, "wb");
  assert_non_null(out);
  assert_int_equal(fwrite(bytes, 1, size, out), size);
  assert_int_equal(fclose(out), 0);
}

static uint8_t *read_bytes(size_t *size)
{
  struct stat st;
  FILE *in = fopen(path, "rb");
  assert_non_null(in);
  assert_int_equal(fstat(fileno(in), &st), 0);
  uint8_t *bytes = malloc((size_t)st.st_size + 1);
  *size = (size_t)st.st_size;
  assert_int_equal(fread(bytes, 1, *size, in), *size);
  fclose(in);
  return bytes;
}

/* A file of `header`, spaces up to a multiple of `align`, and `data_bytes` bytes behind it. */
static void write_raw(const char *header, size_t align, size_t data_bytes)
{
  size_t length = strlen(header), padded = (length + align - 1) / align * align;
  uint64_t n = padded;
  uint8_t *bytes = calloc(1, 8 + padded + data_bytes);
  memset(bytes + 8, ' ', padded);
  memcpy(bytes, &n, 8);
  memcpy(bytes + 8, header, length);
  write_bytes(bytes, 8 + padded + data_bytes);
  free(bytes);
}

/* A network's tensors, and one of each odd kind: empty, a scalar, a name that needs escapes. */
static void write_example(struct rng *rng)
{
  static float data[3][2000];
  struct safetensor t[5] = {
      {"conv0.weight", 4, {4, 3, 5, 5}, 300, data[0]},
      {"conv0.bias", 1, {4}, 4, data[1]},
      {"empty", 2, {0, 7}, 0, data[1]},
      {"scalar", 0, {0}, 1, data[1] + 9},
      {"a \"name\"\\\n\x01 \xc3\xa9\xf0\x9f\x98\x80", 2, {20, 100}, 2000, data[2]},
  };
  const char *const metadata[][2] = {{"format", "pt"}, {"class_names", "[\"a\\\"b\", \"\xc3\xa9\"]"}, {"\t", ""}};
  struct error e = {0};
  for (int i = 0; i < 3; i++)
    for (int j = 0; j < 2000; j++)
      data[i][j] = (float)(rng_uniform(rng) * 2 - 1) * powf(10, (float)rng_below(rng, 60) - 30);
  assert_int_equal(safetensors_write(path, t, 5, metadata, 3, &e), 0);

  struct safetensors_file f;
  assert_int_equal(safetensors_open(&f, path, &e), 0);
  assert_int_equal(f.n, 5);
  assert_int_equal(f.n_metadata, 3);
  for (int i = 0; i < 5; i++) {
    const struct safetensor *r = safetensors_find(&f, t[i].name);
    assert_non_null(r);
    assert_int_equal(r->n_dims, t[i].n_dims);
    assert_memory_equal(r->dims, t[i].dims, (size_t)t[i].n_dims * sizeof *t[i].dims);
    assert_int_equal(r->count, t[i].count);
    if (t[i].count) assert_memory_equal(r->data, t[i].data, (size_t)t[i].count * sizeof(float));
  }
  for (int i = 0; i < 3; i++) assert_string_equal(safetensors_metadata(&f, metadata[i][0]), metadata[i][1]);
  assert_null(safetensors_metadata(&f, "forma"));
  assert_null(safetensors_find(&f, "conv0"));
  safetensors_close(&f);
}

static void what_is_written_is_read_back(void **state)
{
  (void)state;
  struct rng rng = rng_make(1, philox_subsequence(PHILOX_TEST, 0, 0));
  for (int i = 0; i < 10; i++) write_example(&rng);
}

static void data_begins_at_a_multiple_of_eight(void **state)
{
  (void)state;
  float x = 1.5f;
  char name[8] = "";
  for (int i = 1; i < 8; i++) { /* every length of the header modulo 8 */
    struct safetensor t = {"", 1, {1}, 1, &x};
    struct error e = {0};
    size_t size;
    uint64_t header;
    name[i - 1] = 'n';
    memcpy(t.name, name, sizeof name);
    assert_int_equal(safetensors_write(path, &t, 1, NULL, 0, &e), 0);
    uint8_t *bytes = read_bytes(&size);
    memcpy(&header, bytes, 8);
    assert_int_equal(header % 8, 0);
    assert_int_equal(size, 8 + header + 4);
    assert_memory_equal(bytes + 8 + header, &x, 4);
    free(bytes);
  }
}

static void a_file_cut_at_any_byte_is_refused(void **state)
{
  (void)state;
  struct rng rng = rng_make(2, philox_subsequence(PHILOX_TEST, 0, 0));
  size_t size;
  write_example(&rng);
  uint8_t *bytes = read_bytes(&size);
  uint64_t header;
  memcpy(&header, bytes, 8);
  for (size_t cut = 0; cut < size; cut += cut < header + 64 ? 1 : 131) {
    struct safetensors_file f;
    struct error e = {0};
    write_bytes(bytes, cut);
    assert_int_equal(safetensors_open(&f, path, &e), ERROR_FAILED);
    assert_non_null(strstr(e.message, "is cut off"));
    assert_non_null(strstr(e.message, path));
  }
  free(bytes);
}

#define T4(name, a, b) "\"" name "\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[" #a "," #b "]}"

static void a_wrong_header_is_refused_with_its_reason(void **state)
{
  (void)state;
  static const struct {
    const char *header;
    size_t data;
    const char *reason; /* NULL: this one is right */
  } cases[] = {
      {"{}", 0, NULL},
      {"{} \n\t ", 0, NULL},
      {"{" T4("a", 0, 4) "}", 4, NULL},
      {"{" T4("b", 4, 8) "," T4("a", 0, 4) "}", 8, NULL},
      {"{\"__metadata__\":{}, \"\\u00e9\\ud83d\\ude00\": {\"data_offsets\":[0,0],\"shape\":[0,9000000000],"
       "\"dtype\":\"F32\"}}",
       0, NULL},
      {"", 0, "does not begin with '{'"},
      {" {}", 0, "does not begin with '{'"},
      {"[]", 0, "does not begin with '{'"},
      {"{", 0, "a string is missing"},
      {"{}x", 0, "more follows behind its end"},
      {"{}{}", 0, "more follows behind its end"},
      {"{" T4("a", 0, 4) ",}", 4, "a string is missing"},
      {"{" T4("a", 0, 4), 4, "'}' is missing"},
      {"{" T4("a", 0, 4) "} ", 4, "multiple of 4"},
      {"{" T4("a", 0, 4) "}", 3, "is cut off"},
      {"{" T4("a", 0, 4) "}", 5, "1 byte behind its tensors that belongs to none"},
      {"{}", 4, "4 bytes behind its tensors that belong to none"},
      {"{" T4("a", 4, 8) "}", 8, "there is a gap before it"},
      {"{" T4("a", 0, 4) "," T4("b", 8, 12) "}", 12, "there is a gap before it"},
      {"{" T4("a", 0, 4) "," T4("b", 0, 4) "}", 4, "another has not ended"},
      {"{" T4("a", 0, 4) "," T4("b", 2, 6) "}", 6, "another has not ended"},
      {"{" T4("a", 0, 4) "," T4("a", 4, 8) "}", 8, "two tensors are called \"a\""},
      {"{" T4("a", 0, 4) "," T4("\\u0061", 4, 8) "}", 8, "two tensors are called \"a\""},
      {"{" T4("a", 4, 0) "}", 4, "do not fit its shape"},
      {"{" T4("a", 0, 8) "}", 8, "do not fit its shape"},
      {"{" T4("a", -4, 0) "}", 4, "a whole number, 0 or more, is missing"},
      {"{" T4("a", 0, 4.0) "}", 4, "a number is not whole"},
      {"{" T4("a", 0, 4e0) "}", 4, "a number is not whole"},
      {"{" T4("a", 00, 4) "}", 4, "a number begins with 0"},
      {"{" T4("a", 0, 9223372036854775808) "}", 4, "a number is too large"},
      {"{" T4("a", 9223372036854775804, 9223372036854775807) "}", 4, "do not fit its shape"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904,4],\"data_offsets\":[0,0]}}", 0, "shape is too large"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2305843009213693952],\"data_offsets\":[0,0]}}", 0, "shape is too large"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,4]}}", 4, "more than 8 dimensions"},
      {"{\"a\":{\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[0,4]}}", 4, "not F32"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}", 4, "fewer than two numbers"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4,4]}}", 4, "more than two numbers"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, "lacks dtype, shape or data_offsets"},
      {"{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[1]}}", 4, "key is repeated"},
      {"{\"a\":{\"dtype\":\"F32\",\"stride\":[1]}}", 4, "key other than"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[[[[[[[[[[[[[[[[[[", 4, "whole number"},
      {"{\"a\":[]}", 0, "'{' is missing"},
      {"{\"a\" 1}", 0, "':' is missing"},
      {"{\"a", 0, "a string does not end"},
      {"{\"a\\", 0, "a string does not end"},
      {"{\"a\\\"", 0, "a string does not end"},
      {"{\"\\x\":1}", 0, "none of JSON's"},
      {"{\"\\u12g4\":1}", 0, "four hexadecimal digits"},
      {"{\"\\u0000\":1}", 0, "zero character"},
      {"{\"\\ud800\":1}", 0, "surrogate"},
      {"{\"\\ud800\\u0041\":1}", 0, "surrogate"},
      {"{\"\\udc00\":1}", 0, "surrogate"},
      {"{\"\n\":1}", 0, "control character"},
      {"{\"\xff\":1}", 0, "not UTF-8"},
      {"{\"\xc0\x80\":1}", 0, "not UTF-8"},
      {"{\"\xed\xa0\x80\":1}", 0, "not UTF-8"},
      {"{\"__metadata__\":{\"a\":1}}", 0, "a string is missing"},
      {"{\"__metadata__\":{\"a\":\"1\",\"a\":\"1\"}}", 0, "\"a\" is repeated"},
      {"{\"__metadata__\":{},\"__metadata__\":{}}", 0, "__metadata__ is repeated"},
      {"{\"__metadata__\":[]}", 0, "'{' is missing"},
      {"{\"0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
       "0123456789012345678901234567\":{}}",
       0, "longer than 127"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct safetensors_file f;
    struct error e = {0};
    bool pad = !cases[i].reason || strcmp(cases[i].reason, "multiple of 4") != 0;
    write_raw(cases[i].header, pad ? 4 : 1, cases[i].data);
    int code = safetensors_open(&f, path, &e);
    if (cases[i].reason ? code != ERROR_FAILED || !strstr(e.message, cases[i].reason) : code != 0)
      fail_msg("header %s: wanted \"%s\", got code %d \"%s\"", cases[i].header,
               cases[i].reason ? cases[i].reason : "no error", code, e.message);
    safetensors_close(&f);
  }
}

static void a_header_length_beyond_the_file_or_the_limit_is_refused(void **state)
{
  (void)state;
  static const uint64_t lengths[] = {3, 100000000, 100000001, 1ull << 32, 1ull << 63, UINT64_MAX, UINT64_MAX - 7};
  for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
    uint8_t bytes[10] = {0, 0, 0, 0, 0, 0, 0, 0, '{', '}'};
    struct safetensors_file f;
    struct error e = {0};
    memcpy(bytes, &lengths[i], 8);
    write_bytes(bytes, sizeof bytes);
    assert_int_equal(safetensors_open(&f, path, &e), ERROR_FAILED);
    assert_non_null(strstr(e.message, lengths[i] > 100000000 ? "more than the 100000000 allowed" : "is cut off"));
  }
}

/* Time and memory of the reader are bounded by limits, not by what a header repeats. */
static void a_header_of_countless_names_is_refused_soon(void **state)
{
  (void)state;
  for (int kind = 0; kind < 2; kind++) {
    char *header = malloc(12 * 1000 * 1000), *p = header;
    p += sprintf(p, kind ? "{\"__metadata__\":{" : "{");
    for (int i = 0; i < 150000; i++)
      p += kind ? sprintf(p, "%s\"%d\":\"\"", i ? "," : "", i)
                : sprintf(p, "%s\"%d\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}", i ? "," : "", i);
    strcpy(p, kind ? "}}" : "}");
    write_raw(header, 4, 0);
    free(header);
    struct safetensors_file f;
    struct error e = {0};
    clock_t start = clock();
    assert_int_equal(safetensors_open(&f, path, &e), ERROR_FAILED);
    assert_non_null(strstr(e.message, kind ? "more than 4,096 metadata keys" : "more than 65,536 tensors"));
    assert_true((double)(clock() - start) / CLOCKS_PER_SEC < 20);
  }
}

static void what_is_not_a_file_is_refused_at_once(void **state)
{
  (void)state;
  struct safetensors_file f;
  struct error e = {0};
  unlink(path);
  assert_int_equal(safetensors_open(&f, path, &e), ERROR_FAILED);
  assert_non_null(strstr(e.message, "No such file"));
  assert_int_equal(safetensors_open(&f, folder, &e), ERROR_FAILED);
  assert_non_null(strstr(e.message, "is not a file"));
  assert_int_equal(mkfifo(path, 0600), 0);
  assert_int_equal(safetensors_open(&f, path, &e), ERROR_FAILED);
  assert_non_null(strstr(e.message, "is not a file"));
  unlink(path);
  write_bytes("", 0);
  assert_int_equal(safetensors_open(&f, path, &e), ERROR_FAILED);
}

static void text_that_is_not_utf8_is_not_written(void **state)
{
  (void)state;
  float x = 0;
  struct safetensor good = {"a", 1, {1}, 1, &x}, bad = {"a\xff", 1, {1}, 1, &x};
  const char *const metadata[][2] = {{"class", "caf\xe9"}};
  struct error e = {0};
  unlink(path);
  assert_int_equal(safetensors_write(path, &bad, 1, NULL, 0, &e), ERROR_FAILED);
  assert_int_equal(safetensors_write(path, &good, 1, metadata, 1, &e), ERROR_FAILED);
  assert_non_null(strstr(e.message, "caf\\xe9"));
  assert_int_not_equal(access(path, F_OK), 0);
  write_bytes("", 0);
}

static void a_write_that_fails_leaves_the_old_file(void **state)
{
  (void)state;
  struct rng rng = rng_make(3, philox_subsequence(PHILOX_TEST, 0, 0));
  static float data[100000];
  struct safetensor t = {"a", 1, {100000}, 100000, data};
  struct error e = {0};
  size_t before, after;
  write_example(&rng);
  uint8_t *old = read_bytes(&before);
  struct rlimit unlimited, small;
  getrlimit(RLIMIT_FSIZE, &unlimited);
  small = unlimited;
  small.rlim_cur = 100000; /* stands in for a full disk */
  signal(SIGXFSZ, SIG_IGN);
  setrlimit(RLIMIT_FSIZE, &small);
  int code = safetensors_write(path, &t, 1, NULL, 0, &e);
  setrlimit(RLIMIT_FSIZE, &unlimited);
  assert_int_not_equal(code, 0);
  assert_non_null(strstr(e.message, "cannot be written"));
  uint8_t *now = read_bytes(&after);
  assert_int_equal(before, after);
  assert_memory_equal(old, now, before);
  free(old);
  free(now);
  char nowhere[1200];
  snprintf(nowhere, sizeof nowhere, "%s/none/x.safetensors", folder);
  assert_int_not_equal(safetensors_write(nowhere, &t, 1, NULL, 0, &e), 0);
  assert_non_null(strstr(e.message, nowhere));
}

/* Bytes of the header changed, doubled, dropped, or swapped for pieces that mean something to it:
 * the reader must refuse, or hand out tensors that lie within the file.  Run with the address
 * sanitizer, it finds what reads outside. */
static void mutated_files_are_refused_or_sound(void **state)
{
  (void)state;
  static const char *const pieces[] = {"\"",
                                       "{",
                                       "}",
                                       "[",
                                       "]",
                                       ",",
                                       ":",
                                       "\\",
                                       "0",
                                       "4",
                                       "9223372036854775807",
                                       "-1",
                                       "\\u0000",
                                       "\\ud800",
                                       "F32",
                                       "\xff",
                                       "__metadata__",
                                       "shape",
                                       "1e9",
                                       " "};
  struct rng rng = rng_make(4, philox_subsequence(PHILOX_TEST, 0, 0));
  size_t size;
  write_example(&rng);
  uint8_t *original = read_bytes(&size), *bytes = malloc(size + 4096);
  uint64_t header;
  memcpy(&header, original, 8);
  int refused = 0, sound = 0;
  for (int round = 0; round < 20000; round++) {
    size_t n = size, limit = rng_below(&rng, 8) ? 8 + (size_t)header : 8;
    memcpy(bytes, original, size);
    for (int changes = 1 + (int)rng_below(&rng, 3); changes > 0; changes--) {
      size_t at = rng_below(&rng, (uint32_t)limit);
      const char *piece = pieces[rng_below(&rng, sizeof pieces / sizeof *pieces)];
      size_t length = strlen(piece);
      switch (rng_below(&rng, 5)) {
      case 0:
        bytes[at] ^= (uint8_t)(1u << rng_below(&rng, 8));
        break;
      case 1:
        bytes[at] = (uint8_t)rng_word(&rng);
        break;
      case 2:
        if (at + length < n) memcpy(bytes + at, piece, length);
        break;
      case 3: /* inserted; half the time the header's length follows */
        memmove(bytes + at + length, bytes + at, n - at);
        memcpy(bytes + at, piece, length);
        n += length;
        if (at >= 8 && rng_below(&rng, 2)) {
          uint64_t h;
          memcpy(&h, bytes, 8);
          h += length;
          memcpy(bytes, &h, 8);
        }
        break;
      default:
        memmove(bytes + at, bytes + at + 1, n - at - 1);
        n--;
      }
    }
    struct safetensors_file f;
    struct error e = {0};
    write_bytes(bytes, n);
    if (safetensors_open(&f, path, &e) != 0) {
      assert_true(strlen(e.message) > strlen(path) + 10);
      refused++;
      continue;
    }
    sound++;
    volatile float sum = 0;
    for (int i = 0; i < f.n; i++) {
      assert_true((const char *)f.tensors[i].data >= (const char *)f.map);
      assert_true((const char *)(f.tensors[i].data + f.tensors[i].count) <= (const char *)f.map + f.map_bytes);
      for (int64_t j = 0; j < f.tensors[i].count; j++) sum = sum + f.tensors[i].data[j];
    }
    for (int i = 0; i < f.n_metadata; i++) assert_non_null(safetensors_metadata(&f, f.metadata[i][0]));
    safetensors_close(&f);
  }
  assert_true(refused > 5000 && sound > 100); /* both ways were taken */
  free(original);
  free(bytes);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_is_written_is_read_back),
      cmocka_unit_test(data_begins_at_a_multiple_of_eight),
      cmocka_unit_test(a_file_cut_at_any_byte_is_refused),
      cmocka_unit_test(a_wrong_header_is_refused_with_its_reason),
      cmocka_unit_test(a_header_length_beyond_the_file_or_the_limit_is_refused),
      cmocka_unit_test(a_header_of_countless_names_is_refused_soon),
      cmocka_unit_test(what_is_not_a_file_is_refused_at_once),
      cmocka_unit_test(text_that_is_not_utf8_is_not_written),
      cmocka_unit_test(a_write_that_fails_leaves_the_old_file),
      cmocka_unit_test(mutated_files_are_refused_or_sound),
  };
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
