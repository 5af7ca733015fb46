# Completion of gsos for bash: commands, options, files, and for --set the keys of an ini file with
# the names that they take.  `make install` puts it where bash-completion looks; else
#
#   . completions/gsos.bash
#
# Names come from the program (gsos --list, gsos COMMAND --help), so there is no list to keep here.
# shellcheck shell=bash

# The options of a command, from the left column of its help.
_gsos_options() { # PROGRAM COMMAND
  local line word
  while IFS= read -r line; do
    [[ $line =~ ^\ +- ]] || continue
    line=${line#"${line%%[! ]*}"}
    line=${line%%  *}
    for word in ${line//,/ }; do
      [[ $word == --* ]] && printf '%s\n' "$word"
    done
  done < <("$1" "$2" --help 2>/dev/null)
}

# Words that begin as the current one does.
_gsos_words() { # CURRENT, words on standard input
  local word
  while IFS= read -r word; do
    [[ $word == "$1"* ]] && COMPREPLY+=("$word")
  done
}

# Files of the given endings, any case, and folders; no endings: folders alone.
_gsos_files() { # CURRENT [ENDING...]
  local current=${1//\\/} file ending
  shift
  compopt -o filenames 2>/dev/null
  while IFS= read -r file; do
    COMPREPLY+=("$file")
  done < <(compgen -d -- "$current")
  while IFS= read -r file; do
    [[ -d $file ]] && continue
    for ending; do
      [[ ${file,,} == *"$ending" ]] && COMPREPLY+=("$file") && break
    done
  done < <(compgen -f -- "$current")
}

# What follows --set: a key and "=", or the names that it takes.
_gsos_setting() { # PROGRAM CURRENT
  local key=${2%%=*}
  if [[ $2 == *=* ]]; then
    _gsos_words "$2" < <("$1" --list values "$key" 2>/dev/null | sed "s|^|$key=|")
  else
    compopt -o nospace 2>/dev/null
    _gsos_words "$2" < <("$1" --list keys 2>/dev/null | sed 's/$/=/')
  fi
}

_gsos() {
  local program=${1/#\~/$HOME} line=${COMP_LINE:0:COMP_POINT}
  # bash breaks words at = and :, settings have both, so the words are those of the line.
  local -a words
  IFS=$' \t' read -r -a words <<<"${line//\\ /_}" # a blank in a name parts no words
  [[ $line == *[[:blank:]] ]] && words+=("")
  local n=${#words[@]} command=${words[1]}
  local current=${words[n - 1]} previous=${words[n - 2]} cut=0
  [[ $line =~ ((\\.|[^[:blank:]\\])*)$ ]] && current=${BASH_REMATCH[1]}
  COMPREPLY=()
  type -P -- "$program" >/dev/null || return

  if ((n <= 2)); then
    _gsos_words "$current" < <("$program" --list commands 2>/dev/null && printf '%s\n' --help --version)
    return
  fi
  case $previous in
    -s | --set) _gsos_setting "$program" "$current" ;;
    -o | --output)
      if [[ $command == train ]]; then _gsos_files "$current" .safetensors; else _gsos_files "$current"; fi
      ;;
    --folder) _gsos_files "$current" ;;
    --confusion) _gsos_files "$current" .csv ;;
    --onnx) _gsos_files "$current" .onnx ;;
    --torch) _gsos_files "$current" .py ;;
    -l | --log) _gsos_words "$current" <<<json ;;
    --method) _gsos_words "$current" < <(echo all && "$program" --list values importance.method 2>/dev/null) ;;
    --sort) _gsos_words "$current" < <(printf '%s\n' value number loss epochs seconds flops images) ;;
    -t | --top | --trial | --study | --resamples | --seed | --limit | --pixel-limit) ;;
    *)
      case $current in
        --set=*)
          _gsos_setting "$program" "${current#--set=}"
          COMPREPLY=("${COMPREPLY[@]/#/--set=}")
          ;;
        -*) _gsos_words "$current" < <(_gsos_options "$program" "$command") ;;
        *)
          case $command in
            run | check | study | train) _gsos_files "$current" .ini ;;
            show | report | compare | importance) _gsos_files "$current" .db ;;
            export) _gsos_files "$current" .safetensors ;;
            predict)
              if ((n <= 3)); then
                _gsos_files "$current" .safetensors
              else
                _gsos_files "$current" .jpg .jpeg .jpe .jfif .png
              fi
              ;;
          esac
          ;;
      esac
      ;;
  esac
  # What stands before the last = or : is there already, where bash breaks words at them.
  local breaks=${COMP_WORDBREAKS//[!=:]/}
  if [[ -n $breaks && $current == *["$breaks"]* ]]; then
    cut=${current%"${current##*["$breaks"]}"}
    COMPREPLY=("${COMPREPLY[@]#"$cut"}")
  fi
}

complete -F _gsos gsos
