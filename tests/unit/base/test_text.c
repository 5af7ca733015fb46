/* Text that does not fit is cut between characters, wherever it is shown or kept.  What comes out
 * is read by the C library's own decoder of UTF-8. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <locale.h>

#include "host/objectives/command_protocol.h"
#include "host/base/error.h"
#include "host/base/text_escape.h"
#include "host/base/text_table.h"
#include "host/base/text_wrap.h"

enum { LONG = 6000 };

/* Characters of one to four bytes: a, ×, →, and one beyond 16 bits. */
static const char *const characters[] = {"a", "\u00d7", "\u2192", "\U0001d4ab"};

/* `shift` bytes of ASCII, then the character over and over, up to `bytes`; a new text each time,
 * freed by the caller. */
static char *repeated(const char *character, int shift, size_t bytes)
{
  size_t each = strlen(character), used = (size_t)shift;
  char *text = malloc(bytes + 1);
  memset(text, 'b', used);
  for (; used + each <= bytes; used += each) memcpy(text + used, character, each);
  text[used] = 0;
  return text;
}

static bool is_utf8(const char *text)
{
  return mbstowcs(NULL, text, 0) != (size_t)-1;
}

/* Calls `one` with texts that put the ends of characters at every place. */
static void for_each_text(size_t bytes, void (*one)(const char *text, size_t each))
{
  for (size_t c = 0; c < sizeof characters / sizeof *characters; c++)
    for (int shift = 0; shift < 8; shift++) {
      char *text = repeated(characters[c], shift, bytes);
      assert_true(is_utf8(text));
      one(text, strlen(characters[c]));
      free(text);
    }
}

/* The longest beginning that fits into `room` bytes and cuts no character. */
static size_t longest(const char *text, size_t room)
{
  size_t n = strlen(text) < room ? strlen(text) : room;
  while (((unsigned char)text[n] & 0xc0) == 0x80) n--;
  return n;
}

static void one_format(const char *text, size_t each)
{
  (void)each;
  char out[70];
  for (size_t size = 1; size < sizeof out; size++) {
    memset(out, '!', sizeof out);
    size_t written = text_format(out, size, "%s", text);
    assert_int_equal(written, strlen(out));
    assert_int_equal(written, longest(text, size - 1));
    assert_memory_equal(out, text, written);
    assert_int_equal(text_within(text, size), longest(text, size));
    for (size_t i = size; i < sizeof out; i++) assert_int_equal(out[i], '!');
  }
}

static void what_does_not_fit_is_cut_between_characters(void **state)
{
  (void)state;
  for_each_text(60, one_format);
}

/* What was no UTF-8 before is left as it is. */
static void other_bytes_are_left_alone(void **state)
{
  (void)state;
  char out[8];
  assert_int_equal(text_format(out, sizeof out, "%s", "\x80\x80\x80\x80\x80\x80\x80\x80\x80"), 7);
  assert_int_equal(text_format(out, sizeof out, "%s", "abc\xff"), 4);
  assert_int_equal(text_whole("", 0), 0);
  assert_int_equal(text_whole("\x80", 1), 1);
  assert_int_equal(text_whole("\xc3", 1), 0);
}

static void assert_message(const struct error *e, size_t each)
{
  size_t n = strlen(e->message);
  assert_true(is_utf8(e->message));
  assert_true(n + each >= sizeof e->message - 1); /* no more is lost than a character */
}

static void one_error(const char *text, size_t each)
{
  struct error e = {0};
  error_set(&e, ERROR_FAILED, "%s", text);
  assert_message(&e, each);
  error_set(&e, ERROR_FAILED, "%s", text + strlen(text) - each * 100);
  error_prefix(&e, "%.*s", text_within(text, 1950), text);
  assert_true(is_utf8(e.message));
  assert_non_null(strstr(e.message, ": "));
  error_prefix(&e, "%s", text);
  assert_message(&e, each);
  errno = ENOENT;
  error_errno(&e, "%s", text);
  assert_message(&e, each);
}

static void messages_of_errors_are_whole(void **state)
{
  (void)state;
  for_each_text(LONG, one_error);
}

static void one_report(const char *text, size_t each)
{
  char *out = NULL;
  size_t size;
  FILE *f = open_memstream(&out, &size);
  text_wrapf(f, "  ", "%s", text);
  fclose(f);
  assert_true(is_utf8(out));
  assert_true(size + each >= 4000 - 1);
  free(out);
  f = open_memstream(&out, &size);
  struct text_table *t = text_table_create();
  text_table_column(t, "one", false);
  text_table_cellf(t, "%s", text);
  text_table_print(f, t, 80);
  text_table_destroy(t);
  fclose(f);
  assert_true(is_utf8(out));
  assert_non_null(strstr(out, "..."));
  free(out);
}

static void reports_and_tables_are_whole(void **state)
{
  (void)state;
  for_each_text(LONG, one_report);
}

/* Characters that are wide, and accents set upon the letter before, as a terminal shows them: also
 * in the locale C, which gsos runs in. */
