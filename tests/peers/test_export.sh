#!/bin/sh
# What `gsos export` writes, run by others: ONNX's checker and ONNX Runtime, and PyTorch, give what
# `gsos predict` gives, for networks of every kind that the search space has.  Needs ./gsos (or
# $GSOS).  onnx and onnxruntime come from PyPI into a virtual environment under build/; PyTorch is
# not installed here, but taken where a python3 has it (TORCH_PYTHON: that one).  What is not
# available is skipped, and says so.
# Not under a sanitizer: what writes the files runs there in the unit tests.
# Prints a line "ok NAME" or "not ok NAME" for each test, and ends with "N passed, N failed".
set -u
# shellcheck source=tests/peers/python_environment.sh
. tests/peers/python_environment.sh
# shellcheck source=tests/cli/lib.sh
. tests/cli/lib.sh

gsos=${GSOS:-./gsos}
cases_need "$gsos" onnx_runtime_agrees

no_environment() {
  echo "skip onnx_runtime_agrees: $1"
  echo "0 passed, 0 failed"
  exit 0
}
python_environment export "onnx, onnxruntime, safetensors.numpy" "onnx onnxruntime safetensors numpy"
cases_begin export

# A Python with PyTorch, which gets safetensors, a package without dependencies, from that
# environment.
torch=
for python in ${TORCH_PYTHON:-python3 /usr/bin/python3}; do
  "$python" -c 'import torch' 2>/dev/null && torch=$python && break
done
mkdir "$work/packages"
ln -s "$(cd "$venv" && pwd)"/lib/python3*/site-packages/safetensors "$work/packages/"

# network NAME HEIGHT WIDTH CHANNELS LINE...: trains one for a moment and exports it; [space] has
# the lines.
network() {
  data="$work/$1"
  case $4 in 1 | 3) pngs=12 ;; *) pngs=0 ;; esac
  python3 tests/cli/small_images.py "$data" "$2" "$3" "$4" 5 60 24 $pngs || exit 1
  shift 4
  {
    printf '[dataset]\ntrain_images = %s\ntrain_labels = %s\n' "$data/train-images" "$data/train-labels"
    printf 'test_images = %s\ntest_labels = %s\ncache = %s\n' "$data/test-images" "$data/test-labels" "$data/cache"
    printf '[space]\nepoch = 1\nnum_fc_units = 21\n'
    printf '%s\n' "$@"
  } >"$data/small.ini"
  "$gsos" train "$data/small.ini" --output "$data/net.safetensors" --quiet &&
    "$gsos" export "$data/net.safetensors" --onnx "$data/net.onnx" --torch "$data/net.py"
}
# add NAME ...: as `network`, with what `gsos predict` says of its images, where they can be PNG.
add() {
  check "exported_$1" tells network "$@"
  networks="$networks $data"
  [ ! -e "$data/0.png" ] || "$gsos" predict --csv --top 1000 "$data/net.safetensors" "$data"/*.png >"$data/said.csv"
}
agrees() { # PYTHON KIND FOLDER...
  python=$1
  shift
  PYTHONPATH="$work/packages" "$python" tests/peers/export_check.py "$@"
}
networks=

add grey 16 14 1 'num_conv_layers = 2'
add one_pixel_kernels 15 20 3 'num_conv_layers = 3' 'kernel = 1' 'dropout_rate = 0.25'
add wide_kernels 41 37 3 'num_conv_layers = 2' 'kernel = 5' 'stride = 2' 'padding = categorical valid, same default valid' \
  '[model]' 'filters = 5'
add wider_kernels 64 50 1 'num_conv_layers = 2' 'kernel = 7' 'stride = 3' 'dropout_rate = 0.5'
add stride_without_padding 40 43 3 'num_conv_layers = 1' 'kernel = 3' 'stride = 3' \
  'padding = categorical valid, same default valid' '[model]' 'filters = 12'
add four_layers 35 33 3 'num_conv_layers = 4' '[model]' 'filters = 9'
add two_channels 16 16 2 'num_conv_layers = 1' 'kernel = 7'
add four_channels 20 18 4 'num_conv_layers = 2' 'kernel = 1' 'stride = 2' '[model]' 'filters = 3'

# shellcheck disable=SC2086 # a word a folder
check onnx_runtime_agrees tells agrees "$venv/bin/python" onnx $networks
if [ -n "$torch" ]; then
  # shellcheck disable=SC2086
  check pytorch_agrees tells agrees "$torch" torch $networks
else
  skip pytorch_agrees "no python3 here has PyTorch"
fi

# Another network must be noticed, or the tests could not fail.
other_weights_are_noticed() {
  python3 - "$data/net.safetensors" <<'END'
import sys
with open(sys.argv[1], "r+b") as f:
    f.seek(-4, 2)
    f.write(b"\0\0\x80\x3f")
END
  ! agrees "$venv/bin/python" onnx "$data"
}
check other_weights_are_noticed tells other_weights_are_noticed

cases_end
