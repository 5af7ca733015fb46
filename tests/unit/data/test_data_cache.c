/* The cache of unpacked data as its owner sees it: who may read it, what lies in it, what is
 * removed; and what goes on being made. */
#include "tests/unit/data/data_files.h"

#include <fcntl.h>
#include <sys/file.h>
#include <time.h>

#include "host/data/data_cache.h"

static struct data_cache cache;
static struct error error;

static const char *const names[] = {"idx-0123456789abcdef-0000000000000001.idx",
                                    "npz-0123456789abcdef-0000000000000002.npy",
                                    "images-0123456789abcdef-0000000000000003.idx"};

static int set_up(void **state)
{
  if (folder_make(state)) return -1;
  data_cache_open(&cache, at("cache"));
  return 0;
}

/* Makes one of `size` bytes. */
static void make(const char *name, size_t size)
{
  struct cache_file f;
  struct data_block b;
  assert_int_equal(cache_file_create(&f, &cache, name, folder, size, &error), 0);
  memset(f.bytes, 7, size);
  cache_file_commit(&f, size, "", &b);
  data_block_close(&b);
}

static void used_at(const char *name, time_t when)
{
  const struct timespec times[2] = {{when, 0}, {when, 0}};
  assert_int_equal(utimensat(AT_FDCWD, at("cache/%s.txt", name), times, 0), 0);
}

static bool exists(const char *path)
{
  return access(path, F_OK) == 0;
}

static void files_have_the_mode_that_the_umask_gives(void **state)
{
  (void)state;
  static const mode_t masks[] = {022, 077, 007};
  for (size_t i = 0; i < 3; i++) {
    struct stat st;
    mode_t before = umask(masks[i]);
    make(names[i], 100);
    umask(before);
    for (int text = 0; text < 2; text++) {
      assert_int_equal(stat(at("cache/%s%s", names[i], text ? ".txt" : ""), &st), 0);
      assert_int_equal(st.st_mode & 0777, 0666 & ~masks[i]);
    }
  }
}

static void what_lies_there_is_listed_the_last_used_first(void **state)
{
  (void)state;
  struct cache_entry *entries;
  int n;
  char *text;
  struct data_block b;
  assert_int_equal(data_cache_list(&cache, &entries, &n, &error), 0);
  assert_int_equal(n, 0);
  for (int i = 0; i < 3; i++) {
    make(names[i], 100000 * (size_t)(i + 1));
    used_at(names[i], 1000000000 + i);
  }
  write_file(at("cache/images-of-my-cat.idx"), "x", 1); /* the user's own folder may hold anything */
  write_file(at("cache/idx-0123456789abcdef.txt"), "x", 1);
  assert_int_equal(data_cache_list(&cache, &entries, &n, &error), 0);
  assert_int_equal(n, 3);
  for (int i = 0; i < 3; i++) {
    assert_string_equal(entries[i].name, names[2 - i]);
    assert_string_equal(entries[i].from, folder);
    assert_int_equal(entries[i].used, 1000000002 - i);
    assert_true(entries[i].bytes >= 100000 * (3 - i) && entries[i].bytes < 100000 * (3 - i) + 20000);
    assert_false(entries[i].unfinished);
  }
  free(entries);
  assert_true(data_cache_find(&cache, names[0], &b, &text)); /* used now */
  data_block_close(&b);
  free(text);
  assert_int_equal(data_cache_list(&cache, &entries, &n, &error), 0);
  assert_string_equal(entries[0].name, names[0]);
  assert_true(entries[0].used > time(NULL) - 100);
  assert_true(data_cache_remove(&cache, &entries[0]));
  assert_false(exists(at("cache/%s", names[0])) || exists(at("cache/%s.txt", names[0])));
  free(entries);
  assert_true(exists(at("cache/images-of-my-cat.idx")));
}

static void what_is_being_made_is_left_alone(void **state)
{
  (void)state;
  enum { BYTES = 1000, N = 10, PIECE = BYTES / N };
  struct cache_file mine, other;
  struct cache_entry *entries;
  struct data_block b;
  int n;
  assert_int_equal(cache_file_create_pieces(&mine, &cache, names[2], folder, BYTES, N, &error), 0);
  assert_non_null(mine.pieces);
  assert_int_equal(data_cache_list(&cache, &entries, &n, &error), 0);
  assert_int_equal(n, 1);
  assert_true(entries[0].unfinished);
  assert_false(data_cache_remove(&cache, &entries[0]));
  data_cache_clean(&cache, "images-", "images-other");
  assert_true(exists(at("cache/.part-%s", names[2])));
  assert_int_equal(cache_file_create_pieces(&other, &cache, names[2], folder, BYTES, N, &error), 0);
  assert_null(other.pieces); /* who comes second makes it alone */
  cache_file_abort(&other);
  assert_true(exists(at("cache/.part-%s", names[2])));

  memset(mine.bytes, 9, PIECE);
  mine.pieces[0] = cache_piece_hash(mine.bytes, PIECE);
  cache_file_suspend(&mine);
  assert_int_equal(cache_file_create_pieces(&mine, &cache, names[2], folder, BYTES, N, &error), 0);
  assert_true(mine.pieces[0] == cache_piece_hash(mine.bytes, PIECE) && mine.pieces[1] == 0);
  cache_file_commit(&mine, BYTES, "", &b);
  data_block_close(&b);
  assert_false(exists(at("cache/.part-%s", names[2])));
  struct stat st;
  assert_int_equal(stat(at("cache/%s", names[2]), &st), 0);
  assert_int_equal(st.st_size, BYTES); /* without its pieces' hashes */
  free(entries);

  assert_int_equal(cache_file_create_pieces(&mine, &cache, names[2], folder, BYTES, N, &error), 0);
  cache_file_suspend(&mine);
  assert_int_equal(data_cache_list(&cache, &entries, &n, &error), 0);
  assert_int_equal(n, 2);
  assert_true(data_cache_remove(&cache, &entries[entries[1].unfinished]));
  free(entries);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, folder_remove)
  const struct CMUnitTest tests[] = {
      TEST(files_have_the_mode_that_the_umask_gives),
      TEST(what_lies_there_is_listed_the_last_used_first),
      TEST(what_is_being_made_is_left_alone),
  };
  return cmocka_run_group_tests_name("data cache", tests, NULL, NULL);
}
