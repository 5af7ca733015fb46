/* Every kernel that computes, alone, against a plain loop in double precision: random shapes,
 * values and batches.
 *
 * What a kernel reads is random and not what the stage before it would give, so that an error is
 * its own.  Everything else in a network's memory is NaN, so that what is not written, or read
 * beyond the batch, shows.  Bounds: a sum of K terms in FP32 is off by some √K roundings of 6e-8,
 * so outputs may differ from the loop's by 5e-7·√K of their norm (where terms cancel, of the
 * terms'); the loop rounds to TF32 what the tensor cores do.  Without that rounding, 2⁻¹¹ at most
 * of each operand, TF32 may be 1e-3 off.  Where all values are small whole numbers every sum is
 * exact, and so must the result be.  Maps are kept in TF32 where products are in it: what a
 * convolution reads of one is so rounded, and of what it writes the rounding itself is checked.
 * Where a kernel's text says in which order it adds, the same order gives the same bits here.
 *
 * Not under ThreadSanitizer: the host has one thread here, and a sweep over shapes runs under one
 * sanitizer. */
#include "tests/unit/kernels/kernels_fixture.h"

#include <math.h>

enum { SHAPES = 200, LARGE_SHAPES = 40 };

/* A GPU's tensor cores add in an order, and round sums in a way, of their own. */
#ifdef REAL_GPU
enum { REAL_TENSOR_CORES = 1 };
#else
enum { REAL_TENSOR_CORES = 0 };
#endif
static const struct net_limits one_layer = {.least_layers = 1, .flops = 12e6};
static const struct net_limits two_layers = {.least_layers = 2, .flops = 12e6};
static const struct net_limits fewer_layers = {.least_layers = 2, .flops = 4e6};
static const struct net_limits many_classes = {
    .least_layers = 1, .flops = 12e6, .least_classes = DEVICE_HEAD_CLASSES + 1};
static const struct net_limits larger = {.least_layers = 2, .flops = 20e6, .large = true};
static const struct net_limits large = {.least_layers = 2, .flops = 60e6, .large = true};
static const struct net_limits large_images = {.least_layers = 1, .flops = 20e6, .large_images = true};

/* ---- comparing ------------------------------------------------------------------------------- */

/* To TF32: 10 bits of mantissa, to nearest, ties away from zero. */
static double tf32(float x)
{
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  bits = (bits + 0x1000u) & ~0x1fffu;
  memcpy(&x, &bits, sizeof bits);
  return x;
}

static double rounded(float x, int round)
{
  return round ? tf32(x) : x;
}

/* What a kernel should give: with operands rounded as the kernel's are, and, of TF32 alone,
 * without. */
struct wanted {
  int64_t n;
  double terms; /* of a sum, at most */
  double *exact, *unrounded;
  double squares; /* of all terms of all sums */
};

static struct wanted wanted_make(int64_t n, double terms)
{
  size_t room = (size_t)n + 1;
  return (struct wanted){n, terms, calloc(room, sizeof(double)), calloc(room, sizeof(double)), 0};
}

static void wanted_free(struct wanted *w)
{
  free(w->exact);
  free(w->unrounded);
}

/* Adds scale·a·b to sum i. */
static void add(struct wanted *w, int64_t i, double scale, float a, float b, int round)
{
  double product = scale * a * b;
  w->exact[i] += scale * rounded(a, round) * rounded(b, round);
  w->unrounded[i] += product;
  w->squares += product * product;
}

/* Sets output i, a sum of two terms or anything else whose rounding is that of `terms`. */
static void set(struct wanted *w, int64_t i, double value, double terms)
{
  w->exact[i] = w->unrounded[i] = value;
  w->squares += terms * terms;
}

/* ‖out − want‖ / ‖want‖. */
static double relative_error(const float *out, const double *want, const struct wanted *w)
{
  double difference = 0, norm = 0;
  for (int64_t i = 0; i < w->n; i++) {
    difference += (out[i] - want[i]) * (out[i] - want[i]);
    norm += want[i] * want[i];
  }
  if (norm < w->squares) norm = w->squares;
  return norm > 0 ? sqrt(difference / norm) : sqrt(difference);
}

static void check(const struct net *n, const char *what, int precision, const float *out, const struct wanted *w)
{
  double rounding = REAL_TENSOR_CORES && precision == PRECISION_TF32 ? 4e-6 : 5e-7;
  double error = relative_error(out, w->exact, w), bound = n->whole ? 0 : rounding * sqrt(w->terms);
  if (!(error <= bound))
    fail_msg("%s, %s: off by %g of its norm, more than %g\n%s", what, precision == PRECISION_TF32 ? "tf32" : "fp32",
             error, bound, net_text(n));
  if (precision == PRECISION_FP32) return;
  error = relative_error(out, w->unrounded, w);
  if (!(error <= 1e-3)) fail_msg("%s, tf32: off by %g without rounding\n%s", what, error, net_text(n));
}

static void check_zero(const struct net *n, const char *what, double x)
{
  if (x != 0) fail_msg("%s: the padding holds %g\n%s", what, x, net_text(n));
}

/* One case of a sweep. */
typedef void kernel_case(struct net *n, struct rng *r, int precision);

static void sweep(kernel_case *one, struct net_limits limits, int precisions)
{
  uint64_t seed = first_seed();
  int shapes = limits.large || limits.large_images ? LARGE_SHAPES : SHAPES;
  print_message("seeds %llu ... %llu\n", (unsigned long long)seed, (unsigned long long)seed + (unsigned)shapes - 1);
  for (int i = 0; i < shapes; i++, seed++)
    for (int precision = PRECISION_FP32; precision < precisions; precision++) {
      struct rng r = test_rng(seed);
      struct net n;
      net_random(&n, &r, seed, limits);
      net_poison(&n);
      net_weights(&n, &r);
      one(&n, &r, precision);
      net_destroy(&n);
    }
}

/* ---- random inputs --------------------------------------------------------------------------- */

/* Random floats for the first n->count images of an array [batch][places][columns], of which the
 * columns beyond `logical` are zero; one in three is zero, too, where `thin`.  For the host and on
 * the device. */
static float *fill(const struct net *n, struct rng *r, float *device, int places, int columns, int logical, bool thin)
{
  int64_t count = (int64_t)n->count * places * columns;
  float *x = malloc((size_t)count * sizeof *x);
  for (int64_t i = 0; i < count; i++)
    x[i] = i % columns >= logical || (thin && draw(r, 0, 2) == 0) ? 0 : draw_value(r, n->whole);
  put(device, x, count * (int64_t)sizeof *x);
  return x;
}

/* As `fill`, of what ReLU leaves: nothing is negative; `round`: in TF32, as maps are kept. */
static float *fill_activations(const struct net *n, struct rng *r, float *device, int places, int columns, int logical,
                               int round)
{
  float *x = fill(n, r, device, places, columns, logical, true);
  for (int64_t i = 0; i < (int64_t)n->count * places * columns; i++) x[i] = (float)rounded(fabsf(x[i]), round);
  put(device, x, (int64_t)n->count * places * columns * (int64_t)sizeof *x);
  return x;
}

static int area_of(const struct device_conv *c)
{
  return c->pool_height * c->pool_width;
}

static float *fill_map(const struct net *n, struct rng *r, int layer, int precision)
{
  const struct device_conv *c = &n->t.conv[layer];
  return fill_activations(n, r, c->map, area_of(c), c->matrix.columns, c->filters, precision == PRECISION_TF32);
}

/* ---- convolutions ---------------------------------------------------------------------------- */

static int inputs_of(const struct net *n, int layer)
{
  return n->plan.conv[layer].in_channels;
}

/* The row of a convolution's matrix for a tap and a channel. */
static int matrix_row(const struct device_conv *c, int layer, int tap, int channel)
{
  return layer ? tap * c->in_channels + channel : channel * c->kernel * c->kernel + tap;
}

static float weight_at(const struct net *n, int layer, int row, int column)
{
  const struct device_matrix *m = layer_matrix(&n->t, layer);
  return n->weights[m->weight + (int64_t)row * m->columns + column];
}

/* Convolution and bias, before ReLU, as output `at`. */
static void convolve(const struct net *n, int layer, const float *map, int image, int y, int x, int filter, int round,
                     struct wanted *w, int64_t at)
{
  const struct device_conv *c = &n->t.conv[layer];
  set(w, at, weight_at(n, layer, c->matrix.rows, filter), weight_at(n, layer, c->matrix.rows, filter));
  for (int tap = 0; tap < c->kernel * c->kernel; tap++)
    for (int in = 0; in < inputs_of(n, layer); in++) {
      int row = y * c->stride - c->pad + tap / c->kernel, column = x * c->stride - c->pad + tap % c->kernel;
      add(w, at, 1, input_at(n, layer, map, image, row, column, in),
          weight_at(n, layer, matrix_row(c, layer, tap, in), filter), round);
    }
}

/* 1/(1 − rate) or 0; block 0: of the last map, 1: of the hidden units. */
static double kept(const struct net *n, int block, int64_t step, int image, int features, int element)
{
  double rate = n->plan.config.dropout_rate;
  if (!(rate > 0)) return 1;
  uint32_t word = philox_word(n->seed, philox_subsequence(PHILOX_DROPOUT, block, (uint64_t)step),
                              (uint64_t)image * (uint64_t)features + (uint64_t)element);
  return word >= philox_dropout_threshold(rate) ? 1 / (1 - rate) : 0;
}

/* A window's byte: 0 ... 3 of a pixel that is the largest, 4 where none is above zero; exactly so
 * where sums are exact. */
static void check_argmax(const struct net *n, const double pixel[4], int byte)
{
  int first = 0;
  for (int q = 1; q < 4; q++)
    if (pixel[q] > pixel[first]) first = q;
  double slack = n->whole ? 0 : 1e-5;
  bool right = byte == DEVICE_POOL_MASKED ? pixel[first] <= slack
                                          : byte < 4 && pixel[byte] >= pixel[first] - slack && pixel[byte] > -slack;
  if (n->whole) right = byte == (pixel[first] > 0 ? first : DEVICE_POOL_MASKED);
  if (!right)
    fail_msg("argmax %d of the pixels %g %g %g %g\n%s", byte, pixel[0], pixel[1], pixel[2], pixel[3], net_text(n));
}

