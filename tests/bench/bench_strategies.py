#!/usr/bin/env python3
"""What strategies are worth: many rounds of each on recorded tables of networks and on analytic functions.

    tests/bench/bench_strategies.py [--gsos ./gsos] [--rounds 50] [--trials 100] [--output build/bench-strategies]
                                    [--only TASK,...] [--ways WAY,...] [--add 'NAME: SAMPLER STRATEGY SETTING ...']...

A task is an ini file of configs/bench/strategies; a way to search it is one of WAYS: settings over the file.  Each way is a run of
gsos with that many rounds, kept under --output (what is finished is not run again).  Trial t of round r starts from the same random
numbers in every way, so the rounds are paired.  Printed for each task, a line a way:

    best        median over the rounds of the best value found (accuracy in per cent; a function's value)
    difference  mean of the paired differences to simultaneous with tpe, with a 95 % interval by bootstrap over the rounds, and p of
                the signed-rank test of Wilcoxon (normal approximation)
    cost        total cost in that of simultaneous with tpe: FLOPs where trials have them, else trials
    images      the same of images trained, where there are any
    to best     cost until the way's own best, as the paper has it
    to equal    cost until the way first has the final value of simultaneous with tpe of the same round: median share of that one's
                total cost, and in how many rounds it got there at all

of a network then whether the aim is reached: against simultaneous with tpe, total cost lower by at least 31.9 % and cost to the best by at least
19.7 % (what Wang, Nabney and Golbabaee, "Grouped Sequential Optimization Strategy", 2025, report), with no accuracy lost (the
interval of the difference above -0.2 points); and a way that is better at no more cost; where pruners are compared (--ways pruners), with
which at most 35 % of the images are trained and no accuracy is lost.  Last, over all tasks, a line a way: whether
it is better (+), worse (-) or neither (=, p above 0.05) than the control on each, and the mean over the tasks of its rank by the
best value (1: the best) among the ways that took part in all of them, within each round.  FOLDER gets TASK.csv, a line a round, and TASK.svg, where gnuplot is there: the median of the best so far by cost.
"""
import argparse
import csv
import math
import os
import pathlib
import random
import subprocess
import sys

import gsos_trials

CONTROL = "simultaneous tpe"
SAVES, SOONER, LOSES = 0.319, 0.197, 0.2
PRUNED_IMAGES = 0.35


def way(sampler, strategy, *settings):
    """What a way says, whatever the defaults are: every study begins with the defaults of the space; later settings win."""
    return [f"experiment.sampler={sampler}", f"experiment.strategies={strategy}", "experiment.baseline=yes", "experiment.revisit=no", "gp.cost=none",
            *settings]


WAYS = {f"{name} {sampler}": way(sampler, *settings) for sampler in ("tpe", "gp") for name, settings in {
    "simultaneous": ("simultaneous",),
    "grouped": ("grouped",),
    "grouped auto": ("grouped", "groups.from=auto"),
    "greedy": ("greedy",),
    "grouped cycles": ("grouped", "experiment.cycles=2"),
    "grouped asha": ("grouped", "pruner.kind=asha", "pruner.first=3"),
}.items()}
WAYS["grouped revisit gp"] = way("gp", "grouped", "experiment.revisit=yes")
WAYS["auto revisit gp"] = way("gp", "grouped", "experiment.revisit=yes", "groups.from=auto")
WAYS["grouped revisit cost gp"] = way("gp", "grouped", "experiment.revisit=yes", "gp.cost=flops")
WAYS["grouped cycles cost gp"] = way("gp", "grouped", "experiment.cycles=2", "gp.cost=flops")
WAYS["grouped cycles asha gp"] = way("gp", "grouped", "experiment.cycles=2", "pruner.kind=asha", "pruner.first=3")
WAYS["simultaneous cost gp"] = way("gp", "simultaneous", "gp.cost=flops")
WAYS["grouped cost gp"] = way("gp", "grouped", "gp.cost=flops")
NETWORK_ONLY = ("asha", "cost", "hyperband", "median")

