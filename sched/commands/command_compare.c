/* `gsos compare`: several runs side by side, with the mean over them. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/text_escape.h"
#include "host/base/text_wrap.h"
#include "host/report/report_compare.h"
#include "sched/commands/command.h"
#include "sched/commands/databases.h"
#include "sched/commands/output_file.h"
#include "sched/commands/report_files.h"
#include "sched/commands/runs_below.h"
#include "sched/run/signals.h"

static const char help[] = "Usage: gsos compare DIR|FILE.db... [OPTION]...\n"
                           "Print runs' output folders, or study databases, side by side: what each strategy\n"
                           "found in each run and what it took, and what strategies differ by from the usual\n"
                           "one, run by run and as the mean over the runs with its 95 % interval, as the\n"
                           "last row of the paper's tables has it.  Finished studies count.  A folder that\n"
                           "holds the outputs of several runs, as results does, stands for all of them, but\n"
                           "for those that cannot be read and those that --fresh set aside, which is said.\n"
                           "\n"
                           "  -o, --output FILE.html   write the tables as a page, too, with figures, by\n"
                           "                           gnuplot, where it is installed; their data are\n"
                           "                           beside it, in FILE-plots/, as CSV\n"
                           "      --csv                print comma-separated values, a line for each\n"
                           "                           strategy in each run, and nothing else\n"
                           "      --json               print a JSON object, with means, and nothing else\n"
                           "  -h, --help               print this and exit\n"
                           "\n"
                           "Examples:\n"
                           "  gsos compare results/digits results/photos\n"
                           "  gsos compare results\n"
                           "  gsos compare results/digits study.db --output compare.html\n"
                           "  gsos compare results/digits results/photos --csv > compare.csv\n"
                           "\n"
                           "Exit status: 0 done, 1 where there is no database, it cannot be read, or no\n"
                           "study is finished, 2 wrong usage, 130 interrupted, 143 terminated.\n";

struct options {
  char **given; /* [n] folders or databases, as the user names them */
  int n;
  const char *output; /* NULL: no page */
  bool csv, json;
};

/* The bytes that all names begin with, up to a slash: they tell nothing. */
static size_t in_common(const char *const *names, int n)
{
  size_t common = 0;
  for (size_t i = 0; names[0][i]; i++) {
    for (int k = 1; k < n; k++)
      if (names[k][i] != names[0][i]) return common;
    if (names[0][i] == '/' && names[0][i + 1]) common = i + 1;
  }
  return common;
}

static int write_page(const struct options *o, const struct report_compare *c, const struct report *reports,
                      struct error *e)
{
  char shown[1200], why[600];
  int code = report_files_write_compare(c, reports, o->output, why, sizeof why, e);
  if (code) return code;
  if (!o->csv && !o->json) printf("\nWritten: %s\n", text_escape(shown, sizeof shown, o->output));
  fflush(stdout);
  if (why[0]) text_wrapf(stderr, "", "figures are missing: %s", why);
  return 0;
}

static int print_json(const struct report_compare *c, struct error *e)
{
  char *text = report_compare_json(c);
  if (!text) return error_set(e, ERROR_MACHINE, "no memory for the JSON object");
  puts(text);
  free(text);
  return 0;
}

/* What has no place in a table for machines is told beside it. */
static void print_csv(const struct report_compare *c)
{
  report_compare_csv(stdout, c);
  report_compare_print_left_out(stderr, c);
}

static int print(const struct options *o, const struct report_compare *c, struct error *e)
{
  if (o->json) return print_json(c, e);
  if (o->csv)
    print_csv(c);
  else
    report_compare_print(stdout, c);
  return 0;
}

/* names [*n] out: those of the runs whose databases are loaded.  One of a folder that cannot be
 * read is told, and left out. */
static int load(struct databases *d, const struct runs_named *runs, const char **names, int *n, struct error *e)
{
  for (int i = 0; i < runs->n; i++) {
    const struct run_named *r = &runs->runs[i];
    struct error why = {0};
    int code = databases_add(d, "compare", r->path, &why);
    if (code && (!r->in_folder || code == ERROR_INTERRUPTED || code == ERROR_MACHINE)) return *e = why, code;
    if (!code) names[(*n)++] = r->path;
    if (code) text_wrapf(stderr, "", "gsos: left out: %s", why.message);
  }
  return *n > 0 ? 0 : error_set(e, ERROR_FAILED, "no run can be read");
}

static int compare(const struct options *o, struct error *e)
{
  struct databases d = {0};
  struct report_compare c = {0};
  struct runs_named runs = {0};
  const char **names = NULL;
  int n = 0;
  const struct output_file page = {.option = "--output", .path = o->output, .kind = OUTPUT_PAGE};
  int code = o->output ? output_file_check(&page, e) : 0;
  for (int i = 0; i < o->n && !code; i++) code = runs_named_add(&runs, o->given[i], false, e);
  if (!code && !(names = calloc((size_t)runs.n, sizeof *names)))
    code = error_set(e, ERROR_MACHINE, "no memory for %d runs", runs.n);
  if (!code) code = load(&d, &runs, names, &n, e);
  size_t common = code ? 0 : in_common(names, n);
  for (int i = 0; i < n; i++) names[i] += common;
  if (!code) code = report_compare_make(&c, d.reports, names, n, e);
  if (!code) code = print(o, &c, e);
  if (!code && o->output) code = write_page(o, &c, d.reports, e);
  report_compare_free(&c);
  databases_free(&d);
  runs_named_free(&runs);
  free(names);
  return code;
}

/* 0: go on; else *status is the exit status. */
static int parse(int argc, char **argv, struct options *o, int *status)
{
  static const struct option options[] = {{"output", required_argument, NULL, 'o'},
                                          {"csv", no_argument, NULL, 'c'},
                                          {"json", no_argument, NULL, 'j'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
  struct command_line line = {"gsos compare", help, "o:h", options, argc, argv, status, false};
  int c;
  while ((c = command_option(&line)) > 0) {
    if (c == 'o') o->output = optarg;
    o->csv = o->csv || c == 'c';
    o->json = o->json || c == 'j';
  }
  if (c < 0) return c;
  if (o->csv && o->json) return command_usage_error(&line, "--csv or --json, not both");
  if (o->output && !o->output[0]) return command_usage_error(&line, "--output takes the name of a file");
  o->given = argv + optind;
  o->n = argc - optind;
  return o->n > 0 ? 0 : command_usage_error(&line, "which folders, or which study databases?");
}

int command_compare(int argc, char **argv)
{
  struct options o = {0};
  struct error e = {0};
  int status = 1;
  signals_install();
  if (parse(argc, argv, &o, &status) == 0) {
    compare(&o, &e);
    command_complain(&e);
    status = command_status(&e);
  }
  return command_end(status);
}
