/* The loops of the Gaussian process in every variant that this processor can run, against the same
 * source compiled without optimisation: what a compiler makes of a loop for an instruction set that
 * another machine chooses is tested on this one.
 *
 * Not under ThreadSanitizer: one thread. */
#include "tests/unit/cpu/loops_fixture.h"

#include <math.h>
#include <stdbool.h>

#include "host/samplers/gp/gp_loops.h"

enum { ROUNDS = 400, N_MAX = 200, D_MAX = 12, FIRST_MAX = 17, GUARD = 16 };

static const double poison = 1e55;

/* Everything that a loop is called with.  Arrays begin at an offset of their own, so that vectors
 * lie across lines. */
struct problem {
  int n, d, first;
  double *column[D_MAX];
  const double *x[D_MAX];
  bool categorical[D_MAX];
  double weight[D_MAX], point[D_MAX], signal;
  double *a, *b;
  double block[D_MAX + 2][N_MAX + 2 * FIRST_MAX + GUARD];
};

static double value(bool categorical, bool whole)
{
  if (categorical) return between(0, 3);
  return whole ? between(-8, 8) : uniform(-1, 1);
}

static void make(struct problem *p, bool whole)
{
  *p = (struct problem){.n = between(0, N_MAX), .d = between(1, D_MAX), .first = between(0, FIRST_MAX)};
  if (between(0, 3) == 0) p->n = between(0, 3) * 64; /* whole blocks, and none */
  if (p->n > N_MAX) p->n = N_MAX;
  for (int i = 0; i < p->d; i++) {
    p->categorical[i] = between(0, 1);
    p->weight[i] = whole ? between(1, 4) : exp(uniform(-6, 9));
    p->point[i] = value(p->categorical[i], whole);
    p->x[i] = p->column[i] = p->block[i] + between(0, 7);
    for (int j = 0; j < p->first + p->n; j++) p->column[i][j] = value(p->categorical[i], whole);
  }
  p->signal = exp(uniform(-3, 3));
  p->a = p->block[D_MAX] + between(0, 7);
  p->b = p->block[D_MAX + 1] + between(0, 7);
  for (int j = 0; j < p->n; j++) {
    p->a[j] = whole ? between(-64, 64) : uniform(-1, 1);
    p->b[j] = whole ? between(-64, 64) : uniform(-1, 1);
  }
}

/* Room for a result, poisoned. */
struct result {
  double values[N_MAX + GUARD];
};

static struct result poisoned(void)
{
  struct result r;
  for (int i = 0; i < N_MAX + GUARD; i++) r.values[i] = poison;
  return r;
}

static bool same(double a, double b)
{
  return a == b || (isnan(a) && isnan(b));
}

static void assert_equal(const char *loop, enum cpu_isa isa, const struct problem *p, int n, const struct result *got,
                         const struct result *right)
{
  for (int i = 0; i < n + GUARD && i < N_MAX + GUARD; i++) {
    if (!same(got->values[i], right->values[i]))
      fail_msg("%s, %s: element %d of %d is %.17g and should be %.17g (n %d, d %d, first %d)", loop, cpu_isa_name(isa),
               i, n, got->values[i], right->values[i], p->n, p->d, p->first);
  }
}

/* Calls `one` for every variant and for many problems. */
static void for_each_variant(bool whole, void (*one)(const struct gp_loops *, enum cpu_isa, struct problem *))
{
  loops_begin();
  struct problem *p = malloc(sizeof *p);
  for (int round = 0; round < ROUNDS; round++) {
    make(p, whole);
    for (int isa = CPU_ISA_BASELINE; isa <= (int)cpu_isa_of_processor(); isa++)
      one(gp_loops_of((enum cpu_isa)isa), (enum cpu_isa)isa, p);
  }
  free(p);
}

/* --- sums ------------------------------------------------------------------------------------- */

static void distances_of(const struct gp_loops *loops, const struct problem *p, struct result *r)
{
  *r = poisoned();
  for (int i = 0; i < p->d; i++) r->values[i] = i; /* what is added to */
  loops->distances(p->first, p->n, p->d, p->x, p->categorical, p->point, p->a, r->values);
}

static void one_distances(const struct gp_loops *loops, enum cpu_isa isa, struct problem *p)
{
  struct result got, right;
  distances_of(loops, p, &got);
  distances_of(&gp_loops_reference, p, &right);
  assert_equal("distances", isa, p, p->d, &got, &right);
}

static void distances_are_those_of_the_plain_code(void **state)
{
  (void)state;
  for_each_variant(true, one_distances);
}

/* What is equal to the point adds nothing, whatever its weight. */
static void one_with_infinities(const struct gp_loops *loops, enum cpu_isa isa, struct problem *p)
{
  const double odd[] = {INFINITY, -INFINITY, NAN};
  struct result got, right;
  p->d = 1;
  p->categorical[0] = true;
  double kept[N_MAX];
  memcpy(kept, p->a, sizeof kept);
  for (int j = 0; j < p->n; j++)
    if (p->column[0][p->first + j] == p->point[0]) p->a[j] = odd[j % 3];
  distances_of(loops, p, &got);
  distances_of(&gp_loops_reference, p, &right);
  assert_true(isfinite(right.values[0]));
  assert_equal("distances", isa, p, 1, &got, &right);
  memcpy(p->a, kept, sizeof kept);
}

