/* One vector type for all of the trainer's loops: LANES floats, the widest that the instruction set
 * compiled for has.
 *
 * Arithmetic is the compilers' own (GCC and Clang vector extensions): a·b + c becomes a fused
 * multiply-add where there is one.  The few things that the extensions have no good code for are
 * intrinsics. */
#ifndef GSOS_CPU_LOOPS_VECTOR_H
#define GSOS_CPU_LOOPS_VECTOR_H

#include <stdint.h>
#include <string.h>

#if defined LOOPS_REFERENCE /* the number of lanes; for tests: plain C, without intrinsics (cpu_loops.mk) */
#define LANES LOOPS_REFERENCE
#if LANES == 16
#define LOOPS_SUFFIX reference16
#else
#define LOOPS_SUFFIX reference8
#endif
#elif defined __AVX512F__ && defined __AVX512BW__ && defined __AVX512VL__ && defined __AVX512DQ__
#define LANES 16
#define LOOPS_AVX512
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
typedef float vf_loose __attribute__((vector_size(4 * LANES), aligned(4)));

/* The baseline's vectors are longer than its registers, and their passing by value is a matter of
 * ABI that compilers warn of; nothing here is ever passed: all is inlined. */
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
/* LANES bytes to and from 32-bit lanes of small values. */
ALWAYS_INLINE vi vi_load_bytes(const uint8_t *p)
{
#if defined LOOPS_AVX512
  return (vi)_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)p));
#elif defined __AVX2__
  return (vi)_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p));
#else
  vi x;
  for (int i = 0; i < LANES; i++) x[i] = p[i];
  return x;
#endif
}
ALWAYS_INLINE void vi_store_bytes(uint8_t *p, vi x)
{
#if defined LOOPS_AVX512
  _mm_storeu_si128((__m128i *)p, _mm512_cvtepi32_epi8((__m512i)x));
#elif defined __AVX2__
  __m128i words = _mm_packs_epi32(_mm256_castsi256_si128((__m256i)x), _mm256_extracti128_si256((__m256i)x, 1));
  _mm_storel_epi64((__m128i *)p, _mm_packus_epi16(words, words));
#else
  for (int i = 0; i < LANES; i++) p[i] = (uint8_t)x[i];
#endif
}

/* A truth for each lane: a mask register with AVX-512, else all-ones or zero lanes. */
#if defined LOOPS_AVX512
typedef __mmask16 vm;
ALWAYS_INLINE vm vf_greater(vf a, vf b)
{
  return _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_GT_OQ);
}
ALWAYS_INLINE vm vf_at_most(vf a, vf b)
{
  return _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_LE_OQ);
}
ALWAYS_INLINE vm vf_is_number(vf a)
{
  return _mm512_cmp_ps_mask((__m512)a, (__m512)a, _CMP_ORD_Q);
}
ALWAYS_INLINE vm vi_equal(vi a, vi b)
{
  return _mm512_cmpeq_epi32_mask((__m512i)a, (__m512i)b);
}
ALWAYS_INLINE vm vi_less(vi a, vi b)
{
  return _mm512_cmplt_epi32_mask((__m512i)a, (__m512i)b);
}
/* mask ? a : b, lane by lane. */
ALWAYS_INLINE vf vf_select(vm mask, vf a, vf b)
{
  return (vf)_mm512_mask_blend_ps(mask, (__m512)b, (__m512)a);
}
ALWAYS_INLINE vi vi_select(vm mask, vi a, vi b)
{
  return (vi)_mm512_mask_blend_epi32(mask, (__m512i)b, (__m512i)a);
}
/* mask ? a : 0. */
ALWAYS_INLINE vf vf_keep(vm mask, vf a)
{
  return (vf)_mm512_maskz_mov_ps(mask, (__m512)a);
}
#else
typedef vi vm;
ALWAYS_INLINE vm vf_greater(vf a, vf b)
{
  return a > b;
}
ALWAYS_INLINE vm vf_at_most(vf a, vf b)
{
  return a <= b;
}
ALWAYS_INLINE vm vf_is_number(vf a)
{
  return a == a;
}
ALWAYS_INLINE vm vi_equal(vi a, vi b)
{
  return a == b;
}
ALWAYS_INLINE vm vi_less(vi a, vi b)
{
  return a < b;
}
ALWAYS_INLINE vf vf_select(vm mask, vf a, vf b)
{
#if defined __AVX2__
  return (vf)_mm256_blendv_ps((__m256)b, (__m256)a, (__m256)mask);
#else
  return (vf)((mask & (vi)a) | (~mask & (vi)b));
#endif
}
ALWAYS_INLINE vi vi_select(vm mask, vi a, vi b)
{
  return (vi)vf_select(mask, (vf)a, (vf)b);
}
ALWAYS_INLINE vf vf_keep(vm mask, vf a)
{
  return (vf)(mask & (vi)a);
}
#endif

ALWAYS_INLINE vf vf_sqrt(vf x)
{
#if defined LOOPS_AVX512
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
