/* `gsos train --repeat`.  See repeats.h. */
#include "sched/commands/repeats.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "host/base/mean_interval.h"
#include "host/base/text_escape.h"
#include "host/base/text_units.h"
#include "host/base/text_wrap.h"
#include "kernels/philox.h"
#include "sched/run/signals.h"

/* What has been reached so far. */
struct results {
  int n;                /* trainings that ended */
  int failed;           /* and that diverged */
  bool tested;          /* there is a test set */
  double *value, *test; /* [n], with room for all */
};

/* Trains to the end.  last->kind is TRIAL_DONE or TRIAL_FAILED after 0. */
static int train(const struct repeats *r, struct place *place, int number, struct trial_event *last, struct error *e)
{
  struct trial_spec spec = {.key = philox_trial_key(r->x->seed, r->x->train_round, number),
                            .values = r->values,
                            .strategy = "train",
                            .round = r->x->train_round,
                            .number = number};
  int n, code = r->objective->add(place, &spec, e);
  do {
    if (!code) code = r->objective->advance(place, last, 1, &n, &signals_stop, e);
    if (code) return code;
    if (n == 0) return error_set(e, ERROR_FAILED, "the objective %s ended without a result", r->objective->name);
    if (last->kind == TRIAL_MACHINE_FAILED)
      return error_set(e, ERROR_MACHINE, "the machine could not go on: %s", last->reason);
  } while (last->kind == TRIAL_EPOCH);
  return 0;
}

/* ---- what is printed ------------------------------------------------------------------------- */

/* Four decimals for shares of images, six digits for others, as in the tables of a run. */
static const char *value_text(const struct objective *o, double value, char text[40])
{
  snprintf(text, 40, o->has_network ? "%.4f" : "%.6g", value);
  return text;
}

static void print_heading(const struct repeats *r)
{
  printf("%9s  %9s  %19s", "training", "trial", r->objective->value_name);
  if (r->objective->has_network) printf("  %15s  %13s", "validation loss", r->network ? r->objective->test_name : "");
  printf("\n");
  fflush(stdout);
}

static void print_row(const struct repeats *r, int k, const struct trial_event *last, const struct objective_test *test)
{
  char value[40], reason[4 * REASON_MAX];
  printf("%5d/%-3d  %9d  ", k + 1, r->n, REPEATS_FIRST + k);
  if (last->kind == TRIAL_FAILED)
    printf("failed: %s", text_escape(reason, sizeof reason, last->reason));
  else
    printf("%19s", value_text(r->objective, last->value, value));
  if (last->kind != TRIAL_FAILED && r->objective->has_network) printf("  %15.4f", last->loss);
  if (last->kind != TRIAL_FAILED && test->available) printf("  %13.4f", test->value);
  printf("\n");
  fflush(stdout);
}

/* "validation accuracy 0.9712 ± 0.0012"; of one training without a deviation. */
static struct mean_interval print_mean(const struct repeats *r, const char *name, const double *values, int n)
{
  struct mean_interval m = mean_interval_of(values, n);
  char mean[40], sd[40];
  printf("%s %s", name, value_text(r->objective, m.mean, mean));
  if (n > 1) printf(" ± %s", value_text(r->objective, m.sd, sd));
  printf("\n");
  return m;
}

/* How the numbers are meant. */
static void print_reading(const struct repeats *r, const struct results *all, double half, double test_half)
{
  char text[40], test[60] = "";
  if (all->tested) snprintf(test, sizeof test, " and %s", value_text(r->objective, test_half, text));
  if (all->n < 2)
    text_wrap(stdout, "  ", "one training says nothing of the deviation");
  else
    text_wrapf(stdout, "  ",
               "mean ± standard deviation of %d trainings%s; the mean itself is known to within %s%s (95 %%, Student's "
               "t, %d degree%s of freedom)",
               all->n, all->n < 5 ? ", a rough one from so few" : "", value_text(r->objective, half, (char[40]){0}),
               test, all->n - 1, all->n == 2 ? "" : "s");
  text_wrapf(stdout, "  ", "random numbers: those of trials %d ... of round %d, which no search has%s", REPEATS_FIRST,
             r->x->train_round,
             r->objective->has_network ? "; the images for training, validation and test are the same ones each time, "
                                         "so that this is no deviation over data"
                                       : "");
}

static void print_results(const struct repeats *r, const struct results *all)
{
  if (all->n == 0) return;
  if (r->rows) printf("\n");
  double half = print_mean(r, r->objective->value_name, all->value, all->n).half, test_half = NAN;
  if (all->tested) test_half = print_mean(r, r->objective->test_name, all->test, all->n).half;
  if (r->rows) print_reading(r, all, half, test_half);
}

/* ---- all ------------------------------------------------------------------------------------- */

static int repeat(const struct repeats *r, struct place *place, int k, struct results *all, struct error *e)
{
  struct trial_event last = {0};
  struct objective_test test = {0};
  struct objective *o = r->objective;
  if (train(r, place, REPEATS_FIRST + k, &last, e)) return e->code;
  if (last.kind == TRIAL_FAILED) {
    all->failed++;
  } else {
    if (r->network && o->save(place, last.id, r->network, NULL, e)) return e->code;
    if (r->network && o->test(o, r->network, &test, NULL, &signals_stop, e)) return e->code;
    all->tested = test.available;
    all->value[all->n] = last.value;
    all->test[all->n++] = test.value;
  }
  o->remove(place, last.id);
  if (r->rows) print_row(r, k, &last, &test);
  return 0;
}

int repeats_train(const struct repeats *r, struct place *place, struct error *e)
{
  struct results all = {.value = malloc((size_t)r->n * sizeof(double)), .test = malloc((size_t)r->n * sizeof(double))};
  int k = 0, code = all.value && all.test ? 0 : error_set(e, ERROR_MACHINE, "no memory");
  if (r->rows && !code) print_heading(r);
  for (; k < r->n && !code; k++) code = repeat(r, place, k, &all, e);
  print_results(r, &all);
  if (code == ERROR_INTERRUPTED)
    error_set(e, ERROR_INTERRUPTED, "stopped in training %d of %d; what had ended stands above", k, r->n);
  else if (!code && all.failed)
    error_set(e, ERROR_FAILED, "%d of %d training%s failed, and %s not in the mean", all.failed, r->n,
              text_plural(r->n), all.failed == 1 ? "is" : "are");
  free(all.value);
  free(all.test);
  return e->code;
}
