/* In which order the kernels in FP32 add: the same order here gives the same bits, on a GPU as
 * well.  What the kernels' texts say of it is written out as plain loops, of the convolutions
 * forward, of their gradients, and of the head; test_kernels.c has the rest (FP32 forward from
 * patches, the first dense layer, the optimiser's parts, and TF32), and what the sums have to be.
 *
 * An addition of zero changes no bit, so that the loops leave out what is multiplied by none.
 *
 * Not under ThreadSanitizer: the host has one thread here, and a sweep over shapes runs under one
 * sanitizer. */
#include "tests/unit/kernels/kernels_fixture.h"

#include <math.h>

/* ---- networks and what is given to a kernel -------------------------------------------------- */

struct shape {
  int kernel, stride, padding, layers, height, width, channels, filters, batch;
};

static int smaller(int a, int b)
{
  return a < b ? a : b;
}

static int divided(int n, int by)
{
  return (n + by - 1) / by;
}

/* Values at random, memory poisoned; the batch is short by a few images where it can be. */
static void make(struct net *n, struct rng *r, const struct shape *s, uint64_t seed, enum device_phase phase)
{
  struct network_config c = {.num_conv_layers = s->layers,
                             .learning_rate = 0.01,
                             .epochs = 1,
                             .stride = s->stride,
                             .padding = (enum padding_kind)s->padding,
                             .kernel = s->kernel,
                             .num_fc_units = 21,
                             .batch_size = s->batch,
                             .model = {.filters = s->filters, .momentum = 0.9}};
  *n = (struct net){.seed = seed, .count = s->batch - s->batch / 6};
  *r = test_rng(seed);
  plan_make(&n->plan, &c, s->height, s->width, s->channels, 5, STORED_IMAGES, 1);
  if (!n->plan.feasible)
    fail_msg("a map vanishes: kernel %d, stride %d, %dx%d", s->kernel, s->stride, s->height, s->width);
  net_make(n, r);
  net_poison(n);
  net_weights(n, r);
  net_batch(n, r, phase);
}

/* [count][places][columns] at random, zero from column `logical` on and in one of three; for the
 * host and on the device. */
static float *some(const struct net *n, struct rng *r, float *device, int places, int columns, int logical)
{
  int64_t count = (int64_t)n->count * places * columns;
  float *x = malloc((size_t)count * sizeof *x);
  for (int64_t i = 0; i < count; i++) x[i] = i % columns >= logical || draw(r, 0, 2) == 0 ? 0 : draw_value(r, false);
  put(device, x, count * (int64_t)sizeof *x);
  return x;
}

static int area_of(const struct device_conv *c)
{
  return c->pool_height * c->pool_width;
}

/* A layer's input: the map before, or none of the first. */
static float *input_of(const struct net *n, struct rng *r, int layer)
{
  if (layer == 0) return NULL;
  const struct device_conv *before = &n->t.conv[layer - 1];
  return some(n, r, before->map, area_of(before), before->matrix.columns, before->filters);
}

static int matrix_row(const struct device_conv *c, int layer, int tap, int channel)
{
  return layer ? tap * c->in_channels + channel : channel * c->kernel * c->kernel + tap;
}

static float weight_at(const struct net *n, int layer, int row, int column)
{
  const struct device_matrix *m = layer_matrix(&n->t, layer);
  return n->weights[m->weight + (int64_t)row * m->columns + column];
}

static void same(const struct net *n, const char *what, int64_t i, float got, float want)
{
  if (got != want) fail_msg("%s, element %ld: %.9g, not %.9g\n%s", what, (long)i, got, want, net_text(n));
}

/* Gradients behind a layer's pool. */
struct behind {
  float *gradient;
  uint8_t *argmax;
};

static struct behind behind_of(const struct net *n, struct rng *r, int layer)
{
  const struct device_conv *c = &n->t.conv[layer];
  int64_t count = (int64_t)n->count * area_of(c) * c->matrix.columns;
  struct behind b = {some(n, r, c->gradient, area_of(c), c->matrix.columns, c->filters), malloc((size_t)count)};
  for (int64_t i = 0; i < count; i++)
    b.argmax[i] = (uint8_t)(i % c->matrix.columns < c->filters ? draw(r, 0, 4) : DEVICE_POOL_MASKED);
  put(c->argmax, b.argmax, count);
  return b;
}

