/* CUDA on the CPU: the tensor cores, as nvcuda::wmma has them, in the two shapes that the project
 * uses, and PTX's mma.sync, in one:
 *
 *   m16n16k8  TF32 inputs, FP32 sums        m8n8k4  FP64        m16n8k8  mma.sync, as either
 *
 * Of mma.sync PTX says which lane holds which element.  Of wmma a matrix lies on the lanes row by
 * row, lane l holding elements l·n ... l·n + n-1; which holds which is nobody's business on the GPU
 * either.  Loading and storing is each lane's own, as
 * far as races go: like the hardware's they are no fence.  mma_sync waits for all 32 lanes.  Sums
 * go in the order of k, each rounded: c + a0·b0, + a1·b1, ...; the products of TF32 are exact in
 * FP32.  The hardware's order is its own.
 *
 * The hardware drops the low 13 bits of a TF32 operand; an operand that has some was not rounded,
 * and is reported. */
#ifndef CUDACPU_MMA_H
#define CUDACPU_MMA_H

#include "tests/cudacpu/include/cuda_runtime.h"

extern "C" {
void cudacpu_mma_tf32(float *d, const float *a, const float *b, const float *c, const char *file, int line);
void cudacpu_mma_m16n8k8(float *d, const float *a, const float *b, const float *c, const char *file, int line);
void cudacpu_mma_m16n8k8_f64(double *d, const double *a, const double *b, const double *c, const char *file, int line);
void cudacpu_mma_f64(double *d, const double *a, const double *b, const double *c, const char *file, int line);
void cudacpu_matrix_aligned(const void *p, size_t row_bytes, const char *file, int line);
unsigned cudacpu_lane(void) __attribute__((const)); /* a thread's never changes */
}

/* mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 with C and D the same registers. */
CUDACPU_DEVICE void cudacpu_mma_sync(float (&c)[4], const float4 &a, float b0, float b1, CUDACPU_HERE)
{
  const float x[4] = {a.x, a.y, a.z, a.w}, y[2] = {b0, b1};
  cudacpu_mma_m16n8k8(c, x, y, c, file, line);
}

/* mma.sync.aligned.m16n8k8.row.col.f64.f64.f64.f64. */
CUDACPU_DEVICE void cudacpu_mma_sync(double (&c)[4], const double2 &left, const double2 &right, double b0, double b1,
                                     CUDACPU_HERE)
{
  const double x[4] = {left.x, left.y, right.x, right.y}, y[2] = {b0, b1};
  cudacpu_mma_m16n8k8_f64(c, x, y, c, file, line);
}

