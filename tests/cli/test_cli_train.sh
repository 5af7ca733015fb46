#!/bin/sh
# `gsos train`, `gsos predict` and `gsos export` from the outside, on a data set made here: what they print, what
# they write, what they refuse, how they stop.  Needs ./gsos (or $GSOS) and python3 (its own
# library alone).  Run from the project's root.
# Prints a line "ok NAME" or "not ok NAME" for each test, and ends with "N passed, N failed".
# shellcheck disable=SC2016 # sh -c expands its own arguments
set -u
# shellcheck source=tests/cli/lib.sh
. tests/cli/lib.sh

gsos=${GSOS:-$PWD/gsos}
cases_begin train

run() { call "$gsos" "$@"; }

lines() { [ "$(wc -l <"$work/out")" -eq "$1" ]; }

data="$work/data"
python3 tests/cli/small_images.py "$data" 16 14 1 4 400 80 8 || exit 1
cat >"$work/small.ini" <<END
$(dataset_section "$data")
[model]
filters = 8
[space]
epoch = int 1 .. 100000 default 4
lr = float 1e-5 .. 1e30 log default 0.003
num_conv_layers = int 1 .. 4 default 2
END

# -------------------------------------------------------------------------------------------- train

run train "$work/small.ini" --output "$work/net.safetensors"
check train_prints_each_epoch_and_the_test_once all 'exits 0' silent \
  '[ "$(grep -c "^ *[1-4]/4  " "$work/out")" -eq 4 ]' 'said "training loss .*validation accuracy .*validation loss .*images/s"' \
  '[ "$(grep -c "^test accuracy [01]\.[0-9]* ([0-9]* of 80), loss" "$work/out")" -eq 1 ]' 'said "lr=0.003"' \
  'said "wrote .*net.safetensors and .*net.ini"'
accuracy=$(sed -n 's/^test accuracy \([0-9.]*\) .*/\1/p' "$work/out")
check train_learns awk "BEGIN { exit !($accuracy > 0.85) }"
grep -v wrote "$work/out" | sed 's/  *[0-9]*$//' >"$work/first"

mkdir "$work/tmp"
call env TMPDIR="$work/tmp" "$gsos" train "$work/small.ini"
grep -v wrote "$work/out" | sed 's/  *[0-9]*$//' >"$work/second"
check train_again_gives_the_same_numbers all 'exits 0' '[ -s "$work/first" ]' 'cmp -s "$work/first" "$work/second"'
check train_leaves_no_temporary_files all '[ -z "$(ls -A "$work/tmp")" ]' \
  '[ -z "$(find "$work" -name "*.tmp")" ]'

tail -n 2 "$work/first" >"$work/tail"
run train "$work/net.ini" --quiet
check the_written_ini_trains_the_same_network all 'exits 0' silent 'lines 2' 'cmp -s "$work/out" "$work/tail"'

run train "$work/small.ini" --set dataset.train_count=150 --set model.class_weights=balanced --output "$work/weighted.safetensors"
check weights_of_classes_are_told_and_kept all 'exits 0' silent 'said "class_weights = balanced: the training loss is weighted"' \
  'grep -q "^class_weights = balanced" "$work/weighted.ini"' 'grep -q -a "\"class_weights\":\"balanced\"" "$work/weighted.safetensors"' \
  '! grep -q -a class_weights "$work/net.safetensors"'
run predict "$work/weighted.safetensors" "$data/0.png"
check a_network_of_weighted_classes_predicts all 'exits 0' 'said "0.png"'

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
mkdir "$work/blocked.safetensors.tmp" # what a full disk does, too: the network cannot be written
run train "$work/small.ini" --quiet --output "$work/blocked.safetensors"
check a_configuration_is_not_left_without_its_network all 'exits 1' 'complained "blocked.safetensors.tmp: cannot be written"' '[ ! -e "$work/blocked.ini" ]'
run train "$work/none.ini"
check a_missing_ini_is_a_configuration_error all 'exits 2' 'complained "none.ini"'
run train "$work/small.ini" --set dataset.path=/none --set dataset.train_images=
check a_missing_data_set_is_a_configuration_error all 'exits 2' 'complained dataset'

# ------------------------------------------------------------------------------------ several times

