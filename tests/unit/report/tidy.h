/* What the tests of reports ask of all that is printed. */
#ifndef GSOS_TESTS_TIDY_H
#define GSOS_TESTS_TIDY_H

#include "host/base/text_wrap.h"
#include "host/store/store_internal.h"

/* Has `printed` this text in it, or not? */
#define assert_says(part)                                                                                              \
  do {                                                                                                                 \
    if (!strstr(printed, part)) fail_msg("no '%s' in:\n%s", part, printed);                                            \
  } while (0)
#define assert_silent_of(part)                                                                                         \
  do {                                                                                                                 \
    if (strstr(printed, part)) fail_msg("'%s' in:\n%s", part, printed);                                                \
  } while (0)

/* Lines of at most `width` columns, printable, without blanks at their end. */
static inline void assert_tidy(const char *printed, int width)
{
  for (const char *line = printed; *line;) {
    size_t n = strcspn(line, "\n");
    char copy[4096];
    assert_true(n < sizeof copy && line[n] == '\n');
    snprintf(copy, sizeof copy, "%.*s", (int)n, line);
    if (text_columns(copy) > width) fail_msg("%d columns: %s\nin:\n%s", text_columns(copy), copy, printed);
    if (n && copy[n - 1] == ' ') fail_msg("a blank at the end of '%s'", copy);
    for (size_t i = 0; i < n; i++)
      if ((unsigned char)copy[i] < 0x20 || copy[i] == 0x7f) fail_msg("byte %d in '%s'", copy[i], copy);
    assert_true(store_utf8(copy));
    line += n + 1;
  }
}

#endif
