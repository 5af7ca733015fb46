/* Kept states on disk: what was written is read, for the same trial alone; whatever is damaged is
 * refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/store/state_file.h"

static char folder[200], path[300];

static int open_folder(void **state)
{
  (void)state;
  snprintf(folder, sizeof folder, "%s/gsos-state-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
  if (!mkdtemp(folder)) return -1;
  snprintf(path, sizeof path, "%s/a.state", folder);
  return 0;
}

static int close_folder(void **state)
{
  (void)state;
  unlink(path);
  return rmdir(folder); /* fails where a temporary file was left */
}

enum { PARAMS = 3, EPOCHS = 4, BYTES = 1000 };

static const struct state_owner owner = {"quick/grouped/0", "experiment.seed 7\nmodel.filters 8\n", "cpu, avx2"};
static double epoch_values[EPOCHS] = {0.25, NAN, -0.5, 0.125};
static unsigned char block[BYTES];

static struct stored_trial a_trial(void)
{
  return (struct stored_trial){.number = 12,
                               .key = 0x123456789abcdef0,
                               .values = {0.001, 3, 1},
                               .epochs = EPOCHS,
                               .value = 0.125,
                               .loss = 1.5,
                               .seconds = 12.25,
                               .wall_s = 100.5,
                               .flops = 3e12,
                               .images = 4000};
}

static void write_it(void)
{
  struct stored_trial t = a_trial();
  struct kept_state kept = {.values = epoch_values, .n = EPOCHS, .block = block, .bytes = BYTES};
  struct error e = {0};
  for (int i = 0; i < BYTES; i++) block[i] = (unsigned char)(i * 7);
  if (state_file_write(path, &owner, PARAMS, &t, &kept, &e)) fail_msg("%s", e.message);
}

/* Reads it as the state of `trial`. */
static int read_as(const struct state_owner *who, int n_params, struct stored_trial *trial, struct kept_state *kept,
                   struct error *e)
{
  bool found;
  int code = state_file_read(path, who, n_params, trial, kept, &found, e);
  assert_true(found);
  if (code) assert_true(!kept->values && !kept->block);
  return code;
}

static void refused_as(const struct state_owner *who, int n_params, struct stored_trial trial, const char *reason)
{
  struct kept_state kept;
  struct error e = {0};
  assert_int_equal(read_as(who, n_params, &trial, &kept, &e), ERROR_FAILED);
  if (!strstr(e.message, reason)) fail_msg("'%s' does not say '%s'", e.message, reason);
  assert_non_null(strstr(e.message, path));
}

static void what_was_written_is_read(void **state)
{
  const struct stored_trial old = a_trial();
  struct stored_trial t = {.number = 12, .key = old.key, .values = {0.001, 3, 1}};
  struct kept_state kept;
  struct error e = {0};
  (void)state;
  write_it();
  if (read_as(&owner, PARAMS, &t, &kept, &e)) fail_msg("%s", e.message);
  assert_int_equal(t.epochs, old.epochs);
  assert_true(t.value == old.value && t.loss == old.loss && t.seconds == old.seconds && t.wall_s == old.wall_s);
  assert_true(t.flops == old.flops && t.images == old.images);
  assert_int_equal(kept.n, EPOCHS);
  assert_memory_equal(kept.values, epoch_values, sizeof epoch_values);
  assert_int_equal(kept.bytes, BYTES);
  assert_memory_equal(kept.block, block, BYTES);
  kept_state_free(&kept);
}

static void a_trial_within_its_first_epoch_has_no_values(void **state)
{
  struct stored_trial t = a_trial();
  struct kept_state kept = {.block = block, .bytes = 1};
  struct error e = {0};
  (void)state;
  t.epochs = 0;
  t.value = NAN;
  if (state_file_write(path, &owner, PARAMS, &t, &kept, &e)) fail_msg("%s", e.message);
  if (read_as(&owner, PARAMS, &t, &kept, &e)) fail_msg("%s", e.message);
  assert_true(kept.n == 0 && !kept.values && kept.bytes == 1 && isnan(t.value));
  kept_state_free(&kept);
}

static void no_file_is_no_state(void **state)
{
  struct stored_trial t = a_trial();
  struct kept_state kept;
  struct error e = {0};
  bool found = true;
  (void)state;
  unlink(path);
  assert_int_equal(state_file_read(path, &owner, PARAMS, &t, &kept, &found, &e), 0);
  assert_false(found);
}

