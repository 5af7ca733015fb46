#!/bin/sh
# Whole runs with the CUDA trainer, on devices that the harness plays (tests/cudacpu): two devices,
# cohorts and streams give the history of one device and trials one by one; what stops goes on;
# what is lost runs elsewhere.  Needs BUILD/gsos-cudacpu (or $GSOS_CUDACPU), python3 and sqlite3.
# Run from the project's root.
# Prints a line "ok NAME" or "not ok NAME" for each test, and ends with "N passed, N failed".
# shellcheck disable=SC2016 # conditions are evaluated later
set -u
# shellcheck source=tests/cli/lib.sh
. tests/cli/lib.sh

gsos=${GSOS_CUDACPU:-$(dirname "${GSOS:-$PWD/build/gsos}")/gsos-cudacpu}
plain=${GSOS:-$PWD/build/gsos}
cases_begin cuda
cases_need "$gsos" a_run_on_one_device

run() { call "$@"; } # PROGRAM ARGUMENT...

small_for_cuda 2

run "$gsos" run "$work/small.ini" --output "$work/one" --set scheduler.devices=cuda:0 --set scheduler.slots=1
history "$work/one" >"$work/history"
check a_run_on_one_device all 'exits 0' 'said "^Table 3"' 'said "^  device time: the trials. shares"' 'complained "cuda, CUDA on the CPU"' '[ -s "$work/one/best.safetensors" ]' \
  'grep -q "images trained</th><th class=.n.>work to best</th><th class=.n.>work</th><th class=.n.>device time to best</th><th class=.n.>device time" "$work/one/report.html"' \
  'grep -q "images</th><th class=.n.>TFLOP</th><th class=.n.>device seconds</th>" "$work/one/report.html"' \
  'grep -q "^set xlabel .device time, [a-z]*.$" "$work/one/plots/plots.gp"' \
  '[ "$(sqlite3 "$work/one/study.db" "SELECT count(*) FROM trials WHERE state = '"'COMPLETE'"'")" -gt 10 ]'
run "$gsos" run "$work/small.ini" --output "$work/two" --set scheduler.devices=cuda --set scheduler.slots=16
history "$work/two" >"$work/again"
check cohorts_of_four_on_two_devices_and_two_streams_make_the_same_history all 'exits 0' 'complained "16 at once\|8 at once"' \
  'cmp -s "$work/history" "$work/again"' 'cmp -s "$work/one/best.safetensors" "$work/two/best.safetensors"'
run "$gsos" check "$work/small.ini" --set scheduler.slots=16
check slots_that_are_given_are_shared_out_whatever_trials_take all 'exits 0' \
  'said "^  [24] on each GPU, of up to [24] trials each whatever they take"'
# As they come: cohorts filled by what their trials take, in their own number of streams.
by_weight() { # PROGRAM ARGUMENT...
  run "$@" --set 'space.batch_size=ordinal 16, 64 default 16' --set experiment.sampler=random --set scheduler.parallel=16
}
by_weight "$gsos" run "$work/small.ini" --output "$work/alone" --set scheduler.devices=cuda:0 --set scheduler.slots=1 --quiet
history "$work/alone" >"$work/alone.txt"
by_weight "$gsos" check "$work/small.ini"
check check_tells_how_many_trials_fill_a_cohort all 'exits 0' narrow 'said "^  [24] on each GPU, side by side, each filled"' \
  'said "^    [0-9]* trials* *like the default$"' 'said "^    [0-9]* trials* *like that of the most work$"'
by_weight "$gsos" run "$work/small.ini" --output "$work/weighed"
history "$work/weighed" >"$work/again"
check heavy_and_light_trials_make_the_history_of_one_by_one all 'exits 0' 'complained "up to [0-9]* at once"' \
  '[ -s "$work/alone.txt" ]' 'cmp -s "$work/alone.txt" "$work/again"' \
  'cmp -s "$work/alone/best.safetensors" "$work/weighed/best.safetensors"'
run env CUDACPU_ORDER=shuffled CUDACPU_SEED=7 "$gsos" run "$work/small.ini" --output "$work/shuffled" --set scheduler.slots=5
history "$work/shuffled" >"$work/again"
check threads_and_blocks_in_any_order_make_the_same_history all 'exits 0' 'cmp -s "$work/history" "$work/again"'

run env CUDACPU_DRIVER=0 "$gsos" devices
check no_driver_is_told_as_such all 'exits 0' 'said "^no GPU: no NVIDIA driver is loaded$"'
run env CUDACPU_DRIVER=11040 "$gsos" devices
check an_old_driver_is_told_with_both_versions all 'exits 0' 'said "no GPU: the NVIDIA driver is for CUDA 11.4, and this gsos was built with [0-9.]*: a newer"'
run env CUDACPU_DRIVER=0 "$gsos" run "$work/small.ini" --output "$work/none" --set scheduler.devices=cuda
check a_run_on_devices_without_a_driver_is_refused_with_the_reason all 'exits 2' 'complained "no NVIDIA driver is loaded; use auto or cpu"' \
  '[ ! -e "$work/none" ]'

