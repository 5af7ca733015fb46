/* IDX files: good ones, plain and gzip, through the cache and past it; hostile ones, which are
 * refused by their headers. */
#include "tests/unit/data/data_files.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "host/data/data_cache.h"
#include "host/data/idx.h"
#include "host/base/text_escape.h"

static struct data_cache cache;

static int set_up(void **state)
{
  if (folder_make(state)) return -1;
  data_cache_open(&cache, at("cache"));
  return cache.folder[0] ? 0 : -1;
}

/* Bytes that gzip cannot pack, so that a file is large enough for the cache. */
static uint8_t *noise(size_t size)
{
  uint8_t *bytes = malloc(size);
  uint32_t x = 1;
  assert_non_null(bytes);
  for (size_t i = 0; i < size; i++) {
    x = x * 1664525u + 1013904223u;
    bytes[i] = (uint8_t)(x >> 24);
  }
  return bytes;
}

static void check_pattern(const struct idx *x, const uint8_t *whole, size_t size)
{
  assert_int_equal(x->count, (int64_t)size - 4 - 4 * x->n_dims);
  assert_memory_equal(x->data, whole + 4 + 4 * x->n_dims, (size_t)x->count);
}

/* ----------------------------------------------------------------------------------- good files */

static void idx_plain_and_gzip_give_the_same_bytes(void **state)
{
  (void)state;
  const uint32_t dims[4] = {5, 6, 7, 3};
  for (int n_dims = 1; n_dims <= 4; n_dims++) {
    size_t size;
    struct idx x;
    struct error e;
    uint8_t *bytes = idx_bytes(n_dims, dims, NULL, &size);
    write_file(at("a.idx"), bytes, size);
    write_gzip(at("a.idx.gz"), bytes, size);
    const char *names[] = {"a.idx", "a.idx.gz"};
    for (int i = 0; i < 2; i++) {
      assert_int_equal(idx_open(&x, at("%s", names[i]), &cache, &e), 0);
      assert_int_equal(x.n_dims, n_dims);
      for (int d = 0; d < n_dims; d++) assert_int_equal(x.dims[d], dims[d]);
      check_pattern(&x, bytes, size);
      idx_close(&x);
    }
    free(bytes);
  }
}

static void idx_gzip_is_told_by_content_not_by_name(void **state)
{
  (void)state;
  const uint32_t dims[3] = {2, 3, 3};
  size_t size;
  struct idx x;
  struct error e;
  uint8_t *bytes = idx_bytes(3, dims, NULL, &size);
  write_gzip(at("packed-without-ending"), bytes, size);
  write_file(at("plain-with-ending.gz"), bytes, size);
  assert_int_equal(idx_open(&x, at("packed-without-ending"), &cache, &e), 0);
  check_pattern(&x, bytes, size);
  idx_close(&x);
  assert_int_equal(idx_open(&x, at("plain-with-ending.gz"), &cache, &e), 0);
  check_pattern(&x, bytes, size);
  idx_close(&x);
  free(bytes);
}

/* A gzip file of 200 kB, so that it goes through the cache. */
static uint8_t *write_large_gzip(const char *path, size_t *size)
{
  const uint32_t dims[3] = {200, 32, 32};
  uint8_t *data = noise(200 * 32 * 32), *bytes = idx_bytes(3, dims, data, size);
  write_gzip(path, bytes, *size);
  free(data);
  return bytes;
}

static int count_cached(char *last)
{
  int n = 0;
  char command[1200], line[160];
  snprintf(command, sizeof command, "ls -A '%s' | grep -v '\\.txt$'", cache.folder);
  FILE *list = popen(command, "r");
  assert_non_null(list);
  while (fgets(line, sizeof line, list)) {
    line[strcspn(line, "\n")] = 0;
    if (last) snprintf(last, 1200, "%s/%s", cache.folder, line);
    n++;
  }
  pclose(list);
  return n;
}

