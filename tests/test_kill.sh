#!/bin/sh
# Nothing that has ended is lost: `gsos run` is killed with SIGKILL at 20 random moments (KILLS=N: so many) and must end with the
# history of an undisturbed run, to the byte.  SOAK=1: with 200, of searches of several kinds, on the CPU and in cohorts on the devices of
# the harness (BUILD/gsos-cudacpu); the first seed is printed, and may be given as SEED.  Needs ./gsos (or $GSOS) and python3.  Run
# from the project's root.
# Prints a line "ok NAME" or "not ok NAME" for each test, and ends with "N passed, N failed".
set -u

gsos=${GSOS:-$PWD/gsos}
cuda=${GSOS_CUDACPU:-$(dirname "$gsos")/gsos-cudacpu}
soak=${SOAK:-}
kills=${KILLS:-${soak:+200}}
kills=${kills:-20}
work=$(mktemp -d "${TMPDIR:-/tmp}/gsos-kill.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
passed=0 failed=0

python3 tests/small_images.py "$work/data" 20 20 1 5 600 80 0 || exit 1
cat >"$work/small.ini" <<END
[experiment]
trials = 16
[dataset]
train_images = $work/data/train-images
train_labels = $work/data/train-labels
test_images = $work/data/test-images
test_labels = $work/data/test-labels
cache = $work/cache
[model]
filters = 16
[space]
epoch = int 1 .. 12 default 8
num_conv_layers = int 1 .. 3 default 2
[tpe]
startup = 3
END
cat >"$work/function.ini" <<END
[experiment]
objective = function
trials = 150
[function]
name = ackley
END

kill_runs() { # NAME KILLS GSOS FILE.ini [SECTION.KEY=VALUE]...
  name=$1 n=$2 program=$3 ini=$4
  shift 4
  mkdir "$work/$name"
  if python3 tests/kill_runs.py "$program" "$n" "$work/$name" "$ini" "$@"; then
    echo "ok $name"
    passed=$((passed + 1))
  else
    echo "not ok $name"
    failed=$((failed + 1))
  fi
}

if [ -z "$soak" ]; then
  kill_runs a_run_killed_at_random_moments_ends_as_an_undisturbed_one "$kills" "$gsos" "$work/small.ini"
else
  kill_runs a_killed_run_ends_as_an_undisturbed_one $((kills * 35 / 100)) "$gsos" "$work/small.ini"
  kill_runs a_killed_run_with_pruning_ends_as_an_undisturbed_one $((kills / 5)) "$gsos" "$work/small.ini" pruner.kind=asha pruner.eta=2 \
    scheduler.studies=one_by_one
  kill_runs a_killed_run_with_the_gaussian_process_ends_as_an_undisturbed_one $((kills * 15 / 100)) "$gsos" "$work/small.ini" \
    experiment.sampler=gp
  kill_runs a_killed_run_of_a_function_ends_as_an_undisturbed_one $((kills * 15 / 100)) "$gsos" "$work/function.ini"
  kill_runs a_killed_run_in_cohorts_ends_as_an_undisturbed_one $((kills * 15 / 100)) "$cuda" "$work/small.ini" model.filters=4 \
    experiment.trials=8 'space.epoch=int 1 .. 3 default 2' scheduler.slots=8
fi

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
