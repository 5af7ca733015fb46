#!/bin/sh
# `gsos check` from the outside, on a data set made here and on the configurations that come with
# the program: what it shows, what it refuses, how it stops.  Needs ./gsos (or $GSOS) and python3
# (its own library alone).  Run from the project's root.
# Prints a line "ok NAME" or "not ok NAME" for each test, and ends with "N passed, N failed".
# Not under ThreadSanitizer: one thread surveys and estimates; trainings side by side are those of test_cli_run.sh.
# shellcheck disable=SC2016 # conditions are evaluated later
set -u
# shellcheck source=tests/cli/lib.sh
. tests/cli/lib.sh

gsos=${GSOS:-$PWD/gsos}
cases_begin check
XDG_CACHE_HOME=$work/cache
export XDG_CACHE_HOME

run() { call "$gsos" "$@"; }
said() { unwrapped "$work/out" | grep -q -e "$1"; } # wherever lines are broken
narrow_40() { awk '{ gsub(/[\200-\277]/, ""); if (length($0) > 40) { print "# too wide: " $0; bad = 1 } } END { exit bad }' "$work/out"; }
row() { grep -q -E -e "$1" "$work/out"; }

# -------------------------------------------------------------------------------- the paper's space

run check configs/quickstart.ini
check quickstart_is_sound_and_narrow all 'exits 0' silent narrow
check half_of_the_combinations_vanish_at_28x28 all \
  'said " 12 of the 24 combinations of num_conv_layers, stride, padding, kernel are infeasible"' \
  'said "the [0-9]×[0-9] map before convolution . of . is smaller than its 5×5 kernel"' \
  'said "the 1×1 map after convolution . of . vanishes"'
check check_names_the_experiment all 'row "^  name  *quickstart$"' 'row "^  objective  *cnn, maximizes"' \
  'row "^  strategies  *grouped, simultaneous$"' 'said "40 in each of 2 studies (2 strategies × 1 round), 80 in all"' \
  'row "^  sampler  *tpe$"' 'row "^  output  *results/quickstart$"' 'said "up to 4 trials of a study in flight"'
check check_shows_the_data_set all 'row "^  images  *28×28×1$"' 'row "^  classes  *10: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9$"' \
  'row "^  parts  *4000 to train on, 1000 for validation, 1000 for the test$"'
check check_shows_the_classes all 'row "^  class  train  validation  test$"' \
  '[ "$(grep -c -E "^  [0-9]  *400  *100  *100$" "$work/out")" -eq 10 ]' \
  'said "the largest class, .0., is an accuracy of 0.1000 on validation, 0.1000 on the test"' \
  'said "0.9 has a standard error of 0.9 points on validation, 0.9 points on the test"' \
  'said "identical none: no image is there twice"' '! said Warning'
check check_shows_a_line_for_each_hyperparameter all 'row "^  lr  *float  *0\.01  *log  *1e-05 \.\. 1$"' \
  'row "^  epoch  *int  *1  *1 \.\. 6$"' 'row "^  batch_size  *ordinal  *32  *32, 64, 128, 256$"' \
  'row "^  padding  *categorical  *same  *valid, same$"' \
  '[ "$(grep -c -E "^  [a-z_]+  *(float|int|ordinal|categorical) " "$work/out")" -eq 10 ]'
check check_shows_groups_in_order_with_their_trials all 'row "^  first  *16  num_conv_layers, lr, dropout_rate$"' \
  'row "^  second  *12  optimizer, epoch, stride$"' 'row "^  third  *12  padding, kernel, num_fc_units, batch_size$"' \
  '[ "$(grep -n -o -E "^  (first|second|third) " "$work/out" | sort -n | cut -d: -f2 | tr -d "\n ")" = firstsecondthird ]'
