/* Groups from weights: both rules, the ratio, and what cannot be. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "host/base/rng.h"
#include "host/importance/groups_from_weights.h"

/* n floats a, b, c, ...; those of `fixed` have one value. */
static struct space letters(int n, uint64_t fixed)
{
  struct space s;
  struct error e = {0};
  space_init(&s);
  for (int i = 0; i < n; i++) {
    char name[8];
    snprintf(name, sizeof name, "%c%d", 'a' + i % 26, i / 26);
    assert_int_equal(
        param_parse(&s.params[i], name, fixed >> i & 1 ? "float 1 .. 1 default 1" : "float 0 .. 1 default 0", &e), 0);
    s.n++;
  }
  return s;
}

static struct groups grouped(const struct space *s, const double *weight, struct groups_settings settings)
{
  struct groups g;
  struct error e = {0};
  if (groups_from_weights(s, weight, &settings, &g, &e)) fail_msg("%s", e.message);
  return g;
}

static struct groups_settings with(enum groups_rule rule, int n)
{
  struct groups_settings s = groups_settings_default();
  s.rule = rule;
  s.n = n;
  return s;
}

/* Figure 1 of the paper: num_conv_layers, lr, dropout_rate; optimizer, epoch, stride; padding,
 * kernel, num_fc_units, batch_size. */
static const double paper[10] = {0.3853, 0.2280, 0.1406, 0.0423, 0.0421, 0.0420, 0.0327, 0.0286, 0.0185, 0.0151};

static void the_weights_of_the_paper_make_its_groups(void **state)
{
  static const int of[10] = {0, 0, 0, 1, 1, 1, 2, 2, 2, 2};
  struct space s = letters(10, 0);
  (void)state;
  struct groups g = grouped(&s, paper, groups_settings_default());
  assert_int_equal(g.n, 3);
  assert_memory_equal(g.of, of, sizeof of);
  assert_string_equal(g.names[0], "first");
  assert_string_equal(g.names[2], "third");
  space_destroy(&s);
}

static void the_largest_gaps_cut(void **state)
{
  static const double weight[6] = {0.02, 0.31, 0.30, 0.03, 0.17, 0.17};
  static const int three[6] = {2, 0, 0, 2, 1, 1}, two[6] = {1, 0, 0, 1, 0, 0};
  struct space s = letters(6, 0);
  (void)state;
  struct groups g = grouped(&s, weight, with(GROUPS_BY_GAP, 3));
  assert_memory_equal(g.of, three, sizeof three);
  g = grouped(&s, weight, with(GROUPS_BY_GAP, 2)); /* 0.14 between 0.17 and 0.03, 0.13 above */
  assert_memory_equal(g.of, two, sizeof two);
  g = grouped(&s, paper, with(GROUPS_BY_GAP, 1));
  assert_int_equal(g.n, 1);
  space_destroy(&s);
}

static void the_ratio_is_that_of_the_weights_but_of_no_group_below_half_a_share(void **state)
{
  struct space s = letters(10, 0);
  struct groups_settings settings = groups_settings_default();
  (void)state;
  struct groups g = grouped(&s, paper, settings);
  assert_true(g.ratio[0] > 0.77 && g.ratio[0] < 0.78);
  assert_true(g.ratio[1] == 0.5 / 3 && g.ratio[2] == 0.5 / 3); /* 0.13 and 0.097 by weight */
  settings.ratio_by_weight = false;
  settings.n_ratio = 2;
  settings.ratio[0] = 4;
  settings.ratio[1] = 3;
  g = grouped(&s, paper, settings);
  assert_true(g.ratio[0] == 4 && g.ratio[1] == 3 && g.ratio[2] == 3);
  space_destroy(&s);
}

/* Whatever the weights: every group has a member, none of a later group weighs more than one of an
 * earlier, and what has one value is in the last. */
