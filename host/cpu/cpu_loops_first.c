/* The first layer: few input channels (1 or 3), so that oneDNN has no good kernels for it (its
 * weight gradient for one channel runs at 7 GFLOP/s), and the largest map, so that what is not
 * written to memory is won twice.
 *
 * Forward: a strip of two rows of the convolution is computed in registers, pooled there, and only
 * the pooled map and the argmax bytes are written.
 *
 * Weight gradient: behind a 2×2 max pool only one in four positions of the convolution has a
 * gradient, a different one in each channel.  For a window, the inputs that weight (kh, kw) meets
 * at its four positions lie in two input rows; a lane picks its own by a permutation of registers:
 * one permutation and one multiply-add a weight, instead of four multiply-adds.  The gradient of
 * the unpooled map is never made.
 *
 * Compiled once for each instruction set (cpu_loops.mk). */
#include "host/cpu/cpu_loops.h"
#include "host/cpu/cpu_loops_vector.h"

void LOOP(first_forward)(const struct loop_conv *c, const float *x, const float *w, const float *bias, float *y,
                         uint8_t *argmax);
void LOOP(first_backward)(const struct loop_conv *c, const float *x, const float *dy, const uint8_t *argmax, float *dw,
                          float *db);

/* --- Forward ---------------------------------------------------------------------------------- */

/* TILE pooled pixels of one row in BLOCKS blocks of channels: 2 × 2·TILE × BLOCKS sums in
 * registers.
 *   x      input at the first window's first position
 *   w      weights of the first block; the next ones w_block floats apart;
 *   bias, y, argmax the same (y_block) */
ALWAYS_INLINE void first_tile(int tile, int blocks, int kernel, int stride, const struct loop_conv *c, const float *x,
                              const float *w, size_t w_block, const float *bias, float *y, uint8_t *argmax,
                              size_t y_block)
{
  vf sum[2][2][8]; /* [block][row][column] */
#pragma GCC unroll 2
  for (int b = 0; b < blocks; b++)
#pragma GCC unroll 8
    for (int j = 0; j < 2 * tile; j++) sum[b][0][j] = sum[b][1][j] = vf_load(bias + b * LANES);
  size_t plane = (size_t)c->in_height * (size_t)c->row;
  for (int ch = 0; ch < c->in_channels; ch++) {
    for (int kh = 0; kh < kernel; kh++) {
      const float *row0 = x + ch * plane + (size_t)kh * (size_t)c->row;
      const float *row1 = row0 + (size_t)stride * (size_t)c->row;
      const float *wk = w + (size_t)((ch * kernel + kh) * kernel) * LANES;
#pragma GCC unroll 5
      for (int kw = 0; kw < kernel; kw++) {
        vf weight[2];
#pragma GCC unroll 2
        for (int b = 0; b < blocks; b++) weight[b] = vf_load(wk + b * w_block + (size_t)kw * LANES);
#pragma GCC unroll 8
        for (int j = 0; j < 2 * tile; j++) {
          vf x0 = vf_set(row0[j * stride + kw]), x1 = vf_set(row1[j * stride + kw]);
#pragma GCC unroll 2
          for (int b = 0; b < blocks; b++) {
            sum[b][0][j] += x0 * weight[b];
            sum[b][1][j] += x1 * weight[b];
          }
        }
      }
    }
  }
#pragma GCC unroll 2
  for (int b = 0; b < blocks; b++) {
#pragma GCC unroll 4
    for (int t = 0; t < tile; t++) {
      vf best = sum[b][0][2 * t];
      vi which = vi_set(0);
      const vf others[3] = {sum[b][0][2 * t + 1], sum[b][1][2 * t], sum[b][1][2 * t + 1]};
#pragma GCC unroll 3
      for (int q = 0; q < 3; q++) {
        vm better = vf_greater(others[q], best);
        best = vf_select(better, others[q], best);
        which = vi_select(better, vi_set(q + 1), which);
      }
      /* a sum that is not a number passes, so that the loss shows it */
      vm masked = vf_at_most(best, vf_set(0));
      vf_store(y + b * y_block + (size_t)t * LANES, vf_select(masked, vf_set(0), best));
      vi_store_bytes(argmax + b * y_block + (size_t)t * LANES, vi_select(masked, vi_set(POOL_MASKED), which));
    }
  }
}

/* All windows of one image for BLOCKS blocks.  The last tile of a row overlaps the one before
 * rather than being short. */
