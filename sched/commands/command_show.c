/* `gsos show`: what study databases say, while their runs go on or long after.
 *
 * A database is opened for reading only, and all of them are read before anything is printed. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/spelling.h"
#include "host/base/text_escape.h"
#include "host/base/text_table.h"
#include "host/base/text_wrap.h"
#include "host/report/report.h"
#include "host/report/report_classes.h"
#include "host/report/report_importance_run.h"
#include "host/report/report_learnt.h"
#include "host/report/report_view.h"
#include "host/store/store.h"
#include "sched/commands/command.h"
#include "sched/commands/runs_below.h"
#include "sched/run/signals.h"

static const char help[] = "Usage: gsos show DIR|FILE.db... [OPTION]...\n"
                           "Print the trials of each study in runs' output folders, or in study databases\n"
                           "(DIR/study.db), how the best came about, the tables of time and accuracy, what\n"
                           "the best network gets wrong, which hyperparameters mattered, what was learnt and\n"
                           "the best configuration.  A run may go on meanwhile: nothing is written.\n"
                           "Of a folder that holds the outputs of several runs, as results does, it prints\n"
                           "a line for each run, or, with an option, what that asks for of each.\n"
                           "\n"
                           "      --study NAME   that study alone: its name, STRATEGY/ROUND, or STRATEGY for\n"
                           "                     all of its rounds\n"
                           "      --top N        the N best complete trials of each study, the best first\n"
                           "      --sort KEY     the trials by value (the best first), number, loss, epochs,\n"
                           "                     seconds, flops, images, or a hyperparameter; -KEY turns the\n"
                           "                     order round\n"
                           "      --trial N      one trial of each study, with all of its epochs\n"
                           "      --csv          print the trials as comma-separated values, nothing else\n"
                           "      --json         print a JSON object and nothing else\n"
                           "  -h, --help         print this and exit\n"
                           "\n"
                           "Examples:\n"
                           "  gsos show results\n"
                           "  gsos show results/quickstart --top 5\n"
                           "  gsos show results/quickstart --study grouped/0 --trial 7\n"
                           "  gsos show results/quickstart --csv > trials.csv\n"
                           "\n"
                           "Databases that Optuna made can be shown, too.\n"
                           "\n"
                           "Exit status: 0 done, 1 where there is no database or it cannot be read, 2 wrong\n"
                           "usage, 130 interrupted, 143 terminated.\n";

struct options {
  char **given; /* [n] folders or databases, as the user names them */
  int n;
  bool csv, json;
  const char *study; /* NULL: all */
  struct report_view view;
};

static bool selects(const struct options *o)
{
  return o->csv || o->json || o->study || o->view.top || o->view.sort || o->view.trial >= 0;
}

/* ---- which runs ------------------------------------------------------------------------------ */

/* Runs that are shown. */
struct runs {
  char **given;           /* [n] folders or databases */
  char **paths;           /* [n] their databases */
  struct report *reports; /* [n] */
  struct store **stores;  /* [n] open where epochs are read */
  int n;
  bool several; /* are asked for */
  int status;   /* the exit status, of those that could not be read */
};

static void close_runs(struct runs *r)
{
  for (int i = 0; i < r->n; i++) {
    if (r->reports) report_free(&r->reports[i]);
    if (r->stores) store_close(r->stores[i]);
    if (r->paths) free(r->paths[i]);
    free(r->given[i]);
  }
  free(r->given);
  free(r->paths);
  free(r->reports);
  free(r->stores);
}

static int no_memory(struct error *e)
{
  return error_set(e, ERROR_MACHINE, "no memory for the names of runs");
}

/* A folder that is no run itself stands for those in it. */
static int find_runs(struct runs *r, const struct options *o, struct error *e)
{
  struct runs_named named = {0};
  int code = 0;
  for (int i = 0; i < o->n && !code; i++) code = runs_named_add(&named, o->given[i], true, e);
  if (!code && !(r->given = calloc((size_t)named.n + 1, sizeof *r->given))) code = no_memory(e);
  for (int i = 0; i < named.n && !code; i++) {
    r->given[r->n++] = named.runs[i].path;
    named.runs[i].path = NULL;
  }
  runs_named_free(&named);
  return code;
}

