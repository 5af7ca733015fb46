#!/bin/sh
# `gsos run` from the outside, on a data set made here and on analytic functions: what it prints, what it leaves, how it goes on, what
# it refuses, how it stops.  Needs ./gsos (or $GSOS), python3 (its own library alone) and sqlite3.  Run from the project's root.
# Prints a line "ok NAME" or "not ok NAME" for each test, and ends with "N passed, N failed".
# shellcheck disable=SC2016 # conditions are evaluated later
set -u

gsos=${GSOS:-$PWD/gsos}
work=$(mktemp -d "${TMPDIR:-/tmp}/gsos-run.XXXXXX") || exit 1
trap 'chmod -R u+w "$work" 2>/dev/null; rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
passed=0 failed=0 code=0

check() { # NAME CONDITION...: counts one test
  test_name=$1
  shift
  if "$@"; then
    echo "ok $test_name"
    passed=$((passed + 1))
  else
    echo "not ok $test_name"
    echo "# exit status $code"
    sed 's/^/# /' "$work/out" "$work/err"
    failed=$((failed + 1))
  fi
}
run() {
  "$gsos" "$@" >"$work/out" 2>"$work/err" </dev/null
  code=$?
}
all() { # "CONDITION"...: every one, each a line of shell
  for condition; do
    eval "$condition" || {
      echo "# failed: $condition"
      return 1
    }
  done
}
exits() { [ "$code" -eq "$1" ]; }
said() { grep -q -e "$1" "$work/out"; }
complained() { grep -q -e "$1" "$work/err"; }
silent() { [ ! -s "$work/err" ]; }
query() { sqlite3 "$1" "$2"; }
narrow() { awk '{ gsub(/[\200-\277]/, ""); if (length($0) > 80) { print "# too wide: " $0; bad = 1 } } END { exit bad }' "$1"; }
history() { python3 tests/history.py "$1/study.db"; }

data="$work/data"
python3 tests/small_images.py "$data" 16 14 1 4 400 80 8 || exit 1
cat >"$work/small.ini" <<END
[experiment]
trials = 8
seed = 3
[dataset]
train_images = $data/train-images
train_labels = $data/train-labels
test_images = $data/test-images
test_labels = $data/test-labels
cache = $work/cache
[model]
filters = 8
[space]
epoch = int 1 .. 3 default 2
num_conv_layers = int 1 .. 2 default 1
[tpe]
startup = 2
END
cat >"$work/function.ini" <<END
[experiment]
objective = function
trials = 20
[function]
name = ackley
[tpe]
startup = 4
END

# ------------------------------------------------------------------------------------------------- images

out="$work/first"
run run "$work/small.ini" --output "$out"
check run_ends_with_the_papers_tables all 'exits 0' 'said "^Table 3: time"' 'said "^Table 4: accuracy"' 'said "^grouped  *[0-9]"' \
  'said "^simultaneous  *[0-9]"' 'said "^grouped saves "' 'said "^Best configuration: small/"' 'said "test accuracy"' \
  'said "^Written to $out"' 'narrow "$work/out"' 'narrow "$out/report.txt"'
check run_says_how_far_it_is all 'complained "^grouped  *0/8 "' 'complained "^grouped  *8/8 .*done"' \
  'complained "^simultaneous  *8/8 .*done"' 'narrow "$work/err"'
check run_leaves_files_that_open all '[ -s "$out/best.ini" ]' '[ -s "$out/best.safetensors" ]' \
  '[ "$(query "$out/study.db" "PRAGMA integrity_check")" = ok ]' \
  '[ "$(query "$out/study.db" "SELECT count(*) FROM trials WHERE state = '"'COMPLETE'"' OR state = '"'FAIL'"'")" -eq 16 ]' \
  '[ "$(wc -l <"$out/trials.csv")" -eq 17 ]' '[ "$(find "$out/networks" -type f | wc -l)" -eq 2 ]' \
  '[ -z "$(find "$out" -name "*.tmp" -o -name "*-wal" -o -name "*.lock")" ]'
