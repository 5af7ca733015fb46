/* What studies start from, out of earlier databases.  See start_of_runs.h. */
#include "sched/commands/start_of_runs.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/file_same.h"
#include "host/base/text_escape.h"
#include "sched/commands/databases.h"

/* A trial that might be tried first. */
struct candidate {
  struct observation o; /* by its own study's direction; number: its place among all */
  int rank;             /* among those of its database */
};

/* How a hyperparameter of this experiment is found in a study. */
struct mapping {
  int from[SPACE_MAX]; /* [x->space.n] its place there; -1: it is not there */
};

struct taking {
  struct experiment *x;
  struct objective *o;
  struct start *start;
  struct start_trial *all; /* [n] also those that are not shown; with room for every trial there is */
  struct candidate *candidates;
  int n, n_candidates;
  /* of the database at hand */
  int taken, outside, infeasible, failed, open;
  bool known;            /* its studies say what their values are */
  bool lacks[SPACE_MAX]; /* hyperparameters that some trial lacked */
};

/* ---- is it the same? ------------------------------------------------------------------------- */

/* The lines of a search text that say what a value is of; malloc'ed, NULL without memory. */
static char *measured_lines(const char *search)
{
  static const char *const of[] = {"dataset.", "model.", "function.", "table."};
  size_t used = 0;
  char *lines = malloc(strlen(search) + 1);
  for (const char *line = search; lines && *line;) {
    size_t n = strcspn(line, "\n");
    n += line[n] == '\n';
    bool counts = false;
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) counts |= !strncmp(line, of[i], strlen(of[i]));
    if (counts && strncmp(line, "model.precision ", 16) != 0) { /* a rounding */
      memcpy(lines + used, line, n);
      used += n;
    }
    line += n;
  }
  if (lines) lines[used] = 0;
  return lines;
}

/* "data set 0123456789abcdef" of what results depend on; "" where there is none. */
static void data_of(const char *depends_on, char data[40])
{
  static const char *const kinds[] = {"data set ", "table "};
  data[0] = 0;
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    const char *at = strstr(depends_on, kinds[i]);
    size_t n = strlen(kinds[i]);
    if (at && strspn(at + n, "0123456789abcdef") == 16) snprintf(data, 40, "%.*s", (int)n + 16, at);
  }
}

/* How the values of a study differ from those of this one; "" where they do not, as far as it
 * tells. */
static int differences(const struct taking *t, const struct report_study *s, char *text, size_t size, struct error *e)
{
  const struct study_record *r = &s->record;
  char here[1000], now[40], was[40];
  size_t used = 0;
  text[0] = 0;
  if (s->maximize != t->o->maximize)
    used += text_format(text + used, size - used, "; it was to %s", s->maximize ? "maximize" : "minimize");
  if (!r->ours) return 0;
  if (strcmp(r->objective, t->o->name) != 0)
    used += text_format(text + used, size - used, "; its objective was %s", r->objective);
  if (strcmp(r->value_name, t->o->value_name) != 0)
    used += text_format(text + used, size - used, "; its values are of %s", r->value_name);
  t->o->description(t->o, here, sizeof here);
  data_of(here, now);
  data_of(r->depends_on, was);
  if (strcmp(now, was) != 0)
    used += text_format(text + used, size - used, "; %s, here %s", was[0] ? was : "no data", now[0] ? now : "none");
  if (!r->search) return 0;
  char *search = experiment_search_text(t->x), list[500];
  char *a = measured_lines(r->search), *b = search ? measured_lines(search) : NULL;
  int code = a && b ? 0 : error_set(e, ERROR_MACHINE, "no memory to compare the search keys");
  if (!code && experiment_search_compare(a, b, list, sizeof list) > 0)
    text_format(text + used, size - used, "; %s", list);
  free(a);
  free(b);
  free(search);
  return code;
}

static int check_same(struct taking *t, const struct report_study *s, struct error *e)
{
  char text[1200];
  if (!s->record.ours) t->known = false;
  if (!t->x->start_seen) return 0;
  if (differences(t, s, text, sizeof text, e)) return e->code;
  if (!text[0]) return 0;
  return error_set(e, ERROR_CONFIG,
                   "the values of '%s' say nothing of those here: %s.  start_seen = no shows them to no proposal, and "
                   "tries its best configurations alone",
                   s->name, text + 2);
}

/* ---- values ---------------------------------------------------------------------------------- */

static bool has_ended(const struct stored_trial *trial)
{
  return trial->state == STORED_COMPLETE || trial->state == STORED_PRUNED || trial->state == STORED_FAIL;
}

