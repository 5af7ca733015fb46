/* Programs as objectives: what they are told, how their answers are understood, and what becomes of a trial whose program dies, hangs,
 * talks nonsense, or cannot be started.  The programs are shell scripts that the tests write. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "child_process.h"
#include "command_protocol.h"
#include "command_words.h"
#include "experiment.h"
#include "rng.h"

static char folder[200];
static struct error e;

static int make_folder(void **state)
{
  (void)state;
  const char *tmp = getenv("TMPDIR");
  snprintf(folder, sizeof folder, "%s/gsos-command-XXXXXX", tmp && *tmp ? tmp : "/tmp");
  signal(SIGPIPE, SIG_IGN); /* as signals_install does */
  return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
  (void)state;
  char command[300];
  snprintf(command, sizeof command, "rm -rf '%s'", folder);
  return system(command);
}

static void write_file(const char *name, const char *text, mode_t mode)
{
  char path[300];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  FILE *f = fopen(path, "we");
  assert_non_null(f);
  fputs(text, f);
  assert_int_equal(fclose(f), 0);
  assert_int_equal(chmod(path, mode), 0);
}

/* ---- what is said ----------------------------------------------------------------------------------------------------- */

static void a_request_has_natural_types(void **state)
{
  (void)state;
  static const char *const lines[][2] = {{"rate", "float 1e-05 .. 1 log default 0.01"},
                                         {"whole", "float 0 .. 4 default 3"},
                                         {"depth", "int 1 .. 9 default 6"},
                                         {"width", "ordinal 32, 64.5, 1e6 default 64.5"},
                                         {"method", "categorical alpha, β default β"}};
  struct space s;
  double values[SPACE_MAX];
  space_init(&s);
  for (; s.n < 5; s.n++) assert_int_equal(param_parse(&s.params[s.n], lines[s.n][0], lines[s.n][1], &e), 0);
  space_defaults(&s, values);
  struct trial_spec spec = {
      .key = 0xfedcba9800000001, .values = values, .strategy = "grouped", .round = 2, .number = 17};
  char *text = command_request(&s, &spec);
  assert_string_equal(text, "{\"trial\":17,\"study\":\"grouped/2\",\"seed\":4275878552,\"params\":{\"rate\":0.01,"
                            "\"whole\":3.0,\"depth\":6,\"width\":64.5,\"method\":\"β\"}}\n");
  free(text);
  struct rng rng = rng_make(11, 0);
  for (int i = 0; i < 1000; i++) { /* to the last bit */
    values[0] = pow(10, -5 * rng_uniform(&rng)) * (1 - rng_uniform(&rng) * 1e-9);
    values[0] = param_clamp(&s.params[0], values[0]);
    text = command_request(&s, &spec);
    assert_true(strtod(strstr(text, "\"rate\":") + 7, NULL) == values[0]);
    free(text);
  }
  space_destroy(&s);
}

static struct answer understood(const char *line, int epoch)
{
  struct answer a;
  command_answer(line, strlen(line), 3, epoch, &a);
  return a;
}

static void answers_are_understood(void **state)
{
  (void)state;
  struct answer a = understood("{\"value\": 0.93}", 0);
  assert_int_equal(a.kind, ANSWER_VALUE);
  assert_true(a.value == 0.93);
  a = understood(" {\"epoch\": 4, \"value\": -2e-3, \"loss\": [1]} \r", 3);
  assert_int_equal(a.kind, ANSWER_EPOCH);
  assert_int_equal(a.epoch, 4);
  assert_true(a.value == -2e-3);
  a = understood("{\"fail\": \"out of\\nmemory\"}", 3);
  assert_int_equal(a.kind, ANSWER_FAIL);
  assert_string_equal(a.reason, "failed: out of\\x0amemory");
  assert_int_equal(understood("", 0).kind, ANSWER_BLANK);
  assert_int_equal(understood(" \t\r", 0).kind, ANSWER_BLANK);
}

