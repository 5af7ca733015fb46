/* Study databases, opened for reading as `gsos show` does.
 *
 * The database is a sound one of two small studies, in which the input changes something; chance
 * alone makes no file that SQLite takes for a database.  Input: a byte, then
 *   0   changes of bytes: three bytes where, a byte what, again and again
 *   1   changes of cells: a byte which column, a byte which row, a byte which type, a byte how
 *       long, that many bytes
 *   2   the file as it is */
#include <fcntl.h>
#include <math.h>
#include <sqlite3.h>

#include "host/store/store.h"
#include "tests/fuzz/fuzz.h"

enum { SIZE_MAX_ = 1 << 20, CHANGES_MAX = 64 };

static uint8_t sound[SIZE_MAX_], changed[SIZE_MAX_];
static size_t sound_size;
static char database[1100];

static const struct {
  const char *name, *text;
} params[] = {{"lr", "float 1e-5 .. 1 log default 0.01"},
              {"layers", "int 2 .. 4 default 3"},
              {"stride", "ordinal 1, 2 default 1"},
              {"optimizer", "categorical adam, sgd default adam"}};

static void must(int code, const struct error *e)
{
  if (!code) return;
  fprintf(stderr, "%s\n", e->message);
  abort();
}

static void make_sound(void)
{
  struct error e = {0};
  struct store *s;
  struct space space;
  space_init(&space);
  for (size_t i = 0; i < sizeof params / sizeof *params; i++, space.n++)
    must(param_parse(&space.params[i], params[i].name, params[i].text, &e), &e);
  snprintf(database, sizeof database, "%s/study.db", fuzz_folder());
  must(store_open(&s, database, false, NULL, &e), &e);
  for (int study = 0; study < 2; study++) {
    int id;
    must(store_study(s, study ? "x/simultaneous/0" : "x/grouped/0", true, &id, NULL, &e), &e);
    must(store_study_attribute_set(s, id, "gsos:search", "{\"experiment.trials\": \"4\"}", &e), &e);
    for (int i = 0; i < 4; i++) {
      struct stored_trial t = {.number = i, .state = STORED_RUNNING, .group = i / 2, .key = 7};
      space_defaults(&space, t.values);
      t.free[0] = true;
      must(store_trial_start(s, id, &space, &t, &e), &e);
      for (int epoch = 1; epoch <= 2; epoch++) must(store_trial_epoch(s, id, i, epoch, 0.5, &e), &e);
      t.state = i == 1 ? STORED_FAIL : i == 2 ? STORED_PRUNED : STORED_COMPLETE;
      t.value = 0.5, t.loss = i == 3 ? (double)INFINITY : 1, t.epochs = 2, t.seconds = 1.5, t.images = 100;
      if (i == 1) snprintf(t.reason, sizeof t.reason, "diverged: epoch 2");
      must(store_trial_end(s, id, &t, &e), &e);
    }
  }
  store_close(s);
  space_destroy(&space);
  FILE *in = fopen(database, "rb");
  if (!in) abort();
  sound_size = fread(sound, 1, sizeof sound, in);
  fclose(in);
  if (!sound_size || sound_size == sizeof sound) abort();
}