static void behind_free(struct behind *b)
{
  free(b->gradient);
  free(b->argmax);
}

static int64_t window_at(const struct device_conv *c, int image, int y, int x, int filter)
{
  return (((int64_t)image * c->pool_height + y) * c->pool_width + x) * c->matrix.columns + filter;
}

/* Before the pool; zero outside. */
static float gradient_at(const struct device_conv *c, const struct behind *b, int image, int y, int x, int filter)
{
  if (y < 0 || x < 0 || y >= 2 * c->pool_height || x >= 2 * c->pool_width) return 0;
  int64_t at = window_at(c, image, y / 2, x / 2, filter);
  return b->argmax[at] == y % 2 * 2 + x % 2 ? b->gradient[at] : 0;
}

/* Runs the layer's launches, back or forward, and checks what was written. */
typedef float order(const struct net *n, int layer, const float *map, int image, int y, int x, int filter);

static void forward_is(order *sum, const struct shape *s, uint64_t seed, int layer, bool general)
{
  struct net n;
  struct rng r;
  make(&n, &r, s, seed, DEVICE_EVALUATE);
  struct device_conv *c = &n.t.conv[layer];
  if (general) n.t.patches = 0, memset(&c->forward, 0, sizeof c->forward);
  if (!general) assert_true(n.t.patches);
  float *map = input_of(&n, &r, layer);
  layer_run_alone(&n, PRECISION_FP32, FIRST_LAYER_FIRST, layer);
  int64_t used = n.count * map_floats(&n.t, layer);
  float *got = get_floats(c->map, used);
  for (int64_t i = 0; i < used; i++) {
    int filter = (int)(i % c->matrix.columns), window = (int)(i / c->matrix.columns), image = window / area_of(c);
    int place = window % area_of(c);
    float best = 0;
    for (int q = 0; q < 4; q++)
      best = fmaxf(best, sum(&n, layer, map, image, place / c->pool_width * 2 + q / 2,
                             place % c->pool_width * 2 + q % 2, filter));
    same(&n, "map", i, got[i], best);
  }
  free(got);
  free(map);
  net_destroy(&n);
}

/* ---- forward --------------------------------------------------------------------------------- */

/* conv2d_first.cu: the bias, then channels, taps. */
static float by_first_patches(const struct net *n, int layer, const float *map, int image, int y, int x, int filter)
{
  const struct device_conv *c = &n->t.conv[layer];
  float sum = weight_at(n, layer, c->matrix.rows, filter);
  for (int channel = 0; channel < c->in_channels; channel++)
    for (int tap = 0; tap < c->kernel * c->kernel; tap++) {
      int down = y * c->stride - c->pad + tap / c->kernel, right = x * c->stride - c->pad + tap % c->kernel;
      sum = fmaf(input_at(n, layer, map, image, down, right, channel),
                 weight_at(n, layer, matrix_row(c, layer, tap, channel), filter), sum);
    }
  return sum;
}

/* Tiles of any shape: the rows of the matrix, which are channels and taps, or taps and channels;
 * then the bias. */
static float by_tiles(const struct net *n, int layer, const float *map, int image, int y, int x, int filter)
{
  const struct device_conv *c = &n->t.conv[layer];
  const int taps = c->kernel * c->kernel;
  float sum = 0;
  for (int row = 0; row < c->matrix.rows; row++) {
    int tap = layer ? row / c->in_channels : row % taps, channel = layer ? row % c->in_channels : row / taps;
    int down = y * c->stride - c->pad + tap / c->kernel, right = x * c->stride - c->pad + tap % c->kernel;
    sum = fmaf(input_at(n, layer, map, image, down, right, channel), weight_at(n, layer, row, filter), sum);
  }
  return sum + weight_at(n, layer, c->matrix.rows, filter);
}

