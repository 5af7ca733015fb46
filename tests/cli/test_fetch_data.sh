#!/bin/sh
# Tests of tools/fetch_data.sh, from a mirror in a folder: nothing here needs the network.  Run
# from the project's root.
# Not under a sanitizer: what is tested is shell.
# Prints a line "ok NAME" or "not ok NAME" for each test, and ends with "N passed, N failed".
# shellcheck disable=SC2016 # the small programs for sh -c expand their own arguments
set -u
# shellcheck source=tests/cli/lib.sh
. tests/cli/lib.sh

script=$PWD/tools/fetch_data.sh
cases_begin fetch

run() { call sh "$script" "$@"; }

empty_folder() { [ -z "$(ls -A "$1")" ]; }

# ----------------------------------------------------------------------------------------- a mirror

mirror="$work/a mirror"
mkdir "$mirror"
data=configs/data
cp $data/mnist-train-images.idx3-ubyte.gz "$mirror/train-images-idx3-ubyte.gz"
cp $data/mnist-train-labels.idx1-ubyte.gz "$mirror/train-labels-idx1-ubyte.gz"
cp $data/mnist-test-images.idx3-ubyte.gz "$mirror/t10k-images-idx3-ubyte.gz"
cp $data/mnist-test-labels.idx1-ubyte.gz "$mirror/t10k-labels-idx1-ubyte.gz"
mkdir "$work/cifar-10-batches-bin"
for n in data_batch_1 data_batch_2 data_batch_3 data_batch_4 data_batch_5 test_batch; do
  head -c 3073 /dev/zero >"$work/cifar-10-batches-bin/$n.bin"
done
(cd "$work" && tar -cf - cifar-10-batches-bin) | gzip >"$mirror/cifar-10-binary.tar.gz"
(cd "$mirror" && sha256sum -- *) >"$work/sums"

# ------------------------------------------------------------------------------------------ options

run --help
check help_goes_to_standard_output_and_exits_0 [ "$code" -eq 0 ]
check help_names_every_data_set sh -c 'for n in mnist fashion-mnist kuzushiji-49 cifar-10; do grep -q "^  $n " "$1" || exit 1; done' - "$work/out"
run
check no_name_is_wrong_usage [ "$code" -eq 2 ]
run imagenet
check unknown_name_is_wrong_usage [ "$code" -eq 2 ]
check unknown_name_lists_the_known_ones complained 'kuzushiji-49'
run mnist --colour
check unknown_option_is_wrong_usage [ "$code" -eq 2 ]
run mnist --to
check option_without_value_is_wrong_usage [ "$code" -eq 2 ]

# ------------------------------------------------------------------------------------------ success

to="$work/the digits"
run mnist --to "$to" --mirror "file://$mirror" --sums "$work/sums"
check files_from_a_mirror_are_fetched [ "$code" -eq 0 ]
check all_four_files_are_there_and_whole \
  sh -c 'for f in "$1"/*ubyte.gz; do cmp "$f" "$2/${f##*/}" || exit 1; done; [ "$(ls -A "$1" | wc -l)" -eq 4 ]' - "$to" "$mirror"
check ini_lines_are_printed said '^path = .*the digits$'
check licence_is_printed said 'CC BY-SA'

mv "$mirror/train-images-idx3-ubyte.gz" "$work/aside"
run mnist --to "$to" --mirror "file://$mirror" --sums "$work/sums"
check files_that_are_there_are_not_fetched_again [ "$code" -eq 0 ]
mv "$work/aside" "$mirror/train-images-idx3-ubyte.gz"

echo damage >>"$to/train-labels-idx1-ubyte.gz"
run mnist --to "$to" --mirror "file://$mirror" --sums "$work/sums"
check damaged_file_is_fetched_again cmp "$to/train-labels-idx1-ubyte.gz" "$mirror/train-labels-idx1-ubyte.gz"

run cifar-10 --to "$work/cifar" --mirror "file://$mirror" --sums "$work/sums"
check cifar_archive_is_unpacked [ -f "$work/cifar/cifar-10-batches-bin/test_batch.bin" ]
check cifar_leaves_nothing_but_its_folder [ "$(ls -A "$work/cifar")" = cifar-10-batches-bin ]

# ------------------------------------------------------------------------------------------ failure

run mnist --to "$work/wrong" --mirror "file://$mirror"
check wrong_sum_fails [ "$code" -eq 1 ]
check wrong_sum_is_told complained 'SHA-256 is .* it should be 440fcabf'
check wrong_sum_leaves_no_file empty_folder "$work/wrong"

run fashion-mnist --to "$work/missing" --mirror "file://$work/no such mirror"
check missing_file_fails [ "$code" -eq 1 ]
check missing_file_names_the_mirror complained 'no such mirror'
check missing_file_leaves_nothing empty_folder "$work/missing"

head -c 100 "$mirror/cifar-10-binary.tar.gz" >"$work/cut"
mv "$work/cut" "$mirror/cifar-10-binary.tar.gz"
(cd "$mirror" && sha256sum -- *) >"$work/sums-cut"
run cifar-10 --to "$work/cut" --mirror "file://$mirror" --sums "$work/sums-cut"
check archive_that_does_not_unpack_fails [ "$code" -eq 1 ]
check archive_that_does_not_unpack_makes_no_folder [ ! -e "$work/cut/cifar-10-batches-bin" ]

# A download that hangs, and a signal: the mirror's file is a pipe that is never filled.
rm "$mirror/train-images-idx3-ubyte.gz"
mkfifo "$mirror/train-images-idx3-ubyte.gz"
mkdir "$work/killed"
exec 3<>"$mirror/train-images-idx3-ubyte.gz"
sh "$script" mnist --to "$work/killed" --mirror "file://$mirror" --sums "$work/sums" >"$work/out" 2>"$work/err" 3>&- &
pid=$!
tries=0
until [ -n "$(ls -A "$work/killed")" ] || [ $tries -ge 600 ]; do # until it has begun to write
  sleep 0.1
  tries=$((tries + 1))
done
kill -TERM $pid
exec 3>&-
wait $pid
check signal_ends_it_with_143 [ $? -eq 143 ]
check signal_leaves_no_partial_file empty_folder "$work/killed"

cases_end