# Worked out by hand: (1·9+1)·32, (32·9+1)·32 twice, (288+1)·64, (64+1)·10; FLOPs of an image:
# forward 2·(9·32·784 + 9·32·32·196 + 9·32·32·49) + 2·(288·64 + 640), three times that less the
# first layer's forward once more, times 32 images.
check check_shows_the_default_network all 'row "conv 1  *28×28×1  *28×28×32  *14×14×32  *320$"' \
  'row "conv 3  *7×7×32  *7×7×32  *3×3×32  *9248$"' 'row "dense 1  *288  *64  *18496$"' 'row "dense 2  *64  *10  *650$"' \
  'said " 37962 parameters, 466 MFLOP a training step of 32 images, "' 'said "1 epoch, 125 steps"'
check check_shows_the_largest_networks all \
  'said "most memory: num_conv_layers 2, epoch 6, kernel 5, num_fc_units 256, batch_size 256 "' \
  'said "most work: num_conv_layers 4, epoch 6, kernel 5, num_fc_units 256, batch_size 256 "'
check check_weighs_memory_and_estimates_the_time all 'said "of the largest side by side need .*iB each); .*iB are free: enough"' \
  'said "Run time, an estimate about .* for all 80 trials, "' 'row "^    grouped  .* s a trial"' \
  'said " of it for the best network of each study, trained again 3 times when"' 'row "^    simultaneous  .* s a trial"' 'said "Basis: [0-9]* random configurations ran"'

call env COLUMNS=40 python3 tests/cli/terminal.py out "$gsos" check configs/quickstart.ini
check quickstart_fits_a_narrow_terminal all 'exits 0' narrow_40 'row "^  lr  float 1e-05 \.\. 1 log default 0\.01$"' \
  'row "^    layer  *output  parameters$"' 'row "^    conv 1  *14×14×32  *320$"' 'said "trial 0 of each study has the defaults"'

run check configs/bench/ackley.ini
check a_function_has_no_data_and_no_networks all 'exits 0' silent narrow 'said "objective function, minimizes"' \
  '! said "Data set"' '! said Networks' '! said Memory' 'said "All of [0-9]* random configurations are feasible"' \
  'said "100 in each of 10 studies (2 strategies × 5 rounds), 1000 in all"' 'said "Run time, an estimate less than 1 s"'
run check configs/bench/mixed.ini
check enqueued_configurations_are_shown all 'exits 0' silent narrow 'row "^Enqueued: 1 configuration to try first$"' \
  'row "^  usual  rate 0.01, method beta, depth 6, width 64$"'
printf '[experiment]\nobjective = function\n[function]\nname = constrained\n' >"$work/constrained.ini"
run check "$work/constrained.ini"
check where_floats_decide_the_infeasible_share_is_an_estimate all 'exits 0' narrow 'said "About 4[0-9] % of the configurations"' \
  'said "an estimate: [0-9]* of 20000 random ones"' 'said "depends on stages, stride, size, x, y\."' 'said "is above 1\.2"'

# ---------------------------------------------------------------------------- a data set of our own

data="$work/data"
python3 tests/cli/small_images.py "$data" 16 14 1 4 400 80 0 || exit 1
cat >"$work/small.ini" <<END
[experiment]
strategies = grouped, simultaneous
sampler = tpe
[dataset]
train_images = $data/train-images
train_labels = $data/train-labels
test_images = $data/test-images
test_labels = $data/test-labels
[model]
filters = 8
[space]
epoch = int 1 .. 4 default 1
num_conv_layers = int 1 .. 4 default 2
END
small() { run check "$work/small.ini" "$@"; }

small
check other_images_have_other_limits all 'exits 0' silent narrow 'row "^  images  *14×16×1$"' \
  'row "^  parts  *320 to train on, 80 for validation, 80 for the test$"' \
  'said " [0-9]* of the 32 combinations of num_conv_layers, stride, padding, kernel are infeasible"'