static void what_is_not_finite_has_diverged(void **state)
{
  (void)state;
  static const char *const lines[] = {"{\"value\": NaN}", "{\"value\": Infinity}", "{\"value\": -Infinity}",
                                      "{\"value\": 1e999}", "{\"loss\": NaN, \"value\": NaN}"};
  for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
    struct answer a = understood(lines[i], 0);
    assert_int_equal(a.kind, ANSWER_DIVERGED);
    assert_int_equal(a.epoch, 0);
    assert_int_equal(strncmp(a.reason, "diverged: the value is ", 23), 0);
  }
  struct answer a = understood("{\"epoch\": 2, \"value\": NaN}", 1);
  assert_int_equal(a.kind, ANSWER_DIVERGED);
  assert_int_equal(a.epoch, 2);
  assert_string_equal(a.reason, "diverged: the value of epoch 2 is nan");
}

static void nonsense_is_named(void **state)
{
  (void)state;
  static const struct {
    const char *line, *why;
  } cases[] = {{"Epoch 1: 0.7", "is no JSON: Epoch 1: 0.7"},
               {"{\"value\": 0.93", "is no JSON"},
               {"{\"value\": 0.93} {}", "is no JSON"},
               {"{\"value\": Nothing}", "is no JSON"},
               {"0.93", "is no JSON object"},
               {"NaN", "is no JSON"},
               {"[1]", "is no JSON object"},
               {"{}", "has neither \"value\" nor \"fail\""},
               {"{\"Value\": 1}", "has neither"},
               {"{\"value\": \"0.93\"}", "has a \"value\" that is no number"},
               {"{\"value\": null}", "has a \"value\" that is no number"},
               {"{\"value\": 1, \"fail\": \"x\"}", "has both"},
               {"{\"fail\": 1}", "has a \"fail\" that is no text"},
               {"{\"epoch\": 0, \"value\": 1}", "has an \"epoch\" that is no whole number"},
               {"{\"epoch\": 2.5, \"value\": 1}", "has an \"epoch\" that is no whole number"},
               {"{\"epoch\": \"2\", \"value\": 1}", "has an \"epoch\" that is no whole number"},
               {"{\"epoch\": 1000001, \"value\": 1}", "has an \"epoch\" that is no whole number"},
               {"{\"epoch\": 5, \"value\": 1}", "has an \"epoch\" that was there already"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct answer a = understood(cases[i].line, 5);
    assert_int_equal(a.kind, ANSWER_NONSENSE);
    if (strncmp(a.reason, "nonsense: line 3 of its answer ", 31) != 0 || !strstr(a.reason, cases[i].why))
      fail_msg("%s: %s", cases[i].line, a.reason);
  }
  struct answer a;
  command_answer("{\"value\": 1}\0", 13, 1, 0, &a); /* a zero byte */
  assert_int_equal(a.kind, ANSWER_NONSENSE);
  command_answer("\x1b[2J\xff", 5, 1, 0, &a);
  assert_non_null(strstr(a.reason, "\\x1b[2J\\xff")); /* nothing that drives a terminal */
}

/* Whatever bytes come, they are understood or named, within the reason's room. */
static void random_bytes_are_survived(void **state)
{
  (void)state;
  static const char *const pieces[] = {"{",         "}",  "\"value\"", ":",    "\"epoch\"", ",", "1e9",      "NaN",
                                       "-Infinity", "\"", "\\u0000",   "\xff", "[",         " ", "\"fail\"", "null"};
  struct rng rng = rng_make(5, 1);
  for (int i = 0; i < 20000; i++) {
    char line[300] = "{";
    struct answer a;
    for (uint32_t n = rng_below(&rng, 12); n > 0; n--) strcat(line, pieces[rng_below(&rng, 16)]);
    command_answer(line, strlen(line), 1, 0, &a);
    if (a.kind == ANSWER_VALUE || a.kind == ANSWER_EPOCH) assert_true(isfinite(a.value));
    if (a.kind >= ANSWER_FAIL) assert_in_range(strlen(a.reason), 5, REASON_MAX - 1);
  }
}

static void the_last_lines_fit(void **state)
{
  (void)state;
  char out[36];
  static const char text[] = "first\nsecond line\n\n  third\tline \n";
  command_last_lines(text, sizeof text - 1, out, sizeof out);
  assert_string_equal(out, "second line |   third\\x09line"); /* no room for the first */
  command_last_lines("one\ntwo", 7, out, sizeof out);
  assert_string_equal(out, "one | two");
  command_last_lines(" \n\n", 3, out, sizeof out);
  assert_string_equal(out, "");
  char *long_line = malloc(5000);
  memset(long_line, 'x', 5000);
  command_last_lines(long_line, 5000, out, sizeof out);
  assert_int_equal(strlen(out), sizeof out - 1);
  free(long_line);
}

static void words_are_split_at_spaces_and_quotes(void **state)
{
  (void)state;
  struct command_words w;
  assert_int_equal(command_words_make(&w, "  sh -c 'echo \"a b\"'  x\"y z\"'' \"\" ", "/", &e), 0);
  assert_int_equal(w.n, 5);
  assert_string_equal(w.argv[2], "echo \"a b\"");
  assert_string_equal(w.argv[3], "xy z");
  assert_string_equal(w.argv[4], "");
  assert_null(w.argv[5]);
  assert_int_equal(w.path[0], '/');
  command_words_free(&w);
  static const struct {
    const char *line, *why;
  } wrong[] = {{"sh 'x", "a quote is not closed"}, {"", "names no program"},        {"''", "names no program"},
               {"no-such-program-here", "PATH"},   {"./missing", "No such file"},   {"./", "is no file"},
               {"./plain.txt", "not executable"},  {"sh/no/folder", "No such file"}};
  write_file("plain.txt", "text\n", 0644);
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    if (!strcmp(wrong[i].line, "./plain.txt") && geteuid() == 0 && access("/etc/passwd", X_OK) == 0) continue;
    assert_int_equal(command_words_make(&w, wrong[i].line, folder, &e), ERROR_CONFIG);
    if (!strstr(e.message, wrong[i].why)) fail_msg("%s: %s", wrong[i].line, e.message);
  }
  assert_int_equal(command_words_make(&w, "sh", "/no/such/folder", &e), ERROR_CONFIG);
}