/* Do the study's trials that ended have more than one value of its hyperparameter i? */
static bool is_varied(const struct report_study *s, int i)
{
  const double *first = NULL;
  for (int k = 0; k < s->n; k++) {
    const double *value = &s->trials[k].values[i];
    if (!has_ended(&s->trials[k])) continue;
    if (!first) first = value;
    if (*value != *first && !(isnan(*value) && isnan(*first))) return true;
  }
  return false;
}

static int map_space(const struct taking *t, const struct report_study *s, struct mapping *m, struct error *e)
{
  const struct space *space = &t->x->space;
  char shown[200];
  int shared = 0;
  for (int i = 0; i < space->n; i++) {
    m->from[i] = space_index(&s->space, space->params[i].name);
    shared += m->from[i] >= 0;
  }
  if (shared == 0 && s->n > 0)
    return error_set(e, ERROR_CONFIG, "the trials of '%s' have none of the hyperparameters of [space]", s->name);
  for (int i = 0; i < s->space.n && t->x->start_seen; i++) {
    const char *name = s->space.params[i].name;
    if (space_index(space, name) >= 0 || !is_varied(s, i)) continue;
    text_escape(shown, sizeof shown, name);
    return error_set(
        e, ERROR_CONFIG,
        "the trials of '%s' vary '%s', which [space] has not; add it there, as a range or as the one value "
        "that it has here (%s = VALUE): trials of that value are then taken",
        s->name, shown, shown);
  }
  return 0;
}

/* false: a value lies outside of the space. */
static bool map_values(struct taking *t, const struct report_study *s, const struct stored_trial *trial,
                       const struct mapping *m, struct start_trial *out)
{
  const struct space *space = &t->x->space;
  bool any = false;
  char text[SPACE_NAME_MAX];
  for (int i = 0; i < space->n; i++) {
    const struct param *p = &space->params[i];
    int from = m->from[i];
    bool lacks = from < 0 || isnan(trial->values[from]);
    t->lacks[i] |= lacks;
    out->values[i] = p->default_value;
    out->free[i] = !lacks && trial->free[from];
    any |= out->free[i];
    if (lacks) continue;
    param_value_format(&s->space.params[from], trial->values[from], text, sizeof text);
    if (param_value_parse(p, text, &out->values[i], NULL)) return false;
  }
  /* Given ones, and those of other programs, of which nothing is said, count as they stand. */
  for (int i = 0; i < space->n && !any; i++) out->free[i] = true;
  return true;
}

/* What became of it; false: it says nothing of its configuration. */
static bool map_result(const struct stored_trial *trial, struct start_trial *out)
{
  out->value = trial->value;
  out->loss = trial->loss;
  out->step = trial->epochs > 0 ? trial->epochs : 0;
  out->state = trial->state == STORED_PRUNED ? OBSERVATION_PRUNED : OBSERVATION_COMPLETE;
  if (trial->state != STORED_FAIL) return isfinite(trial->value);
  out->state = OBSERVATION_FAILED;
  out->value = out->loss = 0;
  return !strncmp(trial->reason, "diverged:", strlen("diverged:"));
}

/* ---- a database ------------------------------------------------------------------------------ */

static int take_trial(struct taking *t, const struct report_study *s, const struct stored_trial *trial,
                      const struct mapping *m, struct error *e)
{
  struct start_trial *out = &t->all[t->n];
  struct objective_cost cost;
  if (!has_ended(trial)) return t->open++, 0;
  if (!map_result(trial, out)) return t->failed++, 0;
  if (!map_values(t, s, trial, m, out)) return t->outside++, 0;
  if (t->o->cost(t->o, out->values, &cost, e)) return e->code;
  if (!cost.feasible) return t->infeasible++, 0;
  if (out->state == OBSERVATION_COMPLETE) {
    struct observation o = {.number = t->n, .value = s->maximize ? out->value : -out->value, .loss = out->loss};
    t->candidates[t->n_candidates++] = (struct candidate){.o = o};
  }
  t->n++;
  t->taken++;
  return 0;
}

/* The next name of start_studies, and its length; NULL: there is none.  *at: where to look on. */
static const char *next_name(const char **at, size_t *n)
{
  const char *name = *at;
  size_t whole = strcspn(name, ",");
  *n = whole;
  while (*n > 0 && name[*n - 1] == ' ') --*n;
  *at += whole;
  *at += strspn(*at, ", \t");
  return *name ? name : NULL;
}

static bool is_named(const char *study, const char *name, size_t n)
{
  return strlen(study) == n && !strncmp(study, name, n);
}