/* Where the order of a sum is said, it is the same to the last bit. */
static void check_bits(const struct net *n, const char *what, int64_t i, float got, float want)
{
  if (got != want) fail_msg("%s, element %ld: %.9g, not %.9g\n%s", what, (long)i, got, want, net_text(n));
}

/* The order in which the products of conv2d_tensor*.cu take a depth of eight. */
static const int eight[8] = {0, 2, 4, 6, 1, 3, 5, 7};

/* Whether a later convolution's sums in TF32 have an order that is the code's. */
static bool is_tensor(const struct net *n, int precision, int layer)
{
  if (REAL_TENSOR_CORES || precision != PRECISION_TF32 || layer < 1 || layer >= n->t.layers) return false;
  return n->t.conv[layer].tensor.forward.rows > 0;
}

/* Eights of channels, taps, channels: products of TF32 are exact, so each addition rounds once. */
static float tensor_convolve(const struct net *n, int layer, const float *map, int image, int y, int x, int filter)
{
  const struct device_conv *c = &n->t.conv[layer];
  float sum = 0;
  for (int first = 0; first < c->in_channels; first += 8)
    for (int tap = 0; tap < c->kernel * c->kernel; tap++)
      for (int i = 0; i < 8; i++) {
        int row = y * c->stride - c->pad + tap / c->kernel, column = x * c->stride - c->pad + tap % c->kernel;
        float weight = weight_at(n, layer, matrix_row(c, layer, tap, first + eight[i]), filter);
        sum += input_at(n, layer, map, image, row, column, first + eight[i]) * (float)tf32(weight);
      }
  return sum;
}

/* Fours of channels, taps, channels: one chain of fmaf, as conv2d_patch.cu says. */
static float patch_convolve(const struct net *n, int layer, const float *map, int image, int y, int x, int filter)
{
  const struct device_conv *c = &n->t.conv[layer];
  float sum = 0;
  for (int first = 0; first < c->in_channels; first += 4)
    for (int tap = 0; tap < c->kernel * c->kernel; tap++)
      for (int in = first; in < first + 4; in++) {
        int row = y * c->stride - c->pad + tap / c->kernel, column = x * c->stride - c->pad + tap % c->kernel;
        float weight = weight_at(n, layer, matrix_row(c, layer, tap, in), filter);
        sum = fmaf(input_at(n, layer, map, image, row, column, in), weight, sum);
      }
  return sum;
}

/* Whether the first convolution goes by tensor cores forward (conv2d_first_tensor.cu). */
static bool is_first_tensor(const struct net *n, int precision, int layer)
{
  return precision == PRECISION_TF32 && layer == 0 && n->t.patches;
}

/* Of the first convolution: taps, channels. */
static float first_convolve(const struct net *n, int image, int y, int x, int filter)
{
  const struct device_conv *c = &n->t.conv[0];
  float sum = 0;
  for (int tap = 0; tap < c->kernel * c->kernel; tap++)
    for (int in = 0; in < c->in_channels; in++) {
      int row = y * c->stride - c->pad + tap / c->kernel, column = x * c->stride - c->pad + tap % c->kernel;
      sum += (float)tf32(input_at(n, 0, NULL, image, row, column, in)) *
             (float)tf32(weight_at(n, 0, matrix_row(c, 0, tap, in), filter));
    }
  return sum;
}

/* A map's element in TF32 is what `want`, off by `slack` at most, is rounded to; rounding keeps the
 * order. */
static void check_rounded(const struct net *n, float out, double want, double slack)
{
  if (!(tf32((float)(want - slack)) <= out && out <= tf32((float)(want + slack))))
    fail_msg("map: %.9g, not %.9g in TF32, give or take %g\n%s", out, want, slack, net_text(n));
}

static void forward_case(struct net *n, struct rng *r, int precision, int layer)
{
  const struct device_conv *c = &n->t.conv[layer];
  const bool first = is_first_tensor(n, precision, layer), last = layer == n->t.layers - 1;
  const bool patch = precision == PRECISION_FP32 && c->forward.windows > 0;
  const int columns = c->matrix.columns, area = area_of(c);
  const int round = first || (layer > 0 && precision == PRECISION_TF32);
  net_batch(n, r, draw(r, 0, 1) ? DEVICE_TRAIN : DEVICE_EVALUATE);
  struct device_state s = net_state(n);
  float *before = layer ? fill_map(n, r, layer - 1, precision) : NULL;
  layer_run_alone(n, precision, FIRST_LAYER_FIRST, layer);
  int64_t all = (int64_t)n->t.batch * area * columns, used = (int64_t)n->count * area * columns;
  float *map = get_floats(c->map, all);
  uint8_t *argmax = get(c->argmax, all);
  struct wanted w = wanted_make(used, c->kernel * c->kernel * inputs_of(n, layer) + 1);
  for (int64_t i = 0; i < used; i++) {
    int filter = (int)(i % columns), place = (int)(i / columns % area), image = (int)(i / columns / area);
    if (filter >= c->filters) {
      check_zero(n, "map", map[i]);
      assert_int_equal(argmax[i], DEVICE_POOL_MASKED);
      continue;
    }
    double scale = 1;
    struct wanted pixel = {4, 0, (double[4]){0}, (double[4]){0}, 0};
    for (int q = 0; q < 4; q++)
      convolve(n, layer, before, image, place / c->pool_width * 2 + q / 2, place % c->pool_width * 2 + q % 2, filter,
               round, &pixel, q);
    check_argmax(n, pixel.exact, argmax[i]);
    if (last && s.phase == DEVICE_TRAIN) scale = kept(n, 0, s.step, image, c->filters * area, filter * area + place);
    if (scale == 0) assert_true(map[i] == 0);
    for (int q = 0; q < 4; q++) {
      w.exact[i] = fmax(w.exact[i], scale * pixel.exact[q]);
      w.unrounded[i] = fmax(w.unrounded[i], scale * pixel.unrounded[q]);
    }
    w.squares += scale * scale * pixel.squares / 4;
    if (patch || is_tensor(n, precision, layer) || (first && !REAL_TENSOR_CORES)) {
      float best = 0, bias = weight_at(n, layer, c->matrix.rows, filter);
      for (int q = 0; q < 4; q++) {
        int y = place / c->pool_width * 2 + q / 2, x = place % c->pool_width * 2 + q % 2;
        float sum = patch   ? patch_convolve(n, layer, before, image, y, x, filter)
                    : first ? first_convolve(n, image, y, x, filter)
                            : tensor_convolve(n, layer, before, image, y, x, filter);
        best = fmaxf(best, sum + bias);
      }
      if (scale != 1) best *= scale == 0 ? 0 : n->t.dropout_scale;
      check_bits(n, "map", i, map[i], patch ? best : (float)tf32(best));
    }
    if (precision == PRECISION_FP32) continue;
    check_rounded(n, map[i], w.exact[i], n->whole ? 0 : 4e-6 * scale * sqrt(w.terms * pixel.squares));
    w.exact[i] = map[i];
  }
  check(n, "map", precision, map, &w);
  assert_poisoned(map + used, (all - used) * (int64_t)sizeof *map, "map");
  assert_poisoned(argmax + used, all - used, "argmax");
  wanted_free(&w);
  free(before);
  free(map);
  free(argmax);
}

/* What a sweep has met, of the first convolution by tensor cores, one way or back. */
static struct {
  int of[2][2][4]; /* kernel 5, stride 2, channels */
  int strips, bands, filters;
} first_met;

static void meet_first(const struct device_conv *c, const struct device_first_patch *p)
{
  first_met.of[c->kernel == 5][c->stride == 2][c->in_channels - 1]++;
  first_met.strips += p->strips > 1;
  first_met.bands += p->bands > 1;
  first_met.filters += p->chunks > 1;
}

static void first_forward_case(struct net *n, struct rng *r, int precision)
{
  if (is_first_tensor(n, precision, 0)) meet_first(&n->t.conv[0], &n->t.tensor_patch);
  forward_case(n, r, precision, 0);
}

/* The kernels of any shape, also where there are better ones. */
static void first_forward_of_any_case(struct net *n, struct rng *r, int precision)
{
  n->t.patches = 0;
  forward_case(n, r, precision, 0);
}

static void later_forward_case(struct net *n, struct rng *r, int precision)
{
  forward_case(n, r, precision, draw(r, 1, n->t.layers - 1));
}

/* One input that is not a number makes so every window that sees it. */
static void what_is_not_a_number_comes_through_the_pool(void **state)
{
  (void)state;
  uint64_t seed = first_seed();
  for (int i = 0; i < 40; i++, seed++) {
    struct rng r = test_rng(seed);
    struct net n;
    net_random(&n, &r, seed, two_layers);
    net_poison(&n);
    net_weights(&n, &r);
    net_batch(&n, &r, DEVICE_EVALUATE);
    free(fill_map(&n, &r, 0, PRECISION_TF32));
    const struct device_conv *c = &n.t.conv[1];
    int image = draw(&r, 0, n.count - 1), y = draw(&r, 0, c->in_height - 1), x = draw(&r, 0, c->in_width - 1);
    const float nan = NAN;
    put(n.t.conv[0].map + (((int64_t)image * c->in_height + y) * c->in_width + x) * c->in_channels, &nan, sizeof nan);
    layer_run_alone(&n, i % 2 ? PRECISION_TF32 : PRECISION_FP32, FIRST_LAYER_FIRST, 1);
    float *map = get_floats(c->map, n.count * map_floats(&n.t, 1));
    for (int64_t j = 0; j < n.count * map_floats(&n.t, 1); j++) {
      int64_t window = j / c->matrix.columns, place = window % area_of(c);
      bool sees = false;
      for (int q = 0; q < 4; q++) {
        int down = y - ((int)(place / c->pool_width) * 2 + q / 2) * c->stride + c->pad;
        int right = x - ((int)(place % c->pool_width) * 2 + q % 2) * c->stride + c->pad;
        sees = sees || (down >= 0 && down < c->kernel && right >= 0 && right < c->kernel);
      }
      sees = sees && window / area_of(c) == image;
      if (j % c->matrix.columns < c->filters && sees != (bool)isnan(map[j]))
        fail_msg("window %d is %g\n%s", (int)window, map[j], net_text(&n));
    }
    free(map);
    net_destroy(&n);
  }
}

/* What the sweep of large shapes has met, of the forward kernels from patches. */
static struct {
  int cases, columns, windows, filters;
} patches_met;

