/* Sobol points.  See sobol.h. */
#include "host/samplers/gp/sobol.h"

#include "kernels/philox.h"

/* For dimensions 2 ... 64: degree and inner coefficients of the primitive polynomial, and the first
 * odd numbers m. */
static const struct {
  uint8_t degree, coefficients;
  uint16_t m[10];
} table[SOBOL_DIMENSIONS - 1] = {{1, 0, {1}},
                                 {2, 1, {1, 3}},
                                 {3, 1, {1, 3, 1}},
                                 {3, 2, {1, 1, 1}},
                                 {4, 1, {1, 1, 3, 3}},
                                 {4, 4, {1, 3, 5, 13}},
                                 {5, 2, {1, 1, 5, 5, 17}},
                                 {5, 4, {1, 1, 5, 5, 5}},
                                 {5, 7, {1, 1, 7, 11, 19}},
                                 {5, 11, {1, 1, 5, 1, 1}},
                                 {5, 13, {1, 1, 1, 3, 11}},
                                 {5, 14, {1, 3, 5, 5, 31}},
                                 {6, 1, {1, 3, 3, 9, 7, 49}},
                                 {6, 13, {1, 1, 1, 15, 21, 21}},
                                 {6, 16, {1, 3, 1, 13, 27, 49}},
                                 {6, 19, {1, 1, 1, 15, 7, 5}},
                                 {6, 22, {1, 3, 1, 15, 13, 25}},
                                 {6, 25, {1, 1, 5, 5, 19, 61}},
                                 {7, 1, {1, 3, 7, 11, 23, 15, 103}},
                                 {7, 4, {1, 3, 7, 13, 13, 15, 69}},
                                 {7, 7, {1, 1, 3, 13, 7, 35, 63}},
                                 {7, 8, {1, 3, 5, 9, 1, 25, 53}},
                                 {7, 14, {1, 3, 1, 13, 9, 35, 107}},
                                 {7, 19, {1, 3, 1, 5, 27, 61, 31}},
                                 {7, 21, {1, 1, 5, 11, 19, 41, 61}},
                                 {7, 28, {1, 3, 5, 3, 3, 13, 69}},
                                 {7, 31, {1, 1, 7, 13, 1, 19, 1}},
                                 {7, 32, {1, 3, 7, 5, 13, 19, 59}},
                                 {7, 37, {1, 1, 3, 9, 25, 29, 41}},
                                 {7, 41, {1, 3, 5, 13, 23, 1, 55}},
                                 {7, 42, {1, 3, 7, 3, 13, 59, 17}},
                                 {7, 50, {1, 3, 1, 3, 5, 53, 69}},
                                 {7, 55, {1, 1, 5, 5, 23, 33, 13}},
                                 {7, 56, {1, 1, 7, 7, 1, 61, 123}},
                                 {7, 59, {1, 1, 7, 9, 13, 61, 49}},
                                 {7, 62, {1, 3, 3, 5, 3, 55, 33}},
                                 {8, 14, {1, 3, 1, 15, 31, 13, 49, 245}},
                                 {8, 21, {1, 3, 5, 15, 31, 59, 63, 97}},
                                 {8, 22, {1, 3, 1, 11, 11, 11, 77, 249}},
                                 {8, 38, {1, 3, 1, 11, 27, 43, 71, 9}},
                                 {8, 47, {1, 1, 7, 15, 21, 11, 81, 45}},
                                 {8, 49, {1, 3, 7, 3, 25, 31, 65, 79}},
                                 {8, 50, {1, 3, 1, 1, 19, 11, 3, 205}},
                                 {8, 52, {1, 1, 5, 9, 19, 21, 29, 157}},
                                 {8, 56, {1, 3, 7, 11, 1, 33, 89, 185}},
                                 {8, 67, {1, 3, 3, 3, 15, 9, 79, 71}},
                                 {8, 70, {1, 3, 7, 11, 15, 39, 119, 27}},
                                 {8, 84, {1, 1, 3, 1, 11, 31, 97, 225}},
                                 {8, 97, {1, 1, 1, 3, 23, 43, 57, 177}},
                                 {8, 103, {1, 3, 7, 7, 17, 17, 37, 71}},
                                 {8, 115, {1, 3, 1, 5, 27, 63, 123, 213}},
                                 {8, 122, {1, 1, 3, 5, 11, 43, 53, 133}},
                                 {9, 8, {1, 3, 5, 5, 29, 17, 47, 173, 479}},
                                 {9, 13, {1, 3, 3, 11, 3, 1, 109, 9, 69}},
                                 {9, 16, {1, 1, 1, 5, 17, 39, 23, 5, 343}},
                                 {9, 22, {1, 3, 1, 5, 25, 15, 31, 103, 499}},
                                 {9, 25, {1, 1, 1, 11, 11, 17, 63, 105, 183}},
                                 {9, 44, {1, 1, 5, 11, 9, 29, 97, 231, 363}},
                                 {9, 47, {1, 1, 5, 15, 19, 45, 41, 7, 383}},
                                 {9, 52, {1, 3, 7, 7, 31, 19, 83, 137, 221}},
                                 {9, 55, {1, 1, 1, 3, 23, 15, 111, 223, 83}},
                                 {9, 59, {1, 1, 5, 13, 31, 15, 55, 25, 161}},
                                 {9, 62, {1, 1, 3, 13, 25, 47, 39, 87, 257}}};

