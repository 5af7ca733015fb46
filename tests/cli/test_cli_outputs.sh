#!/bin/sh
# What a command writes goes over nothing that is needed: not over what it reads, not over a file of
# another kind, not over what a run keeps; and what is in the way of a run is told before it trains.
# Needs ./gsos (or $GSOS) and python3 (its own library alone).  Run from the project's root.  Prints a
# line "ok NAME" or "not ok NAME" for each test, and ends with "N passed, N failed".
# Not under ThreadSanitizer: nothing here has threads that test_cli_run.sh has not.
# shellcheck disable=SC2016 # conditions are evaluated later
set -u
# shellcheck source=tests/cli/lib.sh
. tests/cli/lib.sh

gsos=${GSOS:-$PWD/gsos}
cases_begin outputs
cases_need "$gsos" outputs

run() { call timeout 120 "$gsos" "$@"; }
sums() { (cd "$1" && find . -type f ! -path './plots/*' ! -name report.html -exec cksum {} + | sort -k 3); }

data="$work/data"
python3 tests/cli/small_images.py "$data" 12 12 1 4 80 40 1 || exit 1
cat >"$work/small.ini" <<END
[experiment]
trials = 2
repeats = 0
strategies = simultaneous
sampler = random
$(dataset_section "$data")
[model]
filters = 8
[space]
epoch = 1
num_conv_layers = 1
num_fc_units = int 16 .. 32 default 16
END
out="$work/out-of-run"
call "$gsos" run "$work/small.ini" --output "$out" --quiet
check a_run_to_write_over all 'exits 0' '[ -s "$out/best.safetensors" ]'
cp -R "$out" "$work/other"
sums "$out" >"$work/before"
kept() { sums "$out" | cmp - "$work/before"; }

# ------------------------------------------------------------------------------ what a run has left

# shellcheck disable=SC2034 # in a condition
refused() { # NAME OPTION ARGUMENT...: exits 2, names the file that the option has, and the run is as it was
  refused_name=$1 option=$2
  shift 2
  run "$@"
  check "$refused_name" all 'exits 2' 'complained "gsos: $option.*: .*; \(give\|name\) "' kept
}
for file in run.ini best.ini best.safetensors study.db study.db-wal report.txt trials.csv confusion.csv timeline.json; do
  refused "report_is_not_written_over_($file)" --output report "$out" --output "$out/$file"
done
for file in best.safetensors run.ini trials.csv confusion.csv study.db; do
  refused "a_matrix_is_not_written_over_($file)" --confusion predict "$out/best.safetensors" "$data" --confusion "$out/$file"
  refused "an_onnx_is_not_written_over_($file)" --onnx export "$out/best.safetensors" --onnx "$out/$file"
  refused "a_module_is_not_written_over_($file)" --torch export "$out/best.safetensors" --torch "$out/$file"
done
refused a_comparison_is_not_written_over_a_runs_page --output compare "$out" "$work/other" --output "$out/report.html"
refused a_page_is_not_written_over_another_runs --output report "$work/other" --output "$out/report.html"
refused a_pages_plots_are_not_written_over_another_runs --output report "$work/other" --output "$out/page.html"
refused a_training_is_not_written_over_the_best --output train "$work/small.ini" --output "$out/best.safetensors"
refused a_training_is_not_written_over_a_studys --output train "$work/small.ini" \
  --output "$out/networks/simultaneous-0/$(ls "$out/networks/simultaneous-0")"
refused a_trainings_ini_is_not_written_over_the_runs --output train "$work/small.ini" --output "$out/run.safetensors"
(cd "$out" && call "$gsos" report . --output run.ini && exits 2)
check a_file_is_known_from_within_its_folder [ $? -eq 0 ]
run report "$out" --output "$out/report.html"
check a_runs_own_page_is_made_anew all 'exits 0' silent kept

# -------------------------------------------------------------------------------- files of the user

echo 'mine' >"$work/mine.ini"
run train "$work/small.ini" --output "$work/mine.safetensors"
check a_users_ini_is_not_written_over all 'exits 2' 'complained "mine.ini: is there already and is not a configuration"' \
  '[ "$(cat "$work/mine.ini")" = mine ]' '[ ! -e "$work/mine.safetensors" ]'
for kind in 'train small.ini --output' 'report other --output' 'export other/best.safetensors --onnx' \
  'export other/best.safetensors --torch'; do
  echo 'mine' >"$work/file"
  # shellcheck disable=SC2086 # words
  (cd "$work" && timeout 60 "$gsos" $kind file >out 2>err; echo $? >code)
  code=$(cat "$work/code")
  check "what_is_no_such_file_is_not_written_over_(${kind%% *}${kind##* })" all 'exits 2' 'complained "file: is there already"' \
    '[ "$(cat "$work/file")" = mine ]'
  : >"$work/file"
  # shellcheck disable=SC2086 # words
  (cd "$work" && timeout 60 "$gsos" $kind file >out 2>err && timeout 60 "$gsos" $kind file >out 2>err; echo $? >code)
  code=$(cat "$work/code")
  check "an_empty_file_and_its_own_are_(${kind%% *}${kind##* })" all 'exits 0' '[ -s "$work/file" ]'
  rm -f "$work/file" "$work/file.ini"
done

# ------------------------------------------------------------------- what is in the way of a run