static void patch_forward_case(struct net *n, struct rng *r, int precision)
{
  int layer = draw(r, 1, n->t.layers - 1);
  const struct device_conv *c = &n->t.conv[layer];
  patches_met.cases += c->forward.windows > 0;
  patches_met.columns += c->forward.columns < c->pool_width;
  patches_met.windows += c->forward.windows < (c->kernel == 3 ? 32 : 64);
  patches_met.filters += c->matrix.columns > 32;
  forward_case(n, r, precision, layer);
}

static void convolutions_from_patches_are_those_of_a_loop(void **state)
{
  (void)state;
  memset(&patches_met, 0, sizeof patches_met);
  sweep(patch_forward_case, large, PRECISION_FP32 + 1);
  print_message("%d of %d from patches: %d in columns, %d of fewer windows\n", patches_met.cases, LARGE_SHAPES,
                patches_met.columns, patches_met.windows);
  assert_true(patches_met.cases == LARGE_SHAPES && patches_met.columns > 0 && patches_met.windows > 0 &&
              patches_met.filters > 0);
}

/* In the first layer it is a weight: each window of its filter, and no other. */
static void what_is_not_a_number_in_the_first_weights_comes_through_the_pool(void **state)
{
  (void)state;
  uint64_t seed = first_seed();
  for (int i = 0; i < 40; i++, seed++) {
    struct rng r = test_rng(seed);
    struct net n;
    net_random(&n, &r, seed, two_layers);
    net_poison(&n);
    net_weights(&n, &r);
    net_batch(&n, &r, DEVICE_EVALUATE);
    const struct device_conv *c = &n.t.conv[0];
    int filter = draw(&r, 0, c->filters - 1), row = draw(&r, 0, c->matrix.rows);
    const float nan = NAN;
    put(n.t.weights + c->matrix.weight + (int64_t)row * c->matrix.columns + filter, &nan, sizeof nan);
    layer_run_alone(&n, i % 2 ? PRECISION_TF32 : PRECISION_FP32, FIRST_LAYER_FIRST, 0);
    float *map = get_floats(c->map, n.count * map_floats(&n.t, 0));
    for (int64_t j = 0; j < n.count * map_floats(&n.t, 0); j++)
      if ((j % c->matrix.columns == filter) != (bool)isnan(map[j]))
        fail_msg("filter %d of %d is %g\n%s", (int)(j % c->matrix.columns), filter, map[j], net_text(&n));
    free(map);
    net_destroy(&n);
  }
}

/* The parts of a layer's gradient, each checked for zero padding, as their sum. */
static float *gradient_of(const struct net *n, int layer)
{
  const struct device_matrix *m = layer_matrix(&n->t, layer);
  int64_t size = matrix_floats(m);
  float *part = get_floats(n->t.partial + m->partial, m->splits * size), *sum = calloc((size_t)size, sizeof *sum);
  for (int64_t i = 0; i < size; i++) {
    double total = 0;
    for (int s = 0; s < m->splits; s++) {
      float x = part[s * size + i];
      if (layer_element(&n->t, layer, (int)(i / m->columns), (int)(i % m->columns)) < 0)
        check_zero(n, "weights' gradient", x);
      total += x;
    }
    sum[i] = (float)total;
  }
  free(part);
  return sum;
}

/* The gradient before the pool, in TF32, of the pooled `behind`; zero outside. */
static float gradient_at(const struct device_conv *c, const float *behind, const uint8_t *argmax, int image, int y,
                         int x, int filter)
{
  if (y < 0 || x < 0 || y >= 2 * c->pool_height || x >= 2 * c->pool_width) return 0;
  int64_t at = (((int64_t)image * c->pool_height + y / 2) * c->pool_width + x / 2) * c->matrix.columns + filter;
  return argmax[at] == y % 2 * 2 + x % 2 ? (float)tf32(behind[at]) : 0;
}

/* The data gradient in the order of conv2d_tensor.cu: eights of filters, taps from the last,
 * filters. */
static void check_data_order(const struct net *n, int layer, const float *behind, const uint8_t *argmax,
                             const float *out)
{
  const struct device_conv *c = &n->t.conv[layer];
  for (int64_t i = 0; i < (int64_t)n->count * c->in_height * c->in_width * c->in_channels; i++) {
    int channel = (int)(i % c->in_channels), place = (int)(i / c->in_channels % (c->in_height * c->in_width));
    int image = (int)(i / c->in_channels / (c->in_height * c->in_width));
    float sum = 0;
    for (int first = 0; first < c->matrix.columns; first += 8)
      for (int tap = c->kernel * c->kernel - 1; tap >= 0; tap--) {
        int y = place / c->in_width + c->pad - tap / c->kernel, x = place % c->in_width + c->pad - tap % c->kernel;
        if (y % c->stride || x % c->stride) continue;
        for (int k = 0; k < 8; k++)
          sum += gradient_at(c, behind, argmax, image, y / c->stride, x / c->stride, first + eight[k]) *
                 (float)tf32(weight_at(n, layer, matrix_row(c, layer, tap, channel), first + eight[k]));
      }
    check_bits(n, "data's gradient", i, out[i], sum);
  }
}

/* Each part of the weight gradient in the order of conv2d_tensor_weights.cu: groups of eight
 * windows, for kernel 3 the even ones and the odd ones by themselves, pixels, windows.  The biases'
 * are added by lanes, which have two windows of a group. */
static void check_weight_order(const struct net *n, int layer, const float *map, const float *behind,
                               const uint8_t *argmax)
{
  const struct device_conv *c = &n->t.conv[layer];
  const struct device_grid *g = &c->tensor.weights;
  const struct device_matrix *m = &c->matrix;
  int area = g->rows * g->columns * g->strips, turns = c->kernel == 3 ? 2 : 1;
  int share = (n->t.batch + m->splits - 1) / m->splits;
  float *part = get_floats(n->t.partial + m->partial, m->splits * matrix_floats(m));
  for (int64_t i = 0; i < m->splits * matrix_floats(m); i += 7) { /* some of all */
    int split = (int)(i / matrix_floats(m)), row = (int)(i % matrix_floats(m) / m->columns);
    int filter = (int)(i % m->columns), tap = row / c->in_channels, channel = row % c->in_channels;
    int begin = split * share, end = begin + share < n->count ? begin + share : n->count;
    float sum[2] = {0, 0}, bias[2][4] = {{0}};
    for (int first = begin * area; first < end * area; first += 8) {
      int turn = (first - begin * area) / 8 % turns;
      for (int p = 0; p < 4; p++)
        for (int w = first; w < first + 8 && w < end * area; w++) {
          int in = w % (g->rows * g->columns), strip = w / (g->rows * g->columns) % g->strips;
          int y = 2 * (in / g->columns) + p / 2, x = 2 * (strip * g->columns + in % g->columns) + p % 2;
          float gradient = gradient_at(c, behind, argmax, w / area, y, x, filter);
          int down = y * c->stride - c->pad + tap / c->kernel, right = x * c->stride - c->pad + tap % c->kernel;
          if (row < m->rows) sum[turn] += input_at(n, layer, map, w / area, down, right, channel) * gradient;
        }
      for (int w = first; row == m->rows && w < first + 8 && w < end * area; w++)
        for (int p = 0; p < 4; p++) {
          int in = w % (g->rows * g->columns), strip = w / (g->rows * g->columns) % g->strips;
          int y = 2 * (in / g->columns) + p / 2, x = 2 * (strip * g->columns + in % g->columns) + p % 2;
          bias[turn][(w - first) % 4] += gradient_at(c, behind, argmax, w / area, y, x, filter);
        }
    }
    float lane[4];
    for (int k = 0; k < 4; k++) lane[k] = bias[0][k] + bias[1][k];
    float want = row < m->rows ? sum[0] + sum[1] : (lane[0] + lane[1]) + (lane[2] + lane[3]);
    check_bits(n, "weights' gradient", i, part[i], want);
  }
  free(part);
}

/* Whether the first convolution's gradient does (conv2d_first_tensor_weights.cu). */
static bool is_first_tensor_gradient(const struct net *n, int precision, int layer)
{
  return is_first_tensor(n, precision, layer) && n->t.gradient_patch.rows > 0;
}

/* Each part of the first convolution's gradient in the order of conv2d_first_tensor_weights.cu: of
 * each turn of warps the patches, every so many-th group of eight windows, pixels, windows; the
 * turns.  The biases' pixels are ones. */
static void check_first_weight_order(const struct net *n, const float *behind, const uint8_t *argmax)
{
  const struct device_conv *c = &n->t.conv[0];
  const struct device_first_patch *p = &n->t.gradient_patch;
  const struct device_matrix *m = &c->matrix;
  const int products = (m->rows + 1 + 7) / 8, turns = products <= 5 ? 4 : products <= 10 ? 2 : 1;
  float *part = get_floats(n->t.partial + m->partial, m->splits * matrix_floats(m));
  for (int64_t i = 0; i < m->splits * matrix_floats(m); i += 7) { /* some of all */
    int split = (int)(i / matrix_floats(m)), row = (int)(i % matrix_floats(m) / m->columns);
    int filter = (int)(i % m->columns), channel = row / (c->kernel * c->kernel), tap = row % (c->kernel * c->kernel);
    float sum[4] = {0, 0, 0, 0};
    for (int image = split * p->images; image < (split + 1) * p->images && image < n->count; image++)
      for (int patch = 0; patch < p->bands * p->strips; patch++) {
        int row0 = patch / p->strips * p->rows, column0 = patch % p->strips * p->columns;
        int down = p->rows < c->pool_height - row0 ? p->rows : c->pool_height - row0;
        int across = p->columns < c->pool_width - column0 ? p->columns : c->pool_width - column0;
        for (int first = 0; first < down * across; first += 8)
          for (int q = 0; q < 4; q++)
            for (int w = first; w < first + 8 && w < down * across; w++) {
              int y = 2 * (row0 + w / across) + q / 2, x = 2 * (column0 + w % across) + q % 2;
              int up = y * c->stride - c->pad + tap / c->kernel, left = x * c->stride - c->pad + tap % c->kernel;
              float pixel = row < m->rows ? (float)tf32(input_at(n, 0, NULL, image, up, left, channel)) : 1;
              sum[first / 8 % turns] += pixel * gradient_at(c, behind, argmax, image, y, x, filter);
            }
      }
    float want = sum[0];
    for (int turn = 1; turn < turns; turn++) want += sum[turn];
    check_bits(n, "weights' gradient", i, part[i], want);
  }
  free(part);
}