# Places are cohorts, two a device: slots is the number of trials all the same.
at_once() { # DEVICES SLOTS
  devices=$1 slots=$2
  set -- "$work/small.ini" --set experiment.sampler=random --set scheduler.parallel=16 --set scheduler.slots="$slots" \
    --set experiment.strategies=simultaneous
  run env CUDACPU_DEVICES="$devices" "$gsos" check "$@"
  told=$(unwrapped "$work/out" | sed -n "s/.*up to \([0-9]*\) at once on this machine.*/\1/p")
  run env CUDACPU_DEVICES="$devices" "$gsos" run "$@" --output "$work/slots-$devices-$slots" --log json
  ran=$(python3 tests/cli/at_once.py "$work/err")
  check "${slots}_slots_on_${devices}_devices_run_${slots}_trials_at_once_and_check_says_so" all 'exits 0' \
    "[ '$told' = $slots ]" "[ '$ran' = $slots ]"
}
case ${BUILD:-} in
  *tsan) at_once 2 5 ;; # the most threads
  *)
    for devices in 1 2; do
      for slots in 1 3 5; do at_once "$devices" $slots; done
    done ;;
esac

# 64 trials of eight studies on as many places, and one by one.
sixty_four() {
  set -- "$work/small.ini" --set experiment.rounds=4 --set experiment.trials=8 --set scheduler.parallel=8 --set experiment.sampler=random \
    --set 'space.epoch=int 1 .. 2 default 1'
  run "$gsos" run "$@" --output "$work/serial" --set scheduler.devices=cuda:0 --set scheduler.streams=1 --set scheduler.slots=1 --quiet
  history "$work/serial" >"$work/serial.txt"
  run env CUDACPU_DEVICES=4 "$gsos" run "$@" --output "$work/many" --set scheduler.devices=cuda --set scheduler.streams=4 --set scheduler.slots=64
  history "$work/many" >"$work/again"
  check sixty_four_trials_on_four_devices_four_streams_cohorts_of_four_make_the_same_history all 'exits 0' 'complained "64 at once"' \
    'cmp -s "$work/serial.txt" "$work/again"' 'cmp -s "$work/serial/best.safetensors" "$work/many/best.safetensors"'
}
case ${BUILD:-} in
  *asan) ;; # a minute, for what the other runs here show as well; ThreadSanitizer looks at it
  *) sixty_four ;;
esac

# The largest trial needs 2.1 MiB, and four of them are wanted on each device.
run env CUDACPU_FREE_MIB=3 "$gsos" check "$work/small.ini"
check check_tells_what_is_taken_and_what_is_free all 'exits 0' 'said "Each GPU.s: 8\..* MiB"' 'said "4 trials of at most 2.09 MiB"' \
  'said "room for 1 of"'
run env CUDACPU_FREE_MIB=3 "$gsos" run "$work/small.ini" --output "$work/tight" --set scheduler.slots=16
history "$work/tight" >"$work/again"
check trials_wait_for_a_devices_memory_and_make_the_same_history all 'exits 0' 'cmp -s "$work/history" "$work/again"'
run env CUDACPU_FREE_MIB=2 "$gsos" run "$work/small.ini" --output "$work/tighter" --quiet
check a_trial_that_no_device_has_memory_for_ends_the_run_resumably all 'exits 1' 'complained "needs 2.1 MiB of device"'
run "$gsos" run "$work/small.ini" --output "$work/tighter" --quiet
history "$work/tighter" >"$work/again"
check and_it_goes_on_where_there_is_more all 'exits 0' 'cmp -s "$work/history" "$work/again"'

run "$plain" predict "$work/one/best.safetensors" "$data/0.png"
check the_network_predicts_without_a_gpu all 'exits 0' 'said 0.png'

"$gsos" run "$work/small.ini" --output "$work/stopped" --quiet >"$work/out" 2>"$work/err" &
pid=$!
signal_when $pid TERM 'sqlite3 "$work/stopped/study.db" "SELECT 1 FROM trials WHERE state = '"'COMPLETE'"'" 2>/dev/null | grep -q 1'
wait $pid
code=$?
check a_run_stops all 'exits 143'
cp -r "$work/stopped" "$work/cut"
run "$gsos" run "$work/small.ini" --output "$work/stopped" --quiet
history "$work/stopped" >"$work/again"
check a_run_that_was_stopped_goes_on_to_the_same_history all 'exits 0' 'cmp -s "$work/history" "$work/again"'

run env CUDA_VISIBLE_DEVICES= "$plain" run "$work/small.ini" --output "$work/cut" --quiet
check the_cpu_does_not_go_on_where_a_gpu_stood all 'exits 2' 'complained "cuda, CUDA on the CPU"' 'complained "accept-change"'

