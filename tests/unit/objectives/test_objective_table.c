/* Recorded trials as an objective, on small databases of planted curves: what it predicts, which
 * trials count, what it costs, and what it refuses.
 *
 * Not under ThreadSanitizer: one thread. */
#include <dirent.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>
#include <zlib.h>

#include "host/base/rng.h"
#include "host/experiment/experiment.h"
#include "host/network/plan.h"
#include "host/objectives/objective.h"
#include "host/store/store.h"
#include "host/store/study_attributes.h"
#include "host/table/surrogate.h"
#include "host/table/table.h"

static char folder[1024];

/* --- databases --- */

enum { EPOCHS = 6, PARAMS_MAX = 10 };

struct planted {
  const char *names[PARAMS_MAX], *lines[PARAMS_MAX]; /* NULL: no more */
  int epoch;                                         /* which is the number of epochs; -1: none */
  bool curves, minimize;
  const char *depends_on;
  /* Of a point of the unit cube after epoch e = 1 ...; NaN: it diverges. */
  double (*value)(const double *unit, int e);
};

/* A ridge in the second coordinate, a slope in the first, two levels of the third; above 0.9 of
 * the second everything diverges. */
static double ridge(const double *unit, int e)
{
  double at = unit[1] - 0.5;
  double best = 0.5 + 0.3 * exp(-20 * at * at) + 0.1 * unit[0] + (unit[2] < 0.5 ? 0.05 : 0);
  return unit[1] > 0.9 ? NAN : best * (1 - exp(-0.7 * e));
}

static double loss_of_ridge(const double *unit, int e)
{
  return 10 - 5 * ridge(unit, e);
}

/* Nothing to be learnt. */
static double noise(const double *unit, int e)
{
  double ignored;
  (void)e;
  return fabs(modf(1e5 * unit[0] + 3e5 * unit[1], &ignored));
}

static const struct planted usual = {.names = {"x", "rate", "kind", "epoch"},
                                     .lines = {"float 0 .. 2 default 0.5", "float 1e-4 .. 1 log default 0.01",
                                               "categorical a, b default b", "int 6 .. 6 default 6"},
                                     .epoch = 3,
                                     .curves = true,
                                     .value = ridge};

static void planted_space(const struct planted *p, struct space *s)
{
  struct error e = {0};
  space_init(s);
  for (int i = 0; i < PARAMS_MAX && p->names[i]; i++, s->n++)
    if (param_parse(&s->params[i], p->names[i], p->lines[i], &e)) fail_msg("%s", e.message);
}

static void ok(int code, const struct error *e)
{
  if (code) fail_msg("%s", e->message);
}

/* Trial `number` of a study, run to its end, or pruned after two epochs where its first coordinate
 * is below `pruned`. */
static void put_trial(struct store *db, int study, const struct planted *p, const struct space *s, int number,
                      double pruned)
{
  struct error e = {0};
  struct rng r = rng_make(7 + (uint64_t)study, (uint64_t)number);
  double unit[PARAMS_MAX];
  struct stored_trial t = {.number = number, .state = STORED_RUNNING};
  for (int i = 0; i < s->n; i++) {
    unit[i] = rng_uniform(&r);
    t.values[i] = param_from_unit(&s->params[i], unit[i]);
  }
  ok(store_trial_start(db, study, s, &t, &e), &e);
  bool prune = unit[0] < pruned;
  int epochs = p->epoch >= 0 ? (int)t.values[p->epoch] : EPOCHS;
  t.state = STORED_COMPLETE;
  for (int k = 1; k <= (prune ? 2 : epochs); k++) {
    t.value = p->value(unit, k);
    if (isnan(t.value)) break;
    if (p->curves) ok(store_trial_epoch(db, study, number, k, t.value, &e), &e);
    t.epochs = k;
  }
  if (prune) t.state = STORED_PRUNED;
  if (isnan(t.value)) {
    t.state = STORED_FAIL;
    strcpy(t.reason, "diverged: the training loss of epoch 1 is not finite");
  }
  ok(store_trial_end(db, study, &t, &e), &e);
}

