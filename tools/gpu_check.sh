#!/bin/sh
# Checks gsos on a machine with a GPU: does it compute right, and how fast?  Needs neither internet
# nor a compiler.
#
#   tools/gpu_check.sh [--out DIR] [--limit SECONDS] [PART]...
#
# Runs from the bundle that `make bundle` packs, or from a build tree after `make gpu-tests`
# (BUILD, build).  The parts, the most telling first; those that are named, or all, in this order:
#
#   devices    what is there: gsos devices, nvidia-smi
#   kernels    every kernel against a plain loop
#   cohort     the trainer against the CPU's; the same bits in every cohort and on every stream
#   steps      time of a step, 1 ... 32 trials on 1, 2, 4 streams, beside the least that it could
#              take
#   trials     whole trials an hour, 1 ... 64 at once
#   run        gsos run on the GPU, side by side and one by one, and on the CPU: the same bits, and
#              as good
#   proposals  the Gaussian process' kernels, and whole proposals
#   sanitizer  compute-sanitizer: memcheck, racecheck, initcheck, synccheck
#   counters   Nsight Compute: the five longest kernels of a step, with caches flushed before each
#              and as the kernel before left them (clocks are left alone)
#   pytorch    the same network in PyTorch: eager, CUDA graph, torch.compile, processes side by
#              side
#   table      gsos study: random networks of the paper's space on configs/data and on each data
#              set that is a folder of $GPU_CHECK_DATA, as many as there is time for; a second run
#              goes on.  DIR/table/NAME.db.gz is a table for `objective = table`
#
# Each has its own time limit (ten times as long without a GPU), and all together --limit (460 s):
# what has no time left is skipped.
# After each, DIR/results.json and DIR/table.txt are written anew, so that a stop loses nothing;
# DIR/PART.log holds a part's output.  DIR is $OUT or build/gpu-results.  What cannot run is
# `skipped` and says why.  Where there is no GPU, what the harness of tests/cudacpu can stand in
# for runs there, if it is built, and says so ("on": "harness"): it shows that this script works,
# and its times mean nothing.
#
# Exits 1 where a part failed or ran out of time, else 0.  tests/gpu/results/METHOD.md says what
# the numbers mean.
set -u
self=$(cd "$(dirname "$0")" && pwd)/gpu_check.sh
root=$(dirname "$(dirname "$self")")
all_parts='devices kernels cohort steps trials run proposals sanitizer counters pytorch table'

limit_of() { # PART: seconds
  case $1 in
    devices) limit=20 ;;
    kernels) limit=100 ;;
    cohort) limit=60 ;;
    steps) limit=90 ;;
    trials) limit=60 ;;
    run) limit=75 ;;
    proposals) limit=60 ;;
    sanitizer) limit=90 ;;
    counters) limit=60 ;;
    pytorch) limit=75 ;;
    table) limit=300 ;;
  esac
  [ "$ON" = gpu ] || limit=$((limit * 10)) # the harness is slow, and so may its machine be
  echo "$limit"
}

# ----------------------------------------------------------------------------------- a part's tools

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

# -------------------------------------------------------------------------------------------- parts

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

bench() { # PROGRAM SECONDS [WHAT]
  need "$1"
  bench=$1 bench_s=$2
  shift 2
  [ "$ON" = gpu ] || set -- --tiny "$@"
  start "$found" --limit "$bench_s" --json "$WORK/$PART.lines" "$@" || because "$bench ended with exit status $?"
}
part_steps() { bench bench_cohort $((limit_s - limit_s / 5)) steps; end; }
part_trials() { bench bench_cohort $((limit_s - limit_s / 5)) trials; end; }
part_proposals() {
  bench bench_gp $((limit_s / 3))
  bench bench_sampler $((limit_s / 2)) gp
  end
}

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

# run.ini: random trials, so that all runs train the same configurations.
run_ini() { # TRIALS
  cat >"$WORK/run.ini" <<END
[experiment]
strategies = simultaneous
sampler = random
rounds = 1
trials = $1
[dataset]
path = $root/configs/data
cache = $WORK/cache
[space]
lr = float 0.0001 .. 0.003 log default 0.001
END
  [ "$ON" != gpu ] || { echo 'epoch = 3' >>"$WORK/run.ini"; return; }
  cat >>"$WORK/run.ini" <<END # the harness is slow
[dataset]
train_count = 64
test_count = 16
[model]
filters = 8
[space]
epoch = 1
num_conv_layers = int 2 .. 2 default 2
num_fc_units = int 16 .. 32 default 16
END
}

