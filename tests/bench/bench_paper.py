#!/usr/bin/env python3
"""What the runs of configs/paper or configs/paper-small found, beside the paper's numbers.

    tests/bench/bench_paper.py OUTPUT...          as results/paper-small/rps results/paper-small/rps-gp

An OUTPUT is the folder of a run: NAME of sampler tpe, NAME-gp of sampler gp on the same data.  Runs of one NAME are compared with
its simultaneous strategy under TPE, the paper's control, round by round: round r of all of them starts from the same random numbers
and has the same split.  Cost is the TFLOP of the networks' plans, which every machine has alike; time is what the trials took, as
trials.csv has it (on a CPU the time of their threads, on a GPU a trial's share of it, which is its own where studies = one_by_one).
To best: of the trials up to the best one.  Test: of the study's best network.  The ± is half a 95 % interval of Student's t over
the rounds; "saved" are shares of the control's mean.
"""
import csv
import json
import pathlib
import sqlite3
import sys

from bench_asha import interval

# Tables 3 and 4 of Wang, Nabney and Golbabaee (CPAL 2025): seconds to the best and in all, validation, test; grouped, simultaneous.
PUBLISHED = {
    "ahe": ((1639, 2242, 0.7433, 0.7267), (2257, 3120, 0.7646, 0.7298)),
    "intel": ((1348, 3065, 0.7369, 0.7605), (2961, 4712, 0.7647, 0.7513)),
    "rps": ((1330, 1938, 0.9890, 0.9784), (1151, 3098, 0.9959, 0.9858)),
    "dogs-cats": ((5521, 8010, 0.7577, 0.7404), (7276, 10869, 0.7929, 0.7538)),
    "flowers": ((2937, 3860, 0.6665, 0.6651), (4231, 5535, 0.6823, 0.6669)),
    "k49": ((11082, 12401, 0.9613, 0.9260), (11831, 18947, 0.9650, 0.9307)),
}
CONTROL = ("simultaneous", "tpe")
COLUMNS = ("to_best", "cost", "time_to_best", "time", "validation", "test")


def finished(output):
    """{(strategy, round): {column: value}} of the studies that are finished."""
    database = sqlite3.connect(f"file:{output / 'study.db'}?mode=ro", uri=True)
    facts = {}
    for name, key, value in database.execute("SELECT study_name, key, value_json FROM studies NATURAL JOIN study_user_attributes"):
        facts.setdefault(name, {})[key] = json.loads(value)
    database.close()
    trials = {}
    with open(output / "trials.csv", newline="", encoding="utf-8") as f:
        for row in csv.DictReader(f):
            trials.setdefault((row["strategy"], int(row["round"]), row["study"]), []).append(row)
    found = {}
    for (strategy, number, name), rows in trials.items():
        if not facts[name].get("gsos:finished"):
            continue
        cost = time = 0.0
        best = None
        for row in sorted(rows, key=lambda r: int(r["trial"])):
            cost += float(row["flops"] or 0) * 1e-12
            time += float(row["seconds"] or 0)
            if row["state"] == "complete" and (best is None or better(row, best)):
                best, to_best, time_to_best = row, cost, time
        if best is not None:
            found[strategy, number] = {"to_best": to_best, "cost": cost, "time_to_best": time_to_best, "time": time,
                                       "validation": float(best["value"]), "test": facts[name].get("gsos:test", {}).get("value")}
    return found


def better(row, best):
    """Higher value, then lower loss; an earlier trial stays."""
    return (float(row["value"]), -float(row["loss"] or 0)) > (float(best["value"]), -float(best["loss"] or 0))


def mean(values):
    return sum(values) / len(values)


def saved(these, control, rounds, key):
    scale = mean([control[r][key] for r in rounds]) / 100
    return interval([(control[r][key] - these[r][key]) / scale for r in rounds])


def points(these, control, rounds, key):
    if any(x[r][key] is None for x in (these, control) for r in rounds):
        return None
    return interval([100 * (these[r][key] - control[r][key]) for r in rounds])


def shown(value):
    return f"{value[0]:+6.1f} ± {value[1]:5.1f}" if value else f"{'-':>14}"


def number(value):
    return f"{value:.3g}" if value < 1000 else f"{value:.0f}"


