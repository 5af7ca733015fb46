/* The study database beside other processes: their locks are waited for, and a process that is
 * killed leaves whole trials. */
#include "tests/unit/store/store_fixture.h"

#include <pthread.h>
#include <sys/mman.h>

static volatile int stop;

/* ------------------------------------------------------------------------------ another program */

struct holder {
  pid_t child;
  int over; /* the end of a pipe: closed, the child goes on */
};

/* A child that runs `sql` on the database, says so, and, when let go, runs COMMIT and ends. */
static struct holder hold(const char *sql)
{
  int ready[2], over[2];
  char byte;
  assert_int_equal(pipe(ready), 0);
  assert_int_equal(pipe(over), 0);
  pid_t child = fork();
  assert_true(child >= 0);
  if (!child) {
    sqlite3 *db;
    close(over[1]);
    if (sqlite3_open(db_path, &db)) _exit(2);
    sqlite3_busy_timeout(db, 60000);
    if (sqlite3_exec(db, sql, NULL, NULL, NULL)) _exit(3);
    if (write(ready[1], "x", 1) != 1) _exit(4);
    if (read(over[0], &byte, 1) != 0) _exit(5);
    int rc = sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
    sqlite3_close(db);
    _exit(rc ? 6 : 0);
  }
  close(ready[1]);
  close(over[0]);
  assert_int_equal(read(ready[0], &byte, 1), 1);
  close(ready[0]);
  return (struct holder){child, over[1]};
}

static void assert_ended_well(pid_t child)
{
  int status;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_true(WIFEXITED(status));
  assert_int_equal(WEXITSTATUS(status), 0);
}

static void let_go(struct holder h)
{
  close(h.over);
  assert_ended_well(h.child);
}

static struct store *open_mode(enum store_journal journal)
{
  struct store *s;
  stop = 0;
  assert_ok(store_open_writer(&s, db_path, journal, &stop, &err));
  return s;
}

/* Starts trial `number`, or counts the studies where it is negative. */
static int use(struct store *s, int study, int number, struct error *e)
{
  struct stored_trial t = random_trial(1, number < 0 ? 0 : number);
  int n;
  return number < 0 ? store_study_count(s, &n, e) : store_trial_start(s, study, &fixture_space, &t, e);
}

/* The same in a thread. */
struct user {
  struct store *s;
  int study, number, code;
  struct error error;
  _Atomic bool ended;
  pthread_t thread;
};

static void *user_thread(void *context)
{
  struct user *u = context;
  u->code = use(u->s, u->study, u->number, &u->error);
  u->ended = true;
  return NULL;
}

/* Begins it, and comes back when it has waited for a lock that long. */
static void begin_waiting(struct user *u, struct store *s, int study, int number, double seconds)
{
  *u = (struct user){.s = s, .study = study, .number = number};
  assert_int_equal(pthread_create(&u->thread, NULL, user_thread, u), 0);
  while (!u->ended && store_waiting_s(s) <= seconds) sleep_ms(1);
  assert_false(u->ended);
}

static void end_waiting(struct user *u)
{
  pthread_join(u->thread, NULL);
  if (u->code) fail_msg("%s", u->error.message);
}

/* It waits while `h` holds, and no longer. */
static void waits_for(struct holder h, struct store *s, int study, int number)
{
  struct user u;
  begin_waiting(&u, s, study, number, 0.2);
  let_go(h);
  end_waiting(&u);
  assert_true(store_waiting_s(s) == 0);
}

/* ---------------------------------------------------------------------------------------- locks */

