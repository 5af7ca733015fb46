/* Results on disk, each file whole or not at all. */
#include "host/base/file_open.h"
#include "sched/commands/outputs.h"
#include "sched/commands/report_files.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/base/file_replace.h"
#include "host/base/file_same.h"
#include "host/base/folder.h"
#include "host/report/report.h"
#include "host/report/report_classes.h"
#include "host/report/report_learnt.h"
#include "host/store/study_attributes.h"
#include "host/base/text_escape.h"
#include "sched/commands/output_file.h"

/* ---- before a run ---------------------------------------------------------------------------- */

void results_inputs(const struct experiment *x, const char *inputs[RESULTS_INPUTS])
{
  const struct dataset_options *d = &x->dataset;
  const char *const all[] = {x->path,           d->path,        d->train_images,      d->train_labels,
                             d->test_images,    d->test_labels, d->validation_images, d->validation_labels,
                             x->command_folder, x->table};
  _Static_assert(sizeof all / sizeof *all == RESULTS_INPUTS, "room for all");
  memcpy(inputs, all, sizeof all);
}

static int check_folder(const char *path, struct error *e)
{
  char shown[1200];
  struct stat st;
  if (stat(path, &st) != 0 || S_ISDIR(st.st_mode)) return 0;
  return error_set(e, ERROR_CONFIG,
                   "%s: is no folder, and a run keeps files in a folder of this name; choose another output",
                   text_escape(shown, sizeof shown, path));
}

int results_check(const struct experiment *x, bool begun, struct error *e)
{
  static const struct {
    const char *name;
    enum output_kind kind;
    bool spared; /* a run that has begun goes on without */
  } files[] = {{EXPERIMENT_RUN_INI, OUTPUT_RUN_INI, false}, {"best.ini", OUTPUT_CONFIGURATION, false},
               {"best.safetensors", OUTPUT_NETWORK, false}, {"report.txt", OUTPUT_TABLES, false},
               {"trials.csv", OUTPUT_ROWS, false},          {"confusion.csv", OUTPUT_ROWS, false},
               {"report.html", OUTPUT_PAGE, true},          {"timeline.json", OUTPUT_TIMELINE, true}};
  static const char *const folders[] = {"networks", "states", REPORT_MISTAKES_FOLDER};
  const char *inputs[RESULTS_INPUTS];
  char path[1200], shown[1200], *real = realpath(x->output, NULL);
  bool root = real && !strcmp(real, "/");
  bool there = real && access(real, W_OK | X_OK) == 0; /* else the database tells */
  int code = 0;
  free(real);
  if (root)
    return error_set(e, ERROR_CONFIG,
                     "output: / is the root of the file system; give a folder for what the run leaves");
  snprintf(path, sizeof path, "%s/study.db", x->output);
  if (x->table[0] && file_same(path, x->table))
    return error_set(e, ERROR_CONFIG,
                     "[table] file = %s: that is the output of this run; a search by its table needs another output",
                     text_escape(shown, sizeof shown, x->table));
  if (!begun && x->dataset.path[0] && file_same(x->output, x->dataset.path))
    return error_set(e, ERROR_CONFIG,
                     "output: %s is the folder of the data ([dataset] path), which are not to be mixed with what the "
                     "run leaves; choose another output",
                     text_escape(shown, sizeof shown, x->output));
  results_inputs(x, inputs);
  for (size_t i = 0; i < sizeof files / sizeof *files && there && !code; i++) {
    if (begun && files[i].spared) continue;
    snprintf(path, sizeof path, "%s/%s", x->output, files[i].name);
    const struct output_file f = {.option = "output",
                                  .path = path,
                                  .kind = begun ? OUTPUT_ANY : files[i].kind,
                                  .of_this_run = true,
                                  .inputs = inputs,
                                  .n_inputs = begun && i == 0 ? 0 : RESULTS_INPUTS};
    code = output_file_check(&f, e);
  }
  if (there && !begun && !code) {
    snprintf(path, sizeof path, "%s/plots", x->output);
    code = output_plots_check("output", path, e);
  }
  for (size_t i = 0; i < sizeof folders / sizeof *folders && there && !code; i++) {
    snprintf(path, sizeof path, "%s/%s", x->output, folders[i]);
    code = check_folder(path, e);
  }
  return code;
}

