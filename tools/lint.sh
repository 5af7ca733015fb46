#!/bin/sh
# What `make lint` runs: layout, static analysis of C and shell, the man page, and rules of this repository.
#
#   tools/lint.sh [CHECK]...     all checks, or those named: layout, whitespace, c, shell, python, man, includes, tests
#
# Each check says in a line how it went, after what it found; exits 1 where one found something.
#
# clang-format and cppcheck think differently from version to version, so one version of each decides: those of Debian 12.  What
# another version finds is shown and fails nothing, or the tree would be right on one machine and wrong on the next.
set -u
cd "$(dirname "$0")/.." || exit 1

clang_format=${CLANG_FORMAT:-clang-format}
clang_format_decides=14
cppcheck_decides=2.10

checks=${*:-layout whitespace c shell python man includes tests}
for check in $checks; do
  case $check in
    layout | whitespace | c | shell | python | man | includes | tests) ;;
    *)
      echo "lint.sh: '$check' is none of layout, whitespace, c, shell, python, man, includes, tests" >&2
      exit 2 ;;
  esac
done

missing=
for tool in "$clang_format" cppcheck shellcheck mandoc python3; do
  command -v "$tool" >/dev/null 2>&1 || missing="$missing $tool"
done
if [ -n "$missing" ]; then
  echo "lint: missing:$missing.  To install what is missing:" >&2
  echo "  sh tools/setup.sh develop" >&2
  exit 1
fi

work=build/lint
mkdir -p "$work/cppcheck"
bad=0

# files NAME...: the files of the tree whose names match one of these patterns; no name here has a space.
files() {
  for pattern; do
    find . \( -name .git -o -path './build*' -o -path ./results -o -path ./data \) -prune -o -type f -name "$pattern" -print
  done | sed 's|^\./||' | LC_ALL=C sort
}

# failed TOOL STATUS: a finding also where the tool said nothing (killed, or wrongly called).
failed() { echo "($1 ended with exit status $2)" >>"$work/found"; }

# verdict CHECK WHAT: what $work/found holds decides, a line a finding.
verdict() {
  if [ -s "$work/found" ]; then
    cat "$work/found"
    echo "lint: $1: $2: FAILED"
    bad=1
  else
    echo "lint: $1: $2: ok"
  fi
}

# opinion CHECK WHAT VERSION: the same, of a tool whose version does not decide.
opinion() {
  if [ -s "$work/found" ]; then
    cat "$work/found"
    echo "lint: $1: $2: seen differently by version $3, which does not decide"
  else
    echo "lint: $1: $2: ok"
  fi
}

# ----------------------------------------------------------------------------------------------- layout

check_layout() {
  sources=$(files '*.c' '*.h' '*.cu' '*.cuh')
  version=$("$clang_format" --version | sed 's/.*version \([0-9.]*\).*/\1/')
  # shellcheck disable=SC2086 # one word a file
  "$clang_format" --dry-run --Werror $sources >"$work/found" 2>&1 || failed "$clang_format" $?
  if [ "${version%%.*}" = "$clang_format_decides" ]; then
    verdict layout ".clang-format"
  else
    opinion layout ".clang-format" "$version"
  fi
}

# ------------------------------------------------------------------------------------------- whitespace

# A file that was written on another system, or by an editor that knows nothing of .editorconfig.
check_whitespace() {
  for file in $(files '*.c' '*.h' '*.cu' '*.cuh' '*.sh' '*.py' '*.ini' '*.md' '*.mk' '*.1' '*.txt' Makefile run); do
    awk -v file="$file" '
      /[ \t]$/ { print file ":" FNR ": ends in white space" }
      /\r/ { print file ":" FNR ": has a carriage return" }
      /\t/ && file !~ /(Makefile|\.mk|\.1)$/ { print file ":" FNR ": has a tab" }' "$file"
    [ ! -s "$file" ] || [ -z "$(tail -c 1 "$file")" ] || echo "$file: does not end in a newline"
  done >"$work/found"
  verdict whitespace "no tabs, nothing at the ends of lines"
}

# ---------------------------------------------------------------------------------------------------- c

