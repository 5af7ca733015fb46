/* File names in messages.  A name in a folder is any bytes but '/' and NUL; a message goes to a terminal and into JSON, so
 * it must be UTF-8 without control characters. */
#include "text_escape.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* Length of the well-formed, printable UTF-8 character at s, or 0.  Table 3-7 of the Unicode standard: no overlong forms,
 * no surrogates; C1 controls (U+0080..U+009F) count as not printable. */
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

const char *text_escape(char *out, size_t size, const char *bytes)
{
  const unsigned char *s = (const unsigned char *)bytes;
  size_t used = 0;
  while (*s) {
    char piece[8];
    int taken = *s == '\\' ? 0 : utf8_length(s), n = taken;
    if (taken)
      memcpy(piece, s, (size_t)taken);
    else
      n = snprintf(piece, sizeof piece, "\\x%02x", *s), taken = 1;
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
