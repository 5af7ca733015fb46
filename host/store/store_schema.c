/* Optuna's tables.
 *
 * The text is what Optuna 4.9 (through SQLAlchemy) leaves in sqlite_schema, to the byte, tabs and
 * trailing blanks too: tools that compare schemas (`sqlite3 study.db .schema`, migrations) see no
 * difference.  All 13 tables and both version rows are needed: optuna-dashboard creates nothing
 * itself, and its reader in the browser looks for the row in alembic_version. */
#include "host/store/store_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ALEMBIC_VERSION "v3.2.0.a" /* the schema of Optuna 3.2 to 5.0 */
#define SCHEMA_VERSION 12          /* frozen by Optuna since 2.0 */
#define OPTUNA_VERSION "4.9.0"     /* free text: whose schema this is */

static const char *const definitions[] = {
    "CREATE TABLE studies (\n"
    "\tstudy_id INTEGER NOT NULL, \n"
    "\tstudy_name VARCHAR(512) NOT NULL, \n"
    "\tPRIMARY KEY (study_id)\n"
    ")",
    "CREATE TABLE version_info (\n"
    "\tversion_info_id INTEGER NOT NULL, \n"
    "\tschema_version INTEGER, \n"
    "\tlibrary_version VARCHAR(256), \n"
    "\tPRIMARY KEY (version_info_id), \n"
    "\tCHECK (version_info_id=1)\n"
    ")",
    "CREATE TABLE study_directions (\n"
    "\tstudy_direction_id INTEGER NOT NULL, \n"
    "\tdirection VARCHAR(8) NOT NULL, \n"
    "\tstudy_id INTEGER NOT NULL, \n"
    "\tobjective INTEGER NOT NULL, \n"
    "\tPRIMARY KEY (study_direction_id), \n"
    "\tUNIQUE (study_id, objective), \n"
    "\tFOREIGN KEY(study_id) REFERENCES studies (study_id)\n"
    ")",
    "CREATE TABLE study_user_attributes (\n"
    "\tstudy_user_attribute_id INTEGER NOT NULL, \n"
    "\tstudy_id INTEGER, \n"
    "\t\"key\" VARCHAR(512), \n"
    "\tvalue_json TEXT, \n"
    "\tPRIMARY KEY (study_user_attribute_id), \n"
    "\tUNIQUE (study_id, \"key\"), \n"
    "\tFOREIGN KEY(study_id) REFERENCES studies (study_id)\n"
    ")",
    "CREATE TABLE study_system_attributes (\n"
    "\tstudy_system_attribute_id INTEGER NOT NULL, \n"
    "\tstudy_id INTEGER, \n"
    "\t\"key\" VARCHAR(512), \n"
    "\tvalue_json TEXT, \n"
    "\tPRIMARY KEY (study_system_attribute_id), \n"
    "\tUNIQUE (study_id, \"key\"), \n"
    "\tFOREIGN KEY(study_id) REFERENCES studies (study_id)\n"
    ")",
    "CREATE TABLE trials (\n"
    "\ttrial_id INTEGER NOT NULL, \n"
    "\tnumber INTEGER, \n"
    "\tstudy_id INTEGER, \n"
    "\tstate VARCHAR(8) NOT NULL, \n"
    "\tdatetime_start DATETIME, \n"
    "\tdatetime_complete DATETIME, \n"
    "\tPRIMARY KEY (trial_id), \n"
    "\tFOREIGN KEY(study_id) REFERENCES studies (study_id)\n"
    ")",
    "CREATE TABLE trial_user_attributes (\n"
    "\ttrial_user_attribute_id INTEGER NOT NULL, \n"
    "\ttrial_id INTEGER, \n"
    "\t\"key\" VARCHAR(512), \n"
    "\tvalue_json TEXT, \n"
    "\tPRIMARY KEY (trial_user_attribute_id), \n"
    "\tUNIQUE (trial_id, \"key\"), \n"
    "\tFOREIGN KEY(trial_id) REFERENCES trials (trial_id)\n"
    ")",
    "CREATE TABLE trial_system_attributes (\n"
    "\ttrial_system_attribute_id INTEGER NOT NULL, \n"
    "\ttrial_id INTEGER, \n"
    "\t\"key\" VARCHAR(512), \n"
    "\tvalue_json TEXT, \n"
    "\tPRIMARY KEY (trial_system_attribute_id), \n"
    "\tUNIQUE (trial_id, \"key\"), \n"
    "\tFOREIGN KEY(trial_id) REFERENCES trials (trial_id)\n"
    ")",
    "CREATE TABLE trial_params (\n"
    "\tparam_id INTEGER NOT NULL, \n"
    "\ttrial_id INTEGER, \n"
    "\tparam_name VARCHAR(512), \n"
    "\tparam_value FLOAT, \n"
    "\tdistribution_json TEXT, \n"
    "\tPRIMARY KEY (param_id), \n"
    "\tUNIQUE (trial_id, param_name), \n"
    "\tFOREIGN KEY(trial_id) REFERENCES trials (trial_id)\n"
    ")",
    "CREATE TABLE trial_values (\n"
    "\ttrial_value_id INTEGER NOT NULL, \n"
    "\ttrial_id INTEGER NOT NULL, \n"
    "\tobjective INTEGER NOT NULL, \n"
    "\tvalue FLOAT, \n"
    "\tvalue_type VARCHAR(7) NOT NULL, \n"
    "\tPRIMARY KEY (trial_value_id), \n"
    "\tUNIQUE (trial_id, objective), \n"
    "\tFOREIGN KEY(trial_id) REFERENCES trials (trial_id)\n"
    ")",
    "CREATE TABLE trial_intermediate_values (\n"
    "\ttrial_intermediate_value_id INTEGER NOT NULL, \n"
    "\ttrial_id INTEGER NOT NULL, \n"
    "\tstep INTEGER NOT NULL, \n"
    "\tintermediate_value FLOAT, \n"
    "\tintermediate_value_type VARCHAR(7) NOT NULL, \n"
    "\tPRIMARY KEY (trial_intermediate_value_id), \n"
    "\tUNIQUE (trial_id, step), \n"
    "\tFOREIGN KEY(trial_id) REFERENCES trials (trial_id)\n"
    ")",
    "CREATE TABLE trial_heartbeats (\n"
    "\ttrial_heartbeat_id INTEGER NOT NULL, \n"
    "\ttrial_id INTEGER NOT NULL, \n"
    "\theartbeat DATETIME NOT NULL, \n"
    "\tPRIMARY KEY (trial_heartbeat_id), \n"
    "\tUNIQUE (trial_id), \n"
    "\tFOREIGN KEY(trial_id) REFERENCES trials (trial_id)\n"
    ")",
    "CREATE TABLE alembic_version (\n"
    "\tversion_num VARCHAR(32) NOT NULL, \n"
    "\tCONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)\n"
    ")",
    "CREATE UNIQUE INDEX ix_studies_study_name ON studies (study_name)",
    "CREATE INDEX ix_trials_study_id ON trials (study_id)",
};

