/* Several ranks as threads of this process, on a link of the test's own: the objective that rank 0
 * sees gives what its own gives, wherever a trial runs; a trial moves from rank to rank; who
 * differs is refused, or left out; places are dealt out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/experiment/experiment.h"
#include "sched/boxes/boxes.h"
#include "sched/boxes/offer.h"

enum { RANKS_MAX = 4 };

/* ---- a link between threads ------------------------------------------------------------------ */

struct piece {
  int from;
  void *bytes;
  size_t n;
  struct piece *next;
};

struct hub {
  int n;
  pthread_mutex_t lock;
  struct piece *first[RANKS_MAX], **last[RANKS_MAX]; /* on their way to each */
  pthread_t threads[RANKS_MAX];
  struct hub_rank {
    struct hub *hub;
    int rank;
  } ranks[RANKS_MAX];
};

static bool hub_ready(struct link *l, int to)
{
  (void)l, (void)to;
  return true;
}

static int hub_send(struct link *l, int to, void *bytes, size_t n, struct error *e)
{
  struct hub *h = ((struct hub_rank *)l->state)->hub;
  struct piece *p = malloc(sizeof *p);
  (void)e;
  *p = (struct piece){.from = l->rank, .bytes = bytes, .n = n};
  pthread_mutex_lock(&h->lock);
  *h->last[to] = p;
  h->last[to] = &p->next;
  pthread_mutex_unlock(&h->lock);
  return 0;
}

static int hub_receive(struct link *l, int *from, void **bytes, size_t *n, struct error *e)
{
  struct hub *h = ((struct hub_rank *)l->state)->hub;
  (void)e;
  pthread_mutex_lock(&h->lock);
  struct piece *p = h->first[l->rank];
  if (p) h->first[l->rank] = p->next;
  if (!h->first[l->rank]) h->last[l->rank] = &h->first[l->rank];
  pthread_mutex_unlock(&h->lock);
  if (!p) return 0;
  *from = p->from;
  *bytes = p->bytes;
  *n = p->n;
  free(p);
  return 1;
}

static void hub_close(struct link *l)
{
  free(l);
}

static int hub_open(void *context, struct link **l, struct error *e)
{
  struct hub_rank *r = context;
  (void)e;
  *l = malloc(sizeof **l);
  **l = (struct link){.rank = r->rank,
                      .n_ranks = r->hub->n,
                      .state = r,
                      .ready = hub_ready,
                      .send = hub_send,
                      .receive = hub_receive,
                      .close = hub_close};
  return 0;
}

static void *serve(void *context)
{
  struct link *l;
  struct error e = {0};
  hub_open(context, &l, &e);
  boxes_serve(l, &e);
  return NULL;
}

/* Rank 0, with the others in threads. */
static struct boxes *start(struct hub *h, int n)
{
  struct boxes *b;
  struct error e = {0};
  *h = (struct hub){.n = n};
  pthread_mutex_init(&h->lock, NULL);
  for (int i = 0; i < n; i++) {
    h->last[i] = &h->first[i];
    h->ranks[i] = (struct hub_rank){h, i};
  }
  for (int i = 1; i < n; i++) assert_int_equal(pthread_create(&h->threads[i], NULL, serve, &h->ranks[i]), 0);
  if (boxes_open(&b, hub_open, &h->ranks[0], &e)) fail_msg("%s", e.message);
  return b;
}

static void end(struct hub *h, struct boxes *b)
{
  boxes_close(b);
  for (int i = 1; i < h->n; i++) pthread_join(h->threads[i], NULL);
  pthread_mutex_destroy(&h->lock);
}

/* ---- trials ---------------------------------------------------------------------------------- */

static void load(struct experiment *x, const char *function, const char *setting)
{
  const char *settings[] = {"experiment.objective=function", function, setting};
  struct error e = {0};
  if (experiment_load(x, NULL, settings, 3, &e)) fail_msg("%s", e.message);
}

