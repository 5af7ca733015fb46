/* `gsos run`: an experiment from its ini file to its tables; what an earlier run left goes on where it stood.
 *
 *   OUTPUT/study.db           the study database, in Optuna's schema
 *   OUTPUT/networks/STUDY/    of each study the best network (safetensors)
 *   OUTPUT/best.safetensors   the best of all, and best.ini, its configuration
 *   OUTPUT/report.txt         the tables;  OUTPUT/trials.csv  every trial
 *   OUTPUT/timeline.json      what ran when and where, for https://ui.perfetto.dev */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "commands.h"
#include "event_log.h"
#include "feasibility.h"
#include "machine.h"
#include "progress.h"
#include "resume.h"
#include "results.h"
#include "runner.h"
#include "signals.h"
#include "study_record.h"
#include "text_escape.h"
#include "text_wrap.h"
#include "timeline.h"
#include "version.h"

static const char help[] = "Usage: gsos run FILE.ini [--set SECTION.KEY=VALUE]... [--output DIR] [--quiet]\n"
                           "                         [--log json]\n"
                           "Search the hyperparameters that FILE.ini describes, with each of its strategies,\n"
                           "and print what they found and what it took.  A run that was stopped, however,\n"
                           "goes on where it stood when the same command is given again; a finished one\n"
                           "prints its tables.\n"
                           "\n"
                           "  -s, --set SECTION.KEY=VALUE   use VALUE for a key of the file; may be repeated\n"
                           "  -o, --output DIR              write to DIR, in place of [experiment] output\n"
                           "  -q, --quiet                   print the tables alone\n"
                           "  -l, --log json                write what happens to standard error, one JSON\n"
                           "                                object a line, in place of the progress lines\n"
                           "      --take-over               go on although another run seems to work on the\n"
                           "                                output (if you are sure that it is gone)\n"
                           "      --accept-change           go on although the results so far were made by\n"
                           "                                another processor, library or data set; every\n"
                           "                                table will say so\n"
                           "  -h, --help                    print this and exit\n"
                           "\n"
                           "Ctrl-C stops after the running steps, and loses no finished trial; a second one\n"
                           "stops at once.\n"
                           "\n"
                           "Examples:\n"
                           "  gsos run configs/quickstart.ini\n"
                           "  gsos run mine.ini --set experiment.trials=60 --set scheduler.parallel=8\n"
                           "\n"
                           "Exit status: 0 done, or stopped by [experiment] time_limit; 1 failed, 2 wrong\n"
                           "usage or configuration, 130 interrupted, 143 terminated.  After 1, 130 and 143\n"
                           "the same command goes on.\n";

struct options {
  const char *ini, *output;
  const char **settings;
  int n_settings;
  bool quiet, log, take_over, accept_change;
};

/* What a run has open. */
struct run {
  const struct options *options;
  struct experiment *x;
  struct objective *objective;
  struct store *store;
  struct runner runner;
  struct events events;
  struct event_log log;
  struct timeline timeline;
  char depends_on[600], change[300];
  bool finished; /* before it began: only the tables are left */
};

static int exit_status(const struct error *e)
{
  if (e->code == ERROR_INTERRUPTED && signals_stop) return signals_exit_code();
  return e->code == ERROR_CONFIG ? 2 : 1;
}

/* ---- opening -------------------------------------------------------------------------------------------------------------- */

/* Progress of decoding, on a terminal only; asks for a stop after a signal. */
static bool on_decoding(void *context, const char *what, int64_t done, int64_t total)
{
  const struct options *o = context;
  if (!o->quiet && !o->log && isatty(STDERR_FILENO)) {
    fprintf(stderr, "\r%s: %lld of %lld%s", what, (long long)done, (long long)total, done == total ? "\n" : "");
    fflush(stderr);
  }
  return signals_stop != 0;
}

