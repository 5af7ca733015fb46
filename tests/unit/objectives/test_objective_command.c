/* Programs as objectives: what they receive, how their answers are understood, and what becomes of
 * a trial whose program dies, hangs, talks nonsense, or cannot be started.  The programs are shell
 * scripts that the tests write. */
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

#include "host/base/child_process.h"
#include "host/base/environment.h"
#include "host/objectives/command_protocol.h"
#include "host/objectives/command_files.h"
#include "host/objectives/command_words.h"
#include "host/experiment/experiment.h"
#include "host/base/rng.h"
#include "host/base/text_utf8.h"

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

/* ---- what is said ---------------------------------------------------------------------------- */

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
  struct question q = {.study = "grouped/0", .trial = 17, .line = 3, .epoch = epoch};
  command_answer(line, strlen(line), &q, &a);
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
  assert_string_equal(a.reason, "failed: out of\nmemory"); /* as it was said: whoever shows it escapes it */
  a = understood("{\"fail\": \"no match for \\\\d+ in\\tline \xff\"}", 3);
  assert_string_equal(a.reason, "failed: no match for \\d+ in\tline \xef\xbf\xbd");
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
  static const struct {
    const char *number, *reason;
  } printed[] = {{"nan", "diverged: the value is nan"},        {"-nan", "diverged: the value is nan"},
                 {"NAN", "diverged: the value is nan"},        {"-nan(ind)", "diverged: the value is nan"},
                 {"nan(0x7ff)", "diverged: the value is nan"}, {"inf", "diverged: the value is inf"},
                 {"-inf", "diverged: the value is -inf"},      {"+Inf", "diverged: the value is inf"},
                 {"-Inf", "diverged: the value is -inf"},      {"Infinity", "diverged: the value is inf"},
                 {"-Infinity", "diverged: the value is -inf"}, {"-INFINITY", "diverged: the value is -inf"},
                 {"-1e999", "diverged: the value is -inf"}};
  for (size_t i = 0; i < sizeof printed / sizeof *printed; i++) {
    char line[100];
    snprintf(line, sizeof line, "{\"loss\":%s,\"value\":%s}", printed[i].number, printed[i].number);
    assert_string_equal(understood(line, 0).reason, printed[i].reason);
    snprintf(line, sizeof line, "{\"value\": 0.5, \"f1\": [%s , %s], \"NaN\": \"-inf\"}", printed[i].number,
             printed[i].number); /* of another name: it is not looked at */
    assert_int_equal(understood(line, 0).kind, ANSWER_VALUE);
    assert_true(understood(line, 0).value == 0.5);
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
               {"{\"value\": nano}", "is no JSON"},
               {"{\"value\": 1nan}", "is no JSON"},
               {"{\"value\": \"nan\"}", "has a \"value\" that is no number"},
               {"{\"fail\": NaN}", "has a \"fail\" that is no text"},
               {"{\"epoch\": NaN, \"value\": 1}", "has an \"epoch\" that is no whole number"},
               {"{\"trial\": 16, \"value\": 1}", "is for trial 16, but trial 17 was asked"},
               {"{\"trial\": 16, \"fail\": \"x\"}", "is for trial 16, but trial 17 was asked"},
               {"{\"trial\": \"17\", \"value\": 1}", "has a \"trial\" that is no number"},
               {"{\"trial\": 17, \"study\": \"simultaneous/0\", \"value\": 1}", "is for another study than grouped/0"},
               {"{\"study\": 0, \"value\": 1}", "has a \"study\" that is no text"},
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
  struct question q = {.study = "grouped/0", .trial = 17, .line = 3};
  command_answer("{\"value\": 1}\0", 13, &q, &a); /* a zero byte */
  assert_int_equal(a.kind, ANSWER_NONSENSE);
  a = understood("caf\xe9 \\d+ \x1b[2J", 0); /* whoever shows it escapes it, once */
  assert_string_equal(a.reason, "nonsense: line 3 of its answer is no JSON: caf\xef\xbf\xbd \\d+ \x1b[2J");
}

static void an_answer_may_name_its_trial(void **state)
{
  (void)state;
  static const char *const lines[] = {"{\"trial\": 17, \"value\": 0.5}",
                                      "{\"value\": 0.5, \"study\": \"grouped/0\", \"trial\": 17.0}",
                                      "{\"study\": \"grouped/0\", \"value\": 0.5}"};
  for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
    struct answer a = understood(lines[i], 0);
    assert_int_equal(a.kind, ANSWER_VALUE);
    assert_true(a.value == 0.5);
  }
}

