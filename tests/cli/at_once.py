"""How many trials ran at once in a run, at most: at_once.py LOG, what `gsos run --log json` wrote; prints the number.

A trial's begin is reported after it was taken and its end before its place is free again, so the number is never too high."""
import json
import sys

running = most = 0
with open(sys.argv[1], encoding="utf-8") as f:
    for line in f:
        event = json.loads(line)["event"]
        running += (event == "trial_begin") - (event in ("trial_end", "trial_left"))
        most = max(most, running)
assert running == 0, "a trial has no end"
print(most)
