#!/bin/sh
# Does scikit-learn agree with our Gaussian process?  A virtual environment under build/ gets it
# from the Python package index once; where there is no network or no python3-venv the test is
# skipped, and says so.
#   SKLEARN  what pip installs (default scikit-learn)
#   PYTHON   the interpreter (default python3)
#   BUILD    where the tests were built (default build)
# Run from the project's root after the tests are built.  Prints a line "ok NAME" or "not ok NAME"
# for each test, and ends with "N passed, N failed".
# Not under a sanitizer: what writes the numbers is test_gp, which runs there.
set -u
# shellcheck source=tests/peers/python_environment.sh
. tests/peers/python_environment.sh
# shellcheck source=tests/cli/lib.sh
. tests/cli/lib.sh

build=${BUILD:-build}
sklearn=${SKLEARN:-scikit-learn}
writer=$build/tests/test_gp

no_environment() {
  echo "skip scikit_learn_agrees: $1"
  echo "0 passed, 0 failed"
  exit 0
}

cases_need "$writer" scikit_learn_agrees
python_environment sklearn sklearn "$sklearn"
cases_begin sklearn

"$writer" --write "$work/problems" || exit 1
check scikit_learn_agrees tells "$venv/bin/python" tests/peers/gp_sklearn.py "$work/problems"

# A lengthscale that is a thousandth off must be noticed, or the test above could not fail.
awk '/^problem/ { line = NR } NR == line + 2 { $1 = sprintf("%.17g", $1 * 1.001) } { print }' "$work/problems" >"$work/changed"
noticed() { ! "$venv/bin/python" tests/peers/gp_sklearn.py "$work/changed"; }
check a_changed_lengthscale_is_noticed tells noticed

cases_end