static void idx_gzip_is_unpacked_once_and_then_found(void **state)
{
  (void)state;
  size_t size;
  struct idx x;
  struct error e;
  struct stat before, after;
  char cached[1200];
  uint8_t *bytes = write_large_gzip(at("a.gz"), &size);
  assert_int_equal(idx_open(&x, at("a.gz"), &cache, &e), 0);
  idx_close(&x);
  assert_int_equal(count_cached(cached), 1);
  assert_int_equal(stat(cached, &before), 0);
  assert_int_equal(before.st_size, size);
  assert_int_equal(idx_open(&x, at("a.gz"), &cache, &e), 0);
  check_pattern(&x, bytes, size);
  idx_close(&x);
  assert_int_equal(stat(cached, &after), 0);
  assert_int_equal(before.st_ino, after.st_ino);
  free(bytes);
}

static void cache_that_was_cut_or_changed_is_made_again(void **state)
{
  (void)state;
  size_t size;
  struct idx x;
  struct error e;
  char cached[1200], text[1300];
  uint8_t *bytes = write_large_gzip(at("a.gz"), &size);
  assert_int_equal(idx_open(&x, at("a.gz"), &cache, &e), 0);
  idx_close(&x);
  assert_int_equal(count_cached(cached), 1);
  snprintf(text, sizeof text, "%s.txt", cached);
  alarm(300); /* what waits for a pipe waits for ever */
  for (int damage = 0; damage < 7; damage++) {
    int fd;
    switch (damage) {
    case 0: /* cut off */
      assert_int_equal(truncate(cached, 1000), 0);
      break;
    case 1: /* cut off and filled with zeros, as a crash may leave it */
      assert_int_equal(truncate(cached, 1000), 0);
      assert_int_equal(truncate(cached, (off_t)size), 0);
      break;
    case 2: /* one bit */
      fd = open(cached, O_RDWR);
      assert_true(fd >= 0);
      assert_int_equal(pwrite(fd, "\x55", 1, 5000), 1);
      close(fd);
      break;
    case 3: /* no text */
      assert_int_equal(unlink(text), 0);
      break;
    case 4: /* a text that is cut off */
      assert_int_equal(truncate(text, 20), 0);
      break;
    case 5: /* a pipe */
      assert_int_equal(unlink(text), 0);
      assert_int_equal(mkfifo(text, 0600), 0);
      struct cache_entry *entries;
      int n;
      assert_int_equal(data_cache_list(&cache, &entries, &n, &e), 0);
      free(entries);
      break;
    default: /* empty */
      assert_int_equal(truncate(cached, 0), 0);
    }
    assert_int_equal(idx_open(&x, at("a.gz"), &cache, &e), 0);
    check_pattern(&x, bytes, size);
    idx_close(&x);
    struct stat st;
    assert_int_equal(stat(cached, &st), 0); /* and it is whole again */
    assert_int_equal(st.st_size, size);
  }
  alarm(0);
  free(bytes);
}

static void changed_file_replaces_its_older_state_in_the_cache(void **state)
{
  (void)state;
  size_t size;
  struct idx x;
  struct error e;
  free(write_large_gzip(at("a.gz"), &size));
  assert_int_equal(idx_open(&x, at("a.gz"), &cache, &e), 0);
  idx_close(&x);
  const uint32_t dims[2] = {400, 999};
  uint8_t *data = noise(400 * 999), *bytes = idx_bytes(2, dims, data, &size);
  write_gzip(at("a.gz"), bytes, size);
  assert_int_equal(idx_open(&x, at("a.gz"), &cache, &e), 0);
  check_pattern(&x, bytes, size);
  idx_close(&x);
  assert_int_equal(count_cached(NULL), 1);
  free(bytes);
  free(data);
}

static void cache_that_cannot_be_written_is_done_without(void **state)
{
  (void)state;
  size_t size;
  struct idx x;
  struct error e;
  struct data_cache none;
  uint8_t *bytes = write_large_gzip(at("a.gz"), &size);
  write_file(at("file"), "x", 1);
  const char *folders[] = {at("file/sub"), at("file"), "/proc/gsos", "/dev/null"};
  for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
    data_cache_open(&none, folders[i]);
    assert_string_equal(none.folder, "");
    assert_true(none.why[0] != 0);
    assert_int_equal(idx_open(&x, at("a.gz"), &none, &e), 0);
    check_pattern(&x, bytes, size);
    idx_close(&x);
  }
  free(bytes);
}

