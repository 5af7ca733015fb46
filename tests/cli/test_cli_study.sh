#!/bin/sh
# `gsos study` from the outside: random trials of a function, and on small data sets of images that it
# makes first; what goes on after a stop, what is printed and written, the figure with gnuplot and
# without, what it says of a wrong ini file.  Needs ./gsos (or $GSOS), and python3 (its own library
# alone); gnuplot in a test that is skipped without it.  Run from the project's root.  Prints a line
# "ok NAME" or "not ok NAME" for each test, and ends with "N passed, N failed".
# Not under ThreadSanitizer: runs of the kind that test_cli_run.sh has, one after another.
# shellcheck disable=SC2016 # conditions are evaluated later
set -u
# shellcheck source=tests/cli/lib.sh
. tests/cli/lib.sh

gsos=${GSOS:-$PWD/gsos}
cases_begin study
cases_need "$gsos" gsos_study

run() { call "$gsos" study "$@"; }
narrow_by_40() { awk '{ gsub(/[\200-\277]/, ""); if (length($0) > 40) bad = 1 } END { exit bad }'; }
quiet() { [ ! -s "$work/out" ]; }
# query OUTPUT SQL: the first column of what its database answers.
query() { python3 -c 'import sqlite3, sys; print(*[r[0] for r in sqlite3.connect("file:" + sys.argv[1] + "?mode=ro", uri=True).execute(sys.argv[2])], sep="\n")' "$1/study.db" "$2"; }
svg_bars() { # FILE NUMBER: it is XML, and has so many bars: of weights above 0, and those that explain the colours
  python3 - "$1" "$2" <<'END'
import sys, xml.etree.ElementTree as xml
root = xml.parse(sys.argv[1]).getroot()
bars = len(list(root.iter("{http://www.w3.org/2000/svg}polygon")))
sys.exit(f"{bars} polygons" if bars != int(sys.argv[2]) else 0)
END
}

# -------------------------------------------------------------------------------------- a function

function="$work/function"
run configs/bench/mixed.ini --output "$function" --set experiment.trials=60 --set experiment.rounds=3 --set 'enqueue.usual='
cp "$work/out" "$work/table"
check study_of_a_function_prints_importance all 'exits 0' narrow 'said "^mixed/simultaneous/0: 60 trials, 60 measured$"' \
  'said "^Weights by nrrelieff, the heaviest being 1:$"' 'said "  1.000  ##############################  first$"' \
  '! said "^over all"' '[ "$(grep -c "^.groups.$" "$work/out")" -eq 1 ]' "said 'groups.from=$function\$'"
check study_is_an_ordinary_run_of_random_trials all \
  '[ "$(query "$function" "SELECT study_name FROM studies")" = mixed/simultaneous/0 ]' \
  '[ "$("$gsos" show "$function" --csv | wc -l)" -eq 61 ]' \
  "\"$gsos\" importance \"$function\" >\"$work/importance\"" 'grep -q "^first = " "$work/importance"'
check study_measures_what_importance_does eval 'sed "/^Groups/,\$d" "$work/importance" >"$work/a"; sed "/^Groups/,\$d" "$work/table" | cmp - "$work/a"'
check study_writes_what_it_prints eval 'head -n "$(wc -l <"$function/importance.txt")" "$work/table" | cmp - "$function/importance.txt"'

cat >"$work/read_csv.py" <<'END'
import csv, sys
rows = list(csv.DictReader(open(sys.argv[1])))
sets, names = sys.argv[2].split(), set(r["hyperparameter"] for r in rows)
assert list(rows[0]) == "set,method,hyperparameter,weight,low,high,rank,rank_low,rank_high".split(",")
assert len(names) == int(sys.argv[3]) and len(rows) == len(names) * 3 * (len(sets) + (len(sets) > 1)), len(rows)
def weights(of, method):
    return {r["hyperparameter"]: float(r["weight"]) for r in rows if r["set"] == of and r["method"] == method}
for method in set(r["method"] for r in rows):
    each = [weights(s, method) for s in sets]
    for w in each:
        assert w.keys() == names and abs(sum(w.values()) - 1) < 1e-9
    for name, mean in weights("", method).items():
        assert abs(mean - sum(w[name] for w in each) / len(each)) < 1e-12
for r in rows:
    assert not r["set"] or float(r["low"]) <= float(r["weight"]) <= float(r["high"])
END
check study_has_every_weight_in_a_table python3 "$work/read_csv.py" "$function/importance.csv" mixed 9

run configs/bench/mixed.ini --output "$function" --quiet --set experiment.trials=60 --set experiment.rounds=3 --set 'enqueue.usual='
check study_that_is_finished_tells_the_same all 'exits 0' 'cmp -s "$work/out" "$work/table"'
run configs/bench/mixed.ini --output "$function" --quiet --set experiment.trials=70 --set 'enqueue.usual=' \
  --set importance.method=fanova --set groups.first= --set groups.from=auto
