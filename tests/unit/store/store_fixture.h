/* What the tests of the store share: a folder of their own, a search space with every type, trials
 * with random contents, and a second SQLite connection as the reader that we did not write. */
#ifndef GSOS_STORE_FIXTURE_H
#define GSOS_STORE_FIXTURE_H

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/base/rng.h"
#include "host/store/store.h"
#include "host/store/store_internal.h"

static char folder[1024], db_path[1100];
static struct space fixture_space;
static struct error err;

__attribute__((unused)) static void remove_all(const char *path)
{
  DIR *dir = opendir(path);
  for (struct dirent *d; dir && (d = readdir(dir));) {
    char inside[2048];
    if (!strcmp(d->d_name, ".") || !strcmp(d->d_name, "..")) continue;
    snprintf(inside, sizeof inside, "%s/%s", path, d->d_name);
    struct stat st;
    if (lstat(inside, &st) == 0 && S_ISDIR(st.st_mode))
      remove_all(inside);
    else
      unlink(inside);
  }
  if (dir) closedir(dir);
  rmdir(path);
}

static const struct {
  const char *name, *text;
} fixture_params[] = {
    {"lr", "float 1e-5 .. 1 log default 0.01"},
    {"dropout_rate", "float 0 .. 0.8 default 0.2"},
    {"num_conv_layers", "int 2 .. 4 default 3"},
    {"num_fc_units", "int 64 .. 256 log default 64"},
    {"stride", "ordinal 1, 2 default 1"},
    {"threshold", "ordinal 0.5, 1, 2.25 default 1"},
    {"optimizer", "categorical adam, sgd default adam"},
    {"padding", "categorical same, valid, überall default same"},
    {"momentum", "float 0.9 .. 0.9 default 0.9"},
    {"one", "int 7 .. 7 default 7"},
};

/* A folder and a space for each test. */
__attribute__((unused)) static int fixture_setup(void **state)
{
  (void)state;
  const char *tmp = getenv("TMPDIR");
  snprintf(folder, sizeof folder, "%s/gsos-store-XXXXXX", tmp && *tmp ? tmp : "/tmp");
  if (!mkdtemp(folder)) return -1;
  snprintf(db_path, sizeof db_path, "%s/study.db", folder);
  space_init(&fixture_space);
  for (size_t i = 0; i < sizeof fixture_params / sizeof *fixture_params; i++) {
    if (param_parse(&fixture_space.params[i], fixture_params[i].name, fixture_params[i].text, &err)) return -1;
    fixture_space.n++;
  }
  return 0;
}

__attribute__((unused)) static int fixture_teardown(void **state)
{
  (void)state;
  space_destroy(&fixture_space);
  remove_all(folder);
  return 0;
}