/* ---- networks and states --------------------------------------------------------------------- */

void results_clean_networks(const struct run_study *s)
{
  char best[40] = "";
  DIR *folder = opendir(s->networks);
  if (!folder) return;
  if (s->study.best >= 0) snprintf(best, sizeof best, "trial-%d.safetensors", s->study.best);
  for (struct dirent *entry; (entry = readdir(folder));) {
    char path[sizeof s->networks + 300];
    int trial, end = 0;
    sscanf(entry->d_name, "trial-%d.safetensors%n", &trial, &end);
    if (end == 0) sscanf(entry->d_name, "repeat-%d.safetensors%n", &trial, &end);
    bool ours = end > 0 && (!entry->d_name[end] || !strcmp(entry->d_name + end, ".tmp"));
    if (!ours || !strcmp(entry->d_name, best)) continue;
    snprintf(path, sizeof path, "%s/%s", s->networks, entry->d_name);
    unlink(path);
  }
  closedir(folder);
}

/* It has not ended, or has paused. */
static bool may_go_on(const struct run_study *s, int trial)
{
  enum stored_state state = s->study.trials[trial].state;
  bool paused = state == STORED_PRUNED && s->study.legs && trial >= study_first_paused(&s->study);
  return state == STORED_RUNNING || paused;
}

void results_clean_states(const struct runner *r, const struct run_study *s)
{
  char prefix[100];
  DIR *folder = opendir(r->states);
  if (!folder) return;
  size_t length = (size_t)snprintf(prefix, sizeof prefix, "%s-%d-trial-", s->study.strategy->name, s->study.round);
  for (struct dirent *entry; (entry = readdir(folder));) {
    char path[sizeof r->states + 300];
    int trial, end = 0;
    if (strncmp(entry->d_name, prefix, length) != 0) continue;
    sscanf(entry->d_name + length, "%d.state%n", &trial, &end);
    const char *rest = entry->d_name + length + end;
    bool half = !strcmp(rest, ".tmp"), whole = !*rest;
    if (end == 0 || (!half && !whole)) continue; /* somebody else's, or set aside */
    bool wanted = whole && trial >= 0 && trial < s->study.n && may_go_on(s, trial);
    wanted = wanted || (whole && trial >= REPEATS_FIRST); /* of a repeat: winner_repeats.c removes it */
    if (wanted) continue;
    snprintf(path, sizeof path, "%s/%s", r->states, entry->d_name);
    unlink(path);
  }
  closedir(folder);
  rmdir(r->states);
}

/* ---- the test set ---------------------------------------------------------------------------- */

/* The folder of the pictures of a study's surest mistakes, OUTPUT/mistakes/STRATEGY-ROUND; the
 * folders are made. */
static int pictures_folder(const char *output, const struct run_study *s, char *folder, size_t size, struct error *e)
{
  size_t n = (size_t)snprintf(folder, size, "%s/" REPORT_MISTAKES_FOLDER, output);
  if (folder_make(folder)) return error_errno(e, "%s: cannot be made", folder);
  snprintf(folder + n, size - n, "/%s-%d", s->study.strategy->name, s->study.round);
  return folder_make(folder) ? error_errno(e, "%s: cannot be made", folder) : 0;
}

/* Those of a network that was beaten since, and what was left half written. */
static void remove_pictures(const char *folder, int best)
{
  DIR *open = opendir(folder);
  if (!open) return;
  for (struct dirent *entry; (entry = readdir(open));) {
    char path[1600];
    int trial, image, end = 0;
    sscanf(entry->d_name, "trial-%d-image-%d.png%n", &trial, &image, &end);
    const char *rest = entry->d_name + end;
    if (end == 0 || (*rest && strcmp(rest, ".tmp") != 0) || (trial == best && !*rest)) continue;
    snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
    unlink(path);
  }
  closedir(open);
}

