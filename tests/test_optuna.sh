#!/bin/sh
# Does the real Optuna read our study databases?  A virtual environment under build/ gets it from the Python package index once;
# where there is no network or no python3-venv the test is skipped, and says so.
#   OPTUNA   what pip installs (default optuna>=4.9)
#   PYTHON   the interpreter (default python3)
#   BUILD    where the tests were built (default build)
#   GSOS     the program (default ./gsos)
# Run from the project's root after the tests are built.  Prints a line "ok NAME" or "not ok NAME" for each test, and ends with
# "N passed, N failed".
set -u

build=${BUILD:-build}
python=${PYTHON:-python3}
optuna=${OPTUNA:-optuna>=4.9}
venv=build/venv-optuna # one for all builds
writer=$build/tests/test_store

skip() {
  echo "skip optuna_reads_every_trial: $1"
  echo "0 passed, 0 failed"
  exit 0
}

# A stamp tells a finished environment, and for what, from one that was cut off.
prepare() {
  [ "$(cat "$venv/stamp" 2>/dev/null)" = "$optuna" ] && "$venv/bin/python" -c 'import optuna' 2>/dev/null && return
  rm -rf "$venv"
  command -v "$python" >/dev/null || skip "there is no $python"
  mkdir -p build
  "$python" -m venv "$venv" >build/venv-optuna.log 2>&1 || skip "python3-venv is not installed"
  timeout 300 "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-input --timeout 10 --retries 1 \
    "$optuna" >>build/venv-optuna.log 2>&1 || skip "pip cannot install $optuna: no network? See build/venv-optuna.log"
  echo "$optuna" >"$venv/stamp"
}

if [ ! -x "$writer" ]; then
  echo "not ok optuna_reads_every_trial ($writer is not built)"
  echo "0 passed, 1 failed"
  exit 1
fi
prepare
work=$(mktemp -d "${TMPDIR:-/tmp}/gsos-optuna.XXXXXX") || exit 1
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

"$writer" --write "$work/study.db" "$work/expected.json" || exit 1
check optuna_reads_every_trial "$venv/bin/python" tests/optuna_check.py "$work/study.db" "$work/expected.json"
check optuna_goes_on_under_the_next_number "$venv/bin/python" tests/optuna_check.py "$work/study.db"

# What a run leaves, by the table that it wrote beside it.
gsos=${GSOS:-$PWD/gsos}
run_a_search() {
  "$gsos" run configs/quickstart.ini --quiet --output "$work/run" --set experiment.trials=6 --set model.filters=8 \
    --set dataset.train_count=400 --set tpe.startup=2 --set dataset.cache="$work/cache"
}
check a_search_runs run_a_search
check optuna_reads_what_a_run_left "$venv/bin/python" tests/optuna_check.py "$work/run/study.db" "$work/run/trials.csv"

# A value changed behind our back must be noticed, or the two tests above could not fail.
"$venv/bin/python" - "$work/study.db" <<'EOF'
import sqlite3, sys
with sqlite3.connect(sys.argv[1]) as db:
    db.execute("UPDATE trial_params SET param_value = param_value * 0.999 WHERE param_id = 1")
EOF
noticed() { ! "$venv/bin/python" tests/optuna_check.py "$work/study.db" "$work/expected.json"; }
check a_changed_value_is_noticed noticed
sed '3s/,[01]\.[0-9]*,/,0.123,/' "$work/run/trials.csv" >"$work/changed.csv"
noticed_table() { ! "$venv/bin/python" tests/optuna_check.py "$work/run/study.db" "$work/changed.csv"; }
check a_changed_table_is_noticed noticed_table

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
