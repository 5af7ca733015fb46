#!/bin/sh
# `objective = command` from the outside: the examples that come with the program, and a program of
# the test's own that fails in every way there is: what is recorded, what ends the run, that a
# stopped or killed run goes on to the same history, and that no process is left.  Needs ./gsos (or
# $GSOS), python3 (its own library alone) and sqlite3.  Run from the project's root.
# Prints a line "ok NAME" or "not ok NAME" for each test, and ends with "N passed, N failed".
# shellcheck disable=SC2016 # conditions are evaluated later
set -u
# shellcheck source=tests/cli/lib.sh
. tests/cli/lib.sh

gsos=${GSOS:-$PWD/gsos}
kills=${KILLS:-8}
cases_begin command

run() { call "$gsos" "$@"; }
said() { unwrapped "$work/out" | grep -q -e "$1"; }
complained() { unwrapped "$work/err" | grep -q -e "$1"; }
query() { sqlite3 "$1/study.db" "$2"; }
# The reason, or the value, of a trial.
reason() { query "$1" "SELECT value_json FROM trial_user_attributes JOIN trials USING (trial_id) WHERE key = 'gsos:reason' AND number = $2"; }
state() { query "$1" "SELECT state FROM trials WHERE number = $2"; }
epochs() { query "$1" "SELECT group_concat(step || ':' || intermediate_value) FROM trial_intermediate_values JOIN trials USING (trial_id) WHERE number = $2 ORDER BY step"; }
count() { query "$1" "SELECT count(*) FROM trials WHERE state = '$2'"; }
# Is one of the processes whose numbers are in the file alive (a zombie is not)?
alive() {
  while read -r pid; do
    case $(sed 's/.*) //; s/ .*//' "/proc/$pid/stat" 2>/dev/null) in
      '' | Z) ;;
      *) return 0 ;;
    esac
  done <"$1"
  return 1
}
gone() { # within minutes
  i=0
  while alive "$1"; do
    i=$((i + 1))
    [ $i -le 6000 ] || return 1
    sleep 0.01
  done
}

# ------------------------------------------------------------------------------------- the examples

run run configs/command/can.ini --output "$work/can"
check the_shell_example_runs all 'exits 0' 'complained "60/60 done"' 'said "Table 4: value (lower is better)"' \
  'said "results depend on: sh [0-9a-f]*, can.sh [0-9a-f]*"' 'narrow "$work/out"' 'narrow "$work/err"' \
  '[ "$(count "$work/can" COMPLETE)" -ge 20 ]' '[ $(($(count "$work/can" COMPLETE) + $(count "$work/can" FAIL))) -eq 60 ]' \
  'query "$work/can" "SELECT value_json FROM trial_user_attributes WHERE key = '"'gsos:reason'"'" | grep -q "failed: it holds only [0-9]* ml"' \
  '! complained "started again"'
# The values are those that the formula gives for what the database says was tried.
check its_values_are_those_of_what_was_tried all 'python3 - "$work/can/trials.csv" <<END
import csv, math, sys
for row in csv.DictReader(open(sys.argv[1])):
    r, h = float(row["radius"]), float(row["height"])
    if row["state"] == "complete":
        area = 2 * math.pi * r * h + {"open": 1}.get(row["lid"], 2) * math.pi * r * r + 20 * (row["lid"] == "folded")
        assert abs(area - float(row["value"])) < 1e-5, row
    else:
        assert math.pi * r * r * h < 1000, row
END'
run run configs/command/network.ini --output "$work/network"
check the_python_example_runs all 'exits 0' 'said "grouped saves"' '[ "$(count "$work/network" COMPLETE)" -eq 40 ]' \
  '[ "$(query "$work/network" "SELECT count(*) FROM trial_intermediate_values")" -eq "$(query "$work/network" "SELECT sum(value_json) FROM trial_user_attributes WHERE key = '"'gsos:epochs'"'")" ]'
history "$work/network" >"$work/history"
run run configs/command/network.ini --output "$work/one" --quiet --set scheduler.slots=1
history "$work/one" >"$work/again"
check one_process_makes_the_same_history_as_several all 'exits 0' 'cmp -s "$work/history" "$work/again"'
run check configs/command/network.ini
check check_shows_program_and_space all 'exits 0' 'narrow "$work/out"' 'said "Program runs python3 network.py which .*/python3 in configs/command covers by checksum, the files"' \
  'said "command, maximizes the value"' 'said "activation categorical"' 'said "None: only the command can tell"'
