"""Reads a study database with the real Optuna.

    optuna_check.py STUDY.DB EXPECTED.JSON   every trial against what was written (by `test_store --write`)
    optuna_check.py STUDY.DB TRIALS.CSV      a run's own output: every trial against the table that the run wrote beside it
    optuna_check.py STUDY.DB                 that it loads whole: numbers, params, attributes, best trial

Prints one line a study; exits 1 at the first difference.  Needs Optuna 4.9 or later; nothing else.
"""

import csv
import json
import math
import shutil
import sqlite3
import sys
import tempfile
from pathlib import Path

import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

optuna.logging.set_verbosity(optuna.logging.WARNING)


def same(found, expected, what):
    """Fails where two values differ; NaN equals NaN."""
    if isinstance(found, float) and isinstance(expected, float) and math.isnan(found) and math.isnan(expected):
        return
    if found != expected:
        sys.exit(f"{what}: Optuna has {found!r}, written was {expected!r}")


def number(value):
    """JSON has no infinities: the expectations say "inf", "-inf", "nan"."""
    return float(value)


def distribution(text):
    """What Optuna should make of a line of [space]."""
    words = text.split(" default ")[0].replace(",", " ").split()
    kind, rest = words[0], words[1:]
    if kind == "categorical":
        return CategoricalDistribution(rest)
    if kind == "ordinal":
        return CategoricalDistribution([float(w) if "." in w else int(w) for w in rest])
    log = "log" in rest
    low, high = rest[0], rest[2]
    if kind == "int":
        return IntDistribution(int(low), int(high), log=log)
    return FloatDistribution(float(low), float(high), log=log)


def check_trial(trial, expected, distributions, what):
    same(trial.state.name, expected["state"], f"{what}, state")
    same(trial.distributions, distributions, f"{what}, distributions")
    for name, text in expected["params"].items():
        value = trial.params[name]
        found = value if isinstance(value, str) else float(value)
        same(found, text if isinstance(value, str) else float(text), f"{what}, {name}")
        internal = trial.distributions[name].to_internal_repr(value)
        same(float(internal), float(expected["internal"][name]), f"{what}, {name}, internal value")
    same(set(trial.params), set(expected["params"]), f"{what}, names of the params")
    attributes = {"gsos:free": expected["free"], "gsos:group": expected["group"], "gsos:key": expected["key"]}
    steps = {}
    if trial.datetime_start is None:
        sys.exit(f"{what}: has no start time")
    if expected["state"] == "RUNNING":
        same(trial.value, None, f"{what}, value")
        same(trial.datetime_complete, None, f"{what}, end time")
    else:
        value = number(expected["value"])
        same(trial.value, None if math.isnan(value) else value, f"{what}, value")
        if trial.datetime_complete is None or trial.datetime_complete < trial.datetime_start:
            sys.exit(f"{what}: ends before it starts")
        for key in ("seconds", "wall_s", "flops", "images", "epochs"):
            attributes[f"gsos:{key}"] = expected[key]
        loss = number(expected["loss"])
        attributes["gsos:loss"] = None if math.isnan(loss) else loss
        if "reason" in expected:
            attributes["gsos:reason"] = expected["reason"]
        steps = {i + 1: number(e["value"]) for i, e in enumerate(expected["epoch_values"])}
    same(trial.user_attrs, attributes, f"{what}, user attributes")
    same(set(trial.intermediate_values), set(steps), f"{what}, epochs")
    for step, value in steps.items():
        same(trial.intermediate_values[step], value, f"{what}, epoch {step}")


def check_studies(storage, expected):
    distributions = {name: distribution(text) for name, text in expected["distributions"].items()}
    same([s.study_name for s in optuna.get_all_study_summaries(storage)], [s["name"] for s in expected["studies"]], "studies")
    for e in expected["studies"]:
        study = optuna.load_study(study_name=e["name"], storage=storage)
        same(study.direction.name, e["direction"], f"{e['name']}, direction")
        same(study.user_attrs, {"gsos:about": {"a": [1, "ü", None]}}, f"{e['name']}, user attributes")
        same(len(study.trials), len(e["trials"]), f"{e['name']}, number of trials")
        for trial, t in zip(study.trials, e["trials"]):
            same(trial.number, t["number"], f"{e['name']}, numbers")
            check_trial(trial, t, distributions, f"{e['name']}, trial {trial.number}")
        values = [number(t["value"]) for t in e["trials"] if t["state"] == "COMPLETE"]
        same(study.best_value, max(values) if e["direction"] == "MAXIMIZE" else min(values), f"{e['name']}, best value")
        print(f"{e['name']}: {len(e['trials'])} trials are what was written")


