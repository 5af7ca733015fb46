/* Trials for programs: one JSON object.  See report_view.h. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/json_text.h"
#include "host/report/report_internal.h"
#include "host/report/report_learnt.h"
#include "host/report/report_view.h"

/* Numbers as numbers, labels as strings, what a trial lacks as null. */
static void add_value(struct json_object *o, const struct param *p, double value)
{
  if (isnan(value))
    json_add_string(o, p->name, NULL);
  else if (p->type == PARAM_CATEGORICAL)
    json_add_string(o, p->name, p->labels[(int)value]);
  else
    json_add_number(o, p->name, param_number(p, value));
}

static void add_figures(struct json_object *o, const struct report_study *s, const struct stored_trial *t)
{
  if (!s->record.ours || t->state == STORED_RUNNING || t->state == STORED_WAITING) return;
  json_add_number(o, "loss", t->loss);
  json_add_number(o, "epochs", t->epochs);
  json_add_number(o, "seconds", t->seconds);
  json_add_number(o, "wall_s", t->wall_s);
  json_add_number(o, "flops", t->flops);
  json_add_number(o, "images", (double)t->images);
  if (t->state == STORED_FAIL) json_add_string(o, "reason", t->reason);
}

static int add_epochs(struct json_object *o, const struct report_study *s, const struct stored_trial *t,
                      struct store *store, struct error *e)
{
  double *values;
  int n;
  int code = store_epochs(store, s->id, t->number, &values, &n, e);
  if (code) return code;
  struct json_object *array = json_add_array(o, "epoch_values");
  for (int i = 0; i < n; i++) json_add_number(array, NULL, values[i]);
  free(values);
  return 0;
}

static int add_trial(struct json_object *trials, const struct report_study *s, int at, struct store *store,
                     struct error *e)
{
  const struct stored_trial *t = &s->trials[at];
  struct json_object *o = json_add_object(trials, NULL), *params, *free_ones;
  char group[SPACE_NAME_MAX];
  json_add_number(o, "trial", t->number);
  json_add_string(o, "state", report_state_name(s, t->state));
  json_add_bool(o, "best", at == s->best);
  report_group_name(s, t->group, group, sizeof group);
  if (group[0]) json_add_string(o, "group", group);
  json_add_number(o, "value", t->value);
  add_figures(o, s, t);
  params = json_add_object(o, "params");
  for (int i = 0; i < s->space.n; i++) add_value(params, &s->space.params[i], t->values[i]);
  free_ones = s->record.ours ? json_add_array(o, "free") : NULL;
  for (int i = 0; i < s->space.n && free_ones; i++)
    if (t->free[i]) json_add_string(free_ones, NULL, s->space.params[i].name);
  return store ? add_epochs(o, s, t, store, e) : 0;
}

static void add_counts(struct json_object *o, const struct report_study *s)
{
  json_add_number(o, "complete", s->complete);
  json_add_number(o, "failed", s->failed);
  json_add_number(o, "pruned", s->pruned);
  json_add_number(o, "running", s->running);
  json_add_number(o, "waiting", s->waiting);
}

/* The best configuration trained again, one by one and as a mean. */
static void add_repeats(struct json_object *to, const struct report_study *s)
{
  const struct study_repeats *r = &s->record.repeats;
  if (!s->record.ours || !report_has_repeats(s)) return;
  struct mean_interval value = report_repeats_mean(s, false), test = report_repeats_mean(s, true);
  struct json_object *o = json_add_object(to, "repeats");
  json_add_number(o, "trial", r->trial);
  json_add_number(o, "n", value.n);
  json_add_number(o, "mean", value.n ? value.mean : NAN);
  json_add_number(o, "deviation", value.sd);
  json_add_number(o, "test_mean", test.n ? test.mean : NAN);
  json_add_number(o, "test_deviation", test.sd);
  struct json_object *trainings = json_add_array(o, "trainings");
  for (int k = 0; k < r->n; k++) {
    const struct study_repeat *one = &r->all[k];
    struct json_object *training = json_add_object(trainings, NULL);
    bool reached = one->ended && !one->failed;
    json_add_number(training, "training", r->first + k);
    json_add_string(training, "state", reached ? "complete" : one->ended ? "failed" : "missing");
    json_add_number(training, "value", reached ? one->value : NAN);
    json_add_number(training, "loss", reached ? one->loss : NAN);
    json_add_number(training, "test", reached && one->tested ? one->test : NAN);
    json_add_number(training, "test_loss", reached && one->tested ? one->test_loss : NAN);
    json_add_number(training, "seconds", one->seconds);
    json_add_number(training, "flops", one->flops);
    json_add_number(training, "images", (double)one->images);
  }
}