check study_goes_on_with_more_trials_and_other_groups all 'exits 0' 'said "^mixed/simultaneous/0: 70 trials, 70 measured$"' \
  'said "^Groups from the weights of fanova"' 'said "^Weights by fanova"'

run configs/bench/mixed.ini --output "$work/revisit" --quiet --set experiment.trials=40 --set 'enqueue.usual=' \
  --set experiment.sampler=gp --set experiment.revisit=yes
check study_of_an_experiment_that_revisits_is_of_random_trials all 'exits 0' 'said "^mixed/simultaneous/0: 40 trials, 40 measured$"'

# ------------------------------------------------------------------------------------------ figures

if command -v gnuplot >/dev/null; then
  check study_draws_a_bar_for_each_hyperparameter all "grep -q '^set title .Importance of hyperparameters: mixed, 70 trials' \"$function/importance.gp\"" \
    'svg_bars "$function/importance.svg" "$((9 + $(grep -c "with boxes" "$function/importance.gp")))"'
  cat >"$work/odd.py" <<'END'
import json, sys
for line in sys.stdin:
    trial = json.loads(line)
    print(json.dumps({"trial": trial["trial"], "value": trial["params"]["a&b"] + 2 * trial["params"]["x<y>"]}), flush=True)
END
  printf '%s\n' '[experiment]' 'objective = command' 'direction = minimize' 'trials = 30' "name = it's <odd>" '[command]' \
    'run = python3 odd.py' '[space]' 'a&b = float 0 .. 1 default 0.5' 'x<y> = float 0 .. 1 default 0.5' >"$work/odd.ini"
  run "$work/odd.ini" --output "$work/odd" --quiet --set importance.method=fanova
  check study_of_odd_names_draws_them all 'exits 0' silent 'svg_bars "$work/odd/importance.svg" "$((2 + $(grep -c "with boxes" "$work/odd/importance.gp")))"' \
    'grep -q "x&lt;y" "$work/odd/importance.svg"'
else
  skip study_draws_a_bar_for_each_hyperparameter "there is no gnuplot"
  skip study_of_odd_names_draws_them "there is no gnuplot"
fi
mkdir "$work/bin" "$work/broken"
printf '%s\n' '#!/bin/sh' 'echo "it has no paper" >&2' 'exit 3' >"$work/broken/gnuplot"
chmod +x "$work/broken/gnuplot"
PATH="$work/bin" call "$gsos" study configs/bench/mixed.ini --output "$function" --quiet --set experiment.trials=70 --set 'enqueue.usual='
check study_without_gnuplot_says_so all 'exits 0' 'complained "^no figure: gnuplot is not installed"' \
  '[ ! -e "$function/importance.svg" ]' '[ -s "$function/importance.gp" ]' '! said importance.svg'
PATH="$work/broken:$PATH" call "$gsos" study configs/bench/mixed.ini --output "$function" --quiet --set experiment.trials=70 --set 'enqueue.usual='
check study_says_what_gnuplot_said all 'exits 0' 'complained "^no figure: gnuplot exit status 3: it has no paper"'

# --------------------------------------------------------------------------------- data sets of images

images() { # NAME HEIGHT TRAIN: with the files' usual names
  python3 tests/cli/small_images.py "$work/$1" "$2" "$2" 1 4 "$3" 40 0
  for part in train test; do
    mv "$work/$1/$part-images" "$work/$1/$part-images-idx3-ubyte"
    mv "$work/$1/$part-labels" "$work/$1/$part-labels-idx1-ubyte"
  done
}
images bands 12 160
images large 16 200
cat >"$work/two.ini" <<END
[experiment]
trials = 12
strategies = grouped
sampler = tpe
[dataset]
path = nowhere
cache = $work/cache
[datasets]
bands = bands
large = large, train_count 120, validation_fraction 0.25   # from the file's folder
[space]
epoch = 1
num_conv_layers = 1
END
two="$work/two"
run "$work/two.ini" --output "$two"
cp "$work/out" "$work/table"
check study_of_two_data_sets all 'exits 0' narrow 'said "^bands/simultaneous/0: 12 trials, "' 'said "^large/simultaneous/0: 12 trials, "' \
  'said "^over all 2 data sets, each of which counts the same$"' 'said "^mean of the sets  weight  *rank  weight"' \
  'said "Kendall.s W = [01]\.[0-9]*; a p-value takes 3 data sets$"' '[ "$(grep -c "^.groups.$" "$work/out")" -eq 3 ]' \
  'said "^Mean weights by nrrelieff"' 'complained "^data set 2 of 2$"' 'narrow "$work/err"'
