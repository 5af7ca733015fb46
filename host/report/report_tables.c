/* Tables 3 and 4 of the paper for an experiment's own studies.
 *
 * A strategy's row is the mean over its finished rounds.  While none is finished it shows what
 * there is so far, with an asterisk, and is compared with nothing: half a study always looks
 * fast. */
#include "host/report/report.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/text_units.h"
#include "host/experiment/experiment.h"
#include "host/experiment/names.h"
#include "host/report/report_internal.h"
#include "host/base/text_escape.h"
#include "host/base/text_table.h"
#include "host/base/text_wrap.h"

enum { STRATEGIES_SHOWN = 16, LABEL = 32, KINDS_SHOWN = 6 };

struct strategy {
  const char *name;
  int rounds, finished; /* studies */
};

struct tables {
  const struct report *r;
  const struct report_study *first; /* of the studies that gsos made: all have its objective */
  struct strategy strategies[STRATEGIES_SHOWN];
  char value_name[LABEL], test_name[LABEL]; /* of `first` */
  int n, left_out, control;
  bool several; /* some row is a mean of more than one round, or not of all */
  bool unfinished, changed, asynchronous, timed, images;
  enum report_clock clock;
};

/* ---- what is measured ------------------------------------------------------------------------ */

static bool trials_to_best(const struct report_study *s, double *value)
{
  *value = s->best + 1;
  return s->best >= 0;
}

/* Does the study count for its strategy's row? */
static bool counts(const struct strategy *g, const struct report_study *s)
{
  return s->record.ours && !strcmp(s->record.strategy, g->name) && (s->finished || g->finished == 0);
}

struct mean {
  int n;           /* studies; 0: there is none, or not of each */
  double mean, sd; /* sd: of a sample, n - 1 */
};

static struct mean mean_of(const struct tables *t, const struct strategy *g, report_measure f)
{
  struct mean m = {0};
  double value, sum = 0, squares = 0;
  for (int i = 0; i < t->r->n; i++) {
    if (!counts(g, &t->r->studies[i])) continue;
    if (!f(&t->r->studies[i], &value)) return (struct mean){0};
    sum += value;
    m.n++;
  }
  m.mean = m.n ? sum / m.n : 0;
  for (int i = 0; i < t->r->n; i++) {
    if (counts(g, &t->r->studies[i]) && f(&t->r->studies[i], &value)) squares += (value - m.mean) * (value - m.mean);
  }
  m.sd = m.n > 1 ? sqrt(squares / (m.n - 1)) : 0;
  return m;
}

static bool any_has(const struct tables *t, report_measure f)
{
  for (int i = 0; i < t->n; i++)
    if (mean_of(t, &t->strategies[i], f).n) return true;
  return false;
}

static void collect(struct tables *t, const struct report *r)
{
  memset(t, 0, sizeof *t);
  t->r = r;
  for (int i = 0; i < r->n; i++) {
    const struct report_study *s = &r->studies[i];
    if (!s->record.ours) continue;
    if (!t->first) report_value_name(s, t->value_name, sizeof t->value_name);
    if (!t->first) report_test_name(s, t->test_name, sizeof t->test_name);
    if (!t->first) t->first = s;
    int k = 0;
    while (k < t->n && strcmp(t->strategies[k].name, s->record.strategy) != 0) k++;
    if (k == STRATEGIES_SHOWN) {
      t->left_out++;
      continue;
    }
    if (k == t->n) t->strategies[t->n++].name = s->record.strategy;
    t->strategies[k].rounds++;
    t->strategies[k].finished += s->finished;
    t->unfinished = t->unfinished || !s->finished;
    t->changed = t->changed || s->record.n_changes > 0 || s->record.retried;
    t->asynchronous = t->asynchronous || report_is_asynchronous(s);
    t->timed = t->timed || report_is_timed(s);
    t->images = t->images || s->images > 0;
    enum report_clock clock = report_clock_of(&s->record);
    if (clock > t->clock) t->clock = clock;
  }
  t->control = t->n - 1;
  for (int k = 0; k < t->n; k++) {
    if (strategy_is(t->strategies[k].name, STRATEGY_CONTROL)) t->control = k;
    t->several = t->several || t->strategies[k].rounds > 1;
  }
}

