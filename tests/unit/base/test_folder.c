/* Folders made with all those above them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/base/folder.h"
#include "tests/unit/base/root_fixture.h"

static void folder_is_made_with_all_above_it(void **state)
{
  (void)state;
  struct stat st;
  assert_int_equal(folder_make(at("a/b//c")), 0);
  assert_int_equal(stat(at("a/b/c"), &st), 0);
  assert_true(S_ISDIR(st.st_mode));
  assert_int_equal(folder_make(at("d/e/")), 0);
  assert_int_equal(stat(at("d/e"), &st), 0);
}

static void folder_that_is_there_is_no_error(void **state)
{
  (void)state;
  assert_int_equal(folder_make(at("a")), 0);
  assert_int_equal(folder_make(at("a")), 0);
  assert_int_equal(folder_make("/"), 0);
  assert_int_equal(symlink("a", at("link")), 0);
  assert_int_equal(folder_make(at("link/b")), 0);
  assert_int_equal(folder_make(at("link")), 0);
}

static void what_is_in_the_way_is_told(void **state)
{
  (void)state;
  FILE *f = fopen(at("file"), "w");
  assert_non_null(f);
  fclose(f);
  errno = 0;
  assert_int_equal(folder_make(at("file")), -1);
  assert_int_equal(errno, ENOTDIR);
  errno = 0;
  assert_int_equal(folder_make(at("file/below/it")), -1);
  assert_int_equal(errno, ENOTDIR);
  assert_int_equal(folder_make(""), -1);
  assert_int_equal(errno, ENOENT);
}

static void path_longer_than_any_can_be_is_refused(void **state)
{
  (void)state;
  char path[PATH_MAX + 2];
  memset(path, 'x', sizeof path);
  path[sizeof path - 1] = 0;
  errno = 0;
  assert_int_equal(folder_make(path), -1);
  assert_int_equal(errno, ENAMETOOLONG);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_root, remove_root)
int main(void)
{
  const struct CMUnitTest tests[] = {
      TEST(folder_is_made_with_all_above_it),
      TEST(folder_that_is_there_is_no_error),
      TEST(what_is_in_the_way_is_told),
      TEST(path_longer_than_any_can_be_is_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
