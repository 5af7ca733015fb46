/* UTF-8.  See text_utf8.h. */
#include "host/base/text_utf8.h"

#include <locale.h>
#include <pthread.h>
#include <string.h>
#include <wchar.h>

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

/* wcwidth asks the thread's locale, which is C in gsos, and knows ASCII alone. */
static locale_t of_unicode; /* 0: this system has none */

static void make_locale(void)
{
  of_unicode = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
}

int utf8_columns(const char *s, int n)
{
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  static const unsigned char bits[] = {0, 0x7f, 0x1f, 0x0f, 0x07}; /* of the first byte, by n */
  wchar_t character = (unsigned char)s[0] & bits[n];
  if (n < 2) return 1;
  for (int i = 1; i < n; i++) character = character << 6 | (s[i] & 0x3f);
  pthread_once(&once, make_locale);
  if (!of_unicode) return 1;
  locale_t before = uselocale(of_unicode);
  int columns = wcwidth(character);
  uselocale(before);
  return columns < 0 ? 1 : columns;
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
