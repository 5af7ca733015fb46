/* `gsos train`: one configuration, the space's defaults, epoch by epoch.
 *
 * It goes through host/objective.h as a study does: the same place, events and failures, with the random numbers of trial 0 of
 * round 0.  The test set is used once, at the end, on the network as it was written to disk. */
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "experiment.h"
#include "objective.h"
#include "philox.h"
#include "ranges.h"
#include "signals.h"

static const char help[] =
    "Usage: gsos train FILE.ini [--set SECTION.KEY=VALUE]... [--output FILE.safetensors] [--quiet]\n"
    "Train one network, of the default configuration of FILE.ini's search space, and\n"
    "print each epoch, then its accuracy on the test set.  With objective = function\n"
    "or command, print the value at the default configuration.\n"
    "\n"
    "  -s, --set SECTION.KEY=VALUE   use VALUE for a key of the file; may be repeated\n"
    "  -o, --output FILE             write the network to FILE (safetensors), and its\n"
    "                                configuration beside it, as FILE with .ini in\n"
    "                                place of .safetensors\n"
    "  -q, --quiet                   print the result alone\n"
    "  -h, --help                    print this and exit\n"
    "\n"
    "Examples:\n"
    "  gsos train configs/quickstart.ini --set 'space.epoch=int 1 .. 20 default 8'\n"
    "  gsos train results/quickstart/best.ini --output mine.safetensors\n"
    "\n"
    "Exit status: 0 done, 1 failed (diverged, a file, memory), 2 wrong usage or\n"
    "configuration, 130 interrupted, 143 terminated.\n";

struct options {
  const char *ini, *output;
  const char **settings;
  int n_settings;
  bool quiet;
};

/* Where the network and its configuration go. */
struct output {
  char *network, *ini; /* ini NULL: the network is temporary, for the test set alone */
  char folder[300];    /* the temporary's own; else empty */
};

static int exit_status(const struct error *e)
{
  if (e->code == ERROR_INTERRUPTED && signals_stop) return signals_exit_code();
  return e->code == ERROR_CONFIG ? 2 : 1;
}

static int usage_error(const char *message)
{
  fprintf(stderr, "gsos train: %s\nTry 'gsos train --help'.\n", message);
  return 2;
}

/* ---- before training ----------------------------------------------------------------------------------------------- */

/* Progress of decoding, on a terminal only; asks for a stop after a signal. */
static bool on_progress(void *context, const char *what, int64_t done, int64_t total)
{
  const struct options *o = context;
  if (!o->quiet && isatty(STDERR_FILENO)) {
    fprintf(stderr, "\r%s: %lld of %lld%s", what, (long long)done, (long long)total, done == total ? "\n" : "");
    fflush(stderr);
  }
  return signals_stop != 0;
}

