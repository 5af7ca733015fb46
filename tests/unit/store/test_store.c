/* The study database: what is written is Optuna's schema, and comes back as it was.
 *
 * With arguments it is no test but a writer for tests/peers/test_optuna.sh:  test_store --write
 * STUDY.DB EXPECTED.JSON */
#include "tests/unit/store/store_fixture.h"

#include <cjson/cJSON.h>
#include <pthread.h>

/* --------------------------------------------------------------------------------------- schema */

/* Optuna's tables, one line each: `sqlite3 study.db .schema` with blanks squeezed, by table, a
 * table's index before it. */
static const char schema[] =
    "CREATE TABLE alembic_version ( version_num VARCHAR(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY "
    "(version_num) )\n"
    "CREATE UNIQUE INDEX ix_studies_study_name ON studies (study_name)\n"
    "CREATE TABLE studies ( study_id INTEGER NOT NULL, study_name VARCHAR(512) NOT NULL, PRIMARY KEY (study_id) )\n"
    "CREATE TABLE study_directions ( study_direction_id INTEGER NOT NULL, direction VARCHAR(8) NOT NULL, study_id "
    "INTEGER "
    "NOT NULL, objective INTEGER NOT NULL, PRIMARY KEY (study_direction_id), UNIQUE (study_id, objective), FOREIGN "
    "KEY(study_id) REFERENCES studies (study_id) )\n"
    "CREATE TABLE study_system_attributes ( study_system_attribute_id INTEGER NOT NULL, study_id INTEGER, \"key\" "
    "VARCHAR(512), value_json TEXT, PRIMARY KEY (study_system_attribute_id), UNIQUE (study_id, \"key\"), FOREIGN "
    "KEY(study_id) REFERENCES studies (study_id) )\n"
    "CREATE TABLE study_user_attributes ( study_user_attribute_id INTEGER NOT NULL, study_id INTEGER, \"key\" "
    "VARCHAR(512), "
    "value_json TEXT, PRIMARY KEY (study_user_attribute_id), UNIQUE (study_id, \"key\"), FOREIGN KEY(study_id) "
    "REFERENCES "
    "studies (study_id) )\n"
    "CREATE TABLE trial_heartbeats ( trial_heartbeat_id INTEGER NOT NULL, trial_id INTEGER NOT NULL, heartbeat "
    "DATETIME NOT "
    "NULL, PRIMARY KEY (trial_heartbeat_id), UNIQUE (trial_id), FOREIGN KEY(trial_id) REFERENCES trials (trial_id) )\n"
    "CREATE TABLE trial_intermediate_values ( trial_intermediate_value_id INTEGER NOT NULL, trial_id INTEGER NOT NULL, "
    "step "
    "INTEGER NOT NULL, intermediate_value FLOAT, intermediate_value_type VARCHAR(7) NOT NULL, PRIMARY KEY "
    "(trial_intermediate_value_id), UNIQUE (trial_id, step), FOREIGN KEY(trial_id) REFERENCES trials (trial_id) )\n"
    "CREATE TABLE trial_params ( param_id INTEGER NOT NULL, trial_id INTEGER, param_name VARCHAR(512), param_value "
    "FLOAT, "
    "distribution_json TEXT, PRIMARY KEY (param_id), UNIQUE (trial_id, param_name), FOREIGN KEY(trial_id) REFERENCES "
    "trials "
    "(trial_id) )\n"
    "CREATE TABLE trial_system_attributes ( trial_system_attribute_id INTEGER NOT NULL, trial_id INTEGER, \"key\" "
    "VARCHAR(512), value_json TEXT, PRIMARY KEY (trial_system_attribute_id), UNIQUE (trial_id, \"key\"), FOREIGN "
    "KEY(trial_id) REFERENCES trials (trial_id) )\n"
    "CREATE TABLE trial_user_attributes ( trial_user_attribute_id INTEGER NOT NULL, trial_id INTEGER, \"key\" "
    "VARCHAR(512), "
    "value_json TEXT, PRIMARY KEY (trial_user_attribute_id), UNIQUE (trial_id, \"key\"), FOREIGN KEY(trial_id) "
    "REFERENCES "
    "trials (trial_id) )\n"
    "CREATE TABLE trial_values ( trial_value_id INTEGER NOT NULL, trial_id INTEGER NOT NULL, objective INTEGER NOT "
    "NULL, "
    "value FLOAT, value_type VARCHAR(7) NOT NULL, PRIMARY KEY (trial_value_id), UNIQUE (trial_id, objective), FOREIGN "
    "KEY(trial_id) REFERENCES trials (trial_id) )\n"
    "CREATE INDEX ix_trials_study_id ON trials (study_id)\n"
    "CREATE TABLE trials ( trial_id INTEGER NOT NULL, number INTEGER, study_id INTEGER, state VARCHAR(8) NOT NULL, "
    "datetime_start DATETIME, datetime_complete DATETIME, PRIMARY KEY (trial_id), FOREIGN KEY(study_id) REFERENCES "
    "studies "
    "(study_id) )\n"
    "CREATE TABLE version_info ( version_info_id INTEGER NOT NULL, schema_version INTEGER, library_version "
    "VARCHAR(256), "
    "PRIMARY KEY (version_info_id), CHECK (version_info_id=1) )";

static void a_new_database_has_optunas_tables_and_version_rows(void **state)
{
  (void)state;
  store_close(open_store());
  const char *text = raw_query("SELECT replace(replace(replace(sql, char(10), ' '), char(9), ''), '  ', ' ') FROM "
                               "sqlite_master WHERE sql IS NOT NULL ORDER BY tbl_name, type");
  assert_string_equal(text, schema);
  assert_string_equal(raw_query("SELECT * FROM version_info"), "1|12|4.9.0");
  assert_string_equal(raw_query("SELECT * FROM alembic_version"), "v3.2.0.a");
  assert_string_equal(raw_query("PRAGMA journal_mode"), "wal");
  assert_string_equal(raw_query("PRAGMA integrity_check"), "ok");
}

static void opening_again_changes_nothing(void **state)
{
  (void)state;
  store_close(open_store());
  raw_exec("UPDATE version_info SET library_version = 'kept'");
  store_close(open_store());
  assert_string_equal(raw_query("SELECT library_version, (SELECT count(*) FROM alembic_version) FROM version_info"),
                      "kept|1");
}

/* A folder below the test's own whose path is longer than the 512 bytes that SQLite takes; db_path
 * is in it afterwards. */
static void go_deep(void)
{
  char part[171];
  memset(part, 'e', sizeof part - 1);
  part[sizeof part - 1] = 0;
  for (int i = 0; i < 3; i++) {
    size_t used = strlen(folder);
    snprintf(folder + used, sizeof folder - used, "/%s", part);
    assert_int_equal(mkdir(folder, 0777), 0);
  }
  snprintf(db_path, sizeof db_path, "%s/study.db", folder);
  assert_true(strlen(db_path) > 512);
}