def print_rounds(name, ways):
    rounds = sorted({r for these in ways.values() for r in these})
    print(f"\n{name}: each round\n{'way':17} {'round':>5} {'TFLOP to best':>13} {'TFLOP':>7} {'s to best':>9} {'s':>8} {'validation':>10} {'test':>7}")
    for way, these in ways.items():
        for r in (r for r in rounds if r in these):
            x = these[r]
            test = "-" if x["test"] is None else f"{x['test']:.4f}"
            print(f"{' '.join(way):17} {r:5d} {number(x['to_best']):>13} {number(x['cost']):>7} {x['time_to_best']:9.1f} {x['time']:8.1f} "
                  f"{x['validation']:10.4f} {test:>7}")


def print_pairs(name, ways):
    control = ways.get(CONTROL)
    if not control:
        return
    print(f"\n{name}: difference from {' '.join(CONTROL)}, paired by round\n{'':17} {'cost saved %':>27}   {'points of accuracy':>27}")
    print(f"{'way':17} {'to best':>13} {'in all':>13}   {'validation':>13} {'test':>13}")
    for way, these in ways.items():
        rounds = sorted(set(these) & set(control))
        if way != CONTROL and rounds:
            print(f"{' '.join(way):17} {shown(saved(these, control, rounds, 'to_best'))} {shown(saved(these, control, rounds, 'cost'))}  "
                  f"{shown(points(these, control, rounds, 'validation'))} {shown(points(these, control, rounds, 'test'))}")
    if name in PUBLISHED:
        grouped, other = PUBLISHED[name]
        share = lambda k: f"{100 - 100 * grouped[k] / other[k]:+6.1f}"
        differ = lambda k: f"{100 * (grouped[k] - other[k]):+6.1f}"
        print(f"{'the paper, time':17} {share(0):14} {share(1):14}  {differ(2):14} {differ(3)}".rstrip())


def print_all(data):
    """The mean over the data sets that have both strategies under TPE, beside the paper's."""
    rows = []
    for ways in data.values():
        for way, these in ways.items():
            control = ways.get(CONTROL, {})
            rounds = sorted(set(these) & set(control))
            if way != CONTROL and rounds:
                accuracy = [points(these, control, rounds, k) for k in ("validation", "test")]
                rows.append((way, [saved(these, control, rounds, k)[0] for k in ("to_best", "cost", "time_to_best", "time")] +
                             [a[0] if a else None for a in accuracy]))
    if not rows:
        return
    print(f"\nMeans over data sets\n{'way':17} {'sets':>4} {'sooner to best %':>21} {'saved in all %':>21} {'points of accuracy':>19}")
    print(f"{'':17} {'':4} {'cost':>10} {'time':>10} {'cost':>10} {'time':>10} {'validation':>11} {'test':>7}")
    for way in dict.fromkeys(way for way, _ in rows):
        values = [v for w, v in rows if w == way]
        middle = [mean(column) if None not in column else None for column in zip(*values)]
        text = ["-" if m is None else f"{m:+.1f}" for m in middle]
        print(f"{' '.join(way):17} {len(values):4d} {text[0]:>10} {text[2]:>10} {text[1]:>10} {text[3]:>10} {text[4]:>11} {text[5]:>7}")
    print(f"{'the paper':17} {6:4d} {'':10} {'+19.7':>10} {'':10} {'+31.9':>10} {'-2.2':>11} {'-0.4':>7}")


def main():
    outputs = [pathlib.Path(o) for o in sys.argv[1:]]
    if not outputs or any(str(o).startswith("-") for o in outputs):
        sys.exit(f"{__doc__.strip()}\n")
    data = {}
    for output in outputs:
        gp = output.name.endswith("-gp")
        try:
            found = finished(output)
        except (OSError, sqlite3.Error) as e:
            sys.exit(f"bench_paper.py: {output}: {e}; it has to be the output folder of a run")
        for (strategy, number), values in found.items():
            name = output.name[:-3] if gp else output.name
            data.setdefault(name, {}).setdefault((strategy, "gp" if gp else "tpe"), {})[number] = values
    for name, ways in data.items():
        print_rounds(name, ways)
        print_pairs(name, ways)
    print_all(data)


if __name__ == "__main__":
    main()
