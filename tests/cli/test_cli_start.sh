#!/bin/sh
# What a search starts from ([experiment] start_from), from the outside: which trials of earlier
# runs are taken, what is refused, that a run goes on without them.  On a program; needs ./gsos (or
# $GSOS), python3 (its own library alone) and sqlite3.  Run from the project's root.  Prints a line
# "ok NAME" or "not ok NAME" for each test, and ends with "N passed, N failed".
# Not under ThreadSanitizer: runs of the kind that test_cli_run.sh has.
# shellcheck disable=SC2016 # conditions are evaluated later
set -u
# shellcheck source=tests/cli/lib.sh
. tests/cli/lib.sh

gsos=${GSOS:-$PWD/gsos}
cases_begin start

# Fails where y is 3.
cat >"$work/p.py" <<'END'
import json, os, sys, time
here = os.path.dirname(os.path.abspath(__file__))
for line in sys.stdin:
    t = json.loads(line)
    p = t["params"]
    while t["trial"] > 5 and os.path.exists(here + "/slow"):
        time.sleep(0.01)
    if p["y"] == 3:
        print(json.dumps({"fail": "no odd ones"}), flush=True)
    else:
        print(json.dumps({"value": p["x"] + 0.1 * p["y"] + (p["m"] == "b") + p.get("z", 0)}), flush=True)
END
# ini NAME "LINE"... of [experiment], then the space, whose lines are in $space.
ini() {
  name=$work/$1.ini
  shift
  printf '[experiment]\nobjective = command\ndirection = minimize\nstrategies = simultaneous\nsampler = tpe\n' >"$name"
  printf '%s\n' "$@" '[command]' 'run = python3 p.py' '[tpe]' 'startup = 3' '[space]' >>"$name"
  printf '%s\n' "$space" >>"$name"
}
run() { name=$1; shift; call "$gsos" run "$work/$name.ini" --quiet --output "$work/out-$name" "$@"; }
seen() { unwrapped "$work/out" | grep -q -e "$1"; }
# Configurations of trials of a study, a line each.
configurations() { # OUTPUT FIRST LAST
  sqlite3 "$1/study.db" "SELECT number, group_concat(param_name || ' ' || param_value, ', ') FROM (SELECT * FROM trials JOIN trial_params
    USING (trial_id) ORDER BY number, param_name) WHERE study_id = 1 AND number BETWEEN $2 AND $3 GROUP BY number"
}

space='x = float 0.1 .. 1 log default 0.5
y = int 1 .. 9 default 5
m = categorical a, b default a
q = int 1 .. 3 default 1'
ini old 'trials = 40'
run old
check there_is_an_earlier_run exits 0
cp -r "$work/out-old" "$work/copy"

# ------------------------------------------------------------------------------------- what is taken

# Ranges are wider and narrower, y is of another type, m in another order, z is new, q is fixed.
space='x = float 0.01 .. 0.6 log default 0.5
y = ordinal 1, 2, 3, 4, 5 default 5
m = categorical new, b, a default a
q = 2
z = float 0 .. 1 default 0.25'
ini new 'trials = 12' 'start_from = out-old' '[scheduler]' 'parallel = 1'
fit="(SELECT trial_id FROM trial_params WHERE param_name = 'x' AND param_value <= 0.6 INTERSECT SELECT trial_id FROM trial_params WHERE
  param_name = 'y' AND param_value <= 5 INTERSECT SELECT trial_id FROM trial_params WHERE param_name = 'q' AND param_value = 2)"
# shellcheck disable=SC2034 # used in conditions
n=$(sqlite3 "$work/out-old/study.db" "SELECT count(*) FROM trials WHERE state = 'COMPLETE' AND trial_id IN $fit")
# shellcheck disable=SC2034 # used in a condition
bad=$(sqlite3 "$work/out-old/study.db" "SELECT count(*) FROM trials WHERE state = 'FAIL'")
call "$gsos" check "$work/new.ini"
check what_fits_the_new_space_is_taken_and_the_rest_counted all 'exits 0' '[ "$n" -gt 3 ]' '[ "$bad" -gt 0 ]' 'narrow' \
  'seen "Start: trials that proposals see $n trials of 1 study in $work/out-old/study.db; left out: $((40 - n - bad)) outside of the space, $bad failed; lacking, and taken at the default: z tried first: trial 1"'
run new
history "$work/out-new" >"$work/history"
check tables_say_what_it_started_from_and_do_not_count_it all 'exits 0' 'seen "started from $n trials of 1 study in "' \
  'seen "proposals saw these trials; the 3 best configurations were tried first; no figure here counts them"' \
  '[ "$(grep -c "^new/" "$work/out-new/trials.csv")" -eq 12 ]' 'grep -q "started from" "$work/out-new/report.html"'
sqlite3 "$work/out-old/study.db" "SELECT round(value + 0.25, 9) FROM trial_values WHERE trial_id IN $fit ORDER BY value LIMIT 3" >"$work/best"
sqlite3 "$work/out-new/study.db" "SELECT round(value, 9) FROM trials JOIN trial_values USING (trial_id) WHERE number IN (1, 2, 3) ORDER BY number" >"$work/first"
check the_best_of_them_come_after_the_defaults_best_first all 'cmp "$work/best" "$work/first"' \
  'configurations "$work/out-new" 1 3 | grep -c "q 2.0, .*, z 0.25" | grep -q "^3$"'

# ----------------------------------------------------------------------------- the same history again

