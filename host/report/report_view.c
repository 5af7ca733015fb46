/* Trials chosen and sorted.  See report_view.h. */
#include "host/report/report_view.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/spelling.h"
#include "host/base/text_escape.h"
#include "host/report/report_internal.h"

/* ---- what is sorted by ----------------------------------------------------------------------- */

static const char *const keys[] = {"value", "number", "loss", "epochs", "seconds", "flops", "images"};
enum { KEY_VALUE, KEY_NUMBER, KEY_LOSS, KEY_EPOCHS, KEY_SECONDS, KEY_FLOPS, KEY_IMAGES, KEYS };

/* A trial's place and what it is sorted by. */
struct row {
  int at;
  double key; /* ascending; NaN last */
};

static int key_of(const char *name)
{
  int k = 0;
  while (k < KEYS && strcmp(keys[k], name) != 0) k++;
  return k;
}

/* Figures that a trial has when it has ended. */
static double figure_of(const struct report_study *s, const struct stored_trial *t, int key)
{
  const double figures[KEYS] = {[KEY_VALUE] = s->maximize ? -t->value : t->value,
                                [KEY_NUMBER] = t->number,
                                [KEY_LOSS] = t->loss,
                                [KEY_EPOCHS] = t->epochs,
                                [KEY_SECONDS] = t->seconds,
                                [KEY_FLOPS] = t->flops,
                                [KEY_IMAGES] = (double)t->images};
  bool open = t->state == STORED_RUNNING || t->state == STORED_WAITING;
  return open && key != KEY_NUMBER ? NAN : figures[key];
}

static int by_key(const void *a, const void *b)
{
  const struct row *x = a, *y = b;
  if (isnan(x->key) != isnan(y->key)) return isnan(x->key) ? 1 : -1;
  if (x->key != y->key && !isnan(x->key)) return x->key < y->key ? -1 : 1;
  return x->at - y->at;
}

static void sort_rows(const struct report_study *s, const char *sort, struct row *rows, int n)
{
  bool back = sort[0] == '-';
  int key = key_of(sort + back), param = space_index(&s->space, sort + back);
  for (int i = 0; i < n; i++) {
    const struct stored_trial *t = &s->trials[rows[i].at];
    double number = NAN;
    if (key < KEYS)
      number = figure_of(s, t, key);
    else if (param >= 0 && !isnan(t->values[param]))
      number = param_number(&s->space.params[param], t->values[param]);
    rows[i].key = back ? -number : number;
  }
  qsort(rows, (size_t)n, sizeof *rows, by_key);
}

/* ---- the best -------------------------------------------------------------------------------- */

/* The first `top` of the complete trials by contract 5; returns how many there are. */
static int keep_best(const struct report_study *s, int top, struct row *rows, int n)
{
  const struct stored_trial **order = malloc(((size_t)n + 1) * sizeof *order);
  int complete = 0;
  if (!order) return -1;
  for (int i = 0; i < n; i++)
    if (s->trials[rows[i].at].state == STORED_COMPLETE && !isnan(s->trials[rows[i].at].value))
      order[complete++] = &s->trials[rows[i].at];
  if (!report_sort_best(s, order, complete)) {
    free(order);
    return -1;
  }
  if (complete > top) complete = top;
  for (int i = 0; i < complete; i++) rows[i].at = (int)(order[i] - s->trials);
  free(order);
  return complete;
}

int report_view_order(const struct report_study *s, const struct report_view *v, int **order, int *n, struct error *e)
{
  struct row *rows = malloc(((size_t)s->n + 1) * sizeof *rows);
  *n = 0;
  *order = malloc(((size_t)s->n + 1) * sizeof **order);
  int left = rows && *order ? 0 : -1;
  for (int i = 0; i < s->n && left >= 0; i++)
    if (v->trial < 0 || s->trials[i].number == v->trial) rows[left++].at = i;
  if (left >= 0 && v->top > 0) left = keep_best(s, v->top, rows, left);
  if (left >= 0 && v->sort) sort_rows(s, v->sort, rows, left);
  for (int i = 0; i < left; i++) (*order)[(*n)++] = rows[i].at;
  free(rows);
  if (left >= 0) return 0;
  free(*order);
  *order = NULL;
  return error_set(e, ERROR_MACHINE, "no memory for %d trials", s->n);
}

/* ---- names ----------------------------------------------------------------------------------- */

int report_view_check(const struct report *reports, int n, const char *sort, struct error *e)
{
  const char *names[KEYS + SPACE_MAX], *name = sort + (sort[0] == '-');
  char shown[200], near[4 * SPACE_NAME_MAX];
  int n_names = 0;
  for (; n_names < KEYS; n_names++) names[n_names] = keys[n_names];
  if (key_of(name) < KEYS) return 0;
  for (int i = 0; i < n; i++)
    for (int k = 0; k < reports[i].n; k++) {
      const struct space *s = &reports[i].studies[k].space;
      if (space_index(s, name) >= 0) return 0;
      for (n_names = KEYS; n_names < KEYS + s->n; n_names++) names[n_names] = s->params[n_names - KEYS].name;
    }
  const char *nearest = nearest_word(name, names, n_names);
  text_escape(shown, sizeof shown, name);
  if (nearest)
    return error_set(e, ERROR_CONFIG, "--sort %s: there is no such column; did you mean '%s'?", shown,
                     text_escape(near, sizeof near, nearest));
  return error_set(e, ERROR_CONFIG,
                   "--sort %s: there is no such column; it takes value, number, loss, epochs, seconds, flops, images, "
                   "or a hyperparameter",
                   shown);
}

bool report_view_is_study(const struct report_study *s, const char *name)
{
  char text[sizeof s->record.strategy + 16];
  if (!strcmp(s->name, name)) return true;
  if (!s->record.ours) return false;
  snprintf(text, sizeof text, "%s/%d", s->record.strategy, s->record.round);
  return !strcmp(text, name) || !strcmp(s->record.strategy, name);
}
