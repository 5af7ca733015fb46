#!/bin/sh
# tools/gpu_check.sh and the bundle, as far as they go without a GPU: the path of a machine that
# has none, with the harness of tests/cudacpu; a machine with a GPU that programs of this test
# play, right and wrong; and the bundle, unpacked elsewhere.  Needs BUILD with its tests (and
# BUILD/gpu, where nvcc is), python3.  Run from the project's root.
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

cat >"$work/table.ini" <<'END'
[experiment]
objective = table
strategies = simultaneous
sampler = random
rounds = 1
trials = 4
[table]
force = yes
END
CUDA_VISIBLE_DEVICES='' BUILD=$build GPU_CHECK_TRIALS=10 gpu_check none --limit 6000 devices steps trials run proposals sanitizer counters pytorch table
check without_a_gpu_it_says_so_and_is_content '[ $code -eq 0 ]' 'grep -q "no GPU: " "$work/text"' 'grep -q "no GPU: " "$out/table.txt"' \
  'results "r[\"gpu\"] is False and r[\"why_no_gpu\"] and r[\"state\"] == \"finished\""'
check what_needs_one_is_skipped_and_says_why \
  'results "all(p[n][\"status\"] == \"skipped\" and \"no GPU\" in p[n][\"why\"] for n in (\"devices\", \"sanitizer\", \"counters\", \"pytorch\"))"'
check the_harness_stands_in 'results "all(p[n][\"status\"] == \"passed\" and p[n][\"on\"] == \"harness\" for n in (\"steps\", \"trials\", \"run\", \"proposals\", \"table\"))"' \
  'results "{row[\"kind\"] for row in p[\"steps\"][\"results\"]} == {\"step\"} and len(p[\"steps\"][\"results\"]) == 12"' \
  'results "all(row[\"step_us\"] > 0 and row[\"floor_us\"] is None for row in p[\"steps\"][\"results\"])"' \
  'results "[row[\"at_once\"] for row in p[\"trials\"][\"results\"]] == [1, 2, 1, 2]"' \
  'results "[row[\"trials\"] for row in p[\"run\"][\"results\"] if row[\"kind\"] in (\"compared\", \"first_steps\")] == [3, 3]"' \
  'results "all(row.get(\"same_bits_side_by_side_and_alone\") is not False for row in p[\"run\"][\"results\"])"' \
  'results "{row[\"what\"] for row in p[\"proposals\"][\"results\"] if row[\"kind\"] == \"gp\"} == {\"likelihood\", \"fit\", \"condition\", \"send\", \"rank\", \"top\"}"' \
  'results "{row[\"on\"] for row in p[\"proposals\"][\"results\"] if row[\"kind\"] == \"proposal\"} == {\"cpu\", \"cuda\"}"' \
  'results "all(row[\"median_ms\"] >= row[\"best_ms\"] > 0 for row in p[\"proposals\"][\"results\"])"'
check a_table_is_made_that_a_table_objective_reads 'results "[row[\"trials\"] for row in p[\"table\"][\"results\"]] == [10]"' \
  '"$build/gsos" run --quiet "$work/table.ini" --output "$work/table-run" --set "table.file=$out/table/mnist.db.gz" >"$work/text" 2>&1' \
  'grep -q "^Table 3" "$work/text"'
