#!/bin/sh
# Does the real Optuna read our study databases?  A virtual environment under build/ gets it from
# the Python package index once; where there is no network or no python3-venv the test is skipped,
# and says so.
#   OPTUNA   what pip installs (default optuna>=4.9)
#   PYTHON   the interpreter (default python3)
#   BUILD    where the tests were built (default build)
#   GSOS     the program (default ./gsos)
# Run from the project's root after the tests are built.  Prints a line "ok NAME" or "not ok NAME"
# for each test, and ends with "N passed, N failed".
# Not under a sanitizer: what writes the databases runs there in test_store and test_cli_run.sh.
set -u
# shellcheck source=tests/peers/python_environment.sh
. tests/peers/python_environment.sh
# shellcheck source=tests/cli/lib.sh
. tests/cli/lib.sh

build=${BUILD:-build}
optuna=${OPTUNA:-optuna>=4.9}
writer=$build/tests/test_store

no_environment() {
  echo "skip optuna_reads_every_trial: $1"
  echo "0 passed, 0 failed"
  exit 0
}

cases_need "$writer" optuna_reads_every_trial
python_environment optuna optuna "$optuna"
cases_begin optuna

"$writer" --write "$work/study.db" "$work/expected.json" || exit 1
check optuna_reads_every_trial tells "$venv/bin/python" tests/peers/optuna_check.py "$work/study.db" "$work/expected.json"
check optuna_goes_on_under_the_next_number tells "$venv/bin/python" tests/peers/optuna_check.py "$work/study.db"

# What a run leaves, by the table that it wrote beside it.
gsos=${GSOS:-$PWD/gsos}
run_a_search() {
  "$gsos" run configs/quickstart.ini --quiet --output "$work/run" --set experiment.trials=6 --set model.filters=8 \
    --set dataset.train_count=400 --set tpe.startup=2 --set dataset.cache="$work/cache"
}
check a_search_runs tells run_a_search
check optuna_reads_what_a_run_left tells "$venv/bin/python" tests/peers/optuna_check.py "$work/run/study.db" "$work/run/trials.csv"

# A value changed behind our back must be noticed, or the two tests above could not fail.
"$venv/bin/python" - "$work/study.db" <<'EOF'
import sqlite3, sys
with sqlite3.connect(sys.argv[1]) as db:
    db.execute("UPDATE trial_params SET param_value = param_value * 0.999 WHERE param_id = 1")
EOF
noticed() { ! "$venv/bin/python" tests/peers/optuna_check.py "$work/study.db" "$work/expected.json"; }
check a_changed_value_is_noticed tells noticed
sed '3s/,[01]\.[0-9]*,/,0.123,/' "$work/run/trials.csv" >"$work/changed.csv"
noticed_table() { ! "$venv/bin/python" tests/peers/optuna_check.py "$work/run/study.db" "$work/changed.csv"; }
check a_changed_table_is_noticed tells noticed_table

cases_end
