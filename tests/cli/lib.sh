# What the tests in shell share.  A script says
#
#   . tests/cli/lib.sh
#   cases_begin NAME     a folder $work that is gone at the end
#   ...
#   cases_end            "N passed, N failed", and the exit status
#
# and in between `call`s programs and `check`s the results.  A line "ok NAME" or "not ok NAME"
# tells of each test.
# shellcheck shell=sh

passed=0 failed=0 skipped=0 code=0

cases_begin() { # NAME
  work=$(mktemp -d "${TMPDIR:-/tmp}/gsos-$1.XXXXXX") || exit 1
  trap 'chmod -R u+w "$work" 2>/dev/null; rm -rf "$work"' EXIT
  trap 'exit 1' INT TERM
  : >"$work/out"
  : >"$work/err"
}
cases_end() {
  if [ "$skipped" -gt 0 ]; then
    echo "$passed passed, $failed failed, $skipped skipped"
  else
    echo "$passed passed, $failed failed"
  fi
  [ "$failed" -eq 0 ]
}
cases_need() { # PROGRAM NAME: without it the test NAME has failed, and there are no others
  [ -x "$1" ] && return
  echo "not ok $2 ($1 is not built)"
  echo "0 passed, 1 failed"
  exit 1
}

call() { # PROGRAM ARGUMENT...: $work/out, $work/err, $code
  "$@" >"$work/out" 2>"$work/err" </dev/null
  code=$?
}
# Stops a process: none of its threads goes on until it is sent CONT.  False when it has ended.
still() { # PID
  while kill -STOP "$1" 2>/dev/null; do
    case $(sed -n 's/^State:[[:space:]]*\(.\).*/\1/p' "/proc/$1/task"/*/status 2>/dev/null | sort -u | tr -d '\n') in
      T) return 0 ;;
      '' | Z) return 1 ;;
    esac
  done
  return 1
}
# Runs a command at a moment at which the condition holds for a process, however fast it is: the
# process stands still while it is looked at, and until the command has ended.
do_when() { # PID "CONDITION" COMMAND...: false when the process has ended before
  when_pid=$1 when_condition=$2
  shift 2
  while still "$when_pid"; do
    if eval "$when_condition"; then
      "$@"
      kill -CONT "$when_pid"
      return 0
    fi
    kill -CONT "$when_pid"
    sleep 0.01
  done
  return 1
}
# Sends a signal at such a moment.  The process then stands still for longer than a run waits from
# one look at its signals to the next, so that it looks at them before it does much else.
signal_when() { # PID SIGNAL "CONDITION": false when the process has ended before
  do_when "$1" "$3" signal_still "$1" "$2"
}
signal_still() { # PID SIGNAL
  kill "-$2" "$1"
  sleep 0.2
}
# Becomes a program that signals reach, though a shell, or nohup, has had us ignore them.
heeding() { # PROGRAM ARGUMENT...
  exec python3 -c 'import os, signal, sys
for number in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT): signal.signal(number, signal.SIG_DFL)
os.execvp(sys.argv[1], sys.argv[1:])' "$@"
}
wait_until() { # PID "CONDITION": false when the process has ended before
  until eval "$2"; do
    kill -0 "$1" 2>/dev/null || eval "$2" || return 1
    sleep 0.02
  done
}
check() { # NAME CONDITION...: counts one test
  test_name=$1
  shift
  if "$@"; then
    echo "ok $test_name"
    passed=$((passed + 1))
  else
    echo "not ok $test_name"
    echo "# exit status $code"
    sed 's/^/# /' "$work/out" "$work/err"
    failed=$((failed + 1))
  fi
}
skip() { # NAME REASON
  echo "skip $1: $2"
  skipped=$((skipped + 1))
}

# --------------------------------------------------------------------------------------- conditions

all() { # "CONDITION"...: every one, each a line of shell
  for condition; do
    eval "$condition" || {
      echo "# failed: $condition"
      return 1
    }
  done
}
exits() { [ "$code" -eq "$1" ]; }
tells() { # PROGRAM ARGUMENT...: it exits 0; what it says is shown in any case
  call "$@"
  sed 's/^/# /' "$work/out" "$work/err"
  exits 0
}
said() { grep -q -e "$1" "$work/out"; }
complained() { grep -q -e "$1" "$work/err"; }
silent() { [ ! -s "$work/err" ]; }
unwrapped() { tr -s '\n ' ' ' <"$1"; } # FILE: as one line, where messages are wrapped for people
narrow() { # [FILE]: no line has more than 80 characters
  awk '{ gsub(/[\200-\277]/, ""); if (length($0) > 80) { print "# too wide: " $0; bad = 1 } } END { exit bad }' "${1:-$work/out}"
}
history() { python3 tests/cli/history.py "$1/study.db"; } # OUTPUT: what a run found, times aside
# shellcheck disable=SC2154 # a script that asks has set $out
same() { # $out has the history and the best network of $work/whole, whose history is $work/history
  history "$out" >"$work/again"
  cmp "$work/history" "$work/again" && cmp "$work/whole/best.safetensors" "$out/best.safetensors"
}

# --------------------------------------------------------------------------------------- small data

dataset_section() { # FOLDER, of tests/cli/small_images.py: the ini file's section
  echo '[dataset]'
  for part in train test; do
    echo "${part}_images = $1/$part-images"
    echo "${part}_labels = $1/$part-labels"
  done
  echo "cache = $work/cache"
}
# Epochs that take about as long as N without a sanitizer, for trainings that only have to last:
# SLOWER (tools/run_tests.sh) is how many times as slow a build is.
as_long_as() { # N
  if [ "${SLOWER:-1}" -gt 1 ]; then echo $(($1 / SLOWER + 2)); else echo "$1"; fi
}
small_for_cuda() { # SEED: $data, and $work/small.ini for networks that the devices of the harness train in a moment
  data="$work/data"
  python3 tests/cli/small_images.py "$data" 16 16 1 4 80 40 "$1" || exit 1
  cat >"$work/small.ini" <<END
[experiment]
trials = 10
repeats = 1
strategies = grouped, simultaneous
sampler = tpe
$(dataset_section "$data")
[model]
filters = 8
[space]
epoch = int 1 .. 3 default 2
num_conv_layers = int 1 .. 2 default 2
num_fc_units = int 16 .. 32 default 16
[tpe]
startup = 2
END
}