static void text_of_programs_becomes_utf8(void **state)
{
  (void)state;
  char out[12];
  assert_string_equal(text_utf8(out, sizeof out, "a\tβ\\", 5), "a\tβ\\");
  assert_string_equal(text_utf8(out, sizeof out, "a\xce\xb2", 2), "a\xef\xbf\xbd"); /* cut off in the middle */
  assert_string_equal(text_utf8(out, sizeof out, "a\0b", 3), "a\xef\xbf\xbd"
                                                             "b");
  assert_string_equal(text_utf8(out, sizeof out, "\xed\xa0\x80", 3), "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
  assert_string_equal(text_utf8(out, sizeof out, "12345678901", 11), "12345678901");
  assert_string_equal(text_utf8(out, sizeof out, "123456789012", 12), "12345678...");
  assert_string_equal(text_utf8(out, sizeof out, "1234567ββββ", 15), "1234567..."); /* between characters */
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
    command_answer(line, strlen(line), &(struct question){.study = "grouped/0", .line = 1}, &a);
    if (a.kind == ANSWER_VALUE || a.kind == ANSWER_EPOCH) assert_true(isfinite(a.value));
    if (a.kind >= ANSWER_FAIL) assert_in_range(strlen(a.reason), 5, REASON_MAX - 1);
  }
}

static void the_last_lines_fit(void **state)
{
  (void)state;
  char out[33];
  static const char text[] = "first\nsecond line\n\n  third\tline \n";
  command_last_lines(text, sizeof text - 1, out, sizeof out);
  assert_string_equal(out, "second line |   third\tline"); /* no room for the first */
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

/* What `run` depends on, in the folder. */
static void describe(const char *run, char text[600])
{
  struct command_words w;
  if (command_words_make(&w, run, folder, &e)) fail_msg("%s: %s", run, e.message);
  command_files_description(&w, folder, text, 600);
  command_words_free(&w);
}

static void what_a_program_is_made_of_is_described(void **state)
{
  (void)state;
  /* Each `run` depends on the bytes of the file: behind a program, its options, variables, a shell,
   * as a module. */
  static const struct {
    const char *run, *file, *shown;
  } cases[] = {{"sh -e made.sh plain.txt", "made.sh", "made.sh"},
               {"sh -e made.sh plain.txt", "plain.txt", "plain.txt"},
               {"env VAR=1 ./interpreter made.sh", "made.sh", "made.sh"},
               {"env VAR=1 ./interpreter made.sh", "interpreter", "interpreter"},
               {"env -u OTHER VAR=plain.txt sh made.sh", "plain.txt", "plain.txt"},
               {"sh made.sh --config=plain.txt", "plain.txt", "plain.txt"},
               {"sh -c './first.sh && exec sh \"made.sh\" >log'", "made.sh", "made.sh"},
               {"sh -c './first.sh && exec sh \"made.sh\" >log'", "first.sh", "first.sh"},
               {"./python3 -m train --fast", "train.py", "train.py"},
               {"./python3 -u -mtools.train plain.txt", "tools/train.py", "train.py"},
               {"./python3 -u -mtools.train plain.txt", "plain.txt", "plain.txt"},
               {"env A=1 ./python3 -m tools", "tools/__main__.py", "__main__.py"},
               {"env A=1 ./python3 -m tools", "tools/__init__.py", "__init__.py"},
               {"./python3 -um train", "train.py", "train.py"},
               {"./python3 -W ignore -m train", "train.py", "train.py"},
               {"./python3 train.py -m plain.txt", "plain.txt", "plain.txt"},
               {"./python3 -c pass -m plain.txt", "plain.txt", "plain.txt"},
               {"./python3 tools", "tools/__main__.py", "__main__.py"},
               {"nice -n 5 ./python3 -m train", "train.py", "train.py"},
               {"timeout 60 env A=1 ./python3 -m train", "train.py", "train.py"},
               {"env -C tools sh inner.sh", "tools/inner.sh", "inner.sh"},
               {"env --chdir=tools A=1 sh inner.sh", "tools/inner.sh", "inner.sh"}};
  static const char *const files[] = {"made.sh",        "first.sh",          "train.py",          "plain.txt",
                                      "tools/train.py", "tools/__main__.py", "tools/__init__.py", "tools/inner.sh"};
  char path[300], before[600], after[600], expected[60];
  snprintf(path, sizeof path, "%s/tools", folder);
  assert_int_equal(mkdir(path, 0777), 0);
  write_file("interpreter", "#!/bin/sh\n", 0755);
  write_file("python3", "#!/bin/sh\n", 0755);
  for (size_t i = 0; i < sizeof files / sizeof *files; i++) write_file(files[i], "1\n", 0644);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    describe(cases[i].run, before);
    write_file(cases[i].file, "2\n", 0755);
    describe(cases[i].run, after);
    write_file(cases[i].file, "1\n", 0755);
    snprintf(expected, sizeof expected, "%s ", cases[i].shown);
    if (!strcmp(before, after) || !strstr(before, expected))
      fail_msg("%s: %s: %s", cases[i].run, cases[i].file, before);
  }
  describe("./python3 -m elsewhere", after);
  assert_non_null(strstr(after, "module elsewhere not covered"));
  describe("env A=1 sh made.sh", after); /* what env starts is in PATH */
  assert_non_null(strstr(after, ", sh "));
  describe("nice -n 5 sh made.sh", after);
  assert_non_null(strstr(after, ", sh "));
}

