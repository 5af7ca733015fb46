/* An experiment from its ini file to its tables; what an earlier run left goes on where it stood.
 * See experiment_run.h. */
#include "sched/commands/experiment_run.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/base/text_units.h"
#include "sched/boxes/boxes.h"
#include "sched/commands/command.h"
#include "sched/run/json_log.h"
#include "sched/commands/space_probe.h"
#include "sched/run/resources.h"
#include "sched/commands/progress.h"
#include "sched/commands/progress_repeats.h"
#include "sched/commands/fresh.h"
#include "sched/commands/resume.h"
#include "sched/commands/start_of_runs.h"
#include "sched/commands/outputs.h"
#include "sched/run/runner.h"
#include "sched/run/signals.h"
#include "host/store/study_attributes.h"
#include "host/base/file_replace.h"
#include "host/base/folder.h"
#include "host/base/text_escape.h"
#include "host/base/text_wrap.h"
#include "sched/run/timeline.h"
#include "sched/run/winner_repeats.h"
#include "host/base/version.h"

/* What a run has open. */
struct run {
  const struct run_options *options;
  struct experiment *x;
  struct objective *objective;
  struct store *store;
  struct runner runner;
  struct events events;
  struct event_log log;
  struct timeline timeline;
  char depends_on[600], change[300];
  char *trial_text; /* the search keys that a trial depends on */
  bool keeps_start; /* what the studies start from is in the database */
  bool finished;    /* before it began: only the tables are left */
};

/* ---- opening --------------------------------------------------------------------------------- */

static int open_objective(struct run *run, struct error *e)
{
  struct boxes *boxes = run->finished ? NULL : boxes_here(); /* nothing is left for other ranks */
  int code =
      boxes_objective_create(&run->objective, boxes, run->x, command_progress, (void *)&run->options->progress, e);
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
    if (!code && !cost.feasible) {
      error_set(e, ERROR_CONFIG, "[enqueue] %s is infeasible: %s", run->x->enqueued[i].name, cost.reason);
      code = experiment_locate(run->x, e);
    }
  }
  return code;
}

/* What the studies start from, as the database keeps it of the first time; where nothing has begun,
 * anew from where it is to come from.  The record of a study is written after what it starts
 * from. */
static int open_start(struct run *run, struct error *e)
{
  char name[520], *text = NULL;
  struct study_record record = {0};
  bool created;
  int id;
  if (!run->x->start_from[0]) return 0;
  resume_study_name(run->x, 0, 0, name, sizeof name);
  int code = store_study(run->store, name, run->objective->maximize, &id, &created, e);
  if (!code) code = study_record_read(run->store, id, &record, e);
  run->keeps_start = !code && record.search;
  study_record_free(&record);
  if (code) return code;
  if (!run->keeps_start) return run->x->start ? 0 : start_of_runs(run->x, run->objective, e);
  code = study_start_read(run->store, id, &text, e);
  if (!code) code = start_read(&run->x->start, &run->x->space, text ? text : "", e);
  free(text);
  return code ? error_prefix(e, "%s/study.db", run->x->output) : 0;
}

/* Before any study has its record: what all of them start from, with the first one. */
static int keep_start(struct run *run, struct error *e)
{
  char name[520];
  bool created;
  int id;
  if (!run->x->start || run->keeps_start) return 0;
  resume_study_name(run->x, 0, 0, name, sizeof name);
  char *text = start_text(run->x->start, &run->x->space);
  int code = text ? store_study(run->store, name, run->objective->maximize, &id, &created, e)
                  : error_set(e, ERROR_MACHINE, "no memory for what the studies start from");
  if (!code) code = study_start_write(run->store, id, text, e);
  free(text);
  return code;
}

