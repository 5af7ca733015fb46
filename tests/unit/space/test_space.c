/* The search space: parsing and formatting of lines, the unit cube, groups, Optuna's JSON. */
#include <cjson/cJSON.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "host/base/spelling.h"
#include "host/base/rng.h"
#include "host/space/space.h"

static struct param parsed(const char *text)
{
  struct param p;
  struct error e = {0};
  if (param_parse(&p, "x", text, &e)) fail_msg("'%s': %s", text, e.message);
  return p;
}

static void assert_same(const struct param *a, const struct param *b)
{
  assert_string_equal(a->name, b->name);
  assert_int_equal(a->type, b->type);
  assert_int_equal(a->log, b->log);
  assert_true(a->low == b->low && a->high == b->high && a->default_value == b->default_value);
  assert_int_equal(a->n_choices, b->n_choices);
  for (int i = 0; i < a->n_choices; i++) assert_string_equal(a->labels[i], b->labels[i]);
  for (int i = 0; a->numbers && i < a->n_choices; i++) assert_true(a->numbers[i] == b->numbers[i]);
}

static void every_type_parses_as_the_paper_has_it(void **state)
{
  (void)state;
  struct param p = parsed("float 1e-5 .. 1 log default 0.01");
  assert_int_equal(p.type, PARAM_FLOAT);
  assert_true(p.log && p.low == 1e-5 && p.high == 1 && p.default_value == 0.01);
  p = parsed("int 2 .. 4 default 3");
  assert_int_equal(p.type, PARAM_INT);
  assert_true(!p.log && p.low == 2 && p.high == 4 && p.default_value == 3);
  p = parsed("ordinal 32, 64, 128, 256 default 64");
  assert_int_equal(p.n_choices, 4);
  assert_true(p.numbers[2] == 128 && p.default_value == 1 && p.low == 0 && p.high == 3);
  assert_true(param_number(&p, 3) == 256);
  param_destroy(&p);
  p = parsed("categorical adam, sgd default sgd");
  assert_string_equal(p.labels[0], "adam");
  assert_true(p.default_value == 1 && param_number(&p, 1) == 1);
  param_destroy(&p);
}

static void words_may_stand_in_any_order_and_spacing(void **state)
{
  (void)state;
  struct param a = parsed("float 0.5 .. 8 log default 1"), b = parsed("  float\t0.5..8   default 1 log ");
  assert_same(&a, &b);
  a = parsed("ordinal 1,2 ,4 default 4");
  b = parsed("ordinal 1 , 2,4 default 4.0");
  assert_same(&a, &b);
  param_destroy(&a);
  param_destroy(&b);
  a = parsed("int 1..6 default 1");
  assert_true(a.low == 1 && a.high == 6);
  a = parsed("categorical default, log, float default default"); /* keywords are labels where a label is due */
  assert_int_equal(a.n_choices, 3);
  param_destroy(&a);
}

static void a_formatted_line_parses_to_an_equal_param(void **state)
{
  (void)state;
  struct rng r = rng_make(7, philox_subsequence(PHILOX_TEST, 0, 1));
  char text[PARAM_TEXT_MAX], again[PARAM_TEXT_MAX], value[64];
  for (int trial = 0; trial < 2000; trial++) {
    int kind = (int)rng_below(&r, 4);
    double low = (rng_uniform(&r) - 0.3) * pow(10, rng_uniform(&r) * 20 - 10),
           high = low + rng_uniform(&r) * pow(10, rng_uniform(&r) * 8);
    if (kind == 0) {
      char a[40], b[40], c[40];
      number_format(low, a, sizeof a);
      number_format(high, b, sizeof b);
      number_format(low + (high - low) * 0.5, c, sizeof c);
      snprintf(text, sizeof text, "float %s .. %s%s default %s", a, b, low > 0 ? " log" : "", c);
    } else if (kind == 1) {
      int n = (int)rng_below(&r, 1000) + 1;
      snprintf(text, sizeof text, "int %d .. %d%s default %d", n, n + trial, trial % 2 ? " log" : "", n + trial / 2);
    } else {
      int count = (int)rng_below(&r, SPACE_CHOICES_MAX) + 1;
      int n = snprintf(text, sizeof text, "%s ", kind == 2 ? "ordinal" : "categorical");
      for (int i = 0; i < count; i++)
        n += snprintf(text + n, sizeof text - (size_t)n, kind == 2 ? "%s%d.25" : "%sc%d", i ? ", " : "", i * 3);
      snprintf(text + n, sizeof text - (size_t)n, kind == 2 ? " default %d.25" : " default c%d", (count - 1) * 3);
    }
    struct param p = parsed(text), q;
    param_format(&p, again, sizeof again);
    q = parsed(again);
    assert_same(&p, &q);
    param_value_format(&p, p.default_value, value, sizeof value);
    double back;
    assert_int_equal(param_value_parse(&p, value, &back, NULL), 0);
    assert_true(back == p.default_value);
    param_destroy(&p);
    param_destroy(&q);
  }
}

