#!/bin/sh
# Completion in a shell, and `gsos --list`, which it asks: what bash would offer for the beginning
# of a command line, without a terminal; of zsh's the syntax alone.  Needs ./gsos (or $GSOS), bash
# and, for zsh's, zsh.  Run from the project's root.
# Not under ThreadSanitizer: words of a command line, which no thread makes.
# Prints a line "ok NAME" or "not ok NAME" for each test, and ends with "N passed, N failed".
# shellcheck disable=SC2016 # conditions are evaluated later
set -u
# shellcheck source=tests/cli/lib.sh
. tests/cli/lib.sh

gsos=${GSOS:-$PWD/gsos}
case $gsos in /*) ;; *) gsos=$PWD/$gsos ;; esac
root=$PWD
cases_begin completion
cases_need "$gsos" completion
XDG_CACHE_HOME=$work/cache
export XDG_CACHE_HOME

run() { call "$gsos" "$@"; }
lines() { [ "$(wc -l <"$work/out")" -eq "$1" ]; }

# ----------------------------------------------------------------------------------------- --list

run --list commands
cp "$work/out" "$work/commands"
run --help
check commands_are_those_of_the_help all '[ "$(wc -l <"$work/commands")" -gt 5 ]' \
  'sed -n "/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p" "$work/out" | cmp -s - "$work/commands"'
run --list keys
cp "$work/out" "$work/keys"
check keys_are_listed_as_settings all 'exits 0' silent 'said "^experiment\.trials$"' 'said "^space\.lr$"' \
  'said "^scheduler\.devices$"' '! said "^datasets\."' '! grep -v -q "^[a-z]*\.[a-z_]*$" "$work/out"'
in_the_reference() { # each of them, in its section
  awk '/^\[/ { section = substr($1, 2, length($1) - 2) }
    match($0, /^#?[a-z_]+ *=/) { key = substr($0, RSTART, RLENGTH); gsub(/[# =]/, "", key); print section "." key }' \
    configs/reference.ini | LC_ALL=C sort -u >"$work/reference"
  LC_ALL=C sort -u "$work/keys" | LC_ALL=C comm -23 - "$work/reference" >"$work/missing"
  [ ! -s "$work/missing" ] || { sed 's/^/# not in the reference: /' "$work/missing" && false; }
}
check keys_are_those_of_the_reference in_the_reference
run run --help
sed -n 's/^  \([a-z]*\.[a-z_]*\)=.*/\1/p' "$work/out" >"$work/named"
check keys_that_the_help_of_run_names_are_keys all 'exits 0' '[ "$(wc -l <"$work/named")" -ge 9 ]' \
  '! grep -v -x -F -q -f "$work/keys" "$work/named"'
run --list values experiment.sampler
check names_that_a_key_takes_are_listed all 'exits 0' 'said "^tpe$"' 'said "^gp$"' 'said "^random$"'
run --list values scheduler.devices
check names_of_devices_are_listed all 'exits 0' 'said "^auto$"' 'said "^cuda$"'
run --list values experiment.trials
check a_key_of_numbers_has_its_default all 'exits 0' 'lines 1' 'said "^100$"'
run --list values space.lr
check a_line_of_the_space_has_none all 'exits 0' 'lines 0'
run --list values experiment.nonsense
check an_unknown_key_is_told all 'exits 2' 'lines 0' 'complained "no key .experiment.nonsense."'
for words in '' 'nonsense' 'values' 'keys keys'; do
  # shellcheck disable=SC2086 # words
  run --list $words
  check "list_refuses_what_it_cannot_list_(${words:-nothing})" all 'exits 2' 'complained "takes commands, keys, or values"'
done

# ------------------------------------------------------------------------------------------- bash

