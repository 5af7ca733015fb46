#!/bin/sh
# Several ranks from the outside: `mpirun -np N gsos run FILE.ini` with 2, 4 and 8 ranks on this
# machine, and on two hosts that are network namespaces with addresses of their own: the history is
# that of one box; what comes of a rank that dies, of rank 0 that dies, of a stop, of a rank with
# another processor, another data set, or none.  With the CUDA trainer on devices that the harness
# plays (tests/cudacpu), where BUILD/gsos-cudacpu (or $GSOS_CUDACPU) is built.
#
# Where there is no Open MPI, or gsos was built without, what it says is tested and the rest skipped.
# Needs ./gsos (or $GSOS), python3 and sqlite3; for hosts and for another rank's own view of the data also
# unshare and ip, as root.  Run from the project's root.
# Not under a sanitizer: Open MPI keeps what it has allocated until the process ends.
# Prints a line "ok NAME" or "not ok NAME" for each test, and ends with "N passed, N failed, N
# skipped".
# shellcheck disable=SC2016 # conditions are evaluated later
set -u
# shellcheck source=tests/cli/lib.sh
. tests/cli/lib.sh

gsos=${GSOS:-$PWD/gsos}
cases_begin boxes
cases_need "$gsos" gsos_boxes
# Open MPI asks root for this; it is to use this machine alone, and say nothing of what it lacks.
# Where there is no /sys, Open MPI's hwloc says so in each rank.
export HWLOC_HIDE_ERRORS=2 OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1 \
  OMPI_MCA_btl_base_warn_component_unused=0 OMPI_MCA_orte_tmpdir_base="$work"
# Whoever runs this may be a rank itself.
unset OMPI_COMM_WORLD_SIZE SLURM_STEP_NUM_TASKS PMI_SIZE

complained() { unwrapped "$work/err" | grep -q -e "$1"; }
query() { sqlite3 -cmd '.timeout 20000' "$1/study.db" "$2"; }
ended() { query "$1" "SELECT count(*) FROM trials WHERE state = 'COMPLETE'" 2>/dev/null || echo 0; }

cat >"$work/curve.ini" <<'TEXT'
[experiment]
objective = function
strategies = simultaneous
sampler = tpe
trials = 20
rounds = 2
[function]
name = curve
[space]
lr = float 1e-4 .. 1 log default 0.001
epoch = int 4 .. 6 default 5
width = int 8 .. 64 default 16
dropout = float 0 .. 0.9 default 0
schedule = categorical constant, cosine, step default constant
[scheduler]
parallel = 4
TEXT

# ------------------------------------------------------------------------------------ without MPI

call env OMPI_COMM_WORLD_SIZE=2 OMPI_COMM_WORLD_RANK=1 "$gsos" --version
check only_a_run_and_a_study_ask_for_other_ranks all 'exits 0' 'silent'
call env SLURM_NTASKS=4 "$gsos" run "$work/curve.ini" --output "$work/batch" --quiet --set experiment.trials=2
check a_batch_script_itself_is_no_rank all 'exits 0'
call env PMI_SIZE=2 PMI_RANK=0 "$gsos" run "$work/curve.ini" --output "$work/none"
if complained 'built without MPI'; then
  check without_mpi_it_says_what_is_missing all 'exits 2' 'complained "apt-get install libopenmpi-dev openmpi-bin, then make"'
  skip several_ranks_on_this_machine 'this gsos was built without MPI'
  cases_end
  exit
fi
if ! command -v mpirun >/dev/null; then
  skip several_ranks_on_this_machine 'there is no mpirun'
  cases_end
  exit
fi
check a_launcher_that_mpi_does_not_know_is_named all 'exits 2' 'complained "2 ranks were started, but Open MPI knows of 1"' \
  '[ ! -e "$work/none" ]'

# ----------------------------------------------------------------------------- on this machine