static void a_wrong_line_says_what_would_be_right(void **state)
{
  (void)state;
  static const struct {
    const char *text, *says;
  } wrong[] = {
      {"", "begins with nothing"},
      {"flaot 0 .. 1 default 0", "did you mean 'float'"},
      {"0 .. 1", "begins with '0'; a line begins with float, int, ordinal or categorical"},
      {"float", "expected a number, the low end of the range, found the end of the line"},
      {"float 0", "expected '..'"},
      {"float 0 - 1 default 0", "expected '..' between the two ends of the range, found '-'"},
      {"float 0 .. x default 0", "found 'x'"},
      {"float 1 .. 0 default 1", "the range 1 .. 0 is empty: its low end comes first (0 .. 1)"},
      {"float 0 .. 1", "no default: add 'default VALUE'"},
      {"float 0 .. 1 default", "expected a value after 'default'"},
      {"float 0 .. 1 default 2", "2 lies outside the range of 'x', 0 .. 1"},
      {"float 0 .. 1 default -0.1", "outside the range"},
      {"float 0 .. 1 default adam", "not a number"},
      {"float 0 .. 1 log default 1", "a log range begins above 0"},
      {"int 0 .. 1 log default 1", "at 1 or more"},
      {"float -1 .. 1 default 0 log", "a log range begins above 0"},
      {"float 0 .. 1 lgo default 1", "did you mean 'log'"},
      {"float 0 .. 1 defualt 1", "did you mean 'default'"},
      {"float 0 .. 1 default 1 default 0", "'default' is there twice"},
      {"float 1 .. 2 log log default 1", "'log' is there twice"},
      {"float 0 .. nan default 0", "found 'nan'"},
      {"float 0 .. inf default 0", "found 'inf'"},
      {"float 0 .. 1e999 default 0", "found '1e999'"},
      {"float 0x1 .. 0x2 default 1", "found '0x1'"},
      {"float -1e308 .. 1e308 default 0", "wider than a number can be"},
      {"float 0 .. 1 default nan", "not a number"},
      {"int 1.5 .. 3 default 2", "use float"},
      {"int 1 .. 3 default 2.5", "no whole number"},
      {"int 1 .. 99999999999999999999 default 2", "whole numbers of up to 2^53"},
      {"ordinal", "expected a choice"},
      {"ordinal default 1", "'default' is not a number"},
      {"ordinal 1, , 2 default 1", "expected a choice, found ','"},
      {"ordinal 1, 2, default 1", "'default' is not a number"},
      {"ordinal 2, 1 default 1", "ascending order"},
      {"ordinal 1, 1.0 default 1", "ascending order, each once"},
      {"ordinal 1, 2 default 3", "'3' is none of the choices of 'x' (1, 2)"},
      {"ordinal 1, 2 log default 1", "'log' goes with float and int only"},
      {"ordinal 1 2 default 1", "or a comma before one more choice"},
      {"ordinal adam, sgd default sgd", "use categorical for names"},
      {"categorical adam, adam default adam", "the label 'adam' is there twice"},
      {"categorical adam, sgd default agd", "did you mean 'sgd'"},
      {"categorical a\"b default x", "cannot be a label"},
      {"categorical \xff default x", "'\\xff' cannot be a label"},
  };
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    struct param p;
    struct error e = {0};
    int rc = param_parse(&p, "x", wrong[i].text, &e);
    if (rc != ERROR_CONFIG) fail_msg("'%s' was accepted", wrong[i].text);
    if (!strstr(e.message, wrong[i].says)) fail_msg("'%s' says: %s", wrong[i].text, e.message);
    assert_null(p.labels);
    assert_null(p.numbers);
  }
}

static void a_name_is_held_to_what_every_format_can_carry(void **state)
{
  (void)state;
  static const char *const bad[] = {
      "",     "a b",  "a,b", "a=b",  "a:b",   "a#b",
      "a\"b", "a\\b", "[a]", "\xc3", "a\x01", "0123456789012345678901234567890123456789012345678901234567890123"};
  static const char *const good[] = {"lr",    "LR",  "layer.3-units",
                                     "größe", "x_1", "012345678901234567890123456789012345678901234567890123456789012"};
  struct param p;
  struct error e;
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
    assert_int_equal(param_parse(&p, bad[i], "int 1 .. 2 default 1", &e), ERROR_CONFIG);
  for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
    assert_int_equal(param_parse(&p, good[i], "int 1 .. 2 default 1", &e), 0);
}