/* A file-size limit is a full disk that a test can have: reserving the file's room fails. */
static void full_disk_falls_back_to_memory(void **state)
{
  (void)state;
  size_t size;
  uint8_t *bytes = write_large_gzip(at("a.gz"), &size);
  fflush(NULL);
  pid_t child = fork();
  if (child == 0) {
    struct rlimit limit = {50000, 50000};
    struct idx x;
    struct error e;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &limit);
    int code = idx_open(&x, at("a.gz"), &cache, &e);
    bool same = code == 0 && x.count == (int64_t)size - 16 && memcmp(x.data, bytes + 16, size - 16) == 0;
    _exit(same ? 0 : 1);
  }
  int status;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  assert_int_equal(count_cached(NULL), 0); /* nothing half-made is left */
  free(bytes);
}

static void processes_at_once_all_get_whole_data(void **state)
{
  (void)state;
  enum { CHILDREN = 6 };
  size_t size;
  uint8_t *bytes = write_large_gzip(at("a.gz"), &size);
  const char *path = at("a.gz");
  pid_t children[CHILDREN];
  fflush(NULL);
  for (int c = 0; c < CHILDREN; c++) {
    children[c] = fork();
    if (children[c] != 0) continue;
    for (int i = 0; i < 20; i++) {
      struct idx x;
      struct error e;
      char name[1200];
      if (idx_open(&x, path, &cache, &e) || memcmp(x.data, bytes + 16, size - 16) != 0) _exit(1);
      if (i % 4 == c % 4 && count_cached(name) > 0 && name[0]) unlink(name); /* keep them making it again */
      if (memcmp(x.data, bytes + 16, size - 16) != 0) _exit(2);
      idx_close(&x);
    }
    _exit(0);
  }
  for (int c = 0; c < CHILDREN; c++) {
    int status;
    assert_int_equal(waitpid(children[c], &status, 0), children[c]);
    assert_int_equal(status, 0);
  }
  free(bytes);
}

/* -------------------------------------------------------------------------------- hostile files */

/* Opening `path` fails with a message that names the file and says `says`. */
static void refuses(const char *path, int code, const char *says)
{
  struct idx x;
  struct error e = {0};
  assert_int_equal(idx_open(&x, path, &cache, &e), code);
  assert_null(x.block.bytes);
  assert_says(e.message, strrchr(path, '/') + 1);
  assert_says(e.message, says);
}

static void refuses_bytes(const char *name, const void *bytes, size_t size, const char *says)
{
  write_file(at("%s", name), bytes, size);
  refuses(at("%s", name), ERROR_FAILED, says);
}

static void hostile_headers_are_refused(void **state)
{
  (void)state;
  uint8_t file[800] = {0};
  refuses_bytes("empty", file, 0, "is empty");
  refuses_bytes("three-bytes", file, 3, "is not an IDX file");
  refuses_bytes("text", "hello, world", 12, "is not an IDX file");
  refuses_bytes("floats", "\0\0\x0d\1\0\0\0\4AAAABBBBCCCCDDDD", 24, "holds floats");
  refuses_bytes("signed", "\0\0\x09\1\0\0\0\4AAAA", 12, "holds signed bytes");
  refuses_bytes("no-type", "\0\0\x77\1\0\0\0\4AAAA", 12, "no IDX type");
  refuses_bytes("no-dimensions", "\0\0\x08\0", 4, "has 0 dimensions");
  refuses_bytes("many-dimensions", "\0\0\x08\xff", 4, "has 255 dimensions");
  refuses_bytes("half-a-header", "\0\0\x08\3\0\0\0\1\0\0", 10, "cut off in its header");
  refuses_bytes("nothing", "\0\0\x08\3\0\0\0\0\0\0\0\x1c\0\0\0\x1c", 16, "holds nothing");
  memcpy(file, "\0\0\x08\3\xff\xff\xff\xfb\0\0\0\x1c\0\0\0\x1c", 16);
  refuses_bytes("negative", file, sizeof file, "negative (-5)");
  memcpy(file + 4, "\x7f\xff\xff\xff", 4);
  refuses_bytes("huge", file, sizeof file, "promises 1683627179264 bytes, the file has 800");
  memcpy(file + 4, "\0\1\0\0\0\1\0\0\0\1\0\0", 12);
  refuses_bytes("product", file, sizeof file, "promises 281474976710672 bytes");
  memcpy(file, "\0\0\x08\4\x7f\xff\xff\xff\x7f\xff\xff\xff\x7f\xff\xff\xff\x7f\xff\xff\xff", 20);
  refuses_bytes("overflow", file, sizeof file, "multiply to more than");
  memcpy(file, "\0\0\x08\3\0\0\0\1\0\0\0\x1c\0\0\0\x1c", 16);
  refuses_bytes("one-byte-short", file, 799, "is cut off: its header promises 800 bytes, the file has 799");
  uint8_t longer[801] = {0};
  memcpy(longer, file, 800);
  refuses_bytes("one-byte-more", longer, 801, "has 1 byte more than its header promises");
}