/* Joe and Kuo, eqs. 2 and 3: m_k = 2 a_1 m_{k-1} ^ 4 a_2 m_{k-2} ^ ... ^ 2^s m_{k-s} ^ m_{k-s},
 * direction k = m_k / 2^k. */
static void directions(int dimension, uint32_t *v)
{
  if (dimension == 0) {
    for (int k = 0; k < SOBOL_BITS; k++) v[k] = 1u << (31 - k);
    return;
  }
  int degree = table[dimension - 1].degree;
  uint32_t coefficients = table[dimension - 1].coefficients;
  for (int k = 0; k < degree; k++) v[k] = (uint32_t)table[dimension - 1].m[k] << (31 - k);
  for (int k = degree; k < SOBOL_BITS; k++) {
    v[k] = v[k - degree] ^ (v[k - degree] >> degree);
    for (int i = 1; i < degree; i++) {
      if (coefficients >> (degree - 1 - i) & 1) v[k] ^= v[k - i];
    }
  }
}

void sobol_make(struct sobol *s, int d, uint64_t key)
{
  uint32_t v[SOBOL_BITS];
  s->d = d;
  for (int i = 0; i < d; i++) {
    directions(i, v);
    for (int k = 0; k < SOBOL_BITS; k++) s->direction[k][i] = v[k];
    s->scramble[i] = philox_word(key, philox_subsequence(PHILOX_SAMPLER, 2, 0), (uint64_t)i);
  }
}

void sobol_plain(const struct sobol *s, uint32_t index, uint32_t *x)
{
  for (int i = 0; i < s->d; i++) x[i] = 0;
  for (uint32_t left = index; left; left &= left - 1) { /* its bits, from the lowest */
    const uint32_t *v = s->direction[__builtin_ctz(left)];
    for (int i = 0; i < s->d; i++) x[i] ^= v[i];
  }
}

static uint32_t reverse_bits(uint32_t x)
{
  x = (x >> 1 & 0x55555555u) | (x & 0x55555555u) << 1;
  x = (x >> 2 & 0x33333333u) | (x & 0x33333333u) << 2;
  x = (x >> 4 & 0x0f0f0f0fu) | (x & 0x0f0f0f0fu) << 4;
  return __builtin_bswap32(x);
}

/* Burley 2020, listing 3: on reversed bits each bit is flipped by a hash of those below it
 * alone. */
static uint32_t scramble(uint32_t x, uint32_t seed)
{
  x = reverse_bits(x);
  x ^= x * 0x3d20adeau;
  x += seed;
  x *= (seed >> 16) | 1;
  x ^= x * 0x05526c56u;
  x ^= x * 0x53a22864u;
  return reverse_bits(x);
}

void sobol_point(const struct sobol *s, uint32_t index, double *x)
{
  uint32_t plain[SOBOL_DIMENSIONS];
  sobol_plain(s, index, plain);
  for (int i = 0; i < s->d; i++) x[i] = ((double)scramble(plain[i], s->scramble[i]) + 0.5) * 0x1p-32;
}
