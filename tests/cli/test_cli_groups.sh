#!/bin/sh
# Where groups come from, from the outside: weights, a run, the study itself, and the strategy
# greedy.  On a function; needs ./gsos (or $GSOS).  Run from the project's root.  Prints a line "ok
# NAME" or "not ok NAME" for each test, and ends with "N passed, N failed".
# Not under ThreadSanitizer: runs of the kind that test_cli_run.sh has.
# shellcheck disable=SC2016 # conditions are evaluated later
set -u
# shellcheck source=tests/cli/lib.sh
. tests/cli/lib.sh

gsos=${GSOS:-$PWD/gsos}
cases_begin groups

# ini NAME LINE...: a file on the function mixed, of nine hyperparameters.
ini() {
  name=$work/$1.ini
  shift
  printf '[experiment]\nobjective = function\n[function]\nname = mixed\n' >"$name"
  printf '%s\n' "$@" >>"$name"
}
run() { name=$1; shift; call "$gsos" run "$work/$name.ini" --quiet --output "$work/out-$name" "$@"; }

# ---------------------------------------------------------------------------------- of another run

ini random '[experiment]' 'strategies = simultaneous' 'sampler = random' 'trials = 200' '[groups]' 'from = auto'
run random
check a_run_to_measure exits 0
ini after '[experiment]' 'sampler = tpe' 'strategies = grouped' 'trials = 40' '[groups]' 'from = out-random' '[importance]' 'groups = 2'
call "$gsos" check "$work/after.ini"
check groups_of_a_run_are_shown_by_check all 'exits 0' 'said "^  first  "' 'said "^  second  "' '! said "^  third  "'
run after
check a_run_with_groups_of_another exits 0
history "$work/out-after" >"$work/whole"
run after --set experiment.time_limit=0
check it_is_finished_and_its_groups_are_found_again all 'exits 0' 'history "$work/out-after" | cmp -s - "$work/whole"'
mv "$work/out-random" "$work/moved"
run after
check without_that_run_the_line_is_named all 'exits 2' 'complained "after.ini:[0-9]*: \[groups\] from = .*out-random: .* there is no such file"'
run after --set "groups.from=$work/moved"
check groups_count_wherever_they_came_from all 'exits 0' 'history "$work/out-after" | cmp -s - "$work/whole"'
run after --set "groups.from=$work/moved" --set importance.groups=3
check other_groups_are_another_search all 'exits 2' 'complained groups'
run after --set "groups.from=$work/after.ini"
check what_is_no_database_is_refused all 'exits 2' 'complained "is not an SQLite database"'
run random --output "$work/held" --set space.rate=0.1
run after --output "$work/none" --set "groups.from=$work/held"
check what_that_run_held_is_not_measured_by_it all 'exits 2' 'complained "groups. from = .*held: its trials all have the same .rate."'

# ---------------------------------------------------------------------------------- of the study's own trials

ini auto '[experiment]' 'sampler = tpe' 'strategies = grouped, greedy' 'trials = 60' '[groups]' 'from = auto' '[importance]' \
  'warm_start = 0.5' 'sweep_trials = 10'
call "$gsos" check "$work/auto.ini"
check check_says_where_the_groups_will_come_from all 'exits 0' 'said "^Groups of the strategy grouped$"' \
  'said "^Groups of the strategy greedy$"' 'unwrapped "$work/out" | grep -q "29 trials of each study are random"'
run auto
check groups_are_measured_on_the_way exits 0
history "$work/out-auto" >"$work/whole"
call "$gsos" show "$work/out-auto" --csv
of() { grep -c "/$1/0,.*,$2," "$work/out"; }
check the_warm_start_is_half_of_them all '[ "$(of grouped warm_start)" -eq 30 ]' '[ "$(of greedy warm_start)" -eq 30 ]'
check groups_follow_and_so_do_sweeps all '[ "$(of grouped first)" -gt 0 ]' '[ "$(of grouped third)" -gt 0 ]' \
  '[ "$(grep -c ",sweep[1-3]_" "$work/out")" -eq 30 ]'
run auto --fresh --set scheduler.slots=1
check it_is_the_same_again_on_one_slot all 'exits 0' 'history "$work/out-auto" | cmp -s - "$work/whole"'

# ---------------------------------------------------------------------------------- of weights

ini weights '[experiment]' 'sampler = tpe' 'strategies = grouped' '[groups]' 'from = weights'
call "$gsos" check "$work/weights.ini"
check a_missing_weight_is_named all 'exits 2' 'complained "\[groups\] from = weights: .* has no weight"'
call "$gsos" check configs/quickstart.ini --set groups.from=weights
check the_network_has_the_weights_of_the_paper all 'exits 0' 'said "^  first  .*num_conv_layers, lr, dropout_rate$"' \
  'said "^  second  .*optimizer, epoch, stride$"'

cases_end