static int open_objective(struct run *run, struct error *e)
{
  int code = objective_create(&run->objective, run->x, on_decoding, (void *)run->options, e);
  if (!code) code = study_check(run->x, run->objective, e);
  if (code) return code;
  run->objective->description(run->objective, run->depends_on, sizeof run->depends_on);
  const struct sampler *sampler = sampler_find(run->x->sampler);
  if (sampler && sampler->open) code = sampler->open(&run->x->sampler_settings, &run->x->space, run->x->devices, e);
  if (code) return code;
  size_t used = strlen(run->depends_on);
  if (sampler && sampler->description && used + 3 < sizeof run->depends_on) {
    strcpy(run->depends_on + used, ", ");
    sampler->description(&run->x->sampler_settings, run->depends_on + used + 2, sizeof run->depends_on - used - 2);
  }
  for (int i = 0; i < run->x->n_enqueued && !code; i++) {
    struct objective_cost cost;
    code = run->objective->cost(run->objective, run->x->enqueued[i].values, &cost, e);
    if (!code && !cost.feasible)
      code = error_set(e, ERROR_CONFIG, "%s: [enqueue] %s is infeasible: %s", run->x->path, run->x->enqueued[i].name,
                       cost.reason);
  }
  return code;
}

static int make_folder(const char *path, struct error *e)
{
  char part[1100], shown[1100];
  snprintf(part, sizeof part, "%s", path);
  for (char *slash = part + 1; (slash = strchr(slash, '/')); slash++) {
    *slash = 0;
    int made = mkdir(part, 0777);
    *slash = '/';
    if (made && errno != EEXIST) break; /* the next mkdir tells why */
  }
  if (mkdir(part, 0777) == 0) return 0;
  struct stat st;
  if (errno == EEXIST && stat(part, &st) == 0 && S_ISDIR(st.st_mode)) return 0;
  text_escape(shown, sizeof shown, path);
  return error_errno(e, "the output folder %s cannot be made", shown);
}

static int open_store(struct run *run, struct error *e)
{
  char path[1100];
  snprintf(path, sizeof path, "%s/study.db", run->x->output);
  int code = store_open(&run->store, path, false, &signals_stop, e);
  if (!code) code = store_own(run->store, run->options->take_over, e);
  return code;
}

/* An output that is there is looked at before the images are read: a typo in a search key should not take minutes to find. */
static int open_all(struct run *run, struct error *e)
{
  char path[1100];
  snprintf(path, sizeof path, "%s/study.db", run->x->output);
  if (access(path, F_OK) == 0) {
    int code = open_store(run, e);
    if (!code) code = resume_check_search(run->store, run->x, e);
    if (!code) code = resume_is_finished(run->store, run->x, &run->finished, e);
    if (code || run->finished) return code;
    code = open_objective(run, e);
    if (code) return code;
    return resume_check_machine(run->store, run->depends_on, run->options->accept_change, run->change,
                                sizeof run->change, e);
  }
  int code = open_objective(run, e);
  if (!code) code = make_folder(run->x->output, e);
  return code ? code : open_store(run, e);
}

/* ---- studies -------------------------------------------------------------------------------------------------------------- */

/* What the database is to say of the study from now on.  `old` is what it says. */
static int write_record(struct run *run, struct run_study *s, const char *search, const struct study_record *old,
                        struct error *e)
{
  const struct experiment *x = run->x;
  struct study_record *r = malloc(sizeof *r);
  if (!r) return error_set(e, ERROR_MACHINE, "no memory for a study");
  *r = *old;
  r->ours = true;
  snprintf(r->version, sizeof r->version, "%s", old->ours ? old->version : GSOS_VERSION);
  snprintf(r->experiment, sizeof r->experiment, "%s", x->name);
  snprintf(r->strategy, sizeof r->strategy, "%s", s->study.strategy->name);
  r->round = s->study.round;
  r->trials = x->trials;
  snprintf(r->objective, sizeof r->objective, "%s", run->objective->name);
  snprintf(r->value_name, sizeof r->value_name, "%s", run->objective->value_name);
  r->search = (char *)search;
  snprintf(r->depends_on, sizeof r->depends_on, "%s", run->depends_on);
  r->n_groups = s->study.strategy->phase_names(x, r->groups);
  r->finished = false;
  r->target_reached = false;
  if (run->change[0] && r->n_changes < RECORD_CHANGES_MAX)
    snprintf(r->changes[r->n_changes++], sizeof r->changes[0], "%s", run->change);
  int code = study_record_write(run->store, s->store_id, r, e);
  free(r);
  return code;
}

