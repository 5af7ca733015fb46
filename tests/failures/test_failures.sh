#!/bin/sh
# `gsos run` in a world that goes wrong: the clock jumps, another program holds the database, the
# disk is full or read-only or hangs, a run on another host owns the output or takes it over, a
# trial diverges or takes too long.  What had ended is kept, and the run ends, at once or when the
# same command is given again, with the history of an undisturbed one.
#
# The world goes wrong by a library that is built here and preloaded
# (tests/failures/preload/world.c), and by small file systems in a user namespace; where there is
# no compiler or no such namespace, the tests that need it are skipped.  LOCK_S=30: another program
# holds the database for 30 s (4 by default).  Needs ./gsos (or $GSOS), python3 and sqlite3.  Run
# from the project's root.
# Not under a sanitizer: its runtime wants to be loaded before all else.
# Prints a line "ok NAME" or "not ok NAME" for each test, and ends with "N passed, N failed, N
# skipped".
# shellcheck disable=SC2016 # conditions are evaluated later
set -u
# shellcheck source=tests/cli/lib.sh
. tests/cli/lib.sh

gsos=${GSOS:-$PWD/gsos}
cases_begin failures
pid=

complained() { unwrapped "$work/err" | grep -q -e "$1"; }
query() { sqlite3 -cmd '.timeout 20000' "$out/study.db" "$1"; }
zero() { [ "$(query "$1")" -eq 0 ]; }
run() { # OPTION...: to $out
  call "$gsos" run "$work/small.ini" --output "$out" "$@"
}
begin() { # OPTION...: the same in the background, to be ended by `end`
  "$gsos" run "$work/small.ini" --output "$out" "$@" >"$work/out" 2>"$work/err" </dev/null &
  pid=$!
}
end() {
  wait "$pid"
  code=$?
}
until_true() { # "CONDITION": waits for it while the run lives
  wait_until "$pid" "$1"
}
begin_still() { # as begin, to go on with `when`
  sh -c 'kill -STOP $$; exec "$@"' sh "$gsos" run "$work/small.ini" --output "$out" >"$work/out" 2>"$work/err" </dev/null &
  pid=$!
}
# The run stands still while it is looked at, however fast it is.
cat >"$work/when.py" <<'END'
import glob, os, signal, sqlite3, subprocess, sys, time
path, pid, count, command = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]


def states():
    found = set()
    for name in glob.glob(f"/proc/{pid}/task/*/stat"):
        try:
            found.add(open(name).read().rsplit(") ", 1)[1][0])
        except OSError:  # a thread that has ended
            pass
    return found


def enough(db):
    try:
        db.execute("BEGIN IMMEDIATE")
        if db.execute("SELECT count(*) FROM trials WHERE state = 'COMPLETE'").fetchone()[0] >= count:
            return True
    except sqlite3.OperationalError:  # the run holds the lock, or its tables are being made
        pass
    if db.in_transaction:
        db.execute("ROLLBACK")
    return False


db = None
while states() - {"Z"}:
    while states() - {"T", "Z"}:
        time.sleep(0.001)
        if db:  # at the beginning it stops by itself
            os.kill(pid, signal.SIGSTOP)
    db = db or (sqlite3.connect(path, isolation_level=None, timeout=0) if os.path.exists(path) else None)
    if db and enough(db):
        if command.startswith("INSERT"):
            db.execute(command)
            db.execute("COMMIT")
        elif command.startswith("kill "):
            subprocess.run(command, shell=True)
            time.sleep(0.2)  # longer than the run waits from one look at its signals to the next
        else:
            os.kill(pid, signal.SIGCONT)
            subprocess.run(command, shell=True)
        os.kill(pid, signal.SIGCONT)
        sys.exit(0)
    os.kill(pid, signal.SIGCONT)
    time.sleep(0.01)
    os.kill(pid, signal.SIGSTOP)
sys.exit(f"the run ended before {count} trials had")
END
when() { # COUNT COMMAND: once COUNT trials have ended, COMMAND, or an INSERT, while the run cannot commit anything
  python3 "$work/when.py" "$out/study.db" "$pid" "$1" "$2" || echo "# when $1: the run was not stopped"
}

data="$work/data"
python3 tests/cli/small_images.py "$data" 16 14 1 4 400 80 0 || exit 1
cat >"$work/small.ini" <<END
[experiment]
trials = 8
seed = 3
strategies = grouped, simultaneous
sampler = tpe
$(dataset_section "$data")
[model]
filters = 8
[space]
epoch = int 4 .. 12 default 8
num_conv_layers = int 1 .. 2 default 1
[tpe]
startup = 2
[scheduler]
slots = 2
END
out="$work/whole"
run --quiet
history "$out" >"$work/history"
check an_undisturbed_run exits 0

