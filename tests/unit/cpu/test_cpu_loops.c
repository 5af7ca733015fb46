/* The CPU trainer's own loops in every variant that this processor can run, against the same
 * sources compiled without optimisation and without intrinsics (cpu_loops.mk): what a compiler
 * makes of a loop for an instruction set that another machine chooses is tested on this one.
 *
 * Not under ThreadSanitizer: one thread. */
#include "tests/unit/cpu/loops_fixture.h"

#include <math.h>
#include <stdbool.h>

#include "host/cpu/cpu_loops.h"

enum { ROUNDS = 60, GUARD = 64 };

static const float poison = 1e30f;

/* Values that are whole, or any, or whole but for some that are infinite or not a number. */
enum kind { WHOLE, ANY, ODD };

static float value(enum kind kind)
{
  static const float odd[] = {INFINITY, -INFINITY, NAN, -0.0f};
  if (kind == ODD && between(0, 15) == 0) return odd[between(0, 3)];
  return kind == ANY ? (float)uniform(-1, 1) : (float)between(-3, 3);
}

/* ---- arrays, each of which there are two of: for the variant and for the reference ----------- */

struct array {
  size_t n; /* bytes meant; GUARD poisoned floats follow, also where nothing is meant */
  void *got, *right;
};

static void *aligned_bytes(size_t n)
{
  void *p = NULL;
  if (posix_memalign(&p, 64, (n + GUARD * sizeof poison + 63) / 64 * 64)) abort();
  return p;
}

static struct array array_of_bytes(size_t bytes)
{
  struct array a = {.n = bytes, .got = aligned_bytes(bytes), .right = aligned_bytes(bytes)};
  memset(a.got, 0xa5, bytes + GUARD * sizeof poison);
  memset(a.right, 0xa5, bytes + GUARD * sizeof poison);
  return a;
}

/* Poisoned: for a result. */
static struct array array_out(size_t n)
{
  struct array a = array_of_bytes(n * sizeof(float));
  for (size_t i = 0; i < n; i++) ((float *)a.got)[i] = ((float *)a.right)[i] = poison;
  return a;
}

/* Filled: for what is read, or changed in place. */
static struct array array_in(size_t n, enum kind kind)
{
  struct array a = array_out(n);
  for (size_t i = 0; i < n; i++) ((float *)a.got)[i] = ((float *)a.right)[i] = value(kind);
  return a;
}

static void array_free(struct array *a)
{
  free(a->got);
  free(a->right);
}

/* A variant, and what is being held against what; for messages. */
static const struct cpu_loops *variant, *reference;
static char what[200];

static void assert_guarded(const struct array *a)
{
  const uint8_t *got = a->got;
  for (size_t i = a->n; i < a->n + GUARD * sizeof poison; i++)
    if (got[i] != 0xa5) fail_msg("%s, %s: wrote %zu bytes behind its end", what, variant->name, i - a->n);
}

/* The numbers of `a` are those of the reference, to `bound` [n] (NULL: the very same), and nothing
 * else was written.  Frees it. */
static void near_and_free(struct array *a, const float *bound)
{
  const float *got = a->got, *right = a->right;
  for (size_t i = 0; i < a->n / sizeof *got; i++) {
    float most = bound ? bound[i] : 0;
    bool fits = got[i] == right[i] || (isnan(got[i]) && isnan(right[i])) || fabsf(got[i] - right[i]) <= most;
    if (!fits)
      fail_msg("%s, %s: element %zu of %zu is %.9g and should be %.9g, to %.3g", what, variant->name, i,
               a->n / sizeof *got, (double)got[i], (double)right[i], (double)most);
  }
  assert_guarded(a);
  array_free(a);
}

static void same_and_free(struct array *a)
{
  near_and_free(a, NULL);
}

static void same_bytes_and_free(struct array *a)
{
  const uint8_t *got = a->got, *right = a->right;
  for (size_t i = 0; i < a->n; i++)
    if (got[i] != right[i])
      fail_msg("%s, %s: byte %zu of %zu is %d and should be %d", what, variant->name, i, a->n, got[i], right[i]);
  assert_guarded(a);
  array_free(a);
}