# `--ways pruners`: TPE with each pruner; the number behind asha is its first rung.
PRUNERS = {f"{strategy}{name} tpe": way("tpe", strategy, *settings) for strategy in ("simultaneous", "grouped") for name, settings in {
    "": (),
    " median": ("pruner.kind=median",),
    " asha1": ("pruner.kind=asha", "pruner.first=1"),
    " asha2": ("pruner.kind=asha", "pruner.first=2"),
    " asha3": ("pruner.kind=asha", "pruner.first=3"),
    " hyperband": ("pruner.kind=hyperband",),
}.items()}


def run(gsos, ini, name, settings, args):
    """The trials of a way: {round: [(value or None, cost, images), ...]}; larger values are better."""
    folder = pathlib.Path(args.output) / ini.stem / name.replace(" ", "-")
    cycles = max([int(x.partition("=")[2]) for x in settings if x.startswith("experiment.cycles=")], default=1)
    settings = [f"experiment.rounds={args.rounds}", f"experiment.trials={args.trials // cycles}", "scheduler.devices=cpu", *settings]
    rounds = {}
    for row in gsos_trials.run(gsos, ini, folder, settings):
        value = float(row["value"]) if row["state"] == "complete" else None
        rounds.setdefault(int(row["round"]), []).append((value, float(row["flops"] or 0) or 1.0, int(row["images"] or 0)))
    return rounds


def summary(trials, sign):
    """Of one round: the best value, total cost, images, cost to the best, and the steps (cost so far, best so far)."""
    best, cost, images, to_best, steps = None, 0.0, 0, 0.0, []
    for value, flops, n in trials:
        cost += flops
        images += n
        if value is not None and (best is None or sign * value > sign * best):
            best, to_best = value, cost
        steps.append((cost, best))
    return {"best": best, "cost": cost, "images": images, "to_best": to_best, "steps": steps}


def until(steps, value, sign):
    return next((cost for cost, best in steps if best is not None and sign * best >= sign * value), None)


