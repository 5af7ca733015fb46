/* Gathers what report.html shows.  See report_page.h. */
#include "host/report/report_page.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/file_open.h"
#include "host/base/text_escape.h"
#include "host/experiment/experiment.h"
#include "host/experiment/names.h"
#include "host/report/report_importance_internal.h"
#include "host/report/report_internal.h"

enum { INI_MAX = 1 << 18 }; /* bytes of a settings file that a page shows */

/* ---- studies and series ---------------------------------------------------------------------- */

bool report_page_better(const struct report_page *p, double a, double b)
{
  if (isnan(a) || isnan(b)) return isnan(b) && !isnan(a);
  return p->maximize ? a > b : a < b;
}

double report_page_value(const struct stored_trial *t)
{
  bool has = t->state == STORED_COMPLETE || t->state == STORED_PRUNED;
  return has && isfinite(t->value) ? t->value : NAN;
}

bool report_page_same_space(const struct report_page *p, const struct page_study *s)
{
  return p->space && report_importance_same_space(p->space, &s->s->space);
}

static int series_of(struct report_page *p, const struct report_study *s)
{
  const char *name = s->record.ours ? s->record.strategy : s->name;
  int i = 0;
  while (i < p->n_series && strcmp(p->series[i].name, name) != 0) i++;
  struct page_series *series = &p->series[i];
  if (i == p->n_series) {
    *series = (struct page_series){.name = name, .colour = i, .finished = true};
    text_format(series->label, sizeof series->label, "%s", name);
    p->n_series++;
  }
  series->studies++;
  series->finished = series->finished && (s->finished || !s->record.ours);
  return i;
}

static void add_study(struct report_page *p, const struct report_study *s)
{
  struct page_study *to = &p->studies[p->n++];
  *to = (struct page_study){.s = s, .baseline = NAN};
  to->series = series_of(p, s);
  to->has_defaults = report_defaults(s, to->defaults);
  if (report_baseline(s) == 0 && s->trials[0].state == STORED_COMPLETE) to->baseline = s->trials[0].value;
}

static void label_studies(struct report_page *p)
{
  for (int i = 0; i < p->n; i++) {
    struct page_study *s = &p->studies[i];
    const struct page_series *series = &p->series[s->series];
    if (series->studies > 1)
      text_format(s->label, sizeof s->label, "%s, round %d", series->label, s->s->record.round);
    else
      text_format(s->label, sizeof s->label, "%s", series->label);
  }
}

static void choose_studies(struct report_page *p)
{
  const struct report *r = p->report;
  const struct report_study *first = NULL;
  for (int i = 0; i < r->n; i++) p->ours = p->ours || r->studies[i].record.ours;
  for (int i = 0; i < r->n; i++) {
    const struct report_study *s = &r->studies[i];
    if (s->record.ours != p->ours) continue;
    if (!first) first = s;
    if (s->maximize == first->maximize)
      add_study(p, s);
    else
      p->left_out++;
  }
  if (!first) return;
  p->maximize = first->maximize;
  p->accuracy = report_accuracy(first);
  text_format(p->value_name, sizeof p->value_name, "%s",
              first->record.value_name[0] ? first->record.value_name : "value");
  report_test_name(first, p->test_name, sizeof p->test_name);
  label_studies(p);
  int best = report_best(r);
  p->best = -1;
  for (int i = 0; i < p->n; i++) {
    if (best >= 0 && p->studies[i].s == &r->studies[best]) p->best = i;
    if (!p->space && p->studies[i].s->n) p->space = &p->studies[i].s->space;
  }
  if (p->best >= 0) p->space = &p->studies[p->best].s->space;
  p->control = p->n_series - 1;
  for (int i = 0; i < p->n_series; i++)
    if (p->ours && strategy_is(p->series[i].name, STRATEGY_CONTROL)) p->control = i;
}

/* ---- curves ---------------------------------------------------------------------------------- */

static int read_curves(struct report_page *p, struct store *store, const volatile int *stop, struct error *e)
{
  int code = 0;
  for (int i = 0; i < p->n && !code; i++) {
    struct page_study *s = &p->studies[i];
    s->curves = calloc((size_t)s->s->n + 1, sizeof *s->curves);
    if (!s->curves) return error_set(e, ERROR_MACHINE, "no memory for the curves of %d trials", s->s->n);
    for (int k = 0; k < s->s->n && !code; k++) {
      struct page_curve *c = &s->curves[k];
      if (stop && *stop) return error_set(e, ERROR_INTERRUPTED, "stopped");
      code = store_epochs(store, s->s->id, s->s->trials[k].number, &c->values, &c->n, e);
      p->has_curves = p->has_curves || c->n > 1;
    }
  }
  return code;
}

/* ---- importance ------------------------------------------------------------------------------ */

static int measure(struct report_page *p, const volatile int *stop, struct error *e)
{
  int code = run_importance_measure(&p->importance, p->report, stop, e);
  p->measured = p->importance.measured;
  return code;
}

/* ---- files beside the database --------------------------------------------------------------- */

/* A text file as it is, malloc'ed; NULL where there is none. */
static char *read_text(const char *path)
{
  FILE *in = file_open_to_read(path);
  char *text = in ? malloc(INI_MAX + 1) : NULL;
  size_t n = text ? fread(text, 1, INI_MAX, in) : 0;
  if (text) text[n] = 0;
  if (in) fclose(in);
  return text;
}

static int read_files(struct report_page *p, const char *folder, struct error *e)
{
  char path[1200];
  snprintf(path, sizeof path, "%s/run.ini", folder);
  p->ini = read_text(path);
  p->is_file = p->ini != NULL;
  const struct page_study *s = p->best >= 0 ? &p->studies[p->best] : p->studies;
  if (!p->ini && p->n && s->s->record.search) p->ini = strdup(s->s->record.search);
  snprintf(path, sizeof path, "%s/timeline.json", folder);
  if (report_timeline_read(&p->timeline, path)) return 0;
  return error_set(e, ERROR_MACHINE, "no memory for the timeline");
}

int report_page_studies(struct report_page *p, const struct report *r, struct error *e)
{
  *p = (struct report_page){.report = r, .best = -1};
  p->studies = calloc((size_t)r->n + 1, sizeof *p->studies);
  p->series = calloc((size_t)r->n + 1, sizeof *p->series);
  if (!p->studies || !p->series) return error_set(e, ERROR_MACHINE, "no memory for %d studies", r->n);
  choose_studies(p);
  return 0;
}

int report_page_load(struct report_page *p, const struct report *r, struct store *s, const char *folder,
                     const volatile int *stop, struct error *e)
{
  int code = report_page_studies(p, r, e);
  p->folder = folder;
  if (!code) code = read_curves(p, s, stop, e);
  if (!code) code = measure(p, stop, e);
  if (!code) code = report_learnt_make(&p->learnt, r, s, stop, e);
  return code ? code : read_files(p, folder, e);
}

void report_page_free(struct report_page *p)
{
  for (int i = 0; i < p->n; i++) {
    struct page_study *s = &p->studies[i];
    for (int k = 0; k < s->s->n && s->curves; k++) free(s->curves[k].values);
    free(s->curves);
  }
  run_importance_free(&p->importance);
  report_timeline_free(&p->timeline);
  free(p->studies);
  free(p->series);
  free(p->ini);
  *p = (struct report_page){0};
}