check every_epoch_is_an_intermediate_value all \
  '[ "$(query "$out/study.db" "SELECT count(*) FROM trial_intermediate_values")" -eq "$(query "$out/study.db" "SELECT sum(value_json) FROM trial_user_attributes WHERE key = '"'gsos:epochs'"'")" ]'
check the_test_set_is_used_once_for_each_study all \
  '[ "$(query "$out/study.db" "SELECT count(*) FROM study_user_attributes WHERE key = '"'gsos:test'"'")" -eq 2 ]'
history "$out" >"$work/history"

run predict "$out/best.safetensors" "$data/0.png"
check the_best_network_predicts all 'exits 0' 'said "0.png"'
run train "$out/best.ini" --quiet
check best_ini_trains all 'exits 0' 'said "validation accuracy"'
run check "$out/best.ini"
check best_ini_is_checked all 'exits 0'

run run "$work/small.ini" --output "$out"
check a_finished_run_prints_its_tables_again all 'exits 0' silent 'said "^Table 3: time"' 'said "^Best configuration"'
history "$out" >"$work/again"
check a_finished_run_changes_nothing cmp -s "$work/history" "$work/again"

run run "$work/small.ini" --output "$work/one" --set scheduler.slots=1 --quiet
history "$work/one" >"$work/again"
check one_at_a_time_makes_the_same_history all 'exits 0' silent 'cmp -s "$work/history" "$work/again"'

run run "$work/small.ini" --output "$work/rounds" --set experiment.rounds=2 --quiet
check rounds_are_studies_of_their_own all 'exits 0' \
  '[ "$(query "$work/rounds/study.db" "SELECT group_concat(study_name) FROM studies")" = "small/grouped/0,small/simultaneous/0,small/grouped/1,small/simultaneous/1" ]'
history "$work/rounds" | sed -n '/^study .*0$/,/^study .*1$/p' | grep -c trial_params >"$work/n"

# ------------------------------------------------------------------------------------------ what is seen of it

check the_timeline_has_every_trial_and_epoch python3 tests/timeline_check.py "$out/timeline.json" "$out/study.db"
run run "$work/small.ini" --output "$work/log" --log json
check the_log_has_every_trial_and_epoch all 'exits 0' 'said "^Table 3"' "python3 - '$work/err' '$work/log/study.db' <<'END'
import json, sqlite3, sys
events = [json.loads(line) for line in open(sys.argv[1], encoding='utf-8')]
kinds = [e['event'] for e in events]
db = sqlite3.connect(sys.argv[2])
count = lambda what: db.execute('SELECT count(*) FROM ' + what).fetchone()[0]
assert kinds[0] == 'run_begin' and kinds[-1] == 'run_end' and events[-1]['done'] == events[-1]['trials'] == 16
assert kinds.count('trial_begin') == kinds.count('trial_end') == count('trials')
assert kinds.count('epoch') == count('trial_intermediate_values') and kinds.count('study_end') == 2
assert all(a['run_s'] <= b['run_s'] for a, b in zip(events, events[1:]))
END"
run run "$work/small.ini" --output "$work/other" --log xml
check another_log_is_wrong_usage all 'exits 2' 'complained "json"' '[ ! -e "$work/other" ]'
{ "$gsos" run "$work/small.ini" --output "$work/pipe" --log json 2>&1 >"$work/out"; echo $? >"$work/code"; } | head -n 1 >"$work/err"
check a_log_that_nobody_reads_does_not_end_the_run all '[ "$(cat "$work/code")" -eq 0 ]' 'said "^Table 3"'

# ------------------------------------------------------------------------------------------- pruning and order

pruned() { query "$1/study.db" "SELECT count(*) FROM trials JOIN studies USING (study_id) WHERE state = 'PRUNED' AND study_name LIKE '%$2%'"; }
prune() { run run "$work/small.ini" --quiet --set pruner.kind=asha --set pruner.eta=2 --set 'space.epoch=int 2 .. 4 default 4' "$@"; }
prune --output "$work/pruned"
history "$work/pruned" >"$work/whole"
check asha_ends_trials_early_and_the_tables_say_so all 'exits 0' '[ "$(pruned "$work/pruned" grouped)" -gt 0 ]' \
  'said "pruned trials, ended early: grouped"'
