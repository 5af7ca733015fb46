#!/bin/sh
# Whole runs with the CUDA trainer while devices are lost and their memory runs out, on devices
# that the harness plays (tests/cudacpu): the history stays that of an undisturbed run.  Needs
# BUILD/gsos-cudacpu (or $GSOS_CUDACPU), python3 and sqlite3.  Run from the project's root.  Prints
# a line "ok NAME" or "not ok NAME" for each test, and ends with "N passed, N failed".
# shellcheck disable=SC2016 # conditions are evaluated later
set -u
# shellcheck source=tests/cli/lib.sh
. tests/cli/lib.sh

gsos=${GSOS_CUDACPU:-$(dirname "${GSOS:-$PWD/build/gsos}")/gsos-cudacpu}
cases_begin faults
cases_need "$gsos" an_undisturbed_run

complained() { unwrapped "$work/err" | grep -q -e "$1"; }
count() { sqlite3 "$1/study.db" "SELECT count(*) FROM trials WHERE state $2"; }

small_for_cuda 0
cat >>"$work/small.ini" <<'END'
[scheduler]
devices = cuda
slots = 8
END
run() { # OUTPUT [OPTION]...
  out="$work/$1"
  shift
  call "$gsos" run "$work/small.ini" --output "$out" --quiet "$@"
}

run whole
history "$work/whole" >"$work/history"
check an_undisturbed_run all 'exits 0' '[ "$(count "$work/whole" "= '"'COMPLETE'"'")" -gt 10 ]'

# Pieces of work: copies and graphs.  The first ones bring the data set; a trial takes some fifty.
for after in 20 90 250; do
  export CUDACPU_LOSE="1:$after"
  run "lost-$after"
  check "trials_of_a_device_lost_after_${after}_pieces_of_work_go_to_another" all 'exits 0' 'complained "device 1 is lost now"' same '[ "$(count "$out" "IN ('"'RUNNING', 'WAITING'"')")" -eq 0 ]'
done

export CUDACPU_LOSE="0:130 1:290"
run both
check a_run_that_lost_all_devices_stops_and_says_so all 'exits 1' 'complained "no device is left that could go on"' \
  'complained "uncorrectable ECC error"' 'complained "the same command goes on"' '[ "$(count "$out" "= '"'RUNNING'"'")" -eq 0 ]' \
  '[ "$(count "$out" "= '"'FAIL'"'")" -eq 0 ]' '[ "$(count "$out" "= '"'COMPLETE'"'")" -lt 20 ]'
unset CUDACPU_LOSE
run both
check a_run_that_lost_all_devices_goes_on_to_the_same_history all 'exits 0' same

export CUDACPU_LOSE=1:0
run none
check a_run_goes_on_without_a_device_that_is_lost_before_the_start_and_says_so all 'exits 0' same 'complained "^gsos: cuda:1 is not used any more: "'
run one --set scheduler.devices=cuda:1
check a_run_whose_only_device_is_lost_says_so all 'exits 1' 'complained "uncorrectable ECC error\|cudaError"' '[ ! -e "$out/best.ini" ]'
unset CUDACPU_LOSE

# Allocations: one for each device, and less where there is not so much.
for n in 1 2; do
  export CUDACPU_FAIL_ALLOCATION=$n
  run "memory-$n"
  check "memory_that_runs_out_at_allocation_${n}_changes_nothing" all 'exits 0' 'complained "fault strikes now"' same
done
unset CUDACPU_FAIL_ALLOCATION
export CUDACPU_FREE_MIB=0
run nothing
check a_data_set_that_does_not_fit_is_named_with_its_device all 'exits 1' 'complained "device 0, .*data set"' '[ ! -e "$out/best.ini" ]'
unset CUDACPU_FREE_MIB

cases_end
