#!/bin/sh
# Checks gsos on a machine with a GPU: does it compute right, and how fast?  Needs neither internet nor a compiler.
#
#   tools/gpu_check.sh [--out DIR] [--limit SECONDS] [PART]...
#
# Runs from the bundle that `make bundle` packs, or from a build tree after `make gpu-tests` (BUILD, build).  The parts, the most
# telling first; those that are named, or all, in this order:
#
#   devices    what is there: gsos devices, nvidia-smi
#   kernels    every kernel against a plain loop
#   cohort     the trainer against the CPU's; the same bits in every cohort and on every stream
#   steps      time of a step, 1 ... 32 trials on 1, 2, 4 streams, beside the least that it could take
#   trials     whole trials an hour, 1 ... 64 at once
#   run        gsos run on the GPU, side by side and one by one, and on the CPU
#   sanitizer  compute-sanitizer: memcheck, racecheck, initcheck, synccheck
#   counters   Nsight Compute: the five longest kernels of a step (clocks are left alone)
#   pytorch    the same network in PyTorch: eager, CUDA graph, torch.compile, processes side by side
#
# Each has its own time limit, and all together --limit (460 s): what has no time left is skipped.  After each, DIR/results.json and
# DIR/table.txt are written anew, so that a stop loses nothing; DIR/PART.log holds a part's output.  DIR is $OUT or build/gpu-results.
# What cannot run is `skipped` and says why.  Where there is no GPU, what the harness of tests/cudacpu can stand in for runs there, if
# it is built, and says so ("on": "harness"): it shows that this script works, and its times mean nothing.
#
# Exits 1 where a part failed or ran out of time, else 0.  tests/gpu-results/METHOD.md says what the numbers mean.
set -u
self=$(cd "$(dirname "$0")" && pwd)/gpu_check.sh
root=$(dirname "$(dirname "$self")")
all_parts='devices kernels cohort steps trials run sanitizer counters pytorch'

limit_of() { # PART: seconds
  case $1 in
    devices) echo 20 ;;
    kernels) echo 100 ;;
    cohort) echo 60 ;;
    steps) echo 90 ;;
    trials) echo 60 ;;
    run) echo 75 ;;
    sanitizer) echo 90 ;;
    counters) echo 45 ;;
    pytorch) echo 75 ;;
  esac
}

# ------------------------------------------------------------------------------------------------- a part's tools

# skip WHY: ends the part.
skip() {
  echo "skipped: $*"
  printf '%s' "$*" >"$WORK/$PART.why"
  exit 77
}
# because WHAT: what a part that goes on will have failed of.
failures=0
because() {
  echo "FAILED: $*"
  [ -s "$WORK/$PART.why" ] && printf '; ' >>"$WORK/$PART.why"
  printf '%s' "$*" >>"$WORK/$PART.why"
  failures=$((failures + 1))
}
end() {
  [ "$failures" -eq 0 ]
  exit $?
}

# string TEXT: as JSON has it.
string() {
  printf '%s' "$1" | LC_ALL=C tr -d '\000-\010\013-\037\177' | LC_ALL=C awk '
    { gsub(/\\/, "&&"); gsub(/"/, "\\\""); gsub(/\t/, " "); printf "%s%s", (NR > 1 ? "\\n" : "\""), $0 }
    END { printf "%s\"", (NR ? "" : "\"") }'
}
# result JSON: a line of the part's results.
result() { printf '%s\n' "$*" >>"$WORK/$PART.lines"; }

# A program by its name, on the GPU or in the harness; nothing where it is not there.
program() {
  if [ "$ON" = gpu ]; then
    set -- "$PROGRAMS/$1"
  else
    case $1 in
      gsos) set -- "$HARNESS/gsos-cudacpu" ;;
      *) set -- "$HARNESS/tests/$1" ;;
    esac
  fi
  [ ! -x "$1" ] || echo "$1"
}
need() { # PROGRAM: its path in $found, or the part is skipped
  found=$(program "$1")
  [ -n "$found" ] && return
  [ "$ON" = gpu ] || skip "no GPU: $NO_GPU"
  skip "no program $1 in $PROGRAMS"
}
start() { sh "$root/tools/bundled.sh" "$@"; } # PROGRAM ARGUMENT..., under the tool that $UNDER names
limit_s=${LIMIT:-0}                           # this part's

