/* CUDA on the CPU, the device's side: right kernels (cudacpu/sound.cu) give what their definition
 * says, the same bits in whatever order threads and blocks run; and the faults that are found
 * without the checked build are found (planted_*.cu).
 *
 * test_cudacpu_checked includes this file for its own kernels.
 *
 * Not under ThreadSanitizer: one thread. */
#include "tests/cudacpu/selftest/planted_check.h"

#include <math.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/cudacpu/selftest/real_curand.h"
#include "tests/cudacpu/selftest/sound.h"
#include "kernels/philox.h"

static cudaStream_t stream;

static int one_stream(void **state)
{
  fresh_machine(state);
  return cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking) != cudaSuccess;
}

static uint32_t random_state = 1;
static uint32_t random_word(void)
{
  random_state++;
  return philox_word(1, philox_subsequence(PHILOX_TEST, 0, 0), random_state);
}

static void *to_device(const void *host, size_t bytes)
{
  void *p;
  assert_int_equal(cudaMalloc(&p, bytes), cudaSuccess);
  if (host) assert_int_equal(cudaMemcpy(p, host, bytes, cudaMemcpyHostToDevice), cudaSuccess);
  return p;
}

/* Runs a kernel of sound.cu on copies of `in`; `out` begins as it is and gets the result. */
static void run(const char *name, dim3 grid, dim3 block, size_t shared, void *out, size_t out_bytes, const void *in,
                size_t in_bytes, int n)
{
  void *o = to_device(out, out_bytes), *i = in ? to_device(in, in_bytes) : NULL;
  assert_int_equal(sound_launch(name, grid, block, shared, stream, o, i, n), cudaSuccess);
  assert_int_equal(cudaStreamSynchronize(stream), cudaSuccess);
  assert_int_equal(cudaMemcpy(out, o, out_bytes, cudaMemcpyDeviceToHost), cudaSuccess);
  assert_int_equal(cudaFree(o), cudaSuccess);
  if (i) assert_int_equal(cudaFree(i), cudaSuccess);
  if (cudacpu_report_count()) fail_msg("%s", cudacpu_report(0)->text);
}

static dim3 d3(unsigned x, unsigned y, unsigned z)
{
  dim3 d = {x, y, z};
  return d;
}

/* The orders that each kernel runs in. */
static void set_order(int i)
{
  enum cudacpu_order order = i == 0 ? CUDACPU_FORWARD : i == 1 ? CUDACPU_REVERSE : CUDACPU_SHUFFLED;
  cudacpu_set_order(order, order, (uint64_t)i + 1);
}
#define ORDERS 5

/* ---------------------------------------------------------------------------- indices and warps */

static void every_thread_of_the_grid_has_its_indices(void **state)
{
  (void)state;
  static uint32_t out[2 * 3 * 4 * 5 * 2 * 3];
  for (int o = 0; o < ORDERS; o++) {
    set_order(o);
    memset(out, 0xff, sizeof out);
    run("indices", d3(2, 3, 4), d3(5, 2, 3), 0, out, sizeof out, NULL, 0, 0);
    uint32_t *p = out;
    for (uint32_t bz = 0; bz < 4; bz++)
      for (uint32_t by = 0; by < 3; by++)
        for (uint32_t bx = 0; bx < 2; bx++)
          for (uint32_t tz = 0; tz < 3; tz++)
            for (uint32_t ty = 0; ty < 2; ty++)
              for (uint32_t tx = 0; tx < 5; tx++)
                assert_int_equal(*p++, bz << 20 | by << 16 | bx << 12 | tz << 8 | ty << 4 | tx);
  }
}