static void columns_are_those_of_a_terminal(void **state)
{
  (void)state;
  static const char vogel[] = "vo\u0308gel", japanese[] = "\u65e5\u672c\u8a9e";
  char *out = NULL;
  size_t size;
  assert_non_null(setlocale(LC_ALL, "C"));
  assert_int_equal(text_columns("vogel \u00d7"), 7);
  assert_int_equal(text_columns(vogel), 5);
  assert_int_equal(text_columns(japanese), 6);
  assert_int_equal(text_columns("\U0001f600"), 2);
  assert_int_equal(text_columns("\xe6\x97"), 2); /* no character */
  assert_int_equal(text_fitting(japanese, 3), 3);
  assert_int_equal(text_fitting(japanese, 1), 0);
  assert_int_equal(text_fitting(vogel, 2), 4); /* with its accent */
  FILE *f = open_memstream(&out, &size);
  struct text_table *t = text_table_create();
  text_table_column(t, "class", false);
  text_table_column(t, "n", true);
  const char *const names[] = {"seventy", vogel, japanese};
  for (int i = 0; i < 3; i++) {
    text_table_cell(t, names[i]);
    text_table_cell(t, "1");
  }
  text_table_print(f, t, 80);
  text_table_destroy(t);
  fclose(f);
  assert_string_equal(out, "class    n\n"
                           "seventy  1\n"
                           "vo\u0308gel    1\n"
                           "\u65e5\u672c\u8a9e   1\n");
  free(out);
  assert_non_null(setlocale(LC_ALL, "C.UTF-8"));
}

/* What has no room beside or behind something stands below it, whole. */
static void numbers_are_whole_on_a_narrow_terminal(void **state)
{
  (void)state;
  char *out = NULL;
  size_t size;
  FILE *f = open_memstream(&out, &size);
  struct text_table *t = text_table_create();
  text_table_column(t, "strategy", false);
  text_table_column(t, "n", true);
  text_table_column(t, "validation accuracy", true);
  static const char *const cells[] = {"simultaneous", "3", "0.9712 \u00b1 0.0012", "grouped", "12", "0.5"};
  for (int i = 0; i < 6; i++) text_table_cell(t, cells[i]);
  text_table_print(f, t, 20);
  text_table_destroy(t);
  fclose(f);
  assert_string_equal(out, "strategy       n\n"
                           "simultaneous   3\n"
                           "grouped       12\n"
                           "\n"
                           "strategy\n"
                           "       validation\n"
                           "         accuracy\n"
                           "simultaneous\n"
                           "  0.9712 \u00b1 0.0012\n"
                           "grouped\n"
                           "              0.5\n");
  free(out);
  f = open_memstream(&out, &size);
  text_wrap(f, "  of a name that takes nearly all of the eighty columns of a line     ", "0.1234567890123 b");
  text_wrap(f, "  short  ", "0.1234567890123 b");
  text_wrap(f, "  nothing  ", "");
  fclose(f);
  assert_string_equal(out, "  of a name that takes nearly all of the eighty columns of a line\n"
                           "    0.1234567890123 b\n"
                           "  short  0.1234567890123 b\n"
                           "  nothing\n");
  free(out);
}

/* A cut character would be shown as the escapes of its bytes. */
static void one_word(const char *text, size_t each)
{
  (void)each;
  for (size_t size = 40; size <= REASON_MAX; size += size < 60 ? 1 : 110) {
    char out[REASON_MAX];
    for (size_t n = REASON_MAX - 8; n < REASON_MAX + 8; n++) {
      if (longest(text, n) != n) continue; /* such a program said nothing of its own that is broken */
      command_last_lines(text, n, out, size);
      assert_true(is_utf8(out));
      assert_null(strchr(out, '\\'));
    }
  }
}

static void last_words_of_a_program_are_whole(void **state)
{
  (void)state;
  for_each_text(LONG, one_word);
}

static void one_answer(const char *text, size_t each)
{
  (void)each;
  struct answer a;
  command_answer(text, strlen(text), &(struct question){.study = "grouped/0", .line = 1}, &a);
  assert_int_equal(a.kind, ANSWER_NONSENSE);
  assert_true(is_utf8(a.reason));
  assert_null(strchr(a.reason, '\\'));
}

static void answers_that_are_shown_are_whole(void **state)
{
  (void)state;
  for_each_text(LONG, one_answer);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_does_not_fit_is_cut_between_characters),
      cmocka_unit_test(other_bytes_are_left_alone),
      cmocka_unit_test(messages_of_errors_are_whole),
      cmocka_unit_test(reports_and_tables_are_whole),
      cmocka_unit_test(columns_are_those_of_a_terminal),
      cmocka_unit_test(numbers_are_whole_on_a_narrow_terminal),
      cmocka_unit_test(last_words_of_a_program_are_whole),
      cmocka_unit_test(answers_that_are_shown_are_whole),
  };
  if (!setlocale(LC_ALL, "C.UTF-8")) {
    fputs("test_text: there is no locale C.UTF-8\n", stderr);
    return 1;
  }
  return cmocka_run_group_tests(tests, NULL, NULL);
}
