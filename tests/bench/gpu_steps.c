/* Measured steps, and what lies between.  See gpu_steps.h. */
#include "tests/bench/gpu_steps.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIZES_MAX = 16, POINTS_MAX = 64, NETWORKS = 2 };

struct measured_network {
  char shape[32];
  double floor_us; /* of one trial */
  int launches;
  double reached; /* the best share of the floor: a full GPU's */
  int n;
  double trials[SIZES_MAX], step_us[SIZES_MAX]; /* on one stream, trials rising */
};

struct point {
  double load, slowdown;
};

struct gpu_steps {
  struct measured_network networks[NETWORKS]; /* the light one, the heavy one */
  struct point points[POINTS_MAX];            /* load rising, slowdown never falling */
  int n_points;
};

/* ---- interpolation --------------------------------------------------------------------------- */

static double between(double x, double x0, double y0, double x1, double y1)
{
  return y0 + (y1 - y0) * (x - x0) / (x1 - x0);
}

/* The step of that many trials of a measured network, alone. */
static double step_of(const struct measured_network *m, double trials)
{
  int i = 1;
  if (trials <= m->trials[0]) return m->step_us[0];
  while (i < m->n - 1 && m->trials[i] < trials) i++;
  return exp(
      between(log(trials), log(m->trials[i - 1]), log(m->step_us[i - 1]), log(m->trials[i]), log(m->step_us[i])));
}

static double launch_us(const struct gpu_steps *g)
{
  const struct measured_network *light = &g->networks[0];
  return (light->step_us[0] - light->floor_us / light->reached) / light->launches;
}

double gpu_full_us(const struct gpu_steps *g, double floor_us)
{
  const struct measured_network *light = &g->networks[0], *heavy = &g->networks[1];
  double f = fmin(fmax(floor_us, light->floor_us), heavy->floor_us);
  return floor_us / between(log(f), log(light->floor_us), light->reached, log(heavy->floor_us), heavy->reached);
}

double gpu_step_alone_us(const struct gpu_steps *g, const struct gpu_cohort *c)
{
  const struct measured_network *light = &g->networks[0], *heavy = &g->networks[1];
  double trials = c->floor_us * c->floor_us / c->square, one = c->floor_us / trials;
  double waiting = launch_us(g) * light->launches, more = launch_us(g) * (c->launches - light->launches);
  if (one <= light->floor_us) return more + waiting + (step_of(light, trials) - waiting) * one / light->floor_us;
  if (one >= heavy->floor_us) return more + step_of(heavy, trials) * one / heavy->floor_us;
  return more + exp(between(log(one), log(light->floor_us), log(step_of(light, trials)), log(heavy->floor_us),
                            log(step_of(heavy, trials))));
}

double gpu_cohort_load(const struct gpu_steps *g, const struct gpu_cohort *c)
{
  return fmin(1, c->full_us / gpu_step_alone_us(g, c));
}

double gpu_slowdown(const struct gpu_steps *g, double own, double all)
{
  int i = 0;
  double slowdown;
  while (i < g->n_points && g->points[i].load < all) i++;
  if (i == g->n_points)
    slowdown = fmax(all, g->points[i - 1].slowdown);
  else if (i == 0)
    slowdown = between(all, 0, 1, g->points[0].load, g->points[0].slowdown);
  else
    slowdown = between(all, g->points[i - 1].load, g->points[i - 1].slowdown, g->points[i].load, g->points[i].slowdown);
  return 1 + (fmax(1, slowdown) - 1) * fmin(1, (all - own) / (all / 2));
}

/* ---- reading --------------------------------------------------------------------------------- */

struct step {
  char shape[32];
  int trials, streams, launches;
  double step_us, floor_us;
};

static double number(const cJSON *o, const char *name)
{
  const cJSON *item = cJSON_GetObjectItemCaseSensitive(o, name);
  return cJSON_IsNumber(item) ? item->valuedouble : 0;
}

static const char *text(const cJSON *o, const char *name)
{
  const char *s = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, name));
  return s ? s : "";
}

static bool is_named(const cJSON *o, const char *name, const char *value)
{
  return strcmp(text(o, name), value) == 0;
}