ranks() { # N OPTION...: gsos run of $ini to $out
  n=$1
  shift
  call mpirun -np "$n" "$gsos" run "$ini" --output "$out" "$@"
}
begin() { # N OPTION...: the same in the background; ended by `end`
  n=$1
  shift
  mpirun -np "$n" "$gsos" run "$ini" --output "$out" "$@" >"$work/out" 2>"$work/err" </dev/null &
  pid=$!
}
end() {
  wait "$pid"
  code=$?
}
same_history() { history "$1" | cmp - "$work/history"; }
# The processes of a rank, by what mpirun has put into their environment.
rank_pid() { # RANK
  grep -lsxz "OMPI_COMM_WORLD_RANK=$1" /proc/[0-9]*/environ | while read -r found; do
    p=${found#/proc/} p=${p%/environ}
    case $(tr '\0' ' ' 2>/dev/null <"/proc/$p/cmdline") in "$gsos run "*"$out"*) echo "$p" ;; esac
  done
}

ini="$work/curve.ini"
call "$gsos" run "$ini" --output "$work/whole" --quiet
history "$work/whole" >"$work/history"
for n in 2 4 8; do
  out="$work/ranks-$n"
  ranks "$n"
  check "history_of_${n}_ranks_is_that_of_one" all 'exits 0' "same_history '$out'" \
    "complained '$n ranks on 1 host: [1-9][0-9]* of 40 trials were not rank 0'" 'complained "bytes each"' 'narrow "$work/err"'
done
out="$work/ranks-2"
ranks 2 --quiet
check what_has_ended_needs_no_other_rank all 'exits 0' 'silent' "same_history '$out'"
ranks 3 --no-such-option
check a_wrong_option_is_said_once all 'exits 2' '[ "$(grep -c "unrecognized option" "$work/err")" -eq 1 ]'

# A study of importance: its trials on both ranks, what is printed and written once.
call "$gsos" study "$ini" --output "$work/study-whole" --quiet
call mpirun -np 2 "$gsos" study "$ini" --output "$work/study-ranks"
check a_study_of_two_ranks_is_that_of_one all 'exits 0' 'cmp "$work/study-whole/importance.csv" "$work/study-ranks/importance.csv"' \
  '[ "$(grep -c "^Weights by" "$work/out")" -eq 1 ]' 'complained "2 ranks on 1 host: [1-9][0-9]* of 20 trials were not rank 0"'

out="$work/log"
ranks 3 --log json
cat >"$work/log.py" <<'TEXT'
import json, sys
events = [json.loads(line) for line in open(sys.argv[1]) if line.startswith("{")]
begun = [e for e in events if e["event"] == "trial_begin"]
assert events[0]["event"] == "run_begin" and "run_end" in [e["event"] for e in events[-2:]], events[-1]
assert len(begun) == 40 and {e["device"] for e in begun} == {0, 1, 2}, {e["device"] for e in begun}
names = {e["args"]["name"] for e in json.load(open(sys.argv[2])) if e["name"] == "process_name"}
assert len(names) == 3 and {n[n.rindex(","):] for n in names} == {", rank 0 cpu", ", rank 1 cpu", ", rank 2 cpu"}, names
TEXT
check the_log_and_the_timeline_tell_the_ranks all 'exits 0' 'python3 "$work/log.py" "$work/err" "$out/timeline.json"'

# ------------------------------------------------------------------------------ stops and deaths

# As soon as three trials have ended, with rank 0 standing still, so that the run cannot have.
begin_and() { # COMMAND...; $lead is rank 0's process
  begin 3
  wait_until "$pid" '[ -n "$(rank_pid 0)" ]'
  lead=$(rank_pid 0)
  do_when "$lead" '[ "$(ended "$out")" -ge 3 ]' "$@"
  end
}
kill_rank() { kill "-$2" "$(rank_pid "$1")"; } # RANK SIGNAL

goes_on() { # N: to the history of an undisturbed run
  ranks "$1" --quiet
  exits 0 && same_history "$out"
}
# Of rank 0, as srun and a batch system send it: mpirun, which is sent it, leaves the ranks a second of its own clock.
out="$work/stopped"
begin_and kill_rank 0 TERM
check sigterm_keeps_the_trials_that_run all '[ "$code" -ne 0 ]' 'complained "stopped: [0-9]* of 40 trials have ended and are kept"' \
  'complained "and with [1-9] trials* that ran where"' '[ -n "$(ls "$out/states")" ]'