# The means of the trials' accuracies, and the losses after the first few steps; not the worst
# trial after its epochs, since rounding grows while a network learns, and an unlucky one ends
# elsewhere.  The bound on a loss is that of tests/unit/kernels/test_kernels_space.c, which allows
# it over 20 steps.
compare_means() { # TRIALS
  awk -F , 'FNR == 1 { next } NR == FNR { a[$4] = $7; l[$4] = $8; s[$4] = $5; next } !($4 in a) { next }
    { d = $7 - a[$4]; if (d < 0) d = -d; if (d > most) most = d; n++; if (s[$4] != $5) other++
      gpu += a[$4]; cpu += $7
      printf "trial %2d: %-8s GPU %.4f, loss %.5f; CPU %.4f, loss %.5f\n", $4, s[$4], a[$4], l[$4], $7, $8 >"/dev/stderr" }
    END { if (n) { gpu /= n; cpu /= n }
      printf "%d %.6f %d %.6f %.6f %.6f\n", n, most, other, gpu, cpu, (gpu > cpu ? gpu - cpu : cpu - gpu) }' \
    "$WORK/run-together/trials.csv" "$WORK/run-cpu/trials.csv" >"$WORK/compared"
  read -r n most other gpu_mean cpu_mean apart <"$WORK/compared"
  result "{\"kind\": \"compared\", \"trials\": $n, \"same_bits_side_by_side_and_alone\": $same," \
    "\"mean_accuracy_gpu\": $gpu_mean, \"mean_accuracy_cpu\": $cpu_mean, \"means_differ_by\": $apart," \
    "\"accuracy_differs_by_at_most\": $most, \"ended_differently\": $other}"
  [ "$n" -eq "$1" ] || because "$n trials of $1 ended on GPU and CPU"
  awk -v d="$apart" 'BEGIN { exit !(d > 0.005) }' && because "mean accuracy on the GPU and on the CPU differs by $apart"
  [ "$other" -eq 0 ] || because "$other trials ended differently on GPU and CPU"
}
compare_first_steps() { # TRIALS RUN RUN-ON-THE-CPU
  awk -F , 'FNR == 1 { next } NR == FNR { l[$4] = $8; next } !($4 in l) { next }
    { d = ($8 - l[$4]) / $8; if (d < 0) d = -d; if (!(d <= most)) most = d; sum += d; n++
      printf "first steps of trial %2d: loss GPU %.8g, CPU %.8g\n", $4, l[$4], $8 >"/dev/stderr" }
    END { printf "%d %.3g %.3g\n", n, n ? sum / n : 0, most }' \
    "$WORK/run-$2/trials.csv" "$WORK/run-$3/trials.csv" >"$WORK/compared"
  read -r n mean most <"$WORK/compared"
  result "{\"kind\": \"first_steps\", \"trials\": $n, \"loss_differs_by_mean\": $mean, \"loss_differs_by_at_most\": $most}"
  [ "$n" -eq "$1" ] || because "the first steps of $n trials of $1 ended on GPU and CPU"
  awk -v d="$most" 'BEGIN { exit !(d > 0.0001) }' &&
    because "the loss after the first steps on the GPU and on the CPU differs by $most of it"
}

part_run() {
  need gsos
  trials=3
  [ "$ON" != gpu ] || trials=24
  run_ini "$trials"
  gsos_run together scheduler.devices=cuda || end
  gsos_run one-by-one scheduler.devices=cuda:0 scheduler.slots=1 || end
  gsos_run cpu scheduler.devices=cpu || end
  same=true
  history "$WORK/run-together" >"$WORK/history"
  history "$WORK/run-one-by-one" | cmp - "$WORK/history" || same=false
  cmp "$WORK/run-together/best.safetensors" "$WORK/run-one-by-one/best.safetensors" || same=false
  $same || because "trials one by one end in other bits than side by side"
  compare_means "$trials"
  # An epoch of 256 images: 1 to 8 steps, then the loss of 64 more.  On the harness that is all that
  # was trained.
  if [ "$ON" = gpu ]; then
    set -- space.epoch=1 dataset.train_count=320 dataset.validation_count=64
    gsos_run first-steps scheduler.devices=cuda "$@" && gsos_run first-steps-cpu scheduler.devices=cpu "$@" &&
      compare_first_steps "$trials" first-steps first-steps-cpu
  else
    compare_first_steps "$trials" together cpu
  fi
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
    [ "$status" = timeout ] || [ -n "$summary" ] || status=skipped # it never looked
    if grep -qi 'device not supported\|unable to find' "$WORK/$check.log"; then status=skipped; fi
    [ "$status" = skipped ] || ran=$((ran + 1))
    [ "$status" != failed ] || because "$check: $summary"
    result "{\"kind\": \"sanitizer\", \"tool\": \"$check\", \"status\": \"$status\", \"summary\": $(string "$summary")," \
      "\"seconds\": $(($(date +%s) - began))}"
  done
  [ "$ran" -gt 0 ] || skip "compute-sanitizer cannot run here: $(grep -i 'error\|not supported\|unable' "$WORK/memcheck.log" | head -n 1)"
  end
}