ALWAYS_INLINE void first_blocks(int tile, int blocks, int kernel, int stride, const struct loop_conv *c, const float *x,
                                const float *w, const float *bias, float *y, uint8_t *argmax)
{
  size_t w_block = (size_t)(c->in_channels * kernel * kernel) * LANES;
  size_t y_block = (size_t)(c->pool_height * c->pool_width) * LANES;
  for (int py = 0; py < c->pool_height; py++) {
    const float *row = x + (size_t)(2 * py * stride) * (size_t)c->row;
    size_t at = (size_t)(py * c->pool_width) * LANES;
    if (c->pool_width >= tile) {
      for (int px = 0; px < c->pool_width; px += tile) {
        int p = px + tile <= c->pool_width ? px : c->pool_width - tile;
        size_t o = at + (size_t)p * LANES;
        first_tile(tile, blocks, kernel, stride, c, row + 2 * p * stride, w, w_block, bias, y + o, argmax + o, y_block);
      }
    } else {
      for (int px = 0; px < c->pool_width; px++) {
        size_t o = at + (size_t)px * LANES;
        first_tile(1, blocks, kernel, stride, c, row + 2 * px * stride, w, w_block, bias, y + o, argmax + o, y_block);
      }
    }
  }
}

/* Sums fill the registers: 24 of 32 with AVX-512, 12 of 16 with AVX2. */
ALWAYS_INLINE void first_all(int kernel, int stride, const struct loop_conv *c, const float *x, const float *w,
                             const float *bias, float *y, uint8_t *argmax)
{
  size_t w_block = (size_t)(c->in_channels * kernel * kernel) * LANES;
  size_t y_block = (size_t)(c->pool_height * c->pool_width) * LANES;
  int blocks = c->out_channels / LANES, b = 0;
#if LANES == 16
  for (; b + 2 <= blocks; b += 2)
    first_blocks(3, 2, kernel, stride, c, x, w + b * w_block, bias + b * LANES, y + b * y_block, argmax + b * y_block);
#endif
  for (; b < blocks; b++)
    first_blocks(3, 1, kernel, stride, c, x, w + b * w_block, bias + b * LANES, y + b * y_block, argmax + b * y_block);
}

void LOOP(first_forward)(const struct loop_conv *c, const float *x, const float *w, const float *bias, float *y,
                         uint8_t *argmax)
{
  if (c->kernel == 3 && c->stride == 1)
    first_all(3, 1, c, x, w, bias, y, argmax);
  else if (c->kernel == 3 && c->stride == 2)
    first_all(3, 2, c, x, w, bias, y, argmax);
  else if (c->kernel == 5 && c->stride == 1)
    first_all(5, 1, c, x, w, bias, y, argmax);
  else if (c->kernel == 5 && c->stride == 2)
    first_all(5, 2, c, x, w, bias, y, argmax);
  else
    first_all(c->kernel, c->stride, c, x, w, bias, y, argmax);
}

/* --- Weight gradient -------------------------------------------------------------------------- */

/* Any kernel and stride: each of a window's four positions in turn, lanes that do not belong to it
 * at zero. */
static void first_backward_any(const struct loop_conv *c, const float *x, const float *dy, const uint8_t *argmax,
                               float *dw, float *db)
{
  int k = c->kernel, s = c->stride;
  size_t plane = (size_t)c->in_height * (size_t)c->row;
  for (int b = 0; b < c->out_channels / LANES; b++) {
    const size_t map = (size_t)(b * c->pool_height * c->pool_width) * LANES;
    for (int py = 0; py < c->pool_height; py++) {
      for (int px = 0; px < c->pool_width; px++) {
        size_t o = map + (size_t)(py * c->pool_width + px) * LANES;
        vf g = vf_load(dy + o);
        vi which = vi_load_bytes(argmax + o);
        vf_store(db + b * LANES, vf_load(db + b * LANES) + vf_keep(vi_less(which, vi_set(POOL_MASKED)), g));
        for (int q = 0; q < 4; q++) {
          vf gq = vf_keep(vi_equal(which, vi_set(q)), g);
          const float *at = x + (size_t)((2 * py + q / 2) * s) * (size_t)c->row + (2 * px + q % 2) * s;
          for (int ch = 0; ch < c->in_channels; ch++)
            for (int kh = 0; kh < k; kh++)
              for (int kw = 0; kw < k; kw++) {
                float *d = dw + (size_t)(((b * c->in_channels + ch) * k + kh) * k + kw) * LANES;
                vf_store(d, vf_load(d) + vf_set(at[ch * plane + (size_t)kh * (size_t)c->row + kw]) * gq);
              }
        }
      }
    }
  }
}

