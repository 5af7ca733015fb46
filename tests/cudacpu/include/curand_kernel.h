/* CUDA on the CPU: the part of cuRAND's device interface that the project uses, Philox4x32-10.
 *
 * Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", SC 2011.  As in
 * cuRAND, the seed is the key, the subsequence the upper 64 bits of the counter, and the offset
 * counts words: its upper part is the lower 64 bits of the counter, its last two bits the word of
 * the block.  curand4 gives the four words from the offset on, and goes on by four. */
#ifndef CUDACPU_CURAND_KERNEL_H
#define CUDACPU_CURAND_KERNEL_H

#include "tests/cudacpu/include/cuda_runtime.h"

typedef struct curandStatePhilox4_32_10 {
  uint4 ctr;    /* the counter of the block in `output` */
  uint4 output; /* that block */
  uint2 key;
  unsigned int STATE; /* the next word of it, 0..3 */
} curandStatePhilox4_32_10_t;

static inline __host__ __device__ uint4 curand_Philox4x32_10(uint4 c, uint2 key)
{
  for (int round = 0; round < 10; round++) {
    unsigned long long p0 = 0xD2511F53ull * c.x, p1 = 0xCD9E8D57ull * c.z;
    c = make_uint4((unsigned)(p1 >> 32) ^ c.y ^ key.x, (unsigned)p1, (unsigned)(p0 >> 32) ^ c.w ^ key.y, (unsigned)p0);
    key.x += 0x9E3779B9u;
    key.y += 0xBB67AE85u;
  }
  return c;
}

/* The counter, 128 bits wide, n further. */
static inline __host__ __device__ void cudacpu_philox_advance(curandStatePhilox4_32_10_t *s, unsigned long long n)
{
  unsigned long long low = (unsigned long long)s->ctr.y << 32 | s->ctr.x;
  unsigned long long high = (unsigned long long)s->ctr.w << 32 | s->ctr.z;
  low += n;
  if (low < n) high++;
  s->ctr = make_uint4((unsigned)low, (unsigned)(low >> 32), (unsigned)high, (unsigned)(high >> 32));
}

/* `offset` words further. */
static inline __host__ __device__ void skipahead(unsigned long long offset, curandStatePhilox4_32_10_t *s)
{
  s->STATE += (unsigned)(offset & 3);
  offset /= 4;
  if (s->STATE > 3) {
    offset++;
    s->STATE -= 4;
  }
  cudacpu_philox_advance(s, offset);
  s->output = curand_Philox4x32_10(s->ctr, s->key);
}

/* `n` subsequences of 2^66 words further. */
static inline __host__ __device__ void skipahead_sequence(unsigned long long n, curandStatePhilox4_32_10_t *s)
{
  unsigned long long high = ((unsigned long long)s->ctr.w << 32 | s->ctr.z) + n;
  s->ctr.z = (unsigned)high;
  s->ctr.w = (unsigned)(high >> 32);
  s->output = curand_Philox4x32_10(s->ctr, s->key);
}

static inline __host__ __device__ void curand_init(unsigned long long seed, unsigned long long subsequence,
                                                   unsigned long long offset, curandStatePhilox4_32_10_t *s)
{
  s->ctr = make_uint4(0, 0, 0, 0);
  s->key = make_uint2((unsigned)seed, (unsigned)(seed >> 32));
  s->STATE = 0;
  skipahead_sequence(subsequence, s);
  skipahead(offset, s);
}

/* The next word. */
static inline __host__ __device__ unsigned int curand(curandStatePhilox4_32_10_t *s)
{
  const unsigned words[4] = {s->output.x, s->output.y, s->output.z, s->output.w};
  unsigned word = words[s->STATE++];
  if (s->STATE == 4) {
    s->STATE = 0;
    cudacpu_philox_advance(s, 1);
    s->output = curand_Philox4x32_10(s->ctr, s->key);
  }
  return word;
}

/* The next four words. */
static inline __host__ __device__ uint4 curand4(curandStatePhilox4_32_10_t *s)
{
  uint4 r;
  r.x = curand(s);
  r.y = curand(s);
  r.z = curand(s);
  r.w = curand(s);
  return r;
}

/* A word as a float in (0, 1]: word · 2^-32 + 2^-33. */
static inline __host__ __device__ float cudacpu_uniform(unsigned word)
{
  return (float)word * 2.3283064e-10f + 2.3283064e-10f / 2.0f;
}
static inline __host__ __device__ float curand_uniform(curandStatePhilox4_32_10_t *s)
{
  return cudacpu_uniform(curand(s));
}
static inline __host__ __device__ float4 curand_uniform4(curandStatePhilox4_32_10_t *s)
{
  uint4 w = curand4(s);
  return make_float4(cudacpu_uniform(w.x), cudacpu_uniform(w.y), cudacpu_uniform(w.z), cudacpu_uniform(w.w));
}

#endif