# A tool of the CUDA toolkit, wherever it may be.
tool() {
  command -v "$1" 2>/dev/null && return
  for path in /usr/local/cuda*/bin/"$1" /opt/cuda/bin/"$1" /usr/local/nvidia/bin/"$1" /opt/nvidia/nsight-compute/*/"$1" /usr/local/cuda*/compute-sanitizer/"$1"; do
    [ -x "$path" ] && echo "$path" && return
  done
}

# -------------------------------------------------------------------------------------------------------- parts

part_devices() {
  gsos=$PROGRAMS/gsos
  [ -x "$gsos" ] || gsos=$(program gsos)
  [ -n "$gsos" ] || skip "no program gsos in $PROGRAMS"
  start "$gsos" devices >"$WORK/devices" || because "gsos devices ended with exit status $?"
  cat "$WORK/devices"
  while read -r line; do result "{\"kind\": \"device\", \"text\": $(string "$line")}"; done <"$WORK/devices"
  [ "$ON" = gpu ] || skip "no GPU: $NO_GPU"
  smi=$(tool nvidia-smi)
  [ -n "$smi" ] || { echo "no nvidia-smi"; end; }
  "$smi"
  fields=name,driver_version,memory.total,memory.used,clocks.sm,clocks.max.sm,clocks.mem,power.limit,temperature.gpu,utilization.gpu,compute_mode
  "$smi" --query-gpu="$fields" --format=csv,noheader >"$WORK/smi" 2>&1 || { echo "nvidia-smi --query-gpu failed"; end; }
  while read -r line; do result "{\"kind\": \"nvidia-smi\", \"fields\": \"$fields\", \"values\": $(string "$line")}"; done <"$WORK/smi"
  end
}

# Runs a program of tests, and counts.
run_tests() { # NAME PATH
  start "$2" >"$WORK/tests" 2>&1
  code=$?
  cat "$WORK/tests"
  counts=$(sed -n 's/\x1b\[[0-9;]*m//g
                   s/^\[  PASSED  \] \([0-9]*\) test(s)\..*/\1 0/p; s/.*run\.\[  PASSED  \] \([0-9]*\) test(s)\..*/\1 0/p
                   s/^\[  FAILED  \] \([0-9]*\) test(s), listed below.*/0 \1/p' "$WORK/tests" |
    awk '{ p += $1; f += $2 } END { print p + 0, f + 0 }')
  passed=${counts% *} failed=${counts#* }
  result "{\"kind\": \"tests\", \"program\": \"$1\", \"passed\": $passed, \"failed\": $failed, \"exit\": $code}"
  [ "$failed" -eq 0 ] || because "$failed of $((passed + failed)) tests of $1 failed"
  [ "$code" -eq 0 ] || [ "$failed" -gt 0 ] || because "$1 ended with exit status $code"
  [ $((passed + failed)) -gt 0 ] || because "$1 ran no test"
}

part_kernels() {
  need test_kernels
  for path in "$found" "$found"_*; do
    case $path in
      *.o | *.d | *_checked) continue ;;
    esac
    [ ! -x "$path" ] || run_tests "${path##*/}" "$path"
  done
  end
}

part_cohort() {
  need test_cohort
  run_tests test_cohort "$found"
  end
}

bench() { # WHAT
  need bench_cohort
  start "$found" --limit $((limit_s - limit_s / 5)) --json "$WORK/$PART.lines" "$1" || because "bench_cohort ended with exit status $?"
  end
}
part_steps() { bench steps; }
part_trials() { bench trials; }

# The columns of trials.csv that do not tell a time.
history() { awk -F , -v OFS=, '{ $10 = $11 = "" } 1' "$1/trials.csv" | sort; }
busy() { awk -F , 'NR > 1 { s += $10 } END { printf "%.3f", s }' "$1/trials.csv"; }
gsos_run() { # NAME SETTING...
  output=$WORK/run-$1
  shift
  rm -rf "$output"
  for setting; do set -- "$@" --set "$setting" && shift; done
  began=$(date +%s.%N)
  start "$found" run "$WORK/run.ini" --quiet --output "$output" "$@" >"$WORK/run.out" 2>&1
  run_code=$?
  seconds=$(awk -v a="$began" -v b="$(date +%s.%N)" 'BEGIN { printf "%.3f", b - a }')
  [ "$run_code" -eq 0 ] || cat "$WORK/run.out"
  [ "$run_code" -eq 0 ] || because "gsos run $* ended with exit status $run_code"
  [ "$run_code" -ne 0 ] || result "{\"kind\": \"run\", \"where\": \"${output##*/run-}\", \"trials\": $(($(wc -l <"$output/trials.csv") - 1))," \
    "\"wall_s\": $seconds, \"busy_s\": $(busy "$output")}"
  return "$run_code"
}

