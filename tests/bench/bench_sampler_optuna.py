"""How long Optuna's GPSampler takes for a proposal, on the history that tests/bench/bench_sampler.c wrote: for `make bench`.

    bench_sampler_optuna.py HISTORY

A line of HISTORY is a trial: the internal values of the function `tuning` (an ordinal's is its place), and the value, larger being
better.  One thread; processor time; the median of five asks after one that warms up.
"""
import sys
import time

import optuna
import torch
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

SPACE = {
    "num_conv_layers": IntDistribution(2, 4), "lr": FloatDistribution(1e-5, 1, log=True),
    "dropout_rate": FloatDistribution(0, 0.9), "optimizer": CategoricalDistribution([0, 1]),
    "epoch": IntDistribution(10, 100), "stride": IntDistribution(0, 1), "padding": CategoricalDistribution([0, 1]),
    "kernel": IntDistribution(0, 1), "num_fc_units": IntDistribution(64, 256), "batch_size": IntDistribution(0, 3),
}


def main():
    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.GPSampler(seed=0))
    n = 0
    for line in open(sys.argv[1]):
        *values, value = map(float, line.split())
        params = {name: v if isinstance(d, FloatDistribution) else int(v)
                  for (name, d), v in zip(SPACE.items(), values)}
        study.add_trial(optuna.trial.create_trial(params=params, distributions=SPACE, value=value))
        n += 1
    times = []
    for _ in range(6):
        start = time.thread_time()
        trial = study.ask(SPACE)
        times.append(time.thread_time() - start)
        study.tell(trial, state=optuna.trial.TrialState.FAIL)
    times = sorted(times[1:])
    print(f"Optuna {optuna.__version__} GPSampler, {n} trials: best {1e3 * times[0]:.1f} ms, "
          f"median {1e3 * times[len(times) // 2]:.1f} ms for 1 proposal (torch {torch.__version__})")


if __name__ == "__main__":
    main()
