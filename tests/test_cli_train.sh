#!/bin/sh
# `gsos train` and `gsos predict` from the outside, on a data set made here: what they print, what they write, what they refuse,
# how they stop.  Needs ./gsos (or $GSOS) and python3 (its own library alone).  Run from the project's root.
# Prints a line "ok NAME" or "not ok NAME" for each test, and ends with "N passed, N failed".
# shellcheck disable=SC2016 # sh -c expands its own arguments
set -u

gsos=${GSOS:-$PWD/gsos}
work=$(mktemp -d "${TMPDIR:-/tmp}/gsos-train.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
passed=0 failed=0

# check NAME CONDITION...: counts one test.
check() {
  test_name=$1
  shift
  if "$@"; then
    echo "ok $test_name"
    passed=$((passed + 1))
  else
    echo "not ok $test_name"
    echo "# exit status $code"
    sed 's/^/# /' "$work/out" "$work/err"
    failed=$((failed + 1))
  fi
}

run() {
  "$gsos" "$@" >"$work/out" 2>"$work/err"
  code=$?
}

all() { # all "CONDITION"...: every one, each a line of shell
  for condition; do
    eval "$condition" || {
      echo "# failed: $condition"
      return 1
    }
  done
}
exits() { [ "$code" -eq "$1" ]; }
said() { grep -q -e "$1" "$work/out"; }
complained() { grep -q -e "$1" "$work/err"; }
silent() { [ ! -s "$work/err" ]; }
lines() { [ "$(wc -l <"$work/out")" -eq "$1" ]; }

data="$work/data"
python3 tests/small_images.py "$data" 16 14 1 4 400 80 8 || exit 1
cat >"$work/small.ini" <<END
[dataset]
train_images = $data/train-images
train_labels = $data/train-labels
test_images = $data/test-images
test_labels = $data/test-labels
cache = $work/cache
[model]
filters = 8
[space]
epoch = int 1 .. 100000 default 4
lr = float 1e-5 .. 1e30 log default 0.003
num_conv_layers = int 1 .. 4 default 2
END

# ------------------------------------------------------------------------------------------------- train

run train "$work/small.ini" --output "$work/net.safetensors"
check train_prints_each_epoch_and_the_test_once all 'exits 0' silent \
  '[ "$(grep -c "^ *[1-4]/4  " "$work/out")" -eq 4 ]' 'said "training loss .*validation accuracy .*validation loss .*images/s"' \
  '[ "$(grep -c "^test accuracy [01]\.[0-9]* ([0-9]* of 80), loss" "$work/out")" -eq 1 ]' 'said "lr=0.003"' \
  'said "wrote .*net.safetensors and .*net.ini"'
accuracy=$(sed -n 's/^test accuracy \([0-9.]*\) .*/\1/p' "$work/out")
check train_learns awk "BEGIN { exit !($accuracy > 0.85) }"
grep -v wrote "$work/out" | sed 's/  *[0-9]*$//' >"$work/first"

run train "$work/small.ini"
grep -v wrote "$work/out" | sed 's/  *[0-9]*$//' >"$work/second"
check train_again_gives_the_same_numbers all 'exits 0' '[ -s "$work/first" ]' 'cmp -s "$work/first" "$work/second"'
check train_leaves_no_temporary_files all '[ -z "$(find "${TMPDIR:-/tmp}" -maxdepth 1 -name "gsos-train-*" -newer "$work/small.ini")" ]' \
  '[ -z "$(find "$work" -name "*.tmp")" ]'

tail -n 2 "$work/first" >"$work/tail"
run train "$work/net.ini" --quiet
check the_written_ini_trains_the_same_network all 'exits 0' silent 'lines 2' 'cmp -s "$work/out" "$work/tail"'

run train "$work/small.ini" --quiet --set 'space.epoch=int 1 .. 9 default 1' --set experiment.seed=5
check settings_change_what_is_trained all 'exits 0' 'lines 2' '! cmp -s "$work/out" "$work/tail"'

run train "$work/small.ini" --set 'space.lr=float 1e-5 .. 1e30 log default 1e25' --set 'space.optimizer=categorical adam, sgd default sgd' \
  --output "$work/broken.safetensors"
check a_training_that_diverges_fails_and_writes_nothing all 'exits 1' \
  'complained "diverged: the training loss of epoch 1 is not finite"' '[ ! -e "$work/broken.safetensors" ]'

run train "$work/small.ini" --set 'space.num_conv_layers=int 1 .. 4 default 4' --set 'space.padding=categorical valid, same default valid'
check an_infeasible_default_is_a_configuration_error all 'exits 2' 'complained "infeasible: .*convolution"'

cp "$work/small.ini" "$work/mine.ini"
run train "$work/mine.ini" --output "$work/mine.safetensors"
check the_ini_that_is_read_is_not_overwritten all 'exits 2' 'complained "mine.ini, which is being read"' \
  'cmp -s "$work/small.ini" "$work/mine.ini"'
run train "$work/small.ini" --output "$work/none/net.safetensors"
check an_output_folder_that_is_not_there_is_told_before_training all 'exits 2' 'complained "none/net.safetensors"' '! said epoch'
run train "$work/none.ini"
check a_missing_ini_is_a_configuration_error all 'exits 2' 'complained "none.ini"'
run train "$work/small.ini" --set dataset.path=/none --set dataset.train_images=
check a_missing_data_set_is_a_configuration_error all 'exits 2' 'complained dataset'

printf '[experiment]\nobjective = function\n[function]\nname = branin\n' >"$work/function.ini"
run train "$work/function.ini"
check a_function_is_evaluated_at_the_defaults all 'exits 0' silent 'said "^value -*[0-9.]*"'
run train "$work/function.ini" --output "$work/f.safetensors"
check a_function_has_no_network_to_write all 'exits 2' 'complained "has no network"'

run train
check train_without_a_file_is_wrong_usage all 'exits 2' 'complained "which FILE.ini"' 'complained "train --help"'
run train "$work/small.ini" "$work/small.ini"
check train_with_two_files_is_wrong_usage exits 2
run train --nonsense "$work/small.ini"
check train_names_an_unknown_option all 'exits 2' 'complained "gsos train: unrecognized option .*--nonsense"'
run train --help
check train_help_goes_to_standard_output all 'exits 0' silent 'said "^Usage: gsos train"'
"$gsos" train "$work/small.ini" >/dev/full 2>"$work/err"
code=$?
check train_notices_a_full_disk_behind_its_output all 'exits 1' 'complained "standard output cannot be written"'

# stop SIGNAL: starts a long training, sends the signal after its second epoch.
stop() {
  # Started from sh -c and so with SIGINT as a shell leaves it for a foreground process, not ignored.
  python3 - "$1" "$gsos" "$work" <<'END'
import os, signal, subprocess, sys, time
number, gsos, work = getattr(signal, sys.argv[1]), sys.argv[2], sys.argv[3]
with open(f"{work}/out", "wb") as out, open(f"{work}/err", "wb") as err:
    p = subprocess.Popen(
        [gsos, "train", f"{work}/small.ini", "--set", "space.epoch=int 1 .. 100000 default 100000",
         "--output", f"{work}/stopped.safetensors"],
        stdout=out, stderr=err, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    for _ in range(300):
        time.sleep(0.1)
        if b" 2/100000 " in open(f"{work}/out", "rb").read():
            break
    start = time.time()
    p.send_signal(number)
    code = p.wait(20)
    if time.time() - start > 10:
        code = 99
sys.exit(code)
END
  code=$?
}
stop SIGINT
check ctrl_c_stops_with_130 all 'exits 130' 'complained "stopped after [0-9]* epochs"' '[ ! -e "$work/stopped.safetensors" ]'
stop SIGTERM
check sigterm_stops_with_143 all 'exits 143' 'complained "stopped after [0-9]* epochs"'

# ----------------------------------------------------------------------------------------------- predict

run predict "$work/net.safetensors" "$data"/0.png "$data"/1.png "$data"/2.png "$data"/3.png
check predict_says_path_class_probability all 'exits 0' silent 'lines 4' \
  '[ "$(grep -c "^.*/[0-3]\.png  [0-3]  [01]\.[0-9][0-9][0-9][0-9]$" "$work/out")" -eq 4 ]'
# The first images of the test set are of the classes 0, 1, 2, 3, 0, ...
check predict_finds_the_classes awk '{ n = split($1, part, "/"); right += part[n] == $2 ".png" } END { exit !(right >= 3) }' "$work/out"

set -- "$data"/*.png
for _ in 1 2 3 4; do set -- "$@" "$@"; done
run predict "$work/net.safetensors" "$@"
for image; do echo "$image"; done >"$work/order"
check predict_keeps_the_order_of_many_images all 'exits 0' "lines $#" 'sed "s/  .*//" "$work/out" | cmp -s - "$work/order"'

run predict --top 3 "$work/net.safetensors" "$data/0.png"
check predict_top_gives_classes_by_probability all 'exits 0' 'lines 1' \
  'awk "{ exit !(NF == 7 && \$3 >= \$5 && \$5 >= \$7) }" "$work/out"'
run predict --top 9 --csv "$work/net.safetensors" "$data/0.png"
check predict_csv_has_a_line_a_class all 'exits 0' 'lines 5' 'said "^path,rank,class,probability$"' \
  'awk -F, "NR > 1 { sum += \$4; if (\$2 != NR - 1) bad = 1 } END { exit bad || sum < 0.9999 || sum > 1.0001 }" "$work/out"'

odd="$work/a,b \"c\" $(printf '\377').png"
cp "$data/0.png" "$odd"
run predict --csv "$work/net.safetensors" "$odd"
check predict_csv_quotes_odd_names all 'exits 0' 'LC_ALL=C grep -q "a,b \"\"c\"\" " "$work/out"'
run predict "$work/net.safetensors" "$odd"
check predict_shows_names_that_are_not_utf8 all 'exits 0' 'said "c. .xff\.png  "'

echo "not an image" >"$work/bad.png"
head -c 60 "$data/1.png" >"$work/cut.png"
run predict "$work/net.safetensors" "$data/0.png" "$work/bad.png" "$work/none.png" "$work/cut.png" "$work" "$data/1.png"
check predict_names_bad_images_and_goes_on all 'exits 1' 'lines 2' 'said "0\.png  "' 'said "1\.png  "' \
  'complained "bad.png: "' 'complained "none.png: "' 'complained "cut.png: "' 'complained "4 of 6 images"'

head -c 2000 "$work/net.safetensors" >"$work/cut.safetensors"
run predict "$work/cut.safetensors" "$data/0.png"
check predict_refuses_a_network_that_is_cut all 'exits 1' 'complained "cut.safetensors: is cut off"' 'lines 0'
run predict "$data/0.png" "$data/0.png"
check predict_refuses_what_is_no_network all 'exits 1' 'complained "0.png: "'
run predict "$work/none.safetensors" "$data/0.png"
check predict_names_a_network_that_is_not_there all 'exits 1' 'complained "none.safetensors: "'
run predict "$work/net.safetensors"
check predict_without_images_is_wrong_usage all 'exits 2' 'complained "which images"'
run predict --top 0 "$work/net.safetensors" "$data/0.png"
check predict_refuses_a_top_of_zero all 'exits 2' 'complained "top"'
run predict --pixel-limit 200 "$work/net.safetensors" "$data/0.png"
check predict_refuses_images_above_the_pixel_limit all 'exits 1' 'complained "0.png: is too large: 14 x 16 = 224 pixels"'
run predict --pixel-limit 224x "$work/net.safetensors" "$data/0.png"
check predict_refuses_a_pixel_limit_that_is_none all 'exits 2' 'complained "pixel-limit"'
run predict --help
check predict_help_goes_to_standard_output all 'exits 0' 'said "^Usage: gsos predict"'

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