/* Is strategy k held against the control? */
static bool is_compared(const struct tables *t, int k)
{
  return k != t->control && t->strategies[k].finished > 0 && t->strategies[t->control].finished > 0;
}

/* ---- cells ----------------------------------------------------------------------------------- */

/* How a column's numbers are shown.  UNIT_SHARE: as a time, and compared with nothing. */
enum unit { UNIT_TIME, UNIT_SHARE, UNIT_COUNT, UNIT_VALUE, UNIT_WORK };

struct figure_column {
  const char *heading;
  report_measure f;
  enum unit unit;
};

struct figures {
  struct figure_column columns[8];
  int n;
  double longest_s; /* decides the unit of all times */
};

static void add_column(struct figures *f, const char *heading, report_measure measure, enum unit unit)
{
  f->columns[f->n++] = (struct figure_column){heading, measure, unit};
}

void report_time_text(double seconds, double longest, char text[REPORT_TEXT])
{
  if (longest < 1)
    snprintf(text, REPORT_TEXT, "%.3g s", seconds);
  else if (longest < 100)
    snprintf(text, REPORT_TEXT, "%.1f s", seconds);
  else if (seconds < 3.6e7) {
    long long s = llround(seconds);
    snprintf(text, REPORT_TEXT, "%lld:%02lld:%02lld", s / 3600, s / 60 % 60, s % 60);
  } else {
    snprintf(text, REPORT_TEXT, "%.3g h", seconds / 3600);
  }
}

static void figure_cell(struct text_table *table, const struct tables *t, const struct figures *f, enum unit unit,
                        double number)
{
  char text[REPORT_TEXT];
  if (unit == UNIT_TIME || unit == UNIT_SHARE)
    report_time_text(number, f->longest_s, text);
  else if (unit == UNIT_WORK && number < 1000)
    snprintf(text, sizeof text, "%.3g", number);
  else if (unit == UNIT_COUNT || unit == UNIT_WORK)
    report_count_text(number, text);
  else
    report_value_text(t->first, number, text);
  text_table_cell(table, text);
}

/* What strategy g differs by from the control: a share saved, points won, or a plain difference. */
static void difference_cell(struct text_table *table, const struct tables *t, const struct figure_column *c,
                            const struct strategy *g)
{
  struct mean a = mean_of(t, g, c->f), b = mean_of(t, &t->strategies[t->control], c->f);
  if (!a.n || !b.n || c->unit == UNIT_SHARE)
    text_table_cell(table, "-");
  else if (c->unit != UNIT_VALUE ? !(b.mean > 0) : !isfinite(a.mean - b.mean))
    text_table_cell(table, "-");
  else if (c->unit != UNIT_VALUE)
    text_table_cellf(table, "%.1f %%", 100 * (b.mean - a.mean) / b.mean);
  else if (report_accuracy(t->first))
    text_table_cellf(table, "%+.2f points", 100 * (a.mean - b.mean));
  else
    text_table_cellf(table, "%+.6g", a.mean - b.mean);
}

/* The strategy's name in at most `size` bytes, for a first cell. */
static void strategy_text(const char *name, char *text, size_t size)
{
  text_escape(text, size, name);
}

static void strategy_rows(struct text_table *table, const struct tables *t, const struct figures *f,
                          const struct strategy *g)
{
  char name[20];
  strategy_text(g->name, name, sizeof name);
  text_table_cellf(table, "%s%s", name, g->finished ? "" : " *");
  if (t->several && g->finished && g->finished < g->rounds)
    text_table_cellf(table, "%d of %d", g->finished, g->rounds);
  else if (t->several)
    text_table_cellf(table, "%d", g->rounds);
  for (int i = 0; i < f->n; i++) {
    struct mean m = mean_of(t, g, f->columns[i].f);
    if (m.n)
      figure_cell(table, t, f, f->columns[i].unit, m.mean);
    else
      text_table_cell(table, "-");
  }
  if ((g->finished ? g->finished : g->rounds) < 2) return;
  text_table_cell(table, "  std. deviation");
  text_table_cell(table, "");
  for (int i = 0; i < f->n; i++) {
    struct mean m = mean_of(t, g, f->columns[i].f);
    if (m.n)
      figure_cell(table, t, f, f->columns[i].unit, m.sd);
    else
      text_table_cell(table, "");
  }
}

