/* The first convolution: what its kernels from patches have in common, those in FP32
 * (conv2d_first.cu) and in TF32 (conv2d_first_tensor.cu, conv2d_first_tensor_weights.cu). */
#ifndef GSOS_CONV2D_FIRST_CUH
#define GSOS_CONV2D_FIRST_CUH

#include <limits.h>

#include "kernels/conv2d.h"
#include "kernels/gemm_tile.cuh"
#include "kernels/pool.cuh"

/* ---- sizes, for the host --------------------------------------------------------------------- */

/* Pixels that `windows` windows in a row see. */
static inline int first_pixels(const device_conv *c, int windows)
{
  return c->stride * (2 * windows - 1) + c->kernel;
}

/* The patch of that many channels and of at most `rows` × `columns` windows, made even over the
 * image; items: what a row of it is counted in.  Its place in shared memory, stride and plane, is
 * for whoever calls. */
device_first_patch conv2d_first_patch(const device_conv *c, int planes, int rows, int columns, int item);

/* Blocks forward; where those of all trials together are then no more than FIRST_FEW, bands of
 * fewer rows make more of them.  No sum depends on it. */
enum { FIRST_FEW = 256 };

static inline __host__ __device__ int first_blocks(const device_trial *t, const device_first_patch &p, int bands)
{
  return t->batch * bands * p.strips * p.chunks;
}
static inline __host__ __device__ bool few_first_blocks(const device_trial *t, const device_first_patch &p)
{
  return (int64_t)first_blocks(t, p, p.few_bands) * t->together <= FIRST_FEW;
}
/* Sets few_rows and few_bands. */
void conv2d_first_few(struct device_first_patch *p, const struct device_trial *t);

/* ---- a patch --------------------------------------------------------------------------------- */

/* What a patch is of: channels `channel` ... of an image, from row y and column x on, which may be
 * outside, `rows` down. */
struct patch_source {
  const uint8_t *image;
  int y, x, rows, channel;
};

/* How pixels lie in a patch: a plane for each channel, or all channels of a pixel as four floats
 * side by side, the pixels of a row apart by their column's remainder, of as many phases as a
 * window is wide in pixels, so that the same pixel of neighbouring windows is in neighbouring
 * fours. */
enum patch_layout { PATCH_PLANES, PATCH_QUADS };

/* A patch of normalised pixels, from loads of BYTES: words where the image's rows are words.
 * CHANNELS: the image's, or 0; PLANES: the patch's channels, or 0, where they are not known.
 * All loads of a row are numbered, so that one division finds the row.  Begins when nobody uses the
 * patch any more, and ends with a barrier. */
template <int BYTES, int CHANNELS, int PLANES, patch_layout LAYOUT>
__device__ __forceinline__ void patch_fill_by(const device_conv &c, const device_first_patch &p, const patch_source &s,
                                              const float *table, float *pixels)
{
  constexpr int AHEAD = 2;
  const int thread = (int)threadIdx.x, threads = (int)blockDim.x, planes = PLANES ? PLANES : p.planes;
  const int channels = CHANNELS ? CHANNELS : c.in_channels, line = c.in_width * channels, width = p.width;
  const int top = max(s.y, 0), bottom = min(s.y + s.rows, c.in_height), plane = p.plane, stride = p.stride;
  const int first = max(s.x, 0) * channels / BYTES, last = min(s.x + width, c.in_width) * channels;
  const int per_row = p.loads, loads = (bottom - top) * per_row;
  const device_divisor by_loads = p.by_loads, by_channels = c.by_channels;
  const uint8_t *from = s.image + (int64_t)top * line;
  const int phases = 2 * c.stride, phase_bits = c.stride == 1 ? 1 : 2, phase = stride >> phase_bits; /* of quads */
  const int all = (LAYOUT == PATCH_QUADS ? 1 : planes) * plane;
  for (int i = thread; i < all / 4; i += threads) ((float4 *)pixels)[i] = zero4();
  pixels += (top - s.y) * stride - (LAYOUT == PATCH_QUADS ? 0 : s.x);
  __syncthreads();
  NO_UNROLL
  for (int begin = thread; begin < loads; begin += AHEAD * threads) {
    uint32_t bytes[AHEAD];
    int at[AHEAD], row[AHEAD];
    UNROLL
    for (int i = 0; i < AHEAD; i++) {
      const int load = begin + i * threads;
      row[i] = divide(load, by_loads);
      at[i] = (first + load - row[i] * per_row) * BYTES;
      if (load >= loads) at[i] = last;
      const uint8_t *q = from + row[i] * line + at[i];
      bytes[i] = at[i] >= last ? 0 : BYTES == 4 ? __ldg((const uint32_t *)q) : __ldg(q);
    }
    UNROLL
    for (int i = 0; i < AHEAD; i++) {
      if (at[i] >= last) continue;
      float value[BYTES];
      int to[BYTES];
      UNROLL
      for (int j = 0; j < BYTES; j++) {
        const int byte = at[i] + j;
        const int column = CHANNELS == 1 ? byte : CHANNELS == 3 ? (int)((unsigned)byte / 3) : divide(byte, by_channels);
        const int of = CHANNELS == 1 ? 0 : byte - column * channels - (PLANES == CHANNELS ? 0 : s.channel);
        const int right = column - s.x;
        const bool here = (unsigned)right < (unsigned)width && (unsigned)of < (unsigned)planes;
        const int place = LAYOUT == PATCH_QUADS ? (right & (phases - 1)) * phase + (right >> phase_bits) * 4 + of
                                                : of * plane + column;
        to[j] = here ? place + row[i] * stride : INT_MIN;
        value[j] = here ? table[of * 256 + (bytes[i] >> (8 * j) & 255)] : 0;
      }
      UNROLL
      for (int j = 0; j < BYTES; j++)
        if (to[j] != INT_MIN) pixels[to[j]] = value[j];
    }
  }
  __syncthreads();
}