# offers LINE [WORDBREAKS]: what bash would offer for the last word, in $work/out.
offers() {
  (cd "$work/here" && exec bash -c '
    . "$1/completions/gsos.bash"
    COMP_LINE=$3 COMP_POINT=${#3} COMP_WORDBREAKS=$4
    COMP_WORDS=($3) COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    _gsos "$2" "" ""
    [ ${#COMPREPLY[@]} -eq 0 ] || printf "%s\n" "${COMPREPLY[@]}"
  ' bash "$root" "$gsos" "$1" "${2-$breaks}" </dev/null >"$work/offered" 2>"$work/err")
  code=$?
  LC_ALL=C sort "$work/offered" >"$work/out"
}
are() { # WORD...: these, in this order, and no others
  for word; do printf '%s\n' "$word"; done | LC_ALL=C sort | cmp -s - "$work/out"
}
accepted() { # each offered option of a command is known to it
  while read -r command; do
    offers "gsos $command --"
    cp "$work/out" "$work/options"
    grep -q -e '--help' "$work/options" || return 1
    while read -r option; do
      call "$gsos" "$command" "$option"
      ! complained 'unrecognized option' || return 1
    done <"$work/options"
  done <"$work/commands"
}
breaks=' "'"'"'><=;|&(:'
mkdir -p "$work/here/folder"
touch "$work/here/first.ini" "$work/here/SECOND.INI" "$work/here/notes.txt" "$work/here/net.safetensors" "$work/here/0.png" \
  "$work/here/1.JPG" "$work/here/old.onnx" "$work/here/old.py" "$work/here/study.db" "$work/here/with a blank.ini"

if command -v bash >/dev/null 2>&1; then
  offers 'gsos '
  check bash_offers_commands all 'exits 0' silent 'said "^run$"' 'said "^predict$"' 'said "^--help$"'
  offers 'gsos imp'
  check bash_offers_what_begins_so are importance
  offers 'gsos run '
  check bash_offers_ini_files_and_folders are 'first.ini' SECOND.INI folder 'with a blank.ini'
  offers 'gsos run with\ '
  check bash_offers_names_with_blanks are 'with a blank.ini'
  offers 'gsos predict '
  check bash_offers_networks_to_predict are net.safetensors folder
  offers 'gsos predict net.safetensors '
  check bash_offers_images_to_predict are 0.png 1.JPG folder
  offers 'gsos export '
  check bash_offers_networks_to_export are net.safetensors folder
  offers 'gsos export net.safetensors --onnx '
  check bash_offers_onnx_files_to_write_to are old.onnx folder
  offers 'gsos export net.safetensors --torch '
  check bash_offers_modules_to_write_to are old.py folder
  offers 'gsos show '
  check bash_offers_databases_and_folders_to_show are study.db folder
  offers 'gsos run first.ini --f'
  check bash_offers_options are --fresh
  offers 'gsos study first.ini --'
  check bash_offers_options_that_share_a_line all 'said "^--fresh$"' 'said "^--take-over$"' 'said "^--set$"' '! said " "'
  check bash_offers_options_that_are_accepted accepted
  offers 'gsos run first.ini --output '
  check bash_offers_folders_to_write_to are folder
  offers 'gsos run first.ini --log '
  check bash_offers_the_only_log are json
  offers 'gsos importance folder --method f'
  check bash_offers_methods are fanova
  offers 'gsos predict net.safetensors --top '
  check bash_offers_nothing_for_a_number are
  offers 'gsos run first.ini --set experiment.sam'
  check bash_offers_keys are experiment.sampler=
  offers 'gsos run first.ini -s model.precision='
  check bash_offers_names_that_a_key_takes all 'said "^fp32$"' 'said "^tf32$"' '! said ='
  offers 'gsos run first.ini --set experiment.sampler=t'
  check bash_offers_the_rest_of_a_setting are tpe
  offers 'gsos run first.ini --set=experiment.sampler=t'
  check bash_offers_settings_behind_an_equals_sign are tpe
  offers 'gsos run first.ini --set experiment.sampler=t' ' '
  check bash_offers_whole_settings_where_it_breaks_no_words are experiment.sampler=tpe
  offers 'gsos run first.ini --set=experiment.sam' ' '
  check bash_offers_whole_options_where_it_breaks_no_words are --set=experiment.sampler=
  offers 'gsos run first.ini --set nonsense.key='
  check bash_offers_nothing_for_an_unknown_key all silent 'are'
else
  skip bash_completion 'there is no bash'
fi

# -------------------------------------------------------------------------------------------- zsh

if command -v zsh >/dev/null 2>&1; then
  call zsh -n completions/_gsos
  check zsh_reads_its_completion all 'exits 0' silent
else
  skip zsh_reads_its_completion 'there is no zsh'
fi

# ---------------------------------------------------------------------------------------- install

call env -u MAKEFLAGS -u MAKELEVEL make -n -o gsos install "DESTDIR=$work/root" PREFIX=/usr
check install_puts_them_where_shells_look all 'exits 0' \
  'said "completions/gsos.bash .$work/root/usr/share/bash-completion/completions/gsos"' \
  'said "completions/_gsos .$work/root/usr/share/zsh/site-functions/_gsos"'

cases_end
