/* Bytes that processes send each other: frames, and the fields within them.
 *
 * A frame is a head of WIRE_HEAD bytes and a body.  All numbers are little-endian, a double is its
 * bits, a text or a block its length (32, 64 bits) and its bytes:
 *
 *   magic "gsbx", version u16, type u16, slot u32, call u32, bytes of the body u64
 *
 * What comes from another process may be anything: a frame of another version or longer than
 * WIRE_BODY_MAX is refused, and a field that ends after its body reads as 0 and spoils the body. */
#ifndef GSOS_WIRE_H
#define GSOS_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/base/error.h"

enum { WIRE_VERSION = 1, WIRE_HEAD = 24 };
#define WIRE_BODY_MAX (INT64_C(1) << 40) /* bytes: the state of a trial is below */

/* ---- writing ---- */

/* A body, or several frames, while it grows.  Without memory `failed`, and nothing more is
 * added. */
struct wire_writer {
  unsigned char *bytes; /* malloc'ed */
  size_t n, room;
  bool failed;
};

void wire_put_u16(struct wire_writer *w, uint16_t value);
void wire_put_u32(struct wire_writer *w, uint32_t value);
void wire_put_u64(struct wire_writer *w, uint64_t value);
void wire_put_double(struct wire_writer *w, double value);
void wire_put_bytes(struct wire_writer *w, const void *bytes, size_t n); /* without a length */
void wire_put_text(struct wire_writer *w, const char *text);
void wire_put_block(struct wire_writer *w, const void *block, size_t bytes);
void wire_writer_free(struct wire_writer *w); /* accepts a zero-initialised struct */

struct wire_frame {
  uint16_t type;
  uint32_t slot, call;
  unsigned char *body; /* malloc'ed; NULL where bytes is 0 */
  size_t bytes;
};

/* Head and body of a frame, at the end of what is there; the body stays the caller's. */
void wire_put_frame(struct wire_writer *w, uint16_t type, uint32_t slot, uint32_t call, const struct wire_writer *body);

/* ---- reading ---- */

/* Frames out of bytes that come in pieces of any size. */
struct wire_reader {
  unsigned char *bytes;
  size_t n, room, from;
};

/* ERROR_MACHINE without memory. */
int wire_push(struct wire_reader *r, const void *bytes, size_t n, struct error *e);
/* 1: the next frame, whose body the caller frees; 0: it is not whole yet; ERROR_FAILED: no frame
 * begins here, or it is of another version; ERROR_MACHINE. */
int wire_next(struct wire_reader *r, struct wire_frame *frame, struct error *e);
void wire_reader_free(struct wire_reader *r); /* accepts a zero-initialised struct */

/* The fields of a body, in their order. */
struct wire_fields {
  const unsigned char *bytes;
  size_t n, at;
  bool bad; /* a field was not there, or not what it should be */
};

struct wire_fields wire_fields_of(const struct wire_frame *frame);
uint16_t wire_u16(struct wire_fields *f);
uint32_t wire_u32(struct wire_fields *f);
uint64_t wire_u64(struct wire_fields *f);
double wire_double(struct wire_fields *f);
/* A whole number from `least` to `most`, as 32 bits; `least` where it is another. */
int wire_int(struct wire_fields *f, int least, int most);
/* Into text[size], without bytes that are 0; one that is too long spoils the body. */
void wire_text(struct wire_fields *f, char *text, size_t size);
/* The same, malloc'ed, of at most `most` bytes; NULL where it is spoiled or there is no memory. */
char *wire_text_new(struct wire_fields *f, size_t most);
/* A block where it lies in the body; NULL and 0 where it is spoiled or empty. */
const void *wire_block(struct wire_fields *f, size_t *bytes);
/* Nothing was bad, and nothing is left over. */
bool wire_fields_end(const struct wire_fields *f);

#endif
