/* CUDA on the CPU: the intrinsics on numbers that kernels use.
 *
 * Those that say how they round (_rn: to nearest, ties to even; _rz: towards zero) are exact here
 * as there, given a compilation without contraction (-ffp-contract=off).  The approximations
 * (__expf, __fdividef, rsqrtf, ...) are the nearest that the C library has: closer than the GPU's,
 * and not the same bits. */
#ifndef CUDACPU_DEVICE_ARITHMETIC_H
#define CUDACPU_DEVICE_ARITHMETIC_H

#include "device.h"

/* ------------------------------------------------------------------------------ bits of numbers */

template <typename To, typename From> CUDACPU_DEVICE To cudacpu_bits(From from)
{
  static_assert(sizeof(To) == sizeof(From), "of one size");
  To to;
  memcpy(&to, &from, sizeof to);
  return to;
}
CUDACPU_DEVICE int __float_as_int(float x)
{
  return cudacpu_bits<int>(x);
}
CUDACPU_DEVICE unsigned __float_as_uint(float x)
{
  return cudacpu_bits<unsigned>(x);
}
CUDACPU_DEVICE float __int_as_float(int x)
{
  return cudacpu_bits<float>(x);
}
CUDACPU_DEVICE float __uint_as_float(unsigned x)
{
  return cudacpu_bits<float>(x);
}
CUDACPU_DEVICE long long __double_as_longlong(double x)
{
  return cudacpu_bits<long long>(x);
}
CUDACPU_DEVICE double __longlong_as_double(long long x)
{
  return cudacpu_bits<double>(x);
}

CUDACPU_DEVICE int __double2hiint(double x)
{
  return (int)(cudacpu_bits<unsigned long long>(x) >> 32);
}
CUDACPU_DEVICE int __double2loint(double x)
{
  return (int)(unsigned)cudacpu_bits<unsigned long long>(x);
}
CUDACPU_DEVICE double __hiloint2double(int high, int low)
{
  return cudacpu_bits<double>((unsigned long long)(unsigned)high << 32 | (unsigned)low);
}

/* ------------------------------------------------------------------------------------- integers */

CUDACPU_DEVICE int __popc(unsigned x)
{
  return __builtin_popcount(x);
}
CUDACPU_DEVICE int __popcll(unsigned long long x)
{
  return __builtin_popcountll(x);
}
CUDACPU_DEVICE int __clz(int x)
{
  return x ? __builtin_clz((unsigned)x) : 32;
}
CUDACPU_DEVICE int __clzll(long long x)
{
  return x ? __builtin_clzll((unsigned long long)x) : 64;
}
CUDACPU_DEVICE int __ffs(int x)
{
  return __builtin_ffs(x);
}
CUDACPU_DEVICE int __ffsll(long long x)
{
  return __builtin_ffsll(x);
}
CUDACPU_DEVICE unsigned __brev(unsigned x)
{
  unsigned r = 0;
  for (int i = 0; i < 32; i++) r |= (x >> i & 1) << (31 - i);
  return r;
}
CUDACPU_DEVICE unsigned __umulhi(unsigned a, unsigned b)
{
  return (unsigned)((uint64_t)a * b >> 32);
}
CUDACPU_DEVICE int __mulhi(int a, int b)
{
  return (int)((int64_t)a * b >> 32);
}
CUDACPU_DEVICE unsigned long long __umul64hi(unsigned long long a, unsigned long long b)
{
  return (unsigned long long)((unsigned __int128)a * b >> 64);
}
CUDACPU_DEVICE int __mul24(int a, int b)
{
  return (int)((int64_t)((int32_t)((uint32_t)a << 8) >> 8) * ((int32_t)((uint32_t)b << 8) >> 8));
}
CUDACPU_DEVICE unsigned __funnelshift_l(unsigned low, unsigned high, unsigned shift)
{
  return (unsigned)(((uint64_t)high << 32 | low) << (shift & 31) >> 32);
}
CUDACPU_DEVICE unsigned __funnelshift_r(unsigned low, unsigned high, unsigned shift)
{
  return (unsigned)(((uint64_t)high << 32 | low) >> (shift & 31));
}
/* Four bytes out of the eight of b:a, each chosen by a nibble of `selector`; a nibble's top bit
 * asks for the sign. */
CUDACPU_DEVICE unsigned __byte_perm(unsigned a, unsigned b, unsigned selector)
{
  uint64_t bytes = (uint64_t)b << 32 | a;
  unsigned r = 0;
  for (int i = 0; i < 4; i++) {
    unsigned nibble = selector >> (4 * i) & 15;
    unsigned byte = (unsigned)(bytes >> (8 * (nibble & 7))) & 255;
    if (nibble & 8) byte = byte & 128 ? 255 : 0;
    r |= byte << (8 * i);
  }
  return r;
}

#define CUDACPU_MIN_MAX(type)                                                                                          \
  CUDACPU_DEVICE type min(type a, type b)                                                                              \
  {                                                                                                                    \
    return a < b ? a : b;                                                                                              \
  }                                                                                                                    \
  CUDACPU_DEVICE type max(type a, type b)                                                                              \
  {                                                                                                                    \
    return a > b ? a : b;                                                                                              \
  }
