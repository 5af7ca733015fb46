/* Kernels whose every access is looked at: no race, no read of what was never written, nothing out
 * of bounds; and the same bits in whatever order threads and blocks run, alone and in cohorts, at
 * any place of the table. */
#include "tests/unit/kernels/kernels_fixture.h"

/* What a training step leaves that is defined: weights, moments, state, and the batch's losses and
 * hits. */
struct outcome {
  char *bytes;
  int64_t size;
};

static struct outcome outcome_of(const struct net *n)
{
  const struct device_trial *t = &n->t;
  const int64_t word = sizeof(float), parameters = word * t->parameters;
  const struct piece piece[] = {{t->state, sizeof *t->state},
                                {t->weights, parameters},
                                {t->moment2, parameters},
                                {t->moment1, t->adam ? parameters : 0},
                                {t->partial, word * partial_floats(t)},
                                {t->losses, word * n->count},
                                {t->hits, word * n->count}};
  struct outcome o = {NULL, 0};
  for (size_t i = 0; i < sizeof piece / sizeof *piece; i++) {
    if (piece[i].bytes == 0) continue;
    o.bytes = realloc(o.bytes, (size_t)(o.size + piece[i].bytes));
    assert_int_equal(cudaMemcpy(o.bytes + o.size, piece[i].at, (size_t)piece[i].bytes, cudaMemcpyDeviceToHost),
                     cudaSuccess);
    o.size += piece[i].bytes;
  }
  no_reports();
  return o;
}

/* A network as new, at the beginning of an epoch; its memory counts as never written. */
static void net_begin(const struct net *n)
{
  struct piece piece[DEVICE_PIECES_MAX];
  int pieces = net_pieces(&n->t, piece);
  for (int i = 0; i < pieces; i++) cudacpu_allow(piece[i].at, (size_t)piece[i].bytes);
  struct device_state s;
  device_state_begin(&s, &n->t, 0, 0);
  put(n->t.state, &s, sizeof s);
}

/* Two steps of each; o[i]: of member i. */
static void two_steps(int members, const struct net *const *net, int precision, struct outcome *o)
{
  struct cohort c;
  cohort_make(&c, members, net, precision);
  for (int i = 0; i < members; i++) {
    net_begin(net[i]);
    assert_int_equal(step_initialise(c.table, i, net[i]->t.parameters, stream), cudaSuccess);
  }
  assert_int_equal(step_rows(c.table, members, stream), cudaSuccess);
  assert_int_equal(cudaStreamSynchronize(stream), cudaSuccess);
  no_reports();
  for (int step = 0; step < 2; step++) step_run(&c, true, true);
  for (int i = 0; i < members; i++) o[i] = outcome_of(net[i]);
  cohort_destroy(&c);
}

/* As net_random, with many classes in one of six; n->count is what the second step has surely not
 * exceeded: the smaller of batch and images. */
static void net_small(struct net *n, struct rng *r, uint64_t seed, double flops)
{
  net_random(n, r, seed,
             (struct net_limits){
                 .least_layers = 1, .flops = flops, .least_classes = draw(r, 0, 5) ? 0 : DEVICE_HEAD_CLASSES + 1});
  int images = n->plan.train_images, batch = n->t.batch;
  n->count = images < batch ? images : batch;
}

static void expect_same(const struct net *n, const struct outcome *want, struct outcome *got, const char *how)
{
  assert_int_equal(want->size, got->size);
  for (int64_t i = 0; i < want->size; i++)
    if (want->bytes[i] != got->bytes[i]) fail_msg("%s: byte %ld of the outcome differs\n%s", how, (long)i, net_text(n));
  free(got->bytes);
}

static void steps_give_no_report_and_the_same_bits_in_any_order_of_threads_and_blocks(void **state)
{
  (void)state;
  uint64_t seed = first_seed();
  for (int i = 0; i < 40; i++, seed++) {
    struct rng r = test_rng(seed);
    struct net n;
    const struct net *alone = &n;
    struct outcome first, again;
    net_small(&n, &r, seed, 3e6);
    int precision = draw(&r, 0, 1);
    cudacpu_set_order(CUDACPU_FORWARD, CUDACPU_FORWARD, 1);
    two_steps(1, &alone, precision, &first);
    for (int order = CUDACPU_REVERSE; order <= CUDACPU_SHUFFLED + 1; order++) {
      enum cudacpu_order o = order == CUDACPU_REVERSE ? CUDACPU_REVERSE : CUDACPU_SHUFFLED;
      cudacpu_set_order(o, o, seed + (uint64_t)order);
      two_steps(1, &alone, precision, &again);
      expect_same(&n, &first, &again, order == CUDACPU_REVERSE ? "reverse" : "shuffled");
    }
    free(first.bytes);
    net_destroy(&n);
  }
}

