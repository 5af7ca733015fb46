#!/bin/sh
# What `make lint` runs: layout, static analysis of C and shell, the man page, and rules of this
# repository.
#
#   tools/lint.sh [CHECK]...     all checks, or those named: layout, columns, whitespace, c, shell, python,
#                                man, includes, tests, law
#
# Each check says in a line how it went, after what it found; exits 1 where one found something.
#
# clang-format and cppcheck think differently from version to version, so one version of each
# decides: those of Debian 12.  What another version finds is shown and fails nothing, or the tree
# would be right on one machine and wrong on the next.
set -u
cd "$(dirname "$0")/.." || exit 1

clang_format=${CLANG_FORMAT:-clang-format}
clang_format_decides=14
cppcheck_decides=2.10

checks=${*:-layout columns whitespace c shell python man includes tests law}
for check in $checks; do
  case $check in
    layout | columns | whitespace | c | shell | python | man | includes | tests | law) ;;
    *)
      echo "lint.sh: '$check' is none of layout, columns, whitespace, c, shell, python, man, includes, tests, law" >&2
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

# files NAME...: the files of the tree whose names match one of these patterns; no name here has a
# space.
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

# ------------------------------------------------------------------------------------------- layout

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

# ---------------------------------------------------------------------------------------- columns

# A line of C that is comment alone has at most 100 columns, any other 120.
check_columns() {
  # shellcheck disable=SC2046
  python3 - $(files '*.c' '*.h' '*.cu' '*.cuh' '*.cpp') >"$work/found" 2>&1 <<'PYTHON' || failed python3 $?
import sys

for name in sys.argv[1:]:
    within = False
    for number, line in enumerate(open(name, encoding="utf-8"), 1):
        line = line.rstrip("\n")
        text = line.strip()
        begins = text.startswith("/*") and not within
        ends = "*/" in text
        alone = within or text.startswith("//") or begins and (not ends or text.endswith("*/"))
        within = (within or "/*" in text) and "*/" not in text[text.rfind("/*") if not within else 0:]
        limit = 100 if alone else 120
        if len(line) > limit:
            print(f"{name}:{number}: has {len(line)} columns; {'a comment' if alone else 'code'} has at most {limit}")
PYTHON
  verdict columns "comments to 100, code to 120"
}

# --------------------------------------------------------------------------------------- whitespace

# A file that was written on another system, by an editor that knows nothing of .editorconfig, or
# half merged.
check_whitespace() {
  for file in $(files '*.c' '*.h' '*.cu' '*.cuh' '*.sh' '*.bash' _gsos '*.py' '*.ini' '*.md' '*.mk' '*.1' '*.txt' Makefile run); do
    awk -v file="$file" '
      /[ \t]$/ { print file ":" FNR ": ends in white space" }
      /\r/ { print file ":" FNR ": has a carriage return" }
      /^(<<<<<<<|=======|>>>>>>>)( |$)/ { print file ":" FNR ": is the mark of a merge" }
      /\t/ && file !~ /(Makefile|\.mk|\.1)$/ { print file ":" FNR ": has a tab" }' "$file"
    [ ! -s "$file" ] || [ -z "$(tail -c 1 "$file")" ] || echo "$file: does not end in a newline"
  done >"$work/found"
  verdict whitespace "no tabs, nothing at the ends of lines, nothing half merged"
}

# ------------------------------------------------------------------------------------------------ c

# No configuration is given with -D: cppcheck then looks at both sides of every #if (oneDNN 2 and
# 3, with and without CUDA).  It knows nothing of CUDA's own syntax, so .cu files are nvcc's to
# check.  What is left out, and why: tools/cppcheck.txt.
check_c() {
  version=$(cppcheck --version | sed 's/[^0-9]*//')
  # shellcheck disable=SC2046 # one word a file
  cppcheck -q --error-exitcode=1 -j "$(nproc)" --cppcheck-build-dir="$work/cppcheck" --std=c11 \
    --enable=warning,style,performance,portability --library=posix --library=gnu --library=zlib --library=sqlite3 \
    --inline-suppr --suppressions-list=tools/cppcheck.txt -UREAL_GPU -I. \
    --template='{file}:{line}: {severity}: {message} [{id}]' $(files '*.c') >"$work/found" 2>&1 || failed cppcheck $?
  case $version in
    "$cppcheck_decides" | "$cppcheck_decides".*) verdict c cppcheck ;;
    *) opinion c cppcheck "$version" ;;
  esac
}