static const struct shape patched[] = {
    {3, 1, PADDING_SAME, 2, 14, 17, 1, 32, 7},  {3, 1, PADDING_VALID, 2, 13, 12, 3, 12, 6},
    {3, 2, PADDING_SAME, 2, 26, 22, 2, 7, 5},   {3, 2, PADDING_VALID, 2, 30, 31, 4, 40, 4},
    {5, 1, PADDING_SAME, 2, 12, 15, 1, 32, 7},  {5, 1, PADDING_VALID, 2, 20, 18, 4, 24, 4},
    {5, 2, PADDING_SAME, 2, 25, 24, 3, 4, 6},   {5, 2, PADDING_VALID, 2, 44, 44, 1, 33, 3},
    {3, 1, PADDING_SAME, 2, 9, 90, 1, 32, 3},   {3, 1, PADDING_SAME, 2, 70, 18, 3, 70, 2},
    {5, 1, PADDING_SAME, 2, 16, 170, 1, 16, 2}, {3, 2, PADDING_SAME, 2, 16, 300, 1, 8, 2},
};
static const struct shape unusual[] = {
    {1, 1, PADDING_SAME, 2, 12, 9, 3, 32, 7},   {7, 1, PADDING_SAME, 2, 15, 14, 1, 20, 5},
    {1, 3, PADDING_SAME, 2, 24, 30, 1, 9, 6},   {3, 3, PADDING_SAME, 2, 40, 25, 3, 32, 4},
    {3, 3, PADDING_VALID, 2, 44, 47, 2, 36, 3}, {5, 3, PADDING_SAME, 2, 26, 33, 1, 8, 5},
    {7, 3, PADDING_VALID, 2, 79, 73, 4, 16, 2}, {3, 4, PADDING_SAME, 2, 50, 40, 1, 40, 3},
    {7, 2, PADDING_SAME, 2, 18, 20, 4, 32, 4},
};
#define COUNT(array) (sizeof(array) / sizeof *(array))

static void the_first_convolution_adds_channels_and_taps_to_the_bias(void **state)
{
  (void)state;
  for (size_t i = 0; i < COUNT(patched); i++) forward_is(by_first_patches, &patched[i], first_seed() + i, 0, false);
}

/* Strides of 3 and more, and kernels of 1 and 7, have nothing else; kernels of 3 and 5 are made to
 * go by tiles. */
static void tiles_of_any_shape_add_the_rows_of_the_matrix(void **state)
{
  (void)state;
  for (int layer = 0; layer < 2; layer++) {
    for (size_t i = 0; i < COUNT(unusual); i++) forward_is(by_tiles, &unusual[i], first_seed() + i, layer, true);
    for (size_t i = 0; i < 8; i++) forward_is(by_tiles, &patched[i], first_seed() + i, layer, true);
  }
}

/* ---- gradients by tiles ---------------------------------------------------------------------- */

/* Of data: taps, filters. */
static float data_by_tiles(const struct net *n, int layer, const struct behind *b, int image, int y, int x, int channel)
{
  const struct device_conv *c = &n->t.conv[layer];
  float sum = 0;
  for (int tap = 0; tap < c->kernel * c->kernel; tap++) {
    int down = y + c->pad - tap / c->kernel, right = x + c->pad - tap % c->kernel;
    if (down % c->stride || right % c->stride) continue;
    for (int filter = 0; filter < c->matrix.columns; filter++)
      sum = fmaf(gradient_at(c, b, image, down / c->stride, right / c->stride, filter),
                 weight_at(n, layer, matrix_row(c, layer, tap, channel), filter), sum);
  }
  return sum;
}

/* Of weights: the part's windows, of each its pixels; of biases the same. */
static float weight_by_tiles(const struct net *n, int layer, const float *map, const struct behind *b, int split,
                             int row, int filter)
{
  const struct device_conv *c = &n->t.conv[layer];
  const int taps = c->kernel * c->kernel, area = area_of(c), share = divided(n->t.batch * area, c->matrix.splits);
  const int tap = layer ? row / c->in_channels : row % taps, channel = layer ? row % c->in_channels : row / taps;
  float sum = 0;
  for (int w = split * share; w < (split + 1) * share && w < n->count * area; w++)
    for (int q = 0; q < 4; q++) {
      int image = w / area, y = w % area / c->pool_width * 2 + q / 2, x = w % area % c->pool_width * 2 + q % 2;
      int down = y * c->stride - c->pad + tap / c->kernel, right = x * c->stride - c->pad + tap % c->kernel;
      float input = row == c->matrix.rows ? 1 : input_at(n, layer, map, image, down, right, channel);
      sum = fmaf(input, gradient_at(c, b, image, y, x, filter), sum);
    }
  return sum;
}

