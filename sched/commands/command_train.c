/* `gsos train`: one configuration, the space's defaults, epoch by epoch.
 *
 * It goes through host/objectives/objective.h as a study does: the same place, events and failures,
 * with the random numbers of the trial that [train] names, so that the best.ini of a search gives
 * its network again.  The test set is used once, at the end, on the network as it was written to
 * disk. */
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/base/text_units.h"
#include "host/experiment/experiment.h"
#include "host/base/monotonic.h"
#include "host/objectives/objective.h"
#include "kernels/philox.h"
#include "host/base/profiler_ranges.h"
#include "sched/commands/command.h"
#include "sched/commands/output_file.h"
#include "sched/commands/repeats.h"
#include "host/base/text_escape.h"
#include "sched/run/signals.h"

static const char help[] = "Usage: gsos train FILE.ini [--set SECTION.KEY=VALUE]... [--output FILE.safetensors |\n"
                           "                  --repeat N] [--quiet]\n"
                           "Train one network, of the default configuration of FILE.ini's search space, and\n"
                           "print each epoch, then its accuracy on the test set.  With objective = function\n"
                           "or command, print the value at the default configuration.  It has the random\n"
                           "numbers of the trial that [train] names: best.ini gives the best network of its\n"
                           "run again, on the same data and machine bit for bit.\n"
                           "\n"
                           "  -s, --set SECTION.KEY=VALUE   use VALUE for a key of the file; may be repeated\n"
                           "  -o, --output FILE             write the network to FILE (safetensors), and its\n"
                           "                                configuration beside it, as FILE with .ini in\n"
                           "                                place of .safetensors; a training that is stopped\n"
                           "                                (Ctrl-C) leaves the network as it is then\n"
                           "  -r, --repeat N                train N networks, each with other random numbers (of\n"
                           "                                trials 1000000 ..., which no search has), a line each,\n"
                           "                                and print mean and standard deviation of validation\n"
                           "                                and test accuracy; none is kept\n"
                           "  -q, --quiet                   print the result alone\n"
                           "  -h, --help                    print this and exit\n"
                           "\n"
                           "Examples:\n"
                           "  gsos train configs/quickstart.ini --set 'space.epoch=int 1 .. 20 default 8'\n"
                           "  gsos train results/quickstart/best.ini --output mine.safetensors\n"
                           "  gsos train results/quickstart/best.ini --repeat 5\n"
                           "\n"
                           "Exit status: 0 done, 1 failed (diverged, a file, memory), 2 wrong usage or\n"
                           "configuration, 130 interrupted, 143 terminated.\n";

struct options {
  struct command_ini ini;
  const char *output;
  int repeats;   /* 0: one network, with the random numbers of [train] */
  bool progress; /* not --quiet: more than the result is printed */
};

/* Where the network and its configuration go. */
struct output {
  char *network, *ini; /* ini NULL: the network is temporary, for the test set alone */
  char folder[300];    /* the temporary's own; else empty */
};

/* ---- before training ------------------------------------------------------------------------- */

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
  const struct output_file network = {
      .option = "--output", .path = to->network, .kind = OUTPUT_NETWORK, .inputs = &o->ini.path, .n_inputs = 1};
  const struct output_file ini = {.option = "--output, the configuration beside it:",
                                  .path = to->ini,
                                  .kind = OUTPUT_CONFIGURATION,
                                  .inputs = &o->ini.path,
                                  .n_inputs = 1};
  int code = output_file_check(&network, e);
  return code ? code : output_file_check(&ini, e);
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
                                const struct objective_cost *cost, bool repeated)
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
    printf("\n  %d epoch%s, %lld step%s, %lld images, %.1f GFLOP, %.1f MiB of memory", cost->epochs,
           text_plural(cost->epochs), (long long)cost->steps, text_plural(cost->steps), (long long)cost->images,
           cost->flops / 1e9, (double)cost->bytes / 0x1p20);
  if (experiment_weighs_classes(x))
    printf("\n  class_weights = balanced: the training loss is weighted, no other figure is");
  if (repeated)
    printf("\n\n");
  else
    printf("\n  random numbers: those of trial %d of round %d\n\n", x->train_trial, x->train_round);
}

/* ---- training -------------------------------------------------------------------------------- */

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

/* Leaves what there is of a training that was stopped after some epochs: where --output asks for
 * it, the network as it is.  After none there is nothing that an earlier one should give way to. */
