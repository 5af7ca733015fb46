#!/bin/sh
# What the trainer learns on real images: after 8 epochs of the default network with Adam and
# learning rate 0.001 on the MNIST subset the mean test accuracy of three seeds is at least 95.5 %,
# and, where Debian's python3-torch is installed, within 1 point of the same network's in PyTorch.
# Needs ./gsos (or $GSOS).  Run from the project's root.
# Not under a sanitizer: three minutes for what the tests of the trainer run, too.
# Prints a line "ok NAME" or "not ok NAME" for each test, and ends with "N passed, N failed".
set -u

gsos=${GSOS:-$PWD/gsos}
work=$(mktemp -d "${TMPDIR:-/tmp}/gsos-accuracy.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
passed=0 failed=0 skipped=0

check() { # NAME AWK-CONDITION
  if awk "BEGIN { exit !($2) }"; then
    echo "ok $1"
    passed=$((passed + 1))
  else
    echo "not ok $1 ($2)"
    failed=$((failed + 1))
  fi
}
mean() { awk '{ for (i = 1; i <= NF; i++) { s += $i; n++ } } END { print n == 3 ? s / n : "-1" }'; }

for seed in 0 1 2; do
  "$gsos" train configs/quickstart.ini --quiet --set experiment.seed=$seed --set dataset.cache="$work/cache" \
    --set 'space.lr=float 1e-5 .. 1 log default 0.001' --set 'space.epoch=int 1 .. 8 default 8' |
    sed -n 's/^test accuracy \([0-9.]*\) .*/\1/p'
done >"$work/ours"
ours=$(awk '{ print 100 * $1 }' "$work/ours" | mean)
echo "# test accuracy of three seeds: $(tr '\n' ' ' <"$work/ours")mean $ours %"
check three_seeds_reach_95_5_percent_on_average "$ours >= 95.5"

if theirs=$(/usr/bin/python3 tools/bench_pytorch.py learn configs/data 8 2>/dev/null) && [ -n "$theirs" ]; then
  echo "# PyTorch: $theirs %"
  theirs=$(echo "$theirs" | mean)
  check within_a_point_of_pytorch "$ours - $theirs < 1 && $theirs - $ours < 1 && $theirs > 0"
else
  echo "skip within_a_point_of_pytorch: python3-torch is not installed"
  skipped=1
fi

if [ "$skipped" -gt 0 ]; then echo "$passed passed, $failed failed, $skipped skipped"; else echo "$passed passed, $failed failed"; fi
[ "$failed" -eq 0 ]