# The trials are random ones, so that all runs train the same configurations; at these learning rates rounding does not decide.
part_run() {
  need gsos
  cat >"$WORK/run.ini" <<END
[experiment]
strategies = simultaneous
rounds = 1
[dataset]
path = $root/configs/data
cache = $WORK/cache
[tpe]
startup = 12
END
  if [ "$ON" = gpu ]; then
    cat >>"$WORK/run.ini" <<END
[experiment]
trials = 12
[space]
epoch = int 3 .. 3 default 3
lr = float 0.0001 .. 0.003 log default 0.001
END
  else # the harness is slow
    cat >>"$WORK/run.ini" <<END
[experiment]
trials = 3
[dataset]
train_count = 64
test_count = 16
[model]
filters = 8
[space]
epoch = int 1 .. 1 default 1
lr = float 0.0001 .. 0.003 log default 0.001
num_conv_layers = int 2 .. 2 default 2
num_fc_units = int 16 .. 32 default 16
END
  fi
  gsos_run together scheduler.devices=cuda || end
  gsos_run one-by-one scheduler.devices=cuda:0 scheduler.slots=1 || end
  gsos_run cpu scheduler.devices=cpu || end
  same=true
  history "$WORK/run-together" >"$WORK/history"
  history "$WORK/run-one-by-one" | cmp - "$WORK/history" || same=false
  cmp "$WORK/run-together/best.safetensors" "$WORK/run-one-by-one/best.safetensors" || same=false
  $same || because "trials one by one end in other bits than side by side"
  # Each trial's accuracy and loss, on the GPU and on the CPU.
  awk -F , 'FNR == 1 { next } NR == FNR { a[$4] = $7; l[$4] = $8; s[$4] = $5; next }
    { d = $7 - a[$4]; if (d < 0) d = -d; if (d > most) most = d; n++; if (s[$4] != $5) other++
      printf "trial %2d: %-8s GPU %.4f, loss %.5f; CPU %.4f, loss %.5f\n", $4, $5, a[$4], l[$4], $7, $8 >"/dev/stderr" }
    END { printf "%d %.6f %d\n", n, most, other }' "$WORK/run-together/trials.csv" "$WORK/run-cpu/trials.csv" >"$WORK/compared"
  read -r n most other <"$WORK/compared"
  result "{\"kind\": \"compared\", \"trials\": $n, \"same_bits_side_by_side_and_alone\": $same, \"accuracy_differs_by_at_most\": $most," \
    "\"ended_differently\": $other}"
  [ "$n" -gt 0 ] || because "there is no trial to compare"
  awk -v d="$most" 'BEGIN { exit !(d > 0.01) }' && because "accuracy on the GPU and on the CPU differs by $most"
  [ "$other" -eq 0 ] || because "$other trials ended differently on GPU and CPU"
  # What a profiler would see of it.
  if [ "$ON" = gpu ] && [ -e "$PROGRAMS/nvtx_recorder.so" ]; then
    NVTX_INJECTION64_PATH=$PROGRAMS/nvtx_recorder.so NVTX_RECORD=$WORK/ranges
    export NVTX_INJECTION64_PATH NVTX_RECORD
    gsos_run ranges scheduler.devices=cuda experiment.trials=2
    for kind in trial epoch stage; do
      case $kind in
        stage) pattern='^push \(forward\|dense\|loss\|backward\|optimizer\)' ;;
        *) pattern="^begin .*$kind [0-9]" ;;
      esac
      count=$(grep -c "$pattern" "$WORK/ranges" 2>/dev/null)
      result "{\"kind\": \"ranges\", \"of\": \"$kind\", \"count\": ${count:-0}}"
      [ "${count:-0}" -gt 0 ] || because "no NVTX range of a $kind"
    done
  fi
  end
}

