/* How well samplers search: simple regret on eight analytic functions in mixed spaces
 * (search_functions.h) and on recorded tables of networks (search_tables.h).
 *
 *   bench_search [--form bench|dev] [--seeds N] [--first N] [--trials N] [--at N] [--jobs N]
 *                [--samplers gp,tpe,...] [--functions NAME,...] [--tables FOLDER]
 *                [--compare tests/bench/search_optuna.csv] [--before FILE] [--output FOLDER]
 *   bench_search --describe FORM             the spaces as JSON, for tests/bench/search_optuna.py
 *   bench_search --evaluate FORM FUNCTION    a line of internal values in, their regret out, in
 *                                            hexadecimal
 *
 * A run is `trials` proposals, one at a time, all hyperparameters free, each told its value before
 * the next; its random numbers come from the seed alone.  Seeds are first ... first + N - 1.
 * Printed are medians with quartiles over the seeds after `at` trials and after all, and two-sided
 * Mann-Whitney tests at 5 %; FOLDER gets search-FORM.csv, a line a run, and search-FORM.png.  The
 * runs of Optuna's samplers come from a file in that form.  What was aimed at and does not hold is
 * said.
 *
 * --before FILE: the search-FORM.csv of another version.  Runs with the same sampler, problem and
 * seed are paired; printed are the geometric means of regret now over regret then, with Wilcoxon's
 * signed-rank test.  Samplers are worked on with --form dev, and a change is told by --form bench
 * with seeds that were not looked at before. */
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "host/base/rng.h"
#include "host/samplers/sampler.h"
#include "tests/bench/search_functions.h"
#include "tests/bench/search_statistics.h"
#include "tests/bench/search_tables.h"
#include "tests/unit/experiment/defaults.h"

enum { POINTS_MAX = 100, RUNS_MAX = 4096, STEP = 5, SAMPLERS_MAX = 8 };
enum { PROBLEMS_MAX = (int)SEARCH_FUNCTIONS + (int)SEARCH_TABLES_MAX };

/* A function, or a table. */
struct problem {
  const char *name;
  const struct space *space;
  struct search_function function;
  struct search_table table;
  bool is_table, wanted;
  double least; /* regrets below this are alike */
};

struct run {
  char sampler[24];
  int problem, seed;
  bool before;               /* read from --before */
  double regret[POINTS_MAX]; /* of the best after STEP, 2 STEP, ... trials; NAN: not known */
  double seconds;            /* processor time of its proposals; 0: unknown */
};

static struct problem problems[PROBLEMS_MAX];
static int n_problems;
static struct run runs[RUNS_MAX];
static int n_runs;

/* --- problems --- */

static int form_find(const char *name)
{
  for (int f = 0; f < SEARCH_FORMS; f++) {
    if (!strcmp(name, search_form_names[f])) return f;
  }
  fprintf(stderr, "bench_search: '%s' is none of dev, bench\n", name);
  exit(2);
}

static bool in_list(const char *list, const char *word)
{
  size_t n = strlen(word);
  for (const char *at = list; (at = strstr(at, word)); at += n) {
    if ((at == list || at[-1] == ',') && (at[n] == 0 || at[n] == ',')) return true;
  }
  return false;
}

/* Those of a form; list: NULL or the names of those to make ready. */
static void problems_make(enum search_form form, const char *folder, const char *list)
{
  struct error e;
  n_problems = SEARCH_FUNCTIONS + search_tables_count(form);
  for (int i = 0; i < n_problems; i++) {
    struct problem *p = &problems[i];
    int table = i - SEARCH_FUNCTIONS;
    p->is_table = table >= 0;
    p->name = p->is_table ? search_table_name(table, form) : search_function_name(i);
    p->wanted = !list || in_list(list, p->name);
    p->least = p->is_table ? 1e-4 : 1e-6;
    if (!p->wanted) continue;
    int code = p->is_table ? search_table_make(&p->table, folder, table, form, &e)
                           : search_function_make(&p->function, i, form, &e);
    p->space = p->is_table ? &p->table.table.space : &p->function.space;
    if (!code) continue;
    fprintf(stderr, "bench_search: %s\n", e.message);
    exit(1);
  }
}