/* However many there are, a change of any is noticed. */
static void many_files_have_one_checksum(void **state)
{
  (void)state;
  char run[1000] = "sh made.sh", name[40], before[600], after[600];
  write_file("made.sh", "echo 1\n", 0644);
  for (int i = 0; i < 40; i++) {
    snprintf(name, sizeof name, "part-%d.yaml", i);
    write_file(name, "1\n", 0644);
    snprintf(run + strlen(run), sizeof run - strlen(run), " %s", name);
  }
  describe(run, before);
  assert_in_range(strlen(before), 300, 450);
  assert_non_null(strstr(before, " more "));
  for (int i = 0; i < 40; i++) {
    snprintf(name, sizeof name, "part-%d.yaml", i);
    write_file(name, "2\n", 0644);
    describe(run, after);
    assert_string_not_equal(before, after);
    write_file(name, "1\n", 0644);
  }
  describe(run, after);
  assert_string_equal(before, after);
}

static void a_script_has_to_be_there(void **state)
{
  (void)state;
  struct command_words w;
  static const char *const missing[] = {"sh missing.sh",           "sh missing",
                                        "sh -e missing.sh",        "env A=1 sh missing.sh",
                                        "nice -n 5 sh missing.sh", "env -C . sh missing.sh",
                                        "sh ~/missing.sh"};
  static const char *const fine[] = {"sh made.sh missing.sh", "sh -c missing.sh",     "sh -o pipefail made.sh",
                                     "sh -s missing.sh",      "./made.sh missing.sh", "env A=missing.sh sh made.sh"};
  write_file("made.sh", "echo 1\n", 0755);
  for (size_t i = 0; i < sizeof missing / sizeof *missing; i++) {
    assert_int_equal(command_words_make(&w, missing[i], folder, &e), ERROR_CONFIG);
    if (!strstr(e.message, "missing") || !strstr(e.message, "is not there; it is looked for in "))
      fail_msg("%s", e.message);
  }
  assert_non_null(strstr(e.message, "~, $ and * are not understood here"));
  for (size_t i = 0; i < sizeof fine / sizeof *fine; i++) {
    if (command_words_make(&w, fine[i], folder, &e)) fail_msg("%s: %s", fine[i], e.message);
    command_words_free(&w);
  }
}

static void what_only_a_shell_understands_is_refused(void **state)
{
  (void)state;
  struct command_words w;
  static const struct {
    const char *run, *why;
  } refused[] = {{"sh made.sh | tee log", "'|' is no pipe here"},
                 {"sh made.sh |tee log", "'|tee' is no pipe here"},
                 {"sh made.sh > log", "'>' is no redirection here"},
                 {"sh made.sh >>log", "'>>log' is no redirection here"},
                 {"sh made.sh 2>&1", "'2>&1' is no redirection here"},
                 {"sh made.sh &> log", "'&>' is no redirection here"},
                 {"sh made.sh < input", "'<' is no redirection here"},
                 {"sh made.sh && sh made.sh", "'&&' is no end of a command here"},
                 {"sh made.sh &", "'&' is no end of a command here"},
                 {"cd folder; sh made.sh", "'folder;' is no end of a command here"},
                 {"VAR=1 sh made.sh", "to set a variable, put env before it"}};
  for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
    assert_int_equal(command_words_make(&w, refused[i].run, folder, &e), ERROR_CONFIG);
    if (!strstr(e.message, refused[i].why)) fail_msg("%s: %s", refused[i].run, e.message);
  }
  assert_int_equal(command_words_make(&w, "sh made.sh '>' \"|\" a&b x=>1 'c;' -->", folder, &e), 0);
  assert_string_equal(w.argv[2], ">");
  command_words_free(&w);
}

