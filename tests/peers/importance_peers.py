"""Do others who measure the importance of hyperparameters agree with gsos?

    importance_peers.py make STUDIES.DB [plain]      ten studies of 200 random trials each, made through Optuna; in
                                                     STUDIES.DB.json as coordinates, for where there is no Optuna; plain: of hyperparameters
                                                     without a logarithmic scale
    importance_peers.py pedanova STUDIES.DB GSOS     against Optuna's PedAnovaImportanceEvaluator
    importance_peers.py fanova STUDIES.DB GSOS       against Optuna's FanovaImportanceEvaluator
    importance_peers.py nrrelieff STUDIES.DB GSOS    against scikit-rebate's ReliefF
    ... GSOS OTHER.DB                                gsos reads OTHER.DB

GSOS is the program; its `importance STUDIES.DB --method NAME --json` is read.  What is compared is the rank correlation of the
weights (Spearman's, ties at the mean of their ranks), study by study.

PED-ANOVA is the same measure on both sides: the weights themselves must be equal to 1e-6.  fANOVA is the same measure on other
forests, and Optuna's has no logarithmic scale, so its studies are plain; the ranks are held, in the mean over the
studies.  scikit-rebate's ReliefF is another
member of RReliefF's family (it asks of two values only whether they are further apart than their deviation, and its neighbours all
count alike), so only the ranks are held: those of its positive scores, in the mean over the studies.
"""

import json
import math
import sqlite3
import subprocess
import sys

import numpy as np

STUDIES, TRIALS = 10, 200
RANKS_AT_LEAST = {"pedanova": 0.9, "fanova": 0.9, "nrrelieff": 0.7}
WEIGHTS_TO = 1e-6
NAMES = ["lr", "momentum", "width", "filters", "layers", "optimizer", "activation", "noise"]


def ask(trial, plain):
    """A configuration, and each hyperparameter's coordinate in 0 ... 1."""
    lr = trial.suggest_float("lr", 1e-5, 1.0, log=not plain)
    momentum = trial.suggest_float("momentum", -2.0, 6.0)
    width = trial.suggest_int("width", 1, 1000, log=not plain)
    filters = trial.suggest_int("filters", 8, 256)
    layers = trial.suggest_int("layers", 2, 6)
    optimizer = trial.suggest_categorical("optimizer", ["adam", "sgd", "rmsprop"])
    activation = trial.suggest_categorical("activation", ["relu", "tanh"])
    noise = trial.suggest_float("noise", 0.0, 1.0)
    return [
        lr if plain else (math.log10(lr) + 5) / 5,
        (momentum + 2) / 8,
        width / 1000 if plain else math.log10(width) / 3,
        (filters - 8) / 248,
        (layers - 2) / 4,
        ["adam", "sgd", "rmsprop"].index(optimizer) / 2,
        float(activation == "tanh"),
        noise,
    ]


def add_as_the_first(path, study, trials):
    """Adds them as Optuna has added the first one: Study.add_trials asks the database for each value of each trial, a quarter of a
    minute for two thousand."""
    from optuna.distributions import distribution_to_json

    with sqlite3.connect(path) as db:
        state, value_type = db.execute("SELECT state, value_type FROM trials JOIN trial_values USING (trial_id) WHERE study_id = ?", (study,)).fetchone()
        for trial in trials:
            key = db.execute(
                "INSERT INTO trials (number, study_id, state, datetime_start, datetime_complete) VALUES (?, ?, ?, ?, ?)",
                (trial.number, study, state, str(trial.datetime_start), str(trial.datetime_complete)),
            ).lastrowid
            db.execute("INSERT INTO trial_values (trial_id, objective, value, value_type) VALUES (?, 0, ?, ?)", (key, trial.value, value_type))
            db.executemany(
                "INSERT INTO trial_params (trial_id, param_name, param_value, distribution_json) VALUES (?, ?, ?, ?)",
                [(key, name, d.to_internal_repr(trial.params[name]), distribution_to_json(d)) for name, d in trial.distributions.items()],
            )


def make(path, plain):
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)

    storage = f"sqlite:///{path}"
    studies = {}
    for number in range(STUDIES):
        factors = np.random.default_rng(number).permutation(0.7 ** np.arange(len(NAMES)))
        direction, sign = ("maximize", 1) if number % 2 else ("minimize", -1)
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=number), direction=direction)
        study.optimize(lambda trial: sign * float(np.dot(factors, ask(trial, plain))), n_trials=TRIALS)
        kept = optuna.create_study(storage=storage, study_name=f"study{number}", direction=direction)
        kept.add_trial(study.trials[0])
        add_as_the_first(path, kept._study_id, study.trials[1:])
        studies[f"study{number}"] = [[ask(trial, plain), trial.value] for trial in study.trials]
    assert len(kept.trials) == TRIALS and kept.trials[-1].params == study.trials[-1].params
    with open(path + ".json", "w", encoding="utf-8") as file:
        json.dump(studies, file)


def of_gsos(gsos, path, method):
    """Weights by the names of studies and hyperparameters."""
    said = subprocess.run([gsos, "importance", path, "--method", method, "--json"], check=True, stdout=subprocess.PIPE).stdout
    return {
        study["name"]: {w["name"]: w["weight"] for m in study["methods"] if m["method"] == method for w in m["weights"]}
        for study in json.loads(said)["studies"]
    }


def of_optuna(path, name, method):
    import optuna

    study = optuna.load_study(study_name=name, storage=f"sqlite:///{path}")
    if method == "fanova":
        weights = optuna.importance.FanovaImportanceEvaluator(seed=0).evaluate(study)
    else:
        weights = optuna.importance.PedAnovaImportanceEvaluator().evaluate(study)
    return np.array([weights[name] for name in NAMES])  # Optuna 5 leaves it to its caller to make their sum 1


def of_rebate(trials):
    from skrebate import ReliefF

    coordinates, values = np.array([trial[0] for trial in trials]), np.array([trial[1] for trial in trials])
    labels = [NAMES.index("optimizer"), NAMES.index("activation")]
    return np.maximum(ReliefF(n_neighbors=70, categorical_features=labels).fit(coordinates, values).feature_importances_, 0)


def ranks(values):
    values = np.asarray(values)
    return np.array([np.sum(values < v) + (np.sum(values == v) + 1) / 2 for v in values])


def compare(method, path, gsos, other=None):
    ours = of_gsos(gsos, other or path, method)
    correlations, apart = [], 0.0
    with open(path + ".json", encoding="utf-8") as file:
        studies = json.load(file)
    for study, trials in studies.items():
        mine = [ours[study][name] for name in NAMES]
        theirs = of_rebate(trials) if method == "nrrelieff" else of_optuna(path, study, method)
        correlations.append(float(np.corrcoef(ranks(mine), ranks(theirs))[0, 1]))
        apart = max(apart, float(np.max(np.abs(mine - theirs / np.sum(theirs)))))
    print(f"{method}: {len(correlations)} studies, rank correlation in the mean {np.mean(correlations):.3f}, "
          f"least {min(correlations):.3f}; weights differ by up to {apart:.1e}")
    good = len(correlations) == STUDIES and np.mean(correlations) >= RANKS_AT_LEAST[method]
    if method == "pedanova":
        good = good and min(correlations) >= RANKS_AT_LEAST[method] and apart <= WEIGHTS_TO
    return 0 if good else 1


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make(sys.argv[2], sys.argv[3:] == ["plain"])
    else:
        sys.exit(compare(*sys.argv[1:]))
