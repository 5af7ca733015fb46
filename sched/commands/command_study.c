/* `gsos study`: how much each hyperparameter matters on one or several data sets.  Random trials on
 * each, run as `gsos run` does, then importance of each set and over all.
 *
 *   DIR/NAME/...           of each data set what a run leaves (experiment_run.h); of one without a
 *                          name (no [datasets]) DIR/...
 *   DIR/importance.txt     what is printed;  DIR/importance.csv  the weights
 *   DIR/importance.gp      the figure, for gnuplot;  DIR/importance.svg  drawn, where there is one
 *
 * That is what the runs do not depend on: their trials are in study databases like any other's, so
 * a study of importance goes on, grows by trials and by data sets, and is read by every command. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/base/file_replace.h"
#include "host/base/folder.h"
#include "host/base/monotonic.h"
#include "host/base/text_escape.h"
#include "host/base/text_wrap.h"
#include "host/experiment/experiment.h"
#include "host/objectives/objective.h"
#include "host/report/report_importance_sets.h"
#include "sched/commands/command.h"
#include "sched/commands/databases.h"
#include "sched/commands/experiment_run.h"
#include "sched/commands/gnuplot.h"
#include "sched/commands/output_file.h"
#include "sched/commands/outputs.h"
#include "sched/run/signals.h"
#include "sched/study/study.h"

static const char help[] = "Usage: gsos study FILE.ini [--set SECTION.KEY=VALUE]... [--output DIR] [--quiet]\n"
                           "                           [--log json]\n"
                           "Make a study of importance: [experiment] trials random configurations on each\n"
                           "data set of FILE.ini, then how much each hyperparameter matters on each of them,\n"
                           "and over all: mean weights, how far the data sets agree, groups for an ini file,\n"
                           "and a figure, by gnuplot, where it is installed.  What was stopped goes on where\n"
                           "it stood when the same command is given again; more trials, and more data sets,\n"
                           "are added to those that are there.\n"
                           "\n"
                           "Data sets are lines of the section [datasets], NAME = PATH, or with what is\n"
                           "different for one of them, NAME = PATH, KEY VALUE, ...; without such lines, the\n"
                           "one of [dataset], or the function or program, is studied.  Whatever FILE.ini\n"
                           "says of strategies, rounds, sampler, target, start, pruner, and groups: trials\n"
                           "are random ones that run to their end.\n"
                           "\n"
                           "  -s, --set SECTION.KEY=VALUE   use VALUE for a key of the file; may be repeated\n"
                           "  -o, --output DIR              write to DIR, in place of [experiment] output;\n"
                           "                                each data set has a folder of its name there\n"
                           "  -q, --quiet                   print the tables alone\n"
                           "  -l, --log json                write what happens to standard error, one JSON\n"
                           "                                object a line, in place of the progress lines\n"
                           "      --take-over, --accept-change, --retry-failed, --fresh\n"
                           "                                as for gsos run, for each data set\n"
                           "  -h, --help                    print this and exit\n"
                           "\n"
                           "Examples:\n"
                           "  gsos study configs/study.ini --set experiment.trials=40 --set space.epoch=1\n"
                           "  gsos study mine.ini --set datasets.digits=data --set datasets.photos=photos\n"
                           "\n"
                           "Exit status: 0 done, or stopped by [experiment] time_limit, which is that of the\n"
                           "whole; 1 failed, also where nothing can be measured; 2 wrong usage or\n"
                           "configuration, 130 interrupted, 143 terminated, 129 and 131 the same by SIGHUP\n"
                           "and SIGQUIT.  After 1 and these the same command goes on.\n";

/* A data set of the study. */
struct set {
  const char *name; /* of the folder, and in tables */
  struct experiment *x;
};

/* What a study of importance has open. */
struct sample {
  const struct run_options *options;
  const struct experiment *x; /* as the file says it */
  struct set *sets;           /* [n] */
  int n;
};

/* ---- the data sets --------------------------------------------------------------------------- */

/* Such that trials are random ones, and all end. */
static const char *const fixed[] = {"experiment.strategies=simultaneous",
                                    "experiment.sampler=random",
                                    "experiment.rounds=1",
                                    "experiment.target=",
                                    "experiment.start_from=", /* what has been seen would not be drawn */
                                    "experiment.revisit=no",
                                    "experiment.baseline=no", /* it is no sample of the space */
                                    "pruner.kind=none"};
enum { FIXED = sizeof fixed / sizeof *fixed, OWN = 2 }; /* a set's own: name and output */

/* Groups, and how importance is measured, decide no random trial: without them the file may have
 * other ones when the study goes on, as those that it told. */