static void hostile_gzip_is_refused(void **state)
{
  (void)state;
  const uint32_t dims[3] = {100, 28, 28};
  size_t size, packed;
  uint8_t *data = noise(100 * 28 * 28), *bytes = idx_bytes(3, dims, data, &size);
  write_gzip(at("good.gz"), bytes, size);
  uint8_t *gz = read_file(at("good.gz"), &packed);
  refuses_bytes("half.gz", gz, packed / 2, "is cut off: the gzip data ends after");
  refuses_bytes("no-end.gz", gz, packed - 4, "is cut off");
  refuses_bytes("header.gz", gz, 5, "is cut off");
  gz[packed / 2] ^= 0x55;
  write_file(at("damaged.gz"), gz, packed);
  struct idx x;
  struct error e;
  assert_int_equal(idx_open(&x, at("damaged.gz"), &cache, &e), ERROR_FAILED);
  gz[packed / 2] ^= 0x55;
  gz[packed - 6] ^= 1; /* the CRC */
  refuses_bytes("checksum.gz", gz, packed, "damaged");
  free(gz);

  write_gzip(at("more.gz"), bytes, size); /* then a second member: it unpacks to more than the header says */
  FILE *out = fopen(at("more.gz"), "ab");
  gz = read_file(at("good.gz"), &packed);
  fwrite(gz, 1, packed, out);
  fclose(out);
  refuses(at("more.gz"), ERROR_FAILED, "unpacks to more than the 78416 bytes");

  write_gzip(at("less.gz"), bytes, size - 1);
  refuses(at("less.gz"), ERROR_FAILED, "is cut off: its header promises 78416 bytes, it unpacks to 78415");
  write_gzip(at("text.gz"), "hello", 5);
  refuses(at("text.gz"), ERROR_FAILED, "is not an IDX file");
  write_gzip(at("nothing.gz"), "", 0);
  refuses(at("nothing.gz"), ERROR_FAILED, "is empty");
  assert_int_equal(count_cached(NULL), 0);
  free(gz);
  free(bytes);
  free(data);
}

/* A small gzip file whose header promises a terabyte: refused before a byte is reserved. */
static void gzip_that_promises_more_than_gzip_can_hold_is_refused_at_once(void **state)
{
  (void)state;
  uint8_t zeros[4096] = {0};
  memcpy(zeros, "\0\0\x08\3\x00\x10\0\0\0\0\4\0\0\0\4\0", 16);
  write_gzip(at("terabyte.gz"), zeros, sizeof zeros);
  refuses(at("terabyte.gz"), ERROR_FAILED, "more than");
  assert_int_equal(count_cached(NULL), 0);
}