/* Opens a study, new or begun. */
static int open_study(struct run *run, struct run_study *s, int strategy, int round, const char *search,
                      struct error *e)
{
  const struct experiment *x = run->x;
  struct study_record old = {0};
  struct stored_trial *trials = NULL;
  char name[520];
  bool created;
  int n = 0;
  if (x->rounds == 1)
    snprintf(s->title, sizeof s->title, "%s", x->strategies[strategy]);
  else
    snprintf(s->title, sizeof s->title, "%s %d", x->strategies[strategy], round);
  snprintf(s->networks, sizeof s->networks, "%s/networks/%s-%d", x->output, x->strategies[strategy], round);
  resume_study_name(x, strategy, round, name, sizeof name);
  int code = study_create(&s->study, x, run->objective, x->strategies[strategy], round, e);
  if (!code) code = store_study(run->store, name, run->objective->maximize, &s->store_id, &created, e);
  if (!code) code = study_record_read(run->store, s->store_id, &old, e);
  if (!code) code = store_trials(run->store, s->store_id, &x->space, NULL, &trials, &n, e);
  if (!code) code = study_resume(&s->study, trials, n, e);
  if (!code) {
    s->done_before = s->study.done;
    s->wall_before_s = old.wall_s;
    s->shared_before = old.ours && old.wall_s > 0 && !old.ran_alone;
    results_clean_networks(s);
    bool unchanged = old.ours && old.search && !strcmp(old.search, search) && !run->change[0];
    if (!unchanged) code = write_record(run, s, search, &old, e);
  }
  study_record_free(&old);
  free(trials);
  return code;
}

static int open_studies(struct run *run, struct error *e)
{
  const struct experiment *x = run->x;
  struct runner *r = &run->runner;
  char *search = experiment_search_text(x);
  int code = 0;
  r->studies = calloc((size_t)(x->n_strategies * x->rounds), sizeof *r->studies);
  if (!search || !r->studies) code = error_set(e, ERROR_MACHINE, "no memory for %d studies", x->rounds);
  for (int round = 0; round < x->rounds && !code; round++)
    for (int k = 0; k < x->n_strategies && !code; k++)
      code = open_study(run, &r->studies[r->n_studies++], k, round, search, e);
  free(search);
  return code;
}

/* ---- the run -------------------------------------------------------------------------------------------------------------- */

static void print_head(const struct run *run)
{
  const struct experiment *x = run->x;
  const struct runner *r = &run->runner;
  char names[STRATEGIES_MAX * 34] = "", output[1100];
  int before = 0;
  for (int i = 0; i < x->n_strategies; i++) {
    size_t used = strlen(names);
    snprintf(names + used, sizeof names - used, "%s%s", i ? ", " : "", x->strategies[i]);
  }
  text_wrapf(stderr, "", "%s: %s; %d round%s of %d trials each, sampler %s, %d in flight", x->name, names, x->rounds,
             x->rounds == 1 ? "" : "s", x->trials, x->sampler, x->parallel);
  text_wrapf(stderr, "  on ", "%s; %d at once", run->depends_on, r->slots * r->capacity);
  fprintf(stderr, "  to %s\n", text_escape(output, sizeof output, x->output));
  for (int i = 0; i < r->n_studies; i++) before += r->studies[i].done_before;
  if (before > 0) fprintf(stderr, "  going on after %d trials of an earlier run\n", before);
}

