/* Breaking text into lines of 80 columns, or fewer on a narrow terminal.
 *
 * printf counts bytes; names and the × of shapes are UTF-8, so columns are counted here. */
#include "host/base/text_wrap.h"

#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "host/base/text_escape.h"
#include "host/base/text_utf8.h"

/* Bytes of the first character of text[bytes], and its columns. */
static size_t character(const char *text, size_t bytes, int *columns)
{
  int n = utf8_length(text);
  bool whole = n > 0 && (size_t)n <= bytes;
  *columns = whole ? utf8_columns(text, n) : 1;
  return whole ? (size_t)n : 1;
}

int text_columns_of(const char *text, size_t bytes)
{
  int n = 0, columns;
  for (size_t i = 0; i < bytes; n += columns) i += character(text + i, bytes - i, &columns);
  return n;
}

int text_columns(const char *text)
{
  return text_columns_of(text, strlen(text));
}

size_t text_fitting(const char *text, int columns)
{
  size_t bytes = strlen(text), used = 0;
  while (used < bytes) {
    int taken;
    size_t n = character(text + used, bytes - used, &taken);
    if ((columns -= taken) < 0) break;
    used += n;
  }
  return used;
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

/* A line in the making. */
struct line {
  FILE *out;
  int column; /* where the next character goes */
  int blanks; /* that are owed before it: a line ends without any */
  bool blank; /* nothing stands on it yet */
};

static void line_begin(struct line *l, int indent)
{
  if (!l->blank) fputc('\n', l->out);
  *l = (struct line){l->out, indent, indent, true};
}

static void line_write(struct line *l, const char *text, size_t bytes)
{
  fprintf(l->out, "%*s", l->blanks, "");
  fwrite(text, 1, bytes, l->out);
  *l = (struct line){l->out, l->column + text_columns_of(text, bytes), 0, false};
}

void text_wrap(FILE *out, const char *lead, const char *text)
{
  int indent = text_columns(lead), width = text_width(out);
  int shallow = (int)strspn(lead, " ") + 2; /* where a word goes that has no room behind `lead` */
  size_t seen = strlen(lead);
  while (seen > 0 && lead[seen - 1] == ' ') seen--;
  struct line l = {.out = out, .blank = true};
  if (seen > 0) line_write(&l, lead, seen);
  l.blanks += indent - l.column;
  l.column = indent;
  bool first = true; /* of its line */
  while (*text) {
    size_t bytes = strcspn(text, " \n");
    int columns = text_columns_of(text, bytes);
    if (bytes > 0) {
      if (!first && l.column + 1 + columns > width) {
        line_begin(&l, indent);
        first = true;
      }
      if (!first) l.blanks++, l.column++;
      if (first && l.column + columns > width && shallow + columns <= width && shallow < indent) {
        line_begin(&l, indent = shallow);                        /* a number, say */
      } else if (l.column + columns > width && width > indent) { /* wider than a line */
        bytes = text_fitting(text, width - l.column);
        if (bytes == 0) bytes = character(text, strlen(text), &columns); /* none fits */
      }
      line_write(&l, text, bytes);
      first = false;
      text += bytes;
    }
    if (*text == '\n' && text[1]) {
      line_begin(&l, indent);
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