static void gradients_by_tiles(const struct shape *s, uint64_t seed, int layer)
{
  struct net n;
  struct rng r;
  make(&n, &r, s, seed, DEVICE_TRAIN);
  struct device_conv *c = &n.t.conv[layer];
  n.t.patches = 0;
  memset(&c->gradients, 0, sizeof c->gradients);
  float *map = input_of(&n, &r, layer);
  struct behind b = behind_of(&n, &r, layer);
  layer_run_alone(&n, PRECISION_FP32, LAST_LAYER_FIRST, layer);
  int64_t size = matrix_floats(&c->matrix),
          data = layer ? (int64_t)n.count * c->in_height * c->in_width * c->in_channels : 0;
  float *part = get_floats(n.t.partial + c->matrix.partial, c->matrix.splits * size);
  for (int64_t i = 0; i < c->matrix.splits * size; i++)
    same(&n, "weights' gradient", i, part[i],
         weight_by_tiles(&n, layer, map, &b, (int)(i / size), (int)(i % size / c->matrix.columns),
                         (int)(i % c->matrix.columns)));
  float *out = layer ? get_floats(n.t.conv[layer - 1].gradient, data) : NULL;
  for (int64_t i = 0; i < data; i++) {
    int channel = (int)(i % c->in_channels), pixel = (int)(i / c->in_channels % (c->in_height * c->in_width));
    int image = (int)(i / c->in_channels / (c->in_height * c->in_width));
    same(&n, "data's gradient", i, out[i],
         data_by_tiles(&n, layer, &b, image, pixel / c->in_width, pixel % c->in_width, channel));
  }
  free(part);
  free(out);
  free(map);
  behind_free(&b);
  net_destroy(&n);
}

static void gradients_by_tiles_of_any_shape_add_depth_by_depth(void **state)
{
  (void)state;
  for (int layer = 0; layer < 2; layer++) {
    for (size_t i = 0; i < COUNT(unusual); i++) gradients_by_tiles(&unusual[i], first_seed() + i, layer);
    for (size_t i = 0; i < 4; i++) gradients_by_tiles(&patched[i], first_seed() + i, layer);
  }
}

/* ---- the first convolution's gradient -------------------------------------------------------- */

/* conv2d_first.cu: windows of a group as they lie, patch by patch; the groups of a warp, neighbours
 * first; the warps.  Lanes are filters; what has up to 16 has several groups in a warp. */
static float first_weight(const struct net *n, const struct behind *b, int split, int row, int filter)
{
  enum { WARPS = 5 };
  const struct device_conv *c = &n->t.conv[0];
  const struct device_first_patch *p = &n->t.backward_patch;
  const int taps = c->kernel * c->kernel, tap = row % taps, channel = row / taps;
  const int here = smaller(c->matrix.columns - filter / 32 * 32, 32);
  const int lanes = here > 16 ? 32 : here > 8 ? 16 : here > 4 ? 8 : 4, of_warp = 32 / lanes;
  float sum[WARPS * 8] = {0};
  for (int image = split * p->images; image < (split + 1) * p->images && image < n->count; image++)
    for (int patch = 0; patch < p->bands * p->strips; patch++) {
      const int row0 = patch / p->strips * p->rows, column0 = patch % p->strips * p->columns;
      const int rows = smaller(p->rows, c->pool_height - row0), across = smaller(p->columns, c->pool_width - column0);
      const int share = divided(rows * across, WARPS * of_warp);
      for (int w = 0; w < rows * across; w++) {
        int y = row0 + w / across, x = column0 + w % across;
        int64_t at = window_at(c, image, y, x, filter);
        if (b->argmax[at] == DEVICE_POOL_MASKED) continue;
        float *own = &sum[w / share], g = b->gradient[at];
        int down = (2 * y + b->argmax[at] / 2) * c->stride - c->pad + tap / c->kernel;
        int right = (2 * x + b->argmax[at] % 2) * c->stride - c->pad + tap % c->kernel;
        *own = row == c->matrix.rows ? *own + g : fmaf(g, input_at(n, 0, NULL, image, down, right, channel), *own);
      }
    }
  float total = 0;
  for (int warp = 0; warp < WARPS; warp++) {
    float *of = sum + warp * of_warp;
    for (int apart = 1; apart < of_warp; apart *= 2)
      for (int k = 0; k < of_warp; k += 2 * apart) of[k] += of[k + apart];
    total = warp == 0 ? of[0] : total + of[0];
  }
  return total;
}

