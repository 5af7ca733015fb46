#!/bin/sh
# `gsos run` on an output that is finished or has failed trials: what it says first,
# --retry-failed, --fresh, and a gsos that gives other numbers than the one that began.  Needs
# ./gsos (or $GSOS), python3 (its own library alone) and sqlite3.  Run from the project's root.
# Prints a line "ok NAME" or "not ok NAME" for each test, and ends with "N passed, N failed".
# Not under ThreadSanitizer: runs of the kind that test_cli_run.sh has.
# shellcheck disable=SC2016 # conditions are evaluated later
set -u
# shellcheck source=tests/cli/lib.sh
. tests/cli/lib.sh

gsos=${GSOS:-$PWD/gsos}
cases_begin again
# It is noon here: dates stand in names and messages, and no day may end between a run and a look.
hour=$(date -u +%H)
export TZ="NOON$((${hour#0} - 12))"

run() { call "$gsos" run "$@"; }
query() { sqlite3 "$out/study.db" "$1"; }
states() { query "SELECT group_concat(state || ' ' || n, ', ') FROM (SELECT state, count(*) AS n FROM trials GROUP BY state ORDER BY state)"; }
# shellcheck disable=SC2034 # conditions are evaluated later
this_version=$(sed -n 's/.*GSOS_HISTORY_VERSION \([0-9]*\).*/\1/p' host/base/version.h)
history_version() { query "SELECT group_concat(DISTINCT value_json) FROM study_user_attributes WHERE key = 'gsos:history'"; }
configurations() { query "SELECT study_id, number, param_name, param_value FROM trials JOIN trial_params USING (trial_id) ORDER BY 1, 2, 3"; }

# A program that fails odd trials while there is a file "broken", and answers none but the first ones
# while there is one "slow".
cat >"$work/p.py" <<'END'
import json, os, sys, time
here = os.path.dirname(os.path.abspath(__file__))
for line in sys.stdin:
    t = json.loads(line)
    while t["trial"] > 3 and os.path.exists(here + "/slow"):
        time.sleep(0.01)
    if t["trial"] % 2 and os.path.exists(here + "/broken"):
        print(json.dumps({"fail": "broken"}), flush=True)
    else:
        print(json.dumps({"value": t["params"]["x"] + t["params"]["y"]}), flush=True)
END
cat >"$work/p.ini" <<END
[experiment]
objective = command
direction = maximize
trials = 10
strategies = grouped, simultaneous
sampler = tpe
[command]
run = python3 p.py
[space]
x = float 0 .. 1 default 0.5
y = float 0 .. 1 default 0.5
[groups]
first = x ratio 1
second = y ratio 1
[tpe]
startup = 3
END

# ----------------------------------------------------------------------------------- a finished run

out="$work/done"
run "$work/p.ini" --output "$out"
check a_run_ends_and_says_which_gsos_it_is_of all 'exits 0' '[ "$(states)" = "COMPLETE 20" ]' '[ "$(history_version)" = "$this_version" ]'
run "$work/p.ini" --output "$out"
check a_finished_run_says_so_first all 'exits 0' 'said "^Table 3"' \
  'grep -q "^$out is finished (20 of 20 trials, $(date +%Y)-[0-9-]* [0-9:]*); nothing was run\.$" "$work/err"' \
  'unwrapped "$work/err" | grep -q "More: --set experiment.rounds=2, or more experiment.cycles; anew: --fresh, or another --output"' \
  '! complained changed' '! complained failed'
run "$work/p.ini" --output "$out" --quiet
check quietly_it_prints_the_tables_alone all 'exits 0' silent 'said "^Table 3"'
run "$work/p.ini" --output "$out" --set experiment.rounds=2 --quiet
check what_it_says_of_more_is_so all 'exits 0' '[ "$(states)" = "COMPLETE 40" ]'
out="$work/done-once"
run "$work/p.ini" --output "$out" --quiet --set experiment.strategies=simultaneous
run "$work/p.ini" --output "$out" --set experiment.strategies=simultaneous
check of_more_trials_it_speaks_where_they_are_possible all 'exits 0' 'unwrapped "$work/err" | grep -q "rounds=2, or a larger experiment.trials, or more experiment.cycles; anew"'
run "$work/p.ini" --output "$out" --set experiment.strategies=simultaneous --set experiment.trials=12 --quiet
check and_so_are_more_trials all 'exits 0' '[ "$(states)" = "COMPLETE 12" ]'
run "$work/p.ini" --output "$out-target" --quiet --set experiment.strategies=simultaneous --set experiment.target=-5
run "$work/p.ini" --output "$out-target" --set experiment.strategies=simultaneous --set experiment.target=-5
check a_target_that_was_reached_is_told all 'exits 0' 'complained "is finished ([0-9]* of 10 trials, target reached, "'