/* By the words of the programming guide, lane by lane. */
static void shuffles_move_values_within_their_width(void **state)
{
  (void)state;
  enum { T = 96 };
  uint32_t in[2 * T], out[4 * T];
  for (int width = 2; width <= 32; width *= 2)
    for (int o = 0; o < ORDERS; o++) {
      set_order(o);
      for (int i = 0; i < 2 * T; i++) in[i] = random_word();
      for (int i = T; i < 2 * T; i++) in[i] %= 40;
      memset(out, 0xff, sizeof out);
      run("shuffles", d3(1, 1, 1), d3(T, 1, 1), 0, out, sizeof out, in, sizeof in, width);
      for (int t = 0; t < T; t++) {
        int lane = t % 32, warp = t - lane, first = lane / width * width, by = (int)in[T + t], small = by & 31;
        int up = lane - small >= first ? lane - small : lane;
        int down = lane + small < first + width ? lane + small : lane;
        int other = (lane ^ small) < first + width ? lane ^ small : lane;
        assert_int_equal(out[t], in[warp + first + by % width]);
        assert_int_equal(out[T + t], in[warp + up]);
        assert_int_equal(out[2 * T + t], in[warp + down]);
        assert_int_equal(out[3 * T + t], in[warp + other]);
      }
    }
  double d[64];
  memset(d, 0, sizeof d);
  run("shuffle_double", d3(1, 1, 1), d3(64, 1, 1), 0, d, sizeof d, NULL, 0, 0);
  for (int t = 0; t < 64; t++) assert_true(d[t] == 1.0 / (1 + (t ^ 5)));
}

static void votes_and_reductions_see_the_whole_warp(void **state)
{
  (void)state;
  enum { T = 64 };
  uint32_t in[T], out[8 * T];
  for (int o = 0; o < 4 * ORDERS; o++) {
    set_order(o % ORDERS);
    for (int i = 0; i < T; i++) in[i] = random_word() % (o < ORDERS ? 8 : o < 2 * ORDERS ? 1000 : 1003);
    memset(out, 0xff, sizeof out);
    run("votes", d3(1, 1, 1), d3(T, 1, 1), 0, out, sizeof out, in, sizeof in, 0);
    for (int t = 0; t < T; t++) {
      const uint32_t *x = in + t / 32 * 32;
      uint32_t odd = 0, any = 0, all = 1, match = 0, sum = 0, xor = 0;
      int least = 2000, most = -2000;
      for (int l = 0; l < 32; l++) {
        odd |= (x[l] & 1) << l;
        any |= x[l] == 7;
        all &= x[l] < 1000;
        match |= (uint32_t)((x[l] & 3) == (in[t] & 3)) << l;
        sum += x[l];
        if ((int)x[l] - 500 < least) least = (int)x[l] - 500;
        if ((int)x[l] - 500 > most) most = (int)x[l] - 500;
        xor ^= x[l];
      }
      const uint32_t want[8] = {odd, any, all, match, sum, (uint32_t)least, (uint32_t)most, xor};
      for (int i = 0; i < 8; i++) assert_int_equal(out[i * T + t], want[i]);
    }
  }
}

static void barriers_count_what_all_threads_say(void **state)
{
  (void)state;
  enum { T = 72 };
  uint32_t in[T], out[3 * T];
  for (int o = 0; o < 2 * ORDERS; o++) {
    set_order(o % ORDERS);
    for (int i = 0; i < T; i++) in[i] = o & 1 ? random_word() & 5 : 6;
    memset(out, 0xff, sizeof out);
    run("counting_barriers", d3(1, 1, 1), d3(T, 1, 1), 0, out, sizeof out, in, sizeof in, 0);
    uint32_t count = 0, all = 0, any = 0;
    for (int round = 0; round < 3; round++) {
      uint32_t odd = 0;
      for (int i = 0; i < T; i++) odd += in[i] >> round & 1;
      count += odd;
      all += odd == T;
      any += odd > 0;
    }
    for (int t = 0; t < T; t++) {
      assert_int_equal(out[t], count);
      assert_int_equal(out[T + t], all);
      assert_int_equal(out[2 * T + t], any);
    }
  }
}