static void more_choices_than_there_is_room_for_are_refused(void **state)
{
  (void)state;
  char text[PARAM_TEXT_MAX + 100];
  for (int count = SPACE_CHOICES_MAX; count <= SPACE_CHOICES_MAX + 1; count++) {
    int n = snprintf(text, sizeof text, "ordinal ");
    for (int i = 0; i < count; i++) n += snprintf(text + n, sizeof text - (size_t)n, "%s%d", i ? ", " : "", i);
    snprintf(text + n, sizeof text - (size_t)n, " default 0");
    struct param p;
    struct error e = {0};
    assert_int_equal(param_parse(&p, "x", text, &e), count > SPACE_CHOICES_MAX ? ERROR_CONFIG : 0);
    if (count > SPACE_CHOICES_MAX) assert_non_null(strstr(e.message, "more than 256 choices"));
    param_destroy(&p);
  }
}

static void numbers_are_formatted_as_short_as_they_read_back(void **state)
{
  (void)state;
  char text[40];
  static const struct {
    double value;
    const char *text;
  } known[] = {{0.1, "0.1"},
               {0.01, "0.01"},
               {3, "3"},
               {1e-5, "1e-05"},
               {1.0 / 3, "0.3333333333333333"},
               {0.1 + 0.2, "0.30000000000000004"}};
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
    number_format(known[i].value, text, sizeof text);
    assert_string_equal(text, known[i].text);
  }
  struct rng r = rng_make(3, philox_subsequence(PHILOX_TEST, 0, 2));
  for (int i = 0; i < 20000; i++) {
    double v = (rng_uniform(&r) - 0.5) * pow(2, (double)rng_below(&r, 2000) - 1000), back;
    number_format(v, text, sizeof text);
    assert_true(number_parse(text, &back) && back == v);
  }
}

static void unit_coordinates_draw_every_value_alike_and_come_back(void **state)
{
  (void)state;
  static const char *const lines[] = {"int 2 .. 4 default 3",
                                      "int 1 .. 1000 default 3",
                                      "int 1 .. 1000 log default 3",
                                      "ordinal 1, 2, 8 default 1",
                                      "categorical a, b, c, d default a",
                                      "int -5 .. 5 default 0",
                                      "int 3 .. 3 default 3",
                                      "ordinal 7 default 7"};
  for (size_t l = 0; l < sizeof lines / sizeof lines[0]; l++) {
    struct param p = parsed(lines[l]);
    for (double v = p.low; v <= p.high; v++) {
      double u = param_to_unit(&p, v);
      assert_true(u >= 0 && u < 1);
      assert_true(param_from_unit(&p, u) == v);
      if (!p.log) assert_true(fabs(u - (v - p.low + 0.5) / (double)param_count(&p)) < 1e-12);
    }
    int64_t n = param_count(&p);
    if (!p.log && n < 20) { /* equal shares of an even grid */
      int counts[20] = {0};
      for (int i = 0; i < 1000 * n; i++) counts[(int)(param_from_unit(&p, (i + 0.5) / (1000.0 * (double)n)) - p.low)]++;
      for (int64_t i = 0; i < n; i++) assert_int_equal(counts[i], 1000);
    }
    assert_true(param_from_unit(&p, 0) == p.low);
    assert_true(param_from_unit(&p, 0x1.fffffffffffffp-1) == p.high);
    param_destroy(&p);
  }
  struct param units = parsed("int 1 .. 1000 log default 1"); /* a value's share is its cell's in the logarithm */
  double share = log(1.5 / 0.5) / log(1000.5 / 0.5);
  assert_true(param_from_unit(&units, share * 0.999) == 1 && param_from_unit(&units, share * 1.001) == 2);
  struct param lr = parsed("float 1e-5 .. 1 log default 0.01");
  assert_true(fabs(param_to_unit(&lr, 1e-3) - 0.4) < 1e-12);
  assert_true(fabs(param_from_unit(&lr, 0.4) / 1e-3 - 1) < 1e-12);
  assert_true(param_from_unit(&lr, 0) == 1e-5 && param_from_unit(&lr, 0x1.fffffffffffffp-1) <= 1);
  assert_true(param_to_unit(&lr, 1) < 1);
  struct param fixed = parsed("float 0.9 .. 0.9 default 0.9");
  assert_true(param_from_unit(&fixed, 0.7) == 0.9 && param_to_unit(&fixed, 0.9) == 0.5);
}

