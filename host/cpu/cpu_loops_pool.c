/* ReLU and 2×2 max pool with a one-byte argmax, and plain convolutions, in the blocked layout.
 *
 * oneDNN's training max pool keeps its indices in a workspace and takes ten times as long with
 * AVX2; here ReLU's mask is folded into the argmax byte (the mask of the pooled map has the same
 * bits as pooling the masked map).
 *
 * The convolutions are for the few shapes (and processors) for which the library has only its
 * reference code: with AVX2, the weight gradient of a 5×5 kernel on a map smaller than the kernel.
 * Compiled once for each instruction set. */
#include "host/cpu/cpu_loops.h"
#include "host/cpu/cpu_loops_vector.h"

void LOOP(pool_forward)(const struct loop_conv *c, const float *x, float *y, uint8_t *argmax);
void LOOP(pool_backward)(const struct loop_conv *c, const float *dy, const uint8_t *argmax, float *dx);
void LOOP(conv_forward)(const struct loop_conv *c, const float *x, const float *w, const float *bias, float *y);
void LOOP(conv_backward_data)(const struct loop_conv *c, const float *dy, const float *wt, float *dx);
void LOOP(conv_backward_weights)(const struct loop_conv *c, const float *x, const float *dy, float *dw, float *db);

void LOOP(pool_forward)(const struct loop_conv *c, const float *x, float *y, uint8_t *argmax)
{
  size_t line = (size_t)c->out_width * LANES;
  for (int map = 0; map < c->images * c->out_channels / LANES; map++) {
    for (int py = 0; py < c->pool_height; py++) {
      const float *row = x + (size_t)(map * c->out_height + 2 * py) * line;
      size_t o = (size_t)(map * c->pool_height + py) * (size_t)c->pool_width * LANES;
      for (int px = 0; px < c->pool_width; px++, row += 2 * LANES, o += LANES) {
        vf a = vf_load(row), b = vf_load(row + LANES), d = vf_load(row + line), e = vf_load(row + line + LANES);
        vm right_top = vf_greater(b, a), right_bottom = vf_greater(e, d);
        vf top = vf_select(right_top, b, a), bottom = vf_select(right_bottom, e, d);
        vi which_top = vi_select(right_top, vi_set(1), vi_set(0)),
           which_bottom = vi_select(right_bottom, vi_set(3), vi_set(2));
        vm lower = vf_greater(bottom, top);
        vf best = vf_select(lower, bottom, top);
        vi which = vi_select(lower, which_bottom, which_top);
        vm masked = vf_at_most(best, vf_set(0)); /* a sum that is not a number passes, so that the loss shows it */
        vf_store(y + o, vf_select(masked, vf_set(0), best));
        vi_store_bytes(argmax + o, vi_select(masked, vi_set(POOL_MASKED), which));
      }
    }
  }
}

void LOOP(pool_backward)(const struct loop_conv *c, const float *dy, const uint8_t *argmax, float *dx)
{
  size_t line = (size_t)c->out_width * LANES;
  const vf zero = vf_set(0);
  for (int map = 0; map < c->images * c->out_channels / LANES; map++) {
    for (int py = 0; py < c->pool_height; py++) {
      float *row = dx + (size_t)(map * c->out_height + 2 * py) * line;
      size_t o = (size_t)(map * c->pool_height + py) * (size_t)c->pool_width * LANES;
      for (int px = 0; px < c->pool_width; px++, row += 2 * LANES, o += LANES) {
        vf g = vf_load(dy + o);
        vi which = vi_load_bytes(argmax + o);
        vf_store(row, vf_keep(vi_equal(which, vi_set(0)), g));
        vf_store(row + LANES, vf_keep(vi_equal(which, vi_set(1)), g));
        vf_store(row + line, vf_keep(vi_equal(which, vi_set(2)), g));
        vf_store(row + line + LANES, vf_keep(vi_equal(which, vi_set(3)), g));
      }
      if (c->out_width & 1) { /* a column that no window covers */
        vf_store(row, zero);
        vf_store(row + line, zero);
      }
    }
    if (c->out_height & 1) {
      float *row = dx + (size_t)(map * c->out_height + c->out_height - 1) * line;
      for (int i = 0; i < c->out_width; i++) vf_store(row + (size_t)i * LANES, zero);
    }
  }
}

/* --- Plain convolutions ----------------------------------------------------------------------- */

