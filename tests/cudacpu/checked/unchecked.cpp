/* CUDA on the CPU, all builds but the checked one: nobody looks at accesses. */
#include "tests/cudacpu/runtime/internal.h"

namespace cudacpu
{
const struct access_checker *checker = NULL;
}