static int leave_stopped(struct objective *o, struct place *place, int id, int ended, int epochs,
                         const struct output *to, struct error *e)
{
  char after[60];
  struct error failed = {0};
  int n = snprintf(after, sizeof after, "stopped after %d", ended);
  if (epochs > 0) n += snprintf(after + n, sizeof after - (size_t)n, " of %d", epochs);
  snprintf(after + n, sizeof after - (size_t)n, " epoch%s", text_plural(epochs > 0 ? epochs : ended));
  if (!to->ini) return error_set(e, ERROR_INTERRUPTED, "%s; with --output the network so far would be kept", after);
  if (ended == 0) return error_set(e, ERROR_INTERRUPTED, "%s; nothing is written", after);
  if (o->save(place, id, to->network, to->ini, &failed))
    return error_set(e, ERROR_INTERRUPTED, "%s; the network so far cannot be kept: %s", after, failed.message);
  return error_set(e, ERROR_INTERRUPTED, "%s; wrote the network so far, as it is, to %s and its configuration to %s",
                   after, to->network, to->ini);
}

/* ---- what the objective has to say meanwhile ------------------------------------------------- */

/* A thread of its own: the main one is within a step, which may never end. */
struct teller {
  struct objective *objective;
  pthread_t thread;
  pthread_mutex_t lock;
  pthread_cond_t changed;
  bool over, started;
};

static void *tell(void *context)
{
  struct teller *t = context;
  char text[400];
  pthread_mutex_lock(&t->lock);
  while (!t->over) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec++;
    pthread_cond_timedwait(&t->changed, &t->lock, &until);
    if (objective_notice(t->objective, text, sizeof text)) fprintf(stderr, "gsos: %s\n", text);
  }
  pthread_mutex_unlock(&t->lock);
  return NULL;
}

