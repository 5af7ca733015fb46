/* Regular files alone are opened, and nothing else makes anybody wait. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "host/base/file_open.h"
#include "host/base/file_replace.h"
#include "host/base/file_same.h"
#include "tests/unit/base/root_fixture.h"

static void make_socket(const char *path)
{
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  int s = socket(AF_UNIX, SOCK_STREAM, 0);
  assert_true(s >= 0);
  snprintf(address.sun_path, sizeof address.sun_path, "%.100s", path);
  assert_int_equal(bind(s, (struct sockaddr *)&address, sizeof address), 0);
  close(s);
}

static void refused(const char *path)
{
  static const int flags[] = {O_RDONLY, O_WRONLY | O_CREAT | O_TRUNC, O_RDWR | O_CREAT};
  struct error e = {0};
  for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
    errno = 0;
    assert_int_equal(file_open(path, flags[i]), -1);
    assert_int_equal(errno, ENXIO);
  }
  assert_null(file_open_to_read(path));
  assert_int_equal(file_open_failed(&e, path, "cannot be read"), ERROR_FAILED);
  assert_non_null(strstr(e.message, path));
  assert_non_null(strstr(e.message, ": cannot be read: it is no regular file"));
}

static void what_is_no_regular_file_is_not_opened(void **state)
{
  (void)state;
  assert_int_equal(mkfifo(at("pipe"), 0600), 0);
  refused(at("pipe"));
  assert_int_equal(symlink("pipe", at("link")), 0);
  refused(at("link"));
  make_socket(at("socket"));
  refused(at("socket"));
  refused("/dev/null");
  refused(root);
}

static void a_file_is_read_and_made(void **state)
{
  char text[10] = "";
  struct error e = {0};
  (void)state;
  int fd = file_open(at("a"), O_WRONLY | O_CREAT | O_TRUNC);
  assert_true(fd >= 0);
  assert_int_equal(write(fd, "text", 4), 4);
  assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
  close(fd);
  FILE *in = file_open_to_read(at("a"));
  assert_non_null(in);
  assert_int_equal(fread(text, 1, sizeof text - 1, in), 4);
  fclose(in);
  assert_string_equal(text, "text");
  assert_null(file_open_to_read(at("none")));
  assert_int_equal(errno, ENOENT);
  file_open_failed(&e, at("none"), "cannot be read");
  assert_non_null(strstr(e.message, "none: cannot be read: No such file or directory"));
}

static void a_pipe_under_the_temporary_name_is_told(void **state)
{
  struct error e = {0};
  (void)state;
  assert_int_equal(mkfifo(at("out.tmp"), 0600), 0);
  assert_true(file_replace_text(at("out"), "text", &e) < 0);
  assert_non_null(strstr(e.message, "out.tmp: cannot be written: it is no regular file"));
}

/* Whatever a command is told to write to: what a search has found is not written over. */
static void a_database_is_not_written_over(void **state)
{
  struct error e = {0};
  char text[20] = "";
  (void)state;
  FILE *out = fopen(at("study.db"), "wb");
  assert_non_null(out);
  assert_int_equal(fwrite("SQLite format 3\0and more", 1, 24, out), 24);
  fclose(out);
  assert_int_equal(file_replace_text(at("study.db"), "<html>", &e), ERROR_FAILED);
  assert_non_null(strstr(e.message, "study.db: is a database, which holds a search"));
  FILE *in = file_open_to_read(at("study.db"));
  assert_non_null(in);
  assert_int_equal(fread(text, 1, 15, in), 15);
  fclose(in);
  assert_string_equal(text, "SQLite format 3");
  assert_int_equal(file_replace_text(at("short"), "SQLite", &e), 0);
  assert_int_equal(file_replace_text(at("short"), "SQLite", &e), 0);
}

static void two_names_of_one_file_are_known(void **state)
{
  struct error e = {0};
  char a[PATH_MAX], b[PATH_MAX];
  (void)state;
  assert_int_equal(file_replace_text(at("file"), "text", &e), 0);
  assert_int_equal(file_replace_text(at("other"), "text", &e), 0);
  assert_int_equal(symlink("file", at("link")), 0);
  strcpy(a, at("file"));
  strcpy(b, at("second"));
  assert_int_equal(link(a, b), 0);
  assert_true(file_same(a, at("file")));
  assert_true(file_same(a, at("link")));
  assert_true(file_same(a, at("second")));
  assert_true(file_same(a, at("./file")));
  assert_false(file_same(a, at("other")));
  assert_false(file_same(a, at("none")));
  strcpy(a, at("none")); /* what is not there yet: by folder and name */
  assert_true(file_same(a, at("none")));
  assert_true(file_same(a, at(".//none")));
  assert_false(file_same(a, at("nothing")));
  assert_false(file_same(a, at("none/none")));
}

static void what_it_is_has_a_name(void **state)
{
  struct stat st;
  (void)state;
  assert_int_equal(stat(root, &st), 0);
  assert_string_equal(file_kind(&st), "folder");
  assert_int_equal(mkfifo(at("pipe"), 0600), 0);
  assert_int_equal(stat(at("pipe"), &st), 0);
  assert_string_equal(file_kind(&st), "pipe");
  make_socket(at("socket"));
  assert_int_equal(stat(at("socket"), &st), 0);
  assert_string_equal(file_kind(&st), "socket");
  assert_int_equal(stat("/dev/null", &st), 0);
  assert_string_equal(file_kind(&st), "device");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_root, remove_root)
int main(void)
{
  const struct CMUnitTest tests[] = {
      TEST(what_is_no_regular_file_is_not_opened),   TEST(a_file_is_read_and_made),
      TEST(a_pipe_under_the_temporary_name_is_told), TEST(a_database_is_not_written_over),
      TEST(two_names_of_one_file_are_known),         TEST(what_it_is_has_a_name),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
