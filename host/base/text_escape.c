/* File names in messages.  A name in a folder is any bytes but '/' and NUL; a message goes to a
 * terminal and into JSON, so it must be UTF-8 without control characters, and two names that differ
 * must look different. */
#include "host/base/text_escape.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* Length of the well-formed, printable UTF-8 character at s, or 0.  Table 3-7 of the Unicode
 * standard: no overlong forms, no surrogates; C1 controls (U+0080..U+009F) count as not
 * printable. */
static int utf8_length(const unsigned char *s)
{
  unsigned char a = s[0];
  if (a >= 0x20 && a < 0x7f) return 1;
  if (a < 0xc2 || a > 0xf4) return 0;
  unsigned char low = 0x80, high = 0xbf;
  if (a == 0xc2) low = 0xa0;
  if (a == 0xe0) low = 0xa0;
  if (a == 0xed) high = 0x9f;
  if (a == 0xf0) low = 0x90;
  if (a == 0xf4) high = 0x8f;
  int n = a < 0xe0 ? 2 : a < 0xf0 ? 3 : 4;
  if (s[1] < low || s[1] > high) return 0;
  for (int i = 2; i < n; i++)
    if (s[i] < 0x80 || s[i] > 0xbf) return 0; /* a NUL ends the loop: nothing is read past it */
  return n;
}

/* Characters that are not seen: spaces of other widths than the plain one, what joins, separates or
 * hides, signs that change the direction of writing, tags, selectors of variants, letters that are
 * empty.  Unicode 15: White_Space and Default_Ignorable_Code_Point but for U+0020, the interlinear
 * marks, the empty pattern of Braille, and noncharacters. */
static bool is_invisible(uint32_t c)
{
  static const struct {
    uint32_t first, last;
  } ranges[] = {{0xa0, 0xa0},       {0xad, 0xad},       {0x34f, 0x34f},     {0x61c, 0x61c},    {0x115f, 0x1160},
                {0x1680, 0x1680},   {0x17b4, 0x17b5},   {0x180b, 0x180f},   {0x2000, 0x200f},  {0x2028, 0x202f},
                {0x205f, 0x206f},   {0x2800, 0x2800},   {0x3000, 0x3000},   {0x3164, 0x3164},  {0xfdd0, 0xfdef},
                {0xfe00, 0xfe0f},   {0xfeff, 0xfeff},   {0xffa0, 0xffa0},   {0xfff0, 0xfffb},  {0xfffe, 0xffff},
                {0x13430, 0x13440}, {0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a}, {0xe0000, 0xe0fff}};
  for (size_t i = 0; i < sizeof ranges / sizeof *ranges && c >= ranges[i].first; i++)
    if (c <= ranges[i].last) return true;
  return (c & 0xfffe) == 0xfffe;
}

static uint32_t code_point(const unsigned char *s, int length)
{
  uint32_t c = length == 1 ? *s : *s & (0x7fu >> length);
  for (int i = 1; i < length; i++) c = c << 6 | (s[i] & 0x3f);
  return c;
}

size_t text_invisible(const char *text)
{
  const unsigned char *s = (const unsigned char *)text;
  for (size_t at = 0; s[at];) {
    int length = utf8_length(s + at);
    if (length > 1 && is_invisible(code_point(s + at, length))) return at;
    at += length ? (size_t)length : 1;
  }
  return SIZE_MAX;
}

/* Is it a character that is seen?  *length out: its bytes, or 0 where it is none. */
static bool is_seen(const unsigned char *s, int *length)
{
  *length = utf8_length(s);
  return *length && !is_invisible(code_point(s, *length));
}

static const char *escape(char *out, size_t size, const char *bytes, bool backslash)
{
  const unsigned char *s = (const unsigned char *)bytes;
  size_t used = 0;
  while (*s) {
    char piece[4 * 4 + 1];
    int length;
    bool seen = is_seen(s, &length);
    int taken = length ? length : 1, n = taken;
    if (seen && !(backslash && *s == '\\'))
      memcpy(piece, s, (size_t)taken);
    else /* all bytes of a character, so that none of it is cut off */
      for (int i = n = 0; i < taken; i++) n += snprintf(piece + n, sizeof piece - (size_t)n, "\\x%02x", s[i]);
    if (used + (size_t)n + 4 > size) { /* room for "..." and the NUL */
      memcpy(out + used, "...", 4);
      return out;
    }
    memcpy(out + used, piece, (size_t)n);
    used += (size_t)n;
    s += taken;
  }
  out[used] = 0;
  return out;
}

const char *text_escape(char *out, size_t size, const char *bytes)
{
  return escape(out, size, bytes, true);
}

const char *text_escape_once(char *out, size_t size, const char *bytes)
{
  bool seen = true;
  int length;
  for (const unsigned char *s = (const unsigned char *)bytes; *s && seen; s += length) seen = is_seen(s, &length);
  return escape(out, size, bytes, !seen);
}

size_t text_whole(const char *text, size_t n)
{
  const unsigned char *s = (const unsigned char *)text;
  for (size_t back = 1; back <= 3 && back <= n; back++) {
    unsigned char c = s[n - back];
    if ((c & 0xc0) == 0x80) continue; /* the character's first byte is further back */
    size_t bytes = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 1;
    return bytes > back ? n - back : n;
  }
  return n;
}

int text_within(const char *text, size_t most)
{
  return (int)text_whole(text, strnlen(text, most));
}

size_t text_vformat(char *text, size_t size, const char *format, va_list arguments)
{
  int n = vsnprintf(text, size, format, arguments);
  if (n < 0) n = 0;
  size_t written = (size_t)n < size ? (size_t)n : text_whole(text, size - 1);
  text[written] = 0;
  return written;
}

size_t text_format(char *text, size_t size, const char *format, ...)
{
  va_list arguments;
  va_start(arguments, format);
  size_t written = text_vformat(text, size, format, arguments);
  va_end(arguments);
  return written;
}