static void a_state_of_another_trial_is_refused(void **state)
{
  struct state_owner other = owner;
  struct stored_trial t;
  (void)state;
  write_it();
  t = a_trial();
  t.number = 13;
  refused_as(&owner, PARAMS, t, "another trial");
  t = a_trial();
  t.key ^= 1;
  refused_as(&owner, PARAMS, t, "another trial");
  t = a_trial();
  t.values[2] = 0;
  refused_as(&owner, PARAMS, t, "another trial");
  refused_as(&owner, PARAMS - 1, a_trial(), "another trial");
  other.study = "quick/grouped/1";
  refused_as(&other, PARAMS, a_trial(), "another study");
  other = owner;
  other.search = "experiment.seed 7\nmodel.filters 9\n";
  refused_as(&other, PARAMS, a_trial(), "another search");
  other = owner;
  other.depends_on = "cpu, avx512_core";
  refused_as(&other, PARAMS, a_trial(), "another processor");
}

static unsigned char *contents(size_t *size)
{
  struct stat st;
  FILE *f = fopen(path, "rb");
  assert_non_null(f);
  assert_int_equal(fstat(fileno(f), &st), 0);
  *size = (size_t)st.st_size;
  unsigned char *bytes = malloc(*size);
  assert_int_equal(fread(bytes, 1, *size, f), *size);
  fclose(f);
  return bytes;
}

static void put(const unsigned char *bytes, size_t size)
{
  FILE *f = fopen(path, "wb");
  assert_non_null(f);
  assert_int_equal(fwrite(bytes, 1, size, f), size);
  fclose(f);
}

static void every_damaged_bit_is_found(void **state)
{
  struct stored_trial t;
  struct kept_state kept;
  size_t size;
  (void)state;
  write_it();
  unsigned char *bytes = contents(&size);
  for (size_t i = 0; i < size; i++) {
    struct error e = {0};
    bytes[i] ^= (unsigned char)(1 << i % 8);
    put(bytes, size);
    bytes[i] ^= (unsigned char)(1 << i % 8);
    t = a_trial();
    assert_int_equal(read_as(&owner, PARAMS, &t, &kept, &e), ERROR_FAILED);
  }
  for (size_t cut = 0; cut < size; cut++) {
    struct error e = {0};
    put(bytes, cut);
    t = a_trial();
    assert_int_equal(read_as(&owner, PARAMS, &t, &kept, &e), ERROR_FAILED);
  }
  bytes[8]++; /* the version */
  put(bytes, size);
  refused_as(&owner, PARAMS, a_trial(), "is of format 2; this program reads 1");
  put((const unsigned char *)"{\"gsos\": 1}\n", 12);
  refused_as(&owner, PARAMS, a_trial(), "is no state");
  free(bytes);
}

static void a_pipe_is_no_state_and_waits_for_nobody(void **state)
{
  (void)state;
  unlink(path);
  assert_int_equal(mkfifo(path, 0600), 0);
  alarm(120);
  refused_as(&owner, PARAMS, a_trial(), "it is no regular file");
  alarm(0);
  unlink(path);
}

static void a_full_disk_leaves_the_old_file(void **state)
{
  struct rlimit old, small = {.rlim_cur = 100};
  struct stored_trial t = a_trial();
  struct kept_state kept = {.values = epoch_values, .n = EPOCHS, .block = block, .bytes = BYTES};
  struct error e = {0};
  (void)state;
  write_it();
  assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
  small.rlim_max = old.rlim_max;
  assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
  t.epochs = 3;
  int code = state_file_write(path, &owner, PARAMS, &t, &kept, &e);
  assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
  assert_true(code < 0);
  if (read_as(&owner, PARAMS, &t, &kept, &e)) fail_msg("%s", e.message);
  assert_int_equal(t.epochs, EPOCHS);
  kept_state_free(&kept);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_was_written_is_read),
      cmocka_unit_test(a_trial_within_its_first_epoch_has_no_values),
      cmocka_unit_test(no_file_is_no_state),
      cmocka_unit_test(a_state_of_another_trial_is_refused),
      cmocka_unit_test(every_damaged_bit_is_found),
      cmocka_unit_test(a_pipe_is_no_state_and_waits_for_nobody),
      cmocka_unit_test(a_full_disk_leaves_the_old_file),
  };
  signal(SIGXFSZ, SIG_IGN);
  return cmocka_run_group_tests(tests, open_folder, close_folder);
}
