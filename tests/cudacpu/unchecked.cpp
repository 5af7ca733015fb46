/* CUDA on the CPU, all builds but the checked one: nobody looks at accesses. */
#include "internal.h"

namespace cudacpu
{
const struct access_checker *checker = NULL;
}