static void what_is_no_file_is_refused_and_never_waited_for(void **state)
{
  (void)state;
  assert_int_equal(mkfifo(at("pipe"), 0600), 0);
  assert_int_equal(mkdir(at("folder"), 0700), 0);
  assert_int_equal(symlink("loop", at("loop")), 0);
  assert_int_equal(symlink("/dev/zero", at("device")), 0);
  alarm(200);
  refuses(at("pipe"), ERROR_CONFIG, "a pipe");
  refuses(at("folder"), ERROR_CONFIG, "a folder");
  refuses(at("device"), ERROR_CONFIG, "a device");
  refuses(at("loop"), ERROR_CONFIG, "cannot open");
  refuses(at("missing"), ERROR_CONFIG, "cannot open");
  alarm(0);
}

/* A few hundred files with bytes changed, cut or added: read or refused, nothing else. */
static void mutated_files_never_crash(void **state)
{
  (void)state;
  const uint32_t dims[3] = {4, 5, 6};
  size_t sizes[2];
  uint32_t x = 12345;
  uint8_t *originals[2];
  originals[0] = idx_bytes(3, dims, NULL, &sizes[0]);
  write_gzip(at("seed.gz"), originals[0], sizes[0]);
  originals[1] = read_file(at("seed.gz"), &sizes[1]);
  int refused = 0;
  for (int i = 0; i < 600; i++) {
    int kind = i % 2;
    uint8_t bytes[512];
    size_t size = sizes[kind];
    memcpy(bytes, originals[kind], size);
    for (int flips = 1 + i % 4; flips--;) {
      x = x * 1664525u + 1013904223u;
      bytes[(x >> 8) % (i % 3 ? 20 : size)] ^= (uint8_t)(1 << (x >> 29));
    }
    if (i % 7 == 0) size = (x >> 8) % size;
    write_file(at("mutant"), bytes, size);
    struct idx idx;
    struct error e;
    int code = idx_open(&idx, at("mutant"), &cache, &e);
    assert_true(code == 0 || code == ERROR_FAILED);
    if (code) {
      refused++;
      continue;
    }
    volatile uint8_t sum = 0;
    for (int64_t k = 0; k < idx.count; k++) sum = (uint8_t)(sum + idx.data[k]);
    idx_close(&idx);
  }
  assert_true(refused > 300);
  free(originals[0]);
  free(originals[1]);
}

/* ---------------------------------------------------------------------------------- small parts */

static void header_is_written_as_it_is_read(void **state)
{
  (void)state;
  uint8_t bytes[20];
  const int32_t dims[4] = {70000, 28, 1, 2147483647};
  struct idx x;
  int header_bytes;
  struct error e;
  assert_int_equal(idx_header_write(bytes, 4, dims), 20);
  assert_int_equal(idx_header_read(&x, &header_bytes, bytes, 20, &e), 0);
  assert_int_equal(header_bytes, 20);
  for (int d = 0; d < 4; d++) assert_int_equal(x.dims[d], dims[d]);
}

static void hash_depends_on_every_byte_and_on_the_size(void **state)
{
  (void)state;
  uint8_t bytes[100];
  for (int i = 0; i < 100; i++) bytes[i] = (uint8_t)(i * 37);
  uint64_t whole = data_hash(0, bytes, sizeof bytes);
  assert_true(data_hash(1, bytes, sizeof bytes) != whole);
  for (size_t i = 0; i < sizeof bytes; i++) {
    for (int bit = 0; bit < 8; bit++) {
      bytes[i] ^= (uint8_t)(1 << bit);
      assert_true(data_hash(0, bytes, sizeof bytes) != whole);
      bytes[i] ^= (uint8_t)(1 << bit);
    }
    assert_true(data_hash(0, bytes, i) != whole);
  }
  uint8_t zeros[64] = {0};
  assert_true(data_hash(0, zeros, 33) != data_hash(0, zeros, 34)); /* padding is not data */
}

