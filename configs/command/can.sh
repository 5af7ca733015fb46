#!/bin/sh
# A program that gsos can search: how little sheet metal does a can take that holds a litre?
#
# It reads a line for each trial, {"trial":0,...,"params":{"radius":5.0,"height":13.0,...}}, and
# answers with one line, the area in square centimetres, or why it cannot be; both name the trial,
# so that none can be taken for another's.  At the end of its input it ends.
set -u

# The value of a hyperparameter in $trial; a text comes without its quotes.
param() {
  printf '%s\n' "$trial" | sed 's/.*"'"$1"'": *"\{0,1\}\([^",}]*\).*/\1/'
}

while IFS= read -r trial; do
  number=${trial#*\"trial\":}
  awk -v n="${number%%,*}" -v r="$(param radius)" -v h="$(param height)" -v lid="$(param lid)" 'BEGIN {
    pi = 3.14159265358979
    if (pi * r * r * h < 1000) {
      printf "{\"trial\": %d, \"fail\": \"it holds only %.0f ml\"}\n", n, pi * r * r * h
    } else {
      printf "{\"trial\": %d, \"value\": %.6f}\n", n, 2 * pi * r * h + (lid == "open" ? 1 : 2) * pi * r * r + (lid == "folded" ? 20 : 0)
    }
  }'
done
