#!/bin/sh
# Nothing that has ended is lost: `gsos run` is killed with SIGKILL at 20 random moments (KILLS=N: so many) and must end with the
# history of an undisturbed run, to the byte.  Needs ./gsos (or $GSOS) and python3.  Run from the project's root.
# Prints a line "ok NAME" or "not ok NAME" for each test, and ends with "N passed, N failed".
set -u

gsos=${GSOS:-$PWD/gsos}
kills=${KILLS:-20}
work=$(mktemp -d "${TMPDIR:-/tmp}/gsos-kill.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM

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
if python3 tests/kill_runs.py "$gsos" "$kills" "$work" "$work/small.ini"; then
  echo "ok a_run_killed_at_random_moments_ends_as_an_undisturbed_one"
  echo "1 passed, 0 failed"
else
  echo "not ok a_run_killed_at_random_moments_ends_as_an_undisturbed_one"
  echo "0 passed, 1 failed"
  exit 1
fi
