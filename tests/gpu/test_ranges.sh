#!/bin/sh
# The ranges that a profiler sees of a run (host/base/profiler_ranges.h): each study, each trial,
# begun once and ended once.  The profiler is tests/gpu/nvtx/recorder.c; the objective is a
# function, so that nothing is trained.  What a cohort adds shows on a GPU alone
# (tools/gpu_check.sh).  Needs BUILD/gpu/nvtx_recorder.so and, beside it, gsos, which are built
# where nvcc is.
# Prints a line "ok NAME" or "not ok NAME" for each test, and ends with "N passed, N failed".
# shellcheck disable=SC2016 # conditions are evaluated later
# Not under a sanitizer: the recorder is not built there.
set -u

programs=${BUILD:-build}/gpu
if [ ! -e "$programs/nvtx_recorder.so" ]; then
  echo "skip ranges: built without nvcc, so without ranges"
  echo "0 passed, 0 failed"
  exit 0
fi
work=$(mktemp -d "${TMPDIR:-/tmp}/gsos-ranges.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
passed=0 failed=0

check() { # NAME CONDITION...
  if eval "$2"; then
    echo "ok $1"
    passed=$((passed + 1))
  else
    echo "not ok $1"
    sed 's/^/# /' "$work/err" "$work/record"
    failed=$((failed + 1))
  fi
}
record() { # COMMAND...
  NVTX_INJECTION64_PATH=$(realpath "$programs/nvtx_recorder.so") NVTX_RECORD="$work/record" "$@" >"$work/out" 2>"$work/err"
}
begun() { sed -n 's/^begin [0-9]* //p' "$work/record"; }
all_ended() { # each number begins and ends, in this order
  awk '$1 == "begin" { open[$2] = 1 } $1 == "end" { if (!open[$2]) exit 1; delete open[$2] }
       END { for (id in open) exit 1 }' "$work/record"
}

cat >"$work/small.ini" <<END
[experiment]
objective = function
strategies = grouped, simultaneous
sampler = tpe
rounds = 2
trials = 10
[function]
name = ackley
END
record "$programs/gsos" run "$work/small.ini" --output "$work/results" --quiet
check a_run_names_its_studies '[ "$(begun | grep -cvE ", trial [0-9]+, place [0-9]+$")" = 4 ] && begun | grep -qx "grouped 1"'
check a_run_names_each_trial '[ "$(begun | grep -E ", trial [0-9]+, place [0-9]+$" | sort -u | wc -l)" = 40 ] &&
  begun | grep -q "^simultaneous 0, trial 9, place 0$"'
check what_begins_ends all_ended
record "$programs/gsos" train "$work/small.ini" --quiet
check train_names_its_trial '[ "$(begun)" = "trial 0, place 0" ] && all_ended'

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
