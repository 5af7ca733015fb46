/* The JSON header of a safetensors file, scanned with suspicion.
 *
 * A scanner of its own, for the few forms that a header may take, instead of a JSON library: it
 * keeps whole numbers whole beyond 2^53, sees a repeated name as one, and needs no more memory than
 * the names it keeps, whatever a hostile header nests or repeats. */
#include "host/network/safetensors_header.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Table 3-7 of the Unicode standard: no overlong forms, no surrogates. */
int safetensors_utf8_length(const unsigned char *p, size_t left)
{
  unsigned char a = p[0], low = 0x80, high = 0xbf;
  if (a < 0x80) return 1;
  if (a < 0xc2 || a > 0xf4) return 0;
  if (a == 0xe0) low = 0xa0;
  if (a == 0xed) high = 0x9f;
  if (a == 0xf0) low = 0x90;
  if (a == 0xf4) high = 0x8f;
  int n = a < 0xe0 ? 2 : a < 0xf0 ? 3 : 4;
  if (left < (size_t)n || p[1] < low || p[1] > high) return 0;
  for (int i = 2; i < n; i++)
    if (p[i] < 0x80 || p[i] > 0xbf) return 0;
  return n;
}

/* ---- the scanner ----------------------------------------------------------------------------- */

/* Where the scanner stands.  Every function below moves `p` on over what it takes and returns 0, or
 * sets the error with the reason (the file's name is put in front at the end) and returns its
 * code. */
struct scanner {
  const char *start, *p, *end;
  struct error *e;
};

static int wrong(struct scanner *s, const char *what)
{
  return error_set(s->e, ERROR_FAILED, "its header is wrong at byte %td: %s", s->p - s->start + 8, what);
}

static void skip_space(struct scanner *s)
{
  while (s->p < s->end && (*s->p == ' ' || *s->p == '\t' || *s->p == '\n' || *s->p == '\r')) s->p++;
}

/* Takes `c` where it comes next (after white space). */
static bool take(struct scanner *s, char c)
{
  skip_space(s);
  if (s->p >= s->end || *s->p != c) return false;
  s->p++;
  return true;
}

static int expect(struct scanner *s, char c)
{
  char what[32];
  if (take(s, c)) return 0;
  snprintf(what, sizeof what, "'%c' is missing", c);
  return wrong(s, what);
}

static int hex4(const char *p, const char *end)
{
  int value = 0;
  if (end - p < 4) return -1;
  for (int i = 0; i < 4; i++) {
    char c = p[i];
    int digit = c >= '0' && c <= '9'   ? c - '0'
                : c >= 'a' && c <= 'f' ? c - 'a' + 10
                : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                       : -1;
    if (digit < 0) return -1;
    value = value * 16 + digit;
  }
  return value;
}

static char *utf8_put(char *out, uint32_t c)
{
  if (c < 0x80) {
    *out++ = (char)c;
  } else if (c < 0x800) {
    *out++ = (char)(0xc0 | c >> 6);
    *out++ = (char)(0x80 | (c & 0x3f));
  } else if (c < 0x10000) {
    *out++ = (char)(0xe0 | c >> 12);
    *out++ = (char)(0x80 | (c >> 6 & 0x3f));
    *out++ = (char)(0x80 | (c & 0x3f));
  } else {
    *out++ = (char)(0xf0 | c >> 18);
    *out++ = (char)(0x80 | (c >> 12 & 0x3f));
    *out++ = (char)(0x80 | (c >> 6 & 0x3f));
    *out++ = (char)(0x80 | (c & 0x3f));
  }
  return out;
}

/* The escape at s->p, behind its backslash. */
static int scan_escape(struct scanner *s, char **out)
{
  static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
  if (s->p >= s->end) return wrong(s, "a string does not end");
  const char *simple = *s->p ? strchr(names, *s->p) : NULL;
  if (simple) {
    *(*out)++ = values[simple - names];
    s->p++;
    return 0;
  }
  if (*s->p != 'u') return wrong(s, "an escape in a string is none of JSON's");
  int c = hex4(s->p + 1, s->end);
  if (c < 0) return wrong(s, "\\u is not followed by four hexadecimal digits");
  if (c == 0) return wrong(s, "a string holds a zero character");
  s->p += 5;
  if (c >= 0xd800 && c < 0xe000) {
    int low = c < 0xdc00 && s->end - s->p >= 2 && s->p[0] == '\\' && s->p[1] == 'u' ? hex4(s->p + 2, s->end) : -1;
    if (low < 0xdc00 || low > 0xdfff) return wrong(s, "half of a surrogate pair stands alone");
    s->p += 6;
    c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
  }
  *out = utf8_put(*out, (uint32_t)c);
  return 0;
}