static void problems_destroy(void)
{
  for (int i = 0; i < n_problems; i++) {
    if (!problems[i].wanted) continue;
    if (problems[i].is_table)
      search_table_destroy(&problems[i].table);
    else
      space_destroy(&problems[i].function.space);
  }
}

static double regret_of(const struct problem *p, const double *values)
{
  return p->is_table ? search_table_regret(&p->table, values) : search_function_regret(&p->function, values);
}

/* --- for Optuna --- */

static void describe(void)
{
  for (int i = 0; i < n_problems; i++) {
    const struct space *space = problems[i].space;
    printf("%s{\"name\": \"%s\", \"params\": [", i ? ",\n " : "[", problems[i].name);
    for (int k = 0; k < space->n; k++) {
      const struct param *p = &space->params[k];
      const char *type = p->type == PARAM_FLOAT ? "float" : p->type == PARAM_CATEGORICAL ? "categorical" : "int";
      printf("%s{\"name\": \"%s\", \"type\": \"%s\", \"low\": %.17g, \"high\": %.17g, \"log\": %s, \"choices\": %d}",
             k ? ", " : "", p->name, type, p->low, p->high, p->log ? "true" : "false", p->n_choices);
    }
    printf("]}");
  }
  printf("]\n");
}

static int evaluate(const char *name)
{
  const struct problem *p = problems;
  double values[SPACE_MAX];
  while (p < problems + n_problems && strcmp(p->name, name)) p++;
  if (p == problems + n_problems) return 2;
  for (;;) {
    for (int k = 0; k < p->space->n; k++) {
      if (scanf("%lf", &values[k]) != 1) return 0;
      values[k] = param_clamp(&p->space->params[k], values[k]);
    }
    printf("%a\n", regret_of(p, values));
    fflush(stdout);
  }
}

/* --- a run --- */