static void write_and_read_deep(const char *path, enum store_journal journal, uint64_t seed)
{
  struct store *s;
  struct stored_trial t = random_trial(seed, 0), *trials;
  char *name = NULL;
  int n;
  assert_ok(store_open_writer(&s, path, journal, NULL, &err));
  assert_ok(store_own(s, false, &err));
  int study = make_study(s, "deep");
  t.number = 0;
  assert_ok(store_trial_start(s, study, &fixture_space, &t, &err));
  random_end(seed, &t);
  assert_ok(store_trial_end(s, study, &t, &err));
  struct store *shown; /* beside the writer */
  assert_ok(store_open(&shown, path, true, NULL, &err));
  assert_ok(store_trials(shown, study, &fixture_space, NULL, &trials, &n, &err));
  assert_int_equal(n, 1);
  assert_same_trial(&trials[0], &t);
  free(trials);
  store_close(shown);
  assert_ok(store_disown(s, &err));
  store_close(s);
  assert_ok(store_open(&shown, path, true, NULL, &err)); /* when nobody has it open */
  assert_ok(store_study_attribute_get(shown, study, "none", &name, &err));
  store_close(shown);
}

static void a_path_that_is_longer_than_sqlite_takes_is_taken(void **state)
{
  (void)state;
  char top[sizeof folder], here[1024];
  memcpy(top, folder, sizeof top);
  go_deep();
  write_and_read_deep(db_path, STORE_JOURNAL_WAL, 1);
  assert_true(is_there(""));
  assert_false(is_there("-wal") || is_there("-shm") || is_there("-journal") || is_there(".lock"));
  assert_int_equal(unlink(db_path), 0);
  write_and_read_deep(db_path, STORE_JOURNAL_DELETE, 2);
  /* Nor does it matter whether the length is in the path or in the folder that it starts from. */
  assert_non_null(getcwd(here, sizeof here));
  assert_int_equal(chdir(folder), 0);
  assert_int_equal(unlink("study.db"), 0);
  write_and_read_deep("study.db", STORE_JOURNAL_WAL, 3);
  assert_int_equal(chdir(here), 0);
  assert_true(is_there(""));
  /* A short name of the same file is the same database, and two runs are not let in by two
   * names. */
  char link[1100];
  struct store *s, *other;
  snprintf(link, sizeof link, "%s/link", top);
  assert_int_equal(symlink(folder, link), 0);
  strcat(link, "/study.db");
  assert_ok(store_open(&s, db_path, false, NULL, &err));
  assert_ok(store_own(s, false, &err));
  assert_ok(store_open(&other, link, false, NULL, &err));
  assert_int_equal(store_own(other, false, &err), ERROR_FAILED);
  assert_message("another gsos run works on this output");
  store_close(other);
  store_close(s);
  memcpy(folder, top, sizeof folder);
}

/* -------------------------------------------------------------------------------------- studies */

static void a_study_is_made_once_and_found_by_its_name(void **state)
{
  (void)state;
  int id[3], n;
  bool created, maximize;
  char name[64];
  struct store *s = open_store();
  assert_ok(store_study(s, "quick/grouped/0", true, &id[0], &created, &err));
  assert_true(created);
  assert_ok(store_study(s, "quick/simultaneous/0", false, &id[1], &created, &err));
  assert_true(created);
  assert_ok(store_study(s, "quick/grouped/0", true, &id[2], &created, &err));
  assert_false(created);
  assert_int_equal(id[0], 1);
  assert_int_equal(id[1], 2);
  assert_int_equal(id[2], 1);
  assert_ok(store_study_count(s, &n, &err));
  assert_int_equal(n, 2);
  assert_ok(store_study_name(s, 1, name, sizeof name, &id[2], &maximize, &err));
  assert_string_equal(name, "quick/simultaneous/0");
  assert_int_equal(id[2], 2);
  assert_false(maximize);
  assert_int_equal(store_study_name(s, 2, name, sizeof name, &id[2], &maximize, &err), ERROR_FAILED);
  raw_exec(
      "INSERT INTO studies VALUES (7, 'two'); INSERT INTO study_directions (direction, study_id, objective) VALUES "
      "('MINIMIZE', 7, 0), ('MAXIMIZE', 7, 1)");
  id[2] = 0;
  assert_int_equal(store_study_name(s, 2, name, sizeof name, &id[2], &maximize, &err), ERROR_FAILED);
  assert_message("2 objectives");
  assert_int_equal(id[2], 7);
  assert_string_equal(name, "two");
  assert_ok(store_study_name(s, 2, name, sizeof name, &id[2], NULL, &err));
  raw_exec("DELETE FROM study_directions WHERE study_id = 7; DELETE FROM studies WHERE study_id = 7");
  assert_string_equal(raw_query("SELECT direction, study_id, objective FROM study_directions"),
                      "MAXIMIZE|1|0\nMINIMIZE|2|0");
  store_close(s);
}

static void a_study_of_the_other_direction_is_refused(void **state)
{
  (void)state;
  int id;
  struct store *s = open_store();
  make_study(s, "a");
  assert_int_equal(store_study(s, "a", false, &id, NULL, &err), ERROR_FAILED);
  assert_message("maximizes");
  assert_int_equal(store_study(s, "", false, &id, NULL, &err), ERROR_CONFIG);
  assert_int_equal(store_study(s, "\xff", false, &id, NULL, &err), ERROR_CONFIG);
  store_close(s);
}

static void study_attributes_are_kept_and_must_be_json(void **state)
{
  (void)state;
  struct store *s = open_store();
  int study = make_study(s, "a");
  char *json;
  assert_ok(store_study_attribute_get(s, study, "gsos:ini", &json, &err));
  assert_null(json);
  assert_ok(store_study_attribute_set(s, study, "gsos:ini", "{\"a\": [1, null, \"\\u00fc\"]}", &err));
  assert_ok(store_study_attribute_set(s, study, "gsos:ini", "\"später\"", &err));
  assert_ok(store_study_attribute_get(s, study, "gsos:ini", &json, &err));
  assert_string_equal(json, "\"später\"");
  free(json);
  static const char *const broken[] = {"", "nonsense", "{\"a\": 1", "1 2", "\"\xff\""};
  for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
    assert_int_equal(store_study_attribute_set(s, study, "k", broken[i], &err), ERROR_FAILED);
    assert_message("not JSON");
  }
  assert_string_equal(raw_query("SELECT study_id, \"key\", value_json FROM study_user_attributes"),
                      "1|gsos:ini|\"später\"");
  store_close(s);
}

/* --------------------------------------------------------------------------------------- trials */

/* Writes n trials to `study`, every third still running, and returns them as they should come
 * back. */
