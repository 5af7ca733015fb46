/* Who owns an output: a run on this host, on another one that is heard of, silent, or of another
 * time; taken over; on a file system that knows no locks.  Owners are written into the database as
 * such a host would have written them. */
#include "tests/unit/store/store_fixture.h"

#include <fcntl.h>
#include <sys/file.h>

static char this_host[256], this_boot[64];

static int set_up(void **state)
{
  FILE *f = fopen("/proc/sys/kernel/random/boot_id", "r");
  gethostname(this_host, sizeof this_host - 1);
  if (!f || fscanf(f, "%63s", this_boot) != 1) this_boot[0] = 0;
  if (f) fclose(f);
  return fixture_setup(state);
}

/* The database as a run left it that has one study, a finished trial and one that ran. */
static void leave_database(void)
{
  struct store *s;
  assert_ok(store_open_writer(&s, db_path, STORE_JOURNAL_DELETE, NULL, &err));
  assert_ok(store_own(s, false, &err));
  int study = make_study(s, "a");
  for (int i = 0; i < 2; i++) {
    struct stored_trial t = random_trial(1, i);
    assert_ok(store_trial_start(s, study, &fixture_space, &t, &err));
    t.state = STORED_COMPLETE;
    t.value = 0.5;
    if (i == 0) assert_ok(store_trial_end(s, study, &t, &err));
  }
  store_close(s);
}

/* A time that many seconds ago, as the database has it. */
static void time_ago(double seconds, char text[STORE_TIME_SIZE])
{
  char now[STORE_TIME_SIZE];
  struct tm utc;
  store_now(now);
  time_t then = (time_t)(store_time_parse(now) - seconds);
  gmtime_r(&then, &utc);
  strftime(text, STORE_TIME_SIZE, "%Y-%m-%d %H:%M:%S.000000", &utc);
}

/* The attribute as another run would have written it. */
static void write_owner(const char *host, const char *boot, long pid, long start, double age_s)
{
  char heartbeat[STORE_TIME_SIZE];
  sqlite3 *db;
  time_ago(age_s, heartbeat);
  char *sql = sqlite3_mprintf(
      "INSERT OR REPLACE INTO study_system_attributes (study_id, \"key\", value_json) VALUES (1, 'gsos:owner', "
      "'{\"host\":\"%q\",\"boot\":\"%q\",\"pid_namespace\":\"pid:[1]\",\"pid\":%ld,\"start\":%ld,\"heartbeat\":\"%q\","
      "\"token\":\"00112233445566778899aabbccddeeff\"}')",
      host, boot, pid, start, heartbeat);
  assert_int_equal(sqlite3_open(db_path, &db), 0);
  sqlite3_busy_timeout(db, 60000);
  assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), 0);
  sqlite3_close(db);
  sqlite3_free(sql);
}

static struct store *open_mode(enum store_journal journal)
{
  struct store *s;
  assert_ok(store_open_writer(&s, db_path, journal, NULL, &err));
  return s;
}

/* Does a run that finds this owner refuse, having watched it so long where it has to?  Otherwise it
 * ends well. */
static bool refuses_within(int observe_ms, bool take_over)
{
  struct store *s = open_mode(STORE_JOURNAL_DELETE);
  s->observe_ms = observe_ms;
  int code = store_own(s, take_over, &err);
  if (!code) assert_ok(store_disown(s, &err));
  store_close(s);
  assert_true(code == 0 || code == ERROR_FAILED);
  return code != 0;
}

static bool refuses(bool take_over)
{
  return refuses_within(200, take_over);
}

/* --------------------------------------------------------------------------------- another host */

static void an_owner_on_another_host_that_is_heard_of_is_refused(void **state)
{
  (void)state;
  leave_database();
  static const double ages[] = {0, 60, 110, -60, -110}; /* clocks of two hosts differ, too */
  for (size_t i = 0; i < sizeof ages / sizeof *ages; i++) {
    write_owner("elsewhere", "another-boot", 4711, 99, ages[i]);
    assert_true(refuses(false));
    assert_message("process 4711 on host elsewhere");
    assert_message("last heard of");
    assert_message("--take-over");
    assert_false(is_there(".lock")); /* whoever is refused leaves nothing */
  }
  assert_string_equal(raw_query("SELECT value_json LIKE '%elsewhere%' FROM study_system_attributes"), "1");
}

static void an_owner_on_another_host_that_is_silent_is_dead(void **state)
{
  (void)state;
  leave_database();
  static const double ages[] = {121, 500, 1e6};
  for (size_t i = 0; i < sizeof ages / sizeof *ages; i++) {
    write_owner("elsewhere", "another-boot", 4711, 99, ages[i]);
    assert_false(refuses(false));
  }
  assert_string_equal(raw_query("SELECT count(*) FROM study_system_attributes"), "0");
}