static struct objective *create(struct boxes *b, const struct experiment *x)
{
  struct objective *o;
  struct error e = {0};
  if (boxes_objective_create(&o, b, x, NULL, NULL, &e)) fail_msg("%s", e.message);
  return o;
}

static struct place *open_place(struct objective *o, int device)
{
  struct place *p;
  struct error e = {0};
  if (o->open(o, &p, device, 1, &e)) fail_msg("%s", e.message);
  return p;
}

/* A trial at the defaults, `number` of the round; of so many epochs, where it is not 0. */
static struct trial_spec trial(const struct experiment *x, double *values, int number, int epochs)
{
  space_defaults(&x->space, values);
  if (epochs > 0) values[space_index(&x->space, "epoch")] = epochs;
  return (struct trial_spec){
      .id = 0, .key = 1000 + (uint64_t)number, .values = values, .strategy = "simultaneous", .number = number};
}

/* Epochs until it has ended, at most `most`; the last value. */
static double advance(struct objective *o, struct place *p, int most, int *epochs)
{
  static const volatile int go_on;
  struct trial_event event = {.kind = TRIAL_EPOCH};
  struct error e = {0};
  int n;
  for (*epochs = 0; *epochs < most && event.kind == TRIAL_EPOCH; ++*epochs) {
    if (o->advance(p, &event, 1, &n, &go_on, &e)) fail_msg("%s", e.message);
    assert_int_equal(n, 1);
    assert_int_equal(event.id, 0);
  }
  return event.value;
}

static double whole(struct objective *o, const struct experiment *x, int device, int number, int *epochs)
{
  double values[SPACE_MAX];
  struct trial_spec spec = trial(x, values, number, 0);
  struct place *p = open_place(o, device);
  struct error e = {0};
  assert_true(objective_admit(o, p, values));
  assert_int_equal(o->add(p, &spec, &e), 0);
  double value = advance(o, p, 1000, epochs);
  o->remove(p, 0);
  o->close(p);
  return value;
}

static void a_trial_is_the_same_on_every_rank(void **state)
{
  (void)state;
  struct hub h;
  struct experiment x;
  struct boxes *b = start(&h, 4);
  struct objective *own, *all;
  struct error e = {0};
  load(&x, "function.name=curve", "scheduler.slots=8");
  assert_int_equal(objective_create(&own, &x, NULL, NULL, &e), 0);
  all = create(b, &x);
  assert_int_equal(all->n_devices, 4);
  assert_true(all->places >= 8);
  for (int d = 0; d < 8; d++) assert_int_equal(all->device_of_place[d], d % 4);
  for (int number = 0; number < 3; number++) {
    int epochs, own_epochs;
    double value = whole(own, &x, 0, number, &own_epochs);
    for (int d = 0; d < 4; d++) {
      assert_true(whole(all, &x, d, number, &epochs) == value);
      assert_int_equal(epochs, own_epochs);
    }
  }
  char name[100];
  objective_device_name(all, 2, name, sizeof name);
  assert_non_null(strstr(name, ", rank 2 cpu"));
  objective_summary(all, name, sizeof name);
  assert_non_null(strstr(name, "4 ranks on 1 host: 9 of 12 trials were not rank 0's"));
  objective_destroy(all);
  all = create(b, &x); /* as gsos study does, for one data set after the other */
  objective_destroy(all);
  objective_destroy(own);
  end(&h, b);
  experiment_destroy(&x);
}

