/* Importance for people: tables by weight, what cannot be told from them, groups to paste.
 *
 * One method has a column for each figure.  Of several each has one column, of two lines a
 * hyperparameter, so that three stand side by side on 80 columns and a narrow screen breaks between
 * methods. */
#include "host/report/report_importance.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/text_escape.h"
#include "host/base/text_table.h"
#include "host/base/text_wrap.h"
#include "host/experiment/space_sections.h"
#include "host/report/report_importance_internal.h"
#include "host/report/report_internal.h"

enum { BAR = 20, BAR_BESIDE = 6, WEIGHT_BESIDE = 11, PAIRS_SHOWN = 3 };

/* ---- the table ------------------------------------------------------------------------------- */

static bool is_varied(const struct measured_study *m, int param)
{
  return param_count(&m->space->params[param]) != 1;
}

/* Those that have more than one value by a method's rank; returns how many. */
static int by_rank(const struct measured_study *m, const struct importance *w, int order[SPACE_MAX])
{
  int n = 0;
  for (int rank = 1; rank <= m->space->n; rank++)
    for (int i = 0; i < m->space->n; i++)
      if (w->rank[i] == rank && is_varied(m, i)) order[n++] = i;
  return n;
}

void report_importance_bar(double share, int longest, char *text)
{
  int length = (int)(share * longest + 0.5);
  memset(text, '#', (size_t)length);
  text[length] = 0;
}

/* As many signs as the weight has of the heaviest one's `longest`. */
static void bar_text(const struct importance *w, int n, double weight, int longest, char *text)
{
  double heaviest = 0;
  for (int i = 0; i < n; i++) heaviest = w->weight[i] > heaviest ? w->weight[i] : heaviest;
  report_importance_bar(heaviest > 0 ? weight / heaviest : 0, longest, text);
}

/* "3-7", "4" */
static void range_text(int low, int high, char *text, size_t size)
{
  if (low == high)
    snprintf(text, size, "%d", low);
  else
    snprintf(text, size, "%d-%d", low, high);
}

static void add_columns(struct text_table *table, const struct report_importance *r, bool intervals)
{
  text_table_column(table, "hyperparameter", false);
  if (r->n_methods > 1) {
    for (int k = 0; k < r->n_methods; k++) text_table_column(table, r->methods[k]->name, false);
    text_table_cell(table, "");
    for (int k = 0; k < r->n_methods; k++)
      text_table_cellf(table, "%-*s  %5s", WEIGHT_BESIDE, "weight", "rank"); /* of every column below its heading */
    return;
  }
  text_table_column(table, "weight", true);
  text_table_column(table, "", false);
  if (intervals) text_table_column(table, "95 % interval", true);
  text_table_column(table, "rank", true);
  if (intervals) text_table_column(table, "95 % interval", true);
}

/* A hyperparameter by one method: a row. */
static void add_row(struct text_table *table, const struct measured_study *m, const struct importance *w, int i)
{
  char bar[BAR + 1], ranks[32];
  text_table_cellf(table, "%.3f", w->weight[i]);
  bar_text(w, m->space->n, w->weight[i], BAR, bar);
  text_table_cell(table, bar);
  if (w->has_intervals) text_table_cellf(table, "%.3f-%.3f", w->low[i], w->high[i]);
  text_table_cellf(table, "%d", w->rank[i]);
  if (!w->has_intervals) return;
  range_text(w->rank_low[i], w->rank_high[i], ranks, sizeof ranks);
  text_table_cell(table, ranks);
}

static bool any_intervals(const struct measured_study *m, int n_methods)
{
  for (int k = 0; k < n_methods; k++)
    if (m->measured[k].has_intervals) return true;
  return false;
}

/* By several: a row of weights and ranks, and one of their intervals below. */
static void add_rows(struct text_table *table, const struct measured_study *m, int n_methods, int i)
{
  for (int k = 0; k < n_methods; k++) {
    const struct importance *w = &m->measured[k];
    char bar[BAR_BESIDE + 1];
    bar_text(w, m->space->n, w->weight[i], BAR_BESIDE, bar);
    text_table_cellf(table, "%.3f %-*s %5d", w->weight[i], BAR_BESIDE, bar, w->rank[i]);
  }
  if (!any_intervals(m, n_methods)) return;
  text_table_cell(table, "  95 % interval");
  for (int k = 0; k < n_methods; k++) {
    const struct importance *w = &m->measured[k];
    char ranks[32];
    if (!w->has_intervals) {
      text_table_cell(table, "");
      continue;
    }
    range_text(w->rank_low[i], w->rank_high[i], ranks, sizeof ranks);
    text_table_cellf(table, "%.3f-%.3f  %5s", w->low[i], w->high[i], ranks);
  }
}

