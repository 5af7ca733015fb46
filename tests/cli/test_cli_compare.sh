#!/bin/sh
# `gsos compare` from the outside, on a study database that tests/test_report writes.  Needs ./gsos
# (or $GSOS) with its tests built, and python3 (its own library alone).  Run from the project's
# root.  Prints a line "ok NAME" or "not ok NAME" for each test, and ends with "N passed, N failed".
# Not under ThreadSanitizer: one thread reads and prints.
# shellcheck disable=SC2016 # conditions are evaluated later
set -u
# shellcheck source=tests/cli/lib.sh
. tests/cli/lib.sh

gsos=${GSOS:-$PWD/gsos}
writer=${gsos%/*}/tests/test_report
[ -x "$writer" ] || writer=${BUILD:-build}/tests/test_report
cases_begin compare

run() { call "$gsos" compare "$@"; }
quiet() { [ ! -s "$work/out" ]; }

mkdir -p "$work/results/digits" "$work/results/photos" "$work/empty"
"$writer" --write "$work/results/digits/study.db" || exit 1
cp "$work/results/digits/study.db" "$work/results/photos/study.db"

run "$work/results/digits" "$work/results/photos"
check runs_stand_side_by_side_with_their_mean all 'exits 0' silent narrow 'said "^digits, grouped  *1  *0.7433  *0.7267"' \
  'said "^photos  *-2.13 points  *-0.31 points"' 'said "^mean of 2 runs  *-2.13 points  *-0.31 points"' \
  'said "digits: studies that are not finished are left out"'
cp "$work/out" "$work/named"
run "$work/results"
check a_folder_of_runs_stands_for_those_in_it all 'exits 0' silent 'cmp -s "$work/out" "$work/named"'
# What is in a folder and no run of it: met twice, set aside, not to be read.
ln -s digits "$work/results/again"
run "$work/results"
check a_run_behind_a_link_counts_once all 'exits 0' 'cmp -s "$work/out" "$work/named"' \
  'unwrapped "$work/err" | grep -q "^gsos: .*/results/again is the same run as .*/results/digits, and counts once $"'
rm "$work/results/again"
ln -s digits "$work/results/twice"
for order in 'results results/digits' 'results/digits results'; do
  # shellcheck disable=SC2086 # words
  (cd "$work" && "$gsos" compare $order --csv >out 2>err; echo $? >code)
  code=$(cat "$work/code")
  check "a_run_that_is_named_and_met_counts_once_($order)" all 'exits 0' '[ "$(cut -d, -f1 "$work/out" | sort -u | wc -l)" -eq 3 ]' \
    '[ "$(grep -c "counts once" "$work/err")" -eq 2 ]'
done
rm "$work/results/twice"
cp -R "$work/results/digits" "$work/results/digits.2026-12-01"
cp -R "$work/results/digits" "$work/results/digits.2026-12-01.1"
run "$work/results"
check what_fresh_set_aside_is_no_run_of_the_folder all 'exits 0' 'cmp -s "$work/out" "$work/named"' \
  'unwrapped "$work/err" | grep -q "^gsos: 2 runs that --fresh set aside are left out: .*/digits.2026-12-01 ... $"'
run "$work/results/digits" "$work/results/digits.2026-12-01"
check what_was_set_aside_can_be_named all 'exits 0' silent 'said "^mean of 2 runs"'
rm -r "$work/results"/digits.*
cp -R "$work/results/digits" "$work/results/taken.2026-12-01"
run "$work/results"
check a_date_alone_sets_no_run_aside all 'exits 0' silent 'said "^mean of 3 runs"'
rm -r "$work/results/taken.2026-12-01"
mkdir "$work/results/pipe" "$work/results/half" "$work/results/gone"
mkfifo "$work/results/pipe/study.db"
ln -s nowhere "$work/results/gone/study.db"
head -c 3000 "$work/results/digits/study.db" >"$work/results/half/study.db"
run "$work/results"
check what_cannot_be_read_in_a_folder_is_told all 'exits 0' 'cmp -s "$work/out" "$work/named"' \
  'unwrapped "$work/err" | grep -q "/pipe/study.db is left out: is not a file but a pipe"' \
  'unwrapped "$work/err" | grep -q "/gone/study.db is left out: No such file"' 'unwrapped "$work/err" | grep -q "left out: .*/half/study.db: "'
run "$work/results/digits" "$work/results/half"
check what_cannot_be_read_and_is_named_is_an_error all 'exits 1' quiet 'complained "half/study.db: "'
rm -r "$work/results/pipe" "$work/results/half" "$work/results/gone"
mkdir "$work/results/closed"
chmod 0 "$work/results/closed"
as_all= # root may look into every folder, unless it gives that up
[ "$(id -u)" -ne 0 ] || as_all='setpriv --bounding-set -dac_override,-dac_read_search'
# shellcheck disable=SC2086 # words
call $as_all "$gsos" compare "$work/results"
check a_folder_that_may_not_be_looked_into_is_told all 'exits 0' 'cmp -s "$work/out" "$work/named"' \
  'unwrapped "$work/err" | grep -q "/closed/study.db is left out: Permission denied"'
rmdir "$work/results/closed"
mkdir "$work/many"
for i in $(seq 1 40); do
  mkdir "$work/many/of-$i"
  cp "$work/results/digits/study.db" "$work/many/of-$i"
done
run "$work/many"
check of_many_that_lack_something_it_is_said all 'exits 0' narrow 'said "^mean of 40 runs"' \
  'said "of-1: studies that are not finished are left out"' 'said "so it is of 4 more runs"' 'said "in favour of the strategy"'
rm -r "$work/many"
run "$work/results/digits"
check one_run_has_no_mean all 'exits 0' silent narrow '! said "^mean"' 'said "grouped  *1  *0.7433"'
run "$work/results/digits" "$work/results/photos" --output "$work/page.html"
# shellcheck disable=SC2034 # in a condition
figures=6
# shellcheck disable=SC2034
command -v gnuplot >/dev/null || figures=0
check the_page_has_the_same all 'exits 0' silent 'said "^Written: $work/page.html$"' \
  'tells python3 tests/cli/report_page.py "$work/page.html" --sections table-1 table-2 found saved best plot-found-value plot-found-test \
    plot-saved-to-best plot-saved plot-best-1 plot-best-2 --figures $figures --text "mean of 2 runs" "-2.13 points"'
cat >"$work/figures.py" <<'END'
import csv, math, sys
def rows(name):
    return [r for r in csv.DictReader(open(f"{sys.argv[1]}/{name}.csv", newline="")) if r["strategy" if "strategy" in r else 0]]
found = rows("found-value")
assert [(r["run"], r["strategy_name"], float(r["value"]), r["mean"]) for r in found] == [
    (run, strategy, value, mean) for run in ("digits", "photos")
    for strategy, value in (("grouped", 0.7433), ("simultaneous", 0.7646)) for mean in "01"], found
assert {float(r["value"]) for r in rows("found-test")} == {0.7267, 0.7298}
saved = rows("saved-to-best")
assert [(r["run"], r["strategy_name"], float(r["percent_saved"])) for r in saved] == [
    ("digits", "grouped", 0), ("photos", "grouped", 0), ("mean", "grouped", 0)], saved
assert saved[2]["half_interval"] == "0" and saved[2]["place"] == "3", saved
best = [r for r in rows("best-1") if r["strategy"] == "simultaneous"]
assert float(best[-1]["best"]) == 0.7646 and float(best[-1]["tflop"]) > 0, best
END
check the_figures_data_are_those_of_the_table tells python3 "$work/figures.py" "$work/page-plots"
# A run that lacks the first strategy has the other in the colour that it has elsewhere.
mkdir "$work/results/lacks"
cp "$work/results/digits/study.db" "$work/results/lacks"
python3 -c 'import sqlite3, sys; d = sqlite3.connect(sys.argv[1]); d.execute("DELETE FROM studies WHERE study_name = ?", ("quick/grouped/0",)); d.commit()' \
  "$work/results/lacks/study.db"
mkdir "$work/bin"
call env PATH="$work/bin" "$gsos" compare "$work/results/digits" "$work/results/lacks" --output "$work/odd #name.html"
check without_gnuplot_the_page_has_its_tables all 'exits 0' 'complained "^figures are missing: gnuplot is not installed"' \
  'tells python3 tests/cli/report_page.py "$work/odd #name.html" --sections no-figures table-1 found --figures 0 --text "gnuplot is not installed"' \
  'grep -q "href=.odd%20%23name-plots/found-value.csv" "$work/odd #name.html"'
check a_strategy_has_one_colour_in_all_runs all 'grep -q "^plot .best-2.csv. .*#d98200" "$work/odd #name-plots/plots.gp"' \
  'grep -q "^plot .best-1.csv. .*#0072b2" "$work/odd #name-plots/plots.gp"'
run "$work/results/digits" "$work/results/photos" --csv
cat >"$work/read.py" <<'END'
import csv, json, math, sys
rows = [row for row in csv.DictReader(open(sys.argv[1], newline=""))]
whole = json.load(open(sys.argv[2]))
assert [(r["run"], r["strategy"]) for r in rows] == [(d, s) for d in ("digits", "photos") for s in ("grouped", "simultaneous")]
for row, told in zip(rows, whole["runs"]):
    for key, text in row.items():
        is_number = isinstance(told.get(key), (int, float))
        assert (float(text) == told[key]) if is_number else (text == (told.get(key) or "")), (key, text, told)
grouped = rows[0]
assert grouped["value_name"] == "validation accuracy" and grouped["rounds"] == "1" and grouped["value"] == "0.7433", grouped
assert math.isclose(float(grouped["value_difference"]), 0.7433 - 0.7646) and math.isclose(float(grouped["time_saved"]), 878 / 3120)
assert rows[1]["value_difference"] == "" and "value_difference" not in whole["runs"][1]
(mean,) = whole["means"]
assert whole["control"] == "simultaneous" and mean["strategy"] == "grouped" and mean["runs"] == 2, whole
assert math.isclose(mean["time_saved"]["mean"], 878 / 3120) and mean["time_saved"]["half_interval"] == 0, mean
assert whole["notes"][0] == "digits: studies that are not finished are left out", whole["notes"]
END
cp "$work/out" "$work/compare.csv"
check csv_says_beside_it_what_is_left_out all 'exits 0' 'complained "digits: studies that are not finished"' '! complained favour'
run "$work/results/digits" "$work/results/photos" --json
cp "$work/out" "$work/compare.json"
check csv_and_json_are_read_by_another_program all 'exits 0' silent '[ "$(wc -l <"$work/compare.json")" -eq 1 ]' \
  'tells python3 "$work/read.py" "$work/compare.csv" "$work/compare.json"'
run "$work/results/digits" --csv --json
check csv_or_json all 'exits 2' quiet 'complained "--csv or --json, not both"'
run "$work/results/digits" --output "$work/none/page.html"
check a_page_that_cannot_be_written_is_a_failure all 'exits 2' 'complained "none/page.html: its folder cannot be written to"' '[ ! -e "$work/none" ]'
mkfifo "$work/pipe"
run "$work/results/digits" --output "$work/pipe"
check what_is_no_file_is_not_written_over all 'exits 2' 'complained "pipe: is no regular file"' '[ -p "$work/pipe" ]' \
  '[ ! -e "$work/pipe-plots" ]'
run "$work/results/digits" "$work/results/digits/study.db"
check a_run_that_is_given_twice_is_refused all 'exits 2' quiet 'complained "the same database is given twice"'
run "$work/results/digits" "$work/empty"
check a_folder_without_a_run_is_named all 'exits 1' quiet 'complained "/empty: holds no study.db"'
run
check compare_asks_for_folders all 'exits 2' quiet 'complained "which folders"'
run --nonsense "$work/results/digits"
check compare_names_an_unknown_option all 'exits 2' quiet 'complained "gsos compare: unrecognized option"'
run --help
check compare_help_goes_to_standard_output all 'exits 0' silent narrow 'said "^Usage: gsos compare"'

cases_end