CUDA_VISIBLE_DEVICES='' BUILD=$work/nothing gpu_check bare
check without_anything_built_all_is_skipped '[ $code -eq 0 ]' 'results "set(status) == {\"skipped\"} and len(status) == 11"'
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
        scheduler.devices=cpu) value=${CPU_VALUE:-0.909} worst=${WORST:-0.88} loss=${CPU_LOSS:-0.50001} ;;
        scheduler.slots=1) time=7.5 ;;
        *.ini) trials=$(sed -n 's/^trials = //p' "$1") ;;
      esac
      shift
    done
    mkdir -p "$output"
    echo network >"$output/best.safetensors"
    echo 'study,strategy,round,trial,state,group,value,loss,epochs,seconds,wall_s' >"$output/trials.csv"
    trial=${trials:-0}
    while [ "$trial" -gt "${MISSING:-0}" ]; do
      trial=$((trial - 1))
      [ "$trial" -gt 0 ] || value=${worst:-${value:-0.91}}
      echo "r/s/0,simultaneous,0,$trial,complete,all,${value:-0.91},${loss:-0.5},3,${time:-1.5},2.5"
    done >>"$output/trials.csv" ;;
  study)
    cat "$2" >&2
    sed -n '/^\[datasets\]/,/^\[dataset\]/s/ = .*//p' "$2" >"${SETS:-/dev/null}"
    while [ $# -gt 0 ]; do [ "$1" != --output ] || output=$2; shift; done
    for set in mnist fashion; do
      mkdir -p "$output/$set"
      echo database >>"$output/$set/study.db"
    done ;;
  show)
    echo 'study,strategy,round,trial,state,group,value,loss,epochs,seconds,wall_s,flops,images'
    echo 'r/s/0,simultaneous,0,0,complete,all,0.91,0.5,3,1.5,2.5,2e12,4000'
    echo 'r/s/0,simultaneous,0,1,failed,all,,,3,1.5,2.5,1e12,2000' ;;