run train configs/command/network.ini
check train_prints_the_epochs_of_one_trial all 'exits 0' 'grep -q "^        5  " "$work/out"' '[ "$(grep -c "^        5  " "$work/out")" -eq 1 ]' \
  'said "value 0\.[0-9]*"'
run train "$work/network/best.ini" --quiet
check best_ini_runs_from_anywhere all 'exits 0' 'said "value 0\.[0-9]*"'

# ----------------------------------------------------------------------------------------- failures

# By its path: some installations find another python3 in a process that python3 started.
python=$(python3 -c 'import sys; print(sys.executable)')
# Does as the trial's number says, and writes its process number to pids.  While there is a file
# "hold", only the first six trials get an answer.
cat >"$work/program.py" <<'END'
import json, os, signal, sys, time
open("pids", "a").write(f"{os.getpid()}\n")
signal.signal(signal.SIGINT, lambda number, frame: open("interrupted", "w"))
delay = float(sys.argv[1]) if len(sys.argv) > 1 else 0
says = sys.argv[2] if len(sys.argv) > 2 else ""
for line in sys.stdin:
    asked = json.loads(line)
    n, params = asked["trial"], asked["params"]
    assert list(asked) == ["trial", "study", "seed", "params"] and asked["study"] == "simultaneous/0", asked
    assert [type(v) for v in params.values()] == [float, int, int, str], params
    time.sleep(delay)
    while n >= 6 and os.path.exists("hold"): time.sleep(0.01)
    value = (params["x"] - 1) ** 2 + params["k"] / params["size"] + (params["kind"] == "b") + asked["seed"] / 2**32
    if says == "fail" and n == 1: sys.exit("RuntimeError: the third wheel came off")
    elif says == "fail" and n == 2: os.kill(os.getpid(), signal.SIGKILL)
    elif says == "fail" and n == 3: print("loss 0.3", flush=True)
    elif says == "fail" and n == 4: print('{"fail": "no such wheel"}', flush=True)
    elif says == "fail" and n == 5: time.sleep(1000)
    elif says == "fail" and n == 6: print('{"value": NaN}', flush=True)
    elif says == "fail" and n == 7: print("x" * 100000, flush=True)
    else: print('{"epoch": 2, "value": 9.5}\n{"epoch": 7, "value": 8}\n' + json.dumps({"value": value}), flush=True)
END
cat >"$work/program.ini" <<END
[experiment]
objective = command
direction = minimize
sampler = tpe
trials = 12
[command]
run = $python program.py
[space]
x = float 0 .. 2 default 2
k = int 1 .. 5 default 2
size = ordinal 8, 16, 32 default 16
kind = categorical a, b default a
[tpe]
startup = 4
[scheduler]
slots = 2
END

# What takes longer than anyone should have to wait runs beside the rest.  A trial that hangs, among
# those that must not seem to, on however slow a machine.
mkdir "$work/failing"
cp "$work/program.py" "$work/program.ini" "$work/failing"
"$gsos" run "$work/failing/program.ini" --output "$work/failures" --set "command.run=$python program.py 0 fail" \
  --set scheduler.timeout=70s >"$work/failing/out" 2>"$work/failing/err" </dev/null &
failing=$!

# ------------------------------------------------------------------------- out of turn, all of them

# One that answers and does not flush.
printf 'import sys\nfor line in sys.stdin: print("{}")\n' >"$work/silent.py"
PYTHONUNBUFFERED="" "$gsos" run "$work/program.ini" --output "$work/silent" --set "command.run=$python silent.py" \
  --set scheduler.slots=1 --set experiment.trials=1 --set scheduler.timeout=70s >"$work/silent.out" 2>"$work/silent.err" </dev/null &
silent=$!
PYTHONUNBUFFERED="" "$gsos" run "$work/program.ini" --output "$work/silent-log" --log json --set "command.run=$python silent.py" \
  --set scheduler.slots=1 --set experiment.trials=1 --set scheduler.timeout=70s >"$work/silent-log.out" 2>"$work/silent-log.err" </dev/null &
silent_log=$!
PYTHONUNBUFFERED="" "$gsos" train "$work/program.ini" --set "command.run=$python silent.py" >"$work/silent-train.out" \
  2>"$work/silent-train.err" </dev/null &
silent_train=$!