static struct stored_trial *write_trials(struct store *s, int study, uint64_t seed, int n)
{
  struct stored_trial *all = calloc((size_t)n, sizeof *all);
  for (int i = 0; i < n; i++) {
    all[i] = random_trial(seed, i);
    assert_ok(store_trial_start(s, study, &fixture_space, &all[i], &err));
    all[i].value = NAN;
    if (i % 3 == 2) continue;
    random_end(seed, &all[i]);
    for (int k = 1; k <= all[i].epochs; k++) assert_ok(store_trial_epoch(s, study, i, k, k / 7.0, &err));
    assert_ok(store_trial_end(s, study, &all[i], &err));
    if (all[i].state == STORED_FAIL) all[i].value = NAN;
  }
  return all;
}

static void every_trial_comes_back_as_it_was_written(void **state)
{
  (void)state;
  enum { N = 60 };
  struct store *s = open_store();
  int study[2] = {make_study(s, "a"), make_study(s, "b")};
  struct stored_trial *written[2], *read;
  for (int k = 0; k < 2; k++) written[k] = write_trials(s, study[k], 7 + (uint64_t)k, N);
  for (int reopened = 0; reopened < 3; reopened++) {
    for (int k = 0; k < 2; k++) {
      int n, epochs;
      double *values;
      assert_ok(store_trials(s, study[k], &fixture_space, NULL, &read, &n, &err));
      assert_int_equal(n, N);
      for (int i = 0; i < N; i++) {
        assert_same_trial(&written[k][i], &read[i]);
        assert_ok(store_epochs(s, study[k], i, &values, &epochs, &err));
        assert_int_equal(epochs, read[i].epochs);
        for (int j = 0; j < epochs; j++) assert_true(values[j] == (j + 1) / 7.0);
        free(values);
      }
      free(read);
    }
    store_close(s);
    assert_ok(store_open(&s, db_path, reopened == 1, NULL, &err));
  }
  store_close(s);
  for (int k = 0; k < 2; k++) free(written[k]);
}

static void a_row_says_what_optuna_expects(void **state)
{
  (void)state;
  struct store *s = open_store();
  int study = make_study(s, "a");
  struct stored_trial t = {.number = 0, .group = 2, .key = 0xfedcba9876543210};
  space_defaults(&fixture_space, t.values);
  t.values[space_index(&fixture_space, "padding")] = 2;
  t.free[0] = t.free[3] = true;
  assert_ok(store_trial_start(s, study, &fixture_space, &t, &err));
  t.state = STORED_COMPLETE;
  t.value = 0.975;
  t.loss = 0.1;
  t.images = 12345678901;
  assert_ok(store_trial_end(s, study, &t, &err));
  store_close(s);
  assert_string_equal(raw_query("SELECT trial_id, number, study_id, state FROM trials"), "1|0|1|COMPLETE");
  assert_string_equal(raw_query("SELECT trial_id, objective, value, value_type FROM trial_values"), "1|0|0.975|FINITE");
  assert_string_equal(
      raw_query(
          "SELECT param_name, param_value, typeof(param_value), distribution_json FROM trial_params ORDER BY param_id"),
      "lr|0.01|real|{\"name\": \"FloatDistribution\", \"attributes\": {\"step\": null, \"low\": 1e-05, \"high\": 1.0, "
      "\"log\": "
      "true}}\n"
      "dropout_rate|0.2|real|{\"name\": \"FloatDistribution\", \"attributes\": {\"step\": null, \"low\": 0.0, "
      "\"high\": 0.8, "
      "\"log\": false}}\n"
      "num_conv_layers|3.0|real|{\"name\": \"IntDistribution\", \"attributes\": {\"step\": 1, \"low\": 2, \"high\": 4, "
      "\"log\": "
      "false}}\n"
      "num_fc_units|64.0|real|{\"name\": \"IntDistribution\", \"attributes\": {\"step\": 1, \"low\": 64, \"high\": "
      "256, "
      "\"log\": true}}\n"
      "stride|0.0|real|{\"name\": \"CategoricalDistribution\", \"attributes\": {\"choices\": [1, 2]}}\n"
      "threshold|1.0|real|{\"name\": \"CategoricalDistribution\", \"attributes\": {\"choices\": [0.5, 1, 2.25]}}\n"
      "optimizer|0.0|real|{\"name\": \"CategoricalDistribution\", \"attributes\": {\"choices\": [\"adam\", \"sgd\"]}}\n"
      "padding|2.0|real|{\"name\": \"CategoricalDistribution\", \"attributes\": {\"choices\": [\"same\", \"valid\", "
      "\"überall\"]}}\n"
      "momentum|0.9|real|{\"name\": \"FloatDistribution\", \"attributes\": {\"step\": null, \"low\": 0.9, \"high\": "
      "0.9, "
      "\"log\": false}}\n"
      "one|7.0|real|{\"name\": \"IntDistribution\", \"attributes\": {\"step\": 1, \"low\": 7, \"high\": 7, \"log\": "
      "false}}");
  assert_string_equal(
      raw_query("SELECT \"key\", value_json FROM trial_user_attributes ORDER BY \"key\""),
      "gsos:epochs|0\ngsos:flops|0\ngsos:free|[\"lr\", \"num_fc_units\"]\ngsos:group|2\n"
      "gsos:images|12345678901\ngsos:key|\"fedcba9876543210\"\ngsos:loss|0.1\ngsos:seconds|0\ngsos:wall_s|0");
}

static void infinities_and_nan_are_typed(void **state)
{
  (void)state;
  struct store *s = open_store();
  int study = make_study(s, "a");
  const double values[] = {INFINITY, -INFINITY, NAN};
  for (int i = 0; i < 3; i++) {
    struct stored_trial t = random_trial(1, i);
    assert_ok(store_trial_start(s, study, &fixture_space, &t, &err));
    assert_ok(store_trial_epoch(s, study, i, 1, values[i], &err));
    t.value = t.loss = values[i];
    t.state = STORED_COMPLETE;
    if (i == 2) {
      assert_int_equal(store_trial_end(s, study, &t, &err), ERROR_FAILED);
      assert_message("no number");
      t.state = STORED_PRUNED;
    }
    assert_ok(store_trial_end(s, study, &t, &err));
  }
  assert_string_equal(raw_query("SELECT trial_id, value, value_type FROM trial_values ORDER BY 1"),
                      "1|NULL|INF_POS\n2|NULL|INF_NEG");
  assert_string_equal(raw_query("SELECT trial_id, intermediate_value, intermediate_value_type FROM "
                                "trial_intermediate_values ORDER BY 1"),
                      "1|NULL|INF_POS\n2|NULL|INF_NEG\n3|NULL|NAN");
  assert_string_equal(
      raw_query("SELECT value_json FROM trial_user_attributes WHERE \"key\" = 'gsos:loss' ORDER BY trial_id"),
      "1e999\n-1e999\nnull");
  struct stored_trial *read;
  int n;
  assert_ok(store_trials(s, study, &fixture_space, NULL, &read, &n, &err));
  for (int i = 0; i < 3; i++) {
    double *epochs;
    assert_true(same_number(read[i].value, values[i]) && same_number(read[i].loss, values[i]));
    assert_ok(store_epochs(s, study, i, &epochs, &n, &err));
    assert_true(n == 1 && same_number(epochs[0], values[i]));
    free(epochs);
  }
  free(read);
  store_close(s);
}

