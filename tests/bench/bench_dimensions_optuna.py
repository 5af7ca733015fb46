"""What 100 iterations of Optuna's TPESampler take over 1 ... 12 dimensions, for `make bench` (tests/bench/bench_dimensions.c).

Its own defaults but for 15 random trials first, as in the paper; ask and tell, with the study in memory.  Prints Optuna's version,
then a line for each number of dimensions with the processor time of a study in seconds, the median of three.  One thread.
"""
import time

import optuna

TRIALS, STUDIES = 100, 3


def seconds(dimensions, seed):
    space = {f"x{i}": optuna.distributions.FloatDistribution(-5, 5) for i in range(dimensions)}
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(n_startup_trials=15, seed=seed))
    start = time.thread_time()
    for _ in range(TRIALS):
        trial = study.ask(space)
        study.tell(trial, sum(v * v for v in trial.params.values()))
    return time.thread_time() - start


def main():
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    seconds(1, 0)  # what is loaded when it is first used
    print(optuna.__version__)
    for dimensions in range(1, 13):
        print(dimensions, sorted(seconds(dimensions, seed) for seed in range(STUDIES))[STUDIES // 2], flush=True)


if __name__ == "__main__":
    main()
