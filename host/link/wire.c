/* Frames and fields.  See wire.h. */
#include "host/link/wire.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

static const unsigned char magic[4] = {'g', 's', 'b', 'x'};
enum { READER_KEEPS = 1 << 20 }; /* bytes of an empty reader: the state of a trial is not kept room for */

/* ---- writing --------------------------------------------------------------------------------- */

/* Room for n bytes more. */
static bool grow(unsigned char **bytes, size_t used, size_t *room, size_t n)
{
  if (n > SIZE_MAX / 2 - used) return false;
  if (used + n <= *room) return true;
  size_t wanted = *room ? *room : 256;
  while (wanted < used + n) wanted *= 2;
  unsigned char *larger = realloc(*bytes, wanted);
  if (!larger) return false;
  *bytes = larger;
  *room = wanted;
  return true;
}

void wire_put_bytes(struct wire_writer *w, const void *bytes, size_t n)
{
  if (n == 0 || w->failed) return;
  if (!grow(&w->bytes, w->n, &w->room, n)) {
    w->failed = true;
    return;
  }
  memcpy(w->bytes + w->n, bytes, n);
  w->n += n;
}

static void put_number(struct wire_writer *w, uint64_t value, int bytes)
{
  unsigned char b[8];
  for (int i = 0; i < bytes; i++) b[i] = (unsigned char)(value >> (8 * i));
  wire_put_bytes(w, b, (size_t)bytes);
}

void wire_put_u16(struct wire_writer *w, uint16_t value)
{
  put_number(w, value, 2);
}

void wire_put_u32(struct wire_writer *w, uint32_t value)
{
  put_number(w, value, 4);
}

void wire_put_u64(struct wire_writer *w, uint64_t value)
{
  put_number(w, value, 8);
}

void wire_put_double(struct wire_writer *w, double value)
{
  uint64_t bits;
  memcpy(&bits, &value, sizeof bits);
  put_number(w, bits, 8);
}

void wire_put_text(struct wire_writer *w, const char *text)
{
  size_t n = strlen(text);
  if (n > INT_MAX) {
    w->failed = true;
    return;
  }
  wire_put_u32(w, (uint32_t)n);
  wire_put_bytes(w, text, n);
}

void wire_put_block(struct wire_writer *w, const void *block, size_t bytes)
{
  wire_put_u64(w, bytes);
  wire_put_bytes(w, block, bytes);
}

void wire_writer_free(struct wire_writer *w)
{
  free(w->bytes);
  *w = (struct wire_writer){0};
}

void wire_put_frame(struct wire_writer *w, uint16_t type, uint32_t slot, uint32_t call, const struct wire_writer *body)
{
  wire_put_bytes(w, magic, sizeof magic);
  wire_put_u16(w, WIRE_VERSION);
  wire_put_u16(w, type);
  wire_put_u32(w, slot);
  wire_put_u32(w, call);
  wire_put_u64(w, body ? body->n : 0);
  if (body) wire_put_bytes(w, body->bytes, body->n);
  if (body && body->failed) w->failed = true;
}

/* ---- frames ---------------------------------------------------------------------------------- */

int wire_push(struct wire_reader *r, const void *bytes, size_t n, struct error *e)
{
  if (n == 0) return 0;
  if (r->from > 0) { /* what was read makes room; a whole body is never moved twice */
    memmove(r->bytes, r->bytes + r->from, r->n - r->from);
    r->n -= r->from;
    r->from = 0;
  }
  if (!grow(&r->bytes, r->n, &r->room, n))
    return error_set(e, ERROR_MACHINE, "no memory for %zu bytes of another rank", n);
  memcpy(r->bytes + r->n, bytes, n);
  r->n += n;
  return 0;
}