# --------------------------------------------------------------------------------- trials that fail

out="$work/diverged"
run --quiet --set 'space.lr=float 1e-3 .. 1e8 log default 0.003' --set scheduler.stop_if_all_fail=no
check a_loss_that_is_not_finite_fails_the_trial_and_not_the_run all 'exits 0' 'said "diverged"' \
  '[ "$(query "SELECT count(*) FROM trials")" -eq 16 ]' \
  '[ "$(query "SELECT count(*) FROM trials JOIN trial_user_attributes USING (trial_id) WHERE state = '"'FAIL' AND key = 'gsos:reason' AND value_json LIKE '%diverged: the % loss of epoch % is not finite%'"'")" -gt 0 ]' \
  'zero "SELECT count(*) FROM trials JOIN trial_values USING (trial_id) WHERE state = '"'FAIL'"'"'

out="$work/timeout"
run --quiet --set 'space.epoch=int 1 .. 100000 default 100000' --set experiment.trials=3 --set scheduler.timeout=0.3s --set tpe.startup=3 \
  --set experiment.strategies=simultaneous
check a_trial_that_takes_too_long_fails_and_the_tables_say_so all 'exits 1' 'said "timeout: 3 trials were ended by a clock"' \
  'complained "no trial has succeeded: 3 failed"' \
  '[ "$(query "SELECT count(*) FROM trials JOIN trial_user_attributes USING (trial_id) WHERE state = '"'FAIL' AND key = 'gsos:reason' AND value_json LIKE '%timeout: took longer than 0.3 s%'"'")" -eq 3 ]'

# --------------------------------------------------------------------------- another program's lock

out="$work/locked"
begin_still
when 2 "sleep ${LOCK_S:-4}"
end
check a_lock_of_another_program_is_waited_for_and_told all 'exits 0' same 'complained "waiting for another program to release the study database"'

out="$work/read"
begin_still
when 2 :
python3 - "$out/study.db" $pid <<'END' &
import os, sqlite3, sys, time
db = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=20)
db.execute("BEGIN")
n = db.execute("SELECT count(*) FROM trials WHERE state = 'COMPLETE'").fetchone()
while os.path.exists(f"/proc/{sys.argv[2]}/fd/0"):
    time.sleep(0.05)
if db.execute("SELECT count(*) FROM trials WHERE state = 'COMPLETE'").fetchone() != n:
    sys.exit("it saw what came later")
END
# shellcheck disable=SC2034 # used in a condition
reader=$!
end
check a_reader_that_stays_delays_nobody all 'exits 0' same 'wait $reader'

# ----------------------------------------------------------------------------------- a batch system

long='--set=space.epoch=int 4 .. 100000 default 100000'
out="$work/term"
begin "$long"
until_true 'query "SELECT 1 FROM trial_intermediate_values" 2>/dev/null | grep -q 1'
kill -TERM "$pid"
for _ in $(seq 600); do # as it does to what has not ended
  kill -0 "$pid" 2>/dev/null || break
  sleep 0.1
done
kill -KILL "$pid" 2>/dev/null
end
check sigterm_ends_a_run_in_time_and_leaves_no_trial_that_seems_to_run all 'exits 143' \
  'complained "trials have ended and are kept; the same command goes on"' 'zero "SELECT count(*) FROM trials WHERE state = '"'RUNNING'"'"' \
  '[ "$(query "SELECT count(*) FROM trials WHERE state = '"'WAITING' AND datetime_start IS NULL"'")" -gt 0 ]' \
  '[ "$(query "SELECT count(*) FROM trial_intermediate_values JOIN trials USING (trial_id) WHERE state = '"'WAITING'"'")" -gt 0 ]' \
  '[ "$(find "$out/states" -name "*.state" | wc -l)" -gt 0 ]' \
  'zero "SELECT count(*) FROM study_system_attributes WHERE key = '"'gsos:owner'"'"'

out="$work/stopped"
begin_still
when 3 "kill -TERM $pid"
end
check a_run_stops_in_the_middle all 'exits 143'
run --quiet
check what_sigterm_stopped_ends_the_same all 'exits 0' same

# ------------------------------------------------------------------------------------------- owners

