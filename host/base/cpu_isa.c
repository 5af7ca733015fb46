/* Which instruction set is used.  See cpu_isa.h. */
#include "host/base/cpu_isa.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/text_escape.h"

static const char *const names[] = {"baseline", "avx2", "avx512"};

static enum cpu_isa cap = CPU_ISA_AVX512;
static bool known = true;
static pthread_once_t cap_once = PTHREAD_ONCE_INIT;

static void cap_read(void)
{
  const char *word = getenv("GSOS_ISA");
  if (!word || !*word) return;
  known = false;
  for (int i = CPU_ISA_BASELINE; i <= CPU_ISA_AVX512; i++) {
    if (strcmp(word, names[i]) != 0) continue;
    cap = (enum cpu_isa)i;
    known = true;
  }
}

const char *cpu_isa_name(enum cpu_isa isa)
{
  return names[isa];
}

enum cpu_isa cpu_isa_of_processor(void)
{
#if defined __x86_64__
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512dq"))
    return CPU_ISA_AVX512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return CPU_ISA_AVX2;
#endif
  return CPU_ISA_BASELINE;
}

enum cpu_isa cpu_isa_cap(void)
{
  pthread_once(&cap_once, cap_read);
  return cap;
}

enum cpu_isa cpu_isa_detect(void)
{
  enum cpu_isa most = cpu_isa_cap(), has = cpu_isa_of_processor();
  return has < most ? has : most;
}

int cpu_isa_check(struct error *e)
{
  char shown[60];
  pthread_once(&cap_once, cap_read);
  if (known) return 0;
  return error_set(
      e, ERROR_CONFIG,
      "GSOS_ISA=%s in the environment: there is no such instruction set; the words are %s, %s and %s, or leave "
      "the variable unset",
      text_escape(shown, sizeof shown, getenv("GSOS_ISA")), names[0], names[1], names[2]);
}