static void atomics_leave_the_result_of_some_order(void **state)
{
  (void)state;
  enum { N = 128 };
  uint32_t in[N], first[14];
  for (int o = 0; o < ORDERS; o++) {
    uint32_t out[14] = {5, 1000000, 1u << 20, 0, 0xffffffffu, 0, 3, 0, 0, 0, 0, 0, 77, 0};
    uint32_t sum = 0, most = 0, least = 1u << 20, xor = 0;
    for (int i = 0; i < N; i++) {
      in[i] = (random_word() & 0xfffff) + (o == 0);
      sum += in[i];
      xor ^= in[i];
      if (in[i] > most) most = in[i];
      if (in[i] < least) least = in[i];
    }
    set_order(o);
    run("all_atomics", d3(2, 1, 1), d3(N / 2, 1, 1), 0, out, sizeof out, in, sizeof in, 9);
    assert_int_equal(out[0], 5 + sum);
    assert_int_equal(out[1], 1000000 - sum);
    assert_int_equal(out[2], least);
    assert_int_equal(out[3], most);
    assert_int_equal(out[4], 0);
    assert_int_equal(out[5], 0xffffffffu);
    assert_int_equal(out[6], 3 ^ xor);
    assert_int_equal(out[7] + out[12], 77 + sum); /* all that was exchanged, and what is left */
    assert_int_equal(out[8], N % 10);
    assert_int_equal(out[9], 1);
    uint64_t wide;
    memcpy(&wide, &out[10], sizeof wide);
    assert_true(wide == 0x100000001ull * sum);
    if (o == 0) memcpy(first, out, sizeof first);
    if (o == 1) assert_int_not_equal(first[13], out[13]); /* another thread came first */
  }
}

static void intrinsics_on_bits_are_exact(void **state)
{
  (void)state;
  enum { T = 64 };
  uint32_t in[T] = {0,           1,           0x80000000u, 0xffffffffu, 0x3f800000u, 0x3f801000u,
                    0x3f803000u, 0x3f800fffu, 0x7f7fffffu, 0xff800000u, 0x7fc00001u, 0xbf801000u};
  uint32_t out[8 * T];
  for (int i = 12; i < T; i++) in[i] = random_word();
  memset(out, 0xff, sizeof out);
  run("bits", d3(1, 1, 1), d3(T, 1, 1), 0, out, sizeof out, in, sizeof in, 0);
  for (int t = 0; t < T; t++) {
    uint32_t x = in[t], ones = 0, leading = 0, first = 0, turned = 0, *o = out + 8 * t;
    for (int i = 0; i < 32; i++) {
      ones += x >> i & 1;
      turned = turned << 1 | (x >> i & 1);
      if (!first && x >> i & 1) first = (uint32_t)i + 1;
    }
    while (leading < 32 && !(x << leading >> 31)) leading++;
    assert_int_equal(o[0], ones);
    assert_int_equal(o[1], leading);
    assert_int_equal(o[2], first);
    assert_int_equal(o[3], turned);
    assert_int_equal(o[4], (uint32_t)((uint64_t)x * 0x9E3779B9u >> 32));
    assert_int_equal(o[5], (x >> 8 & 255) | (x >> 24) << 8 | (~x >> 8 & 255) << 16 | (~x >> 24) << 24);
    assert_int_equal(o[6], ~x << 7 | x >> 25);
    /* TF32: the nearest number of 11 significant bits, away from zero where two are as near */
    float f, near;
    memcpy(&f, &x, sizeof f);
    memcpy(&near, &o[7], sizeof near);
    if (isnan(f)) {
      assert_true(isnan(near));
    } else {
      assert_int_equal(o[7] & 0x1fff, 0);
      if (fabs(f) < 1e38 && fabs(f) > 1e-30) {
        int e;
        double m = frexp(fabs((double)f), &e); /* in [1/2, 1) */
        assert_true(fabs((double)near) == ldexp(floor(m * 2048 + 0.5), e - 11));
        assert_true(signbit(near) == signbit(f));
      }
    }
  }
}

static void a_doubles_halves_are_its_words(void **state)
{
  (void)state;
  enum { T = 32 };
  double in[T], out[T];
  for (int i = 0; i < T; i++) in[i] = (double)random_word() * 0x1.8p-31 - 1 + 1e-9 * random_word();
  run("halves", d3(1, 1, 1), d3(T, 1, 1), 0, out, sizeof out, in, sizeof in, 0);
  for (int t = 0; t < T; t++) {
    uint64_t from, to;
    memcpy(&from, &in[t], sizeof from);
    memcpy(&to, &out[t], sizeof to);
    assert_true(to == (from << 32 | from >> 32));
  }
}