# Of networks that are far from done, which differ.
repeat() { call env TMPDIR="$work/tmp" "$gsos" train "$work/small.ini" --set 'space.epoch=int 1 .. 9 default 1' --set 'space.lr=0.0003' "$@"; }
repeat --repeat 4
check repeat_has_a_line_a_training all 'exits 0' silent '[ "$(grep -c "^ *[1-4]/4  *100000[0-3]  *[01]\.[0-9]*  *[0-9.]*  *[01]\.[0-9]*$" "$work/out")" -eq 4 ]'
check repeat_ends_with_mean_and_deviation awk '$1 ~ "/4" { n++; v += $3; vv += $3 * $3; t += $5; tt += $5 * $5 }
  /^validation accuracy/ { vm = $3; vs = $5 } /^test accuracy/ { tm = $3; ts = $5 }
  function near(a, b) { return a - b < 2e-4 && b - a < 2e-4 }
  END { exit !(n == 4 && vs > 0 && near(vm, v / n) && near(vs, sqrt((vv - v * v / n) / 3)) && near(tm, t / n) && near(ts, sqrt((tt - t * t / n) / 3))) }' "$work/out"
check repeat_says_what_its_numbers_mean all 'unwrapped "$work/out" | grep -q "of 4 trainings, a rough one from so few; the mean itself is known to within .* (95 %, Student.s t, 3 degrees of freedom)"' \
  'unwrapped "$work/out" | grep -q "no deviation over data"' '[ -z "$(ls -A "$work/tmp")" ]'
# shellcheck disable=SC2034 # used in a condition
row=$(awk '$1 == "3/4" { print $3, $5 }' "$work/out")
grep "^[vt].* accuracy" "$work/out" >"$work/tail"
repeat --set train.trial=1000002 --quiet
check each_of_them_can_be_had_again all 'exits 0' '[ -n "$row" ]' '[ "$(sed "s/,//g" "$work/out" | awk "{ print \$3 }" | xargs)" = "$row" ]'
repeat --repeat 4 --quiet
check repeat_prints_the_result_alone all 'exits 0' silent 'lines 2' 'cmp -s "$work/out" "$work/tail"'
repeat --repeat 1
check of_one_training_there_is_no_deviation all 'exits 0' 'said "^validation accuracy [01]\.[0-9]*$"' 'said "one training says nothing of the deviation"'
run train "$work/small.ini" --repeat 2 --set 'space.lr=1e25' --set 'space.optimizer=sgd'
check trainings_that_diverge_are_told_and_not_counted all 'exits 1' '[ "$(grep -c "failed: diverged: the training loss" "$work/out")" -eq 2 ]' \
  '! said "^validation accuracy"' 'complained "2 of 2 trainings failed"'
run train "$work/small.ini" --repeat 0
check repeat_takes_a_number_of_trainings all 'exits 2' 'complained "repeat takes a number of trainings from 1 to 1000"'
run train "$work/small.ini" --repeat 2 --output "$work/r.safetensors"
check repeat_keeps_no_network all 'exits 2' 'complained "train.trial=1000000"' '[ ! -e "$work/r.safetensors" ]'
python3 tests/cli/signalled.py SIGINT "$work" " 1/900 " "$gsos" train "$work/small.ini" --repeat 900
code=$?
check ctrl_c_leaves_the_mean_of_what_had_ended all 'exits 130' 'complained "stopped in training [0-9]* of 900; what had ended"' 'said "^validation accuracy [01]\."'
printf '[experiment]\nobjective = function\n[function]\nname = branin\n' >"$work/function.ini"
run train "$work/function.ini" --repeat 3
check a_function_is_the_same_each_time all 'exits 0' 'said "^value 55.6021 ± 0$"' '! said images'

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

stop() { # SIGNAL: sent after the second epoch of a training that would take hours
  python3 tests/cli/signalled.py "$1" "$work" " 2/100000 " "$gsos" train "$work/small.ini" \
    --set "space.epoch=int 1 .. 100000 default 100000" --output "$work/stopped.safetensors"
  code=$?
}
stop SIGINT
check ctrl_c_stops_with_130 all 'exits 130' 'complained "stopped after [0-9]* of 100000 epochs; wrote the network so far"' \
  'complained "$work/stopped.safetensors"'
run predict "$work/stopped.safetensors" "$data"/0.png
check a_training_that_was_stopped_leaves_its_network all 'exits 0' 'lines 1' '[ -s "$work/stopped.ini" ]'
rm "$work/stopped.safetensors"
mkdir "$work/stopped.safetensors.tmp" # in the way of the file
stop SIGHUP
check a_network_that_cannot_be_left_is_said all 'exits 129' 'complained "cannot be kept"' '[ ! -e "$work/stopped.safetensors" ]'
rmdir "$work/stopped.safetensors.tmp"
cp "$work/net.safetensors" "$work/good.safetensors"
cp "$work/net.safetensors" "$work/stopped.safetensors"
# An epoch of many seconds, as the network is large.
python3 tests/cli/signalled.py SIGINT "$work" "training loss" "$gsos" train "$work/small.ini" --set model.filters=512 \
  --set space.kernel=5 --set space.num_conv_layers=3 --output "$work/stopped.safetensors"
code=$?
check stopped_before_its_first_epoch_it_writes_nothing all 'exits 130' 'complained "stopped after 0 of [0-9]* epochs*; nothing is written"' \
  'cmp -s "$work/stopped.safetensors" "$work/good.safetensors"'
