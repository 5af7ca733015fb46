#!/bin/sh
# The wrappers of the profilers: what they say where there is none, and what they call where there
# is one (a fake that writes down its arguments; the profilers themselves need a GPU).  Run from
# the project's root.
# Not under a sanitizer: what is tested is shell.
# Prints a line "ok NAME" or "not ok NAME" for each test, and ends with "N passed, N failed".
# shellcheck disable=SC2016 # conditions are evaluated later
set -u
# shellcheck source=tests/cli/lib.sh
. tests/cli/lib.sh

gsos=${GSOS:-$PWD/gsos}
cases_begin profile

run() { call "$@"; }
called() { grep -q -x -e "$1" "$work/called"; }

mkdir "$work/bin" "$work/empty"
for tool in sh dirname mkdir cat sed; do ln -s "$(command -v $tool)" "$work/empty/$tool"; done
cat >"$work/bin/profiler" <<'END'
#!/bin/sh
# Writes down its arguments, and runs what follows the options.
printf '%s\n' "$@" >"$CALLED"
while [ $# -gt 0 ] && [ "$1" != "$GSOS" ]; do shift; done
exec "$@"
END
chmod +x "$work/bin/profiler"
export CALLED="$work/called" GSOS="$gsos"
cat >"$work/small.ini" <<END
[experiment]
objective = function
trials = 4
strategies = grouped, simultaneous
sampler = tpe
output = $work/results
[function]
name = ackley
END

for tool in nsys ncu; do
  run sh "tools/profile_$tool.sh"
  check "${tool}_without_a_command_prints_its_usage" all '[ $code -eq 2 ] && complained "profile_$tool.sh"'
  run sh "tools/profile_$tool.sh" --help
  check "${tool}_help" all '[ $code -eq 0 ] && said "profile_$tool.sh"'
  [ -d /opt/nvidia ] || {
    run env PATH="$work/empty" sh "tools/profile_$tool.sh" run "$work/small.ini"
    check "${tool}_that_is_missing_is_named" all '[ $code -eq 1 ] && complained "is not installed" && complained "https://"'
  }
done
run env NSYS="$work/bin/profiler" GSOS="$work/none" sh tools/profile_nsys.sh run "$work/small.ini"
check a_missing_program_is_named all '[ $code -eq 1 ] && complained "make"'

run env NSYS="$work/bin/profiler" SECONDS_PROFILED=5 sh tools/profile_nsys.sh -o "$work/reports/a" run "$work/small.ini"
check nsys_runs_gsos_and_says_what_to_look_at all '[ $code -eq 0 ] && said "^Table 3" && said "$work/reports/a.nsys-rep" && [ -d "$work/reports" ]'
check nsys_traces_nodes_of_graphs_and_ranges all 'called "cuda,nvtx,osrt" && called node && called "$work/reports/a" && called 5'

rm -rf "$work/results"
run env NCU="$work/bin/profiler" LAUNCHES=7 sh tools/profile_ncu.sh -o "$work/b" -k regex:conv run "$work/small.ini" --quiet
check ncu_runs_gsos_and_says_what_to_look_at all '[ $code -eq 0 ] && said "^Table 3" && said "$work/b.ncu-rep"'
check ncu_leaves_clocks_alone all 'called none && called regex:conv && called 7 && called --quiet'
run env NCU="$work/bin/profiler" sh tools/profile_ncu.sh -o "$work/c" run "$work/none.ini"
check ncu_that_fails_says_where_rights_are_explained all '[ $code -eq 1 ] && complained ERR_NVGPUCTRPERM'

cases_end
