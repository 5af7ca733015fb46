/* Importance over several data sets: means, agreement, groups; the table and the bars.  See
 * report_importance_sets.h; report_importance_files.c writes CSV and the figure. */
#include "host/report/report_importance_sets.h"

#include <stdlib.h>
#include <string.h>

#include "host/base/text_escape.h"
#include "host/base/text_table.h"
#include "host/base/text_wrap.h"
#include "host/report/report_importance_internal.h"

enum { BAR = 30, BAR_NARROW = 20, BAR_BESIDE = 6, WEIGHT_BESIDE = 11 };

/* ---- over the sets --------------------------------------------------------------------------- */

static void sort_by_weight(struct sets_mean *m, int n)
{
  for (int i = 1; i < n; i++) {
    int param = m->order[i], k = i;
    for (; k > 0 && m->weight[m->order[k - 1]] < m->weight[param]; k--) m->order[k] = m->order[k - 1];
    m->order[k] = param;
  }
}

/* By method number `method`; varied [r->n][r->varied] is room. */
static void average(struct importance_sets *r, int method, double *varied, const double **rows)
{
  struct sets_mean *m = &r->means[method];
  int n = 0;
  for (int i = 0; i < r->space->n; i++)
    if (param_count(&r->space->params[i]) != 1) m->order[n++] = i;
  for (int s = 0; s < r->n; s++) {
    const struct importance *w = &r->sets[s].study->measured[method];
    rows[s] = &varied[s * n];
    for (int i = 0; i < n; i++) {
      varied[s * n + i] = w->weight[m->order[i]];
      m->weight[m->order[i]] += w->weight[m->order[i]] / r->n;
    }
  }
  rank_agreement_measure(rows, r->n, n, &m->agreement);
  for (int i = 0; i < n; i++) m->rank[m->order[i]] = m->agreement.mean_rank[i];
  sort_by_weight(m, n);
}

static bool all_flat(const struct importance_sets *r)
{
  for (int s = 0; s < r->n; s++)
    if (!r->sets[s].study->measured[0].flat) return false;
  return true;
}

static int average_all(struct importance_sets *r, const struct groups_settings *groups, struct error *e)
{
  double *varied = malloc((size_t)(r->n * r->space->n) * sizeof *varied);
  const double **rows = malloc((size_t)r->n * sizeof *rows);
  r->means = calloc((size_t)r->n_methods, sizeof *r->means);
  bool room = varied && rows && r->means;
  for (int k = 0; k < r->n_methods && room; k++) average(r, k, varied, rows);
  free(varied);
  free(rows);
  if (!room) return error_set(e, ERROR_MACHINE, "no memory for the importance over %d data sets", r->n);
  if (all_flat(r)) return 0;
  int code = groups_from_weights(r->space, r->means[0].weight, groups, &r->groups, e);
  if (!code) report_importance_round(&r->groups);
  r->has_groups = !code;
  return code;
}

int report_importance_sets_make(struct importance_sets *r, const struct importance_set *sets, int n,
                                const struct importance_method *const *methods, int n_methods,
                                const struct groups_settings *groups, struct error *e)
{
  char shown[2][300];
  *r = (struct importance_sets){.methods = methods, .n_methods = n_methods, .sets = sets, .n = n};
  r->space = sets[0].study->space;
  r->varied = sets[0].study->varied;
  for (int i = 1; i < n; i++)
    if (!report_importance_same_space(sets[i].study->space, r->space))
      return error_set(e, ERROR_FAILED, "the trials of %s are of another search space than those of %s",
                       text_escape(shown[0], sizeof shown[0], sets[i].name),
                       text_escape(shown[1], sizeof shown[1], sets[0].name));
  return average_all(r, groups, e);
}

void report_importance_sets_free(struct importance_sets *r)
{
  free(r->means);
  memset(r, 0, sizeof *r);
}

/* ---- the table ------------------------------------------------------------------------------- */

/* 1: as heavy as the heaviest. */
static double share_of_heaviest(const struct sets_mean *m, int param)
{
  double heaviest = m->weight[m->order[0]];
  return heaviest > 0 ? m->weight[param] / heaviest : 0;
}