def median(values):
    s = sorted(values)
    n = len(s)
    return (s[n // 2] if n % 2 else (s[n // 2 - 1] + s[n // 2]) / 2) if n else math.nan


def mean(values):
    return sum(values) / len(values)


def interval(values, draws=2000):
    """95 % of the mean, by percentiles of resamples; the same every time."""
    chance = random.Random(1)
    means = sorted(mean(chance.choices(values, k=len(values))) for _ in range(draws))
    return means[int(0.025 * draws)], means[int(0.975 * draws) - 1]


def wilcoxon(differences):
    """Two-sided p of the signed-rank test with ties, by the normal approximation; 1 where nothing differs."""
    d = sorted((x for x in differences if x), key=abs)
    n, i, plus, ties = len(d), 0, 0.0, 0.0
    while i < n:
        j = i
        while j < n and abs(d[j]) == abs(d[i]):
            j += 1
        plus += sum((i + j + 1) / 2 for x in d[i:j] if x > 0)
        ties += (j - i) ** 3 - (j - i)
        i = j
    variance = n * (n + 1) * (2 * n + 1) / 24 - ties / 48
    if variance <= 0:
        return 1.0
    return math.erfc(abs(plus - n * (n + 1) / 4) / math.sqrt(2 * variance))


def compare(name, these, control, sign, scale):
    rounds = sorted(r for r in these if r in control and these[r]["best"] is not None and control[r]["best"] is not None)
    difference = [scale * sign * (these[r]["best"] - control[r]["best"]) for r in rounds]
    low, high = interval(difference)
    reached = [(until(these[r]["steps"], control[r]["best"], sign), control[r]["cost"]) for r in rounds]
    shares = [cost / total if cost is not None else math.inf for cost, total in reached]
    ratio = lambda key: mean([these[r][key] for r in rounds]) / (mean([control[r][key] for r in rounds]) or 1)
    return {"way": name, "best": median([scale * these[r]["best"] for r in rounds]), "difference": mean(difference), "low": low,
            "high": high, "p": wilcoxon(difference), "cost": ratio("cost"), "images": ratio("images"), "to_best": ratio("to_best"),
            "to_equal": median(shares), "reached": sum(cost is not None for cost, _ in reached), "rounds": len(rounds)}


def print_table(task, rows, accuracy):
    unit = "%" if accuracy else ""
    print(f"\n{task}: {rows[0]['rounds']} rounds; cost in that of {CONTROL}")
    print(f"{'way':26} {'best' + unit:>9} {'difference':>11} {'95 % interval':>17} {'p':>7} {'cost':>6} {'images':>7} {'to best':>8} "
          f"{'to equal':>9}")
    for r in rows:
        equal = "-" if math.isinf(r["to_equal"]) else f"{r['to_equal']:.2f}"
        images = f"{r['images']:7.2f}" if accuracy else f"{'':7}"
        print(f"{r['way']:26} {r['best']:9.4g} {r['difference']:+11.3g} {r['low']:+8.3g} {r['high']:+8.3g} {r['p']:7.2g} "
              f"{r['cost']:6.2f} {images} {r['to_best']:8.2f} {equal:>5} {r['reached']:3d}")


def ranks(best, names):
    """Mean rank of each of the ways over the rounds; ties share theirs.  best: {way: {round: value, larger being better}}."""
    rounds = [r for r in best[CONTROL] if all(r in best[name] for name in names)]
    place = lambda name, r: 0.5 + sum((best[n][r] > best[name][r]) + (best[n][r] == best[name][r]) / 2 for n in names)
    return {name: mean([place(name, r) for r in rounds]) if rounds else math.nan for name in names}


def print_all(tasks):
    """tasks: {task: (rows, best)}; ways that took part in only some of them have no rank."""
    names = dict.fromkeys(row["way"] for rows, _ in tasks.values() for row in rows)
    common = [n for n in names if all(n in best for _, best in tasks.values())]
    rank = [ranks(best, common) for _, best in tasks.values()]
    print(f"\nAll tasks: better (+) or worse (-) than {CONTROL}, or neither (=)")
    print(f"{'way':26} " + " ".join(f"{task:>9}" for task in tasks) + f" {'rank':>6}")
    for name in names:
        marks = []
        for rows, _ in tasks.values():
            row = next((row for row in rows if row["way"] == name), None)
            marks.append("" if row is None else "=" if row["p"] > 0.05 else "+" if row["difference"] > 0 else "-")
        shown = f"{mean([r[name] for r in rank]):6.2f}" if name in common else ""
        print((f"{name:26} " + " ".join(f"{mark:>9}" for mark in marks) + f" {shown:>6}").rstrip())


def print_aim(rows):
    base = next(r for r in rows if r["way"] == CONTROL)
    met = [r["way"] for r in rows if r["cost"] <= 1 - SAVES and r["to_best"] <= (1 - SOONER) * base["to_best"] and r["low"] > -LOSES]
    better = [r["way"] for r in rows if r["cost"] <= 1 and r["low"] > 0]
    print(f"  cost -{100 * SAVES:.1f} %, to the best -{100 * SOONER:.1f} %, nothing lost: {', '.join(met) or 'MISSED by all'}")
    print(f"  better at no more cost: {', '.join(better) or 'none'}")
    if any(r["way"] in PRUNERS and r["way"] not in WAYS for r in rows):
        few = [r["way"] for r in rows if r["images"] <= PRUNED_IMAGES and r["low"] > -LOSES]
        print(f"  at most {100 * PRUNED_IMAGES:.0f} % of the images, nothing lost: {', '.join(few) or 'MISSED by all'}")
    return bool(met)


def write(folder, task, results, accuracy):
    with open(folder / f"{task}.csv", "w", newline="", encoding="utf-8") as f:
        out = csv.writer(f)
        out.writerow(["way", "round", "best", "cost", "images", "cost_to_best"])
        for name, rounds in results.items():
            for r, s in sorted(rounds.items()):
                out.writerow([name, r, s["best"], s["cost"], s["images"], s["to_best"]])
    most = max(median([s["cost"] for s in rounds.values()]) for rounds in results.values())
    plots = []
    with open(folder / f"{task}.dat", "w", encoding="utf-8") as f:
        for name, rounds in results.items():
            f.write(f'"{name}"\n')
            for k in range(1, 101):
                cost = most * k / 100
                values = [max((i for i in enumerate(s["steps"]) if i[1][0] <= cost), default=(0, (0, None)))[1][1] for s in rounds.values()]
                values = [v for v in values if v is not None]
                if 2 * len(values) >= len(rounds):
                    f.write(f"{k / 100} {median(values)}\n")
            f.write("\n\n")
            plots.append(f"'{folder}/{task}.dat' index {len(plots)} with lines lw 2 title columnheader(1)")
    script = (f"set terminal svg size 900,560 dynamic background 'white'; set output '{folder}/{task}.svg'; set key bottom right; "
              f"set xlabel 'cost, in the largest total'; set ylabel 'best so far, median'; set title '{task}'; plot {', '.join(plots)}")
    try:
        subprocess.run(["gnuplot", "-e", script], check=False, stderr=subprocess.DEVNULL)
    except FileNotFoundError:
        print("(no gnuplot: no plots)")


def main():
    parser = argparse.ArgumentParser(formatter_class=argparse.RawDescriptionHelpFormatter, description=__doc__)
    parser.add_argument("--gsos", default="./gsos")
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--output", default="build/bench-strategies")
    parser.add_argument("--only", help="tasks, by the names of their files")
    parser.add_argument("--ways", help="of " + ", ".join({**WAYS, **PRUNERS}) + "; or pruners: all of tpe with a pruner and without")
    parser.add_argument("--add", action="append", default=[], help="one more way: 'NAME: SAMPLER STRATEGY SETTING ...'")
    args = parser.parse_args()
    for text in args.add:
        name, _, words = text.partition(":")
        WAYS[name] = way(*words.split())
    root = pathlib.Path(__file__).resolve().parents[2]
    names = list(PRUNERS) if args.ways == "pruners" else args.ways.split(",") if args.ways else list(WAYS)
    names += [text.partition(":")[0] for text in args.add if args.ways]
    names = [CONTROL] + [n for n in names if n != CONTROL]
    tasks = [p for p in sorted((root / "configs/bench/strategies").glob("*.ini")) if not args.only or p.stem in args.only.split(",")]
    if not tasks:
        sys.exit("bench_strategies.py: there is no such task")
    os.makedirs(args.output, exist_ok=True)
    reached, everything = [], {}
    for ini in tasks:
        text = ini.read_text(encoding="utf-8")
        accuracy = "objective = table" in text
        sign = 1 if accuracy or "# larger is better" in text else -1
        results = {}
        for name in names:
            if not accuracy and any(word in name for word in NETWORK_ONLY):
                continue
            results[name] = {r: summary(trials, sign) for r, trials in run(args.gsos, ini, name, {**PRUNERS, **WAYS}[name], args).items()}
        rows = [compare(name, rounds, results[CONTROL], sign, 100 if accuracy else 1) for name, rounds in results.items()]
        print_table(ini.stem, rows, accuracy)
        everything[ini.stem] = (rows, {name: {r: sign * x["best"] for r, x in rounds.items() if x["best"] is not None}
                                       for name, rounds in results.items()})
        if accuracy:
            reached.append(print_aim(rows))
        write(pathlib.Path(args.output), ini.stem, results, accuracy)
    print_all(everything)
    if reached:
        print(f"\nThe aim is reached on {sum(reached)} of {len(reached)} tables.")


if __name__ == "__main__":
    main()