check study_of_two_has_means_in_its_table python3 "$work/read_csv.py" "$two/importance.csv" "bands large" 8
check keys_of_a_line_are_of_its_data_set_alone all 'complained "(12×12×1, 4"' 'unwrapped "$work/err" | grep -q "12×12×1, 4 classes, 128 + 32 + 40 images"' \
  'unwrapped "$work/err" | grep -q "16×16×1, 4 classes, 90 + 30 + 40 images"'
check best_ini_of_a_data_set_is_of_that_one all 'grep -q "^path = .*/large$" "$two/large/best.ini"' 'grep -q "^train_count = 120$" "$two/large/best.ini"' \
  '! grep -q "^.datasets" "$two/large/best.ini"'

# The first stop is in the first set, the second one anywhere.
"$gsos" study "$work/two.ini" --output "$work/stopped" >"$work/out" 2>"$work/err" &
pid=$!
signal_when $pid INT '[ -s "$work/stopped/bands/study.db" ]'
wait $pid
code=$?
check study_stops_and_says_how_to_go_on all 'exits 130' quiet 'unwrapped "$work/err" | grep -q "the same command goes on from there"' '[ ! -e "$work/stopped/importance.txt" ]'
run "$work/two.ini" --output "$work/stopped" --set experiment.time_limit=0.05s
check study_that_has_no_time_measures_nothing all 'exits 0' '[ -s "$work/out" ] || complained "importance is measured when every data set has all"'
run "$work/two.ini" --output "$work/stopped"
check what_was_stopped_goes_on all 'exits 0' 'sed "/^Written/,\$d" "$work/table" >"$work/a"' 'sed "/^Written/,\$d" "$work/out" | cmp -s - "$work/a"'
for name in bands large; do
  history "$two/$name" >"$work/a"
  history "$work/stopped/$name" >"$work/b"
  check "what_was_stopped_ends_the_same_$name" cmp "$work/a" "$work/b"
done
images third 12 100
run "$work/two.ini" --output "$two" --quiet --set "datasets.third=$work/third"
check study_takes_one_data_set_more all 'exits 0' 'silent || complained "^no figure: gnuplot is not installed"' narrow 'said "^over all 3 data sets"' 'unwrapped "$work/out" | grep -q "W = [01]\.[0-9]*, p = [0-9.e-]* (chi-squared = [0-9.]*, 7 degrees of freedom)"' \
  'said "chi-squared$"'
check study_of_three_has_means_in_its_table python3 "$work/read_csv.py" "$two/importance.csv" "bands large third" 8
call env COLUMNS=40 python3 tests/cli/terminal.py out "$gsos" study "$work/two.ini" --output "$two" --quiet
check study_fits_a_narrow_terminal all 'exits 0' 'said "^over all 2"' 'sed "/^Written/,\$d" "$work/out" | narrow_by_40'

# ------------------------------------------------------------------------------------- what is wrong

wrong() { # MESSAGE ARGUMENT...: exit status 2, nothing printed, nothing made
  message=$1
  shift
  run "$work/two.ini" --output "$work/wrong" "$@"
  exits 2 && quiet && unwrapped "$work/err" | grep -q -e "$message" && [ ! -e "$work/wrong" ]
}
check study_refuses_a_key_that_there_is_not wrong "there is no key 'image_sise' in \[dataset\]; did you mean 'image_size'?" --set 'datasets.a=bands, image_sise 3'
check study_refuses_a_wrong_value wrong "not a whole number" --set 'datasets.a=bands, train_count many'
check study_refuses_a_key_without_value wrong "'train_count' has no value; right is" --set 'datasets.a=bands, train_count'
check study_refuses_a_key_twice wrong "'train_count' is there twice" --set 'datasets.a=bands, train_count 5, train_count 6'
check study_refuses_a_comma_too_much wrong "nothing stands between two commas" --set 'datasets.a=bands, '
check study_refuses_a_second_path wrong "the path stands at the beginning" --set 'datasets.a=bands, path bands'
check study_refuses_a_name_that_is_no_folder wrong "the name of a data set is that of a folder" --set 'datasets.a/b=bands'
check study_refuses_a_setting_of_the_path wrong "would make all data sets of \[datasets\] the same" --set dataset.path=bands
check study_finds_what_is_not_there_before_it_trains wrong "data set gone: .*\[dataset\] path = " --set datasets.gone=gone
run configs/bench/mixed.ini --output "$work/wrong" --set datasets.a=bands
check study_refuses_data_sets_of_a_function all 'exits 2' quiet 'complained "\[datasets\] a: objective = function has no data sets"' '[ ! -e "$work/wrong" ]'
run
check study_needs_a_file all 'exits 2' quiet 'complained "which FILE.ini?"'
run --help
check study_help_is_narrow all 'exits 0' silent narrow 'said "^Usage: gsos study"'

cases_end
