/* Breaking text into lines of 80 columns, or fewer on a narrow terminal.
 *
 * printf counts bytes; names and the × of shapes are UTF-8, so columns are counted here: every byte
 * but a continuation byte begins a character of one column. */
#include "host/base/text_wrap.h"

#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "host/base/text_escape.h"

static bool begins_character(char c)
{
  return ((unsigned char)c & 0xc0) != 0x80;
}

static int columns_of(const char *text, size_t bytes)
{
  int n = 0;
  for (size_t i = 0; i < bytes; i++) n += begins_character(text[i]);
  return n;
}

int text_columns(const char *text)
{
  return columns_of(text, strlen(text));
}

/* Bytes of the first characters of `text` that take at most `columns`. */
static size_t bytes_within(const char *text, size_t bytes, int columns)
{
  size_t i = 0;
  for (int n = 0; i < bytes; i++) {
    if (begins_character(text[i]) && n++ == columns) break;
  }
  return i;
}

int text_screen(FILE *out)
{
  enum { LEAST = 20 };
  struct winsize window;
  int fd = fileno(out);
  if (fd < 0 || !isatty(fd)) return 0;
  if (ioctl(fd, TIOCGWINSZ, &window) != 0 || window.ws_col == 0) return TEXT_COLUMNS;
  return window.ws_col > LEAST ? window.ws_col : LEAST;
}

int text_width(FILE *out)
{
  int screen = text_screen(out);
  return screen > 0 && screen < TEXT_COLUMNS ? screen : TEXT_COLUMNS;
}

void text_wrap(FILE *out, const char *lead, const char *text)
{
  int indent = text_columns(lead), column = indent, width = text_width(out);
  bool first = true; /* of its line */
  fputs(lead, out);
  while (*text) {
    size_t bytes = strcspn(text, " \n");
    int columns = columns_of(text, bytes);
    if (bytes > 0) {
      if (!first && column + 1 + columns > width) {
        fprintf(out, "\n%*s", indent, "");
        column = indent;
        first = true;
      }
      if (!first) fputc(' ', out), column++;
      if (column + columns > width && width > indent) { /* wider than a line */
        bytes = bytes_within(text, bytes, width - column);
        columns = width - column;
      }
      fwrite(text, 1, bytes, out);
      column += columns;
      first = false;
      text += bytes;
    }
    if (*text == '\n' && text[1]) {
      fprintf(out, "\n%*s", indent, "");
      column = indent;
      first = true;
    }
    if (*text == ' ' || *text == '\n') text++;
  }
  fputc('\n', out);
}

void text_wrapf(FILE *out, const char *lead, const char *format, ...)
{
  char text[4000];
  va_list arguments;
  va_start(arguments, format);
  text_vformat(text, sizeof text, format, arguments);
  va_end(arguments);
  text_wrap(out, lead, text);
}

void text_pad(FILE *out, const char *text, int columns)
{
  int left = columns < 0 ? -columns - text_columns(text) : 0, right = columns > 0 ? columns - text_columns(text) : 0;
  fprintf(out, "%*s%s%*s", left > 0 ? left : 0, "", text, right > 0 ? right : 0, "");
}