#if defined __AVX2__
/* Eight floats of each of two rows, lane by lane: row[second][place], place in 0 ... 7. */
struct row_pair {
#if LANES == 16
  __m512 both;
#else
  __m256 first, second;
#endif
};
ALWAYS_INLINE struct row_pair pair_load(const float *first, const float *second)
{
  struct row_pair p;
#if LANES == 16
  p.both = _mm512_insertf32x8(_mm512_castps256_ps512(_mm256_loadu_ps(first)), _mm256_loadu_ps(second), 1);
#else
  p.first = _mm256_loadu_ps(first);
  p.second = _mm256_loadu_ps(second);
#endif
  return p;
}
/* place: 0 ... 7 in each lane, plus 8 where `second`, whose sign bit says the same. */
ALWAYS_INLINE vf pair_pick(struct row_pair p, vi place, vi second)
{
#if LANES == 16
  (void)second;
  return (vf)_mm512_permutexvar_ps((__m512i)place, p.both);
#else
  __m256 a = _mm256_permutevar8x32_ps(p.first, (__m256i)place); /* looks at the low three bits only */
  __m256 b = _mm256_permutevar8x32_ps(p.second, (__m256i)place);
  return (vf)_mm256_blendv_ps(a, b, (__m256)second);
#endif
}

/* One block of channels, one input channel, ROWS rows of the kernel from kh on: ROWS × KERNEL sums
 * in registers. */
ALWAYS_INLINE void first_backward_rows(int kernel, int stride, int rows, const struct loop_conv *c, const float *x,
                                       const float *dy, const uint8_t *argmax, float *dw, vf *bias_sum)
{
  vf sum[5][5];
  vf bias = vf_set(0);
#pragma GCC unroll 5
  for (int r = 0; r < rows; r++)
#pragma GCC unroll 5
    for (int kw = 0; kw < kernel; kw++) sum[r][kw] = vf_set(0);
  for (int py = 0; py < c->pool_height; py++) {
    const float *line = x + (size_t)(2 * py * stride) * (size_t)c->row;
    for (int px = 0; px < c->pool_width; px++) {
      size_t o = (size_t)(py * c->pool_width + px) * LANES;
      vi which = vi_load_bytes(argmax + o);
      vf g = vf_keep(vi_less(which, vi_set(POOL_MASKED)), vf_load(dy + o));
      bias += g;
      vi second = which << 30; /* its sign: the lower row of the window */
      vi place = (which & vi_set(1)) * vi_set(stride) + ((which & vi_set(2)) << 2);
#pragma GCC unroll 5
      for (int r = 0; r < rows; r++) {
        const float *at = line + 2 * px * stride + (size_t)r * (size_t)c->row;
        struct row_pair p = pair_load(at, at + (size_t)stride * (size_t)c->row);
#pragma GCC unroll 5
        for (int kw = 0; kw < kernel; kw++) sum[r][kw] += pair_pick(p, place + vi_set(kw), second) * g;
      }
    }
  }
#pragma GCC unroll 5
  for (int r = 0; r < rows; r++)
#pragma GCC unroll 5
    for (int kw = 0; kw < kernel; kw++) {
      float *d = dw + (size_t)(r * kernel + kw) * LANES;
      vf_store(d, vf_load(d) + sum[r][kw]);
    }
  *bias_sum = bias;
}

/* As many kernel rows at once as the registers hold sums for. */
ALWAYS_INLINE void first_backward_all(int kernel, int stride, const struct loop_conv *c, const float *x,
                                      const float *dy, const uint8_t *argmax, float *dw, float *db)
{
  const int rows = LANES == 16 ? kernel : 1;
  size_t plane = (size_t)c->in_height * (size_t)c->row;
  size_t map = (size_t)(c->pool_height * c->pool_width) * LANES;
  for (int b = 0; b < c->out_channels / LANES; b++) {
    vf bias = vf_set(0);
    for (int ch = 0; ch < c->in_channels; ch++)
      for (int kh = 0; kh < kernel; kh += rows)
        first_backward_rows(kernel, stride, rows, c, x + ch * plane + (size_t)kh * (size_t)c->row, dy + b * map,
                            argmax + b * map, dw + (size_t)(((b * c->in_channels + ch) * kernel + kh) * kernel) * LANES,
                            &bias);
    vf_store(db + b * LANES, vf_load(db + b * LANES) + bias);
  }
}
#endif

void LOOP(first_backward)(const struct loop_conv *c, const float *x, const float *dy, const uint8_t *argmax, float *dw,
                          float *db)
{
#if defined __AVX2__
  if (c->kernel == 3 && c->stride == 1) {
    first_backward_all(3, 1, c, x, dy, argmax, dw, db);
    return;
  }
  if (c->kernel == 3 && c->stride == 2) {
    first_backward_all(3, 2, c, x, dy, argmax, dw, db);
    return;
  }
  if (c->kernel == 5 && c->stride == 1) {
    first_backward_all(5, 1, c, x, dy, argmax, dw, db);
    return;
  }
  if (c->kernel == 5 && c->stride == 2) {
    first_backward_all(5, 2, c, x, dy, argmax, dw, db);
    return;
  }
#endif
  first_backward_any(c, x, dy, argmax, dw, db);
}
