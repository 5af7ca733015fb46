/* What an experiment searches, as `gsos check` shows it: studies, data, space, groups, which part
 * of the space is infeasible, and the configurations that are tried first. */
#include "sched/commands/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "sched/commands/space_probe.h"
#include "sched/study/measured_groups.h"
#include "sched/study/pruner.h"
#include "host/experiment/names.h"
#include "sched/run/signals.h"
#include "host/base/text_escape.h"
#include "host/base/text_units.h"
#include "host/base/text_wrap.h"

/* Names one after another with commas. */
static void append(char *text, size_t size, const char *word)
{
  size_t used = strlen(text);
  if (used < size) text_format(text + used, size - used, "%s%s", used ? ", " : "", word);
}

/* The heading of a section, of a printf format. */
static void heading(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void heading(const char *format, ...)
{
  char text[400];
  va_list arguments;
  va_start(arguments, format);
  text_vformat(text, sizeof text, format, arguments);
  va_end(arguments);
  putchar('\n');
  text_wrap(stdout, "", text);
}

/* A text beside its name, or below one that would leave it no room. */
static void print_named(const char *name, const char *text)
{
  char lead[SPACE_NAME_MAX + 8];
  snprintf(lead, sizeof lead, "  %s  ", name);
  if (text_columns(lead) * 2 > text_width(stdout)) {
    text_wrap(stdout, "  ", name);
    strcpy(lead, "    ");
  }
  text_wrap(stdout, lead, text);
}

/* ---- experiment and space -------------------------------------------------------------------- */

void check_print_experiment(const struct check *c)
{
  const struct experiment *x = c->x;
  char text[1100], strategies_text[STRATEGIES_MAX * 34] = "";
  for (int i = 0; i < x->n_strategies; i++) append(strategies_text, sizeof strategies_text, x->strategies[i]);
  printf("Experiment\n");
  text_wrap(stdout, "  name        ", text_escape(text, sizeof text, x->name));
  c->o->description(c->o, text, sizeof text);
  text_wrapf(stdout, "  objective   ", "%s, %s the %s", x->objective, c->o->maximize ? "maximizes" : "minimizes",
             c->o->value_name);
  text_wrap(stdout, "  depends on  ", text);
  text_wrap(stdout, "  strategies  ", strategies_text);
  if (x->cycles > 1)
    text_wrapf(stdout, "  cycles      ", "%d, of %d trial%s each", x->cycles, x->cycle_trials,
               text_plural(x->cycle_trials));
  text_wrapf(stdout, "  trials      ", "%d in each of %lld stud%s (%d strateg%s × %d round%s), %lld in all", x->trials,
             (long long)c->studies, c->studies == 1 ? "y" : "ies", x->n_strategies, x->n_strategies == 1 ? "y" : "ies",
             x->rounds, text_plural(x->rounds), (long long)c->trials);
  printf("  sampler     %s\n", x->sampler);
  if (x->baseline) text_wrap(stdout, "  baseline    ", "trial 0 of each study has the defaults");
  text_wrapf(stdout, "  parallel    ", "up to %d trial%s of a study in flight; up to %d at once on this machine",
             x->parallel, text_plural(x->parallel), c->at.trials);
  if (x->order == ORDER_ASYNCHRONOUS)
    text_wrap(stdout, "  order       ", "asynchronous: the history depends on the machine and cannot be reproduced");
  if (experiment_weighs_cost(x) && x->sampler_settings.gp_cost == GP_COST_FLOPS)
    text_wrap(stdout, "  cost        ", "what a configuration promises is weighed by its FLOPs");
  if (experiment_weighs_cost(x) && x->sampler_settings.gp_cost == GP_COST_TIME)
    text_wrap(stdout, "  cost        ", "by time: the history depends on the machine and cannot be reproduced");
  const struct pruner *p = pruner_find(x->pruner);
  if (p) {
    bool all = !strcmp(x->pruned_strategies, PRUNES_EVERY_ONE);
    text_wrapf(stdout, "  pruner      ", "%s, %s; for %s%s", p->name, p->summary, all ? "" : "trials of ",
               all ? "all trials" : x->pruned_strategies);
  }
  if (experiment_weighs_classes(x))
    text_wrap(stdout, "  loss        ", "of training weighted by class: class_weights = balanced");
  if (experiment_unused(x, text, sizeof text)) text_wrap(stdout, "  unused      ", text);
  text_wrap(stdout, "  output      ", text_escape(text, sizeof text, x->output));
  if (c->o->subject) {
    printf("\n%s\n", c->o->subject);
    objective_describe(c->o, stdout);
  }
}

/* The choices of an ordinal or categorical, as many as fit in `columns`; the last one always. */
static void choices_text(const struct param *p, int columns, char *text, size_t size)
{
  char all[PARAM_TEXT_MAX] = "", end[2 * SPACE_NAME_MAX];
  for (int i = 0; i < p->n_choices; i++) append(all, sizeof all, p->labels[i]);
  if (text_columns(all) <= columns) {
    snprintf(text, size, "%s", all);
    return;
  }
  snprintf(end, sizeof end, ", ... %s (%d)", p->labels[p->n_choices - 1], p->n_choices);
  *text = 0;
  for (int i = 0;
       i + 1 < p->n_choices && text_columns(text) + text_columns(p->labels[i]) + 2 + text_columns(end) <= columns; i++)
    append(text, size, p->labels[i]);
  size_t used = strlen(text);
  snprintf(text + used, size - used, "%s", used ? end : end + 2);
}

static const char *const types[] = {"float", "int", "ordinal", "categorical"};

/* Where no table has room: each as a line of [space]. */
static void print_narrow_space(const struct space *s)
{
  char text[PARAM_TEXT_MAX], choices[PARAM_TEXT_MAX], value[SPACE_NAME_MAX];
  for (int i = 0; i < s->n; i++) {
    const struct param *p = &s->params[i];
    param_format(p, text, sizeof text);
    if (p->n_choices && text_columns(text) > 2 * TEXT_COLUMNS) {
      choices_text(p, TEXT_COLUMNS, choices, sizeof choices);
      param_value_format(p, p->default_value, value, sizeof value);
      text_format(text, sizeof text, "%s %s default %s", types[p->type], choices, value);
    }
    print_named(p->name, text);
  }
}

static void print_wide_space(const struct space *s)
{
  int names = 4, defaults = 7;
  char text[PARAM_TEXT_MAX], low[32], high[32];
  for (int i = 0; i < s->n; i++) {
    int n = text_columns(s->params[i].name);
    if (n > names) names = n;
    param_value_format(&s->params[i], s->params[i].default_value, text, sizeof text);
    if (text_columns(text) > defaults) defaults = text_columns(text);
  }
  if (names > 24) names = 24;
  if (defaults > 16) defaults = 16;
  int values = TEXT_COLUMNS - 2 - (names + 2) - (11 + 2) - (3 + 2) - (defaults + 2);
  fputs("  ", stdout);
  text_pad(stdout, "name", names + 2);
  printf("type         ");
  text_pad(stdout, "default", defaults + 2);
  printf("log  values\n");
  for (int i = 0; i < s->n; i++) {
    const struct param *p = &s->params[i];
    fputs("  ", stdout);
    text_pad(stdout, p->name, names + 2);
    if (text_columns(p->name) > names) printf("\n%*s", names + 4, "");
    printf("%-13s", types[p->type]);
    param_value_format(p, p->default_value, text, sizeof text);
    text_pad(stdout, text, defaults + 2);
    if (text_columns(text) > defaults) printf("\n%*s", names + 2 + 15 + defaults + 2, "");
    printf("%-5s", p->log ? "log" : "");
    if (p->n_choices) {
      choices_text(p, values, text, sizeof text);
    } else {
      number_format(p->low, low, sizeof low);
      number_format(p->high, high, sizeof high);
      snprintf(text, sizeof text, p->low == p->high ? "%s" : "%s .. %s", low, high);
    }
    puts(text);
  }
}

void check_print_space(const struct space *s)
{
  printf("\nSearch space: %d hyperparameter%s\n", s->n, text_plural(s->n));
  if (text_width(stdout) < TEXT_COLUMNS)
    print_narrow_space(s);
  else
    print_wide_space(s);
  if (space_varied(s) == 0) text_wrap(stdout, "  ", "There is nothing to search: every hyperparameter has one value.");
}

static void print_groups(const struct experiment *x)
{
  int share[SPACE_MAX], columns = 5, most = text_width(stdout) < TEXT_COLUMNS ? 8 : 24;
  const struct sampler *sampler = sampler_find(x->sampler);
  int startup = sampler->startup_in_groups ? sampler->startup(&x->sampler_settings) : 0;
  const char *user = NULL; /* the strategy that searches them */
  bool free[SPACE_MAX];
  for (int s = x->n_strategies - 1; s >= 0; s--)
    if (strategy_is(x->strategies[s], STRATEGY_GROUPS)) user = x->strategies[s];
  groups_share(&x->groups, &x->space, x->cycle_trials, share);
  for (int g = 0; g < x->groups.n; g++) {
    int n = text_columns(x->groups.names[g]);
    if (n > columns) columns = n < most ? n : most;
  }
  if (user)
    heading("Groups, in the order in which the strategy %s searches them", user);
  else
    heading("Groups: no strategy here uses them");
  fputs("  ", stdout);
  text_pad(stdout, "group", columns + 2);
  printf("trials  hyperparameters\n");
  for (int g = 0; g < x->groups.n; g++) {
    char lead[400], members[SPACE_MAX * (SPACE_NAME_MAX + 2)] = "";
    const char *name = x->groups.names[g];
    for (int i = 0; i < x->space.n; i++) {
      if (x->groups.of[i] == g) append(members, sizeof members, x->space.params[i].name);
    }
    int pad = columns + 2 - text_columns(name);
    if (pad < 2) text_wrap(stdout, "  ", name), name = "", pad = columns + 2;
    snprintf(lead, sizeof lead, "  %s%*s%6d  ", name, pad, "", share[g]);
    text_wrap(stdout, lead, members);
  }
  for (int g = 0; user && g < x->groups.n; g++) {
    bool searches = false;
    for (int i = 0; i < x->space.n; i++) {
      free[i] = x->groups.of[i] == g;
      searches |= free[i] && param_count(&x->space.params[i]) != 1;
    }
    int random = startup - start_trials_of(x->start, &x->space, free); /* what has been seen is no start any more */
    if (share[g] == 0 && !searches)
      text_wrapf(stdout, "  ", "The group %s has nothing to search: its hyperparameters have one value each.",
                 x->groups.names[g]);
    else if (share[g] == 0)
      text_wrapf(stdout, "  ", "No trial is left for the group %s: it stays at its defaults.", x->groups.names[g]);
    else if (share[g] <= random && !x->revisit)
      text_wrapf(stdout, "  ", "All trials of the group %s are random: [%s] startup is %d.", x->groups.names[g],
                 sampler->name, startup);
  }
}

/* In which order the groups come again. */
static void print_visits(const struct experiment *x)
{
  if (x->cycles > 1)
    text_wrapf(stdout, "  ", "So in each of %d cycles; from the second on, proposals learn from the whole study.",
               x->cycles);
  char next[40];
  snprintf(next, sizeof next, x->revisit_trials == 1 ? "one goes" : "%d go", x->revisit_trials);
  if (x->revisit)
    text_wrapf(
        stdout, "  ",
        "Each gets half of its trials; then the model says which group the next %s to, again and again (revisit).",
        next);
}

/* How groups come from importance, of those who measure it in their own study. */
static void print_measured(const struct experiment *x, const char *strategy, const char *what)
{
  int warm = warm_start_trials(x);
  heading("Groups of the strategy %s", strategy);
  text_wrapf(stdout, "  ",
             "%d trial%s over the whole space; importance is measured on them "
             "by %s, and makes %d group%s (by %s)%s.",
             warm, warm == 1 ? " of each study is a random one" : "s of each study are random ones",
             x->importance_method, x->groups_settings.n, text_plural(x->groups_settings.n),
             x->groups_settings.rule == GROUPS_BY_GAP ? "the largest gaps" : "share of the weight", what);
}

void check_print_groups(const struct experiment *x)
{
  bool visits = false;
  for (int s = 0; s < x->n_strategies; s++) {
    char sweeps[200];
    visits |= strategy_is(x->strategies[s], STRATEGY_GROUPS);
    snprintf(sweeps, sizeof sweeps, ", again after each sweep of %d trial%s", x->sweep_trials,
             text_plural(x->sweep_trials));
    if (strategy_is(x->strategies[s], STRATEGY_SWEEPS)) print_measured(x, x->strategies[s], sweeps);
    if (strategy_is(x->strategies[s], STRATEGY_GROUPS) && experiment_groups_auto(x))
      print_measured(x, x->strategies[s], "");
  }
  if (!experiment_groups_auto(x)) print_groups(x);
  if (visits) print_visits(x);
}

/* ---- feasibility ----------------------------------------------------------------------------- */

int check_print_feasibility(const struct check *c, struct error *e)
{
  struct feasibility f;
  char names[SPACE_MAX * (SPACE_NAME_MAX + 2)] = "";
  if (feasibility_find(&f, c->o, c->x, &signals_stop, e)) return e->code;
  for (int i = 0; i < c->x->space.n; i++) {
    if (f.depends[i]) append(names, sizeof names, c->x->space.params[i].name);
  }
  double percent = 100.0 * (double)f.infeasible / (double)f.tried;
  printf("\nFeasibility\n");
  if (f.exact)
    text_wrapf(stdout, "  ", "%lld of the %lld combination%s of %s %s infeasible, and never proposed.",
               (long long)f.infeasible, (long long)f.tried, text_plural(f.tried), names,
               f.infeasible == 1 ? "is" : "are");
  else if (f.infeasible == 0 && f.n_depends == 0)
    text_wrapf(stdout, "  ", "All of %lld random configurations are feasible.", (long long)f.tried);
  else if (f.infeasible == f.tried)
    text_wrapf(stdout, "  ", "None of %lld random configurations is feasible.", (long long)f.tried);
  else
    text_wrapf(
        stdout, "  ",
        "About %.*f %% of the configurations are infeasible, and never proposed (an estimate: %lld of %lld random "
        "ones); it depends on %s.",
        percent < 10, percent, (long long)f.infeasible, (long long)f.tried, names);
  for (int k = 0; k < f.n_reasons; k++) {
    char lead[40];
    snprintf(lead, sizeof lead, "  %9lld: ", (long long)f.reasons[k].count);
    text_wrapf(stdout, lead, "%s%s", f.reasons[k].count > 1 ? "such as: " : "", f.reasons[k].example);
  }
  return 0;
}

/* "lr 0.001, optimizer sgd": as a line of [enqueue]; what is at its default is left out. */
void check_configuration_text(const struct check *c, const double *values, char *text, size_t size)
{
  const struct space *s = &c->x->space;
  *text = 0;
  for (int i = 0; i < s->n; i++) {
    char value[SPACE_NAME_MAX], word[2 * SPACE_NAME_MAX + 1];
    if (values[i] == c->defaults[i]) continue;
    param_value_format(&s->params[i], values[i], value, sizeof value);
    snprintf(word, sizeof word, "%s %s", s->params[i].name, value);
    append(text, size, word);
  }
  if (!*text) snprintf(text, size, "the defaults");
}

void check_print_start(const struct check *c)
{
  const struct start *s = c->x->start;
  char text[CHECK_TEXT_MAX];
  if (!s) return;
  heading("Start: %s", s->n > 0 ? "trials that proposals see" : "trials whose values no proposal sees");
  for (int i = 0; i < s->n_sources; i++) text_wrap(stdout, "  ", s->sources[i]);
  for (int i = 0; i < s->n_best; i++) {
    char lead[40];
    snprintf(lead, sizeof lead, "  tried first: trial %d  ", (c->x->baseline ? 1 : 0) + i);
    check_configuration_text(c, s->best[i], text, sizeof text);
    text_wrap(stdout, lead, text);
  }
}

int check_print_enqueued(const struct check *c, struct error *e)
{
  const struct experiment *x = c->x;
  char text[CHECK_TEXT_MAX];
  if (experiment_given_too_many(x, text, sizeof text)) {
    heading("Tried first");
    text_wrap(stdout, "  Warning: ", text);
  }
  if (x->n_enqueued == 0) return 0;
  heading("Enqueued: %d configuration%s to try first", x->n_enqueued, text_plural(x->n_enqueued));
  for (int i = 0; i < x->n_enqueued; i++) {
    struct objective_cost cost;
    struct error one = {0};
    if (c->o->cost(c->o, x->enqueued[i].values, &cost, e)) return e->code;
    check_configuration_text(c, x->enqueued[i].values, text, sizeof text);
    print_named(x->enqueued[i].name, text);
    if (cost.feasible) continue;
    text_wrapf(stdout, "    ", "infeasible: %s", cost.reason);
    error_set(&one, ERROR_CONFIG, "[enqueue] %s = %.*s: is infeasible: %s; change it, or take the line away",
              x->enqueued[i].name, text_within(text, 600), text, cost.reason);
    experiment_locate(x, &one);
    if (!e->code) *e = one; /* the first one; the others are shown above */
  }
  return e->code;
}