/* The steps of the file.  steps [POINTS_MAX] out; returns how many. */
static int find_steps(const cJSON *file, const char *precision, struct step *steps)
{
  const cJSON *part, *s;
  int n = 0;
  cJSON_ArrayForEach(part, cJSON_GetObjectItemCaseSensitive(file, "parts"))
  {
    if (!is_named(part, "name", "steps") || !is_named(part, "on", "gpu")) continue;
    cJSON_ArrayForEach(s, cJSON_GetObjectItemCaseSensitive(part, "results"))
    {
      if (!is_named(s, "kind", "step") || !is_named(s, "precision", precision) || n == POINTS_MAX) continue;
      struct step *t = &steps[n++];
      *t = (struct step){.trials = (int)number(s, "trials"),
                         .streams = (int)number(s, "streams"),
                         .launches = (int)number(s, "launches"),
                         .step_us = number(s, "step_us"),
                         .floor_us = number(s, "floor_us")};
      snprintf(t->shape, sizeof t->shape, "%s", text(s, "shape"));
    }
  }
  return n;
}

/* The two networks, the lighter first, with their steps on one stream. */
static bool take_networks(struct gpu_steps *g, const struct step *steps, int n)
{
  int networks = 0;
  for (int i = 0; i < n; i++) {
    const struct step *s = &steps[i];
    int k = 0;
    while (k < networks && strcmp(g->networks[k].shape, s->shape) != 0) k++;
    if (k == NETWORKS || s->trials < 1 || s->streams < 1 || s->launches < 1 || !(s->step_us > 0) || !(s->floor_us > 0))
      return false;
    struct measured_network *m = &g->networks[k];
    if (k == networks) {
      *m = (struct measured_network){.launches = s->launches, .floor_us = s->floor_us / s->trials};
      memcpy(m->shape, s->shape, sizeof m->shape);
      networks++;
    }
    m->reached = fmax(m->reached, s->floor_us / s->step_us);
    if (s->streams > 1) continue;
    if (m->n == SIZES_MAX || (m->n > 0 && s->trials <= m->trials[m->n - 1])) return false;
    m->trials[m->n] = s->trials;
    m->step_us[m->n++] = s->step_us;
  }
  if (networks < NETWORKS || g->networks[0].n < 2 || g->networks[1].n < 2) return false;
  if (g->networks[0].floor_us > g->networks[1].floor_us) {
    struct measured_network m = g->networks[0];
    g->networks[0] = g->networks[1];
    g->networks[1] = m;
  }
  return true;
}

static int by_load(const void *a, const void *b)
{
  double x = ((const struct point *)a)->load, y = ((const struct point *)b)->load;
  return (x > y) - (x < y);
}

/* What several streams measured, by the load. */
static void take_points(struct gpu_steps *g, const struct step *steps, int n)
{
  for (int i = 0; i < n; i++) {
    const struct step *s = &steps[i];
    if (s->streams < 2 || s->trials % s->streams) continue;
    double one = s->floor_us / s->trials, trials = (double)s->trials / s->streams;
    struct gpu_cohort c = {.floor_us = one * trials,
                           .square = one * one * trials,
                           .full_us = gpu_full_us(g, one) * trials,
                           .launches = s->launches};
    g->points[g->n_points++] =
        (struct point){.load = s->streams * gpu_cohort_load(g, &c), .slowdown = s->step_us / gpu_step_alone_us(g, &c)};
  }
  qsort(g->points, (size_t)g->n_points, sizeof *g->points, by_load);
  for (int i = 1; i < g->n_points; i++) g->points[i].slowdown = fmax(g->points[i].slowdown, g->points[i - 1].slowdown);
}

static cJSON *read_file(const char *path, struct error *e)
{
  char *bytes = NULL;
  size_t size = 0;
  FILE *f = fopen(path, "r");
  cJSON *file = NULL;
  if (!f) {
    error_errno(e, "%s: cannot be read", path);
    return NULL;
  }
  if (getdelim(&bytes, &size, 0, f) > 0) file = cJSON_Parse(bytes);
  if (!file) error_set(e, ERROR_FAILED, "%s: is no JSON", path);
  free(bytes);
  fclose(f);
  return file;
}

int gpu_steps_read(struct gpu_steps **g, const char *path, const char *precision, struct error *e)
{
  struct step steps[POINTS_MAX];
  *g = NULL;
  cJSON *file = read_file(path, e);
  if (!file) return e->code;
  int n = find_steps(file, precision, steps);
  cJSON_Delete(file);
  *g = calloc(1, sizeof **g);
  if (!*g) return error_set(e, ERROR_MACHINE, "no memory");
  if (take_networks(*g, steps, n)) take_points(*g, steps, n);
  if ((*g)->n_points > 0) return 0;
  gpu_steps_free(*g);
  *g = NULL;
  return error_set(e, ERROR_FAILED,
                   "%s: lacks measured steps in %s of two networks, alone on one stream and on several", path,
                   precision);
}

void gpu_steps_free(struct gpu_steps *g)
{
  free(g);
}
