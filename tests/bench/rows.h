/* What the benchmarks that a GPU is taken (bench_cohort, bench_gp, bench_sampler) have in common:
 * which GPU it is, the limit of time, rows as lines of JSON, which tools/gpu_check.sh collects, and
 * the options
 *
 *   --tiny             small problems, once: shows that the benchmark works; its times mean nothing
 *   --limit SECONDS    what has not begun by then is left out, and counted
 *   --json FILE        appends each row as a line of JSON
 *   --verbose          changes nothing; `make bench` gives it to all benchmarks
 *
 * Linked with the harness of tests/cudacpu, what is measured on a GPU is always tiny. */
#ifndef GSOS_TESTS_BENCH_ROWS_H
#define GSOS_TESTS_BENCH_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Linked with the harness of tests/cudacpu, or with a GPU. */
#ifdef REAL_GPU
enum { HARNESS = 0 };
#else
enum { HARNESS = 1 };
#endif

struct rows {
  bool tiny;      /* --tiny */
  double limit_s; /* --limit, from `began`; INFINITY without */
  double began;   /* by monotonic_seconds */
  FILE *json;     /* --json, or NULL */
  int left_out;   /* rows that had not begun by the limit */
};

/* For getopt_long's table; their letters are those that rows_option takes. */
/* clang-format off */
#define ROWS_OPTIONS \
  {"tiny", no_argument, NULL, 't'}, {"limit", required_argument, NULL, 'l'}, {"json", required_argument, NULL, 'j'}, \
  {"verbose", no_argument, NULL, 'v'}
/* clang-format on */

/* With no limit, from now on. */
struct rows rows_begin(bool tiny);
/* Takes one of ROWS_OPTIONS, with optarg; false for another one and for a wrong value. */
bool rows_option(struct rows *rows, int option);
/* Marks in `wanted` [n] those of the names that the rest of argv has, beginning with optind; false
 * where it has a word that is none of them.  Without words nothing is marked. */
bool rows_parts(int argc, char **argv, int n, const char *const *names, bool *wanted);
/* Prints the device that is measured, and that it is no GPU where it is the harness; `program` says
 * why there is none, and it is false then.
 *   harness  HARNESS, which is the caller's
 *   name     [size] out: the device's, without what it is capable of; may be NULL */
bool rows_device(const char *program, bool harness, char *name, size_t size);
/* Whether the limit has passed; counts the row that is left out then. */
bool rows_time_is_up(struct rows *rows);
/* Says what was left out and closes the file; the program's exit status. */
int rows_end(struct rows *rows);

#endif
