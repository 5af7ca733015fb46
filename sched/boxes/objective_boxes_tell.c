/* What users are told of the ranks: names of their devices, what was left out, notices, and what
 * the talk with them took. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/text_escape.h"
#include "host/base/text_units.h"
#include "sched/boxes/objective_boxes.h"

const char *boxes_rank_name(const struct boxes_objective *b, int rank, char *name, size_t size)
{
  int same = 0;
  char host[300];
  for (int i = 0; i < b->n; i++) same += !strcmp(b->offers[i].host, b->offers[rank].host);
  text_escape(host, sizeof host, b->offers[rank].host);
  if (!b->offers[rank].host[0])
    text_format(name, size, "rank %d", rank);
  else if (same > 1)
    text_format(name, size, "%s, rank %d", host, rank);
  else
    text_format(name, size, "%s", host);
  return name;
}

static bool boxes_notice(struct objective *o, char *text, size_t size)
{
  struct boxes_objective *b = boxes_of(o);
  char what[500], name[400];
  int rank;
  for (int i = 1; i < b->n; i++) {
    if (!b->left_out[i].code) continue;
    b->left_out[i].code = 0;
    text_format(text, size, "left out: %s", b->left_out[i].message);
    return true;
  }
  if (b->inner->notice && b->inner->notice(b->inner, text, size)) return true;
  if (!lead_notice(b->boxes, &rank, what, sizeof what)) return false;
  text_format(text, size, "%s: %s", boxes_rank_name(b, rank, name, sizeof name), what);
  return true;
}

/* "; beta: ...", where a rank has something to tell of what happened beside its trials. */
static size_t far_summary(struct boxes_objective *b, int rank, char *text, size_t size)
{
  struct wire_frame answer;
  struct wire_fields fields;
  struct error e = {0};
  char what[300] = "", name[400];
  if (!b->taken[rank] || !b->inner->summary) return 0;
  lead_ask(b->boxes, rank, 0, MESSAGE_SUMMARY, NULL);
  lead_wait(b->boxes, rank, 0, -1, NULL, &answer, &fields, &e);
  if (!e.code) wire_text(&fields, what, sizeof what);
  free(answer.body);
  return what[0] ? text_format(text, size, "; %s: %s", boxes_rank_name(b, rank, name, sizeof name), what) : 0;
}

static void boxes_summary(struct objective *o, char *text, size_t size)
{
  struct boxes_objective *b = boxes_of(o);
  char own[300], bytes[TEXT_UNITS_MAX], again[60] = "";
  objective_summary(b->inner, own, sizeof own);
  int ranks = 0;
  for (int i = 0; i < b->n; i++) ranks += b->taken[i];
  int64_t sent = lead_bytes(b->boxes) - b->bytes_before;
  pthread_mutex_lock(&b->lock);
  if (b->restored > 0) text_format(again, sizeof again, " (%" PRId64 " went on from where they stood)", b->restored);
  size_t n = text_format(text, size,
                         "%d ranks on %d host%s: %" PRId64 " of %" PRId64 " trials%s were not rank 0's, %s sent "
                         "and received",
                         ranks, b->n_hosts, b->n_hosts == 1 ? "" : "s", b->far_trials, b->trials, again,
                         text_bytes(bytes, sizeof bytes, (double)sent));
  if (b->far_trials > 0 && n < size)
    n += text_format(text + n, size - n, ", %.0f bytes each", (double)sent / (double)b->far_trials);
  pthread_mutex_unlock(&b->lock);
  if (own[0] && n < size) n += text_format(text + n, size - n, "; %s", own);
  for (int i = 1; i < b->n; i++) n += far_summary(b, i, text + n, size - n);
}

static void boxes_device_name(struct objective *o, int device, char *name, size_t size)
{
  text_format(name, size, "%s", boxes_of(o)->devices[device].name);
}

void boxes_use_texts(struct boxes_objective *b)
{
  struct objective *o = &b->objective;
  o->device_name = boxes_device_name;
  o->notice = boxes_notice;
  o->summary = boxes_summary;
}
