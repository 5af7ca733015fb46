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
run "$work/results/digits"
check one_run_has_no_mean all 'exits 0' silent narrow '! said "^mean"' 'said "grouped  *1  *0.7433"'
run "$work/results/digits" "$work/results/photos" --output "$work/page.html"
check the_page_has_the_same all 'exits 0' silent 'said "^Written: $work/page.html$"' \
  'tells python3 tests/cli/report_page.py "$work/page.html" --sections table-1 table-2 --text "mean of 2 runs" "-2.13 points"'
run "$work/results/digits" --output "$work/none/page.html"
check a_page_that_cannot_be_written_is_a_failure all 'exits 1' 'complained "none/page.html"'
mkfifo "$work/pipe"
run "$work/results/digits" --output "$work/pipe"
check what_is_no_file_is_not_written_over all 'exits 1' 'complained "pipe: is no regular file"' '[ -p "$work/pipe" ]'
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