static void clusters_are_refused_where_there_are_none(void **state)
{
  (void)state;
  struct planted_case c = planted_find("anothers_shared_memory");
  struct planted_buffers m = planted_buffers_make();
  assert_true(cudacpu_set_capability(0, 8, 0));
  assert_int_equal(planted_launch(&c, &m), cudaErrorNotSupported);
  assert_true(cudacpu_set_capability(0, 9, 0));
  assert_int_equal(planted_launch(&c, &m), cudaSuccess);
  assert_int_equal(cudaStreamSynchronize(m.stream), cudaSuccess);
}

/* Eight blocks that fill a multiprocessor each, as on a slice of a GPU that has fewer. */
static void a_cluster_that_multiprocessors_are_too_few_for_is_refused(void **state)
{
  (void)state;
  enum { LARGE = 50 * 1024, SMALL = 4 * 1024 };
  unsigned *in = to_device(NULL, 2048 * sizeof *in), *out = to_device(NULL, 4096 * sizeof *out);
  assert_int_equal(cudaMemset(in, 0, 2048 * sizeof *in), cudaSuccess);
  cudacpu_properties(0)->multiProcessorCount = 7;
  assert_int_equal(sound_hand_on(LARGE, 1, out, in, stream), cudaErrorInvalidClusterSize);
  assert_int_equal(sound_hand_on(SMALL, 1, out, in, stream), cudaSuccess); /* they share them */
  cudacpu_properties(0)->multiProcessorCount = 8;
  assert_int_equal(sound_hand_on(LARGE, 1, out, in, stream), cudaSuccess);
  assert_int_equal(cudaStreamSynchronize(stream), cudaSuccess);
}

static void eight_large_blocks_are_a_cluster(void **state)
{
  (void)state;
  enum { WORDS = 50 * 1024 };
  unsigned in[2048], out[4096];
  for (int i = 0; i < 2048; i++) in[i] = random_word();
  for (int order = 0; order < ORDERS; order++) {
    set_order(order);
    unsigned *device_in = to_device(in, sizeof in), *device_out = to_device(out, sizeof out);
    assert_int_equal(sound_hand_on(WORDS, 1, device_out, device_in, stream), cudaSuccess);
    assert_int_equal(cudaStreamSynchronize(stream), cudaSuccess);
    assert_int_equal(cudaMemcpy(out, device_out, sizeof out, cudaMemcpyDeviceToHost), cudaSuccess);
    for (int i = 0; i < 2048; i++) assert_int_equal(out[2048 + i], in[(i + 1024) % 2048] + in[(i + 256) % 2048]);
    if (cudacpu_report_count()) fail_msg("%s", cudacpu_report(0)->text);
    cudaFree(device_in);
    cudaFree(device_out);
  }
}

/* -------------------------------------------------------------------------- shared memory, sums */

static void dynamic_shared_memory_is_the_size_asked_for(void **state)
{
  (void)state;
  const int sizes[] = {1, 100, 12 * 1024, 50 * 1024};
  for (int s = 0; s < 4; s++) {
    int n = sizes[s];
    uint32_t *in = malloc((size_t)n * 4), *out = calloc((size_t)n, 4);
    for (int i = 0; i < n; i++) in[i] = random_word();
    assert_int_equal(sound_allow_shared("reverse", n * 4), cudaSuccess);
    run("reverse", d3(1, 1, 1), d3(128, 1, 1), (size_t)n * 4, out, (size_t)n * 4, in, (size_t)n * 4, n);
    for (int i = 0; i < n; i++) assert_int_equal(out[i], in[n - 1 - i]);
    free(in);
    free(out);
  }
}

static void a_sum_in_fixed_order_has_the_same_bits_in_any_order_of_threads(void **state)
{
  (void)state;
  enum { BLOCKS = 7, N = 1000 };
  static float in[BLOCKS * N];
  float out[2][BLOCKS];
  for (int i = 0; i < BLOCKS * N; i++) in[i] = (float)random_word() * 0x1p-32f - 0.5f;
  for (int o = 0; o < 10; o++) {
    float *s = out[o > 0];
    set_order(o);
    memset(s, 0xff, sizeof out[0]);
    run("sum", d3(BLOCKS, 1, 1), d3(96, 1, 1), 0, s, sizeof out[0], in, sizeof in, N);
    assert_memory_equal(out[0], s, sizeof out[0]);
  }
  for (int b = 0; b < BLOCKS; b++) {
    double sum = 0;
    for (int i = 0; i < N; i++) sum += in[b * N + i];
    assert_true(fabs(sum - out[0][b]) < 1e-4);
  }
}

