#!/bin/sh
# `gsos run` from the outside, on a data set made here and on analytic functions: what it prints,
# what it leaves, how it goes on, what it refuses, how it stops.  Needs ./gsos (or $GSOS), python3
# (its own library alone) and sqlite3.  Run from the project's root.
# Prints a line "ok NAME" or "not ok NAME" for each test, and ends with "N passed, N failed".
# shellcheck disable=SC2016 # conditions are evaluated later
set -u
# shellcheck source=tests/cli/lib.sh
. tests/cli/lib.sh

gsos=${GSOS:-$PWD/gsos}
cases_begin run

run() { call "$gsos" "$@"; }
query() { sqlite3 "$1" "$2"; }

data="$work/data"
python3 tests/cli/small_images.py "$data" 16 14 1 4 400 80 8 || exit 1
cat >"$work/small.ini" <<END
[experiment]
trials = 8
repeats = 0
seed = 3
strategies = grouped, simultaneous
sampler = tpe
$(dataset_section "$data")
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
strategies = grouped, simultaneous
sampler = tpe
[function]
name = ackley
[tpe]
startup = 4
END

# ------------------------------------------------------------------------------------------- images

out="$work/first"
run run "$work/small.ini" --output "$out"
check run_ends_with_the_papers_tables all 'exits 0' 'said "^Table 3: cost and time"' 'said "CPU time"' 'said "^Table 4: accuracy"' 'said "^grouped  *[0-9]"' \
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
run train "$out/best.ini" --output "$work/again.safetensors"
check best_ini_gives_the_network_of_the_search_bit_for_bit all 'exits 0' 'said "validation accuracy"' \
  'said "random numbers: those of trial $(sed -n "s/^trial = //p" "$out/best.ini") of round 0$"' \
  'cmp "$out/best.safetensors" "$work/again.safetensors"'
run train "$work/again.ini" --output "$work/third.safetensors" --quiet
check and_so_does_what_is_written_beside_it all 'exits 0' 'cmp "$out/best.safetensors" "$work/third.safetensors"'
run train "$out/best.ini" --output "$work/third.safetensors" --quiet --set train.trial=99
check another_trial_has_other_random_numbers all 'exits 0' '! cmp -s "$out/best.safetensors" "$work/third.safetensors"'
run check "$out/best.ini"
check best_ini_is_checked all 'exits 0'

run run "$work/small.ini" --output "$out"
check a_finished_run_prints_its_tables_again all 'exits 0' 'complained "is finished (16 of 16 trials"' '! complained "changed since"' 'said "^Table 3: cost and time"' 'said "^Best configuration"'
history "$out" >"$work/again"
check a_finished_run_changes_nothing cmp -s "$work/history" "$work/again"

run run "$work/small.ini" --output "$work/one" --set scheduler.slots=1 --quiet
history "$work/one" >"$work/again"
check one_at_a_time_makes_the_same_history all 'exits 0' silent 'cmp -s "$work/history" "$work/again"'

run run "$work/small.ini" --output "$work/rounds" --set experiment.rounds=2 --quiet
check rounds_are_studies_of_their_own all 'exits 0' \
  '[ "$(query "$work/rounds/study.db" "SELECT group_concat(study_name) FROM studies")" = "small/grouped/0,small/simultaneous/0,small/grouped/1,small/simultaneous/1" ]'
run train "$work/rounds/best.ini" --output "$work/again.safetensors" --quiet
check best_ini_names_the_round_as_well all 'exits 0' 'grep -q "^round = [01]$" "$work/rounds/best.ini"' \
  'cmp "$work/rounds/best.safetensors" "$work/again.safetensors"'
history "$work/rounds" | sed -n '/^study .*0$/,/^study .*1$/p' | grep -c trial_params >"$work/n"

# What networks get wrong, of images that are not so easy.

cat >"$work/digits.ini" <<END
[experiment]
trials = 2
repeats = 0
strategies = grouped, simultaneous
sampler = random
[dataset]
path = $PWD/configs/data
train_count = 1200
test_count = 200
[space]
epoch = 1
num_conv_layers = 1
lr = float 1e-05 .. 0.001 log default 0.0001
END
run run "$work/digits.ini" --output "$work/digits"
check what_the_best_network_gets_wrong_is_told all 'said "^What the best network gets wrong"' 'said "the best of all by validation"' \
  'said "^  confusion.csv "' 'grep -q "^What the best network gets wrong" "$work/digits/report.txt"'
call env COLUMNS=40 python3 tests/cli/terminal.py out "$gsos" show "$work/digits"
sed -i '1,/^What the best network/d' "$work/out"
check what_is_wrong_and_the_best_fit_a_narrow_terminal all 'exits 0' 'said "^Best configuration"' \
  'awk "{ gsub(/[\200-\277]/, \"\"); if (length > 40) { print \"# too wide: \" \$0; bad = 1 } } END { exit bad }" "$work/out"'
cat >"$work/classes.py" <<'END'
import collections, csv, glob, json, os, sqlite3, sys
out = sys.argv[1]
said = collections.defaultdict(collections.Counter)
for r in csv.DictReader(open(os.path.join(out, "confusion.csv"), newline="")):
    said[r["study"]]["n"] += int(r["count"])
    said[r["study"]]["right" if r["true"] == r["said"] else "wrong"] += int(r["count"])