/* Is the study one of start_studies? */
static bool is_wanted(const struct experiment *x, const char *study)
{
  const char *at = x->start_studies, *name;
  size_t n;
  while ((name = next_name(&at, &n)))
    if (is_named(study, name, n)) return true;
  return !x->start_studies[0];
}

/* Each name must be that of a study in some database. */
static int check_names(const struct taking *t, const struct databases *d, struct error *e)
{
  const char *at = t->x->start_studies, *name;
  char text[600], shown[600];
  size_t n;
  while ((name = next_name(&at, &n))) {
    bool found = false;
    for (int i = 0; i < d->n; i++)
      for (int k = 0; k < d->reports[i].n; k++) found |= is_named(d->reports[i].studies[k].name, name, n);
    if (found) continue;
    text_format(text, sizeof text, "%.*s", (int)n, name);
    return error_set(e, ERROR_CONFIG, "there is no study '%s', which start_studies names",
                     text_escape(shown, sizeof shown, text));
  }
  return 0;
}

static int by_value(const void *a, const void *b)
{
  const struct candidate *x = a, *y = b;
  return observation_better(&x->o, &y->o) ? -1 : observation_better(&y->o, &x->o);
}

/* What was taken of the database, for people. */
static void describe(const struct taking *t, const char *path, int studies, char *text)
{
  const struct {
    int n;
    const char *what;
  } left[] = {{t->outside, "outside of the space"},
              {t->infeasible, "infeasible here"},
              {t->failed, "failed"},
              {t->open, "not ended"}};
  size_t used = text_format(text, START_TEXT, "%d trial%s of %d stud%s in %s", t->taken, t->taken == 1 ? "" : "s",
                            studies, studies == 1 ? "y" : "ies", path);
  const char *lead = "; left out: ";
  for (size_t i = 0; i < sizeof left / sizeof *left && used < START_TEXT; i++) {
    if (left[i].n == 0) continue;
    used += text_format(text + used, START_TEXT - used, "%s%d %s", lead, left[i].n, left[i].what);
    lead = ", ";
  }
  lead = "; lacking, and taken at the default: ";
  for (int i = 0; i < t->x->space.n && used < START_TEXT; i++) {
    if (!t->lacks[i]) continue;
    used += text_format(text + used, START_TEXT - used, "%s%s", lead, t->x->space.params[i].name);
    lead = ", ";
  }
  if (!t->known && used < START_TEXT)
    text_format(text + used, START_TEXT - used, "; of what data and metric is not recorded");
}

/* None of the database's studies counts. */
static int no_study(const struct taking *t, const struct report *r, struct error *e)
{
  char names[600] = "", name[600];
  size_t used = 0;
  if (r->n == 0) return error_set(e, ERROR_CONFIG, "there is no study in it");
  for (int i = 0; i < r->n && used < sizeof names - 40; i++)
    used += text_format(names + used, sizeof names - used, "%s%s", i ? ", " : "",
                        text_escape(name, sizeof name, r->studies[i].name));
  return error_set(e, ERROR_CONFIG, "it has no study '%s' (there are: %s)",
                   text_escape(name, sizeof name, t->x->start_studies), names);
}

static int take_report(struct taking *t, const struct report *r, const char *path, struct error *e)
{
  int studies = 0, first = t->n_candidates;
  struct mapping m;
  t->taken = t->outside = t->infeasible = t->failed = t->open = 0;
  t->known = true;
  memset(t->lacks, 0, sizeof t->lacks);
  for (int i = 0; i < r->n; i++) {
    const struct report_study *s = &r->studies[i];
    if (!is_wanted(t->x, s->name)) continue;
    if (check_same(t, s, e) || map_space(t, s, &m, e)) return e->code;
    for (int k = 0; k < s->n; k++)
      if (take_trial(t, s, &s->trials[k], &m, e)) return e->code;
    studies++;
  }
  if (studies == 0) return no_study(t, r, e);
  qsort(t->candidates + first, (size_t)(t->n_candidates - first), sizeof *t->candidates, by_value);
  for (int k = first; k < t->n_candidates; k++) t->candidates[k].rank = k - first;
  describe(t, path, studies, t->start->sources[t->start->n_sources++]);
  return 0;
}

/* ---- the best -------------------------------------------------------------------------------- */

/* Values that are not comparable: the best of each database, then the second ones, and so on. */
static int by_rank(const void *a, const void *b)
{
  const struct candidate *x = a, *y = b;
  return x->rank != y->rank ? x->rank - y->rank : x->o.number - y->o.number;
}

