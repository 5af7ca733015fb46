#!/bin/sh
# Whole runs with the Gaussian process: what they depend on is recorded, and a run goes on only
# with the same libraries and the same kind of device; on devices that the harness plays
# (tests/cudacpu) the history is one, however many there are and in whatever order threads run.
# Needs BUILD/gsos-cudacpu (or $GSOS_CUDACPU), python3 and sqlite3.  Run from the project's root.
# Prints a line "ok NAME" or "not ok NAME" for each test, and ends with "N passed, N failed".
# shellcheck disable=SC2016 # conditions are evaluated later
set -u
# shellcheck source=tests/cli/lib.sh
. tests/cli/lib.sh

plain=${GSOS:-$PWD/build/gsos}
cuda=${GSOS_CUDACPU:-$(dirname "$plain")/gsos-cudacpu}
cases_begin gp
cases_need "$cuda" a_run_on_the_cpu

run() { # PROGRAM OUTPUT ARGUMENT...
  program=$1 output=$2
  shift 2
  call "$program" run "$work/gp.ini" --output "$work/$output" "$@"
}
complained() { unwrapped "$work/err" | grep -q -e "$1"; }
depends_on() { sqlite3 "$work/$1/study.db" "SELECT value_json FROM study_user_attributes WHERE key = 'gsos:depends_on'"; }
pretend() { # OUTPUT FROM TO: as if it had been made with TO
  sqlite3 "$work/$1/study.db" \
    "UPDATE study_user_attributes SET value_json = replace(value_json, '$2', '$3') WHERE key = 'gsos:depends_on'"
}

cat >"$work/gp.ini" <<'INI'
[experiment]
objective = function
sampler = gp
strategies = simultaneous
trials = 10
[function]
name = tuning
[gp]
startup = 5
candidates = 64
evaluations = 20
INI

proposals_alone() {
  # ---- libraries

  run "$plain" cpu --set scheduler.devices=cpu
  blas=$(depends_on cpu | sed -n 's/.*\(OpenBLAS [0-9.]*\) for .*/\1/p')
  nlopt=$(depends_on cpu | sed -n 's/.*\(NLopt [0-9.]*\)".*/\1/p')
  check a_run_says_which_libraries_propose all 'exits 0' '[ -n "$blas" ]' '[ -n "$nlopt" ]' 'complained "$blas for .*$nlopt"'
  run "$plain" whole --set scheduler.devices=cpu --set experiment.trials=14
  history "$work/whole" >"$work/whole.history"

  cp -r "$work/cpu" "$work/other"
  pretend other "$nlopt" 'NLopt 1.2.3'
  run "$plain" other --set scheduler.devices=cpu --set experiment.trials=14
  check another_nlopt_does_not_go_on all 'exits 2' 'complained "NLopt 1.2.3.*and this would go on with.*$nlopt"' \
    'complained "accept-change"'
  pretend other 'NLopt 1.2.3' "$nlopt"
  pretend other "$blas" 'OpenBLAS 0.0.1'
  run "$plain" other --set scheduler.devices=cpu --set experiment.trials=14
  check another_openblas_does_not_go_on all 'exits 2' 'complained "OpenBLAS 0.0.1.*and this would go on with.*$blas"'
  run "$plain" other --set scheduler.devices=cpu --set experiment.trials=14 --accept-change
  check it_goes_on_where_told_to_and_every_table_says_so all 'exits 0' 'said "OpenBLAS 0.0.1"'
  run "$plain" cpu --set scheduler.devices=cpu --set experiment.trials=14
  history "$work/cpu" >"$work/again.history"
  check the_same_libraries_go_on_to_the_same_history all 'exits 0' 'cmp -s "$work/whole.history" "$work/again.history"'

  # ---- devices

  run "$cuda" one --set scheduler.devices=cuda:0
  history "$work/one" >"$work/one.history"
  check a_run_on_one_device all 'exits 0' 'complained "Gaussian process of up to 512 trials on cuda (CUDA on the CPU, .*of more on the CPU"' \
    '[ "$(wc -l <"$work/one.history")" -gt 9 ]'
  run "$cuda" two
  history "$work/two" >"$work/two.history"
  check two_devices_make_the_same_history all 'exits 0' 'cmp -s "$work/one.history" "$work/two.history"'
  export CUDACPU_ORDER=shuffled CUDACPU_SEED=3
  run "$cuda" shuffled --set scheduler.slots=4
  unset CUDACPU_ORDER CUDACPU_SEED
  history "$work/shuffled" >"$work/shuffled.history"
  check threads_and_blocks_in_any_order_make_the_same_history all 'exits 0' 'cmp -s "$work/one.history" "$work/shuffled.history"'

  run "$cuda" one --set scheduler.devices=cpu --set experiment.trials=14
  check the_cpu_does_not_go_on_where_a_device_stood all 'exits 2' \
    'complained "Gaussian process of up to 512 trials on cuda .*and this would go on with function tuning"'
  run "$cuda" whole --set experiment.trials=20
  check a_device_does_not_go_on_where_the_cpu_stood all 'exits 2' \
    'complained "and this would go on with .*Gaussian process of up to 512 trials on cuda"'
  run "$cuda" one --set scheduler.devices=cuda:1 --set experiment.trials=14
  run "$cuda" more --set experiment.trials=14
  history "$work/one" >"$work/one.history"
  history "$work/more" >"$work/more.history"
  check another_device_of_the_kind_goes_on all 'exits 0' 'cmp -s "$work/one.history" "$work/more.history"'

  export CUDA_VISIBLE_DEVICES=
  run "$plain" none --set scheduler.devices=cuda
  unset CUDA_VISIBLE_DEVICES
  check without_a_device_devices_cuda_is_refused all 'exits 2' 'complained "devices = cuda: "' '[ ! -e "$work/none" ]'
  run "$cuda" none --set scheduler.devices=cuda:0,9
  check a_device_that_is_not_there_is_named all 'exits 2' 'complained "no device 9; there are 2"'
}
case ${BUILD:-} in
  # No training runs beside a proposal in these, and the same code proposes in the run below; that
  # another library is refused is a comparison of words, as in test_cli_run.sh.
  *asan | *tsan) ;;
  *) proposals_alone ;;
esac

# ---- beside training

data="$work/data"
python3 tests/cli/small_images.py "$data" 16 16 1 4 80 40 2 || exit 1
cat >>"$work/gp.ini" <<INI
$(dataset_section "$data")
[model]
filters = 8
[space]
epoch = int 1 .. 2 default 1
num_conv_layers = int 1 .. 2 default 2
num_fc_units = int 16 .. 32 default 16
INI
set -- --set experiment.objective=cnn --set experiment.trials=8 --set experiment.strategies=simultaneous,grouped
run "$cuda" alone "$@" --set scheduler.devices=cuda:0 --set scheduler.slots=1
history "$work/alone" >"$work/alone.history"
run "$cuda" beside "$@" --set scheduler.slots=16
history "$work/beside" >"$work/beside.history"
check cohorts_on_two_devices_beside_proposals_make_the_same_history all 'exits 0' '[ "$(wc -l <"$work/alone.history")" -gt 15 ]' \
  'complained "cuda, CUDA on the CPU.*Gaussian process of up to 512 trials on cuda"' 'cmp -s "$work/alone.history" "$work/beside.history"'

cases_end
