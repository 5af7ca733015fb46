/* Frames and fields between ranks: what is written is read, in pieces of any size; what is damaged
 * is refused, and a field that is not there spoils its body. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "host/link/wire.h"

static void what_is_written_is_read(void **state)
{
  (void)state;
  struct wire_writer w = {0};
  char text[20];
  size_t n;
  wire_put_u16(&w, 0xfedc);
  wire_put_u32(&w, 0x89abcdef);
  wire_put_u64(&w, UINT64_C(0x0123456789abcdef));
  wire_put_double(&w, -0.1);
  wire_put_double(&w, NAN);
  wire_put_text(&w, "ümlaut");
  wire_put_text(&w, "");
  wire_put_block(&w, "\0\1\2", 3);
  wire_put_u32(&w, (uint32_t)-5);
  assert_int_equal(w.bytes[0], 0xdc); /* the least byte first */
  struct wire_fields f = {.bytes = w.bytes, .n = w.n};
  assert_int_equal(wire_u16(&f), 0xfedc);
  assert_true(wire_u32(&f) == 0x89abcdef);
  assert_true(wire_u64(&f) == UINT64_C(0x0123456789abcdef));
  assert_true(wire_double(&f) == -0.1);
  assert_true(isnan(wire_double(&f)));
  wire_text(&f, text, sizeof text);
  assert_string_equal(text, "ümlaut");
  char *empty = wire_text_new(&f, 10);
  assert_string_equal(empty, "");
  free(empty);
  assert_memory_equal(wire_block(&f, &n), "\0\1\2", 3);
  assert_int_equal(n, 3);
  assert_false(wire_fields_end(&f));
  assert_int_equal(wire_int(&f, -5, 5), -5);
  assert_true(wire_fields_end(&f));
  wire_writer_free(&w);
}

static void frames_come_in_pieces_of_any_size(void **state)
{
  (void)state;
  struct wire_writer body = {0}, w = {0};
  struct error e = {0};
  wire_put_text(&body, "a body that is longer than a head");
  wire_put_frame(&w, 7, 3, 99, &body);
  wire_put_frame(&w, 8, 4, 100, NULL);
  wire_put_frame(&w, 9, 5, 101, &body);
  for (size_t piece = 1; piece <= w.n; piece++) {
    struct wire_reader r = {0};
    struct wire_frame frame;
    int frames = 0;
    for (size_t at = 0; at < w.n; at += piece) {
      assert_int_equal(wire_push(&r, w.bytes + at, at + piece < w.n ? piece : w.n - at, &e), 0);
      while (wire_next(&r, &frame, &e) == 1) {
        assert_int_equal(frame.type, 7 + frames);
        assert_int_equal(frame.slot, 3 + frames);
        assert_int_equal(frame.call, 99 + frames);
        assert_int_equal(frame.bytes, frames == 1 ? 0 : body.n);
        if (frame.bytes) assert_memory_equal(frame.body, body.bytes, body.n);
        free(frame.body);
        frames++;
      }
    }
    assert_int_equal(frames, 3);
    assert_int_equal(e.code, 0);
    wire_reader_free(&r);
  }
  wire_writer_free(&body);
  wire_writer_free(&w);
}

/* A head with one byte changed. */
static void refused(size_t at, int value, const char *message)
{
  struct wire_writer w = {0};
  struct wire_reader r = {0};
  struct wire_frame frame;
  struct error e = {0};
  wire_put_frame(&w, 7, 3, 99, NULL);
  w.bytes[at] = (unsigned char)value;
  assert_int_equal(wire_push(&r, w.bytes, w.n, &e), 0);
  assert_int_equal(wire_next(&r, &frame, &e), ERROR_FAILED);
  assert_non_null(strstr(e.message, message));
  wire_reader_free(&r);
  wire_writer_free(&w);
}

static void what_is_no_frame_is_refused(void **state)
{
  (void)state;
  refused(0, 'G', "no frame of gsos");
  refused(4, WIRE_VERSION + 1, "frames of version 2, this gsos reads version 1");
  refused(22, 255, "has no end");
}

static void a_field_that_is_not_there_spoils_the_body(void **state)
{
  (void)state;
  unsigned char bytes[64] = {0};
  char text[4];
  size_t n;
  struct wire_fields f = {.bytes = bytes, .n = 3};
  assert_int_equal(wire_u32(&f), 0);
  assert_true(f.bad && !wire_fields_end(&f));
  assert_int_equal(wire_u16(&f), 0); /* and what follows is nothing */
  f = (struct wire_fields){.bytes = bytes, .n = 8};
  bytes[0] = 4; /* a text of 4 bytes: too long for text[4], and for the 3 bytes behind its length */
  wire_text(&f, text, sizeof text);
  assert_true(f.bad);
  assert_string_equal(text, "");
  f = (struct wire_fields){.bytes = bytes, .n = 7};
  assert_null(wire_text_new(&f, 10));
  f = (struct wire_fields){.bytes = bytes, .n = 8}; /* one with a 0 within */
  assert_null(wire_text_new(&f, 10));
  assert_true(f.bad);
  memset(bytes, 255, 8);
  f = (struct wire_fields){.bytes = bytes, .n = sizeof bytes};
  assert_null(wire_block(&f, &n));
  assert_true(f.bad && n == 0);
  f = (struct wire_fields){.bytes = bytes, .n = 4};
  assert_int_equal(wire_int(&f, 0, 5), 0); /* -1 */
  assert_true(f.bad);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_is_written_is_read),
      cmocka_unit_test(frames_come_in_pieces_of_any_size),
      cmocka_unit_test(what_is_no_frame_is_refused),
      cmocka_unit_test(a_field_that_is_not_there_spoils_the_body),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