# three VALUES: that many answers to each trial, where one is asked for
cat >"$work/three.py" <<'END'
import json, os, subprocess, sys, time
for line in sys.stdin:
    n = json.loads(line)["trial"]
    if sys.argv[1] == "three":
        for i in range(3): print(json.dumps({"value": 10 * n + i}))
    elif sys.argv[1] == "nan": print('{"f1": NaN, "loss": -inf, "value": %d}' % (10 * n))
    elif sys.argv[1] == "fail": print(json.dumps({"fail": "no match for \\d+ in\tline 3"}))
    elif sys.argv[1] == "hello": print("hello")
    elif sys.argv[1] == "environment":
        open("environment", "w").write(json.dumps([dict(os.environ), len(os.sched_getaffinity(0))]))
        print('{"value": 1}')
END
simple() { # OUTPUT WORD [OPTION]...
  simple_output=$1 simple_word=$2
  shift 2
  run run "$work/program.ini" --output "$simple_output" --set "command.run=$python three.py $simple_word" \
    --set experiment.sampler=random "$@"
}
simple "$work/three" three --set scheduler.stop_if_all_fail=no
check no_trial_has_the_answer_of_another all '[ $(($(count "$work/three" COMPLETE) + $(count "$work/three" FAIL))) -eq 12 ]' \
  '[ "$(query "$work/three" "SELECT count(*) FROM trials JOIN trial_values USING (trial_id) WHERE value != 10 * number")" -eq 0 ]' \
  'query "$work/three" "SELECT value_json FROM trial_user_attributes" | grep -q "nonsense: it said this after its answer.*value"'
simple "$work/nan" nan
check only_the_value_diverges all 'exits 0' '[ "$(count "$work/nan" COMPLETE)" -eq 12 ]'
simple "$work/fail" fail --set scheduler.slots=1
check a_run_in_which_all_fail_fails all 'exits 1' '[ "$(count "$work/fail" FAIL)" -ge 4 ]' '[ "$(count "$work/fail" FAIL)" -lt 12 ]' \
  'complained "stopped early, since all trials fail alike: [0-9]* of 12 trials have ended"' \
  'complained "no trial has succeeded: [0-9]* failed, the first as follows.*stop_if_all_fail = no.*failed: no match for"' \
  'complained "simultaneous [0-9]*/12 0 running [0-9]* failed"' 'complained "last failure: simultaneous, trial [0-9]*: failed: no match"' \
  'said "no complete trial: .* trial 0: failed: no match for .x5cd+ in.x09line 3 what to do: the program itself said so"' \
  'grep -q "what to do" "$work/fail/report.txt"' 'narrow "$work/out"' '[ ! -e "$work/fail/best.ini" ]'
run show "$work/fail"
check show_escapes_a_reason_once all 'exits 0' 'grep -q "trial 0 failed: failed: no match for .x5cd+ in.x09line 3\$" "$work/out"'
check csv_and_database_have_it_as_it_was_said all 'tab=$(printf "\\t"); grep -q "failed: no match for .d+ in${tab}line 3" "$work/fail/trials.csv"' \
  'reason "$work/fail" 0 | python3 -c "import json, sys; assert json.load(sys.stdin) == \"failed: no match for \\\\d+ in\\tline 3\""'
simple "$work/fail" fail --set scheduler.stop_if_all_fail=no --quiet
check it_goes_on_to_the_end_where_told all 'exits 1' '[ "$(count "$work/fail" FAIL)" -eq 12 ]' 'said "failed trials: simultaneous 12 of 12 (12 failed)"'
simple "$work/fail" fail --quiet
check again_it_says_the_same all 'exits 1' 'complained "no trial has succeeded: 12 failed"'
simple "$work/hello" hello --quiet
check talk_is_told_where_to_go all 'exits 1' 'said "trial 0: nonsense: line 1 of its answer is no JSON: hello what to do: standard output is for answers alone"'
python3 tests/cli/terminal.py err "$gsos" run "$work/program.ini" --output "$work/shown" --set "command.run=$python three.py hello" \
  --set experiment.sampler=random >"$work/out" 2>"$work/err"
check the_display_counts_failures_and_shows_the_last all 'grep -q "^simultaneous .*[4-9] failed" "$work/out"' \
  'grep -q "^last failure: simultaneous, trial [0-9]*: nonsense: line 1 of its answer" "$work/out"'