static void print_figures(FILE *out, const struct tables *t, const struct figures *f, const char *title,
                          const char *difference)
{
  struct text_table *table = text_table_create();
  text_wrapf(out, "", "%s%s", title, t->several ? ", means over rounds" : "");
  const char *const marks[] = {t->unfinished ? "unfinished" : NULL, t->changed ? "changed on the way" : NULL,
                               t->asynchronous ? "asynchronous order, cannot be reproduced" : NULL,
                               t->timed ? "cost by time, cannot be reproduced" : NULL};
  int n_marks = 0;
  for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
    if (marks[i]) fprintf(out, "%s%s", n_marks++ ? ", " : "[", marks[i]);
  if (n_marks) fputs("; see the notes below]\n", out);
  text_table_column(table, "strategy", false);
  if (t->several) text_table_column(table, "rounds", true);
  for (int i = 0; i < f->n; i++) text_table_column(table, f->columns[i].heading, true);
  for (int k = 0; k < t->n; k++) strategy_rows(table, t, f, &t->strategies[k]);
  for (int k = 0; k < t->n; k++) {
    char name[20];
    if (!is_compared(t, k)) continue;
    strategy_text(t->strategies[k].name, name, sizeof name);
    text_table_cellf(table, difference, name);
    if (t->several) text_table_cell(table, "");
    for (int i = 0; i < f->n; i++) difference_cell(table, t, &f->columns[i], &t->strategies[k]);
  }
  text_table_print(out, table, text_width(out));
  text_table_destroy(table);
  fputc('\n', out);
}

static void add_times(struct figures *f, enum report_clock clock)
{
  const enum unit unit = clock == CLOCK_DEVICE ? UNIT_SHARE : UNIT_TIME;
  add_column(f, report_clock_names[clock].to_best, report_time_to_best, unit);
  add_column(f, report_clock_names[clock].whole, report_time, unit);
}

/* What a network costs is exact, and the same on every machine: it comes first. */
static struct figures cost_figures(const struct tables *t)
{
  struct figures f = {0};
  for (int k = 0; k < t->n; k++) {
    struct mean m = mean_of(t, &t->strategies[k], report_time), w = mean_of(t, &t->strategies[k], report_wall_time);
    f.longest_s = fmax(f.longest_s, fmax(m.mean, w.mean));
  }
  if (t->images) add_column(&f, "images trained", report_images, UNIT_COUNT);
  if (any_has(t, report_tflop)) {
    add_column(&f, "TFLOP to best", report_tflop_to_best, UNIT_WORK);
    add_column(&f, "TFLOP trained", report_tflop, UNIT_WORK);
  }
  add_times(&f, t->clock);
  if (!t->images) add_column(&f, "trials to best", trials_to_best, UNIT_COUNT);
  if (any_has(t, report_wall_time)) add_column(&f, "wall time", report_wall_time, UNIT_TIME);
  return f;
}

static struct figures value_figures(const struct tables *t)
{
  struct figures f = {0};
  add_column(&f, t->value_name, report_best_value, UNIT_VALUE);
  if (any_has(t, report_test_value)) add_column(&f, t->test_name, report_test_value, UNIT_VALUE);
  return f;
}

static void print_values(FILE *out, const struct tables *t, const struct figures *f)
{
  char title[LABEL + 60];
  if (!strcmp(t->first->record.value_name, "validation accuracy") && t->first->maximize)
    snprintf(title, sizeof title, "Table 4: accuracy");
  else
    snprintf(title, sizeof title, "Table 4: %s (%s is better)", t->value_name, t->first->maximize ? "higher" : "lower");
  print_figures(out, t, f, title, "%s differs by");
}

/* ---- round by round -------------------------------------------------------------------------- */

static void pair_cells(struct text_table *table, const struct tables *t, enum unit unit, const struct report_pairs *p)
{
  double mean = p->difference.mean, half = p->difference.half;
  if (unit != UNIT_VALUE) { /* less is saved */
    mean *= -100 / p->control;
    half *= 100 / p->control;
    text_table_cellf(table, "%.1f %%", mean);
    text_table_cellf(table, "%.1f to %.1f %%", mean - half, mean + half);
  } else if (report_accuracy(t->first)) {
    text_table_cellf(table, "%+.2f points", 100 * mean);
    text_table_cellf(table, "%+.2f to %+.2f", 100 * (mean - half), 100 * (mean + half));
  } else {
    text_table_cellf(table, "%+.4g", mean);
    text_table_cellf(table, "%+.4g to %+.4g", mean - half, mean + half);
  }
}