rm "$work/stopped.safetensors" "$work/good.safetensors"
stop SIGTERM
check sigterm_stops_with_143 all 'exits 143' 'complained "stopped after [0-9]* of 100000 epochs"'
stop SIGQUIT
check sigquit_stops_with_131 all 'exits 131' 'complained "stopped after [0-9]* of 100000 epochs"'

# ------------------------------------------------------------------------------------------ predict

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
run predict "$work/net.safetensors" "$data/0.png" "$work/bad.png" "$work/none.png" "$work/cut.png" "$work/tmp" "$data/1.png"
check predict_names_bad_images_and_goes_on all 'exits 1' 'lines 2' 'said "0\.png  "' 'said "1\.png  "' \
  'complained "bad.png: "' 'complained "none.png: "' 'complained "cut.png: "' 'complained "tmp: holds no images"' \
  'complained "3 of 5 images"'

# All test images in folders of their classes: what train has measured on them, predict does.
photos="$work/photos" all_pngs="$work/pngs"
python3 tests/cli/small_images.py "$all_pngs" 16 14 1 4 400 80 80 || exit 1
for class in 0 1 2 3; do
  mkdir -p "$photos/test/$class/deeper"
  for image in $(seq "$class" 4 79); do cp "$all_pngs/$image.png" "$photos/test/$class"; done
  mv "$photos/test/$class/7"*.png "$photos/test/$class/deeper" 2>/dev/null
done
echo "a note" >"$photos/test/notes.txt"
ln -s ../.. "$photos/test/0/back"
# shellcheck disable=SC2034 # in a condition
right=$(sed -n 's/^test accuracy .* (\([0-9]* of 80\)), .*/\1/p' "$work/first")
run predict "$work/net.safetensors" "$photos/test"
check predict_measures_folders_of_classes_as_train_does all 'exits 0' silent narrow '[ -n "$right" ]' \
  'said "^accuracy $accuracy ($right)$"' '[ "$(grep -c "\.png  [0-3]  " "$work/out")" -eq 80 ]' \
  '[ "$(grep -c -E "^[0-3]  *20  *[0-9]+  *[01]\.[0-9]{4}" "$work/out")" -eq 4 ]' \
  'grep "\.png  " "$work/out" | sed "s/  .*//" | LC_ALL=C sort -c'
run predict "$work/net.safetensors" "$photos/test" --csv
check predict_csv_stays_a_table_and_tells_the_accuracy_beside_it all 'exits 0' 'lines 81' 'complained "^accuracy $accuracy ($right)$"'

# One image of class 1 lies in the folder of class 0, one in no class's, one is given by itself.
mkdir "$photos/other"
mv "$photos/test/1/1.png" "$photos/test/0"
mv "$photos/test/1/5.png" "$photos/other"
run predict "$work/net.safetensors" "$photos/test/0" "$photos/test/1/" "$photos/other" "$data/0.png" --quiet --confusion "$work/confusion.csv"
check predict_counts_what_is_of_a_class all 'exits 0' silent narrow 'said "^2 of 41 images are not counted"' \
  '! said "\.png"' 'said "^0  *21  *[0-9]* .* 1 1$"'
check predict_writes_a_confusion_matrix python3 - "$work/confusion.csv" "$work/out" <<'END'
import csv, re, sys

rows = list(csv.reader(open(sys.argv[1], newline="")))
counts = [[int(n) for n in row[1:]] for row in rows[1:]]
assert rows[0] == ["class", "0", "1", "2", "3"] and [row[0] for row in rows[1:]] == ["0", "1", "2", "3"], rows
assert [sum(row) for row in counts] == [21, 18, 0, 0] and counts[0][1] == 1, counts
right = sum(counts[c][c] for c in range(4))
assert f"({right} of 39)" in open(sys.argv[2]).read(), right
END
(cd "$photos/test/2" && call "$gsos" predict "$work/net.safetensors" . -q && exits 0 && said "of 20)$")
check predict_knows_the_class_of_the_folder_it_stands_in [ $? -eq 0 ]
run predict "$work/net.safetensors" "$photos/other"
check predict_of_a_folder_without_classes_has_no_accuracy all 'exits 0' silent 'lines 1' '! said accuracy'
# Of 25 classes, hardly trained, not all have a row.
many="$work/many"
python3 tests/cli/small_images.py "$many" 25 12 1 25 100 50 50 || exit 1
(dataset_section "$many" && printf '[space]\nepoch = 1\nnum_conv_layers = 2\n') >"$work/many.ini"
for image in $(seq 0 49); do
  mkdir -p "$many/photos/$((image % 25))"
  mv "$many/$image.png" "$many/photos/$((image % 25))"