run new --output "$work/out-slots" --set scheduler.slots=1
check however_many_run_at_once all 'exits 0' 'history "$work/out-slots" | cmp -s - "$work/history"'
: >"$work/slow"
"$gsos" run "$work/new.ini" --quiet --output "$work/out-killed" >/dev/null 2>&1 &
pid=$!
wait_until $pid '[ "$(sqlite3 "$work/out-killed/study.db" "SELECT count(*) FROM trials WHERE state = '"'COMPLETE'"'" 2>/dev/null || echo 0)" -gt 5 ]'
kill -KILL $pid
wait $pid 2>/dev/null
rm "$work/slow"
mv "$work/out-old" "$work/moved"
run new --output "$work/out-killed"
check after_a_kill_it_goes_on_though_they_are_gone all 'exits 0' 'history "$work/out-killed" | cmp -s - "$work/history"'
run new --output "$work/out-none"
check without_them_nothing_can_begin all 'exits 2' 'complained "new.ini:7: .experiment. start_from = $work/out-old: .*there is no such file"' '[ ! -e "$work/out-none" ]'
mv "$work/moved" "$work/out-old"
run old --set experiment.cycles=2
check they_may_go_on_themselves exits 0
call "$gsos" run "$work/out-new" --quiet --set experiment.trials=14
check more_trials_go_on_from_what_there_was all 'exits 0' 'seen "started from $n trials"' '[ "$(grep -c "^new/" "$work/out-new/trials.csv")" -eq 14 ]'
run new --set experiment.start_from= --set experiment.trials=14
check another_start_is_another_search all 'exits 2' 'complained "experiment.start_from (was $work/out-old, is not given)"'
run new --set experiment.start_best=1 --set experiment.trials=14
check so_are_more_or_fewer_of_the_best all 'exits 2' 'complained "experiment.start_best (was 3, is 1)"'
sqlite3 "$work/out-new/study.db" "UPDATE study_user_attributes SET value_json = '[1]' WHERE key = 'gsos:start_trials'"
run new --set experiment.trials=15
check what_was_kept_and_is_damaged_is_told all 'exits 1' 'complained "gsos:start_trials. are damaged"'

# --------------------------------------------------------------------------------- what is refused

cp "$work/new.ini" "$work/kept.ini"
sed '/^q = /d' "$work/kept.ini" >"$work/lacks.ini"
run lacks
check what_they_vary_and_the_space_lacks_is_told all 'exits 2' 'complained "vary .q., which \[space\] has not; add it there"'
run new --output "$work/out-max" --set experiment.direction=maximize
check another_direction_is_refused all 'exits 2' 'complained "say nothing of those here: it was to minimize"' 'complained "start_seen = no"'
run new --output "$work/out-max" --set experiment.direction=maximize --set experiment.start_seen=no --set "experiment.start_from=$work/copy"
check their_best_are_tried_all_the_same all 'exits 0' 'seen "no proposal saw the values of these trials; the 3 best configurations were tried first"' \
  '[ "$(configurations "$work/out-max" 1 3)" = "$(configurations "$work/out-killed" 1 3)" ]'
sqlite3 "$work/out-old/study.db" "UPDATE study_user_attributes SET value_json = '\"another metric\"' WHERE key = 'gsos:value_name'"
run new --output "$work/out-metric"
check another_metric_is_refused all 'exits 2' 'complained "its values are of another metric"'
sqlite3 "$work/out-old/study.db" "UPDATE study_user_attributes SET value_json = '\"cpu, data set 0123456789abcdef (1 image)\"' WHERE key = 'gsos:depends_on';
  UPDATE study_user_attributes SET value_json = '\"value\"' WHERE key = 'gsos:value_name'"
run new --output "$work/out-data"
check another_data_set_is_refused all 'exits 2' 'complained "data set 0123456789abcdef, here none"'
run new --output "$work/out-studies" --set experiment.start_seen=no \
  --set 'experiment.start_studies=old/simultaneous/0, old/grouped/0'
check one_of_several_studies_that_is_not_there_is_told all 'exits 2' \
  'complained "there is no study .old/grouped/0., which start_studies names"'
run new --output "$work/out-studies" --set experiment.start_studies=old/grouped/0
check a_study_that_is_not_there_is_told all 'exits 2' 'complained "has no study .old/grouped/0. (there are: old/simultaneous/0)"'
cp "$work/new.ini" "$work/own.ini"
run own --output "$work/out-old" --fresh
check a_run_does_not_start_from_its_own_output all 'exits 2' 'complained "that is the output of this run"'
call "$gsos" run "$work/new.ini" --output "$work/out-ini" --set "experiment.start_from=$work/new.ini"
check what_is_no_database_is_refused all 'exits 2' 'complained "is not an SQLite database"' '[ ! -e "$work/out-ini" ]'

# ------------------------------------------------------------------------------ of another program

cp "$work/out-killed/study.db" "$work/optuna.db"
sqlite3 "$work/optuna.db" "DELETE FROM study_user_attributes; DELETE FROM trial_user_attributes; DELETE FROM study_system_attributes"
run new --output "$work/out-optuna" --set "experiment.start_from=$work/optuna.db"
check a_database_of_another_program_will_do all 'exits 0' 'seen "started from [0-9]* trials of 1 study in $work/optuna.db;.* of what data and metric is not recorded"'
run new --output "$work/out-both" --set "experiment.start_from=$work/optuna.db, $work/out-max" --set experiment.start_seen=no
check several_databases_give_their_best_in_turn all 'exits 0' 'seen "started from [0-9]* trials of 1 study in $work/optuna.db"' 'seen "started from [0-9]* trials of 1 study in $work/out-max/study.db"'

cases_end
