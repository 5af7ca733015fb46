#!/bin/sh
# `gsos importance` from the outside, on small studies of a function that it makes first: what it
# prints to whom, what its groups are good for, what it says of a wrong command line.  Needs ./gsos
# (or $GSOS), and python3 (its own library alone; Optuna, where there is one, in a test that is
# skipped without it).  Run from the project's root.  Prints a line "ok NAME" or "not ok NAME" for
# each test, and ends with "N passed, N failed".
# Not under ThreadSanitizer: one thread measures.
# shellcheck disable=SC2016 # conditions are evaluated later
set -u
# shellcheck source=tests/cli/lib.sh
. tests/cli/lib.sh

gsos=${GSOS:-$PWD/gsos}
cases_begin importance

run() { call "$gsos" importance "$@"; }
quiet() { [ ! -s "$work/out" ]; }
search() { # OUTPUT SETTING...: a study database of the mixed function
  output=$1
  shift
  for setting; do set -- "$@" --set "$setting"; shift; done
  "$gsos" run configs/bench/mixed.ini --quiet --output "$output" --set experiment.rounds=1 "$@" >"$work/out" 2>"$work/err" </dev/null
}

search "$work/random" experiment.strategies=simultaneous experiment.sampler=random experiment.trials=200 'enqueue.usual=' &&
  search "$work/both" experiment.trials=30
code=$?
check the_function_is_searched exits 0
random=$work/random/study.db
call "$gsos" --help
methods=$(sed -n 's/^Measures of importance: \(.*\)\.$/\1/p' "$work/out" | tr -d ,)
first=${methods%% *}

# ---------------------------------------------------------------------------------- what is printed

run "$work/random" --resamples 20
check importance_prints_a_table_and_groups all 'exits 0' silent narrow 'said "^mixed/simultaneous/0: 200 trials, 200 measured$"' \
  'unwrapped "$work/out" | grep -q " hyperparameter $methods "' 'said "^  95 % interval  *0\.[0-9]*-[01]\.[0-9]* "' \
  "said '^Groups from the weights of $first,'" 'said "^\[groups\]$"' '! said "too few"' '! said "^Notes$"'
cp "$work/out" "$work/table"
run "$random" --resamples 20
check importance_is_the_same_a_second_time all 'exits 0' silent 'cmp -s "$work/out" "$work/table"'
check importance_writes_nothing_beside_the_database all '! ls "$work/random" | grep -e "-wal$" -e "-shm$"'

run "$work/both" --resamples 0
check importance_measures_studies_alone_and_together all 'exits 0' silent narrow \
  '[ "$(grep -c -e "^mixed/.*/0: 30 trials, 30 measured$" "$work/out")" -eq 2 ]' \
  'said "^all studies together: 2 studies, 60 trials, 60 measured$"' 'said "  too few trials: 30 for 9 hyperparameters"' \
  'said "^  held in most of the 30 trials"' 'said "^  grouped trials: "' 'said "^  a sampler that learns: "' '! said "95 %"'
run "$work/both" --study mixed/grouped/0 --method fanova --resamples 10
check importance_of_one_study_by_one_method all 'exits 0' silent narrow '! said simultaneous/0' '! said "^all studies"' \
  'said "^hyperparameter  *weight "' 'said "^Groups from the weights of fanova"'
run "$random" "$work/both" --method pedanova --resamples 0
check importance_names_the_database_where_there_are_several all 'exits 0' silent \
  '[ "$(unwrapped "$work/out" | grep -o "mixed/simultaneous/0 in [^ ]*: " | sort -u | wc -l)" -eq 2 ]' \
  'said "^all studies together: 3 studies, 260 trials, 260 measured$"'

call env COLUMNS=40 python3 tests/cli/terminal.py out "$gsos" importance "$work/both" --resamples 10
check importance_fits_a_narrow_terminal all 'exits 0' '[ "$(wc -l <"$work/out")" -gt 100 ]' \
  '[ "$(awk "length > 40" "$work/out" | wc -l)" -eq 0 ]' 'said " \\\\$"'
