#!/bin/sh
# `objective = table` from the outside: the trials of a function, recorded by a run, answer another
# one.  Needs ./gsos (or $GSOS), python3 (its own library alone), sqlite3 and gzip.  Run from the
# project's root.  Prints a line "ok NAME" or "not ok NAME" for each test, and ends with "N passed,
# N failed".
# Not under ThreadSanitizer: runs of the kind that test_cli_run.sh has.
# shellcheck disable=SC2016 # conditions are evaluated later
set -u
# shellcheck source=tests/cli/lib.sh
. tests/cli/lib.sh

gsos=${GSOS:-$PWD/gsos}
cases_begin table

run() { call "$gsos" run --quiet "$@"; }
states() { sqlite3 "$1/study.db" "SELECT group_concat(state || ' ' || n, ', ') FROM (SELECT state, count(*) AS n FROM trials GROUP BY state ORDER BY state)"; }
wrapped() { unwrapped "$work/$1" | grep -q -e "$2"; } # out | err, TEXT

# A program with curves: better near x = 0.3, of one kind, and from epoch to epoch.
cat >"$work/p.py" <<'END'
import json, sys
for line in sys.stdin:
    t = json.loads(line)
    p = t["params"]
    if p["x"] > 0.95:
        print(json.dumps({"trial": t["trial"], "fail": "x is too large"}), flush=True)
        continue
    best = 0.9 - (p["x"] - 0.3) ** 2 - 0.1 * (p["kind"] == "b")
    values = [best * (1 - 0.6 ** e) for e in range(1, p["epoch"] + 1)]
    for e, value in enumerate(values, 1):
        print(json.dumps({"epoch": e, "value": value}), flush=True)
    print(json.dumps({"trial": t["trial"], "value": values[-1]}), flush=True)
END
cat >"$work/record.ini" <<END
[experiment]
objective = command
direction = maximize
strategies = simultaneous
sampler = random
trials = 80
output = $work/recorded
[command]
run = python3 p.py
[space]
x = float 0 .. 1 default 0.9
kind = categorical a, b default b
epoch = 9
END
run "$work/record.ini"
check trials_are_recorded all 'exits 0' '[ -s "$work/recorded/study.db" ]'
sqlite3 "$work/recorded/study.db" "VACUUM INTO '$work/packed.db'" && gzip -9n "$work/packed.db"
cat >"$work/mine.ini" <<'END'
[experiment]
objective = table
sampler = tpe
trials = 30
rounds = 4
[table]
file = packed.db.gz
[tpe]
startup = 5
END

# ---------------------------------------------------------------------------------------- gsos check

call "$gsos" check "$work/mine.ini"
check check_says_what_the_table_is all 'exits 0' silent narrow 'said "^Table$"' 'said "^  trials  *80: [0-9]* complete, 0 pruned, [1-9][0-9]* failed; 0 others"' \
  'said "^  curves  *of 9 epochs; the number of epochs is epoch$"' 'wrapped out "prediction R² 0\.9[0-9]* at the last epoch, 0\.9[0-9]* over all"' \
  'said "^  epoch  *int  *9  *1 \.\. 9$"' 'said "^  x  *float  *0.9  *0 \.\. 1$"' 'said "^  strategies  simultaneous$"'
call "$gsos" check "$work/mine.ini" --set "table.file=$work/recorded/study.db"
check a_database_is_read_unpacked_as_well all 'exits 0' silent 'wrapped out "prediction R² 0\.9"'
cp "$work/out" "$work/unpacked"
call "$gsos" check "$work/mine.ini"
check packed_and_unpacked_are_the_same_table all '[ "$(sed -n "s/^  depends on  *\(table [0-9a-f]*\).*/\1/p" "$work/out")" = "$(sed -n "s/^  depends on  *\(table [0-9a-f]*\).*/\1/p" "$work/unpacked")" ]' \
  'said "^  depends on  *table [0-9a-f]"'
for mistake in 'table.file=missing.db 2 there.is.no.such.file' 'table.epoch=steps 2 no.hyperparameter..steps' \
  'space.x=float:0:..:2:default:1 2 the.table.covers' 'space.width=3 2 has.no.hyperparameter' 'experiment.direction=minimize 2 were.made.to.maximize' \
  'table.file=configs/reference.ini 1 configs/reference.ini'; do
  # shellcheck disable=SC2086 # three words
  set -- $mistake
  call "$gsos" check "$work/mine.ini" --set "$(echo "$1" | tr : ' ')"
  check "wrong_$(echo "$1" | sed 's/=.*//; s/\./_/')_is_refused_$2" all "exits $2" "wrapped err '$3'"
done

# ----------------------------------------------------------------------------------------- gsos run

run "$work/mine.ini" --output "$work/whole"
check a_table_is_searched all 'exits 0' '[ "$(states "$work/whole")" = "COMPLETE 120" ]' 'said "^  validation accuracy\|^  value  *0\.8[0-9]"' \
  'wrapped out "results depend on: table [0-9a-f]* (80 trials, R² 0\.9"'
history "$work/whole" >"$work/first"
run "$work/mine.ini" --output "$work/again"
check a_table_is_searched_the_same_way_again all 'exits 0' 'history "$work/again" | cmp -s - "$work/first"'
call "$gsos" run "$work/mine.ini" --output "$work/told" --set experiment.rounds=1
check a_run_says_as_it_begins_how_well_the_table_predicts all 'exits 0' 'wrapped err "on table [0-9a-f]* (80 trials, R² 0\.9"'