/* Fails with the store's message. */
#define assert_ok(call)                                                                                                \
  do {                                                                                                                 \
    err.message[0] = 0;                                                                                                \
    if ((call) != 0) fail_msg("%s: %s", #call, err.message);                                                           \
  } while (0)

#define assert_message(part)                                                                                           \
  do {                                                                                                                 \
    if (!strstr(err.message, part)) fail_msg("no '%s' in: %s", part, err.message);                                     \
  } while (0)

__attribute__((unused)) static struct store *open_store(void)
{
  struct store *s = NULL;
  assert_ok(store_open(&s, db_path, false, NULL, &err));
  return s;
}

__attribute__((unused)) static int make_study(struct store *s, const char *name)
{
  int id;
  bool created;
  assert_ok(store_study(s, name, true, &id, &created, &err));
  return id;
}

/* Trial `number` with random contents, a function of (seed, number) alone. */
__attribute__((unused)) static struct stored_trial random_trial(uint64_t seed, int number)
{
  struct rng r = rng_make(seed, (uint64_t)number);
  struct stored_trial t;
  memset(&t, 0, sizeof t);
  t.number = number;
  t.state = STORED_RUNNING;
  for (int i = 0; i < fixture_space.n; i++) {
    t.values[i] = param_from_unit(&fixture_space.params[i], rng_uniform(&r));
    t.free[i] = rng_below(&r, 2);
  }
  t.group = (int)rng_below(&r, 4) - 1;
  t.key = (uint64_t)rng_word(&r) << 32 | rng_word(&r);
  return t;
}

/* What the same trial ends with. */
__attribute__((unused)) static void random_end(uint64_t seed, struct stored_trial *t)
{
  struct rng r = rng_make(~seed, (uint64_t)t->number);
  t->value = rng_uniform(&r);
  t->loss = rng_uniform(&r) * 10;
  t->epochs = (int)rng_below(&r, 20) + 1;
  t->seconds = rng_uniform(&r) * 1e4;
  t->wall_s = rng_uniform(&r) * 1e-3;
  t->flops = floor(rng_uniform(&r) * 1e18);
  t->images = (int64_t)rng_word(&r) * 1000;
  t->state = STORED_COMPLETE;
  uint32_t kind = rng_below(&r, 8);
  if (kind == 0) {
    t->state = STORED_FAIL;
    t->value = t->loss = NAN;
    snprintf(t->reason, sizeof t->reason, "diverged: the loss is \"%s\" \\ after\tepoch %d — ü", "nan", t->epochs);
  } else if (kind == 1) {
    t->state = STORED_PRUNED;
  } else if (kind == 2) {
    t->value = rng_below(&r, 2) ? INFINITY : -INFINITY;
    t->loss = INFINITY;
  }
}

__attribute__((unused)) static bool same_number(double a, double b)
{
  return a == b || (isnan(a) && isnan(b));
}

__attribute__((unused)) static void assert_same_trial(const struct stored_trial *a, const struct stored_trial *b)
{
  assert_int_equal(a->number, b->number);
  assert_int_equal(a->state, b->state);
  for (int i = 0; i < fixture_space.n; i++) {
    assert_true(a->values[i] == b->values[i]);
    assert_int_equal(a->free[i], b->free[i]);
  }
  assert_true(same_number(a->value, b->value));
  assert_true(same_number(a->loss, b->loss));
  assert_int_equal(a->epochs, b->epochs);
  assert_int_equal(a->group, b->group);
  assert_true(a->key == b->key);
  assert_true(a->seconds == b->seconds && a->wall_s == b->wall_s && a->flops == b->flops);
  assert_true(a->images == b->images);
  assert_string_equal(a->reason, b->reason);
}

/* A connection of SQLite's own to the file. */
__attribute__((unused)) static sqlite3 *raw_open(void)
{
  sqlite3 *db;
  assert_int_equal(sqlite3_open(db_path, &db), SQLITE_OK);
  sqlite3_busy_timeout(db, 60000);
  return db;
}

__attribute__((unused)) static void raw_exec(const char *sql)
{
  sqlite3 *db = raw_open();
  char *message = NULL;
  if (sqlite3_exec(db, sql, NULL, NULL, &message)) fail_msg("%s: %s", sql, message);
  sqlite3_close(db);
}

/* All rows of a query as text: columns with '|', rows with '\n', NULL as "NULL". */
__attribute__((unused)) static const char *raw_query(const char *sql)
{
  static char out[16384];
  size_t used = 0;
  sqlite3 *db = raw_open();
  sqlite3_stmt *q;
  out[0] = 0;
  if (sqlite3_prepare_v2(db, sql, -1, &q, NULL)) fail_msg("%s: %s", sql, sqlite3_errmsg(db));
  while (sqlite3_step(q) == SQLITE_ROW) {
    for (int i = 0; i < sqlite3_column_count(q) && used < sizeof out; i++) {
      const char *text = (const char *)sqlite3_column_text(q, i);
      used += (size_t)snprintf(out + used, sizeof out - used, "%s%s", i ? "|" : used ? "\n" : "", text ? text : "NULL");
    }
  }
  sqlite3_finalize(q);
  sqlite3_close(db);
  return out;
}

__attribute__((unused)) static bool is_there(const char *suffix)
{
  char path[1200];
  struct stat st;
  snprintf(path, sizeof path, "%s%s", db_path, suffix);
  return stat(path, &st) == 0;
}

__attribute__((unused)) static void sleep_ms(int ms)
{
  struct timespec t = {ms / 1000, (long)(ms % 1000) * 1000000};
  while (nanosleep(&t, &t) && errno == EINTR) continue;
}

#endif