# What it was made with has changed since.
out="$work/done"
echo "# another program" >>"$work/p.py"
run "$work/p.ini" --output "$out" --set experiment.rounds=2
check a_program_that_changed_since_is_told all 'exits 0' 'said "^Table 3"' \
  'unwrapped "$work/err" | grep -q "changed since: it was made with python3 .*, p.py [0-9a-f]*; a run now would be with python3"'
run "$work/p.ini" --output "$out" --set experiment.rounds=2 --quiet
check quietly_that_is_told_too all 'exits 0' 'complained "changed since"'
run "$work/p.ini" --output "$out" --set experiment.rounds=2 --set command.run='python3 gone.py'
check other_search_keys_are_refused_when_it_is_finished all 'exits 2' 'complained "command.run (was python3 p.py, is python3 gone.py)"' 'complained "or --fresh"'
mv "$work/p.py" "$work/q.py"
run "$work/p.ini" --output "$out" --set experiment.rounds=2
check a_finished_run_whose_program_is_gone_prints_its_tables all 'exits 0' 'said "^Table 3"' 'complained "is finished "'
mv "$work/q.py" "$work/p.py"

# ------------------------------------------------------------------ the output in place of the file

# From another folder, after the output was moved, without the file: as the run was last started.
out="$work/by-folder"
cp "$work/p.ini" "$work/elsewhere.ini"
(cd "$work" && "$gsos" run elsewhere.ini --output by-folder --quiet --set experiment.strategies=simultaneous --set tpe.startup=4 >/dev/null)
history "$out" >"$work/history"
rm "$work/elsewhere.ini"
mv "$out" "$out-moved"
out="$out-moved"
(cd / && "$gsos" run "$out/" --quiet >"$work/out" 2>"$work/err")
code=$?
check an_output_folder_goes_on_without_its_file all 'exits 0' silent 'history "$out" | cmp -s - "$work/history"' '[ ! -e "$work/by-folder" ]'
run "$out" --quiet --set experiment.trials=13
check and_is_extended_by_settings all 'exits 0' '[ "$(states)" = "COMPLETE 13" ]'
run "$out"
check which_the_next_start_remembers all 'exits 0' 'complained "is finished (13 of 13 trials"'
run "$out" --quiet --set tpe.startup=3
check other_search_keys_are_refused_there_too all 'exits 2' 'complained "tpe.startup (was 4, is 3)"'
run "$out" --quiet --fresh
check and_it_begins_anew all 'exits 0' '[ -e "$out.$(date +%Y-%m-%d)/run.ini" ]' '[ "$(states)" = "COMPLETE 13" ]'
run "$work"
check a_folder_that_no_run_wrote_is_told all 'exits 2' 'complained "holds no run.ini, which a run writes when it begins"'
rm "$out/run.ini"
run "$work/p.ini" --output "$out" --quiet --set experiment.strategies=simultaneous --set tpe.startup=4 --set experiment.trials=14 --set experiment.name=elsewhere
check a_run_that_goes_on_writes_it all 'exits 0' 'grep -q "^trials = 14$" "$out/run.ini"' 'grep -q "^folder = $work$" "$out/run.ini"'

# ------------------------------------------------------------------------------------- another gsos

out="$work/other"
run "$work/p.ini" --output "$out" --quiet
query "UPDATE study_user_attributes SET value_json = '999' WHERE key = 'gsos:history'; UPDATE study_user_attributes SET value_json = '\"9.9\"'
  WHERE key = 'gsos:version'"
run "$work/p.ini" --output "$out"
check a_finished_run_of_another_gsos_says_so all 'exits 0' \
  'unwrapped "$work/err" | grep -q "changed since: it was made with gsos 9.9 (history 999), python3.* a run now would be with gsos [0-9.]* (history $this_version), "'