static void clamping_gives_the_nearest_allowed_value(void **state)
{
  (void)state;
  struct param p = parsed("int 2 .. 4 default 3");
  assert_true(param_clamp(&p, 2.6) == 3 && param_clamp(&p, -7) == 2 && param_clamp(&p, 99) == 4 &&
              param_clamp(&p, NAN) == 3);
  struct param f = parsed("float 0 .. 0.9 default 0");
  assert_true(param_clamp(&f, 0.25) == 0.25 && param_clamp(&f, 1) == 0.9 && param_clamp(&f, INFINITY) == 0.9);
  assert_int_equal(param_count(&p), 3);
  assert_int_equal(param_count(&f), 0);
}

/* The groups' ratio and trials; what each gets. */
static void trials_are_split_by_ratio_and_add_up(void **state)
{
  (void)state;
  struct groups *g = calloc(1, sizeof *g);
  int count[SPACE_MAX];
  g->n = 3;
  g->ratio[0] = 4, g->ratio[1] = 3, g->ratio[2] = 3;
  static const int expected[][4] = {{100, 40, 30, 30}, {40, 16, 12, 12}, {10, 4, 3, 3},    {1, 1, 0, 0},
                                    {2, 1, 1, 0},      {3, 1, 1, 1},     {99, 39, 30, 30}, {0, 0, 0, 0}};
  for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
    groups_split(g, expected[i][0], count);
    for (int j = 0; j < 3; j++) assert_int_equal(count[j], expected[i][j + 1]);
  }
  g->ratio[0] = 0.4, g->ratio[1] = 0.3, g->ratio[2] = 0.3; /* the same shares, in numbers that are not exact */
  groups_split(g, 100, count);
  assert_true(count[0] == 40 && count[1] == 30 && count[2] == 30);
  struct rng r = rng_make(5, philox_subsequence(PHILOX_TEST, 0, 3));
  for (int i = 0; i < 5000; i++) {
    g->n = 1 + (int)rng_below(&r, SPACE_MAX);
    double sum = 0;
    for (int j = 0; j < g->n; j++) sum += g->ratio[j] = 0.01 + rng_uniform(&r) * 10;
    int trials = (int)rng_below(&r, 500), total = 0;
    groups_split(g, trials, count);
    for (int j = 0; j < g->n; j++) {
      double share = trials * g->ratio[j] / sum;
      assert_true(count[j] > share - 1 - 1e-6 && count[j] < share + 1 + 1e-6);
      total += count[j];
    }
    assert_int_equal(total, trials);
  }
  free(g);
}

static void a_group_with_nothing_to_search_gets_no_trial(void **state)
{
  (void)state;
  static const char *const lines[] = {"float 0 .. 1 default 0", "int 3 .. 3 default 3", "categorical adam default adam",
                                      "int 1 .. 4 default 1"};
  struct space *s = calloc(1, sizeof *s);
  struct groups *g = calloc(1, sizeof *g);
  int count[SPACE_MAX];
  for (; s->n < 4; s->n++) s->params[s->n] = parsed(lines[s->n]);
  g->n = 3;
  g->ratio[0] = 4, g->ratio[1] = 3, g->ratio[2] = 3;
  g->of[0] = 0, g->of[1] = 0, g->of[2] = 1, g->of[3] = 2;
  groups_share(g, s, 70, count);
  assert_true(count[0] == 40 && count[1] == 0 && count[2] == 30);
  g->of[3] = 1; /* with something to search */
  groups_share(g, s, 70, count);
  assert_true(count[0] == 40 && count[1] == 30 && count[2] == 0);
  for (int i = 0; i < 4; i += 3)
    s->params[i] = parsed("int 1 .. 1 default 1"); /* nothing anywhere: as the ratio has it */
  groups_share(g, s, 100, count);
  assert_true(count[0] == 40 && count[1] == 30 && count[2] == 30);
  for (int i = 0; i < 4; i++) param_destroy(&s->params[i]);
  free(g);
  free(s);
}

