"""What a study database tells, times aside, in a text to be compared: `history.py STUDY.DB`.

Every study with its trials by number: state, value, parameters, distributions, epoch values, and the attributes that a run decides
(not seconds, wall time, or who ran it)."""
import json
import sqlite3
import sys

TIMES = {"gsos:seconds", "gsos:wall_s", "gsos:ran_alone"}


def timeless(key, value):
    """The attribute without the times within it."""
    if key != "gsos:repeats":
        return value
    repeats = json.loads(value)
    for training in repeats["trainings"]:
        if training:
            training.pop("seconds")
    return json.dumps(repeats)


db = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True)
for study, name in db.execute("SELECT study_id, study_name FROM studies ORDER BY study_name").fetchall():
    print("study", name)
    for key, value in db.execute(
            "SELECT key, value_json FROM study_user_attributes WHERE study_id = ? ORDER BY key", (study,)):
        if key not in TIMES:
            print(" ", key, timeless(key, value))
    for trial, number, state in db.execute(
            "SELECT trial_id, number, state FROM trials WHERE study_id = ? ORDER BY number", (study,)).fetchall():
        print(" trial", number, state)
        for table, columns, order in (
                ("trial_values", "objective, value, value_type", "objective"),
                ("trial_params", "param_name, param_value, distribution_json", "param_id"),
                ("trial_intermediate_values", "step, intermediate_value, intermediate_value_type", "step"),
                ("trial_user_attributes", "key, value_json", "key")):
            for row in db.execute(f"SELECT {columns} FROM {table} WHERE trial_id = ? ORDER BY {order}", (trial,)):
                if row[0] not in TIMES:
                    print("   ", table, *map(repr, row))
