#!/bin/sh
# Runs gsos under Nsight Compute, with the options that suit it, and says what to look at.
#
#   sh tools/profile_ncu.sh [-o REPORT] [-k KERNEL] run FILE.ini [OPTION]...
#
# The report (REPORT.ncu-rep; profile/gsos without -o) opens in ncu-ui, on any machine.  Some
# launches of each kernel are looked at, after the first 200, when caches and graphs are warm; -k
# regex:NAME looks at some kernels alone.  Each is run several times, so that gsos is far slower
# than usual: a small experiment will do.  $GSOS is the program, ./gsos by default; $LAUNCHES how
# many launches (40); $NCU the profiler.
set -eu

gsos=${GSOS:-./gsos}
report=profile/gsos
kernel=
usage() { sed -n '4,10s/^# \{0,1\}//p' "$0"; }
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) usage; exit 0 ;;
    -o) [ $# -gt 1 ] || { usage >&2; exit 2; }; report=$2; shift 2 ;;
    -k) [ $# -gt 1 ] || { usage >&2; exit 2; }; kernel=$2; shift 2 ;;
    *) break ;;
  esac
done
[ $# -gt 0 ] || { usage >&2; exit 2; }
ncu=${NCU:-$(command -v ncu || true)}
for candidate in /opt/nvidia/nsight-compute/*/ncu; do
  [ -n "$ncu" ] || [ ! -x "$candidate" ] || ncu=$candidate
done
if [ -z "$ncu" ]; then
  echo "profile_ncu.sh: Nsight Compute (ncu) is not installed.  It comes with the CUDA toolkit, or alone from" >&2
  echo "https://developer.nvidia.com/nsight-compute.  \$NCU may name it." >&2
  exit 1
fi
[ -x "$gsos" ] || { echo "profile_ncu.sh: there is no program $gsos; 'make' builds it, \$GSOS may name it" >&2; exit 1; }
mkdir -p "$(dirname "$report")"

# Kernels of a graph one by one (node).  Clocks are left alone, so that times are those of a run.
set -- "$gsos" "$@"
[ -z "$kernel" ] || set -- --kernel-name "$kernel" "$@"
"$ncu" --export "$report" --force-overwrite --set full --import-source yes --graph-profiling node --clock-control none \
  --launch-skip 200 --launch-count "${LAUNCHES:-40}" "$@" || {
  echo "profile_ncu.sh: where ncu may not read the counters (ERR_NVGPUCTRPERM), see https://developer.nvidia.com/ERR_NVGPUCTRPERM" >&2
  exit 1
}

cat <<END

Look at $report.ncu-rep (ncu-ui $report.ncu-rep), or: ncu --import $report.ncu-rep --page details
For each kernel:
  - GPU Speed Of Light: the larger of the compute and the memory share is what bounds it; 'make roofline INI=FILE.ini' prints the floor
    of the same stage;
  - Occupancy: registers and shared memory as 'make kernel-report' printed them; achieved far below theoretical means too few tiles:
    more trials in a launch ([scheduler] slots);
  - Warp State: 'Stall Long Scoreboard' waits for device memory, 'Stall MIO' or 'Short Scoreboard' for shared memory, 'Stall Barrier' for
    the slowest warp of a tile;
  - Memory tables: bank conflicts of shared memory, sectors per request of device memory (4 is best).
END