/* Calls `one` often for each variant. */
static void for_each_variant(void (*one)(void))
{
  loops_begin();
  for (int isa = CPU_ISA_BASELINE; isa <= (int)cpu_isa_of_processor(); isa++) {
    for (int block = 8; block <= 16; block += 8) {
      variant = cpu_loops_find((enum cpu_isa)isa, block);
      if (!variant || variant->isa != (enum cpu_isa)isa) continue;
      reference = cpu_loops_reference(block);
      assert_int_equal(reference->block, variant->block);
      for (int i = 0; i < ROUNDS; i++) one();
    }
  }
}

/* The same call of both. */
#define BOTH(call_got, call_right) (variant->call_got, reference->call_right)

/* ---- dense layers ---------------------------------------------------------------------------- */

static void one_add(void)
{
  size_t n = 16 * (size_t)between(0, 20);
  struct array a = array_in(n, ODD), b = array_in(n, ODD);
  snprintf(what, sizeof what, "add of %zu", n);
  BOTH(add(n, a.got, b.got), add(n, a.right, b.right));
  same_and_free(&a);
  same_and_free(&b);
}

static void one_bias_relu(void)
{
  int rows = between(1, 9), columns = 16 * between(1, 6);
  bool relu = between(0, 1);
  struct array y = array_in((size_t)rows * (size_t)columns, ODD), bias = array_in((size_t)columns, WHOLE);
  snprintf(what, sizeof what, "bias_relu of %d×%d, %d", rows, columns, relu);
  BOTH(bias_relu(rows, columns, bias.got, relu, y.got), bias_relu(rows, columns, bias.right, relu, y.right));
  same_and_free(&y);
  same_and_free(&bias);
}

static void one_masked_scale(void)
{
  size_t n = 16 * (size_t)between(0, 20);
  int over = between(0, 2); /* what is written: an array of its own, dy or y */
  struct array y = array_in(n, ODD), dy = array_in(n, ODD), own = array_out(n);
  struct array *out = over == 0 ? &own : over == 1 ? &dy : &y;
  snprintf(what, sizeof what, "masked_scale of %zu over %d", n, over);
  BOTH(masked_scale(n, y.got, dy.got, 1.25f, out->got), masked_scale(n, y.right, dy.right, 1.25f, out->right));
  same_and_free(&y);
  same_and_free(&dy);
  same_and_free(&own);
}

static void one_column_sums(void)
{
  int rows = between(0, 40), columns = 16 * between(1, 6);
  struct array a = array_in((size_t)rows * (size_t)columns, ODD), sum = array_out((size_t)columns);
  snprintf(what, sizeof what, "column_sums of %d×%d", rows, columns);
  BOTH(column_sums(rows, columns, a.got, sum.got), column_sums(rows, columns, a.right, sum.right));
  same_and_free(&a);
  same_and_free(&sum);
}

static void one_dropout(void)
{
  int area = between(1, 12), block = between(0, 1) ? variant->block : 1, channels = between(1, 40);
  if (block == 1) area = 1;
  int features = channels * area, padded = (channels + block - 1) / block * block * area;
  uint64_t key = (uint64_t)between(0, 1 << 30), first = (uint64_t)between(0, 1 << 30);
  struct array x = array_in((size_t)padded, ODD), words = array_of_bytes(((size_t)features + 128) * sizeof(uint32_t));
  uint32_t threshold = (uint32_t)between(0, 1 << 30) * 3u;
  snprintf(what, sizeof what, "dropout of %d channels of %d, block %d, from %llu", channels, area, block,
           (unsigned long long)first);
  BOTH(dropout(key, 7, first, features, area, block, threshold, 1.25f, words.got, x.got),
       dropout(key, 7, first, features, area, block, threshold, 1.25f, words.right, x.right));
  same_and_free(&x);
  words.n =
      ((size_t)features + first % 4) * sizeof(uint32_t); /* the blocks behind them are as many as there are lanes */
  assert_memory_equal(words.got, words.right, words.n);
  array_free(&words);
}