/* ---- processes ------------------------------------------------------------------------------- */

static const struct child_setting at_root = {.folder = "/"};

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
  int code = child_start(&c, "/bin/sh", argv, &at_root, &e);
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

/* The pipes of another one above all: with those, it would keep that one from seeing the end of its
 * input. */
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
  assert_int_equal(child_start(&other, "/bin/sh", wait_argv, &at_root, &e), 0);
  assert_int_equal(child_start(&c, "/bin/sh", argv, &at_root, &e), 0);
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
  const struct child_setting here = {.folder = folder}, nowhere = {.folder = "/no/such/folder"};
  write_file("no-interpreter", "#!/no/such/interpreter\n", 0755);
  write_file("no-format", "echo\n", 0755);
  assert_int_equal(child_start(&c, "./missing", argv, &here, &e), ERROR_FAILED);
  assert_non_null(strstr(e.message, "missing"));
  snprintf(path, sizeof path, "%s/no-interpreter", folder);
  assert_int_equal(child_start(&c, path, argv, &at_root, &e), ERROR_FAILED);
  assert_non_null(strstr(e.message, "first line"));
  assert_int_equal(child_start(&c, "./no-format", argv, &here, &e), ERROR_FAILED);
  assert_non_null(strstr(e.message, "#!/bin/sh"));
  assert_int_equal(child_start(&c, "/bin/sh", argv, &nowhere, &e), ERROR_FAILED);
  assert_non_null(strstr(e.message, "/no/such/folder"));
  assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no zombie */
  assert_int_equal(errno, ECHILD);
}

/* Reads from `fd` until `lines` lines have come. */
static void read_lines(int fd, char *text, size_t size, int lines)
{
  size_t n = 0;
  for (int found = 0; found < lines;) {
    ssize_t got = child_read(fd, text + n, size - 1 - n);
    if (got == 0) fail_msg("it said only %.*s", (int)n, text);
    for (; got > 0; got--) found += text[n++] == '\n';
  }
  text[n] = 0;
}

static void nap_ms(int ms)
{
  nanosleep(&(struct timespec){.tv_nsec = ms * 1000000L}, NULL);
}

struct status {
  char state; /* 0: there is no such process */
  int parent, group, session;
};

static struct status status_of(int pid)
{
  struct status s = {0};
  char path[40], line[300] = "";
  snprintf(path, sizeof path, "/proc/%d/stat", pid);
  FILE *f = fopen(path, "re");
  if (!f) return s;
  const char *got = fgets(line, sizeof line, f);
  fclose(f);
  if (!got || sscanf(strrchr(line, ')'), ") %c %d %d %d", &s.state, &s.parent, &s.group, &s.session) != 4) s.state = 0;
  return s;
}

/* Gone, or a zombie that its heir will wait for. */
static bool is_dead(int pid)
{
  struct status s = status_of(pid);
  return s.state == 0 || s.state == 'Z';
}

static void expect_dead(int pid)
{
  for (int i = 0; i < 10000 && !is_dead(pid); i++) nap_ms(10);
  if (!is_dead(pid)) fail_msg("process %d still runs", pid);
}

/* Starts others: in its group, in a group of its own, in a session of its own, and one whose parent
 * has ended. */
#define FAMILY                                                                                                         \
  "sleep 1000 & echo $!; timeout 1000 sleep 1000 & echo $!; setsid sleep 1000 & echo $!; (sleep 1000 & echo $!); "
enum { FAMILY_SIZE = 4 };

static void read_family(const struct child *c, int pids[FAMILY_SIZE])
{
  char text[200];
  read_lines(c->out, text, sizeof text, FAMILY_SIZE);
  assert_int_equal(sscanf(text, "%d %d %d %d", &pids[0], &pids[1], &pids[2], &pids[3]), FAMILY_SIZE);
  for (int i = 0; i < FAMILY_SIZE; i++) assert_int_equal(kill(pids[i], 0), 0);
  /* for them to become what they are to be */
  while (status_of(pids[1]).group != pids[1] || status_of(pids[2]).session != pids[2]) nap_ms(1);
  while (status_of(pids[3]).parent != status_of(c->pid).parent) nap_ms(1);
}