static int open_runs(struct runs *r, struct error *e)
{
  r->several = r->n > 1;
  r->paths = calloc((size_t)r->n + 1, sizeof *r->paths);
  r->reports = calloc((size_t)r->n + 1, sizeof *r->reports);
  r->stores = calloc((size_t)r->n + 1, sizeof(struct store *));
  return r->paths && r->reports && r->stores ? 0 : no_memory(e);
}

static int load(struct runs *r, int i, struct error *e)
{
  int code = command_database("show", r->given[i], &r->paths[i], e);
  if (!code) code = store_open(&r->stores[i], r->paths[i], true, &signals_stop, e);
  return code ? code : report_load(&r->reports[i], r->stores[i], e);
}

static void close_one(struct runs *r, int i)
{
  report_free(&r->reports[i]);
  store_close(r->stores[i]);
  r->stores[i] = NULL;
}

/* One that cannot be read is told, and left out. */
static int load_all(struct runs *r, bool epochs, struct error *e)
{
  int n = 0;
  if (open_runs(r, e)) return e->code;
  for (int i = 0; i < r->n; i++) {
    struct error why = {0};
    int code = r->status < 128 ? load(r, i, &why) : ERROR_INTERRUPTED;
    command_complain(&why);
    if (command_status(&why)) r->status = command_status(&why);
    if (code || !epochs) {
      store_close(r->stores[i]);
      r->stores[i] = NULL;
    }
    if (code) { /* report_load has freed what it had */
      free(r->paths[i]);
      free(r->given[i]);
      r->paths[i] = NULL;
      continue;
    }
    r->given[n] = r->given[i];
    r->paths[n] = r->paths[i];
    r->reports[n] = r->reports[i];
    r->stores[n++] = r->stores[i];
  }
  r->n = n;
  return 0;
}

/* ---- a line a run ---------------------------------------------------------------------------- */

/* A run that cannot be read is told, and the others are shown. */
static int print_lines(struct runs *r, const char *folder, struct error *e)
{
  size_t above = strlen(folder);
  if (open_runs(r, e)) return e->code;
  struct text_table *table = text_table_create();
  report_run_columns(table);
  for (int i = 0; i < r->n && r->status < 128; i++) {
    struct error why = {0};
    const char *name = r->given[i] + above;
    if (load(r, i, &why) == 0) report_run_row(table, name + (*name == '/'), &r->reports[i]);
    command_complain(&why);
    if (command_status(&why)) r->status = command_status(&why);
    close_one(r, i);
  }
  text_table_print(stdout, table, text_screen(stdout));
  text_table_destroy(table);
  return 0;
}

/* ---- a run ----------------------------------------------------------------------------------- */

static int print_trials(const struct options *o, const struct report_study *s, struct error *e)
{
  int *order, n;
  int code = report_view_order(s, &o->view, &order, &n, e);
  if (code) return code;
  report_print_trials_of(stdout, s, order, n, text_screen(stdout)); /* 0: lines may be as long as they need to be */
  putchar('\n');
  free(order);
  return 0;
}

/* Stops where standard output fails, since a reader that is gone need not be told the rest. */
static int print_run(const struct options *o, const struct report *r, struct store *store, struct error *e)
{
  struct run_importance importance = {0};
  struct report_learnt learnt;
  char shown[600];
  int code = 0;
  if (r->n == 0 && o->study) {
    printf("There is no study '%s' in it.\n", text_escape(shown, sizeof shown, o->study));
    return 0;
  }
  if (r->n == 0 && r->n_left_out == 0) {
    puts("There is no study in it yet.");
    return 0;
  }
  for (int i = 0; i < r->n && !code; i++) {
    code = print_trials(o, &r->studies[i], e);
    if (command_flush()) return code;
  }
  if (code) return code;
  report_print_tables(stdout, r);
  report_print_repeats(stdout, r);
  report_print_baseline(stdout, r);
  report_print_classes(stdout, r);
  code = run_importance_measure(&importance, r, &signals_stop, e);
  if (!code) run_importance_print(stdout, &importance);
  run_importance_free(&importance);
  if (!code) code = report_learnt_make(&learnt, r, store, &signals_stop, e);
  if (!code) report_learnt_print(stdout, &learnt);
  if (!code) report_print_best(stdout, r);
  return code;
}