static void an_owner_on_another_host_can_be_taken_over(void **state)
{
  (void)state;
  leave_database();
  write_owner("elsewhere", "another-boot", 4711, 99, 0);
  assert_false(refuses(true));
}

/* ------------------------------------------------------------------------ a clock that is wrong */

static void a_heartbeat_from_the_future_that_stands_still_is_dead(void **state)
{
  (void)state;
  leave_database();
  write_owner("elsewhere", "another-boot", 4711, 99, -86400);
  int64_t begin = store_monotonic_ms();
  assert_false(refuses(false));
  assert_true(store_monotonic_ms() - begin >= 200); /* it was watched */
}

static void a_heartbeat_from_the_future_that_goes_on_is_alive(void **state)
{
  (void)state;
  leave_database();
  write_owner("elsewhere", "another-boot", 4711, 99, -86400);
  pid_t child = fork();
  if (!child) {
    for (int i = 1;; i++) { /* a run whose clock is a day ahead */
      write_owner("elsewhere", "another-boot", 4711, 99, -86400 - i);
      sleep_ms(20);
    }
  }
  bool refused = false; /* in the end: another heartbeat takes as long as this machine needs for it */
  for (int ms = 200; ms <= 60000 && !refused; ms *= 4) refused = refuses_within(ms, false);
  assert_true(refused);
  assert_message("process 4711 on host elsewhere");
  kill(child, SIGKILL);
  waitpid(child, NULL, 0);
}

static void a_heartbeat_that_is_no_time_is_dead(void **state)
{
  (void)state;
  leave_database();
  write_owner("elsewhere", "another-boot", 4711, 99, 0);
  sqlite3 *db;
  assert_int_equal(sqlite3_open(db_path, &db), 0);
  assert_int_equal(sqlite3_exec(db,
                                "UPDATE study_system_attributes SET value_json = "
                                "json_set(value_json, '$.heartbeat', 'yesterday')",
                                NULL, NULL, NULL),
                   0);
  sqlite3_close(db);
  assert_false(refuses(false));
}

/* ------------------------------------------------------------------------------------ this host */

static void an_owner_of_an_earlier_boot_of_this_host_is_dead(void **state)
{
  (void)state;
  if (!this_host[0] || !strcmp(this_host, "localhost")) skip();
  leave_database();
  write_owner(this_host, "another-boot", 4711, 99, 0);
  assert_false(refuses(false));
}

/* Where the lock file cannot tell, as on a file system without locks, or when somebody deleted
 * it. */