static double seconds(void)
{
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static struct run *run_add(const char *sampler, int problem, int seed)
{
  struct run *r = &runs[n_runs++];
  *r = (struct run){.problem = problem, .seed = seed};
  snprintf(r->sampler, sizeof(r->sampler), "%s", sampler);
  for (int p = 0; p < POINTS_MAX; p++) r->regret[p] = NAN;
  return r;
}

static void search(struct run *run, int trials)
{
  const struct problem *p = &problems[run->problem];
  struct error e;
  const struct sampler *sampler = sampler_find(run->sampler);
  struct sampler_settings settings = default_sampler_settings();
  bool free_all[SPACE_MAX];
  double fixed[SPACE_MAX], best = INFINITY;
  for (int i = 0; i < p->space->n; i++) free_all[i] = true;
  space_defaults(p->space, fixed);
  struct observation *history = calloc((size_t)trials, sizeof(*history));
  double *values = calloc((size_t)trials, SPACE_MAX * sizeof(*values));
  struct sampler_request request = {.space = p->space,
                                    .free = free_all,
                                    .fixed = fixed,
                                    .history = history,
                                    .group_size = trials,
                                    .settings = &settings};
  request.study_key = philox_trial_key((uint64_t)run->seed, 0, -1);
  for (int t = 0; t < trials; t++) {
    double *x = values + (size_t)t * SPACE_MAX, start = seconds();
    request.n_history = request.n_group = t;
    request.key = philox_trial_key((uint64_t)run->seed, 0, t);
    if (sampler->ask(&request, x, &e)) {
      fprintf(stderr, "bench_search: %s: %s\n", run->sampler, e.message);
      exit(1);
    }
    run->seconds += seconds() - start;
    double regret = regret_of(p, x);
    history[t] = (struct observation){.number = t, .values = x, .value = -regret};
    best = fmin(best, regret);
    if ((t + 1) % STEP == 0) run->regret[(t + 1) / STEP - 1] = best;
  }
  free(values);
  free(history);
}

/* Workers take runs one after another; a run depends on its seed alone, whoever does it. */
static struct {
  pthread_mutex_t mutex;
  int next, trials;
} queue = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static void *work(void *unused)
{
  for (;;) {
    pthread_mutex_lock(&queue.mutex);
    int i = queue.next++;
    pthread_mutex_unlock(&queue.mutex);
    if (i >= n_runs) return unused;
    search(&runs[i], queue.trials);
  }
}

/* --- files --- */

static void write_csv(const char *path, enum search_form form)
{
  FILE *file = fopen(path, "w");
  if (!file) return;
  for (int i = 0; i < n_runs; i++) {
    const struct run *r = &runs[i];
    fprintf(file, "%s,%s,%s,%s,%d,%d", search_form_names[form], problems[r->problem].name, r->sampler, "gsos", r->seed,
            STEP);
    for (int p = 0; p < POINTS_MAX && !isnan(r->regret[p]); p++) fprintf(file, ",%.9g", r->regret[p]);
    fprintf(file, "\n");
  }
  fclose(file);
}

static int problem_find(const char *name)
{
  int i = 0;
  while (i < n_problems && strcmp(problems[i].name, name)) i++;
  return i < n_problems && problems[i].wanted ? i : -1;
}

/* The run that a line belongs to: one run may have a line for its first trials and one for all. */
static struct run *run_find(const char *sampler, int problem, int seed, bool before)
{
  for (int i = 0; i < n_runs; i++) {
    struct run *r = &runs[i];
    if (r->before == before && r->problem == problem && r->seed == seed && !strcmp(r->sampler, sampler)) return r;
  }
  if (n_runs == RUNS_MAX) return NULL;
  struct run *r = run_add(sampler, problem, seed);
  r->before = before;
  return r;
}

/* form,function,sampler,version,seed,step,regret after step, 2 step, ... trials. */
static void read_csv(const char *path, enum search_form form, bool before)
{
  enum { FIELDS = 6 };
  FILE *file = fopen(path, "r");
  char line[4000];
  if (!file) {
    printf("(%s is not there: nothing to compare with)\n", path);
    return;
  }
  while (fgets(line, sizeof(line), file)) {
    char *rest = line, *field[FIELDS];
    for (int i = 0; i < FIELDS && rest; i++) field[i] = strsep(&rest, ",");
    if (line[0] == '#' || !rest || strcmp(field[0], search_form_names[form])) continue;
    int problem = problem_find(field[1]), step = atoi(field[5]);
    struct run *r = problem < 0 || step % STEP ? NULL : run_find(field[2], problem, atoi(field[4]), before);
    for (int trials = step; r && rest && trials <= POINTS_MAX * STEP; trials += step) {
      r->regret[trials / STEP - 1] = strtod(strsep(&rest, ","), NULL);
    }
  }
  fclose(file);
}

/* --- tables --- */

/* Regrets of a sampler on a problem at a point; returns how many. */
static int collect(const char *sampler, int problem, int point, double *x)
{
  int n = 0;
  for (int i = 0; i < n_runs; i++) {
    const struct run *r = &runs[i];
    if (r->before || r->problem != problem || strcmp(r->sampler, sampler)) continue;
    if (!isnan(r->regret[point])) x[n++] = r->regret[point];
  }
  return n;
}

struct tally {
  int functions, below, worse, better;
  double log_ratio; /* sum over the functions */
};

/* Prints how a compares with b on a problem, and counts. */
static void compare(const char *a, const char *b, int problem, int point, struct tally *t)
{
  static double x[RUNS_MAX], y[RUNS_MAX];
  int n = collect(a, problem, point, x), m = collect(b, problem, point, y);
  if (!n || !m) return;
  double p = mann_whitney(x, n, y, m), left = quartiles_of(x, n).median, right = quartiles_of(y, m).median;
  bool significant = p < 0.05;
  double least = problems[problem].least, ratio = fmax(left, least) / fmax(right, least);
  printf("    %-6s %s %-11s ratio %.3f  p %.4f%s\n", a,
         left < right   ? "below"
         : left > right ? "above"
                        : "as",
         b, ratio, p, significant ? "" : "  (not significant)");
  t->functions++;
  t->below += left < right;
  t->better += significant && left < right;
  t->worse += significant && left > right;
  t->log_ratio += log(ratio);
}

static void aim(const char *what, int got, bool at_least, int wanted)
{
  bool holds = at_least ? got >= wanted : got <= wanted;
  printf("  %-66s %d (aim: at %s %d)%s\n", what, got, at_least ? "least" : "most", wanted,
         holds ? "" : "  DOES NOT HOLD");
}

enum { PAIRS = 4 };
static const char *const pairs[PAIRS][2] = {
    {"gp", "tpe"}, {"gp", "optuna-tpe"}, {"gp", "optuna-gp"}, {"tpe", "optuna-tpe"}};

static void report_aims(const struct tally *tally)
{
  if (tally[0].functions) {
    aim("gp's median is below tpe's", tally[0].below, true, 6);
    aim("gp is significantly worse than tpe", tally[0].worse, false, 0);
  }
  if (tally[1].functions) aim("gp's median is below that of Optuna's TPESampler", tally[1].below, true, 6);
  if (tally[2].functions) aim("gp is significantly worse than Optuna's GPSampler", tally[2].worse, false, 1);
  if (tally[3].functions) aim("tpe is significantly worse than Optuna's TPESampler", tally[3].worse, false, 2);
}

static void report(enum search_form form, int trials, bool with_aims)
{
  static const char *const order[] = {"gp", "tpe", "random", "grid", "optuna-gp", "optuna-tpe"};
  static double x[RUNS_MAX];
  struct tally tally[PAIRS] = {{0}};
  int point = trials / STEP - 1;
  printf("Simple regret after %d trials, form %s: median [quartiles] of the runs\n", trials, search_form_names[form]);
  for (int i = 0; i < n_problems; i++) {
    if (!problems[i].wanted) continue;
    printf("%s, %d dimensions\n", problems[i].name, problems[i].space->n);
    for (int s = 0; s < 6; s++) {
      int n = collect(order[s], i, point, x);
      if (!n) continue;
      struct quartiles q = quartiles_of(x, n);
      printf("  %-11s %10.4g  [%.4g, %.4g]  %d runs\n", order[s], q.median, q.low, q.high, n);
    }
    for (int p = 0; p < PAIRS; p++) compare(pairs[p][0], pairs[p][1], i, point, &tally[p]);
  }
  printf("Over them, after %d trials: geometric mean of the ratios of medians; significantly better, worse\n", trials);
  for (int p = 0; p < PAIRS; p++) {
    const struct tally *t = &tally[p];
    if (!t->functions) continue;
    printf("  %-6s to %-11s %.3f  better on %d, worse on %d of %d\n", pairs[p][0], pairs[p][1],
           exp(t->log_ratio / t->functions), t->better, t->worse, t->functions);
  }
  if (!with_aims) return;
  printf("Problems on which\n");
  report_aims(tally);
}

static void report_times(void)
{
  for (int s = 0; samplers[s]; s++) {
    double sum = 0;
    int n = 0;
    for (int i = 0; i < n_runs; i++) {
      if (runs[i].seconds > 0 && !strcmp(runs[i].sampler, samplers[s]->name)) sum += runs[i].seconds, n++;
    }
    if (n) printf("A run with %s: %.2f s of one core, on average\n", samplers[s]->name, sum / n);
  }
}

/* --- beside another version --- */

/* log (regret now / regret then) of each seed that has both; returns how many. */
static int log_ratios(const char *sampler, int problem, int point, double *ratio)
{
  int n = 0;
  double least = problems[problem].least;
  for (int i = 0; i < n_runs; i++) {
    const struct run *r = &runs[i];
    if (r->before || r->problem != problem || strcmp(r->sampler, sampler)) continue;
    for (int k = 0; k < n_runs; k++) {
      const struct run *b = &runs[k];
      if (!b->before || b->problem != problem || b->seed != r->seed || strcmp(b->sampler, sampler)) continue;
      if (isnan(r->regret[point]) || isnan(b->regret[point])) continue;
      ratio[n++] = log(fmax(r->regret[point], least) / fmax(b->regret[point], least));
    }
  }
  return n;
}

static double mean_of(const double *x, int n)
{
  double sum = 0;
  for (int i = 0; i < n; i++) sum += x[i];
  return sum / n;
}

/* Over all pairs, and over problems, each of which counts by the mean of its pairs. */
static void report_before(const char *sampler, int trials)
{
  static double all[RUNS_MAX];
  double means[PROBLEMS_MAX];
  int total = 0, n_means = 0, below = 0;
  for (int i = 0; i < n_problems; i++) {
    double *x = all + total;
    int n = problems[i].wanted ? log_ratios(sampler, i, trials / STEP - 1, x) : 0;
    if (!n) continue;
    if (!n_means) printf("%s after %d trials, regret now / before: geometric mean of paired runs\n", sampler, trials);
    means[n_means] = mean_of(x, n);
    below += means[n_means] < 0;
    printf("  %-16s %.3f  p %.4f  %d pairs\n", problems[i].name, exp(means[n_means]), signed_rank(x, n), n);
    n_means++;
    total += n;
  }
  if (!n_means) return;
  printf("  %-16s %.3f  p %.4f  %d pairs; lower on %d of %d problems (p over problems %.4f)\n", "all",
         exp(mean_of(means, n_means)), signed_rank(all, total), total, below, n_means, signed_rank(means, n_means));
}

/* --- the plot --- */

static void plot(const char *folder, enum search_form form, int trials)
{
  static const char *const order[] = {"gp", "tpe", "random", "optuna-gp", "optuna-tpe"};
  static double x[RUNS_MAX];
  char path[500];
  snprintf(path, sizeof(path), "%s/search-%s.gp", folder, search_form_names[form]);
  FILE *g = fopen(path, "w");
  if (!g) return;
  fprintf(
      g,
      "set terminal pngcairo size 2000,900 font ',10'\nset output '%s/search-%s.png'\nset multiplot layout 2,5 title "
      "'Simple regret, median and quartiles'\nset logscale y\nset xlabel 'trials'\nset key top right\n",
      folder, search_form_names[form]);
  for (int i = 0; i < n_problems; i++) {
    if (!problems[i].wanted) continue;
    char plots[1000] = "";
    size_t used = 0;
    for (int s = 0; s < 5; s++) {
      if (!collect(order[s], i, trials / STEP - 1, x)) continue;
      fprintf(g, "$d%d_%d << EOD\n", i, s);
      for (int p = 0; p < trials / STEP; p++) {
        int n = collect(order[s], i, p, x);
        if (!n) continue;
        struct quartiles q = quartiles_of(x, n);
        fprintf(g, "%d %.9g %.9g %.9g\n", (p + 1) * STEP, q.median, fmax(q.low, 1e-12), fmax(q.high, 1e-12));
      }
      fprintf(g, "EOD\n");
      used += (size_t)snprintf(plots + used, sizeof(plots) - used,
                               "%s$d%d_%d using 1:2:3:4 with yerrorlines lc %d pt 7 ps 0.5 title '%s'",
                               used ? ", " : "", i, s, s + 1, order[s]);
    }
    fprintf(g, "set title '%s' noenhanced\nplot %s\n", problems[i].name, plots);
  }
  fprintf(g, "unset multiplot\n");
  fclose(g);
  char command[600];
  snprintf(command, sizeof(command), "gnuplot '%s' >/dev/null 2>&1", path);
  if (system(command)) {
    printf("(no plot: gnuplot is missing or failed on %s)\n", path);
  } else {
    printf("Plot: %s/search-%s.png\n", folder, search_form_names[form]);
  }
}

/* --- the command line --- */

struct options {
  const char *samplers, *functions, *tables, *other, *before, *folder, *evaluated;
  enum search_form form;
  int seeds, first, trials, at, jobs;
  bool describe;
};

static bool option_read(struct options *o, const char *name, const char *value)
{
  const struct {
    const char *name, **text;
    int *number;
  } known[] = {{"--seeds", NULL, &o->seeds},   {"--first", NULL, &o->first},         {"--trials", NULL, &o->trials},
               {"--at", NULL, &o->at},         {"--jobs", NULL, &o->jobs},           {"--samplers", &o->samplers, NULL},
               {"--tables", &o->tables, NULL}, {"--functions", &o->functions, NULL}, {"--compare", &o->other, NULL},
               {"--before", &o->before, NULL}, {"--output", &o->folder, NULL}};
  for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
    if (strcmp(name, known[i].name)) continue;
    if (known[i].text) *known[i].text = value;
    if (known[i].number) *known[i].number = atoi(value);
    return true;
  }
  if (strcmp(name, "--form")) return false;
  o->form = (enum search_form)form_find(value);
  return true;
}

