/* The winners trained again with other random numbers: what these reach says how good a
 * configuration is, where the winner's own figure says how good the best of many looked. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "host/base/mean_interval.h"
#include "host/base/text_escape.h"
#include "host/base/text_table.h"
#include "host/base/text_wrap.h"
#include "host/report/report.h"
#include "host/report/report_internal.h"

bool report_has_repeats(const struct report_study *s)
{
  const struct study_repeats *r = &s->record.repeats;
  return r->n > 0 && s->best >= 0 && s->trials[s->best].number == r->trial && study_repeats_ended(r, r->n) > 0;
}

struct mean_interval report_repeats_mean(const struct report_study *s, bool test)
{
  const struct study_repeats *r = &s->record.repeats;
  double values[RECORD_REPEATS_MAX];
  int n = 0;
  for (int k = 0; k < r->n && report_has_repeats(s); k++) {
    const struct study_repeat *one = &r->all[k];
    if (!one->ended || one->failed || (test && !one->tested)) continue;
    values[n++] = test ? one->test : one->value;
  }
  return mean_interval_of(values, n);
}

static void mean_text(const struct report_study *s, bool test, char *text)
{
  struct mean_interval m = report_repeats_mean(s, test);
  char mean[REPORT_TEXT], sd[REPORT_TEXT];
  report_value_text(s, m.mean, mean);
  report_value_text(s, m.sd, sd);
  if (m.n == 0)
    snprintf(text, REPORT_REPEATS_TEXT, "-");
  else if (m.n == 1)
    snprintf(text, REPORT_REPEATS_TEXT, "%s", mean);
  else
    snprintf(text, REPORT_REPEATS_TEXT, "%s ± %s", mean, sd);
}

bool report_repeats_text(const struct report_study *s, bool test, char *text, int *n)
{
  *n = report_repeats_mean(s, test).n;
  mean_text(s, test, text);
  return *n > 0;
}

struct sums {
  int rows, fewest, most, failed, missing;
  double flops;
  int64_t images;
};

static void add_row(struct text_table *table, const struct report_study *s, bool tested, struct sums *sums)
{
  const struct study_repeats *r = &s->record.repeats;
  char name[24], text[REPORT_REPEATS_TEXT];
  double flops = 0;
  int64_t images = 0;
  int n = report_repeats_mean(s, false).n;
  for (int k = 0; k < r->n; k++) {
    if (r->all[k].flops > 0 && r->all[k].flops < 1e30) flops += r->all[k].flops;
    images += r->all[k].images;
    sums->failed += r->all[k].failed;
    sums->missing += !r->all[k].ended && !s->record.finished; /* else fewer are wanted now */
  }
  text_escape(name, sizeof name, s->record.strategy);
  text_table_cell(table, name);
  text_table_cellf(table, "%d", s->record.round);
  text_table_cellf(table, "%d", r->trial);
  text_table_cellf(table, "%d", n);
  mean_text(s, false, text);
  text_table_cell(table, text);
  if (tested) {
    mean_text(s, true, text);
    text_table_cell(table, text);
  }
  sums->rows++;
  sums->flops += flops;
  sums->images += images;
  if (n < sums->fewest) sums->fewest = n;
  if (n > sums->most) sums->most = n;
}

static void print_notes(FILE *out, const struct sums *sums)
{
  char images[REPORT_TEXT];
  text_wrapf(out, "  ",
             "%sthe best configuration trained again with other random numbers%s: the winner's own figure is the best "
             "of many, these are not chosen",
             sums->most > 1 ? "mean ± standard deviation of " : "",
             sums->most < 2     ? ", once, which says nothing of the deviation"
             : sums->fewest < 5 ? ", a rough one from so few"
                                : "");
  report_count_text((double)sums->images, images);
  text_wrapf(out, "  ", "they took %s images and %.3g TFLOP, which no other table counts", images, sums->flops / 1e12);
  if (sums->failed)
    text_wrapf(out, "  ", "%d of them diverged, and %s not in the mean", sums->failed,
               sums->failed == 1 ? "is" : "are");
  if (sums->missing) text_wrapf(out, "  ", "%d of them are still to be made", sums->missing);
}

void report_print_repeats(FILE *out, const struct report *r)
{
  struct sums sums = {.fewest = RECORD_REPEATS_MAX};
  bool tested = false;
  for (int i = 0; i < r->n; i++) tested = tested || report_repeats_mean(&r->studies[i], true).n > 0;
  struct text_table *table = text_table_create();
  text_table_column(table, "strategy", false);
  text_table_column(table, "round", true);
  text_table_column(table, "trial", true);
  text_table_column(table, "trainings", true);
  text_table_column(table, "validation", true);
  if (tested) text_table_column(table, "test", true);
  for (int i = 0; i < r->n; i++)
    if (r->studies[i].record.ours && report_has_repeats(&r->studies[i])) add_row(table, &r->studies[i], tested, &sums);
  if (sums.rows > 0) {
    fputs("The best networks trained again\n", out);
    text_table_print(out, table, text_width(out));
    print_notes(out, &sums);
    fputc('\n', out);
  }
  text_table_destroy(table);
}