# What clusters set binds neither gsos nor its programs, which see it as it was.
cores=$(nproc)
for variable in OMP_PROC_BIND=true OMP_PLACES=cores GOMP_CPU_AFFINITY=0; do
  call env "$variable" "$gsos" run "$work/program.ini" --output "$work/bound-${variable%%=*}" --set "command.run=$python three.py environment" \
    --set experiment.trials=1 --quiet
  check "${variable%%=*}_binds_nobody" all 'exits 0' "python3 -c 'import json; e, n = json.load(open(\"$work/environment\")); name, value = \"$variable\".split(\"=\"); assert e[name] == value and n == $cores, (e, n)'"
  call env "$variable" "$gsos" devices
  check "${variable%%=*}_takes_no_core" all 'exits 0' "grep -q '^cpu  *$cores core' \"\$work/out\""
done

# Python flushes by itself, unless its user has said otherwise; three.py does not.
PYTHONUNBUFFERED="" "$gsos" run "$work/program.ini" --output "$work/buffered" --set "command.run=$python three.py nan" \
  --set scheduler.timeout=60s --set experiment.trials=2 --quiet >"$work/buffered.out" 2>"$work/buffered.err" </dev/null &
buffered=$!

# What a program has started ends with it, and with gsos.
cat >"$work/parent.py" <<'END'
import json, subprocess, sys, time
worker = subprocess.Popen(["sleep", "1000"])
open("pids", "a").write(f"{worker.pid}\n")
for line in sys.stdin:
    time.sleep(0.1)
    print(json.dumps({"value": 1}))
END
for signal in TERM INT KILL; do
  : >"$work/pids"
  heeding "$gsos" run "$work/program.ini" --output "$work/parent-$signal" --set "command.run=$python parent.py" --set experiment.trials=300 --quiet \
    >"$work/out" 2>"$work/err" &
  pid=$!
  wait_until $pid '[ "$(wc -l <"$work/pids")" -ge 2 ]'
  kill -$signal $pid
  wait $pid 2>/dev/null
  code=$?
  check "after_sig${signal}_a_programs_children_are_gone" all 'gone "$work/pids"'
done

# --------------------------------------------------------------------------------------- no program

run run "$work/program.ini" --output "$work/none" --set 'command.run=pyhton3 program.py'
check a_program_that_is_not_there_is_refused all 'exits 2' 'complained "pyhton3"' 'complained "PATH"' '[ ! -e "$work/none" ]'
run check "$work/program.ini" --set 'command.run=./program.py'
check one_that_is_not_executable_is_refused all 'exits 2' 'complained "program.py is not executable: chmod +x it, or put before it what runs it"'
printf '#!/no/such/python\n' >"$work/wrong"
chmod +x "$work/wrong"
run run "$work/program.ini" --output "$work/wrong-out" --set 'command.run=./wrong'
check one_that_cannot_be_executed_ends_the_run all 'exits 1' 'complained "cannot be started: .*first line"' '[ "$(count "$work/wrong-out" FAIL)" -eq 0 ]'
for command in run check; do
  run $command "$work/program.ini" --set 'command.run=python3 no-such-file.py'
  check ${command}_looks_for_the_script all 'exits 2' 'complained "no-such-file.py is not there; it is looked for in $work"'
  run $command "$work/program.ini" --set 'command.run=python3 program.py | tee log'
  check ${command}_says_that_there_is_no_pipe all 'exits 2' 'complained "is no pipe here, since no shell reads this line"'
done
run run "$work/program.ini" --output "$work/missing" --set 'command.run=python3 -c "import no_such_module"'
check one_that_dies_at_its_start_ends_the_run_and_is_no_trials_failure all 'exits 1' \
  'complained "cannot be started: it ended (exit status 1) before it had read its first trial; its last words: .*no_such_module"' \
  '[ "$(count "$work/missing" FAIL)" -eq 0 ]' '[ "$(count "$work/missing" COMPLETE)" -eq 0 ]'
run run "$work/program.ini" --output "$work/x" --set command.run=
check no_command_is_refused all 'exits 2' 'complained "\[command\] run = PROGRAM"'
run run "$work/program.ini" --output "$work/x" --set experiment.direction=
check no_direction_is_refused all 'exits 2' 'complained "direction = maximize, or minimize"'

# ----------------------------------------------------------------------------------------- going on

run run "$work/program.ini" --output "$work/whole" --quiet
history "$work/whole" >"$work/history"
check a_whole_run_restarts_nothing all 'exits 0' '[ "$(count "$work/whole" COMPLETE)" -eq 12 ]' '[ ! -s "$work/err" ]'
run run "$work/program.ini" --output "$work/whole" --set "command.run=$python program.py 0.1"
check another_command_is_refused all 'exits 2' 'complained "command.run (was .*python.* program.py, is .*python.* program.py 0.1)"'
cp "$work/program.py" "$work/kept.py"

