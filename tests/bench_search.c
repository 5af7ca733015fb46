/* How well samplers search: simple regret on eight analytic functions in mixed spaces (search_functions.h).
 *
 *   bench_search [--form bench|dev] [--seeds N] [--trials N] [--jobs N] [--samplers gp,tpe,...] [--functions NAME,...]
 *                [--compare tests/search_optuna.csv] [--output FOLDER]
 *   bench_search --describe FORM             the spaces as JSON, for tests/search_optuna.py
 *   bench_search --evaluate FORM FUNCTION    a line of internal values in, their regret out, in hexadecimal
 *
 * A run is `trials` proposals, one at a time, all hyperparameters free, each told its value before the next; its random numbers
 * come from the seed alone.  Printed are medians with quartiles over the seeds and two-sided Mann-Whitney tests at 5 %; FOLDER gets
 * search-FORM.csv, a line a run, and search-FORM.png.  The runs of Optuna's samplers come from a file in that form.  What was
 * aimed at and does not hold is said. */
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "rng.h"
#include "sampler.h"
#include "search_functions.h"
#include "search_statistics.h"

enum { POINTS_MAX = 50, RUNS_MAX = 4096, STEP = 10, SAMPLERS_MAX = 8 };

struct run {
  char sampler[24];
  int function, seed;
  int n_points;              /* trials / STEP */
  double regret[POINTS_MAX]; /* of the best after STEP, 2 STEP, ... trials */
  double seconds;            /* processor time of its proposals; 0: unknown */
};

static struct run runs[RUNS_MAX];
static int n_runs;

/* --- for Optuna --- */

static int form_find(const char *name)
{
  for (int f = 0; f < SEARCH_FORMS; f++) {
    if (!strcmp(name, search_form_names[f])) return f;
  }
  fprintf(stderr, "bench_search: '%s' is none of dev, bench\n", name);
  exit(2);
}

static void make(struct search_function *f, int index, int form)
{
  struct error e;
  if (!search_function_make(f, index, (enum search_form)form, &e)) return;
  fprintf(stderr, "bench_search: %s\n", e.message);
  exit(1);
}

static void describe(int form)
{
  for (int i = 0; i < SEARCH_FUNCTIONS; i++) {
    struct search_function f;
    make(&f, i, form);
    printf("%s{\"name\": \"%s\", \"params\": [", i ? ",\n " : "[", f.name);
    for (int k = 0; k < f.space.n; k++) {
      const struct param *p = &f.space.params[k];
      const char *type = p->type == PARAM_FLOAT ? "float" : p->type == PARAM_CATEGORICAL ? "categorical" : "int";
      printf("%s{\"name\": \"%s\", \"type\": \"%s\", \"low\": %.17g, \"high\": %.17g, \"log\": %s, \"choices\": %d}",
             k ? ", " : "", p->name, type, p->low, p->high, p->log ? "true" : "false", p->n_choices);
    }
    printf("]}");
    space_destroy(&f.space);
  }
  printf("]\n");
}