static void what_a_program_is_made_of_is_described(void **state)
{
  (void)state;
  struct command_words w;
  char before[300], after[300];
  write_file("made.sh", "echo 1\n", 0644);
  assert_int_equal(command_words_make(&w, "sh -e made.sh plain.txt", folder, &e), 0);
  command_words_description(&w, folder, before, sizeof before);
  assert_non_null(strstr(before, ", made.sh "));
  assert_null(strstr(before, "plain.txt"));
  write_file("made.sh", "echo 2\n", 0644);
  command_words_description(&w, folder, after, sizeof after);
  assert_string_not_equal(before, after);
  command_words_free(&w);
}

/* ---- processes ---------------------------------------------------------------------------------------------------------- */

/* All that it says, until it has ended. */
static void listen_to(struct child *c, char *text, size_t size)
{
  size_t n = 0;
  assert_true(child_wait(c, 10000));
  child_end(c, CHILD_ASK);
  for (ssize_t got; n < size - 1 && (got = child_read(c->out, text + n, size - 1 - n)) > 0;) n += (size_t)got;
  text[n] = 0;
  child_close(c);
}

static void a_child_has_its_own_group_and_no_blocked_signals(void **state)
{
  (void)state;
  struct child c;
  static const char report[] =
      "while read -r key value; do case $key in SigBlk:|SigIgn:) echo $value;; esac; done </proc/$$/status\n"
      "read -r pid name state parent group rest </proc/$$/stat; echo $pid $group\n"; /* no fork */
  char *argv[] = {"sh", "-c", (char *)report, NULL};
  char text[500];
  unsigned long long blocked, ignored;
  sigset_t all, old;
  int pid, group;
  sigfillset(&all); /* as in a worker */
  pthread_sigmask(SIG_SETMASK, &all, &old);
  int code = child_start(&c, "/bin/sh", argv, "/", &e);
  pthread_sigmask(SIG_SETMASK, &old, NULL);
  if (code) fail_msg("%s", e.message);
  int started = (int)c.pid;
  listen_to(&c, text, sizeof text);
  assert_int_equal(sscanf(text, "%llx %llx %d %d", &blocked, &ignored, &pid, &group), 4);
  assert_int_equal(blocked, 0);
  assert_int_equal(ignored & (1ull << (SIGPIPE - 1)), 0);
  assert_int_equal(pid, started);
  assert_int_equal(group, started);
}