static void times_are_naive_utc(void **state)
{
  (void)state;
  setenv("TZ", "Pacific/Kiritimati", 1); /* 14 hours from UTC */
  tzset();
  struct store *s = open_store();
  int study = make_study(s, "a");
  struct stored_trial t = random_trial(1, 0);
  time_t before = time(NULL);
  assert_ok(store_trial_start(s, study, &fixture_space, &t, &err));
  t.state = STORED_FAIL;
  assert_ok(store_trial_end(s, study, &t, &err));
  store_close(s);
  unsetenv("TZ");
  tzset();
  char start[64], end[64];
  snprintf(start, sizeof start, "%s", raw_query("SELECT datetime_start FROM trials"));
  snprintf(end, sizeof end, "%s", raw_query("SELECT datetime_complete FROM trials"));
  assert_int_equal(strlen(start), 26);
  assert_true(start[10] == ' ' && start[19] == '.');
  assert_true(strcmp(start, end) <= 0);
  assert_true(fabs(store_time_parse(start) - (double)before) < 5);
  char sql[200]; /* SQLite reads them as UTC too */
  snprintf(sql, sizeof sql, "SELECT abs(strftime('%%s', datetime_start) - %lld) < 5 FROM trials", (long long)before);
  assert_string_equal(raw_query(sql), "1");
}

static void a_reason_that_is_not_utf8_stays_readable(void **state)
{
  (void)state;
  struct store *s = open_store();
  int study = make_study(s, "a"), n;
  struct stored_trial t = random_trial(1, 0), *read;
  assert_ok(store_trial_start(s, study, &fixture_space, &t, &err));
  t.state = STORED_FAIL;
  strcpy(t.reason, "cut \xc3");
  assert_ok(store_trial_end(s, study, &t, &err));
  assert_ok(store_trials(s, study, &fixture_space, NULL, &read, &n, &err));
  assert_string_equal(read[0].reason, "cut \xef\xbf\xbd");
  free(read);
  store_close(s);
}

/* --------------------------------------------------------------------------- order and restarts */

static void numbers_are_contiguous(void **state)
{
  (void)state;
  struct store *s = open_store();
  int a = make_study(s, "a"), b = make_study(s, "b");
  for (int i = 0; i < 6; i++) {
    struct stored_trial t = random_trial(1, i), skip = random_trial(1, i + 1), negative = random_trial(1, -1);
    assert_int_equal(store_trial_start(s, a, &fixture_space, &skip, &err), ERROR_FAILED);
    assert_message("cannot start: the next is");
    assert_int_equal(store_trial_start(s, a, &fixture_space, &negative, &err), ERROR_FAILED);
    assert_ok(store_trial_start(s, a, &fixture_space, &t, &err));
    assert_ok(store_trial_start(s, b, &fixture_space, &t, &err));
  }
  assert_string_equal(raw_query("SELECT trial_id, study_id, number FROM trials ORDER BY trial_id LIMIT 6"),
                      "1|1|0\n2|2|0\n3|1|1\n4|2|1\n5|1|2\n6|2|2");
  /* What Optuna counts. */
  assert_string_equal(raw_query("SELECT count(*) FROM trials t WHERE number <> (SELECT count(*) FROM trials u WHERE "
                                "u.study_id = t.study_id AND u.trial_id < t.trial_id)"),
                      "0");
  store_close(s);
}

static void a_trial_that_another_program_added_is_found_out(void **state)
{
  (void)state;
  struct store *s = open_store();
  int study = make_study(s, "a");
  struct stored_trial t = random_trial(1, 0);
  assert_ok(store_trial_start(s, study, &fixture_space, &t, &err));
  raw_exec("INSERT INTO trials (number, study_id, state) VALUES (1, 1, 'RUNNING')");
  t.number = 1;
  assert_int_equal(store_trial_start(s, study, &fixture_space, &t, &err), ERROR_FAILED);
  assert_message("another program");
  store_close(s);
  raw_exec("UPDATE trials SET number = 5 WHERE number = 1");
  s = open_store();
  assert_int_equal(store_trial_start(s, study, &fixture_space, &t, &err), ERROR_FAILED);
  assert_message("not numbered");
  store_close(s);
}

static void a_trial_that_runs_again_keeps_its_id_and_nothing_else(void **state)
{
  (void)state;
  struct store *s = open_store();
  int study = make_study(s, "a"), n, epochs;
  for (int i = 0; i < 3; i++) {
    struct stored_trial t = random_trial(1, i);
    assert_ok(store_trial_start(s, study, &fixture_space, &t, &err));
    for (int k = 1; k <= 5; k++) assert_ok(store_trial_epoch(s, study, i, k, 0.5, &err));
  }
  store_close(s); /* as if it had died: 0, 1 and 2 are RUNNING */
  raw_exec("INSERT INTO trial_user_attributes (trial_id, \"key\", value_json) VALUES (2, 'other', '1');"
           "INSERT INTO trial_system_attributes (trial_id, \"key\", value_json) VALUES (2, 'fixed_params', '{}');"
           "INSERT INTO trial_heartbeats (trial_id, heartbeat) VALUES (2, '2026-01-01 00:00:00');"
           "UPDATE trials SET state = 'WAITING' WHERE trial_id = 3");
  s = open_store();
  struct stored_trial again[3], *read;
  for (int i = 1; i < 3; i++) {
    again[i] = random_trial(99, i);
    assert_ok(store_trial_start(s, study, &fixture_space, &again[i], &err));
  }
  assert_ok(store_trial_epoch(s, study, 1, 1, 0.25, &err));
  random_end(99, &again[1]);
  assert_ok(store_trial_end(s, study, &again[1], &err));
  assert_string_equal(raw_query("SELECT trial_id, number FROM trials"), "1|0\n2|1\n3|2");
  assert_string_equal(
      raw_query("SELECT trial_id, step, intermediate_value FROM trial_intermediate_values WHERE trial_id > 1"),
      "2|1|0.25");
  assert_string_equal(raw_query("SELECT count(*) FROM trial_user_attributes WHERE trial_id = 2 AND \"key\" = 'other'"),
                      "0");
  assert_string_equal(raw_query("SELECT (SELECT count(*) FROM trial_system_attributes), (SELECT count(*) FROM "
                                "trial_heartbeats)"),
                      "0|0");
  assert_ok(store_trials(s, study, &fixture_space, NULL, &read, &n, &err));
  assert_int_equal(n, 3);
  again[2].value = NAN;
  if (again[1].state == STORED_FAIL) again[1].value = NAN;
  assert_same_trial(&again[1], &read[1]);
  assert_same_trial(&again[2], &read[2]);
  free(read);
  double *values;
  assert_ok(store_epochs(s, study, 2, &values, &epochs, &err));
  assert_int_equal(epochs, 0);
  free(values);
  store_close(s);
}