int wire_next(struct wire_reader *r, struct wire_frame *frame, struct error *e)
{
  struct wire_fields f = {.bytes = r->bytes + r->from, .n = r->n - r->from};
  if (f.n < WIRE_HEAD) return 0;
  bool ours = memcmp(f.bytes, magic, sizeof magic) == 0;
  f.at = sizeof magic;
  int version = wire_u16(&f);
  if (!ours) return error_set(e, ERROR_FAILED, "what another rank sends is no frame of gsos");
  if (version != WIRE_VERSION)
    return error_set(e, ERROR_FAILED, "another rank sends frames of version %d, this gsos reads version %d", version,
                     WIRE_VERSION);
  *frame = (struct wire_frame){0};
  frame->type = wire_u16(&f);
  frame->slot = wire_u32(&f);
  frame->call = wire_u32(&f);
  uint64_t bytes = wire_u64(&f);
  if (bytes > (uint64_t)WIRE_BODY_MAX) return error_set(e, ERROR_FAILED, "another rank sends a frame that has no end");
  if (f.n - WIRE_HEAD < bytes) return 0;
  if (bytes > 0) {
    frame->body = malloc(bytes);
    if (!frame->body) return error_set(e, ERROR_MACHINE, "no memory for %zu bytes of another rank", (size_t)bytes);
    memcpy(frame->body, f.bytes + WIRE_HEAD, bytes);
  }
  frame->bytes = bytes;
  r->from += WIRE_HEAD + bytes;
  if (r->from == r->n && r->room > READER_KEEPS) wire_reader_free(r);
  return 1;
}

void wire_reader_free(struct wire_reader *r)
{
  free(r->bytes);
  *r = (struct wire_reader){0};
}

/* ---- fields ---------------------------------------------------------------------------------- */

struct wire_fields wire_fields_of(const struct wire_frame *frame)
{
  return (struct wire_fields){.bytes = frame->body, .n = frame->bytes};
}

static uint64_t number(struct wire_fields *f, int bytes)
{
  uint64_t value = 0;
  if (f->bad || f->n - f->at < (size_t)bytes) {
    f->bad = true;
    return 0;
  }
  for (int i = 0; i < bytes; i++) value |= (uint64_t)f->bytes[f->at + (size_t)i] << (8 * i);
  f->at += (size_t)bytes;
  return value;
}

uint16_t wire_u16(struct wire_fields *f)
{
  return (uint16_t)number(f, 2);
}

uint32_t wire_u32(struct wire_fields *f)
{
  return (uint32_t)number(f, 4);
}

uint64_t wire_u64(struct wire_fields *f)
{
  return number(f, 8);
}

double wire_double(struct wire_fields *f)
{
  uint64_t bits = number(f, 8);
  double value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

int wire_int(struct wire_fields *f, int least, int most)
{
  int32_t value = (int32_t)wire_u32(f);
  if (value >= least && value <= most) return value;
  f->bad = true;
  return least;
}

/* Where a text of at most `most` bytes lies; NULL where it is spoiled. */
static const char *text_at(struct wire_fields *f, size_t most, size_t *n)
{
  *n = wire_u32(f);
  if (!f->bad && (*n > most || *n > f->n - f->at || (*n > 0 && memchr(f->bytes + f->at, 0, *n)))) f->bad = true;
  if (f->bad) {
    *n = 0;
    return NULL;
  }
  const char *text = *n > 0 ? (const char *)f->bytes + f->at : "";
  f->at += *n;
  return text;
}

void wire_text(struct wire_fields *f, char *text, size_t size)
{
  size_t n;
  const char *from = text_at(f, size - 1, &n);
  if (from) memcpy(text, from, n);
  text[n] = 0;
}

char *wire_text_new(struct wire_fields *f, size_t most)
{
  size_t n;
  const char *from = text_at(f, most, &n);
  char *text = from ? malloc(n + 1) : NULL;
  if (!text) return NULL;
  memcpy(text, from, n);
  text[n] = 0;
  return text;
}

const void *wire_block(struct wire_fields *f, size_t *bytes)
{
  uint64_t n = wire_u64(f);
  *bytes = 0;
  if (!f->bad && n > f->n - f->at) f->bad = true;
  if (f->bad || n == 0) return NULL;
  const void *block = f->bytes + f->at;
  f->at += n;
  *bytes = n;
  return block;
}

bool wire_fields_end(const struct wire_fields *f)
{
  return !f->bad && f->at == f->n;
}