static void equal_categories_add_nothing_even_of_infinite_weight(void **state)
{
  (void)state;
  for_each_variant(true, one_with_infinities);
}

static void one_offsets(const struct gp_loops *loops, enum cpu_isa isa, struct problem *p)
{
  struct result got = poisoned(), right = poisoned();
  loops->offsets(p->n, p->d, p->x, p->categorical, p->point, p->a, got.values);
  gp_loops_reference.offsets(p->n, p->d, p->x, p->categorical, p->point, p->a, right.values);
  assert_equal("offsets", isa, p, p->d, &got, &right);
}

static void offsets_are_those_of_the_plain_code(void **state)
{
  (void)state;
  for_each_variant(true, one_offsets);
}

static void one_dot(const struct gp_loops *loops, enum cpu_isa isa, struct problem *p)
{
  struct result got = poisoned(), right = poisoned();
  got.values[0] = loops->dot(p->n, p->a, p->b);
  right.values[0] = gp_loops_reference.dot(p->n, p->a, p->b);
  assert_equal("dot", isa, p, 1, &got, &right);
}

static void dots_are_those_of_the_plain_code(void **state)
{
  (void)state;
  for_each_variant(true, one_dot);
}

/* --- element by element ----------------------------------------------------------------------- */

static void one_weigh(const struct gp_loops *loops, enum cpu_isa isa, struct problem *p)
{
  struct result got = poisoned(), right;
  for (int j = 0; j < p->n; j++) got.values[j] = between(-64, 64);
  right = got;
  loops->weigh(p->n, p->point[0], p->a, p->b, got.values);
  gp_loops_reference.weigh(p->n, p->point[0], p->a, p->b, right.values);
  assert_equal("weigh", isa, p, p->n, &got, &right);
}

static void one_add(const struct gp_loops *loops, enum cpu_isa isa, struct problem *p)
{
  struct result got = poisoned(), right;
  for (int j = 0; j < p->n; j++) got.values[j] = between(-64, 64);
  right = got;
  loops->add(p->n, p->point[0], p->a, got.values);
  gp_loops_reference.add(p->n, p->point[0], p->a, right.values);
  assert_equal("add", isa, p, p->n, &got, &right);
}

static void elements_are_those_of_the_plain_code(void **state)
{
  (void)state;
  for_each_variant(true, one_weigh);
  for_each_variant(true, one_add);
}

/* √5 r of the j-th point. */
static double exponent(const struct problem *p, int j)
{
  double r2 = 0;
  for (int i = 0; i < p->d; i++) {
    double t = p->x[i][p->first + j] - p->point[i];
    r2 += p->weight[i] * (p->categorical[i] ? t != 0 : t * t);
  }
  return sqrt(5 * r2);
}

/* r² is a sum of d positive terms, so that u = √5 r has an error of at most (d + 4) ε u, with or
 * without FMA.  Both k and its slope change by at most their own size for a change of 1 in u; their
 * polynomials and that of the exponential take some twelve roundings more.  Each of the two
 * variants has that error.  Beyond u = 690 one of them may be 0 already, where the other is below
 * 1e-298. */
static void assert_near(const char *loop, enum cpu_isa isa, const struct problem *p, const struct result *got,
                        const struct result *right)
{
  for (int j = 0; j < p->n; j++) {
    double bound = 2 * 0x1p-52 * (12 + (p->d + 4) * exponent(p, j)) * fabs(right->values[j]) + 1e-290;
    if (!(fabs(got->values[j] - right->values[j]) <= bound))
      fail_msg("%s, %s: element %d of %d is %.17g and should be %.17g (d %d, first %d)", loop, cpu_isa_name(isa), j,
               p->n, got->values[j], right->values[j], p->d, p->first);
  }
  for (int j = p->n; j < p->n + GUARD && j < N_MAX + GUARD; j++) assert_true(got->values[j] == poison);
}

static void one_matern(const struct gp_loops *loops, enum cpu_isa isa, struct problem *p)
{
  struct result k[2] = {poisoned(), poisoned()}, slope[2] = {poisoned(), poisoned()}, alone = poisoned();
  loops->matern(p->first, p->n, p->d, p->x, p->categorical, p->weight, p->point, p->signal, k[0].values,
                slope[0].values);
  gp_loops_reference.matern(p->first, p->n, p->d, p->x, p->categorical, p->weight, p->point, p->signal, k[1].values,
                            slope[1].values);
  assert_near("matern", isa, p, &k[0], &k[1]);
  assert_near("slope of matern", isa, p, &slope[0], &slope[1]);
  loops->matern(p->first, p->n, p->d, p->x, p->categorical, p->weight, p->point, p->signal, alone.values, NULL);
  assert_near("matern without slope", isa, p, &alone, &k[1]);
}

static void covariances_are_those_of_the_plain_code_to_some_roundings(void **state)
{
  (void)state;
  for_each_variant(false, one_matern);
  for_each_variant(true, one_matern); /* far points, too */
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(distances_are_those_of_the_plain_code),
      cmocka_unit_test(equal_categories_add_nothing_even_of_infinite_weight),
      cmocka_unit_test(offsets_are_those_of_the_plain_code),
      cmocka_unit_test(dots_are_those_of_the_plain_code),
      cmocka_unit_test(elements_are_those_of_the_plain_code),
      cmocka_unit_test(covariances_are_those_of_the_plain_code_to_some_roundings),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