static void a_trial_moves_from_rank_to_rank(void **state)
{
  (void)state;
  struct hub h;
  struct experiment x;
  struct boxes *b = start(&h, 3);
  struct error e = {0};
  double values[SPACE_MAX];
  int epochs, all_epochs;
  char text[200];
  load(&x, "function.name=curve", "scheduler.slots=3");
  struct objective *o = create(b, &x);
  double value = whole(o, &x, 0, 5, &all_epochs);
  struct trial_spec spec = trial(&x, values, 5, 0);
  void *block = NULL;
  size_t bytes = 0;
  int left = all_epochs;
  assert_int_equal(all_epochs, 3);
  for (int d = 1; d <= 3; d++) { /* rank 1, rank 2, rank 0: an epoch on each, and the rest */
    struct place *p = open_place(o, d % 3);
    int code = block ? objective_restore(o, p, &spec, block, bytes, &e) : o->add(p, &spec, &e);
    if (code) fail_msg("%s", e.message);
    free(block);
    double last = advance(o, p, d < 3 ? 1 : 1000, &epochs);
    left -= epochs;
    if (d == 3) assert_true(last == value);
    if (objective_checkpoint(o, p, 0, &block, &bytes, &e)) fail_msg("%s", e.message);
    o->remove(p, 0);
    o->close(p);
  }
  assert_int_equal(left, 0);
  struct place *p = open_place(o, 1);
  ((char *)block)[0] ^= 1;
  assert_int_equal(objective_restore(o, p, &spec, block, bytes, &e), ERROR_FAILED);
  assert_non_null(strstr(e.message, "belongs to another trial"));
  o->close(p);
  free(block);
  objective_summary(o, text, sizeof text); /* of one trial: a trial that goes on is told as such */
  assert_non_null(strstr(text, "3 ranks on 1 host: 2 of 4 trials (2 went on from where they stood) were not rank 0's"));
  objective_destroy(o);
  end(&h, b);
  experiment_destroy(&x);
}

/* Of 30 epochs, some milliseconds each, one is left within. */
static void a_call_of_another_rank_is_stopped(void **state)
{
  (void)state;
  struct hub h;
  struct experiment x;
  struct boxes *b = start(&h, 2);
  struct error e = {0};
  double values[SPACE_MAX];
  static const volatile int stop = 1;
  int code = 0, n, ended = 0, left;
  load(&x, "function.name=curve", "scheduler.slots=2");
  struct objective *o = create(b, &x);
  struct trial_spec spec = trial(&x, values, 1, 30);
  struct place *p = open_place(o, 1);
  assert_int_equal(o->add(p, &spec, &e), 0);
  for (struct trial_event event = {.kind = TRIAL_EPOCH}; !code && event.kind == TRIAL_EPOCH; ended += !code)
    code = o->advance(p, &event, 1, &n, &stop, &e);
  assert_int_equal(code, ERROR_INTERRUPTED);
  double value = advance(o, p, 1000, &left); /* it goes on */
  assert_int_equal(ended + left, 30);
  o->remove(p, 0);
  assert_int_equal(o->add(p, &spec, &e), 0);
  assert_true(advance(o, p, 1000, &left) == value);
  o->close(p);
  objective_destroy(o);
  end(&h, b);
  experiment_destroy(&x);
}

static void what_cannot_be_added_is_told_with_the_next_events(void **state)
{
  (void)state;
  struct hub h;
  struct experiment x;
  struct boxes *b = start(&h, 2);
  struct error e = {0};
  double values[SPACE_MAX];
  struct trial_event events[2];
  static const volatile int go_on;
  int n;
  load(&x, "function.name=ackley", "scheduler.slots=2");
  struct objective *o = create(b, &x);
  struct trial_spec spec = trial(&x, values, 1, 0);
  struct place *p = open_place(o, 1);
  assert_int_equal(o->add(p, &spec, &e), 0);
  spec.id = 1; /* the place has room for one */
  assert_int_equal(o->add(p, &spec, &e), 0);
  assert_int_equal(o->advance(p, events, 2, &n, &go_on, &e), 0);
  assert_int_equal(n, 1);
  assert_int_equal(events[0].kind, TRIAL_MACHINE_FAILED);
  assert_int_equal(events[0].id, 1);
  assert_non_null(strstr(events[0].reason, "no room for trial 1"));
  o->remove(p, 1);
  assert_int_equal(o->advance(p, events, 2, &n, &go_on, &e), 0);
  assert_int_equal(n, 1);
  assert_int_equal(events[0].kind, TRIAL_DONE);
  assert_int_equal(events[0].id, 0);
  o->remove(p, 0);
  o->close(p);
  objective_destroy(o);
  end(&h, b);
  experiment_destroy(&x);
}