part_sanitizer() {
  [ "$ON" = gpu ] || skip "no GPU: $NO_GPU"
  sanitizer=$(tool compute-sanitizer)
  [ -n "$sanitizer" ] || skip "compute-sanitizer is not installed"
  need bench_cohort
  ran=0
  for check in memcheck racecheck initcheck synccheck; do
    began=$(date +%s)
    UNDER="$sanitizer --tool $check --error-exitcode 9 --print-limit 20"
    [ "$check" != memcheck ] || UNDER="$UNDER --leak-check full"
    UNDER=$UNDER timeout -k 2 $(((limit_s - 12) / 4)) sh "$root/tools/bundled.sh" "$found" --tiny steps trials \
      >"$WORK/$check.log" 2>&1
    code=$?
    echo "== $check: exit status $code"
    cat "$WORK/$check.log"
    summary=$(grep -o '[A-Z]* SUMMARY: .*' "$WORK/$check.log" | tail -n 1)
    case $code in
      0) status=passed ;;
      124 | 137) status=timeout ;;
      *) status=failed ;;
    esac
    [ "$status" = timeout ] || [ -n "$summary" ] || status=skipped # it never came to look
    if grep -qi 'device not supported\|unable to find' "$WORK/$check.log"; then status=skipped; fi
    [ "$status" = skipped ] || ran=$((ran + 1))
    [ "$status" != failed ] || because "$check: $summary"
    result "{\"kind\": \"sanitizer\", \"tool\": \"$check\", \"status\": \"$status\", \"summary\": $(string "$summary")," \
      "\"seconds\": $(($(date +%s) - began))}"
  done
  [ "$ran" -gt 0 ] || skip "compute-sanitizer cannot run here: $(grep -i 'error\|not supported\|unable' "$WORK/memcheck.log" | head -n 1)"
  end
}

# ncu's own CSV: a line of names, one of units, one for each kernel.
part_counters() {
  [ "$ON" = gpu ] || skip "no GPU: $NO_GPU"
  ncu=$(tool ncu)
  [ -n "$ncu" ] || skip "Nsight Compute (ncu) is not installed"
  need bench_cohort
  metrics=gpu__time_duration.sum,sm__throughput.avg.pct_of_peak_sustained_elapsed,dram__throughput.avg.pct_of_peak_sustained_elapsed
  metrics=$metrics,l1tex__throughput.avg.pct_of_peak_sustained_active,sm__warps_active.avg.pct_of_peak_sustained_active
  metrics=$metrics,launch__registers_per_thread,launch__waves_per_multiprocessor
  ran=0
  for precision in fp32 tf32; do
    UNDER="$ncu --clock-control none --target-processes all --profile-from-start off --csv --page raw --print-units base"
    UNDER="$UNDER --metrics $metrics" timeout -k 2 $(((limit_s - 8) / 2)) sh "$root/tools/bundled.sh" "$found" \
      --precision "$precision" profile >"$WORK/ncu-$precision" 2>&1
    code=$?
    cat "$WORK/ncu-$precision"
    # The five longest; the same kernel for another layer is another line.
    LC_ALL=C awk -v precision="$precision" '
      /^"ID"/ { n = split(substr($0, 2, length($0) - 2), name, "\",\""); header = 1; next }
      header == 1 && /^"/ { header = 2; next }
      header == 2 && /^"[0-9]/ {
        split(substr($0, 2, length($0) - 2), v, "\",\"")
        duration = 0
        line = "{\"kind\": \"kernel\", \"precision\": \"" precision "\""
        for (i = 1; i <= n; i++) {
          if (name[i] ~ /__/) gsub(/,/, "", v[i])
          if (name[i] == "Kernel Name") line = line ", \"kernel\": \"" v[i] "\""
          if (name[i] == "Grid Size") line = line ", \"grid\": \"" v[i] "\""
          if (name[i] == "Block Size") line = line ", \"block\": \"" v[i] "\""
          if (name[i] ~ /__/ && v[i] ~ /^[-+.0-9e]+$/) line = line ", \"" name[i] "\": " v[i]
          if (name[i] == "gpu__time_duration.sum") duration = v[i]
        }
        printf "%.0f %s}\n", duration, line
      }' "$WORK/ncu-$precision" | sort -rn | head -n 5 | cut -d ' ' -f 2- >"$WORK/kernels"
    if [ -s "$WORK/kernels" ]; then
      ran=$((ran + 1))
      cat "$WORK/kernels" >>"$WORK/$PART.lines"
    else
      reason=$(grep '^==ERROR==\|ERR_NVGPUCTRPERM' "$WORK/ncu-$precision" | head -n 1)
      reason=${reason:-exit status $code, and no kernel}
    fi
  done
  [ "$ran" -gt 0 ] || skip "ncu reads no counters here: $reason"
  end
}