static void pending_epochs_of_an_attempt_die_with_it(void **state)
{
  (void)state;
  struct store *s = open_store();
  int study = make_study(s, "a");
  struct stored_trial t = random_trial(1, 0);
  assert_ok(store_trial_start(s, study, &fixture_space, &t, &err));
  for (int k = 1; k <= 3; k++) assert_ok(store_trial_epoch(s, study, 0, k, 0.5, &err));
  assert_ok(store_trial_start(s, study, &fixture_space, &t, &err));
  assert_ok(store_flush(s, &err));
  assert_string_equal(raw_query("SELECT count(*) FROM trial_intermediate_values"), "0");
  store_close(s);
}

/* Whoever looks at it between sees a pruned one, with the value that it paused at; another process
 * may go on with it. */
static void a_trial_that_has_paused_ends_again_with_all_its_epochs(void **state)
{
  (void)state;
  struct store *s = open_store();
  int study = make_study(s, "a"), n;
  struct stored_trial t = random_trial(1, 0), *read;
  double *epochs;
  assert_ok(store_trial_start(s, study, &fixture_space, &t, &err));
  t.state = STORED_COMPLETE;
  assert_int_equal(store_trial_end_again(s, study, &t, &err), ERROR_FAILED);
  assert_message("has not paused");
  for (int pause = 1; pause <= 2; pause++) {
    assert_ok(store_trial_epoch(s, study, 0, pause, 0.25 * pause, &err));
    t.state = STORED_PRUNED;
    t.epochs = pause;
    t.value = 0.25 * pause;
    assert_ok((pause == 1 ? store_trial_end : store_trial_end_again)(s, study, &t, &err));
    store_close(s);
    s = open_store();
    assert_ok(store_trials(s, study, &fixture_space, NULL, &read, &n, &err));
    assert_int_equal(read[0].state, STORED_PRUNED);
    assert_int_equal(read[0].epochs, pause);
    assert_true(read[0].value == 0.25 * pause);
    free(read);
  }
  for (int epoch = 1; epoch <= 3; epoch++) assert_ok(store_trial_epoch(s, study, 0, epoch, 0.25 * epoch, &err));
  t.state = STORED_COMPLETE;
  t.epochs = 3;
  t.value = 0.75;
  assert_ok(store_trial_end_again(s, study, &t, &err));
  assert_string_equal(raw_query("SELECT state || ' ' || (SELECT group_concat(value) FROM trial_values) FROM trials"),
                      "COMPLETE 0.75");
  assert_ok(store_epochs(s, study, 0, &epochs, &n, &err));
  assert_int_equal(n, 3);
  for (int i = 0; i < 3; i++) assert_true(epochs[i] == 0.25 * (i + 1));
  free(epochs);
  assert_int_equal(store_trial_end_again(s, study, &t, &err), ERROR_FAILED);
  store_close(s);
}

static void a_trial_that_has_ended_is_neither_started_nor_ended_again(void **state)
{
  (void)state;
  struct store *s = open_store();
  int study = make_study(s, "a");
  struct stored_trial t = random_trial(1, 0);
  t.state = STORED_COMPLETE;
  assert_int_equal(store_trial_end(s, study, &t, &err), ERROR_FAILED);
  assert_message("no trial 0");
  assert_ok(store_trial_start(s, study, &fixture_space, &t, &err));
  t.state = STORED_RUNNING;
  assert_int_equal(store_trial_end(s, study, &t, &err), ERROR_FAILED);
  t.state = STORED_COMPLETE;
  assert_ok(store_trial_end(s, study, &t, &err));
  assert_int_equal(store_trial_end(s, study, &t, &err), ERROR_FAILED);
  assert_message("not running");
  assert_int_equal(store_trial_start(s, study, &fixture_space, &t, &err), ERROR_FAILED);
  assert_message("has ended");
  assert_string_equal(raw_query("SELECT count(*), (SELECT count(*) FROM trial_values) FROM trials"), "1|1");
  store_close(s);
}

static void failed_trials_wait_to_run_again_with_their_configurations(void **state)
{
  (void)state;
  struct store *s = open_store();
  int study = make_study(s, "a"), other = make_study(s, "b"), n;
  struct stored_trial t[4], *read;
  struct store_ended ended;
  assert_ok(store_study_ended(s, study, &ended, &err));
  assert_true(ended.ended == 0 && ended.failed == 0 && isnan(ended.last_s));
  for (int i = 0; i < 4; i++) {
    t[i] = random_trial(3, i);
    assert_ok(store_trial_start(s, study, &fixture_space, &t[i], &err));
    assert_ok(store_trial_epoch(s, study, i, 1, 0.5, &err));
    random_end(3, &t[i]);
    t[i].state = i % 2 ? STORED_FAIL : STORED_COMPLETE;
    t[i].value = i % 2 ? NAN : 0.5;
    snprintf(t[i].reason, sizeof t[i].reason, i % 2 ? "broken" : "");
    if (i < 3) assert_ok(store_trial_end(s, study, &t[i], &err)); /* the last one runs */
  }
  struct stored_trial failed = random_trial(4, 0);
  assert_ok(store_trial_start(s, other, &fixture_space, &failed, &err));
  failed.state = STORED_FAIL;
  assert_ok(store_trial_end(s, other, &failed, &err));
  assert_ok(store_study_ended(s, study, &ended, &err));
  assert_true(ended.ended == 3 && ended.failed == 1 && fabs(ended.last_s - (double)time(NULL)) < 60);
  assert_ok(store_trials_retry(s, study, &n, &err));
  assert_int_equal(n, 1);
  assert_string_equal(raw_query("SELECT study_id, number, state FROM trials WHERE state IN ('WAITING', 'FAIL')"),
                      "1|1|WAITING\n2|0|FAIL");
  assert_string_equal(raw_query("SELECT datetime_start, datetime_complete FROM trials WHERE state = 'WAITING'"),
                      "NULL|NULL");
  assert_string_equal(
      raw_query("SELECT group_concat(\"key\") FROM (SELECT \"key\" FROM trial_user_attributes JOIN trials "
                "USING (trial_id) WHERE state = 'WAITING' ORDER BY \"key\")"),
      "gsos:free,gsos:group,gsos:key");
  assert_string_equal(
      raw_query("SELECT group_concat(number) FROM trial_intermediate_values JOIN trials USING (trial_id)"), "0,2,3");
  assert_ok(store_trials(s, study, &fixture_space, NULL, &read, &n, &err));
  struct stored_trial again = random_trial(3, 1);
  again.state = STORED_WAITING;
  again.value = NAN;
  assert_same_trial(&read[1], &again);
  assert_same_trial(&read[0], &t[0]);
  free(read);
  again.state = STORED_RUNNING;
  assert_ok(store_trial_start(s, study, &fixture_space, &again, &err));
  again.state = STORED_COMPLETE;
  again.value = 0.75;
  assert_ok(store_trial_end(s, study, &again, &err));
  assert_ok(store_trials_retry(s, study, &n, &err));
  assert_int_equal(n, 0);
  store_close(s);
}

