# A virtual environment of Python's under build/, for tests of what others have written.  It is one
# for all of them and for all builds, since to make one and to fill it with the same packages takes
# as long as the tests do: each test adds what it wants, one after another where they run side by
# side.
#
#   . tests/peers/python_environment.sh
#   python_environment NAME MODULE PACKAGES    $venv: its folder; NAME tells what wants PACKAGES
#
# Where it is not available (no network, no python3-venv) `no_environment WHY` is called, which
# must not return.  PYTHON is the interpreter (python3).
# shellcheck shell=sh

python_environment() { # NAME MODULE PACKAGES
  venv=build/venv
  mkdir -p build
  exec 9>"$venv.lock"
  flock 9
  make_environment "$@"
  exec 9>&-
}

make_environment() { # NAME MODULE PACKAGES
  # A stamp tells packages that are there, and which, from those where pip was cut off.
  [ "$(cat "$venv/$1.stamp" 2>/dev/null)" = "$3" ] && "$venv/bin/python" -c "import $2" 2>/dev/null && return
  command -v "${PYTHON:-python3}" >/dev/null || no_environment "there is no ${PYTHON:-python3}"
  # One that was cut off, or that another Python has made.
  "$venv/bin/python" -c 'import pip' 2>/dev/null || {
    rm -rf "$venv"
    "${PYTHON:-python3}" -m venv "$venv" >"build/venv-$1.log" 2>&1 || no_environment "python3-venv is not installed"
  }
  rm -f "$venv/$1.stamp"
  # Not compiled: most of what such a package holds is never imported.
  # shellcheck disable=SC2086 # one word a package
  timeout 300 "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-input --timeout 10 --retries 1 \
    --no-compile $3 >>"build/venv-$1.log" 2>&1 || no_environment "pip cannot install $3: no network? See build/venv-$1.log"
  echo "$3" >"$venv/$1.stamp"
}