static int leave_groups_out(struct experiment *x, struct error *e)
{
  struct experiment *standard = calloc(1, sizeof *standard);
  int code = standard ? experiment_defaults(standard, e) : error_set(e, ERROR_MACHINE, "no memory for the data sets");
  if (!code) {
    memcpy(x->importance_method, standard->importance_method, sizeof x->importance_method);
    x->importance_top = standard->importance_top;
    x->groups_settings = standard->groups_settings;
    x->warm_start = standard->warm_start;
    x->sweep_trials = standard->sweep_trials;
    x->groups = (struct groups){.n = 1, .names = {"all"}, .ratio = {1}};
    x->groups_from[0] = 0;
  }
  free(standard);
  return code;
}

static int load_set(const struct sample *s, struct set *set, const char *dataset, struct error *e)
{
  const struct command_ini *ini = &s->options->ini;
  const char **settings = calloc((size_t)ini->n_settings + FIXED + OWN, sizeof *settings);
  char name[200], output[1200];
  int n = 0;
  set->name = dataset ? dataset : s->x->name;
  set->x = calloc(1, sizeof *set->x);
  snprintf(name, sizeof name, "experiment.name=%s", set->name);
  snprintf(output, sizeof output, "experiment.output=%s%s%s", s->x->output, dataset ? "/" : "", dataset ? dataset : "");
  for (int i = 0; i < ini->n_settings && settings; i++) settings[n++] = ini->settings[i];
  for (int i = 0; i < FIXED && settings; i++) settings[n++] = fixed[i];
  if (settings) settings[n++] = name, settings[n++] = output;
  int code = settings && set->x ? experiment_load_dataset(set->x, ini->path, settings, n, dataset, e)
                                : error_set(e, ERROR_MACHINE, "no memory for the data sets");
  free(settings);
  return code ? code : leave_groups_out(set->x, e);
}

static int load_sets(struct sample *s, struct error *e)
{
  int n = s->x->n_datasets, code = 0;
  if (n > 0 && strcmp(s->x->objective, "cnn") != 0) {
    error_set(e, ERROR_CONFIG, "[datasets] %s: objective = %s has no data sets; take the lines of [datasets] away",
              s->x->datasets[0], s->x->objective);
    return experiment_locate(s->x, e);
  }
  s->sets = calloc((size_t)n + 1, sizeof *s->sets);
  if (!s->sets) return error_set(e, ERROR_MACHINE, "no memory for the data sets");
  if (n == 0) code = load_set(s, &s->sets[s->n++], NULL, e);
  for (int i = 0; i < n && !code; i++) code = load_set(s, &s->sets[s->n++], s->x->datasets[i], e);
  return code;
}

static void free_sets(struct sample *s)
{
  for (int i = 0; i < s->n; i++) {
    if (s->sets[i].x) experiment_destroy(s->sets[i].x);
    free(s->sets[i].x);
  }
  free(s->sets);
}

/* What will be written, of each set and over all: what is in its way should not be found when the
 * trials are done. */
static int check_written(const struct sample *s, struct error *e)
{
  static const char *const names[] = {"importance.txt", "importance.csv", "importance.gp", "importance.svg"};
  const char *inputs[RESULTS_INPUTS];
  char path[1200];
  int code = 0;
  results_inputs(s->x, inputs);
  for (int i = 0; i < s->n && !code; i++) {
    snprintf(path, sizeof path, "%s/study.db", s->sets[i].x->output);
    code = results_check(s->sets[i].x, access(path, F_OK) == 0, e);
  }
  for (size_t i = 0; i < sizeof names / sizeof *names && access(s->x->output, F_OK) == 0 && !code; i++) {
    snprintf(path, sizeof path, "%s/%s", s->x->output, names[i]);
    const struct output_file f = {.option = "output",
                                  .path = path,
                                  .kind = OUTPUT_ANY,
                                  .of_this_run = true,
                                  .inputs = inputs,
                                  .n_inputs = RESULTS_INPUTS};
    code = output_file_check(&f, e);
  }
  return code;
}

/* Reads the data of the sets that no run has begun on: what is wrong with the last one should not
 * be found when the trials of the others are done. */
static int check_sets(const struct sample *s, struct error *e)
{
  int code = 0;
  for (int i = 0; i < s->n && !code && s->n > 1; i++) {
    struct experiment *x = s->sets[i].x;
    struct objective *objective = NULL;
    char path[1100];
    snprintf(path, sizeof path, "%s/study.db", x->output);
    if (access(path, F_OK) == 0) continue;
    code = objective_create(&objective, x, command_progress, (void *)&s->options->progress, e);
    if (!code) code = study_check(x, objective, e);
    objective_destroy(objective);
    char shown[300];
    if (code && code != ERROR_INTERRUPTED)
      error_prefix(e, "data set %s", text_escape(shown, sizeof shown, s->sets[i].name));
  }
  return code;
}