cp "$work/out" "$work/narrow"

# ------------------------------------------------------------------------------------------- groups

# pasted FILE: an ini file with the first [groups] section of FILE is read, and has these groups.
pasted() {
  {
    printf '%s\n' '[experiment]' 'objective = function' 'strategies = grouped' 'trials = 60' "output = $work/pasted" '[function]' 'name = mixed'
    awk '/^\[groups\]$/ { inside = 1 } inside && /^$/ { exit } inside' "$1"
  } >"$work/pasted.ini"
  call "$gsos" check "$work/pasted.ini"
  exits 0 && said first && said second
}
check groups_are_pasted_into_an_ini_file pasted "$work/table"
check groups_of_a_narrow_terminal_are_too pasted "$work/narrow"

# --------------------------------------------------------------------------------------------- JSON

cat >"$work/read_json.py" <<'END'
import json, sys
methods = sys.argv[1:]
studies = json.load(sys.stdin)["studies"]
assert [s["name"] for s in studies] == ["mixed/grouped/0", "mixed/simultaneous/0", "all studies together"], studies
assert [s["studies"] for s in studies] == [1, 1, 2] and studies[2]["database"] is None
for s in studies:
    assert s["trials"] == s["used"] == 30 * s["studies"]
    assert [m["method"] for m in s["methods"]] == methods
    names = [w["name"] for w in s["methods"][0]["weights"]]
    assert len(set(names)) == 9
    for m in s["methods"]:
        assert m["source"] and m["enough"] == (s["used"] >= 90)
        assert abs(sum(w["weight"] for w in m["weights"]) - 1) < 1e-9
        assert sorted(w["rank"] for w in m["weights"]) == list(range(1, 10))
        for w in m["weights"]:
            assert set(w) == {"name", "weight", "raw", "low", "high", "rank", "rank_low", "rank_high", "deviation"}
            assert w["weight"] >= 0 and w["low"] <= w["high"] and 1 <= w["rank_low"] <= w["rank_high"] <= 9
        assert all(set(i) == {"names", "share"} and i["names"][0] != i["names"][1] for i in m["interactions"])
    assert sorted(n for g in s["groups"] for n in g["members"]) == sorted(names)
    assert s["groups"][0]["name"] == "first" and all(g["ratio"] > 0 for g in s["groups"])
END
run "$work/both" --json --resamples 10
cp "$work/out" "$work/json"
check importance_json_is_one_line all 'exits 0' silent '[ "$(wc -l <"$work/json")" -eq 1 ]'
check importance_json_is_read_by_another_program eval 'python3 -m json.tool <"$work/json" >"$work/out" && python3 "$work/read_json.py" $methods <"$work/json"'
run "$work/both" --json --resamples 10 --seed 1
check importance_depends_on_the_seed all 'exits 0' '! cmp -s "$work/out" "$work/json"'
run "$work/both" --json --resamples 0
check without_resamples_intervals_are_null all 'exits 0' 'said "\"low\":null,\"high\":null,"' 'said "\"rank_low\":null"'

# --------------------------------------------------------------------------- readers, other programs

cat >"$work/gone.py" <<'END'
import os, subprocess, sys
ours, theirs = os.pipe()
os.close(ours)  # a reader that has gone: `| head` after its last line
p = subprocess.run(sys.argv[1:], stdout=theirs, stderr=subprocess.PIPE)
assert p.returncode == 0 and p.stderr == b"", p
END
check importance_without_a_reader_is_no_error python3 "$work/gone.py" "$gsos" importance "$random" --resamples 0
check importance_json_without_a_reader_is_no_error python3 "$work/gone.py" "$gsos" importance "$random" --resamples 0 --json
"$gsos" importance "$random" --resamples 0 >/dev/full 2>"$work/err"
code=$?
check importance_notices_a_full_disk_behind_its_output all 'exits 1' 'complained "standard output cannot be written: No space"'