static void print_table(FILE *out, const struct report_importance *r, const struct measured_study *m)
{
  struct text_table *table = text_table_create();
  int order[SPACE_MAX], n = by_rank(m, &m->measured[0], order);
  add_columns(table, r, m->measured[0].has_intervals);
  for (int i = 0; i < n; i++) {
    char name[NAME_SHOWN];
    text_table_cell(table, text_escape(name, sizeof name, m->space->params[order[i]].name));
    if (r->n_methods > 1)
      add_rows(table, m, r->n_methods, order[i]);
    else
      add_row(table, m, &m->measured[0], order[i]);
  }
  text_table_print(out, table, text_width(out));
  text_table_destroy(table);
}

/* ---- what a method says beside its weights --------------------------------------------------- */

/* How many of order[n], from `first` on, may each have the rank of any of them. */
static int alike_from(const struct importance *w, const int *order, int n, int first)
{
  int last = first;
  for (int i = first + 1; i < n; i++) {
    bool alike = true;
    for (int k = first; k <= i && alike; k++)
      alike = w->rank_low[order[k]] <= w->rank[order[first]] && w->rank_high[order[k]] >= w->rank[order[i]];
    if (alike) last = i;
  }
  return last - first + 1;
}

static void note_ranks(FILE *out, const struct importance_method *method, const struct measured_study *m,
                       const struct importance *w)
{
  char text[1000] = "";
  size_t used = 0;
  int order[SPACE_MAX], n = by_rank(m, w, order);
  for (int i = 0; i < n && w->has_intervals;) {
    int alike = alike_from(w, order, n, i), last = w->rank[order[i + alike - 1]];
    if (alike > 1)
      used += text_format(text + used, sizeof text - used, "%s%d %s %d", used ? "; " : "", w->rank[order[i]],
                          alike == 2 ? "and" : "to", last);
    i += alike;
  }
  if (used) text_wrapf(out, "  ", "%s: cannot be told apart: ranks %s", method->name, text);
}

/* The strongest interactions that are weaker than, or behind, the one before. */
struct pair {
  int a, b;
  double share;
};

static struct pair next_pair(const struct measured_study *m, const struct importance *w, const struct pair *before)
{
  struct pair best = {.share = 0};
  for (int a = 0; a < m->space->n; a++)
    for (int b = a + 1; b < m->space->n; b++) {
      double share = w->interaction[a][b];
      bool behind = a > before->a || (a == before->a && b > before->b);
      if (share > before->share || (share == before->share && !behind) || share <= best.share) continue;
      best = (struct pair){a, b, share};
    }
  return best;
}

/* Of a method that decomposes the variance: what main effects explain, and the strongest pairs. */
static void note_interactions(FILE *out, const struct importance_method *method, const struct measured_study *m,
                              const struct importance *w)
{
  static const double least = 0.0005; /* what is seen in three decimals */
  char text[PAIRS_SHOWN * (2 * NAME_SHOWN + 40)] = "";
  size_t used = 0;
  double main_effects = 0;
  struct pair pair = next_pair(m, w, &(struct pair){-1, -1, INFINITY});
  if (pair.share <= 0) return;
  for (int i = 0; i < PAIRS_SHOWN && pair.share >= least; i++) {
    char a[NAME_SHOWN], b[NAME_SHOWN];
    used += text_format(text + used, sizeof text - used, "%s%s with %s %.3f", used ? ", " : "",
                        text_escape(a, sizeof a, m->space->params[pair.a].name),
                        text_escape(b, sizeof b, m->space->params[pair.b].name), pair.share);
    pair = next_pair(m, w, &pair);
  }
  for (int i = 0; i < m->space->n; i++) main_effects += w->raw[i];
  text_wrapf(out, "  ",
             "%s: hyperparameters by themselves explain %.3f of the variance of the values; what two explain "
             "together beyond that is %s%s",
             method->name, main_effects, used ? "most for " : "less than 0.001 everywhere", text);
}