static void a_copy_owns_its_choices(void **state)
{
  (void)state;
  struct space *a = calloc(1, sizeof *a), *b = calloc(1, sizeof *b);
  a->params[a->n++] = parsed("ordinal 3, 5 default 3");
  a->params[a->n++] = parsed("float 0 .. 1 default 0.5");
  struct error e;
  assert_int_equal(param_parse(&a->params[a->n++], "opt", "categorical adam, sgd default sgd", &e), 0);
  assert_int_equal(space_copy(b, a, &e), 0);
  assert_ptr_not_equal(a->params[0].labels, b->params[0].labels);
  space_destroy(a);
  assert_int_equal(a->n, 0);
  assert_string_equal(b->params[0].labels[1], "5");
  assert_true(b->params[0].numbers[1] == 5);
  assert_int_equal(space_index(b, "opt"), 2);
  assert_int_equal(space_index(b, "none"), -1);
  double values[SPACE_MAX], other[SPACE_MAX];
  space_defaults(b, values);
  space_defaults(b, other);
  assert_true(values[0] == 0 && values[1] == 0.5 && values[2] == 1);
  assert_true(space_equal(b, values, other));
  other[1] = 0.25;
  assert_false(space_equal(b, values, other));
  space_destroy(b);
  free(a);
  free(b);
}

/* Optuna reads these; the keys are its own. */
static void distributions_are_optunas_json(void **state)
{
  (void)state;
  static const struct {
    const char *line, *json;
  } known[] = {
      {"float 1e-5 .. 1 log default 0.01", "{\"name\": \"FloatDistribution\", \"attributes\": {\"step\": null, "
                                           "\"low\": 1e-05, \"high\": 1.0, \"log\": true}}"},
      {"int 2 .. 4 default 3",
       "{\"name\": \"IntDistribution\", \"attributes\": {\"step\": 1, \"low\": 2, \"high\": 4, \"log\": false}}"},
      {"ordinal 0.5, 1, 32 default 1",
       "{\"name\": \"CategoricalDistribution\", \"attributes\": {\"choices\": [0.5, 1, 32]}}"},
      {"categorical adam, sgd default adam",
       "{\"name\": \"CategoricalDistribution\", \"attributes\": {\"choices\": [\"adam\", \"sgd\"]}}"},
  };
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
    struct param p = parsed(known[i].line);
    char *json = param_distribution_json(&p);
    assert_string_equal(json, known[i].json);
    cJSON *read = cJSON_Parse(json);
    assert_non_null(read);
    cJSON_Delete(read);
    free(json);
    param_destroy(&p);
  }
}

static void a_near_miss_finds_its_neighbour(void **state)
{
  (void)state;
  static const char *const names[] = {"trials", "rounds", "sampler", NULL, "strategies", "lr"};
  static const char *const near[][2] = {
      {"trails", "trials"},    {"TRIAL", "trials"},        {"round", "rounds"}, {"smapler", "sampler"},
      {"strat", "strategies"}, {"strategy", "strategies"}, {"lt", "lr"},        {"rl", "lr"}};
  for (size_t i = 0; i < sizeof near / sizeof near[0]; i++) {
    const char *found = nearest_word(near[i][0], names, 6);
    if (!found || strcmp(found, near[i][1]) != 0) fail_msg("%s: %s", near[i][0], found ? found : "none");
  }
  static const char *const far[] = {"", "x", "momentum", "zz", "parallelism"};
  for (size_t i = 0; i < sizeof far / sizeof far[0]; i++) {
    const char *found = nearest_word(far[i], names, 6);
    if (found) fail_msg("%s: %s", far[i], found);
  }
  char lengthy[200];
  memset(lengthy, 'a', 199);
  lengthy[199] = 0;
  assert_null(nearest_word(lengthy, names, 6));
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_type_parses_as_the_paper_has_it),
      cmocka_unit_test(words_may_stand_in_any_order_and_spacing),
      cmocka_unit_test(a_formatted_line_parses_to_an_equal_param),
      cmocka_unit_test(a_wrong_line_says_what_would_be_right),
      cmocka_unit_test(a_name_is_held_to_what_every_format_can_carry),
      cmocka_unit_test(more_choices_than_there_is_room_for_are_refused),
      cmocka_unit_test(numbers_are_formatted_as_short_as_they_read_back),
      cmocka_unit_test(unit_coordinates_draw_every_value_alike_and_come_back),
      cmocka_unit_test(clamping_gives_the_nearest_allowed_value),
      cmocka_unit_test(trials_are_split_by_ratio_and_add_up),
      cmocka_unit_test(a_group_with_nothing_to_search_gets_no_trial),
      cmocka_unit_test(a_copy_owns_its_choices),
      cmocka_unit_test(distributions_are_optunas_json),
      cmocka_unit_test(a_near_miss_finds_its_neighbour),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