owner() { # HOST AGE_S: what writes an owner on another host, heard of so long ago
  echo "INSERT OR REPLACE INTO study_system_attributes (study_id, key, value_json) SELECT min(study_id), 'gsos:owner',
    json_object('host', '$1', 'boot', 'another', 'pid_namespace', 'pid:[1]', 'pid', 4711, 'start', 99, 'token', 'ff',
    'heartbeat', strftime('%Y-%m-%d %H:%M:%f000', 'now', '-$2 seconds')) FROM studies"
}
out="$work/owned"
begin_still
when 3 "kill -INT $pid"
end
query "$(owner elsewhere 30)"
history "$out" >"$work/before"
run
history "$out" >"$work/again"
check an_output_that_another_host_works_on_is_refused_and_left all 'exits 1' 'complained "process 4711 on host elsewhere, last heard of [0-9]* s ago"' \
  'complained "take-over"' 'cmp -s "$work/before" "$work/again"'
query "$(owner elsewhere 130)"
run --quiet
check an_owner_on_another_host_that_was_silent_for_two_minutes_is_dead all 'exits 0' same

out="$work/taken"
begin_still
when 2 "$(owner elsewhere 0)"
end
check a_run_that_is_taken_over_stops_and_says_by_whom all '! exits 0' 'complained "process 4711 on host elsewhere has taken this output over"' \
  '[ "$(query "SELECT json_extract(value_json, '"'\$.host'"') FROM study_system_attributes WHERE key = '"'gsos:owner'"'")" = elsewhere ]'
run --quiet --take-over
check an_output_that_is_taken_over_goes_on_to_the_same_history all 'exits 0' same

# ------------------------------------------------------------------------------------------ folders

out="$work/file"
mkdir "$out"
: >"$out/networks"
run
check a_file_in_the_place_of_the_networks_is_told_before all 'exits 2' 'complained "$out/networks: is no folder"' '[ ! -e "$out/study.db" ]'
rm "$out/networks" && mkdir "$out/networks" && : >"$out/networks/grouped-0" && : >"$out/networks/simultaneous-0"
run
check a_folder_for_networks_that_cannot_be_made_stops_the_run all 'exits 1' 'complained "$out/networks/.*: cannot be made"' 'complained "are kept"'
rm -r "$out/networks"
run --quiet
check when_the_folder_can_be_made_it_goes_on all 'exits 0' same

out="$work/report"
begin_still
when 1 "mkdir $out/report.txt"
end
check a_report_that_cannot_be_written_is_a_failure_that_names_it all 'exits 1' 'complained "$out/report.txt: cannot be replaced"'
rmdir "$out/report.txt"
run --quiet
check when_the_report_can_be_written_it_is all 'exits 0' same '[ -s "$out/report.txt" ]'

# A small file system of one's own; what runs there is judged by its exit status alone and by what
# it leaves in $work.
if unshare -rm sh -c 'mount -t tmpfs tmpfs "$1"' sh "$work/cache" 2>/dev/null; then
  mkdir "$work/disk"
  cat >"$work/full.sh" <<'END'
# GSOS WORK KIB: a disk of KIB KiB is full, and then has room again
mount -t tmpfs -o size=8m tmpfs "$2/disk" || exit 99
head -c $((8 * 1024 * 1024 - $3 * 1024)) /dev/zero >"$2/disk/filler"
"$1" run "$2/small.ini" --output "$2/disk/out" >"$2/out" 2>"$2/err" </dev/null
code=$?
[ $code -eq 1 ] || exit $((100 + code))
rm "$2/disk/filler"
"$1" run "$2/small.ini" --output "$2/disk/out" --quiet >>"$2/out" 2>>"$2/err" </dev/null || exit 98
cp -r "$2/disk/out" "$2/full-$3"
END
  for kib in 20 180 500; do
    unshare -rm sh "$work/full.sh" "$gsos" "$work" $kib
    code=$?
    out="$work/full-$kib"
    check "a_disk_with_room_for_${kib}_KiB_stops_the_run_and_when_there_is_more_it_goes_on" all 'exits 0' same 'complained "disk is full\|No space left"'
  done

  cat >"$work/read-only.sh" <<'END'
# GSOS WORK: an output that was begun, on a disk that has become read-only, and a new one there
mount -t tmpfs -o size=8m tmpfs "$2/disk" && cp -r "$2/stopped-copy" "$2/disk/begun" && mount -o remount,bind,ro "$2/disk" || exit 99
"$1" run "$2/small.ini" --output "$2/disk/begun" >"$2/out" 2>"$2/err" </dev/null
[ $? -eq 1 ] || exit 97
"$1" run "$2/small.ini" --output "$2/disk/new" >>"$2/out" 2>>"$2/err" </dev/null
[ $? -eq 1 ] || exit 98
END
  cp -r "$work/stopped" "$work/stopped-copy"
  query "UPDATE study_user_attributes SET value_json = 'false' WHERE key = 'gsos:finished'"
  unshare -rm sh "$work/read-only.sh" "$gsos" "$work"
  code=$?
  check a_disk_that_cannot_be_written_is_named all 'exits 0' 'complained "$work/disk/begun/study.db: cannot be opened (Read-only file system): it may not be written; make"' \
    'complained "output folder $work/disk/new cannot be made: Read-only file system"'
