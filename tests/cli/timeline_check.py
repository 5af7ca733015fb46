"""Is a run's timeline right?  timeline_check.py TIMELINE.json STUDY.DB

It is JSON; every slice has a named row; slices of one row do not overlap unless one lies within the other; every trial of the database
that has ended has a slice that says so, with a slice for each of its epochs within; those of a trial that went on after a stop
may be in the slices that it left before."""
import json
import sqlite3
import sys

with open(sys.argv[1], encoding="utf-8") as f:
    events = json.load(f)
slices = [e for e in events if e["ph"] == "X"]
rows = {(e["pid"], e["tid"]) for e in events if e["name"] == "thread_name"}
devices = {e["pid"] for e in events if e["name"] == "process_name"}
for e in slices:
    assert (e["pid"], e["tid"]) in rows and e["pid"] in devices, e
    assert e["dur"] >= 0 and e["ts"] >= 0, e
for row in rows:
    spans = sorted(((e["ts"], -e["dur"], e["name"]) for e in slices if (e["pid"], e["tid"]) == row))
    open_ends = []
    for start, minus, name in spans:
        while open_ends and open_ends[-1] <= start:
            open_ends.pop()
        assert not open_ends or start - minus <= open_ends[-1], (row, name)
        open_ends.append(start - minus)
last = -1
for e in (e for e in events if e["ph"] == "C"):
    assert e["args"]["trials"] >= 0, e
    last = e["args"]["trials"]
assert last == 0, "trials still run at the end"

trials = [e for e in slices if not e["name"].startswith("epoch ")]
ended = {e["name"].rsplit(", place", 1)[0]: e for e in trials if e["args"]["state"] != "left"}
assert len(ended) == sum(e["args"]["state"] != "left" for e in trials), "a trial ended twice"


def epochs_within(trial):
    """The numbers of the epochs whose slices lie within a trial's, in the order of time."""
    row = (trial["pid"], trial["tid"])
    inner = [e for e in slices if e["name"].startswith("epoch ") and (e["pid"], e["tid"]) == row
             and trial["ts"] <= e["ts"] and e["ts"] + e["dur"] <= trial["ts"] + trial["dur"]]
    return [int(e["name"].split()[1].rstrip(",")) for e in sorted(inner, key=lambda e: e["ts"])]


db = sqlite3.connect(f"file:{sys.argv[2]}?mode=ro", uri=True)
names = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}
n = 0
for study, number, state, trial in db.execute(
        "SELECT study_name, number, state, trial_id FROM trials JOIN studies USING (study_id)"):
    if state not in names:
        continue
    found = ended.get(f"{study}, trial {number}")
    assert found, (study, number)
    assert found["args"]["state"] == names[state], found
    epochs = db.execute("SELECT count(*) FROM trial_intermediate_values WHERE trial_id = ?", (trial,)).fetchone()[0]
    last = epochs_within(found)
    assert last == list(range(epochs - len(last) + 1, epochs + 1)), (study, number, last, epochs)
    name = found["name"].rsplit(", place", 1)[0]
    before = {k for e in trials if e["args"]["state"] == "left" and e["name"].rsplit(", place", 1)[0] == name
              for k in epochs_within(e)}
    assert before | set(last) == set(range(1, epochs + 1)), (study, number, before, last, epochs)
    n += 1
assert n == len(ended), "a trial that the database does not have"
print(f"{n} trials, {len(rows)} rows, {len(devices)} devices")
