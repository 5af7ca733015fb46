#!/bin/sh
# Does scikit-learn agree with our Gaussian process?  A virtual environment under build/ gets it from the Python package index once;
# where there is no network or no python3-venv the test is skipped, and says so.
#   SKLEARN  what pip installs (default scikit-learn)
#   PYTHON   the interpreter (default python3)
#   BUILD    where the tests were built (default build)
# Run from the project's root after the tests are built.  Prints a line "ok NAME" or "not ok NAME" for each test, and ends with
# "N passed, N failed".
set -u

build=${BUILD:-build}
python=${PYTHON:-python3}
sklearn=${SKLEARN:-scikit-learn}
venv=build/venv-sklearn # one for all builds
writer=$build/tests/test_gp

skip() {
  echo "skip scikit_learn_agrees: $1"
  echo "0 passed, 0 failed"
  exit 0
}

# A stamp tells a finished environment, and for what, from one that was cut off.
prepare() {
  [ "$(cat "$venv/stamp" 2>/dev/null)" = "$sklearn" ] && "$venv/bin/python" -c 'import sklearn' 2>/dev/null && return
  rm -rf "$venv"
  command -v "$python" >/dev/null || skip "there is no $python"
  mkdir -p build
  "$python" -m venv "$venv" >build/venv-sklearn.log 2>&1 || skip "python3-venv is not installed"
  timeout 300 "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-input --timeout 10 --retries 1 \
    "$sklearn" >>build/venv-sklearn.log 2>&1 || skip "pip cannot install $sklearn: no network? See build/venv-sklearn.log"
  echo "$sklearn" >"$venv/stamp"
}

if [ ! -x "$writer" ]; then
  echo "not ok scikit_learn_agrees ($writer is not built)"
  echo "0 passed, 1 failed"
  exit 1
fi
prepare
work=$(mktemp -d "${TMPDIR:-/tmp}/gsos-sklearn.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
passed=0 failed=0

check() {
  test_name=$1
  shift
  if "$@" >"$work/out" 2>&1; then
    echo "ok $test_name"
    passed=$((passed + 1))
  else
    echo "not ok $test_name"
    failed=$((failed + 1))
  fi
  sed 's/^/# /' "$work/out"
}

"$writer" --write "$work/problems" || exit 1
check scikit_learn_agrees "$venv/bin/python" tests/gp_sklearn.py "$work/problems"

# A lengthscale that is a thousandth off must be noticed, or the test above could not fail.
awk '/^problem/ { line = NR } NR == line + 2 { $1 = sprintf("%.17g", $1 * 1.001) } { print }' "$work/problems" >"$work/changed"
noticed() { ! "$venv/bin/python" tests/gp_sklearn.py "$work/changed"; }
check a_changed_lengthscale_is_noticed noticed

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