static void the_first_gradient_walks_over_windows_in_groups(void **state)
{
  (void)state;
  for (size_t i = 0; i < COUNT(patched); i++) {
    struct net n;
    struct rng r;
    make(&n, &r, &patched[i], first_seed() + i, DEVICE_TRAIN);
    const struct device_matrix *m = &n.t.conv[0].matrix;
    struct behind b = behind_of(&n, &r, 0);
    layer_run_alone(&n, PRECISION_FP32, LAST_LAYER_FIRST, 0);
    float *part = get_floats(n.t.partial + m->partial, m->splits * matrix_floats(m));
    for (int64_t k = 0; k < m->splits * matrix_floats(m); k++)
      same(&n, "weights' gradient", k, part[k],
           first_weight(&n, &b, (int)(k / matrix_floats(m)), (int)(k % matrix_floats(m) / m->columns),
                        (int)(k % m->columns)));
    free(part);
    behind_free(&b);
    net_destroy(&n);
  }
}

/* ---- gradients by the argmax byte ------------------------------------------------------------ */

/* conv2d_gradients.cu, of weights: the part's images, pieces of an image, windows of a group in
 * turn, one chain of fmaf; the groups, the last first, onto the first.  Of biases: every eighth
 * window a warp, then the warps. */
static float weight_by_argmax(const struct net *n, int layer, const float *map, const struct behind *b, int split,
                              int row, int filter)
{
  enum { WARPS = 8 };
  const struct device_conv *c = &n->t.conv[layer];
  const int span = c->gradients.weight_columns, most = c->gradients.weight_rows;
  const int across = divided(c->pool_width, span), down = divided(c->pool_height, most);
  const int share = divided(n->t.batch, c->matrix.splits), tap = row / c->in_channels, channel = row % c->in_channels;
  const bool bias = row == c->matrix.rows;
  const int groups = bias ? WARPS : c->kernel == 3 && c->stride == 1 ? 2 : 1;
  float sum[WARPS] = {0};
  for (int image = split * share; image < (split + 1) * share && image < n->count; image++)
    for (int piece = 0; piece < across * down; piece++) {
      const int row0 = piece / across * most, column0 = piece % across * span;
      const int columns = smaller(span, c->pool_width - column0), rows = smaller(most, c->pool_height - row0);
      for (int w = 0; w < rows * columns; w++) {
        int y = row0 + w / columns, x = column0 + w % columns;
        int64_t at = window_at(c, image, y, x, filter);
        if (b->argmax[at] == DEVICE_POOL_MASKED) continue;
        float *own = &sum[w % groups], g = b->gradient[at];
        int in_y = (2 * y + b->argmax[at] / 2) * c->stride - c->pad + tap / c->kernel;
        int in_x = (2 * x + b->argmax[at] % 2) * c->stride - c->pad + tap % c->kernel;
        *own = bias ? *own + g : fmaf(g, input_at(n, layer, map, image, in_y, in_x, channel), *own);
      }
    }
  float total = bias ? 0 : sum[0];
  for (int k = 0; k < groups && bias; k++) total += sum[k];
  for (int k = groups - 1; k > 0 && !bias; k--) total += sum[k];
  return total;
}

/* The data gradient of a channel, of all images, as conv2d_gradients.cu has it: of each strip of
 * windows one chain of fmaf for each pixel below it, over filters and windows; then the strips, as
 * many at once as there are warps, in turns, so that neighbours do not meet.
 *   out  [count][in_height][in_width] */
