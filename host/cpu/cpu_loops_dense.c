/* What surrounds the matrix products: bias and ReLU, dropout, softmax, optimisers, and the images'
 * way from bytes to floats.  Compiled once for each instruction set. */
#include "host/cpu/cpu_loops.h"
#include "host/cpu/cpu_loops_vector.h"

#include "kernels/philox.h"

void LOOP(add)(size_t n, float *a, const float *b);
void LOOP(bias_relu)(int rows, int columns, const float *bias, bool relu, float *y);
void LOOP(masked_scale)(size_t n, const float *y, const float *dy, float scale, float *out);
void LOOP(column_sums)(int rows, int columns, const float *a, float *sum);
void LOOP(dropout)(uint64_t key, uint64_t subsequence, uint64_t first, int features, int area, int block,
                   uint32_t threshold, float scale, uint32_t *words, float *x);
void LOOP(softmax)(int rows, int classes, int stride, const uint16_t *labels, float *logits, int32_t *best, float *sum,
                   float *below);
void LOOP(softmax_backward)(int rows, int stride, const uint16_t *labels, float scale, float *p);
void LOOP(adam)(size_t n, const struct optimizer_settings *o, const struct adam_step *s, float *w, const float *g,
                float *m, float *v);
void LOOP(sgd)(size_t n, const struct optimizer_settings *o, float *w, const float *g, float *v);
void LOOP(gather)(int height, int width, int channels, int pad, int row, const float *table, const uint8_t *bytes,
                  float *x);
double LOOP(peak)(int rounds, float *sink);

/* All arrays here are padded to multiples of 16 elements. */
void LOOP(add)(size_t n, float *a, const float *b)
{
  for (size_t i = 0; i < n; i += LANES) vf_store(a + i, vf_load(a + i) + vf_load(b + i));
}

void LOOP(bias_relu)(int rows, int columns, const float *bias, bool relu, float *y)
{
  for (int r = 0; r < rows; r++, y += columns)
    for (int j = 0; j < columns; j += LANES) {
      vf x = vf_load(y + j) + vf_load(bias + j);
      if (relu) x = vf_select(vf_at_most(x, vf_set(0)), vf_set(0), x); /* what is not a number stays so */
      vf_store(y + j, x);
    }
}

void LOOP(masked_scale)(size_t n, const float *y, const float *dy, float scale, float *out)
{
  for (size_t i = 0; i < n; i += LANES)
    vf_store(out + i, vf_keep(vf_greater(vf_load(y + i), vf_set(0)), vf_load(dy + i) * vf_set(scale)));
}

void LOOP(column_sums)(int rows, int columns, const float *a, float *sum)
{
  for (int j = 0; j < columns; j += LANES) {
    vf s = vf_set(0);
    for (int r = 0; r < rows; r++) s += vf_load(a + (size_t)r * (size_t)columns + j);
    vf_store(sum + j, s);
  }
}

/* --- Dropout ---------------------------------------------------------------------------------- */

/* Philox blocks from `block` on, LANES of them at a time, into words[4 · count]; count a multiple
 * of LANES. */
static void philox_fill(uint64_t key, uint64_t subsequence, uint64_t block, int count, uint32_t *words)
{
  for (int b = 0; b < count; b += LANES) {
    uint32_t out[4][LANES];
    for (int i = 0; i < LANES; i++) { /* vectorised by the compiler: no lane depends on another */
      struct philox_block p = philox4x32(key, subsequence, block + (uint64_t)(b + i));
      for (int j = 0; j < 4; j++) out[j][i] = p.word[j];
    }
    for (int i = 0; i < LANES; i++)
      for (int j = 0; j < 4; j++) words[4 * (b + i) + j] = out[j][i];
  }
}

void LOOP(dropout)(uint64_t key, uint64_t subsequence, uint64_t first, int features, int area, int block,
                   uint32_t threshold, float scale, uint32_t *words, float *x)
{
  uint64_t first_block = first / 4;
  int skip = (int)(first % 4), count = (skip + features + 3) / 4;
  philox_fill(key, subsequence, first_block, (count + LANES - 1) / LANES * LANES, words);
  const uint32_t *word = words + skip;
  int channels = features / area;
  for (int c0 = 0; c0 < channels; c0 += block) {
    int inside = channels - c0 < block ? channels - c0 : block;
    float *at = x + (size_t)c0 * (size_t)area;
    for (int i = 0; i < inside; i++) {
      const uint32_t *w = word + (size_t)(c0 + i) * (size_t)area;
      for (int p = 0; p < area; p++) {
        float *e = at + (size_t)p * (size_t)block + (size_t)i;
        *e = w[p] >= threshold ? *e * scale : 0;
      }
    }
  }
}

/* --- Softmax ---------------------------------------------------------------------------------- */

/* e^x for x <= 0: 2^n · e^r with r in ±ln 2 / 2 and e^r by its Taylor polynomial of degree 7
 * (relative error below 2e-8).  Ours, so that no bit depends on the C library.  Below -87 it is
 * 0. */