/* ---- offers ---------------------------------------------------------------------------------- */

static struct offer offer_of(const char *host, uint64_t cores, int places)
{
  struct offer o = {.history = 3, .places = places, .n_devices = 1, .capacity = 1, .cores = cores, .memory = 1000};
  snprintf(o.host, sizeof o.host, "%s", host);
  snprintf(o.version, sizeof o.version, "0.1");
  snprintf(o.description, sizeof o.description, "cpu, AVX2");
  return o;
}

static void ranks_that_differ_are_named_both(void **state)
{
  (void)state;
  struct offer ours = offer_of("alpha", 1, 4), theirs = offer_of("beta", 1, 4);
  char why[1900];
  assert_true(offers_alike(&ours, &theirs, 1, why, sizeof why));
  snprintf(theirs.description, sizeof theirs.description, "cpu, AVX-512");
  assert_false(offers_alike(&ours, &theirs, 1, why, sizeof why));
  assert_string_equal(why, "rank 1 (beta) has cpu, AVX-512; rank 0 (alpha) has cpu, AVX2");
  theirs.history = 4;
  assert_false(offers_alike(&ours, &theirs, 1, why, sizeof why));
  assert_non_null(strstr(why, "rank 1 (beta) is gsos 0.1 with history version 4, rank 0 (alpha) is gsos 0.1 with 3"));
}

static void ranks_of_a_host_share_its_cores(void **state)
{
  (void)state;
  struct offer offers[] = {offer_of("alpha", 7, 8), offer_of("alpha", 7, 8), offer_of("alpha", 7, 8),
                           offer_of("alpha", 9, 2), offer_of("beta", 7, 16), offer_of("beta", 0, 4)};
  bool taken[] = {true, true, true, true, true, true};
  int places[6];
  offers_places(offers, taken, 6, 0, places);
  assert_memory_equal(places, ((int[]){3, 3, 2, 2, 16, 4}), sizeof places);
  taken[1] = false;
  offers_places(offers, taken, 6, 0, places);
  assert_memory_equal(places, ((int[]){4, 0, 4, 2, 16, 4}), sizeof places);
  offers[0].places = offers[1].places = offers[2].places = 1;
  taken[1] = true;
  offers_places(offers, taken, 6, 0, places);
  assert_memory_equal(places, ((int[]){1, 1, 1, 2, 16, 4}), sizeof places); /* each has one */
  offers_places(offers, taken, 2, 5, places);
  assert_int_equal(places[0], 3); /* as many as slots */
  assert_int_equal(places[1], 2);
}

static void an_offer_that_is_cut_anywhere_is_refused(void **state)
{
  (void)state;
  struct wire_writer w = {0};
  struct offer o = offer_of("alpha", 7, 8), read;
  snprintf(o.devices[0], sizeof o.devices[0], "cpu");
  message_put_offer(&w, &o);
  struct wire_fields f = {.bytes = w.bytes, .n = w.n};
  message_offer(&f, &read);
  assert_true(wire_fields_end(&f));
  assert_string_equal(read.description, o.description);
  assert_true(read.cores == 7 && read.memory == 1000 && read.places == 8);
  for (size_t n = 0; n < w.n; n++) { /* cut anywhere */
    f = (struct wire_fields){.bytes = w.bytes, .n = n};
    message_offer(&f, &read);
    assert_false(wire_fields_end(&f));
  }
  wire_writer_free(&w);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_trial_is_the_same_on_every_rank),
      cmocka_unit_test(a_trial_moves_from_rank_to_rank),
      cmocka_unit_test(a_call_of_another_rank_is_stopped),
      cmocka_unit_test(what_cannot_be_added_is_told_with_the_next_events),
      cmocka_unit_test(ranks_that_differ_are_named_both),
      cmocka_unit_test(ranks_of_a_host_share_its_cores),
      cmocka_unit_test(an_offer_that_is_cut_anywhere_is_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