/* Both gradients of convolution `layer` from random ones behind its pool. */
static void backward_case(struct net *n, struct rng *r, int precision, int layer)
{
  const struct device_conv *c = &n->t.conv[layer];
  const bool first = is_first_tensor_gradient(n, precision, layer);
  const int columns = c->matrix.columns, area = area_of(c);
  const int round = first || (layer > 0 && precision == PRECISION_TF32);
  const int taps = c->kernel * c->kernel, inputs = inputs_of(n, layer);
  net_batch(n, r, DEVICE_TRAIN);
  float *before = layer ? fill_map(n, r, layer - 1, precision) : NULL;
  float *behind = fill(n, r, c->gradient, area, columns, c->filters, true);
  int64_t used = (int64_t)n->count * area * columns;
  uint8_t *argmax = malloc((size_t)used);
  for (int64_t i = 0; i < used; i++)
    argmax[i] = (uint8_t)(i % columns < c->filters ? draw(r, 0, 4) : DEVICE_POOL_MASKED);
  put(c->argmax, argmax, used);
  layer_run_alone(n, precision, LAST_LAYER_FIRST, layer);

  int64_t pixels = (int64_t)c->in_height * c->in_width, data = layer ? n->count * pixels * c->in_channels : 0;
  struct wanted dx = wanted_make(data, taps * c->filters),
                dw = wanted_make(matrix_floats(&c->matrix), (double)n->count * area);
  for (int64_t i = 0; i < used; i++) {
    int filter = (int)(i % columns), place = (int)(i / columns % area), image = (int)(i / columns / area);
    if (behind[i] == 0 || argmax[i] == DEVICE_POOL_MASKED) continue;
    float g = behind[i];
    int y = place / c->pool_width * 2 + argmax[i] / 2, x = place % c->pool_width * 2 + argmax[i] % 2;
    add(&dw, (int64_t)c->matrix.rows * columns + filter, 1, 1, g, round);
    for (int tap = 0; tap < taps; tap++)
      for (int in = 0; in < inputs; in++) {
        int row = y * c->stride - c->pad + tap / c->kernel, column = x * c->stride - c->pad + tap % c->kernel;
        if (row < 0 || row >= c->in_height || column < 0 || column >= c->in_width) continue;
        int matrix = matrix_row(c, layer, tap, in);
        add(&dw, (int64_t)matrix * columns + filter, 1, input_at(n, layer, before, image, row, column, in), g, round);
        if (layer)
          add(&dx, (image * pixels + (int64_t)row * c->in_width + column) * c->in_channels + in, 1,
              weight_at(n, layer, matrix, filter), g, round);
      }
  }
  float *gradient = gradient_of(n, layer);
  check(n, "weights' gradient", precision, gradient, &dw);
  if (is_tensor(n, precision, layer)) check_weight_order(n, layer, before, behind, argmax);
  if (first && !REAL_TENSOR_CORES) check_first_weight_order(n, behind, argmax);
  if (layer) {
    int64_t all = n->t.batch * pixels * c->in_channels;
    float *out = get_floats(n->t.conv[layer - 1].gradient, all);
    check(n, "data's gradient", precision, out, &dx); /* the loop's padding is zero */
    if (is_tensor(n, precision, layer)) check_data_order(n, layer, behind, argmax, out);
    for (int64_t i = 0; i < data; i++)
      if (i % c->in_channels >= inputs) check_zero(n, "data's gradient", out[i]);
    assert_poisoned(out + data, (all - data) * (int64_t)sizeof *out, "data's gradient");
    free(out);
  }
  wanted_free(&dx);
  wanted_free(&dw);
  free(gradient);
  free(before);
  free(behind);
  free(argmax);
}

static void first_backward_case(struct net *n, struct rng *r, int precision)
{
  if (is_first_tensor_gradient(n, precision, 0)) meet_first(&n->t.conv[0], &n->t.gradient_patch);
  backward_case(n, r, precision, 0);
}

static void first_backward_of_any_case(struct net *n, struct rng *r, int precision)
{
  n->t.patches = 0;
  backward_case(n, r, precision, 0);
}

static void later_backward_case(struct net *n, struct rng *r, int precision)
{
  backward_case(n, r, precision, draw(r, 1, n->t.layers - 1));
}

static void the_first_convolution_is_that_of_a_loop(void **state)
{
  (void)state;
  memset(&first_met, 0, sizeof first_met);
  sweep(first_forward_case, one_layer, PRECISION_TF32 + 1);
  for (int i = 0; i < 16; i++) assert_true(first_met.of[i / 8][i / 4 % 2][i % 4] > 0);
}
static void the_first_convolution_of_large_images_is_that_of_a_loop(void **state)
{
  (void)state;
  memset(&first_met, 0, sizeof first_met);
  sweep(first_forward_case, large_images, PRECISION_TF32 + 1);
  assert_true(first_met.strips > 0 && first_met.bands > 0 && first_met.filters > 0);
}
static void the_first_convolution_of_any_shape_is_that_of_a_loop(void **state)
{
  (void)state;
  sweep(first_forward_of_any_case, one_layer, PRECISION_TF32 + 1);
}
static void later_convolutions_are_those_of_a_loop(void **state)
{
  (void)state;
  sweep(later_forward_case, two_layers, PRECISION_TF32 + 1);
}
static void gradients_of_the_first_convolution_are_those_of_a_loop(void **state)
{
  (void)state;
  memset(&first_met, 0, sizeof first_met);
  sweep(first_backward_case, one_layer, PRECISION_TF32 + 1);
  for (int i = 0; i < 16; i++) assert_true(first_met.of[i / 8][i / 4 % 2][i % 4] > 0);
}
static void gradients_of_the_first_convolution_of_large_images_are_those_of_a_loop(void **state)
{
  (void)state;
  memset(&first_met, 0, sizeof first_met);
  sweep(first_backward_case, large_images, PRECISION_TF32 + 1);
  assert_true(first_met.bands > 0 && first_met.filters > 0);
}
/* Of images of which no whole row of windows fits. */
static void gradients_of_the_first_convolution_in_strips_are_those_of_a_loop(void **state)
{
  (void)state;
  static const struct {
    int kernel, stride, channels, width, filters;
  } cases[] = {{5, 2, 4, 260, 12}, {5, 1, 3, 330, 40}, {3, 1, 4, 340, 16}, {3, 2, 1, 1300, 9}};
  uint64_t seed = first_seed();
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++, seed++) {
    struct network_config c = {.num_conv_layers = 1,
                               .learning_rate = 0.01,
                               .epochs = 1,
                               .stride = cases[i].stride,
                               .padding = i % 2 ? PADDING_SAME : PADDING_VALID,
                               .kernel = cases[i].kernel,
                               .num_fc_units = 10,
                               .batch_size = 3,
                               .model = {.filters = cases[i].filters, .momentum = 0.9}};
    struct net n = {.seed = seed, .count = 2};
    struct rng r = test_rng(seed);
    plan_make(&n.plan, &c, 11, cases[i].width, cases[i].channels, 5, STORED_IMAGES, 1);
    assert_true(n.plan.feasible);
    net_make(&n, &r);
    net_poison(&n);
    net_weights(&n, &r);
    assert_true(n.t.gradient_patch.strips > 1);
    backward_case(&n, &r, PRECISION_TF32, 0);
    net_destroy(&n);
  }
}
static void gradients_of_the_first_convolution_of_any_shape_are_those_of_a_loop(void **state)
{
  (void)state;
  sweep(first_backward_of_any_case, one_layer, PRECISION_FP32 + 1);
}
static void gradients_of_later_convolutions_are_those_of_a_loop(void **state)
{
  (void)state;
  sweep(later_backward_case, two_layers, PRECISION_TF32 + 1);
}

/* What the sweep of large shapes has met, of the gradients by the argmax byte. */
static struct {
  int cases, columns, weight_columns, rows, images, filters;
} pieces_met;

static void piece_backward_case(struct net *n, struct rng *r, int precision)
{
  int layer = draw(r, 1, n->t.layers - 1);
  const struct device_conv *c = &n->t.conv[layer];
  const struct device_pieces *p = &c->gradients;
  pieces_met.cases += p->data_rows > 0;
  pieces_met.columns += p->data_columns < c->pool_width;
  pieces_met.weight_columns += p->weight_columns < c->pool_width;
  pieces_met.rows += p->data_columns == c->pool_width && p->data_rows < c->pool_height;
  pieces_met.images += p->data_images > 1;
  pieces_met.filters += c->matrix.columns > 32;
  backward_case(n, r, precision, layer);
}

/* Wide maps, by columns and by rows; small ones, some together; filters that do not all fit. */
static void gradients_in_pieces_are_those_of_a_loop(void **state)
{
  (void)state;
  memset(&pieces_met, 0, sizeof pieces_met);
  sweep(piece_backward_case, large, PRECISION_FP32 + 1);
  print_message("%d of %d by the argmax byte: %d in columns, of weights %d, %d in rows, %d of images together\n",
                pieces_met.cases, LARGE_SHAPES, pieces_met.columns, pieces_met.weight_columns, pieces_met.rows,
                pieces_met.images);
  assert_true(pieces_met.cases == LARGE_SHAPES && pieces_met.columns > 0 && pieces_met.weight_columns > 0 &&
              pieces_met.rows > 0 && pieces_met.images > 0 && pieces_met.filters > 0);
}

/* Where a shape has kernels from patches and by the argmax byte, it goes by the tiles of any shape
 * all the same. */
static void only_tiles(struct net *n)
{
  for (int l = 1; l < n->t.layers; l++) {
    struct device_conv *c = &n->t.conv[l];
    memset(&c->forward, 0, sizeof c->forward);
    memset(&c->gradients, 0, sizeof c->gradients);
    memset(&c->tensor, 0, sizeof c->tensor);
  }
}
static void tile_forward_case(struct net *n, struct rng *r, int precision)
{
  only_tiles(n);
  later_forward_case(n, r, precision);
}
static void tile_backward_case(struct net *n, struct rng *r, int precision)
{
  only_tiles(n);
  later_backward_case(n, r, precision);
}
static void later_convolutions_by_tiles_are_those_of_a_loop(void **state)
{
  (void)state;
  sweep(tile_forward_case, fewer_layers, PRECISION_TF32 + 1);
}
static void gradients_of_later_convolutions_by_tiles_are_those_of_a_loop(void **state)
{
  (void)state;
  sweep(tile_backward_case, fewer_layers, PRECISION_TF32 + 1);
}

