/* What an experiment takes, as `gsos check` shows it: its networks, memory, time. */
#include "sched/commands/check.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "sched/commands/space_probe.h"
#include "sched/run/resources.h"
#include "sched/run/signals.h"
#include "host/base/text_escape.h"
#include "host/base/text_units.h"
#include "host/base/text_wrap.h"

/* ---- networks and memory --------------------------------------------------------------------- */

static void print_configuration(const struct check *c, const char *title, const double *values)
{
  char text[CHECK_TEXT_MAX];
  char lead[80];
  check_configuration_text(c, values, text, sizeof text);
  snprintf(lead, sizeof lead, "  %s: ", title);
  text_wrap(stdout, lead, text);
  objective_describe_trial(c->o, values, stdout);
}

/* What a run will take of each device (command_run.c). */
static void print_device_memory(const struct objective_memory *m)
{
  char all[TEXT_UNITS_MAX], data[TEXT_UNITS_MAX], one[TEXT_UNITS_MAX], have[TEXT_UNITS_MAX];
  text_bytes(have, sizeof have, (double)m->available);
  text_wrapf(
      stdout, "  ",
      "Each GPU's: %s, taken at once when a run begins, for the data set (%s) and %d trial%s of at most %s; CUDA "
      "takes some hundred MiB of its own beside it.",
      text_bytes(all, sizeof all, (double)m->bytes), text_bytes(data, sizeof data, (double)m->data_bytes), m->trials,
      m->trials == 1 ? "" : "s", text_bytes(one, sizeof one, (double)m->trial_bytes));
  if (m->available >= m->bytes)
    text_wrapf(stdout, "  ", "%s are free: enough.", have);
  else if (m->available > m->data_bytes)
    text_wrapf(stdout, "  ", "%s are free, room for %lld of the largest at once: a trial that finds none waits.", have,
               (long long)((m->available - m->data_bytes) / m->trial_bytes));
  if (m->remark[0]) text_wrapf(stdout, "  ", "On each GPU %s.", m->remark);
}

/* "16 trials", of a configuration that alone fills a cohort. */
static void print_fill(const struct check *c, const char *what, const struct objective_cost *cost)
{
  int n = objective_fill(cost->share, c->at.capacity);
  char text[60], lead[80];
  if (!cost->feasible) return;
  snprintf(text, sizeof text, "%d trial%s", n, n == 1 ? "" : "s");
  snprintf(lead, sizeof lead, "    %-10s ", text);
  text_wrap(stdout, lead, what);
}

/* How trials share a GPU. */
static int print_cohorts(const struct check *c, struct error *e)
{
  struct objective_cost heavy;
  if (c->o->n_devices <= 0 || !c->o->by_share) return 0;
  if (c->o->cost(c->o, c->longest, &heavy, e)) return e->code;
  int side_by_side = (c->at.places + c->o->n_devices - 1) / c->o->n_devices;
  printf("\nCohorts\n");
  if (!c->at.by_share) {
    text_wrapf(stdout, "  ", "%d on each GPU, of up to %d trial%s each whatever they take: [scheduler] slots.",
               side_by_side, c->at.capacity, c->at.capacity == 1 ? "" : "s");
    return 0;
  }
  text_wrapf(stdout, "  ", "%d on each GPU, side by side, each filled by what its trials take of it:", side_by_side);
  print_fill(c, "like the default", &c->default_cost);
  print_fill(c, "like that of the most work", &heavy);
  return 0;
}

static void print_memory(const struct check *c, const struct objective_cost *cost)
{
  int64_t bytes = cost->bytes;
  int64_t available = machine_memory_available();
  char one[TEXT_UNITS_MAX], all[TEXT_UNITS_MAX], have[TEXT_UNITS_MAX];
  double needed = (double)bytes * c->at.trials;
  text_bytes(one, sizeof one, (double)bytes);
  text_bytes(all, sizeof all, needed);
  text_bytes(have, sizeof have, (double)available);
  printf("\nMemory\n");
  struct objective_memory m;
  if (objective_memory(c->o, &c->at, c->largest, &m)) {
    print_device_memory(&m);
    return;
  }
  if (available == INT64_MAX)
    text_wrapf(stdout, "  ", "%d of the largest side by side need %s (%s each).", c->at.trials, all, one);
  else
    text_wrapf(stdout, "  ", "%d of the largest side by side need %s (%s each); %s are free: %s.", c->at.trials, all,
               one, have, needed <= (double)available ? "enough" : "too little for all of them at once");
  if (needed > (double)available && available >= bytes)
    text_wrapf(
        stdout, "  ",
        "With [scheduler] slots = %lld they would fit; a smaller trial_memory keeps the largest out of the search.",
        (long long)(available / bytes));
  else if (needed > (double)available)
    text_wrap(stdout, "  ",
              "Not even one of them fits; a smaller [scheduler] trial_memory keeps them out of the search.");
}