/* The pipes of another one above all: with those, it would keep that one from seeing the end of its input. */
static void a_child_inherits_nothing_of_ours(void **state)
{
  (void)state;
  static const char list[] = "exec ls /proc/self/fd";
  struct child other, c;
  char *argv[] = {"sh", "-c", (char *)list, NULL}, *wait_argv[] = {"sh", "-c", "read x", NULL}, expected[300],
       text[300];
  FILE *outside = popen(list, "re"); /* what the tests were started with may be there */
  assert_non_null(outside);
  expected[fread(expected, 1, sizeof expected - 1, outside)] = 0;
  pclose(outside);
  assert_int_equal(child_start(&other, "/bin/sh", wait_argv, "/", &e), 0);
  assert_int_equal(child_start(&c, "/bin/sh", argv, "/", &e), 0);
  listen_to(&c, text, sizeof text);
  assert_string_equal(text, expected);
  child_end(&other, CHILD_ASK);
  child_close(&other);
}

static void what_cannot_be_executed_says_why(void **state)
{
  (void)state;
  struct child c;
  char *argv[] = {"x", NULL}, path[300];
  write_file("no-interpreter", "#!/no/such/interpreter\n", 0755);
  write_file("no-format", "echo\n", 0755);
  assert_int_equal(child_start(&c, "./missing", argv, folder, &e), ERROR_FAILED);
  assert_non_null(strstr(e.message, "missing"));
  snprintf(path, sizeof path, "%s/no-interpreter", folder);
  assert_int_equal(child_start(&c, path, argv, "/", &e), ERROR_FAILED);
  assert_non_null(strstr(e.message, "first line"));
  assert_int_equal(child_start(&c, "./no-format", argv, folder, &e), ERROR_FAILED);
  assert_non_null(strstr(e.message, "#!/bin/sh"));
  assert_int_equal(child_start(&c, "/bin/sh", argv, "/no/such/folder", &e), ERROR_FAILED);
  assert_non_null(strstr(e.message, "/no/such/folder"));
  assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no zombie */
  assert_int_equal(errno, ECHILD);
}

/* One that does not listen to SIGTERM, and has started another one. */
static void an_ended_child_leaves_nothing(void **state)
{
  (void)state;
  struct child c;
  char *argv[] = {"sh", "-c", "trap '' TERM; sleep 1000 & echo $!; while :; do sleep 1; done", NULL}, text[100] = "";
  assert_int_equal(child_start(&c, "/bin/sh", argv, "/", &e), 0);
  for (size_t n = 0; !strchr(text, '\n');) {
    ssize_t got = child_read(c.out, text + n, sizeof text - 1 - n);
    if (got > 0) n += (size_t)got;
  }
  int other = atoi(text);
  assert_int_equal(kill(other, 0), 0);
  child_end(&c, CHILD_STOP);
  child_close(&c);
  char why[100];
  child_status_text(c.status, why, sizeof why);
  assert_string_equal(why, "killed by signal 9 (Killed)");
  snprintf(text, sizeof text, "/proc/%d/stat", other);
  for (;;) { /* until init has buried it; a zombie is gone as well */
    char stat_line[100] = "";
    FILE *f = fopen(text, "re");
    if (!f) break;
    const char *got = fgets(stat_line, sizeof stat_line, f);
    fclose(f);
    if (!got || strstr(stat_line, ") Z")) break;
    nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
  }
}

