#!/bin/sh
# Nothing that has ended is lost: `gsos run` is killed with SIGKILL at 20 random moments (KILLS=N:
# that many) and must end with the history of an undisturbed run, to the byte; so it must when it
# is stopped (SIGTERM, SIGHUP, SIGINT, SIGQUIT), with more slots or fewer each time, and then what
# ran goes on within its epoch.  SOAK=1: with 200, of searches of several kinds, on the CPU and in
# cohorts on the devices of the harness (BUILD/gsos-cudacpu); the first seed is printed, and may be
# given as SEED.  Needs ./gsos (or $GSOS) and python3.  Run from the project's root.
# Prints a line "ok NAME" or "not ok NAME" for each test, and ends with "N passed, N failed".
set -u
# shellcheck source=tests/cli/lib.sh
. tests/cli/lib.sh

gsos=${GSOS:-$PWD/gsos}
cuda=${GSOS_CUDACPU:-$(dirname "$gsos")/gsos-cudacpu}
soak=${SOAK:-}
kills=${KILLS:-${soak:+200}}
kills=${kills:-20}
cases_begin kill

python3 tests/cli/small_images.py "$work/data" 20 20 1 5 600 80 0 || exit 1
cat >"$work/small.ini" <<END
[experiment]
trials = 16
strategies = grouped, simultaneous
sampler = tpe
$(dataset_section "$work/data")
[model]
filters = 16
[space]
epoch = int 1 .. $(as_long_as 12) default $(as_long_as 8)
num_conv_layers = int 1 .. 3 default 2
[tpe]
startup = 3
END
cat >"$work/function.ini" <<END
[experiment]
objective = function
trials = 150
strategies = grouped, simultaneous
sampler = tpe
[function]
name = ackley
END

kill_runs() { # NAME KILLS GSOS FILE.ini [SECTION.KEY=VALUE]...
  name=$1 n=$2 program=$3 ini=$4
  shift 4
  mkdir "$work/$name"
  check "$name" python3 tests/failures/kill_runs.py "$program" "$n" "$work/$name" "$ini" "$@"
}

stop_runs() { # as kill_runs, with any signal
  SIGNALS=$signals VARY=$vary kill_runs "$@"
}
signals=TERM,HUP,INT,QUIT,TERM,KILL
on_cores='scheduler.slots=1;scheduler.slots=2;scheduler.slots=4'
in_cohorts="scheduler.slots=8;scheduler.slots=3 scheduler.devices=cuda:0;scheduler.slots=5 scheduler.streams=1;\
scheduler.slots=1 scheduler.devices=cuda:1"
cohort_keys="model.filters=4 experiment.trials=8"

if [ -z "$soak" ]; then
  kill_runs a_run_killed_at_random_moments_ends_as_an_undisturbed_one "$kills" "$gsos" "$work/small.ini"
  vary=$on_cores
  stop_runs a_run_stopped_at_random_moments_ends_as_an_undisturbed_one $(((kills + 1) / 2)) "$gsos" "$work/small.ini" pruner.kind=asha pruner.first=1 pruner.eta=2
  stop_runs a_run_whose_trials_pause_ends_as_an_undisturbed_one $(((kills + 3) / 4)) "$gsos" "$work/small.ini" pruner.kind=hyperband
  vary=$in_cohorts
  case ${BUILD:-} in
    *asan | *tsan) ;; # minutes; test_cohort stops and moves members there as well
    *)
      # shellcheck disable=SC2086 # words
      stop_runs a_run_stopped_in_cohorts_ends_as_an_undisturbed_one $(((kills + 3) / 4)) "$cuda" "$work/small.ini" $cohort_keys \
        'space.epoch=int 1 .. 3 default 2' experiment.strategies=simultaneous ;;
  esac
else
  vary=$on_cores
  stop_runs a_stopped_run_ends_as_an_undisturbed_one $((kills * 35 / 100)) "$gsos" "$work/small.ini"
  stop_runs a_stopped_run_with_pruning_ends_as_an_undisturbed_one $((kills / 5)) "$gsos" "$work/small.ini" pruner.kind=asha pruner.first=1 pruner.eta=2
  stop_runs a_stopped_run_whose_trials_pause_ends_as_an_undisturbed_one $((kills / 5)) "$gsos" "$work/small.ini" pruner.kind=hyperband
  stop_runs a_stopped_run_with_the_median_pruner_ends_as_an_undisturbed_one $((kills / 5)) "$gsos" "$work/small.ini" pruner.kind=median
  stop_runs a_stopped_run_of_a_function_ends_as_an_undisturbed_one $((kills * 15 / 100)) "$gsos" "$work/function.ini" function.name=curve \
    experiment.trials=30
  vary=$in_cohorts
  # shellcheck disable=SC2086
  stop_runs a_stopped_run_in_cohorts_ends_as_an_undisturbed_one $((kills * 15 / 100)) "$cuda" "$work/small.ini" $cohort_keys \
    'space.epoch=int 1 .. 3 default 2' pruner.kind=asha pruner.first=1 pruner.eta=2
  kill_runs a_killed_run_ends_as_an_undisturbed_one $((kills * 35 / 100)) "$gsos" "$work/small.ini"
  kill_runs a_killed_run_with_pruning_ends_as_an_undisturbed_one $((kills / 5)) "$gsos" "$work/small.ini" pruner.kind=asha pruner.first=1 pruner.eta=2 \
    scheduler.studies=one_by_one
  kill_runs a_killed_run_whose_trials_pause_ends_as_an_undisturbed_one $((kills / 5)) "$gsos" "$work/small.ini" pruner.kind=hyperband
  # shellcheck disable=SC2086
  stop_runs a_stopped_run_whose_trials_pause_in_cohorts_ends_as_an_undisturbed_one $((kills / 10)) "$cuda" "$work/small.ini" $cohort_keys \
    'space.epoch=int 1 .. 3 default 2' pruner.kind=hyperband
  kill_runs a_killed_run_with_the_gaussian_process_ends_as_an_undisturbed_one $((kills * 15 / 100)) "$gsos" "$work/small.ini" \
    experiment.sampler=gp
  kill_runs a_killed_run_of_a_function_ends_as_an_undisturbed_one $((kills * 15 / 100)) "$gsos" "$work/function.ini"
  kill_runs a_killed_run_in_cohorts_ends_as_an_undisturbed_one $((kills * 15 / 100)) "$cuda" "$work/small.ini" model.filters=4 \
    experiment.trials=8 'space.epoch=int 1 .. 3 default 2' scheduler.slots=8
fi

cases_end