int check_print_networks(struct check *c, struct error *e)
{
  double by_bytes[SPACE_MAX], by_flops[SPACE_MAX] = {0};
  struct objective_cost cost;
  bool found, found_flops;
  if (!c->default_cost.feasible) {
    printf("\nThe default configuration is infeasible\n");
    text_wrapf(stdout, "  ",
               "%s.  The search never trains it, but holds what it does not search at these values; gsos train needs "
               "other defaults.",
               c->default_cost.reason);
  }
  if (!c->o->has_network) return 0;
  printf("\nNetworks\n");
  if (c->default_cost.feasible) print_configuration(c, "default", c->defaults);
  fflush(stdout);
  if (largest_find(c->o, c->x, false, &signals_stop, by_bytes, &found, e) ||
      largest_find(c->o, c->x, true, &signals_stop, by_flops, &found_flops, e))
    return e->code;
  if (!found || !found_flops) return 0;
  bool same = space_equal(&c->x->space, by_bytes, by_flops);
  printf("\n");
  print_configuration(c, same ? "largest" : "most memory", by_bytes);
  if (!same) {
    printf("\n");
    print_configuration(c, "most work", by_flops);
  }
  c->has_longest = true;
  memcpy(c->longest, by_flops, sizeof c->longest);
  memcpy(c->largest, by_bytes, sizeof c->largest);
  if (c->o->cost(c->o, by_bytes, &cost, e)) return e->code;
  print_memory(c, &cost);
  return print_cohorts(c, e);
}

/* ---- run time -------------------------------------------------------------------------------- */

/* Of training the winners again when all searches have ended, side by side as the trials were.
 * *each: how many times each study's is, if its winner may be any configuration. */
static double repeats_seconds(const struct check *c, double work_s, int side_by_side, double *each)
{
  const struct experiment *x = c->x;
  double work = 0, n = 0;
  for (int s = 0; s < x->n_strategies; s++) {
    work += c->rehearsal->mean_repeats_work[s] * x->rounds;
    n += c->rehearsal->mean_repeats[s] * x->rounds;
  }
  *each = n / (double)c->studies;
  return work * work_s / fmax(1, fmin(side_by_side, n));
}

/* "3 times", "about 0.8 times".  `sets`: there are [datasets], which gsos study goes through, and
 * makes none. */
static void print_repeats(double seconds, double each, bool sets)
{
  char time[TEXT_UNITS_MAX], times[40];
  if (each <= 0) return;
  bool whole = each == floor(each);
  text_format(times, sizeof times, whole ? "%.0f time%s" : "on average %.1f time%s", each, each == 1 ? "" : "s");
  text_wrapf(stdout, "  ",
             "%s%s of it for the best network of each study, trained again %s when the searches have "
             "ended%s",
             seconds < 1 ? "less than " : "about ", seconds < 1 ? "1 s" : text_seconds(time, sizeof time, seconds),
             times, sets ? "; gsos study, which goes through [datasets], trains none again" : "");
}

int check_print_run_time(const struct check *c, struct error *e)
{
  const struct experiment *x = c->x;
  int side_by_side = c->at.trials < c->cores ? c->at.trials : c->cores;
  struct measurement m;
  char text[TEXT_UNITS_MAX], speed[80] = "", lead[80];
  double seconds = 0;
  printf("\nRun time, an estimate\n");
  fflush(stdout);
  if (!c->o->can_measure) {
    text_wrapf(stdout, "  ", "None: only the %s can tell how long a trial takes; gsos train runs one.", x->objective);
    return 0;
  }
  const struct objective_at_once measured = {.places = side_by_side, .capacity = 1, .trials = side_by_side};
  int code = objective_reserve(c->o, &measured, c->largest, e);
  if (!code)
    code = measurement_make(&m, c->o, c->rehearsal, c->has_longest ? c->longest : NULL, side_by_side,
                            machine_memory_available() / 2, &signals_stop, e);
  if (code == ERROR_MACHINE || code == ERROR_LOST) {
    text_wrapf(stdout, "  ", "None: %s.", e->message);
    e->code = 0;
    return 0;
  }
  if (code) return code;
  if (m.work_s == 0) {
    text_wrap(stdout, "  ", "None: no configuration could be measured in the memory that is free.");
    return 0;
  }
  for (int s = 0; s < x->n_strategies; s++) seconds += m.work_s * c->rehearsal->mean_work[s] * x->trials * x->rounds;
  double each, again = repeats_seconds(c, m.work_s, side_by_side, &each);
  seconds = seconds / side_by_side + again;
  text_wrapf(stdout, "  ", c->trials == 1 ? "%s %s for the one trial" : "%s %s for all %lld trials, %d at a time",
             seconds < 1 ? "less than" : "about", seconds < 1 ? "1 s" : text_seconds(text, sizeof text, seconds),
             (long long)c->trials, side_by_side);
  print_repeats(again, each, x->n_datasets > 0);
  for (int s = 0; s < x->n_strategies; s++) {
    snprintf(lead, sizeof lead, "    %-14s ", x->strategies[s]);
    text_wrapf(stdout, lead, "%s a trial on average",
               text_seconds(text, sizeof text, m.work_s * c->rehearsal->mean_work[s]));
  }
  if (m.longest_s > 0) printf("    %-14s %s\n", "the longest", text_seconds(text, sizeof text, m.longest_s));
  if (c->has_longest) snprintf(speed, sizeof speed, ": %s/s each", text_flops(text, sizeof text, 1 / m.work_s));
  text_wrapf(
      stdout, "  Basis: ",
      "%d random configuration%s ran for about %.1f s each, %d side by side, on this machine as busy as it is now%s. "
      "The average is over %d random feasible configurations, drawn as the strategies free and hold "
      "hyperparameters. A search comes to prefer some of them and may take longer or shorter; its own computing "
      "and its database, a few ms a trial, are not counted.",
      m.configurations, text_plural(m.configurations), m.piece_s, m.side_by_side, speed, c->rehearsal->draws);
  if (x->time_limit_s > 0 && seconds > x->time_limit_s)
    text_wrapf(stdout, "  ", "time_limit stops the run after %s; it can go on later.",
               text_seconds(text, sizeof text, x->time_limit_s));
  return 0;
}