part_pytorch() {
  [ "$ON" = gpu ] || skip "no GPU: $NO_GPU"
  # python3 on the PATH need not be the one that has torch.
  for python in python3 /usr/bin/python3 /opt/*/bin/python3 /opt/*/.venv/bin/python3; do
    "$python" -c 'import torch; raise SystemExit(not torch.cuda.is_available())' 2>/dev/null && break
    python=
  done
  [ -n "$python" ] || skip "no python3 here has torch with CUDA"
  "$python" "$root/tools/bench_pytorch.py" gpu --limit $((limit_s - 10)) --json "$WORK/$PART.lines" ||
    because "bench_pytorch.py ended with exit status $?"
  end
}

if [ "${1:-}" = --one ]; then # a part, in a process of its own; what it needs to know is in the environment
  PART=$2
  part_"$PART"
fi

# ------------------------------------------------------------------------------------------------------ results

# What the files of the parts say, as one JSON.
write_json() { # STATE
  printf '{\n"format": 1,\n"state": "%s",\n"began": "%s",\n"seconds": %d,\n' "$1" "$began" $(($(date +%s) - first))
  gpu=true why=null
  [ "$ON" = gpu ] || gpu=false why=$(string "$NO_GPU")
  printf '"gsos": %s,\n"gpu": %s,\n"why_no_gpu": %s,\n' "$(string "$version")" "$gpu" "$why"
  printf '"system": %s,\n"parts": [' "$(string "$(uname -srm)")"
  separator=
  for part in $parts; do
    status='not begun' seconds=0 limit=$(limit_of "$part") on=null why=
    [ ! -f "$WORK/$part.status" ] || read -r status seconds limit on <"$WORK/$part.status"
    [ ! -s "$WORK/$part.why" ] || why=$(cat "$WORK/$part.why")
    [ "$on" = null ] || on="\"$on\""
    printf '%s\n{"name": "%s", "status": "%s", "on": %s, "why": %s, "seconds": %s, "limit_s": %s, "results": [' "$separator" "$part" \
      "$status" "$on" "$(string "$why")" "$seconds" "$limit"
    # A line that was cut off by a time limit is none.
    [ ! -s "$WORK/$part.lines" ] || grep '^{.*}$' "$WORK/$part.lines" | awk '{ printf "%s\n  %s", (NR > 1 ? "," : ""), $0 }'
    printf ']}'
    separator=,
  done
  printf '\n]\n}\n'
}

write_table() {
  echo "gsos $version, $began: $where"
  echo
  printf '%-10s %-9s %-8s %7s  %s\n' part status on seconds why
  for part in $parts; do
    status='not begun' seconds=- on=- why=
    [ ! -f "$WORK/$part.status" ] || read -r status seconds limit on <"$WORK/$part.status"
    [ ! -s "$WORK/$part.why" ] || why=$(cat "$WORK/$part.why")
    [ "$on" != null ] || on=-
    printf '%-10s %-9s %-8s %7s  %s\n' "$part" "$status" "$on" "$seconds" "$why"
  done
  [ "$ON" = gpu ] || printf '\nWhat ran on "harness" ran on the CPU: it shows that the check works, and its times mean nothing.\n'
  for part in $parts; do
    [ -s "$WORK/$part.lines" ] || continue
    printf '\n---- %s\n' "$part"
    case $part in
      steps | trials | pytorch) grep -v '^$\|^FAILED' "$out/$part.log" | cut -c 1-160 ;;
      # "key": value, without what every line has
      *) grep '^{.*}$' "$WORK/$part.lines" | sed 's/^{"kind": "//; s/"//; s/[{}"]//g' ;;
    esac
  done
}