/* Its own time, and that of a child that it waits for. */
static void cpu_time_is_counted(void **state)
{
  (void)state;
  static const char *const burns[] = {"i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; echo; read x",
                                      "sh -c 'i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done'; echo; read x"};
  for (int i = 0; i < 2; i++) {
    struct child c;
    char *argv[] = {"sh", "-c", (char *)burns[i], NULL}, byte;
    assert_int_equal(child_start(&c, "/bin/sh", argv, "/", &e), 0);
    while (child_read(c.out, &byte, 1) < 0) nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    double running = child_cpu_seconds(&c);
    assert_true(running > 0);
    child_end(&c, CHILD_ASK);
    child_close(&c);
    assert_true(child_cpu_seconds(&c) >= running);
    assert_int_equal(WEXITSTATUS(c.status), 1); /* read found the end of its input */
  }
}

/* ---- trials --------------------------------------------------------------------------------------------------------------- */

struct fixture {
  struct experiment x;
  struct objective *o;
  struct place *p;
  volatile int stop;
};

/* A place for the program `script`, in sh. */
static void open_script(struct fixture *f, const char *script)
{
  char folder_setting[300];
  const char *settings[] = {"experiment.objective=command", "experiment.direction=minimize",
                            "command.run=sh program.sh", folder_setting, "space.x=float 0 .. 1 default 0.5"};
  memset(f, 0, sizeof *f);
  snprintf(folder_setting, sizeof folder_setting, "command.folder=%s", folder);
  write_file("program.sh", script, 0644);
  if (experiment_load(&f->x, NULL, settings, 5, &e)) fail_msg("%s", e.message);
  if (objective_create(&f->o, &f->x, NULL, NULL, &e)) fail_msg("%s", e.message);
  if (f->o->open(f->o, &f->p, 0, 1, &e)) fail_msg("%s", e.message);
}

static void close_script(struct fixture *f)
{
  f->o->close(f->p);
  objective_destroy(f->o);
  experiment_destroy(&f->x);
  assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* nothing is left */
  assert_int_equal(errno, ECHILD);
}

static int add(struct fixture *f, int number)
{
  double values[] = {0.5};
  struct trial_spec spec = {.id = 0, .key = 1, .values = values, .strategy = "test", .number = number};
  return f->o->add(f->p, &spec, &e);
}

static int advance(struct fixture *f, struct trial_event *event)
{
  int n;
  int code = f->o->advance(f->p, event, 1, &n, &f->stop, &e);
  if (!code) assert_int_equal(n, 1);
  return code;
}

/* One trial to its end. */
static struct trial_event trial(struct fixture *f, int number)
{
  struct trial_event event = {0};
  if (add(f, number)) fail_msg("%s", e.message);
  do {
    if (advance(f, &event)) fail_msg("%s", e.message);
  } while (event.kind == TRIAL_EPOCH);
  f->o->remove(f->p, 0);
  return event;
}

static void expect_restarts(struct fixture *f, int n)
{
  char text[300], expected[60];
  f->o->summary(f->o, text, sizeof text);
  snprintf(expected, sizeof expected, "the program was started again %d time", n);
  if (n == 0)
    assert_string_equal(text, "");
  else
    assert_int_equal(strncmp(text, expected, strlen(expected)), 0);
}

static void expect_failure(struct trial_event event, const char *reason)
{
  assert_int_equal(event.kind, TRIAL_FAILED);
  if (!strstr(event.reason, reason)) fail_msg("%s", event.reason);
}

/* Reads $t, a trial's line, and its number into $n. */
#define READ "while read -r t; do n=${t#*:}; n=${n%%,*}\n"