/* ---- trials ---------------------------------------------------------------------------------- */

/* *complete out: every set has its trials. */
static int run_sets(const struct sample *s, bool *complete, struct error *e)
{
  double began = monotonic_seconds(), limit = s->x->time_limit_s;
  int code = 0;
  *complete = true;
  for (int i = 0; i < s->n && !code && *complete; i++) {
    struct experiment *x = s->sets[i].x;
    double left = limit - (monotonic_seconds() - began);
    if (limit > 0 && left <= 0) *complete = false;
    if (!*complete) break;
    if (limit > 0) x->time_limit_s = left;
    if (s->n > 1 && s->options->progress) fprintf(stderr, "data set %d of %d\n", i + 1, s->n);
    code = experiment_run(s->options, x, NULL, complete, e);
  }
  if (!code && !*complete && s->options->progress)
    text_wrap(stderr, "", "importance is measured when every data set has all of its trials");
  return code;
}

/* ---- importance ------------------------------------------------------------------------------ */

/* What is measured of the sets. */
struct measured {
  struct databases databases;
  const struct importance_method **methods; /* [n_methods] that of [importance] first */
  int n_methods;
  struct report_importance *each; /* [n] a set each */
  struct importance_set *sets;    /* [n] */
  int n;
  struct importance_sets over;
};

static int choose_methods(struct measured *m, const struct experiment *x, struct error *e)
{
  int n = 0;
  while (importance_methods[n]) n++;
  m->methods = calloc((size_t)n, sizeof *m->methods);
  if (!m->methods) return error_set(e, ERROR_MACHINE, "no memory for the importance of hyperparameters");
  m->methods[m->n_methods++] = importance_method_find(x->importance_method);
  for (int i = 0; i < n; i++)
    if (importance_methods[i] != m->methods[0]) m->methods[m->n_methods++] = importance_methods[i];
  return 0;
}

static int load_databases(struct measured *m, const struct sample *s, struct error *e)
{
  const char **outputs = calloc((size_t)s->n, sizeof *outputs);
  if (!outputs) return error_set(e, ERROR_MACHINE, "no memory for %d databases", s->n);
  for (int i = 0; i < s->n; i++) outputs[i] = s->sets[i].x->output;
  int code = databases_load(&m->databases, "study", outputs, s->n, e);
  free(outputs);
  return code;
}

/* The study of this name alone: other programs may have put theirs beside it. */
static int measure_set(struct measured *m, const struct set *set, const struct experiment *x, struct error *e)
{
  char study[200], shown[300];
  snprintf(study, sizeof study, "%s/simultaneous/0", set->x->name);
  struct importance_request request = {.reports = &m->databases.reports[m->n],
                                       .paths = &m->databases.shown[m->n],
                                       .n_reports = 1,
                                       .study = study,
                                       .methods = m->methods,
                                       .n_methods = m->n_methods,
                                       .settings = experiment_importance(x),
                                       .groups = x->groups_settings};
  request.settings.resamples = importance_settings_default().resamples;
  request.settings.stop = &signals_stop;
  struct report_importance *r = &m->each[m->n];
  int code = report_importance_measure(r, &request, e);
  m->sets[m->n++] = (struct importance_set){set->name, r->studies};
  return code ? error_prefix(e, "%s", text_escape(shown, sizeof shown, set->name)) : 0;
}

static int measure(struct measured *m, const struct sample *s, struct error *e)
{
  m->each = calloc((size_t)s->n, sizeof *m->each);
  m->sets = calloc((size_t)s->n, sizeof *m->sets);
  int code = m->each && m->sets ? 0 : error_set(e, ERROR_MACHINE, "no memory for %d data sets", s->n);
  if (!code) code = choose_methods(m, s->x, e);
  if (!code) code = load_databases(m, s, e);
  for (int i = 0; i < s->n && !code; i++) code = measure_set(m, &s->sets[i], s->x, e);
  if (!code)
    code = report_importance_sets_make(&m->over, m->sets, m->n, m->methods, m->n_methods, &s->x->groups_settings, e);
  return code;
}

static void free_measured(struct measured *m)
{
  report_importance_sets_free(&m->over);
  for (int i = 0; i < m->n; i++) report_importance_free(&m->each[i]);
  free(m->each);
  free(m->sets);
  free(m->methods);
  databases_free(&m->databases);
}