static void options_read(struct options *o, int argc, char **argv)
{
  for (int i = 1; i < argc; i += 2) {
    const char *value = i + 1 < argc ? argv[i + 1] : "";
    bool evaluated = !strcmp(argv[i], "--evaluate") && i + 2 < argc;
    o->describe |= !strcmp(argv[i], "--describe");
    if (evaluated) o->evaluated = argv[i + 2];
    if (evaluated || !strcmp(argv[i], "--describe")) {
      o->form = (enum search_form)form_find(value);
      i += evaluated;
    } else if (!option_read(o, argv[i], value)) {
      fprintf(stderr, "bench_search: unknown option %s; its first lines say what there is\n", argv[i]);
      exit(2);
    }
  }
  if (o->seeds >= 1 && o->trials >= STEP && o->trials <= STEP * POINTS_MAX && o->jobs >= 1 && o->jobs <= 64) return;
  fprintf(stderr, "bench_search: seeds >= 1, %d <= trials <= %d, 1 <= jobs <= 64\n", STEP, STEP * POINTS_MAX);
  exit(2);
}

static void search_all(const struct options *o)
{
  pthread_t thread[64];
  for (int seed = o->first; seed < o->first + o->seeds; seed++) {
    for (int i = 0; i < n_problems; i++) {
      for (int s = 0; samplers[s]; s++) {
        if (problems[i].wanted && in_list(o->samplers, samplers[s]->name) && n_runs < RUNS_MAX)
          run_add(samplers[s]->name, i, seed);
      }
    }
  }
  queue.trials = o->trials;
  for (int j = 0; j < o->jobs; j++) {
    if (pthread_create(&thread[j], NULL, work, NULL)) exit(1);
  }
  for (int j = 0; j < o->jobs; j++) pthread_join(thread[j], NULL);
}

