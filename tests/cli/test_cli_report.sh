#!/bin/sh
# `gsos report`, and the page that a run leaves: its sections, of studies of every kind; that it asks
# for nothing from elsewhere and shows hostile names as text; what is said where it cannot be
# written.  Needs ./gsos (or $GSOS) with its tests built, and python3 (its own library alone);
# gnuplot in tests that are skipped without it.  Run from the project's root.  Prints a line "ok
# NAME" or "not ok NAME" for each test, and ends with "N passed, N failed".
# Not under ThreadSanitizer: one thread writes a report; those of a run are in test_cli_run.sh.
# shellcheck disable=SC2016 # conditions are evaluated later
set -u
# shellcheck source=tests/cli/lib.sh
. tests/cli/lib.sh

gsos=${GSOS:-$PWD/gsos}
writer=${gsos%/*}/tests/test_report
[ -x "$writer" ] || writer=${BUILD:-build}/tests/test_report
cases_begin report

run() { call "$gsos" report "$@"; }
page() { tells python3 tests/cli/report_page.py "$@"; } # what it says is shown where a test fails
search() { # OUTPUT ARGUMENT...
  output=$1
  shift
  call "$gsos" run --quiet --output "$output" "$@"
}
sql() { python3 -c 'import sqlite3, sys; d = sqlite3.connect(sys.argv[1]); d.execute(*(lambda s, *a: (s, a))(*sys.argv[2:])); d.commit()' "$@"; }
mkdir "$work/bin" "$work/broken"
printf '%s\n' '#!/bin/sh' 'echo "it has no paper" >&2' 'exit 3' >"$work/broken/gnuplot"
chmod +x "$work/broken/gnuplot"

# ------------------------------------------------------------------------------- the end of a run

search "$work/two" configs/bench/mixed.ini --set experiment.rounds=3 --set experiment.trials=24 --set 'enqueue.usual='
check a_run_leaves_a_page all 'exits 0' silent 'said "^  report.html  "' narrow
check the_page_has_its_sections page "$work/two/report.html" --rows 144 \
  --sections configuration comparison trials importance slices all origin settings plot-best plot-values-6 plot-importance \
  plot-parallel plot-slice-9 plot-devices devices --without curves failures \
  --text "Lower is better" "in 3 rounds" "144 trials, all complete" "grouped less simultaneous, value 3" "paired t test" \
  "grouped, round 2" "Best so far by trial" "trials = 24" "seed 0" "history version"
run "$work/two"
check report_writes_the_same_page all 'exits 0' silent 'said "^Written: $work/two/report.html$"' 'page "$work/two/report.html" --rows 144'
ls "$work/two" >"$work/before"
cp "$work/two/report.html" "$work/by-folder.html"
run "$work/two/study.db" --output "$work/else/where.html"
check a_database_is_reported_as_its_folder_is all 'exits 0' 'cmp "$work/else/where.html" "$work/by-folder.html"' \
  '[ -s "$work/else/plots/best.csv" ]' 'ls "$work/two" | cmp - "$work/before"'
cat >"$work/read_csv.py" <<'END'
import csv, glob, os, sys
files = glob.glob(os.path.join(sys.argv[1], "*.csv"))
assert len(files) >= 19, files
for path in files:
    rows = [r for r in csv.reader(open(path, newline="", encoding="utf-8")) if r]
    assert len(rows) > 1 and all(len(r) == len(rows[0]) for r in rows), path
best = [r for r in csv.DictReader(open(os.path.join(sys.argv[1], "best.csv"), newline="")) if r["study"] == "mixed/grouped/1"]
values = [float(r["best"]) for r in best]
assert len(values) == 24 and values == sorted(values, reverse=True), values
END
check the_figures_data_are_read_by_another_program tells python3 "$work/read_csv.py" "$work/two/plots"

if command -v gnuplot >/dev/null; then
  run "$work/two" --png
  check every_figure_is_in_the_page all 'exits 0' silent 'page "$work/two/report.html" --figures "$(ls "$work"/two/plots/*.svg | wc -l)"' \
    '[ "$(ls "$work"/two/plots/*.svg | wc -l)" -eq "$(ls "$work"/two/plots/*.csv | wc -l)" ]' '! said "could not be drawn"' \
    '! grep -q "could not be drawn" "$work/two/report.html"' '[ "$(grep -c "id=.gpPt5" "$work/two/report.html")" -eq 1 ]'
  check png_draws_pngs all '[ "$(ls "$work"/two/plots/*.png | wc -l)" -eq "$(ls "$work"/two/plots/*.csv | wc -l)" ]' \
    '[ "$(head -c 4 "$work/two/plots/best.png" | tail -c 3)" = PNG ]'
else
  for name in every_figure_is_in_the_page png_draws_pngs; do skip $name "there is no gnuplot"; done
fi
PATH="$work/bin" call "$gsos" report "$work/two"
check without_gnuplot_the_page_has_its_tables all 'exits 0' 'complained "^figures are missing: gnuplot is not installed"' \
  'page "$work/two/report.html" --figures 0 --rows 144 --sections no-figures comparison importance all --text "gnuplot is not installed"'
PATH="$work/broken:$PATH" call "$gsos" report "$work/two"
check the_page_says_what_gnuplot_said all 'exits 0' 'complained "^figures are missing: gnuplot exit status 3: it has no paper"' \
  'page "$work/two/report.html" --figures 0 --text "it has no paper"'
PATH="$work/broken:$PATH" search "$work/broke" configs/bench/mixed.ini --set experiment.rounds=1 --set experiment.trials=6
check a_run_says_nothing_of_gnuplot all 'exits 0' silent 'page "$work/broke/report.html" --figures 0'

# A gnuplot whose disk is full ends without a word.
mkdir "$work/full"
printf '%s\n' '#!/bin/sh' 'printf "<svg>" >values-1.svg' 'exit 0' >"$work/full/gnuplot"
chmod +x "$work/full/gnuplot"
call env PATH="$work/full:$PATH" "$gsos" report "$work/two" --output "$work/unfinished/page.html"
check figures_that_are_not_whole_are_told all 'exits 0' 'unwrapped "$work/err" | grep -q "^figures are missing: gnuplot left .*.svg unfinished; is the disk full?"' \
  'page "$work/unfinished/page.html" --rows 144 --text "unfinished; is the disk full?"'

# ------------------------------------------------------------------------- curves, pruned, failed

cat >"$work/p.py" <<'END'
import json, sys
for line in sys.stdin:
    t = json.loads(line)
    p = t["params"]
    if p["x<y>&"] > 0.9:
        print(json.dumps({"trial": t["trial"], "fail": "<b>too large</b> & \"loud\""}), flush=True)
        continue
    best = 0.9 - (p["x<y>&"] - 0.3) ** 2 - 0.1 * (p["kind"] == "<i>")
    values = [best * (1 - 0.6 ** e) for e in range(1, p["epoch"] + 1)]
    for e, value in enumerate(values, 1):
        print(json.dumps({"epoch": e, "value": value}), flush=True)
    print(json.dumps({"trial": t["trial"], "value": values[-1]}), flush=True)
END
cat >"$work/command.ini" <<'END'
[experiment]
objective = command
direction = maximize
strategies = simultaneous
sampler = random
trials = 40
name = <title><script>alert(1)<b> & 'co'
[command]
run = python3 p.py
[pruner]
kind = asha
first = 1
[space]
x<y>& = float 0 .. 1 default 0.3
kind = categorical <i>, a&b, it%d default a&b
epoch = 9
[enqueue]
defaults = epoch 9
END
search "$work/command" "$work/command.ini"
check a_program_of_its_own_space_is_reported page "$work/command/report.html" --rows 40 \
  --sections configuration trials importance slices curves plot-curves devices failures all --text "Higher is better" \
  'the program “python3 p.py”' ' pruned' ' failed' 'x<y>&' '<i>' 'a&b' '<b>too large</b> & "loud"' \
  "<title><script>alert(1)<b> & 'co'"
check the_defaults_stand_beside_the_search page "$work/command/report.html" --text "defaults 0.8909" "the search: +0"

cp "$work/command/study.db" "$work/noise.db"
for attribute in "value_name=\"validation accuracy\"" value_n=1000; do
  sql "$work/noise.db" "INSERT OR REPLACE INTO study_user_attributes (study_id, key, value_json) VALUES (1, ?, ?)" \
    "gsos:${attribute%%=*}" "${attribute#*=}"
done
run "$work/noise.db" --output "$work/noise/report.html"
check the_gain_stands_beside_its_noise page "$work/noise/report.html" --text "points; noise of 1000 images: about 1."

# What another program may have stored.
cp "$work/command/study.db" "$work/odd.db"
odd="a'b\"<img src=x onerror=alert(1)>&lt;$(printf '\342\200\256\033[31m')"
sql "$work/odd.db" "UPDATE trial_params SET param_name = ? WHERE param_name = 'x<y>&'" "$odd"
sql "$work/odd.db" "UPDATE studies SET study_name = ?" "$odd"
sql "$work/odd.db" "DELETE FROM study_user_attributes"
run "$work/odd.db" --output "$work/odd/report.html"
check hostile_names_are_shown_as_text all 'exits 0' silent \
  'page "$work/odd/report.html" --rows 40 --sections importance slices all --without settings --text "<img src=x onerror=alert(1)>&lt;" "x1b[31m"'
if command -v gnuplot >/dev/null; then
  check hostile_names_are_drawn_as_text all 'page "$work/odd/report.html" --figures "$(ls "$work"/odd/plots/*.csv | wc -l)"' \
    '! grep -q "could not be drawn" "$work/odd/report.html"'
  sql "$work/odd.db" "UPDATE trial_values SET value = NULL, value_type = 'INF_POS'"
  run "$work/odd.db" --output "$work/odd/report.html"
  check values_that_are_not_finite_are_left_out_of_figures all 'exits 0' silent \
    'page "$work/odd/report.html" --rows 40 --figures "$(ls "$work"/odd/plots/*.csv | wc -l)"'
else
  for name in hostile_names_are_drawn_as_text values_that_are_not_finite_are_left_out_of_figures; do skip $name "there is no gnuplot"; done
fi

# ---------------------------------------------------------------------------- studies of all kinds

"$writer" --write "$work/written.db" || exit 1
run "$work/written.db" --output "$work/written/report.html"
check an_unfinished_study_says_so all 'exits 0' silent 'page "$work/written/report.html" --rows 5 --sections comparison trials failures all origin \
  --text "Unfinished: greedy, 1 of 3000 trials have ended" "greedy (unfinished)" "One round tells little" "images trained" "test accuracy"'
cat >"$work/fails.ini" <<'END'
[experiment]
objective = command
direction = minimize
strategies = simultaneous
trials = 6
[command]
run = python3 never.py
[space]
x = float 0 .. 1 default 0.3
END
printf '%s\n' 'import sys' 'for line in sys.stdin:' "    print('{\"fail\": \"never\"}', flush=True)" >"$work/never.py"
search "$work/fails" "$work/fails.ini" --set scheduler.stop_if_all_fail=no
check a_study_of_failures_has_a_page all 'exits 1' 'page "$work/fails/report.html" --rows 6 --sections comparison failures importance all origin \
  --without configuration slices --text "No trial is complete." "Not measured"'
cat >"$work/edge.ini" <<'END'
[experiment]
objective = command
direction = minimize
strategies = simultaneous
sampler = random
trials = 60
[command]
run = python3 edge.py
[space]
x = int 1 .. 4 default 3
y = float 0 .. 1 default 0.3
END
printf '%s\n' 'import json, sys' 'for line in sys.stdin:' "    print(json.dumps({'value': json.loads(line)['params']['x']}), flush=True)" >"$work/edge.py"
search "$work/edge" "$work/edge.ini"
check what_was_learnt_is_told_at_the_end_and_in_the_page all 'exits 0' silent 'said "^What was learnt$"' 'said "^  x at the lower edge of its range"' \
  'grep -q "^What was learnt$" "$work/edge/report.txt"' 'page "$work/edge/report.html" --sections learnt --text "x at the lower edge of its range (1) in 10 of the best 10: widen it"'
call "$gsos" show "$work/edge" --json
check what_was_learnt_is_told_to_programs all 'exits 0' silent \
  'said "\"learnt\":\[\"x at the lower edge of its range (1) in 10 of the best 10: widen it\""'
call "$gsos" run --output "$work/one" configs/bench/mixed.ini --set experiment.rounds=1 --set experiment.trials=1 --set experiment.strategies=simultaneous
check one_trial_is_told_in_the_singular all 'exits 0' 'complained "1 round of 1 trial each"' \
  '! cat "$work/out" "$work/err" "$work/one/report.html" | grep -E "(^|[^0-9.])1 (trials|studies|rounds|epochs|steps|times)"'
search "$work/one" configs/bench/mixed.ini --set experiment.rounds=1 --set experiment.trials=1 --set experiment.strategies=simultaneous
check a_study_of_one_trial_has_a_page all 'exits 0' silent 'page "$work/one/report.html" --rows 1 --sections configuration trials slices all \
  --text "1 trial, 1 complete" "Not measured: too few trials"'
search "$work/many" configs/bench/mixed.ini --set experiment.rounds=1 --set experiment.trials=1000 \
  --set experiment.strategies=simultaneous --set experiment.sampler=random
check a_thousand_trials_fit_into_5_megabytes all 'exits 0' silent 'page "$work/many/report.html" --rows 1000'
cp "$work/one/study.db" "$work/none.db"
sql "$work/none.db" "DELETE FROM studies"
run "$work/none.db" --output "$work/none/report.html"
check a_database_without_a_study_has_a_page all 'exits 0' silent 'page "$work/none/report.html" --text "There is no study in it yet."'

# ----------------------------------------------------------------------- what stands in the way

rm -r "$work/one/report.html" && mkdir "$work/one/report.html"
search "$work/one" configs/bench/mixed.ini --set experiment.rounds=1 --set experiment.trials=1 --set experiment.strategies=simultaneous
check a_page_that_cannot_be_written_fails_no_run all 'exits 0' 'complained "^gsos: report.html is not written: .*one/report.html"' \
  'said "^Best configuration"' '! said "^  report.html"'
run "$work/one"
check report_fails_where_it_cannot_write all 'exits 2' 'complained "one/report.html: is a folder"' '! said Written'
: >"$work/file"
run "$work/two" --output "$work/file/report.html"
check report_says_where_no_folder_can_be_made all 'exits 2' 'complained "file/report.html: its folder cannot be written to: Not a directory"'
: >"$work/plots"
run "$work/two" --output "$work/page.html"
check report_names_the_folder_that_cannot_be_made all 'exits 1' 'complained "the folder .*/plots cannot be made"'
echo '[{"name": "x, trial 1", "ph": "X", "pid": "no"}, {' >"$work/two/timeline.json"
run "$work/two"
check a_damaged_timeline_is_left_out all 'exits 0' 'page "$work/two/report.html" --rows 144 --without devices'
run "$work/bin"
check report_of_no_run_says_what_makes_one all 'exits 1' 'complained "holds no study.db.*gsos run"' '[ -z "$(ls "$work/bin")" ]'
run
check report_asks_for_a_folder all 'exits 2' 'complained "which folder"'
run --nonsense "$work/two"
check report_names_an_unknown_option all 'exits 2' 'complained "gsos report: unrecognized option .*--nonsense"'
run --help
check report_help_goes_to_standard_output all 'exits 0' silent narrow 'said "^Usage: gsos report"' 'said "[-][-]png"' 'said "[-][-]output"'

cases_end