/* ---- what is written ------------------------------------------------------------------------- */

static void print_tables(FILE *out, const struct measured *m)
{
  for (int i = 0; i < m->n; i++) report_importance_print(out, &m->each[i]);
  report_importance_sets_print(out, &m->over);
}

static void print_csv(FILE *out, const struct measured *m)
{
  report_importance_sets_csv(out, &m->over);
}

static void print_figure(FILE *out, const struct measured *m)
{
  char title[300];
  int trials = 0;
  for (int i = 0; i < m->n; i++) trials += m->sets[i].study->used;
  if (m->n == 1)
    text_format(title, sizeof title, "Importance of hyperparameters: %s, %d trials", m->sets[0].name, trials);
  else
    text_format(title, sizeof title, "Importance of hyperparameters: %d data sets, %d trials", m->n, trials);
  report_importance_sets_gnuplot(out, &m->over, title, "importance.svg");
}

static int write_file(const char *folder, const char *name, void (*print)(FILE *, const struct measured *),
                      const struct measured *m, struct error *e)
{
  char path[1200];
  struct file_replace f;
  snprintf(path, sizeof path, "%s/%s", folder, name);
  int code = file_replace_begin(&f, path, e);
  if (code) return code;
  print(f.out, m);
  return file_replace_commit(&f, e);
}

/* A figure of other trials must not stay where none can be drawn. */
static int draw(const char *folder, bool *drawn, struct error *e)
{
  char path[1200], why[900];
  snprintf(path, sizeof path, "%s/importance.svg", folder);
  unlink(path);
  int code = gnuplot_run(folder, "importance.gp", drawn, why, sizeof why, e);
  if (*drawn) *drawn = gnuplot_svg_is_whole(folder, "importance", why, sizeof why);
  if (*drawn) return code;
  unlink(path);
  if (!code) text_wrapf(stderr, "", "no figure: %s; importance.gp is its script", why);
  return code;
}

static void print_written(const struct sample *s, bool drawn)
{
  char output[1100], set[1100];
  text_escape(output, sizeof output, s->x->output);
  text_escape(set, sizeof set, s->sets[0].x->output);
  printf("\nWritten to %s:\n", output);
  if (drawn) puts("  importance.svg               the figure");
  puts("  importance.gp                its script, for gnuplot\n"
       "  importance.txt               what stands above\n"
       "  importance.csv               every weight, interval and rank");
  puts(s->x->n_datasets > 0 ? "  NAME/study.db ...            of each data set what gsos run leaves"
                            : "  study.db ...                 what gsos run leaves");
  fputc('\n', stdout);
  text_wrapf(stdout, "", "To search by it: the section [groups] above in an ini file; or, by the trials of %s,",
             s->n > 1 ? "one data set" : "this study");
  printf("  gsos run FILE.ini --set groups.from=%s\n", set);
}

static int measure_and_write(const struct sample *s, struct error *e)
{
  struct measured m = {0};
  const char *folder = s->x->output;
  bool drawn = false;
  int code = measure(&m, s, e);
  if (!code) code = write_file(folder, "importance.txt", print_tables, &m, e);
  if (!code) code = write_file(folder, "importance.csv", print_csv, &m, e);
  if (!code) code = write_file(folder, "importance.gp", print_figure, &m, e);
  if (!code) print_tables(stdout, &m);
  if (!code) command_flush();
  if (!code) code = draw(folder, &drawn, e);
  if (!code) print_written(s, drawn);
  free_measured(&m);
  return code;
}

/* ---- the command ----------------------------------------------------------------------------- */

static int act(void *options, struct experiment *x, struct error *e)
{
  struct sample s = {.options = options, .x = x};
  bool complete = false;
  int code = run_options_output(options, x, e);
  if (!code) code = load_sets(&s, e);
  if (!code) code = check_written(&s, e);
  if (!code) code = check_sets(&s, e);
  if (!code) code = run_sets(&s, &complete, e);
  if (!code && complete) code = measure_and_write(&s, e);
  free_sets(&s);
  if (code == ERROR_INTERRUPTED && !strcmp(e->message, "stopped")) e->message[0] = 0; /* has been said */
  return code;
}

int command_study(int argc, char **argv)
{
  struct run_options o = {.sample = true};
  int status = 1;
  if (command_ini_open(&o.ini, argc) == 0 && run_options_parse(&o, "gsos study", help, argc, argv, &status) == 0)
    status = command_with_experiment(&o.ini, act, &o);
  command_ini_close(&o.ini);
  return command_end(status);
}