/* What we read and write of each table.  t."key" is qualified: SQLite takes a bare "key" that is no
 * column for a text. */
static const struct {
  const char *table, *columns;
  bool to_read; /* `show` needs it too */
} tables[] = {
    {"studies", "t.study_id, t.study_name", true},
    {"study_directions", "t.study_id, t.direction, t.objective", true},
    {"study_user_attributes", "t.study_id, t.\"key\", t.value_json", true},
    {"study_system_attributes", "t.study_id, t.\"key\", t.value_json", true},
    {"trials", "t.trial_id, t.number, t.study_id, t.state, t.datetime_start, t.datetime_complete", true},
    {"trial_user_attributes", "t.trial_id, t.\"key\", t.value_json", true},
    {"trial_params", "t.param_id, t.trial_id, t.param_name, t.param_value, t.distribution_json", true},
    {"trial_values", "t.trial_id, t.objective, t.value, t.value_type", true},
    {"trial_intermediate_values", "t.trial_id, t.step, t.intermediate_value, t.intermediate_value_type", true},
    {"trial_system_attributes", "t.trial_id, t.\"key\", t.value_json", false},
    {"trial_heartbeats", "t.trial_id, t.heartbeat", false},
    {"version_info", "t.schema_version, t.library_version", false},
    {"alembic_version", "t.version_num", false},
};

