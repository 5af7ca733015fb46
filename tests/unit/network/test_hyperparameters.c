/* The table of hyperparameters: its lines, values by row and by field, and what the network refuses
 * of a space. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/rng.h"
#include "host/network/hyperparameters.h"

static struct space space; /* the default lines, in the table's order */
static struct network_names names;
static const struct model_options model = {.filters = 8, .momentum = 0.5};

static int set_up(void **state)
{
  struct error e;
  (void)state;
  space_init(&space);
  for (int h = 0; h < HP_COUNT; h++)
    if (param_parse(&space.params[space.n++], hyperparameters[h].name, hyperparameters[h].line, &e)) return -1;
  return 0;
}

static int tear_down(void **state)
{
  (void)state;
  space_destroy(&space);
  return 0;
}

/* Replaces a line. */
static void set_line(const char *name, const char *line)
{
  struct error e;
  struct param *p = &space.params[space_index(&space, name)];
  param_destroy(p);
  if (param_parse(p, name, line, &e)) fail_msg("%s", e.message);
}

/* ---- values ---------------------------------------------------------------------------------- */

static double number_at(const char *name, const double *values)
{
  int i = space_index(&space, name);
  return param_number(&space.params[i], values[i]);
}

static const char *label_at(const char *name, const double *values)
{
  int i = space_index(&space, name);
  return space.params[i].labels[(int)values[i]];
}

/* Every field by its name: what the rows' order and offsets must come to. */
static void each_field_is_of_its_name(void **state)
{
  struct error e;
  struct rng r = rng_make(3, philox_subsequence(PHILOX_TEST, 0, 0));
  (void)state;
  if (network_names_find(&names, &space, &e)) fail_msg("%s", e.message);
  for (int round = 0; round < 200; round++) {
    struct network_config c;
    double v[SPACE_MAX];
    for (int i = 0; i < space.n; i++) v[i] = param_from_unit(&space.params[i], rng_uniform(&r));
    network_config_from_values(&c, &names, &space, v, &model);
    assert_int_equal(c.num_conv_layers, number_at("num_conv_layers", v));
    assert_true(c.learning_rate == number_at("lr", v));
    assert_true(c.dropout_rate == number_at("dropout_rate", v));
    assert_int_equal(c.optimizer, strcmp(label_at("optimizer", v), "sgd") ? OPTIMIZER_ADAM : OPTIMIZER_SGD);
    assert_int_equal(c.epochs, number_at("epoch", v));
    assert_int_equal(c.stride, number_at("stride", v));
    assert_int_equal(c.padding, strcmp(label_at("padding", v), "same") ? PADDING_VALID : PADDING_SAME);
    assert_int_equal(c.kernel, number_at("kernel", v));
    assert_int_equal(c.num_fc_units, number_at("num_fc_units", v));
    assert_int_equal(c.batch_size, number_at("batch_size", v));
    assert_true(c.model.filters == 8 && c.model.momentum == 0.5);
    assert_true(optimizer_settings_of(&c).learning_rate == (float)c.learning_rate);
    assert_true(optimizer_settings_of(&c).momentum == 0.5f);
  }
}

/* Labels of a space in another order than the table's are the same labels. */
static void a_label_counts_not_its_place_in_the_space(void **state)
{
  struct error e;
  struct network_config c;
  double v[SPACE_MAX];
  (void)state;
  set_line("optimizer", "categorical sgd default sgd");
  set_line("padding", "categorical same, valid default valid");
  if (network_names_find(&names, &space, &e)) fail_msg("%s", e.message);
  space_defaults(&space, v);
  network_config_from_values(&c, &names, &space, v, &model);
  assert_true(c.optimizer == OPTIMIZER_SGD && c.padding == PADDING_VALID);
}

static void a_value_goes_into_its_field_and_no_other(void **state)
{
  (void)state;
  for (enum hyperparameter_id h = 0; h < HP_COUNT; h++) {
    struct network_config c;
    memset(&c, 0, sizeof c);
    network_config_set(&c, h, 1);
    for (enum hyperparameter_id other = 0; other < HP_COUNT; other++)
      assert_true(network_config_get(&c, other) == (other == h));
  }
}

