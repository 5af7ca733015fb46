/* Right kernels that use everything the harness has (sound.h).  Each comment says what out
 * holds. */
#include <curand_kernel.h>
#include <mma.h>
#include <string.h>

#include "kernels/cluster.cuh"
#include "kernels/launch.h"
#include "kernels/philox.h"
#include "kernels/tensor_core.cuh"
#include "tests/cudacpu/selftest/sound.h"

#define KERNEL(name) static __global__ void name(void *out, const void *in, int n)
/* What many kernels have in common. */
#define INDICES                                                                                                        \
  const unsigned t = threadIdx.x, g = blockIdx.x * blockDim.x + threadIdx.x;                                           \
  unsigned *const u = (unsigned *)out;                                                                                 \
  const unsigned *const v = (const unsigned *)in;                                                                      \
  (void)t, (void)g, (void)u, (void)v, (void)n

/* At its place in the whole grid, each thread's block and thread, a hexadecimal digit each: z, y,
 * x. */
KERNEL(indices)
{
  INDICES;
  unsigned block = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
  unsigned thread = (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
  u[block * blockDim.x * blockDim.y * blockDim.z + thread] =
      blockIdx.z << 20 | blockIdx.y << 16 | blockIdx.x << 12 | threadIdx.z << 8 | threadIdx.y << 4 | threadIdx.x;
}

/* Adds 1 to each element: what a stream's order shows by. */
KERNEL(add_one)
{
  INDICES;
  if ((int)g < n) u[g] += 1;
}
/* Doubles each. */
KERNEL(twice)
{
  INDICES;
  if ((int)g < n) u[g] *= 2;
}

/* [4][threads]: four shuffles of the elements, width n, by v[threads + t]. */
KERNEL(shuffles)
{
  INDICES;
  unsigned x = v[t], by = v[blockDim.x + t], all = blockDim.x;
  u[t] = __shfl_sync(0xffffffffu, x, (int)by, n);
  u[all + t] = __shfl_up_sync(0xffffffffu, x, by & 31, n);
  u[2 * all + t] = __shfl_down_sync(0xffffffffu, x, by & 31, n);
  u[3 * all + t] = __shfl_xor_sync(0xffffffffu, x, (int)(by & 31), n);
}
/* Eight bytes at a time. */
KERNEL(shuffle_double)
{
  INDICES;
  ((double *)out)[t] = __shfl_xor_sync(0xffffffffu, 1.0 / (1 + t), 5);
}

/* [8][threads]: ballot, any, all, match, sum, least, greatest, exclusive or. */
KERNEL(votes)
{
  INDICES;
  unsigned x = v[t], all = blockDim.x;
  u[t] = __ballot_sync(0xffffffffu, x & 1);
  u[all + t] = (unsigned)__any_sync(0xffffffffu, x == 7);
  u[2 * all + t] = (unsigned)__all_sync(0xffffffffu, x < 1000);
  u[3 * all + t] = __match_any_sync(0xffffffffu, x & 3);
  u[4 * all + t] = __reduce_add_sync(0xffffffffu, x);
  u[5 * all + t] = (unsigned)__reduce_min_sync(0xffffffffu, (int)x - 500);
  u[6 * all + t] = (unsigned)__reduce_max_sync(0xffffffffu, (int)x - 500);
  u[7 * all + t] = __reduce_xor_sync(0xffffffffu, x);
}

/* [3][threads]: how many odd ones, whether all, whether any, in the block; three rounds added
 * up. */
KERNEL(counting_barriers)
{
  INDICES;
  u[t] = u[blockDim.x + t] = u[2 * blockDim.x + t] = 0;
  for (unsigned round = 0; round < 3; round++) {
    u[t] += (unsigned)__syncthreads_count((v[t] >> round) & 1);
    u[blockDim.x + t] += (unsigned)(__syncthreads_and((v[t] >> round) & 1) != 0);
    u[2 * blockDim.x + t] += (unsigned)(__syncthreads_or((v[t] >> round) & 1) != 0);
  }
}

/* u[0..9]: sum, difference, least, greatest, and, or, exclusive or, exchanges' sum, increments to
 * n, times a compare-and-swap lock was free; u[10], u[11]: a 64-bit sum. */
KERNEL(all_atomics)
{
  INDICES;
  atomicAdd(&u[0], v[g]);
  atomicSub(&u[1], v[g]);
  atomicMin(&u[2], v[g]);
  atomicMax((int *)&u[3], (int)v[g]);
  atomicAnd(&u[4], ~(1u << (g & 31)));
  atomicOr(&u[5], 1u << (g & 31));
  atomicXor(&u[6], v[g]);
  atomicAdd(&u[7], atomicExch(&u[12], v[g]));
  atomicInc(&u[8], (unsigned)n);
  if (atomicCAS(&u[13], 0u, g + 1) == 0) atomicAdd(&u[9], 1u);
  atomicAdd((unsigned long long *)&u[10], 0x100000001ull * v[g]);
}

/* The sum of v as floats, in an order that n threads give: a tree within warps, warps in order. */
KERNEL(sum)
{
  INDICES;
  __shared__ float of_warp[32];
  const float *x = (const float *)in;
  float s = 0;
  for (int i = (int)t; i < n; i += (int)blockDim.x) s += x[(int)blockIdx.x * n + i];
  for (int by = 16; by; by /= 2) s += __shfl_xor_sync(0xffffffffu, s, by);
  if (t % 32 == 0) of_warp[t / 32] = s;
  __syncthreads();
  if (t == 0) {
    float total = 0;
    for (unsigned w = 0; w < blockDim.x / 32; w++) total += of_warp[w];
    ((float *)out)[blockIdx.x] = total;
  }
}

/* The elements in reverse, through n words of dynamic shared memory. */
KERNEL(reverse)
{
  INDICES;
  DYNAMIC_SHARED(unsigned, a);
  for (int i = (int)t; i < n; i += (int)blockDim.x) a[i] = v[i];
  __syncthreads();
  for (int i = (int)t; i < n; i += (int)blockDim.x) u[i] = a[n - 1 - i];
}

/* Words of Philox by cuRAND's interface, v = {seed, subsequence, offset} of 64 bits each: n words
 * (a multiple of 4) one by one from the offset on, then four words at once from each element's own
 * start, then uniforms. */
KERNEL(curand_words)
{
  INDICES;
  const unsigned long long *w = (const unsigned long long *)in;
  curandStatePhilox4_32_10_t s;
  if (g == 0) {
    curand_init(w[0], w[1], w[2], &s);
    for (int i = 0; i < n; i++) u[i] = curand(&s);
  }
  curand_init(w[0], w[1], 4ull * g, &s);
  ((uint4 *)(u + n))[g] = curand4(&s);
  curand_init(w[0], w[1], g, &s);
  ((float *)(u + n + 4 * (int)(gridDim.x * blockDim.x)))[g] = curand_uniform(&s);
}
/* The same words by philox.h. */
KERNEL(philox_words)
{
  INDICES;
  const unsigned long long *w = (const unsigned long long *)in;
  if ((int)g < n) u[g] = philox_word(w[0], w[1], w[2] + g);
}
/* Blocks of Philox: v [n][6] = counter and key. */
KERNEL(philox_blocks)
{
  INDICES;
  if ((int)g < n)
    ((uint4 *)out)[g] = curand_Philox4x32_10(make_uint4(v[6 * g], v[6 * g + 1], v[6 * g + 2], v[6 * g + 3]),
                                             make_uint2(v[6 * g + 4], v[6 * g + 5]));
}

/* Intrinsics on bits. */
KERNEL(bits)
{
  INDICES;
  const unsigned x = v[t];
  unsigned *o = u + 8 * t;
  o[0] = (unsigned)__popc(x);
  o[1] = (unsigned)__clz((int)x);
  o[2] = (unsigned)__ffs((int)x);
  o[3] = __brev(x);
  o[4] = __umulhi(x, 0x9E3779B9u);
  o[5] = __byte_perm(x, ~x, 0x7531u);
  o[6] = __funnelshift_l(x, ~x, 7);
  o[7] = __float_as_uint(nvcuda::wmma::__float_to_tf32(__uint_as_float(x)));
}

/* A double's halves, exchanged. */
KERNEL(halves)
{
  INDICES;
  const double x = ((const double *)in)[t];
  ((double *)out)[t] = __hiloint2double(__double2loint(x), __double2hiint(x));
}

using namespace nvcuda;

/* a [16][8], b [8][16] by columns, c [16][16]: out = a · b + c of TF32. */
KERNEL(product_tf32)
{
  INDICES;
  const float *a = (const float *)in, *b = a + 128, *c = b + 128;
  wmma::fragment<wmma::matrix_a, 16, 16, 8, wmma::precision::tf32, wmma::row_major> fa;
  wmma::fragment<wmma::matrix_b, 16, 16, 8, wmma::precision::tf32, wmma::col_major> fb;
  wmma::fragment<wmma::accumulator, 16, 16, 8, float> fc;
  wmma::load_matrix_sync(fa, a, 8);
  wmma::load_matrix_sync(fb, b, 8);
  wmma::load_matrix_sync(fc, c, 16, wmma::mem_row_major);
  for (int i = 0; i < fa.num_elements; i++) fa.x[i] = wmma::__float_to_tf32(fa.x[i]);
  for (int i = 0; i < fb.num_elements; i++) fb.x[i] = wmma::__float_to_tf32(fb.x[i]);
  wmma::mma_sync(fc, fa, fb, fc);
  wmma::store_matrix_sync((float *)out, fc, 16, wmma::mem_row_major);
}

/* a [16][8], b [8][8] by columns, c [16][8]: the same by mma.sync, each lane with its elements. */
KERNEL(product_tf32_registers)
{
  INDICES;
  const float *a = (const float *)in, *b = a + 128, *c = b + 64;
  const int row = (int)t / 4, k = (int)t % 4, at = 8 * row + 2 * k;
  float sum[4] = {c[at], c[at + 1], c[at + 64], c[at + 65]};
  const float4 x = make_float4(a[8 * row + k], a[8 * row + 64 + k], a[8 * row + k + 4], a[8 * row + 64 + k + 4]);
  tensor_multiply(sum, to_tf32(x), to_tf32(b[8 * row + k]), to_tf32(b[8 * row + k + 4]));
  ((float2 *)out)[at / 2] = make_float2(sum[0], sum[1]);
  ((float2 *)out)[at / 2 + 32] = make_float2(sum[2], sum[3]);
}

/* The same in FP64, without rounding. */
KERNEL(product_f64_registers)
{
  INDICES;
  const double *a = (const double *)in, *b = a + 128, *c = b + 64;
  const int row = (int)t / 4, k = (int)t % 4, at = 8 * row + 2 * k;
  double sum[4] = {c[at], c[at + 1], c[at + 64], c[at + 65]};
  const double2 left = make_double2(a[8 * row + k], a[8 * row + 64 + k]);
  const double2 right = make_double2(a[8 * row + k + 4], a[8 * row + 64 + k + 4]);
  tensor_multiply(sum, left, right, b[8 * row + k], b[8 * row + k + 4]);
  ((double2 *)out)[at / 2] = make_double2(sum[0], sum[1]);
  ((double2 *)out)[at / 2 + 32] = make_double2(sum[2], sum[3]);
}

/* a [8][4], b [4][8], c [8][8] by columns: out the same in FP64. */
KERNEL(product_f64)
{
  INDICES;
  const double *a = (const double *)in, *b = a + 32, *c = b + 32;
  wmma::fragment<wmma::matrix_a, 8, 8, 4, double, wmma::row_major> fa;
  wmma::fragment<wmma::matrix_b, 8, 8, 4, double, wmma::row_major> fb;
  wmma::fragment<wmma::accumulator, 8, 8, 4, double> fc, fd;
  wmma::load_matrix_sync(fa, a, 4);
  wmma::load_matrix_sync(fb, b, 8);
  wmma::load_matrix_sync(fc, c, 8, wmma::mem_col_major);
  wmma::mma_sync(fd, fa, fb, fc);
  wmma::store_matrix_sync((double *)out, fd, 8, wmma::mem_col_major);
}

/* ---------------------------------------------------------------------------------- convolution */

/* One image a block, one output pixel a thread; the 16x16 plane with its zeros and the channel's
 * weights in shared memory, and 32 sums in registers. */
static __global__ void __launch_bounds__(224) convolution_fp32(float *y, const float *x, const float *w)
{
  __shared__ float plane[16 * 16];
  __shared__ __align__(16) float weights[9][32];
  const int t = (int)threadIdx.x, row = t / 14, column = t % 14;
  const bool inside = t < 196;
  float sum[32];
  for (int k = 0; k < 32; k++) sum[k] = 0;
  for (int c = 0; c < 32; c++) {
    const float *image = x + ((int)blockIdx.x * 32 + c) * 196;
    for (int i = t; i < 256; i += 224) {
      int r = i / 16 - 1, s = i % 16 - 1;
      plane[i] = r >= 0 && r < 14 && s >= 0 && s < 14 ? image[r * 14 + s] : 0.0f;
    }
    for (int i = t; i < 288; i += 224) weights[i % 9][i / 9] = w[(i / 9 * 32 + c) * 9 + i % 9];
    __syncthreads();
    if (inside) {
      for (int j = 0; j < 9; j++) {
        float v = plane[(row + j / 3) * 16 + column + j % 3];
        for (int k = 0; k < 32; k++) sum[k] = fmaf(v, weights[j][k], sum[k]);
      }
    }
    __syncthreads();
  }
  if (inside)
    for (int k = 0; k < 32; k++) y[((int)blockIdx.x * 32 + k) * 196 + t] = sum[k];
}

/* 16 pixels by 32 filters a warp; the products [16 pixels][8 channels of one tap] · [8][16
 * filters].  13 groups of 16 pixels, the last one cut off. */
static __global__ void __launch_bounds__(13 * 32) convolution_tf32(float *y, const float *x, const float *w)
{
  __shared__ __align__(32) float plane[8][16 * 16];
  __shared__ __align__(32) float weights[9][8][32];
  __shared__ __align__(32) float pixels[13][16 * 16]; /* each warp's own */
  const int t = (int)threadIdx.x, warp = t / 32, lane = t % 32;
  wmma::fragment<wmma::accumulator, 16, 16, 8, float> sum[2];
  for (int f = 0; f < 2; f++) wmma::fill_fragment(sum[f], 0.0f);
  for (int c = 0; c < 32; c += 8) {
    for (int i = t; i < 8 * 256; i += 13 * 32) {
      int r = i % 256 / 16 - 1, s = i % 16 - 1;
      float v = 0;
      if (r >= 0 && r < 14 && s >= 0 && s < 14) v = x[((int)blockIdx.x * 32 + c + i / 256) * 196 + r * 14 + s];
      plane[i / 256][i % 256] = wmma::__float_to_tf32(v);
    }
    for (int i = t; i < 9 * 8 * 32; i += 13 * 32) {
      int k = i % 32, channel = i / 32 % 8, tap = i / 256;
      weights[tap][channel][k] = wmma::__float_to_tf32(w[(k * 32 + c + channel) * 9 + tap]);
    }
    __syncthreads();
    for (int tap = 0; tap < 9; tap++) {
      for (int i = lane; i < 128; i += 32) {
        int p = min(16 * warp + i / 8, 195);
        pixels[warp][i] = plane[i % 8][(p / 14 + tap / 3) * 16 + p % 14 + tap % 3];
      }
      __syncwarp();
      wmma::fragment<wmma::matrix_a, 16, 16, 8, wmma::precision::tf32, wmma::row_major> a;
      wmma::fragment<wmma::matrix_b, 16, 16, 8, wmma::precision::tf32, wmma::row_major> b;
      wmma::load_matrix_sync(a, pixels[warp], 8);
      for (int f = 0; f < 2; f++) {
        wmma::load_matrix_sync(b, &weights[tap][0][16 * f], 32);
        wmma::mma_sync(sum[f], a, b, sum[f]);
      }
      __syncwarp();
    }
    __syncthreads();
  }
  for (int f = 0; f < 2; f++) {
    wmma::store_matrix_sync(pixels[warp], sum[f], 16, wmma::mem_row_major);
    __syncwarp();
    for (int i = lane; i < 256; i += 32) {
      int p = 16 * warp + i / 16;
      if (p < 196) y[((int)blockIdx.x * 32 + 16 * f + i % 16) * 196 + p] = pixels[warp][i];
    }
    __syncwarp();
  }
}

extern "C" cudaError_t sound_convolution(int tf32, int n, float *y, const float *x, const float *w, cudaStream_t stream)
{
  if (tf32) return launch(convolution_tf32, (unsigned)n, 13 * 32, 0, stream, y, x, w);
  return launch(convolution_fp32, (unsigned)n, 224, 0, stream, y, x, w);
}

/* A cluster of eight blocks of 256 threads.  Thread g of all has in[g] at the end of its block's
 * shared memory and in out[g]; out[2048 + g] becomes the sum of what the next block has and of
 * out[g ± 1024].  Without `waits` it is a fault: the latter is read though no barrier of the
 * cluster lies between. */
static __global__ void hand_on(unsigned *out, const unsigned *in, int words, int waits)
{
  DYNAMIC_SHARED(unsigned, a);
  const unsigned t = threadIdx.x, g = blockIdx.x * 256 + t, rank = cluster_rank();
  unsigned *own = a + words - 256;
  own[t] = in[g];
  out[g] = in[g];
  if (waits)
    cluster_sync();
  else
    __syncthreads();
  unsigned sum = out[(g + 1024) % 2048];
  if (waits) sum += cluster_shared(own, (rank + 1) % 8)[t];
  cluster_sync();
  out[2048 + g] = sum;
}

extern "C" cudaError_t sound_hand_on(int words, int waits, unsigned *out, const unsigned *in, cudaStream_t stream)
{
  const int bytes = words * (int)sizeof(unsigned);
  cudaError_t error = cudaFuncSetAttribute(hand_on, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes);
  if (error != cudaSuccess) return error;
  return launch_cluster(hand_on, 8, 8, 256, (size_t)bytes, stream, out, in, words, waits);
}

/* -------------------------------------------------------------------------------------- by name */

#define NAMES(X)                                                                                                       \
  X(indices)                                                                                                           \
  X(add_one)                                                                                                           \
  X(twice)                                                                                                             \
  X(shuffles)                                                                                                          \
  X(shuffle_double)                                                                                                    \
  X(votes)                                                                                                             \
  X(counting_barriers)                                                                                                 \
  X(all_atomics)                                                                                                       \
  X(sum)                                                                                                               \
  X(reverse)                                                                                                           \
  X(curand_words)                                                                                                      \
  X(philox_words)                                                                                                      \
  X(philox_blocks)                                                                                                     \
  X(bits)                                                                                                              \
  X(halves)                                                                                                            \
  X(product_tf32)                                                                                                      \
  X(product_tf32_registers)                                                                                            \
  X(product_f64)                                                                                                       \
  X(product_f64_registers)

typedef void (*sound_kernel)(void *, const void *, int);

static sound_kernel find(const char *name)
{
#define ROW(k) {#k, k},
  static const struct {
    const char *name;
    sound_kernel kernel;
  } table[] = {NAMES(ROW)};
  for (const auto &row : table)
    if (!strcmp(row.name, name)) return row.kernel;
  return nullptr;
}

extern "C" cudaError_t sound_launch(const char *name, dim3 grid, dim3 block, size_t dynamic_shared, cudaStream_t stream,
                                    void *out, const void *in, int n)
{
  return launch(find(name), grid, block, dynamic_shared, stream, out, in, n);
}

extern "C" cudaError_t sound_allow_shared(const char *name, int bytes)
{
  return cudaFuncSetAttribute(find(name), cudaFuncAttributeMaxDynamicSharedMemorySize, bytes);
}