# -------------------------------------------------------------------------- shell, python, man page

# SC2317, a command that is never reached: it does not see the functions that tests hand to `check`.
check_shell() {
  # shellcheck disable=SC2046
  shellcheck -x -f gcc -e SC2317 $(files '*.sh' '*.bash' run) >"$work/found" 2>&1 || failed shellcheck $?
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

# ----------------------------------------------------------------------------------------- includes

# Who may include whom.  The folders: tests, tools -> sched -> host -> kernels.  Their rooms: a
# room may include those that stand behind it below (or a file that does), and itself; what no line
# names it must not know.  Includes are whole paths from the root, so that an include line is an
# address.  What libraries offer is for host/ to use; sched/ asks host/.
#
# sched/ knows of a trial what host/objectives says, and of no trainer.  Beside that it needs:
# experiment, what is searched; store, where it is kept, and base.  A study asks a sampler, and
# commands list them; reports are written by commands.  The key of a trial is made of philox.h.
rooms='
host/base        kernels
host/link        host/base
host/space       host/base kernels
host/data        host/base kernels
host/network     host/data host/space host/base kernels
host/cpu         host/network host/data host/space host/base kernels
host/cuda        host/network host/data host/space host/base kernels
host/samplers    host/cuda host/cpu host/network host/data host/space host/base kernels
host/importance  host/space host/base kernels
host/store       host/space host/base kernels
host/table       host/store host/samplers host/data host/space host/base kernels
host/experiment  host/table host/importance host/samplers host/cuda host/cpu host/network host/data host/space host/base kernels
host/objectives  host/experiment host/table host/importance host/samplers host/cuda host/cpu host/network host/data host/space host/base kernels
host/report      host/store host/experiment host/importance host/samplers host/network host/data host/space host/base kernels
sched/study      host/objectives host/importance host/experiment host/samplers/sampler.h host/store host/base kernels/philox.h
sched/run        sched/study host/objectives host/experiment host/store host/base kernels/philox.h
sched/boxes      sched/run host/link host/objectives host/experiment host/base
sched/commands   sched/boxes sched/run sched/study host/report host/objectives host/importance host/experiment host/samplers/sampler.h host/store host/base kernels/philox.h
sched            sched/commands sched/boxes sched/run sched/study host/importance host/experiment host/samplers/sampler.h host/base
'
check_includes() {
  # shellcheck disable=SC2046
  printf '%s' "$rooms" | awk '
    function room(path,  part) {
      split(path, part, "/")
      if (part[1] != "host" && part[1] != "sched") return part[1]
      return path ~ /^[a-z]*\/[^\/]*$/ ? part[1] : part[1] "/" part[2]
    }
    function may(from, path,  n, part, i) {
      if (from == room(path) || from ~ /^(tests|tools)$/) return 1
      n = split(allowed[from], part, " ")
      for (i = 1; i <= n; i++) if (path == part[i] || index(path, part[i] "/") == 1) return 1
      return 0
    }
    FILENAME == "-" { from = $1; $1 = ""; allowed[from] = $0; next }
    /^[ \t]*#[ \t]*include[ \t]*"/ {
      split($0, part, "\"")
      if ((getline line < part[2]) < 0) {
        if (FILENAME !~ /^tests\/cudacpu\/include\//) print FILENAME ":" FNR ": " part[2] " is no path from the root"
        next
      }
      close(part[2])
      if (!may(room(FILENAME), part[2]))
        print FILENAME ":" FNR ": " room(FILENAME) " must not know " room(part[2]) " (" part[2] ")"
    }
    /^[ \t]*#[ \t]*include[ \t]*<(sqlite3|oneapi|iniparser|cjson|jpeglib|png|zlib|cuda|nvtx|mpi)/ {
      if (room(FILENAME) ~ /^sched/) print FILENAME ":" FNR ": sched/ uses libraries through host/ only: " $0
    }' - $(files '*.c' '*.h' '*.cu' '*.cuh' '*.cpp') >"$work/found" 2>&1 || failed awk $?
  verdict includes "tests, tools -> sched -> host -> kernels, and the order of rooms"
}

# -------------------------------------------------------------------------------------------- tests

