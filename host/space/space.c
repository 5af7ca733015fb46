/* The search space: hyperparameters as data.
 *
 * Text and numbers: parsing one line of [space], formatting it back, values as the ini file says
 * them.  The geometry is that of Optuna's transform: a float maps linearly or logarithmically to
 * the unit interval, an int of n values to n equal cells whose edges lie half a step outside its
 * range (in the logarithm: ln(low - 1/2) ... ln(high + 1/2)), so that a uniform coordinate draws
 * every value of a linear int alike.  Ordinals are ints over their indices; a categorical has cells
 * too.
 *
 * space_text.c has the grammar; here is what samplers call. */
#include "host/space/space.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void space_init(struct space *s)
{
  memset(s, 0, sizeof *s);
}

void param_destroy(struct param *p)
{
  free(p->numbers);
  free(p->labels);
  p->numbers = NULL;
  p->labels = NULL;
}

void space_destroy(struct space *s)
{
  if (!s) return;
  for (int i = 0; i < s->n; i++) param_destroy(&s->params[i]);
  s->n = 0;
}

static int param_copy(struct param *to, const struct param *from, struct error *e)
{
  *to = *from;
  to->numbers = NULL;
  to->labels = NULL;
  size_t n = (size_t)from->n_choices;
  if (from->numbers) to->numbers = malloc(n * sizeof *to->numbers);
  if (from->labels) to->labels = malloc(n * sizeof *to->labels);
  if ((from->numbers && !to->numbers) || (from->labels && !to->labels)) {
    param_destroy(to);
    return error_set(e, ERROR_MACHINE, "no memory for the choices of '%s'", from->name);
  }
  if (from->numbers) memcpy(to->numbers, from->numbers, n * sizeof *to->numbers);
  if (from->labels) memcpy(to->labels, from->labels, n * sizeof *to->labels);
  return 0;
}

int space_copy(struct space *to, const struct space *from, struct error *e)
{
  space_init(to);
  for (int i = 0; i < from->n; i++) {
    int rc = param_copy(&to->params[i], &from->params[i], e);
    if (rc) {
      space_destroy(to);
      return rc;
    }
    to->n++;
  }
  return 0;
}

int space_index(const struct space *s, const char *name)
{
  for (int i = 0; i < s->n; i++) {
    if (!strcmp(s->params[i].name, name)) return i;
  }
  return -1;
}

int64_t param_count(const struct param *p)
{
  if (p->type == PARAM_FLOAT) return p->low < p->high ? 0 : 1;
  return (int64_t)(p->high - p->low) + 1;
}

double param_number(const struct param *p, double value)
{
  return p->type == PARAM_ORDINAL ? p->numbers[(int)param_clamp(p, value)] : value;
}

double param_clamp(const struct param *p, double value)
{
  if (isnan(value)) return p->default_value;
  if (p->type != PARAM_FLOAT) value = round(value);
  return value < p->low ? p->low : value > p->high ? p->high : value;
}

/* The edges of the searched interval in the param's own scale (a categorical's: of its indices). */
static void scale_edges(const struct param *p, double *low, double *high)
{
  double half = p->type == PARAM_FLOAT ? 0.0 : 0.5;
  *low = p->log ? log(p->low - half) : p->low - half;
  *high = p->log ? log(p->high + half) : p->high + half;
}

double param_to_unit(const struct param *p, double value)
{
  double low, high;
  scale_edges(p, &low, &high);
  if (!(low < high)) return 0.5;
  double clamped = param_clamp(p, value);
  double unit = ((p->log ? log(clamped) : clamped) - low) / (high - low);
  return unit < 0 ? 0 : unit >= 1 ? 0x1.fffffffffffffp-1 : unit;
}

double param_from_unit(const struct param *p, double unit)
{
  double low, high;
  scale_edges(p, &low, &high);
  if (!(low < high)) return p->low;
  if (!p->log && p->type != PARAM_FLOAT) return param_clamp(p, p->low + floor(unit * (p->high - p->low + 1)));
  double value = low + unit * (high - low);
  return param_clamp(p, p->log ? exp(value) : value);
}

void space_defaults(const struct space *s, double *values)
{
  for (int i = 0; i < s->n; i++) values[i] = s->params[i].default_value;
}

bool space_equal(const struct space *s, const double *a, const double *b)
{
  for (int i = 0; i < s->n; i++) {
    if (a[i] != b[i]) return false;
  }
  return true;
}

int space_varied(const struct space *s)
{
  int n = 0;
  for (int i = 0; i < s->n; i++) n += param_count(&s->params[i]) != 1;
  return n;
}

void groups_split(const struct groups *g, int trials, int *count)
{
  double sum = 0;
  for (int i = 0; i < g->n; i++) sum += g->ratio[i];
  double remainder[SPACE_MAX];
  int left = trials;
  for (int i = 0; i < g->n; i++) {
    double share = sum > 0 ? trials * g->ratio[i] / sum : 0;
    count[i] = (int)floor(share); /* a hair below a whole number is made good by the largest remainder */
    if (count[i] > left) count[i] = left;
    remainder[i] = share - count[i];
    left -= count[i];
  }
  while (g->n > 0 && left > 0) {
    int best = 0;
    for (int i = 1; i < g->n; i++) {
      if (remainder[i] > remainder[best] + 1e-9) best = i;
    }
    count[best]++;
    remainder[best] -= 1;
    left--;
  }
}

void groups_share(const struct groups *g, const struct space *s, int trials, int *count)
{
  struct groups searched = *g;
  bool any = false, searches[SPACE_MAX] = {false};
  for (int i = 0; i < s->n; i++) {
    if (g->of[i] < 0 || param_count(&s->params[i]) == 1) continue;
    searches[g->of[i]] = true;
    any = true;
  }
  for (int i = 0; any && i < g->n; i++) {
    if (!searches[i]) searched.ratio[i] = 0;
  }
  groups_split(&searched, trials, count);
}