# No configuration is given with -D: cppcheck then looks at both sides of every #if (oneDNN 2 and 3, with and without CUDA).
# It knows nothing of CUDA's own syntax, so .cu files are nvcc's to check.
# What is left out, and why: tools/cppcheck.txt.
check_c() {
  version=$(cppcheck --version | sed 's/[^0-9]*//')
  # shellcheck disable=SC2046 # one word a file
  cppcheck -q --error-exitcode=1 -j "$(nproc)" --cppcheck-build-dir="$work/cppcheck" --std=c11 \
    --enable=warning,style,performance,portability --library=posix --library=gnu --library=zlib --library=sqlite3 \
    --inline-suppr --suppressions-list=tools/cppcheck.txt -UREAL_GPU -I. -Ihost -Isched -Ikernels \
    --template='{file}:{line}: {severity}: {message} [{id}]' $(files '*.c') >"$work/found" 2>&1 || failed cppcheck $?
  case $version in
    "$cppcheck_decides" | "$cppcheck_decides".*) verdict c cppcheck ;;
    *) opinion c cppcheck "$version" ;;
  esac
}

# ------------------------------------------------------------------------------- shell, python, man page

# SC2317, a command that is never reached: it does not see the functions that tests hand to `check`.
check_shell() {
  # shellcheck disable=SC2046
  shellcheck -f gcc -e SC2317 $(files '*.sh' run) >"$work/found" 2>&1 || failed shellcheck $?
  verdict shell shellcheck
}

check_python() {
  for file in $(files '*.py'); do
    python3 -c 'import ast, sys; ast.parse(open(sys.argv[1]).read(), sys.argv[1])' "$file" 2>&1
  done >"$work/found"
  verdict python syntax
}

check_man() {
  pages=$(files '*.1')
  if [ -z "$pages" ]; then
    echo "lint: man: skipped, there is no man page yet"
    return
  fi
  # shellcheck disable=SC2086
  mandoc -T lint -W warning $pages >"$work/found" 2>&1 || failed mandoc $?
  verdict man "mandoc -T lint"
}

# --------------------------------------------------------------------------------------------- includes

# Who may include whom: sched -> host -> kernels, and tests everything.  Headers are found by their names alone (-Ihost and so
# on), so a name is there once.  What libraries offer is for host/ to use; sched/ asks host/.
check_includes() {
  # shellcheck disable=SC2046
  awk '
    function folder(path) { sub(/\/.*/, "", path); return path }
    function base(path) { sub(/.*\//, "", path); return path }
    BEGIN {
      allowed["kernels"] = " kernels "
      allowed["host"] = " host kernels "
      allowed["sched"] = " sched host kernels "
      allowed["tests"] = " tests sched host kernels "
      for (i = 1; i < ARGC; i++) {
        if (ARGV[i] !~ /\.(h|cuh)$/) continue
        name = base(ARGV[i])
        if (name in home) print ARGV[i] ": a header of this name is in " home[name] "/, too"
        else home[name] = folder(ARGV[i])
      }
    }
    /^[ \t]*#[ \t]*include[ \t]*"/ {
      split($0, part, "\"")
      from = folder(FILENAME)
      to = home[base(part[2])]
      if (to != "" && from in allowed && index(allowed[from], " " to " ") == 0)
        print FILENAME ":" FNR ": " from "/ must not know " to "/ (" part[2] ")"
    }
    /^[ \t]*#[ \t]*include[ \t]*<(sqlite3|oneapi|iniparser|cjson|jpeglib|png|zlib|cuda|nvtx)/ {
      if (folder(FILENAME) == "sched") print FILENAME ":" FNR ": sched/ uses libraries through host/ only: " $0
    }' $(files '*.c' '*.h' '*.cu' '*.cuh') >"$work/found" 2>&1 || failed awk $?
  verdict includes "tests -> sched -> host -> kernels"
}

# ------------------------------------------------------------------------------------------------ tests

# The Makefile and tools/run_tests.sh take tests/test_*.c and tests/test_*.sh.  That a test function is called at all is seen by
# the compiler: it is static, and a warning is an error here.
check_tests() {
  for file in $(files 'test_*'); do
    case ${file#tests/} in
      */*) echo "$file: is run by nobody; tests are tests/test_*.c and tests/test_*.sh" ;;
      # or includes one that does
      *.c) grep -qE 'cmocka_run_group_tests|^#include "test_[a-z_]*\.c"' "$file" || echo "$file: runs no group of cmocka's: its tests are not counted" ;;
      *.sh) grep -q 'passed, .* failed' "$file" || echo "$file: has no last line 'N passed, N failed'" ;;
      *) echo "$file: is run by nobody; tests are tests/test_*.c and tests/test_*.sh" ;;
    esac
  done >"$work/found"
  verdict tests "every test is picked up"
}

for check in $checks; do
  case $check in
    layout) check_layout ;;
    whitespace) check_whitespace ;;
    c) check_c ;;
    shell) check_shell ;;
    python) check_python ;;
    man) check_man ;;
    includes) check_includes ;;
    tests) check_tests ;;
  esac
done
exit $bad