/* --------------------------------------------------------------------------------- tensor cores */

static float tf32(float x)
{
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  bits = (bits + 0x1000) & ~0x1fffu;
  memcpy(&x, &bits, sizeof x);
  return x;
}

static void products_of_small_matrices_are_those_of_plain_loops(void **state)
{
  (void)state;
  for (int o = 0; o < 2 * ORDERS; o++) {
    float in[512], out[256];
    double in64[320], out64[128];
    set_order(o % ORDERS);
    for (int i = 0; i < 512; i++) in[i] = (float)random_word() * 0x1p-31f - 1;
    for (int i = 0; i < 320; i++) in64[i] = (double)random_word() * 0x1p-31 - 1;
    memset(out, 0xff, sizeof out);
    memset(out64, 0xff, sizeof out64);
    run("product_tf32", d3(1, 1, 1), d3(32, 1, 1), 0, out, sizeof out, in, sizeof in, 0);
    run("product_f64", d3(1, 1, 1), d3(32, 1, 1), 0, out64, sizeof out64, in64, sizeof in64, 0);
    for (int m = 0; m < 16; m++)
      for (int n = 0; n < 16; n++) {
        float sum = in[256 + 16 * m + n];
        for (int k = 0; k < 8; k++) {
          volatile float product = tf32(in[8 * m + k]) * tf32(in[128 + 8 * n + k]);
          sum += product;
        }
        assert_memory_equal(&out[16 * m + n], &sum, sizeof sum);
      }
    memset(out, 0xff, sizeof out);
    run("product_tf32_registers", d3(1, 1, 1), d3(32, 1, 1), 0, out, sizeof out, in, sizeof in, 0);
    for (int m = 0; m < 16; m++)
      for (int n = 0; n < 8; n++) {
        float sum = in[192 + 8 * m + n];
        for (int k = 0; k < 8; k++) {
          volatile float product = tf32(in[8 * m + k]) * tf32(in[128 + 8 * n + k]);
          sum += product;
        }
        assert_memory_equal(&out[8 * m + n], &sum, sizeof sum);
      }
    for (int m = 0; m < 8; m++)
      for (int n = 0; n < 8; n++) {
        double sum = in64[64 + 8 * n + m];
        for (int k = 0; k < 4; k++) sum = fma(in64[4 * m + k], in64[32 + 8 * k + n], sum);
        assert_memory_equal(&out64[8 * n + m], &sum, sizeof sum);
      }
    memset(out64, 0xff, sizeof out64);
    run("product_f64_registers", d3(1, 1, 1), d3(32, 1, 1), 0, out64, sizeof out64, in64, sizeof in64, 0);
    for (int m = 0; m < 16; m++)
      for (int n = 0; n < 8; n++) {
        double sum = in64[192 + 8 * m + n];
        for (int k = 0; k < 8; k++) sum = fma(in64[8 * m + k], in64[128 + 8 * n + k], sum);
        assert_memory_equal(&out64[8 * m + n], &sum, sizeof sum);
      }
  }
}

