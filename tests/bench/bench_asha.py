#!/usr/bin/env python3
"""What pruning saves and loses on networks that are trained: runs configs/bench/asha.ini once with each pruner and without.

    tests/bench/bench_asha.py [--gsos ./gsos] [--rounds 5] [--output build/bench-asha] [--ways WAY,...] [--set SECTION.KEY=VALUE]...

A way is a strategy and a pruner (WAYS); its run is kept under --output, and what is finished is not run again.  Trial t of round r
starts from the same random numbers in every way, so that rounds are paired with those of simultaneous without a pruner.  Printed for
each way: the mean over its rounds of the best validation accuracy among trials that came to their end, the difference to the control
in points, images and FLOPs in those of the control, and in how many of the trials it ended early; each ± is half a 95 % interval of
Student's t over the rounds.  Aim: at most 35 % of the images, with the interval of the difference above -0.2 points.

The same on recorded tables of networks, with hundreds of rounds: bench_strategies.py --ways pruners.
"""
import argparse
import math
import pathlib
import sys

import gsos_trials

CONTROL = "simultaneous"
IMAGES, LOSES = 0.35, 0.2

WAYS = {strategy + name: [f"experiment.strategies={strategy}", *settings] for strategy in ("simultaneous", "grouped") for name, settings in {
    "": ["pruner.kind=none"],
    " median": ["pruner.kind=median"],
    " asha1": ["pruner.kind=asha", "pruner.first=1"],
    " asha3": ["pruner.kind=asha", "pruner.first=3"],
    " hyperband": ["pruner.kind=hyperband"],
}.items()}

# Student's t, two-sided 95 %, by degrees of freedom.
T95 = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306, 9: 2.262, 14: 2.145, 19: 2.093, 29: 2.045}


def interval(values):
    """Mean, and half the width of its 95 % interval."""
    n = len(values)
    mean = sum(values) / n
    if n < 2:
        return mean, math.inf
    deviation = math.sqrt(sum((v - mean) ** 2 for v in values) / (n - 1))
    t = T95.get(n - 1) or T95[max(k for k in T95 if k <= n - 1)]
    return mean, t * deviation / math.sqrt(n)


def run(way, args):
    """The rounds of a way: {round: {"best": per cent or None, "images": n, "flops": n, "trials": n, "pruned": n}}."""
    folder = pathlib.Path(args.output) / way.replace(" ", "-")
    rounds = {}
    for row in gsos_trials.run(args.gsos, args.ini, folder, [f"experiment.rounds={args.rounds}", *WAYS[way], *args.set]):
        this = rounds.setdefault(int(row["round"]), {"best": None, "images": 0, "flops": 0.0, "trials": 0, "pruned": 0})
        this["images"] += int(row["images"] or 0)
        this["flops"] += float(row["flops"] or 0)
        this["trials"] += 1
        this["pruned"] += row["state"] == "pruned"
        if row["state"] == "complete" and (this["best"] is None or 100 * float(row["value"]) > this["best"]):
            this["best"] = 100 * float(row["value"])
    return rounds


def main():
    parser = argparse.ArgumentParser(formatter_class=argparse.RawDescriptionHelpFormatter, description=__doc__)
    parser.add_argument("--gsos", default="./gsos")
    parser.add_argument("--ini", default="configs/bench/asha.ini")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--output", default="build/bench-asha")
    parser.add_argument("--ways", default=",".join(WAYS), help="of " + ", ".join(WAYS))
    parser.add_argument("--set", action="append", default=[], help="given to every run")
    args = parser.parse_args()
    names = [CONTROL] + [name for name in args.ways.split(",") if name != CONTROL]
    unknown = [name for name in names if name not in WAYS]
    if unknown:
        parser.error(f"no way is called {', '.join(unknown)}; there are {', '.join(WAYS)}")
    pathlib.Path(args.output).mkdir(parents=True, exist_ok=True)
    print(f"{'way':24} {'best %':>14} {'difference':>15} {'images %':>14} {'FLOPs %':>14}  {'pruned':>10}")
    control, met = None, []
    for name in names:
        these = run(name, args)
        control = control or these
        rounds = sorted(r for r in these if r in control and these[r]["best"] is not None and control[r]["best"] is not None)
        if not rounds:
            sys.exit(f"bench_asha.py: {name} and {CONTROL} have no round in common with a trial that came to its end")
        best = interval([these[r]["best"] for r in rounds])
        difference = interval([these[r]["best"] - control[r]["best"] for r in rounds])
        images, flops = (interval([100 * these[r][key] / control[r][key] for r in rounds]) for key in ("images", "flops"))
        pruned, trials = (sum(these[r][key] for r in rounds) for key in ("pruned", "trials"))
        show = lambda x, form: f"{x[0]:{form}} ± {x[1]:.2f}"
        print(f"{name:24} {show(best, '.2f'):>14} {show(difference, '+.2f'):>15} {show(images, '.1f'):>14} {show(flops, '.1f'):>14}  "
              f"{pruned:>4} of {trials}", flush=True)
        if images[0] <= 100 * IMAGES and difference[0] - difference[1] > -LOSES:
            met.append(name)
    print(f"({len(rounds)} rounds, paired with those of {CONTROL}; ±: half a 95 % interval of Student's t)")
    print(f"at most {100 * IMAGES:.0f} % of the images, nothing lost (interval above -{LOSES} points): {', '.join(met) or 'MISSED by all'}")


if __name__ == "__main__":
    main()
