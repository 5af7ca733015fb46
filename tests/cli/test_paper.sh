#!/bin/sh
# Tests of tools/paper.sh, what `make paper` runs: which data sets it runs, what it says of those
# whose data are missing, and its tables.  With the smallest networks; run from the project's root.
# Not under a sanitizer: what is tested is shell and Python.
# Prints a line "ok NAME" or "not ok NAME" for each test, and ends with "N passed, N failed".
#   GSOS   the program (default ./gsos)
# shellcheck disable=SC2016 # the small programs for sh -c expand their own arguments
set -u
# shellcheck source=tests/cli/lib.sh
. tests/cli/lib.sh

gsos=${GSOS:-$PWD/gsos}
cases_need "$gsos" paper_runs_what_is_there
cases_begin paper
export GSOS="$gsos" DATA="$work/data" SAMPLERS=tpe

# The project's folder stays as it is: ini files and tools in one of its own.
mkdir -p "$work/tree/tests" "$DATA"
cp -r configs tools "$work/tree"
cp -r tests/bench "$work/tree/tests"
cd "$work/tree" || exit 1
run() { call sh tools/paper.sh "$@"; }

# --------------------------------------------------------------------------------- nothing is there

run configs/paper
check without_any_data_it_fails [ "$code" -eq 1 ]
check each_missing_set_is_named sh -c 'for n in ahe intel rps dogs-cats flowers k49; do grep -q "^  $n: there is nothing in" "$1" || exit 1; done' - "$work/out"
check it_says_how_to_get_them all 'said "sh tools/fetch_data.sh kuzushiji-49"' 'said rps.zip' 'said configs/paper/README.md'
check without_any_data_there_is_no_table all '! said round'

run
check no_folder_is_wrong_usage [ "$code" -eq 2 ]
run configs/nowhere
check unknown_folder_is_wrong_usage [ "$code" -eq 2 ]
run configs/paper cifar
check unknown_name_is_wrong_usage [ "$code" -eq 2 ]
check unknown_name_is_told complained 'configs/paper/cifar.ini'
SAMPLERS=nobody run configs/paper
check unknown_sampler_is_wrong_usage [ "$code" -eq 2 ]
check unknown_sampler_is_told complained 'nobody'

# ----------------------------------------------------------------------------- what is there is run

# rps is there, as IDX of three classes; ahe is there and broken.
mkdir "$DATA/rps" "$DATA/ahe"
python3 - "$DATA/rps" <<'PYTHON' || exit 1
import gzip, random, struct, sys

random.seed(1)
for stem, n in (("train", 60), ("t10k", 12)):
    labels = bytes(i % 3 for i in range(n))
    pixels = bytes(min(255, 80 * label + random.randrange(60)) for label in labels for _ in range(16 * 16 * 3))
    with gzip.open(f"{sys.argv[1]}/{stem}-images-idx4-ubyte.gz", "wb") as f:
        f.write(struct.pack(">IIIII", 0x0804, n, 16, 16, 3) + pixels)
    with gzip.open(f"{sys.argv[1]}/{stem}-labels-idx1-ubyte.gz", "wb") as f:
        f.write(struct.pack(">II", 0x0801, n) + labels)
PYTHON
echo no image >"$DATA/ahe/notes.txt"
export SETTINGS='--quiet --set experiment.trials=3 --set experiment.rounds=2 --set dataset.train_count=60 --set model.filters=2
  --set tpe.startup=1 --set gp.startup=2 --set dataset.cache=cache'
SAMPLERS='tpe gp' run configs/paper-small rps flowers
check what_is_there_is_run [ "$code" -eq 0 ]
check each_sampler_has_its_folder sh -c '[ -f results/paper-small/rps/study.db ] && [ -f results/paper-small/rps-gp/study.db ]'
check both_are_in_the_tables all 'said "^grouped tpe  *1 "' 'said "^simultaneous gp  *0 "'
check the_papers_numbers_stand_beside_them said '^the paper, time  *-15.6  *+37.4  *-0.7  *-0.7$'
check the_tables_are_those_of_the_report sh -c '
  report=$(sed -n "s/^grouped   TFLOP trained, saved  *2 *\([-0-9.]*\) %.*/\1/p" results/paper-small/rps/report.txt)
  awk -v report="$report" "
    /^rps: difference from/ { on = 1 }
    on && /^grouped tpe/ { found = report != \"\" && (\$6 - report) ^ 2 < 0.011; on = 0 }
    END { exit !found }" "$1"' - "$work/out"
check what_is_left_out_is_named all 'said "^  flowers: there is nothing in"' 'said alxmamaev/flowers-recognition'

run configs/paper-small rps
check a_finished_run_is_shown_again all 'exits 0' 'said "^grouped tpe  *1 "'

run configs/paper-small ahe rps
check a_set_that_cannot_be_read_fails [ "$code" -eq 1 ]
check it_is_named_at_the_end complained 'failed: ahe(tpe)'
check the_others_are_run said '^grouped tpe  *1 '

cases_end