# shellcheck disable=SC2034 # in a condition
# The same count by the definition in plain Python.
expected=$(python3 - <<'END'
def feasible(layers, stride, same, kernel):
    h, w = 16, 14
    for _ in range(layers):
        pad = (kernel - 1) // 2 if same else 0
        if min(h, w) + 2 * pad < kernel:
            return False
        h, w = (((n + 2 * pad - kernel) // stride + 1) // 2 for n in (h, w))
        if min(h, w) < 1:
            return False
    return True

print(sum(not feasible(l, s, p, k) for l in (1, 2, 3, 4) for s in (1, 2) for p in (0, 1) for k in (3, 5)))
END
)
check the_infeasible_ones_are_those_of_the_definition all '[ "$expected" -gt 0 ]' 'said " $expected of the 32 combinations"'

small
check small_parts_are_a_warning all 'said "Warning: validation has 80 images"' 'said "Warning: the test has 80 images"' \
  '! said "Warning: [0-9]* class"'

# The first test image is training image 0, of the same class; the second, of class 1, is training
# image 4, of class 0; training image 6 is training image 2.
mkdir "$work/copies" || exit 1
cp "$data"/* "$work/copies"
python3 - "$work/copies" <<'END' || exit 1
import sys

folder, size, header = sys.argv[1], 16 * 14, 16
train = bytearray(open(folder + "/train-images", "rb").read())
test = bytearray(open(folder + "/test-images", "rb").read())
image = lambda i: train[header + i * size : header + (i + 1) * size]
train[header + 6 * size : header + 7 * size] = image(2)
test[header : header + 2 * size] = image(0) + image(4)
open(folder + "/train-images", "wb").write(train)
open(folder + "/test-images", "wb").write(test)
END
printf 'first\n\033[2Jsecond\nthird%0150d\nfourth\n' 3 >"$work/copies/classes.txt"
small --set "dataset.train_images=$work/copies/train-images" --set "dataset.train_labels=$work/copies/train-labels" \
  --set "dataset.test_images=$work/copies/test-images" --set "dataset.test_labels=$work/copies/test-labels"
check copies_are_found_and_names_are_harmless all 'exits 0' silent narrow 'row "^  .x1b.2Jsecond  *80  *20  *20$"' \
  'row "^  third0*\.\.\.  *80  *20  *20$"' 'said "2 of the test also in train"' \
  'said "such as train 4 (.first.) = test 1 (.*x1b.2Jsecond.)"' 'said "train 0 = test 0 "' 'said "train 2 = [a-z]* 6 "' \
  'said "Warning: 2.5 % of the test can be learnt by heart"' 'said "Warning: 2 images have a copy of another class"'

small --set 'space.kernel=ordinal 3 default 3' --set 'space.padding=categorical same default same' --set 'space.stride=ordinal 1 default 1' \
  --set 'space.num_conv_layers=int 1 .. 2 default 2'
check a_space_without_infeasible_ones_says_so all 'exits 0' 'said "All of [0-9]* random configurations are feasible"'

small --set scheduler.trial_memory=1000000
check above_trial_memory_is_infeasible all 'exits 0' narrow 'said "needs [0-9.]* MiB of memory, .scheduler. trial_memory is 977 KiB"' \
  'said "combinations of num_conv_layers, .*num_fc_units, batch_size are infeasible"'
# Of the largest that is left: at most 1,000,000 bytes, and above nine tenths of it.
check the_largest_is_within_trial_memory all 'said "largest side by side need .* (9[0-9][0-9] KiB each)"'
small --set scheduler.trial_memory=20000 --set experiment.baseline=no
check a_space_above_trial_memory_is_an_error all 'exits 2' 'complained "small.ini: .*nothing can be proposed: no feasible configuration"'

small --set 'space.num_conv_layers=int 1 .. 4 default 4' --set 'space.padding=categorical valid, same default valid' --set 'space.kernel=ordinal 3, 5 default 5'
check an_infeasible_default_is_no_baseline all 'exits 2' narrow 'complained "small.ini: .experiment. baseline = yes: the defaults of .space. are infeasible: .*or say baseline = no"'
small --set 'space.num_conv_layers=int 1 .. 4 default 4' --set 'space.padding=categorical valid, same default valid' --set 'space.kernel=ordinal 3, 5 default 5' \
  --set experiment.baseline=no
check an_infeasible_default_is_a_warning all 'exits 0' narrow 'said "The default configuration is infeasible the .* map after convolution 2 of 4 vanishes"' '! said " default: "'
small --set 'space.num_conv_layers=int 3 .. 3 default 3' --set 'space.padding=categorical valid, same default valid' \
  --set experiment.strategies=grouped --set experiment.baseline=no
check where_the_first_group_has_nothing_feasible_it_is_an_error all 'exits 2' narrow 'complained "small.ini: .*strategy grouped, group first: nothing can be proposed"'
small --set 'space.num_conv_layers=int 3 .. 3 default 3' --set 'space.padding=categorical valid, same default valid' \
  --set experiment.strategies=simultaneous --set experiment.baseline=no
check the_same_defaults_are_no_error_where_all_are_free all 'exits 0' 'said "Groups: no strategy here uses them"'

small --set 'enqueue.good=lr 0.001, kernel 5' --set 'enqueue.bad=num_conv_layers 4, stride 2' --set 'enqueue.worse=num_conv_layers 4, kernel 5, padding valid'
check infeasible_enqueued_ones_are_an_error all 'exits 2' narrow 'complained "set: \[enqueue\] bad = num_conv_layers 4, stride 2: is infeasible: the .* map"' \
  'row "^  good  lr 0.001, kernel 5$"' 'said "worse num_conv_layers 4, padding valid, kernel 5 infeasible: the"'

small --set experiment.trials=10
check few_trials_are_all_random all 'exits 0' 'said "All trials of the group first are random: .tpe. startup is 15"'
small --set 'experiment.trials=2'
check a_group_without_a_trial_is_told all 'exits 0' 'said "No trial is left for the group third"'
# A batch of one image, one step an epoch, one trial.
small --set experiment.trials=1 --set experiment.strategies=simultaneous --set experiment.rounds=1 --set 'space.batch_size=1'
check one_is_told_in_the_singular all 'exits 0' 'said "1 in each of 1 study (1 strategy × 1 round), 1 in all"' 'said "for the one trial"' \
  'said "a training step of 1 image, "' '! grep -E "(^|[^0-9.])1 (trials|images|steps|epochs|studies|rounds|configurations|files|points)" "$work/out"'
small --set scheduler.slots=1 --set experiment.strategies=grouped --set experiment.rounds=3
check slots_decide_what_runs_side_by_side all 'exits 0' 'said "1 of the largest side by side"' 'said "300 trials, 1 at a time"' 'said "up to 1 at once"'
small --set scheduler.slots=100000 --set scheduler.parallel=1000 --set experiment.rounds=1000 --set experiment.trials=500 --set 'model.filters=256' --set 'space.num_fc_units=int 64 .. 65536 default 64'
check too_little_memory_is_told all 'exits 0' narrow 'said "too little for all of them at once\. With .scheduler. slots = [0-9]* they would fit"'
small --set experiment.time_limit=1 --set experiment.trials=5000 --set experiment.repeats=0
check a_time_limit_below_the_estimate_is_told all 'exits 0' 'said "time_limit stops the run after 1\.0 s"'
check without_repeats_none_are_estimated all 'said "Run time, an estimate"' '! said "trained again"'
small --set experiment.repeats=4 --set experiment.strategies=simultaneous --set datasets.other=other --set datasets.third=third
check repeats_are_those_of_a_run_and_a_study_of_data_sets_has_none all 'exits 0' narrow \
  'said "for the best network of each study, trained again 4 times when the searches have ended; gsos study, which goes through .datasets., trains none again"'
small --set experiment.repeats=4 --set experiment.strategies=simultaneous
check without_data_sets_repeats_are_told_alone all 'exits 0' 'said "trained again 4 times when the searches have ended "' '! said "gsos study"'
small --set experiment.trials=2 --set 'enqueue.a=lr 0.1' --set 'enqueue.b=lr 0.2'
check more_that_are_to_be_tried_first_than_trials_are_told all 'exits 0' narrow \
  'said "Warning: the last of 3 configurations that are to be tried first (the defaults, start_best, .enqueue.) is not, since trials = 2"'
run run "$work/small.ini" --output "$work/enqueued" --set experiment.strategies=simultaneous --set experiment.trials=2 --set experiment.repeats=0 \
  --set space.epoch=1 --set 'enqueue.a=lr 0.1' --set 'enqueue.b=lr 0.2' --set 'enqueue.c=lr 0.3'
check run_tells_it_as_well all 'exits 0' 'unwrapped "$work/err" | grep -q "not tried the last 2 of 4 configurations that are to be tried first (.*) are not, since trials = 2"'
small --set experiment.trials=3 --set 'enqueue.a=lr 0.1' --set 'enqueue.b=lr 0.2'
check as_many_as_trials_are_not all 'exits 0' '! said "to be tried first"'

# Long names and many choices: still 80 columns.
long=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
printf '[experiment]\nname = %s%s\nobjective = function\noutput = /tmp/%s/%s/%s\n[function]\nname = choices\n' \
  $long é $long $long $long >"$work/long.ini"
{
  echo '[space]'
  printf 'size = ordinal '
  seq -s ', ' 1 200 | sed 's/$/ default 7/'
  printf '[groups]\n%s = colour, shape, size, finish, count, side ratio 1\n[enqueue]\n%s = colour blue, shape ring, size 200, finish none, count 4, side right\n' $long $long
} >>"$work/long.ini"
run check "$work/long.ini"
check long_names_and_lists_stay_narrow all 'exits 0' narrow 'said "1, 2, 3, .*, \.\.\. 200 (200)"'

call env COLUMNS=40 python3 tests/cli/terminal.py out "$gsos" check "$work/long.ini"
check long_lists_are_cut_on_a_narrow_terminal all 'exits 0' narrow_40 'said "size ordinal 1, 2, 3, .*, \.\.\. 200 (200) default 7"'

# ------------------------------------------------------------------------------------------- errors

small --set experiment.trails=10
check an_unknown_key_gets_its_neighbour all 'exits 2' '[ ! -s "$work/out" ]' 'complained "trails" ' 'complained "trials"'
sed 's/^epoch = .*/epoch = int 9 .. 1 default 1/' "$work/small.ini" >"$work/wrong.ini"
run check "$work/wrong.ini"
check a_wrong_line_is_named all 'exits 2' 'complained "wrong.ini:[0-9]*: \[space\] epoch"' 'complained "9"' '[ ! -s "$work/out" ]'
printf '[dataset]\npath = nowhere\n[model]\nfilters = 8\n' >"$work/wrong.ini"
run check "$work/wrong.ini"
check what_is_wrong_with_the_data_names_the_line all 'exits 2' 'complained "wrong.ini:2: \[dataset\] path = .*nowhere: No such file"'
printf '[experiment]\nobjective = function\n\n[function]\nname = ackley\n\n[pruner]\nkind = asha\n' >"$work/wrong.ini"
run check "$work/wrong.ini"
check what_does_not_fit_the_objective_names_the_line all 'exits 2' 'complained "wrong.ini:8: \[pruner\] kind = asha: .*no epochs"'
printf '[experiment]\nobjective = command\ndirection = maximize\n\n[command]\nrun = true\n\n[space]\nx = int 0 .. 9 default 3\n\n[pruner]\nkind = hyperband\n' >"$work/wrong.ini"
run check "$work/wrong.ini"
check a_program_whose_trials_cannot_pause_is_refused all 'exits 2' 'complained "wrong.ini:12: \[pruner\] kind = hyperband: .*cannot pause"'
small --set pruner.kind=hyperband --set pruner.smallest=1000
check a_smallest_budget_that_is_too_large_is_refused all 'exits 2' 'complained "smallest = 1000: rungs are counted from"'
small --set experiment.rounds=65535
check more_trials_than_anybody_can_make_are_refused all 'exits 2' 'complained "13107000 trials" || complained "right is rounds"' '[ ! -s "$work/out" ]'
small --set space.weight_decay=0.1
check an_unknown_hyperparameter_is_told_as_such all 'exits 2' "complained \"no hyperparameter 'weight_decay'\"" '! complained group'
small --set space.optimizer=adam --set space.epoch=2 --set space.stride=1
check a_group_of_fixed_ones_has_nothing_to_search all 'exits 0' 'row "^  optimizer .* adam$"' 'row "^  second  *0  "' 'said "The group second has nothing to search"'
small --set dataset.train_images=/none/images
check a_missing_data_set_is_named all 'exits 2' 'complained "/none/images"'
run check configs/bench/ackley.ini --set experiment.metric=macro_f1 --set experiment.repeats=3 --set model.class_weights=balanced
check what_the_objective_does_not_use_is_told all 'exits 0' 'unwrapped "$work/out" | grep -q \
  "unused metric = macro_f1, repeats = 3, class_weights = balanced: not used, since objective = function trains no network; delete the lines"' narrow
run check configs/bench/ackley.ini
check what_is_used_is_not_called_unused all 'exits 0' '! row "unused"'
run check "$work/none.ini"
check a_missing_ini_is_named all 'exits 2' 'complained "none.ini"'
run check
check check_without_a_file_is_wrong_usage all 'exits 2' 'complained "which FILE.ini"' 'complained "check --help"'
run check "$work/small.ini" "$work/small.ini"
check check_with_two_files_is_wrong_usage all 'exits 2' 'complained "one FILE.ini"'
run check --nonsense "$work/small.ini"
check check_names_an_unknown_option all 'exits 2' 'complained "gsos check: unrecognized option .*--nonsense"'
run check --help
check check_help_goes_to_standard_output all 'exits 0' silent narrow 'row "^Usage: gsos check"'
run --help
check the_program_lists_check all 'exits 0' 'row "^  check FILE.ini  "'
"$gsos" check configs/bench/ackley.ini >/dev/full 2>"$work/err"
code=$?
check check_notices_a_full_disk_behind_its_output all 'exits 1' 'complained "standard output cannot be written"'

# ----------------------------------------------------------------------------------------- stopping

# Sent when the space has been shown; the measurement alone takes more than a second after that.
stop() { # SIGNAL
  python3 tests/cli/signalled.py "$1" "$work" Groups "$gsos" check "$work/small.ini"
  code=$?
}
stop SIGINT
check ctrl_c_stops_the_check_with_130 all 'exits 130' 'complained interrupted' '! grep -q Basis "$work/out"'
stop SIGTERM
check sigterm_stops_the_check_with_143 all 'exits 143' '! grep -q Basis "$work/out"'

# -------------------------------------------------------------------- a pipe that nobody writes to

mkfifo "$work/pipe.ini"
for pair in INT:130 TERM:143; do
  heeding "$gsos" check "$work/pipe.ini" >"$work/out" 2>"$work/err" &
  waits=$!
  wait_until "$waits" '[ "$(readlink "/proc/$waits/exe")" = "$(readlink -f "$gsos")" ]'
  sleep 0.2
  kill "-${pair%:*}" "$waits"
  (sleep 5 && kill -KILL "$waits") 2>"$work/late" &
  wait "$waits"
  code=$?
  kill $! 2>"$work/late"
  check "an_ini_that_does_not_come_can_be_stopped_(${pair%:*})" all "exits ${pair#*:}" silent
done

cases_end