static void names_are_escaped_for_messages(void **state)
{
  (void)state;
  char out[64], small[16];
  assert_string_equal(text_escape(out, sizeof out, "a b'c\"d"), "a b'c\"d");
  assert_string_equal(text_escape(out, sizeof out, "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\x88"),
                      "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\x88");
  assert_string_equal(text_escape(out, sizeof out, "a\nb\x1b[31m\x7f"), "a\\x0ab\\x1b[31m\\x7f");
  assert_string_equal(text_escape(out, sizeof out, "back\\slash"), "back\\x5cslash");
  assert_string_equal(text_escape(out, sizeof out, "\xff\xc3"), "\\xff\\xc3");
  assert_string_equal(text_escape(out, sizeof out, "\xc0\xaf\xed\xa0\x80"),
                      "\\xc0\\xaf\\xed\\xa0\\x80");                            /* overlong, surrogate */
  assert_string_equal(text_escape(out, sizeof out, "\xc2\x9b"), "\\xc2\\x9b"); /* a C1 control */
  assert_string_equal(text_escape(small, sizeof small, "0123456789abcdefghij"), "0123456789ab...");
  static const char *const unseen[] = {"\xc2\xa0",                                        /* no-break space */
                                       "\xc2\xad",                                        /* soft hyphen */
                                       "\xe1\x85\xa0", "\xe2\x80\x8b",                    /* zero-width space */
                                       "\xe2\x80\x8f",                                    /* right-to-left mark */
                                       "\xe2\x80\xae",                                    /* right-to-left override */
                                       "\xe2\x81\xa6", "\xe3\x80\x80",    "\xef\xbb\xbf", /* byte order mark */
                                       "\xef\xb8\x8f", "\xf3\xa0\x80\xa0"};
  for (size_t i = 0; i < sizeof unseen / sizeof *unseen; i++) {
    char name[16], want[40];
    size_t n = (size_t)snprintf(want, sizeof want, "ab");
    for (const char *c = unseen[i]; *c; c++) n += (size_t)sprintf(want + n, "\\x%02x", (unsigned char)*c);
    snprintf(name, sizeof name, "ab%s", unseen[i]);
    assert_string_equal(text_escape(out, sizeof out, name), want);
    assert_int_equal(text_invisible(name), 2);
  }
  assert_true(text_invisible("caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\x88 \xd7\xa2\xd7\x91 \xff") == SIZE_MAX);
  assert_string_equal(text_escape(out, sizeof out, "\xd7\xa2\xd7\x91"),
                      "\xd7\xa2\xd7\x91"); /* letters, though from right to left */
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(idx_plain_and_gzip_give_the_same_bytes, set_up, folder_remove),
      cmocka_unit_test_setup_teardown(idx_gzip_is_told_by_content_not_by_name, set_up, folder_remove),
      cmocka_unit_test_setup_teardown(idx_gzip_is_unpacked_once_and_then_found, set_up, folder_remove),
      cmocka_unit_test_setup_teardown(cache_that_was_cut_or_changed_is_made_again, set_up, folder_remove),
      cmocka_unit_test_setup_teardown(changed_file_replaces_its_older_state_in_the_cache, set_up, folder_remove),
      cmocka_unit_test_setup_teardown(cache_that_cannot_be_written_is_done_without, set_up, folder_remove),
      cmocka_unit_test_setup_teardown(full_disk_falls_back_to_memory, set_up, folder_remove),
      cmocka_unit_test_setup_teardown(processes_at_once_all_get_whole_data, set_up, folder_remove),
      cmocka_unit_test_setup_teardown(hostile_headers_are_refused, set_up, folder_remove),
      cmocka_unit_test_setup_teardown(hostile_gzip_is_refused, set_up, folder_remove),
      cmocka_unit_test_setup_teardown(gzip_that_promises_more_than_gzip_can_hold_is_refused_at_once, set_up,
                                      folder_remove),
      cmocka_unit_test_setup_teardown(what_is_no_file_is_refused_and_never_waited_for, set_up, folder_remove),
      cmocka_unit_test_setup_teardown(mutated_files_never_crash, set_up, folder_remove),
      cmocka_unit_test(header_is_written_as_it_is_read),
      cmocka_unit_test(hash_depends_on_every_byte_and_on_the_size),
      cmocka_unit_test(names_are_escaped_for_messages),
  };
  return cmocka_run_group_tests_name("idx", tests, NULL, NULL);
}