/* A study of n trials in the database `name`. */
static void put_study(const char *name, const char *study, const struct planted *p, int n, double pruned)
{
  struct error e = {0};
  struct store *db;
  struct space s;
  struct study_record record = {.ours = true, .trials = n, .finished = true};
  int id;
  char path[1200];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  snprintf(record.objective, sizeof record.objective, "cnn");
  snprintf(record.strategy, sizeof record.strategy, "simultaneous");
  snprintf(record.value_name, sizeof record.value_name, "validation accuracy");
  snprintf(record.depends_on, sizeof record.depends_on, "%s", p->depends_on ? p->depends_on : "nothing");
  record.search = (char[]){"model.filters = 8\nspace.rate = float 1e-4 .. 1 log default 0.02\n"};
  planted_space(p, &s);
  ok(store_open(&db, path, false, NULL, &e), &e);
  ok(store_study(db, study, !p->minimize, &id, NULL, &e), &e);
  ok(study_record_write(db, id, &record, &e), &e);
  for (int i = 0; i < n; i++) put_trial(db, id, p, &s, i, pruned);
  store_close(db);
  space_destroy(&s);
}

/* Moves values of the sixth epoch to a much later one. */
static void put_late_value(const char *name)
{
  char path[1200];
  sqlite3 *db;
  snprintf(path, sizeof path, "%s/%s", folder, name);
  assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
  assert_int_equal(
      sqlite3_exec(db, "UPDATE trial_intermediate_values SET step = 900000 WHERE step = 6", NULL, NULL, NULL),
      SQLITE_OK);
  sqlite3_close(db);
}

static char *read_bytes(const char *name, size_t *size)
{
  char path[1200];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  FILE *f = fopen(path, "rb");
  assert_non_null(f);
  fseek(f, 0, SEEK_END);
  *size = (size_t)ftell(f);
  rewind(f);
  char *bytes = malloc(*size + 1);
  assert_int_equal(fread(bytes, 1, *size, f), *size);
  fclose(f);
  return bytes;
}

static void write_bytes(const char *name, const char *bytes, size_t size)
{
  char path[1200];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  FILE *f = fopen(path, "wb");
  assert_non_null(f);
  assert_int_equal(fwrite(bytes, 1, size, f), size);
  fclose(f);
}

static void make_pipe(const char *name)
{
  char path[1200];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  assert_int_equal(mkfifo(path, 0600), 0);
}

static void pack(const char *name, const char *packed)
{
  size_t size;
  char path[1200], *bytes = read_bytes(name, &size);
  snprintf(path, sizeof path, "%s/%s", folder, packed);
  gzFile out = gzopen(path, "wb");
  assert_non_null(out);
  assert_int_equal(gzwrite(out, bytes, (unsigned)size), size);
  assert_int_equal(gzclose(out), Z_OK);
  free(bytes);
}

static int setup(void **state)
{
  (void)state;
  const char *tmp = getenv("TMPDIR");
  snprintf(folder, sizeof folder, "%s/gsos-table-XXXXXX", tmp && *tmp ? tmp : "/tmp");
  if (!mkdtemp(folder)) return -1;
  setenv("TMPDIR", folder, 1);
  put_study("usual.db", "usual", &usual, 120, 0);
  pack("usual.db", "usual.db.gz");
  return 0;
}

static int files_in_folder(bool remove)
{
  char path[1400];
  int n = 0;
  DIR *dir = opendir(folder);
  for (struct dirent *d; (d = readdir(dir));) {
    if (d->d_name[0] == '.') continue;
    n++;
    snprintf(path, sizeof path, "%s/%s", folder, d->d_name);
    if (remove) unlink(path);
  }
  closedir(dir);
  return n;
}

static int teardown(void **state)
{
  (void)state;
  files_in_folder(true);
  return rmdir(folder);
}

/* --- the objective --- */