/* A row a figure in which a strategy differs from the control.  Returns the fewest rounds of a row;
 * INT_MAX: there is none. */
static int pair_rows(struct text_table *table, const struct tables *t, const struct figures *f, int k)
{
  int fewest = INT_MAX;
  const char *name = t->strategies[k].name, *control = t->strategies[t->control].name;
  for (int i = 0; i < f->n; i++) {
    const struct figure_column *c = &f->columns[i];
    struct report_pairs p = report_pairs(t->r, name, control, c->f);
    char shown[20];
    if (c->unit == UNIT_SHARE || p.difference.n < 2 || (c->unit != UNIT_VALUE && !(p.control > 0))) continue;
    if (p.difference.mean == 0 && p.difference.sd == 0) continue; /* as images where all trials have as many */
    strategy_text(name, shown, sizeof shown);
    text_table_cell(table, shown);
    text_table_cellf(table, "%s%s", c->heading, c->unit == UNIT_VALUE ? "" : ", saved");
    text_table_cellf(table, "%d", p.difference.n);
    pair_cells(table, t, c->unit, &p);
    if (p.difference.n < fewest) fewest = p.difference.n;
  }
  return fewest;
}

/* The differences of rounds that are repetitions of one another, and how far chance may have made
 * them. */
static void print_pairs(FILE *out, const struct tables *t, const struct figures *costs, const struct figures *values)
{
  struct text_table *table = text_table_create();
  char control[LABEL];
  int fewest = INT_MAX;
  strategy_text(t->strategies[t->control].name, control, sizeof control);
  text_table_column(table, "strategy", false);
  text_table_column(table, "figure", false);
  text_table_column(table, "rounds", true);
  text_table_column(table, "difference", true);
  text_table_column(table, "95 % interval", true);
  for (int k = 0; k < t->n; k++) {
    if (!is_compared(t, k)) continue;
    int of_costs = pair_rows(table, t, costs, k), of_values = pair_rows(table, t, values, k);
    if (of_costs < fewest) fewest = of_costs;
    if (of_values < fewest) fewest = of_values;
  }
  if (fewest < INT_MAX) {
    text_wrapf(out, "", "Differences from %s, paired by round", control);
    text_table_print(out, table, text_width(out));
    text_wrapf(out, "  ",
               "mean difference over the rounds that both have, and its interval by Student's t with rounds - 1 "
               "degrees of freedom%s; an interval that holds 0 shows no difference",
               fewest < 5 ? ", a rough one from so few" : "");
    fputc('\n', out);
  }
  text_table_destroy(table);
}

/* ---- notes ----------------------------------------------------------------------------------- */

/* The kinds of failure of a strategy's trials: "3 diverged, 1 infeasible". */
static void failure_kinds(const struct tables *t, const char *strategy, char *text, size_t size)
{
  struct {
    char name[48];
    int n;
  } kinds[KINDS_SHOWN] = {0};
  int n = 0, others = 0;
  for (int i = 0; i < t->r->n; i++) {
    const struct report_study *s = &t->r->studies[i];
    for (int j = 0; s->record.ours && !strcmp(s->record.strategy, strategy) && j < s->n; j++) {
      char name[48];
      int k = 0;
      if (s->trials[j].state != STORED_FAIL) continue;
      report_failure_kind(s->trials[j].reason, name, sizeof name);
      while (k < n && strcmp(kinds[k].name, name) != 0) k++;
      if (k == KINDS_SHOWN) {
        others++;
        continue;
      }
      if (k == n) strcpy(kinds[n++].name, name);
      kinds[k].n++;
    }
  }
  size_t used = 0;
  text[0] = 0;
  for (int k = 0; k < n; k++)
    used += (size_t)snprintf(text + used, size - used, "%s%d %s", k ? ", " : "", kinds[k].n, kinds[k].name);
  if (others) snprintf(text + used, size - used, ", %d other", others);
}

/* Is it a study of strategy k, finished or not? */
static bool is_of(const struct tables *t, int k, const struct report_study *s)
{
  return s->record.ours && !strcmp(s->record.strategy, t->strategies[k].name);
}

