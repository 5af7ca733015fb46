/* Held against a database: what an experiment may change when it goes on. */
#include "resume.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "strategy.h"
#include "study_record.h"

void resume_study_name(const struct experiment *x, int strategy, int round, char *name, size_t size)
{
  snprintf(name, size, "%s/%s/%d", x->name, x->strategies[strategy], round);
}

/* Number out of a search text; 0 where it is not there. */
static int stored_number(const char *text, const char *key)
{
  char value[32];
  return experiment_search_get(text, key, value, sizeof value) ? atoi(value) : 0;
}

/* The first strategy whose studies cannot be given more trials; NULL where there is none. */
static const struct strategy *fixed_strategy(const struct experiment *x)
{
  for (int i = 0; i < x->n_strategies; i++) {
    const struct strategy *s = strategy_find(x->strategies[i]);
    if (s && !s->more_trials_extend) return s;
  }
  return NULL;
}

/* The number of keys that differ if rounds and trials were those of the stored text. */
static int differences_without(const struct experiment *x, const char *stored, int rounds, int trials)
{
  struct experiment *y = malloc(sizeof *y);
  char ignored[16];
  if (!y) return 1;
  *y = *x; /* borrows the space */
  y->rounds = rounds;
  y->trials = trials;
  char *text = experiment_search_text(y);
  int n = text ? experiment_search_compare(stored, text, ignored, sizeof ignored) : 1;
  free(text);
  free(y);
  return n;
}

static int compare_search(const struct experiment *x, const char *stored, struct error *e)
{
  char differences[1000];
  char *now = experiment_search_text(x);
  if (!now) return error_set(e, ERROR_MACHINE, "no memory to compare the search keys");
  int n = experiment_search_compare(stored, now, differences, sizeof differences);
  free(now);
  if (n == 0) return 0;
  int rounds = stored_number(stored, "experiment.rounds"), trials = stored_number(stored, "experiment.trials");
  const struct strategy *fixed = fixed_strategy(x);
  bool more = x->rounds >= rounds && x->trials >= trials;
  if (differences_without(x, stored, rounds, trials) > 0 || !more)
    return error_set(e, ERROR_CONFIG,
                     "%s holds results of another search: %s; give those values, or another --output (of a search that "
                     "has begun only rounds, and trials of the simultaneous strategy alone, may be raised)",
                     x->output, differences);
  if (x->trials > trials && fixed)
    return error_set(
        e, ERROR_CONFIG,
        "%s: %s: the trials of strategy '%s' are divided among its groups, and those that have ended would "
        "belong to other groups; give the old number, or another --output",
        x->output, differences, fixed->name);
  return 0;
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

int resume_check_search(struct store *s, const struct experiment *x, struct error *e)
{
  struct study_record record = {0};
  char name[520];
  int n, id;
  int code = store_study_count(s, &n, e);
  for (int i = 0; i < n && !code; i++) {
    code = store_study_name(s, i, name, sizeof name, &id, NULL, e);
    if (!code) code = study_record_read(s, id, &record, e);
    if (code) return code;
    bool made = false;
    if (!record.ours) code = just_made(s, id, x, &made, e);
    if (code || made) continue;
    if (!record.ours || !record.search)
      code = error_set(e, ERROR_CONFIG, "%s/study.db holds the study '%s' of another program; give another --output",
                       x->output, name);
    else
      code = compare_search(x, record.search, e);
    study_record_free(&record);
  }
  return code;
}

int resume_check_machine(struct store *s, const char *depends_on, bool accept, char *change, size_t size,
                         struct error *e)
{
  struct study_record record;
  char name[520];
  int n, id;
  change[0] = 0;
  int code = store_study_count(s, &n, e);
  for (int i = 0; i < n && !code; i++) {
    code = store_study_name(s, i, name, sizeof name, &id, NULL, e);
    if (!code) code = study_record_read(s, id, &record, e);
    if (code) return code;
    if (record.ours && strcmp(record.depends_on, depends_on) != 0) {
      if (!accept)
        code = error_set(e, ERROR_CONFIG,
                         "the results so far were made with\n  %s\nand this would go on with\n  %s\nwhich gives other "
                         "numbers; run it as before, or use --accept-change (every table will then say so), or another "
                         "--output",
                         record.depends_on, depends_on);
      else
        snprintf(change, size, "was %.130s; went on with %.130s", record.depends_on, depends_on);
    }
    study_record_free(&record);
  }
  return code;
}

int resume_is_finished(struct store *s, const struct experiment *x, bool *finished, struct error *e)
{
  char wanted[520], name[520];
  int n, id, found = 0;
  int code = store_study_count(s, &n, e);
  *finished = false;
  for (int i = 0; i < n && !code; i++) {
    struct study_record record;
    code = store_study_name(s, i, name, sizeof name, &id, NULL, e);
    if (!code) code = study_record_read(s, id, &record, e);
    if (code) return code;
    for (int k = 0; k < x->n_strategies; k++) {
      if (record.round < 0 || record.round >= x->rounds || strcmp(record.strategy, x->strategies[k]) != 0) continue;
      resume_study_name(x, k, record.round, wanted, sizeof wanted);
      found += !strcmp(wanted, name) && record.finished && (record.target_reached || record.trials >= x->trials);
    }
    study_record_free(&record);
  }
  *finished = !code && found == x->n_strategies * x->rounds;
  return code;
}
