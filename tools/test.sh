#!/bin/sh
# From a fresh clone to tested: installs what is missing, builds the program and its tests, runs
# them all.
#
# Closes with a line "N passed, N failed"; exits 0 where none failed.  Done twice, it installs
# nothing and builds nothing.
set -eu
cd "$(dirname "$0")/.."

sh tools/setup.sh test
# What a make that called this script left in the environment is not meant for the make below.
unset MAKEFLAGS MAKELEVEL MFLAGS || :
echo "test: building"
mkdir -p build
if ! make -j"$(nproc)" tests >build/make.log 2>&1; then
  grep -v ' -MMD ' build/make.log | tail -n 40 >&2 # without the commands
  echo "test: the build failed; its last lines are above, all of them in build/make.log" >&2
  echo "0 passed, 1 failed"
  exit 1
fi
exec sh tools/run_tests.sh build
