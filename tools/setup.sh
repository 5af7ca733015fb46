#!/bin/sh
# Installs the Debian packages that gsos needs and that are missing.  See --help.
#
# One table, below, says which packages there are, what each is for, how another system calls it
# and how to see whether it is there: by a command, by a header that the compiler finds, or by a
# tool, a command that the build calls.  The Makefile asks for headers and tools with --check, which
# installs nothing.
#
# On Debian and Ubuntu it is dpkg that says whether a package is installed; where none is missing,
# apt-get is not called.
set -eu
cd "$(dirname "$0")/.."

usage() {
  cat <<'TEXT'
Usage: tools/setup.sh [run | test | develop]
       tools/setup.sh --list
       tools/setup.sh --check run | test  COMPILER [FLAG]...

Installs what is missing, on Debian and Ubuntu, as root or through sudo, and asks for nothing:
  run       to build and run gsos (this is meant where nothing is said), and where there is nvcc what
            `make bundle` needs
  test      and to run its tests
  develop   and for `make lint` and .ci/run
On other systems it says what to install by hand.

  --list    all packages, and what each is for
  --check   installs nothing: says which headers and tools of the build are not found, and which package brings them
  --help    this text

Exit status: 0 everything is there, 1 something is missing, 2 wrong usage.
TEXT
}

# for what | Debian, Ubuntu | how to see it | Fedora | Arch | Homebrew | why
# What is `optional` belongs to the tests: without it they skip a part, and say so; whoever has
# several boxes wants Open MPI as well.  What is `gpu`
# they need; to whoever runs gsos it is optional where there is nvcc, since `make bundle` packs tests.
# What is `figures` is optional to everybody: without it gsos prints its tables, and says so.
table='
run|gcc|command cc|gcc|gcc|gcc|compiles gsos
run|libc6-dev|header stdlib.h|glibc-devel|glibc|-|headers of the C library
run|make|command make|make|make|make|builds gsos
run|libdnnl-dev|header oneapi/dnnl/dnnl.h|onednn-devel|onednn|onednn|oneDNN: convolutions and matrix products on the CPU
run|libopenblas-dev|header cblas.h|openblas-devel|openblas|openblas|OpenBLAS: matrices of the Gaussian process
run|liblapacke-dev|header lapacke.h|lapack-devel|lapacke|lapack|LAPACKE: Cholesky factors of the Gaussian process
run|libnlopt-dev|header nlopt.h|NLopt-devel|nlopt|nlopt|NLopt: L-BFGS, for the Gaussian process
run|libiniparser-dev|header iniparser/iniparser.h|iniparser-devel|iniparser|iniparser|reads ini files
run|libsqlite3-dev|header sqlite3.h|sqlite-devel|sqlite|sqlite|SQLite: the study database
run|libcjson-dev|header cjson/cJSON.h|cjson-devel|cjson|cjson|reads and writes JSON
run|libprotobuf-c-dev|header protobuf-c/protobuf-c.h|protobuf-c-devel|protobuf-c|protobuf-c|protobuf-c: writes ONNX files (gsos export)
run|protobuf-c-compiler|tool protoc-gen-c|protobuf-c-compiler|protobuf-c|protobuf-c|makes C of the messages of an ONNX file
run|libjpeg-dev|header jpeglib.h|libjpeg-turbo-devel|libjpeg-turbo|jpeg-turbo|reads JPEG images
run|libpng-dev|header png.h|libpng-devel|libpng|libpng|reads PNG images
run|zlib1g-dev|header zlib.h|zlib-devel|zlib|zlib|reads gzip files
figures|gnuplot-nox|command gnuplot|gnuplot|gnuplot|gnuplot|draws the figures of report.html and of gsos study, and plots of benches
gpu|libcmocka-dev|header cmocka.h|libcmocka-devel|cmocka|cmocka|cmocka: the unit tests
test|g++|command g++|gcc-c++|gcc|gcc|compiles the CUDA sources for the tests that run them on the CPU
test|python3|command python3|python3|python|python|small programs of the tests
test|sqlite3|command sqlite3|sqlite|sqlite|sqlite|looks into study databases from outside
optional|python3-venv|command python3|python3|python|python|lets Optuna, safetensors and scikit-learn from PyPI check what gsos does
optional|libopenmpi-dev|command mpicc|openmpi-devel|openmpi|open-mpi|several boxes: headers, so that mpirun can start ranks of gsos run
optional|openmpi-bin|command mpirun|openmpi|openmpi|open-mpi|several boxes: mpirun, and the library that ranks talk through
develop|clang|command clang|clang|clang|llvm|a second compiler
develop|libclang-rt-dev|header sanitizer/asan_interface.h|compiler-rt|compiler-rt|llvm|libFuzzer and sanitizers for clang: make fuzz
develop|clang-format|command clang-format|clang-tools-extra|clang|clang-format|checks the layout of the source
develop|cppcheck|command cppcheck|cppcheck|cppcheck|cppcheck|static analysis
develop|shellcheck|command shellcheck|ShellCheck|shellcheck|shellcheck|static analysis of the shell scripts
develop|mandoc|command mandoc|mandoc|mandoc|mandoc|checks the man page
'