static void data_by_argmax(const struct net *n, int layer, const struct behind *b, int channel, float *out)
{
  const struct device_conv *c = &n->t.conv[layer];
  const int K = c->kernel, S = c->stride, STEP = 2 * S, REACH = S + K, STRIP = S == 2 ? 1 : K == 3 ? 4 : 2;
  const int WIDTH = (STRIP - 1) * STEP + REACH, WARPS = K == 3 ? 14 : 8, FILTERS = K == 3 ? 32 : 16;
  const int turns_y = divided(REACH, STEP), turns_x = divided(WIDTH, STRIP * STEP), halo = turns_y - 1;
  const struct device_pieces *p = &c->gradients;
  const int width = (c->pool_width + STRIP) * STEP + REACH, height = (c->pool_height + 1) * STEP + REACH;
  float *band = malloc(sizeof *band * (size_t)(p->data_images * height * width));
  for (int first = 0; first < n->count; first += p->data_images)
    for (int own = 0; own < c->pool_width; own += p->data_columns) {
      const int begin = own > halo ? own - halo : 0, end = smaller(c->pool_width, own + p->data_columns);
      const int strips = divided(end - begin, STRIP), images = smaller(p->data_images, n->count - first);
      memset(band, 0, sizeof *band * (size_t)(p->data_images * height * width));
      for (int row0 = 0; row0 < c->pool_height; row0 += p->data_rows)
        for (int filter0 = 0; filter0 < c->matrix.columns; filter0 += FILTERS)
          for (int round = 0; round < images * p->data_rows * strips; round += WARPS)
            for (int turn = 0; turn < turns_y * turns_x; turn++)
              for (int s = round; s < round + WARPS && s < images * p->data_rows * strips; s++) {
                const int place = s % strips, line = s / strips, image = line / p->data_rows, y = line % p->data_rows;
                float sum[7][16] = {{0}};
                if (turn != y % turns_y * turns_x + place % turns_x || row0 + y >= c->pool_height) continue;
                for (int f = filter0; f < filter0 + FILTERS && f < c->matrix.columns; f++)
                  for (int i = 0; i < STRIP; i++) {
                    const int x = begin + place * STRIP + i;
                    if (x >= end) continue;
                    const int64_t at = window_at(c, first + image, row0 + y, x, f);
                    for (int tap = 0; tap < K * K && b->argmax[at] < DEVICE_POOL_MASKED; tap++) {
                      float *to = &sum[b->argmax[at] / 2 * S + tap / K][STEP * i + b->argmax[at] % 2 * S + tap % K];
                      *to = fmaf(b->gradient[at], weight_at(n, layer, tap * c->in_channels + channel, f), *to);
                    }
                  }
                for (int i = 0; i < REACH; i++)
                  for (int j = 0; j < WIDTH; j++)
                    band[(image * height + (row0 + y) * STEP + i) * width + place * STRIP * STEP + j] += sum[i][j];
              }
      const int x0 = own > 0 ? own * STEP - c->pad : 0, x1 = end < c->pool_width ? end * STEP - c->pad : c->in_width;
      for (int image = 0; image < images; image++)
        for (int y = 0; y < c->in_height; y++)
          for (int x = x0; x < x1; x++) {
            const int down = y + c->pad, right = x + c->pad - begin * STEP;
            out[((int64_t)(first + image) * c->in_height + y) * c->in_width + x] =
                down < height && right < width ? band[(image * height + down) * width + right] : 0;
          }
    }
  free(band);
}