ALWAYS_INLINE vf exp_negative(vf x)
{
  vf bounded = vf_select(vf_greater(vf_set(-87), x), vf_set(-87), x);
  const vf magic = vf_set(12582912.0f); /* 1.5 · 2^23: adding it rounds to a whole number */
  vf shifted = bounded * vf_set(1.44269504f) + magic;
  vf whole = shifted - magic;
  vf r = bounded - whole * vf_set(0.693359375f);
  r = r - whole * vf_set(-2.12194440e-4f);
  vf p = vf_set(1.0f / 5040);
  p = p * r + vf_set(1.0f / 720);
  p = p * r + vf_set(1.0f / 120);
  p = p * r + vf_set(1.0f / 24);
  p = p * r + vf_set(1.0f / 6);
  p = p * r + vf_set(0.5f);
  p = p * r + vf_set(1);
  p = p * r + vf_set(1);
  vi exponent = ((vi)shifted - (vi)magic + vi_set(127)) << 23;
  vf y = p * (vf)exponent;
  y = vf_select(vf_greater(vf_set(-87), x), vf_set(0), y);
  return vf_select(vf_is_number(x), y, x);
}

void LOOP(softmax)(int rows, int classes, int stride, const uint16_t *labels, float *logits, int32_t *best, float *sum,
                   float *below)
{
  vi index;
  for (int i = 0; i < LANES; i++) index[i] = i;
  for (int r = 0; r < rows; r++, logits += stride) {
    float largest = logits[0];
    best[r] = 0;
    for (int j = 1; j < classes; j++) {
      if (logits[j] > largest) {
        largest = logits[j];
        best[r] = j;
      }
    }
    below[r] = labels ? logits[labels[r]] - largest : 0;
    vf sums = vf_set(0);
    for (int j = 0; j < stride; j += LANES) {
      vf e = vf_keep(vi_less(index + vi_set(j), vi_set(classes)), exp_negative(vf_load(logits + j) - vf_set(largest)));
      vf_store(logits + j, e);
      sums += e;
    }
    float total = 0;
    for (int i = 0; i < LANES; i++) total += sums[i];
    sum[r] = total;
    for (int j = 0; j < stride; j += LANES) vf_store(logits + j, vf_load(logits + j) / vf_set(total));
  }
}

void LOOP(softmax_backward)(int rows, int stride, const uint16_t *labels, float scale, float *p)
{
  for (int r = 0; r < rows; r++, p += stride) {
    p[labels[r]] -= 1;
    for (int j = 0; j < stride; j += LANES) vf_store(p + j, vf_load(p + j) * vf_set(scale));
  }
}

/* --- Optimisers ------------------------------------------------------------------------------- */

void LOOP(adam)(size_t n, const struct optimizer_settings *o, const struct adam_step *s, float *w, const float *g,
                float *m, float *v)
{
  const vf beta1 = vf_set(s->beta1), beta2 = vf_set(s->beta2), rest1 = vf_set(1 - s->beta1),
           rest2 = vf_set(1 - s->beta2);
  const vf step = vf_set(o->learning_rate * s->correction1), root = vf_set(s->correction2),
           epsilon = vf_set(s->epsilon);
  for (size_t i = 0; i < n; i += LANES) {
    vf gradient = vf_load(g + i);
    vf first = beta1 * vf_load(m + i) + rest1 * gradient;
    vf second = beta2 * vf_load(v + i) + rest2 * gradient * gradient;
    vf_store(m + i, first);
    vf_store(v + i, second);
    vf_store(w + i, vf_load(w + i) - step * first / (vf_sqrt(second) * root + epsilon));
  }
}

void LOOP(sgd)(size_t n, const struct optimizer_settings *o, float *w, const float *g, float *v)
{
  for (size_t i = 0; i < n; i += LANES) {
    vf velocity = vf_set(o->momentum) * vf_load(v + i) + vf_load(g + i);
    vf_store(v + i, velocity);
    vf_store(w + i, vf_load(w + i) - vf_set(o->learning_rate) * velocity);
  }
}

/* --- Images ----------------------------------------------------------------------------------- */

void LOOP(gather)(int height, int width, int channels, int pad, int row, const float *table, const uint8_t *bytes,
                  float *x)
{
  size_t plane = (size_t)(height + 2 * pad) * (size_t)row;
  for (int h = 0; h < height; h++)
    for (int c = 0; c < channels; c++) {
      const uint8_t *from = bytes + (size_t)h * (size_t)width * (size_t)channels + c;
      float *to = x + (size_t)c * plane + (size_t)(h + pad) * (size_t)row + pad;
      for (int i = 0; i < width; i++) to[i] = table[256 * c + from[(size_t)i * (size_t)channels]];
    }
}

/* --- Peak ------------------------------------------------------------------------------------- */

/* Twelve chains: more than the latency times the throughput of any processor's multiply-add, and
 * they fit 16 registers. */
double LOOP(peak)(int rounds, float *sink)
{
  /* different starts, or the compiler finds that the chains are one */
  vf a0 = vf_set(1), a1 = vf_set(2), a2 = vf_set(3), a3 = vf_set(4), a4 = vf_set(5), a5 = vf_set(6), a6 = vf_set(7),
     a7 = vf_set(8), a8 = vf_set(9), a9 = vf_set(10), a10 = vf_set(11), a11 = vf_set(12);
  vf x = vf_set(sink[0]), y = vf_set(sink[1]);
  for (int i = 0; i < rounds; i++) {
    a0 = a0 * x + y, a1 = a1 * x + y, a2 = a2 * x + y, a3 = a3 * x + y, a4 = a4 * x + y, a5 = a5 * x + y;
    a6 = a6 * x + y, a7 = a7 * x + y, a8 = a8 * x + y, a9 = a9 * x + y, a10 = a10 * x + y, a11 = a11 * x + y;
  }
  vf all = a0 + a1 + a2 + a3 + a4 + a5 + a6 + a7 + a8 + a9 + a10 + a11;
  sink[2] = all[0];
  return 2.0 * 12 * LANES * rounds;
}