static void dense_loops_are_the_plain_code(void **state)
{
  (void)state;
  for_each_variant(one_add);
  for_each_variant(one_bias_relu);
  for_each_variant(one_masked_scale);
  for_each_variant(one_column_sums);
  for_each_variant(one_dropout);
}

/* ---- softmax --------------------------------------------------------------------------------- */

/* exp(z) is off by some six roundings of 2^-24 in each of the two, whatever the size of z: whole ·
 * ln 2 is subtracted in two parts, the first without an error.  The sum adds as many roundings as
 * there are classes, the quotient one.  Below -87 one may be 0 already. */
static void one_softmax(void)
{
  int rows = between(1, 6), classes = between(1, 70), stride = (classes + 15) / 16 * 16;
  bool labelled = between(0, 1), broken = between(0, 5) == 0;
  struct array z = array_in((size_t)(rows * stride), ANY), sum = array_out((size_t)rows),
               below = array_out((size_t)rows), best = array_out((size_t)rows);
  uint16_t labels[6];
  float range = (float)exp(uniform(-1, 5)), bound[6 * 80], sum_bound[6];
  for (int i = 0; i < rows; i++) labels[i] = (uint16_t)between(0, classes - 1);
  for (int i = 0; i < rows * stride; i++) {
    float x = between(0, 3) ? range * ((float *)z.got)[i] : range; /* often equal ones */
    if (broken && between(0, 9) == 0) x = value(ODD);
    ((float *)z.got)[i] = ((float *)z.right)[i] = x;
  }
  snprintf(what, sizeof what, "softmax of %d rows, %d classes, range %g", rows, classes, (double)range);
  BOTH(softmax(rows, classes, stride, labelled ? labels : NULL, z.got, best.got, sum.got, below.got),
       softmax(rows, classes, stride, labelled ? labels : NULL, z.right, best.right, sum.right, below.right));
  for (int i = 0; i < rows; i++) sum_bound[i] = 0x1p-23f * (float)(6 + classes) * ((float *)sum.right)[i];
  for (int i = 0; i < rows * stride; i++) bound[i] = 0x1p-23f * (float)(13 + classes) * ((float *)z.right)[i] + 1e-37f;
  near_and_free(&z, bound);
  near_and_free(&sum, sum_bound);
  same_and_free(&below);
  same_bytes_and_free(&best);
}

static void one_softmax_backward(void)
{
  int rows = between(1, 6), stride = 16 * between(1, 5);
  uint16_t labels[6];
  struct array p = array_in((size_t)(rows * stride), ANY);
  for (int i = 0; i < rows; i++) labels[i] = (uint16_t)between(0, stride - 1);
  snprintf(what, sizeof what, "softmax_backward of %d rows of %d", rows, stride);
  BOTH(softmax_backward(rows, stride, labels, 0.3f, p.got), softmax_backward(rows, stride, labels, 0.3f, p.right));
  same_and_free(&p);
}

static void softmax_is_the_plain_code_to_some_roundings(void **state)
{
  (void)state;
  for_each_variant(one_softmax);
  for_each_variant(one_softmax_backward);
}

/* ---- optimisers ------------------------------------------------------------------------------ */

/* A moment is a sum of two products, of which FMA rounds one less: a rounding of the larger.  v is
 * not negative, so its root and the denominator have a relative error; a denominator's of 8
 * roundings, and the numerator's is the first moment's. */