template <int CHANNELS, int PLANES, patch_layout LAYOUT = PATCH_PLANES>
__device__ __forceinline__ void patch_fill(const device_conv &c, const device_first_patch &p, const patch_source &s,
                                           const float *table, float *pixels)
{
  if (c.in_width * c.in_channels % 4 == 0)
    patch_fill_by<4, CHANNELS, PLANES, LAYOUT>(c, p, s, table, pixels);
  else
    patch_fill_by<1, CHANNELS, PLANES, LAYOUT>(c, p, s, table, pixels);
}

/* The table's rows of the patch's channels into shared memory, in TF32 where `tf32`; a barrier
 * follows. */
__device__ __forceinline__ void table_fill(const device_trial *t, const device_first_patch &p, int channel,
                                           float *table, bool tf32 = false)
{
  for (int i = (int)threadIdx.x; i < 64 * p.planes; i += (int)blockDim.x) {
    const float4 x = __ldg((const float4 *)(t->table + 256 * channel) + i);
    ((float4 *)table)[i] = tf32 ? to_tf32(x) : x;
  }
}

/* The byte image of place n of the batch. */
__device__ __forceinline__ const uint8_t *image_at(const device_trial *t, int n)
{
  return t->images + (int64_t)__ldca(t->rows + n) * t->height * t->width * t->channels;
}

/* ---- forward --------------------------------------------------------------------------------- */

/* Forward: the patch and the filters of a block. */
struct first_place {
  int image, chunk;                /* of the batch; of filters */
  int row0, rows, column0, across; /* windows of the image */
};

/* Of block `index` of a trial. */
__device__ __forceinline__ first_place first_place_of(const device_trial *t, const device_conv &c,
                                                      const device_first_patch &p, int index)
{
  const bool few = few_first_blocks(t, p);
  const int bands = few ? p.few_bands : p.bands, rows = few ? p.few_rows : p.rows;
  const int patch = divide(index, p.by_chunks), band = divide(patch, p.by_strips);
  const int image = divide(band, few ? p.by_few_bands : p.by_bands);
  const int row0 = (band - image * bands) * rows, column0 = (patch - band * p.strips) * p.columns;
  return {image,   index - patch * p.chunks,
          row0,    min(rows, c.pool_height - row0),
          column0, min(p.columns, c.pool_width - column0)};
}

/* What its patch is of, of channels 0 ...; kernel and stride are c's, for whom knows them. */
__device__ __forceinline__ patch_source first_source(const device_trial *t, const device_conv &c, const first_place &at,
                                                     int kernel, int stride)
{
  return {image_at(t, at.image), 2 * stride * at.row0 - c.pad, 2 * stride * at.column0 - c.pad,
          stride * (2 * at.rows - 1) + kernel, 0};
}

/* The larger one; what is not a number where one is none. */
__device__ __forceinline__ float max_or_nan(float a, float b)
{
#ifdef __CUDACC__
  float r;
  asm("max.NaN.f32 %0, %1, %2;" : "=f"(r) : "f"(a), "f"(b));
  return r;
#else
  return isnan(a) ? a : isnan(b) ? b : a > b ? a : b;
#endif
}

#endif