/* Tells the database which studies have ended, and lets each best network see the test set, once. */
static int end_studies(struct run *run, struct error *e)
{
  int code = 0;
  for (int i = 0; i < run->runner.n_studies && !code; i++) {
    struct run_study *s = &run->runner.studies[i];
    if (study_next(&s->study) != STUDY_ENDED || s->study.done < s->study.n) continue;
    code = results_test(run->objective, run->store, s, &signals_stop, e);
    if (!code) code = study_record_write_finished(run->store, s->store_id, true, s->study.target_reached, e);
  }
  return code;
}

/* Says why the run ended before its end, and how it goes on. */
static void print_stopped(const struct run *run)
{
  const struct runner *r = &run->runner;
  int done = 0, all = r->n_studies * run->x->trials;
  for (int i = 0; i < r->n_studies; i++) done += r->studies[i].study.done;
  const char *why = r->time_is_up ? "time_limit reached" : signals_stop ? "stopped" : "ended early";
  text_wrapf(stderr, "", "%s: %d of %d trials have ended and are kept; the same command goes on from there", why, done,
             all);
}

/* Who is told what happens. */
static void listen(struct run *run)
{
  char path[1100];
  events_init(&run->events);
  run->runner.events = &run->events;
  run->log = (struct event_log){.out = stderr};
  if (run->options->log) events_listen(&run->events, event_log_write, &run->log);
  snprintf(path, sizeof path, "%s/timeline.json", run->x->output);
  timeline_open(&run->timeline, path, run->objective, run->runner.capacity);
  events_listen(&run->events, timeline_write, &run->timeline);
}

/* Memory of the devices, for the largest trials that there may be. */
static int reserve(struct run *run, int places, int64_t trials, struct error *e)
{
  struct objective *o = run->objective;
  double largest[SPACE_MAX];
  bool found;
  if (!o->reserve) return 0;
  if (largest_find(o, run->x, false, &signals_stop, largest, &found, e)) return e->code;
  if (!found) space_defaults(&run->x->space, largest);
  return o->reserve(o, places, trials, largest, e);
}

static int search(struct run *run, struct error *e)
{
  struct runner *r = &run->runner;
  struct progress progress;
  int code = open_studies(run, e);
  if (code) return code;
  r->x = run->x;
  r->objective = run->objective;
  r->store = run->store;
  r->signal = &signals_stop;
  const struct objective *o = run->objective;
  int64_t trials;
  objective_at_once(o, run->x->slots > 0 ? run->x->slots : machine_cores(), study_trials_at_once(run->x), &r->slots,
                    &trials);
  r->capacity = o->capacity > 0 ? o->capacity : 1;
  r->n_devices = o->n_devices;
  code = reserve(run, r->slots, trials, e);
  if (code) return code;
  if (!run->options->quiet && !run->options->log) print_head(run);
  progress_start(&progress, run->options->quiet || run->options->log);
  progress.silent = run->options->log;
  listen(run);
  code = runner_run(r, progress_tick, &progress, e);
  timeline_close(&run->timeline);
  events_destroy(&run->events);
  if (!code) code = end_studies(run, e);
  if (o->summary && !run->options->quiet && !run->options->log) {
    char text[300];
    run->objective->summary(run->objective, text, sizeof text);
    if (text[0]) text_wrap(stderr, "", text);
  }
  if (code && !run->options->log) print_stopped(run);
  return code;
}

static int run_experiment(const struct options *o, struct experiment *x, struct error *e)
{
  struct run *run = calloc(1, sizeof *run);
  if (!run) return error_set(e, ERROR_MACHINE, "no memory");
  run->options = o;
  run->x = x;
  int code = open_all(run, e);
  if (!code && !run->finished) code = search(run, e);
  if (code == ERROR_INTERRUPTED && run->runner.time_is_up && !signals_stop) {
    e->code = code = 0; /* as asked for */
    run->finished = true;
  }
  if (!code) code = results_write(x, run->store, stdout, e);
  struct error ignored;
  if (run->store) store_disown(run->store, code ? &ignored : e);
  for (int i = 0; i < run->runner.n_studies; i++) study_destroy(&run->runner.studies[i].study);
  free(run->runner.studies);
  store_close(run->store);
  const struct sampler *sampler = sampler_find(x->sampler);
  if (sampler && sampler->close) sampler->close(&x->sampler_settings);
  objective_destroy(run->objective);
  free(run);
  return code;
}