/* A string, decoded, malloc'ed. */
static int scan_string(struct scanner *s, char **text)
{
  *text = NULL;
  if (!take(s, '"')) return wrong(s, "a string is missing");
  const char *close = s->p; /* the closing quote, to know how much room is enough: no escape grows when decoded */
  while (close < s->end && *close != '"') close += *close == '\\' ? 2 : 1;
  if (close >= s->end) return wrong(s, "a string does not end");
  char *out = malloc((size_t)(close - s->p) + 1);
  if (!out) return error_set(s->e, ERROR_MACHINE, "no memory for its header");
  *text = out;
  while (s->p < close) {
    unsigned char c = (unsigned char)*s->p;
    int n = safetensors_utf8_length((const unsigned char *)s->p, (size_t)(close - s->p));
    int code = 0;
    if (c == '\\') {
      s->p++;
      code = scan_escape(s, &out);
    } else if (c < 0x20) {
      code = wrong(s, "a control character in a string is not escaped");
    } else if (n == 0) {
      code = wrong(s, "a string is not UTF-8");
    } else {
      memcpy(out, s->p, (size_t)n);
      out += n;
      s->p += n;
    }
    if (code) {
      free(*text);
      *text = NULL;
      return code;
    }
  }
  *out = 0;
  s->p = close + 1;
  return 0;
}

/* A whole number 0 ... 2^63 - 1. */
static int scan_number(struct scanner *s, int64_t *value)
{
  skip_space(s);
  const char *first = s->p;
  *value = 0;
  while (s->p < s->end && *s->p >= '0' && *s->p <= '9') {
    if (__builtin_mul_overflow(*value, 10, value) || __builtin_add_overflow(*value, *s->p - '0', value))
      return wrong(s, "a number is too large");
    s->p++;
  }
  if (s->p == first) return wrong(s, "a whole number, 0 or more, is missing");
  if (*first == '0' && s->p - first > 1) return wrong(s, "a number begins with 0");
  if (s->p < s->end && (*s->p == '.' || *s->p == 'e' || *s->p == 'E')) return wrong(s, "a number is not whole");
  return 0;
}

/* A list of at most `max` whole numbers. */
static int scan_numbers(struct scanner *s, int64_t *values, int max, int *n, const char *too_many)
{
  *n = 0;
  if (expect(s, '[')) return s->e->code;
  if (take(s, ']')) return 0;
  do {
    if (*n == max) return wrong(s, too_many);
    if (scan_number(s, &values[(*n)++])) return s->e->code;
  } while (take(s, ','));
  return expect(s, ']');
}

/* ---- the header ------------------------------------------------------------------------------ */

/* Doubles an array whose elements have `size` bytes when it is full. */
static int grow(struct scanner *s, void *array, int n, int *capacity, size_t size)
{
  if (n < *capacity) return 0;
  int more = *capacity ? 2 * *capacity : 32;
  void *grown = realloc(*(void **)array, (size_t)more * size);
  if (!grown) return error_set(s->e, ERROR_MACHINE, "no memory for its header");
  *(void **)array = grown;
  *capacity = more;
  return 0;
}

static int scan_metadata(struct scanner *s, struct header *h)
{
  if (expect(s, '{')) return s->e->code;
  if (take(s, '}')) return 0;
  do {
    if (h->n_metadata == METADATA_MAX) return wrong(s, "more than 4,096 metadata keys");
    if (grow(s, &h->metadata, h->n_metadata, &h->metadata_capacity, sizeof *h->metadata)) return s->e->code;
    char **pair = h->metadata[h->n_metadata];
    pair[1] = NULL;
    if (scan_string(s, &pair[0])) return s->e->code;
    h->n_metadata++;
    if (expect(s, ':') || scan_string(s, &pair[1])) return s->e->code;
  } while (take(s, ','));
  return expect(s, '}');
}

