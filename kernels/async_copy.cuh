/* Copies from global to shared memory that pass by the registers and go on beside the arithmetic:
 * cp.async (PTX ISA, "Data Movement and Conversion Instructions: cp.async").
 *
 * A thread begins copies, ends a group of them with async_commit(), and waits with
 * async_wait<left>() until all of its groups but the last `left` have arrived.  Others see what has
 * arrived after a barrier that follows the wait.  Where `there` is false the target becomes zero
 * and `from`, which must be an address of device memory all the same, is not read; of a copy whose
 * name ends in _if the target stays as it is, and `from` may be anything.
 *
 * The toolkit's cuda_pipeline.h has the same, for numbers of zeros that are known as it is
 * compiled; the harness that runs kernels on the CPU has that one. */
#ifndef GSOS_ASYNC_COPY_CUH
#define GSOS_ASYNC_COPY_CUH

#include "kernels/launch.h"

#ifdef CUDACPU
#include <cuda_pipeline.h>
/* Macros, so that a report names the line of the kernel. */
#define async_copy_16(to, from, there) __pipeline_memcpy_async(to, from, 16, (there) ? 0 : 16)
#define async_copy_16_if(to, from, there) ((there) ? __pipeline_memcpy_async(to, from, 16) : (void)0)
#define async_copy_8(to, from, there) __pipeline_memcpy_async(to, from, 8, (there) ? 0 : 8)
#define async_copy_4(to, from, there) __pipeline_memcpy_async(to, from, 4, (there) ? 0 : 4)
#define async_commit __pipeline_commit
template <int left> __device__ __forceinline__ void async_wait()
{
  __pipeline_wait_prior(left);
}
#else
/* 16 bytes go by the second-level cache alone. */
__device__ __forceinline__ void async_copy_16(void *to, const void *from, bool there)
{
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;"
               :
               : "r"((unsigned)__cvta_generic_to_shared(to)), "l"(from), "r"(there ? 16 : 0)
               : "memory");
}
__device__ __forceinline__ void async_copy_16_if(void *to, const void *from, bool there)
{
  asm volatile("{\n"
               ".reg .pred p;\n"
               "setp.ne.b32 p, %2, 0;\n"
               "@p cp.async.cg.shared.global [%0], [%1], 16;\n"
               "}"
               :
               : "r"((unsigned)__cvta_generic_to_shared(to)), "l"(from), "r"((int)there)
               : "memory");
}
__device__ __forceinline__ void async_copy_8(void *to, const void *from, bool there)
{
  asm volatile("cp.async.ca.shared.global [%0], [%1], 8, %2;"
               :
               : "r"((unsigned)__cvta_generic_to_shared(to)), "l"(from), "r"(there ? 8 : 0)
               : "memory");
}
__device__ __forceinline__ void async_copy_4(void *to, const void *from, bool there)
{
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;"
               :
               : "r"((unsigned)__cvta_generic_to_shared(to)), "l"(from), "r"(there ? 4 : 0)
               : "memory");
}
__device__ __forceinline__ void async_commit()
{
  asm volatile("cp.async.commit_group;" ::: "memory");
}
template <int left> __device__ __forceinline__ void async_wait()
{
  asm volatile("cp.async.wait_group %0;" ::"n"(left) : "memory");
}
#endif

#endif