# ncu's own CSV: a line of names, one of units, one for each kernel.  Beside the metrics that are
# asked for it has all that it knows of the device, which is left out.  With --cache-control all,
# ncu's own default, each kernel finds empty caches, and fetches everything; with none it finds what
# the one before it left, as in a step.
part_counters() {
  [ "$ON" = gpu ] || skip "no GPU: $NO_GPU"
  ncu=$(tool ncu)
  [ -n "$ncu" ] || skip "Nsight Compute (ncu) is not installed"
  need bench_cohort
  metrics=gpu__time_duration.sum,sm__throughput.avg.pct_of_peak_sustained_elapsed,dram__throughput.avg.pct_of_peak_sustained_elapsed
  metrics=$metrics,l1tex__throughput.avg.pct_of_peak_sustained_active,sm__warps_active.avg.pct_of_peak_sustained_active
  metrics=$metrics,launch__registers_per_thread,launch__waves_per_multiprocessor
  ran=0
  for what in 'fp32 all' 'fp32 none' 'tf32 all' 'tf32 none'; do
    precision=${what% *} cache=${what#* } log=$WORK/ncu-${what% *}-${what#* }
    UNDER="$ncu --clock-control none --cache-control $cache --target-processes all --profile-from-start off --csv --page raw --print-units base"
    UNDER="$UNDER --metrics $metrics" timeout -k 2 $(((limit_s - 8) / 4)) sh "$root/tools/bundled.sh" "$found" \
      --precision "$precision" profile >"$log" 2>&1
    code=$?
    cat "$log"
    # The five longest; the same kernel for another layer is another line.
    LC_ALL=C awk -v precision="$precision" -v cache="$cache" -v metrics="$metrics" '
      BEGIN { count = split(metrics, asked, ","); for (i = 1; i <= count; i++) wanted[asked[i]] = 1 }
      /^"ID"/ { n = split(substr($0, 2, length($0) - 2), name, "\",\""); header = 1; next }
      header == 1 && /^"/ { header = 2; next }
      header == 2 && /^"[0-9]/ {
        split(substr($0, 2, length($0) - 2), v, "\",\"")
        duration = 0
        line = "{\"kind\": \"kernel\", \"precision\": \"" precision "\", \"cache_control\": \"" cache "\""
        for (i = 1; i <= n; i++) {
          if (name[i] ~ /__/) gsub(/,/, "", v[i])
          if (name[i] == "Kernel Name") line = line ", \"kernel\": \"" v[i] "\""
          if (name[i] == "Grid Size") line = line ", \"grid\": \"" v[i] "\""
          if (name[i] == "Block Size") line = line ", \"block\": \"" v[i] "\""
          if (name[i] in wanted && v[i] ~ /^[-+.0-9e]+$/) line = line ", \"" name[i] "\": " v[i]
          if (name[i] == "gpu__time_duration.sum") duration = v[i]
        }
        printf "%.0f %s}\n", duration, line
      }' "$log" | sort -rn | head -n 5 | cut -d ' ' -f 2- >"$WORK/kernels"
    if [ -s "$WORK/kernels" ]; then
      ran=$((ran + 1))
      cat "$WORK/kernels" >>"$WORK/$PART.lines"
    else
      reason=$(grep '^==ERROR==\|ERR_NVGPUCTRPERM' "$log" | head -n 1)
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

# What is done in the time is kept in DIR/table, and the next run goes on with it.
part_table() {
  need gsos
  names=mnist
  {
    printf '[experiment]\nname = table\ntrials = %s\nstrategies = simultaneous\nsampler = random\n' "${GPU_CHECK_TRIALS:-400}"
    printf '[datasets]\nmnist = %s\n' "$root/configs/data"
    for set in ${GPU_CHECK_DATA:+"$GPU_CHECK_DATA"/*/}; do
      [ -d "$set" ] || continue
      set=${set%/}
      printf '%s = %s, train_count 5000\n' "${set##*/}" "$set"
      names="$names ${set##*/}"
    done
    printf '[dataset]\ncache = %s\nvalidation_fraction = 0.2\n' "$WORK/cache"
    if [ "$ON" != gpu ]; then # the harness is slow
      printf 'train_count = 40\n[model]\nfilters = 8\n[space]\nepoch = int 1 .. 2 default 1\n'
      printf 'num_conv_layers = int 2 .. 2 default 2\nnum_fc_units = int 16 .. 32 default 16\n'
    fi
  } >"$WORK/table.ini"
  began=$(date +%s.%N)
  start "$found" study "$WORK/table.ini" --output "$OUT_DIR/table" --set scheduler.devices=cuda \
    --set experiment.time_limit=$((limit_s - limit_s / 5)) || because "gsos study ended with exit status $?"
  seconds=$(awk -v a="$began" -v b="$(date +%s.%N)" 'BEGIN { printf "%.3f", b - a }')
  for name in $names; do
    folder=$OUT_DIR/table/$name
    [ -f "$folder/study.db" ] || continue
    gzip -9n <"$folder/study.db" >"$OUT_DIR/table/$name.db.gz" || because "no $name.db.gz"
    start "$found" show "$folder" --csv | awk -F , -v name="$name" -v bytes="$(wc -c <"$OUT_DIR/table/$name.db.gz")" -v wall="$seconds" '
      NR > 1 && $5 != "running" { n++; images += $13; flops += $12; if ($5 == "complete" && $7 > best) best = $7 }
      END { printf "{\"kind\": \"table\", \"data_set\": \"%s\", \"trials\": %d, \"best\": %.4f, \"images\": %.0f, \"tflop\": %.4g, " \
              "\"bytes\": %d, \"wall_s\": %s}\n", name, n, best, images, flops / 1e12, bytes, wall }' >>"$WORK/$PART.lines"
  done
  [ -s "$WORK/$PART.lines" ] || because "there is no table"
  end
}

if [ "${1:-}" = --one ]; then # a part, in a process of its own; what it needs to know is in the environment
  PART=$2
  part_"$PART"
fi

# ------------------------------------------------------------------------------------------ results

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

# The lines of `counters`, for a screen of 80 columns.
kernels_table() {
  echo 'us and registers a kernel; % of the peak: processors, device memory, L1, warps'
  printf '%-4s %-5s %8s %5s %5s %5s %5s %4s  %s\n' prec cache us sm dram l1 warps regs kernel
  grep '^{.*}$' "$WORK/counters.lines" | LC_ALL=C awk '
    function of(key,  at, rest) {
      at = index($0, "\"" key "\": ")
      if (!at) return "-"
      rest = substr($0, at + length(key) + 4)
      if (rest ~ /^"/) return substr(rest, 2, index(substr(rest, 2), "\"") - 1)
      sub(/[,}].*/, "", rest)
      return rest
    }
    function share(key,  value) { value = of(key); return value == "-" ? value : sprintf("%.1f", value) }
    { kernel = of("kernel"); sub(/\(.*/, "", kernel); sub(/^void /, "", kernel)
      printf "%-4s %-5s %8.1f %5s %5s %5s %5s %4s  %s\n", of("precision"), of("cache_control"), of("gpu__time_duration.sum") / 1000,
        share("sm__throughput.avg.pct_of_peak_sustained_elapsed"), share("dram__throughput.avg.pct_of_peak_sustained_elapsed"),
        share("l1tex__throughput.avg.pct_of_peak_sustained_active"), share("sm__warps_active.avg.pct_of_peak_sustained_active"),
        of("launch__registers_per_thread"), substr(kernel, 1, 28) }'
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
      steps | trials | proposals | pytorch) grep -v '^$\|^FAILED' "$out/$part.log" | cut -c 1-160 ;;
      counters) kernels_table ;;
      # "key": value, without what every line has
      *) grep '^{.*}$' "$WORK/$part.lines" | sed 's/^{"kind": "//; s/"//; s/[{}"]//g' ;;
    esac
  done
}

write_results() { # STATE
  write_json "$1" >"$out/results.json.new" && mv "$out/results.json.new" "$out/results.json"
  write_table >"$out/table.txt.new" && mv "$out/table.txt.new" "$out/table.txt"
}

# --------------------------------------------------------------------------------------------- main

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
OUT_DIR=$out
export WORK PROGRAMS HARNESS ON NO_GPU OUT_DIR

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