/* Four output pixels of a row at a time share each weight; a tap outside the map adds nothing. */
void LOOP(conv_forward)(const struct loop_conv *c, const float *x, const float *w, const float *bias, float *y)
{
  int ib_count = c->in_channels / LANES, ob_count = c->out_channels / LANES, k = c->kernel;
  size_t tap = (size_t)LANES * LANES;
  for (int n = 0; n < c->images; n++)
    for (int ob = 0; ob < ob_count; ob++)
      for (int oy = 0; oy < c->out_height; oy++)
        for (int ox = 0; ox < c->out_width; ox += 4) {
          int count = c->out_width - ox < 4 ? c->out_width - ox : 4;
          vf sum[4];
          for (int t = 0; t < 4; t++) sum[t] = vf_load(bias + ob * LANES);
          for (int ib = 0; ib < ib_count; ib++)
            for (int kh = 0; kh < k; kh++) {
              int iy = oy * c->stride + kh - c->pad;
              if (iy < 0 || iy >= c->in_height) continue;
              const float *line = x + (size_t)((n * ib_count + ib) * c->in_height + iy) * (size_t)c->in_width * LANES;
              for (int kw = 0; kw < k; kw++) {
                const float *wk = w + (size_t)(((ob * ib_count + ib) * k + kh) * k + kw) * tap;
                static const float zeros[LANES] __attribute__((aligned(4 * LANES)));
                const float *in[4];
                for (int t = 0; t < 4; t++) {
                  int ix = (ox + t) * c->stride + kw - c->pad;
                  in[t] = t < count && ix >= 0 && ix < c->in_width ? line + (size_t)ix * LANES : zeros;
                }
                for (int i = 0; i < LANES; i++) {
                  vf weight = vf_load(wk + (size_t)i * LANES);
                  for (int t = 0; t < 4; t++) sum[t] += vf_set(in[t][i]) * weight;
                }
              }
            }
          float *out = y + (size_t)(((n * ob_count + ob) * c->out_height + oy) * c->out_width + ox) * LANES;
          for (int t = 0; t < count; t++) vf_store(out + (size_t)t * LANES, sum[t]);
        }
}

/* The output row or column that meets input `i` at kernel tap `t`, or -1. */
ALWAYS_INLINE int met_by(int i, int t, int pad, int stride, int out)
{
  int at = i + pad - t;
  return at >= 0 && at % stride == 0 && at / stride < out ? at / stride : -1;
}

void LOOP(conv_backward_data)(const struct loop_conv *c, const float *dy, const float *wt, float *dx)
{
  int ib_count = c->in_channels / LANES, ob_count = c->out_channels / LANES, k = c->kernel;
  size_t tap = (size_t)LANES * LANES;
  for (int n = 0; n < c->images; n++)
    for (int ib = 0; ib < ib_count; ib++)
      for (int iy = 0; iy < c->in_height; iy++)
        for (int ix = 0; ix < c->in_width; ix++) {
          vf sum[4];
          for (int t = 0; t < 4; t++) sum[t] = vf_set(0);
          for (int ob = 0; ob < ob_count; ob++)
            for (int kh = 0; kh < k; kh++) {
              int oy = met_by(iy, kh, c->pad, c->stride, c->out_height);
              if (oy < 0) continue;
              for (int kw = 0; kw < k; kw++) {
                int ox = met_by(ix, kw, c->pad, c->stride, c->out_width);
                if (ox < 0) continue;
                const float *g = dy + (size_t)(((n * ob_count + ob) * c->out_height + oy) * c->out_width + ox) * LANES;
                const float *wk = wt + (size_t)(((ob * ib_count + ib) * k + kh) * k + kw) * tap;
                for (int o = 0; o < LANES; o++) sum[o & 3] += vf_set(g[o]) * vf_load(wk + (size_t)o * LANES);
              }
            }
          vf_store(dx + (size_t)(((n * ib_count + ib) * c->in_height + iy) * c->in_width + ix) * LANES,
                   (sum[0] + sum[1]) + (sum[2] + sum[3]));
        }
}

void LOOP(conv_backward_weights)(const struct loop_conv *c, const float *x, const float *dy, float *dw, float *db)
{
  int ib_count = c->in_channels / LANES, ob_count = c->out_channels / LANES, k = c->kernel;
  size_t tap = (size_t)LANES * LANES;
  for (int ob = 0; ob < ob_count; ob++) {
    vf bias = vf_set(0);
    for (int n = 0; n < c->images; n++) {
      const float *g = dy + (size_t)((n * ob_count + ob) * c->out_height * c->out_width) * LANES;
      for (int p = 0; p < c->out_height * c->out_width; p++) bias += vf_load(g + (size_t)p * LANES);
    }
    vf_store(db + ob * LANES, bias);
    for (int ib = 0; ib < ib_count; ib++)
      for (int kh = 0; kh < k; kh++)
        for (int kw = 0; kw < k; kw++) {
          vf sum[LANES];
          for (int i = 0; i < LANES; i++) sum[i] = vf_set(0);
          for (int n = 0; n < c->images; n++)
            for (int oy = 0; oy < c->out_height; oy++) {
              int iy = oy * c->stride + kh - c->pad;
              if (iy < 0 || iy >= c->in_height) continue;
              const float *in = x + (size_t)((n * ib_count + ib) * c->in_height + iy) * (size_t)c->in_width * LANES;
              const float *g = dy + (size_t)((n * ob_count + ob) * c->out_height + oy) * (size_t)c->out_width * LANES;
              for (int ox = 0; ox < c->out_width; ox++) {
                int ix = ox * c->stride + kw - c->pad;
                if (ix < 0 || ix >= c->in_width) continue;
                vf gradient = vf_load(g + (size_t)ox * LANES);
#pragma GCC unroll 16
                for (int i = 0; i < LANES; i++) sum[i] += vf_set(in[(size_t)ix * LANES + (size_t)i]) * gradient;
              }
            }
          float *out = dw + (size_t)(((ob * ib_count + ib) * k + kh) * k + kw) * tap;
          for (int i = 0; i < LANES; i++) vf_store(out + (size_t)i * LANES, sum[i]);
        }
  }
}