static void any_weights_make_groups_in_order(void **state)
{
  struct rng r = rng_make(7, 1);
  (void)state;
  for (int run = 0; run < 2000; run++) {
    int n = 1 + (int)rng_below(&r, 30);
    uint64_t fixed = run % 3 ? 0 : rng_word(&r) & (((uint64_t)1 << n) - 2); /* the first is searched */
    struct space s = letters(n, fixed);
    struct groups_settings settings = with(run % 2 ? GROUPS_BY_GAP : GROUPS_BY_SHARE, 1 + (int)rng_below(&r, 6));
    double weight[30], least[SPACE_MAX], most[SPACE_MAX];
    int members[SPACE_MAX] = {0}, searched = 0;
    for (int i = 0; i < n; i++) weight[i] = run % 5 ? rng_uniform(&r) * rng_uniform(&r) : (double)rng_below(&r, 3);
    struct groups g = grouped(&s, weight, settings);
    for (int i = 0; i < n; i++) {
      int of = g.of[i];
      assert_in_range(of, 0, g.n - 1);
      if (fixed >> i & 1) {
        assert_int_equal(of, g.n - 1);
        continue;
      }
      searched++;
      if (members[of]++ == 0) least[of] = most[of] = weight[i];
      least[of] = weight[i] < least[of] ? weight[i] : least[of];
      most[of] = weight[i] > most[of] ? weight[i] : most[of];
    }
    assert_int_equal(g.n, settings.n < searched ? settings.n : searched);
    for (int k = 0; k < g.n; k++) {
      assert_true(members[k] > 0);
      assert_true(g.ratio[k] > 0);
      if (k > 0) assert_true(most[k] <= least[k - 1]);
    }
    space_destroy(&s);
  }
}

/* Each group but the last leaves at most the stated part behind it. */
static void what_is_left_is_at_most_a_tenth_in_the_end(void **state)
{
  struct rng r = rng_make(8, 1);
  (void)state;
  for (int run = 0; run < 500; run++) {
    struct space s = letters(20, 0);
    double weight[20], last = 0, total = 0;
    int members = 0;
    for (int i = 0; i < 20; i++) weight[i] = rng_uniform(&r) * rng_uniform(&r);
    struct groups g = grouped(&s, weight, with(GROUPS_BY_SHARE, 2 + run % 3));
    for (int i = 0; i < 20; i++) {
      total += weight[i];
      if (g.of[i] != g.n - 1) continue;
      last += weight[i];
      members++;
    }
    assert_true(last <= 0.1 * total * (1 + 1e-9) || members == 1);
    space_destroy(&s);
  }
}

static void weights_that_cannot_be_are_refused(void **state)
{
  struct space s = letters(3, 0), fixed = letters(2, 3);
  struct groups_settings settings = groups_settings_default();
  struct groups g;
  struct error e = {0};
  (void)state;
  assert_int_equal(groups_from_weights(&s, (double[]){0.1, -0.1, 1}, &settings, &g, &e), ERROR_CONFIG);
  assert_non_null(strstr(e.message, "'b0' is -0.1"));
  assert_int_equal(groups_from_weights(&s, (double[]){0.1, NAN, 1}, &settings, &g, &e), ERROR_CONFIG);
  assert_int_equal(groups_from_weights(&fixed, (double[]){1, 1}, &settings, &g, &e), ERROR_CONFIG);
  g = grouped(&s, (double[]){0, 0, 0}, with(GROUPS_BY_SHARE, 3));
  assert_int_equal(g.n, 3);
  space_destroy(&s);
  space_destroy(&fixed);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_weights_of_the_paper_make_its_groups),
      cmocka_unit_test(the_largest_gaps_cut),
      cmocka_unit_test(the_ratio_is_that_of_the_weights_but_of_no_group_below_half_a_share),
      cmocka_unit_test(any_weights_make_groups_in_order),
      cmocka_unit_test(what_is_left_is_at_most_a_tenth_in_the_end),
      cmocka_unit_test(weights_that_cannot_be_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
