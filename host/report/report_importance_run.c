/* Importance in a run, in short.  See report_importance_run.h. */
#include "host/report/report_importance_run.h"

#include <stdlib.h>
#include <string.h>

#include "host/base/text_escape.h"
#include "host/base/text_table.h"
#include "host/base/text_wrap.h"
#include "host/experiment/names.h"
#include "host/report/report_importance_internal.h"

enum {
  COMPARED = 1000, /* trials of which each is compared with its neighbours: of more, the time grows with the square */
  ROWS = 16,       /* shown */
};

/* ---- which studies --------------------------------------------------------------------------- */

const struct report_study **report_one_space(const struct report *r, int *n)
{
  const struct report_study **studies = malloc(((size_t)r->n + 1) * sizeof *studies), *first = NULL, *like = NULL;
  int best = report_best(r);
  bool ours = false;
  *n = 0;
  if (!studies) return NULL;
  for (int i = 0; i < r->n; i++) ours = ours || r->studies[i].record.ours;
  for (int i = 0; i < r->n; i++) {
    const struct report_study *s = &r->studies[i];
    if (s->record.ours != ours) continue;
    if (!first) first = s;
    if (!like && s->n) like = s;
  }
  if (best >= 0) like = &r->studies[best];
  for (int i = 0; like && i < r->n; i++) {
    const struct report_study *s = &r->studies[i];
    if (s->record.ours == ours && s->maximize == first->maximize &&
        report_importance_same_space(&like->space, &s->space))
      studies[(*n)++] = s;
  }
  return studies;
}

/* ---- measuring ------------------------------------------------------------------------------- */

int run_importance_measure(struct run_importance *i, const struct report *r, const volatile int *stop, struct error *e)
{
  static const char *const path = "";
  struct error why = {0};
  int n = 0, used = 0, free_of_groups = 0;
  *i = (struct run_importance){0};
  const struct report_study **all = report_one_space(r, &n);
  i->studies = calloc((size_t)r->n + 1, sizeof *i->studies);
  if (!all || !i->studies) {
    free(all);
    return error_set(e, ERROR_MACHINE, "no memory for %d studies", r->n);
  }
  for (int k = 0; k < n; k++) free_of_groups += !strategy_holds(all[k]->record.strategy);
  for (int k = 0; k < n; k++)
    if (!free_of_groups || !strategy_holds(all[k]->record.strategy)) i->studies[used++] = *all[k];
  free(all);
  if (!used) return 0;
  const struct report some = {.n = used, .studies = i->studies};
  struct importance_request request = {.reports = &some,
                                       .paths = &path,
                                       .n_reports = 1,
                                       .methods = importance_methods,
                                       .n_methods = 1,
                                       .settings = importance_settings_default(),
                                       .groups = groups_settings_default()};
  request.settings.resamples = 0;
  request.settings.samples = COMPARED;
  request.settings.stop = stop;
  int code = report_importance_measure(&i->importance, &request, &why);
  if (!code) {
    const struct measured_study *m = &i->importance.studies[i->importance.n - 1];
    if (m->measured && !m->same_values) i->measured = m;
  }
  if (!i->measured) text_format(i->why, sizeof i->why, "%s", why.message);
  return code == ERROR_INTERRUPTED || code == ERROR_MACHINE ? (*e = why, code) : 0;
}

void run_importance_free(struct run_importance *i)
{
  report_importance_free(&i->importance);
  free(i->studies);
  *i = (struct run_importance){0};
}

/* ---- printing -------------------------------------------------------------------------------- */

/* Columns of the longest bar beside the names and weights, so that a narrow terminal has room. */
static int bar_columns(FILE *out, const struct space *s)
{
  enum { LEAST = 8, BESIDE = 10 }; /* "weight", and blanks on both sides */
  int widest = 0;
  for (int k = 0; k < s->n; k++) {
    char name[NAME_SHOWN + 2];
    int columns = text_columns(text_escape(name, sizeof name, s->params[k].name));
    if (columns > widest) widest = columns;
  }
  int left = text_width(out) - widest - BESIDE;
  return left < LEAST ? LEAST : left > TEXT_TABLE_CELL_MAX ? TEXT_TABLE_CELL_MAX : left;
}

void run_importance_print(FILE *out, const struct run_importance *i)
{
  const struct measured_study *m = i->measured;
  struct text_table *table;
  int rows = 0;
  if (!m || m->measured[0].flat) return;
  const struct importance *v = &m->measured[0];
  double heaviest = 0;
  for (int k = 0; k < m->space->n; k++)
    if (v->weight[k] > heaviest) heaviest = v->weight[k];
  text_wrapf(out, "", "Which hyperparameters mattered, by %s", i->importance.methods[0]->name);
  int longest = bar_columns(out, m->space);
  table = text_table_create();
  text_table_column(table, "", false);
  text_table_column(table, "weight", true);
  text_table_column(table, "", false);
  for (int rank = 1; rank <= m->space->n && rows < ROWS; rank++) {
    for (int k = 0; k < m->space->n; k++) {
      char name[NAME_SHOWN + 2], bar[TEXT_TABLE_CELL_MAX + 1];
      if (v->rank[k] != rank || param_count(&m->space->params[k]) == 1) continue;
      text_table_cell(table, text_escape(name, sizeof name, m->space->params[k].name));
      text_table_cellf(table, "%.3f", v->weight[k]);
      report_importance_bar(heaviest > 0 ? v->weight[k] / heaviest : 0, longest, bar);
      text_table_cell(table, bar);
      rows++;
    }
  }
  text_table_print(out, table, text_width(out));
  text_table_destroy(table);
  bool few = m->used < importance_trials_enough(m->space);
  text_wrapf(out, "  ", "%s%s%sgsos importance measures with intervals and by other methods",
             few ? "fewer than ten trials for each hyperparameter: the order is not to be relied on; " : "",
             m->grouped ? "what a strategy held looks unimportant; " : "", m->varied > rows ? "the heaviest; " : "");
  fputc('\n', out);
}