# Ctrl-C on a terminal reaches gsos alone; a second run goes on.  program.py takes a while, which
# decides nothing; not all trials end before they may.
out="$work/stopped"
: >"$work/hold"
: >"$work/pids"
rm -f "$work/interrupted"
python3 - "$gsos" "$work/program.ini" "$out" >"$work/out" 2>"$work/err" <<'END'
import os, pty, select, sqlite3, sys, time
pid, terminal = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], [sys.argv[1], "run", sys.argv[2], "--output", sys.argv[3], "--set", f"command.run={sys.executable} program.py 0.2"])
done = -1
while done < 3:  # some trials have ended, others run
    if select.select([terminal], [], [], 0.02)[0]:
        sys.stdout.write(os.read(terminal, 4096).decode(errors="replace"))
    try:
        done = sqlite3.connect(f"file:{sys.argv[3]}/study.db?mode=ro", uri=True).execute("SELECT count(*) FROM trials WHERE state = 'COMPLETE'").fetchone()[0]
    except sqlite3.Error:
        pass
os.write(terminal, b"\x03")
while True:
    try:
        text = os.read(terminal, 4096).decode(errors="replace")
    except OSError:
        break
    if not text:
        break
    sys.stdout.write(text)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
END
code=$?
check ctrl_c_reaches_gsos_alone all 'exits 130' 'grep -q "of 12 trials have ended and are kept" "$work/out"' '[ ! -e "$work/interrupted" ]' \
  '[ "$(count "$out" FAIL)" -eq 0 ]' '[ "$(count "$out" COMPLETE)" -lt 12 ]' '[ -s "$work/pids" ]' '! alive "$work/pids"'
rm "$work/hold"
run run "$work/program.ini" --output "$out" --quiet --set "command.run=$python program.py 0.2"
history "$out" >"$work/again"
run run "$work/program.ini" --output "$work/slow" --quiet --set "command.run=$python program.py 0.2"
history "$work/slow" >"$work/slow-history"
check what_was_stopped_ends_the_same all 'exits 0' 'cmp -s "$work/slow-history" "$work/again"'

# Killed at random moments, the last one with the program at work: no process is left, and what ended
# is kept.
out="$work/killed"
: >"$work/pids"
killed=0
while [ $killed -lt "$kills" ]; do
  "$gsos" run "$work/program.ini" --output "$out" --quiet --set "command.run=$python program.py 0.2" >/dev/null 2>&1 &
  pid=$!
  sleep "0.$(awk -v seed="$killed$$" 'BEGIN { srand(seed); printf "%03d", 50 + rand() * 500 }')"
  while [ $((killed + 1)) -eq "$kills" ] && [ ! -s "$work/pids" ] && kill -0 $pid 2>/dev/null; do sleep 0.1; done
  kill -KILL $pid 2>/dev/null
  wait $pid 2>/dev/null
  killed=$((killed + 1))
done
check after_kill_9_no_process_is_left all '[ -s "$work/pids" ]' 'gone "$work/pids"'
run run "$work/program.ini" --output "$out" --quiet --set "command.run=$python program.py 0.2"
history "$out" >"$work/again"
check what_was_killed_ends_the_same all 'exits 0' 'cmp -s "$work/slow-history" "$work/again"'

# One that hangs neither reads nor writes, and would not see that its pipes have ended.
: >"$work/pids"
"$gsos" run "$work/program.ini" --output "$work/hung" --quiet --set "command.run=$python program.py 1000" >/dev/null 2>&1 &
pid=$!
wait_until $pid '[ "$(wc -l <"$work/pids")" -ge 2 ]'
kill -KILL $pid
wait $pid 2>/dev/null
check after_kill_9_one_that_hangs_is_not_left all 'gone "$work/pids"'

# SIGTERM, as a batch system sends it, does not wait for one that hangs.
: >"$work/pids"
"$gsos" run "$work/program.ini" --output "$work/hung" --quiet --set "command.run=$python program.py 1000" >"$work/out" 2>"$work/err" &
pid=$!
wait_until $pid '[ "$(wc -l <"$work/pids")" -ge 2 ]'
kill -TERM $pid
wait $pid
code=$?
check sigterm_ends_one_that_hangs all 'exits 143' '! alive "$work/pids"' '[ "$(count "$work/hung" FAIL)" -eq 0 ]'