/* What the random networks do not have: strides of three and more, which go by tiles of any
 * shape. */
static void steps_of_large_strides_give_no_report(void **state)
{
  (void)state;
  static const struct {
    int kernel, stride, padding, height, width, channels, filters, batch;
  } cases[] = {{1, 3, PADDING_SAME, 24, 30, 3, 9, 6},
               {3, 3, PADDING_VALID, 44, 47, 1, 36, 3},
               {5, 4, PADDING_SAME, 40, 50, 4, 12, 5},
               {7, 3, PADDING_VALID, 79, 73, 2, 8, 2}};
  for (int i = 0; i < 8; i++) {
    struct network_config c = {.num_conv_layers = 2,
                               .learning_rate = 0.01,
                               .dropout_rate = 0.2,
                               .optimizer = i % 4 < 2 ? OPTIMIZER_ADAM : OPTIMIZER_SGD,
                               .epochs = 1,
                               .stride = cases[i / 2].stride,
                               .padding = (enum padding_kind)cases[i / 2].padding,
                               .kernel = cases[i / 2].kernel,
                               .num_fc_units = 9,
                               .batch_size = cases[i / 2].batch,
                               .model = {.filters = cases[i / 2].filters, .momentum = 0.9}};
    struct net n = {.seed = first_seed() + (uint64_t)i, .count = 1};
    const struct net *alone = &n;
    struct rng r = test_rng(n.seed);
    struct outcome o;
    plan_make(&n.plan, &c, cases[i / 2].height, cases[i / 2].width, cases[i / 2].channels, 7, 11, 5);
    assert_true(n.plan.feasible);
    net_make(&n, &r);
    cudacpu_set_order(CUDACPU_SHUFFLED, CUDACPU_SHUFFLED, n.seed);
    two_steps(1, &alone, i % 2, &o);
    free(o.bytes);
    net_destroy(&n);
  }
}

/* Members alone, then as a cohort in an order of the table that is drawn. */
static void cohorts_of(int members, int cohorts, double flops)
{
  uint64_t seed = first_seed();
  for (int i = 0; i < cohorts; i++) {
    struct net *net = calloc((size_t)members, sizeof *net);
    const struct net *table[COHORT_MAX];
    struct outcome alone[COHORT_MAX], together[COHORT_MAX];
    struct rng r = test_rng(seed);
    int precision = i % 2;
    for (int m = 0; m < members; m++, seed++) {
      net_small(&net[m], &r, seed, flops);
      const struct net *one = &net[m];
      two_steps(1, &one, precision, &alone[m]);
      table[m] = one;
    }
    for (int turn = 0; turn < 2; turn++) {
      for (int m = members - 1; m > 0; m--) {
        int other = draw(&r, 0, m);
        const struct net *swapped = table[m];
        table[m] = table[other];
        table[other] = swapped;
      }
      two_steps(members, table, precision, together);
      for (int m = 0; m < members; m++) expect_same(table[m], &alone[table[m] - net], &together[m], "in a cohort");
    }
    for (int m = 0; m < members; m++) {
      free(alone[m].bytes);
      net_destroy(&net[m]);
    }
    free(net);
  }
}

static void trials_give_the_same_bits_alone_and_in_cohorts_of_two(void **state)
{
  (void)state;
  cohorts_of(2, 10, 2e6);
}

static void trials_give_the_same_bits_alone_and_in_cohorts_of_seven(void **state)
{
  (void)state;
  cohorts_of(7, 4, 1e6);
}

static void trials_give_the_same_bits_alone_and_in_cohorts_of_thirty_two(void **state)
{
  (void)state;
  cohorts_of(32, 2, 3e5);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup(steps_give_no_report_and_the_same_bits_in_any_order_of_threads_and_blocks, fresh_machine),
      cmocka_unit_test_setup(steps_of_large_strides_give_no_report, fresh_machine),
      cmocka_unit_test_setup(trials_give_the_same_bits_alone_and_in_cohorts_of_two, fresh_machine),
      cmocka_unit_test_setup(trials_give_the_same_bits_alone_and_in_cohorts_of_seven, fresh_machine),
      cmocka_unit_test_setup(trials_give_the_same_bits_alone_and_in_cohorts_of_thirty_two, fresh_machine),
  };
  if (!cudacpu_is_checked()) return 1;
  return cmocka_run_group_tests(tests, NULL, NULL);
}