static bool same_file(const char *a, const char *b)
{
  struct stat x, y;
  return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* Names of what will be written, held against what would go wrong only after the training. */
static int prepare_output(struct output *to, const struct options *o, struct error *e)
{
  static const char ending[] = ".safetensors";
  if (!o->output) return 0;
  size_t length = strlen(o->output), tail = strlen(ending);
  to->network = strdup(o->output);
  to->ini = malloc(length + sizeof ".ini");
  if (!to->network || !to->ini) return error_set(e, ERROR_MACHINE, "no memory");
  size_t stem = length > tail && strcmp(o->output + length - tail, ending) == 0 ? length - tail : length;
  sprintf(to->ini, "%.*s.ini", (int)stem, o->output);
  if (same_file(to->ini, o->ini))
    return error_set(e, ERROR_CONFIG,
                     "--output %s would write its configuration over %s, which is being read; give another name",
                     o->output, o->ini);
  const char *slash = strrchr(o->output, '/');
  char *folder = !slash               ? strdup(".")
                 : slash == o->output ? strdup("/")
                                      : strndup(o->output, (size_t)(slash - o->output));
  if (!folder) return error_set(e, ERROR_MACHINE, "no memory");
  struct stat st;
  int code = 0;
  if (stat(folder, &st) != 0 || access(folder, W_OK) != 0)
    code = error_errno(e, "--output %s: its folder cannot be written to", o->output);
  else if (stat(o->output, &st) == 0 && S_ISDIR(st.st_mode))
    code = error_set(e, ERROR_CONFIG, "--output %s: is a folder; give the name of a file", o->output);
  free(folder);
  return code ? (e->code = ERROR_CONFIG) : 0;
}

/* A place for the network that only the test set needs. */
static int make_temporary(struct output *to, struct error *e)
{
  const char *tmp = getenv("TMPDIR");
  if (snprintf(to->folder, sizeof to->folder, "%s/gsos-train-XXXXXX", tmp && *tmp ? tmp : "/tmp") >=
          (int)sizeof to->folder ||
      !mkdtemp(to->folder)) {
    int code = error_errno(e, "%s: no temporary folder can be made there (TMPDIR says where)", to->folder);
    to->folder[0] = 0;
    return code;
  }
  to->network = malloc(sizeof to->folder + sizeof "/network.safetensors");
  if (!to->network) return error_set(e, ERROR_MACHINE, "no memory");
  sprintf(to->network, "%s/network.safetensors", to->folder);
  return 0;
}

static void release_output(struct output *to)
{
  if (to->folder[0]) {
    if (to->network) unlink(to->network);
    rmdir(to->folder);
  }
  free(to->network);
  free(to->ini);
}

static void print_configuration(const struct experiment *x, struct objective *o, const double *values,
                                const struct objective_cost *cost)
{
  char text[500];
  o->description(o, text, sizeof text);
  printf("%s: the default configuration\n", x->path);
  printf("  %s: %s\n ", o->name, text);
  for (int i = 0; i < x->space.n; i++) {
    param_value_format(&x->space.params[i], values[i], text, sizeof text);
    printf(" %s=%s", x->space.params[i].name, text);
  }
  if (cost->images > 0)
    printf("\n  %d epoch%s, %lld steps, %lld images, %.1f GFLOP, %.1f MiB of memory", cost->epochs,
           cost->epochs == 1 ? "" : "s", (long long)cost->steps, (long long)cost->images, cost->flops / 1e9,
           (double)cost->bytes / 0x1p20);
  printf("\n\n");
}

/* ---- training ------------------------------------------------------------------------------------------------------ */

static double wall_seconds(void)
{
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void print_heading(const struct objective *o)
{
  if (o->has_network)
    printf("%9s  %13s  %19s  %15s  %8s\n", "epoch", "training loss", o->value_name, "validation loss", "images/s");
  else
    printf("%9s  %19s\n", "epoch", o->value_name);
  fflush(stdout);
}

static void print_epoch(const struct objective *o, const struct trial_event *event, double seconds)
{
  char epoch[40];
  snprintf(epoch, sizeof epoch, event->epochs > 0 ? "%d/%d" : "%d", event->epoch, event->epochs);
  if (o->has_network)
    printf("%9s  %13.4f  %19.4f  %15.4f  %8.0f\n", epoch, event->training_loss, event->value, event->loss,
           seconds > 0 ? (double)event->images / seconds : 0);
  else
    printf("%9s  %19.9g\n", epoch, event->value);
  fflush(stdout);
}

/* Trains to the last epoch.  *last is the event that ended it. */
static int train(struct objective *o, struct place *place, bool quiet, struct trial_event *last, struct error *e)
{
  bool rows = !quiet && o->has_epochs;
  if (rows && o->has_network) print_heading(o);
  for (int epoch = 0;; epoch = last->epoch) {
    int n;
    double start = wall_seconds();
    int code = o->advance(place, last, 1, &n, &signals_stop, e);
    if (code == ERROR_INTERRUPTED)
      return error_set(e, code, "stopped after %d epochs; a training that was stopped leaves nothing", epoch);
    if (code) return code;
    if (n == 0) return error_set(e, ERROR_FAILED, "the objective %s ended without a result", o->name);
    if (last->kind == TRIAL_FAILED) return error_set(e, ERROR_FAILED, "the training failed: %s", last->reason);
    if (last->kind == TRIAL_MACHINE_FAILED)
      return error_set(e, ERROR_MACHINE, "the machine could not go on in epoch %d: %s", epoch + 1, last->reason);
    if (rows && !o->has_network && epoch == 0 && last->epoch > 0) print_heading(o); /* a program may tell of none */
    if (rows && last->epoch > epoch) print_epoch(o, last, wall_seconds() - start);
    if (last->kind == TRIAL_DONE) return 0;
  }
}

/* Writes the network where it was asked for, or aside, and evaluates it on the test set from there. */
static int save_and_test(struct objective *o, struct place *place, const struct trial_event *last, struct output *to,
                         struct error *e)
{
  struct objective_test test = {0};
  if (!to->network && o->has_test && make_temporary(to, e)) return e->code;
  if (to->network && o->save(place, last->id, to->network, to->ini, e)) return e->code;
  if (o->has_test && o->test(o, to->network, &test, &signals_stop, e)) return e->code;
  if (test.available)
    printf("test accuracy %.4f (%d of %d), loss %.4f\n", test.value, test.correct, test.n, test.loss);
  else
    printf("no test set\n");
  if (to->ini) printf("wrote %s and %s\n", to->network, to->ini);
  return 0;
}

static int train_experiment(const struct options *o, const struct experiment *x, struct error *e)
{
  struct objective *objective = NULL;
  struct objective_cost cost;
  struct place *place = NULL;
  struct trial_event last = {0};
  struct output to = {0};
  double values[SPACE_MAX];
  struct trial_spec spec = {.key = philox_trial_key(x->seed, 0, 0), .values = values, .strategy = "train"};
  uint64_t range = 0;

  space_defaults(&x->space, values);
  if (prepare_output(&to, o, e)) goto done;
  if (objective_create(&objective, x, on_progress, (void *)o, e)) goto done;
  if (o->output && !objective->has_network) {
    error_set(e, ERROR_CONFIG, "--output: objective = %s has no network that could be written", objective->name);
    goto done;
  }
  if (objective->cost(objective, values, &cost, e)) goto done;
  if (!cost.feasible) {
    error_set(e, ERROR_CONFIG, "%s: the default configuration is infeasible: %s", x->path, cost.reason);
    goto done;
  }
  if (!o->quiet) print_configuration(x, objective, values, &cost);
  range = range_begin("trial 0, place 0");
  if (objective->reserve && objective->reserve(objective, 1, 1, values, e)) goto done;
  if (objective->open(objective, &place, 0, 1, e) || objective->add(place, &spec, e)) goto done;
  if (train(objective, place, o->quiet, &last, e)) goto done;
  range_end(&range);
  if (!o->quiet && objective->has_epochs && last.epoch > 0) printf("\n");
  if (objective->has_network) {
    printf("%s %.4f, loss %.4f\n", objective->value_name, last.value, last.loss);
    if (save_and_test(objective, place, &last, &to, e)) goto done;
  } else {
    printf("%s %.17g\n", objective->value_name, last.value);
  }
done:
  range_end(&range);
  release_output(&to);
  if (objective) objective->close(place);
  objective_destroy(objective);
  return e->code;
}

/* ---- the command line ---------------------------------------------------------------------------------------------- */

/* 0: go on; else *status is the exit status. */
static int parse(int argc, char **argv, struct options *o, int *status)
{
  static const struct option options[] = {{"set", required_argument, NULL, 's'},
                                          {"output", required_argument, NULL, 'o'},
                                          {"quiet", no_argument, NULL, 'q'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
  int c;
  argv[0] = (char *)"gsos train"; /* as getopt's messages begin */
  optind = 0;                     /* main has used it before */
  *status = 2;
  while ((c = getopt_long(argc, argv, "s:o:qh", options, NULL)) != -1) {
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
    case 'h':
      fputs(help, stdout);
      *status = 0;
      return 1;
    default:
      fputs("Try 'gsos train --help'.\n", stderr);
      return 1;
    }
  }
  if (optind >= argc) return *status = usage_error("which FILE.ini?"), 1;
  if (optind + 1 < argc) return *status = usage_error("one FILE.ini at a time"), 1;
  if (o->output && !*o->output) return *status = usage_error("--output needs the name of a file"), 1;
  o->ini = argv[optind];
  return 0;
}

int command_train(int argc, char **argv)
{
  struct options o = {.settings = calloc((size_t)argc + 1, sizeof *o.settings)};
  struct experiment *x = calloc(1, sizeof *x);
  struct error e = {0};
  int status = 1;
  if (!o.settings || !x) {
    fputs("gsos: no memory\n", stderr);
  } else if (parse(argc, argv, &o, &status) == 0) {
    signals_install();
    if (experiment_load(x, o.ini, o.settings, o.n_settings, &e) == 0) {
      train_experiment(&o, x, &e);
      experiment_destroy(x);
    }
    fflush(stdout);
    if (e.code) fprintf(stderr, "gsos: %s\n", e.message);
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