/* One that does not listen to SIGTERM, and has started others. */
static void an_ended_child_leaves_nothing(void **state)
{
  (void)state;
  struct child_keeper keeper;
  assert_int_equal(child_keeper_start(&keeper, &e), 0);
  const struct child_setting setting = {.folder = "/", .keeper = &keeper};
  struct child c;
  char *argv[] = {"sh", "-c", "trap '' TERM; " FAMILY "while :; do sleep 1; done", NULL};
  int pids[FAMILY_SIZE];
  assert_int_equal(child_start(&c, "/bin/sh", argv, &setting, &e), 0);
  read_family(&c, pids);
  child_end(&c, CHILD_STOP);
  child_close(&c);
  char why[100], path[40];
  child_status_text(c.status, why, sizeof why);
  assert_string_equal(why, "killed by signal 9 (Killed)");
  for (int i = 0; i < FAMILY_SIZE; i++) { /* not even a zombie */
    snprintf(path, sizeof path, "/proc/%d", pids[i]);
    if (access(path, F_OK) == 0) fail_msg("process %d of %d is there still", i, FAMILY_SIZE);
  }
  child_keeper_end(&keeper);
  assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
  assert_int_equal(errno, ECHILD);
}

/* What has been left to itself and ended meanwhile does not stay in the list of processes. */
static void what_a_child_has_left_is_buried(void **state)
{
  (void)state;
  struct child_keeper keeper;
  assert_int_equal(child_keeper_start(&keeper, &e), 0);
  const struct child_setting setting = {.folder = "/", .keeper = &keeper};
  struct child c;
  char script[400], text[40], path[300];
  char *argv[] = {"sh", "-c", script, NULL};
  snprintf(path, sizeof path, "%s/left", folder);
  assert_int_equal(mkfifo(path, 0600), 0);
  snprintf(script, sizeof script, "(cat %s & echo $!); read x", path);
  assert_int_equal(child_start(&c, "/bin/sh", argv, &setting, &e), 0);
  read_lines(c.out, text, sizeof text, 1);
  while (status_of(atoi(text)).parent != getpid()) nap_ms(1); /* it ends after its parent, which might bury it before */
  int fifo = open(path, O_WRONLY | O_CLOEXEC);
  assert_true(fifo >= 0);
  close(fifo);
  expect_dead(atoi(text));
  snprintf(path, sizeof path, "/proc/%d", atoi(text));
  assert_int_equal(access(path, F_OK), 0);
  child_tidy(&c);
  assert_int_equal(access(path, F_OK), -1);
  assert_false(child_has_ended(&c));
  child_end(&c, CHILD_ASK);
  child_close(&c);
  child_keeper_end(&keeper);
}

/* The one that started them is killed, as by kill -9, and can end nothing. */
static void a_killed_parent_leaves_nothing(void **state)
{
  (void)state;
  int ends[2], pids[FAMILY_SIZE];
  assert_int_equal(pipe(ends), 0);
  pid_t parent = fork();
  if (parent == 0) {
    struct child_keeper keeper;
    struct child c;
    char *argv[] = {"sh", "-c", FAMILY "read x", NULL};
    if (child_keeper_start(&keeper, &e)) _exit(1);
    const struct child_setting setting = {.folder = "/", .keeper = &keeper};
    if (child_start(&c, "/bin/sh", argv, &setting, &e)) _exit(1);
    read_family(&c, pids);
    if (write(ends[1], pids, sizeof pids) != (ssize_t)sizeof pids) _exit(1);
    kill(getpid(), SIGKILL);
  }
  close(ends[1]);
  assert_int_equal(read(ends[0], pids, sizeof pids), sizeof pids);
  close(ends[0]);
  int status;
  assert_int_equal(waitpid(parent, &status, 0), parent);
  assert_true(WIFSIGNALED(status));
  for (int i = 0; i < FAMILY_SIZE; i++)
    if (i != 2) expect_dead(pids[i]); /* nothing leads from a dead process to one that has left its session */
  kill(pids[2], SIGKILL);
  while (waitpid(-1, NULL, 0) > 0) continue; /* a keeper has been here: we are their heirs */
}

/* Variables that bind a process to one core are taken from us before libgomp sees them, and kept
 * for programs. */