static void one_adam(void)
{
  size_t n = 16 * (size_t)between(0, 20);
  struct array w = array_in(n, ANY), g = array_in(n, ANY), m = array_in(n, ANY), v = array_in(n, ANY);
  const struct optimizer_settings o = {.learning_rate = (float)exp(uniform(-9, 0))};
  const struct adam_step s = {.beta1 = 0.9f,
                              .beta2 = 0.999f,
                              .epsilon = 1e-8f,
                              .correction1 = (float)uniform(1, 10),
                              .correction2 = (float)uniform(1, 30)};
  float w_bound[320], m_bound[320], v_bound[320];
  for (size_t i = 0; i < n; i++) ((float *)v.got)[i] = ((float *)v.right)[i] = fabsf(((float *)v.got)[i]);
  for (size_t i = 0; i < n; i++) {
    float before = ((float *)m.right)[i], gradient = ((float *)g.right)[i];
    m_bound[i] = 0x1p-23f * (fabsf(s.beta1 * before) + fabsf((1 - s.beta1) * gradient));
  }
  snprintf(what, sizeof what, "adam of %zu", n);
  BOTH(adam(n, &o, &s, w.got, g.got, m.got, v.got), adam(n, &o, &s, w.right, g.right, m.right, v.right));
  for (size_t i = 0; i < n; i++) {
    float second = ((float *)v.right)[i], below = sqrtf(second) * s.correction2 + s.epsilon;
    float step = o.learning_rate * s.correction1, first = fabsf(((float *)m.right)[i]);
    v_bound[i] = 0x1p-22f * second;
    w_bound[i] = 0x1p-23f * fabsf(((float *)w.right)[i]) + step / below * (0x1p-20f * first + m_bound[i]);
  }
  near_and_free(&w, w_bound);
  near_and_free(&m, m_bound);
  near_and_free(&v, v_bound);
  same_and_free(&g);
}

static void one_sgd(void)
{
  size_t n = 16 * (size_t)between(0, 20);
  struct array w = array_in(n, ODD), g = array_in(n, WHOLE), v = array_in(n, WHOLE);
  const struct optimizer_settings o = {.learning_rate = 0.25f, .momentum = 0.5f};
  snprintf(what, sizeof what, "sgd of %zu", n);
  BOTH(sgd(n, &o, w.got, g.got, v.got), sgd(n, &o, w.right, g.right, v.right));
  same_and_free(&w);
  same_and_free(&g);
  same_and_free(&v);
}

static void optimisers_are_the_plain_code_to_some_roundings(void **state)
{
  (void)state;
  for_each_variant(one_adam);
  for_each_variant(one_sgd);
}

/* ---- images, peak ---------------------------------------------------------------------------- */

static void one_gather(void)
{
  int height = between(1, 20), width = between(1, 40), channels = between(1, 4), pad = between(0, 2);
  int row = width + 2 * pad + 16 + between(0, 15);
  size_t pixels = (size_t)(height * width * channels), plane = (size_t)(height + 2 * pad) * (size_t)row;
  struct array table = array_in(256 * (size_t)channels, ANY), x = array_out(plane * (size_t)channels);
  uint8_t *bytes = malloc(pixels);
  for (size_t i = 0; i < pixels; i++) bytes[i] = (uint8_t)between(0, 255);
  snprintf(what, sizeof what, "gather of %d×%d×%d, pad %d, row %d", height, width, channels, pad, row);
  BOTH(gather(height, width, channels, pad, row, table.got, bytes, x.got),
       gather(height, width, channels, pad, row, table.right, bytes, x.right));
  free(bytes);
  same_and_free(&table);
  same_and_free(&x);
}

static void one_peak(void)
{
  int rounds = between(0, 1000);
  float sink[2][3] = {{1, (float)between(0, 3), 0}};
  memcpy(sink[1], sink[0], sizeof sink[0]);
  snprintf(what, sizeof what, "peak of %d", rounds);
  assert_true(variant->peak(rounds, sink[0]) == reference->peak(rounds, sink[1]));
  assert_true(sink[0][2] == sink[1][2]);
}

static void images_are_gathered_as_by_the_plain_code(void **state)
{
  (void)state;
  for_each_variant(one_gather);
  for_each_variant(one_peak);
}

/* ---- convolutions ---------------------------------------------------------------------------- */

static size_t in_size(const struct loop_conv *c)
{
  return (size_t)(c->images * c->in_channels * c->in_height * c->in_width);
}

static size_t out_size(const struct loop_conv *c)
{
  return (size_t)(c->images * c->out_channels * c->out_height * c->out_width);
}

