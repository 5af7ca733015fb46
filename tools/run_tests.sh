#!/bin/sh
# Runs the tests and counts them.
#
#   tools/run_tests.sh [BUILD] [all | unit | sanitized | threads] [NAME]...
#
# BUILD (build) holds the compiled tests and the program.  `all` are the cmocka programs
# BUILD/tests/test_* and the scripts test_*.sh, wherever under tests/ their sources are, `unit` the
# programs alone, `sanitized` all but the scripts that say "Not under a sanitizer" and the programs
# test_*_checked, which a build with a sanitizer has not (tests/cudacpu/cudacpu.mk), `threads` of
# those all but the ones that say "Not under ThreadSanitizer": where there is one thread there is no
# race, and AddressSanitizer's run has looked at the rest.  NAMEs (test_store, test_failures.sh)
# choose some of them.
#
# As many run side by side as there are cores (JOBS=N: that many), those that took longest the last
# time first.  Each has a time limit: TIME_LIMIT seconds, 300 by default, for a program; three
# times that for a script.  One line tells how each went, the output of those that failed follows,
# and the last line is "N passed, N failed", with ", N skipped" where there are any.
#
# What is counted are the test cases: those that cmocka lists, or those of a script's own last line
# "N passed, N failed".  A program that crashes, does not end in time, says nothing of its count,
# or exits non-zero with nothing failed is 1 failed.
set -u
cd "$(dirname "$0")/.." || exit 1

if [ "${1:-}" = --one ]; then # BUILD LOGS TEST: one test, in a process of its own
  build=$2 logs=$3 path=$4
  name=$(basename "$path")
  log=$logs/$name
  limit=${TIME_LIMIT:-300}
  case $path in
    *.sh) limit=$((limit * 3)) && set -- sh "$path" ;;
    *) set -- "$path" ;;
  esac
  began=$(date +%s)
  timeout --kill-after=10 "$limit" "$@" </dev/null >"$log.log" 2>&1
  code=$?
  seconds=$(($(date +%s) - began))

  # cmocka closes each group with these three; a script, with its own line.
  counts=$(sed -n 's/\x1b\[[0-9;]*m//g
                   s/^\[  PASSED  \] \([0-9]*\) test(s)\..*/\1 0 0/p
                   s/^\[  SKIPPED \] \([0-9]*\) test(s), listed below.*/0 0 \1/p
                   s/^\[  FAILED  \] \([0-9]*\) test(s), listed below.*/0 \1 0/p
                   s/^\([0-9]*\) passed, \([0-9]*\) failed$/\1 \2 0/p
                   s/^\([0-9]*\) passed, \([0-9]*\) failed, \([0-9]*\) skipped$/\1 \2 \3/p' "$log.log" |
    awk '{ p += $1; f += $2; s += $3 } END { if (NR) print p, f, s }')
  why=
  if [ $code -eq 124 ] || [ $code -eq 137 ]; then
    why="did not end within $limit s"
  elif [ $code -gt 128 ]; then
    why="crashed (signal $((code - 128)))"
  elif [ -z "$counts" ]; then
    why="exit status $code, and no word of how many passed"
  fi
  if [ -n "$why" ]; then
    passed=0 failed=1 skipped=0
  else
    read -r passed failed skipped <<COUNTS
$counts
COUNTS
    if [ $code -ne 0 ] && [ "$failed" -eq 0 ]; then
      why="exit status $code, though no test failed"
      failed=1
    fi
    # A script that does nothing for want of something says so in a line: "skip NAME: why".
    [ "$skipped" -gt 0 ] || skipped=$(grep -c '^skip ' "$log.log")
    if [ $((passed + failed + skipped)) -eq 0 ]; then
      why="ran no test"
      failed=1
    fi
  fi
  result="$passed passed, $failed failed"
  [ "$skipped" -eq 0 ] || result="$result, $skipped skipped"
  printf '%-30s %4d s  %s%s\n' "$name" "$seconds" "$result" "${why:+: $why}"
  [ "$skipped" -eq 0 ] || sed -n 's/^skip /  skipped: /p; s/^\[  SKIPPED \] \([a-z_0-9]*\)$/  skipped: \1/p' "$log.log"
  echo "$passed $failed $skipped $seconds $name" >"$log.result"
  exit 0
fi