run "$work/p.ini" --output "$out" --set experiment.rounds=2
check a_gsos_that_gives_other_numbers_does_not_go_on all 'exits 2' 'complained "gsos 9.9 (history 999), python3"' 'complained "gsos [0-9.]* (history $this_version), python3"' \
  'complained "accept-change"' '[ "$(states)" = "COMPLETE 20" ]'
run "$work/p.ini" --output "$out" --set experiment.rounds=2 --accept-change
check accepted_it_goes_on_and_every_table_says_so all 'exits 0' '[ "$(states)" = "COMPLETE 40" ]' \
  'unwrapped "$work/out" | grep -q "went on with --accept-change: was gsos 9.9 (history 999), python3"' '[ "$(history_version)" = "$this_version" ]'
run "$work/p.ini" --output "$out" --set experiment.rounds=2
check it_is_then_of_this_gsos all 'exits 0' '! complained "changed since"'
query "DELETE FROM study_user_attributes WHERE key = 'gsos:history'"
run "$work/p.ini" --output "$out" --set experiment.rounds=3 --quiet
check an_output_that_says_nothing_of_it_is_of_the_first all 'exits 2' 'complained "gsos [0-9.]* (history 1), python3"' '[ "$(states)" = "COMPLETE 40" ]'

# -------------------------------------------------------------------------- failed trials once more

out="$work/failed"
: >"$work/broken"
run "$work/p.ini" --output "$out" --quiet
check half_of_the_trials_fail all 'exits 0' '[ "$(states)" = "COMPLETE 10, FAIL 10" ]'
configurations >"$work/params"
rm "$work/broken"
run "$work/p.ini" --output "$out"
check a_finished_run_says_how_failed_trials_run_again all 'exits 0' 'complained "10 trials failed: --retry-failed runs them again"' '[ "$(states)" = "COMPLETE 10, FAIL 10" ]'
run "$work/p.ini" --output "$out" --retry-failed
configurations >"$work/params-again"
check failed_trials_run_again_with_their_configurations all 'exits 0' '[ "$(states)" = "COMPLETE 20" ]' 'cmp -s "$work/params" "$work/params-again"' \
  '[ "$(query "SELECT count(*) FROM trials JOIN trial_values USING (trial_id) WHERE value IS NOT NULL")" -eq 20 ]' \
  '[ "$(query "SELECT count(*) FROM trial_user_attributes WHERE key = '"'gsos:reason'"'")" -eq 0 ]'
check every_table_says_that_they_did all 'unwrapped "$work/out" | grep -q "changed: p/grouped/0: 5 failed trials ran again (--retry-failed)"' \
  'said "changed on the way"' 'grep -q "ran again" "$out/report.txt"'
run "$work/p.ini" --output "$out" --retry-failed
check where_none_has_failed_nothing_runs all 'exits 0' 'complained "is finished (20 of 20"'

# Killed while they run again: the same command without the option goes on.
out="$work/killed"
: >"$work/broken"
run "$work/p.ini" --output "$out" --quiet
rm "$work/broken"
: >"$work/slow"
"$gsos" run "$work/p.ini" --output "$out" --quiet --retry-failed >"$work/out" 2>"$work/err" &
pid=$!
wait_until $pid '[ "$(query "SELECT count(*) FROM trials WHERE state = '"'COMPLETE'"'" 2>/dev/null || echo 0)" -gt 11 ]'
kill -KILL $pid
wait $pid 2>/dev/null
# shellcheck disable=SC2034 # used in a condition
left=$(query "SELECT count(*) FROM trials WHERE state IN ('WAITING', 'RUNNING')")
rm "$work/slow"
run "$work/p.ini" --output "$out" --quiet
check a_kill_while_they_run_again_loses_nothing all 'exits 0' '[ "$left" -gt 0 ]' '[ "$(states)" = "COMPLETE 20" ]'

# --------------------------------------------------------------------------------------------- anew