say() { echo "setup: $*"; }
fail() {
  echo "setup: $*" >&2
  exit 1
}
wrong_usage() {
  echo "setup.sh: $*" >&2
  echo "Try 'tools/setup.sh --help'." >&2
  exit 2
}

# As the Makefile finds it.
found_nvcc() {
  command -v "${NVCC:-nvcc}" >/dev/null 2>&1 || [ -x /usr/local/cuda/bin/nvcc ] || [ -x /opt/cuda/bin/nvcc ]
}

# rows PURPOSE: the rows of the table that PURPOSE takes; what it calls reads them.
rows() {
  gpu='test'
  case $1 in
    run)
      kinds='run figures' gpu=optional
      ! found_nvcc || kinds="$kinds gpu" ;;
    test) kinds='run figures gpu test optional' ;;
    develop) kinds='run figures gpu test optional develop' ;;
    *) wrong_usage "'$1' is none of run, test, develop" ;;
  esac
  for kind in $kinds; do
    printf '%s\n' "$table" | grep "^$kind|" | sed "s/^gpu|/$gpu|/; s/^figures|/optional|/"
  done
}

# -------------------------------------------------------------------------------------------- check

found_header() { # HEADER COMPILER [FLAG]...; jpeglib.h and cmocka.h want others before them
  header=$1
  shift
  printf '#include <stddef.h>\n#include <stdarg.h>\n#include <setjmp.h>\n#include <stdint.h>\n#include <stdio.h>\n#include <%s>\n' \
    "$header" | "$@" -fsyntax-only -x c - >/dev/null 2>&1
}

# What a person types to get the packages named, on this system.
how_to_install() {
  if command -v apt-get >/dev/null 2>&1; then
    if [ "$1" = run ]; then echo "  sh tools/setup.sh"; else echo "  sh tools/setup.sh $1"; fi
    echo "or, by hand:"
    shift
    echo "  sudo apt-get install $*"
  else
    echo "  sh tools/setup.sh $1     (tells the names on other systems)"
  fi
}

check() { # PURPOSE COMPILER [FLAG]...
  purpose=$1
  shift
  if ! command -v "$1" >/dev/null 2>&1; then
    {
      echo "gsos cannot be built: there is no C compiler called '$1'.  To install one:"
      how_to_install run gcc libc6-dev
    } >&2
    exit 1
  fi
  missing=
  while IFS='|' read -r kind package probe _ _ _ why; do
    case $kind,$probe in
      optional,* | *,command*) continue ;;
      *,tool*)
        command -v "${probe#tool }" >/dev/null 2>&1 && continue
        echo "missing: ${probe#tool }, in the package $package ($why)" >&2 ;;
      *)
        found_header "${probe#header }" "$@" && continue
        echo "missing: <${probe#header }>, in the package $package ($why)" >&2 ;;
    esac
    missing="$missing $package"
  done <<LIST
$(rows "$purpose")
LIST
  [ -n "$missing" ] || return 0
  {
    echo "gsos cannot be built without them.  To install what is missing:"
    # shellcheck disable=SC2086 # one word a package
    how_to_install "$purpose" $missing
  } >&2
  exit 1
}

# ------------------------------------------------------------------------------------ other systems

by_hand() { # PURPOSE
  # shellcheck source=/dev/null
  system=$(. /etc/os-release 2>/dev/null && echo "${PRETTY_NAME:-}") || system=
  [ -n "$system" ] || system=$(uname -s)
  fedora='' arch='' brew=''
  echo "setup: packages are installed on Debian and Ubuntu only; this is $system."
  echo "Please install these by hand (in brackets the Debian package), then run this again or just 'make':"
  while IFS='|' read -r kind package _ f a b why; do
    note=
    [ "$kind" != optional ] || note=', optional'
    echo "  - $why ($package$note)"
    fedora="$fedora $f" arch="$arch $a"
    [ "$b" = - ] || brew="$brew $b"
  done <<LIST
$(rows "$1")
LIST
  echo "Fedora:         sudo dnf install$fedora"
  echo "Arch:           sudo pacman -S --needed$arch"
  echo "macOS:          brew install$brew"
  echo "                (gsos is written for Linux and has not been tried there)"
}