# shellcheck disable=SC2034 # in a condition
late() { # NAME FILE "CONDITION": a run says what is wrong with FILE, and trains nothing
  late_file=$2
  run run "$work/small.ini" --output "$work/late"
  check "$1" all "$3" 'complained "$work/late/$late_file: is "' '! complained "random numbers\|in flight"' '[ ! -e "$work/late/networks/simultaneous-0" ]'
  rm -rf "$work/late"
}
for file in trials.csv report.txt best.ini best.safetensors confusion.csv run.ini; do
  mkdir -p "$work/late/$file"
  late "a_folder_in_the_place_of_a_file_is_told_before_training_($file)" "$file" 'exits 2'
done
mkdir "$work/late" && mkfifo "$work/late/trials.csv"
late a_pipe_in_the_place_of_a_file_is_told_before_training trials.csv 'exits 2'
for folder in networks states mistakes; do
  mkdir "$work/late" && : >"$work/late/$folder"
  late "a_file_in_the_place_of_a_folder_is_told_before_training_($folder)" "$folder" 'exits 2'
done
for suffix in -journal -wal -shm; do
  mkdir "$work/late" && mkfifo "$work/late/study.db$suffix"
  late "a_pipe_beside_the_database_is_not_waited_for_($suffix)" "study.db$suffix" 'exits 1'
done
mkdir "$work/late" && mkdir "$work/late/importance.csv"
run study "$work/small.ini" --output "$work/late"
check a_folder_in_the_place_of_weights_is_told_before_training all 'exits 2' 'complained "importance.csv: is a folder"' '[ ! -e "$work/late/study.db" ]'
rm -rf "$work/late"
for file in run.ini best.ini best.safetensors report.txt trials.csv confusion.csv report.html timeline.json; do
  mkdir "$work/late" && echo mine >"$work/late/$file"
  run run "$work/small.ini" --output "$work/late"
  check "a_users_file_is_not_taken_for_a_runs_($file)" all 'exits 2' 'complained "late/$file: is there already and is not "' \
    '[ "$(cat "$work/late/$file")" = mine ]' '[ ! -e "$work/late/study.db" ]'
  rm -rf "$work/late"
done
mkdir -p "$work/late/plots" && echo mine >"$work/late/plots/best.csv"
run run "$work/small.ini" --output "$work/late"
check a_run_writes_no_figures_among_a_users_files all 'exits 2' 'complained "late/plots holds files that are no figures of gsos"' \
  '[ "$(cat "$work/late/plots/best.csv")" = mine ]' '[ ! -e "$work/late/study.db" ]'
run report "$out" --output "$work/late/page.html"
check a_page_writes_no_figures_among_a_users_files all 'exits 2' 'complained "late/plots holds files that are no figures of gsos"' \
  '[ "$(cat "$work/late/plots/best.csv")" = mine ]' '[ ! -e "$work/late/page.html" ]'
mv "$work/late/plots" "$work/late/page-plots"
run compare "$out" "$work/other" --output "$work/late/page.html"
check a_comparison_writes_no_figures_among_a_users_files all 'exits 2' 'complained "late/page-plots holds files"' \
  '[ "$(cat "$work/late/page-plots/best.csv")" = mine ]' '[ ! -e "$work/late/page.html" ]'
rm -rf "$work/late"
printf '<!DOCTYPE html>\n<html><body>mine</body></html>\n' >"$work/mine.html"
cp "$work/mine.html" "$work/was.html"
for command in "report $out" "compare $out $work/other"; do
  # shellcheck disable=SC2086 # words
  run $command --output "$work/mine.html"
  check "somebody_elses_page_is_not_written_over_(${command%% *})" all 'exits 2' 'complained "is not a page that gsos wrote"' \
    'cmp -s "$work/mine.html" "$work/was.html"'
done
mkdir -p "$work/photos/a" "$work/photos/b"
for i in 0 1 2 3; do cp "$data/0.png" "$work/photos/a/$i.png" && cp "$data/0.png" "$work/photos/b/$i.png"; done
printf '[dataset]\npath = %s\nimage_size = 12\n' "$work/photos" >"$work/photos.ini"
run run "$work/photos.ini" --output "$work/photos"
check the_folder_of_the_data_is_no_output all 'exits 2' 'complained "photos is the folder of the data "' \
  '[ "$(ls "$work/photos" | tr "\n" " ")" = "a b " ]'
cp -R "$out" "$work/late" && rm "$work/late/study.db"
run run "$work/small.ini" --output "$work/late" --quiet
check what_an_earlier_run_left_is_replaced all 'exits 0' silent '[ -s "$work/late/study.db" ]'
rm -rf "$work/late"
mkdir "$work/late" && cp "$work/small.ini" "$work/late/run.ini"
run run "$work/late/run.ini" --output "$work/late"
check a_users_own_run_ini_is_not_written_over all 'exits 2' 'complained "run.ini, which is being read"' 'cmp -s "$work/small.ini" "$work/late/run.ini"'
run run "$out/best.ini" --output "$out"
check the_best_ini_that_is_read_is_not_written_over all 'exits 2' 'complained "best.ini, which is being read"' kept
printf '[experiment]\nobjective = table\ntrials = 2\n[table]\nfile = %s\n[space]\nnum_fc_units = int 16 .. 32 default 16\n' "$out/study.db" >"$work/table.ini"
for fresh in '' --fresh; do
  # shellcheck disable=SC2086 # a word, or none
  run run "$work/table.ini" --output "$out" $fresh
  check "the_table_that_is_read_is_no_output_(${fresh:-going on})" all 'exits 2' 'complained "that is the output of this run"' kept
done
run run "$work/small.ini" --output / --set dataset.train_images=/none # so that nothing is written, whatever is refused
check the_root_of_the_file_system_is_no_output all 'exits 2' 'complained "the root of the file system"'

cases_end