static size_t pooled_size(const struct loop_conv *c)
{
  return (size_t)(c->images * c->out_channels * c->pool_height * c->pool_width);
}

static size_t weights_size(const struct loop_conv *c)
{
  return (size_t)(c->in_channels * c->out_channels * c->kernel * c->kernel);
}

static void describe(const char *name, const struct loop_conv *c)
{
  snprintf(what, sizeof what,
           "%s of %d images, %d to %d channels, %d×%d to %d×%d to %d×%d, kernel %d, stride %d, pad %d, row %d", name,
           c->images, c->in_channels, c->out_channels, c->in_height, c->in_width, c->out_height, c->out_width,
           c->pool_height, c->pool_width, c->kernel, c->stride, c->pad, c->row);
}

static void draw_kernel(struct loop_conv *c)
{
  *c = (struct loop_conv){.images = between(1, 3), .kernel = between(0, 3) ? 3 + 2 * between(0, 1) : between(1, 4)};
  c->stride = between(1, 2);
  c->out_channels = variant->block * between(1, 3);
}

/* A first layer, of one image: an input with room for every window. */
static struct loop_conv draw_first(void)
{
  struct loop_conv c;
  draw_kernel(&c);
  c.images = 1;
  c.in_channels = between(1, 4);
  c.pool_height = between(1, 7);
  c.pool_width = between(1, 9);
  c.out_height = 2 * c.pool_height + between(0, 1);
  c.out_width = 2 * c.pool_width + between(0, 1);
  c.in_height = (c.out_height - 1) * c.stride + c.kernel + between(0, c.stride - 1);
  c.in_width = (c.out_width - 1) * c.stride + c.kernel + between(0, c.stride - 1);
  c.row = c.in_width + 16 + between(0, 15);
  return c;
}

static struct array draw_argmax(size_t n)
{
  struct array a = array_of_bytes(n);
  for (size_t i = 0; i < n; i++) ((uint8_t *)a.got)[i] = ((uint8_t *)a.right)[i] = (uint8_t)between(0, POOL_MASKED);
  return a;
}

static void one_first_forward(void)
{
  struct loop_conv c = draw_first();
  struct array x = array_in((size_t)(c.in_channels * c.in_height * c.row), between(0, 1) ? WHOLE : ODD);
  struct array w = array_in(weights_size(&c), WHOLE), bias = array_in((size_t)c.out_channels, WHOLE);
  struct array y = array_out(pooled_size(&c)), argmax = array_of_bytes(pooled_size(&c));
  describe("first_forward", &c);
  BOTH(first_forward(&c, x.got, w.got, bias.got, y.got, argmax.got),
       first_forward(&c, x.right, w.right, bias.right, y.right, argmax.right));
  same_and_free(&y);
  same_bytes_and_free(&argmax);
  same_and_free(&x);
  same_and_free(&w);
  same_and_free(&bias);
}

static void one_first_backward(void)
{
  struct loop_conv c = draw_first();
  struct array x = array_in((size_t)(c.in_channels * c.in_height * c.row), WHOLE),
               dy = array_in(pooled_size(&c), WHOLE);
  struct array argmax = draw_argmax(pooled_size(&c));
  struct array dw = array_in(weights_size(&c), WHOLE), db = array_in((size_t)c.out_channels, WHOLE); /* added to */
  describe("first_backward", &c);
  BOTH(first_backward(&c, x.got, dy.got, argmax.got, dw.got, db.got),
       first_backward(&c, x.right, dy.right, argmax.right, dw.right, db.right));
  same_and_free(&dw);
  same_and_free(&db);
  same_and_free(&x);
  same_and_free(&dy);
  same_bytes_and_free(&argmax);
}

static void first_layers_are_the_plain_code(void **state)
{
  (void)state;
  for_each_variant(one_first_forward);
  for_each_variant(one_first_backward);
}