run "$gsos" run "$work/small.ini" --output "$work/tf32" --set model.precision=tf32 --set experiment.trials=3 --quiet
check tf32_runs all 'exits 0' 'said tf32'
run env CUDA_VISIBLE_DEVICES= "$plain" run "$work/small.ini" --output "$work/none" --set scheduler.devices=cuda
check without_a_gpu_devices_cuda_is_refused_with_the_reason all 'exits 2' 'complained "devices = cuda: "' '[ ! -e "$work/none" ]'
run env CUDA_VISIBLE_DEVICES= "$plain" run "$work/small.ini" --output "$work/none" --set model.precision=tf32
check tf32_is_refused_on_the_cpu all 'exits 2' 'complained "tf32"'
run "$gsos" run "$work/small.ini" --output "$work/none" --set scheduler.devices=cuda:0,7
check a_device_that_is_not_there_is_named all 'exits 2' 'complained "no device 7; there are 2"'
run "$gsos" run "$work/small.ini" --set scheduler.devices=gpu
check another_word_is_refused all 'exits 2' 'complained "cuda:0,1"'

run "$gsos" devices
check devices_lists_what_is_there all 'exits 0' 'said "^cpu "' 'said "^cuda:0  CUDA on the CPU, compute capability 9.0"' 'said "^cuda:1"'
run env CUDA_VISIBLE_DEVICES= "$plain" devices
check devices_says_why_there_is_no_gpu all 'exits 0' 'said "^cpu "' 'said "^no GPU: "'
"$plain" devices >/dev/full 2>"$work/err"
code=$?
check devices_notices_a_full_disk_behind_its_output all 'exits 1' 'complained "standard output cannot be written: No space"'
run env CUDACPU_CAPABILITY=8.6 "$gsos" devices
check devices_says_what_is_otherwise_on_a_card_with_less_shared_memory all 'exits 0' 'said "^cuda:0 .*capability 8.6"' \
  'said "^        a block has 99 KB of shared memory: convolutions in smaller pieces$"'
run env CUDACPU_CAPABILITY=12.0 "$gsos" check "$work/small.ini"
check check_says_what_is_otherwise_on_such_a_card all 'exits 0' narrow 'said "^  On each GPU a block has 99 KB of shared memory: convolutions in smaller"'
run env CUDACPU_CAPABILITY=7.5 "$gsos" devices
check devices_says_which_gpu_is_too_old all 'exits 0' 'said "^        cannot be used: cuda:1 is of compute capability 7.5, .* for 8.0 and above$"'
run env CUDACPU_CAPABILITY=7.5 "$gsos" run "$work/small.ini" --output "$work/none" --set scheduler.devices=cuda:1
check a_run_on_a_gpu_that_is_too_old_is_refused all 'exits 2' 'complained "devices = cuda:1: cuda:1 is of compute capability 7.5"' \
  '[ ! -e "$work/none" ]'
run env CUDACPU_CAPABILITY=7.5 "$gsos" check "$work/small.ini" --set model.precision=tf32
check where_all_gpus_are_too_old_the_cpu_is_meant_and_the_reason_said all 'exits 2' 'complained "this runs on the CPU: cuda:1 is of"'
# The sampler that is the default, both precisions, and both kernels that have patches.
small_cards() { # CAPABILITY PRECISION
  run env CUDACPU_CAPABILITY="$1" "$gsos" run "$work/small.ini" --output "$work/card-$1" --quiet --set experiment.sampler=gp --set experiment.trials=5 \
    --set experiment.strategies=simultaneous --set gp.startup=3 --set model.precision="$2" --set 'space.kernel=ordinal 3, 5 default 5' \
    --set 'space.num_conv_layers=int 2 .. 2 default 2' --set 'space.epoch=int 1 .. 1 default 1' --set 'space.batch_size=ordinal 32 default 32'
}
small_cards 8.6 fp32
check a_run_on_a_card_with_less_shared_memory all 'exits 0' 'said "fp32"' \
  '[ "$(sqlite3 "$work/card-8.6/study.db" "SELECT count(*) FROM trials WHERE state = '"'COMPLETE'"'")" = 5 ]'
small_cards 12.0 tf32
check a_run_on_a_card_that_has_clusters_and_less_shared_memory all 'exits 0' 'said "tf32"' \
  '[ "$(sqlite3 "$work/card-12.0/study.db" "SELECT count(*) FROM trials WHERE state = '"'COMPLETE'"'")" = 5 ]' \
  'sqlite3 "$work/card-12.0/study.db" .dump | grep -q "by kernels for 8.0"'
run "$gsos" train "$work/small.ini" --quiet
check train_runs_on_a_device all 'exits 0' 'said "validation accuracy"'
run "$gsos" check "$work/small.ini"
check check_measures_a_device all 'exits 0' 'said "cuda, CUDA on the CPU"' 'said "a trial on average"'

cases_end
