#!/usr/bin/env python3
"""What pruning saves and loses: reads the trials.csv of a run of configs/bench/asha.ini.

    tests/bench/bench_asha.py results/asha/trials.csv

Prints for each strategy the images trained and the best validation accuracy of its rounds, then the share of images that grouped
trained of simultaneous's and the difference of accuracy in points, each with a 95 % interval of Student's t over the rounds (which
are paired: trial t of both strategies starts from the same random numbers).  Aims: at most 35 %, and within 0.5 points.
"""
import csv
import math
import sys

# Student's t, two-sided 95 %, by degrees of freedom.
T95 = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306, 9: 2.262, 14: 2.145, 19: 2.093}


def interval(values):
    n = len(values)
    mean = sum(values) / n
    if n < 2:
        return mean, math.inf
    deviation = math.sqrt(sum((v - mean) ** 2 for v in values) / (n - 1))
    t = T95.get(n - 1) or T95[max(k for k in T95 if k <= n - 1)]
    return mean, t * deviation / math.sqrt(n)


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: bench_asha.py TRIALS.csv")
    images, best, states = {}, {}, {}
    with open(sys.argv[1], newline="", encoding="utf-8") as f:
        for row in csv.DictReader(f):
            key = (row["strategy"], int(row["round"]))
            images[key] = images.get(key, 0) + int(row["images"] or 0)
            states.setdefault(row["strategy"], {}).setdefault(row["state"], 0)
            states[row["strategy"]][row["state"]] += 1
            if row["state"] == "complete":
                best[key] = max(best.get(key, -math.inf), float(row["value"]))
    rounds = sorted({r for s, r in images if s == "grouped"} & {r for s, r in images if s == "simultaneous"})
    if not rounds:
        sys.exit("bench_asha.py: no round of both strategies")
    for strategy in ("grouped", "simultaneous"):
        mean, half = interval([images[strategy, r] for r in rounds])
        value, width = interval([100 * best[strategy, r] for r in rounds])
        count = ", ".join(f"{n} {s}" for s, n in sorted(states[strategy].items()))
        print(f"{strategy:13} images {mean:12,.0f} ± {half:,.0f}   best validation accuracy {value:.2f} ± {width:.2f} %   ({count})")
    share, half = interval([100 * images["grouped", r] / images["simultaneous", r] for r in rounds])
    lost, width = interval([100 * (best["grouped", r] - best["simultaneous", r]) for r in rounds])
    print(f"images, grouped of simultaneous: {share:.1f} ± {half:.1f} %     aim: at most 35 %: {'met' if share <= 35 else 'MISSED'}")
    print(f"accuracy, grouped - simultaneous: {lost:+.2f} ± {width:.2f} points  aim: within 0.5: {'met' if lost >= -0.5 else 'MISSED'}")
    print(f"({len(rounds)} rounds; ±: 95 % interval of Student's t, paired by round)")


if __name__ == "__main__":
    main()
