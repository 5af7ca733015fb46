/* What the matrix products of the CUDA trainer are computed in: FP32, or TF32 on tensor cores
 * (operands of 10 bits, sums in FP32). */
#ifndef GSOS_PRECISION_H
#define GSOS_PRECISION_H

/* With their names in an ini file, once (a list of names as host/base/name_list.h has it, which
 * kernels do not know). */
#define PRECISIONS(ROW) ROW(PRECISION_FP32, "fp32") ROW(PRECISION_TF32, "tf32")
#define PRECISION_VALUE(value, text) value,
enum precision { PRECISIONS(PRECISION_VALUE) };

#endif
