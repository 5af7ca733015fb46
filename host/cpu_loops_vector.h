/* One vector type for all of the trainer's loops: LANES floats, the widest that the instruction set compiled for has.
 *
 * Arithmetic is the compilers' own (GCC and Clang vector extensions): a·b + c becomes a fused multiply-add where there is
 * one.  Comparisons give all-ones or zero lanes.  The few things that the extensions have no good code for are intrinsics. */
#ifndef GSOS_CPU_LOOPS_VECTOR_H
#define GSOS_CPU_LOOPS_VECTOR_H

#include <stdint.h>
#include <string.h>

#if defined __AVX512F__ && defined __AVX512BW__ && defined __AVX512VL__ && defined __AVX512DQ__
#define LANES 16
#define LOOPS_SUFFIX avx512
#elif defined __AVX2__ && defined __FMA__
#define LANES 8
#define LOOPS_SUFFIX avx2
#else
#define LANES 8
#define LOOPS_SUFFIX baseline
#endif
#if defined __AVX2__
#include <immintrin.h>
#endif

#define LOOPS_PASTE2(a, b) a##_##b
#define LOOPS_PASTE(a, b) LOOPS_PASTE2(a, b)
/* The name of an exported loop in this compilation: first_forward_avx512. */
#define LOOP(name) LOOPS_PASTE(name, LOOPS_SUFFIX)

typedef float vf __attribute__((vector_size(4 * LANES)));
typedef int32_t vi __attribute__((vector_size(4 * LANES)));
typedef int8_t vb __attribute__((vector_size(LANES)));
typedef float vf_loose __attribute__((vector_size(4 * LANES), aligned(4)));

/* The baseline's vectors are longer than its registers, and their passing by value is a matter of ABI that compilers warn of;
 * nothing here is ever passed: all is inlined. */
#pragma GCC diagnostic ignored "-Wpsabi"

#define ALWAYS_INLINE static inline __attribute__((always_inline))

ALWAYS_INLINE vf vf_load(const float *p)
{
  return *(const vf *)p;
}
ALWAYS_INLINE vf vf_load_loose(const float *p)
{
  return *(const vf_loose *)p;
}
ALWAYS_INLINE void vf_store(float *p, vf x)
{
  *(vf *)p = x;
}
ALWAYS_INLINE vf vf_set(float x)
{
  return x - (vf){0};
}
ALWAYS_INLINE vi vi_set(int32_t x)
{
  return x - (vi){0};
}
ALWAYS_INLINE vi vi_load_bytes(const uint8_t *p)
{
  vb b;
  memcpy(&b, p, sizeof b);
  return __builtin_convertvector(b, vi);
}
ALWAYS_INLINE void vi_store_bytes(uint8_t *p, vi x)
{
  vb b = __builtin_convertvector(x, vb);
  memcpy(p, &b, sizeof b);
}

/* mask ? a : b, lane by lane. */
ALWAYS_INLINE vf vf_select(vi mask, vf a, vf b)
{
#if LANES == 16
  return (vf)_mm512_mask_blend_ps(_mm512_movepi32_mask((__m512i)mask), (__m512)b, (__m512)a);
#elif defined __AVX2__
  return (vf)_mm256_blendv_ps((__m256)b, (__m256)a, (__m256)mask);
#else
  return (vf)((mask & (vi)a) | (~mask & (vi)b));
#endif
}
ALWAYS_INLINE vi vi_select(vi mask, vi a, vi b)
{
  return (vi)vf_select(mask, (vf)a, (vf)b);
}
/* mask ? a : 0. */
ALWAYS_INLINE vf vf_keep(vi mask, vf a)
{
  return (vf)(mask & (vi)a);
}

ALWAYS_INLINE vf vf_sqrt(vf x)
{
#if LANES == 16
  return (vf)_mm512_sqrt_ps((__m512)x);
#elif defined __AVX2__
  return (vf)_mm256_sqrt_ps((__m256)x);
#else
  vf y;
  for (int i = 0; i < LANES; i++) y[i] = __builtin_sqrtf(x[i]);
  return y;
#endif
}

#endif