/* {"dtype": "F32", "shape": [..], "data_offsets": [a, b]}, in any order, each once, and nothing
 * else. */
static int scan_entry(struct scanner *s, struct entry *t)
{
  bool seen[3] = {false, false, false};
  if (expect(s, '{')) return s->e->code;
  do {
    char *key = NULL, *dtype = NULL;
    if (scan_string(s, &key)) return s->e->code;
    int which = strcmp(key, "dtype") == 0          ? 0
                : strcmp(key, "shape") == 0        ? 1
                : strcmp(key, "data_offsets") == 0 ? 2
                                                   : -1;
    free(key);
    if (which < 0) return wrong(s, "a tensor has a key other than dtype, shape and data_offsets");
    if (seen[which]) return wrong(s, "a tensor's key is repeated");
    seen[which] = true;
    if (expect(s, ':')) return s->e->code;
    if (which == 0) {
      if (scan_string(s, &dtype)) return s->e->code;
      bool f32 = strcmp(dtype, "F32") == 0;
      free(dtype);
      if (!f32) return wrong(s, "a tensor's dtype is not F32, the only one that is read");
    } else if (which == 1) {
      if (scan_numbers(s, t->t.dims, 8, &t->t.n_dims, "a tensor has more than 8 dimensions")) return s->e->code;
    } else {
      int64_t offsets[2];
      int n;
      if (scan_numbers(s, offsets, 2, &n, "data_offsets has more than two numbers")) return s->e->code;
      if (n != 2) return wrong(s, "data_offsets has fewer than two numbers");
      t->begin = offsets[0];
      t->end = offsets[1];
    }
  } while (take(s, ','));
  if (expect(s, '}')) return s->e->code;
  if (!seen[0] || !seen[1] || !seen[2]) return wrong(s, "a tensor lacks dtype, shape or data_offsets");
  int64_t bytes = 4;
  t->t.count = 1;
  for (int d = 0; d < t->t.n_dims; d++)
    if (__builtin_mul_overflow(t->t.count, t->t.dims[d], &t->t.count)) return wrong(s, "a tensor's shape is too large");
  if (__builtin_mul_overflow(t->t.count, bytes, &bytes)) return wrong(s, "a tensor's shape is too large");
  if (t->end < t->begin || t->end - t->begin != bytes) return wrong(s, "a tensor's data_offsets do not fit its shape");
  return 0;
}

static int scan_tensors(struct scanner *s, struct header *h)
{
  bool metadata_seen = false;
  if (s->p >= s->end || *s->p != '{') return wrong(s, "it does not begin with '{'");
  s->p++;
  if (!take(s, '}')) {
    do {
      char *name = NULL;
      if (scan_string(s, &name)) return s->e->code;
      bool metadata = strcmp(name, "__metadata__") == 0;
      if (!metadata) {
        if (h->n == TENSORS_MAX || strlen(name) >= sizeof h->entries->t.name) {
          int code = wrong(s, h->n == TENSORS_MAX ? "more than 65,536 tensors" : "a name is longer than 127 bytes");
          free(name);
          return code;
        }
        if (grow(s, &h->entries, h->n, &h->capacity, sizeof *h->entries)) {
          free(name);
          return s->e->code;
        }
        struct entry *t = &h->entries[h->n++];
        memset(t, 0, sizeof *t);
        memcpy(t->t.name, name, strlen(name) + 1);
      }
      free(name);
      if (metadata && metadata_seen) return wrong(s, "__metadata__ is repeated");
      metadata_seen |= metadata;
      if (expect(s, ':')) return s->e->code;
      if (metadata ? scan_metadata(s, h) : scan_entry(s, &h->entries[h->n - 1])) return s->e->code;
    } while (take(s, ','));
    if (expect(s, '}')) return s->e->code;
  }
  skip_space(s);
  return s->p == s->end ? 0 : wrong(s, "more follows behind its end");
}

int safetensors_header_scan(struct header *h, const char *text, size_t size, struct error *e)
{
  struct scanner s = {text, text, text + size, e};
  return scan_tensors(&s, h);
}