static int make_output(const struct run *run, struct error *e)
{
  char shown[1100];
  struct stat st;
  if (folder_make(run->x->output) == 0) return 0;
  int why = errno;
  text_escape(shown, sizeof shown, run->x->output);
  if (why == ENOENT && lstat(run->x->output, &st) == 0)
    return error_set(e, ERROR_FAILED, "the output folder %s cannot be made: it is a link to what does not exist",
                     shown);
  errno = why;
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

/* Is what the finished results were made with still what it was?  Where that cannot be told (the
 * data are gone), no harm is done. */
static int tell_changes(struct run *run, struct error *e)
{
  struct error why = {0};
  struct resume_sides sides = {0};
  if (run->options->log) return 0;
  int code = open_objective(run, &why);
  if (!code) code = resume_compare_machine(run->store, run->depends_on, &sides, &why);
  if (code == ERROR_INTERRUPTED) return *e = why, code;
  if (code && run->options->progress)
    text_wrapf(stderr, "  ", "whether what it was made with has changed cannot be told: %s", why.message);
  if (!code && sides.differ)
    text_wrapf(stderr, "  ", "changed since: it was made with %s; a run now would be with %s, and give other numbers",
               sides.was, sides.is);
  return 0;
}

/* Failed trials wait to be run again, if that is asked for. */
static int retry(struct run *run, struct error *e)
{
  int n = 0;
  const struct pruner *pruner = study_pausing(run->x);
  if (!run->options->retry_failed) return 0;
  if (pruner)
    return error_set(
        e, ERROR_CONFIG,
        "--retry-failed: not with [pruner] kind = %s: which trials went on followed from those that failed",
        pruner->name);
  int code = resume_retry(run->store, run->x, &n, e);
  if (!code && n == 0 && run->options->progress) fprintf(stderr, "no trial has failed that could be run again\n");
  return code;
}

/* An output that is there is looked at before the images are read: a typo in a search key should
 * not take minutes to find. */
static int open_there(struct run *run, struct error *e)
{
  struct resume_earlier earlier;
  int code = open_store(run, e);
  if (!code) code = resume_check_search(run->store, run->x, e);
  if (!code) code = resume_look(run->store, run->x, &earlier, e);
  if (code) return code;
  run->finished = earlier.finished && !(run->options->retry_failed && earlier.failed > 0);
  if (run->finished && run->options->progress) resume_print_finished(stderr, run->x, &earlier, !run->options->sample);
  if (run->finished) return tell_changes(run, e);
  code = open_objective(run, e);
  if (!code)
    code = resume_check_machine(run->store, run->depends_on, run->options->accept_change, run->change,
                                sizeof run->change, e);
  if (!code) code = open_start(run, e);
  return code ? code : retry(run, e);
}

/* Sets aside what is there.  A run that works on it is not pulled away from under it; what cannot
 * be read is set aside all the same. */
static int begin_anew(struct run *run, struct error *e)
{
  struct resume_earlier earlier;
  struct error why = {0};
  char held[200] = "a study database that cannot be read", aside[1200], shown[2][1200];
  int code = open_store(run, &why);
  if (!code && !resume_look(run->store, run->x, &earlier, &why)) resume_earlier_text(&earlier, held, sizeof held);
  bool lives = code && run->store;
  if (!code) store_disown(run->store, &why);
  store_close(run->store);
  run->store = NULL;
  if (lives || code == ERROR_INTERRUPTED) return *e = why, code;
  code = fresh_set_aside(run->x, held, aside, sizeof aside, e);
  if (!code && !run->options->log)
    fprintf(stderr, "%s is now %s\n", text_escape(shown[0], sizeof shown[0], run->x->output),
            text_escape(shown[1], sizeof shown[1], aside));
  return code;
}

static int open_all(struct run *run, struct error *e)
{
  char path[1100];
  snprintf(path, sizeof path, "%s/study.db", run->x->output);
  bool there = access(path, F_OK) == 0;
  int code = results_check(run->x, there, e);
  if (code) return code;
  if (there && !run->options->fresh) return open_there(run, e);
  code = open_objective(run, e);
  if (!code) code = start_of_runs(run->x, run->objective, e);
  if (!code && there) code = begin_anew(run, e); /* not before it is clear that something can begin */
  if (!code) code = make_output(run, e);
  return code ? code : open_store(run, e);
}

/* ---- studies --------------------------------------------------------------------------------- */

static void record_start(const struct experiment *x, struct study_record *r)
{
  if (!x->start) return;
  r->n_start = x->start->n_sources;
  r->start_best = x->start->n_best;
  r->start_seen = x->start->n > 0;
  for (int i = 0; i < r->n_start; i++) text_format(r->start[i], sizeof r->start[0], "%s", x->start->sources[i]);
}

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
  r->history = GSOS_HISTORY_VERSION;
  r->round = s->study.round;
  r->trials = x->trials;
  snprintf(r->objective, sizeof r->objective, "%s", run->objective->name);
  snprintf(r->value_name, sizeof r->value_name, "%s", run->objective->value_name);
  r->value_n = run->objective->value_n;
  r->search = (char *)search;
  text_format(r->depends_on, sizeof r->depends_on, "%s", run->depends_on);
  r->n_groups = s->study.strategy->group_names(x, r->groups);
  record_start(x, r);
  r->finished = false;
  r->target_reached = false;
  if (run->change[0] && r->n_changes < RECORD_CHANGES_MAX)
    text_format(r->changes[r->n_changes++], sizeof r->changes[0], "%s", run->change);
  int code = study_record_write(run->store, s->store_id, r, e);
  if (!code) code = store_study_metric_name(run->store, s->store_id, r->value_name, e);
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
  bool created;
  int n = 0;
  if (x->rounds == 1)
    snprintf(s->title, sizeof s->title, "%s", x->strategies[strategy]);
  else
    snprintf(s->title, sizeof s->title, "%s %d", x->strategies[strategy], round);
  snprintf(s->networks, sizeof s->networks, "%s/networks/%s-%d", x->output, x->strategies[strategy], round);
  resume_study_name(x, strategy, round, s->name, sizeof s->name);
  int code = study_create(&s->study, x, run->objective, x->strategies[strategy], round, e);
  if (!code) code = store_study(run->store, s->name, run->objective->maximize, &s->store_id, &created, e);
  if (!code) code = study_record_read(run->store, s->store_id, &old, e);
  if (!code) code = store_trials(run->store, s->store_id, &x->space, NULL, &trials, &n, e);
  if (!code) code = runner_resume(run->store, s, trials, n, old.retried, e);
  if (!code) {
    s->done_before = s->study.done;
    s->wall_before_s = old.wall_s;
    s->shared_before = old.ours && old.wall_s > 0 && !old.ran_alone;
    results_clean_networks(s);
    results_clean_states(&run->runner, s);
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
  run->trial_text = resume_trial_text(x);
  snprintf(r->states, sizeof r->states, "%s/states", x->output);
  r->search = run->trial_text;
  r->depends_on = run->depends_on;
  r->studies = calloc((size_t)(x->n_strategies * x->rounds), sizeof *r->studies);
  if (!search || !run->trial_text || !r->studies)
    code = error_set(e, ERROR_MACHINE, "no memory for %d studies", x->rounds);
  if (!code) code = keep_start(run, e);
  for (int round = 0; round < x->rounds && !code; round++)
    for (int k = 0; k < x->n_strategies && !code; k++)
      code = open_study(run, &r->studies[r->n_studies++], k, round, search, e);
  free(search);
  return code;
}

/* ---- the run --------------------------------------------------------------------------------- */

static void print_head(const struct run *run)
{
  const struct experiment *x = run->x;
  const struct runner *r = &run->runner;
  char names[STRATEGIES_MAX * 34] = "", output[1100], unused[300];
  int before = 0;
  for (int i = 0; i < x->n_strategies; i++) {
    size_t used = strlen(names);
    snprintf(names + used, sizeof names - used, "%s%s", i ? ", " : "", x->strategies[i]);
  }
  text_wrapf(stderr, "", "%s: %s; %d round%s of %d trial%s each, sampler %s, %d in flight", x->name, names, x->rounds,
             text_plural(x->rounds), x->trials, text_plural(x->trials), x->sampler, x->parallel);
  text_wrapf(stderr, "  on ", "%s; %s%d at once", run->depends_on, r->by_share ? "up to " : "", r->at_once);
  fprintf(stderr, "  to %s\n", text_escape(output, sizeof output, x->output));
  for (int i = 0; x->start && i < x->start->n_sources; i++) text_wrapf(stderr, "  from ", "%s", x->start->sources[i]);
  if (experiment_unused(x, unused, sizeof unused)) text_wrap(stderr, "  unused      ", unused);
  if (experiment_given_too_many(x, unused, sizeof unused)) text_wrap(stderr, "  not tried   ", unused);
  if (run->objective->describe_left_out) run->objective->describe_left_out(run->objective, stderr);
  for (int i = 0; i < r->n_studies; i++) before += r->studies[i].done_before;
  if (before > 0) text_wrapf(stderr, "  ", "going on after %d trial%s of an earlier run", before, text_plural(before));
}

static bool has_ended(struct run_study *s)
{
  return study_next(&s->study) == STUDY_ENDED && s->study.done >= s->study.n;
}

/* Trains the winners again. */
static int repeat_winners(struct run *run, struct error *e)
{
  struct progress_repeats progress;
  char note[300];
  if (run->x->repeats == 0) return 0;
  progress_repeats_start(&progress, !run->options->progress, run->options->log);
  int code = winner_repeats_run(&run->runner, progress_repeats_tick, &progress, note, sizeof note, e);
  if (note[0] && run->options->progress) text_wrap(stderr, "  ", note);
  return code;
}

/* The best of all studies that have one, for the log. */
static int tell_best(struct run *run, struct error *e)
{
  const struct run_study *best = NULL;
  struct study_record record;
  for (int i = 0; i < run->runner.n_studies; i++) {
    const struct run_study *s = &run->runner.studies[i];
    if (s->study.best >= 0 && (!best || study_is_best(&best->study, &s->study.trials[s->study.best]))) best = s;
  }
  if (!best) return 0;
  int code = study_record_read(run->store, best->store_id, &record, e);
  if (code) return code;
  const struct stored_trial *t = &best->study.trials[best->study.best];
  events_emit(&run->events, (struct event){.kind = EVENT_BEST,
                                           .study = best->name,
                                           .strategy = best->study.strategy->name,
                                           .round = best->study.round,
                                           .trial = t->number,
                                           .value = t->value,
                                           .loss = t->loss,
                                           .tested = record.test.available && record.test.trial == t->number,
                                           .test = record.test.value,
                                           .space = &run->x->space,
                                           .values = t->values});
  study_record_free(&record);
  return 0;
}

/* Lets each best network see the test set, once, trains it again, and tells the database which
 * studies have ended. */
static int end_studies(struct run *run, struct error *e)
{
  struct runner *r = &run->runner;
  int code = 0;
  for (int i = 0; i < r->n_studies && !code; i++)
    if (has_ended(&r->studies[i]))
      code = results_test(run->objective, run->store, run->x->output, &r->studies[i], &signals_stop, e);
  if (!code) code = repeat_winners(run, e);
  for (int i = 0; i < r->n_studies && !code; i++) {
    struct run_study *s = &r->studies[i];
    if (has_ended(s)) code = study_record_write_finished(run->store, s->store_id, true, s->study.target_reached, e);
  }
  return code;
}

/* Says why the run ended before its end, and how it goes on. */
static void print_stopped(const struct run *run)
{
  const struct runner *r = &run->runner;
  int done = 0, paused = 0, all = r->n_studies * run->x->trials;
  for (int i = 0; i < r->n_studies; i++) {
    const struct study *s = &r->studies[i].study;
    done += s->done;
    for (int k = study_first_paused(s); k < s->n; k++) paused += s->trials[k].state == STORED_PRUNED;
  }
  done -= paused; /* they may go on */
  const char *why = r->time_is_up   ? "time_limit reached"
                    : signals_stop  ? "stopped"
                    : r->only_fails ? "stopped early, since all trials fail alike"
                                    : "ended early";
  char kept[100] = "", waiting[60] = "";
  if (paused > 0) snprintf(waiting, sizeof waiting, ", and %d that %s paused", paused, paused == 1 ? "has" : "have");
  if (r->n_kept > 0)
    snprintf(kept, sizeof kept, ", and with %d trial%s that ran where %s stood", r->n_kept, r->n_kept == 1 ? "" : "s",
             r->n_kept == 1 ? "it" : "they");
  else if (done == all)
    snprintf(kept, sizeof kept, " with what is left of the repeats");
  text_wrapf(stderr, "", "%s: %d of %d trial%s ended and %s kept%s; the same command goes on from there%s", why, done,
             all, all == 1 ? " has" : "s have", all == 1 ? "is" : "are", waiting, kept);
}

/* Who is notified of events. */
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
static int reserve(struct run *run, const struct objective_at_once *at, struct error *e)
{
  struct objective *o = run->objective;
  double largest[SPACE_MAX];
  bool found;
  if (!o->reserve) return 0; /* it is of the devices alone */
  if (largest_find(o, run->x, false, &signals_stop, largest, &found, e)) return e->code;
  if (!found) space_defaults(&run->x->space, largest);
  return objective_reserve(o, at, largest, e);
}

/* What `gsos run OUTPUT` goes on from: as the last start had it, so that what was raised stays. */
static int write_run_ini(const struct run *run, struct error *e)
{
  char path[1100], *text = experiment_run_ini(run->x);
  if (!text) return error_set(e, ERROR_MACHINE, "no memory for " EXPERIMENT_RUN_INI);
  snprintf(path, sizeof path, "%s/" EXPERIMENT_RUN_INI, run->x->output);
  int code = file_replace_text(path, text, e);
  free(text);
  return code;
}

static int search(struct run *run, struct error *e)
{
  struct runner *r = &run->runner;
  struct progress progress;
  int code = open_studies(run, e);
  if (!code) code = write_run_ini(run, e);
  if (code) return code;
  r->x = run->x;
  r->objective = run->objective;
  r->store = run->store;
  r->signal = &signals_stop;
  const struct objective *o = run->objective;
  struct objective_at_once at = objective_at_once(o, run->x->slots, machine_cores(), study_trials_at_once(run->x));
  r->places = at.places;
  r->capacity = at.capacity;
  r->at_once = at.trials;
  r->by_share = at.by_share;
  r->n_devices = o->n_devices;
  code = reserve(run, &at, e);
  if (code) return code;
  if (run->options->progress) print_head(run);
  progress_start(&progress, !run->options->progress);
  progress.silent = run->options->log;
  listen(run);
  code = runner_run(r, progress_tick, &progress, e);
  if (!code) code = end_studies(run, e);
  if (!code) code = tell_best(run, e);
  rmdir(r->states); /* where no trial is kept */
  timeline_close(&run->timeline);
  events_destroy(&run->events);
  if (run->options->progress) {
    char text[300];
    objective_summary(run->objective, text, sizeof text);
    if (text[0]) text_wrap(stderr, "", text);
  }
  if (code && !run->options->log) print_stopped(run);
  return code;
}

int experiment_run(const struct run_options *o, struct experiment *x, FILE *tables, bool *complete, struct error *e)
{
  *complete = false;
  struct run *run = calloc(1, sizeof *run);
  if (!run) return error_set(e, ERROR_MACHINE, "no memory");
  run->options = o;
  run->x = x;
  if (o->sample) x->repeats = 0; /* of a study of importance: its trials are a sample, the best is nobody's winner */
  int code = open_all(run, e);
  if (!code && !run->finished) code = search(run, e);
  if (!code) *complete = true;
  if (code == ERROR_INTERRUPTED && run->runner.time_is_up && !signals_stop) {
    e->code = code = 0; /* as asked for */
    run->finished = true;
  }
  bool early = code == ERROR_INTERRUPTED && run->runner.only_fails && !signals_stop;
  if (early) e->code = code = 0; /* there is something to tell */
  if (!code) code = results_write(x, run->store, tables, o->log ? NULL : stderr, e);
  if (!code) code = results_success(run->store, early, e);
  struct error ignored;
  if (run->store) store_disown(run->store, code ? &ignored : e);
  for (int i = 0; i < run->runner.n_studies; i++) study_destroy(&run->runner.studies[i].study);
  free(run->runner.studies);
  free(run->trial_text);
  store_close(run->store);
  const struct sampler *sampler = sampler_find(x->sampler);
  if (sampler && sampler->close) sampler->close(&x->sampler_settings);
  objective_destroy(run->objective);
  free(run);
  return code;
}