static void a_program_gets_one_trial_after_the_other(void **state)
{
  (void)state;
  struct fixture f;
  struct trial_event event;
  open_script(&f, "i=0\n" READ "i=$((i+1)); echo; echo '{\"epoch\":2,\"value\":8}'; echo '{\"epoch\":3,\"value\":7}'\n"
                  "echo \"{\\\"value\\\": $n$i}\"; done\n");
  assert_int_equal(add(&f, 4), 0);
  assert_int_not_equal(add(&f, 5), 0); /* one at a time */
  assert_int_equal(advance(&f, &event), 0);
  assert_int_equal(event.kind, TRIAL_EPOCH);
  assert_int_equal(event.epoch, 2);
  assert_true(event.value == 8);
  assert_int_equal(advance(&f, &event), 0);
  assert_int_equal(event.epoch, 3);
  assert_int_equal(advance(&f, &event), 0);
  assert_int_equal(event.kind, TRIAL_DONE);
  assert_int_equal(event.epoch, 3);
  assert_true(event.value == 41);
  f.o->remove(f.p, 0);
  assert_true(trial(&f, 5).value == 52); /* of the same process */
  expect_restarts(&f, 0);
  close_script(&f);
}

static void a_failure_that_it_tells_is_the_trials(void **state)
{
  (void)state;
  struct fixture f;
  open_script(&f, READ "[ $n = 0 ] && echo '{\"fail\": \"too wide\"}' || echo '{\"value\": 1}'; done\n");
  expect_failure(trial(&f, 0), "failed: too wide");
  assert_int_equal(trial(&f, 1).kind, TRIAL_DONE);
  expect_restarts(&f, 0);
  close_script(&f);
}

static void a_death_is_the_trials_failure_with_its_last_words(void **state)
{
  (void)state;
  struct fixture f;
  open_script(&f, READ "[ $n = 1 ] && { echo one >&2; echo 'Error: two' >&2; exit 3; }\n"
                       "[ $n = 2 ] && kill -SEGV $$\n[ $n = 3 ] && { echo '{\"epoch\": 1, \"value\": 2}'; exit 0; }\n"
                       "echo '{\"value\": 1}'; done\n");
  assert_int_equal(trial(&f, 0).kind, TRIAL_DONE);
  struct trial_event event = trial(&f, 1);
  assert_string_equal(event.reason, "died: exit status 3; its last words: one | Error: two");
  expect_failure(trial(&f, 2), "died: killed by signal 11");
  event = trial(&f, 3);
  expect_failure(event, "died: exit status 0");
  assert_int_equal(event.epoch, 1);
  assert_int_equal(trial(&f, 4).kind, TRIAL_DONE);
  expect_restarts(&f, 3);
  close_script(&f);
}

static void nonsense_is_the_trials_failure_and_ends_the_process(void **state)
{
  (void)state;
  struct fixture f;
  open_script(&f, READ "[ $n = 1 ] && { echo '{\"epoch\": 1, \"value\": 2}'; echo Epoch 2; echo '{\"value\": 7}'; }\n"
                       "[ $n = 2 ] && head -c 70000 /dev/zero | tr '\\0' x\n"
                       "[ $n = 3 ] && { echo '{\"epoch\": 1, \"value\": NaN}'; }\n"
                       "[ $n = 4 ] && { echo '{\"value\": NaN}'; continue; }\necho \"{\\\"value\\\": $n}\"; done\n");
  assert_int_equal(trial(&f, 0).kind, TRIAL_DONE);
  expect_failure(trial(&f, 1), "nonsense: line 2 of its answer is no JSON: Epoch 2");
  expect_failure(trial(&f, 2), "nonsense: line 1 of its answer is longer than 65536 bytes");
  expect_failure(trial(&f, 3), "diverged: the value of epoch 1 is nan");
  expect_restarts(&f, 2); /* the third comes with trial 4 */
  expect_failure(trial(&f, 4), "diverged: the value is nan");
  assert_true(trial(&f, 5).value == 5);
  expect_restarts(&f, 3); /* a last answer that is not finite leaves the process as it is */
  close_script(&f);
}