/* `more`: further settings, a line each; NULL: none. */
static int load(struct objective **o, struct experiment *x, struct error *e, const char *name, const char *more)
{
  char file[1300], lines[500] = "";
  const char *settings[10] = {"experiment.objective=table", file};
  int n = 2;
  snprintf(file, sizeof file, "table.file=%s/%s", folder, name);
  if (more) snprintf(lines, sizeof lines, "%s", more);
  for (char *save, *line = strtok_r(lines, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) settings[n++] = line;
  *e = (struct error){0};
  *o = NULL;
  int code = experiment_load(x, NULL, settings, n, e);
  if (code) return code;
  code = objective_create(o, x, NULL, NULL, e);
  if (code) experiment_destroy(x);
  return code;
}

static void load_good(struct objective **o, struct experiment *x, const char *name, const char *more)
{
  struct error e;
  ok(load(o, x, &e, name, more), &e);
}

static void unload(struct objective *o, struct experiment *x)
{
  objective_destroy(o);
  experiment_destroy(x);
}

/* The code of `call` and a part of its message. */
#define assert_refused(call, expected, part)                                                                           \
  do {                                                                                                                 \
    assert_int_equal(call, expected);                                                                                  \
    if (!strstr(e.message, part)) fail_msg("no '%s' in: %s", part, e.message);                                         \
  } while (0)

/* A trial to its end: its values, in the order of its epochs.  Returns how many. */
static int curve_of(struct objective *o, const double *values, uint64_t key, double *curve)
{
  struct error e = {0};
  struct place *p;
  struct trial_event event = {.kind = TRIAL_EPOCH};
  int n, epochs = 0;
  ok(o->open(o, &p, 0, 1, &e), &e);
  ok(o->add(p, &(struct trial_spec){.id = 3, .key = key, .values = values}, &e), &e);
  while (event.kind == TRIAL_EPOCH) {
    ok(o->advance(p, &event, 1, &n, NULL, &e), &e);
    assert_int_equal(n, 1);
    assert_int_equal(event.id, 3);
    curve[epochs++] = event.value;
    assert_int_equal(event.epoch, epochs);
    assert_true(epochs <= event.epochs);
  }
  assert_int_equal(event.kind, TRIAL_DONE);
  assert_int_equal(event.epochs, epochs);
  ok(o->advance(p, &event, 1, &n, NULL, &e), &e);
  assert_int_equal(n, 0); /* there is nothing left to tell */
  o->remove(p, 3);
  o->close(p);
  return epochs;
}

/* A point of the experiment's space at coordinates that no trial has, at the full number of
 * epochs. */
static void fresh_point(const struct experiment *x, int i, double *unit, double *values)
{
  struct rng r = rng_make(1234, (uint64_t)i);
  for (int k = 0; k < x->space.n; k++) {
    unit[k] = rng_uniform(&r);
    values[k] = param_from_unit(&x->space.params[k], unit[k]);
  }
  int epoch = space_index(&x->space, "epoch");
  if (epoch >= 0) values[epoch] = EPOCHS;
}

static void predictions_are_near_the_planted_function(void **state)
{
  struct objective *o;
  struct experiment x;
  double unit[SPACE_MAX], values[SPACE_MAX], curve[EPOCHS], errors = 0;
  int n = 0;
  (void)state;
  load_good(&o, &x, "usual.db", NULL);
  assert_true(o->maximize && o->has_epochs && !o->has_network && !o->has_test);
  assert_string_equal(o->value_name, "validation accuracy");
  for (int i = 0; i < 60; i++) {
    fresh_point(&x, i, unit, values);
    if (unit[1] > 0.8) continue; /* near the jump to what diverges */
    assert_int_equal(curve_of(o, values, 1, curve), EPOCHS);
    for (int k = 0; k < EPOCHS; k++, n++) errors += pow(curve[k] - ridge(unit, k + 1), 2);
  }
  assert_true(n > 200);
  assert_true(sqrt(errors / n) < 0.02); /* the values differ by 0.3 */
  unload(o, &x);
}

static void what_diverged_is_as_bad_as_the_worst(void **state)
{
  struct objective *o;
  struct experiment x;
  double values[SPACE_MAX], far[EPOCHS], good[EPOCHS];
  (void)state;
  load_good(&o, &x, "usual.db", NULL);
  space_defaults(&x.space, values);
  curve_of(o, values, 1, good);
  values[space_index(&x.space, "rate")] = 0.9;
  curve_of(o, values, 1, far);
  assert_true(good[EPOCHS - 1] > 0.7);
  assert_true(far[EPOCHS - 1] < 0.56); /* the worst that did not diverge has 0.49 or more */
  unload(o, &x);
}

static void a_shorter_trial_is_the_beginning_of_a_longer_one(void **state)
{
  struct objective *o;
  struct experiment x;
  double values[SPACE_MAX], whole[EPOCHS], part[EPOCHS];
  struct objective_cost cost;
  struct error e = {0};
  (void)state;
  load_good(&o, &x, "usual.db", NULL);
  int epoch = space_index(&x.space, "epoch");
  assert_true(x.space.params[epoch].low == 1 && x.space.params[epoch].high == EPOCHS);
  space_defaults(&x.space, values);
  assert_true(values[epoch] == EPOCHS);
  assert_int_equal(curve_of(o, values, 1, whole), EPOCHS);
  for (int n = 1; n < EPOCHS; n++) {
    values[epoch] = n;
    ok(o->cost(o, values, &cost, &e), &e);
    assert_true(cost.feasible && cost.epochs == n && cost.steps == n && cost.flops == 0);
    assert_int_equal(curve_of(o, values, 1, part), n);
    assert_memory_equal(part, whole, (size_t)n * sizeof *part);
  }
  unload(o, &x);
}

/* A curve has the same bits whichever the seed of the trial, whichever objective answers, packed or
 * not. */
static void a_configuration_has_one_curve(void **state)
{
  struct objective *o, *packed;
  struct experiment x, packed_x;
  double unit[SPACE_MAX], values[SPACE_MAX], a[EPOCHS], b[EPOCHS];
  char text[500], packed_text[500];
  int before = files_in_folder(false);
  (void)state;
  load_good(&o, &x, "usual.db", NULL);
  load_good(&packed, &packed_x, "usual.db.gz", NULL);
  assert_int_equal(files_in_folder(false), before); /* nothing unpacked is left behind */
  o->description(o, text, sizeof text);
  packed->description(packed, packed_text, sizeof packed_text);
  assert_string_equal(text, packed_text);
  assert_non_null(strstr(text, "120 trials"));
  for (int i = 0; i < 20; i++) {
    fresh_point(&x, i, unit, values);
    curve_of(o, values, 1, a);
    curve_of(packed, values, 2, b);
    assert_memory_equal(a, b, sizeof a);
  }
  unload(o, &x);
  unload(packed, &packed_x);
}

static void the_defaults_are_those_of_the_study(void **state)
{
  struct objective *o;
  struct experiment x;
  (void)state;
  load_good(&o, &x, "usual.db", NULL);
  assert_true(x.space.params[space_index(&x.space, "rate")].default_value == 0.02); /* as its search keys say */
  assert_true(x.space.params[space_index(&x.space, "x")].default_value == 0);       /* of which they say nothing */
  assert_int_equal(x.n_strategies, 1); /* no groups are known: one way to search */
  assert_string_equal(x.strategies[0], "simultaneous");
  unload(o, &x);
}

static void smaller_is_better_where_the_study_says_so(void **state)
{
  struct planted p = usual;
  struct objective *o;
  struct experiment x;
  struct error e;
  double unit[SPACE_MAX], values[SPACE_MAX], curve[EPOCHS], errors = 0;
  int n = 0;
  (void)state;
  p.minimize = true;
  p.value = loss_of_ridge;
  put_study("loss.db", "loss", &p, 120, 0);
  load_good(&o, &x, "loss.db", NULL);
  assert_false(o->maximize || x.maximize);
  for (int i = 0; i < 60; i++) {
    fresh_point(&x, i, unit, values);
    if (unit[1] > 0.8) continue;
    curve_of(o, values, 1, curve);
    errors += pow(curve[EPOCHS - 1] - loss_of_ridge(unit, EPOCHS), 2);
    n++;
  }
  assert_true(sqrt(errors / n) < 0.1); /* the values differ by 1.5 */
  unload(o, &x);
  assert_refused(load(&o, &x, &e, "loss.db", "experiment.direction=maximize"), ERROR_CONFIG, "were made to minimize");
}

/* Without a value of a second epoch the number of epochs is a hyperparameter like others. */
static void without_curves_a_trial_has_one_value(void **state)
{
  struct planted p = usual;
  struct objective *o;
  struct experiment x;
  double unit[SPACE_MAX], values[SPACE_MAX], value, errors = 0;
  (void)state;
  p.lines[3] = "int 1 .. 6 default 6";
  p.curves = false;
  put_study("values.db", "values", &p, 150, 0);
  load_good(&o, &x, "values.db", NULL);
  assert_false(o->has_epochs);
  for (int i = 0; i < 40; i++) {
    fresh_point(&x, i, unit, values);
    unit[1] *= 0.8;
    values[1] = param_from_unit(&x.space.params[1], unit[1]);
    values[3] = 1 + i % EPOCHS;
    assert_int_equal(curve_of(o, values, 1, &value), 1);
    errors += pow(value - ridge(unit, (int)values[3]), 2);
  }
  assert_true(sqrt(errors / 40) < 0.05); /* the values differ by 0.6 */
  unload(o, &x);
}

static void pruned_trials_and_other_lengths_count_as_far_as_they_came(void **state)
{
  struct planted p = usual;
  struct objective *o;
  struct experiment x;
  struct table t;
  struct error e = {0};
  char path[1200];
  double unit[SPACE_MAX], values[SPACE_MAX], curve[EPOCHS], errors = 0;
  int n = 0, low = 0, stayed = 0;
  (void)state;
  p.lines[3] = "int 4 .. 6 default 6";
  put_study("pruned.db", "pruned", &p, 150, 0.3);
  snprintf(path, sizeof path, "%s/pruned.db", folder);
  ok(table_read(&t, path, "", &e), &e);
  assert_int_equal(t.n, 150);
  assert_int_equal(t.n_complete + t.n_pruned + t.n_failed, 150);
  assert_true(t.n_pruned > 5 && t.n_failed > 5 && t.epochs == EPOCHS);
  for (int i = 0; i < t.n; i++) {
    int length = table_curve_length(&t, i);
    if (t.failed[i])
      assert_int_equal(length, 0);
    else if (t.complete[i])
      assert_in_range(length, 4, 6);
    else
      assert_int_equal(length, 2);
  }
  table_destroy(&t);
  load_good(&o, &x, "pruned.db", "table.force=yes");
  for (int i = 0; i < 60; i++) {
    fresh_point(&x, i, unit, values);
    if (unit[1] > 0.8) continue;
    curve_of(o, values, 1, curve);
    for (int k = 0; k < 2; k++, n++) errors += pow(curve[k] - ridge(unit, k + 1), 2);
    if (unit[0] > 0.25) continue; /* where all were pruned their last value stands for later ones */
    low++;
    stayed += fabs(curve[5] - ridge(unit, 2)) < fabs(curve[5] - ridge(unit, 6));
  }
  assert_true(low > 8 && stayed > 0.8 * low);
  assert_true(sqrt(errors / n) < 0.02);
  unload(o, &x);
}

static void studies_of_one_space_count_together(void **state)
{
  struct planted other = usual;
  struct table t;
  struct error e = {0};
  char path[1200];
  (void)state;
  snprintf(path, sizeof path, "%s/two.db", folder);
  put_study("two.db", "a", &usual, 20, 0);
  put_study("two.db", "b", &usual, 15, 0);
  ok(table_read(&t, path, "", &e), &e);
  assert_int_equal(t.n, 35);
  table_destroy(&t);
  other.lines[2] = "categorical a, c default a";
  put_study("two.db", "c", &other, 5, 0);
  assert_refused(table_read(&t, path, "", &e), ERROR_FAILED, "study 'c' has other hyperparameters or choices");
}

/* R² of trials held out is less than that of the trials that a fit was made of. */
static void quality_is_of_trials_held_out(void **state)
{
  struct table t;
  struct surrogate *s;
  struct surrogate_quality q;
  struct error e = {0};
  char path[1200];
  double curve[EPOCHS], errors = 0, sum = 0, squares = 0;
  (void)state;
  snprintf(path, sizeof path, "%s/usual.db", folder);
  ok(table_read(&t, path, "", &e), &e);
  ok(surrogate_validate(&t, &q, &e), &e);
  ok(surrogate_fit(&s, &t, &e), &e);
  for (int i = 0; i < t.n; i++) {
    if (t.failed[i]) continue;
    double last = table_curve(&t, i)[EPOCHS - 1];
    ok(surrogate_curve(s, table_values(&t, i), EPOCHS, curve, &e), &e);
    errors += pow(curve[EPOCHS - 1] - last, 2);
    sum += last;
    squares += last * last;
  }
  double differences = squares - sum * sum / t.n_complete;
  assert_int_equal(t.n, t.n_complete + t.n_failed);
  assert_true(q.last > 0.9 && q.all > 0.9 && q.last < 1 && q.all < 1);
  assert_true(1 - q.last > 3 * errors / differences);
  surrogate_destroy(s);
  table_destroy(&t);
}

static void what_cannot_be_predicted_is_refused_unless_forced(void **state)
{
  struct planted p = usual;
  struct objective *o;
  struct experiment x;
  struct error e;
  (void)state;
  p.value = noise;
  put_study("noise.db", "noise", &p, 60, 0);
  assert_refused(load(&o, &x, &e, "noise.db", NULL), ERROR_CONFIG, "[table] force = yes");
  load_good(&o, &x, "noise.db", "table.force=yes");
  unload(o, &x);
  p = usual; /* a value of an epoch so late that a curve of them all would take the memory */
  put_study("late.db", "late", &p, 20, 0);
  put_late_value("late.db");
  assert_refused(load(&o, &x, &e, "late.db", NULL), ERROR_FAILED, "4000000 values in all are the most");
  put_study("few.db", "few", &usual, 8, 0);
  assert_refused(load(&o, &x, &e, "few.db", "table.force=yes"), ERROR_CONFIG, "it takes 10 at the least");
}

static void spaces_that_the_table_does_not_cover_are_refused(void **state)
{
  struct objective *o;
  struct experiment x;
  struct error e;
  double values[SPACE_MAX], narrow[EPOCHS], whole[EPOCHS];
  (void)state;
#define REFUSED(setting, part) assert_refused(load(&o, &x, &e, "usual.db", setting), ERROR_CONFIG, part)
  REFUSED("space.width=int 1 .. 4 default 1", "no hyperparameter 'width'");
  REFUSED("space.rate=float 1e-5 .. 1 log default 0.01", "the table covers float 0.0001 .. 1 log");
  REFUSED("space.x=float 0 .. 3 default 1", "the table covers float 0 .. 2");
  REFUSED("space.kind=categorical a, c default a", "the table covers categorical a, b");
  REFUSED("space.epoch=int 1 .. 7 default 1", "the table covers int 1 .. 6");
  REFUSED("space.epoch=float 1 .. 6 default 1", "the table covers int 1 .. 6");
  REFUSED("space.epoch=ordinal 1.5, 6 default 6", "the table covers int 1 .. 6");
  REFUSED("space.rate=", "lacks rate");
  REFUSED("table.epoch=epochs", "there is no hyperparameter 'epochs' in it (there are: x, rate, kind, epoch)");
  REFUSED("table.epoch=kind", "cannot be the number of epochs");
  REFUSED("table.epoch=x", "'x' is a float, and cannot be the number of epochs");
#undef REFUSED
  load_good(&o, &x, "usual.db",
            "space.rate=float 0.001 .. 0.1 default 0.01\nspace.kind=b\nspace.epoch=ordinal 2, 6 default 6\n"
            "space.x=ordinal 0.5, 1 default 1");
  space_defaults(&x.space, values);
  assert_int_equal(curve_of(o, values, 1, narrow), EPOCHS);
  unload(o, &x);
  load_good(&o, &x, "usual.db", NULL);
  values[space_index(&x.space, "x")] = 1;
  values[space_index(&x.space, "rate")] = 0.01;
  values[space_index(&x.space, "kind")] = 1;
  values[space_index(&x.space, "epoch")] = 6;
  curve_of(o, values, 1, whole);
  assert_memory_equal(narrow, whole, sizeof whole);
  unload(o, &x);
}

static void files_that_are_no_tables_are_refused_by_their_names(void **state)
{
  struct objective *o;
  struct experiment x;
  struct error e;
  size_t size;
  (void)state;
  char *bytes = read_bytes("usual.db", &size);
  write_bytes("cut.db", bytes, size / 2);
  write_bytes("short.db", bytes, 50);
  write_bytes("empty.db", "", 0);
  write_bytes("text.db", "no database, but words", 22);
  free(bytes);
  bytes = read_bytes("usual.db.gz", &size);
  write_bytes("cut.db.gz", bytes, size / 2);
  bytes[size / 2] ^= 0x55;
  write_bytes("bad.db.gz", bytes, size);
  free(bytes);
  pack("text.db", "text.db.gz");
  make_pipe("pipe.db");
  int before = files_in_folder(false);
  static const char *const damaged[] = {"cut.db",    "short.db",  "empty.db",  "text.db",
                                        "cut.db.gz", "bad.db.gz", "text.db.gz"};
  for (size_t i = 0; i < sizeof damaged / sizeof *damaged; i++)
    assert_refused(load(&o, &x, &e, damaged[i], NULL), ERROR_FAILED, damaged[i]);
  assert_refused(load(&o, &x, &e, "missing.db", NULL), ERROR_CONFIG, "there is no such file");
  assert_refused(load(&o, &x, &e, ".", NULL), ERROR_CONFIG, "is not a file but a folder");
  assert_refused(load(&o, &x, &e, "pipe.db", NULL), ERROR_CONFIG, "pipe.db: is not a file but a pipe");
  assert_int_equal(files_in_folder(false), before);
  const char *settings[] = {"experiment.objective=table"};
  assert_refused(experiment_load(&x, NULL, settings, 1, &e), ERROR_CONFIG, "[table] file = PATH");
}

/* Whatever bytes of it change: a table, or a message. */
static void mutated_tables_never_crash(void **state)
{
  struct rng r = rng_make(5, 0);
  size_t size;
  char path[1200];
  int refused = 0, n_fitted = 0;
  (void)state;
  put_study("small.db", "small", &usual, 14, 0);
  char *bytes = read_bytes("small.db", &size), *changed = malloc(size);
  snprintf(path, sizeof path, "%s/mutated.db", folder);
  for (int i = 0; i < 300; i++) {
    struct error e = {0};
    struct table t;
    memcpy(changed, bytes, size);
    for (uint32_t k = 0, n = 1 + rng_below(&r, 30); k < n; k++)
      changed[rng_below(&r, (uint32_t)size)] = (char)rng_below(&r, 256);
    write_bytes("mutated.db", changed, size);
    if (table_read(&t, path, "", &e)) {
      refused++;
      assert_true(strstr(e.message, "mutated.db: ") != NULL);
    } else {
      struct surrogate *fitted;
      double curve[2];
      int code = surrogate_fit(&fitted, &t, &e);
      if (!code) {
        ok(surrogate_curve(fitted, table_values(&t, 0), t.epochs < 2 ? t.epochs : 2, curve, &e), &e);
        assert_true(isfinite(curve[0]));
        n_fitted++;
      } else {
        assert_true(e.message[0]);
      }
      surrogate_destroy(fitted);
      table_destroy(&t);
    }
  }
  assert_true(refused > 0 && n_fitted > 0);
  free(bytes);
  free(changed);
}

/* --- the network's --- */

static double of_network(const double *unit, int e)
{
  return 0.3 + 0.1 * e * unit[1];
}

static const struct planted network = {
    .names = {"num_conv_layers", "lr", "dropout_rate", "optimizer", "epoch", "stride", "padding", "kernel",
              "num_fc_units", "batch_size"},
    .lines = {"int 2 .. 4 default 3", "float 1e-05 .. 1 log default 0.01", "float 0 .. 0.9 default 0",
              "categorical adam, sgd default adam", "int 5 .. 5 default 5", "ordinal 1, 2 default 1",
              "categorical valid, same default same", "ordinal 3, 5 default 3", "int 64 .. 256 default 64",
              "ordinal 32, 64 default 32"},
    .epoch = 4,
    .curves = true,
    .depends_on = "cpu (of some kind), data set 0123 (16×12×3, 7 classes, 500 + 100 + 50 images)",
    .value = of_network};

static void the_networks_table_costs_what_the_network_does(void **state)
{
  struct objective *o;
  struct experiment x;
  struct error e = {0};
  struct network_names names;
  double unit[SPACE_MAX], values[SPACE_MAX];
  int feasible = 0, infeasible = 0;
  (void)state;
  put_study("network.db", "network", &network, 60, 0);
  load_good(&o, &x, "network.db", NULL);
  assert_int_equal(x.groups.n, 3); /* the network's */
  assert_int_equal(x.groups.of[space_index(&x.space, "stride")], 1);
  assert_true(x.n_strategies == 1 && !strcmp(x.strategies[0], "grouped")); /* by these */
  ok(network_names_find(&names, &x.space, &e), &e);
  struct model_options model = {.filters = 8, .momentum = x.model.momentum};
  for (int i = 0; i < 100; i++) {
    struct objective_cost cost;
    struct network_config config;
    struct plan plan;
    fresh_point(&x, i, unit, values);
    values[4] = 1 + i % 5;
    network_config_from_values(&config, &names, &x.space, values, &model);
    plan_make(&plan, &config, 12, 16, 3, 7, 500, 100);
    ok(o->cost(o, values, &cost, &e), &e);
    assert_int_equal(cost.feasible, plan.feasible);
    assert_true(o->has_flops && cost.flops == plan.flops_total && cost.images == plan.images &&
                cost.steps == plan.steps);
    assert_int_equal(cost.epochs, 1 + i % 5);
    feasible += cost.feasible;
    infeasible += !cost.feasible;
    struct place *p;
    ok(o->open(o, &p, 0, 1, &e), &e);
    struct trial_spec spec = {.id = 1, .values = values};
    if (cost.feasible) {
      struct trial_event event;
      int n;
      ok(o->add(p, &spec, &e), &e);
      ok(o->advance(p, &event, 1, &n, NULL, &e), &e);
      assert_int_equal(event.images, 500);
    } else {
      assert_refused(o->add(p, &spec, &e), ERROR_FAILED, "infeasible");
    }
    o->close(p);
  }
  assert_true(feasible > 10 && infeasible > 10);
  unload(o, &x);
}

static void a_stop_is_heard_between_epochs(void **state)
{
  struct objective *o;
  struct experiment x;
  struct error e = {0};
  struct place *p;
  struct trial_event event;
  double values[SPACE_MAX];
  volatile int stop = 0;
  int n;
  (void)state;
  load_good(&o, &x, "usual.db", NULL);
  space_defaults(&x.space, values);
  ok(o->open(o, &p, 0, 1, &e), &e);
  ok(o->add(p, &(struct trial_spec){.id = 1, .values = values}, &e), &e);
  ok(o->advance(p, &event, 1, &n, &stop, &e), &e);
  assert_int_equal(event.epoch, 1);
  stop = 15;
  assert_int_equal(o->advance(p, &event, 1, &n, &stop, &e), ERROR_INTERRUPTED);
  assert_int_equal(n, 0);
  stop = 0;
  ok(o->advance(p, &event, 1, &n, &stop, &e), &e);
  assert_int_equal(event.epoch, 2);
  o->close(p);
  assert_int_equal(o->open(o, &p, 0, 2, &e), ERROR_FAILED); /* a place has one trial */
  unload(o, &x);
}

static void a_trial_that_pauses_goes_on_with_the_rest_of_its_curve(void **state)
{
  struct objective *o;
  struct experiment x;
  struct error e = {0};
  struct place *p;
  struct trial_event whole[EPOCHS], event;
  double values[SPACE_MAX];
  void *block;
  size_t bytes;
  int n;
  (void)state;
  load_good(&o, &x, "usual.db", NULL);
  space_defaults(&x.space, values);
  struct trial_spec spec = {.id = 1, .values = values};
  ok(o->open(o, &p, 0, 1, &e), &e);
  ok(o->add(p, &spec, &e), &e);
  for (int i = 0; i < EPOCHS; i++) ok(o->advance(p, &whole[i], 1, &n, NULL, &e), &e);
  o->remove(p, 1);
  ok(o->add(p, &spec, &e), &e);
  for (int i = 0; i < 2; i++) ok(o->advance(p, &event, 1, &n, NULL, &e), &e);
  ok(o->checkpoint(p, 1, &block, &bytes, &e), &e);
  o->remove(p, 1);
  assert_int_equal(o->checkpoint(p, 1, &(void *){NULL}, &(size_t){0}, &e), ERROR_FAILED);
  ok(o->restore(p, &spec, block, bytes, &e), &e);
  for (int i = 2; i < EPOCHS; i++) {
    ok(o->advance(p, &event, 1, &n, NULL, &e), &e);
    assert_int_equal(event.epoch, i + 1);
    assert_int_equal(event.kind, whole[i].kind);
    assert_true(event.value == whole[i].value);
  }
  o->remove(p, 1);
  assert_int_equal(o->restore(p, &spec, block, bytes - 1, &e), ERROR_FAILED);
  memset(block, 0x7f, bytes);
  assert_int_equal(o->restore(p, &spec, block, bytes, &e), ERROR_FAILED);
  free(block);
  o->close(p);
  unload(o, &x);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(predictions_are_near_the_planted_function),
      cmocka_unit_test(what_diverged_is_as_bad_as_the_worst),
      cmocka_unit_test(a_shorter_trial_is_the_beginning_of_a_longer_one),
      cmocka_unit_test(a_configuration_has_one_curve),
      cmocka_unit_test(the_defaults_are_those_of_the_study),
      cmocka_unit_test(smaller_is_better_where_the_study_says_so),
      cmocka_unit_test(without_curves_a_trial_has_one_value),
      cmocka_unit_test(pruned_trials_and_other_lengths_count_as_far_as_they_came),
      cmocka_unit_test(studies_of_one_space_count_together),
      cmocka_unit_test(quality_is_of_trials_held_out),
      cmocka_unit_test(what_cannot_be_predicted_is_refused_unless_forced),
      cmocka_unit_test(spaces_that_the_table_does_not_cover_are_refused),
      cmocka_unit_test(files_that_are_no_tables_are_refused_by_their_names),
      cmocka_unit_test(mutated_tables_never_crash),
      cmocka_unit_test(the_networks_table_costs_what_the_network_does),
      cmocka_unit_test(a_stop_is_heard_between_epochs),
      cmocka_unit_test(a_trial_that_pauses_goes_on_with_the_rest_of_its_curve),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
