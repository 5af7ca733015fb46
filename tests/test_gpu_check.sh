#!/bin/sh
# tools/gpu_check.sh and the bundle, as far as they go without a GPU: the path of a machine that has none, with the harness of
# tests/cudacpu; a machine with a GPU that programs of this test play, right and wrong; and the bundle, unpacked elsewhere.
# Needs BUILD with its tests (and BUILD/gpu, where nvcc is), python3.  Run from the project's root.
# Prints a line "ok NAME" or "not ok NAME" for each test, and ends with "N passed, N failed".
# Not under a sanitizer: what it runs is shell, and the bundle is not built there.
# shellcheck disable=SC2016 # conditions are evaluated later
set -u

build=${BUILD:-build}
case $build in /*) ;; *) build=$PWD/$build ;; esac
work=$(mktemp -d "${TMPDIR:-/tmp}/gsos-gpu-check.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
passed=0 failed=0 code=0

check() { # NAME "CONDITION"...: counts one test
  name=$1 good=true
  shift
  for condition; do
    eval "$condition" || {
      good=false
      echo "# failed: $condition"
    }
  done
  if $good; then
    echo "ok $name"
    passed=$((passed + 1))
  else
    echo "not ok $name"
    echo "# exit status $code"
    cat "$work/text" "$out"/*.log "$out/results.json" 2>/dev/null | sed 's/^/# /'
    failed=$((failed + 1))
  fi
}
# results EXPRESSION: of results.json, read as r; its parts by name as p.
results() {
  python3 - "$out/results.json" "$1" <<'END'
import json, sys
r = json.load(open(sys.argv[1], encoding="utf-8"))
p = {part["name"]: part for part in r["parts"]}
status = [part["status"] for part in r["parts"]]
sys.exit(not eval(sys.argv[2]))
END
}
gpu_check() { # NAME ARGUMENT...
  out=$work/$1
  shift
  sh tools/gpu_check.sh --out "$out" "$@" >"$work/text" 2>&1
  code=$?
}

# ---- a machine without a GPU

CUDA_VISIBLE_DEVICES='' BUILD=$build gpu_check none devices steps trials run sanitizer counters pytorch
check without_a_gpu_it_says_so_and_is_content '[ $code -eq 0 ]' 'grep -q "no GPU: " "$work/text"' 'grep -q "no GPU: " "$out/table.txt"' \
  'results "r[\"gpu\"] is False and r[\"why_no_gpu\"] and r[\"state\"] == \"finished\""'
check what_needs_one_is_skipped_and_says_why \
  'results "all(p[n][\"status\"] == \"skipped\" and \"no GPU\" in p[n][\"why\"] for n in (\"devices\", \"sanitizer\", \"counters\", \"pytorch\"))"'
check the_harness_stands_in 'results "all(p[n][\"status\"] == \"passed\" and p[n][\"on\"] == \"harness\" for n in (\"steps\", \"trials\", \"run\"))"' \
  'results "{row[\"kind\"] for row in p[\"steps\"][\"results\"]} == {\"step\"} and len(p[\"steps\"][\"results\"]) == 12"' \
  'results "all(row[\"step_us\"] > 0 and row[\"floor_us\"] is None for row in p[\"steps\"][\"results\"])"' \
  'results "[row[\"at_once\"] for row in p[\"trials\"][\"results\"]] == [1, 2, 1, 2]"' \
  'results "p[\"run\"][\"results\"][-1][\"same_bits_side_by_side_and_alone\"] is True"'
CUDA_VISIBLE_DEVICES='' BUILD=$work/nothing gpu_check bare
check without_anything_built_all_is_skipped '[ $code -eq 0 ]' 'results "set(status) == {\"skipped\"} and len(status) == 9"'
sh tools/gpu_check.sh --out "$work/none" thrice >"$work/text" 2>&1
code=$?
check a_part_that_is_none_is_refused '[ $code -eq 2 ]' 'grep -q "thrice" "$work/text"'

# ---- floors, as bench_cohort tells them of a GPU by name

"$build/tests/bench_cohort" --gpu 'H100 SXM' --precision tf32 --json "$work/floors" steps >"$work/text" 2>&1
code=$?
check floors_are_below_what_was_measured '[ $code -eq 0 ]' '[ "$(wc -l <"$work/floors")" -eq 6 ]' \
  'python3 -c "import json, sys; sys.exit(not all(0 < r[\"floor_us\"] < r[\"step_us\"] for r in map(json.loads, open(sys.argv[1]))))" "$work/floors"'
"$build/tests/bench_cohort" --limit 0.000001 --json "$work/cut" steps >"$work/text" 2>&1
code=$?
check what_a_limit_leaves_out_is_counted '[ $code -eq 0 ]' 'grep -q "\"left_out\", \"rows\": 12" "$work/cut"'
"$build/tests/bench_cohort" profile >"$work/text" 2>&1
code=$?
check an_epoch_for_a_profiler '[ $code -eq 0 ]' 'grep -q "^profile: one epoch of 2 trials" "$work/text"'

# ---- a machine with a GPU, played by scripts: what its programs print is as those print it

bin=$work/bin tools=$work/tools
mkdir -p "$bin" "$tools"
script() { # PATH, its text on stdin
  { echo '#!/bin/sh'; cat; } >"$1"
  chmod +x "$1"
}
script "$bin/gsos" <<'END'
case $1 in
  --version) echo "gsos 9.8.7" ;;
  devices) printf 'cpu     2 cores\ncuda:0  A "played" GPU \\ 1, 79.2 GiB\n' ;;
  run)
    while [ $# -gt 0 ]; do
      case $1 in
        --output) output=$2 ;;
        scheduler.devices=cpu) value=${CPU_VALUE:-0.905} ;;
        scheduler.slots=1) time=7.5 ;;
      esac
      shift
    done
    mkdir -p "$output"
    echo network >"$output/best.safetensors"
    echo 'study,strategy,round,trial,state,group,value,loss,epochs,seconds,wall_s' >"$output/trials.csv"
    for trial in 1 0; do echo "r/s/0,simultaneous,0,$trial,complete,all,${value:-0.91},0.5,3,${time:-1.5},2.5"; done >>"$output/trials.csv" ;;
esac
END
script "$bin/test_kernels" <<'END'
printf '[==========] Running 3 test(s).\n[ RUN      ] one\n'
printf '[==========] 3 test(s) run.\n[  PASSED  ] %d test(s).\n' $((3 - ${BAD:-0}))
[ "${BAD:-0}" -eq 0 ] || { printf '[  FAILED  ] %d test(s), listed below:\n' "$BAD"; exit "$BAD"; }
END
printf '#!/bin/sh\nprintf "[==========] 6 test(s) run.[  PASSED  ] 6 test(s).\\n"\n' >"$bin/test_cohort"
chmod +x "$bin/test_cohort"
script "$bin/bench_cohort" <<'END'
while [ $# -gt 1 ]; do [ "$1" != --json ] || json=$2; shift; done
[ -z "${HANG:-}" ] || [ "$1" != steps ] || { printf '{"kind": "step", "step_us": 5}\n{"kind": "st' >"$json"; sleep 60; }
echo "table of $1"
[ -z "${json:-}" ] || echo '{"kind": "step", "step_us": 12.5}' >"$json"
END
script "$tools/nvidia-smi" <<'END'
[ $# -eq 0 ] && echo 'a table' || echo 'A "played" GPU, 580.1, 81559 MiB'
END
script "$tools/compute-sanitizer" <<'END'
case "$*" in *"--tool ${FINDS:-none}"*) echo '========= ERROR SUMMARY: 3 errors'; exit 9 ;; esac
while [ "${1#--}" != "$1" ]; do case $1 in --print-limit | --tool | --error-exitcode | --leak-check) shift ;; esac; shift; done
"$@" || exit
echo '========= ERROR SUMMARY: 0 errors'
END
script "$tools/ncu" <<'END'
[ -z "${DENIED:-}" ] || { echo '==ERROR== ERR_NVGPUCTRPERM - The user does not have permission'; exit 1; }
echo '==PROF== Connected to process 7'
echo '"ID","Kernel Name","Block Size","Grid Size","gpu__time_duration.sum","launch__registers_per_thread"'
echo '"","","","","nsecond","register/thread"'
for i in 1 2 3 4 5 6 7; do echo "\"$i\",\"k$i(const device_trial *, int)\",\"(128, 1, 1)\",\"($i, 1, 1)\",\"$i,000\",\"64\""; done
END
script "$tools/python3" <<'END'
exit 1
END
played() { # NAME "VARIABLES" ARGUMENT...
  name=$1
  variables=$2
  shift 2
  out=$work/$name
  # shellcheck disable=SC2086
  env $variables PATH="$tools:$PATH" GPU_CHECK_PROGRAMS="$bin" sh tools/gpu_check.sh --out "$out" "$@" >"$work/text" 2>&1
  code=$?
}

played good '' devices kernels cohort steps trials run sanitizer counters
check on_a_gpu_every_part_runs '[ $code -eq 0 ]' 'results "set(status) == {\"passed\"} and r[\"gpu\"] is True and r[\"gsos\"] == \"9.8.7\""' \
  'results "all(part[\"on\"] == \"gpu\" for part in r[\"parts\"])"'
check texts_come_as_they_are 'results "p[\"devices\"][\"results\"][1][\"text\"] == \"cuda:0  A \\\"played\\\" GPU \\\\ 1, 79.2 GiB\""' \
  'results "p[\"devices\"][\"results\"][2][\"values\"] == \"A \\\"played\\\" GPU, 580.1, 81559 MiB\""'
check tests_are_counted 'results "p[\"kernels\"][\"results\"][0][\"passed\"] == 3 and p[\"cohort\"][\"results\"][0][\"passed\"] == 6"'
check a_run_is_compared_with_the_cpu 'results "p[\"run\"][\"results\"][-1][\"trials\"] == 2"' \
  'results "abs(p[\"run\"][\"results\"][-1][\"accuracy_differs_by_at_most\"] - 0.005) < 1e-9"'
check each_sanitizer_is_told 'results "[row[\"tool\"] for row in p[\"sanitizer\"][\"results\"]] == [\"memcheck\", \"racecheck\", \"initcheck\", \"synccheck\"]"'
check the_five_longest_kernels_come_first \
  'results "[row[\"gpu__time_duration.sum\"] for row in p[\"counters\"][\"results\"]] == [7000, 6000, 5000, 4000, 3000] * 2"' \
  'results "p[\"counters\"][\"results\"][0][\"kernel\"] == \"k7(const device_trial *, int)\""'
check the_table_holds_the_benchmarks_own 'grep -q "^table of steps" "$out/table.txt"' 'grep -q "^kernels *passed *gpu" "$out/table.txt"'

played bad 'BAD=2 CPU_VALUE=0.88 FINDS=racecheck DENIED=1' kernels run sanitizer counters
check what_is_wrong_fails '[ $code -eq 1 ]' 'results "status == [\"failed\", \"failed\", \"failed\", \"skipped\"]"' \
  'results "p[\"kernels\"][\"why\"].startswith(\"2 of 3 tests\") and \"differs by 0.03\" in p[\"run\"][\"why\"]"' \
  'results "\"racecheck: ERROR SUMMARY: 3 errors\" in p[\"sanitizer\"][\"why\"] and \"ERR_NVGPUCTRPERM\" in p[\"counters\"][\"why\"]"'

HANG=1 PATH="$tools:$PATH" GPU_CHECK_PROGRAMS="$bin" sh tools/gpu_check.sh --out "$work/hang" --limit 9 kernels steps cohort pytorch >"$work/text" 2>&1 &
pid=$!
out=$work/hang
for _ in 1 2 3 4 5 6 7 8; do
  sleep 0.5
  results '"kernels" in p and p["kernels"]["status"] == "passed"' 2>/dev/null && break
done
check results_are_there_while_it_runs 'results "r[\"state\"] == \"running\" and status == [\"passed\", \"not begun\", \"not begun\", \"not begun\"]"'
wait $pid
code=$?
check what_hangs_is_ended_and_the_rest_has_no_time '[ $code -eq 1 ]' 'results "status == [\"passed\", \"timeout\", \"skipped\", \"skipped\"]"' \
  'results "p[\"steps\"][\"results\"] == [{\"kind\": \"step\", \"step_us\": 5}] and \"no time left\" in p[\"cohort\"][\"why\"]"'

# ---- the bundle

# An older C library than the programs ask for: the bundle's own is used, by its own loader.
mkdir -p "$work/old/bin" "$work/old/lib/system"
script "$work/old/bin/gsos" <<'END'
echo "gsos: /lib/libc.so.6: version \`GLIBC_2.99' not found" >&2
exit 1
END
script "$work/old/lib/system/ld-linux-played.so.2" <<'END'
echo "loader: $*"
END
sh tools/bundled.sh "$work/old/bin/gsos" devices >"$work/text" 2>&1
code=$?
check an_old_c_library_is_gone_round '[ $code -eq 0 ]' \
  'grep -q "^loader: --library-path $work/old/bin/../lib/system:$work/old/bin/../lib.* $work/old/bin/gsos devices$" "$work/text"'

if [ -x "$build/gpu/gsos" ]; then
  out=$work/unpacked
  sh tools/make_bundle.sh "$build" >"$work/text" 2>&1
  code=$?
  check the_bundle_is_below_50_mb '[ $code -eq 0 ]' '[ "$(wc -c <"$build/gsos-bundle.tar.gz")" -lt 50000000 ]'
  mkdir "$work/elsewhere"
  tar -xzf "$build/gsos-bundle.tar.gz" -C "$work/elsewhere"
  top=$work/elsewhere/gsos-bundle
  env -i PATH=/usr/bin:/bin CUDA_VISIBLE_DEVICES= sh "$top/tools/gpu_check.sh" --out "$out" >"$work/text" 2>&1
  code=$?
  check it_runs_where_nothing_is_installed '[ $code -eq 0 ]' 'results "set(status) == {\"skipped\"} and r[\"gsos\"] != \"unknown\""' \
    'grep -q "no GPU: .*CUDA" "$work/text"'
  env -i PATH=/usr/bin:/bin "$top/gsos" check "$top/configs/quickstart.ini" >"$work/text" 2>&1
  code=$?
  check its_program_finds_configs_and_data '[ $code -eq 0 ]' 'grep -q "28×28×1\|4,000\|4000" "$work/text"'
  loader=$(ls "$top"/lib/system/ld-linux*)
  "$loader" --library-path "$top/lib/system:$top/lib" "$top/bin/gsos" --version >"$work/text" 2>&1
  code=$?
  check its_own_c_library_runs_it '[ $code -eq 0 ]' 'grep -q "^gsos " "$work/text"'
  check it_holds_the_sources '[ -f "$top/Makefile" ]' '[ -f "$top/kernels/conv2d.cu" ]' '[ -f "$top/tests/gpu.mk" ]' '[ ! -e "$top/build" ]'
else
  echo "skip bundle: built without nvcc"
fi

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