/* Is the configuration tried first in any case? */
static bool is_given(const struct taking *t, const double *values)
{
  double given[SPACE_MAX];
  t->x->start = t->start;
  int n = experiment_given(t->x);
  bool found = false;
  for (int i = 0; i < n && !found; i++) {
    experiment_given_values(t->x, i, given);
    found = space_equal(&t->x->space, given, values);
  }
  t->x->start = NULL;
  return found;
}

static void choose_best(struct taking *t)
{
  struct start *s = t->start;
  qsort(t->candidates, (size_t)t->n_candidates, sizeof *t->candidates, t->x->start_seen ? by_value : by_rank);
  for (int i = 0; i < t->n_candidates && s->n_best < t->x->start_best; i++) {
    const double *values = t->all[t->candidates[i].o.number].values;
    if (is_given(t, values)) continue;
    memcpy(s->best[s->n_best++], values, sizeof s->best[0]);
  }
}

/* ---- all ------------------------------------------------------------------------------------- */

/* A run that reads what it writes would learn from itself. */
static int refuse_output(const struct taking *t, const char *path, struct error *e)
{
  char output[1100];
  snprintf(output, sizeof output, "%s/study.db", t->x->output);
  if (!file_same(path, output)) return 0;
  return error_set(
      e, ERROR_CONFIG,
      "that is the output of this run, which goes on by itself; a search that starts from it needs another "
      "--output");
}

static int open_room(struct taking *t, const struct databases *d, struct error *e)
{
  long long trials = 0;
  for (int i = 0; i < d->n; i++)
    for (int k = 0; k < d->reports[i].n; k++)
      if (is_wanted(t->x, d->reports[i].studies[k].name)) trials += d->reports[i].studies[k].n;
  if (trials > START_TRIALS_MAX)
    return error_set(e, ERROR_CONFIG, "%lld trials are more than %d; name fewer studies (start_studies)", trials,
                     START_TRIALS_MAX);
  t->start = calloc(1, sizeof *t->start);
  t->all = calloc((size_t)trials + 1, sizeof *t->all);
  t->candidates = calloc((size_t)trials + 1, sizeof *t->candidates);
  return t->start && t->all && t->candidates ? 0 : error_set(e, ERROR_MACHINE, "no memory for %lld trials", trials);
}

static int take_all(struct taking *t, const struct databases *d, struct error *e)
{
  char shown[1000];
  if (open_room(t, d, e)) return e->code;
  for (int i = 0; i < d->n; i++) {
    text_escape(shown, sizeof shown, d->shown[i]);
    if (refuse_output(t, d->shown[i], e) || take_report(t, &d->reports[i], shown, e))
      return error_prefix(e, "%s", shown);
  }
  if (check_names(t, d, e)) return e->code;
  if (t->n == 0) {
    char sources[START_FROM_MAX * (START_TEXT + 2)] = "";
    for (int i = 0; i < t->start->n_sources; i++)
      text_format(sources + strlen(sources), sizeof sources - strlen(sources), "%s%s", i ? "; " : "",
                  t->start->sources[i]);
    return error_set(e, ERROR_CONFIG, "there is nothing to start from: %s", sources);
  }
  choose_best(t);
  if (!t->x->start_seen) return 0;
  t->start->trials = t->all;
  t->start->n = t->n;
  t->all = NULL;
  return 0;
}

/* The paths of start_from: pointers into `text`, which is cut up. */
static int split(char *text, const char *paths[START_FROM_MAX])
{
  int n = 0;
  for (char *end; n < START_FROM_MAX; text = end + 2) {
    paths[n++] = text;
    end = strstr(text, ", ");
    if (!end) break;
    *end = 0;
  }
  return n;
}

int start_of_runs(struct experiment *x, struct objective *o, struct error *e)
{
  struct databases d = {0};
  struct taking t = {.x = x, .o = o};
  char text[sizeof x->start_from], shown[1100];
  const char *paths[START_FROM_MAX];
  if (!x->start_from[0]) return 0;
  memcpy(text, x->start_from, sizeof text);
  int n = split(text, paths);
  if (databases_load(&d, "start_from", paths, n, e) || take_all(&t, &d, e)) {
    if (e->code == ERROR_FAILED) e->code = ERROR_CONFIG; /* what the file names is wrong */
    text_format(shown, sizeof shown, "%s", x->start_from);
    error_prefix(e, "[experiment] start_from = %s", text_escape(text, sizeof text, shown));
    experiment_locate(x, e);
  }
  databases_free(&d);
  free(t.all);
  free(t.candidates);
  if (e->code)
    start_free(t.start);
  else
    x->start = t.start;
  return e->code;
}