static void programs_have_the_environment_as_it_was(void **state)
{
  (void)state;
  static const char *const defaults[] = {"GSOS_TEST_SET=no", "GSOS_TEST_UNSET=1", NULL};
  setenv("GSOS_TEST_SET", "yes", 1);
  unsetenv("GSOS_TEST_UNSET");
  char **variables = environment_for_programs(defaults);
  assert_non_null(variables);
  int set = 0, unset = 0, n = 0;
  for (; variables[n]; n++) {
    set += !strcmp(variables[n], "GSOS_TEST_SET=yes");
    unset += !strcmp(variables[n], "GSOS_TEST_UNSET=1");
    assert_string_not_equal(variables[n], "GSOS_TEST_SET=no");
  }
  assert_int_equal(set, 1);
  assert_int_equal(unset, 1);
  assert_true(n > 2);
  free(variables);
  unsetenv("GSOS_TEST_SET");
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
    assert_int_equal(child_start(&c, "/bin/sh", argv, &at_root, &e), 0);
    while (child_read(c.out, &byte, 1) < 0) nap_ms(1);
    double running = child_cpu_seconds(&c);
    assert_true(running > 0);
    child_end(&c, CHILD_ASK);
    child_close(&c);
    assert_true(child_cpu_seconds(&c) >= running);
    assert_int_equal(WEXITSTATUS(c.status), 1); /* read found the end of its input */
  }
}

/* ---- trials ---------------------------------------------------------------------------------- */

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
#define ONE "read -r t; n=${t#*:}; n=${n%%,*}; "

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

/* More than is kept of standard error, so that what is kept begins anywhere in a character of three
 * bytes. */
static void last_words_begin_and_end_with_whole_characters(void **state)
{
  (void)state;
  struct fixture f;
  open_script(&f, READ "{ yes '\u2192' | head -n 3000 | tr -d '\n'; printf '%.*s\n' $n bbb; } >&2; exit 3; done\n");
  for (int i = 0; i < 4; i++) {
    struct trial_event event = trial(&f, i);
    expect_failure(event, "died: exit status 3; its last words: \u2192\u2192");
    assert_null(strchr(event.reason, '\\'));
    assert_string_equal(event.reason + strlen(event.reason) - 6, "\u2192...");
  }
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
  open_script(&f, "read -r t; echo '{\"value\": 1}'; sleep 0.1\n"); /* it ends with the next trial unread */
  for (int i = 0; i < 3; i++) assert_int_equal(trial(&f, i).kind, TRIAL_DONE);
  expect_restarts(&f, 2);
  close_script(&f);
}

/* Waits until trial $n has been taken: the test then leaves a file. */
#define WHEN_TAKEN "while [ ! -e taken-$n ]; do sleep 0.01; done; "

/* A value says of which trial and which answer to it it is: 10 · trial + 0, 1, 2. */
#define SAY(i) "echo \"{\\\"value\\\": ${n}" #i "}\"; "
#define EARLY "after its answer to the trial before, and before it had read this one: "