static int print_trial(const struct report_study *s, const struct stored_trial *t, struct store *store, struct error *e)
{
  double *epochs;
  int n;
  int code = store_epochs(store, s->id, t->number, &epochs, &n, e);
  if (code) return code;
  report_print_trial(stdout, s, t, epochs, n);
  free(epochs);
  return 0;
}

/* The trial of each study that has it. */
static int print_trial_of_run(const struct options *o, const struct report *r, struct store *store, struct error *e)
{
  bool first = true;
  int code = 0;
  for (int i = 0; i < r->n; i++) {
    const struct report_study *s = &r->studies[i];
    for (int k = 0; k < s->n && !code; k++) {
      if (s->trials[k].number != o->view.trial) continue;
      if (!first) putchar('\n');
      first = false;
      code = print_trial(s, &s->trials[k], store, e);
    }
  }
  if (first) printf("There is no trial %d in it.\n", o->view.trial);
  return code;
}

static int print_runs(const struct options *o, const struct runs *r, struct error *e)
{
  int code = 0;
  for (int i = 0; i < r->n && !code && !command_flush(); i++) {
    char shown[1000];
    if (r->several) printf("%sRun %s\n\n", i ? "\n\n" : "", text_escape(shown, sizeof shown, r->given[i]));
    if (o->view.trial >= 0)
      code = print_trial_of_run(o, &r->reports[i], r->stores[i], e);
    else
      code = print_run(o, &r->reports[i], r->stores[i], e);
  }
  return code;
}

/* ---- for programs ---------------------------------------------------------------------------- */

static int print_json(const struct options *o, const struct runs *r, struct error *e)
{
  char *text = report_view_json(r->reports, (const char *const *)r->paths, r->stores, r->n, &o->view, &signals_stop, e);
  if (!text) return e->code;
  puts(text);
  free(text);
  return 0;
}

/* What has no place in a table for machines is told beside it. */
static void print_left_out(const struct runs *r)
{
  for (int i = 0; i < r->n; i++) report_print_left_out(stderr, &r->reports[i]);
}

/* ---- what is asked for ----------------------------------------------------------------------- */

/* Leaves the study that is asked for. */
static int keep_study(struct runs *r, const char *study, struct error *e)
{
  const char *nearest = NULL;
  char shown[600], near[600] = "";
  int left = 0;
  for (int i = 0; i < r->n; i++) {
    for (int k = 0; k < r->reports[i].n; k++) {
      const struct report_study *s = &r->reports[i].studies[k];
      const char *const names[] = {s->name, s->record.ours ? s->record.strategy : s->name};
      nearest = near[0] ? NULL : nearest_word(study, names, 2);
      if (nearest) text_escape(near, sizeof near, nearest);
    }
    left += report_keep(&r->reports[i], study);
  }
  if (left > 0 || r->n == 0) return 0;
  text_escape(shown, sizeof shown, study);
  if (near[0]) return error_set(e, ERROR_CONFIG, "there is no study '%s'; did you mean '%s'?", shown, near);
  return error_set(e, ERROR_CONFIG, "there is no study '%s'; without --study, 'gsos show' lists those that there are",
                   shown);
}

static int has_trial(const struct runs *r, int number, struct error *e)
{
  int most = -1;
  for (int i = 0; i < r->n; i++)
    for (int k = 0; k < r->reports[i].n; k++) {
      const struct report_study *s = &r->reports[i].studies[k];
      for (int t = 0; t < s->n; t++) {
        if (s->trials[t].number == number) return 0;
        if (s->trials[t].number > most) most = s->trials[t].number;
      }
    }
  if (r->n == 0) return 0;
  if (most < 0) return error_set(e, ERROR_CONFIG, "--trial %d: there is no trial yet", number);
  return error_set(e, ERROR_CONFIG, "--trial %d: there is no such trial; they go from 0 to %d", number, most);
}

