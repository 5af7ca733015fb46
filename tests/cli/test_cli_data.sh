#!/bin/sh
# Tests of what the command line says of data: what is not used, what is wrong with them and where
# the ini says so, a data set that others write to while a run has it, and `gsos cache`.  Run from
# the project's root (GSOS=FILE: another program).
# Prints a line "ok NAME" or "not ok NAME" for each test, and ends with "N passed, N failed".
# Not under ThreadSanitizer: runs of the kind that test_cli_run.sh has.
# shellcheck disable=SC2016 # the small programs for sh -c expand their own arguments
set -u
# shellcheck source=tests/cli/lib.sh
. tests/cli/lib.sh

gsos=${GSOS:-./gsos}
case $gsos in /*) ;; *) gsos=$PWD/$gsos ;; esac
images=$PWD/tests/cli/small_images.py history=$PWD/tests/cli/history.py
cases_need "$gsos" data_tests_need_the_program
cases_begin data
cd "$work" || exit 1
export XDG_CACHE_HOME="$work/cache"

run() { call timeout 600 "$gsos" "$@"; }

ini() { # FILE: a small search; what follows on standard input comes behind
  cat >"$1" - <<'INI'
[experiment]
trials = 6
strategies = simultaneous
sampler = random
[scheduler]
devices = cpu
slots = 1
[space]
epoch = int 2 .. 2 default 2
num_conv_layers = int 2 .. 2 default 2
num_fc_units = int 64 .. 64 default 64
batch_size = ordinal 32 default 32
INI
}

# ------------------------------------------------------------------------------- a folder of images

python3 "$images" made 12 12 3 2 40 24 24
for i in 0 1 2 3 4 5 6 7 8 9 10 11; do
  mkdir -p photos/train/a photos/train/b photos/valid/a photos/extra
  cp made/$((2 * i)).png photos/train/a/$i.png
  cp made/$((2 * i + 1)).png photos/train/b/$i.png
done
cp made/0.png photos/valid/a/0.png
touch photos/train/a/clip.webp photos/train/b/notes.txt photos/train/b/more.txt
ini photos.ini </dev/null
printf '[dataset]\npath = photos\nimage_size = 12\n' >>photos.ini
run run photos.ini
check run_tells_what_is_not_used all 'exits 0' \
  'grep -q "ignored  *3 files that are no JPEG or PNG by their names, or hidden: 2 .txt" err' 'grep -q "beside it  *not used: extra/" err'
run check photos.ini
check check_tells_what_is_not_used all 'exits 0' 'grep -q "ignored  *3 files" out' 'grep -q "beside it  *not used: extra/" out'
check valid_is_the_validation_set grep -q '19 to train on, 1 for validation, 5 for the test' out

run check photos.ini --set dataset.path=made
check a_folder_of_no_known_layout_is_told_with_the_ini all 'exits 2' \
  'grep -q -e "--set: .dataset. path = .*made: is of no layout that is known; it holds" err'
sed 's/^path = photos/path = nowhere/' photos.ini >wrong.ini
run check wrong.ini
check what_is_wrong_with_data_names_file_and_line all 'exits 2' 'grep -q "wrong.ini:14: .dataset. path = nowhere: No such file" err'

mkdir here
cp -r photos/train/a photos/train/b here
ini here/s.ini </dev/null
printf '[dataset]\npath = .\nimage_size = 12\n' >>here/s.ini
cd here || exit 1
run run s.ini -q
first=$code
run run s.ini -q --set experiment.trials=7
cd .. || exit 1
check results_beside_the_classes_are_no_class all "[ $first -eq 0 ]" 'exits 0'

# -------------------------------------------------------------- data that others write to meanwhile

# Large enough that a run goes on for a while after its first trial.
python3 "$images" large 16 16 1 4 4000 100 0
ini large.ini </dev/null
cat >>large.ini <<'INI'
[dataset]
train_images = large/train-images
train_labels = large/train-labels
INI
run run large.ini -q -o undisturbed
cp large/train-images whole

# disturbed NAME COMMAND...: a run; COMMAND is done to the images meanwhile, once a trial has ended
disturbed() {
  name=$1
  shift
  "$gsos" run large.ini -q -o "$name" >"out" 2>"err" </dev/null &
  run_id=$!
  do_when $run_id 'sqlite3 -readonly "$name/study.db" "SELECT 1 FROM trials WHERE state = '"'COMPLETE'"'" 2>/dev/null | grep -q 1' "$@"
  wait $run_id
  code=$?
}
same_history() { # FOLDER
  python3 "$history" undisturbed/study.db >history-a && python3 "$history" "$1/study.db" >history-b && cmp -s history-a history-b
}

disturbed cut truncate -s 8192 large/train-images
check data_that_are_cut_stop_the_run_with_a_word all 'exits 1' \
  'grep -q "the data were written to or cut while they were in use (.*large/train-images)" err' \
  'sqlite3 cut/study.db "SELECT count(*) FROM trials WHERE state = '\''COMPLETE'\''" | grep -q "^[1-5]$"'
cp whole large/train-images
run run large.ini -q -o cut
check and_it_goes_on_to_the_same_history_when_they_are_back all 'exits 0' 'same_history cut'

disturbed overwritten sh -c 'head -c 20000 /dev/zero | dd of=large/train-images bs=1000 seek=100 conv=notrunc 2>/dev/null'
check data_that_are_overwritten_stop_the_run_with_a_word all 'exits 1' 'grep -q "the data were written to or cut" err'
cp whole large/train-images
run run large.ini -q -o overwritten
check and_that_goes_on_to_the_same_history_too all 'exits 0' 'same_history overwritten'

# --------------------------------------------------------------------------------------- gsos cache

rm -rf cache
run cache
check an_empty_cache_has_no_entries all 'exits 0' 'grep -q "cache/gsos: 0 entries, 0 " out'
check and_is_not_made_by_looking [ ! -e cache ]
run check photos.ini
gzip -c whole >large/packed.gz
run check large.ini --set dataset.train_images=large/packed.gz
sleep 1.1 # the order is by time, in seconds
run check photos.ini
run cache
check cache_lists_what_was_used_last_first all 'exits 0' 'grep -q "cache/gsos: 2 entries" out' \
  '[ "$(sed -n 3p out | grep -c "/photos$")" = 1 ]' '[ "$(sed -n 4p out | grep -c "/large/packed.gz$")" = 1 ]'
touch cache/gsos/mine.idx
run cache --limit 100kB
check cache_limit_removes_what_was_not_used_for_longest all 'exits 0' 'grep -q "^removed 1 entry, " out'
run cache
check and_leaves_the_rest all 'grep -q "1 entry" out' 'grep -q "/photos$" out'
run cache --clear
check cache_clear_removes_all_that_is_its_own all 'exits 0' '[ "$(ls cache/gsos)" = mine.idx ]'
run check photos.ini
check what_was_removed_is_made_again all 'exits 0' 'ls cache/gsos | grep -q ^images-'
run cache --folder "$work/none"
check a_cache_that_is_not_there_is_named all 'exits 2' 'grep -q -e "--folder $work/none: No such file" err' '[ ! -s out ]'
run cache --folder "$work/none" --clear
check a_cache_that_is_not_there_is_not_cleared all 'exits 2' 'grep -q -e "--folder $work/none: No such file" err' '[ ! -s out ]'
run cache --folder "$gsos"
check a_cache_is_a_folder all 'exits 2' 'grep -q "is no folder" err'
mkdir "$work/other"
run cache --folder "$work/other"
check a_folder_without_a_cache_says_so all 'exits 0' 'grep -q "nothing that gsos has cached is in it" out'
check another_folder_may_be_named all 'exits 0' 'grep -q "other: 0 entries" out'
for wrong in '--limit soon' '--clear --limit 1GB' 'photos' '--limit 0' '--all'; do
  # shellcheck disable=SC2086 # words
  run cache $wrong
  check "cache_$(echo "$wrong" | tr -c 'a-zA-Z0-9\n' _)_is_wrong_usage" all 'exits 2' 'grep -q "gsos cache --help" err'
done
run cache --help
check cache_help_goes_to_standard_output all 'exits 0' 'grep -q "^Usage: gsos cache" out'

# ------------------------------------------------------------------------------- names of classes

# Bytes that are no UTF-8, and names that look like what such bytes are shown as.
python3 "$images" odd_images 12 12 1 4 80 40 40 || exit 1
python3 - odd_images odd <<'END'
import os, sys
images, out = os.fsencode(sys.argv[1]), os.fsencode(sys.argv[2])
for c, name in enumerate([b"caf\xe8", b"caf\xe9", b"caf\\xe8", b"caf\xc3\xa9"]):
    os.makedirs(out + b"/" + name)
    for i in range(c, 40, 4): os.link(images + b"/%d.png" % i, out + b"/" + name + b"/%d.png" % i)
END
printf '[experiment]\ntrials = 1\nrepeats = 0\n[space]\nepoch = 1\n[dataset]\npath = odd\nimage_size = 12\nchannels = 1\n' >odd.ini
four() { # FILE: has all of the four
  for name in 'caf\xe8' 'caf\xe9' 'caf\x5cxe8' 'café'; do
    grep -q -F -e "$name" "$1" || {
      echo "# no $name in $1"
      return 1
    }
  done
}
run check odd.ini
check classes_of_any_bytes_are_told_apart_by_check all 'exits 0' 'four out'
run run odd.ini --output odd_run --quiet
check classes_of_any_bytes_are_told_apart_by_run all 'exits 0' 'four out' 'four odd_run/confusion.csv' 'four odd_run/report.html'
run show odd_run
check classes_of_any_bytes_are_told_apart_by_show all 'exits 0' 'four out'
run predict odd_run/best.safetensors odd --quiet --confusion odd.csv
check classes_of_any_bytes_are_told_apart_by_predict all 'exits 0' 'four out' 'four odd.csv' \
  '[ "$(grep -c -E "^caf[^ ]*  *10 " out)" -eq 4 ]' '[ "$(cut -d, -f1 odd.csv | sort -u | wc -l)" -eq 5 ]'
run export odd_run/best.safetensors --torch odd.py
check classes_of_any_bytes_are_told_apart_in_a_module all 'exits 0' \
  'python3 -c "import re; exec(re.search(\"CLASSES = .*\", open(\"odd.py\").read()).group()); assert len(set(CLASSES)) == 4"'

cases_end
