#!/bin/sh
# Tests what depends on the instruction set, under each of the three that GSOS_ISA knows: what this
# machine would not choose is run on it all the same.  (The loops by themselves, in every variant,
# are part of any run of the tests.)
#
#   tools/isa.sh [BUILD [ISA]...]     under baseline, avx2, avx512, or those named
#
# Says how it went under each, and exits 1 where a test failed.  A word above what the processor
# has is run as what it has.
set -u
cd "$(dirname "$0")/.." || exit 1

build=${1:-build}
[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- baseline avx2 avx512
failed=
for isa; do
  # OpenBLAS has a variable of its own, and chooses before any of our code runs.
  case $isa in
    baseline) core=Prescott ;;
    avx2) core=Haswell && grep -qw avx2 /proc/cpuinfo || core= ;;
    avx512) core= ;;
    *)
      echo "isa.sh: '$isa' is none of baseline, avx2, avx512" >&2
      exit 2 ;;
  esac
  [ "$(uname -m)" = x86_64 ] || core=
  printf '\n--- GSOS_ISA=%s%s\n' "$isa" "${core:+ OPENBLAS_CORETYPE=$core}"
  GSOS_ISA="$isa" ${core:+env OPENBLAS_CORETYPE=$core} sh tools/run_tests.sh "$build" unit test_gp test_gp_sampler test_kernels_gp \
    test_sampler test_trainer test_network_file test_objective_cnn || failed="$failed $isa"
done
[ -z "$failed" ] || {
  printf '\nfailed under:%s\n' "$failed"
  exit 1
}
