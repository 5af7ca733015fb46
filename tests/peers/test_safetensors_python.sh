#!/bin/sh
# The network file as Python's own safetensors reads it: names, shapes, values and metadata, and
# one forward pass in numpy that must agree with `gsos predict`.  Needs ./gsos (or $GSOS).  The
# library comes from PyPI into a virtual environment under build/; where it is not available, the
# test is skipped and says so.
# Not under ThreadSanitizer: a file that one thread writes.
# Prints a line "ok NAME" or "not ok NAME" for each test, and ends with "N passed, N failed".
set -u

gsos=${GSOS:-./gsos}
work=$(mktemp -d "${TMPDIR:-/tmp}/gsos-safetensors.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
passed=0 failed=0

# shellcheck source=tests/peers/python_environment.sh
. tests/peers/python_environment.sh

no_environment() {
  echo "skip safetensors_python: $1"
  echo "0 passed, 0 failed"
  exit 0
}

python_environment safetensors "safetensors.numpy, numpy" "safetensors numpy"

# check NAME HEIGHT WIDTH CHANNELS CLASSES [INI LINE]... -- [METADATA]...: trains, predicts,
# compares.
check() {
  test_name=$1 height=$2 width=$3 channels=$4 classes=$5 data="$work/$1"
  shift 5
  python3 tests/cli/small_images.py "$data" "$height" "$width" "$channels" "$classes" 120 24 12 || exit 1
  cat >"$data/small.ini" <<END
[dataset]
train_images = $data/train-images
train_labels = $data/train-labels
test_images = $data/test-images
test_labels = $data/test-labels
cache = $data/cache
[space]
epoch = int 1 .. 3 default 2
lr = float 1e-5 .. 1 log default 0.001
END
  while [ $# -gt 0 ] && [ "$1" != -- ]; do
    echo "$1" >>"$data/small.ini"
    shift
  done
  [ $# -gt 0 ] && shift
  if "$gsos" train "$data/small.ini" --output "$data/net.safetensors" --quiet >"$work/log" 2>&1 &&
    "$gsos" predict --csv --top 1000 "$data/net.safetensors" "$data"/*.png >"$data/said.csv" 2>"$work/log" &&
    "$venv/bin/python" tests/peers/safetensors_check.py "$data/net.safetensors" "$data/said.csv" "$data" "$@" >"$work/log" 2>&1; then
    echo "ok $test_name ($(cat "$work/log"))"
    passed=$((passed + 1))
  else
    echo "not ok $test_name"
    sed 's/^/# /' "$work/log"
    failed=$((failed + 1))
  fi
}

check python_reads_a_grey_network 16 14 1 4 \
  'num_conv_layers = int 1 .. 4 default 2' \
  'num_fc_units = int 16 .. 256 default 33' \
  -- num_conv_layers=2 num_fc_units=33 padding=same stride=1 kernel=3 optimizer=adam epoch=2 batch_size=32 filters=32 \
  image_height=16 image_width=14 image_channels=1 'class_names=["0","1","2","3"]' resize=area
check python_reads_a_colour_network_with_other_kernels 41 37 3 3 \
  'num_conv_layers = int 1 .. 4 default 2' \
  'kernel = ordinal 3, 5 default 5' \
  'stride = ordinal 1, 2 default 2' \
  'padding = categorical valid, same default valid' \
  'optimizer = categorical adam, sgd default sgd' \
  '[model]' 'filters = 20' \
  -- kernel=5 stride=2 padding=valid optimizer=sgd filters=20 image_height=41 image_width=37 image_channels=3

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
