# A virtual environment of Python's under build/, for a test of what others have written.  It is
# made once, for all builds; of tests side by side one makes it and the others wait.
#
#   . tests/peers/python_environment.sh
#   python_environment NAME MODULE PACKAGES    $venv: its folder
#
# Where it is not available (no network, no python3-venv) `no_environment WHY` is called, which
# must not return.  PYTHON is the interpreter (python3).
# shellcheck shell=sh

python_environment() { # NAME MODULE PACKAGES
  venv=build/venv-$1
  mkdir -p build
  exec 9>"build/venv-$1.lock"
  flock 9
  make_environment "$@"
  exec 9>&-
}

make_environment() { # NAME MODULE PACKAGES
  # A stamp tells a finished environment, and for what, from one that was cut off.
  [ "$(cat "$venv/stamp" 2>/dev/null)" = "$3" ] && "$venv/bin/python" -c "import $2" 2>/dev/null && return
  rm -rf "$venv"
  command -v "${PYTHON:-python3}" >/dev/null || no_environment "there is no ${PYTHON:-python3}"
  "${PYTHON:-python3}" -m venv "$venv" >"build/venv-$1.log" 2>&1 || no_environment "python3-venv is not installed"
  # shellcheck disable=SC2086 # one word a package
  timeout 300 "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-input --timeout 10 --retries 1 \
    $3 >>"build/venv-$1.log" 2>&1 || no_environment "pip cannot install $3: no network? See build/venv-$1.log"
  echo "$3" >"$venv/stamp"
}