# The Makefile and tools/run_tests.sh take test_*.c and test_*.sh from the rooms of tests/;
# programs stand side by side, so a name is there once.  That a test function is called at all is
# seen by the compiler: it is static, and a warning is an error here.
check_tests() {
  for file in $(files 'test_*'); do
    case $file in
      tests/*/*) ;;
      *) echo "$file: is run by nobody; tests are tests/ROOM/test_*.c and tests/ROOM/test_*.sh" ;;
    esac
    case $file in
      # or includes one that does
      *.c) grep -qE 'cmocka_run_group_tests|^#include "tests/[a-z/]*/test_[a-z_]*\.c"' "$file" || echo "$file: runs no group of cmocka's: its tests are not counted" ;;
      *.sh) grep -qE 'passed, .* failed|^cases_end' "$file" || echo "$file: has no last line 'N passed, N failed'" ;;
    esac
  done >"$work/found"
  files 'test_*' 'bench_*.c' | sed 's|.*/||' | LC_ALL=C sort | uniq -d | sed 's/$/: there are two files of this name/' >>"$work/found"
  verdict tests "every test is picked up"
}

# ---------------------------------------------------------------------------------------------- law

# docs/contracts.md defines what the sources cite.  A contract that is cited is defined there ("##
# Contract 3: ..."), the tests that it names exist, documents refer to files that are there, and
# nothing is cited by a name that only its authors know.
check_law() {
  # shellcheck disable=SC2046
  python3 - $(files '*.c' '*.h' '*.cu' '*.cuh' '*.cpp' '*.sh' '*.py' '*.ini' '*.md' '*.mk' '*.1' Makefile run) >"$work/found" 2>&1 <<'END' ||
import os, re, sys

law = "docs/contracts.md"
texts = {path: open(path, encoding="utf-8").read() for path in sys.argv[1:]}
contracts = re.findall(r"^## Contract (\d+): ", texts[law], re.M)
if contracts != [str(i + 1) for i in range(len(contracts))]:
    print(f"{law}: contracts are numbered {', '.join(contracts)}")

def found(path, at, what):
    print(f"{path}:{texts[path].count(chr(10), 0, at) + 1}: {what}")

# A line's break inside a comment stands for a space; texts keep their length, so that places stay
# the same.
flat = {path: re.sub(r"\n[ \t]*(\*|#|//|\.\\\")?", lambda m: " " * len(m[0]), text) for path, text in texts.items()}
for path, text in flat.items():
    for m in re.finditer(r"\bcontracts?\s+(\d+(?:(?:,|\s+and|,\s+and|\s+or|\s+to|\s*[-–])\s*\d+)*)", text, re.I):
        for number in re.findall(r"\d+", m[1]):
            if number not in contracts:
                found(path, m.start(), f"contract {number} is not defined in {law}")
    for m in re.finditer(r"\b(DESIG[N]|PAPE[R]|METHOD[S]|STYL[E])\b", text):
        found(path, m.start(), f"{m[0]} is no document of this tree; name the paper, or a section of {law}")

# What documents name in `...`: files from the root, and after a file of tests the tests in it.
tops = {name for name in os.listdir(".") if os.path.isdir(name) and not name.startswith(("build", "results"))}
for path in (p for p in texts if p == "README.md" or p.startswith("docs/")):
    for m in re.finditer(r"\]\(([^)#:]+)\)", texts[path]):
        if not os.path.exists(os.path.join(os.path.dirname(path), m[1])):
            found(path, m.start(), f"there is no {m[1]}")
    tests = None
    for m in re.finditer(r"`([^`\n]+)`|\n\n", texts[path]):
        name = m[1] or ""
        if not name:
            tests = None
        elif re.fullmatch(r"[\w./-]+", name) and name.split("/")[0] in tops and "/" in name:
            tests = texts.get(name) if os.path.basename(name).startswith("test_") else None
            if not os.path.exists(os.path.dirname(name) if "NAME" in name else name):
                found(path, m.start(), f"there is no {name}")
        elif tests is not None and re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+){2,}", name):
            if not re.search(rf"\b{name}\b", tests):
                found(path, m.start(), f"no test {name} in the file named before it")
END
    failed python3 $?
  verdict law "every contract that is cited is defined, and the tests that hold it exist"
}

for check in $checks; do
  case $check in
    layout) check_layout ;;
    columns) check_columns ;;
    whitespace) check_whitespace ;;
    c) check_c ;;
    shell) check_shell ;;
    python) check_python ;;
    man) check_man ;;
    includes) check_includes ;;
    tests) check_tests ;;
    law) check_law ;;
  esac
done
exit $bad
