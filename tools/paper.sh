#!/bin/sh
# The paper's experiment on those of its data sets that are there: what `make paper` and
# `make paper-small` run.
#
#   tools/paper.sh FOLDER [NAME]...
#
# FOLDER holds the ini files, configs/paper or configs/paper-small; NAMEs, as rps k49, choose among
# them.  What is finished is not run again, what was stopped goes on.  At the end stand the figures
# of each round, and what they say beside the paper's (tests/bench/bench_paper.py), and which were
# left out since their data are missing, and how to get those.
#
# From the environment:
#   DATA      a folder in which the data sets lie, ahe, intel ...; data where nothing is said
#   SAMPLERS  "tpe gp": also with the Gaussian process; tpe where nothing is said
#   SETTINGS  more options of gsos run for each of them, one word each: --set scheduler.parallel=4
#   GSOS      the program; ./gsos where nothing is said
#
# Exits 0 where something was run and nothing failed, 1 where nothing was or something did, 2 for a
# wrong call; interrupted, as gsos was.
set -u
cd "$(dirname "$0")/.." || exit 1
gsos=${GSOS:-./gsos} samplers=${SAMPLERS:-tpe}

wrong_usage() {
  echo "paper.sh: $1; tools/paper.sh FOLDER [NAME]..., FOLDER being configs/paper or configs/paper-small" >&2
  exit 2
}

[ $# -gt 0 ] || wrong_usage "no folder"
folder=${1%/}
shift
[ -d "$folder" ] || wrong_usage "there is no folder $folder"
if [ $# -eq 0 ]; then
  for file in "$folder"/*.ini; do
    [ -e "$file" ] || wrong_usage "there is no ini file in $folder"
    name=${file##*/}
    set -- "$@" "${name%.ini}"
  done
fi
for name; do
  [ -f "$folder/$name.ini" ] || wrong_usage "there is no $folder/$name.ini"
done
for sampler in $samplers; do
  case $sampler in
    tpe | gp) ;;
    *) wrong_usage "SAMPLERS has '$sampler', which is neither tpe nor gp" ;;
  esac
done

# The value of a key that stands in the file once.
value_of() { sed -n "s/^$2 = \([^ ]*\).*/\1/p" "$1"; } # FILE KEY

left_out='' failed='' newline='
'
work=$(mktemp -d "${TMPDIR:-/tmp}/gsos-paper.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
: >"$work/outputs"

for name; do
  ini=$folder/$name.ini
  path=$(value_of "$ini" path)
  case $path in
    ../../data/*) path=${DATA:-data}/${path#../../data/} ;;
    *) path=$folder/$path ;; # comes with the program
  esac
  if [ -z "$(ls -A "$path" 2>/dev/null)" ]; then
    left_out="$left_out$newline  $name: there is nothing in $path.
    $(sed -n 's/^# Data: //p' "$ini")"
    continue
  fi
  for sampler in $samplers; do
    output=$(value_of "$ini" output)
    set_sampler=
    [ "$sampler" = tpe ] || output=$output-$sampler set_sampler="--set experiment.sampler=$sampler"
    echo "paper: $name, sampler $sampler"
    # shellcheck disable=SC2086 # one word an option
    "$gsos" run "$ini" --set "dataset.path=$path" --output "$output" $set_sampler ${SETTINGS:-}
    code=$?
    case $code in
      0) echo "$output" >>"$work/outputs" ;;
      1 | 2) failed="$failed $name($sampler)" ;;
      *) exit $code ;; # interrupted: the same command goes on
    esac
  done
done

if [ -s "$work/outputs" ]; then
  echo
  echo "paper: all of them, beside the paper's numbers"
  # shellcheck disable=SC2046 # one word a folder
  python3 tests/bench/bench_paper.py $(cat "$work/outputs") || failed="$failed tables"
fi
[ -z "$left_out" ] || printf '\nLeft out, since their data are missing (%s/README.md tells more):%s\n' configs/paper "$left_out"
[ -z "$failed" ] || echo "paper.sh: failed:$failed" >&2
[ -s "$work/outputs" ] && [ -z "$failed" ]
