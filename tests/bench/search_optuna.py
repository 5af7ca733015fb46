"""Optuna's samplers on the functions of tests/bench/search_functions.c, once, for `make bench-search` to compare with.

    search_optuna.py BENCH_SEARCH FORM SAMPLER SEEDS [TRIALS] [FUNCTION...]   >>tests/bench/search_optuna.csv

BENCH_SEARCH is build/tests/bench_search: it says what the spaces are and evaluates the functions through a pipe, so that they are
the same to the last bit.  FORM is dev or bench, SAMPLER tpe (multivariate off) or gp, with Optuna's defaults; seeds are
0 ... SEEDS - 1.  An ordinal is an int over its places, since Optuna has no other way to be told its order.  A line a run: the
regret of the best after every fifth trial.  Needs optuna >= 4.9 and, for gp, scipy and torch, as in

    python3 -m venv build/venv-search && build/venv-search/bin/pip install 'optuna>=4.9' scipy torch
"""
import json
import subprocess
import sys

import optuna

STEP = 5  # of bench_search.c


def suggest(trial, param):
    name, kind = param["name"], param["type"]
    if kind == "categorical":
        return trial.suggest_categorical(name, list(range(param["choices"])))
    if kind == "float":
        return trial.suggest_float(name, param["low"], param["high"], log=param["log"])
    return trial.suggest_int(name, int(param["low"]), int(param["high"]), log=param["log"])


def run(program, form, function, sampler, trials):
    server = subprocess.Popen([program, "--evaluate", form, function["name"]], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, text=True, bufsize=1)

    def objective(trial):
        values = [suggest(trial, p) for p in function["params"]]
        server.stdin.write(" ".join(float(v).hex() for v in values) + "\n")
        server.stdin.flush()
        return float.fromhex(server.stdout.readline())

    study = optuna.create_study(sampler=sampler)
    study.optimize(objective, n_trials=trials)
    server.stdin.close()
    server.wait()
    regrets, best = [], float("inf")
    for t in study.trials:
        best = min(best, t.value)
        if (t.number + 1) % STEP == 0:
            regrets.append(best)
    return regrets


def main():
    program, form, which, seeds = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
    trials = int(sys.argv[5]) if len(sys.argv) > 5 else 100
    wanted = sys.argv[6:]
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if which == "gp":
        import torch
        torch.set_num_threads(1)
    functions = json.loads(subprocess.run([program, "--describe", form], check=True, capture_output=True, text=True).stdout)
    for seed in range(seeds):
        for function in functions:
            if wanted and function["name"] not in wanted:
                continue
            sampler = optuna.samplers.GPSampler(seed=seed) if which == "gp" else \
                optuna.samplers.TPESampler(seed=seed, multivariate=False)
            regrets = run(program, form, function, sampler, trials)
            print(f"{form},{function['name']},optuna-{which},{optuna.__version__},{seed},{STEP},"
                  + ",".join(f"{r:.9g}" for r in regrets), flush=True)


if __name__ == "__main__":
    main()
