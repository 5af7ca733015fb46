/* What another rank sends: frames in pieces, and the bodies of every message.
 *
 * Input: the length of a piece, a byte; then the bytes of the stream.  What is read of a trial, an
 * offer or events is written again, and comes out as it was. */
#include "host/link/wire.h"
#include "sched/boxes/messages.h"
#include "tests/fuzz/fuzz.h"

static void same(const struct wire_fields *read, const struct wire_writer *written)
{
  if (!wire_fields_end(read)) return;
  if (written->n != read->n || memcmp(written->bytes, read->bytes, read->n) != 0) abort();
}

static void bodies(const struct wire_frame *frame)
{
  static struct offer offer;
  static struct trial_event events[64];
  double values[SPACE_MAX];
  char strategy[SPACE_NAME_MAX];
  struct trial_spec spec;
  struct error e = {0};
  struct wire_writer w = {0};
  size_t n;
  struct wire_fields f = wire_fields_of(frame);
  message_offer(&f, &offer);
  message_put_offer(&w, &offer);
  same(&f, &w);
  wire_writer_free(&w);
  f = wire_fields_of(frame);
  int count = message_events(&f, events, 64);
  for (int i = 0; i < count; i++)
    if (events[i].kind > TRIAL_MACHINE_FAILED) abort();
  f = wire_fields_of(frame);
  message_trial(&f, &spec, values, strategy);
  const char *block = wire_block(&f, &n);
  for (size_t i = 0; i < n; i++) values[i % SPACE_MAX] += block[i]; /* it is there */
  f = wire_fields_of(frame);
  message_error(&f, &e);
  if (e.code > 0) abort();
  f = wire_fields_of(frame);
  if (message_values(&f, values) > SPACE_MAX) abort();
  f = wire_fields_of(frame);
  free(wire_text_new(&f, 1000));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  struct wire_reader r = {0};
  struct wire_frame frame;
  struct error e = {0};
  int code = 0;
  if (size == 0) return 0;
  size_t piece = data[0] ? data[0] : 1;
  for (size_t at = 1; at < size && code >= 0; at += piece) {
    if (wire_push(&r, data + at, at + piece < size ? piece : size - at, &e)) abort();
    while ((code = wire_next(&r, &frame, &e)) == 1) {
      bodies(&frame);
      free(frame.body);
    }
  }
  wire_reader_free(&r);
  return 0;
}