run "$work/mine.ini" --output "$work/pruned" --set pruner.kind=asha --set pruner.first=1
check a_pruner_sees_the_epochs_of_a_table all 'exits 0' '[ "$(sqlite3 "$work/pruned/study.db" "SELECT count(*) FROM trials WHERE state = '"'PRUNED'"'")" -gt 10 ]' \
  '[ "$(sqlite3 "$work/pruned/study.db" "SELECT max(step) FROM trial_intermediate_values")" -eq 9 ]'

run "$work/mine.ini" --output "$work/paused" --set pruner.kind=hyperband --set scheduler.slots=1
history "$work/paused" >"$work/one"
check trials_of_a_table_pause_and_go_on all 'exits 0' '[ "$(sqlite3 "$work/paused/study.db" "SELECT count(*) FROM trials WHERE state = '"'PRUNED'"'")" -gt 10 ]' \
  '[ "$(sqlite3 "$work/paused/study.db" "SELECT count(*) FROM trials WHERE state = '"'COMPLETE'"'")" -gt 10 ]' \
  '[ ! -d "$work/paused/states" ] || [ -z "$(ls "$work/paused/states")" ]'
run "$work/mine.ini" --output "$work/paused-beside" --set pruner.kind=hyperband --set scheduler.slots=5
check trials_that_pause_make_the_same_history_side_by_side all 'exits 0' 'history "$work/paused-beside" | cmp -s - "$work/one"'
run "$work/mine.ini" --output "$work/paused" --set pruner.kind=hyperband --set experiment.trials=31
check where_trials_pause_there_cannot_be_more all 'exits 2' 'complained "with \[pruner\] kind = hyperband what went on"'
run "$work/mine.ini" --output "$work/paused-few" --set pruner.kind=hyperband --set experiment.rounds=1
run "$work/mine.ini" --output "$work/paused-few" --set pruner.kind=hyperband --retry-failed
check where_trials_pause_the_failed_do_not_run_again all 'exits 2' 'complained "retry-failed: not with \[pruner\] kind = hyperband"'
cp -r "$work/paused-few" "$work/paused-failed"
sqlite3 "$work/paused-failed/study.db" "UPDATE trials SET state = 'FAIL' WHERE number = 5"
call "$gsos" run "$work/mine.ini" --output "$work/paused-failed" --set pruner.kind=hyperband --set experiment.rounds=1
check where_trials_pause_no_more_trials_and_no_retry_are_offered all 'exits 0' 'wrapped err "is finished (30 of 30"' 'wrapped err "More: --set experiment.rounds=2, or more experiment.cycles; anew"' \
  '! wrapped err "retry-failed"' 'wrapped out "failed trials: "' '! wrapped out "retry-failed"'
# Another strategy's trials pause, and it is not searched.
elsewhere() {
  run "$work/mine.ini" --output "$work/elsewhere" --set pruner.kind=hyperband --set pruner.strategies=grouped \
    --set experiment.strategies=simultaneous --set experiment.rounds=1 "$@"
}
elsewhere
elsewhere --set experiment.trials=31 --retry-failed
check where_another_strategys_trials_would_pause_there_can_be_more_and_what_failed_runs_again all 'exits 0' \
  '[ "$(sqlite3 "$work/elsewhere/study.db" "SELECT count(*) FROM trials")" -eq 31 ]'
run "$work/mine.ini" --output "$work/paused-few" --set pruner.kind=hyperband
check more_rounds_of_trials_that_pause_are_those_that_more_would_have_been all 'exits 0' 'history "$work/paused-few" | cmp -s - "$work/one"'

run "$work/mine.ini" --output "$work/more" --set experiment.rounds=2
check some_rounds_on_a_table_end all 'exits 0' '[ "$(states "$work/more")" = "COMPLETE 60" ]'
run "$work/mine.ini" --output "$work/more"
check a_run_on_a_table_goes_on all 'exits 0' 'history "$work/more" | cmp -s - "$work/first"'
cp "$work/packed.db.gz" "$work/kept.db.gz"
gzip -d "$work/packed.db.gz"
sqlite3 "$work/packed.db" "UPDATE trial_intermediate_values SET intermediate_value = 0.99 * intermediate_value WHERE step = 3"
gzip -9n "$work/packed.db"
run "$work/mine.ini" --output "$work/more" --set experiment.rounds=5
check a_run_does_not_go_on_with_another_table all '! exits 0' 'wrapped err "table [0-9a-f]*"'
mv "$work/kept.db.gz" "$work/packed.db.gz"

call "$gsos" train "$work/whole/best.ini"
check the_best_is_a_trial_of_its_own all 'exits 0' '[ -s "$work/whole/best.ini" ]'

# A table of noise tells nothing.
gzip -dc "$work/packed.db.gz" >"$work/noise.db"
sqlite3 "$work/noise.db" "UPDATE trial_intermediate_values SET intermediate_value = (trial_id * 7919 % 101) / 101.0"
call "$gsos" check "$work/mine.ini" --set "table.file=$work/noise.db"
check a_table_that_predicts_badly_is_refused all 'exits 2' 'wrapped err "less than 0\.8"' 'wrapped err "force = yes"'
run "$work/mine.ini" --set "table.file=$work/noise.db" --set table.force=yes --set experiment.rounds=1 --output "$work/forced"
check a_table_that_predicts_badly_can_be_forced all 'exits 0' '[ "$(states "$work/forced")" = "COMPLETE 30" ]'

cases_end
