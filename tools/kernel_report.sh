#!/bin/sh
# What the kernels need of a GPU: `make kernel-report`.
#
#   tools/kernel_report.sh NVCC ROOFLINE [FLAG]...
#
# Compiles kernels/*.cu for sm_80 and sm_90 and prints, kernel by kernel, what ptxas says, and the
# blocks and warps that fit a multiprocessor at once by these limits (CUDA C++ Programming Guide,
# "Compute Capabilities"):
#
#   registers       65,536, a quarter to each of four partitions; a warp's in units of 256
#   shared memory   164 KB on sm_80, 228 KB on sm_90; a block takes 1 KB more than it says, in
#                   units of 128 bytes; with the most dynamic memory that the kernel is launched
#                   with, which ptxas does not know: it stands below
#   warps, blocks   64, 32
#
# Then, where there is nvdisasm (beside nvcc, on the PATH, or NVDISASM=/path/to/nvdisasm), what
# their main loops on sm_90 are made of, and the loops that fill shared memory, beside those of the
# prototypes that were measured on an H100 (tests/gpu/prototypes.csv, tools/kernel_counts.py): a loop
# of as many products with more instructions than its prototype is where to look first.  Of the
# Gaussian process, whose kernels have several loops that matter, each stands there.  Last, the
# blocks of each launch of a step.  How fast a step and a proposal ought to be there, and are
# reckoned to be, is said in tests/gpu/results/METHOD.md, "What an H100 ought to reach".
#
# ROOFLINE is the program build/tools/roofline, which knows the stages of a step.  FLAGs go to
# nvcc.  Exits 1 where one does not compile, or a register is spilt.
set -u
cd "$(dirname "$0")/.." || exit 1

nvcc=${1:-}
[ -n "$nvcc" ] || {
  echo "kernel_report.sh: needs nvcc, of the CUDA toolkit (NVCC=/path/to/nvcc)" >&2
  exit 1
}
roofline=$2
shift 2
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

set -- "$@" -O3 -std=c++17 -I. -Ikernels
for file in kernels/*.cu; do
  name=$(basename "$file" .cu)
  # The threads of a block are said in PTX alone.
  "$nvcc" "$@" -arch=sm_80 -ptx -o "$work/$name.ptx" "$file" || exit 1
  for arch in sm_80 sm_90; do
    "$nvcc" "$@" -arch=$arch -Xptxas -v -cubin -o "$work/$name.cubin" "$file" 2>"$work/$name.$arch" || {
      cat "$work/$name.$arch" >&2
      exit 1
    }
  done
done
nvdisasm=${NVDISASM:-}
[ -n "$nvdisasm" ] || nvdisasm=$(command -v "$(dirname "$(command -v "$nvcc")")/nvdisasm" nvdisasm | head -n 1)

cat "$work"/*.ptx "$work"/*.sm_80 "$work"/*.sm_90 | c++filt | sed 's/void //; s/(\(device_\|double\|int,\)[^)]*)//' | awk '
  / \.entry / { entry = $0; sub(/.*\.entry /, "", entry); sub(/[(].*/, "", entry) } # NAME<1, 2> has a space
  /\.maxntid/ { sub(/,/, "", $2); threads[entry] = $2 }
  /Compiling entry function/ { split($0, part, "\047"); kernel = part[2]; arch = part[4] }
  /bytes stack frame/ { stack = $1; spills = $5 + $9 }
  /Used [0-9]+ registers/ {
    registers = $5
    if (registers <= 8 && arch == "sm_80") next # a kernel of clusters, which is empty there
    shared = match($0, /[0-9]+ bytes smem/) ? substr($0, RSTART, RLENGTH) + 0 : 0
    t = threads[kernel]
    warps = int((t + 31) / 32)
    of_warp = int((registers * 32 + 255) / 256) * 256
    limit = "warps"; blocks = int(64 / warps)
    if (blocks > 32) { limit = "blocks"; blocks = 32 }
    fit = int(4 * int(16384 / of_warp) / warps)
    if (fit < blocks) { limit = "registers"; blocks = fit }
    shared += dynamic[kernel]
    fit = int((arch == "sm_80" ? 164 : 228) * 1024 / (int((shared + 1024 + 127) / 128) * 128))
    if (fit < blocks) { limit = "shared"; blocks = fit }
    row = sprintf("%-36s %-6s %8d %10d %7d %7d %6d %8d %7d %8d %%  %s", kernel, arch, t, registers, shared, spills, stack,
                  blocks, blocks * warps, blocks * warps * 100 / 64, limit)
    print row | "sort"
    if (spills > 0) bad = 1
    n++
  }
  BEGIN {
    dynamic["conv2d_forward_patch<3>"] = 49152
    dynamic["conv2d_forward_patch<5>"] = dynamic["conv2d_data_gradient<5>"] = 114688
    dynamic["conv2d_forward_tensor<3>"] = dynamic["conv2d_weight_gradient_tensor<5>"] = 114688
    dynamic["conv2d_data_gradient<3>"] = 82816
    dynamic["conv2d_weight_gradient<3>"] = dynamic["conv2d_weight_gradient<5>"] = 81920
    dynamic["conv2d_data_gradient_tensor<3>"] = 81920
    dynamic["conv2d_forward_tensor<5>"] = dynamic["conv2d_data_gradient_tensor<5>"] = 76800
    dynamic["conv2d_weight_gradient_tensor<3>"] = 76672
    dynamic["gp_posterior"] = 73728
    dynamic["gp_posterior_panel<8, 2>"] = 113664
    dynamic["gp_posterior_panel<16, 1>"] = 148480
    dynamic["gp_at_by_cluster"] = 19024
    dynamic["gp_climb_by_cluster"] = 29832
    dynamic["gp_evaluate"] = 139872
    dynamic["gp_fit_climb"] = 151184
    dynamic["gp_evaluate_alone"] = 74336
    dynamic["gp_fit_climb_alone"] = 85648
    printf "%-36s %-6s %8s %10s %7s %7s %6s %8s %7s %10s  %s\n", "kernel", "", "threads", "registers", "shared", "spilt",
           "stack", "blocks", "warps", "occupancy", "limit"
    fflush()
  }
  END {
    close("sort")
    if (n == 0) { print "kernel_report.sh: nothing to read in what nvcc says" >"/dev/stderr"; exit 1 }
    printf "Of a kernel of the Gaussian process that is launched with more shared memory the more observations there\n"
    printf "are: 512 of them, in 10 dimensions.  gp_posterior 144 bytes for each observation; gp_posterior_panel 512 for\n"
    printf "each of up to 256 and for each dimension, of up to 208 observations in 10 dimensions two fit; gp_evaluate,\n"
    printf "eight blocks a cluster, 9 KB and 8 KB for 32 observations, 41 KB at least; gp_fit_climb 11 KB more;\n"
    printf "of gp_evaluate_alone and gp_fit_climb_alone 256 observations.\n"
    exit bad
  }' || exit 1
if [ -n "$nvdisasm" ]; then
  echo
  python3 tools/kernel_counts.py --nvdisasm "$nvdisasm" --beside tests/gpu/prototypes.csv "$work"/*.cubin || exit 1
else
  echo "kernel_report.sh: the main loops are left out: no nvdisasm (of the CUDA toolkit; NVDISASM=/path/to/nvdisasm)" >&2
fi
echo
"$roofline" --launches