static void the_journal_mode_suits_the_file_system(void **state)
{
  (void)state;
  struct store *s = open_mode(STORE_JOURNAL_DELETE);
  make_study(s, "a");
  assert_string_equal(raw_query("PRAGMA journal_mode"), "delete");
  assert_false(is_there("-wal"));
  store_close(s);
  s = open_mode(STORE_JOURNAL_AUTO); /* moved from a network file system to a local one */
  assert_string_equal(raw_query("PRAGMA journal_mode"), "wal");
  store_close(s);
  s = open_mode(STORE_JOURNAL_DELETE); /* and back */
  assert_string_equal(raw_query("PRAGMA journal_mode"), "delete");
  assert_string_equal(raw_query("SELECT study_name FROM studies"), "a");
  store_close(s);
  static const uint64_t network[] = {0x6969,     0xff534d42, 0xfe534d42,        0x517b,
                                     0x65735546, 0x0bd00bd0, 0xffffffffff534d42};
  static const uint64_t local[] = {0xef53, 0x58465342, 0x9123683e, 0x01021994, 0x794c7630, 0x2fc12fc1};
  for (size_t i = 0; i < sizeof network / sizeof *network; i++) assert_true(store_network_file_system(network[i]));
  for (size_t i = 0; i < sizeof local / sizeof *local; i++) assert_false(store_network_file_system(local[i]));
}

static void an_open_dashboard_does_not_keep_a_run_from_starting(void **state)
{
  (void)state;
  store_close(open_mode(STORE_JOURNAL_DELETE));
  struct holder h = hold("BEGIN; SELECT * FROM studies");
  int64_t begin = store_monotonic_ms();
  struct store *s = open_mode(STORE_JOURNAL_WAL); /* no switch is possible while it reads; DELETE will do */
  assert_true(store_monotonic_ms() - begin >= 2500);
  assert_string_equal(raw_query("PRAGMA journal_mode"), "delete");
  store_close(s);
  let_go(h);
}

static void an_exclusive_lock_is_waited_for(void **state)
{
  (void)state;
  for (int wal = 0; wal < 2; wal++) {
    struct store *s = open_mode(wal ? STORE_JOURNAL_WAL : STORE_JOURNAL_DELETE);
    int study = make_study(s, wal ? "wal" : "delete");
    waits_for(hold("BEGIN EXCLUSIVE; INSERT INTO study_user_attributes (study_id, \"key\") VALUES (1, "
                   "hex(randomblob(8)))"),
              s, study, 0);
    struct holder h = hold("BEGIN EXCLUSIVE");
    if (wal) { /* a reader waits in DELETE mode only */
      assert_ok(use(s, study, -1, &err));
      let_go(h);
    } else {
      waits_for(h, s, study, -1);
    }
    store_close(s);
  }
}

static void a_reader_in_wal_mode_delays_nobody(void **state)
{
  (void)state;
  struct store *s = open_mode(STORE_JOURNAL_WAL);
  int study = make_study(s, "a");
  struct holder h = hold("BEGIN; SELECT * FROM studies");
  for (int i = 0; i < 5; i++) assert_ok(use(s, study, i, &err)); /* it still reads */
  let_go(h);
  store_close(s);
}

static void a_reader_in_delete_mode_is_waited_for(void **state)
{
  (void)state;
  struct store *s = open_mode(STORE_JOURNAL_DELETE);
  int study = make_study(s, "a");
  waits_for(hold("BEGIN; SELECT * FROM studies"), s, study, 0); /* the COMMIT needs the file alone */
  assert_string_equal(raw_query("SELECT number, state FROM trials"), "0|RUNNING");
  store_close(s);
}