esac
END
script "$bin/test_kernels" <<'END'
printf '[==========] Running 3 test(s).\n[ RUN      ] one\n'
printf '[==========] 3 test(s) run.\n[  PASSED  ] %d test(s).\n' $((3 - ${BAD:-0}))
[ "${BAD:-0}" -eq 0 ] || { printf '[  FAILED  ] %d test(s), listed below:\n' "$BAD"; exit "$BAD"; }
END
printf '#!/bin/sh\nprintf "[==========] 6 test(s) run.[  PASSED  ] 6 test(s).\\n"\n' >"$bin/test_cohort"
chmod +x "$bin/test_cohort"
script "$bin/bench_gp" <<'END'
while [ $# -gt 0 ]; do [ "$1" != --json ] || json=$2; shift; done
echo "table of pieces"
echo '{"kind": "gp", "what": "rank", "median_ms": 2.5}' >>"$json"
END
script "$bin/bench_sampler" <<'END'
while [ $# -gt 1 ]; do [ "$1" != --json ] || json=$2; shift; done
[ "$1" = gp ] || exit 2
echo "sampler gp"
echo '{"kind": "proposal", "sampler": "gp", "median_ms": 30.5}' >>"$json"
END
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
echo "$*" >>"${NCU_CALLS:-/dev/null}"
[ -z "${DENIED:-}" ] || { echo '==ERROR== ERR_NVGPUCTRPERM - The user does not have permission'; exit 1; }
echo '==PROF== Connected to process 7'
echo '"ID","Kernel Name","Block Size","Grid Size","device__attribute_warp_size","gpu__time_duration.sum","launch__registers_per_thread"'
echo '"","","","","","nsecond","register/thread"'
for i in 1 2 3 4 5 6 7; do echo "\"$i\",\"k$i(const device_trial *, int)\",\"(128, 1, 1)\",\"($i, 1, 1)\",\"32\",\"$i,000\",\"64\""; done
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

# A part that hangs has all the time that there is; meanwhile the others are looked at.
HANG=1 PATH="$tools:$PATH" GPU_CHECK_PROGRAMS="$bin" sh tools/gpu_check.sh --out "$work/hang" --limit 25 kernels steps cohort pytorch >"$work/hang-text" 2>&1 &
hanging=$!
out=$work/hang
while kill -STOP $hanging 2>/dev/null; do # what is ended goes on to the next part only after the look
  results 'p["kernels"]["status"] == "passed"' 2>/dev/null && break
  kill -CONT $hanging
  sleep 0.1
done
check results_are_there_while_it_runs 'results "r[\"state\"] == \"running\" and status == [\"passed\", \"not begun\", \"not begun\", \"not begun\"]"'
kill -CONT $hanging

played good "NCU_CALLS=$work/ncu" devices kernels cohort steps trials run proposals sanitizer counters table
check on_a_gpu_every_part_runs '[ $code -eq 0 ]' 'results "set(status) == {\"passed\"} and r[\"gpu\"] is True and r[\"gsos\"] == \"9.8.7\""' \
  'results "all(part[\"on\"] == \"gpu\" for part in r[\"parts\"])"'
check texts_come_as_they_are 'results "p[\"devices\"][\"results\"][1][\"text\"] == \"cuda:0  A \\\"played\\\" GPU \\\\ 1, 79.2 GiB\""' \
  'results "p[\"devices\"][\"results\"][2][\"values\"] == \"A \\\"played\\\" GPU, 580.1, 81559 MiB\""'
check tests_are_counted 'results "p[\"kernels\"][\"results\"][0][\"passed\"] == 3 and p[\"cohort\"][\"results\"][0][\"passed\"] == 6"'
check a_run_is_compared_with_the_cpu_by_means_and_first_steps 'results "p[\"run\"][\"results\"][3][\"trials\"] == 24"' \
  'results "abs(p[\"run\"][\"results\"][3][\"accuracy_differs_by_at_most\"] - 0.03) < 1e-9"' \
  'results "abs(p[\"run\"][\"results\"][3][\"means_differ_by\"] - (0.03 + 23 * 0.001) / 24) < 1e-6"' \
  'results "abs(p[\"run\"][\"results\"][6][\"loss_differs_by_at_most\"] - 2e-5) < 1e-6"'
check proposals_and_their_pieces_are_timed 'results "[row[\"median_ms\"] for row in p[\"proposals\"][\"results\"]] == [2.5, 30.5]"' \
  'grep -q "^table of pieces" "$out/table.txt"'
check a_table_is_told_and_packed 'results "p[\"table\"][\"results\"][0][\"trials\"] == 2 and p[\"table\"][\"results\"][0][\"tflop\"] == 3"' \
  '[ "$(gzip -dc "$out/table/mnist.db.gz")" = database ]'
check each_sanitizer_is_told 'results "[row[\"tool\"] for row in p[\"sanitizer\"][\"results\"]] == [\"memcheck\", \"racecheck\", \"initcheck\", \"synccheck\"]"'
check the_five_longest_kernels_come_first \
  'results "[row[\"gpu__time_duration.sum\"] for row in p[\"counters\"][\"results\"]] == [7000, 6000, 5000, 4000, 3000] * 4"' \
  'results "[(row[\"precision\"], row[\"cache_control\"]) for row in p[\"counters\"][\"results\"][::5]] == [(q, c) for q in (\"fp32\", \"tf32\") for c in (\"all\", \"none\")]"' \
  'results "not any(key.startswith(\"device__\") for row in p[\"counters\"][\"results\"] for key in row)"' \
  '[ "$(grep -c -e "--cache-control none" "$work/ncu")" -eq 2 ]' '[ "$(grep -c -e "--cache-control all" "$work/ncu")" -eq 2 ]' \
  'results "p[\"counters\"][\"results\"][0][\"kernel\"] == \"k7(const device_trial *, int)\""'
check the_table_holds_the_benchmarks_own 'grep -q "^table of steps" "$out/table.txt"' 'grep -q "^tf32 none  *7.0  *-  *-  *-  *-  *64  k7$" "$out/table.txt"' \
  '! sed -n "/^---- counters/,/^---- /p" "$out/table.txt" | grep -q ".\{81\}"' 'grep -q "^kernels *passed *gpu" "$out/table.txt"'
mkdir -p "$work/data/fashion" "$work/data/letters"
played good "SETS=$work/sets GPU_CHECK_DATA=$work/data" table
check a_second_table_goes_on_and_has_more_data 'results "[row[\"data_set\"] for row in p[\"table\"][\"results\"]] == [\"mnist\", \"fashion\"]"' \
  '[ "$(tr "\n" " " <"$work/sets")" = "mnist fashion letters " ]' '[ "$(gzip -dc "$out/table/mnist.db.gz" | wc -l)" -eq 2 ]'

played bad 'BAD=2 CPU_VALUE=0.88 FINDS=racecheck DENIED=1' kernels run sanitizer counters
check what_is_wrong_fails '[ $code -eq 1 ]' 'results "status == [\"failed\", \"failed\", \"failed\", \"skipped\"]"' \
  'results "p[\"kernels\"][\"why\"].startswith(\"2 of 3 tests\") and \"differs by 0.03\" in p[\"run\"][\"why\"]"' \
  'results "\"loss\" not in p[\"run\"][\"why\"]"' \
  'results "\"racecheck: ERROR SUMMARY: 3 errors\" in p[\"sanitizer\"][\"why\"] and \"ERR_NVGPUCTRPERM\" in p[\"counters\"][\"why\"]"'

played apart 'CPU_LOSS=0.501 MISSING=1' run
check first_steps_that_differ_and_trials_that_are_missing_fail '[ $code -eq 1 ]' \
  'results "\"the loss after the first steps on the GPU and on the CPU differs by 0.002\" in p[\"run\"][\"why\"]"' \
  'results "\"23 trials of 24\" in p[\"run\"][\"why\"] and \"mean accuracy\" not in p[\"run\"][\"why\"]"'

wait $hanging
code=$?
out=$work/hang
check what_hangs_is_ended_and_the_rest_has_no_time '[ $code -eq 1 ]' 'results "status == [\"passed\", \"timeout\", \"skipped\", \"skipped\"]"' \
  'results "p[\"steps\"][\"results\"] == [{\"kind\": \"step\", \"step_us\": 5}] and \"no time left\" in p[\"cohort\"][\"why\"]"'

# ---- the bundle

# A Debian on which only what the program needs is installed, where there is nvcc.
mkdir "$work/debian"
script "$work/debian/dpkg-query" <<'END'
case "$*" in *libcmocka-dev*) exit 1 ;; esac
echo installed
END
script "$work/debian/apt-get" <<'END'
echo "$*" >>"$APT"
END
script "$work/debian/sudo" <<'END'
[ "$1" != -n ] || shift
exec "$@"
END
script "$work/debian/nvcc" </dev/null
mkdir -p "$work/tree/tools"
cp tools/setup.sh "$work/tree/tools"
APT=$work/apt PATH=$work/debian:$PATH sh "$work/tree/tools/setup.sh" run >"$work/text" 2>&1
code=$?
check the_quick_start_brings_what_a_bundle_needs '[ $code -eq 0 ]' 'grep -q "install -y --no-install-recommends libcmocka-dev$" "$work/apt"'

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
    'grep -qE "no GPU: (no NVIDIA driver|.*CUDA)" "$work/text"'
  env -i PATH=/usr/bin:/bin "$top/gsos" check "$top/configs/quickstart.ini" >"$work/text" 2>&1
  code=$?
  check its_program_finds_configs_and_data '[ $code -eq 0 ]' 'grep -q "28×28×1\|4,000\|4000" "$work/text"'
  loader=$(ls "$top"/lib/system/ld-linux*)
  "$loader" --library-path "$top/lib/system:$top/lib" "$top/bin/gsos" --version >"$work/text" 2>&1
  code=$?
  check its_own_c_library_runs_it '[ $code -eq 0 ]' 'grep -q "^gsos " "$work/text"'
  check it_holds_the_sources '[ -f "$top/Makefile" ]' '[ -f "$top/kernels/conv2d.cu" ]' '[ -f "$top/tests/gpu/gpu.mk" ]' '[ ! -e "$top/build" ]'

  # A machine on which only what the program needs is installed: a compiler that finds no cmocka.h.
  script "$work/cc" <<'END'
case "$*" in
  *-fsyntax-only*)
    source=$(cat)
    case $source in *cmocka.h*) exit 1 ;; esac
    printf '%s\n' "$source" | exec cc "$@" ;;
esac
exec cc "$@"
END
  for target in bundle gpu-tests "$work/bare/real-gpu/unit/cuda/test_cohort.o"; do
    env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS make BUILD="$work/bare" CC="$work/cc" "$target" >"$work/text" 2>&1
    code=$?
    check "without_cmocka_$(basename "$target" | tr .- __)_names_the_package" '[ $code -ne 0 ]' 'grep -q "package libcmocka-dev" "$work/text"' \
      '[ -z "$(find "$work/bare" -name "*.o")" ]'
  done
else
  echo "skip bundle: built without nvcc"
fi

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