static void a_living_process_of_this_host_is_refused_without_a_lock_file(void **state)
{
  char own[64], stat_text[1024] = "";
  (void)state;
  if (!this_boot[0]) skip();
  leave_database();
  pid_t child = fork();
  if (!child)
    for (;;) pause();
  snprintf(own, sizeof own, "/proc/%d/stat", child);
  FILE *f = fopen(own, "r");
  assert_non_null(f);
  assert_non_null(fgets(stat_text, sizeof stat_text, f));
  fclose(f);
  long start = 0;
  assert_int_equal(sscanf(strrchr(stat_text, ')'),
                          ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %ld", &start),
                   1);
  write_owner(this_host, this_boot, child, start, 1e6); /* it slept: how long ago it was heard of does not count */
  assert_true(refuses(false));
  write_owner(this_host, this_boot, child, start + 1, 0); /* its number was another process's */
  assert_false(refuses(false));
  write_owner(this_host, this_boot, child, start, 0);
  kill(child, SIGKILL);
  waitpid(child, NULL, 0);
  assert_false(refuses(false));
}

static void assert_told(enum store_run_state expected, const char *part)
{
  struct store *s;
  enum store_run_state state;
  char told[300];
  assert_ok(store_open(&s, db_path, true, NULL, &err));
  assert_ok(store_run_state(s, &state, told, sizeof told, &err));
  store_close(s);
  assert_int_equal(state, expected);
  if (!strstr(told, part)) fail_msg("no '%s' in '%s'", part, told);
  assert_true(told[0] == 0 || state == STORE_RUN_GONE);
}

static void who_reads_is_told_whether_the_run_is_gone(void **state)
{
  (void)state;
  leave_database();
  raw_exec("DELETE FROM study_system_attributes");
  assert_told(STORE_RUN_UNKNOWN, "");
  write_owner("elsewhere", "another-boot", 4711, 99, 10);
  assert_told(STORE_RUN_LIVES, "");
  write_owner("elsewhere", "another-boot", 4711, 99, -86400); /* its clock is wrong, and nobody watches it here */
  assert_told(STORE_RUN_LIVES, "");
  write_owner("elsewhere", "another-boot", 4711, 99, 300);
  assert_told(STORE_RUN_GONE, "process 4711 on host elsewhere has not been heard of for 5 min");
  if (this_host[0] && strcmp(this_host, "localhost") != 0) {
    write_owner(this_host, "another-boot", 4711, 99, 0);
    assert_told(STORE_RUN_GONE, "process 4711 is gone: the machine was started anew since");
  }
  raw_exec("DELETE FROM study_system_attributes");
  pid_t child = fork(); /* with the name of its process namespace in the record, too */
  if (!child) {
    struct store *s = open_mode(STORE_JOURNAL_DELETE);
    if (store_own(s, false, &err)) _exit(1);
    for (;;) pause();
  }
  char pid[64];
  snprintf(pid, sizeof pid, "process %d is gone", child);
  for (int i = 0; i < 10000 && !*raw_query("SELECT 1 FROM study_system_attributes"); i++) sleep_ms(10);
  assert_told(STORE_RUN_LIVES, "");
  kill(child, SIGKILL);
  waitpid(child, NULL, 0);
  if (this_boot[0]) assert_told(STORE_RUN_GONE, pid);
  struct store *s = open_mode(STORE_JOURNAL_DELETE);
  enum store_run_state run;
  char told[300];
  assert_ok(store_own(s, false, &err));
  assert_ok(store_run_state(s, &run, told, sizeof told, &err));
  assert_int_equal(run, STORE_RUN_LIVES); /* who asks, itself */
  store_close(s);
}

static void a_second_run_is_refused_while_the_first_holds_the_lock(void **state)
{
  (void)state;
  struct store *first = open_mode(STORE_JOURNAL_WAL), *second = open_mode(STORE_JOURNAL_WAL);
  char own[64];
  assert_ok(store_own(first, false, &err)); /* before there is a study */
  assert_int_equal(store_own(second, false, &err), ERROR_FAILED);
  snprintf(own, sizeof own, "process %d on host", getpid());
  assert_message(own);
  make_study(first, "a");
  assert_ok(store_heartbeat(first, &err));
  assert_int_equal(store_own(second, false, &err), ERROR_FAILED);
  assert_message(own);
  assert_ok(store_disown(first, &err));
  assert_ok(store_own(second, false, &err));
  store_close(second);
  store_close(first);
  assert_false(is_there(".lock"));
}

/* ----------------------------------------------------------------------------------- taken over */

static void a_run_that_was_taken_over_writes_nothing_more(void **state)
{
  (void)state;
  for (int wal = 0; wal < 2; wal++) {
    leave_database();
    struct store *s = open_mode(wal ? STORE_JOURNAL_WAL : STORE_JOURNAL_DELETE);
    assert_ok(store_own(s, false, &err));
    int study = make_study(s, "a");
    struct stored_trial t = random_trial(1, 1);
    assert_ok(store_trial_start(s, study, &fixture_space, &t, &err));
    assert_ok(store_trial_epoch(s, study, 1, 1, 0.25, &err));
    write_owner("elsewhere", "another-boot", 4711, 99, 0); /* gsos run --take-over, on another host */
    char before[200];
    snprintf(before, sizeof before, "%s",
             raw_query("SELECT state, datetime_start, datetime_complete FROM trials "
                       "WHERE number = 1"));
    t.state = STORED_COMPLETE;
    t.value = 0.75;
    assert_int_equal(store_trial_end(s, study, &t, &err), ERROR_FAILED);
    assert_message("process 4711 on host elsewhere has taken this output over");
    t = random_trial(1, 2);
    assert_int_equal(store_trial_start(s, study, &fixture_space, &t, &err), ERROR_FAILED);
    assert_int_equal(store_heartbeat(s, &err), ERROR_FAILED);
    assert_int_equal(store_trials_wait(s, NULL, 0, &err), ERROR_FAILED);
    assert_int_equal(store_disown(s, &err), ERROR_FAILED);
    store_close(s);
    assert_string_equal(raw_query("SELECT state, datetime_start, datetime_complete FROM trials WHERE number = 1"),
                        before);
    assert_string_equal(raw_query("SELECT count(*) FROM trials"), "2");
    assert_string_equal(raw_query("SELECT count(*) FROM trial_values"), "1");
    assert_string_equal(raw_query("SELECT value_json LIKE '%elsewhere%' FROM study_system_attributes"), "1");
    remove_all(folder);
    assert_int_equal(mkdir(folder, 0777), 0);
  }
}

/* As two processes of one host: the first still holds the lock file, and keeps it. */
static void a_run_takes_over_from_one_that_lives(void **state)
{
  (void)state;
  leave_database();
  struct store *first = open_mode(STORE_JOURNAL_WAL), *second = open_mode(STORE_JOURNAL_WAL);
  int n;
  assert_ok(store_own(first, false, &err));
  assert_ok(store_own(second, true, &err));
  assert_int_equal(store_heartbeat(first, &err), ERROR_FAILED);
  assert_message("has taken this output over");
  assert_ok(store_study_count(first, &n, &err)); /* it may still read */
  store_close(first);
  assert_ok(store_heartbeat(second, &err)); /* now has the lock file, too */
  struct store *third = open_mode(STORE_JOURNAL_WAL);
  assert_int_equal(store_own(third, false, &err), ERROR_FAILED);
  store_close(third);
  assert_ok(store_disown(second, &err));
  store_close(second);
  assert_false(is_there(".lock"));
}

/* ----------------------------------------------------------------------------- trials that wait */

static void what_ran_waits_without_a_time_or_epochs(void **state)
{
  (void)state;
  leave_database();
  struct store *s = open_mode(STORE_JOURNAL_WAL);
  assert_ok(store_own(s, false, &err));
  int study = make_study(s, "a"), n;
  struct stored_trial t = random_trial(1, 1), *read;
  assert_ok(store_trial_start(s, study, &fixture_space, &t, &err));
  assert_ok(store_trial_epoch(s, study, 1, 1, 0.25, &err));
  assert_ok(store_flush(s, &err));
  assert_ok(store_trial_epoch(s, study, 1, 2, 0.5, &err)); /* one that is pending */
  assert_ok(store_trials_wait(s, NULL, 0, &err));
  assert_ok(store_heartbeat(s, &err));
  assert_string_equal(raw_query("SELECT number, state, datetime_start IS NULL FROM trials"),
                      "0|COMPLETE|0\n1|WAITING|1");
  assert_string_equal(raw_query("SELECT count(*) FROM trial_intermediate_values"), "0");
  assert_ok(store_trials(s, study, &fixture_space, NULL, &read, &n, &err));
  t.state = STORED_WAITING;
  t.value = NAN;
  assert_same_trial(&t, &read[1]);
  free(read);
  t.state = STORED_RUNNING;
  assert_ok(store_trial_start(s, study, &fixture_space, &t, &err));
  t.state = STORED_COMPLETE;
  t.value = 0.5;
  assert_ok(store_trial_end(s, study, &t, &err));
  assert_ok(store_trials_wait(s, NULL, 0, &err));
  assert_string_equal(raw_query("SELECT number, state FROM trials"), "0|COMPLETE\n1|COMPLETE");
  store_close(s);
}

static void no_trial_ends_before_it_began(void **state)
{
  (void)state;
  leave_database();
  struct store *s = open_mode(STORE_JOURNAL_WAL);
  int study = make_study(s, "a");
  struct stored_trial t = random_trial(1, 1);
  sqlite3 *db;
  assert_ok(store_trial_start(s, study, &fixture_space, &t, &err));
  assert_int_equal(sqlite3_open(db_path, &db), 0); /* as if the clock had been put back since */
  assert_int_equal(sqlite3_exec(db, "UPDATE trials SET datetime_start = '2999-01-01 00:00:00.000000' WHERE number = 1",
                                NULL, NULL, NULL),
                   0);
  sqlite3_close(db);
  t.state = STORED_COMPLETE;
  t.value = 0.5;
  assert_ok(store_trial_end(s, study, &t, &err));
  assert_string_equal(raw_query("SELECT datetime_complete FROM trials WHERE number = 1"), "2999-01-01 00:00:00.000000");
  assert_string_equal(
      raw_query("SELECT datetime_complete < '2999-01-01' AND datetime_complete >= datetime_start FROM trials "
                "WHERE number = 0"),
      "1");
  store_close(s);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, fixture_teardown)
  const struct CMUnitTest tests[] = {
      TEST(an_owner_on_another_host_that_is_heard_of_is_refused),
      TEST(an_owner_on_another_host_that_is_silent_is_dead),
      TEST(an_owner_on_another_host_can_be_taken_over),
      TEST(a_heartbeat_from_the_future_that_stands_still_is_dead),
      TEST(a_heartbeat_from_the_future_that_goes_on_is_alive),
      TEST(a_heartbeat_that_is_no_time_is_dead),
      TEST(an_owner_of_an_earlier_boot_of_this_host_is_dead),
      TEST(a_living_process_of_this_host_is_refused_without_a_lock_file),
      TEST(who_reads_is_told_whether_the_run_is_gone),
      TEST(a_second_run_is_refused_while_the_first_holds_the_lock),
      TEST(a_run_that_was_taken_over_writes_nothing_more),
      TEST(a_run_takes_over_from_one_that_lives),
      TEST(what_ran_waits_without_a_time_or_epochs),
      TEST(no_trial_ends_before_it_began),
  };
  return cmocka_run_group_tests_name("store owner", tests, NULL, NULL);
}