/* Trials of strategy k, over all of its studies. */
struct tally {
  int all, failed, pruned;
};

static struct tally tally_of(const struct tables *t, int k)
{
  struct tally n = {0};
  for (int i = 0; i < t->r->n; i++) {
    const struct report_study *s = &t->r->studies[i];
    if (!is_of(t, k, s)) continue;
    n.all += s->n;
    n.failed += s->failed;
    n.pruned += s->pruned;
  }
  return n;
}

/* Do trials pause in any of the studies?  Then those that failed do not run again. */
static bool pauses_anywhere(const struct tables *t)
{
  for (int i = 0; i < t->r->n; i++) {
    const struct study_record *record = &t->r->studies[i].record;
    char kind[40], its[40];
    if (record->search && experiment_search_get(record->search, "pruner.kind", kind, sizeof kind) &&
        experiment_search_get(record->search, "pruner.strategies", its, sizeof its) && pruner_pauses(kind) &&
        (!strcmp(its, PRUNES_EVERY_ONE) || !strcmp(its, record->strategy)))
      return true;
  }
  return false;
}

static void note_failures(FILE *out, const struct tables *t)
{
  int timeouts = 0, failed = 0;
  for (int k = 0; k < t->n; k++) {
    char kinds[KINDS_SHOWN * 64 + 40], name[LABEL];
    struct tally n = tally_of(t, k);
    for (int i = 0; i < t->r->n; i++) {
      const struct report_study *s = &t->r->studies[i];
      for (int j = 0; is_of(t, k, s) && j < s->n; j++)
        timeouts += s->trials[j].state == STORED_FAIL && !strncmp(s->trials[j].reason, "timeout", 7);
    }
    if (!n.failed) continue;
    failed += n.failed;
    failure_kinds(t, t->strategies[k].name, kinds, sizeof kinds);
    strategy_text(t->strategies[k].name, name, sizeof name);
    text_wrapf(out, "  ", "failed trials: %s %d of %d (%s)", name, n.failed, n.all, kinds);
  }
  if (failed && !pauses_anywhere(t))
    text_wrap(out, "  ", "what has failed runs again with gsos run FILE.ini --retry-failed");
  if (timeouts)
    text_wrapf(out, "  ", "timeout: %d trial%s ended by a clock; the history depends on how fast the machine was",
               timeouts, timeouts == 1 ? " was" : "s were");
}

static void note_pruned(FILE *out, const struct tables *t)
{
  for (int k = 0; k < t->n; k++) {
    char name[LABEL];
    struct tally n = tally_of(t, k);
    strategy_text(t->strategies[k].name, name, sizeof name);
    if (n.pruned) text_wrapf(out, "  ", "pruned trials, ended early: %s %d of %d", name, n.pruned, n.all);
  }
}

static void note_study(FILE *out, const struct report_study *s)
{
  char name[600];
  text_escape(name, sizeof name, s->name);
  if (!s->finished) {
    char open[360] = "", gone[320] = "";
    if (s->gone[0]) snprintf(gone, sizeof gone, " (%s)", s->gone);
    if (s->running) snprintf(open, sizeof open, ", %d %s%s", s->running, report_state_name(s, STORED_RUNNING), gone);
    text_wrapf(out, "  ", "unfinished: %s, %d of %d trial%s ended%s", name, report_ended(s), s->record.trials,
               s->record.trials == 1 ? " has" : "s have", open);
  }
  if (s->record.target_reached)
    text_wrapf(out, "  ", "target reached: %s, after %d of %d trial%s", name, report_ended(s), s->record.trials,
               text_plural(s->record.trials));
  if (s->best < 0 && (s->finished || s->failed > 0)) text_wrapf(out, "  ", "no complete trial: %s", name);
  if (s->best < 0) report_print_failures(out, s);
  report_print_changes(out, s);
}

/* Do the rows of two strategies stand for the same rounds? */
static bool same_rounds(const struct tables *t, const struct strategy *a, const struct strategy *b)
{
  int in_a = 0, in_b = 0, in_both = 0;
  for (int i = 0; i < t->r->n; i++) {
    const struct report_study *s = &t->r->studies[i];
    in_b += counts(b, s);
    if (!counts(a, s)) continue;
    in_a++;
    for (int j = 0; j < t->r->n; j++)
      in_both += counts(b, &t->r->studies[j]) && t->r->studies[j].record.round == s->record.round;
  }
  return in_a == in_b && in_a == in_both;
}