done
call "$gsos" train "$work/many.ini" --quiet --output "$many/net.safetensors"
# shellcheck disable=SC2034 # in a condition
right=$(sed -n 's/^test accuracy \([0-9.]* ([0-9]* of 50)\), .*/\1/p' "$work/out")
run predict "$many/net.safetensors" "$many/photos" --quiet
check predict_shows_the_worst_of_many_classes all 'exits 0' silent narrow '[ -n "$right" ]' 'said "^accuracy $right$"' \
  'said "^The 20 of 25 classes with the lowest accuracy:$"' '[ "$(grep -c -E "^[0-9]+  *2  *[0-2]  *[01]\." "$work/out")" -eq 20 ]' \
  'awk "/^[0-9]+ +2 / { if (\$4 < last) bad = 1; last = \$4; n++ } END { exit bad || n != 20 }" "$work/out"'
mkdir "$work/unknown"
mv "$photos/other" "$work/unknown"
run predict "$work/net.safetensors" "$work/unknown"
check predict_says_that_no_folder_is_a_class all 'exits 0' 'lines 1' 'complained "no accuracy: no folder"'
run predict "$work/net.safetensors" "$photos/test/3" -q --confusion "$work/none/c.csv"
check predict_says_where_a_matrix_cannot_be_written all 'exits 2' 'complained "none/c.csv: its folder cannot"' 'lines 0'
run predict "$work/net.safetensors" "$work/unknown" --confusion "$work/unknown.csv"
check predict_refuses_a_matrix_of_images_whose_classes_are_not_known all 'exits 2' \
  'complained "--confusion: of no image is the class known"' 'lines 0' '[ ! -e "$work/unknown.csv" ]'

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

# ------------------------------------------------------------------------------------------- export
# What the files are is tested in tests/unit/network/test_export.c, and what others make of them in
# tests/peers/test_export.sh.

run export "$work/net.safetensors" --onnx "$work/net.onnx" --torch "$work/net.py"
check export_writes_both_files all 'exits 0' silent 'said "^Written: .*/net\.onnx$"' 'said "^Written: .*/net\.py$"' \
  'LC_ALL=C grep -q -a class_names "$work/net.onnx"' 'python3 -m py_compile "$work/net.py"' \
  'grep -q "with_name(\"net.safetensors\")" "$work/net.py"'
cp "$work/net.onnx" "$work/again.onnx"
echo more >>"$work/again.onnx"
run export --onnx "$work/again.onnx" "$work/net.safetensors"
check export_replaces_a_file_as_a_whole all 'exits 0' 'cmp -s "$work/net.onnx" "$work/again.onnx"' '[ ! -e "$work/again.onnx.tmp" ]'
run export "$work/cut.safetensors" --onnx "$work/again.onnx"
check export_refuses_a_network_that_is_cut_and_writes_nothing all 'exits 1' 'complained "cut.safetensors: is cut off"' 'lines 0' \
  'cmp -s "$work/net.onnx" "$work/again.onnx"'
run export "$data/0.png" --onnx "$work/none.onnx"
check export_refuses_what_is_no_network all 'exits 1' 'complained "0.png: "' '[ ! -e "$work/none.onnx" ]'
run export "$work/net.safetensors" --onnx "$work/none/net.onnx"
check export_says_where_it_cannot_write all 'exits 2' 'complained "none/net.onnx"' 'lines 0'
run export "$work/net.safetensors" --torch /dev/null
check export_writes_over_no_device all 'exits 2' 'complained "/dev/null: is no regular file"' '[ -c /dev/null ]'
cp "$work/net.safetensors" "$work/kept"
ln -s net.safetensors "$work/link"
for target in net.safetensors link; do
  run export "$work/net.safetensors" --onnx "$work/$target"
  check "export_does_not_write_over_the_network_itself_($target)" all 'exits 2' 'complained "written over"' \
    'cmp -s "$work/net.safetensors" "$work/kept"'
done
run export "$work/net.safetensors" --onnx "$work/both" --torch "$work/both"
check export_writes_two_files all 'exits 2' 'complained "the same file"' '[ ! -e "$work/both" ]'
run export "$work/net.safetensors" --onnx "$work/both" --torch "$work/./both"
check export_knows_one_file_by_two_names_before_it_is_there all 'exits 2' 'complained "the same file"' '[ ! -e "$work/both" ]'
run export "$work/net.safetensors"
check export_asks_as_what all 'exits 2' 'complained "as what?  --onnx FILE.onnx, --torch FILE.py, or both"'
run export --onnx "$work/none.onnx"
check export_asks_for_the_network all 'exits 2' 'complained "which FILE.safetensors?"'
run export --help
check export_help_goes_to_standard_output all 'exits 0' 'said "^Usage: gsos export"' narrow

cases_end