static void what_is_said_out_of_turn_is_no_trials_answer(void **state)
{
  (void)state;
  static const struct {
    const char *script;
    const char *reasons[3]; /* of trials 1, 2, 3; NULL: it has its own value */
    int restarts;
  } cases[] = {
      /* more answers than one */
      {READ "printf '{\"value\": %s}\\n' ${n}0 ${n}1 ${n}2; done\n",
       {"said this after its answer (a line for an epoch has an \"epoch\"): {\"value\": 11}",
        "after its answer (a line for an epoch has an \"epoch\"): {\"value\": 21}", "{\"value\": 31}"},
       2},
      /* the same, later: whenever the next trial comes */
      {READ SAY(0) WHEN_TAKEN SAY(1) "done\n", {NULL, EARLY "{\"value\": 11}", NULL}, 1},
      /* a farewell */
      {ONE "echo '{\"value\": 10}'; " WHEN_TAKEN "echo bye\n", {NULL, EARLY "bye", "is not its own"}, 1},
      {ONE "echo '{\"value\": 10}'; " WHEN_TAKEN "printf bye; sleep 0.1\n", {NULL, EARLY "bye", "is not its own"}, 1},
      /* an answer before the question, which is read at once then, or some time later */
      {"n=9; " SAY(9) READ SAY(0) "done\n",
       {"before it had read its first trial: {\"value\": 99}", "{\"value\": 99}", "{\"value\": 99}"},
       2},
      {"n=9; " SAY(9) "sleep 0.2\n" READ SAY(0) "done\n", {"{\"value\": 99}", "{\"value\": 99}", "{\"value\": 99}"}, 2},
      /* an invitation, that no newline ends */
      {"printf 'trial? '\n" READ SAY(0) "done\n",
       {"before it had read its first trial: trial? ", "trial? ", "trial? "},
       2},
      /* blank lines are nothing */
      {"echo; printf ' '\n" READ "echo; " SAY(0) "echo; done\n", {NULL, NULL, NULL}, 0},
      /* two halves of a failure */
      {READ "printf '{\"fail\": \"too wide\"}\\n{\"value\": %s}\\n' ${n}1; done\n",
       {"failed: too wide", "failed: too wide", "failed: too wide"},
       2},
      /* what was meant for another trial, and says so */
      {"last=1\n" READ "echo \"{\\\"trial\\\": $last, \\\"value\\\": ${n}0}\"; last=$n; done\n",
       {NULL, "is for trial 1, but trial 2 was asked: {\"trial\": 1, \"value\": 20}", "trial 1, but trial 3 was asked"},
       1},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct fixture f;
    char taken[3][20];
    open_script(&f, cases[i].script);
    for (int n = 1; n <= 3; n++) {
      const char *reason = cases[i].reasons[n - 1];
      struct trial_event event = trial(&f, n);
      snprintf(taken[n - 1], sizeof taken[n - 1], "taken-%d", n);
      write_file(taken[n - 1], "", 0644);
      if (event.kind == TRIAL_DONE && (!reason || !strcmp(reason, "is not its own"))) {
        if (!reason && event.value != (strstr(cases[i].script, READ) ? 10 * n : 10))
          fail_msg("case %zu, trial %d: %g", i, n, event.value);
      } else if (event.kind != TRIAL_FAILED || !reason || !strstr(event.reason, reason)) {
        fail_msg("case %zu, trial %d: %g %s", i, n, event.value, event.reason);
      }
    }
    expect_restarts(&f, cases[i].restarts);
    close_script(&f);
    for (int n = 0; n < 3; n++) {
      char path[300];
      snprintf(path, sizeof path, "%s/%s", folder, taken[n]);
      assert_int_equal(unlink(path), 0);
    }
  }
}

/* However they fall: a trial has its own first answer, or it fails. */
static void another_trials_answer_is_never_taken(void **state)
{
  (void)state;
  static const char *const scripts[] = {READ SAY(0) SAY(1) SAY(2) "done\n",
                                        READ SAY(0) "sleep 0.001; " SAY(1) "sleep 0.002; " SAY(2) "done\n"};
  for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++) {
    struct fixture f;
    int failed = 0;
    open_script(&f, scripts[i]);
    for (int n = 1; n <= 40; n++) {
      struct trial_event event = trial(&f, n);
      failed += event.kind == TRIAL_FAILED;
      if (event.kind == TRIAL_FAILED ? !strstr(event.reason, "after its answer") : event.value != 10 * n)
        fail_msg("trial %d: %g %s", n, event.value, event.reason);
    }
    assert_true(failed >= 15);
    close_script(&f);
  }
}

/* The line is whole for whoever reads a byte at a time, and for whoever takes what there is. */
static void a_question_has_its_end_when_the_rest_is_read(void **state)
{
  (void)state;
  static const char *const readers[] = {"head -n 1", "sed -u 1q"};
  for (size_t i = 0; i < sizeof readers / sizeof *readers; i++) {
    struct fixture f;
    char script[300];
    snprintf(script, sizeof script,
             "%s >line; read -r t <line; [ \"${t#*params}\" = '\":{\"x\":0.5}}' ] && echo '{\"value\": 3}'\n",
             readers[i]);
    open_script(&f, script);
    struct trial_event event = trial(&f, 0);
    if (event.kind != TRIAL_DONE) fail_msg("%s: %s", readers[i], event.reason);
    assert_true(event.value == 3);
    close_script(&f);
  }
}