/* Without the thread nothing is told, and the training goes on. */
static void teller_start(struct teller *t, struct objective *o)
{
  sigset_t all, old;
  *t = (struct teller){.objective = o, .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
  if (!o->notice) return;
  sigfillset(&all); /* signals are the main thread's */
  pthread_sigmask(SIG_SETMASK, &all, &old);
  t->started = pthread_create(&t->thread, NULL, tell, t) == 0;
  pthread_sigmask(SIG_SETMASK, &old, NULL);
}

static void teller_end(struct teller *t)
{
  if (!t->started) return;
  pthread_mutex_lock(&t->lock);
  t->over = true;
  pthread_cond_signal(&t->changed);
  pthread_mutex_unlock(&t->lock);
  pthread_join(t->thread, NULL);
}

/* Trains to the last epoch.  *last is the event that ended it. */
static int train(struct objective *o, struct place *place, const struct trial_spec *spec, int epochs, bool progress,
                 const struct output *to, struct trial_event *last, struct error *e)
{
  bool rows = progress && o->has_epochs;
  char reason[4 * REASON_MAX];
  if (rows && o->has_network) print_heading(o);
  for (int epoch = 0;; epoch = last->epoch) {
    int n;
    double start = monotonic_seconds();
    int code = o->advance(place, last, 1, &n, &signals_stop, e);
    if (code == ERROR_INTERRUPTED) return leave_stopped(o, place, spec->id, epoch, epochs, to, e);
    if (code) return code;
    if (n == 0) return error_set(e, ERROR_FAILED, "the objective %s ended without a result", o->name);
    if (last->kind == TRIAL_FAILED)
      return error_set(e, ERROR_FAILED, "the training failed: %s", text_escape(reason, sizeof reason, last->reason));
    if (last->kind == TRIAL_MACHINE_FAILED)
      return error_set(e, ERROR_MACHINE, "the machine could not go on in epoch %d: %s", epoch + 1, last->reason);
    if (rows && !o->has_network && epoch == 0 && last->epoch > 0) print_heading(o); /* a program may tell of none */
    if (rows && last->epoch > epoch) print_epoch(o, last, monotonic_seconds() - start);
    if (last->kind == TRIAL_DONE) return 0;
  }
}

/* Writes the network where it was asked for, or aside, and evaluates it on the test set from
 * there. */
static int save_and_test(struct objective *o, struct place *place, const struct trial_event *last, struct output *to,
                         struct error *e)
{
  struct objective_test test = {0};
  if (!to->network && o->has_test && make_temporary(to, e)) return e->code;
  if (to->network && o->save(place, last->id, to->network, to->ini, e)) return e->code;
  if (o->has_test && o->test(o, to->network, &test, NULL, &signals_stop, e)) return e->code;
  if (test.available)
    printf("%s %.4f (%d of %d), loss %.4f\n", o->test_name, test.value, test.correct, test.n, test.loss);
  else
    printf("no test set\n");
  char shown[2][1200];
  if (to->ini)
    printf("wrote %s and %s\n", text_escape(shown[0], sizeof shown[0], to->network),
           text_escape(shown[1], sizeof shown[1], to->ini));
  return 0;
}

static int train_repeats(const struct options *o, const struct experiment *x, struct objective *objective,
                         struct place *place, const double *values, struct output *to, struct error *e)
{
  struct teller teller;
  if (objective->has_test && make_temporary(to, e)) return e->code;
  struct repeats repeats = {objective, x, values, o->repeats, to->network, o->progress};
  teller_start(&teller, objective);
  int code = repeats_train(&repeats, place, e);
  teller_end(&teller);
  return code;
}

static int train_experiment(void *options, struct experiment *x, struct error *e)
{
  const struct options *o = options;
  struct objective *objective = NULL;
  struct objective_cost cost;
  struct place *place = NULL;
  struct trial_event last = {0};
  struct output to = {0};
  struct teller teller;
  double values[SPACE_MAX];
  struct trial_spec spec = {.key = philox_trial_key(x->seed, x->train_round, x->train_trial),
                            .values = values,
                            .strategy = "train",
                            .round = x->train_round,
                            .number = x->train_trial};
  uint64_t range = 0;

  space_defaults(&x->space, values);
  if (prepare_output(&to, o, e)) goto done;
  if (objective_create(&objective, x, command_progress, (void *)&o->progress, e)) goto done;
  if (o->output && !objective->has_network) {
    error_set(e, ERROR_CONFIG, "--output: objective = %s has no network that could be written", objective->name);
    goto done;
  }
  if (objective->cost(objective, values, &cost, e)) goto done;
  if (!cost.feasible) {
    error_set(e, ERROR_CONFIG, "%s: the default configuration is infeasible: %s", x->path, cost.reason);
    goto done;
  }
  if (o->progress) print_configuration(x, objective, values, &cost, o->repeats > 0);
  const struct objective_at_once one = {.places = 1, .capacity = 1, .trials = 1};
  if (objective_reserve(objective, &one, values, e)) goto done;
  if (objective->open(objective, &place, 0, 1, e)) goto done;
  if (o->repeats > 0) {
    train_repeats(o, x, objective, place, values, &to, e);
    goto done;
  }
  range = range_begin("trial %d, place 0", x->train_trial);
  if (objective->add(place, &spec, e)) goto done;
  teller_start(&teller, objective);
  int code = train(objective, place, &spec, cost.epochs, o->progress, &to, &last, e);
  teller_end(&teller);
  if (code) goto done;
  range_end(&range);
  if (o->progress && objective->has_epochs && last.epoch > 0) printf("\n");
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

/* ---- the command line ------------------------------------------------------------------------ */

static bool take_repeats(struct options *o, const char *text)
{
  char *end;
  long number = strtol(text, &end, 10);
  if (*end || end == text || number < 1 || number > REPEATS_MAX) return false;
  o->repeats = (int)number;
  return true;
}

/* 0: go on; else *status is the exit status. */
static int parse(int argc, char **argv, struct options *o, int *status)
{
  static const struct option options[] = {
      {"set", required_argument, NULL, 's'},    {"output", required_argument, NULL, 'o'},
      {"repeat", required_argument, NULL, 'r'}, {"quiet", no_argument, NULL, 'q'},
      {"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0}};
  struct command_line line = {"gsos train", help, "s:o:r:qh", options, argc, argv, status, false};
  int c;
  while ((c = command_option(&line)) > 0) {
    switch (c) {
    case 's':
      o->ini.settings[o->ini.n_settings++] = optarg;
      break;
    case 'o':
      o->output = optarg;
      break;
    case 'r':
      if (!take_repeats(o, optarg))
        return command_usage_error(&line, "--repeat takes a number of trainings from 1 to %d", REPEATS_MAX);
      break;
    default:
      o->progress = false;
    }
  }
  if (c < 0) return c;
  o->ini.path = command_argument(&line, "which FILE.ini?", "one FILE.ini at a time");
  if (o->ini.path && o->output && o->repeats)
    return command_usage_error(&line,
                               "--output keeps one network, --repeat none: one of them (--set train.trial=%d "
                               "gives the first of --repeat)",
                               REPEATS_FIRST);
  if (o->ini.path && o->output && !*o->output) return command_usage_error(&line, "--output needs the name of a file");
  return o->ini.path ? 0 : -1;
}

int command_train(int argc, char **argv)
{
  struct options o = {.progress = true};
  int status = 1;
  if (command_ini_open(&o.ini, argc) == 0 && parse(argc, argv, &o, &status) == 0)
    status = command_with_experiment(&o.ini, train_experiment, &o);
  command_ini_close(&o.ini);
  return command_end(status);
}
