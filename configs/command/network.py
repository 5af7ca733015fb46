"""A program that gsos can search: a small network in plain Python that learns whether a point lies in a ring.

It reads a line of JSON for each trial, trains, prints a line after each epoch, and a last one with the trial's value, its accuracy
on points that it was not trained with.  Each line names the trial, so that none can be taken for another's.  At the end of its
input it ends."""
import json
import math
import random
import sys


def points(n, rng):
    """n points in a square, and for each whether it lies in the ring."""
    drawn = [(rng.uniform(-1, 1), rng.uniform(-1, 1)) for _ in range(n)]
    return [(x, y, 1.0 if 0.4 < math.hypot(x, y) < 0.8 else 0.0) for x, y in drawn]


TRAINING = points(200, random.Random(1))
VALIDATION = points(200, random.Random(2))
# The function, and its derivative where the function's value is v.
ACTIVATIONS = {
    "tanh": (math.tanh, lambda v: 1 - v * v),
    "relu": (lambda u: max(u, 0.0), lambda v: 1.0 if v > 0 else 0.0),
}


class Network:
    def __init__(self, units, activation, rng):
        self.f, self.slope = ACTIVATIONS[activation]
        self.inner = [[rng.gauss(0, 1.5) for _ in range(3)] for _ in range(units)]
        self.outer = [rng.gauss(0, 1 / math.sqrt(units)) for _ in range(units)]
        self.bias = 0.0

    def forward(self, x, y):
        hidden = [self.f(a * x + b * y + c) for a, b, c in self.inner]
        u = self.bias + sum(w * h for w, h in zip(self.outer, hidden))
        return hidden, 1 / (1 + math.exp(-max(-60.0, min(60.0, u))))

    def learn(self, x, y, label, rate):
        hidden, p = self.forward(x, y)
        error = p - label
        for i, h in enumerate(hidden):
            back = error * self.outer[i] * self.slope(h)
            self.outer[i] -= rate * error * h
            weights = self.inner[i]
            weights[0] -= rate * back * x
            weights[1] -= rate * back * y
            weights[2] -= rate * back
        self.bias -= rate * error

    def accuracy(self):
        return sum((self.forward(x, y)[1] > 0.5) == (label == 1) for x, y, label in VALIDATION) / len(VALIDATION)


def train(params, seed):
    """The accuracy after each epoch."""
    rng = random.Random(seed)
    network = Network(params["units"], params["activation"], rng)
    order = list(TRAINING)
    for _ in range(params["epochs"]):
        rng.shuffle(order)
        for x, y, label in order:
            network.learn(x, y, label, params["rate"])
        yield network.accuracy()


for line in sys.stdin:
    trial = json.loads(line)
    accuracy = 0.0
    for epoch, accuracy in enumerate(train(trial["params"], trial["seed"]), 1):
        print(json.dumps({"trial": trial["trial"], "epoch": epoch, "value": accuracy}), flush=True)
    print(json.dumps({"trial": trial["trial"], "value": accuracy}), flush=True)