build=${1:-build}
kind=${2:-all}
case $kind in
  # Several times as slow: trainings that only have to last are shorter (tests/cli/lib.sh).
  sanitized) export TIME_LIMIT="${TIME_LIMIT:-900}" SLOWER="${SLOWER:-4}" ;;
  threads) export TIME_LIMIT="${TIME_LIMIT:-900}" SLOWER="${SLOWER:-8}" ;;
esac
if [ $# -ge 2 ]; then shift 2; else shift $#; fi

# ------------------------------------------------------------------------- which, and in what order

tests=
for path in $(find tests -name 'test_*.c' -o -name 'test_*.sh' | LC_ALL=C sort); do
  name=$(basename "$path" .c)
  if [ $# -gt 0 ]; then
    case " $* " in *" $name "*) ;; *) continue ;; esac
  fi
  if [ "$kind" = threads ] && grep -q 'Not under ThreadSanitizer: ' "$path"; then continue; fi
  case $kind,$path in
    all,*.sh) tests="$tests $path" ;;
    sanitized,*.sh | threads,*.sh) grep -q '^# Not under a sanitizer: ' "$path" || tests="$tests $path" ;;
    unit,*.sh) ;;
    sanitized,*_checked.c | threads,*_checked.c) ;;
    all,*.c | unit,*.c | sanitized,*.c | threads,*.c) tests="$tests $build/tests/$name" ;;
    *)
      echo "run_tests.sh: '$kind' is none of all, unit, sanitized, threads" >&2
      exit 2 ;;
  esac
done
[ -n "$tests" ] || {
  echo "run_tests.sh: no test is called so: $*" >&2
  echo "0 passed, 1 failed"
  exit 1
}

logs=$build/test-logs
mkdir -p "$logs"
rm -f "$logs"/*.result "$logs"/*.log
times=$build/test-times # "SECONDS NAME" of earlier runs
touch "$times"
# Unknown ones count as slow: scripts 60 s, programs 5 s.
ordered=$(for path in $tests; do
  seconds=$(awk -v name="$(basename "$path")" '$2 == name { s = $1 } END { print s }' "$times")
  case $path in *.sh) : "${seconds:=60}" ;; *) : "${seconds:=5}" ;; esac
  echo "$seconds $path"
done | sort -rn | cut -d ' ' -f 2)

# ---------------------------------------------------------------------------------------------- run

# The scripts run the program that was built together with the tests, and find those in BUILD.
case $build in
  /*) GSOS=$build/gsos ;;
  *) GSOS=$PWD/$build/gsos ;;
esac
export GSOS BUILD="$build"
# What a sanitizer finds ends in an exit status that no test expects of gsos: no refusal can be
# mistaken for it.
export ASAN_OPTIONS="${ASAN_OPTIONS:-exitcode=99:detect_stack_use_after_return=1:strict_string_checks=1}"
export UBSAN_OPTIONS="${UBSAN_OPTIONS:-exitcode=99:print_stacktrace=1}"
# Libraries without instrumentation (libgomp above all, whose locks ThreadSanitizer cannot see) are
# left out.
export TSAN_OPTIONS="${TSAN_OPTIONS:-exitcode=99:ignore_noninstrumented_modules=1:halt_on_error=0:second_deadlock_stack=1}"

echo "$ordered" | xargs -P "${JOBS:-$(nproc)}" -n 1 sh tools/run_tests.sh --one "$build" "$logs"

# ---------------------------------------------------------------------------------------------- sum

passed=0 failed=0 skipped=0
for path in $ordered; do
  name=$(basename "$path")
  if [ ! -f "$logs/$name.result" ]; then # killed from outside
    failed=$((failed + 1))
    continue
  fi
  read -r p f s seconds _ <"$logs/$name.result"
  passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
  { grep -v " $name\$" "$times"; echo "$seconds $name"; } >"$times.new"
  mv "$times.new" "$times"
  if [ "$f" -gt 0 ]; then
    echo
    echo "---- $name ($logs/$name.log)"
    # Of a long output the end, and the lines that say what failed.
    if [ "$(wc -l <"$logs/$name.log")" -gt 150 ]; then
      grep -E -B 12 '^\[  FAILED|^not ok|ERROR: ' "$logs/$name.log" | head -n 120
      echo "[...]"
      tail -n 25 "$logs/$name.log"
    else
      cat "$logs/$name.log"
    fi
  fi
done
echo
if [ $skipped -gt 0 ]; then
  echo "$passed passed, $failed failed, $skipped skipped"
else
  echo "$passed passed, $failed failed"
fi
[ $failed -eq 0 ]