static int evaluate(int form, const char *name)
{
  struct search_function f;
  double values[SEARCH_DIMENSIONS];
  int i = 0;
  for (; i < SEARCH_FUNCTIONS; i++) {
    make(&f, i, form);
    if (!strcmp(f.name, name)) break;
    space_destroy(&f.space);
  }
  if (i == SEARCH_FUNCTIONS) return 2;
  for (;;) {
    for (int k = 0; k < f.space.n; k++) {
      if (scanf("%lf", &values[k]) != 1) return 0;
      values[k] = param_clamp(&f.space.params[k], values[k]);
    }
    printf("%a\n", search_function_regret(&f, values));
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

static void search(struct run *run, int form, int trials)
{
  struct search_function f;
  struct error e;
  const struct sampler *sampler = sampler_find(run->sampler);
  struct sampler_settings settings = sampler_settings_default();
  bool free_all[SPACE_MAX];
  double fixed[SPACE_MAX], best = INFINITY;
  make(&f, run->function, form);
  for (int i = 0; i < f.space.n; i++) free_all[i] = true;
  space_defaults(&f.space, fixed);
  struct observation *history = calloc((size_t)trials, sizeof(*history));
  double *values = calloc((size_t)trials, SEARCH_DIMENSIONS * sizeof(*values));
  struct sampler_request request = {.space = &f.space,
                                    .free = free_all,
                                    .fixed = fixed,
                                    .history = history,
                                    .group_size = trials,
                                    .settings = &settings};
  request.study_key = philox_trial_key((uint64_t)run->seed, 0, -1);
  for (int t = 0; t < trials; t++) {
    double *x = values + (size_t)t * SEARCH_DIMENSIONS, start = seconds();
    request.n_history = request.n_group = t;
    request.key = philox_trial_key((uint64_t)run->seed, 0, t);
    if (sampler->ask(&request, x, &e)) {
      fprintf(stderr, "bench_search: %s: %s\n", run->sampler, e.message);
      exit(1);
    }
    run->seconds += seconds() - start;
    double regret = search_function_regret(&f, x);
    history[t] = (struct observation){.number = t, .values = x, .value = -regret};
    best = fmin(best, regret);
    if ((t + 1) % STEP == 0) run->regret[run->n_points++] = best;
  }
  free(values);
  free(history);
  space_destroy(&f.space);
}

/* Workers take runs one after another; a run depends on its seed alone, whoever does it. */
static struct {
  pthread_mutex_t mutex;
  int next, form, trials;
} queue = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static void *work(void *unused)
{
  for (;;) {
    pthread_mutex_lock(&queue.mutex);
    int i = queue.next++;
    pthread_mutex_unlock(&queue.mutex);
    if (i >= n_runs) return unused;
    search(&runs[i], queue.form, queue.trials);
  }
}

/* --- files --- */

static void write_csv(const char *path, int form)
{
  FILE *file = fopen(path, "w");
  if (!file) return;
  for (int i = 0; i < n_runs; i++) {
    struct search_function f;
    make(&f, runs[i].function, form);
    fprintf(file, "%s,%s,%s,%s,%d", search_form_names[form], f.name, runs[i].sampler, "gsos", runs[i].seed);
    for (int p = 0; p < runs[i].n_points; p++) fprintf(file, ",%.9g", runs[i].regret[p]);
    fprintf(file, "\n");
    space_destroy(&f.space);
  }
  fclose(file);
}

/* Runs of others: form,function,sampler,version,seed,regret after STEP, 2 STEP, ... trials. */
static void read_csv(const char *path, int form, const bool *wanted)
{
  FILE *file = fopen(path, "r");
  char line[2000], name[SEARCH_FUNCTIONS][24];
  if (!file) {
    printf("(%s is not there: nothing to compare with)\n", path);
    return;
  }
  for (int i = 0; i < SEARCH_FUNCTIONS; i++) {
    struct search_function f;
    make(&f, i, form);
    snprintf(name[i], sizeof(name[i]), "%s", f.name);
    space_destroy(&f.space);
  }
  while (fgets(line, sizeof(line), file) && n_runs < RUNS_MAX) {
    char *rest = line, *field[5];
    for (int i = 0; i < 5 && rest; i++) field[i] = strsep(&rest, ",");
    if (line[0] == '#' || !rest || strcmp(field[0], search_form_names[form])) continue;
    struct run r = {.seed = atoi(field[4]), .function = -1};
    snprintf(r.sampler, sizeof(r.sampler), "%s", field[2]);
    for (int i = 0; i < SEARCH_FUNCTIONS; i++) {
      if (!strcmp(name[i], field[1])) r.function = i;
    }
    while (rest && r.n_points < POINTS_MAX) r.regret[r.n_points++] = strtod(strsep(&rest, ","), NULL);
    if (r.function >= 0 && wanted[r.function]) runs[n_runs++] = r;
  }
  fclose(file);
}

/* --- tables --- */

/* Regrets of a sampler on a function at a point; returns how many. */
static int collect(const char *sampler, int function, int point, double *x)
{
  int n = 0;
  for (int i = 0; i < n_runs; i++) {
    if (runs[i].function == function && !strcmp(runs[i].sampler, sampler) && point < runs[i].n_points)
      x[n++] = runs[i].regret[point];
  }
  return n;
}

struct tally {
  int functions, below, worse, better;
};

/* Prints how a compares with b on a function, and counts. */
static void compare(const char *a, const char *b, int function, int point, struct tally *t)
{
  static double x[RUNS_MAX], y[RUNS_MAX];
  int n = collect(a, function, point, x), m = collect(b, function, point, y);
  if (!n || !m) return;
  double p = mann_whitney(x, n, y, m), left = quartiles_of(x, n).median, right = quartiles_of(y, m).median;
  bool significant = p < 0.05;
  printf("    %-6s %s %-11s p %.4f%s\n", a,
         left < right   ? "below"
         : left > right ? "above"
                        : "as",
         b, p, significant ? "" : "  (not significant)");
  t->functions++;
  t->below += left < right;
  t->better += significant && left < right;
  t->worse += significant && left > right;
}

static void aim(const char *what, int got, bool at_least, int wanted)
{
  bool holds = at_least ? got >= wanted : got <= wanted;
  printf("  %-66s %d (aim: at %s %d)%s\n", what, got, at_least ? "least" : "most", wanted,
         holds ? "" : "  DOES NOT HOLD");
}

static const char *const pairs[][2] = {{"gp", "tpe"}, {"gp", "optuna-tpe"}, {"gp", "optuna-gp"}, {"tpe", "optuna-tpe"}};

static void report(int form, int trials, const bool *wanted)
{
  static const char *const order[] = {"gp", "tpe", "random", "grid", "optuna-gp", "optuna-tpe"};
  static double x[RUNS_MAX];
  struct tally tally[4] = {{0}};
  int point = trials / STEP - 1;
  printf("Simple regret after %d trials, form %s: median [quartiles] of the runs\n", trials, search_form_names[form]);
  for (int i = 0; i < SEARCH_FUNCTIONS; i++) {
    struct search_function f;
    if (!wanted[i]) continue;
    make(&f, i, form);
    printf("%s, %d dimensions\n", f.name, f.space.n);
    for (int s = 0; s < 6; s++) {
      int n = collect(order[s], i, point, x);
      if (!n) continue;
      struct quartiles q = quartiles_of(x, n);
      printf("  %-11s %10.4g  [%.4g, %.4g]  %d runs\n", order[s], q.median, q.low, q.high, n);
    }
    for (int p = 0; p < 4; p++) compare(pairs[p][0], pairs[p][1], i, point, &tally[p]);
    space_destroy(&f.space);
  }
  printf("Functions on which\n");
  if (tally[0].functions) {
    aim("gp's median is below tpe's", tally[0].below, true, 6);
    aim("gp is significantly worse than tpe", tally[0].worse, false, 0);
  }
  if (tally[1].functions) aim("gp's median is below that of Optuna's TPESampler", tally[1].below, true, 6);
  if (tally[2].functions) aim("gp is significantly worse than Optuna's GPSampler", tally[2].worse, false, 1);
  if (tally[3].functions) aim("tpe is significantly worse than Optuna's TPESampler", tally[3].worse, false, 2);
  for (int s = 0; s < 4; s++) {
    double sum = 0;
    int n = 0;
    for (int i = 0; i < n_runs; i++) {
      if (!strcmp(runs[i].sampler, order[s])) sum += runs[i].seconds, n++;
    }
    if (n) printf("A run with %s: %.2f s of one core, on average\n", order[s], sum / n);
  }
}

/* --- the plot --- */

static void plot(const char *folder, int form, int trials, const bool *wanted)
{
  static const char *const order[] = {"gp", "tpe", "random", "optuna-gp", "optuna-tpe"};
  static double x[RUNS_MAX];
  char path[500];
  snprintf(path, sizeof(path), "%s/search-%s.gp", folder, search_form_names[form]);
  FILE *g = fopen(path, "w");
  if (!g) return;
  fprintf(
      g,
      "set terminal pngcairo size 1600,900 font ',10'\nset output '%s/search-%s.png'\nset multiplot layout 2,4 title "
      "'Simple regret, median and quartiles'\nset logscale y\nset xlabel 'trials'\nset key top right\n",
      folder, search_form_names[form]);
  for (int i = 0; i < SEARCH_FUNCTIONS; i++) {
    struct search_function f;
    if (!wanted[i]) continue;
    make(&f, i, form);
    char plots[1000] = "";
    size_t used = 0;
    for (int s = 0; s < 5; s++) {
      if (!collect(order[s], i, 0, x)) continue;
      fprintf(g, "$d%d_%d << EOD\n", i, s);
      for (int p = 0; p < trials / STEP; p++) {
        int n = collect(order[s], i, p, x);
        struct quartiles q = quartiles_of(x, n);
        fprintf(g, "%d %.9g %.9g %.9g\n", (p + 1) * STEP, q.median, fmax(q.low, 1e-12), fmax(q.high, 1e-12));
      }
      fprintf(g, "EOD\n");
      used += (size_t)snprintf(plots + used, sizeof(plots) - used,
                               "%s$d%d_%d using 1:2:3:4 with yerrorlines lc %d pt 7 ps 0.5 title '%s'",
                               used ? ", " : "", i, s, s + 1, order[s]);
    }
    fprintf(g, "set title '%s' noenhanced\nplot %s\n", f.name, plots);
    space_destroy(&f.space);
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

static bool in_list(const char *list, const char *word)
{
  size_t n = strlen(word);
  for (const char *at = list; (at = strstr(at, word)); at += n) {
    if ((at == list || at[-1] == ',') && (at[n] == 0 || at[n] == ',')) return true;
  }
  return false;
}

int main(int argc, char **argv)
{
  const char *samplers_wanted = "gp,tpe,random", *functions = NULL, *other = NULL, *folder = "build";
  int form = SEARCH_BENCH, seeds = 20, trials = 100, jobs = (int)sysconf(_SC_NPROCESSORS_ONLN);
  for (int i = 1; i < argc; i += 2) {
    const char *value = i + 1 < argc ? argv[i + 1] : "";
    if (!strcmp(argv[i], "--describe")) {
      describe(form_find(value));
      return 0;
    } else if (!strcmp(argv[i], "--evaluate") && i + 2 < argc) {
      return evaluate(form_find(value), argv[i + 2]);
    } else if (!strcmp(argv[i], "--form")) {
      form = form_find(value);
    } else if (!strcmp(argv[i], "--seeds")) {
      seeds = atoi(value);
    } else if (!strcmp(argv[i], "--trials")) {
      trials = atoi(value);
    } else if (!strcmp(argv[i], "--jobs")) {
      jobs = atoi(value);
    } else if (!strcmp(argv[i], "--samplers")) {
      samplers_wanted = value;
    } else if (!strcmp(argv[i], "--functions")) {
      functions = value;
    } else if (!strcmp(argv[i], "--compare")) {
      other = value;
    } else if (!strcmp(argv[i], "--output")) {
      folder = value;
    } else {
      fprintf(stderr, "bench_search: unknown option %s; its first lines say what there is\n", argv[i]);
      return 2;
    }
  }
  if (seeds < 1 || trials < STEP || trials > STEP * POINTS_MAX || jobs < 1 || jobs > 64) {
    fprintf(stderr, "bench_search: seeds >= 1, %d <= trials <= %d, 1 <= jobs <= 64\n", STEP, STEP * POINTS_MAX);
    return 2;
  }
  bool wanted[SEARCH_FUNCTIONS];
  for (int i = 0; i < SEARCH_FUNCTIONS; i++) {
    struct search_function f;
    make(&f, i, form);
    wanted[i] = !functions || in_list(functions, f.name);
    space_destroy(&f.space);
  }
  for (int seed = 0; seed < seeds; seed++) {
    for (int i = 0; i < SEARCH_FUNCTIONS; i++) {
      for (int s = 0; samplers[s]; s++) {
        if (!wanted[i] || !in_list(samplers_wanted, samplers[s]->name) || n_runs == RUNS_MAX) continue;
        struct run *r = &runs[n_runs++];
        *r = (struct run){.function = i, .seed = seed};
        snprintf(r->sampler, sizeof(r->sampler), "%s", samplers[s]->name);
      }
    }
  }
  pthread_t thread[64];
  queue.form = form;
  queue.trials = trials;
  for (int j = 0; j < jobs; j++) {
    if (pthread_create(&thread[j], NULL, work, NULL)) return 1;
  }
  for (int j = 0; j < jobs; j++) pthread_join(thread[j], NULL);
  char path[500];
  snprintf(path, sizeof(path), "%s/search-%s.csv", folder, search_form_names[form]);
  write_csv(path, form);
  if (other) read_csv(other, form, wanted);
  report(form, trials, wanted);
  printf("Runs: %s\n", path);
  plot(folder, form, trials, wanted);
  return 0;
}