check a_pruned_trial_keeps_the_value_of_its_last_epoch [ "$(query "$work/pruned/study.db" "SELECT count(*) FROM trials
  JOIN trial_values USING (trial_id) JOIN trial_intermediate_values i USING (trial_id) WHERE state = 'PRUNED' AND value != intermediate_value
  AND step = (SELECT max(step) FROM trial_intermediate_values WHERE trial_id = i.trial_id)")" = 0 ]
prune --output "$work/pruned-one" --set scheduler.slots=1 --set scheduler.studies=one_by_one
history "$work/pruned-one" >"$work/again"
check pruning_one_at_a_time_makes_the_same_history all 'exits 0' 'said "wall"' 'cmp -s "$work/whole" "$work/again"'
prune --output "$work/pruned-some" --set pruner.strategies=grouped
check pruning_is_for_the_strategies_that_are_named all 'exits 0' '[ "$(pruned "$work/pruned-some" grouped)" -gt 0 ]' \
  '[ "$(pruned "$work/pruned-some" simultaneous)" -eq 0 ]'
run run "$work/function.ini" --output "$work/p" --set pruner.kind=median
check what_has_no_epochs_is_not_pruned all 'exits 2' 'complained "no epochs"' '[ ! -e "$work/p" ]'
run run "$work/function.ini" --output "$work/a" --set scheduler.order=asynchronous --quiet
check an_asynchronous_order_is_in_every_table all 'exits 0' 'said "^.asynchronous order, cannot be had again"' \
  '[ "$(query "$work/a/study.db" "SELECT count(*) FROM trials WHERE state = '"'COMPLETE'"'")" -eq 40 ]'
run run "$work/function.ini" --output "$work/a" --set scheduler.order=sequential --quiet
check the_order_belongs_to_the_search all 'exits 2' 'complained "scheduler.order (was asynchronous, is sequential)"'

# ------------------------------------------------------------------------------------------------- going on

# A run that was stopped by SIGINT and SIGTERM ends as the undisturbed one.
out="$work/stopped"
"$gsos" run "$work/small.ini" --output "$out" --set 'scheduler.slots=1' >"$work/out" 2>"$work/err" &
pid=$!
while [ ! -s "$out/study.db" ]; do sleep 0.01; done
kill -INT $pid
wait $pid
code=$?
check sigint_stops_and_says_how_to_go_on all 'exits 130' 'complained "of 16 trials have ended and are kept; the same command goes"' \
  '[ ! -s "$work/out" ]'
"$gsos" run "$work/small.ini" --output "$out" --set 'scheduler.slots=1' >"$work/out" 2>"$work/err" &
pid=$!
sleep 0.3
kill -TERM $pid
wait $pid
code=$?
check sigterm_stops_with_143 all 'exits 143 || exits 0'
run run "$work/small.ini" --output "$out"
check the_timeline_goes_on python3 tests/timeline_check.py "$out/timeline.json" "$out/study.db"
history "$out" >"$work/again"
check what_was_stopped_ends_the_same all 'exits 0' 'cmp -s "$work/history" "$work/again"'

run run "$work/function.ini" --output "$work/f"
check a_function_is_minimised all 'exits 0' 'said "lower is better"' '[ -s "$work/f/best.ini" ]' '[ ! -e "$work/f/best.safetensors" ]' \
  '[ "$(query "$work/f/study.db" "SELECT DISTINCT direction FROM study_directions")" = MINIMIZE ]'
run run "$work/function.ini" --output "$work/f" --set experiment.rounds=2 --quiet
check more_rounds_go_on all 'exits 0' '[ "$(query "$work/f/study.db" "SELECT count(*) FROM trials")" -eq 80 ]'
run run "$work/function.ini" --output "$work/f" --set experiment.rounds=2 --set experiment.trials=30
check more_trials_of_grouped_are_refused_with_the_reason all 'exits 2' 'complained "experiment.trials (was 20, is 30)"' \
  'complained "divided among its groups"'
