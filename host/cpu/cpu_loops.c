/* Which of the compiled loops this processor runs.  See cpu_loops.h. */
#include "host/cpu/cpu_loops.h"

#define DECLARE_LOOPS(suffix)                                                                                          \
  void first_forward_##suffix(const struct loop_conv *, const float *, const float *, const float *, float *,          \
                              uint8_t *);                                                                              \
  void first_backward_##suffix(const struct loop_conv *, const float *, const float *, const uint8_t *, float *,       \
                               float *);                                                                               \
  void pool_forward_##suffix(const struct loop_conv *, const float *, float *, uint8_t *);                             \
  void pool_backward_##suffix(const struct loop_conv *, const float *, const uint8_t *, float *);                      \
  void conv_forward_##suffix(const struct loop_conv *, const float *, const float *, const float *, float *);          \
  void conv_backward_data_##suffix(const struct loop_conv *, const float *, const float *, float *);                   \
  void conv_backward_weights_##suffix(const struct loop_conv *, const float *, const float *, float *, float *);       \
  void add_##suffix(size_t, float *, const float *);                                                                   \
  void bias_relu_##suffix(int, int, const float *, bool, float *);                                                     \
  void masked_scale_##suffix(size_t, const float *, const float *, float, float *);                                    \
  void column_sums_##suffix(int, int, const float *, float *);                                                         \
  void dropout_##suffix(uint64_t, uint64_t, uint64_t, int, int, int, uint32_t, float, uint32_t *, float *);            \
  void softmax_##suffix(int, int, int, const uint16_t *, float *, int32_t *, float *, float *);                        \
  void softmax_backward_##suffix(int, int, const uint16_t *, float, float *);                                          \
  void adam_##suffix(size_t, const struct optimizer_settings *, const struct adam_step *, float *, const float *,      \
                     float *, float *);                                                                                \
  void sgd_##suffix(size_t, const struct optimizer_settings *, float *, const float *, float *);                       \
  void gather_##suffix(int, int, int, int, int, const float *, const uint8_t *, float *);                              \
  double peak_##suffix(int, float *);                                                                                  \
  static const struct cpu_loops loops_##suffix = {                                                                     \
      .name = #suffix,                                                                                                 \
      .isa = ISA_##suffix,                                                                                             \
      .block = BLOCK_##suffix,                                                                                         \
      .first_forward = first_forward_##suffix,                                                                         \
      .first_backward = first_backward_##suffix,                                                                       \
      .pool_forward = pool_forward_##suffix,                                                                           \
      .pool_backward = pool_backward_##suffix,                                                                         \
      .conv_forward = conv_forward_##suffix,                                                                           \
      .conv_backward_data = conv_backward_data_##suffix,                                                               \
      .conv_backward_weights = conv_backward_weights_##suffix,                                                         \
      .add = add_##suffix,                                                                                             \
      .bias_relu = bias_relu_##suffix,                                                                                 \
      .masked_scale = masked_scale_##suffix,                                                                           \
      .column_sums = column_sums_##suffix,                                                                             \
      .dropout = dropout_##suffix,                                                                                     \
      .softmax = softmax_##suffix,                                                                                     \
      .softmax_backward = softmax_backward_##suffix,                                                                   \
      .adam = adam_##suffix,                                                                                           \
      .sgd = sgd_##suffix,                                                                                             \
      .gather = gather_##suffix,                                                                                       \
      .peak = peak_##suffix,                                                                                           \
  }

#if defined LOOPS_REFERENCE
#define ISA_reference8 CPU_ISA_BASELINE
#define BLOCK_reference8 8
#define ISA_reference16 CPU_ISA_BASELINE
#define BLOCK_reference16 16
DECLARE_LOOPS(reference8);
DECLARE_LOOPS(reference16);

const struct cpu_loops *cpu_loops_reference(int block)
{
  return block == 16 ? &loops_reference16 : &loops_reference8;
}

#else
#define ISA_baseline CPU_ISA_BASELINE
#define BLOCK_baseline 8
DECLARE_LOOPS(baseline);
#if defined __x86_64__
#define ISA_avx2 CPU_ISA_AVX2
#define BLOCK_avx2 8
#define ISA_avx512 CPU_ISA_AVX512
#define BLOCK_avx512 16
DECLARE_LOOPS(avx2);
DECLARE_LOOPS(avx512);
#endif

const struct cpu_loops *cpu_loops_find(enum cpu_isa isa, int block)
{
#if defined __x86_64__
  if (isa >= CPU_ISA_AVX512 && block == 16) return &loops_avx512;
  if (isa >= CPU_ISA_AVX2 && block == 8) return &loops_avx2;
#else
  (void)isa;
#endif
  return block == 8 ? &loops_baseline : NULL;
}
#endif