/* ---- the command line ----------------------------------------------------------------------------------------------------- */

static int usage_error(const char *message)
{
  fprintf(stderr, "gsos run: %s\nTry 'gsos run --help'.\n", message);
  return 2;
}

/* 0: go on; else *status is the exit status. */
static int parse(int argc, char **argv, struct options *o, int *status)
{
  static const struct option options[] = {
      {"set", required_argument, NULL, 's'}, {"output", required_argument, NULL, 'o'},
      {"quiet", no_argument, NULL, 'q'},     {"log", required_argument, NULL, 'l'},
      {"take-over", no_argument, NULL, 't'}, {"accept-change", no_argument, NULL, 'a'},
      {"help", no_argument, NULL, 'h'},      {NULL, 0, NULL, 0}};
  int c;
  argv[0] = (char *)"gsos run"; /* as getopt's messages begin */
  optind = 0;                   /* main has used it before */
  *status = 2;
  while ((c = getopt_long(argc, argv, "s:o:ql:h", options, NULL)) != -1) {
    switch (c) {
    case 's':
      o->settings[o->n_settings++] = optarg;
      break;
    case 'o':
      o->output = optarg;
      break;
    case 'q':
      o->quiet = true;
      break;
    case 'l':
      if (strcmp(optarg, "json") != 0) return usage_error("--log takes json"), 1;
      o->log = true;
      break;
    case 't':
      o->take_over = true;
      break;
    case 'a':
      o->accept_change = true;
      break;
    case 'h':
      fputs(help, stdout);
      *status = 0;
      return 1;
    default:
      fputs("Try 'gsos run --help'.\n", stderr);
      return 1;
    }
  }
  if (optind >= argc) return *status = usage_error("which FILE.ini?"), 1;
  if (optind + 1 < argc) return *status = usage_error("one FILE.ini at a time"), 1;
  if (o->output && !*o->output) return *status = usage_error("--output needs the name of a folder"), 1;
  o->ini = argv[optind];
  return 0;
}

static int load(const struct options *o, struct experiment *x, struct error *e)
{
  int code = experiment_load(x, o->ini, o->settings, o->n_settings, e);
  if (code || !o->output) return code;
  size_t n = strlen(o->output);
  while (n > 1 && o->output[n - 1] == '/') n--;
  if (n < sizeof x->output) {
    snprintf(x->output, sizeof x->output, "%.*s", (int)n, o->output);
    return 0;
  }
  experiment_destroy(x);
  return error_set(e, ERROR_CONFIG, "--output: the path is longer than %zu bytes", sizeof x->output - 1);
}

int command_run(int argc, char **argv)
{
  struct options o = {.settings = calloc((size_t)argc + 1, sizeof *o.settings)};
  struct experiment *x = calloc(1, sizeof *x);
  struct error e = {0};
  int status = 1;
  if (!o.settings || !x) {
    fputs("gsos: no memory\n", stderr);
  } else if (parse(argc, argv, &o, &status) == 0) {
    signals_install();
    if (load(&o, x, &e) == 0) {
      run_experiment(&o, x, &e);
      experiment_destroy(x);
    }
    fflush(stdout);
    if (e.code && !(e.code == ERROR_INTERRUPTED && !strcmp(e.message, "stopped")))
      fprintf(stderr, "gsos: %s\n", e.message);
    status = e.code ? exit_status(&e) : 0;
  }
  if (fflush(stdout) != 0 || ferror(stdout)) {
    fprintf(stderr, "gsos: standard output cannot be written: %s\n", strerror(errno));
    if (status == 0) status = 1;
  }
  free(o.settings);
  free(x);
  return status;
}
