/* Tensor cores whose operands are in registers: mma.sync (PTX ISA, "Warp Level Matrix
 * Multiply-Accumulate Instructions").  It says what wmma keeps to itself: which lane holds which
 * element, so that operands need not pass through shared memory in the shape of a matrix, and what
 * a lane has loaded once may serve several products.
 *
 * The harness that runs kernels on the CPU has the same. */
#ifndef GSOS_TENSOR_CORE_CUH
#define GSOS_TENSOR_CORE_CUH

#include <cuda_runtime.h>
#include <mma.h>

/* To TF32: 10 bits of mantissa, to nearest, ties away from zero.  Of what is rounded already the
 * same bits. */
__device__ __forceinline__ float to_tf32(float x)
{
  return nvcuda::wmma::__float_to_tf32(x);
}
__device__ __forceinline__ float4 to_tf32(float4 x)
{
  return make_float4(to_tf32(x.x), to_tf32(x.y), to_tf32(x.z), to_tf32(x.w));
}

/* C += A · B, [16][8] · [8][8], of a warp; operands in TF32, sums in FP32.  With g = lane / 4 and
 * t = lane % 4:
 *   a  (g, t), (g + 8, t), (g, t + 4), (g + 8, t + 4)
 *   b  (t, g), (t + 4, g)
 *   c  (g, 2t), (g, 2t + 1), (g + 8, 2t), (g + 8, 2t + 1) */
#ifdef CUDACPU
#define tensor_multiply cudacpu_mma_sync
#define tensor_multiply_4(c, a0, a1, b) cudacpu_mma_sync(c, make_float4(a0, a1, 0, 0), b, 0)
#else
__device__ __forceinline__ void tensor_multiply(float (&c)[4], const float4 &a, float b0, float b1)
{
  asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(__float_as_uint(a.x)), "r"(__float_as_uint(a.y)), "r"(__float_as_uint(a.z)), "r"(__float_as_uint(a.w)),
        "r"(__float_as_uint(b0)), "r"(__float_as_uint(b1)));
}
/* Of half the depth, [16][4] · [4][8]: a (g, t), (g + 8, t); b (t, g). */
__device__ __forceinline__ void tensor_multiply_4(float (&c)[4], float a0, float a1, float b)
{
  asm("mma.sync.aligned.m16n8k4.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5}, {%6}, {%0, %1, %2, %3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(__float_as_uint(a0)), "r"(__float_as_uint(a1)), "r"(__float_as_uint(b)));
}
/* What there is before compute capability 9.0 in FP64, [8][4] · [4][8]: a (g, t); b (t, g). */
__device__ __forceinline__ void tensor_multiply_8(double &c0, double &c1, double a, double b)
{
  asm("mma.sync.aligned.m8n8k4.row.col.f64.f64.f64.f64 {%0, %1}, {%2}, {%3}, {%0, %1};"
      : "+d"(c0), "+d"(c1)
      : "d"(a), "d"(b));
}
/* Of the whole depth in FP64, with the same places, a's first two in `left`. */
__device__ __forceinline__ void tensor_multiply(double (&c)[4], const double2 &left, const double2 &right, double b0,
                                                double b1)
{
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm("mma.sync.aligned.m16n8k8.row.col.f64.f64.f64.f64 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+d"(c[0]), "+d"(c[1]), "+d"(c[2]), "+d"(c[3])
      : "d"(left.x), "d"(left.y), "d"(right.x), "d"(right.y), "d"(b0), "d"(b1));
#else
  tensor_multiply_8(c[0], c[1], left.x, b0);
  tensor_multiply_8(c[2], c[3], left.y, b0);
  tensor_multiply_8(c[0], c[1], right.x, b1);
  tensor_multiply_8(c[2], c[3], right.y, b1);
#endif
}
#endif

#endif