/* ---- notes on a study ------------------------------------------------------------------------ */

static void note_few(FILE *out, const struct measured_study *m)
{
  int enough = importance_trials_enough(m->space);
  if (m->used >= enough) return;
  text_wrapf(out, "  ",
             "too few trials: %d for %d hyperparameters, and before ranks can be trusted it takes about %d, ten for "
             "each; take these weights for a first look",
             m->used, m->varied, enough);
}

/* Those that were held in more than half of the trials: "lr in 70 of 100" */
static void note_held(FILE *out, const struct measured_study *m)
{
  char text[3000] = "";
  size_t used = 0;
  for (int i = 0; i < m->space->n; i++) {
    char name[NAME_SHOWN];
    if (!is_varied(m, i) || 2 * m->held[i] <= m->used) continue;
    used += text_format(text + used, sizeof text - used, "%s%s in %d", used ? ", " : "",
                        text_escape(name, sizeof name, m->space->params[i].name), m->held[i]);
  }
  if (used)
    text_wrapf(out, "  ", "held in most of the %d trials, while others were searched: %s", m->used, text);
  else if (m->grouped)
    text_wrap(out, "  ", "grouped: each hyperparameter was held in some trials, while others were searched");
}

static void note_fixed(FILE *out, const struct measured_study *m)
{
  char text[3000] = "";
  size_t used = 0;
  for (int i = 0; i < m->space->n; i++) {
    char name[NAME_SHOWN];
    if (is_varied(m, i)) continue;
    used += text_format(text + used, sizeof text - used, "%s%s", used ? ", " : "",
                        text_escape(name, sizeof name, m->space->params[i].name));
  }
  if (used) text_wrapf(out, "  ", "of one value, which has no importance: %s", text);
}

static void note_left_out(FILE *out, const struct measured_study *m)
{
  const struct {
    int n;
    const char *what;
  } kinds[] = {{m->failed, "failed"},
               {m->pruned, "pruned"},
               {m->open, "not ended"},
               {m->not_finite, "of a value that is not finite"},
               {m->lacking, "without a value of some hyperparameter"}};
  char text[300] = "";
  size_t used = 0;
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
    if (kinds[i].n)
      used += text_format(text + used, sizeof text - used, "%s%d %s", used ? ", " : "", kinds[i].n, kinds[i].what);
  if (used) text_wrapf(out, "  ", "left out: %s", text);
}

/* ---- groups ---------------------------------------------------------------------------------- */

/* "name = a, b ratio 4", broken after commas; a backslash joins the lines for the ini file. */
static void print_group(FILE *out, const char *name, const char *line)
{
  enum { INDENT = 4, JOIN = 2 };
  int width = text_width(out), column = text_columns(name) + 2;
  fprintf(out, "%s =", name);
  while (*line) {
    size_t bytes = strcspn(line, ",");
    if (line[bytes] == ',') bytes++;
    char *member = strndup(line, bytes);
    int columns = member ? text_columns(member) : 0;
    if (column + 1 + columns + (line[bytes] ? JOIN : 0) > width && column > INDENT) {
      fprintf(out, " \\\n%*s", INDENT - 1, "");
      column = INDENT - 1;
    }
    fprintf(out, " %s", member ? member : "(no memory)");
    column += 1 + columns;
    free(member);
    line += bytes + strspn(line + bytes, " ");
  }
  fputc('\n', out);
}

void report_importance_print_groups(FILE *out, const char *method, const struct space *space,
                                    const struct groups *groups)
{
  char shown[NAME_SHOWN];
  for (int i = 0; i < space->n; i++) {
    if (space_name_ok(space->params[i].name)) continue;
    text_wrapf(out, "", "There is no [groups] section for an ini file, which cannot have the name '%s'.",
               text_escape(shown, sizeof shown, space->params[i].name));
    return;
  }
  char *line = malloc(GROUP_TEXT_MAX);
  text_wrapf(out, "", "Groups from the weights of %s, for an ini file:", method);
  fputs("\n[groups]\n", out);
  for (int g = 0; g < groups->n && line; g++) {
    group_format(groups, g, space, line, GROUP_TEXT_MAX);
    print_group(out, groups->names[g], line);
  }
  if (!line) fputs("# (no memory for the groups)\n", out);
  free(line);
}