static void a_stop_ends_the_wait_for_a_lock(void **state)
{
  (void)state;
  struct store *s = open_mode(STORE_JOURNAL_WAL);
  struct user u;
  int study = make_study(s, "a");
  struct holder h = hold("BEGIN IMMEDIATE");
  begin_waiting(&u, s, study, 0, 0.2);
  int64_t begin = store_monotonic_ms();
  __atomic_store_n(&stop, 2, __ATOMIC_RELAXED); /* Ctrl-C */
  pthread_join(u.thread, NULL);
  assert_int_equal(u.code, ERROR_INTERRUPTED);
  assert_non_null(strstr(u.error.message, "another program held the database's lock"));
  assert_true(store_monotonic_ms() - begin >= STORE_STOP_GRACE_MS - 1);
  int64_t shortest = STORE_STOP_GRACE_MS; /* the grace is for all together, not for each */
  for (int i = 0; i < 5 && shortest >= STORE_STOP_GRACE_MS; i++) {
    begin = store_monotonic_ms();
    assert_int_equal(store_study_attribute_set(s, study, "k", "1", &err), ERROR_INTERRUPTED);
    shortest = store_monotonic_ms() - begin;
  }
  assert_true(shortest < STORE_STOP_GRACE_MS);
  let_go(h);
  assert_ok(use(s, study, 0, &err)); /* a lock that is free needs no waiting */
  store_close(s);
}

/* Where this machine takes longer than the grace to free the lock, once more. */
static void a_lock_that_is_gone_soon_after_a_stop_loses_nothing(void **state)
{
  (void)state;
  int code = ERROR_INTERRUPTED;
  for (int i = 0; i < 10 && code == ERROR_INTERRUPTED; i++) {
    struct store *s = open_mode(STORE_JOURNAL_WAL);
    struct user u;
    int study = make_study(s, "a");
    struct holder h = hold("BEGIN IMMEDIATE");
    __atomic_store_n(&stop, 2, __ATOMIC_RELAXED);
    begin_waiting(&u, s, study, 0, 0);
    let_go(h);
    pthread_join(u.thread, NULL);
    code = u.code;
    store_close(s);
  }
  assert_int_equal(code, 0);
}

static void a_wait_can_be_told_to_the_user(void **state)
{
  (void)state;
  struct store *s = open_mode(STORE_JOURNAL_WAL);
  struct user u;
  int study = make_study(s, "a");
  struct holder h = hold("BEGIN IMMEDIATE");
  int64_t begin = store_monotonic_ms();
  begin_waiting(&u, s, study, 0, 0.1);
  double seconds = store_waiting_s(s);
  assert_true(seconds > 0.1 && seconds <= (double)(store_monotonic_ms() - begin + 1) / 1000);
  let_go(h);
  end_waiting(&u);
  assert_true(store_waiting_s(s) == 0);
  store_close(s);
}

/* ------------------------------------------------------------------------------- many processes */

static void processes_that_start_at_once_share_a_new_database(void **state)
{
  (void)state;
  enum { PROCESSES = 8 };
  pid_t children[PROCESSES];
  for (int i = 0; i < PROCESSES; i++) {
    if ((children[i] = fork()) == 0) {
      struct store *s;
      char name[16];
      int id;
      snprintf(name, sizeof name, "s%d", i);
      if (store_open(&s, db_path, false, NULL, &err) || store_study(s, name, true, &id, NULL, &err)) {
        fprintf(stderr, "%s\n", err.message);
        _exit(1);
      }
      for (int k = 0; k < 5; k++) {
        struct stored_trial t = random_trial(1, k);
        if (store_trial_start(s, id, &fixture_space, &t, &err)) _exit(2);
      }
      store_close(s);
      _exit(0);
    }
  }
  for (int i = 0; i < PROCESSES; i++) assert_ended_well(children[i]);
  assert_string_equal(
      raw_query("SELECT (SELECT count(*) FROM studies), (SELECT count(*) FROM trials), (SELECT count(*) FROM "
                "alembic_version), (SELECT count(*) FROM trial_params)"),
      "8|40|1|400");
}

/* -------------------------------------------------------------------------------------- kill -9 */

/* What the child had been told is committed, in memory that outlives it. */
struct promises {
  _Atomic int started, ended;
};

