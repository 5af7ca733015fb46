/* The instruction sets for which this program has loops of its own (cpu_loops.h, gp_loops.h), and
 * which of them it uses: the best that the processor has, or less where the environment's GSOS_ISA
 * says so.  That is for tests, which run on one machine what another will choose, and for having a
 * search again that a lesser processor made; results belong to an instruction set (contract 1). */
#ifndef GSOS_CPU_ISA_H
#define GSOS_CPU_ISA_H

#include "host/base/error.h"

enum cpu_isa { CPU_ISA_BASELINE, CPU_ISA_AVX2, CPU_ISA_AVX512 };

/* "baseline", "avx2", "avx512": the words of GSOS_ISA. */
const char *cpu_isa_name(enum cpu_isa isa);

/* The best that this processor has. */
enum cpu_isa cpu_isa_of_processor(void);

/* What GSOS_ISA says is the most; CPU_ISA_AVX512 where it is not set, or empty, or no such word
 * (cpu_isa_check tells of that).  Read once: it is the same as long as the process lives.  From any
 * thread. */
enum cpu_isa cpu_isa_cap(void);

/* The one to use: the lesser of the two above. */
enum cpu_isa cpu_isa_detect(void);

/* ERROR_CONFIG where GSOS_ISA holds an unknown word; the message names the known ones. */
int cpu_isa_check(struct error *e);

#endif