/* The kernels of the benchmark, against plain loops: fp32 bit for bit. */
static void convolutions_are_those_of_plain_loops(void **state)
{
  (void)state;
  static float x[32 * 196], w[32 * 32 * 9], y[2][32 * 196];
  for (int i = 0; i < 32 * 196; i++) x[i] = (float)random_word() * 0x1p-31f - 1;
  for (int i = 0; i < 32 * 32 * 9; i++) w[i] = (float)random_word() * 0x1p-31f - 1;
  float *dx = to_device(x, sizeof x), *dw = to_device(w, sizeof w), *dy = to_device(NULL, sizeof y[0]);
  for (int o = 0; o < 3; o++) {
    set_order(o);
    for (int tensor = 0; tensor < 2; tensor++) {
      assert_int_equal(sound_convolution(tensor, 1, dy, dx, dw, stream), cudaSuccess);
      assert_int_equal(cudaStreamSynchronize(stream), cudaSuccess);
      assert_int_equal(cudaMemcpy(y[tensor], dy, sizeof y[0], cudaMemcpyDeviceToHost), cudaSuccess);
    }
    if (cudacpu_report_count()) fail_msg("%s", cudacpu_report(0)->text);
    double error = 0, norm = 0;
    for (int k = 0; k < 32; k++)
      for (int p = 0; p < 196; p++) {
        float sum = 0;
        double exact = 0; /* of the rounded inputs */
        for (int c = 0; c < 32; c++)
          for (int j = 0; j < 9; j++) {
            int r = p / 14 + j / 3 - 1, s = p % 14 + j % 3 - 1;
            float v = r >= 0 && r < 14 && s >= 0 && s < 14 ? x[c * 196 + r * 14 + s] : 0;
            sum = fmaf(v, w[(k * 32 + c) * 9 + j], sum);
            exact += (double)tf32(v) * tf32(w[(k * 32 + c) * 9 + j]);
          }
        assert_memory_equal(&y[0][k * 196 + p], &sum, sizeof sum);
        error += (y[1][k * 196 + p] - exact) * (y[1][k * 196 + p] - exact);
        norm += exact * exact;
      }
    assert_true(sqrt(error / norm) < 5e-7 * sqrt(288)); /* 288 terms in a sum, each rounded */
  }
}

/* --------------------------------------------------------------------------------------- Philox */

/* Known answers of Random123 1.14.0, kat_vectors: counter, key, block. */
static void philox_has_random123s_known_answers(void **state)
{
  (void)state;
  const uint32_t in[3][6] = {{0, 0, 0, 0, 0, 0},
                             {0xffffffffu, 0xffffffffu, 0xffffffffu, 0xffffffffu, 0xffffffffu, 0xffffffffu},
                             {0x243f6a88u, 0x85a308d3u, 0x13198a2eu, 0x03707344u, 0xa4093822u, 0x299f31d0u}};
  const uint32_t want[3][4] = {{0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u},
                               {0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu},
                               {0xd16cfe09u, 0x94fdccebu, 0x5001e420u, 0x24126ea1u}};
  uint32_t out[3][4];
  memset(out, 0, sizeof out);
  run("philox_blocks", d3(1, 1, 1), d3(3, 1, 1), 0, out, sizeof out, in, sizeof in, 3);
  assert_memory_equal(out, want, sizeof want);
  for (int i = 0; i < 3; i++) {
    uint64_t key = (uint64_t)in[i][5] << 32 | in[i][4], low = (uint64_t)in[i][1] << 32 | in[i][0];
    struct philox_block b = philox4x32(key, (uint64_t)in[i][3] << 32 | in[i][2], low);
    assert_memory_equal(b.word, want[i], sizeof want[i]);
  }
}

/* curand, curand4 and curand_uniform in a kernel, philox.h in a kernel and on the host, and where
 * the toolkit is there cuRAND's own header, compiled for the host: the same bits, also where the
 * counter carries. */
static void curand_and_philox_h_give_the_same_words(void **state)
{
  (void)state;
  enum { N = 40, T = 32 };
  for (int i = 0; i < 60; i++) {
    uint64_t in[3] = {random_word() | (uint64_t)random_word() << 32, random_word() | (uint64_t)random_word() << 32,
                      i < 20 ? (uint64_t)i : random_word() | (uint64_t)random_word() << (i & 31)};
    if (i > 40)
      in[2] = ((uint64_t)((i & 3) + 1) << 34) - (uint64_t)(i & 31); /* over the edge of the counter's low word */
    uint32_t out[N + 4 * T + T], again[N], real[N];
    memset(out, 0xff, sizeof out);
    memset(again, 0xff, sizeof again);
    run("curand_words", d3(1, 1, 1), d3(T, 1, 1), 0, out, sizeof out, in, sizeof in, N);
    run("philox_words", d3(2, 1, 1), d3(32, 1, 1), 0, again, sizeof again, in, sizeof in, N);
    for (int e = 0; e < N; e++) assert_int_equal(out[e], philox_word(in[0], in[1], in[2] + (uint64_t)e));
    assert_memory_equal(out, again, sizeof again);
    for (int t = 0; t < 4 * T; t++) assert_int_equal(out[N + t], philox_word(in[0], in[1], (uint64_t)t));
    float uniform[T];
    for (int t = 0; t < T; t++) {
      float x;
      memcpy(&x, &out[N + 4 * T + t], sizeof x);
      assert_true(x > 0 && x <= 1);
      assert_true(fabs(x - (philox_word(in[0], in[1], (uint64_t)t) + 0.5) * 0x1p-32) < 1e-7);
    }
    if (!real_curand_words(in[0], in[1], in[2], N, real)) continue;
    assert_memory_equal(out, real, sizeof real);
    for (int t = 0; t < T; t++) uniform[t] = real_curand_uniform(in[0], in[1], (uint64_t)t);
    assert_memory_equal(&out[N + 4 * T], uniform, sizeof uniform);
  }
  if (!real_curand_words(0, 0, 0, 0, NULL)) printf("no CUDA toolkit: not compared with cuRAND's own header\n");
}