/* A later layer; the kernel may be larger than the map. */
static struct loop_conv draw_later(void)
{
  struct loop_conv c;
  do {
    draw_kernel(&c);
    c.in_channels = variant->block * between(1, 3);
    c.pad = between(0, c.kernel / 2);
    c.in_height = between(1, 9);
    c.in_width = between(1, 9);
    c.out_height = (c.in_height + 2 * c.pad - c.kernel) / c.stride + 1;
    c.out_width = (c.in_width + 2 * c.pad - c.kernel) / c.stride + 1;
  } while (c.in_height + 2 * c.pad < c.kernel || c.in_width + 2 * c.pad < c.kernel);
  c.pool_height = c.out_height / 2;
  c.pool_width = c.out_width / 2;
  return c;
}

static void one_conv_forward(void)
{
  struct loop_conv c = draw_later();
  struct array x = array_in(in_size(&c), ODD), w = array_in(weights_size(&c), WHOLE);
  struct array bias = array_in((size_t)c.out_channels, WHOLE), y = array_out(out_size(&c));
  describe("conv_forward", &c);
  BOTH(conv_forward(&c, x.got, w.got, bias.got, y.got), conv_forward(&c, x.right, w.right, bias.right, y.right));
  same_and_free(&y);
  same_and_free(&x);
  same_and_free(&w);
  same_and_free(&bias);
}

static void one_conv_backward_data(void)
{
  struct loop_conv c = draw_later();
  struct array dy = array_in(out_size(&c), ODD), w = array_in(weights_size(&c), WHOLE), dx = array_out(in_size(&c));
  describe("conv_backward_data", &c);
  BOTH(conv_backward_data(&c, dy.got, w.got, dx.got), conv_backward_data(&c, dy.right, w.right, dx.right));
  same_and_free(&dx);
  same_and_free(&dy);
  same_and_free(&w);
}

static void one_conv_backward_weights(void)
{
  struct loop_conv c = draw_later();
  struct array x = array_in(in_size(&c), WHOLE), dy = array_in(out_size(&c), ODD);
  struct array dw = array_out(weights_size(&c)), db = array_out((size_t)c.out_channels);
  describe("conv_backward_weights", &c);
  BOTH(conv_backward_weights(&c, x.got, dy.got, dw.got, db.got),
       conv_backward_weights(&c, x.right, dy.right, dw.right, db.right));
  same_and_free(&dw);
  same_and_free(&db);
  same_and_free(&x);
  same_and_free(&dy);
}

static void one_pool_forward(void)
{
  struct loop_conv c = draw_later();
  struct array x = array_in(out_size(&c), ODD), y = array_out(pooled_size(&c)),
               argmax = array_of_bytes(pooled_size(&c));
  describe("pool_forward", &c);
  BOTH(pool_forward(&c, x.got, y.got, argmax.got), pool_forward(&c, x.right, y.right, argmax.right));
  same_and_free(&y);
  same_bytes_and_free(&argmax);
  same_and_free(&x);
}

static void one_pool_backward(void)
{
  struct loop_conv c = draw_later();
  struct array dy = array_in(pooled_size(&c), ODD), argmax = draw_argmax(pooled_size(&c)), dx = array_out(out_size(&c));
  describe("pool_backward", &c);
  BOTH(pool_backward(&c, dy.got, argmax.got, dx.got), pool_backward(&c, dy.right, argmax.right, dx.right));
  same_and_free(&dx);
  same_and_free(&dy);
  same_bytes_and_free(&argmax);
}

static void later_layers_are_the_plain_code(void **state)
{
  (void)state;
  for_each_variant(one_conv_forward);
  for_each_variant(one_conv_backward_data);
  for_each_variant(one_conv_backward_weights);
  for_each_variant(one_pool_forward);
  for_each_variant(one_pool_backward);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(dense_loops_are_the_plain_code),
      cmocka_unit_test(softmax_is_the_plain_code_to_some_roundings),
      cmocka_unit_test(optimisers_are_the_plain_code_to_some_roundings),
      cmocka_unit_test(images_are_gathered_as_by_the_plain_code),
      cmocka_unit_test(first_layers_are_the_plain_code),
      cmocka_unit_test(later_layers_are_the_plain_code),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