static int print_all(const struct options *o, struct runs *r, struct error *e)
{
  int code = load_all(r, !o->csv, e);
  if (!code && o->study) code = keep_study(r, o->study, e);
  if (!code && o->view.sort && r->n) code = report_view_check(r->reports, r->n, o->view.sort, e);
  if (!code && o->view.trial >= 0) code = has_trial(r, o->view.trial, e);
  if (code || r->n == 0) return code;
  if (!o->csv && !o->json) return print_runs(o, r, e);
  if (o->csv)
    report_print_csv_of(stdout, r->reports, r->several ? (const char *const *)r->given : NULL, r->n, &o->view);
  else
    code = print_json(o, r, e);
  print_left_out(r);
  return code;
}

static int show(const struct options *o)
{
  struct runs r = {0};
  struct error e = {0};
  int code = find_runs(&r, o, &e);
  if (!code && o->n == 1 && !selects(o) && (r.n > 1 || strcmp(r.given[0], o->given[0]) != 0))
    code = print_lines(&r, o->given[0], &e);
  else if (!code)
    code = print_all(o, &r, &e);
  command_complain(&e);
  int status = code ? command_status(&e) : r.status;
  close_runs(&r);
  return status;
}

/* ---- the command line ------------------------------------------------------------------------ */

/* A whole number from `low`. */
static bool take_number(const char *text, int low, int *number)
{
  char *end;
  errno = 0;
  long value = strtol(text, &end, 10);
  *number = (int)value;
  return end != text && !*end && errno == 0 && value >= low && value <= 1000000000;
}

static int take_option(struct options *o, int letter, struct command_line *l)
{
  char shown[200];
  text_escape(shown, sizeof shown, letter == 't' || letter == 'n' ? optarg : "");
  switch (letter) {
  case 't':
    if (take_number(optarg, 1, &o->view.top)) return 0;
    return command_usage_error(l, "--top %s: is no number of trials, 1 or more", shown);
  case 'n':
    if (take_number(optarg, 0, &o->view.trial)) return 0;
    return command_usage_error(l, "--trial %s: is no trial's number, 0 or more", shown);
  case 's':
    o->view.sort = optarg;
    return 0;
  case 'y':
    o->study = optarg;
    return 0;
  case 'j':
    o->json = true;
    return 0;
  default:
    o->csv = true;
    return 0;
  }
}

/* 0: go on; else *status is the exit status. */
static int parse(int argc, char **argv, struct options *o, int *status)
{
  static const struct option options[] = {
      {"study", required_argument, NULL, 'y'}, {"top", required_argument, NULL, 't'},
      {"sort", required_argument, NULL, 's'},  {"trial", required_argument, NULL, 'n'},
      {"csv", no_argument, NULL, 'c'},         {"json", no_argument, NULL, 'j'},
      {"help", no_argument, NULL, 'h'},        {NULL, 0, NULL, 0}};
  struct command_line line = {"gsos show", help, "h", options, argc, argv, status, false};
  int c;
  while ((c = command_option(&line)) > 0)
    if (take_option(o, c, &line) < 0) return -1;
  if (c < 0) return c;
  if (o->csv && o->json) return command_usage_error(&line, "--csv or --json, not both");
  if (o->view.top && o->view.trial >= 0) return command_usage_error(&line, "--top or --trial, not both");
  o->given = argv + optind;
  o->n = argc - optind;
  return o->n > 0 ? 0 : command_usage_error(&line, "which folder, or which study database?");
}

int command_show(int argc, char **argv)
{
  struct options o = {.view = {.trial = -1}};
  int status = 1;
  signals_install();
  if (parse(argc, argv, &o, &status) == 0) status = show(&o);
  return command_end(status);
}