/* What the sweep of large shapes has met, of tensor cores. */
static struct {
  int cases, strips, data_strips, weight_strips, windows, filters;
} tensor_met;

static void tensor_case(struct net *n, struct rng *r, int precision)
{
  int layer = draw(r, 1, n->t.layers - 1);
  const struct device_tensor *p = &n->t.conv[layer].tensor;
  if (precision == PRECISION_FP32) return;
  tensor_met.cases += p->forward.rows > 0;
  tensor_met.strips += p->forward.strips > 1;
  tensor_met.data_strips += p->data.strips > 1;
  tensor_met.weight_strips += p->weights.strips > 1;
  tensor_met.windows += p->weights.windows < 32 || p->forward.windows < (n->t.conv[layer].kernel == 3 ? 64 : 32);
  tensor_met.filters += n->t.conv[layer].matrix.columns > 32;
  forward_case(n, r, precision, layer);
  backward_case(n, r, precision, layer);
}

/* Wide maps, by strips; small ones, many together; more filters and channels than a block has. */
static void convolutions_by_tensor_cores_are_those_of_a_loop(void **state)
{
  (void)state;
  memset(&tensor_met, 0, sizeof tensor_met);
  sweep(tensor_case, larger, PRECISION_TF32 + 1);
  print_message("%d of %d by tensor cores: in strips %d, of the data %d, of weights %d; %d of fewer windows\n",
                tensor_met.cases, LARGE_SHAPES, tensor_met.strips, tensor_met.data_strips, tensor_met.weight_strips,
                tensor_met.windows);
  assert_true(tensor_met.cases == LARGE_SHAPES && tensor_met.strips > 0 && tensor_met.data_strips > 0 &&
              tensor_met.weight_strips > 0 && tensor_met.windows > 0 && tensor_met.filters > 0);
}

/* Two layers, the second one of that kernel and stride and of at least so many filters. */
static void net_of_two(struct net *n, struct rng *r, int kernel, int stride, int batch, int least_filters)
{
  const int side = stride == 1 ? draw(r, 20, 30) : draw(r, 50, 70);
  struct network_config config = {.num_conv_layers = 2,
                                  .epochs = 1,
                                  .stride = stride,
                                  .padding = draw(r, 0, 1) ? PADDING_SAME : PADDING_VALID,
                                  .kernel = kernel,
                                  .num_fc_units = 8,
                                  .batch_size = batch,
                                  .model = {.filters = draw(r, least_filters, 32 + least_filters), .momentum = 0.9}};
  plan_make(&n->plan, &config, side, side, 1, 10, STORED_IMAGES, 1);
  assert_true(n->plan.feasible);
  net_make(n, r);
  net_poison(n);
  net_weights(n, r);
}

/* Where trials have few blocks together these are twice as many, of threads with 4 filters instead
 * of 8; the sums are the same. */
static void threads_of_four_and_of_eight_filters_give_the_same_bits(void **state)
{
  (void)state;
  uint64_t seed = first_seed();
  for (int i = 0; i < 8; i++, seed++) {
    struct rng r = test_rng(seed);
    struct net n = {.seed = seed, .count = 2};
    const int kernel = i & 1 ? 5 : 3;
    net_of_two(&n, &r, kernel, i & 2 ? 2 : 1, 3, i & 4 ? 33 : 1);
    net_batch(&n, &r, DEVICE_EVALUATE);
    free(fill_map(&n, &r, 0, PRECISION_FP32));
    const struct device_conv *c = &n.t.conv[1];
    const struct device_patch *p = &c->forward;
    step_tiles *tiles = kernel == 3 ? step_tiles_forward_3 : step_tiles_forward_5;
    const int most = kernel == 3 ? 32 : 64, all = kernel == 3 ? 256 : 128, columns = (c->matrix.columns + 31) / 32;
    const int across = (c->pool_width + p->columns - 1) / p->columns * p->columns;
    const int windows = n.t.batch * c->pool_height * across;
    const int few = p->windows > most / 2 ? most / 2 : p->windows, usual = (windows + p->windows - 1) / p->windows;
    const int full = all / columns * p->windows / windows; /* so many trials have few together */
    const int64_t floats = n.count * map_floats(&n.t, 1);
    const int together[] = {1, full, full + 1, MANY_TOGETHER};
    float *map[4];
    for (int k = 0; k < 4; k++) {
      n.t.together = together[k];
      assert_int_equal(tiles(&n.t, 1), (k < 2 ? (windows + few - 1) / few : usual) * columns);
      assert_int_equal(cudaMemset(c->map, 0xff, (size_t)floats * sizeof(float)), cudaSuccess);
      layer_run_alone(&n, PRECISION_FP32, FIRST_LAYER_FIRST, 1);
      map[k] = get_floats(c->map, floats);
      assert_memory_equal(map[0], map[k], (size_t)floats * sizeof(float));
    }
    for (int k = 0; k < 4; k++) free(map[k]);
    net_destroy(&n);
  }
}

/* The same of the gradients by the argmax byte: blocks of 8 filters of the weights' gradient, and
 * of fewer images of the data's. */
static void gradients_of_few_trials_have_the_bits_of_those_of_many(void **state)
{
  (void)state;
  uint64_t seed = first_seed();
  int images_met = 0;
  for (int i = 0; i < 16; i++, seed++) {
    struct rng r = test_rng(seed);
    struct net n = {.seed = seed, .count = 3};
    const int kernel = i & 1 ? 5 : 3;
    net_of_two(&n, &r, kernel, i & 2 ? 2 : 1, 4, i & 4 ? 33 : 17);
    net_batch(&n, &r, DEVICE_TRAIN);
    const struct device_conv *c = &n.t.conv[1];
    free(fill_map(&n, &r, 0, PRECISION_FP32));
    free(fill(&n, &r, c->gradient, area_of(c), c->matrix.columns, c->filters, true));
    const int64_t used = n.count * map_floats(&n.t, 1), pixels = n.count * map_floats(&n.t, 0);
    const int64_t floats = c->matrix.splits * matrix_floats(&c->matrix);
    uint8_t *argmax = malloc((size_t)used);
    for (int64_t j = 0; j < used; j++)
      argmax[j] = (uint8_t)(j % c->matrix.columns < c->filters ? draw(&r, 0, 4) : DEVICE_POOL_MASKED);
    put(c->argmax, argmax, used);
    step_tiles *weight_tiles = kernel == 3 ? step_tiles_weight_gradient_3 : step_tiles_weight_gradient_5;
    step_tiles *data_tiles = kernel == 3 ? step_tiles_data_gradient_3 : step_tiles_data_gradient_5;
    const int columns = c->matrix.columns, inputs = (c->in_channels + 31) / 32, of_many = kernel == 3 ? 32 : 16;
    const int usual = c->matrix.splits * inputs * ((columns + of_many - 1) / of_many), full = 64 / usual; /* as above */
    const int together[] = {1, full, full + 1, MANY_TOGETHER};
    float *parts[4], *data[4];
    images_met += c->gradients.data_images > 1;
    for (int k = 0; k < 4; k++) {
      n.t.together = together[k];
      assert_int_equal(weight_tiles(&n.t, 1), k < 2 ? c->matrix.splits * inputs * (columns / 8) : usual);
      if (k == 0) assert_int_equal(data_tiles(&n.t, 1) % (n.t.batch * inputs), 0);
      if (k == 3) assert_true(c->gradients.data_images == 1 || data_tiles(&n.t, 1) < n.t.batch * inputs);
      assert_int_equal(cudaMemset(n.t.partial + c->matrix.partial, 0xff, (size_t)floats * sizeof(float)), cudaSuccess);
      assert_int_equal(cudaMemset(n.t.conv[0].gradient, 0xff, (size_t)pixels * sizeof(float)), cudaSuccess);
      layer_run_alone(&n, PRECISION_FP32, LAST_LAYER_FIRST, 1);
      parts[k] = get_floats(n.t.partial + c->matrix.partial, floats);
      data[k] = get_floats(n.t.conv[0].gradient, pixels);
      assert_memory_equal(parts[0], parts[k], (size_t)floats * sizeof(float));
      assert_memory_equal(data[0], data[k], (size_t)pixels * sizeof(float));
    }
    for (int k = 0; k < 4; k++) free(parts[k]), free(data[k]);
    free(argmax);
    net_destroy(&n);
  }
  assert_true(images_met > 0);
}

/* ---- less shared memory ---------------------------------------------------------------------- */

/* A sum of a forward kernel is one chain, whatever the windows of a block and the strips of a map
 * are: what blocks have room for changes no bit. */
static void maps_have_the_same_bits_whatever_a_block_has_room_for(void **state)
{
  (void)state;
  uint64_t seed = first_seed();
  int others = 0;
  if (shared_of_the_device() == DEVICE_SHARED_SMALL) skip(); /* it has no room for the others */
  for (int i = 0; i < 8; i++, seed++) {
    struct rng r = test_rng(seed);
    struct net n = {.seed = seed, .count = 2};
    const int precision = i & 1, kernel = precision == PRECISION_TF32 ? 3 : 5, stride = i & 2 ? 2 : 1;
    struct network_config config = {.num_conv_layers = 2,
                                    .epochs = 1,
                                    .stride = stride,
                                    .padding = PADDING_SAME,
                                    .kernel = kernel,
                                    .num_fc_units = 8,
                                    .batch_size = 2,
                                    .model = {.filters = draw(&r, 25, 64), .momentum = 0.9}};
    plan_make(&n.plan, &config, stride * draw(&r, 30, 60), stride * draw(&r, 60, 150), 1, 10, STORED_IMAGES, 1);
    assert_true(n.plan.feasible);
    net_make(&n, &r);
    net_poison(&n);
    net_weights(&n, &r);
    net_batch(&n, &r, DEVICE_EVALUATE);
    free(fill_map(&n, &r, 0, (enum precision)precision));
    struct device_conv *c = &n.t.conv[1];
    const struct device_conv usual = *c;
    const int64_t floats = n.count * map_floats(&n.t, 1);
    layer_run_alone(&n, precision, FIRST_LAYER_FIRST, 1);
    float *first = get_floats(c->map, floats);
    c->shared = DEVICE_SHARED_SMALL;
    conv2d_divisors(c);
    others += precision == PRECISION_TF32
                  ? c->tensor.forward.windows != usual.tensor.forward.windows ||
                        c->tensor.forward.columns != usual.tensor.forward.columns
                  : c->forward.windows != usual.forward.windows || c->forward.columns != usual.forward.columns;
    assert_int_equal(cudaMemset(c->map, 0xff, (size_t)floats * sizeof(float)), cudaSuccess);
    arrived();
    layer_run_alone(&n, precision, FIRST_LAYER_FIRST, 1);
    float *second = get_floats(c->map, floats);
    assert_memory_equal(first, second, (size_t)floats * sizeof(float));
    free(first);
    free(second);
    net_destroy(&n);
  }
  assert_true(others >= 4);
}