run run "$work/function.ini" --output "$work/f"
check fewer_rounds_are_refused all 'exits 2' 'complained "experiment.rounds (was 2, is 1)"'
run run "$work/function.ini" --output "$work/f" --set experiment.rounds=2 --set experiment.seed=9 --set tpe.startup=5
check other_search_keys_are_refused_by_name all 'exits 2' 'complained "experiment.seed (was 0, is 9)"' 'complained "tpe.startup (was 4, is 5)"'
run run "$work/function.ini" --output "$work/f" --set experiment.rounds=2 --set scheduler.slots=7 --set experiment.time_limit=1h --quiet
check machine_keys_may_differ all 'exits 0' silent

run run "$work/function.ini" --output "$work/s" --set experiment.strategies=simultaneous --quiet
run run "$work/function.ini" --output "$work/s" --set experiment.strategies=simultaneous --set experiment.trials=30 --quiet
check more_trials_of_simultaneous_go_on all 'exits 0' '[ "$(query "$work/s/study.db" "SELECT count(*) FROM trials")" -eq 30 ]'
run run "$work/function.ini" --output "$work/s30" --set experiment.strategies=simultaneous --set experiment.trials=30 --quiet
history "$work/s" >"$work/again"
history "$work/s30" >"$work/whole"
check more_trials_are_those_that_more_would_have_been cmp -s "$work/whole" "$work/again"

# What results depend on beside the search keys: the database is told of another libm.
run run "$work/function.ini" --output "$work/m" --set experiment.target=0.001 --quiet
query "$work/m/study.db" "UPDATE study_user_attributes SET value_json = '\"function ackley, an abacus\"' WHERE key = 'gsos:depends_on';
  UPDATE study_user_attributes SET value_json = 'false' WHERE key = 'gsos:finished'"
run run "$work/function.ini" --output "$work/m" --set experiment.target=0.001
check another_machine_is_refused_with_both_sides all 'exits 2' 'complained "an abacus"' 'complained "libm"' 'complained "accept-change"'
run run "$work/function.ini" --output "$work/m" --set experiment.target=0.001 --accept-change
check an_accepted_change_is_in_every_table all 'exits 0' 'said "an abacus"'
run show "$work/m"
check an_accepted_change_is_shown_later all 'exits 0' 'said "an abacus"'

run run "$work/function.ini" --output "$work/t" --set experiment.target=1000 --quiet
check a_target_ends_a_study all 'exits 0' '[ "$(query "$work/t/study.db" "SELECT count(*) FROM trials")" -eq 8 ]' 'said "target"'
run run "$work/function.ini" --output "$work/t" --set experiment.target=1000 --quiet
check a_study_that_reached_its_target_is_finished all 'exits 0' '[ "$(query "$work/t/study.db" "SELECT count(*) FROM trials")" -eq 8 ]'

run run "$work/function.ini" --output "$work/e" --set 'enqueue.mine=x1 3.5, x9 -2' --quiet
check enqueued_configurations_are_tried_first all 'exits 0' \
  '[ "$(query "$work/e/study.db" "SELECT DISTINCT param_value FROM trial_params JOIN trials USING (trial_id) WHERE number = 0 AND param_name = '"'x1'"'")" = 3.5 ]'

run run "$work/small.ini" --output "$work/limit" --set experiment.time_limit=0.05s --set 'space.epoch=int 1 .. 1000 default 1000'
check a_time_limit_stops_the_run_and_is_no_failure all 'exits 0' 'complained "time_limit reached"' 'said "Table 3"' 'said "of 8"'

# ------------------------------------------------------------------------------------------------- refused