tests = sqlite3.connect(os.path.join(out, "study.db")).execute(
    "SELECT study_name, a.value_json, m.value_json FROM studies JOIN study_user_attributes a USING (study_id) "
    "JOIN study_user_attributes m USING (study_id) WHERE a.key = 'gsos:test' AND m.key = 'gsos:mistakes'").fetchall()
assert len(tests) == 2 == len(said), (tests, said)
for name, test, mistakes in tests:
    test, mistakes, s = json.loads(test), json.loads(mistakes), said[name]
    assert s["n"] == test["n"] == 200 and s["right"] == test["correct"], (s, test)
    images, strategy = mistakes["images"], name.split("/")[1]
    assert len(images) == min(12, s["wrong"]) and all(m["class"] != m["taken_for"] for m in images), mistakes
    assert sorted(images, key=lambda m: -m["probability"]) == images
    files = sorted(os.path.basename(f) for f in glob.glob(os.path.join(out, "mistakes", strategy + "-0", "*")))
    assert files == sorted("trial-%d-image-%d.png" % (test["trial"], m["image"]) for m in images), files
print(sum(min(12, s["wrong"]) for s in said.values()))
END
check what_the_best_networks_get_wrong_is_counted tells python3 "$work/classes.py" "$work/digits"
run show "$work/digits" --json
cp "$work/out" "$work/digits.json"
cat >"$work/confusion.py" <<'END'
import csv, json, sys
rows = list(csv.DictReader(open(sys.argv[2] + "/confusion.csv", newline="")))
for s in json.load(open(sys.argv[1]))["runs"][0]["studies"]:
    c = s["confusion"]
    cells = [(c["classes"][a], c["classes"][b], n) for a, b, n in c["cells"]]
    assert cells == [(r["true"], r["said"], int(r["count"])) for r in rows if r["study"] == s["name"]], s["name"]
    assert c["top_k"] is None and c["mistakes"][0]["probability"] >= c["mistakes"][1]["probability"] and len(c["classes"]) == 10
END
check show_json_has_the_confusion tells python3 "$work/confusion.py" "$work/digits.json" "$work/digits"
pictures=$(python3 "$work/classes.py" "$work/digits")
check pictures_of_mistakes_are_a_part_of_the_page tells python3 tests/cli/report_page.py "$work/digits/report.html" --sections classes \
  --pictures "$pictures" --text "surest about and wrong" "Accuracy of each class" "Confusion matrix"

# 45 classes: more than a matrix has room for, and enough for a top-5 accuracy.
python3 tests/cli/small_images.py "$work/many_images" 12 12 1 45 450 225 0 || exit 1
{
  printf '[experiment]\ntrials = 1\nrepeats = 0\nstrategies = grouped\n[space]\nepoch = 1\n'
  dataset_section "$work/many_images"
} >"$work/many.ini"
run run "$work/many.ini" --output "$work/many" --quiet
check of_many_classes_the_worst_and_the_most_frequent_mistakes_are_told all 'exits 0' narrow 'said "^top-5 accuracy 0\.[0-9]*: "' \
  'said "^The 20 of 45 classes with the lowest accuracy:"' 'said "^Most often taken for another:"' '! said "A row for each class"' \
  'tells python3 tests/cli/report_page.py "$work/many/report.html" --pictures 12 --text "Top-5 accuracy" "What is most often taken for what"'
cp -R "$work/digits" "$work/copied"
rm -r "$work/copied/mistakes/grouped-0"
run report "$work/copied"
check a_page_without_the_pictures_says_so all 'exits 0' \
  'tells python3 tests/cli/report_page.py "$work/copied/report.html" --sections classes --text "Their pictures are not all there"'
mkdir "$work/copied/mistakes/grouped-0"
for file in "$work/digits/mistakes/grouped-0"/*; do mkfifo "$work/copied/mistakes/grouped-0/${file##*/}"; done
rm "$work/copied/timeline.json" "$work/copied/run.ini"
mkfifo "$work/copied/timeline.json" "$work/copied/run.ini"
call timeout 60 "$gsos" report "$work/copied"
check pipes_in_the_place_of_files_are_not_waited_for all 'exits 0' \
  'tells python3 tests/cli/report_page.py "$work/copied/report.html" --sections classes --text "Their pictures are not all there"'
rm "$work/copied/plots/plots.gp"
mkfifo "$work/copied/plots/plots.gp"
call timeout 60 "$gsos" report "$work/copied"
check a_pipe_is_not_written_to all 'exits 1' 'complained "plots/plots.gp: cannot be written: it is no regular file"'
call timeout 60 "$gsos" run "$work/copied"
check a_pipe_is_no_run_ini all 'exits 2' 'complained "copied/run.ini: is no regular file"'
query "$work/copied/study.db" "DELETE FROM study_user_attributes WHERE key IN ('gsos:confusion', 'gsos:mistakes')"
run show "$work/copied"
check of_a_run_of_an_earlier_version_nothing_is_told all 'exits 0' '! said "gets wrong"' 'said "^Best configuration"'

# ------------------------------------------------------------------- the best networks trained again

