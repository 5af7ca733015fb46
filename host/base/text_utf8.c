/* UTF-8.  See text_utf8.h. */
#include "host/base/text_utf8.h"

#include <string.h>

int utf8_length(const char *text)
{
  const unsigned char *s = (const unsigned char *)text;
  if (s[0] < 0x80) return s[0] != 0;
  if (s[0] < 0xc2 || s[0] > 0xf4) return 0;
  unsigned char low = s[0] == 0xe0 ? 0xa0 : s[0] == 0xf0 ? 0x90 : 0x80;
  unsigned char high = s[0] == 0xed ? 0x9f : s[0] == 0xf4 ? 0x8f : 0xbf;
  int n = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
  if (s[1] < low || s[1] > high) return 0;
  for (int i = 2; i < n; i++)
    if (s[i] < 0x80 || s[i] > 0xbf) return 0;
  return n;
}

const char *text_utf8(char *out, size_t size, const char *bytes, size_t n)
{
  size_t used = 0, fits = 0; /* fits: bytes of out that leave room for "..." */
  while (n > 0) {
    char next[5] = ""; /* a character at the end of `bytes` may be cut off: nothing is read past it */
    memcpy(next, bytes, n < 4 ? n : 4);
    int length = utf8_length(next), taken = length ? length : 1;
    const char *piece = length ? next : "\xef\xbf\xbd";
    if (!length) length = 3;
    if (used + 4 <= size) fits = used;
    if (used + (size_t)length + 1 > size) {
      memcpy(out + fits, "...", 4);
      return out;
    }
    memcpy(out + used, piece, (size_t)length);
    used += (size_t)length;
    bytes += taken;
    n -= (size_t)taken;
  }
  out[used] = 0;
  return out;
}