# Elsewhere than on Debian: nothing is installed, but what a compiler finds is good enough.
elsewhere() { # PURPOSE
  lacking=0
  while IFS='|' read -r kind _ probe _ _ _ _; do
    case $probe in
      command* | tool*) command -v "${probe#* }" >/dev/null 2>&1 || [ "$kind" = optional ] || lacking=1 ;;
      header*) found_header "${probe#header }" "${CC:-cc}" || [ "$kind" = optional ] || lacking=1 ;;
    esac
  done <<LIST
$(rows "$1")
LIST
  [ $lacking -eq 1 ] || return 0
  by_hand "$1" >&2
  exit 1
}

# ------------------------------------------------------------------------------------------- Debian

installed() { # PACKAGE, of whichever architecture
  # shellcheck disable=SC2016 # dpkg-query expands ${...}, not the shell
  dpkg-query -W -f '${db:Status-Status}\n' "$1" 2>/dev/null | grep -qx installed
}

# apt-get's many lines go to a file, which is shown where something fails.
log=build/setup.log
apt() {
  set -- env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@"
  [ "$(id -u)" -eq 0 ] || set -- sudo "$@"
  "$@" </dev/null >>"$log" 2>&1
}

# may_install PACKAGES...: 0 where this user can; else says what to do.
may_install() {
  [ "$(id -u)" -ne 0 ] || return 0
  if ! command -v sudo >/dev/null 2>&1; then
    fail "not run by root, and there is no sudo.  As root:
  apt-get update && apt-get install -y --no-install-recommends $*"
  fi
  # With a terminal sudo may ask for the password, which is its business; without one it would fail
  # in its own words.
  if ! sudo -n true 2>/dev/null && [ ! -t 0 ]; then
    fail "sudo wants a password, and there is no terminal to ask for it on.  Run this in a terminal, or as root:
  apt-get update && apt-get install -y --no-install-recommends $*"
  fi
}

debian() { # PURPOSE
  needed='' optional=''
  while IFS='|' read -r kind package probe _ _ _ why; do
    if installed "$package"; then continue; fi
    # A tool that did not come as a package (a compiler under /usr/local, say) will do.
    case $kind,$probe in
      optional,*) ;;
      *,command* | *,tool*) if command -v "${probe#* }" >/dev/null 2>&1; then continue; fi ;;
    esac
    [ -n "$needed$optional" ] || say "to be installed:"
    if [ "$kind" = optional ]; then
      optional="$optional $package"
      echo "  $package: $why (optional)"
    else
      needed="$needed $package"
      echo "  $package: $why"
    fi
  done <<LIST
$(rows "$1")
LIST
  if [ -z "$needed$optional" ]; then
    say "everything is there, nothing to install"
    return 0
  fi
  if [ -z "$needed" ] && [ "$(id -u)" -ne 0 ] && ! sudo -n true 2>/dev/null; then
    say "$optional left out: not run by root, and sudo asks for a password"
    return 0
  fi
  # shellcheck disable=SC2086 # one word a package
  may_install $needed $optional

  mkdir -p build
  : >"$log"
  # The lists of a fresh system are empty; one source that fails must not keep the others from
  # being used.
  say "apt-get update"
  apt update || say "apt-get update failed ($log), going on with the lists that are there"
  if [ -n "$needed" ]; then
    say "apt-get install$needed"
    # shellcheck disable=SC2086
    apt install -y --no-install-recommends $needed || {
      tail -n 30 "$log" >&2
      fail "apt-get could not install what is needed; its last messages are above, all of them in $log.
On Ubuntu some packages are in 'universe': sudo add-apt-repository universe"
    }
  fi
  if [ -n "$optional" ]; then
    say "apt-get install$optional"
    # shellcheck disable=SC2086
    apt install -y --no-install-recommends $optional || say "could not be installed, going on without:$optional"
  fi
  say "done"
}

# --------------------------------------------------------------------------------------------- main

case ${1:-run} in
  --help | -h) usage ;;
  --list)
    while IFS='|' read -r kind package _ _ _ _ why; do
      printf '%-9s %-17s %s\n' "$kind" "$package" "$why"
    done <<LIST
$(rows develop)
LIST
    ;;
  --check)
    [ $# -ge 3 ] || wrong_usage "--check wants 'run' or 'test', and a compiler"
    shift
    check "$@" ;;
  -*) wrong_usage "unknown option $1" ;;
  *)
    [ $# -le 1 ] || wrong_usage "one purpose at a time"
    rows "${1:-run}" >/dev/null
    if command -v apt-get >/dev/null 2>&1 && command -v dpkg-query >/dev/null 2>&1; then
      debian "${1:-run}"
    else
      elsewhere "${1:-run}"
    fi ;;
esac
