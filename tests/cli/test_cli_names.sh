#!/bin/sh
# Names that stand in tables of the program: what an ini file takes is what `gsos --help` lists and
# what the man page and the reference explain.  Needs ./gsos (or $GSOS).  Run from the project's
# root.
# Not under ThreadSanitizer: names are read and printed by one thread.
# Prints a line "ok NAME" or "not ok NAME" for each test, and ends with "N passed, N failed".
# shellcheck disable=SC2016 # conditions are evaluated later
set -u
# shellcheck source=tests/cli/lib.sh
. tests/cli/lib.sh

gsos=${GSOS:-$PWD/gsos}
cases_begin names

# taken KEY: the names that an ini file may give it, as the refusal of another one lists them.
taken() {
  call "$gsos" check configs/quickstart.ini --set "$1=?"
  exits 2 && sed -n 's/.* is none of: \([a-z0-9_, ]*\).*/\1/p' "$work/err"
}
# listed HEADING: those that --help lists.
listed() {
  call "$gsos" --help
  exits 0 && sed -n "s/.*$1: \([a-z0-9_, ]*\)\..*/\1/p" "$work/out"
}
# parses KEY NAME: NAME is no wrong value, whatever else may be missing for it.
parses() {
  call "$gsos" check "$work/empty.ini" --set "$1=$2"
  ! complained 'is none of'
}
explained() { # NAME: a word of its own in both
  for file in configs/reference.ini man/gsos.1; do
    grep -q -w -e "$1" "$file" || {
      echo "# $file has no word of $1"
      return 1
    }
  done
}
: >"$work/empty.ini"

# agree KEY HEADING SPECIAL: SPECIAL, or "", is what the key takes beside the table's names.
agree() {
  names=$(taken "$1")
  [ -n "$names" ] || return 1
  [ "$names" = "${3:+$3, }$(listed "$2")" ] || {
    echo "# $1 takes $names; --help lists $(listed "$2")"
    return 1
  }
  for name in $(echo "$names" | tr -d ,); do
    parses "$1" "$name" || return 1
    explained "$name" || return 1
  done
}
check strategies_are_the_same_everywhere agree experiment.strategies Strategies ''
check strategies_that_are_pruned_are_those agree pruner.strategies Strategies all
check samplers_are_the_same_everywhere agree experiment.sampler Samplers ''
check pruners_are_the_same_everywhere agree pruner.kind Pruners none
check objectives_are_the_same_everywhere agree experiment.objective Objectives ''
check formats_of_data_sets_are_the_same_everywhere agree dataset.format 'Data sets' auto
check precisions_are_the_same_everywhere agree model.precision Precisions ''
check metrics_are_the_same_everywhere agree experiment.metric Metrics ''
check weights_of_classes_are_the_same_everywhere agree model.class_weights 'Weights of classes' ''
call "$gsos" --help
check the_help_is_narrow all 'exits 0' silent narrow

cases_end
