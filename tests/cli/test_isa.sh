#!/bin/sh
# GSOS_ISA: searches under each instruction set that this processor has.  Twice under the same one
# their history is the same; what it depends on names the instruction set; a run does not go on
# under another.  Needs ./gsos (or $GSOS), python3 (its own library alone) and sqlite3.  Run from
# the project's root.  Prints a line "ok NAME" or "not ok NAME" for each test, and ends with "N
# passed, N failed".
# Not under ThreadSanitizer: runs of the kind that test_cli_run.sh has.
# shellcheck disable=SC2016 # conditions are evaluated later
set -u
# shellcheck source=tests/cli/lib.sh
. tests/cli/lib.sh

gsos=${GSOS:-$PWD/gsos}
cases_begin isa
cases_need "$gsos" an_unknown_word_is_refused_by_every_command
unset GSOS_ISA ONEDNN_MAX_CPU_ISA DNNL_MAX_CPU_ISA

under() { # WORD PROGRAM ARGUMENT...
  word=$1
  shift
  call env GSOS_ISA="$word" "$@"
}
complained() { unwrapped "$work/err" | grep -q -e "$1"; }
depends_on() { sqlite3 "$1/study.db" "SELECT DISTINCT value_json FROM study_user_attributes WHERE key = 'gsos:depends_on'"; }

# The best that this processor has, and what is used under a word; oneDNN has names of its own, and
# on other processors one alone.
has() { # FLAG...
  for flag; do grep -qw "$flag" /proc/cpuinfo || return 1; done
}
best=baseline
has avx2 fma && best=avx2
has avx2 fma avx512f avx512bw avx512vl avx512dq && best=avx512
used() { # WORD
  case $1,$best in
    baseline,* | *,baseline) echo baseline ;;
    avx2,* | *,avx2) echo avx2 ;;
    *) echo avx512 ;;
  esac
}
library() { # WORD: oneDNN's name; "" where this does not know it
  [ "$(uname -m)" = x86_64 ] || return
  case $(used "$1") in
    baseline) echo sse41 ;;
    avx2) echo avx2 ;;
    *) echo avx512_core ;;
  esac
}

# ---- the word

refused() {
  for command in run check train show devices predict; do
    under "$1" "$gsos" $command
    all 'exits 2' 'complained "^gsos: GSOS_ISA=$word .*no such instruction set"' 'complained "baseline, avx2 and avx512"' || return 1
  done
}
check an_unknown_word_is_refused_by_every_command refused avx
check case_counts refused AVX2
under '' "$gsos" devices
check an_empty_word_is_none exits 0
under avx "$gsos" --help
check help_is_there_under_any_word all 'exits 0' 'said GSOS_ISA'

if [ "$(library avx2)" ]; then
  call env GSOS_ISA=avx2 ONEDNN_MAX_CPU_ISA=sse41 "$gsos" devices
  check it_does_not_raise_what_the_librarys_own_variable_says all 'exits 0' 'said "^cpu .* sse41, oneDNN"'
  call env GSOS_ISA=baseline ONEDNN_MAX_CPU_ISA=avx2 "$gsos" devices
  check it_lowers_what_the_librarys_own_variable_says all 'exits 0' 'said "^cpu .* sse41, oneDNN"'
else
  skip it_does_not_raise_what_the_librarys_own_variable_says 'not an x86-64'
fi

# ---- searches

data=$work/data
python3 tests/cli/small_images.py "$data" 16 14 1 4 200 40 0 || exit 1
cat >"$work/images.ini" <<END
[experiment]
strategies = simultaneous
trials = 3
seed = 3
$(dataset_section "$data")
[model]
filters = 16
[scheduler]
devices = cpu
[space]
epoch = int 1 .. 2 default 2
num_conv_layers = int 1 .. 2 default 2
END
cat >"$work/gp.ini" <<'END'
[experiment]
objective = function
sampler = gp
strategies = simultaneous
trials = 12
[function]
name = tuning
[scheduler]
devices = cpu
[gp]
startup = 5
candidates = 64
evaluations = 20
END

for word in baseline avx2 avx512; do
  for kind in images gp; do
    for turn in first second; do
      under "$word" "$gsos" run "$work/$kind.ini" --output "$work/$kind-$word-$turn"
      check "${kind}_run_under_${word}_$turn" all 'exits 0' 'history "$work/$kind-$word-$turn" >"$work/$turn.history"'
    done
    check "${kind}_under_${word}_give_one_history" cmp -s "$work/first.history" "$work/second.history"
  done
  check "a_history_under_${word}_names_it" all 'depends_on "$work/images-$word-first" | grep -q "cpu, $(library $word).*, oneDNN"' \
    'depends_on "$work/gp-$word-first" | grep -q ", $(used $word) loops, OpenBLAS"'
done

# ---- going on

if [ $best = baseline ]; then
  skip a_run_does_not_go_on_under_another 'this processor has one alone'
else
  for kind in images gp; do
    under "$best" "$gsos" run "$work/$kind.ini" --output "$work/$kind-baseline-first" --set experiment.trials=14
    case $kind in
      images) was=sse41 is="$(library "$best")" ;;
      gp) was='baseline loops' is="$best loops" ;;
    esac
    check "a_run_on_${kind}_does_not_go_on_under_another" all 'exits 2' "complained '$was.*and this would go on with.*$is'" \
      'complained "accept-change"'
  done
fi
under baseline "$gsos" run "$work/gp.ini" --output "$work/gp-baseline-first" --set experiment.trials=14
check it_goes_on_under_the_same exits 0

cases_end