else
  skip a_disk_that_is_full "no file system can be mounted in a user namespace here"
  skip a_disk_that_cannot_be_written "no file system can be mounted in a user namespace here"
fi

# -------------------------------------------------------------------------- a world that goes wrong

world="$work/world.so"
if ! ${CC:-cc} -D_GNU_SOURCE -O1 -shared -fPIC -o "$world" tests/failures/preload/world.c -ldl 2>"$work/cc"; then
  skip a_clock_that_jumps "no compiler here: $(head -n 1 "$work/cc")"
  skip a_disk_that_is_full_in_the_middle "no compiler here"
  skip a_disk_that_hangs "no compiler here"
else
  real=$gsos
  cat >"$work/gsos" <<END
#!/bin/sh
LD_PRELOAD=$world WORLD_CLOCK=$work/clock WORLD_FULL=$work/full WORLD_STUCK=$work/stuck WORLD_ALARM=$work/alarm exec $real "\$@"
END
  chmod +x "$work/gsos"
  gsos="$work/gsos"

  # Jumps of a day, backwards and forwards, while trials run that have a time limit.
  out="$work/clock-run"
  echo jumps 5 >"$work/clock"
  begin --set scheduler.timeout=1h --set experiment.time_limit=2h
  end
  : >"$work/clock"
  check a_clock_that_jumps_changes_no_result all 'exits 0' same
  check a_clock_that_jumps_puts_no_end_before_its_start all 'zero "SELECT count(*) FROM trials WHERE datetime_complete < datetime_start"' \
    '[ "$(query "SELECT count(DISTINCT date(datetime_start)) FROM trials")" -ge 3 ]'
  out="$work/clock-epochs"
  begin "$long"
  until_true 'query "SELECT 1 FROM trial_intermediate_values" 2>/dev/null | grep -q 1'
  echo -86400 >"$work/clock"
  sleep 0.1
  committed() { query "SELECT count(*) FROM trial_intermediate_values"; }
  committed >"$work/before"
  until_true '[ "$(committed)" -gt "$(cat "$work/before")" ]'
  check epochs_are_committed_after_a_clock_was_put_back kill -TERM "$pid"
  end
  rm "$work/clock"

  # No room in the middle of a run, for the database or for a network, and at its end, for what it
  # writes then.
  out="$work/middle-database"
  begin_still
  when 3 "echo study.db >$work/full"
  end
  rm "$work/full"
  check no_room_for_the_database_in_the_middle_stops_the_run all 'exits 1' 'complained "disk is full\|cannot grow"' 'complained "are kept"'
  run --quiet
  check no_room_for_the_database_in_the_middle_loses_nothing all 'exits 0' same
  out="$work/middle-network"
  echo safetensors.tmp >"$work/full"
  run
  rm "$work/full"
  check no_room_for_a_network_stops_the_run all 'exits 1' 'complained "safetensors.*No space left on device"' 'complained "are kept"' \
    'zero "SELECT count(*) FROM trials WHERE state = '"'COMPLETE'"'"'
  run --quiet
  check no_room_for_a_network_loses_nothing all 'exits 0' same
  for part in best.ini.tmp report.txt.tmp trials.csv.tmp; do
    out="$work/end-${part%.*.*}"
    echo "$part" >"$work/full"
    run
    rm "$work/full"
    check "no_room_for_${part}_is_a_failure_that_names_it" all 'exits 1' 'complained "$part: cannot be written: No space left on device"' \
      '[ ! -e "$out/$part" ]' '[ ! -s "$work/out" ]'
    run --quiet
    check "when_there_is_room_for_${part}_it_is_written" all 'exits 0' same '[ -s "$out/${part%.tmp}" ]'
  done

  # A disk that does not answer: the run cannot end by itself.
  out="$work/stuck-run"
  begin_still
  when 3 "echo $out/ >$work/stuck"
  kill -TERM "$pid"
  end
  rm "$work/stuck"
  check a_run_that_hangs_ends_after_sigterm_all_the_same all 'exits 143' 'complained "something does not end"' '[ "$(cat "$work/alarm")" -lt 10 ]'
  run --quiet
  check what_hung_goes_on_to_the_same_history all 'exits 0' same
fi

cases_end