/* Before the database says what the images are: then they are there. */
static int write_pictures(struct objective *o, const char *output, const struct run_study *s,
                          const struct class_counts *classes, struct error *e)
{
  char folder[1300], path[1400];
  if (classes->n_mistakes == 0 || !o->test_picture) return 0;
  int code = pictures_folder(output, s, folder, sizeof folder, e);
  for (int i = 0; i < classes->n_mistakes && !code; i++) {
    snprintf(path, sizeof path, "%s/" REPORT_MISTAKE_FILE, folder, s->study.best, classes->mistakes[i].image);
    code = o->test_picture(o, classes->mistakes[i].image, path, e);
  }
  if (!code) remove_pictures(folder, s->study.best);
  return code;
}

static int test_best(struct objective *o, struct store *store, const char *output, const struct run_study *s,
                     const char *network, const volatile int *stop, struct error *e)
{
  struct objective_test result;
  struct class_counts classes = {0};
  int code = o->test(o, network, &result, &classes, stop, e);
  if (!code && result.available) {
    struct study_test test = {true, s->study.best, result.value, result.loss, result.n, result.correct};
    code = write_pictures(o, output, s, &classes, e);
    if (!code) code = study_record_write_test(store, s->store_id, &test, classes.classes ? &classes : NULL, e);
  }
  class_counts_free(&classes);
  return code;
}

int results_test(struct objective *o, struct store *store, const char *output, const struct run_study *s,
                 const volatile int *stop, struct error *e)
{
  struct study_record record;
  char path[1200];
  if (!o->has_test || s->study.best < 0) return 0;
  int code = study_record_read(store, s->store_id, &record, e);
  bool known = !code && record.test.available && record.test.trial == s->study.best;
  if (!code) study_record_free(&record);
  if (code || known) return code;
  runner_network_path(s, s->study.best, path, sizeof path);
  if (access(path, F_OK))
    return error_set(e, ERROR_FAILED,
                     "%s is not there any more, so the best network of %s cannot be tested; all its trials are in the "
                     "database (gsos show)",
                     path, s->title);
  return test_best(o, store, output, s, path, stop, e);
}

/* ---- the best of all ------------------------------------------------------------------------- */

/* A second name for the file, or where the file system has none a copy. */
static int duplicate(const char *from, const char *to, struct error *e)
{
  char temporary[1200];
  FILE *in = file_open_to_read(from);
  if (!in) return file_open_failed(e, from, "cannot be read");
  snprintf(temporary, sizeof temporary, "%s.tmp", to);
  unlink(temporary);
  if (link(from, temporary) == 0) {
    fclose(in);
    int code = rename(temporary, to) ? error_errno(e, "%s: cannot be written", to) : 0;
    unlink(temporary); /* rename leaves it where both were the same file already */
    return code;
  }
  struct file_replace f;
  int code = file_replace_begin(&f, to, e);
  if (!code) {
    char buffer[65536];
    size_t n;
    while ((n = fread(buffer, 1, sizeof buffer, in)) > 0 && fwrite(buffer, 1, n, f.out) == n) {
    }
    if (ferror(in)) {
      file_replace_abort(&f);
      code = error_errno(e, "%s: cannot be read", from);
    } else {
      code = file_replace_commit(&f, e);
    }
  }
  fclose(in);
  return code;
}

/* best.ini and, where the objective has networks, best.safetensors.  *network out: that there is
 * one. */
static int write_best(const struct experiment *x, const struct report *r, bool *network, struct error *e)
{
  char from[1300], to[1100];
  int index = report_best(r);
  *network = false;
  if (index < 0) return 0;
  const struct report_study *s = &r->studies[index];
  const struct stored_trial *t = &s->trials[s->best];
  char *text = experiment_best_ini(x, t->values, s->record.round, t->number);
  if (!text) return error_set(e, ERROR_MACHINE, "no memory for best.ini");
  snprintf(to, sizeof to, "%s/best.ini", x->output);
  int code = file_replace_text(to, text, e);
  free(text);
  snprintf(from, sizeof from, "%s/networks/%s-%d/trial-%d.safetensors", x->output, s->record.strategy, s->record.round,
           t->number);
  if (code || access(from, F_OK)) return code;
  snprintf(to, sizeof to, "%s/best.safetensors", x->output);
  *network = true;
  return duplicate(from, to, e);
}

