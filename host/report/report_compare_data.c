/* Several runs side by side, for programs.  See report_compare.h. */
#include <math.h>

#include "host/base/json_text.h"
#include "host/base/text_csv.h"
#include "host/report/report_compare_internal.h"

/* A figure, and what a strategy differs by in it: a difference of values, or the share saved. */
static const struct {
  const char *name, *difference;
} keys[COMPARE_FIGURES] = {
    [COMPARE_VALUE] = {"value", "value_difference"}, [COMPARE_TEST] = {"test_value", "test_value_difference"},
    [COMPARE_IMAGES] = {"images", "images_saved"},   [COMPARE_TFLOP_TO_BEST] = {"tflop_to_best", "tflop_to_best_saved"},
    [COMPARE_TFLOP] = {"tflop", "tflop_saved"},      [COMPARE_TIME_TO_BEST] = {"time_to_best_s", "time_to_best_saved"},
    [COMPARE_TIME] = {"time_s", "time_saved"},       [COMPARE_WALL_TIME] = {"wall_time_s", "wall_time_saved"},
};

void report_compare_csv(FILE *out, const struct report_compare *c)
{
  fputs("run,strategy,rounds,value_name", out);
  for (int k = 0; k < COMPARE_FIGURES; k++) fprintf(out, ",%s", keys[k].name);
  for (int k = 0; k < COMPARE_FIGURES; k++) fprintf(out, ",%s", keys[k].difference);
  fputc('\n', out);
  for (int i = 0; i < c->n_rows; i++) {
    const struct compare_row *row = &c->rows[i];
    text_csv(out, c->names[row->run]);
    fputc(',', out);
    text_csv(out, c->strategies[row->strategy]);
    fprintf(out, ",%d,", row->rounds);
    text_csv(out, row->first->record.value_name);
    for (int k = 0; k < COMPARE_FIGURES; k++) report_csv_number(out, row->figures[k]);
    for (int k = 0; k < COMPARE_FIGURES; k++) report_csv_number(out, row->differences[k]);
    fputc('\n', out);
  }
}

static void add_row(struct json_object *runs, const struct report_compare *c, const struct compare_row *row)
{
  struct json_object *o = json_add_object(runs, NULL);
  json_add_string(o, "run", c->names[row->run]);
  json_add_string(o, "strategy", c->strategies[row->strategy]);
  json_add_number(o, "rounds", row->rounds);
  json_add_string(o, "value_name", row->first->record.value_name);
  json_add_string(o, "direction", row->first->maximize ? "maximize" : "minimize");
  for (int k = 0; k < COMPARE_FIGURES; k++) json_add_number(o, keys[k].name, row->figures[k]);
  if (!compare_has_difference(c, row, row->strategy)) return;
  for (int k = 0; k < COMPARE_FIGURES; k++) json_add_number(o, keys[k].difference, row->differences[k]);
}

static void add_mean(struct json_object *means, const struct report_compare *c, const struct compare_mean *m)
{
  struct json_object *o = json_add_object(means, NULL);
  json_add_string(o, "strategy", c->strategies[m->strategy]);
  json_add_number(o, "runs", m->runs);
  for (int k = 0; k < COMPARE_FIGURES; k++) {
    struct json_object *mean = json_add_object(o, keys[k].difference);
    json_add_number(mean, "mean", m->mean[k]);
    json_add_number(mean, "half_interval", m->half[k]);
  }
}

char *report_compare_json(const struct report_compare *c)
{
  struct json_object *root = json_object_create(), *runs = json_add_array(root, "runs");
  for (int i = 0; i < c->n_rows; i++) add_row(runs, c, &c->rows[i]);
  json_add_string(root, "control", c->control >= 0 ? c->strategies[c->control] : NULL);
  struct json_object *means = json_add_array(root, "means"), *notes = json_add_array(root, "notes");
  for (int i = 0; i < c->n_means; i++) add_mean(means, c, &c->means[i]);
  for (int i = 0; i < c->n_notes; i++) json_add_string(notes, NULL, c->notes[i]);
  return json_print(root);
}