static void by_the_argmax_byte(const struct shape *s, uint64_t seed, int *pieces)
{
  struct net n;
  struct rng r;
  make(&n, &r, s, seed, DEVICE_TRAIN);
  const struct device_conv *c = &n.t.conv[1];
  float *map = input_of(&n, &r, 1);
  struct behind b = behind_of(&n, &r, 1);
  assert_true(c->gradients.data_rows > 0);
  pieces[0] += c->gradients.data_columns < c->pool_width;
  pieces[1] += c->gradients.data_rows < c->pool_height;
  pieces[2] += c->gradients.data_images > 1;
  pieces[3] += c->gradients.weight_rows < c->pool_height;
  pieces[4] += c->matrix.columns > 32;
  layer_run_alone(&n, PRECISION_FP32, LAST_LAYER_FIRST, 1);
  int64_t size = matrix_floats(&c->matrix), pixels = (int64_t)n.count * c->in_height * c->in_width;
  float *part = get_floats(n.t.partial + c->matrix.partial, c->matrix.splits * size);
  for (int64_t i = 0; i < c->matrix.splits * size; i++)
    same(&n, "weights' gradient", i, part[i],
         weight_by_argmax(&n, 1, map, &b, (int)(i / size), (int)(i % size / c->matrix.columns),
                          (int)(i % c->matrix.columns)));
  float *out = get_floats(n.t.conv[0].gradient, pixels * c->in_channels), *want = malloc((size_t)pixels * sizeof *want);
  for (int channel = 0; channel < c->in_channels; channel++) {
    data_by_argmax(&n, 1, &b, channel, want);
    for (int64_t i = 0; i < pixels; i++)
      same(&n, "data's gradient", i * c->in_channels + channel, out[i * c->in_channels + channel], want[i]);
  }
  free(part);
  free(out);
  free(want);
  free(map);
  behind_free(&b);
  net_destroy(&n);
}

static void gradients_by_the_argmax_byte_add_in_strips_and_groups(void **state)
{
  (void)state;
  static const struct shape more[] = {
      {3, 1, PADDING_SAME, 2, 60, 70, 1, 40, 2}, {3, 1, PADDING_VALID, 2, 10, 330, 1, 8, 2},
      {5, 1, PADDING_SAME, 2, 40, 90, 1, 24, 2}, {5, 2, PADDING_SAME, 2, 40, 200, 1, 33, 2},
      {3, 2, PADDING_SAME, 2, 90, 60, 1, 72, 2}, {3, 1, PADDING_SAME, 2, 9, 9, 1, 32, 20},
  };
  int pieces[5] = {0};
  for (size_t i = 0; i < COUNT(patched); i++) by_the_argmax_byte(&patched[i], first_seed() + i, pieces);
  for (size_t i = 0; i < COUNT(more); i++) by_the_argmax_byte(&more[i], first_seed() + 50 + i, pieces);
  for (int i = 0; i < 5; i++) assert_true(pieces[i] > 0);
}

/* ---- the head -------------------------------------------------------------------------------- */

/* dense.cu: of a logit four chains, of every fourth unit each; where classes are few, several teams
 * of lanes have every so-many-th four of units.  Then the bias. */
static float logit(const struct net *n, const float *hidden, int image, int class)
{
  const struct device_matrix *m = &n->t.dense[1];
  const int layer = n->t.layers + 1, teams = 32 / (m->columns <= 8 ? 8 : m->columns <= 16 ? 16 : 32);
  float sum[4][4] = {{0}}, of[4];
  for (int u = 0; u < m->rows; u++) {
    float *own = &sum[u / 4 % teams][u % 4];
    *own = fmaf(hidden[(int64_t)image * m->rows + u], weight_at(n, layer, u, class), *own);
  }
  for (int k = 0; k < teams; k++) of[k] = (sum[k][0] + sum[k][1]) + (sum[k][2] + sum[k][3]);
  for (int apart = teams / 2; apart > 0; apart /= 2)
    for (int k = 0; k < apart; k++) of[k] += of[k + apart];
  return of[0] + weight_at(n, layer, m->rows, class);
}

/* The gradient of a hidden unit: four chains over every fourth class. */
static float hidden_gradient(const struct net *n, const float *hidden, const float *dz, int image, int unit)
{
  const struct device_matrix *m = &n->t.dense[1];
  float sum[4] = {0};
  if (!(hidden[(int64_t)image * m->rows + unit] > 0)) return 0;
  for (int c = 0; c < m->columns; c++)
    sum[c % 4] = fmaf(dz[(int64_t)image * m->columns + c], weight_at(n, n->t.layers + 1, unit, c), sum[c % 4]);
  return ((sum[0] + sum[1]) + (sum[2] + sum[3])) * n->t.dropout_scale;
}