# Networks that are far from done, so that their accuracies differ.
raw_repeats() { query "$1/study.db" "SELECT value_json FROM study_user_attributes JOIN studies USING (study_id) WHERE key = 'gsos:repeats' AND study_name LIKE '%/grouped/0'"; }
repeats() { raw_repeats "$1" | python3 -c 'import json, sys
for t in json.loads(sys.stdin.read() or "{\"trainings\": []}")["trainings"]: print("-" if t is None else "%.4f %.4f" % (t["value"], t["test"]))'; }
early() { run run "$work/small.ini" --set space.lr=0.0003 --set space.epoch=1 --set experiment.strategies=grouped --set experiment.repeats= "$@"; }
out="$work/repeats"
early --output "$out"
repeats "$out" >"$work/run"
check a_best_network_is_trained_three_times_more all 'exits 0' 'said "^The best networks trained again"' \
  '[ "$(sort -u "$work/run" | wc -l)" -eq 3 ]' 'complained "^ *grouped #[0-9]* again [123]/3: validation 0\.[0-9]*, test 0\.[0-9]*$"' \
  'said "^  trained again  *validation [01]\.[0-9]* ± 0\.[0-9]*, test [01]\.[0-9]* ± 0\.[0-9]*$"' 'said "they took 960 images"' 'narrow "$out/report.txt"' \
  '[ "$(find "$out/networks" -type f | wc -l)" -eq 1 ]'
# shellcheck disable=SC2034 # used in conditions
means=$(sed -n 's/^grouped  *0  *[0-9]*  *3  *\([0-9.]* ± [0-9.]*\)  *\([0-9.]* ± [0-9.]*\)$/\1 \2/p' "$out/report.txt")
run train "$out/best.ini" --repeat 3
awk '$1 ~ "/3" { printf "%.4f %.4f\n", $3, $5 }' "$work/out" >"$work/train"
check train_repeat_makes_the_same_ones all 'cmp -s "$work/run" "$work/train"' '[ -n "$means" ]' \
  '[ "$means" = "$(sed -n "s/^validation accuracy \(.* ± .*\)/\1/p" "$work/out") $(sed -n "s/^test accuracy \(.* ± .*\)/\1/p" "$work/out")" ]'
run show "$out"
check show_prints_them_later all 'exits 0' 'said "^The best networks trained again"' 'said "$(echo "$means" | sed "s/ /  */g")"'
early --output "$out"
check a_finished_run_makes_no_more_of_them all 'exits 0' 'complained "nothing was run"'
early --output "$out" --set experiment.repeats=5 --quiet
repeats "$out" >"$work/five"
early --output "$out" --set experiment.repeats=5
check more_of_them_are_added_to_those_that_are_there all '[ "$(wc -l <"$work/five")" -eq 5 ]' 'head -n 3 "$work/five" | cmp -s - "$work/run"' \
  'complained "nothing was run"'
early --output "$work/none" --set experiment.repeats=0
check without_repeats_there_are_none all 'exits 0' '! said "trained again"' '[ -z "$(raw_repeats "$work/none")" ]'

for metric in balanced_accuracy macro_f1 loss; do early --output "$work/$metric" --set experiment.metric=$metric --set experiment.baseline=no; done
run show "$work/loss" --csv
check a_loss_is_minimised all 'exits 0' '[ "$(query "$work/loss/study.db" "SELECT DISTINCT direction FROM study_directions")" = MINIMIZE ]' \
  'awk -F, "NR == 1 { for (i = 1; i <= NF; i++) c[\$i] = i } NR > 1 { if (low == \"\" || \$c[\"value\"] < low) low = \$c[\"value\"]; if (\$c[\"best\"] == 1) best = \$c[\"value\"]; if (\$c[\"value\"] != \$c[\"loss\"]) exit 1 } END { exit !(low != \"\" && low == best) }" "$work/out"'
run show "$work/macro_f1"
check a_metric_is_searched_and_told all 'exits 0' 'said "^  validation macro F1  *0\.[0-9]*$"' 'said "^  test macro F1  *0\.[0-9]* ([0-9]* of 80 right)$"' 'narrow "$work/macro_f1/report.txt"' \
  'grep -q "validation balanced" "$work/balanced_accuracy/report.txt"' 'grep -q "^metric = macro_f1" "$work/macro_f1/best.ini"' 'narrow "$work/balanced_accuracy/report.txt"'
early --output "$work/macro_f1" --set experiment.metric=accuracy
check another_metric_is_another_search all 'exits 2' 'complained "experiment.metric (was macro_f1, is accuracy)"'

# 30 long ones, killed in the middle; then stopped in the middle; what ended is there each time.
long() { set -- --quiet --set experiment.repeats=30 --set experiment.trials=3 --set "space.epoch=$(as_long_as 40)" --set space.lr=0.0003 \
  --set experiment.strategies=grouped --output "$@"; exec "$gsos" run "$work/small.ini" "$@"; }
ended() { raw_repeats "$out" 2>/dev/null | grep -o '"value"' | wc -l; }
(long "$work/straight") >"$work/out" 2>"$work/err"
history "$work/straight" >"$work/repeated"
out="$work/killed"
(long "$out") >"$work/out" 2>"$work/err" &
pid=$!
do_when $pid '[ "$(ended)" -ge 3 ]' kill -KILL $pid
# shellcheck disable=SC2034 # used in conditions
killed=$?
wait $pid
raw_repeats "$out" | grep -o '"value": [0-9.]*, "loss": [0-9.e-]*' >"$work/before"
(long "$out") >"$work/out" 2>"$work/err" &
pid=$!
signal_when $pid INT "[ \"\$(ended)\" -gt $(wc -l <"$work/before") ]"
# shellcheck disable=SC2034 # used in conditions
stopped=$?
wait $pid
code=$?
kept=$(find "$out/states" -name '*-trial-10000*.state' 2>/dev/null | wc -l)
check repeats_are_stopped_and_those_that_run_are_kept all '[ $killed -eq 0 ]' '[ $stopped -eq 0 ]' 'exits 130' \
  'complained "with what is left of the repeats"' '[ "$kept" -ge 1 ]' '[ "$(wc -l <"$work/before")" -ge 3 ]' '[ "$(ended)" -lt 30 ]'
# A state that is damaged; and fewer that are wanted.
cp -R "$out" "$work/damaged-repeat"
cp -R "$out" "$work/lowered"
for state in "$work/damaged-repeat/states"/*.state; do head -c 100 "$state" >"$work/cut" && cp "$work/cut" "$state"; done
(long "$work/damaged-repeat") >"$work/out" 2>"$work/err"
code=$?
history "$work/damaged-repeat" >"$work/again"
check a_repeat_whose_state_is_damaged_begins_again_and_says_so all 'exits 0' 'cmp -s "$work/repeated" "$work/again"' \
  '[ "$(grep -c "gsos: grouped, repeat [0-9]*: begins again: .* (set aside as \*.unusable)" "$work/err")" -eq "$kept" ]' \
  '[ "$(find "$work/damaged-repeat/states" -name "*.unusable" | wc -l)" -eq "$kept" ]'
run show "$work/lowered"
check what_is_still_to_be_made_is_told all 'exits 0' 'said "of them are still to be made"'
(long "$work/lowered" --set experiment.repeats=2) >"$work/out" 2>"$work/err"
code=$?
check fewer_repeats_are_enough_where_fewer_are_wanted all 'exits 0' silent '! said "still to be made"'
run show "$work/lowered"
check what_is_wanted_no_more_is_not_still_to_be_made all 'exits 0' '! said "still to be made"'
(long "$out") >"$work/out" 2>"$work/err"
code=$?
history "$out" >"$work/again"
check they_go_on_and_are_those_of_an_undisturbed_run all 'exits 0' silent 'cmp -s "$work/repeated" "$work/again"' \
  '[ "$(ended)" -eq 30 ]' '[ ! -e "$out/states" ]' '[ "$(find "$out/networks" -type f | wc -l)" -eq 1 ]'
out="$work/first"

# ------------------------------------------------------------------------------- what is seen of it

check the_timeline_has_every_trial_and_epoch python3 tests/cli/timeline_check.py "$out/timeline.json" "$out/study.db"
run run "$work/small.ini" --output "$work/log" --log json --set experiment.repeats=1
check the_log_has_every_trial_and_epoch all 'exits 0' 'said "^Table 3"' "python3 - '$work/err' '$work/log/study.db' <<'END'
import json, sqlite3, sys
events = [json.loads(line) for line in open(sys.argv[1], encoding='utf-8')]
kinds = [e['event'] for e in events]
db = sqlite3.connect(sys.argv[2])
count = lambda what: db.execute('SELECT count(*) FROM ' + what).fetchone()[0]
begin = events[0]
assert begin['name'] == 'small' and begin['output'].endswith('/log') and begin['devices'] == 'cpu' and 'oneDNN' in begin['depends_on']
assert begin['value_name'] == 'validation accuracy'
studies = {name for name, in db.execute('SELECT study_name FROM studies')}
assert all(e['study'] in studies for e in events if 'study' in e)
assert all(len(e['params']) == 10 for e in events if e['event'] == 'trial_begin')
best = events[-1]
assert best['event'] == 'best' and best['value'] == max(e['value'] for e in events if e['event'] == 'trial_end' and 'value' in e)
assert best['params'] in [e['params'] for e in events if e['event'] == 'trial_begin' and (e['study'], e['trial']) == (best['study'], best['trial'])]
assert 0 <= best['test'] <= 1
assert kinds[0] == 'run_begin' and kinds.count('run_end') == 1
end = events[kinds.index('run_end')]
assert end['done'] == end['trials'] == 16
assert kinds.count('repeat_end') == 2 and all(0 <= e['test'] <= 1 for e in events if e['event'] == 'repeat_end')
assert kinds.count('trial_begin') == kinds.count('trial_end') == count('trials')
assert kinds.count('epoch') == count('trial_intermediate_values') and kinds.count('study_end') == 2
assert all(a['run_s'] <= b['run_s'] for a, b in zip(events, events[1:]))
END"
run run "$work/small.ini" --output "$work/log" --log json --set experiment.seed=4
check an_error_is_an_event all 'exits 2' '[ "$(wc -l <"$work/err")" -eq 1 ]' "python3 - '$work/err' <<'END'
import json, sys
error = json.load(open(sys.argv[1], encoding='utf-8'))
assert error['event'] == 'error' and error['status'] == 2 and 'experiment.seed (was 3, is 4)' in error['reason']
END"
run run "$work/small.ini" --output "$work/other" --log xml
check another_log_is_wrong_usage all 'exits 2' 'complained "json"' '[ ! -e "$work/other" ]'
{ "$gsos" run "$work/small.ini" --output "$work/pipe" --log json 2>&1 >"$work/out"; echo $? >"$work/code"; } | head -n 1 >"$work/err"
check a_log_that_nobody_reads_does_not_end_the_run all '[ "$(cat "$work/code")" -eq 0 ]' 'said "^Table 3"'

# On a terminal of 80 columns: each device and the trials on it, and the total; no line is wider
# than the screen.
call python3 tests/cli/terminal.py err "$gsos" run "$work/small.ini" --output "$work/watched" \
  --set "space.epoch=int $(as_long_as 200) .. $(as_long_as 300) default $(as_long_as 200)" --set scheduler.slots=2 --set experiment.repeats=8
check a_terminal_shows_devices_trials_and_the_total all 'exits 0' narrow 'said "^cpu  *[12]/2 running"' 'said "^  .*grouped #[0-9]* [0-9]*/[0-9]*"' \
  'said "^total  *[0-9]*/16 "' 'said "^simultaneous  *8/8  done"' 'said "^repeats: [0-9]* of 16 done, [12] running (.*, epoch [0-9]*/[0-9][0-9]*)  0:"'

# On one of 40 columns and 8 rows, on which twelve studies have no room: the head is wrapped, and
# the best value, the time that is left and the total stay.  It takes several times as long as a
# display stands.
COLUMNS=40 LINES=8 call python3 tests/cli/terminal.py err "$gsos" run "$work/small.ini" --output "$work/small-screen" \
  --set experiment.rounds=6 \
  --set "space.epoch=int $(as_long_as 18) .. $(as_long_as 30) default $(as_long_as 24)" --set scheduler.slots=2
within_40() { awk '{ gsub(/[\200-\277]/, "") } length($0) > 40 && !/^  to / { print "# too wide: " $0; bad = 1 } END { exit bad }' "$work/out"; }
check a_narrow_terminal_keeps_the_best_the_time_and_the_total all 'exits 0' within_40 'said "^grouped [0-5] [0-9]*/8.* 0\.[0-9]* .*~[0-9:]* left$"' \
  'said "^total .*[0-9]*/96 .*~[0-9:]* left$"' 'said "^\.\.\. and [0-9]* more studies$"' \
  '[ "$(grep -c "^total" "$work/out")" -ge "$(grep -c "more studies" "$work/out")" ]'
"$gsos" run "$work/function.ini" --output "$work/head" --quiet >/dev/null 2>&1
cat >"$work/gone.py" <<'END'
import os, subprocess, sys
ours, theirs = os.pipe()
os.close(ours)  # a reader that has gone: `| head` after its last line
p = subprocess.run(sys.argv[1:], stdout=theirs, stderr=subprocess.PIPE, restore_signals=False, timeout=600)
assert p.returncode == 0 and p.stderr == b"", p
END
quietly() { python3 "$work/gone.py" "$gsos" "$@"; }
check a_reader_that_has_gone_is_no_error all 'quietly run "$work/function.ini" --output "$work/head" --quiet' 'quietly run --help' 'quietly --help' \
  'quietly --version' 'quietly show "$work/head"' 'quietly show --help' 'quietly check configs/bench/ackley.ini' 'quietly devices' \
  'quietly predict "$work/first/best.safetensors" "$data/0.png"' 'quietly train "$work/first/best.ini" --quiet'

# -------------------------------------------------------------------------------- pruning and order

pruned() { query "$1/study.db" "SELECT count(*) FROM trials JOIN studies USING (study_id) WHERE state = 'PRUNED' AND study_name LIKE '%$2%'"; }
prune() { run run "$work/small.ini" --quiet --set pruner.kind=asha --set pruner.first=1 --set pruner.eta=2 --set 'space.epoch=int 2 .. 4 default 4' "$@"; }
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
check an_asynchronous_order_is_in_every_table all 'exits 0' 'said "^.asynchronous order, cannot be reproduced"' \
  '[ "$(query "$work/a/study.db" "SELECT count(*) FROM trials WHERE state = '"'COMPLETE'"'")" -eq 40 ]'
run run "$work/function.ini" --output "$work/a" --set scheduler.order=sequential --quiet
check the_order_belongs_to_the_search all 'exits 2' 'complained "scheduler.order (was asynchronous, is sequential)"'

# ---------------------------------------------------------------------------- fixed hyperparameters

for sampler in random grid tpe gp; do
  run run "$work/function.ini" --output "$work/fixed-$sampler" --quiet --set "experiment.sampler=$sampler" --set gp.startup=3 \
    --set space.x1=1.5 --set space.x2=-2 --set experiment.trials=8
  check "what_is_fixed_stays_with_the_sampler_$sampler" all 'exits 0' 'said "^The defaults: "' \
    '[ "$(query "$work/fixed-$sampler/study.db" "SELECT count(DISTINCT param_value) FROM trial_params WHERE param_name = '"'x3'"'")" -gt 1 ]' \
    '[ "$(query "$work/fixed-$sampler/study.db" "SELECT group_concat(DISTINCT param_value) FROM trial_params WHERE param_name = '"'x1'"'")" = 1.5 ]' \
    '[ "$(query "$work/fixed-$sampler/study.db" "SELECT group_concat(DISTINCT param_value) FROM trial_params WHERE param_name = '"'x2'"'")" = -2.0 ]'
done

# ----------------------------------------------------------------------------------------- going on

epochs_of='FROM trials JOIN trial_intermediate_values USING (trial_id) WHERE state ='

# A run that was stopped by SIGINT and SIGTERM ends as the undisturbed one.
out="$work/stopped"
"$gsos" run "$work/small.ini" --output "$out" --set 'scheduler.slots=1' >"$work/out" 2>"$work/err" &
pid=$!
signal_when $pid INT '[ -s "$out/study.db" ]'
wait $pid
code=$?
check sigint_stops_and_says_how_to_go_on all 'exits 130' 'complained "of 16 trials have ended and are kept; the same command goes"' \
  '[ ! -s "$work/out" ]'
"$gsos" run "$work/small.ini" --output "$out" --set 'scheduler.slots=1' >"$work/out" 2>"$work/err" &
pid=$!
signal_when $pid TERM 'query "$out/study.db" "SELECT 1 FROM trials WHERE state = '"'RUNNING'"'" 2>/dev/null | grep -q 1'
wait $pid
code=$?
check sigterm_stops_with_143 all 'exits 143'
run run "$work/small.ini" --output "$out"
check the_timeline_goes_on python3 tests/cli/timeline_check.py "$out/timeline.json" "$out/study.db"
history "$out" >"$work/again"
check what_was_stopped_ends_the_same all 'exits 0' 'cmp -s "$work/history" "$work/again"'

# What has paused may go on, so it has not ended: the message has both, and they are what is stored.
out="$work/paused"
"$gsos" run "$work/small.ini" --output "$out" --set scheduler.slots=1 --set pruner.kind=hyperband --set experiment.trials=60 \
  --set experiment.strategies=simultaneous --set experiment.sampler=random --set 'space.epoch=int 1 .. 9 default 9' >"$work/out" 2>"$work/err" &
pid=$!
signal_when $pid INT '[ "$(query "$out/study.db" "SELECT count(*) FROM trials WHERE state = '"'PRUNED'"'" 2>/dev/null || echo 0)" -ge 2 ]'
wait $pid
code=$?
# shellcheck disable=SC2034 # in a condition
told=$(unwrapped "$work/err" | sed -n 's/.*stopped: \([0-9]*\) of 60 trials have ended and are kept, and \([0-9]*\) that ha[sve]* paused; .*/\1 + \2/p')
check what_has_paused_is_not_counted_as_ended all 'exits 130' '[ -n "$told" ]' \
  '[ $((${told:-0})) -eq "$(query "$out/study.db" "SELECT count(*) FROM trials WHERE state IN ('"'COMPLETE', 'PRUNED', 'FAIL'"')")" ]'

# stopped_within OUTPUT SIGNAL PREFIX...: a run of trials of many epochs, stopped within one.  The
# database has an epoch up to a second later, the timeline at once.
stopped_within() {
  out=$1 number=$2
  shift 2
  "$@" "$gsos" run "$work/within.ini" --output "$out" --quiet >"$work/out" 2>"$work/err" &
  pid=$!
  signal_when $pid "$number" 'grep -q "\"epoch [0-9]*, place " "$out/timeline.json" 2>/dev/null'
  # shellcheck disable=SC2034 # used in conditions
  sent=$?
}
sed -e "s/^epoch = .*/epoch = int $(as_long_as 60) .. $(as_long_as 90) default $(as_long_as 70)/" -e 's/^trials = .*/trials = 3/' -e 's/^strategies = .*/strategies = simultaneous/' "$work/small.ini" >"$work/within.ini"
states() { find "$out" -name "*.state*" | wc -l; }
run run "$work/within.ini" --output "$work/undisturbed" --quiet
history "$work/undisturbed" >"$work/within"
stopped_within "$work/hup" HUP heeding
wait $pid
code=$?
kept=$(states)
check sighup_stops_and_keeps_the_trials_that_run all '[ $sent -eq 0 ]' 'exits 129' "[ $kept -gt 0 ]" \
  'complained "and with $kept trials* that ran where"' \
  "[ \"\$(query '$out/study.db' \"SELECT count(*) $epochs_of 'WAITING'\")\" -gt 0 ]"
cp -r "$out" "$work/damaged"
run run "$work/within.ini" --output "$out" --quiet
history "$out" >"$work/again"
check they_go_on_to_the_same_history all 'exits 0' silent 'cmp -s "$work/within" "$work/again"' \
  'cmp -s "$work/undisturbed/best.safetensors" "$out/best.safetensors"' '[ "$(states)" -eq 0 ]' '[ ! -e "$out/states" ]'
check their_timeline_shows_every_epoch_once python3 tests/cli/timeline_check.py "$out/timeline.json" "$out/study.db"
out="$work/damaged"
for file in "$out"/states/*.state; do echo >>"$file"; done
run run "$work/within.ini" --output "$out" --quiet
history "$out" >"$work/again"
check a_damaged_state_is_told_and_its_trial_begins_again all 'exits 0' 'cmp -s "$work/within" "$work/again"' \
  'complained "^gsos: simultaneous, trial [0-9]*: begins again: .*states/simultaneous-0-trial-[0-9]*.state: is damaged"' \
  "[ \"\$(states)\" -eq $kept ]" '[ "$(find "$out" -name "*.state.unusable" | wc -l)" -gt 0 ]'
stopped_within "$work/nohup" HUP nohup
wait $pid
code=$?
history "$out" >"$work/again"
check sighup_stops_no_run_under_nohup all '[ $sent -eq 0 ]' 'exits 0' 'cmp -s "$work/within" "$work/again"'

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

run run "$work/function.ini" --output "$work/c" --quiet
history "$work/c" >"$work/once"
run run "$work/function.ini" --output "$work/c" --set experiment.cycles=2 --quiet
check more_cycles_go_on all 'exits 0' '[ "$(query "$work/c/study.db" "SELECT count(*) FROM trials")" -eq 80 ]'
run run "$work/function.ini" --output "$work/c2" --set experiment.cycles=2 --quiet
history "$work/c" >"$work/again"
history "$work/c2" >"$work/whole"
check more_cycles_are_those_that_more_would_have_been all 'cmp -s "$work/whole" "$work/again"' \
  '[ "$(grep -c "^    " "$work/once")" -gt 400 ]' '! grep "^    " "$work/once" | grep -vxFf "$work/whole"'
run run "$work/function.ini" --output "$work/old" --quiet
query "$work/old/study.db" "UPDATE study_user_attributes SET value_json = replace(value_json, 'experiment.cycles = 1\u000a', '')"
query "$work/old/study.db" "SELECT count(*) FROM study_user_attributes WHERE value_json LIKE '%experiment.cycles%'" >"$work/stored"
run run "$work/function.ini" --output "$work/old" --set experiment.cycles=2 --set experiment.rounds=2 --quiet
check a_run_from_before_there_were_cycles_had_one all 'exits 0' '[ "$(cat "$work/stored")" -eq 0 ]' \
  '[ "$(query "$work/old/study.db" "SELECT count(*) FROM trials")" -eq 160 ]'
run run "$work/function.ini" --output "$work/c"
check fewer_cycles_are_refused all 'exits 2' 'complained "experiment.cycles (was 2, is 1)"'
run run "$work/function.ini" --output "$work/c" --set experiment.cycles=3 --set experiment.revisit=yes
check only_a_sampler_that_expects_something_revisits all 'exits 2' 'complained "experiment.revisit=yes: the sampler tpe"'
run run "$work/function.ini" --output "$work/w" --set experiment.sampler=gp --set gp.cost=time --quiet
check cost_by_time_is_in_every_table all 'exits 0' 'said "cost by time, cannot be reproduced"'
run run "$work/function.ini" --output "$work/w" --set experiment.sampler=gp --set gp.cost=time --set experiment.trials=41 \
  --set experiment.strategies=simultaneous --fresh --quiet
run run "$work/function.ini" --output "$work/w" --set experiment.sampler=gp --set gp.cost=time --set experiment.trials=42 \
  --set experiment.strategies=simultaneous
check where_cost_is_weighed_more_trials_are_refused all 'exits 2' 'complained "follows the trials that are left"'
run run "$work/function.ini" --output "$work/w2" --set experiment.sampler=gp --set gp.cost=flops
check flops_that_are_not_known_are_refused all 'exits 2' 'complained "cost = flops"'

# What results depend on beside the search keys: the database is made to name another libm.
run run "$work/function.ini" --output "$work/m" --set experiment.target=0.001 --quiet
query "$work/m/study.db" "UPDATE study_user_attributes SET value_json = '\"function ackley, an abacus\"' WHERE key = 'gsos:depends_on';
  UPDATE study_user_attributes SET value_json = 'false' WHERE key = 'gsos:finished'"
run run "$work/function.ini" --output "$work/m" --set experiment.target=0.001
check another_machine_is_refused_with_both_sides all 'exits 2' 'complained "an abacus"' 'complained "libm"' 'complained "accept-change"'
run run "$work/function.ini" --output "$work/m" --set experiment.target=0.001 --accept-change
check an_accepted_change_is_in_every_table all 'exits 0' 'said "an abacus"'
run show "$work/m"
check an_accepted_change_is_shown_later all 'exits 0' 'said "an abacus"'

# The note holds as much of both sides as it has room for, in whole characters, wherever the end
# falls.
whole_notes() {
  for shift in '' b bb bbb; do
    rm -rf "$work/note"
    cp -r "$work/m" "$work/note"
    query "$work/note/study.db" "UPDATE study_user_attributes SET value_json = '\"$shift$(printf '→%.0s' $(seq 90))\"'
      WHERE key = 'gsos:depends_on'; UPDATE study_user_attributes SET value_json = 'false' WHERE key = 'gsos:finished'"
    run run "$work/function.ini" --output "$work/note" --set experiment.target=0.001 --accept-change
    query "$work/note/study.db" "SELECT value_json FROM study_user_attributes" >"$work/values"
    # half a character is shown as U+FFFD, also by sqlite3
    all 'exits 0' 'said "^ *$shift→→→"' '! grep -q "�" "$work/out" "$work/values"' || return 1
  done
}
check a_note_of_a_change_is_cut_between_characters whole_notes

run run "$work/function.ini" --output "$work/t" --set experiment.target=1000 --quiet
check a_target_ends_a_study all 'exits 0' '[ "$(query "$work/t/study.db" "SELECT count(*) FROM trials")" -eq 8 ]' 'said "target"'
run run "$work/function.ini" --output "$work/t" --set experiment.target=1000 --quiet
check a_study_that_reached_its_target_is_finished all 'exits 0' '[ "$(query "$work/t/study.db" "SELECT count(*) FROM trials")" -eq 8 ]'

run run "$work/function.ini" --output "$work/e" --set 'enqueue.mine=x1 3.5, x9 -2' --quiet
first_of() { query "$1/study.db" "SELECT group_concat(DISTINCT printf('%g', param_value)) FROM trial_params JOIN trials USING (trial_id) WHERE number = $2 AND param_name = 'x1'"; }
# shellcheck disable=SC2034 # used in conditions
default_x1=$("$gsos" check "$work/function.ini" | sed -n 's/^  x1  *float  *[a-z]*  *\([-0-9.]*\)  .*/\1/p')
check the_defaults_and_then_enqueued_configurations_are_tried_first all 'exits 0' \
  '[ -n "$default_x1" ]' '[ "$(first_of "$work/e" 0)" = "$default_x1" ]' '[ "$(first_of "$work/e" 1)" = 3.5 ]' 'said "^The defaults: .*; the search: "'
run run "$work/function.ini" --output "$work/e-no" --set 'enqueue.mine=x1 3.5, x9 -2' --set experiment.baseline=no --quiet
check without_the_baseline_what_is_enqueued_comes_first all 'exits 0' '[ "$(first_of "$work/e-no" 0)" = 3.5 ]' '! said "The defaults"'

run run "$work/small.ini" --output "$work/limit" --set experiment.time_limit=0.05s --set 'space.epoch=int 1 .. 1000 default 1000'
check a_time_limit_stops_the_run_and_is_no_failure all 'exits 0' 'complained "time_limit reached"' 'said "Table 3"' 'said "of 8"'

# ------------------------------------------------------------------------------------------ refused

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
  run run "$work/function.ini" --output "$work/locked"
  check an_output_that_may_not_be_written_is_told_as_that all 'exits 1' 'complained "locked/study.db: cannot be made"' \
    'complained "may not be written"' 'complained "Permission denied"'
  chmod 755 "$work/locked"
  run run "$work/function.ini" --output "$work/locked"
  chmod 555 "$work/locked"
  run run "$work/function.ini" --output "$work/locked" --set experiment.rounds=9
  check one_with_a_run_is_told_as_well all 'exits 1' 'complained "locked/study.db: cannot be opened (Permission denied): its folder may not be written"'
  chmod 755 "$work/locked"
fi
ln -s nowhere "$work/dangling"
run run "$work/function.ini" --output "$work/dangling"
check a_link_to_no_folder_is_told all 'exits 1' 'complained "dangling cannot be made: it is a link to what does not exist"'
run run --help
check help_fits_a_terminal all 'exits 0' 'said "^Usage: gsos run"' 'narrow "$work/out"'
run --help
check the_programs_help_fits_a_terminal all 'exits 0' 'said "gsos run"' 'said grouped' 'narrow "$work/out"'
run --version
check version_is_one_line all 'exits 0' 'said "^gsos [0-9.]*$"'
run rnu
check a_near_miss_of_a_command_gets_its_neighbour all 'exits 2' "complained \"did you mean 'run'\""

# Studies of another program in the same database.
run run "$work/function.ini" --output "$work/shared" --quiet
theirs() { query "$1/study.db" "INSERT INTO studies VALUES (99, '$2'); INSERT INTO study_directions (direction, study_id, objective)
  VALUES ('MINIMIZE', 99, 0), ('MAXIMIZE', 99, 1)"; }
theirs "$work/shared" two
run run "$work/function.ini" --output "$work/shared" --set experiment.rounds=2
check a_study_of_another_program_does_not_keep_ours_from_going_on all 'exits 0' 'said "left out: two: .*2 objectives"' \
  'grep -q "left out: two" "$work/shared/report.txt"' '[ "$(query "$work/shared/study.db" "SELECT count(*) FROM trials")" -eq 80 ]' \
  '[ "$(query "$work/shared/study.db" "SELECT count(*) FROM study_user_attributes WHERE study_id = 99")" -eq 0 ]'
mkdir "$work/theirs"
cp "$work/shared/study.db" "$work/theirs"
query "$work/theirs/study.db" "DELETE FROM studies WHERE study_id != 99; DELETE FROM study_user_attributes"
run run "$work/function.ini" --output "$work/theirs"
check a_database_of_another_program_alone_is_no_output all 'exits 2' "complained \"the study 'two' of another program\"" 'complained "another --output"'

# A path of more bytes than SQLite takes.
deep="$work/$(printf '%0150d/%0150d/%0150d/%0150d' 1 2 3 4)"
run run "$work/function.ini" --output "$deep" --quiet
check a_long_path_is_written_to all 'exits 0' '[ -s "$deep/report.txt" ]'
(cd "$deep" && "$gsos" run "$work/function.ini" --output here --quiet >"$work/out" 2>"$work/err")
code=$?
check a_short_path_in_a_deep_folder_is_written_to all 'exits 0' silent '[ -s "$deep/here/report.txt" ]'
run show "$deep"
check what_has_a_long_path_is_shown all 'exits 0' silent 'said "^Table 3"'

# A second run on the same output.
"$gsos" run "$work/small.ini" --output "$work/two" --set 'space.epoch=int 1 .. 100000 default 100000' >/dev/null 2>&1 &
pid=$!
wait_until $pid 'query "$work/two/study.db" "SELECT 1 FROM trials" 2>/dev/null | grep -q 1'
run run "$work/small.ini" --output "$work/two" --set 'space.epoch=int 1 .. 100000 default 100000'
check a_second_run_is_refused_and_names_the_first all 'exits 1' "complained 'process $pid '"
run show "$work/two"
check show_reads_beside_a_living_run all 'exits 0' 'said running'
kill -KILL $pid
wait $pid 2>/dev/null
run show "$work/two"
check show_tells_that_a_run_is_dead all 'exits 0' '! said "[0-9] running"' 'said "[0-9] interrupted"' 'said " interrupted  "' \
  'unwrapped "$work/out" | grep -q "running when the run ended; process $pid is gone; the same gsos run goes on"' \
  'unwrapped "$work/out" | grep -q "unfinished: small/grouped/0, .* interrupted (process $pid is gone)"'
run show --csv "$work/two"
check the_csv_tells_that_a_run_is_dead all 'exits 0' 'said ",interrupted,"' '! said ",running,"'

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

cases_end