static void write_until_killed(struct promises *p, enum store_journal journal, int first)
{
  struct store *s;
  int study;
  if (store_open_writer(&s, db_path, journal, NULL, &err) || store_study(s, "a", true, &study, NULL, &err)) _exit(1);
  for (int i = first;; i++) {
    struct stored_trial t = random_trial(1, i);
    if (store_trial_start(s, study, &fixture_space, &t, &err)) _exit(2);
    p->started = i + 1;
    random_end(1, &t);
    for (int k = 1; k <= t.epochs; k++)
      if (store_trial_epoch(s, study, i, k, k / 7.0, &err)) _exit(3);
    if (store_trial_end(s, study, &t, &err)) _exit(4);
    p->ended = i + 1;
  }
}

/* Every promised trial is there and whole; at most one is running. */
static int check_survivors(const struct promises *p)
{
  struct store *s;
  struct stored_trial *read;
  int n, ended = 0, epochs;
  double *values;
  assert_ok(store_open(&s, db_path, false, NULL, &err));
  int study = make_study(s, "a");
  assert_ok(store_trials(s, study, &fixture_space, NULL, &read, &n, &err));
  assert_true(n >= p->started && n <= p->started + 1);
  for (int i = 0; i < n; i++) {
    struct stored_trial t = random_trial(1, i);
    t.value = NAN;
    if (read[i].state != STORED_RUNNING) {
      assert_int_equal(ended++, i);
      random_end(1, &t);
      if (t.state == STORED_FAIL) t.value = NAN;
      assert_ok(store_epochs(s, study, i, &values, &epochs, &err));
      assert_int_equal(epochs, t.epochs);
      free(values);
    }
    assert_same_trial(&t, &read[i]);
  }
  assert_true(ended >= p->ended && ended <= p->ended + 1 && ended >= n - 1);
  free(read);
  store_close(s);
  assert_string_equal(raw_query("PRAGMA integrity_check"), "ok");
  assert_string_equal(
      raw_query("SELECT count(*) FROM trial_params WHERE trial_id NOT IN (SELECT trial_id FROM trials)"), "0");
  return ended;
}

static bool has_ended(pid_t child)
{
  siginfo_t info = {0};
  return waitid(P_PID, (id_t)child, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == child;
}

static void a_process_killed_at_any_moment_leaves_whole_trials(void **state)
{
  (void)state;
  struct promises *p = mmap(NULL, sizeof *p, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  assert_true(p != MAP_FAILED);
  struct rng r = rng_make((uint64_t)time(NULL), 1);
  int ended = 0;
  for (int i = 0; i < 50; i++) {
    int first = ended;
    p->started = p->ended = ended;
    pid_t child = fork();
    if (!child) write_until_killed(p, i % 2 ? STORE_JOURNAL_DELETE : STORE_JOURNAL_WAL, ended);
    if (i % 4 > 1) /* after the end of a trial, however long that takes; else anywhere from the start on */
      while (p->ended == first && !has_ended(child)) nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
    struct timespec nap = {0, (long)rng_below(&r, i % 4 > 1 ? 30000 : 100000) * 1000};
    nanosleep(&nap, NULL);
    kill(child, SIGKILL);
    int status;
    waitpid(child, &status, 0);
    if (!WIFSIGNALED(status)) fail_msg("the writer ended by itself with %d", WEXITSTATUS(status));
    ended = check_survivors(p);
  }
  assert_true(ended > 20);
  munmap(p, sizeof *p);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
  const struct CMUnitTest tests[] = {
      TEST(the_journal_mode_suits_the_file_system),
      TEST(an_open_dashboard_does_not_keep_a_run_from_starting),
      TEST(an_exclusive_lock_is_waited_for),
      TEST(a_reader_in_wal_mode_delays_nobody),
      TEST(a_reader_in_delete_mode_is_waited_for),
      TEST(a_stop_ends_the_wait_for_a_lock),
      TEST(a_lock_that_is_gone_soon_after_a_stop_loses_nothing),
      TEST(a_wait_can_be_told_to_the_user),
      TEST(processes_that_start_at_once_share_a_new_database),
      TEST(a_process_killed_at_any_moment_leaves_whole_trials),
  };
  return cmocka_run_group_tests_name("store locks", tests, NULL, NULL);
}