static int count_tables(struct store *s, void *count, struct error *e)
{
  return store_number(s, e, count, 0, "SELECT count(*) FROM sqlite_master", "");
}

int store_schema_empty(struct store *s, bool *empty, struct error *e)
{
  int64_t count = 0;
  int code = store_read(s, count_tables, &count, e);
  *empty = count == 0;
  return code;
}

static int create(struct store *s, void *context, struct error *e)
{
  (void)context;
  int64_t count;
  int code = count_tables(s, &count, e);
  if (code || count) return code;
  for (size_t i = 0; i < sizeof definitions / sizeof *definitions; i++) {
    if (sqlite3_exec(s->db, definitions[i], NULL, NULL, NULL))
      return store_fail(s, sqlite3_extended_errcode(s->db), "creating the tables", e);
  }
  code = store_run(s, e, "INSERT INTO version_info VALUES (1, ?1, ?2)", "it", (int64_t)SCHEMA_VERSION, OPTUNA_VERSION);
  return code ? code : store_run(s, e, "INSERT INTO alembic_version VALUES (?1)", "t", ALEMBIC_VERSION);
}

int store_schema_create(struct store *s, struct error *e)
{
  int code = store_write(s, create, NULL, e);
  store_forget_statements(s);
  return code ? code : store_schema_check(s, e);
}

/* A table is one that has pages of its own: a view or a virtual table of that name runs whatever
 * its author liked. */
static int check_table(struct store *s, const char *table, const char *columns, struct error *e)
{
  int64_t found;
  int code = store_number(
      s, e, &found, 0, "SELECT count(*) FROM sqlite_master WHERE type='table' AND rootpage>0 AND name=?1", "t", table);
  if (code) return code;
  if (!found) return error_set(e, ERROR_FAILED, "it has no table '%s'", table);
  char sql[256];
  sqlite3_stmt *q = NULL;
  snprintf(sql, sizeof sql, "SELECT %s FROM %s t LIMIT 0", columns, table);
  int rc = sqlite3_prepare_v2(s->db, sql, -1, &q, NULL);
  sqlite3_finalize(q);
  if (!rc) return 0;
  if ((rc & 0xff) != SQLITE_ERROR) return store_fail(s, rc, "checking the tables", e);
  return error_set(e, ERROR_FAILED, "its table '%s' is another (%s)", table, sqlite3_errmsg(s->db));
}

static int check(struct store *s, void *context, struct error *e)
{
  (void)context;
  char *alembic = NULL;
  struct error wrong = {0, ""};
  int code = check_table(s, "alembic_version", "t.version_num", &wrong);
  if (code == STORE_BUSY) return code;
  if (!code && (code = store_text(s, e, &alembic, "SELECT version_num FROM alembic_version", ""))) return code;

  for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
    if (s->read_only && !tables[i].to_read) continue;
    wrong.code = 0;
    if ((code = check_table(s, tables[i].table, tables[i].columns, &wrong))) break;
  }
  if (!code && !s->read_only && (!alembic || strcmp(alembic, ALEMBIC_VERSION) != 0))
    code = error_set(&wrong, ERROR_FAILED, "its tables are of version %s", alembic ? alembic : "(none)");
  /* A message that store_fail made names the file and what to do already. */
  if (code && code != STORE_BUSY) {
    if (strncmp(wrong.message, "it", 2) != 0)
      code = error_set(e, wrong.code, "%s", wrong.message);
    else if (!alembic)
      code = error_set(e, ERROR_FAILED, "%s: is an SQLite database of another program, not a study's: %s", s->shown,
                       wrong.message);
    else
      code =
          error_set(e, ERROR_FAILED,
                    "%s: was written by an Optuna whose tables are not those of 3.2 to 5.0 (%s): %s; convert an older "
                    "one with: optuna storage upgrade --storage sqlite:///%s",
                    s->shown, alembic, wrong.message, s->shown);
  }
  free(alembic);
  return code;
}

int store_schema_check(struct store *s, struct error *e)
{
  return store_read(s, check, NULL, e);
}