/* ---- all ------------------------------------------------------------------------------------- */

static void print_heading(FILE *out, const struct report_importance *r, const struct measured_study *m)
{
  char name[600], path[1000], of[1100] = "", studies[60] = "";
  text_escape(name, sizeof name, m->name);
  if (m->path && r->n_paths > 1) snprintf(of, sizeof of, " in %s", text_escape(path, sizeof path, m->path));
  if (m->studies > 1) snprintf(studies, sizeof studies, "%d studies, ", m->studies);
  text_wrapf(out, "", "%s%s: %s%d trial%s, %d measured", name, of, studies, m->trials, m->trials == 1 ? "" : "s",
             m->used);
}

static const char *why_not_measured(const struct measured_study *m)
{
  if (m->used < IMPORTANCE_TRIALS_MIN) return "too few trials to measure anything";
  if (!m->varied) return "no hyperparameter has more than one value";
  return "all values are the same, so no hyperparameter tells the trials apart";
}

static void print_study(FILE *out, const struct report_importance *r, const struct measured_study *m)
{
  print_heading(out, r, m);
  if (!m->measured) {
    text_wrap(out, "  ", why_not_measured(m));
    note_left_out(out, m);
    if (m->study) report_print_changes(out, m->study);
    return;
  }
  fputc('\n', out);
  print_table(out, r, m);
  fputc('\n', out);
  for (int k = 0; k < r->n_methods; k++) {
    note_ranks(out, r->methods[k], m, &m->measured[k]);
    note_interactions(out, r->methods[k], m, &m->measured[k]);
  }
  note_few(out, m);
  note_held(out, m);
  note_fixed(out, m);
  note_left_out(out, m);
  if (m->study) report_print_changes(out, m->study);
  fputc('\n', out);
  if (m->has_groups)
    report_importance_print_groups(out, r->methods[0]->name, m->space, &m->groups);
  else
    text_wrapf(out, "", "There are no groups: by %s all hyperparameters weigh the same.", r->methods[0]->name);
}

/* What holds for any study of the kind, once. */
static void print_rules(FILE *out, const struct report_importance *r)
{
  bool pruned = false, failed = false, held = false, learnt = false, foreign = false, together = false;
  for (int i = 0; i < r->n; i++) {
    const struct measured_study *m = &r->studies[i];
    pruned = pruned || m->pruned;
    failed = failed || m->failed;
    held = held || m->grouped;
    learnt = learnt || m->learnt;
    foreign = foreign || m->foreign;
    together = together || m->studies > 1;
  }
  if (!pruned && !failed && !held && !learnt && !foreign && !together) return;
  fputs("Notes\n", out);
  if (pruned)
    text_wrap(out, "  ",
              "pruned trials: left out, for their values are of fewer epochs, and cannot be compared with "
              "values of the last one");
  if (failed)
    text_wrap(out, "  ", "failed trials: left out, so that what decides whether a trial fails is not seen here");
  if (held)
    text_wrap(out, "  ",
              "grouped trials: hyperparameters were held, and one looks unimportant because it was held, or important "
              "because "
              "its few values stand for the groups before and after; trials of a random sample measure better "
              "(experiment.strategies=simultaneous, experiment.sampler=random)");
  if (learnt)
    text_wrap(out, "  ",
              "a sampler that learns: its trials stand close together where values are good, and there what made them "
              "good hardly differs any more: weights are those of that region rather than of the whole space, of "
              "which a random sample tells (experiment.sampler=random)");
  if (foreign)
    text_wrap(out, "  ",
              "another program: how it proposed its trials is not known here; a random sample measures best");
  if (together)
    text_wrap(out, "  ",
              "studies together: the values of each are standardised first (less their mean, over their standard "
              "deviation), for those of two studies need not mean the same");
  fputc('\n', out);
}

void report_importance_print(FILE *out, const struct report_importance *r)
{
  for (int i = 0; i < r->n; i++) {
    print_study(out, r, &r->studies[i]);
    fputc('\n', out);
  }
  print_rules(out, r);
}