int main(int argc, char **argv)
{
  struct options o = {.samplers = "gp,tpe,random",
                      .tables = "tests/bench/tables",
                      .folder = "build",
                      .form = SEARCH_BENCH,
                      .seeds = 20,
                      .trials = 100,
                      .at = 25,
                      .jobs = (int)sysconf(_SC_NPROCESSORS_ONLN)};
  char path[500];
  int code = 0;
  options_read(&o, argc, argv);
  problems_make(o.form, o.tables, o.evaluated ? o.evaluated : o.functions);
  if (o.describe) {
    describe();
  } else if (o.evaluated) {
    code = evaluate(o.evaluated);
  } else {
    search_all(&o);
    snprintf(path, sizeof(path), "%s/search-%s.csv", o.folder, search_form_names[o.form]);
    write_csv(path, o.form);
    if (o.other) read_csv(o.other, o.form, false);
    if (o.before) read_csv(o.before, o.form, true);
    bool earlier = o.at >= STEP && o.at < o.trials;
    if (earlier) report(o.form, o.at, false);
    report(o.form, o.trials, true);
    report_times();
    for (int s = 0; samplers[s]; s++) {
      if (earlier) report_before(samplers[s]->name, o.at);
      report_before(samplers[s]->name, o.trials);
    }
    printf("Runs: %s\n", path);
    plot(o.folder, o.form, o.trials);
  }
  problems_destroy();
  return code;
}