/* ---- success --------------------------------------------------------------------------------- */

int results_success(struct store *store, bool early, struct error *e)
{
  struct report report = {0};
  char reason[4 * REASON_MAX];
  int failed = 0;
  const struct stored_trial *first = NULL;
  int code = report_load(&report, store, e);
  for (int i = 0; i < report.n && !code && report_best(&report) < 0; i++) {
    const struct report_study *s = &report.studies[i];
    failed += s->failed;
    for (int k = 0; k < s->n && !first; k++)
      if (s->trials[k].state == STORED_FAIL) first = &s->trials[k];
  }
  if (first)
    code = error_set(e, ERROR_FAILED,
                     "no trial has succeeded: %d failed, the first as follows; the notes above say what to do%s\n  %s",
                     failed, early ? " ([scheduler] stop_if_all_fail = no would have gone on)" : "",
                     text_escape(reason, sizeof reason, first->reason));
  report_free(&report);
  return code;
}

/* ---- tables ---------------------------------------------------------------------------------- */

/* The tables and what was learnt. */
struct told {
  const struct report *report;
  const struct report_learnt *learnt;
};

static void print_report(FILE *out, const struct told *t)
{
  report_print_tables(out, t->report);
  report_print_repeats(out, t->report);
  report_print_baseline(out, t->report);
  report_print_classes(out, t->report);
  report_learnt_print(out, t->learnt);
  report_print_best(out, t->report);
}

static void print_csv(FILE *out, const struct told *t)
{
  report_print_csv(out, t->report);
}

static void print_confusion(FILE *out, const struct told *t)
{
  report_print_confusion_csv(out, t->report);
}

static int write_file(const struct experiment *x, const char *name, void (*print)(FILE *, const struct told *),
                      const struct told *t, struct error *e)
{
  char path[1100];
  struct file_replace f;
  snprintf(path, sizeof path, "%s/%s", x->output, name);
  int code = file_replace_begin(&f, path, e);
  if (code) return code;
  print(f.out, t);
  return file_replace_commit(&f, e);
}

/* The page for a browser.  That it cannot be written is told and is no error: what it shows is
 * there without it. */
static bool write_page(const struct experiment *x, const struct report *r, struct store *store, FILE *told)
{
  char page[1100], why[400];
  struct error e = {0};
  snprintf(page, sizeof page, "%s/report.html", x->output);
  if (!report_files_write(r, store, x->output, page, false, why, sizeof why, &e)) return true;
  if (told) fprintf(told, "gsos: report.html is not written: %s\n", e.message);
  return false;
}

int results_write(const struct experiment *x, struct store *store, FILE *out, FILE *told, struct error *e)
{
  struct report report = {0};
  struct report_learnt learnt;
  const struct told told_of = {&report, &learnt};
  char shown[1100];
  bool network;
  int code = report_load(&report, store, e);
  if (!code) code = write_best(x, &report, &network, e);
  if (!code) code = report_learnt_make(&learnt, &report, store, NULL, e);
  if (!code) code = write_file(x, "report.txt", print_report, &told_of, e);
  if (!code) code = write_file(x, "trials.csv", print_csv, &told_of, e);
  bool confusion = report_has_classes(&report);
  if (!code && confusion) code = write_file(x, "confusion.csv", print_confusion, &told_of, e);
  if (!code && out) {
    print_report(out, &told_of);
    fflush(out);
  }
  bool page = !code && write_page(x, &report, store, told);
  if (!code && out) {
    fprintf(out, "\nWritten to %s:\n", text_escape(shown, sizeof shown, x->output));
    if (report_best(&report) >= 0)
      fprintf(out, "  %s\n",
              network ? "best.safetensors, best.ini   the best network and its configuration"
                      : "best.ini                     the best configuration");
    fprintf(out, "  study.db                     every trial (also for Optuna and its dashboard)\n"
                 "  trials.csv, report.txt       the same as a table, and what stands above\n");
    if (confusion) fputs("  confusion.csv                what test images were taken for, by class\n", out);
    if (page) fputs("  report.html                  all of it as a page, with figures, for a browser\n", out);
  }
  report_free(&report);
  return code;
}