static void the_default_is_that_of_the_line(void **state)
{
  struct error e;
  double lr, padding, batch_size;
  (void)state;
  assert_int_equal(hyperparameter_default(HP_LR, &lr, &e), 0);
  assert_int_equal(hyperparameter_default(HP_PADDING, &padding, &e), 0);
  assert_int_equal(hyperparameter_default(HP_BATCH_SIZE, &batch_size, &e), 0);
  assert_true(lr == 0.01 && padding == PADDING_SAME && batch_size == 32);
}

/* ---- what is refused ------------------------------------------------------------------------- */

static void refused(const char *what, const char *says)
{
  struct error e = {0};
  int code = network_names_find(&names, &space, &e);
  if (code != ERROR_CONFIG || !strstr(e.message, says))
    fail_msg("%s: wanted \"%s\", got code %d \"%s\"", what, says, code, e.message);
}

static void what_the_network_cannot_be_is_refused(void **state)
{
  static const char *const wrong[][3] = {
      {"num_conv_layers", "int 0 .. 4 default 3",
       "'num_conv_layers' cannot be 0: the network takes 1 to 8, e.g. 'num_conv_layers = int 2 .. 4 default 3'"},
      {"num_conv_layers", "int 2 .. 9 default 3", "cannot be 9"},
      {"num_conv_layers", "float 2 .. 4 default 3", "cannot be of type float: write it like"},
      {"lr", "categorical high, low default low", "cannot be of type categorical"},
      {"lr", "float 0 .. 1 default 0.1", "'lr' cannot be 0"},
      {"dropout_rate", "float 0 .. 1 default 0", "the network takes 0 to 1 (not included)"},
      {"optimizer", "categorical adam, lion default adam",
       "'optimizer' cannot be 'lion': the network knows 'adam' and 'sgd', e.g. 'optimizer = categorical adam, sgd"},
      {"padding", "ordinal 1, 2 default 1", "cannot be of type ordinal"},
      {"kernel", "int 3 .. 5 default 3", "'kernel' cannot be 4: kernels have an odd size"},
      {"kernel", "ordinal 3, 6 default 3", "'kernel' cannot be 6: kernels have an odd size"},
      {"stride", "ordinal 1, 1.5 default 1", "'stride' cannot be 1.5: it is a whole number"},
      {"batch_size", "ordinal 32, 65537 default 32", "'batch_size' cannot be 65537"},
  };
  (void)state;
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    char line[200];
    param_format(&space.params[space_index(&space, wrong[i][0])], line, sizeof line);
    set_line(wrong[i][0], wrong[i][1]);
    refused(wrong[i][1], wrong[i][2]);
    set_line(wrong[i][0], line);
  }
  struct error e;
  assert_int_equal(network_names_find(&names, &space, &e), 0); /* all are as they were */
}

static void names_that_are_missing_or_none_are_listed(void **state)
{
  (void)state;
  strcpy(space.params[space_index(&space, "stride")].name, "strides");
  strcpy(space.params[space_index(&space, "lr")].name, "rate");
  refused("two other names", "by name (num_conv_layers, lr, dropout_rate, optimizer, epoch, stride, padding, kernel, "
                             "num_fc_units, batch_size); missing: 'lr', 'stride'; none of them: 'rate', 'strides'");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
int main(void)
{
  const struct CMUnitTest tests[] = {
      TEST(each_field_is_of_its_name),
      TEST(a_label_counts_not_its_place_in_the_space),
      TEST(a_value_goes_into_its_field_and_no_other),
      TEST(the_default_is_that_of_the_line),
      TEST(what_the_network_cannot_be_is_refused),
      TEST(names_that_are_missing_or_none_are_listed),
  };
  return cmocka_run_group_tests_name("hyperparameters", tests, NULL, NULL);
}
