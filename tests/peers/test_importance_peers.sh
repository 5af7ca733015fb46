#!/bin/sh
# Do Optuna and scikit-rebate agree with how important gsos finds hyperparameters?  A virtual
# environment under build/ gets them from the Python package index once; where there is no network
# or no python3-venv the tests are skipped, and say so.
# Not under a sanitizer: minutes for numbers that are the same there; the methods' own tests run.
#   OPTUNA   what pip installs (default optuna>=4.9)
#   REBATE   what pip installs (default skrebate)
#   PYTHON   the interpreter (default python3)
#   GSOS     the program (default ./gsos)
# Run from the project's root after the program is built.  Prints a line "ok NAME" or "not ok NAME"
# for each test, and ends with "N passed, N failed".
set -u
# shellcheck source=tests/peers/python_environment.sh
. tests/peers/python_environment.sh
# shellcheck source=tests/cli/lib.sh
. tests/cli/lib.sh

gsos=${GSOS:-./gsos}
case $gsos in /*) ;; *) gsos=$PWD/$gsos ;; esac
optuna=${OPTUNA:-optuna>=4.9}
rebate=${REBATE:-skrebate}
peers=tests/peers/importance_peers.py

no_environment() {
  echo "skip optuna_agrees: $1"
  echo "0 passed, 0 failed"
  exit 0
}

cases_need "$gsos" optuna_agrees
python_environment optuna optuna "$optuna"
python=$venv/bin/python
cases_begin importance

"$python" -W ignore "$peers" make "$work/studies.db" || exit 1
check optuna_agrees tells "$python" -W ignore "$peers" pedanova "$work/studies.db" "$gsos"

# Values that have nothing to do with the hyperparameters must be noticed, or the tests could not
# fail.
cp "$work/studies.db" "$work/changed.db"
"$python" - "$work/changed.db" <<'EOF'
import sqlite3, sys
with sqlite3.connect(sys.argv[1]) as db:
    db.execute("UPDATE trial_values SET value = (trial_id * 7919) % 1000")
EOF
noticed() { ! "$python" -W ignore "$peers" "$1" "$work/studies.db" "$gsos" "$work/changed.db"; }
check other_values_are_noticed_beside_optuna tells noticed pedanova

no_environment() {
  skip optunas_fanova_agrees "$1"
  skip scikit_rebate_agrees "$1"
  cases_end
  exit
}
python_environment fanova sklearn "$optuna scikit-learn"
python=$venv/bin/python
"$python" -W ignore "$peers" make "$work/plain.db" plain || exit 1
check optunas_fanova_agrees tells "$python" -W ignore "$peers" fanova "$work/plain.db" "$gsos"

no_environment() {
  skip scikit_rebate_agrees "$1"
  cases_end
  exit
}
python_environment rebate skrebate "$rebate"
python=$venv/bin/python
check scikit_rebate_agrees tells "$python" -W ignore "$peers" nrrelieff "$work/studies.db" "$gsos"
check other_values_are_noticed_beside_scikit_rebate tells noticed nrrelieff

cases_end
