/* Held against a database: what an experiment may change when it goes on. */
#include "sched/commands/resume.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "host/base/text_units.h"
#include "sched/study/pruner.h"
#include "sched/study/strategy.h"
#include "sched/study/study.h"
#include "host/store/study_attributes.h"
#include "host/base/text_escape.h"
#include "host/base/text_wrap.h"
#include "host/base/version.h"

void resume_study_name(const struct experiment *x, int strategy, int round, char *name, size_t size)
{
  snprintf(name, size, "%s/%s/%d", x->name, x->strategies[strategy], round);
}

/* Number out of a search text, or what stands for it where it is not there. */
static int stored_number(const char *text, const char *key, int absent)
{
  char value[32];
  return experiment_search_get(text, key, value, sizeof value) ? atoi(value) : absent;
}

/* What of an experiment's size may be raised. */
struct size {
  int rounds, trials, cycles;
};

static bool is_extended(const struct strategy *s, bool more_trials, bool more_cycles)
{
  return (!more_trials || s->more_trials_extend) && (!more_cycles || s->more_cycles_extend);
}

/* The first strategy whose studies cannot be given more of these; NULL where there is none. */
static const struct strategy *fixed_strategy(const struct experiment *x, bool more_trials, bool more_cycles)
{
  for (int i = 0; i < x->n_strategies; i++) {
    const struct strategy *s = strategy_find(x->strategies[i]);
    if (s && !is_extended(s, more_trials, more_cycles)) return s;
  }
  return NULL;
}

/* The search text with that size; NULL without memory. */
static char *search_text_with(const struct experiment *x, struct size size)
{
  struct experiment *y = malloc(sizeof *y);
  if (!y) return NULL;
  *y = *x; /* borrows the space */
  y->rounds = size.rounds;
  y->cycle_trials = size.trials;
  y->cycles = size.cycles;
  char *text = experiment_search_text(y);
  free(y);
  return text;
}

char *resume_trial_text(const struct experiment *x)
{
  return search_text_with(x, (struct size){1, 1, 1});
}

/* The number of keys that differ if the size were that of the stored text. */
static int differences_without(const struct experiment *x, const char *stored, struct size size)
{
  char ignored[16];
  char *text = search_text_with(x, size);
  int n = text ? experiment_search_compare(stored, text, ignored, sizeof ignored) : 1;
  free(text);
  return n;
}

/* "simultaneous strategy", "a, b strategies": those whose studies can be given more of these. */
static void extendable_text(bool more_trials, bool more_cycles, char *text, size_t size)
{
  size_t used = 0;
  int n = 0;
  text[0] = 0;
  for (int i = 0; strategies[i]; i++) {
    if (!is_extended(strategies[i], more_trials, more_cycles)) continue;
    used += text_format(text + used, size - used, "%s%s", n++ ? ", " : "", strategies[i]->name);
  }
  text_format(text + used, size - used, " strateg%s", n == 1 ? "y" : "ies");
}

static int compare_search(const struct experiment *x, const char *stored, struct error *e)
{
  char differences[1000];
  char *now = experiment_search_text(x);
  if (!now) return error_set(e, ERROR_MACHINE, "no memory to compare the search keys");
  int n = experiment_search_compare(stored, now, differences, sizeof differences);
  free(now);
  if (n == 0) return 0;
  struct size was = {stored_number(stored, "experiment.rounds", 0), stored_number(stored, "experiment.trials", 0),
                     stored_number(stored, "experiment.cycles", 1)};
  bool more = x->rounds >= was.rounds && x->cycle_trials >= was.trials && x->cycles >= was.cycles;
  if (differences_without(x, stored, was) > 0 || !more) {
    char with_trials[300], with_cycles[300];
    extendable_text(true, false, with_trials, sizeof with_trials);
    extendable_text(false, true, with_cycles, sizeof with_cycles);
    return error_set(
        e, ERROR_CONFIG,
        "%s holds results of another search: %s; give those values, or another --output, or --fresh (of a search that "
        "has begun only rounds, trials of the %s alone, and cycles of the %s alone may be raised)",
        x->output, differences, with_trials, with_cycles);
  }
  if (experiment_weighs_cost(x) && x->cycle_trials > was.trials)
    return error_set(
        e, ERROR_CONFIG,
        "%s: %s: what [gp] cost weighs follows the trials that are left, so that the first ones would have "
        "been others; give the old number, or another --output, or --fresh",
        x->output, differences);
  const struct pruner *pruner = study_pausing(x);
  if (pruner && x->cycle_trials > was.trials)
    return error_set(e, ERROR_CONFIG,
                     "%s: %s: with [pruner] kind = %s what went on when the last trials had begun would have been "
                     "another; give the old number, or another --output, or --fresh",
                     x->output, differences, pruner->name);
  const struct strategy *fixed = fixed_strategy(x, x->cycle_trials > was.trials, x->cycles > was.cycles);
  if (fixed)
    return error_set(
        e, ERROR_CONFIG,
        "%s: %s: the trials of strategy '%s' are divided among its groups, and those that have ended would "
        "belong to other groups; give the old number, or another --output, or --fresh%s",
        x->output, differences, fixed->name,
        is_extended(fixed, false, true) ? "; experiment.cycles may be raised" : "");
  return 0;
}