static void a_program_that_never_reads_cannot_be_started(void **state)
{
  (void)state;
  static const struct {
    const char *script, *why;
  } cases[] = {{"echo cannot open file >&2; exit 2\n",
                "(exit status 2) before it had read its first trial; its last words: cannot "
                "open file"},
               {"echo usage: program FILE\n", "before it had read its first trial: usage: program FILE"},
               {"printf usage\n", "before it had read its first trial: usage"},
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

/* Stops the run as soon as the program, which has left its process number in a file, is dead. */
static void *stop_after_death(void *context)
{
  struct fixture *f = context;
  char path[300];
  int pid = 0;
  snprintf(path, sizeof path, "%s/pid", folder);
  while (pid == 0) {
    FILE *file = fopen(path, "re");
    if (file && fscanf(file, "%d\n", &pid) != 1) pid = 0;
    if (file) fclose(file);
    nap_ms(1);
  }
  while (!is_dead(pid)) nap_ms(1);
  __atomic_store_n(&f->stop, 1, __ATOMIC_RELAXED);
  return NULL;
}

static void *stop_later(void *context)
{
  struct fixture *f = context;
  nap_ms(50);
  __atomic_store_n(&f->stop, 1, __ATOMIC_RELAXED);
  return NULL;
}

/* Trial 0, while another thread stops the run, and its leaving. */
static int advance_and_stop(struct fixture *f, void *(*stopper)(void *), struct trial_event *event)
{
  pthread_t thread;
  assert_int_equal(add(f, 0), 0);
  assert_int_equal(pthread_create(&thread, NULL, stopper, f), 0);
  int code = advance(f, event);
  pthread_join(thread, NULL);
  f->o->remove(f->p, 0);
  f->stop = 0;
  return code;
}

static void one_that_hangs_is_stopped(void **state)
{
  (void)state;
  struct fixture f;
  open_script(&f, READ "[ $n = 0 ] && sleep 1000; echo '{\"value\": 1}'; done\n");
  struct trial_event event;
  assert_int_equal(advance_and_stop(&f, stop_later, &event), ERROR_INTERRUPTED);
  assert_int_equal(trial(&f, 1).kind, TRIAL_DONE);
  expect_restarts(&f, 1);
  close_script(&f);
}

/* A batch system's SIGTERM reaches the program before gsos hears of it: no result, but the end of
 * the run.  Where this machine takes longer to tell gsos than gsos waits for it, once more. */
static void a_signal_that_comes_to_both_is_no_death(void **state)
{
  (void)state;
  struct fixture f;
  struct trial_event event;
  char path[300];
  int code = 0;
  open_script(&f, READ "echo $$ >pid; kill -TERM $$; sleep 1000; done\n");
  snprintf(path, sizeof path, "%s/pid", folder);
  for (int i = 0; i < 10 && !code; i++) {
    code = advance_and_stop(&f, stop_after_death, &event);
    unlink(path);
  }
  assert_int_equal(code, ERROR_INTERRUPTED);
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
      cmocka_unit_test(an_answer_may_name_its_trial),
      cmocka_unit_test(text_of_programs_becomes_utf8),
      cmocka_unit_test(random_bytes_are_survived),
      cmocka_unit_test(the_last_lines_fit),
      cmocka_unit_test(words_are_split_at_spaces_and_quotes),
      cmocka_unit_test(what_a_program_is_made_of_is_described),
      cmocka_unit_test(many_files_have_one_checksum),
      cmocka_unit_test(a_script_has_to_be_there),
      cmocka_unit_test(what_only_a_shell_understands_is_refused),
      cmocka_unit_test(a_child_has_its_own_group_and_no_blocked_signals),
      cmocka_unit_test(a_child_inherits_nothing_of_ours),
      cmocka_unit_test(what_cannot_be_executed_says_why),
      cmocka_unit_test(an_ended_child_leaves_nothing),
      cmocka_unit_test(what_a_child_has_left_is_buried),
      cmocka_unit_test(a_killed_parent_leaves_nothing),
      cmocka_unit_test(programs_have_the_environment_as_it_was),
      cmocka_unit_test(cpu_time_is_counted),
      cmocka_unit_test(a_program_gets_one_trial_after_the_other),
      cmocka_unit_test(a_failure_that_it_tells_is_the_trials),
      cmocka_unit_test(a_death_is_the_trials_failure_with_its_last_words),
      cmocka_unit_test(last_words_begin_and_end_with_whole_characters),
      cmocka_unit_test(nonsense_is_the_trials_failure_and_ends_the_process),
      cmocka_unit_test(a_program_for_one_trial_serves_as_well),
      cmocka_unit_test(what_is_said_out_of_turn_is_no_trials_answer),
      cmocka_unit_test(another_trials_answer_is_never_taken),
      cmocka_unit_test(a_question_has_its_end_when_the_rest_is_read),
      cmocka_unit_test(a_program_that_never_reads_cannot_be_started),
      cmocka_unit_test(much_is_said_beside_without_harm),
      cmocka_unit_test(all_that_it_said_before_its_end_is_heard),
      cmocka_unit_test(one_that_hangs_is_stopped),
      cmocka_unit_test(a_signal_that_comes_to_both_is_no_death),
      cmocka_unit_test(a_command_needs_a_program_and_a_direction),
  };
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
