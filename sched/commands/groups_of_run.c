/* Groups from another run's database.  See groups_of_run.h. */
#include "sched/commands/groups_of_run.h"

#include <string.h>

#include "host/base/text_escape.h"
#include "host/experiment/names.h"
#include "host/report/report_importance.h"
#include "sched/commands/databases.h"
#include "sched/run/signals.h"

/* Puts the studies that count first and returns how many.  Their order among each other stays. */
static int choose(struct report *r)
{
  int n = 0;
  for (int i = 0; i < r->n; i++) {
    if (strategy_holds(r->studies[i].record.strategy)) continue;
    struct report_study chosen = r->studies[i];
    memmove(&r->studies[n + 1], &r->studies[n], (size_t)(i - n) * sizeof *r->studies);
    r->studies[n++] = chosen;
  }
  return n ? n : r->n;
}

/* The weights of the studies together, by name. */
static int take_weights(const struct experiment *x, const struct report_importance *r, double *weight, struct error *e)
{
  const struct measured_study *m = &r->studies[r->n - 1];
  if (r->n > 1 && m->studies == 1)
    return error_set(e, ERROR_CONFIG, "its studies have different spaces, so they cannot be put together");
  if (!m->measured) return error_set(e, ERROR_CONFIG, "its trials cannot be measured");
  for (int i = 0; i < x->space.n; i++) {
    int at = space_index(m->space, x->space.params[i].name);
    weight[i] = at < 0 ? 0 : m->measured[0].weight[at];
    if (param_count(&x->space.params[i]) == 1) continue;
    if (at < 0) return error_set(e, ERROR_CONFIG, "its trials have no hyperparameter '%s'", x->space.params[i].name);
    if (param_count(&m->space->params[at]) == 1)
      return error_set(e, ERROR_CONFIG, "its trials all have the same '%s', which tells nothing of it",
                       x->space.params[i].name);
  }
  return 0;
}

static int measure(struct experiment *x, const struct databases *run, struct error *e)
{
  struct report chosen = {.n = choose(&run->reports[0]), .studies = run->reports[0].studies};
  struct report_importance measured = {0};
  const struct importance_method *method = importance_method_find(x->importance_method);
  struct importance_request q = {.reports = &chosen,
                                 .paths = run->shown,
                                 .n_reports = 1,
                                 .methods = &method,
                                 .n_methods = 1,
                                 .settings = experiment_importance(x),
                                 .groups = x->groups_settings};
  double weight[SPACE_MAX];
  q.settings.stop = &signals_stop;
  int code = report_importance_measure(&measured, &q, e);
  if (!code) code = take_weights(x, &measured, weight, e);
  if (!code) code = groups_from_weights(&x->space, weight, &x->groups_settings, &x->groups, e);
  report_importance_free(&measured);
  return code;
}

int groups_of_run(struct experiment *x, struct error *e)
{
  struct databases run = {0};
  char shown[1100];
  const char *path = experiment_groups_run(x);
  if (!path) return 0;
  if (databases_load(&run, "from", &path, 1, e) || measure(x, &run, e)) {
    if (e->code == ERROR_FAILED) e->code = ERROR_CONFIG; /* what the file names is wrong */
    error_prefix(e, "[groups] from = %s", text_escape(shown, sizeof shown, path));
    experiment_locate(x, e);
  }
  databases_free(&run);
  return e->code;
}