/* Would a run of x make a study of this name? */
static bool makes(const struct experiment *x, const char *name)
{
  char wanted[520];
  for (int round = 0; round < x->rounds; round++) {
    for (int k = 0; k < x->n_strategies; k++) {
      resume_study_name(x, k, round, wanted, sizeof wanted);
      if (!strcmp(wanted, name)) return true;
    }
  }
  return false;
}

/* A study that a run made just before it died, without a trial and without its record yet. */
static int just_made(struct store *s, int id, const struct experiment *x, bool *made, struct error *e)
{
  struct stored_trial *trials;
  int n;
  int code = store_trials(s, id, &x->space, NULL, &trials, &n, e);
  if (!code) free(trials);
  *made = !code && n == 0;
  return code;
}

static int another_programs(const struct experiment *x, const char *name, struct error *e)
{
  return error_set(e, ERROR_CONFIG, "%s/study.db holds the study '%s' of another program; give another --output",
                   x->output, name);
}

/* Studies of another program beside ours are not touched; a database that has none but theirs is
 * not taken for an output. */
int resume_check_search(struct store *s, const struct experiment *x, struct error *e)
{
  char name[520], foreign[520] = "";
  int n, id, ours = 0;
  int code = store_study_count(s, &n, e);
  for (int i = 0; i < n && !code; i++) {
    struct study_record record;
    bool made = true;
    code = store_study_name(s, i, name, sizeof name, &id, NULL, e);
    if (!code) code = study_record_read(s, id, &record, e);
    if (code) return code;
    if (!record.ours && !makes(x, name)) {
      memcpy(foreign, name, sizeof foreign);
      continue;
    }
    if (record.search)
      code = compare_search(x, record.search, e);
    else
      code = just_made(s, id, x, &made, e);
    if (!code && !made) code = another_programs(x, name, e);
    ours++;
    study_record_free(&record);
  }
  return !code && foreign[0] && !ours ? another_programs(x, foreign, e) : code;
}

/* ---- what results depend on ------------------------------------------------------------------ */

/* Where gsos itself gives other numbers than the one that made them, that stands before the
 * rest. */
static void side_text(char *text, size_t size, bool differs, const char *version, int history, const char *depends_on)
{
  if (differs)
    text_format(text, size, "gsos %s (history %d), %s", version, history, depends_on);
  else
    text_format(text, size, "%s", depends_on);
}

/* Is it another machine, program, data set or gsos than the record's?  was[size], is[size]: both
 * sides. */
static bool differs(const struct study_record *r, const char *depends_on, char *was, char *is, size_t size)
{
  int made_by = r->history > 0 ? r->history : 1; /* the first did not write it down */
  bool history = made_by != GSOS_HISTORY_VERSION;
  side_text(was, size, history, r->version, made_by, r->depends_on);
  side_text(is, size, history, GSOS_VERSION, GSOS_HISTORY_VERSION, depends_on);
  return history || strcmp(r->depends_on, depends_on) != 0;
}

int resume_compare_machine(struct store *s, const char *depends_on, struct resume_sides *sides, struct error *e)
{
  char name[520];
  int n, id;
  *sides = (struct resume_sides){0};
  int code = store_study_count(s, &n, e);
  for (int i = 0; i < n && !code && !sides->differ; i++) {
    struct study_record record;
    code = store_study_name(s, i, name, sizeof name, &id, NULL, e);
    if (!code) code = study_record_read(s, id, &record, e);
    if (code) return code;
    sides->differ = record.ours && differs(&record, depends_on, sides->was, sides->is, sizeof sides->was);
    study_record_free(&record);
  }
  return code;
}

int resume_check_machine(struct store *s, const char *depends_on, bool accept, char *change, size_t size,
                         struct error *e)
{
  struct resume_sides sides;
  change[0] = 0;
  int code = resume_compare_machine(s, depends_on, &sides, e);
  if (code || !sides.differ) return code;
  if (!accept)
    return error_set(e, ERROR_CONFIG,
                     "the results so far were made with\n  %s\nand this would go on with\n  %s\nwhich gives other "
                     "numbers; run it as before, or use --accept-change (every table will then say so), or another "
                     "--output, or --fresh",
                     sides.was, sides.is);
  text_format(change, size, "was %.*s; went on with %.*s", text_within(sides.was, 130), sides.was,
              text_within(sides.is, 130), sides.is);
  return 0;
}

/* ---- what is there --------------------------------------------------------------------------- */

typedef int (*study_visit)(struct store *s, int id, struct study_record *record, void *context, struct error *e);