/* ---------------------------------------------------------------------------------------- tests */

#ifdef CUDACPU_WITH_ASAN
/* AddressSanitizer ends the program, so this is another one's. */
static void address_sanitizer_finds(const char *name, const char *says)
{
  int pipes[2], status;
  char text[4096] = "";
  assert_int_equal(pipe(pipes), 0);
  pid_t child = fork();
  if (child == 0) {
    dup2(pipes[1], STDERR_FILENO);
    struct planted_buffers m = planted_buffers_make();
    struct planted_case c = planted_find(name);
    planted_launch(&c, &m);
    cudaStreamSynchronize(m.stream);
    _exit(0);
  }
  close(pipes[1]);
  size_t n = 0;
  for (ssize_t r; n < sizeof text - 1 && (r = read(pipes[0], text + n, sizeof text - 1 - n)) > 0;) n += (size_t)r;
  close(pipes[0]);
  waitpid(child, &status, 0);
  assert_false(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  if (!strstr(text, says) || !strstr(text, name)) fail_msg("%s", text);
}
static void address_sanitizer_finds_overruns_of_allocations_and_shared_arrays(void **state)
{
  (void)state;
  address_sanitizer_finds("behind_an_allocation", "use-after-poison");
  address_sanitizer_finds("before_an_allocation", "use-after-poison");
  address_sanitizer_finds("behind_static_shared", "global-buffer-overflow");
}
#endif

static int device_tests(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup(every_thread_of_the_grid_has_its_indices, one_stream),
      cmocka_unit_test_setup(shuffles_move_values_within_their_width, one_stream),
      cmocka_unit_test_setup(votes_and_reductions_see_the_whole_warp, one_stream),
      cmocka_unit_test_setup(barriers_count_what_all_threads_say, one_stream),
      cmocka_unit_test_setup(atomics_leave_the_result_of_some_order, one_stream),
      cmocka_unit_test_setup(intrinsics_on_bits_are_exact, one_stream),
      cmocka_unit_test_setup(a_doubles_halves_are_its_words, one_stream),
      cmocka_unit_test_setup(clusters_are_refused_where_there_are_none, one_stream),
      cmocka_unit_test_setup(a_cluster_that_multiprocessors_are_too_few_for_is_refused, one_stream),
      cmocka_unit_test_setup(eight_large_blocks_are_a_cluster, one_stream),
      cmocka_unit_test_setup(dynamic_shared_memory_is_the_size_asked_for, one_stream),
      cmocka_unit_test_setup(a_sum_in_fixed_order_has_the_same_bits_in_any_order_of_threads, one_stream),
      cmocka_unit_test_setup(products_of_small_matrices_are_those_of_plain_loops, one_stream),
      cmocka_unit_test_setup(convolutions_are_those_of_plain_loops, one_stream),
      cmocka_unit_test_setup(philox_has_random123s_known_answers, one_stream),
      cmocka_unit_test_setup(curand_and_philox_h_give_the_same_words, one_stream),
#ifdef CUDACPU_WITH_ASAN
      cmocka_unit_test_setup(address_sanitizer_finds_overruns_of_allocations_and_shared_arrays, one_stream),
#endif
  };
  return cmocka_run_group_tests_name("device", tests, NULL, NULL);
}

#ifndef CUDACPU_CHECKED_TEST
int main(void)
{
  cudacpu_print_reports(0);
  return planted_run() + device_tests();
}
#endif
