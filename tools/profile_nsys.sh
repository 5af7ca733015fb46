#!/bin/sh
# Runs gsos under Nsight Systems, with the options that suit it, and says what to look at.
#
#   sh tools/profile_nsys.sh [-o REPORT] run FILE.ini [OPTION]...  a whole run, or the minute that
#   --duration says
#
# The report (REPORT.nsys-rep; profile/gsos without -o) opens in nsys-ui, on any machine.  The
# ranges of its NVTX rows (study, trial, epoch, step) have the names of OUTPUT/timeline.json.
# $GSOS is the program, ./gsos by default; $SECONDS_PROFILED how long is looked at (60), after
# which gsos goes on without the profiler; $NSYS the profiler.
set -eu

gsos=${GSOS:-./gsos}
report=profile/gsos
usage() { sed -n '4,9s/^# \{0,1\}//p' "$0"; }
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) usage; exit 0 ;;
    -o) [ $# -gt 1 ] || { usage >&2; exit 2; }; report=$2; shift 2 ;;
    *) break ;;
  esac
done
[ $# -gt 0 ] || { usage >&2; exit 2; }
nsys=${NSYS:-$(command -v nsys || true)}
for candidate in /opt/nvidia/nsight-systems/*/bin/nsys; do
  [ -n "$nsys" ] || [ ! -x "$candidate" ] || nsys=$candidate
done
if [ -z "$nsys" ]; then
  echo "profile_nsys.sh: Nsight Systems (nsys) is not installed.  It comes with the CUDA toolkit, or alone from" >&2
  echo "https://developer.nvidia.com/nsight-systems.  \$NSYS may name it.  OUTPUT/timeline.json needs no profiler." >&2
  exit 1
fi
[ -x "$gsos" ] || { echo "profile_nsys.sh: there is no program $gsos; 'make' builds it, \$GSOS may name it" >&2; exit 1; }
mkdir -p "$(dirname "$report")"

# Kernels of a captured graph one by one (node), not the graph as a whole; no sampling of the CPU,
# which would need rights and slow it down.
"$nsys" profile --output "$report" --force-overwrite true --trace cuda,nvtx,osrt --cuda-graph-trace node --sample none \
  --cpuctxsw none --cuda-memory-usage true --duration "${SECONDS_PROFILED:-60}" --kill none --wait primary "$gsos" "$@"

cat <<END

Look at $report.nsys-rep (nsys-ui $report.nsys-rep), or at its tables:
  nsys stats --report cuda_gpu_kern_sum $report.nsys-rep     time of each kernel over all launches
  nsys stats --report nvtx_sum $report.nsys-rep              time of steps, epochs, trials
In the time line:
  - the rows of the streams: gaps between the kernels of one stream are launch latency; those of the other cohorts should fill them.
    Where they do not, raise [scheduler] slots (more trials in a launch) or streams;
  - the CUDA API row: cudaGraphLaunch should be all that a step needs; cudaMalloc or cudaStreamSynchronize within an epoch is a fault;
  - memory copies: images go up once, at the start; a step copies nothing.
END