/* Of any shape: the same kernels, parts of gradients and memory. */
static void less_shared_memory_is_enough_for_whatever_more_is(void **state)
{
  (void)state;
  int others = 0;
  for (int i = 0; i < 8; i++)
    for (int width = 5; width < 260; width += 5)
      for (int height = 5; height < 260; height += 17) {
        struct network_config config = {.num_conv_layers = 2,
                                        .learning_rate = 0.01,
                                        .epochs = 1,
                                        .stride = i & 1 ? 2 : 1,
                                        .padding = i & 2 ? PADDING_SAME : PADDING_VALID,
                                        .kernel = i & 4 ? 5 : 3,
                                        .num_fc_units = 10,
                                        .batch_size = 32,
                                        .model = {.filters = 32, .momentum = 0.9}};
        struct plan p;
        struct device_trial most, least;
        plan_make(&p, &config, height, width, 1, 10, 1000, 0);
        if (!p.feasible) continue;
        int64_t bytes = device_network_make(&most, &p, 0, DEVICE_SHARED_LARGE);
        assert_int_equal(device_network_make(&least, &p, 0, DEVICE_SHARED_SMALL), bytes);
        const struct device_conv *m = &most.conv[1], *l = &least.conv[1];
        assert_int_equal(l->matrix.splits, m->matrix.splits);
        assert_true(m->forward.windows > 0 && l->forward.windows > 0);
        assert_true(m->gradients.data_rows > 0 && l->gradients.data_rows > 0);
        assert_true(m->tensor.forward.rows > 0 && l->tensor.forward.rows > 0);
        others += m->gradients.data_rows != l->gradients.data_rows;
      }
  assert_true(others > 0);
}

/* ---- dense layers ---------------------------------------------------------------------------- */

/* Each chunk of the depth by itself; in FP32 a chain of fmaf over its features in order. */
static void check_chunks(const struct net *n, int precision, const float *map)
{
  const struct device_trial *t = &n->t;
  const struct device_matrix *m = &t->dense[0];
  int64_t all = (int64_t)t->batch * m->columns, used = (int64_t)n->count * m->columns;
  assert_true(t->dense_chunks >= 1 && (t->dense_chunks - 1) * t->dense_chunk < m->rows);
  assert_true(t->dense_chunks * t->dense_chunk >= m->rows);
  float *sums = get_floats(t->dense_sums, t->dense_chunks * all);
  for (int c = 0; c < t->dense_chunks; c++) {
    struct wanted w = wanted_make(used, t->dense_chunk);
    const float *got = sums + c * all;
    for (int64_t i = 0; i < used; i++) {
      int unit = (int)(i % m->columns), image = (int)(i / m->columns);
      float chain = 0;
      for (int k = c * t->dense_chunk; k < (c + 1) * t->dense_chunk && k < m->rows; k++) {
        float x = map[(int64_t)image * m->rows + k], weight = weight_at(n, t->layers, k, unit);
        add(&w, i, 1, x, weight, precision == PRECISION_TF32);
        chain = fmaf(x, weight, chain);
      }
      if (unit >= t->units) check_zero(n, "a chunk's sums", got[i]);
      if (precision == PRECISION_FP32) check_bits(n, "a chunk's sums", i, got[i], chain);
    }
    check(n, "a chunk's sums", precision, got, &w);
    assert_poisoned(got + used, (all - used) * (int64_t)sizeof *got, "a chunk's sums");
    wanted_free(&w);
  }
  free(sums);
}

/* hidden = dropout(ReLU(map · W0 + b0)). */
static void dense_case(struct net *n, struct rng *r, int precision)
{
  const struct device_matrix *m = &n->t.dense[0];
  const int round = precision == PRECISION_TF32, layer = n->t.layers;
  net_batch(n, r, draw(r, 0, 1) ? DEVICE_TRAIN : DEVICE_EVALUATE);
  struct device_state s = net_state(n);
  float *map = fill_map(n, r, layer - 1, PRECISION_FP32);
  stage_run_alone(n, precision, step_dense, 0);
  if (net_has_head(n)) {
    check_chunks(n, precision, map);
    stage_run_alone(n, precision, step_loss, 0);
  }
  int64_t all = (int64_t)n->t.batch * m->columns, used = (int64_t)n->count * m->columns;
  float *hidden = get_floats(n->t.hidden, all);
  struct wanted w = wanted_make(used, n->plan.features + 1);
  for (int64_t i = 0; i < used; i++) {
    int unit = (int)(i % m->columns), image = (int)(i / m->columns);
    if (unit >= n->t.units) {
      check_zero(n, "hidden", hidden[i]);
      continue;
    }
    double scale = s.phase == DEVICE_TRAIN ? kept(n, 1, s.step, image, n->t.units, unit) : 1;
    float bias = weight_at(n, layer, m->rows, unit);
    set(&w, i, scale * bias, scale * bias);
    for (int k = 0; k < m->rows; k++)
      add(&w, i, scale, map[(int64_t)image * m->rows + k], weight_at(n, layer, k, unit), round);
    if (scale == 0) assert_true(hidden[i] == 0);
    w.exact[i] = fmax(w.exact[i], 0);
    w.unrounded[i] = fmax(w.unrounded[i], 0);
  }
  check(n, "hidden", precision, hidden, &w);
  assert_poisoned(hidden + used, (all - used) * (int64_t)sizeof *hidden, "hidden");
  wanted_free(&w);
  free(map);
  free(hidden);
}

/* Gradients of dense layer `which`, x · W + b: of x where x > 0, and of the weights.  In FP32 those
 * of one part are chains of fmaf, over the outputs or over the images. */
static void check_dense_gradients(const struct net *n, int precision, int which, const float *x, const float *dy)
{
  const struct device_matrix *m = &n->t.dense[which];
  const struct device_conv *last = &n->t.conv[n->t.layers - 1];
  const int round = precision == PRECISION_TF32, layer = n->t.layers + which;
  const int outputs = which ? n->t.classes : n->t.units;
  int64_t all = (int64_t)n->t.batch * m->rows, used = (int64_t)n->count * m->rows;
  double scale = n->plan.config.dropout_rate > 0 ? 1 / (1 - n->plan.config.dropout_rate) : 1;
  struct wanted dx = wanted_make(used, outputs), dw = wanted_make(matrix_floats(m), n->count);
  for (int image = 0; image < n->count; image++)
    for (int column = 0; column < outputs; column++) {
      float g = dy[(int64_t)image * m->columns + column];
      for (int row = 0; row <= m->rows; row++) {
        int64_t at = (int64_t)image * m->rows + row;
        float value = row < m->rows ? x[at] : 1;
        add(&dw, (int64_t)row * m->columns + column, 1, value, g, round);
        if (row < m->rows && value > 0) add(&dx, at, scale, weight_at(n, layer, row, column), g, round);
      }
    }
  float *gradient = gradient_of(n, layer), *out = get_floats(which ? n->t.hidden_gradient : last->gradient, all);
  check(n, "weights' gradient", precision, gradient, &dw);
  check(n, "data's gradient", precision, out, &dx);
  for (int64_t i = 0; i < used; i++) {
    bool padding = which ? i % m->rows >= n->t.units : i % last->matrix.columns >= last->filters;
    if (padding) check_zero(n, "data's gradient", out[i]);
    float chain = 0;
    for (int column = 0; column < outputs; column++)
      chain = fmaf(dy[i / m->rows * m->columns + column], weight_at(n, layer, (int)(i % m->rows), column), chain);
    bool chained = precision == PRECISION_FP32 && !(which && net_has_head(n));
    if (chained) check_bits(n, "data's gradient", i, out[i], x[i] > 0 ? chain * n->t.dropout_scale : 0);
  }
  for (int64_t i = 0; i < matrix_floats(m) && m->splits == 1 && precision == PRECISION_FP32; i++) {
    float chain = 0;
    for (int image = 0; image < n->count; image++) {
      float value = i / m->columns < m->rows ? x[(int64_t)image * m->rows + i / m->columns] : 1;
      chain = fmaf(value, dy[(int64_t)image * m->columns + i % m->columns], chain);
    }
    check_bits(n, "weights' gradient", i, gradient[i], chain);
  }
  assert_poisoned(out + used, (all - used) * (int64_t)sizeof *out, "data's gradient");
  wanted_free(&dx);
  wanted_free(&dw);
  free(gradient);
  free(out);
}

static void dense_backward_case(struct net *n, struct rng *r, int precision, int which)
{
  const struct device_matrix *m = &n->t.dense[which];
  const int outputs = which ? n->t.classes : n->t.units;
  net_batch(n, r, DEVICE_TRAIN);
  float *x = which ? fill_activations(n, r, n->t.hidden, 1, m->rows, n->t.units, false)
                   : fill_map(n, r, n->t.layers - 1, PRECISION_FP32);
  float *dy = fill(n, r, which ? n->t.logits : n->t.hidden_gradient, 1, m->columns, outputs, false);
  stage_run_alone(n, precision, which ? step_loss_backward : step_dense_backward, 0);
  check_dense_gradients(n, precision, which, x, dy);
  free(x);
  free(dy);
}

static void second_backward_case(struct net *n, struct rng *r, int precision)
{
  dense_backward_case(n, r, precision, 1);
}

static void first_dense_backward_case(struct net *n, struct rng *r, int precision)
{
  dense_backward_case(n, r, precision, 0);
}

/* ---- loss ------------------------------------------------------------------------------------ */

/* Random sums of the chunks → hidden units: ((bias + chunk 0) + chunk 1) + ..., ReLU, dropout, to
 * the last bit.  Runs the stage; returns the hidden units that the device has. */
