/* Which of the compiled loops of the Gaussian process this processor runs.  See gp_loops.h. */
#include "host/base/cpu_isa.h"
#include "host/samplers/gp/gp_loops.h"

extern const struct gp_loops gp_loops_baseline;
#if defined __x86_64__
extern const struct gp_loops gp_loops_avx2, gp_loops_avx512;
#endif

const struct gp_loops *gp_loops_of(enum cpu_isa isa)
{
#if defined __x86_64__
  if (isa >= CPU_ISA_AVX512) return &gp_loops_avx512;
  if (isa >= CPU_ISA_AVX2) return &gp_loops_avx2;
#else
  (void)isa;
#endif
  return &gp_loops_baseline;
}

const struct gp_loops *gp_loops_find(void)
{
  return gp_loops_of(cpu_isa_detect());
}
