#!/bin/sh
# Runs a program of the bundle (tools/make_bundle.sh): bundled.sh PROGRAM [ARGUMENT]...
#
# The program finds its libraries by itself.  The C library is the machine's, unless that is older
# than the program asks for: then the bundle's own is used, by its own loader.  Outside a bundle
# this is `exec PROGRAM`.  $UNDER, if it is set, is a tool with its options that runs the
# program.
program=${1:?usage: bundled.sh PROGRAM [ARGUMENT]...}
bin=$(dirname "$program")
lib=$bin/../lib
# A C library that is too old shows before main; gsos is asked, since a test would run.
if [ -d "$lib/system" ] && [ -x "$bin/gsos" ] &&
  "$bin/gsos" --version 2>&1 </dev/null | grep -q 'version .GLIBC_.* not found'; then
  set -- --library-path "$lib/system:$lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" "$@"
  for loader in "$lib"/system/ld-linux*; do set -- "$loader" "$@"; done
fi
# shellcheck disable=SC2086 # words
exec ${UNDER:-} "$@"
