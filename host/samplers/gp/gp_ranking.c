/* Candidates in the order of expected improvement.  See gp_ranking.h. */
#include "host/samplers/gp/gp_ranking.h"

#include <stdlib.h>
#include <string.h>

#include "host/samplers/gp/gp_acquisition.h"

static int by_score(const void *a, const void *b)
{
  const struct gp_top *x = a, *y = b;
  return x->score > y->score ? -1 : x->score < y->score ? 1 : x->index - y->index;
}

/* Log expected improvement of each into `score`; sd is scratch, [count] both.  On a device it has
 * been ranked. */
static void score_each(struct gp_model *model, int count, const double *const *x, double best, double *score,
                       double *sd)
{
  if (model->workspace) {
    gp_workspace_read(model->workspace, count, NULL, NULL, score);
    return;
  }
  gp_model_predict(model, count, x, score, sd);
  for (int k = 0; k < count; k++) score[k] = gp_log_expected_improvement(score[k], sd[k], best, NULL, NULL);
}

int gp_ranking_make(struct gp_ranking *r, struct gp_model *model, int count, const double *const *x, double best,
                    const double *cost, struct error *e)
{
  *r = (struct gp_ranking){.model = model};
  if (model->workspace) {
    gp_workspace_rank(model->workspace, count, x, best);
    if (!cost) return 0;
  }
  double *score = malloc(2 * (size_t)count * sizeof(*score)), *sd = score ? score + count : NULL;
  r->scored = malloc((size_t)count * sizeof(*r->scored));
  if (!score || !r->scored) {
    free(score);
    return error_set(e, ERROR_MACHINE, "out of memory for %d candidates", count);
  }
  score_each(model, count, x, best, score, sd);
  for (int k = 0; k < count; k++) r->scored[k] = (struct gp_top){score[k] - (cost ? cost[k] : 0), k};
  free(score);
  return 0;
}

void gp_ranking_destroy(struct gp_ranking *r)
{
  free(r->scored);
  r->scored = NULL;
}

/* What comes next of each part from the device. */
static void fetch(struct gp_part *parts, int n, const struct gp_ranking *r)
{
  struct gp_range ranges[GP_RANGES_MAX] = {{0}};
  struct gp_top top[GP_RANGES_MAX][GP_TOP];
  for (int k = 0; k < n; k++) {
    const struct gp_part *p = &parts[k];
    ranges[k] = (struct gp_range){.from = p->from, .to = p->to, .after = {.index = -1}};
    if (p->next != p->from) ranges[k].after = p->top[GP_TOP - 1];
  }
  gp_workspace_top(r->model->workspace, n, ranges, top);
  for (int k = 0; k < n; k++) memcpy(parts[k].top, top[k], sizeof(top[k]));
}

void gp_parts_begin(struct gp_part *parts, int n, const struct gp_ranking *r, const int *edges)
{
  for (int k = 0; k < n; k++) {
    struct gp_part *p = &parts[k];
    p->from = p->next = edges[k];
    p->to = edges[k + 1];
    if (r->scored) qsort(r->scored + p->from, (size_t)(p->to - p->from), sizeof(*r->scored), by_score);
  }
  if (!r->scored) fetch(parts, n, r);
}

bool gp_part_next(struct gp_part *p, const struct gp_ranking *r, struct gp_top *candidate)
{
  if (p->next == p->to) return false;
  if (r->scored) {
    *candidate = r->scored[p->next++];
    return true;
  }
  int at = (p->next - p->from) % GP_TOP;
  if (at == 0 && p->next != p->from) fetch(p, 1, r);
  *candidate = p->top[at];
  if (candidate->index < 0) return false; /* the device has failed */
  p->next++;
  return true;
}