static void a_value_outside_the_space_is_not_written(void **state)
{
  (void)state;
  struct store *s = open_store();
  int study = make_study(s, "a");
  struct {
    const char *name;
    double value;
  } wrong[] = {{"lr", 2}, {"lr", NAN}, {"num_conv_layers", 2.5}, {"stride", 2}, {"optimizer", -1}, {"momentum", 0.8}};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    struct stored_trial t = random_trial(1, 0);
    t.values[space_index(&fixture_space, wrong[i].name)] = wrong[i].value;
    assert_int_equal(store_trial_start(s, study, &fixture_space, &t, &err), ERROR_FAILED);
    assert_message(wrong[i].name);
  }
  assert_string_equal(raw_query("SELECT count(*) FROM trials"), "0");
  store_close(s);
}

/* --------------------------------------------------------------------------------------- epochs */

/* So many epochs are committed, if no second has gone by since. */
static void assert_committed(const char *n, int64_t since_ms)
{
  const char *committed = raw_query("SELECT count(*) FROM trial_intermediate_values");
  if (store_monotonic_ms() - since_ms < 1000) assert_string_equal(committed, n);
}

static void epochs_are_committed_at_most_once_a_second(void **state)
{
  (void)state;
  struct store *s = open_store();
  int study = make_study(s, "a"), n;
  struct stored_trial t = random_trial(1, 0);
  double *values;
  int64_t begin = store_monotonic_ms();
  assert_ok(store_trial_start(s, study, &fixture_space, &t, &err));
  assert_ok(store_trial_epoch(s, study, 0, 1, 0.1, &err));
  assert_ok(store_trial_epoch(s, study, 0, 2, 0.2, &err));
  assert_committed("0", begin);
  assert_ok(store_epochs(s, study, 0, &values, &n, &err)); /* but our own reader knows them */
  assert_true(n == 2 && values[1] == 0.2);
  free(values);
  sleep_ms(1050);
  begin = store_monotonic_ms();
  assert_ok(store_trial_epoch(s, study, 0, 4, 0.4, &err));
  assert_string_equal(raw_query("SELECT step, intermediate_value FROM trial_intermediate_values ORDER BY step"),
                      "1|0.1\n2|0.2\n4|0.4");
  assert_ok(store_trial_epoch(s, study, 0, 5, 0.5, &err));
  assert_committed("3", begin);
  assert_ok(store_flush(s, &err));
  assert_string_equal(raw_query("SELECT count(*) FROM trial_intermediate_values"), "4");
  assert_ok(store_epochs(s, study, 0, &values, &n, &err));
  assert_true(n == 5 && isnan(values[2]) && values[4] == 0.5);
  free(values);
  assert_ok(store_trial_epoch(s, study, 0, 6, 0.6, &err));
  t.state = STORED_PRUNED;
  assert_ok(store_trial_end(s, study, &t, &err));
  assert_string_equal(raw_query("SELECT count(*) FROM trial_intermediate_values"), "5");
  assert_int_equal(store_trial_epoch(s, study, 1, 1, 0.6, &err), ERROR_FAILED);
  assert_message("not been started");
  assert_int_equal(store_trial_epoch(s, study, 0, 0, 0.6, &err), ERROR_FAILED);
  store_close(s);
}

static void closing_commits_pending_epochs(void **state)
{
  (void)state;
  struct store *s = open_store();
  int study = make_study(s, "a");
  struct stored_trial t = random_trial(1, 0);
  assert_ok(store_trial_start(s, study, &fixture_space, &t, &err));
  assert_ok(store_trial_epoch(s, study, 0, 1, 0.1, &err));
  store_close(s);
  assert_string_equal(raw_query("SELECT step, intermediate_value FROM trial_intermediate_values"), "1|0.1");
}

/* --------------------------------------------------------------------------------------- spaces */

static void the_space_is_recovered_from_the_distributions(void **state)
{
  (void)state;
  struct store *s = open_store();
  int study = make_study(s, "a"), n;
  struct stored_trial *written = write_trials(s, study, 3, 9), *read;
  struct space found;
  assert_ok(store_trials(s, study, NULL, &found, &read, &n, &err));
  assert_int_equal(n, 9);
  assert_int_equal(found.n, fixture_space.n);
  for (int i = 0; i < found.n; i++) {
    const struct param *a = &found.params[i], *b = &fixture_space.params[i];
    char text[2][200];
    assert_string_equal(a->name, b->name);
    assert_int_equal(a->type, b->type);
    assert_int_equal(a->log, b->log);
    assert_true(a->low == b->low && a->high == b->high);
    for (double v = b->low; b->n_choices && v <= b->high; v++) {
      param_value_format(a, v, text[0], sizeof text[0]);
      param_value_format(b, v, text[1], sizeof text[1]);
      assert_string_equal(text[0], text[1]);
    }
  }
  for (int i = 0; i < n; i++) assert_same_trial(&written[i], &read[i]);
  free(read);
  free(written);
  space_destroy(&found);
  store_close(s);
}