static void print_table(FILE *out, const struct importance_sets *r)
{
  struct text_table *table = text_table_create();
  text_table_column(table, "hyperparameter", false);
  for (int k = 0; k < r->n_methods; k++) text_table_column(table, r->methods[k]->name, false);
  text_table_cell(table, "mean of the sets");
  for (int k = 0; k < r->n_methods; k++) text_table_cellf(table, "%-*s  %5s", WEIGHT_BESIDE, "weight", "rank");
  for (int i = 0; i < r->varied; i++) {
    char name[NAME_SHOWN], bar[BAR_BESIDE + 1];
    int param = r->means[0].order[i];
    text_table_cell(table, text_escape(name, sizeof name, r->space->params[param].name));
    for (int k = 0; k < r->n_methods; k++) {
      const struct sets_mean *m = &r->means[k];
      report_importance_bar(share_of_heaviest(m, param), BAR_BESIDE, bar);
      text_table_cellf(table, "%.3f %-*s %5.1f", m->weight[param], BAR_BESIDE, bar, m->rank[param]);
    }
  }
  text_table_print(out, table, text_width(out));
  text_table_destroy(table);
}

static void note_agreement(FILE *out, const struct importance_sets *r, int method)
{
  const struct rank_agreement *a = &r->means[method].agreement;
  const char *name = r->methods[method]->name;
  if (!a->has_w)
    text_wrapf(out, "  ", "%s: ranks cannot be compared: there is one alone", name);
  else if (!a->has_p)
    text_wrapf(out, "  ", "%s: Kendall's W = %.3f; a p-value takes %d data sets", name, a->w, RANK_AGREEMENT_P_MIN);
  else
    text_wrapf(out, "  ", "%s: Kendall's W = %.3f, %s%.2g (chi-squared = %.2f, %d degree%s of freedom)", name, a->w,
               a->p < 1e-99 ? "p below " : "p = ", a->p < 1e-99 ? 1e-99 : a->p, a->chi_squared, a->things - 1,
               a->things == 2 ? "" : "s");
}

static void note_agreements(FILE *out, const struct importance_sets *r)
{
  for (int k = 0; k < r->n_methods; k++) note_agreement(out, r, k);
  text_wrapf(out, "  ",
             "W says how far the data sets agree on ranks: 1 where all have the same, near 0 where they have nothing "
             "in common; it is corrected for ties.%s",
             r->n < RANK_AGREEMENT_P_MIN ? ""
                                         : "  p is the probability of so large a W if they had nothing in common, by "
                                           "the chi-squared approximation, which is rough for few sets.");
}

/* ---- bars ------------------------------------------------------------------------------------ */

static void print_bars(FILE *out, const struct importance_sets *r)
{
  struct text_table *table = text_table_create();
  const struct sets_mean *m = &r->means[0];
  int longest = text_width(out) < TEXT_COLUMNS ? BAR_NARROW : BAR;
  text_wrapf(out, "", "%s by %s, the heaviest being 1:", r->n > 1 ? "Mean weights" : "Weights", r->methods[0]->name);
  fputc('\n', out);
  text_table_column(table, "hyperparameter", false);
  text_table_column(table, "weight", true);
  text_table_column(table, "", false);
  if (r->has_groups) text_table_column(table, "group", false);
  for (int i = 0; i < r->varied; i++) {
    char name[NAME_SHOWN], bar[BAR + 1];
    double share = share_of_heaviest(m, m->order[i]);
    text_table_cell(table, text_escape(name, sizeof name, r->space->params[m->order[i]].name));
    text_table_cellf(table, "%.3f", share);
    report_importance_bar(share, longest, bar);
    text_table_cell(table, bar);
    if (r->has_groups) text_table_cell(table, r->groups.names[r->groups.of[m->order[i]]]);
  }
  text_table_print(out, table, text_width(out));
  text_table_destroy(table);
}

void report_importance_sets_print(FILE *out, const struct importance_sets *r)
{
  if (r->n > 1) {
    text_wrapf(out, "", "over all %d data sets, each of which counts the same", r->n);
    fputc('\n', out);
    print_table(out, r);
    fputc('\n', out);
    note_agreements(out, r);
    fputc('\n', out);
    if (r->has_groups)
      report_importance_print_groups(out, r->methods[0]->name, r->space, &r->groups);
    else
      text_wrapf(out, "", "There are no groups: by %s all hyperparameters weigh the same.", r->methods[0]->name);
    fputc('\n', out);
  }
  print_bars(out, r);
}
