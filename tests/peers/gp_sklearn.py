"""Does scikit-learn's GaussianProcessRegressor, which we did not write, agree with our Gaussian process?

    gp_sklearn.py PROBLEMS    as test_gp --write wrote them; says the largest differences, exits 1 where one is above 1e-6

A categorical becomes one-hot columns times 1/sqrt(2), which makes the squared distance of two labels 1, all with the lengthscale of
the categorical.  Differences are those of likelihood, its gradient, posterior mean and deviation, divided by max(1, |value|).
scikit-learn fits a mean of zero, so the mean is taken off first.
"""
import sys
import warnings

import numpy as np
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

warnings.filterwarnings("ignore")
LABELS = 4
BOUND = 1e-6


def encode(x, categorical):
    columns, owner = [], []
    for i in range(x.shape[1]):
        if categorical[i]:
            for label in range(LABELS):
                columns.append((x[:, i] == label) / np.sqrt(2))
                owner.append(i)
        else:
            columns.append(x[:, i])
            owner.append(i)
    return np.array(columns).T, np.array(owner)


def main():
    lines = iter([line.split() for line in open(sys.argv[1])])
    worst = dict.fromkeys(("likelihood", "gradient", "mean", "deviation"), 0.0)
    problems = 0

    def differ(what, ours, theirs):
        ours, theirs = np.asarray(ours), np.asarray(theirs)
        d = np.max(np.abs(ours - theirs) / np.maximum(1, np.abs(theirs)))
        worst[what] = max(worst[what], float(d) if np.isfinite(d) else np.inf)

    for head in lines:
        n, d = int(head[1]), int(head[2])
        categorical = np.array(next(lines), int)
        lengthscale = np.array(next(lines), float)
        signal, noise, mean = map(float, next(lines))
        value, *gradient = map(float, next(lines))
        rows = np.array([next(lines) for _ in range(n)], float)
        m = int(next(lines)[1])
        points = np.array([next(lines) for _ in range(m)], float)
        x, owner = encode(rows[:, :d], categorical)
        kernel = ConstantKernel(signal) * Matern(lengthscale[owner], nu=2.5) + WhiteKernel(noise)
        gp = GaussianProcessRegressor(kernel, alpha=0, optimizer=None).fit(x, rows[:, d] - mean)
        theirs, by = gp.log_marginal_likelihood(gp.kernel_.theta, eval_gradient=True)
        differ("likelihood", value, theirs)
        # theta: log signal, log lengthscales, log noise; columns of one categorical add up.
        by_length = np.array([by[1:-1][owner == i].sum() for i in range(d)])
        differ("gradient", gradient, np.concatenate([by_length, [by[0], by[-1]]]))
        mu, sd = gp.predict(encode(points[:, :d], categorical)[0], return_std=True)
        differ("mean", points[:, d], mu + mean)
        # Its deviation is that of an observation, noise included.
        differ("deviation", np.sqrt(points[:, d + 1] ** 2 + noise), sd)
        problems += 1
    print(f"{problems} problems; largest differences: " + ", ".join(f"{k} {v:.1e}" for k, v in worst.items()))
    return 0 if problems >= 10 and max(worst.values()) <= BOUND else 1


if __name__ == "__main__":
    sys.exit(main())