out="$work/fresh"
# shellcheck disable=SC2034 # used in conditions
date=$(date +%Y-%m-%d)
run "$work/p.ini" --output "$out" --quiet --fresh
check where_there_is_nothing_fresh_is_a_run_like_any_other all 'exits 0' silent '[ -s "$out/report.txt" ]' '[ ! -e "$out.$date" ]'
: >"$out/mine.txt"
run "$work/p.ini" --output "$out" --set experiment.seed=5 --fresh
check fresh_sets_the_old_output_aside all 'exits 0' 'complained "fresh is now .*fresh.$date$"' '[ -e "$out.$date/mine.txt" ]' '[ ! -e "$out/mine.txt" ]' \
  '[ "$(sqlite3 "$out.$date/study.db" "SELECT count(*) FROM trials WHERE state = '"'COMPLETE'"'")" -eq 20 ]' '[ "$(states)" = "COMPLETE 20" ]' \
  '[ ! -e "$out/study.db.lock" ]' '[ ! -e "$out.$date/study.db.lock" ]'
run "$work/p.ini" --output "$out" --fresh --quiet
check a_second_one_of_the_day_gets_a_number all 'exits 0' '[ -e "$out.$date.1/study.db" ]' '[ -e "$out.$date/mine.txt" ]'
echo "no database" >"$out/study.db"
run "$work/p.ini" --output "$out" --fresh --quiet
check what_cannot_be_read_is_set_aside_too all 'exits 0' 'grep -q "no database" "$out.$date.2/study.db"' '[ "$(states)" = "COMPLETE 20" ]'
run "$work/p.ini" --output "$out" --fresh --quiet --set command.run='python3-none p.py'
check where_nothing_can_begin_nothing_is_set_aside all 'exits 2' '[ ! -e "$out.$date.3" ]' '[ -s "$out/study.db" ]'
mkdir "$work/here"
cp "$work/p.ini" "$work/p.py" "$work/here"
(cd "$work/here" && "$gsos" run p.ini --output . --quiet >"$work/out" 2>"$work/err")
(cd "$work/here" && "$gsos" run p.ini --output . --quiet --fresh >"$work/out" 2>"$work/err")
code=$?
check an_output_that_holds_the_ini_file_is_not_set_aside all 'exits 2' 'complained "p.ini lies in the output folder"' '[ -s "$work/here/study.db" ]'
run "$work/p.ini" --output "$out" --fresh --retry-failed
check fresh_and_retry_failed_do_not_go_together all 'exits 2' 'complained "not with --retry-failed"'

# A run that works there keeps it.
: >"$work/slow"
"$gsos" run "$work/p.ini" --output "$work/alive" --quiet >/dev/null 2>&1 &
pid=$!
wait_until $pid 'sqlite3 "$work/alive/study.db" "SELECT 1 FROM trials" 2>/dev/null | grep -q 1'
run "$work/p.ini" --output "$work/alive" --fresh
check the_output_of_a_living_run_is_not_set_aside all 'exits 1' "complained 'process $pid '" '[ ! -e "$work/alive.$date" ]'
kill -KILL $pid
wait $pid 2>/dev/null
rm "$work/slow"

# On a terminal the user is asked.
cat >"$work/asked.py" <<'END'
import os, pty, sys
pid, terminal = pty.fork()
if pid == 0:
    os.environ["TERM"] = "dumb"
    os.execvp(sys.argv[2], sys.argv[2:])
shown = b""
answered = False
try:
    while part := os.read(terminal, 4096):
        shown += part
        if b"[y/N]" in shown and not answered:
            answered = True
            os.write(terminal, sys.argv[1].encode() + b"\n")
except OSError:
    pass
sys.stdout.write(shown.decode().replace("\r", ""))
code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
sys.exit(code if answered else 77)
END
call python3 "$work/asked.py" n "$gsos" run "$work/p.ini" --output "$out" --fresh --quiet
check on_a_terminal_no_leaves_all_as_it_is all 'exits 1' 'said "fresh holds 20 of 20 trials, "' 'unwrapped "$work/out" | grep -q "stays as it is"' \
  '[ ! -e "$out.$date.3" ]' '[ "$(states)" = "COMPLETE 20" ]'
call python3 "$work/asked.py" y "$gsos" run "$work/p.ini" --output "$out" --fresh --quiet
check on_a_terminal_yes_begins_anew all 'exits 0' '[ -e "$out.$date.3/study.db" ]' '[ "$(states)" = "COMPLETE 20" ]'

cases_end