static void change_cells(sqlite3 *db, struct input *in)
{
  static const char *const columns[][2] = {
      {"trial_params", "distribution_json"},
      {"trial_params", "param_value"},
      {"trial_params", "param_name"},
      {"trial_params", "trial_id"},
      {"trial_user_attributes", "value_json"},
      {"trial_user_attributes", "key"},
      {"trial_values", "value"},
      {"trial_values", "value_type"},
      {"trial_values", "objective"},
      {"trial_intermediate_values", "step"},
      {"trial_intermediate_values", "intermediate_value"},
      {"trial_intermediate_values", "intermediate_value_type"},
      {"trials", "number"},
      {"trials", "study_id"},
      {"trials", "state"},
      {"trials", "datetime_start"},
      {"studies", "study_name"},
      {"study_directions", "direction"},
      {"study_directions", "objective"},
      {"study_user_attributes", "value_json"},
      {"study_system_attributes", "value_json"},
      {"version_info", "schema_version"},
      {"alembic_version", "version_num"},
  };
  for (int i = 0; in->left && i < CHANGES_MAX; i++) {
    unsigned column = take_number(in, 1) % (sizeof columns / sizeof *columns), row = take_number(in, 1);
    unsigned type = take_number(in, 1);
    struct input value = take_bytes(in, take_number(in, 1));
    char sql[400];
    sqlite3_stmt *s;
    snprintf(sql, sizeof sql, "UPDATE %s SET %s = ? WHERE rowid = (SELECT rowid FROM %s LIMIT 1 OFFSET ?)",
             columns[column][0], columns[column][1], columns[column][0]);
    if (sqlite3_prepare_v2(db, sql, -1, &s, NULL)) abort();
    int64_t number = 0;
    if (value.left) memcpy(&number, value.bytes, value.left < 8 ? value.left : 8);
    if (type % 5 == 0) sqlite3_bind_text(s, 1, (const char *)value.bytes, (int)value.left, SQLITE_TRANSIENT);
    if (type % 5 == 1) sqlite3_bind_blob(s, 1, value.bytes, (int)value.left, SQLITE_TRANSIENT);
    if (type % 5 == 2) sqlite3_bind_int64(s, 1, number);
    if (type % 5 == 3) {
      double real;
      memcpy(&real, &number, sizeof real);
      sqlite3_bind_double(s, 1, real);
    }
    sqlite3_bind_int(s, 2, (int)row);
    sqlite3_step(s); /* a constraint may forbid it */
    sqlite3_finalize(s);
  }
}

/* The sound database with the input's changes: in `changed`; how many bytes. */
static size_t change(struct input *in)
{
  unsigned mode = take_number(in, 1) % 3;
  if (mode == 2) {
    size_t size = in->left < sizeof changed ? in->left : sizeof changed;
    if (size) memcpy(changed, in->bytes, size);
    return size;
  }
  memcpy(changed, sound, sound_size);
  for (int i = 0; mode == 0 && in->left && i < CHANGES_MAX; i++) {
    unsigned at = take_number(in, 3) % (unsigned)sound_size;
    changed[at] = (uint8_t)take_number(in, 1);
  }
  if (mode == 0) return sound_size;
  sqlite3 *db;
  sqlite3_int64 size = 0;
  changed[18] = changed[19] = 1; /* no WAL: a database in memory has none */
  if (sqlite3_open(":memory:", &db)) abort();
  sqlite3_deserialize(db, "main", changed, (sqlite3_int64)sound_size, (sqlite3_int64)sizeof changed, 0);
  change_cells(db, in);
  unsigned char *bytes = sqlite3_serialize(db, "main", &size, 0);
  if (bytes && size <= (sqlite3_int64)sizeof changed) memmove(changed, bytes, (size_t)size);
  sqlite3_free(bytes);
  sqlite3_close(db);
  return (size_t)size;
}

static int read_study(struct store *s, int index, struct error *e)
{
  int id, n = 0, n_epochs = 0;
  char name[600], *json = NULL;
  struct space space = {0};
  struct stored_trial *trials = NULL;
  double *values = NULL;
  int code = store_study_name(s, index, name, sizeof name, &id, NULL, e);
  if (!code) code = store_study_attribute_get(s, id, "gsos:search", &json, e);
  free(json);
  if (!code) code = store_trials(s, id, NULL, &space, &trials, &n, e);
  for (int i = 0; i < n && i < 8 && !code; i++) {
    code = store_epochs(s, id, trials[i].number, &values, &n_epochs, e);
    free(values);
    values = NULL;
  }
  free(trials);
  space_destroy(&space);
  return code;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  struct input in = {data, size};
  struct error e = {0};
  struct store *s = NULL;
  if (!sound_size) make_sound();
  size_t bytes = change(&in);
  int fd = open(database, O_WRONLY | O_TRUNC | O_CLOEXEC);
  if (fd < 0 || pwrite(fd, changed, bytes, 0) != (ssize_t)bytes) abort();
  close(fd);
  int n = 0;
  int code = store_open(&s, database, true, NULL, &e);
  if (!code) code = store_study_count(s, &n, &e);
  for (int i = 0; i < n && i < 8 && !code; i++) code = read_study(s, i, &e);
  if (code && !e.message[0]) abort();
  if (!code || s) store_close(s);
  return 0;
}