# Another program under the same name.
query "$work/whole" "UPDATE study_user_attributes SET value_json = 'false' WHERE key = 'gsos:finished'; DELETE FROM trials WHERE number = 11"
echo "# a change" >>"$work/program.py"
run run "$work/program.ini" --output "$work/whole" --quiet
check a_changed_program_is_refused_and_named all 'exits 2' 'complained "program.py [0-9a-f]*.*accept-change"'
cp "$work/kept.py" "$work/program.py"

# Also where it is not the first file of the line.
behind="command.run=env VAR=1 ./interpreter program.py"
printf '#!/bin/sh\nexec "%s" "$@"\n' "$python" >"$work/interpreter"
chmod +x "$work/interpreter"
run run "$work/program.ini" --output "$work/behind" --quiet --set "$behind"
check it_runs_behind_env all 'exits 0' '[ "$(count "$work/behind" COMPLETE)" -eq 12 ]' 'said "results depend on: env [0-9a-f]*, interpreter [0-9a-f]*, program.py [0-9a-f]*"'
query "$work/behind" "UPDATE study_user_attributes SET value_json = 'false' WHERE key = 'gsos:finished'; DELETE FROM trials WHERE number = 11"
echo "# a change" >>"$work/program.py"
run run "$work/program.ini" --output "$work/behind" --quiet --set "$behind"
check a_script_behind_others_is_noticed_too all 'exits 2' 'complained "program.py [0-9a-f]*.*accept-change"'
cp "$work/kept.py" "$work/program.py"

of() { # NAME PID: the end of what ran beside the rest
  wait "$2"
  code=$?
  cp "$1.out" "$work/out"
  cp "$1.err" "$work/err"
}
of "$work/buffered" $buffered
check what_was_never_flushed_is_asked_for all 'exits 1' \
  'said "timeout: took longer than 60 s; it has answered nothing for [0-9]* s: does it flush its output?"'
of "$work/silent" $silent
check a_silent_program_is_asked_whether_it_flushes all 'exits 1' 'complained "gsos: the program has answered nothing for 60 s: does it flush its output?"' \
  'said "timeout: took longer than 70 s; it has answered nothing for [0-9]* s: does it flush its output?"'
of "$work/silent-log" $silent_log
check the_log_has_an_event_for_that grep -q '"event":"notice","reason":"the program has answered nothing for 60 s' "$work/err"
asked() { grep -q "^gsos: the program has answered nothing for 60 s" "$work/silent-train.err"; }
wait_until $silent_train asked
kill -TERM $silent_train
of "$work/silent-train" $silent_train
check a_silent_program_in_training_is_asked_too asked

out="$work/failures"
wait $failing
code=$?
cp "$work/failing/out" "$work/failing/err" "$work"
check every_failure_is_the_trials_with_its_reason all 'exits 0' '[ "$(count "$out" COMPLETE)" -eq 5 ]' '[ "$(count "$out" FAIL)" -eq 7 ]' \
  'reason "$out" 1 | grep -q "^\"died: exit status 1; its last words: RuntimeError: the third wheel came off\"$"' \
  'reason "$out" 2 | grep -q "died: killed by signal 9 (Killed)"' \
  'reason "$out" 3 | grep -q "nonsense: line 1 of its answer is no JSON: loss 0.3"' \
  'reason "$out" 4 | grep -q "failed: no such wheel"' 'reason "$out" 5 | grep -q "timeout: took longer than 70 s"' \
  'reason "$out" 6 | grep -q "diverged: the value is nan"' 'reason "$out" 7 | grep -q "nonsense: line 1 of its answer is longer than"'
check failures_are_counted_and_restarts_told all 'said "failed trials: simultaneous 7 of 12 (2 died, 2 nonsense, 1 failed, 1 timeout, 1 diverged)"' \
  'said "timeout: 1 trial was ended by a clock"' 'complained "the program was started again 5 times"' 'narrow "$work/out"' 'narrow "$work/err"'
check epochs_are_those_that_it_told all '[ "$(epochs "$out" 0)" = 2:9.5,7:8.0 ]' '[ -z "$(epochs "$out" 1)" ]'
check no_process_is_left_after_the_end all '[ "$(wc -l <"$work/failing/pids")" -ge 6 ]' '! alive "$work/failing/pids"'
run show "$out"
check show_tells_the_reasons all 'exits 0' 'said "trial 1 failed: died: exit status 1; its last words: RuntimeError: the third wheel came off"'

cases_end
