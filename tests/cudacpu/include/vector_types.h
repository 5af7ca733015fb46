/* CUDA on the CPU: the vector types, with the sizes and alignments that nvcc gives them, and dim3;
 * for C and C++. */
#ifndef CUDACPU_VECTOR_TYPES_H
#define CUDACPU_VECTOR_TYPES_H

#define CUDACPU_ALIGNED(bytes) __attribute__((aligned(bytes)))

/* The four vectors of a scalar, the 2- and the 4-vector aligned as a whole. */
#define CUDACPU_VECTORS(name, scalar, align2, align4)                                                                  \
  typedef struct name##1                                                                                               \
  {                                                                                                                    \
    scalar x;                                                                                                          \
  }                                                                                                                    \
  CUDACPU_ALIGNED(sizeof(scalar)) name##1;                                                                             \
  typedef struct name##2                                                                                               \
  {                                                                                                                    \
    scalar x, y;                                                                                                       \
  }                                                                                                                    \
  CUDACPU_ALIGNED(align2) name##2;                                                                                     \
  typedef struct name##3                                                                                               \
  {                                                                                                                    \
    scalar x, y, z;                                                                                                    \
  }                                                                                                                    \
  name##3;                                                                                                             \
  typedef struct name##4                                                                                               \
  {                                                                                                                    \
    scalar x, y, z, w;                                                                                                 \
  }                                                                                                                    \
  CUDACPU_ALIGNED(align4) name##4;                                                                                     \
  static inline name##1 make_##name##1(scalar x)                                                                       \
  {                                                                                                                    \
    name##1 v = {x};                                                                                                   \
    return v;                                                                                                          \
  }                                                                                                                    \
  static inline name##2 make_##name##2(scalar x, scalar y)                                                             \
  {                                                                                                                    \
    name##2 v = {x, y};                                                                                                \
    return v;                                                                                                          \
  }                                                                                                                    \
  static inline name##3 make_##name##3(scalar x, scalar y, scalar z)                                                   \
  {                                                                                                                    \
    name##3 v = {x, y, z};                                                                                             \
    return v;                                                                                                          \
  }                                                                                                                    \
  static inline name##4 make_##name##4(scalar x, scalar y, scalar z, scalar w)                                         \
  {                                                                                                                    \
    name##4 v = {x, y, z, w};                                                                                          \
    return v;                                                                                                          \
  }

CUDACPU_VECTORS(char, signed char, 2, 4)
CUDACPU_VECTORS(uchar, unsigned char, 2, 4)
CUDACPU_VECTORS(short, short, 4, 8)
CUDACPU_VECTORS(ushort, unsigned short, 4, 8)
CUDACPU_VECTORS(int, int, 8, 16)
CUDACPU_VECTORS(uint, unsigned int, 8, 16)
CUDACPU_VECTORS(longlong, long long, 16, 16)
CUDACPU_VECTORS(ulonglong, unsigned long long, 16, 16)
CUDACPU_VECTORS(float, float, 8, 16)
CUDACPU_VECTORS(double, double, 16, 16)

#undef CUDACPU_VECTORS

typedef struct dim3 {
  unsigned int x, y, z;
#ifdef __cplusplus
  constexpr dim3(unsigned int x = 1, unsigned int y = 1, unsigned int z = 1) : x(x), y(y), z(z)
  {
  }
  constexpr dim3(uint3 v) : x(v.x), y(v.y), z(v.z)
  {
  }
#endif
} dim3;

#endif
