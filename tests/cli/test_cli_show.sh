#!/bin/sh
# `gsos show` from the outside, on a study database that tests/test_report writes: what it prints
# to whom, and what it says of a path that holds none.  Needs ./gsos (or $GSOS) with its tests
# built, python3 (its own library alone) and sqlite3.  Run from the project's root.  Prints a line
# "ok NAME" or "not ok NAME" for each test, and ends with "N passed, N failed".
# Not under ThreadSanitizer: one thread reads and prints.
# shellcheck disable=SC2016 # sh -c expands its own arguments
set -u
# shellcheck source=tests/cli/lib.sh
. tests/cli/lib.sh

gsos=${GSOS:-$PWD/gsos}
writer=${gsos%/*}/tests/test_report
[ -x "$writer" ] || writer=${BUILD:-build}/tests/test_report
cases_begin show-test

run() { call "$gsos" "$@"; }

quiet() { [ ! -s "$work/out" ]; }

mkdir "$work/a run" "$work/empty"
study="$work/a run/study.db"
"$writer" --write "$study" || exit 1

# ---------------------------------------------------------------------------------- what is printed

run show "$work/a run"
check show_prints_trials_then_tables_then_the_best all 'exits 0' silent \
  'said "^quick/grouped/0: 2 trials, 2 complete$"' 'said "^quick/greedy/0: 1 trial.*unfinished, 1 of 3000"' \
  'said "trial 0 failed: diverged: a"' 'said "^grouped saves  *0.0 %  *0.0 %  *0.0 %  *27.4 %  *28.1 %"' 'said "^grouped differs by  *-2.13 points"' \
  '[ "$(grep -c -e "^Table [34]: " -e "^Best configuration: quick/simultaneous/0, trial 0$" "$work/out")" -eq 3 ]' \
  '[ "$(grep -n "^quick/greedy" "$work/out" | cut -d: -f1)" -lt "$(grep -n "^Table 3" "$work/out" | cut -d: -f1)" ]' \
  '[ "$(grep -n "^Table 4" "$work/out" | cut -d: -f1)" -lt "$(grep -n "^Best" "$work/out" | cut -d: -f1)" ]'
cp "$work/out" "$work/by-folder"
run show "$study"
check a_database_is_shown_as_its_folder_is all 'exits 0' silent 'cmp -s "$work/out" "$work/by-folder"'
run show "$work/a run/"
check a_slash_at_the_end_makes_no_difference all 'exits 0' silent 'cmp -s "$work/out" "$work/by-folder"'
run show "$work/a run" "$study" "$work/a run/."
check a_run_that_is_named_more_than_once_is_shown_once all 'exits 0' 'unwrapped "$work/err" | grep -q "study.db is the same run as .*/a run, and counts once"' 'cmp -s "$work/out" "$work/by-folder"'
check nothing_is_written_beside_the_database all '[ "$(ls "$work/a run")" = study.db ]'

run show "$work/a run" --csv
cp "$work/out" "$work/after"
run show --csv "$study"
check options_may_stand_after_the_path all 'exits 0' silent 'cmp -s "$work/out" "$work/after"'
cat >"$work/read_csv.py" <<'END'
import csv, sys
rows = list(csv.DictReader(open(sys.argv[1], newline="")))
assert len(rows) == 5, len(rows)
assert all(None not in r and None not in r.values() for r in rows)
assert [r["study"] for r in rows].count("quick/grouped/0") == 2
first, last = rows[0], rows[-1]
assert float(first["value"]) == 0.7433 and float(first["seconds"]) == 1639 and first["best"] == "1", first
assert first["padding"] == "same" and float(first["lr"]) == 0.01, first
assert last["state"] == "failed" and last["reason"] == 'diverged: a "loss", not finite' and last["value"] == "", last
END
check csv_is_read_by_another_program python3 "$work/read_csv.py" "$work/out"

call python3 tests/cli/terminal.py out "$gsos" show "$work/a run"
check a_terminal_of_80_columns_is_kept_to all 'exits 0' narrow '[ "$(wc -l <"$work/out")" -gt 30 ]' \
  '[ "$(awk "length > 60" "$work/out" | wc -l)" -gt 0 ]'
check a_pipe_gets_one_line_a_trial all '[ "$(sed "/^Table 3/,\$d" "$work/by-folder" | awk "length > 100" | wc -l)" -ge 8 ]'

# --------------------------------------------------------------------------------- while it is used

cat >"$work/beside.py" <<'END'
import sqlite3, subprocess, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("BEGIN IMMEDIATE")
db.execute("UPDATE trials SET state = 'RUNNING' WHERE trial_id = 2")
before = subprocess.run(sys.argv[2:], capture_output=True, text=True, timeout=300)
db.execute("COMMIT")
after = subprocess.run(sys.argv[2:], capture_output=True, text=True, timeout=300)
db.execute("UPDATE trials SET state = 'COMPLETE' WHERE trial_id = 2")
assert before.returncode == 0 == after.returncode, (before, after)
assert "quick/grouped/0: 2 trials, 2 complete\n" in before.stdout, before.stdout
assert "quick/grouped/0: 2 trials, 1 complete, 1 running; unfinished, 1 of 2" in after.stdout, after.stdout
END
check show_sees_what_is_committed_beside_a_writer python3 "$work/beside.py" "$study" "$gsos" show "$work/a run"

cat >"$work/gone.py" <<'END'
import os, subprocess, sys
ours, theirs = os.pipe()
os.close(ours)  # a reader that has gone: `| head` after its last line
p = subprocess.run(sys.argv[1:], stdout=theirs, stderr=subprocess.PIPE, timeout=300)
assert p.returncode == 0 and p.stderr == b"", p
END
check a_reader_that_has_gone_is_no_error python3 "$work/gone.py" "$gsos" show "$work/a run"
check a_reader_of_csv_that_has_gone_is_no_error python3 "$work/gone.py" "$gsos" show --csv "$work/a run"
"$gsos" show "$work/a run" >/dev/full 2>"$work/err"
code=$?
check show_notices_a_full_disk_behind_its_output all 'exits 1' 'complained "standard output cannot be written: No space"'

# ------------------------------------------------------------------------------------- several runs

mkdir -p "$work/results/set/one" "$work/results/nothing" "$work/results/set/deep/er"
for folder in set/one set/deep/er second; do
  mkdir -p "$work/results/$folder"
  cp "$study" "$work/results/$folder/study.db"
done
run show "$work/results"
check a_folder_of_runs_is_a_line_a_run all 'exits 0' silent narrow '[ "$(wc -l <"$work/out")" -eq 4 ]' \
  'said "^second  *[0-9]* of [0-9]*  *[a-z]*  *0.7646  *0.7298  *simultaneous"' 'said "^set/one "' '! said deep'
echo "no database" >"$work/results/second/study.db"
run show "$work/results/"
check a_run_that_cannot_be_read_is_told_beside_the_others all 'exits 1' 'complained "second/study.db"' 'said "^set/one "' '! said "^second"'
run show "$work/results" --csv
check csv_of_several_runs_has_a_column_of_their_names all 'exits 1' 'complained "second/study.db"' \
  '[ "$(grep -c "^$work/results/set/one,quick/" "$work/out")" -eq 5 ]' 'said "^run,study,strategy,"'
run show "$work/results/set/one" "$study" --top 1
check several_runs_are_shown_one_after_the_other all 'exits 0' silent 'said "^Run $work/results/set/one$"' 'said "^Run $study$"' \
  '[ "$(grep -c "^Table 4:" "$work/out")" -eq 2 ]'
run show "$work/results/set/one" "$work/none" --json
check a_run_that_is_not_there_is_told_beside_the_others all 'exits 1' 'complained "/none: there is no such"' 'said "^{.runs.:.*set/one"'

# --------------------------------------------------------------------------- what is chosen of a run

run show "$work/a run" --study grouped/0 --top 1
check a_study_and_its_best_trials_are_chosen all 'exits 0' silent '[ "$(grep -c "^quick/" "$work/out")" -eq 1 ]' \
  'said "^quick/grouped/0: 2 trials"' 'said "^   \*0  "' '! said "^    1  "' 'said "^Best configuration: quick/grouped/0, trial 0$"'
run show "$work/a run" --study simultaneous --sort -seconds --csv
check csv_has_what_is_chosen_in_its_order all 'exits 0' silent '[ "$(wc -l <"$work/out")" -eq 3 ]' \
  '[ "$(cut -d, -f4 "$work/out" | tr "\n" " ")" = "trial 0 1 " ]'
run show "$work/a run" --trial 1
check a_trial_is_shown_of_each_study_that_has_it all 'exits 0' silent narrow 'said "^quick/grouped/0, trial 1: complete$"' \
  'said "^quick/simultaneous/0, trial 1: complete$"' '! said greedy' 'said "^  images trained  *1000$"'
mkdir "$work/less"
cp "$study" "$work/less/study.db"
sqlite3 "$work/less/study.db" "UPDATE studies SET study_name = 'other' WHERE study_name = 'quick/greedy/0'; DELETE FROM trials WHERE number = 1"
run show "$study" "$work/less" --study quick/greedy/0
check a_run_without_the_study_says_so all 'exits 0' silent "said \"^There is no study 'quick/greedy/0' in it\\.\""
run show "$study" "$work/less" --trial 1
check a_run_without_the_trial_says_so all 'exits 0' silent 'said "^There is no trial 1 in it\.$"'
run show "$work/a run" --json --study greedy
cat >"$work/read_json.py" <<'END'
import json, sys
(study,) = json.load(open(sys.argv[1]))["runs"][0]["studies"]
(trial,) = study["trials"]
assert study["name"] == "quick/greedy/0" and study["best"] is None and study["asked"] == 3000, study
assert trial["state"] == "failed" and trial["value"] is None and trial["reason"] == 'diverged: a "loss", not finite', trial
assert trial["params"]["padding"] == "same" and trial["params"]["lr"] == 0.01, trial
END
check json_is_read_by_another_program all 'exits 0' silent '[ "$(wc -l <"$work/out")" -eq 1 ]' 'python3 "$work/read_json.py" "$work/out"'
wrong() { # MESSAGE ARGUMENT...
  # shellcheck disable=SC2034 # the condition below has it
  message=$1
  shift
  run show "$work/a run" "$@"
  check "show_refuses_$(echo "$*" | tr ' -' '__')" all 'exits 2' quiet 'complained "$message"'
}
wrong "there is no study 'gruoped/0'; did you mean 'grouped'" --study gruoped/0
wrong "--sort los: there is no such column; did you mean 'loss'" --sort los
wrong "--trial 2: there is no such trial; they go from 0 to 1" --trial 2
wrong "--trial x: is no trial's number" --trial x
wrong "--top 0: is no number of trials" --top 0
wrong "--csv or --json, not both" --csv --json
wrong "--top or --trial, not both" --top 1 --trial 1

# ----------------------------------------------------------------------------- what cannot be shown

run show "$work/none"
check a_path_that_is_not_there_is_named all 'exits 1' quiet 'complained "/none: there is no such file or folder; show takes"'
run show "$study/x"
check a_path_below_a_file_is_named all 'exits 1' quiet 'complained "study.db/x: there is no such file"'
run show "$work/empty"
check a_folder_without_a_database_says_what_makes_one all 'exits 1' quiet 'complained "/empty: holds no study.db.*gsos run"'
check no_database_is_made_where_there_is_none all '[ -z "$(ls "$work/empty")" ]'
echo "this is no database, though it is long enough to be looked at" >"$work/text.db"
run show "$work/text.db"
check a_file_that_is_no_database_is_refused all 'exits 1' quiet 'complained "text.db: "' '[ "$(wc -l <"$work/err")" -eq 1 ]'
head -c 5000 "$study" >"$work/cut.db"
run show "$work/cut.db"
check a_database_that_is_cut_is_refused all 'exits 1' quiet 'complained "cut.db: "'
: >"$work/new.db"
run show "$work/new.db"
check a_database_that_is_empty_says_so all 'exits 1' quiet 'complained "new.db: holds no study yet"'
printf '%s\n' "import sqlite3, sys" "db = sqlite3.connect(sys.argv[1])" "db.execute(sys.argv[2])" "db.commit()" >"$work/sql.py"
python3 "$work/sql.py" "$work/other.db" "CREATE TABLE birds (name TEXT)"
run show "$work/other.db"
check a_database_of_something_else_is_refused all 'exits 1' quiet 'complained "other.db: "'
odd="$work/$(printf 'odd\033[31m')"
run show "$odd"
check odd_names_do_not_drive_the_terminal all 'exits 1' 'complained "odd.x1b.31m: there is no"'

cp "$study" "$work/theirs.db"
python3 "$work/sql.py" "$work/theirs.db" "DELETE FROM study_user_attributes"
run show "$work/theirs.db"
check studies_of_another_program_are_summed_up all 'exits 0' silent 'said "^Studies of another program$"' '! said "Table 3"' \
  '[ "$(grep -c "^Best configuration" "$work/out")" -eq 2 ]'
python3 "$work/sql.py" "$work/theirs.db" "DELETE FROM studies"
run show "$work/theirs.db"
check a_database_without_a_study_says_so all 'exits 0' silent 'said "no study in it yet"'

cp "$study" "$work/shared.db"
python3 "$work/sql.py" "$work/shared.db" "INSERT INTO studies (study_id, study_name) VALUES (99, 'two')"
for direction in 0 1; do
  python3 "$work/sql.py" "$work/shared.db" "INSERT INTO study_directions (study_id, direction, objective) VALUES (99, 'MINIMIZE', $direction)"
done
run show "$work/shared.db"
check a_study_that_cannot_be_shown_is_named_beside_the_others all 'exits 0' silent 'said "left out: two: .*2 objectives"' 'said "^Table 3"'
run show --csv "$work/shared.db"
check a_study_that_cannot_be_shown_is_not_in_the_csv all 'exits 0' 'complained "left out: two"' '! said two'

# ------------------------------------------------------------------------------------------- usage

run show
check show_without_a_path_is_wrong_usage all 'exits 2' 'complained "which folder"' 'complained "show --help"'
run show --nonsense "$study"
check show_names_an_unknown_option all 'exits 2' quiet 'complained "gsos show: unrecognized option .*--nonsense"'
run show --help
check show_help_goes_to_standard_output all 'exits 0' silent 'said "^Usage: gsos show"' \
  '[ "$(awk "length > 80" "$work/out" | wc -l)" -eq 0 ]'

# -------------------------------------------------------------------------------- narrow terminals

call "$gsos" run configs/bench/ackley.ini --quiet --output "$work/narrow" --set experiment.trials=6 --set experiment.rounds=2
cat >"$work/whole.py" <<'END'
import os, re, subprocess, sys
most, command = int(sys.argv[1]), sys.argv[2:]
def shown(columns):
    done = subprocess.run([sys.executable, "tests/cli/terminal.py", "out", *command], capture_output=True, text=True, env={**os.environ, "COLUMNS": str(columns)})
    assert done.returncode == 0 and not done.stderr, done
    return done.stdout.splitlines()
numbers = lambda lines: {w for line in lines for w in line.split() if re.fullmatch(r"[-+]?[0-9.]+(e[-+]?[0-9]+)?", w)}
wide, narrow = shown(200), shown(most)
missing = {n for n in numbers(wide) - numbers(narrow) if len(n) + 4 <= most}
assert len(numbers(wide)) > 20 and not missing, missing
if most >= 40: assert not (long := [line for line in narrow if len(line) > most]), long
for line in narrow:  # where the terminal breaks what is longer
    at = most
    while at < len(line):
        assert not re.match(r"[0-9.]{2}", line[at - 1 : at + 1]), line
        at += most
END
for columns in 20 26 40 60; do
  for what in "show $work/narrow" "show $work/narrow --trial 3" "compare $work/narrow $work/a\ run"; do
    eval "set -- $what"
    [ "$columns" -ge 26 ] || [ "$1" = compare ] || continue # a number with all of its digits has no room in fewer
    check "numbers_are_whole_in_${columns}_columns_($1$([ $# -gt 2 ] && echo "_$3"))" tells python3 "$work/whole.py" "$columns" "$gsos" "$@"
  done
done

cases_end