static void note_dependencies(FILE *out, const struct tables *t)
{
  const char *last = NULL;
  for (int i = 0; i < t->r->n; i++) {
    const struct study_record *record = &t->r->studies[i].record;
    if (!record->ours || !record->depends_on[0] || (last && !strcmp(last, record->depends_on))) continue;
    char text[2500];
    last = record->depends_on;
    text_wrapf(out, "  ", "results depend on: %s", text_escape(text, sizeof text, last));
  }
}

/* What studies start from, once: those of an experiment start from the same. */
static void note_start(FILE *out, const struct tables *t)
{
  const struct report_study *last = NULL;
  for (int i = 0; i < t->r->n; i++) {
    const struct report_study *s = &t->r->studies[i];
    if (s->record.n_start == 0 || (last && !memcmp(last->record.start, s->record.start, sizeof s->record.start)))
      continue;
    report_print_start(out, s);
    last = s;
  }
}

static void note_clock(FILE *out, const struct tables *t)
{
  if (t->clock != CLOCK_DEVICE) {
    text_wrapf(out, "  ", "%s; wall time only where a study ran alone",
               t->clock == CLOCK_CPU ? "CPU time: of the trials' threads" : "time: what the trials took of the CPU");
    return;
  }
  text_wrap(
      out, "  ",
      "device time: the trials' shares of the time in which the GPU was busy; it depends on what ran beside them, "
      "so that what a strategy saves is told of images and FLOPs");
  text_wrap(out, "  ",
            "wall time only where a study ran alone: [scheduler] studies = one_by_one gives each a time of its own");
}

/* What two strategies differ by in one round may be the luck of that one. */
static void note_one_round(FILE *out, const struct tables *t)
{
  for (int k = 0; k < t->n; k++) {
    const char *name = t->strategies[k].name, *control = t->strategies[t->control].name;
    if (!is_compared(t, k) || report_pairs(t->r, name, control, report_best_value).difference.n != 1) continue;
    text_wrap(out, "  ",
              "one round: what strategies differ by in a single one may be chance; with more, experiment.rounds=5, "
              "differences come with an interval");
    return;
  }
}

static void print_notes(FILE *out, const struct tables *t)
{
  const struct strategy *control = &t->strategies[t->control];
  fputs("Notes\n", out);
  note_clock(out, t);
  for (int k = 0; k < t->n; k++) {
    if (t->strategies[k].finished) continue;
    text_wrap(out, "  ", "*: no round is finished; the row is what there is so far, and is compared with nothing");
    break;
  }
  for (int k = 0; k < t->n; k++) {
    const struct strategy *g = &t->strategies[k];
    char names[2][LABEL];
    if (k == t->control || !g->finished || !control->finished || same_rounds(t, g, control)) continue;
    strategy_text(g->name, names[0], LABEL);
    strategy_text(control->name, names[1], LABEL);
    text_wrapf(out, "  ", "different rounds: %s and %s are compared by rounds that are not the same", names[0],
               names[1]);
  }
  note_one_round(out, t);
  for (int i = 0; i < t->r->n; i++)
    if (t->r->studies[i].record.ours) note_study(out, &t->r->studies[i]);
  note_failures(out, t);
  note_pruned(out, t);
  if (t->left_out)
    text_wrapf(out, "  ", "left out: %d stud%s of further strategies", t->left_out, t->left_out == 1 ? "y" : "ies");
  note_start(out, t);
  note_dependencies(out, t);
}

/* ---- all ------------------------------------------------------------------------------------- */

void report_print_tables(FILE *out, const struct report *r)
{
  struct tables t;
  int others = 0;
  collect(&t, r);
  for (int i = 0; i < r->n; i++) others += !r->studies[i].record.ours;
  if (t.n) {
    struct figures costs = cost_figures(&t), values = value_figures(&t);
    print_figures(out, &t, &costs, "Table 3: cost and time", "%s saves");
    print_values(out, &t, &values);
    print_pairs(out, &t, &costs, &values);
    print_notes(out, &t);
    fputc('\n', out);
  }
  if (others) report_print_others(out, r);
  report_print_left_out(out, r);
  if (others || r->n_left_out) fputc('\n', out);
}
