/* What the tests of studies share: an experiment on function ackley (ten floats in three groups,
 * minimised), its objective, and a proposal that has to be possible. */
#ifndef GSOS_TESTS_STUDY_FIXTURE_H
#define GSOS_TESTS_STUDY_FIXTURE_H

#include "sched/study/study.h"

static struct experiment experiment;
static struct objective *objective;

static inline void open_experiment(const char *const *settings, int n)
{
  struct error e = {0};
  enum { OWN = 5, MAX = 13 };
  const char *all[OWN + MAX] = {"experiment.objective=function", "function.name=ackley", "tpe.startup=3",
                                "experiment.strategies=grouped, simultaneous", "experiment.sampler=tpe"};
  assert_in_range(n, 0, MAX);
  for (int i = 0; i < n; i++) all[OWN + i] = settings[i];
  if (experiment_load(&experiment, NULL, all, n + OWN, &e)) fail_msg("%s", e.message);
  if (objective_create(&objective, &experiment, NULL, NULL, &e)) fail_msg("%s", e.message);
}
/* With these settings, over those above. */
#define OPEN(...)                                                                                                      \
  open_experiment((const char *const[]){__VA_ARGS__}, (int)(sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *)))

static inline void close_experiment(void)
{
  objective_destroy(objective);
  experiment_destroy(&experiment);
}

static inline void make(struct study *s, const char *strategy)
{
  struct error e = {0};
  if (study_create(s, &experiment, objective, strategy, 0, &e)) fail_msg("%s", e.message);
}

/* Proposes the next trial and takes it in; its number. */
static inline int propose(struct study *s)
{
  struct error e = {0};
  struct stored_trial t;
  assert_int_equal(study_next(s), STUDY_PROPOSE);
  study_look(s);
  if (study_propose(s, &t, &e)) fail_msg("%s", e.message);
  study_add(s, &t);
  return t.number;
}

/* A value that depends on the configuration alone, like a deterministic training. */
static inline double value_of(const double *values)
{
  double sum = 0;
  for (int i = 0; i < experiment.space.n; i++) sum += (values[i] - i) * (values[i] - i);
  return sum;
}

/* Trial `number` ends. */
static inline void end_as(struct study *s, int number, enum stored_state state, double value)
{
  struct stored_trial t = s->trials[number];
  t.state = state;
  t.value = value;
  study_end(s, &t);
}

#endif
