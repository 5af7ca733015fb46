/* Random numbers, exactly: Philox4x32-10 in cuRAND's layout, for the host and for kernels.
 *
 * Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", SC 2011.  The 64-bit
 * seed is the key, the subsequence the upper 64 bits of the 128-bit counter, the offset the
 * element: element e of a subsequence is word e % 4 of the block whose counter is {e / 4,
 * subsequence}.  So every number is a pure function of (key, subsequence, element), whichever
 * thread or processor asks for it.
 *
 * A subsequence packs (purpose, layer, step):
 *
 *   bits 63..56  purpose (enum philox_purpose)
 *   bits 55..48  layer: 0, 1, ... in the order of the forward pass; 0 where there is none
 *   bits 47..0   step: what its purpose says
 *
 * Nothing that must match between processors goes through a transcendental function or a sum that a
 * compiler may contract: uniforms are (word >> 8) · 2^-24, dropout compares words with an integer
 * threshold. */
#ifndef GSOS_PHILOX_H
#define GSOS_PHILOX_H

#include <stdint.h>

#include "kernels/host_device.h"

enum philox_purpose {
  PHILOX_TRIAL_KEY = 0, /* key: the experiment's seed; step: round << 32 | trial (round < 2^16) */
  PHILOX_SPLIT = 1,     /* key: the experiment's seed; step: class; the validation split */
  PHILOX_SAMPLER = 2,   /* key: the trial's; step: 0; a sampler's draws for that trial, in its own order */
  PHILOX_WEIGHTS = 3,   /* key: the trial's; layer; step: 0; element: index in [out][in][kh][kw] */
  PHILOX_ORDER = 4,     /* key: the trial's; step: epoch from 0; elements 0..7: the round keys of the permutation */
  PHILOX_DROPOUT =
      5, /* key: the trial's; layer: block 0 or 1; step: training step from 0; element: ((n·C + c)·H + h)·W + w */
  PHILOX_IMPORTANCE = 6, /* key: the experiment's seed; step: what the measure says */
  PHILOX_TEST = 7,       /* tests and benchmarks */
  PHILOX_NOISE = 8,      /* key: the trial's; step: epoch from 1, or 0; an analytic function's noise */
};

struct philox_block {
  uint32_t word[4];
};

HOST_DEVICE uint64_t philox_subsequence(enum philox_purpose purpose, int layer, uint64_t step)
{
  return (uint64_t)purpose << 56 | (uint64_t)(layer & 0xff) << 48 | (step & 0xffffffffffffull);
}

/* Block `block` (elements 4·block ... 4·block + 3) of a subsequence. */
HOST_DEVICE struct philox_block philox4x32(uint64_t key, uint64_t subsequence, uint64_t block)
{
  uint32_t c0 = (uint32_t)block, c1 = (uint32_t)(block >> 32);
  uint32_t c2 = (uint32_t)subsequence, c3 = (uint32_t)(subsequence >> 32);
  uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
  for (int round = 0; round < 10; round++) {
    uint64_t p0 = (uint64_t)0xD2511F53u * c0;
    uint64_t p1 = (uint64_t)0xCD9E8D57u * c2;
    c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
    c1 = (uint32_t)p1;
    c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
    c3 = (uint32_t)p0;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  struct philox_block b = {{c0, c1, c2, c3}};
  return b;
}

/* Element `element` of a subsequence. */
HOST_DEVICE uint32_t philox_word(uint64_t key, uint64_t subsequence, uint64_t element)
{
  struct philox_block b = philox4x32(key, subsequence, element / 4);
  uint32_t low = element & 1 ? b.word[1] : b.word[0], high = element & 1 ? b.word[3] : b.word[2];
  return element & 2 ? high : low; /* chosen, not indexed: on a GPU the words stay in registers */
}

/* A word as a float in [0, 1), exact. */
HOST_DEVICE float philox_uniform(uint32_t word)
{
  return (float)(word >> 8) * 0x1p-24f;
}

/* The key of trial `trial` of round `round`: the first two words of its block under the
 * experiment's seed. */
HOST_DEVICE uint64_t philox_trial_key(uint64_t experiment_seed, int round, int trial)
{
  uint64_t step = (uint64_t)(uint32_t)round << 32 | (uint32_t)trial;
  struct philox_block b = philox4x32(experiment_seed, philox_subsequence(PHILOX_TRIAL_KEY, 0, step), 0);
  return (uint64_t)b.word[1] << 32 | b.word[0];
}

/* Dropout keeps an element when its word is at least this: rate · 2^32, rounded down. 0 <= rate <
 * 1. */
HOST_DEVICE uint32_t philox_dropout_threshold(double rate)
{
  return (uint32_t)(rate * 4294967296.0);
}

/* A keyed permutation of 0 ... n-1, element by element, so that a kernel computes the image at a
 * place of the epoch's order without a table: a balanced Feistel network of eight rounds over the
 * smallest even number of bits that holds n, walked along its cycle until it falls below n (Black
 * and Rogaway, "Ciphers with arbitrary finite domains", CT-RSA 2002).  The expected walk is below
 * four steps. */
struct philox_permutation {
  uint32_t n;
  uint32_t half_bits;
  uint32_t round_key[8];
};

HOST_DEVICE struct philox_permutation philox_permutation_make(uint64_t key, uint64_t subsequence, uint32_t n)
{
  struct philox_permutation p;
  p.n = n;
  p.half_bits = 1;
  while (p.half_bits < 16 && ((uint64_t)1 << (2 * p.half_bits)) < n) p.half_bits++;
  for (int block = 0; block < 2; block++) {
    struct philox_block b = philox4x32(key, subsequence, (uint64_t)block);
    for (int i = 0; i < 4; i++) p.round_key[4 * block + i] = b.word[i];
  }
  return p;
}

/* The element at place `place` (0 <= place < n) of the permuted order. */
HOST_DEVICE uint32_t philox_permutation_at(const struct philox_permutation *p, uint32_t place)
{
  uint32_t mask = (1u << p->half_bits) - 1;
  uint32_t x = place;
  do {
    uint32_t left = x >> p->half_bits, right = x & mask;
    for (int round = 0; round < 8; round++) {
      uint32_t h = (right ^ p->round_key[round]) * 0x9E3779B1u; /* a 32-bit finaliser in the manner of MurmurHash3 */
      h ^= h >> 16;
      h *= 0x85EBCA6Bu;
      h ^= h >> 13;
      uint32_t next = left ^ (h & mask);
      left = right;
      right = next;
    }
    x = left << p->half_bits | right;
  } while (x >= p->n);
  return x;
}

#endif