static void a_program_for_one_trial_serves_as_well(void **state)
{
  (void)state;
  struct fixture f;
  open_script(&f, "read -r t; printf '{\"value\": 1}'\n"); /* without a newline */
  for (int i = 0; i < 4; i++) assert_int_equal(trial(&f, i).kind, TRIAL_DONE);
  expect_restarts(&f, 3);
  close_script(&f);
  open_script(&f, "read -r t; echo '{\"value\": 1}'; sleep 0.1; echo bye\n"); /* its farewell is nobody's answer */
  for (int i = 0; i < 3; i++) assert_int_equal(trial(&f, i).kind, TRIAL_DONE);
  expect_restarts(&f, 2);
  close_script(&f);
  open_script(&f, "read -r t; echo '{\"value\": 1}'; sleep 0.1\n"); /* it ends with the next trial unread */
  for (int i = 0; i < 3; i++) assert_int_equal(trial(&f, i).kind, TRIAL_DONE);
  expect_restarts(&f, 2);
  close_script(&f);
}

static void a_program_that_never_reads_cannot_be_started(void **state)
{
  (void)state;
  static const struct {
    const char *script, *why;
  } cases[] = {{"echo cannot open file >&2; exit 2\n",
                "(exit status 2) before it had read its first trial; its last words: cannot "
                "open file"},
               {"echo usage: program FILE\n", "is no JSON: usage: program FILE"},
               {"printf usage\n", "is no JSON: usage"},
               {"exec >&-; sleep 1000\n", "closed its standard output"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct fixture f;
    struct trial_event event;
    open_script(&f, cases[i].script);
    assert_int_equal(add(&f, 0), 0);
    assert_int_equal(advance(&f, &event), ERROR_FAILED);
    if (!strstr(e.message, "sh program.sh: the program cannot be started") || !strstr(e.message, cases[i].why))
      fail_msg("%s", e.message);
    f.o->remove(f.p, 0);
    close_script(&f);
  }
}

static void much_is_said_beside_without_harm(void **state)
{
  (void)state;
  struct fixture f;
  open_script(&f, READ "head -c 3000000 /dev/zero | tr '\\0' x >&2; echo; echo end >&2\n"
                       "[ $n = 1 ] && exit 9; echo '{\"value\": 1}'; done\n");
  assert_int_equal(trial(&f, 0).kind, TRIAL_DONE);
  struct trial_event event = trial(&f, 1);
  expect_failure(event, "died: exit status 9; its last words: ");
  assert_true(strlen(event.reason) > 20);
  close_script(&f);
}

/* Many lines and the answer, in one breath before its end. */
static void all_that_it_said_before_its_end_is_heard(void **state)
{
  (void)state;
  struct fixture f;
  struct trial_event event;
  int epochs = 0;
  open_script(
      &f,
      "read -r t; seq 1 5000 | sed 's/.*/{\"epoch\": &, \"value\": &}/'; echo '{\"value\": 6}'; sleep 1000 & exit 0\n");
  assert_int_equal(add(&f, 0), 0);
  for (;; epochs++) {
    if (advance(&f, &event)) fail_msg("%s", e.message);
    if (event.kind != TRIAL_EPOCH) break;
    assert_int_equal(event.epoch, epochs + 1);
  }
  assert_int_equal(epochs, 5000);
  assert_int_equal(event.kind, TRIAL_DONE);
  assert_true(event.value == 6);
  f.o->remove(f.p, 0);
  close_script(&f);
}

static void *stop_later(void *context)
{
  struct fixture *f = context;
  nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
  __atomic_store_n(&f->stop, 1, __ATOMIC_RELAXED);
  return NULL;
}

static void one_that_hangs_is_stopped(void **state)
{
  (void)state;
  struct fixture f;
  struct trial_event event;
  pthread_t thread;
  open_script(&f, READ "[ $n = 0 ] && sleep 1000; echo '{\"value\": 1}'; done\n");
  assert_int_equal(add(&f, 0), 0);
  assert_int_equal(pthread_create(&thread, NULL, stop_later, &f), 0);
  assert_int_equal(advance(&f, &event), ERROR_INTERRUPTED);
  pthread_join(thread, NULL);
  f.o->remove(f.p, 0);
  f.stop = 0;
  assert_int_equal(trial(&f, 1).kind, TRIAL_DONE);
  expect_restarts(&f, 1);
  close_script(&f);
}

/* A batch system's SIGTERM reaches the program before gsos hears of it: no result, but the end of the run. */
static void a_signal_that_comes_to_both_is_no_death(void **state)
{
  (void)state;
  struct fixture f;
  struct trial_event event;
  pthread_t thread;
  open_script(&f, READ "kill -TERM $$; sleep 1000; done\n");
  assert_int_equal(add(&f, 0), 0);
  assert_int_equal(pthread_create(&thread, NULL, stop_later, &f), 0);
  assert_int_equal(advance(&f, &event), ERROR_INTERRUPTED);
  pthread_join(thread, NULL);
  f.o->remove(f.p, 0);
  f.stop = 0;
  assert_int_equal(add(&f, 1), 0);
  assert_int_equal(advance(&f, &event), 0); /* alone it is one */
  expect_failure(event, "died: killed by signal 15");
  f.o->remove(f.p, 0);
  close_script(&f);
}

static void a_command_needs_a_program_and_a_direction(void **state)
{
  (void)state;
  struct experiment x;
  static const char *const settings[] = {"experiment.objective=command", "space.x=float 0 .. 1 default 0.5",
                                         "command.run=sh x.sh", "experiment.direction=maximize",
                                         "experiment.strategies=grouped"};
  assert_int_equal(experiment_load(&x, NULL, settings, 2, &e), ERROR_CONFIG);
  assert_non_null(strstr(e.message, "[command] run"));
  assert_int_equal(experiment_load(&x, NULL, settings, 3, &e), ERROR_CONFIG);
  assert_non_null(strstr(e.message, "direction = maximize, or minimize"));
  assert_int_equal(experiment_load(&x, NULL, settings, 5, &e), ERROR_CONFIG);
  assert_non_null(strstr(e.message, "[groups]"));
  assert_int_equal(experiment_load(&x, NULL, settings, 4, &e), 0);
  assert_true(x.maximize);
  assert_int_equal(x.n_strategies, 1);
  assert_string_equal(x.strategies[0], "simultaneous");
  assert_int_equal(x.space.n, 1);
  assert_int_equal(x.groups.n, 1);
  char *text = experiment_search_text(&x);
  assert_non_null(strstr(text, "command.run = sh x.sh\n"));
  assert_null(strstr(text, "command.folder"));
  free(text);
  experiment_destroy(&x);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_request_has_natural_types),
      cmocka_unit_test(answers_are_understood),
      cmocka_unit_test(what_is_not_finite_has_diverged),
      cmocka_unit_test(nonsense_is_named),
      cmocka_unit_test(random_bytes_are_survived),
      cmocka_unit_test(the_last_lines_fit),
      cmocka_unit_test(words_are_split_at_spaces_and_quotes),
      cmocka_unit_test(what_a_program_is_made_of_is_described),
      cmocka_unit_test(a_child_has_its_own_group_and_no_blocked_signals),
      cmocka_unit_test(a_child_inherits_nothing_of_ours),
      cmocka_unit_test(what_cannot_be_executed_says_why),
      cmocka_unit_test(an_ended_child_leaves_nothing),
      cmocka_unit_test(cpu_time_is_counted),
      cmocka_unit_test(a_program_gets_one_trial_after_the_other),
      cmocka_unit_test(a_failure_that_it_tells_is_the_trials),
      cmocka_unit_test(a_death_is_the_trials_failure_with_its_last_words),
      cmocka_unit_test(nonsense_is_the_trials_failure_and_ends_the_process),
      cmocka_unit_test(a_program_for_one_trial_serves_as_well),
      cmocka_unit_test(a_program_that_never_reads_cannot_be_started),
      cmocka_unit_test(much_is_said_beside_without_harm),
      cmocka_unit_test(all_that_it_said_before_its_end_is_heard),
      cmocka_unit_test(one_that_hangs_is_stopped),
      cmocka_unit_test(a_signal_that_comes_to_both_is_no_death),
      cmocka_unit_test(a_command_needs_a_program_and_a_direction),
  };
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
