/* Which of the compiled loops of the Gaussian process this processor runs.  See gp_loops.h. */
#include "cpu_loops.h"
#include "gp_loops.h"

extern const struct gp_loops gp_loops_baseline;
#if defined __x86_64__
extern const struct gp_loops gp_loops_avx2, gp_loops_avx512;
#endif

const struct gp_loops *gp_loops_find(void)
{
#if defined __x86_64__
  enum cpu_isa isa = cpu_isa_detect();
  if (isa >= CPU_ISA_AVX512) return &gp_loops_avx512;
  if (isa >= CPU_ISA_AVX2) return &gp_loops_avx2;
#endif
  return &gp_loops_baseline;
}
