#!/bin/sh
# From a fresh clone to the first result: installs what is missing, builds, runs
# configs/quickstart.ini.
#
# Done twice, it installs nothing and builds nothing; a run that was stopped goes on, a finished
# one shows its tables again.  Arguments go to `gsos run`: sh tools/quickstart.sh --set
# experiment.trials=60
set -eu
cd "$(dirname "$0")/.."

sh tools/setup.sh run
# What a make that called this script left in the environment is not meant for the make below.
unset MAKEFLAGS MAKELEVEL MFLAGS || :
echo "quickstart: building"
mkdir -p build
# The compiler's lines are of use only where it fails; a person's screen is for the result.
if ! make -j"$(nproc)" gsos >build/make.log 2>&1; then
  grep -v ' -MMD ' build/make.log | tail -n 40 >&2 # without the commands
  echo "quickstart: the build failed; its last lines are above, all of them in build/make.log" >&2
  exit 1
fi
echo "quickstart: ./gsos run configs/quickstart.ini${*:+ $*}"
exec ./gsos run configs/quickstart.ini "$@"
