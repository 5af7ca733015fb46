/* Fits that are remembered: the bits of those that are made, whoever asks, and of nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>

#include "host/samplers/gp/gp_fits.h"
#include "tests/unit/samplers/gp/gp_fixture.h"

enum { N = 30, D = 3, EVALUATIONS = 24 };

static struct gp_fits *open_fits(void)
{
  struct gp_fits *fits;
  struct error e;
  assert_int_equal(gp_fits_open(&fits, &e), 0);
  return fits;
}

/* What `fits` says of the problem, which has to be what is made of it. */
static void check_fit(struct gp_fits *fits, const struct problem *p, enum gp_prior prior, int evaluations, int made)
{
  struct gp_hyper asked, expected;
  struct error e;
  memset(&asked, 0, sizeof(asked));
  memset(&expected, 0, sizeof(expected));
  assert_int_equal(gp_fits_get(fits, &p->data, prior, evaluations, NULL, &asked, &e), 0);
  assert_int_equal(gp_fit(&p->data, prior, evaluations, NULL, &expected, &e), 0);
  assert_memory_equal(asked.lengthscale, expected.lengthscale, (size_t)p->d * sizeof(double));
  assert_true(asked.signal == expected.signal && asked.noise == expected.noise && asked.mean == expected.mean);
  if (fits) assert_int_equal(gp_fits_made(fits), made);
}

static void what_was_asked_before_is_not_made_again(void **state)
{
  (void)state;
  struct gp_fits *fits = open_fits();
  struct problem p, same;
  problem_make(&p, N, D, 0, 1e-4, 3);
  problem_make(&same, N, D, 0, 1e-4, 3); /* the same bytes elsewhere */
  check_fit(fits, &p, GP_PRIOR_SEARCH, EVALUATIONS, 1);
  check_fit(fits, &p, GP_PRIOR_SEARCH, EVALUATIONS, 1);
  check_fit(fits, &same, GP_PRIOR_SEARCH, EVALUATIONS, 1);
  check_fit(NULL, &p, GP_PRIOR_SEARCH, EVALUATIONS, 0); /* nothing remembers: it is made */
  gp_fits_close(fits);
  gp_fits_close(NULL);
  problem_destroy(&p);
  problem_destroy(&same);
}

static void whatever_differs_is_another_fit(void **state)
{
  (void)state;
  struct gp_fits *fits = open_fits();
  struct problem p;
  int made = 1;
  problem_make(&p, N, D, 0, 1e-4, 3);
  check_fit(fits, &p, GP_PRIOR_SEARCH, EVALUATIONS, made);
  check_fit(fits, &p, GP_PRIOR_WIDE, EVALUATIONS, ++made);
  check_fit(fits, &p, GP_PRIOR_SEARCH, EVALUATIONS + 4, ++made);
  p.z[N - 1] = nextafter(p.z[N - 1], INFINITY);
  check_fit(fits, &p, GP_PRIOR_SEARCH, EVALUATIONS, ++made);
  p.x[D - 1][N - 1] = nextafter(p.x[D - 1][N - 1], INFINITY);
  check_fit(fits, &p, GP_PRIOR_SEARCH, EVALUATIONS, ++made);
  p.categorical[0] = !p.categorical[0];
  check_fit(fits, &p, GP_PRIOR_SEARCH, EVALUATIONS, ++made);
  p.data.n--;
  check_fit(fits, &p, GP_PRIOR_SEARCH, EVALUATIONS, ++made);
  p.data.d--;
  p.d--;
  check_fit(fits, &p, GP_PRIOR_SEARCH, EVALUATIONS, ++made);
  gp_fits_close(fits);
  p.d = D;
  problem_destroy(&p);
}

static void what_was_not_asked_for_for_longest_is_forgotten(void **state)
{
  (void)state;
  enum { FITS = 17 }; /* one more than are remembered */
  struct gp_fits *fits = open_fits();
  struct problem p[FITS];
  for (int k = 0; k < FITS; k++) {
    problem_make(&p[k], 6, 1, 0, 1e-2, 40 + (uint64_t)k);
    check_fit(fits, &p[k], GP_PRIOR_SEARCH, 4, k + 1);
    check_fit(fits, &p[0], GP_PRIOR_SEARCH, 4, k + 1); /* stays, since it is asked for */
  }
  check_fit(fits, &p[FITS - 1], GP_PRIOR_SEARCH, 4, FITS);
  check_fit(fits, &p[1], GP_PRIOR_SEARCH, 4, FITS + 1);
  gp_fits_close(fits);
  for (int k = 0; k < FITS; k++) problem_destroy(&p[k]);
}

struct asker {
  struct gp_fits *fits;
  const struct problem *p;
  struct gp_hyper hyper;
  int code;
};

static void *ask(void *context)
{
  struct asker *a = context;
  struct error e;
  a->code = gp_fits_get(a->fits, &a->p->data, GP_PRIOR_SEARCH, EVALUATIONS, NULL, &a->hyper, &e);
  return NULL;
}

static void threads_that_ask_the_same_wait_for_one_fit(void **state)
{
  (void)state;
  enum { THREADS = 8, PROBLEMS = 2 };
  struct gp_fits *fits = open_fits();
  struct problem p[PROBLEMS];
  struct asker a[THREADS];
  pthread_t thread[THREADS];
  for (int k = 0; k < PROBLEMS; k++) problem_make(&p[k], N, D, 0, 1e-4, 7 + (uint64_t)k);
  for (int k = 0; k < THREADS; k++) {
    a[k] = (struct asker){.fits = fits, .p = &p[k % PROBLEMS]};
    assert_int_equal(pthread_create(&thread[k], NULL, ask, &a[k]), 0);
  }
  for (int k = 0; k < THREADS; k++) {
    pthread_join(thread[k], NULL);
    assert_int_equal(a[k].code, 0);
    assert_memory_equal(a[k].hyper.lengthscale, a[k % PROBLEMS].hyper.lengthscale, D * sizeof(double));
    assert_true(a[k].hyper.noise == a[k % PROBLEMS].hyper.noise);
  }
  for (int k = 0; k < PROBLEMS; k++) check_fit(fits, &p[k], GP_PRIOR_SEARCH, EVALUATIONS, PROBLEMS);
  gp_fits_close(fits);
  for (int k = 0; k < PROBLEMS; k++) problem_destroy(&p[k]);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_was_asked_before_is_not_made_again),
      cmocka_unit_test(whatever_differs_is_another_fit),
      cmocka_unit_test(what_was_not_asked_for_for_longest_is_forgotten),
      cmocka_unit_test(threads_that_ask_the_same_wait_for_one_fit),
  };
  return cmocka_run_group_tests_name("gp_fits", tests, NULL, NULL);
}