write_results() { # STATE
  write_json "$1" >"$out/results.json.new" && mv "$out/results.json.new" "$out/results.json"
  write_table >"$out/table.txt.new" && mv "$out/table.txt.new" "$out/table.txt"
}

# ---------------------------------------------------------------------------------------------------------- main

out=${OUT:-$root/build/gpu-results}
total=460
parts=
while [ $# -gt 0 ]; do
  case $1 in
    --out | --limit)
      [ $# -ge 2 ] || { echo "gpu_check.sh: $1 needs a value" >&2; exit 2; }
      case $1 in --out) out=$2 ;; *) total=$2 ;; esac
      shift ;;
    -h | --help)
      sed -n '2,/^set -u/s/^# \{0,1\}//p' "$self"
      exit 0 ;;
    *)
      case " $all_parts " in
        *" $1 "*) parts="$parts $1" ;;
        *)
          echo "gpu_check.sh: '$1' is none of $all_parts" >&2
          exit 2 ;;
      esac ;;
  esac
  shift
done
case $total in *[!0-9]* | '') echo "gpu_check.sh: --limit takes seconds, not '$total'" >&2; exit 2 ;; esac
parts=${parts:-$all_parts}
mkdir -p "$out" || exit 1
out=$(cd "$out" && pwd)
WORK=$out/.work
rm -rf "$WORK"
mkdir -p "$WORK"

build=${BUILD:-build}
case $build in /*) ;; *) build=$root/$build ;; esac
PROGRAMS=$root/bin
[ -d "$PROGRAMS" ] || PROGRAMS=$build/gpu
PROGRAMS=${GPU_CHECK_PROGRAMS:-$PROGRAMS}
HARNESS=${GPU_CHECK_HARNESS:-$build}
first=$(date +%s)
began=$(date -u +%Y-%m-%dT%H:%M:%SZ)
version=unknown ON=harness NO_GPU="no program gsos in $PROGRAMS (make gpu-tests builds it where nvcc is)"
if [ -x "$PROGRAMS/gsos" ]; then
  start "$PROGRAMS/gsos" devices >"$WORK/found" 2>&1
  NO_GPU=$(sed -n 's/^no GPU: //p' "$WORK/found")
  : "${NO_GPU:=$(tail -n 1 "$WORK/found")}"
  if grep -q '^cuda:' "$WORK/found"; then ON=gpu NO_GPU=; fi
fi
for gsos in "$PROGRAMS/gsos" "$HARNESS/gsos"; do
  [ ! -x "$gsos" ] || [ "$version" != unknown ] || version=$(start "$gsos" --version 2>/dev/null | sed -n '1s/^gsos //p')
done
export WORK PROGRAMS HARNESS ON NO_GPU

where="no GPU: $NO_GPU"
[ "$ON" != gpu ] || where=$(sed -n '/^cuda:/{p;q;}' "$WORK/found")
echo "gpu_check: $where; results in $out"
failed=0
write_results running
for part in $parts; do
  left=$((first + total - $(date +%s)))
  limit=$(limit_of "$part")
  [ "$limit" -le "$left" ] || limit=$left
  since=$(date +%s)
  if [ "$limit" -lt 5 ]; then
    code=77
    printf 'no time left of %s s' "$total" >"$WORK/$part.why"
  else
    LIMIT=$limit timeout -k 5 "$limit" sh "$self" --one "$part" >"$out/$part.log" 2>&1 </dev/null
    code=$?
  fi
  on=$ON
  case $code in
    0) status=passed ;;
    77) status=skipped on=null ;;
    124 | 137)
      status=timeout
      printf '%sdid not end within %s s' "$([ ! -s "$WORK/$part.why" ] || printf '; ')" "$limit" >>"$WORK/$part.why" ;;
    *)
      status=failed
      [ -s "$WORK/$part.why" ] || printf 'exit status %s' "$code" >"$WORK/$part.why" ;;
  esac
  case $status in failed | timeout) failed=1 ;; esac
  echo "$status $(($(date +%s) - since)) $limit $on" >"$WORK/$part.status"
  printf '%-10s %-8s %4d s  %s\n' "$part" "$status" $(($(date +%s) - since)) "$(cat "$WORK/$part.why" 2>/dev/null)"
  write_results running
done
write_results finished
rm -rf "$WORK"
echo "gpu_check: $out/results.json, $out/table.txt"
exit $failed