check what_ranks_have_stopped_goes_on_alone all 'call "$gsos" run "$ini" --output "$out" --quiet; exits 0' 'same_history "$out"'

out="$work/signalled"
begin_and kill_rank 1 TERM
check a_rank_that_is_asked_to_stop_stops_the_run all '[ "$code" -ne 0 ]' 'complained "stopped: [0-9]* of 40 trials"'
check and_it_goes_on goes_on 2

# One that stands still keeps its trial, and the others go on with theirs.
out="$work/slow"
begin 3
wait_until "$pid" '[ "$(ended "$out")" -ge 1 ]'
slow=$(rank_pid 1)
kill -STOP "$slow"
wait_until "$pid" '[ "$(ended "$out")" -ge 10 ]'
kill -CONT "$slow"
end
check a_slow_rank_holds_up_its_trial_alone all 'exits 0' 'same_history "$out"'

for rank in 1 0; do
  out="$work/killed-$rank"
  begin_and kill_rank $rank KILL
  kept=$(ended "$out")
  check "rank_${rank}_that_dies_ends_the_job" all '[ "$code" -ne 0 ]' "[ $kept -ge 3 ]" "[ $kept -lt 40 ]"
  check "nothing_is_lost_with_rank_${rank}" goes_on 3
done

# --------------------------------------------------------------------------------- a network's data

data="$work/data"
python3 tests/cli/small_images.py "$data" 12 12 1 4 80 40 0 || exit 1
cat >"$work/cnn.ini" <<TEXT
[experiment]
trials = 8
strategies = simultaneous
sampler = random
$(dataset_section "$data")
[scheduler]
devices = cpu
[model]
filters = 8
[space]
epoch = int 1 .. 2 default 2
num_conv_layers = int 1 .. 2 default 1
num_fc_units = int 16 .. 32 default 16
TEXT
ini="$work/cnn.ini"
call "$gsos" run "$ini" --output "$work/whole" --fresh --quiet
history "$work/whole" >"$work/history"
out="$work/cnn-ranks"
ranks 4
check networks_of_ranks_are_those_of_one_box all 'exits 0' same

# Rank 1 is begun by another command, so that it has another processor, or other data under the same path.
two() { # "COMMAND BEFORE gsos OF RANK 1" OPTION...
  before=$1
  shift
  # shellcheck disable=SC2086 # words of a command
  call mpirun -np 1 "$gsos" run "$ini" --output "$out" "$@" : -np 1 $before "$gsos" run "$ini" --output "$out" "$@"
}
out="$work/unlike"
two 'env GSOS_ISA=baseline'
check a_rank_with_another_processor_is_refused_and_both_are_named all 'exits 1' 'complained "rank 1 (.*) has cpu, .*; rank 0 (.*) has cpu, "' \
  'complained "unlike_ranks = leave_out"' '[ ! -e "$out" ]'
two 'env GSOS_ISA=baseline' --set scheduler.unlike_ranks=leave_out
check or_left_out all 'exits 0' same 'complained "left out: rank 1 "'

if unshare -m true 2>/dev/null; then
  python3 tests/cli/small_images.py "$work/other" 12 12 1 4 84 40 0 || exit 1
  mkdir "$work/empty"
  elsewhere() { # FOLDER: in place of the data
    printf '#!/bin/sh\nmount --bind "%s" "%s" && exec "$@"\n' "$1" "$data" >"$1.sh"
    echo "unshare -m sh $1.sh"
  }
  out="$work/other-data"
  two "$(elsewhere "$work/other")"
  check a_rank_with_another_data_set_is_refused all 'exits 1' 'complained "rank 1 (.*) has cpu, .*data set [0-9a-f]*.*; rank 0 (.*) has"'
  out="$work/no-data"
  two "$(elsewhere "$work/empty")"
  check a_rank_that_cannot_read_the_data_is_named all '[ "$code" -ne 0 ]' 'complained "rank 1 (.*): .*train-images"'
  two "$(elsewhere "$work/empty")" --set scheduler.unlike_ranks=leave_out
  check or_it_goes_on_without_it all 'exits 0' same 'complained "left out: rank 1 "'