namespace nvcuda
{
namespace wmma
{

struct row_major;
struct col_major;
struct matrix_a;
struct matrix_b;
struct accumulator;
namespace precision
{
struct tf32;
}
enum layout_t { mem_row_major, mem_col_major };

/* Rows, columns and the stored type of a fragment, for the shapes that there are. */
template <typename Use, int M, int N, int K, typename T> struct cudacpu_shape;
#define CUDACPU_SHAPE(use, m, n, k, type, element, rows_, columns_)                                                    \
  template <> struct cudacpu_shape<use, m, n, k, type> {                                                               \
    typedef element stored;                                                                                            \
    static constexpr int rows = rows_, columns = columns_;                                                             \
  };
CUDACPU_SHAPE(matrix_a, 16, 16, 8, precision::tf32, float, 16, 8)
CUDACPU_SHAPE(matrix_b, 16, 16, 8, precision::tf32, float, 8, 16)
CUDACPU_SHAPE(accumulator, 16, 16, 8, float, float, 16, 16)
CUDACPU_SHAPE(matrix_a, 8, 8, 4, double, double, 8, 4)
CUDACPU_SHAPE(matrix_b, 8, 8, 4, double, double, 4, 8)
CUDACPU_SHAPE(accumulator, 8, 8, 4, double, double, 8, 8)
#undef CUDACPU_SHAPE

template <typename Use, int M, int N, int K, typename T, typename Layout = void> struct fragment {
  typedef typename cudacpu_shape<Use, M, N, K, T>::stored element_type;
  typedef element_type storage_element_type;
  static constexpr int rows = cudacpu_shape<Use, M, N, K, T>::rows;
  static constexpr int columns = cudacpu_shape<Use, M, N, K, T>::columns;
  static constexpr int num_elements = rows * columns / 32;
  static constexpr int num_storage_elements = num_elements;
  element_type x[num_elements];
};

/* To TF32: 10 bits of mantissa, to nearest, ties away from zero. */
CUDACPU_DEVICE float __float_to_tf32(float x)
{
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  if ((bits & 0x7fffffffu) > 0x7f800000u) bits = 0x7fffe000u; /* NaN */
  if ((bits & 0x7f800000u) != 0x7f800000u) bits += 0x1000u;
  bits &= ~0x1fffu;
  memcpy(&x, &bits, sizeof bits);
  return x;
}

template <typename Use, int M, int N, int K, typename T, typename L>
CUDACPU_DEVICE void fill_fragment(fragment<Use, M, N, K, T, L> &f,
                                  const typename fragment<Use, M, N, K, T, L>::element_type &value)
{
  for (int i = 0; i < f.num_elements; i++) f.x[i] = value;
}

/* Where element i of this lane lies in memory, in elements. */
template <typename F> CUDACPU_DEVICE size_t cudacpu_place(const F &f, int i, unsigned stride, bool by_rows)
{
  unsigned element = cudacpu_lane() * (unsigned)f.num_elements + (unsigned)i;
  unsigned row = element / (unsigned)f.columns, column = element % (unsigned)f.columns;
  return by_rows ? (size_t)row * stride + column : (size_t)column * stride + row;
}

template <typename Layout> struct cudacpu_by_rows;
template <> struct cudacpu_by_rows<row_major> {
  static constexpr bool value = true;
};
template <> struct cudacpu_by_rows<col_major> {
  static constexpr bool value = false;
};

template <typename Use, int M, int N, int K, typename T, typename L>
CUDACPU_DEVICE void load_matrix_sync(fragment<Use, M, N, K, T, L> &f,
                                     const typename fragment<Use, M, N, K, T, L>::element_type *p, unsigned stride,
                                     CUDACPU_HERE)
{
  cudacpu_matrix_aligned(p, stride * sizeof *p, file, line);
  for (int i = 0; i < f.num_elements; i++) f.x[i] = p[cudacpu_place(f, i, stride, cudacpu_by_rows<L>::value)];
}

template <int M, int N, int K, typename T>
CUDACPU_DEVICE void load_matrix_sync(fragment<accumulator, M, N, K, T> &f, const T *p, unsigned stride, layout_t layout,
                                     CUDACPU_HERE)
{
  cudacpu_matrix_aligned(p, stride * sizeof *p, file, line);
  for (int i = 0; i < f.num_elements; i++) f.x[i] = p[cudacpu_place(f, i, stride, layout == mem_row_major)];
}

template <int M, int N, int K, typename T>
CUDACPU_DEVICE void store_matrix_sync(T *p, const fragment<accumulator, M, N, K, T> &f, unsigned stride,
                                      layout_t layout, CUDACPU_HERE)
{
  cudacpu_matrix_aligned(p, stride * sizeof *p, file, line);
  for (int i = 0; i < f.num_elements; i++) p[cudacpu_place(f, i, stride, layout == mem_row_major)] = f.x[i];
}

template <typename LA, typename LB>
CUDACPU_DEVICE void mma_sync(fragment<accumulator, 16, 16, 8, float> &d,
                             const fragment<matrix_a, 16, 16, 8, precision::tf32, LA> &a,
                             const fragment<matrix_b, 16, 16, 8, precision::tf32, LB> &b,
                             const fragment<accumulator, 16, 16, 8, float> &c, CUDACPU_HERE)
{
  cudacpu_mma_tf32(d.x, a.x, b.x, c.x, file, line);
}

template <typename LA, typename LB>
CUDACPU_DEVICE void mma_sync(fragment<accumulator, 8, 8, 4, double> &d,
                             const fragment<matrix_a, 8, 8, 4, double, LA> &a,
                             const fragment<matrix_b, 8, 8, 4, double, LB> &b,
                             const fragment<accumulator, 8, 8, 4, double> &c, CUDACPU_HERE)
{
  cudacpu_mma_f64(d.x, a.x, b.x, c.x, file, line);
}

} // namespace wmma
} // namespace nvcuda

#endif
