#!/bin/sh
# What `make bench-sched` plays through the scheduler's own code, without training and without a
# clock: that the figures of README.md are still the scheduler's, and that cohorts by weight, and
# more streams, do not lose what they have won.  Needs BUILD/tests/bench_sched and bench_cohorts,
# python3.  Run from the project's root.
# Not under a sanitizer: both are built there, and what they play is tested there by test_queue.
# Prints a line "ok NAME" or "not ok NAME" for each test, and ends with "N passed, N failed".
# shellcheck disable=SC2016 # conditions are evaluated later
set -u
# shellcheck source=tests/cli/lib.sh
. tests/cli/lib.sh

bench=${BUILD:-build}/tests
cases_begin bench_sched
cases_need "$bench/bench_sched" recorded_trials_fill_the_places
cases_need "$bench/bench_cohorts" a_random_search_is_played_with_the_steps_of_an_h100

# told EXPRESSION: of the last call's lines, read as rows of numbers.  Rows of bench_sched: [in
# flight, slots, % busy, % at most, makespan ...] by the name of their studies; of bench_cohorts:
# [streams, one size's images/s, trials at once, images/s by weight, ratio, of a full GPU] by their
# trials and precision; sooner: what it says of how it comes now, beside before.
told() {
  python3 - "$work/out" "$1" <<'END'
import re, sys
rows, sooner = {}, []
for line in open(sys.argv[1], encoding="utf-8"):
    recorded = re.match(r"((?:one|all) [\w, .]*?\w\.?) +(\d+) +(\d+) +([\d.]+) % +([\d.]+) % +(\d+) s", line)
    played = re.match(r"(all|larger half) +(fp32|tf32) +(\d) +\d x +\d+ +(\d+) +([\d.]+) +(\d+) +([\d.]+) +(\d+)$", line)
    if recorded:
        rows.setdefault(recorded[1], []).append([float(x) for x in recorded.groups()[1:]])
    elif played:
        rows.setdefault(played.groups()[:2], []).append([float(x) for x in played.groups()[2:]])
    elif "as it comes" in line:
        sooner.append(float(line.split()[-1]))
def row(name, in_flight, slots):
    (found,) = [r for r in rows[name] if r[:2] == [in_flight, slots]]
    return found
sys.exit(not eval(sys.argv[2]))
END
}

call "$bench/bench_sched"
check recorded_trials_fill_the_places all '[ $code -eq 0 ]' \
  'told "round(row(\"one grouped\", 8, 16)[2]) == 40 and round(row(\"all 10\", 8, 16)[2]) == 98"'
check ten_studies_end_about_as_soon_as_they_can all \
  'told "all(row(\"all 10\", p, 16)[3] == 100 and row(\"all 10\", p, 16)[4] <= 1.03 * 149 for p in (4, 8, 16))"' \
  'told "all(r[2] <= r[3] for name in rows for r in rows[name])"'

call "$bench/bench_cohorts"
check a_random_search_is_played_with_the_steps_of_an_h100 all '[ $code -eq 0 ]' \
  'told "len(rows) == 4 and all([r[0] for r in of] == [1, 2, 4] for of in rows.values())"' \
  'told "all(0 < r[1] <= r[5] and 0 < r[3] <= r[5] for of in rows.values() for r in of)"'
check more_streams_are_faster_and_those_that_a_run_has_are_no_slower_by_weight all \
  'told "all(of[0][3] < of[1][3] < of[2][3] for of in rows.values())"' \
  'told "all(of[2][4] >= 0.99 for of in rows.values()) and all(r[4] > 0.95 for of in rows.values() for r in of)"'
check three_hundred_trials_end_sooner_than_before all 'told "len(sooner) == 4 and all(1.06 <= s <= 1.12 for s in sooner)"'

call "$bench/bench_cohorts" --trials 40 --steps tests/gpu/results/h100-sxm-b661a9c/results.json
check other_steps_and_trials_are_taken all '[ $code -eq 0 ]' 'grep -q "5 x 40 random trials" "$work/out"'
echo '{"parts": []}' >"$work/none.json"
call "$bench/bench_cohorts" --steps "$work/none.json"
check a_file_without_steps_is_told all '[ $code -eq 1 ]' 'grep -q "none.json: lacks measured steps in fp32" "$work/err"'
call "$bench/bench_cohorts" --steps "$work/nowhere.json"
check a_missing_file_is_told all '[ $code -eq 1 ]' 'grep -q "nowhere.json" "$work/err"'

cases_end