static void a_database_that_optuna_made_can_be_shown(void **state)
{
  (void)state;
  store_close(open_store());
  raw_exec(
      "INSERT INTO studies VALUES (1, 'theirs');"
      "INSERT INTO study_directions (direction, study_id, objective) VALUES ('MINIMIZE', 1, 0);"
      "INSERT INTO trials VALUES (1, 0, 1, 'COMPLETE', '2026-01-01 00:00:00.5', '2026-01-01 00:00:01'), (2, 1, 1, "
      "'FAIL', "
      "NULL, NULL), (3, 2, 1, 'WAITING', NULL, NULL), (4, 3, 1, 'COMPLETE', NULL, NULL);"
      "INSERT INTO trial_values (trial_id, objective, value, value_type) VALUES (1, 0, 2.5, 'FINITE'), (4, 0, NULL, "
      "'INF_NEG');"
      "INSERT INTO trial_params (trial_id, param_name, param_value, distribution_json) VALUES "
      "(1, 'z', 0.5, '{\"name\": \"UniformDistribution\", \"attributes\": {\"low\": 0.0, \"high\": 1.0}}'),"
      "(1, 'a', 1, '{\"name\": \"CategoricalDistribution\", \"attributes\": {\"choices\": [\"x\", null, true, 3]}}'),"
      "(1, 'steps', 4, '{\"type\": \"int\", \"low\": 2, \"high\": 8, \"step\": 2, \"log\": false}'),"
      "(2, 'z', 1.5, '{\"name\": \"UniformDistribution\", \"attributes\": {\"low\": 1.0, \"high\": 2.0}}'),"
      "(4, 'late', 1e-3, '{\"name\": \"LogUniformDistribution\", \"attributes\": {\"low\": 1e-4, \"high\": 1.0}}');"
      "INSERT INTO trial_intermediate_values (trial_id, step, intermediate_value, intermediate_value_type) VALUES (1, "
      "0, 9, "
      "'FINITE'), (1, 2, 8, 'FINITE')");
  struct store *s;
  struct space found;
  struct stored_trial *read;
  int n, epochs, id;
  bool maximize;
  char name[64], text[64];
  double *values;
  assert_ok(store_open(&s, db_path, true, NULL, &err));
  assert_ok(store_study_name(s, 0, name, sizeof name, &id, &maximize, &err));
  assert_false(maximize);
  assert_ok(store_trials(s, id, NULL, &found, &read, &n, &err));
  assert_int_equal(n, 4);
  assert_int_equal(found.n, 4);
  assert_string_equal(found.params[0].name, "z");
  assert_true(found.params[0].low == 0 && found.params[0].high == 2);
  param_value_format(&found.params[1], read[0].values[1], text, sizeof text);
  assert_string_equal(text, "null");
  assert_true(found.params[3].log && found.params[3].type == PARAM_FLOAT);
  assert_true(read[0].value == 2.5 && read[3].value == -INFINITY && isnan(read[1].value));
  assert_true(isnan(read[2].values[0]) && isnan(read[0].values[3]) && read[3].values[3] == 1e-3);
  assert_int_equal(read[2].state, STORED_WAITING);
  assert_int_equal(read[0].group, -1);
  assert_ok(store_epochs(s, id, 0, &values, &epochs, &err));
  assert_true(epochs == 2 && isnan(values[0]) && values[1] == 8);
  free(values);
  free(read);
  space_destroy(&found);
  assert_int_equal(store_trials(s, id, &fixture_space, NULL, &read, &n, &err), ERROR_FAILED);
  assert_message("'a', which the search space lacks");
  assert_int_equal(store_trial_start(s, id, &fixture_space, &(struct stored_trial){.number = 4}, &err), ERROR_FAILED);
  store_close(s);
}

static void changed_choices_are_refused(void **state)
{
  (void)state;
  struct store *s = open_store();
  int study = make_study(s, "a"), n;
  struct stored_trial *written = write_trials(s, study, 3, 3), *read;
  free(written);
  struct param *optimizer = &fixture_space.params[space_index(&fixture_space, "optimizer")];
  strcpy(optimizer->labels[1], "rmsprop");
  assert_int_equal(store_trials(s, study, &fixture_space, NULL, &read, &n, &err), ERROR_FAILED);
  assert_message("'optimizer' is stored with another type or other choices");
  assert_null(read);
  strcpy(optimizer->labels[1], "sgd");
  fixture_space.params[0].high = 1e-5; /* a range may change, a value outside of it may not be */
  assert_int_equal(store_trials(s, study, &fixture_space, NULL, &read, &n, &err), ERROR_FAILED);
  assert_message("for 'lr', which the search space does not allow");
  fixture_space.params[0].high = 10;
  assert_ok(store_trials(s, study, &fixture_space, NULL, &read, &n, &err));
  free(read);
  fixture_space.n--;
  assert_int_equal(store_trials(s, study, &fixture_space, NULL, &read, &n, &err), ERROR_FAILED);
  assert_message("'one', which the search space lacks");
  fixture_space.n++;
  raw_exec("DELETE FROM trial_params WHERE trial_id = 2 AND param_name = 'stride'");
  assert_int_equal(store_trials(s, study, &fixture_space, NULL, &read, &n, &err), ERROR_FAILED);
  assert_message("trial 1 lacks");
  store_close(s);
}

/* -------------------------------------------------------------------------------------- threads */

struct worker {
  struct store *s;
  int study;
  uint64_t seed;
  int failed;
};

static void *work(void *context)
{
  struct worker *w = context;
  struct error e = {0, ""};
  for (int i = 0; i < 25 && !w->failed; i++) {
    struct stored_trial t = random_trial(w->seed, i), *read;
    int n;
    w->failed |= store_trial_start(w->s, w->study, &fixture_space, &t, &e);
    random_end(w->seed, &t);
    for (int k = 1; k <= t.epochs; k++) w->failed |= store_trial_epoch(w->s, w->study, i, k, 0.5, &e);
    w->failed |= store_trial_end(w->s, w->study, &t, &e);
    if (i % 8) continue;
    w->failed |= store_trials(w->s, w->study, &fixture_space, NULL, &read, &n, &e);
    w->failed |= n != i + 1;
    free(read);
    w->failed |= store_waiting_s(w->s) < 0;
  }
  if (w->failed) fprintf(stderr, "%s\n", e.message);
  return NULL;
}

static void many_threads_write_at_once(void **state)
{
  (void)state;
  enum { THREADS = 8 };
  struct store *s = open_store();
  pthread_t threads[THREADS];
  struct worker workers[THREADS];
  for (int i = 0; i < THREADS; i++) {
    char name[16];
    snprintf(name, sizeof name, "s%d", i);
    workers[i] = (struct worker){s, make_study(s, name), 100 + (uint64_t)i, 0};
  }
  for (int i = 0; i < THREADS; i++) assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
  for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
  for (int i = 0; i < THREADS; i++) {
    struct stored_trial *read;
    int n;
    assert_int_equal(workers[i].failed, 0);
    assert_ok(store_trials(s, workers[i].study, &fixture_space, NULL, &read, &n, &err));
    assert_int_equal(n, 25);
    for (int k = 0; k < n; k++) {
      struct stored_trial t = random_trial(workers[i].seed, k);
      random_end(workers[i].seed, &t);
      if (t.state == STORED_FAIL) t.value = NAN;
      assert_same_trial(&t, &read[k]);
    }
    free(read);
  }
  store_close(s);
  assert_string_equal(raw_query("PRAGMA integrity_check"), "ok");
}

/* ---------------------------------------------------------------------------- for other readers */