CUDACPU_MIN_MAX(int)
CUDACPU_MIN_MAX(unsigned)
CUDACPU_MIN_MAX(long)
CUDACPU_MIN_MAX(unsigned long)
CUDACPU_MIN_MAX(long long)
CUDACPU_MIN_MAX(unsigned long long)
#undef CUDACPU_MIN_MAX
/* Those of floats: the number where one is NaN. */
CUDACPU_DEVICE float min(float a, float b)
{
  return fminf(a, b);
}
CUDACPU_DEVICE float max(float a, float b)
{
  return fmaxf(a, b);
}
CUDACPU_DEVICE double min(double a, double b)
{
  return fmin(a, b);
}
CUDACPU_DEVICE double max(double a, double b)
{
  return fmax(a, b);
}

/* --------------------------------------------------------------------------------------- floats */

CUDACPU_DEVICE float __fadd_rn(float a, float b)
{
  return a + b;
}
CUDACPU_DEVICE float __fsub_rn(float a, float b)
{
  return a - b;
}
CUDACPU_DEVICE float __fmul_rn(float a, float b)
{
  return a * b;
}
CUDACPU_DEVICE float __fmaf_rn(float a, float b, float c)
{
  return __builtin_fmaf(a, b, c);
}
CUDACPU_DEVICE float __fdiv_rn(float a, float b)
{
  return a / b;
}
CUDACPU_DEVICE float __frcp_rn(float a)
{
  return 1.0f / a;
}
CUDACPU_DEVICE float __fsqrt_rn(float a)
{
  return sqrtf(a);
}
CUDACPU_DEVICE double __dadd_rn(double a, double b)
{
  return a + b;
}
CUDACPU_DEVICE double __dsub_rn(double a, double b)
{
  return a - b;
}
CUDACPU_DEVICE double __dmul_rn(double a, double b)
{
  return a * b;
}
CUDACPU_DEVICE double __ddiv_rn(double a, double b)
{
  return a / b;
}
CUDACPU_DEVICE double __fma_rn(double a, double b, double c)
{
  return __builtin_fma(a, b, c);
}
/* PTX's rsqrt.approx.ftz.f64 of a normal number: its result has 20 bits of mantissa. */
CUDACPU_DEVICE double cudacpu_rsqrt_approx(double a)
{
  return __hiloint2double(__double2hiint(1 / sqrt(a)), 0);
}
CUDACPU_DEVICE double __dsqrt_rn(double a)
{
  return sqrt(a);
}
CUDACPU_DEVICE float __saturatef(float x)
{
  return x > 0 ? (x < 1 ? x : 1.0f) : 0.0f; /* NaN: 0 */
}
CUDACPU_DEVICE float __fdividef(float a, float b)
{
  return a / b;
}
CUDACPU_DEVICE float rsqrtf(float x)
{
  return 1.0f / sqrtf(x);
}
CUDACPU_DEVICE double rsqrt(double x)
{
  return 1.0 / sqrt(x);
}
/* Macros, since the C library has functions of these names. */
#define __expf(x) expf(x)
#define __exp10f(x) powf(10.0f, x)
#define __logf(x) logf(x)
#define __log2f(x) log2f(x)
#define __log10f(x) log10f(x)
#define __powf(x, y) powf(x, y)
#define __sinf(x) sinf(x)
#define __cosf(x) cosf(x)
#define __tanf(x) tanf(x)

/* Conversions saturate on the GPU; NaN gives 0. */
CUDACPU_DEVICE int cudacpu_to_int(double x)
{
  return isnan(x) ? 0 : x >= 2147483647.0 ? INT32_MAX : x <= -2147483648.0 ? INT32_MIN : (int)x;
}
CUDACPU_DEVICE unsigned cudacpu_to_uint(double x)
{
  return isnan(x) || x <= 0 ? 0 : x >= 4294967295.0 ? UINT32_MAX : (unsigned)x;
}
CUDACPU_DEVICE int __float2int_rn(float x)
{
  return cudacpu_to_int(rint(x));
}
CUDACPU_DEVICE int __float2int_rz(float x)
{
  return cudacpu_to_int(trunc(x));
}
CUDACPU_DEVICE int __float2int_rd(float x)
{
  return cudacpu_to_int(floor(x));
}
CUDACPU_DEVICE int __float2int_ru(float x)
{
  return cudacpu_to_int(ceil(x));
}
CUDACPU_DEVICE unsigned __float2uint_rn(float x)
{
  return cudacpu_to_uint(rint(x));
}
CUDACPU_DEVICE unsigned __float2uint_rz(float x)
{
  return cudacpu_to_uint(trunc(x));
}
CUDACPU_DEVICE float __int2float_rn(int x)
{
  return (float)x;
}
CUDACPU_DEVICE float __uint2float_rn(unsigned x)
{
  return (float)x;
}
CUDACPU_DEVICE double __int2double_rn(int x)
{
  return x;
}
CUDACPU_DEVICE float __double2float_rn(double x)
{
  return (float)x;
}

#endif