static float *hidden_from_chunks(const struct net *n, struct rng *r, int precision)
{
  const struct device_trial *t = &n->t;
  int64_t all = (int64_t)t->batch * t->padded_units, used = (int64_t)n->count * t->padded_units;
  float **chunk = malloc((size_t)t->dense_chunks * sizeof *chunk);
  for (int c = 0; c < t->dense_chunks; c++)
    chunk[c] = fill(n, r, t->dense_sums + c * all, 1, t->padded_units, t->units, false);
  stage_run_alone(n, precision, step_loss, 0);
  struct device_state s = net_state(n);
  float *hidden = get_floats(t->hidden, all);
  for (int64_t i = 0; i < used; i++) {
    int unit = (int)(i % t->padded_units), image = (int)(i / t->padded_units);
    float sum = weight_at(n, t->layers, t->dense[0].rows, unit);
    for (int c = 0; c < t->dense_chunks; c++) sum += chunk[c][i];
    if (sum < 0) sum = 0;
    if (s.phase == DEVICE_TRAIN && unit < t->units)
      sum = kept(n, 1, s.step, image, t->units, unit) > 0 ? sum * t->dropout_scale : 0;
    check_bits(n, "hidden", i, hidden[i], sum);
  }
  assert_poisoned(hidden + used, (all - used) * (int64_t)sizeof *hidden, "hidden");
  for (int c = 0; c < t->dense_chunks; c++) free(chunk[c]);
  free(chunk);
  return hidden;
}

/* Logits, the images' losses and hits, and while training the logits' gradient; where the network
 * has a head, what that begins with, hidden, and what it ends with, the gradients of the layer. */
static void loss_case(struct net *n, struct rng *r, int precision)
{
  const struct device_matrix *m = &n->t.dense[1];
  const int layer = n->t.layers + 1, classes = n->t.classes;
  net_batch(n, r, draw(r, 0, 1) ? DEVICE_TRAIN : DEVICE_EVALUATE);
  bool training = net_state(n).phase == DEVICE_TRAIN;
  float *hidden;
  if (net_has_head(n)) {
    hidden = hidden_from_chunks(n, r, precision);
  } else {
    hidden = fill_activations(n, r, n->t.hidden, 1, m->rows, n->t.units, false);
    stage_run_alone(n, precision, step_loss, 0);
  }
  int64_t all = (int64_t)n->t.batch * m->columns, used = (int64_t)n->count * m->columns;
  float *logits = get_floats(n->t.logits, all), *losses = get_floats(n->t.losses, n->t.batch);
  int32_t *hits = get(n->t.hits, n->t.batch * (int64_t)sizeof *hits);
  int32_t *taken = training ? NULL : get(n->t.best, n->t.batch * (int64_t)sizeof *taken);
  struct wanted out = wanted_make(used, n->t.units + classes), loss = wanted_make(n->count, n->t.units + classes);
  for (int image = 0; image < n->count; image++) {
    double z[128], total = 0;
    int label = n->labels[n->rows[image]], best = 0;
    for (int k = 0; k < classes; k++) {
      z[k] = weight_at(n, layer, m->rows, k);
      for (int u = 0; u < n->t.units; u++)
        z[k] += (double)hidden[(int64_t)image * m->rows + u] * weight_at(n, layer, u, k);
      if (z[k] > z[best]) best = k;
    }
    double lead = INFINITY; /* of the best class over the next one */
    for (int k = 0; k < classes; k++) {
      total += exp(z[k] - z[best]);
      if (k != best) lead = fmin(lead, z[best] - z[k]);
    }
    if (n->whole || lead > 1e-5) assert_int_equal(hits[image], best == label);
    if (taken && (n->whole || lead > 1e-5)) assert_int_equal(taken[image], best);
    set(&loss, image, log(total) - (z[label] - z[best]), 1 + fabs(z[label]) + fabs(z[best]));
    for (int k = 0; k < m->columns; k++) {
      int64_t at = (int64_t)image * m->columns + k;
      double p = k < classes ? exp(z[k] - z[best]) / total : 0, wrong = p - (k == label);
      if (k >= classes)
        check_zero(n, "logits", logits[at]);
      else if (training)
        set(&out, at, wrong / n->count, hypot(p, k == label) / n->count);
      else
        set(&out, at, z[k], 0);
    }
  }
  bool whole = n->whole;
  n->whole = whole && !training; /* logits are sums; nothing is exact behind an exponential */
  check(n, training ? "logits' gradient" : "logits", precision, logits, &out);
  n->whole = false;
  check(n, "losses", precision, losses, &loss);
  if (training && net_has_head(n)) check_dense_gradients(n, precision, 1, hidden, logits);
  n->whole = whole;
  assert_poisoned(logits + used, (all - used) * (int64_t)sizeof *logits, "logits");
  assert_poisoned(losses + n->count, (n->t.batch - n->count) * (int64_t)sizeof *losses, "losses");
  assert_poisoned(hits + n->count, (n->t.batch - n->count) * (int64_t)sizeof *hits, "hits");
  wanted_free(&out);
  wanted_free(&loss);
  free(hidden);
  free(logits);
  free(losses);
  free(hits);
  free(taken);
}

static void the_first_dense_layer_is_that_of_a_loop(void **state)
{
  (void)state;
  sweep(dense_case, one_layer, PRECISION_TF32 + 1);
}
static void the_first_dense_layer_before_many_classes_is_that_of_a_loop(void **state)
{
  (void)state;
  sweep(dense_case, many_classes, PRECISION_TF32 + 1);
}
static void losses_hits_and_their_gradient_are_those_of_a_loop(void **state)
{
  (void)state;
  sweep(loss_case, one_layer, PRECISION_FP32 + 1);
}
static void losses_of_many_classes_are_those_of_a_loop(void **state)
{
  (void)state;
  sweep(loss_case, many_classes, PRECISION_FP32 + 1);
}
static void gradients_of_a_second_dense_layer_of_many_classes_are_those_of_a_loop(void **state)
{
  (void)state;
  sweep(second_backward_case, many_classes, PRECISION_TF32 + 1);
}
static void gradients_of_the_first_dense_layer_are_those_of_a_loop(void **state)
{
  (void)state;
  sweep(first_dense_backward_case, one_layer, PRECISION_TF32 + 1);
}

/* ---- optimiser ------------------------------------------------------------------------------- */

/* β as floats are.  Parts, moments, weights (every third network's are zero, so that the step
 * itself is seen) → weights and moments. */
static void optimizer_case(struct net *n, struct rng *r, int precision)
{
  const struct device_trial *t = &n->t;
  const double beta1 = 0.9f, beta2 = 0.999f;
  int64_t parameters = t->parameters, bytes = parameters * (int64_t)sizeof(float);
  net_batch(n, r, DEVICE_TRAIN);
  struct device_state s = net_state(n);
  s.step = draw(r, 0, 3) ? draw(r, 0, 20) : draw(r, 0, 100000);
  s.beta1_power = pow(0.9, (double)s.step + 1);
  s.beta2_power = pow(0.999, (double)s.step + 1);
  adam_corrections(&s);
  put(t->state, &s, sizeof s);
  if (draw(r, 0, 2) == 0) {
    memset(n->weights, 0, (size_t)bytes);
    put(t->weights, n->weights, bytes);
  }
  float *partial = malloc((size_t)partial_floats(t) * sizeof *partial), *first = calloc(1, (size_t)bytes),
        *second = calloc(1, (size_t)bytes);
  struct wanted w = wanted_make(parameters, 4), m = wanted_make(parameters, 4), v = wanted_make(parameters, 4);
  for (int l = 0; l < t->layers + 2; l++) {
    const struct device_matrix *matrix = layer_matrix(t, l);
    int64_t size = matrix_floats(matrix);
    if (matrix->splits + 4 > w.terms) w.terms = m.terms = v.terms = matrix->splits + 4;
    for (int64_t i = 0; i < size; i++) {
      bool padding = layer_element(t, l, (int)(i / matrix->columns), (int)(i % matrix->columns)) < 0;
      int64_t at = matrix->weight + i;
      double g = 0, terms = 0;
      first[at] = padding ? 0 : 0.1f * draw_value(r, false);
      second[at] = padding ? 0 : 0.1f * draw_value(r, false);
      if (t->adam && !padding) second[at] = 0.001f + second[at] * second[at]; /* the root of nearly 0 is all rounding */
      for (int k = 0; k < matrix->splits; k++) {
        float x = padding ? 0 : draw_value(r, false);
        partial[matrix->partial + k * size + i] = x;
        g += x;
        terms = hypot(terms, x);
      }
      if (t->adam) {
        double a = beta1 * first[at] + (1 - beta1) * g, b = beta2 * second[at] + (1 - beta2) * g * g;
        double step = 0.01 * (a / (1 - s.beta1_power)) / (sqrt(b / (1 - s.beta2_power)) + 1e-8);
        set(&m, at, a, 0.9 * fabs(first[at]) + 0.1 * terms);
        set(&v, at, b, 0);
        set(&w, at, n->weights[at] - step, 0);
      } else {
        double velocity = 0.9 * second[at] + g;
        set(&v, at, velocity, terms);
        set(&w, at, n->weights[at] - 0.01 * velocity, 0);
      }
    }
  }
  put(t->partial, partial, partial_floats(t) * (int64_t)sizeof *partial);
  put(t->moment2, second, bytes);
  if (t->adam) put(t->moment1, first, bytes);
  stage_run_alone(n, precision, step_optimizer, 0);
  n->whole = false;
  float *weights = get_floats(t->weights, parameters), *moment2 = get_floats(t->moment2, parameters);
  check(n, "weights", precision, weights, &w);
  check(n, "second moment", precision, moment2, &v);
  float *moment1 = t->adam ? get_floats(t->moment1, parameters) : NULL;
  if (t->adam) check(n, "first moment", precision, moment1, &m);
  for (int l = 0; l < t->layers + 2; l++)
    for (int64_t i = 0; i < matrix_floats(layer_matrix(t, l)); i++) {
      const struct device_matrix *matrix = layer_matrix(t, l);
      if (layer_element(t, l, (int)(i / matrix->columns), (int)(i % matrix->columns)) >= 0) continue;
      check_zero(n, "weights", weights[matrix->weight + i]);
      check_zero(n, "second moment", moment2[matrix->weight + i]);
      if (moment1) check_zero(n, "first moment", moment1[matrix->weight + i]);
    }
  wanted_free(&w);
  wanted_free(&m);
  wanted_free(&v);
  free(partial);
  free(first);
  free(second);
  free(weights);
  free(moment1);
  free(moment2);
}

static void optimisers_are_those_of_a_loop(void **state)
{
  (void)state;
  sweep(optimizer_case, one_layer, PRECISION_FP32 + 1);
}