/* What Optuna should find: the trials as they were written, not as we read them. */
static void add_number(cJSON *to, const char *key, double value)
{
  char text[40]; /* cJSON itself prints 15 digits where they are close enough for it */
  number_format(value, text, sizeof text);
  if (isfinite(value))
    cJSON_AddRawToObject(to, key, text);
  else
    cJSON_AddStringToObject(to, key, isnan(value) ? "nan" : value > 0 ? "inf" : "-inf");
}

static cJSON *expected_trial(const struct stored_trial *t, const double *epochs)
{
  static const char *const states[] = {"RUNNING", "COMPLETE", "PRUNED", "FAIL", "WAITING"};
  cJSON *json = cJSON_CreateObject(), *params = cJSON_AddObjectToObject(json, "params");
  cJSON *internal = cJSON_AddObjectToObject(json, "internal"), *names = cJSON_AddArrayToObject(json, "free");
  cJSON *steps = cJSON_AddArrayToObject(json, "epoch_values");
  char key[20], text[200];
  cJSON_AddNumberToObject(json, "number", t->number);
  cJSON_AddStringToObject(json, "state", states[t->state]);
  for (int i = 0; i < fixture_space.n; i++) {
    const struct param *p = &fixture_space.params[i];
    param_value_format(p, t->values[i], text, sizeof text);
    cJSON_AddStringToObject(params, p->name, text);
    add_number(internal, p->name, t->values[i]);
    if (t->free[i]) cJSON_AddItemToArray(names, cJSON_CreateString(p->name));
  }
  snprintf(key, sizeof key, "%016llx", (unsigned long long)t->key);
  cJSON_AddStringToObject(json, "key", key);
  cJSON_AddNumberToObject(json, "group", t->group);
  if (t->state == STORED_RUNNING) return json;
  add_number(json, "value", t->state == STORED_FAIL ? NAN : t->value);
  add_number(json, "loss", t->loss);
  add_number(json, "seconds", t->seconds);
  add_number(json, "wall_s", t->wall_s);
  add_number(json, "flops", t->flops);
  cJSON_AddNumberToObject(json, "images", (double)t->images);
  cJSON_AddNumberToObject(json, "epochs", t->epochs);
  if (t->reason[0]) cJSON_AddStringToObject(json, "reason", t->reason);
  for (int k = 0; k < t->epochs; k++) {
    cJSON *step = cJSON_CreateObject();
    add_number(step, "value", epochs[k]);
    cJSON_AddItemToArray(steps, step);
  }
  return json;
}

static int write_for_optuna(const char *path, const char *expected_path)
{
  struct store *s = NULL;
  cJSON *all = cJSON_CreateObject(), *distributions = cJSON_AddObjectToObject(all, "distributions");
  cJSON *studies = cJSON_AddArrayToObject(all, "studies");
  int code = store_open(&s, path, false, NULL, &err);
  if (!code) code = store_own(s, false, &err);
  for (int i = 0; i < fixture_space.n; i++)
    cJSON_AddStringToObject(distributions, fixture_space.params[i].name, fixture_params[i].text);
  for (int k = 0; k < 2 && !code; k++) {
    const char *name = k ? "both/simultaneous/0" : "both/grouped/0";
    int id;
    cJSON *study = cJSON_CreateObject();
    cJSON_AddItemToArray(studies, study);
    cJSON_AddStringToObject(study, "name", name);
    cJSON_AddStringToObject(study, "direction", k ? "MINIMIZE" : "MAXIMIZE");
    cJSON *trials = cJSON_AddArrayToObject(study, "trials");
    code = store_study(s, name, !k, &id, NULL, &err);
    if (!code) code = store_study_attribute_set(s, id, "gsos:about", "{\"a\": [1, \"ü\", null]}", &err);
    for (int i = 0; i < 40 && !code; i++) {
      struct stored_trial t = random_trial(5 + (uint64_t)k, i);
      double epochs[32];
      code = store_trial_start(s, id, &fixture_space, &t, &err);
      if (i % 11 != 10) {
        random_end(5 + (uint64_t)k, &t);
        for (int j = 0; j < t.epochs; j++) {
          epochs[j] = j % 7 == 3 ? NAN : j % 7 == 5 ? -INFINITY : j % 7 == 6 ? INFINITY : j * 0.1;
          if (!code) code = store_trial_epoch(s, id, i, j + 1, epochs[j], &err);
        }
        if (!code) code = store_trial_end(s, id, &t, &err);
      }
      cJSON_AddItemToArray(trials, expected_trial(&t, epochs));
    }
  }
  store_close(s); /* without store_disown: Optuna must not stumble over the owner either */
  FILE *out = code ? NULL : fopen(expected_path, "w");
  char *text = cJSON_Print(all);
  if (!code && (!out || fputs(text, out) < 0 || fclose(out))) code = error_errno(&err, "%s", expected_path);
  cJSON_free(text);
  cJSON_Delete(all);
  if (code) fprintf(stderr, "%s\n", err.message);
  return code ? 1 : 0;
}

int main(int argc, char **argv)
{
  if (argc == 4 && !strcmp(argv[1], "--write")) {
    if (fixture_setup(NULL)) return 1;
    int code = write_for_optuna(argv[2], argv[3]);
    fixture_teardown(NULL);
    return code;
  }
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
  const struct CMUnitTest tests[] = {
      TEST(a_new_database_has_optunas_tables_and_version_rows),
      TEST(opening_again_changes_nothing),
      TEST(a_path_that_is_longer_than_sqlite_takes_is_taken),
      TEST(a_study_is_made_once_and_found_by_its_name),
      TEST(a_study_of_the_other_direction_is_refused),
      TEST(study_attributes_are_kept_and_must_be_json),
      TEST(every_trial_comes_back_as_it_was_written),
      TEST(a_row_says_what_optuna_expects),
      TEST(infinities_and_nan_are_typed),
      TEST(times_are_naive_utc),
      TEST(a_reason_that_is_not_utf8_stays_readable),
      TEST(numbers_are_contiguous),
      TEST(a_trial_that_another_program_added_is_found_out),
      TEST(a_trial_that_runs_again_keeps_its_id_and_nothing_else),
      TEST(pending_epochs_of_an_attempt_die_with_it),
      TEST(a_trial_that_has_paused_ends_again_with_all_its_epochs),
      TEST(a_trial_that_has_ended_is_neither_started_nor_ended_again),
      TEST(failed_trials_wait_to_run_again_with_their_configurations),
      TEST(a_value_outside_the_space_is_not_written),
      TEST(epochs_are_committed_at_most_once_a_second),
      TEST(closing_commits_pending_epochs),
      TEST(the_space_is_recovered_from_the_distributions),
      TEST(a_database_that_optuna_made_can_be_shown),
      TEST(changed_choices_are_refused),
      TEST(many_threads_write_at_once),
  };
  return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