static void add_confusion(struct json_object *o, const struct class_counts *c)
{
  struct json_object *confusion = json_add_object(o, "confusion"), *list = json_add_array(confusion, "classes");
  for (int i = 0; i < c->classes; i++) json_add_string(list, NULL, c->names[i]);
  json_add_number(confusion, "top_k", c->top_k ? c->top_k : NAN);
  json_add_number(confusion, "top_k_accuracy", c->top_k ? (double)c->top_right / (double)c->n : NAN);
  list = json_add_array(confusion, "cells");
  for (size_t i = 0; i < c->n_cells; i++) {
    struct json_object *cell = json_add_array(list, NULL);
    json_add_number(cell, NULL, c->cells[i].label);
    json_add_number(cell, NULL, c->cells[i].said);
    json_add_number(cell, NULL, (double)c->cells[i].count);
  }
  list = json_add_array(confusion, "mistakes");
  for (int i = 0; i < c->n_mistakes; i++) {
    struct json_object *m = json_add_object(list, NULL);
    json_add_number(m, "image", c->mistakes[i].image);
    json_add_number(m, "class", c->mistakes[i].label);
    json_add_number(m, "taken_for", c->mistakes[i].said);
    json_add_number(m, "probability", c->mistakes[i].probability);
  }
}

static int add_study(struct json_object *studies, const struct report_study *s, const struct report_view *v,
                     struct store *store, struct error *e)
{
  struct json_object *o = json_add_object(studies, NULL), *trials;
  int *order, n;
  double test;
  char test_name[80];
  int code = report_view_order(s, v, &order, &n, e);
  if (code) return code;
  json_add_string(o, "name", s->name);
  json_add_string(o, "direction", s->maximize ? "maximize" : "minimize");
  if (s->record.ours) {
    json_add_string(o, "strategy", s->record.strategy);
    json_add_number(o, "round", s->record.round);
    json_add_number(o, "asked", s->record.trials);
    json_add_bool(o, "finished", s->finished);
    json_add_string(o, "value_name", s->record.value_name);
  }
  add_counts(o, s);
  json_add_number(o, "best", s->best >= 0 ? s->trials[s->best].number : NAN);
  if (report_test_value(s, &test)) {
    json_add_number(o, "test_value", test);
    report_test_name(s, test_name, sizeof test_name);
    if (!strcmp(test_name, "test accuracy")) json_add_number(o, "test_accuracy", test);
  }
  add_repeats(o, s);
  if (s->classes.classes) add_confusion(o, &s->classes);
  trials = json_add_array(o, "trials");
  for (int i = 0; i < n && !code; i++) code = add_trial(trials, s, order[i], store, e);
  free(order);
  return code;
}

static int add_learnt(struct json_object *o, const struct report *r, struct store *store, const volatile int *stop,
                      struct error *e)
{
  struct report_learnt learnt;
  int code = report_learnt_make(&learnt, r, store, stop, e);
  if (code) return code;
  struct json_object *sentences = json_add_array(o, "learnt");
  for (int i = 0; i < learnt.n; i++) json_add_string(sentences, NULL, learnt.sentences[i]);
  return 0;
}

char *report_view_json(const struct report *reports, const char *const *runs, struct store *const *stores, int n,
                       const struct report_view *v, const volatile int *stop, struct error *e)
{
  struct json_object *root = json_object_create(), *all = json_add_array(root, "runs");
  int code = 0;
  for (int i = 0; i < n && !code; i++) {
    struct json_object *o = json_add_object(all, NULL);
    json_add_string(o, "database", runs[i]);
    struct json_object *studies = json_add_array(o, "studies");
    for (int k = 0; k < reports[i].n && !code; k++)
      code = add_study(studies, &reports[i].studies[k], v, v->trial >= 0 ? stores[i] : NULL, e);
    if (!code && v->trial < 0) code = add_learnt(o, &reports[i], stores[i], stop, e);
  }
  char *text = json_print(root);
  if (!text && !code) error_set(e, ERROR_MACHINE, "no memory for the JSON object");
  if (code) free(text);
  return code ? NULL : text;
}