/* Is the study one that a run of x makes, and not of another number of rounds? */
static bool is_of(const struct experiment *x, const struct study_record *record, const char *name)
{
  char wanted[520];
  for (int k = 0; k < x->n_strategies; k++) {
    if (!record->ours || record->round < 0 || record->round >= x->rounds) continue;
    if (strcmp(record->strategy, x->strategies[k]) != 0) continue;
    resume_study_name(x, k, record->round, wanted, sizeof wanted);
    if (!strcmp(wanted, name)) return true;
  }
  return false;
}

static int visit_studies(struct store *s, const struct experiment *x, study_visit visit, void *context, struct error *e)
{
  char name[520];
  int n, id;
  int code = store_study_count(s, &n, e);
  for (int i = 0; i < n && !code; i++) {
    struct study_record record;
    code = store_study_name(s, i, name, sizeof name, &id, NULL, e);
    if (!code) code = study_record_read(s, id, &record, e);
    if (code) return code;
    if (is_of(x, &record, name)) code = visit(s, id, &record, context, e);
    study_record_free(&record);
  }
  return code;
}

struct look {
  const struct experiment *x;
  struct resume_earlier *earlier;
  int finished;
};

static int look_at(struct store *s, int id, struct study_record *record, void *context, struct error *e)
{
  struct look *l = context;
  struct store_ended ended;
  int code = store_study_ended(s, id, &ended, e);
  if (code) return code;
  bool repeated = l->x->repeats <= 0 || strcmp(record->objective, "cnn") != 0 || ended.ended == ended.failed ||
                  study_repeats_ended(&record->repeats, l->x->repeats) >= l->x->repeats;
  l->finished += record->finished && (record->target_reached || record->trials >= l->x->trials) && repeated;
  l->earlier->ended += ended.ended;
  l->earlier->failed += ended.failed;
  l->earlier->target_reached |= record->target_reached;
  if (!(l->earlier->last_s >= ended.last_s)) l->earlier->last_s = ended.last_s;
  return 0;
}

int resume_look(struct store *s, const struct experiment *x, struct resume_earlier *earlier, struct error *e)
{
  struct look look = {.x = x, .earlier = earlier};
  *earlier = (struct resume_earlier){.wanted = x->n_strategies * x->rounds * x->trials, .last_s = NAN};
  int code = visit_studies(s, x, look_at, &look, e);
  earlier->finished = !code && look.finished == x->n_strategies * x->rounds;
  return code;
}

void resume_earlier_text(const struct resume_earlier *earlier, char *text, size_t size)
{
  char date[40] = "";
  struct tm parts;
  time_t last = isnan(earlier->last_s) ? 0 : (time_t)earlier->last_s;
  if (last > 0 && localtime_r(&last, &parts)) strftime(date, sizeof date, ", %Y-%m-%d %H:%M", &parts);
  snprintf(text, size, "%d of %d trial%s%s%s", earlier->ended, earlier->wanted, text_plural(earlier->wanted),
           earlier->target_reached ? ", target reached" : "", date);
}

/* One more way to go on, after those that are there. */
static void add_way(char *text, size_t size, const char *way)
{
  size_t used = strlen(text);
  snprintf(text + used, size - used, "%s%s", used ? ", or " : "", way);
}

void resume_print_finished(FILE *out, const struct experiment *x, const struct resume_earlier *earlier, bool rounds)
{
  char more[120] = "", output[1100], held[120];
  bool weighs = experiment_weighs_cost(x);
  bool pauses = study_pausing(x);
  text_escape(output, sizeof output, x->output);
  resume_earlier_text(earlier, held, sizeof held);
  fprintf(out, "%s is finished (%s); nothing was run.\n", output, held);
  if (rounds) snprintf(more, sizeof more, "--set experiment.rounds=%d", x->rounds + 1);
  if (!weighs && !pauses && !fixed_strategy(x, true, false)) add_way(more, sizeof more, "a larger experiment.trials");
  if (!fixed_strategy(x, false, true)) add_way(more, sizeof more, "more experiment.cycles");
  text_wrapf(out, "  ", "%s%s%sanew: --fresh, or another --output", more[0] ? "More: " : "", more, more[0] ? "; " : "");
  if (earlier->failed && !pauses)
    text_wrapf(out, "  ", "%d trial%s failed: --retry-failed runs %s again", earlier->failed,
               earlier->failed == 1 ? "" : "s", earlier->failed == 1 ? "it" : "them");
}

/* ---- failed trials once more ----------------------------------------------------------------- */

/* The record first: a crash between leaves a study that says more than happened, never one that
 * says less. */
static int retry_study(struct store *s, int id, struct study_record *record, void *context, struct error *e)
{
  struct store_ended ended;
  int *retried = context, n;
  int code = store_study_ended(s, id, &ended, e);
  if (code || ended.failed == 0) return code;
  record->retried += ended.failed;
  record->finished = record->target_reached = false;
  code = study_record_write(s, id, record, e);
  if (!code) code = store_trials_retry(s, id, &n, e);
  if (!code) *retried += n;
  return code;
}

int resume_retry(struct store *s, const struct experiment *x, int *n, struct error *e)
{
  *n = 0;
  return visit_studies(s, x, retry_study, n, e);
}