cat >"$work/theirs.py" <<'END'
import sys, optuna
optuna.logging.set_verbosity(optuna.logging.WARNING)
study = optuna.create_study(study_name="theirs", storage="sqlite:///" + sys.argv[1], sampler=optuna.samplers.RandomSampler(seed=1))
def objective(trial):
    x = trial.suggest_float("x", 0, 1)
    trial.suggest_int("unused", 1, 9)
    y = trial.suggest_float("learning rate", 1e-4, 1, log=True)
    if trial.number % 10 == 3:
        raise optuna.TrialPruned()
    return 10 * (x - 0.3) ** 2 + 0.1 * y
study.optimize(objective, n_trials=60)
END
python=${PYTHON:-python3}
build/venv/bin/python -c 'import optuna' 2>/dev/null && python=build/venv/bin/python # as tests/peers/test_optuna.sh makes it
if "$python" -c 'import optuna' 2>/dev/null; then
  call "$python" "$work/theirs.py" "$work/theirs.db"
  run "$work/theirs.db" --resamples 10
  check importance_measures_a_study_of_optunas all 'exits 0' silent narrow 'said "^theirs: 60 trials, 54 measured$"' \
    'said "^x  *[01]\.[0-9]* #*  *1 "' 'said "left out: 6 pruned"' 'said "^  another program: "' 'said "cannot have the name"' '! said "^.groups"'
else
  skip importance_measures_a_study_of_optunas "$python has no optuna"
fi

# ---------------------------------------------------------------------------- what cannot be measured

mkdir "$work/empty"
run "$work/none"
check importance_of_a_path_that_is_not_there_names_it all 'exits 1' quiet 'complained "/none: there is no such file or folder; importance takes"'
run "$work/empty"
check importance_of_a_folder_without_a_database_says_what_makes_one all 'exits 1' quiet 'complained "/empty: holds no study.db.*gsos run"'
run "$random" "$work/none"
check importance_needs_every_database all 'exits 1' quiet 'complained "/none: there is no such"'
echo "this is no database, though it is long enough to be looked at" >"$work/text.db"
run "$work/text.db"
check importance_of_a_file_that_is_no_database_is_refused all 'exits 1' quiet 'complained "text.db: "'
search "$work/few" experiment.trials=3 tpe.startup=1
run "$work/few" --study mixed/grouped/0
check importance_of_too_few_trials_is_a_failure all 'exits 1' quiet 'complained "too few trials to measure: .* at the least$"'

# ------------------------------------------------------------------------------------------- usage

run
check importance_without_a_path_is_wrong_usage all 'exits 2' quiet 'complained "which folder"' 'complained "importance --help"'
run "$random" "$work/both" "$work/random/"
check importance_takes_a_database_once all 'exits 2' quiet 'complained "random/study.db: the same database is given twice"'
run "$random" --nonsense
check importance_names_an_unknown_option all 'exits 2' quiet 'complained "gsos importance: unrecognized option .*--nonsense"'
run "$random" --method fanovva
check importance_names_the_nearest_method all 'exits 2' quiet 'complained "no such method; did you mean .fanova.?"'
run "$random" --study mixed/simultaneos/0
check importance_names_the_nearest_study all 'exits 2' quiet 'complained "no study .*did you mean .mixed/simultaneous/0.?"'
refuses() { # OPTION VALUE...
  option=$1
  shift
  for value; do
    run "$random" "$option" "$value"
    exits 2 && quiet && complained "$option $value: is no " || return 1
  done
}
check importance_refuses_wrong_shares refuses --top 0 1 -0.1 ten nan
check importance_refuses_wrong_counts refuses --resamples -1 1.5 many 100001
check importance_refuses_wrong_seeds refuses --seed -1 0x10 18446744073709551616
run --help
check importance_help_is_narrow all 'exits 0' silent narrow 'said "^Usage: gsos importance"'
explained() { # each method, by the help and the documents
  for name in $methods; do
    { said "^  $name " && grep -q -w -e "$name" man/gsos.1 && grep -q -w -e "$name" README.md; } || {
      echo "# $name is not explained"
      return 1
    }
  done
}
check methods_of_importance_are_explained all '[ -n "$methods" ]' explained

cases_end