/* A part of the weights' gradient: its eight images. */
static float second_weight(const struct net *n, const float *hidden, const float *dz, int part, int row, int class)
{
  const struct device_matrix *m = &n->t.dense[1];
  float sum = 0;
  for (int image = 8 * part; image < 8 * part + 8 && image < n->count; image++) {
    float d = dz[(int64_t)image * m->columns + class];
    sum = row == m->rows ? sum + d : fmaf(hidden[(int64_t)image * m->rows + row], d, sum);
  }
  return sum;
}

static void head(uint64_t seed, int classes, int units, int batch, enum device_phase phase)
{
  struct network_config c = {.num_conv_layers = 1,
                             .learning_rate = 0.01,
                             .dropout_rate = seed % 2 ? 0.3 : 0,
                             .epochs = 1,
                             .stride = 1,
                             .padding = PADDING_SAME,
                             .kernel = 3,
                             .num_fc_units = units,
                             .batch_size = batch,
                             .model = {.filters = 8, .momentum = 0.9}};
  struct net n = {.seed = seed, .count = batch - batch / 6};
  struct rng r = test_rng(seed);
  plan_make(&n.plan, &c, 8, 8, 1, classes, STORED_IMAGES, 1);
  net_make(&n, &r);
  net_poison(&n);
  net_weights(&n, &r);
  net_batch(&n, &r, phase);
  assert_true(net_has_head(&n));
  const struct device_matrix *m = &n.t.dense[1];
  int64_t all = (int64_t)n.t.batch * n.t.padded_units, used = (int64_t)n.count * n.t.padded_units;
  for (int k = 0; k < n.t.dense_chunks; k++)
    free(some(&n, &r, n.t.dense_sums + k * all, 1, n.t.padded_units, n.t.units));
  stage_run_alone(&n, PRECISION_FP32, step_loss, 0);
  float *hidden = get_floats(n.t.hidden, used), *z = get_floats(n.t.logits, (int64_t)n.count * m->columns);
  if (phase == DEVICE_EVALUATE)
    for (int64_t i = 0; i < (int64_t)n.count * m->columns; i++)
      same(&n, "logits", i, z[i], logit(&n, hidden, (int)(i / m->columns), (int)(i % m->columns)));
  if (phase == DEVICE_TRAIN) {
    float *gradient = get_floats(n.t.hidden_gradient, used);
    float *part = get_floats(n.t.partial + m->partial, m->splits * matrix_floats(m));
    for (int64_t i = 0; i < used; i++)
      same(&n, "hidden units' gradient", i, gradient[i],
           hidden_gradient(&n, hidden, z, (int)(i / m->rows), (int)(i % m->rows)));
    for (int64_t i = 0; i < m->splits * matrix_floats(m); i++)
      same(&n, "weights' gradient", i, part[i],
           second_weight(&n, hidden, z, (int)(i / matrix_floats(m)), (int)(i % matrix_floats(m) / m->columns),
                         (int)(i % m->columns)));
    free(gradient);
    free(part);
  }
  free(hidden);
  free(z);
  net_destroy(&n);
}

static void the_head_adds_in_fours_of_units_and_of_classes(void **state)
{
  (void)state;
  static const struct {
    int classes, units, batch;
  } cases[] = {{10, 64, 32}, {2, 17, 9},   {8, 130, 8}, {9, 300, 21},
               {16, 5, 40},  {17, 64, 12}, {33, 40, 7}, {64, 256, 19}};
  for (size_t i = 0; i < COUNT(cases); i++)
    for (int phase = DEVICE_TRAIN; phase <= DEVICE_EVALUATE; phase++)
      head(first_seed() + i, cases[i].classes, cases[i].units, cases[i].batch, (enum device_phase)phase);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup(the_first_convolution_adds_channels_and_taps_to_the_bias, fresh_machine),
      cmocka_unit_test_setup(tiles_of_any_shape_add_the_rows_of_the_matrix, fresh_machine),
      cmocka_unit_test_setup(gradients_by_tiles_of_any_shape_add_depth_by_depth, fresh_machine),
      cmocka_unit_test_setup(the_first_gradient_walks_over_windows_in_groups, fresh_machine),
      cmocka_unit_test_setup(gradients_by_the_argmax_byte_add_in_strips_and_groups, fresh_machine),
      cmocka_unit_test_setup(the_head_adds_in_fours_of_units_and_of_classes, fresh_machine),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