/* The order in which the optimiser adds `parts` floats that are `apart` from each other: one group
 * of threads for 8 parts, 16 groups at most, a run of neighbouring parts each; then the runs. */
static float added(const float *x, int64_t apart, int parts)
{
  int groups = 1;
  while (groups < 16 && parts > 8 * groups) groups *= 2;
  int run = (parts + groups - 1) / groups;
  float sum = 0;
  for (int g = 0; g < groups; g++) {
    float of_run = 0;
    for (int s = g * run; s < (g + 1) * run && s < parts; s++) of_run += x[s * apart];
    sum = g == 0 ? of_run : sum + of_run;
  }
  return sum;
}

/* SGD's velocity from a moment of zero is the gradient: its bits are those of the sum in the order
 * that is said.  A layer has `parts` parts, the one after it one more, and so on. */
static void parts_added(struct net *n, struct rng *r, int parts)
{
  struct device_trial *t = &n->t;
  int64_t bytes = t->parameters * (int64_t)sizeof(float), floats = 0;
  net_batch(n, r, DEVICE_TRAIN);
  for (int l = 0; l < t->layers + 2; l++) {
    struct device_matrix *m = (struct device_matrix *)layer_matrix(t, l);
    m->splits = parts + l;
    m->partial = floats;
    floats += m->splits * matrix_floats(m);
  }
  optimizer_updates(t);
  float *partial = malloc((size_t)floats * sizeof *partial), *own = t->partial;
  for (int64_t i = 0; i < floats; i++) partial[i] = draw_value(r, false);
  t->partial = device_memory(partial, (size_t)floats * sizeof *partial);
  assert_int_equal(cudaMemset(t->moment2, 0, (size_t)bytes), cudaSuccess);
  arrived();
  stage_run_alone(n, PRECISION_FP32, step_optimizer, 0);
  float *velocity = get_floats(t->moment2, t->parameters), *weights = get_floats(t->weights, t->parameters);
  for (int l = 0; l < t->layers + 2; l++) {
    const struct device_matrix *m = layer_matrix(t, l);
    for (int64_t i = 0; i < matrix_floats(m); i++) {
      float want = added(partial + m->partial + i, matrix_floats(m), m->splits), got = velocity[m->weight + i];
      float w = n->weights[m->weight + i];
      if (got != want)
        fail_msg("%d parts, layer %d, %ld of %ld: %.9g, not %.9g\n%s", m->splits, l, (long)i, (long)matrix_floats(m),
                 got, want, net_text(n));
      if (!(fabsf(weights[m->weight + i] - (w - 0.01f * want)) <= 1e-6f * (1 + fabsf(w) + fabsf(want))))
        fail_msg("%d parts, layer %d, %ld: weight %.9g\n%s", m->splits, l, (long)i, weights[m->weight + i],
                 net_text(n));
    }
  }
  assert_int_equal(cudaFree(t->partial), cudaSuccess);
  t->partial = own;
  free(partial);
  free(velocity);
  free(weights);
}

/* As many parts as a thread has in flight and around it, runs that are not full, more parts than
 * all groups have in flight; layers of one block to many, the last block's quads fewer than its
 * threads. */
static void parts_of_gradients_are_added_in_the_order_that_is_said(void **state)
{
  (void)state;
  static const int parts[] = {1, 7, 8, 9, 16, 17, 49, 64, 65, 128, 129, 1024};
  uint64_t seed = first_seed();
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
    for (int k = 0; k < 3; seed++) {
      struct rng r = test_rng(seed);
      struct net n;
      net_random(&n, &r, seed, (struct net_limits){.least_layers = 1, .flops = 3e6});
      bool fits = !n.t.adam && n.t.parameters * (int64_t)parts[i] < 4000000;
      if (fits) {
        net_weights(&n, &r);
        parts_added(&n, &r, parts[i]);
        k++;
      }
      net_destroy(&n);
    }
}

/* ---- divisions ------------------------------------------------------------------------------- */

static void divisors_divide_exactly(void **state)
{
  (void)state;
  struct rng r = test_rng(first_seed());
  for (int i = 0; i < 20000; i++) {
    uint32_t by = i < 1000 ? (uint32_t)i + 1 : 1 + (rng_word(&r) >> draw(&r, 2, 31));
    struct device_conv c = {.pool_height = 1, .pool_width = (int)by, .in_channels = 1, .kernel = 1, .stride = 1};
    c.matrix.columns = 8;
    conv2d_divisors(&c);
    uint32_t multiple = (0x7fffffffu - 1) / by * by;
    const uint32_t n[] = {0, by - 1, by, multiple - 1, multiple, 0x7fffffffu, rng_word(&r) >> draw(&r, 1, 30)};
    for (size_t k = 0; k < sizeof n / sizeof *n; k++) {
      uint32_t high = (uint32_t)((uint64_t)n[k] * c.by_width.multiplier >> 32);
      assert_int_equal((high + n[k]) >> c.by_width.shift, n[k] / by);
    }
  }
}

/* ---- parts ----------------------------------------------------------------------------------- */

/* Each part of the first layer's gradient is memory, and read by the optimiser: as many as images,
 * at most 128, of small maps fewer; the trial's memory has room for just these. */
static void parts_of_the_first_gradient_are_images(void **state)
{
  (void)state;
  static const struct {
    int side, channels, batch, parts;
  } cases[] = {{28, 1, 32, 32},   {64, 3, 128, 128}, {64, 3, 256, 128},
               {28, 1, 200, 100}, {28, 1, 1, 1},     {10, 1, 32, 11}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct network_config c = {.num_conv_layers = 1,
                               .learning_rate = 0.01,
                               .epochs = 1,
                               .stride = 1,
                               .padding = PADDING_SAME,
                               .kernel = 3,
                               .num_fc_units = 10,
                               .batch_size = cases[i].batch,
                               .model = {.filters = 32, .momentum = 0.9}};
    struct plan p;
    struct device_trial t;
    plan_make(&p, &c, cases[i].side, cases[i].side, cases[i].channels, 10, 1000, 0);
    assert_true(device_network_make(&t, &p, 0, DEVICE_SHARED_LARGE) > 0);
    assert_int_equal(t.conv[0].matrix.splits, cases[i].parts);
    struct device_piece pieces[DEVICE_PIECES_MAX];
    int n = device_pieces(&t, pieces);
    int64_t bytes = 0;
    for (int k = 0; k < n; k++)
      if (pieces[k].at == (void **)&t.partial) bytes = pieces[k].bytes;
    assert_int_equal(bytes, partial_floats(&t) * (int64_t)sizeof(float));
  }
}

#define TEST_ON_A_CARD(name)                                                                                           \
  {                                                                                                                    \
#name "_on_a_card_with_less_shared_memory", name, fresh_card, NULL, NULL                                           \
  }

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup(the_first_convolution_is_that_of_a_loop, fresh_machine),
      cmocka_unit_test_setup(the_first_convolution_of_large_images_is_that_of_a_loop, fresh_machine),
      cmocka_unit_test_setup(the_first_convolution_of_any_shape_is_that_of_a_loop, fresh_machine),
      cmocka_unit_test_setup(later_convolutions_are_those_of_a_loop, fresh_machine),
      cmocka_unit_test_setup(convolutions_from_patches_are_those_of_a_loop, fresh_machine),
      cmocka_unit_test_setup(later_convolutions_by_tiles_are_those_of_a_loop, fresh_machine),
      cmocka_unit_test_setup(gradients_of_later_convolutions_by_tiles_are_those_of_a_loop, fresh_machine),
      cmocka_unit_test_setup(convolutions_by_tensor_cores_are_those_of_a_loop, fresh_machine),
      cmocka_unit_test_setup(threads_of_four_and_of_eight_filters_give_the_same_bits, fresh_machine),
      cmocka_unit_test_setup(maps_have_the_same_bits_whatever_a_block_has_room_for, fresh_machine),
      cmocka_unit_test(less_shared_memory_is_enough_for_whatever_more_is),
#ifndef REAL_GPU
      TEST_ON_A_CARD(convolutions_from_patches_are_those_of_a_loop),
      TEST_ON_A_CARD(convolutions_by_tensor_cores_are_those_of_a_loop),
      TEST_ON_A_CARD(gradients_in_pieces_are_those_of_a_loop),
#endif
      cmocka_unit_test_setup(gradients_of_few_trials_have_the_bits_of_those_of_many, fresh_machine),
      cmocka_unit_test_setup(what_is_not_a_number_comes_through_the_pool, fresh_machine),
      cmocka_unit_test_setup(what_is_not_a_number_in_the_first_weights_comes_through_the_pool, fresh_machine),
      cmocka_unit_test_setup(the_first_dense_layer_is_that_of_a_loop, fresh_machine),
      cmocka_unit_test_setup(the_first_dense_layer_before_many_classes_is_that_of_a_loop, fresh_machine),
      cmocka_unit_test_setup(losses_of_many_classes_are_those_of_a_loop, fresh_machine),
      cmocka_unit_test_setup(losses_hits_and_their_gradient_are_those_of_a_loop, fresh_machine),
      cmocka_unit_test_setup(gradients_of_a_second_dense_layer_of_many_classes_are_those_of_a_loop, fresh_machine),
      cmocka_unit_test_setup(gradients_of_the_first_dense_layer_are_those_of_a_loop, fresh_machine),
      cmocka_unit_test_setup(gradients_of_later_convolutions_are_those_of_a_loop, fresh_machine),
      cmocka_unit_test_setup(gradients_in_pieces_are_those_of_a_loop, fresh_machine),
      cmocka_unit_test_setup(gradients_of_the_first_convolution_are_those_of_a_loop, fresh_machine),
      cmocka_unit_test_setup(gradients_of_the_first_convolution_of_large_images_are_those_of_a_loop, fresh_machine),
      cmocka_unit_test_setup(gradients_of_the_first_convolution_in_strips_are_those_of_a_loop, fresh_machine),
      cmocka_unit_test_setup(gradients_of_the_first_convolution_of_any_shape_are_those_of_a_loop, fresh_machine),
      cmocka_unit_test_setup(optimisers_are_those_of_a_loop, fresh_machine),
      cmocka_unit_test_setup(parts_of_gradients_are_added_in_the_order_that_is_said, fresh_machine),
      cmocka_unit_test(divisors_divide_exactly),
      cmocka_unit_test(parts_of_the_first_gradient_are_images),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