def check_table(storage, path):
    """Every trial of a run, as Optuna reads it, against trials.csv."""
    with open(path, newline="", encoding="utf-8") as f:
        rows = list(csv.DictReader(f))
    studies = sorted({row["study"] for row in rows})
    same(sorted(s.study_name for s in optuna.get_all_study_summaries(storage)), studies, "studies")
    for name in studies:
        study = optuna.load_study(study_name=name, storage=storage)
        assert study.metric_names == ["validation accuracy"], study.metric_names
        mine = [row for row in rows if row["study"] == name]
        same([str(t.number) for t in study.trials], [row["trial"] for row in mine], f"{name}, numbers")
        for trial, row in zip(study.trials, mine):
            what = f"{name}, trial {trial.number}"
            same(trial.state.name.lower(), row["state"].lower(), f"{what}, state")
            if trial.state.name == "COMPLETE":
                same(trial.value, float(row["value"]), f"{what}, value")
                same(max(trial.intermediate_values), int(row["epochs"]), f"{what}, epochs")
            for param, value in trial.params.items():
                same(value, row[param] if isinstance(value, str) else type(value)(float(row[param])), f"{what}, {param}")
        best = [row["trial"] for row in mine if row["best"] == "1"]
        same(study.best_value, float(mine[int(best[0])]["value"]), f"{name}, best value")
        print(f"{name}: {len(mine)} trials are those of the table")


def check_output(storage):
    """A database of which nothing is known."""
    for summary in optuna.get_all_study_summaries(storage):
        study = optuna.load_study(study_name=summary.study_name, storage=storage)
        trials = study.trials
        same([t.number for t in trials], list(range(len(trials))), f"{study.study_name}, numbers")
        for t in trials:
            what = f"{study.study_name}, trial {t.number}"
            same(set(t.params), set(trials[0].params), f"{what}, names of the params")
            if not set(t.user_attrs["gsos:free"]) <= set(t.params):
                sys.exit(f"{what}: free is what is no param")
            if t.state.is_finished() and "gsos:seconds" not in t.user_attrs:
                sys.exit(f"{what}: lacks its attributes")
            if t.state.name == "COMPLETE":
                same(t.user_attrs["gsos:epochs"], max(t.intermediate_values, default=0), f"{what}, epochs")
        states = sorted({t.state.name for t in trials})
        print(f"{study.study_name}: {len(trials)} trials, {', '.join(states)}")


def check_schema(path, folder):
    """The tables, to the byte, are those that this Optuna makes."""

    def tables(file):
        with sqlite3.connect(file) as db:
            return sorted(db.execute("SELECT type, name, sql FROM sqlite_master"), key=str)

    theirs = folder / "theirs.db"
    optuna.create_study(storage=f"sqlite:///{theirs}", study_name="x")
    for found, expected in zip(tables(path), tables(theirs), strict=True):
        same(found, expected, "schema")
    with sqlite3.connect(theirs) as db, sqlite3.connect(path) as ours:
        query = "SELECT version_num, (SELECT schema_version FROM version_info) FROM alembic_version"
        same(ours.execute(query).fetchall(), db.execute(query).fetchall(), "versions")
    print(f"schema: that of Optuna {optuna.__version__}, to the byte")


def check_going_on(path, folder):
    """Optuna can go on with a copy of it, under the next number."""
    copy = folder / "copy.db"
    with sqlite3.connect(path) as db, sqlite3.connect(copy) as to:
        db.backup(to)
    storage = f"sqlite:///{copy}"
    name = optuna.get_all_study_summaries(storage)[0].study_name
    study = optuna.load_study(study_name=name, storage=storage)
    before = len(study.trials)
    trial = study.ask(dict(study.trials[0].distributions))
    same(trial.number, before, f"{name}, the next number")
    study.tell(trial, 0.5)
    same(len(study.trials), before + 1, f"{name}, after a trial of Optuna's own")


def main():
    path = Path(sys.argv[1]).resolve()
    storage = f"sqlite:///{path}"
    folder = Path(tempfile.mkdtemp(prefix="gsos-optuna-"))
    try:
        if len(sys.argv) > 2 and sys.argv[2].endswith(".csv"):
            check_table(storage, sys.argv[2])
        elif len(sys.argv) > 2:
            check_studies(storage, json.loads(Path(sys.argv[2]).read_text(encoding="utf-8")))
            check_schema(path, folder)
        else:
            check_output(storage)
        check_going_on(path, folder)
    finally:
        shutil.rmtree(folder)


main()