else
  skip a_rank_with_another_data_set_is_refused 'no mount of its own can be had here'
fi

# ----------------------------------------------------------------------------------- on two hosts

alpha=gsos-a-$$ beta=gsos-b-$$
hosts_end() {
  ip netns del "$alpha" 2>/dev/null
  ip netns del "$beta" 2>/dev/null
}
hosts_begin() { # false where there can be none
  ip netns add "$alpha" && ip netns add "$beta" && unshare -u true &&
    ip link add "va$$" netns "$alpha" type veth peer name "vb$$" netns "$beta" &&
    ip -n "$alpha" address add 10.213.7.1/24 dev "va$$" && ip -n "$beta" address add 10.213.7.2/24 dev "vb$$" &&
    ip -n "$alpha" link set "va$$" up && ip -n "$beta" link set "vb$$" up &&
    ip -n "$alpha" link set lo up && ip -n "$beta" link set lo up
}
if command -v ip >/dev/null && hosts_begin 2>/dev/null; then
  # In place of ssh, HOST COMMAND: there is one other host.
  cat >"$work/agent" <<TEXT
#!/bin/sh
shift
exec ip netns exec $beta unshare -u sh -c 'hostname beta && exec sh -c "\$*"' sh "\$@"
TEXT
  chmod +x "$work/agent"
  out="$work/hosts"
  call ip netns exec "$alpha" unshare -u sh -c 'hostname alpha && exec "$@"' sh mpirun -np 2 --map-by node \
    --mca plm_rsh_agent "$work/agent" --mca btl self,tcp --mca btl_tcp_if_include 10.213.7.0/24 \
    --mca oob_tcp_if_include 10.213.7.0/24 --host 10.213.7.1:1,10.213.7.2:1 "$gsos" run "$ini" --output "$out"
  check two_hosts_find_what_one_does all 'exits 0' same 'complained "2 ranks on 2 hosts"' \
    'grep -q "alpha cpu" "$out/timeline.json"' 'grep -q "beta cpu" "$out/timeline.json"'
else
  skip two_hosts_find_what_one_does 'no network namespaces can be had here'
fi
hosts_end

# ------------------------------------------------------------------------- devices of the harness

cuda=${GSOS_CUDACPU:-$(dirname "$gsos")/gsos-cudacpu}
if [ -x "$cuda" ]; then
  small_for_cuda 3
  set -- "$cuda" run "$work/small.ini" --set scheduler.devices=cuda --set experiment.trials=4
  call "$@" --output "$work/cuda-whole" --quiet
  history "$work/cuda-whole" >"$work/history"
  out="$work/cuda-ranks"
  call mpirun -np 2 "$@" --output "$out"
  check devices_of_ranks_find_what_those_of_one_box_do all 'exits 0' 'same_history "$out"' \
    'cmp "$work/cuda-whole/best.safetensors" "$out/best.safetensors"' 'grep -q "rank 1 cuda:" "$out/timeline.json"'

  # SIGTERM as soon as a trial has ended: where the others stand then is chance, what comes of them is not.
  gsos=$cuda ini="$work/small.ini" out="$work/cuda-stopped"
  sed -i -e 's/^trials = .*/trials = 2/' -e 's/^epoch = .*/epoch = int 1 .. 6 default 1/' -e 's/^num_conv_layers = .*/num_conv_layers = 1/' \
    -e 's/^repeats = .*/repeats = 0/' "$ini"
  printf '[scheduler]\ndevices = cuda\n' >>"$ini"
  call "$cuda" run "$ini" --output "$work/cuda-whole" --fresh --quiet
  history "$work/cuda-whole" >"$work/history"
  begin 2
  wait_until "$pid" '[ -n "$(rank_pid 0)" ]'
  do_when "$(rank_pid 0)" '[ "$(ended "$out")" -ge 1 ]' kill_rank 0 TERM
  end
  ranks 2 --quiet
  check what_sigterm_stopped_on_devices_goes_on all 'exits 0' 'same_history "$out"' 'cmp "$work/cuda-whole/best.safetensors" "$out/best.safetensors"'
else
  skip devices_of_ranks_find_what_those_of_one_box_do "$cuda is not built"
fi

cases_end
