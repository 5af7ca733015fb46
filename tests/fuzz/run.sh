#!/bin/sh
# Runs the fuzzers and counts their inputs: `make fuzz` builds them and calls this.
#
#   tests/fuzz/run.sh BUILD SECONDS [NAME]...
#
# Each of BUILD/fuzz/fuzz_* (or those named) runs SECONDS seconds from the inputs in
# tests/fuzz/corpus/NAME and from those that it found the last time, in BUILD/fuzz/found/NAME; as
# many side by side as there are cores (JOBS=N: that many).  None may crash, take more than 5 s for
# an input, or more than 1 GB.  An input that one did mind is kept in BUILD/fuzz/minded, and
# BUILD/fuzz/NAME FILE shows it again.
#
# The corpora are small on purpose: make_corpus.py wrote them, but for the JPEG images, which
# Pillow made of 16 x 12 pixels.
set -u
cd "$(dirname "$0")/../.." || exit 1

if [ "${1:-}" = --one ]; then # BUILD SECONDS NAME: one fuzzer, in a process of its own
  build=$2 seconds=$3 name=$4
  log=$build/fuzz/$name.log
  found=$build/fuzz/found/$name
  mkdir -p "$found"
  set -- "$found"
  [ ! -d "tests/fuzz/corpus/${name#fuzz_}" ] || set -- "$@" "tests/fuzz/corpus/${name#fuzz_}"
  length=4096
  case $name in
    fuzz_ini) # what people begin with
      length=16384
      set -- -seed_inputs="$(find configs -name '*.ini' | tr '\n' ',' | sed 's/,$//')" -dict=tests/fuzz/ini.dict "$@" ;;
    fuzz_cifar) length=512 ;;
  esac
  began=$(date +%s)
  "$build/fuzz/$name" -max_total_time="$seconds" -timeout=5 -rss_limit_mb=1024 -max_len=$length -print_final_stats=1 \
    -artifact_prefix="$build/fuzz/minded/$name-" "$@" >"$log" 2>&1
  code=$?
  inputs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
  memory=$(sed -n 's/^stat::peak_rss_mb: *//p' "$log")
  # What a fuzzer reports and goes on from (a leak that it cannot place, say) is none the less
  # found.
  if [ $code -eq 0 ] && [ "${inputs:-0}" -gt 0 ] && ! grep -qE '^(==[0-9]+==ERROR|SUMMARY)' "$log"; then
    printf '%-18s %10d inputs  %5d s  %5d MB\n' "$name" "$inputs" $(($(date +%s) - began)) "$memory"
    echo "$inputs" >"$build/fuzz/$name.count"
  else
    printf '%-18s MINDED an input (exit status %d); %s\n' "$name" $code "$log"
    tail -n 40 "$log"
  fi
  exit 0
fi

[ $# -ge 2 ] || {
  sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2
  exit 2
}
build=$1
seconds=$2
shift 2
if [ $# -eq 0 ]; then
  for fuzzer in "$build"/fuzz/fuzz_*; do
    case $fuzzer in *.log | *.count) ;; *) set -- "$@" "${fuzzer##*/}" ;; esac
  done
fi
mkdir -p "$build/fuzz/minded"
for name; do rm -f "$build/fuzz/$name.count"; done
# What the program itself sets down: folders in $TMPDIR, in memory where there is such a place.
[ ! -w /dev/shm ] || TMPDIR=/dev/shm
TMPDIR=$(mktemp -d)
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT
# An allocation that is too large is refused, not an error: that is what the readers are to cope
# with.
export ASAN_OPTIONS=allocator_may_return_null=1:detect_leaks=1:quarantine_size_mb=16:malloc_context_size=5
export UBSAN_OPTIONS=print_stacktrace=1
printf '%s\n' "$@" | xargs -n 1 -P "${JOBS:-$(nproc)}" sh "$0" --one "$build" "$seconds"
total=0 failed=0
for name; do
  if [ -s "$build/fuzz/$name.count" ]; then
    read -r count <"$build/fuzz/$name.count"
    total=$((total + count))
  else
    failed=$((failed + 1))
  fi
done
echo "$total inputs, $# fuzzers, $failed failed"
[ $failed -eq 0 ]