run run
check no_file_is_wrong_usage all 'exits 2' 'complained "which FILE.ini"'
run run "$work/none.ini"
check a_missing_file_is_named all 'exits 2' 'complained "none.ini"'
run run "$work/small.ini" --set experiment.trails=9
check a_near_miss_gets_its_neighbour all 'exits 2' 'complained "trails"' "complained \"did you mean 'trials'\""
run run "$work/small.ini" --frobnicate
check an_unknown_option_is_refused all 'exits 2' 'complained "frobnicate"'
run run "$work/small.ini" --output "$work/bad" --set 'dataset.train_images=/nowhere/images'
check missing_images_leave_no_output all '! exits 0' 'complained "/nowhere/images"' '[ ! -e "$work/bad" ]'
run run "$work/small.ini" --output "$work/bad" --set 'enqueue.mine=num_conv_layers 2, padding valid, kernel 5, stride 2'
check an_infeasible_enqueued_configuration_is_refused all 'exits 2' 'complained "mine"' 'complained "infeasible"' '[ ! -e "$work/bad" ]'
echo "not a database" >"$work/text"
mkdir "$work/other"
cp "$work/text" "$work/other/study.db"
run run "$work/function.ini" --output "$work/other"
check another_file_is_refused_and_left all 'exits 1' 'cmp -s "$work/text" "$work/other/study.db"'
run run "$work/function.ini" --output "$work/text/below"
check a_folder_that_cannot_be_made_is_named all 'exits 1' 'complained "$work/text/below"'
if [ "$(id -u)" -ne 0 ]; then
  mkdir "$work/locked"
  chmod 555 "$work/locked"
  run run "$work/function.ini" --output "$work/locked/o"
  check a_folder_that_may_not_be_written_is_named all 'exits 1' 'complained "locked/o"'
fi
run run --help
check help_fits_a_terminal all 'exits 0' 'said "^Usage: gsos run"' 'narrow "$work/out"'
run --help
check the_programs_help_fits_a_terminal all 'exits 0' 'said "gsos run"' 'said grouped' 'narrow "$work/out"'
run --version
check version_is_one_line all 'exits 0' 'said "^gsos [0-9.]*$"'
run rnu
check a_near_miss_of_a_command_gets_its_neighbour all 'exits 2' "complained \"did you mean 'run'\""

# A second run on the same output.
"$gsos" run "$work/small.ini" --output "$work/two" --set 'space.epoch=int 1 .. 100000 default 100000' >/dev/null 2>&1 &
pid=$!
while ! query "$work/two/study.db" "SELECT 1 FROM trials" 2>/dev/null | grep -q 1; do sleep 0.02; done
run run "$work/small.ini" --output "$work/two" --set 'space.epoch=int 1 .. 100000 default 100000'
check a_second_run_is_refused_and_names_the_first all 'exits 1' "complained 'process $pid '"
run show "$work/two"
check show_reads_beside_a_living_run all 'exits 0' 'said running'
kill -KILL $pid
wait $pid 2>/dev/null
run show "$work/two"
check show_reads_what_a_dead_run_left all 'exits 0'

# A disk that is full: a file-size limit stands for it.
(
  ulimit -f 100 # 512-byte blocks or KiB, by shell: too little for the database either way
  "$gsos" run "$work/function.ini" --output "$work/full" --set experiment.trials=400 --quiet >"$work/out" 2>"$work/err"
)
code=$?
check a_full_disk_stops_the_run_and_says_so all 'exits 1' 'complained "full\|large\|space"'
run run "$work/function.ini" --output "$work/full" --set experiment.trials=400 --quiet
history "$work/full" >"$work/again"
run run "$work/function.ini" --output "$work/unfull" --set experiment.trials=400 --quiet
history "$work/unfull" >"$work/whole"
check after_a_full_disk_it_goes_on_to_the_same_history all 'exits 0' 'cmp -s "$work/whole" "$work/again"'

run run "$work/function.ini" --output "$work/f" --set experiment.rounds=2 >/dev/full
"$gsos" run "$work/function.ini" --output "$work/f" --set experiment.rounds=2 >/dev/full 2>"$work/err"
code=$?
check output_that_cannot_be_written_is_a_failure all 'exits 1' 'complained "standard output"'

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
