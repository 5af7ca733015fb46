#!/usr/bin/python3
"""The same network in PyTorch, for the benchmark to compare with.

  bench_pytorch.py serve SIZE CHANNELS BATCH   answers "time STEPS" on stdin with the CPU seconds of so many training steps
  bench_pytorch.py learn DATA [EPOCHS]         trains three seeds on an IDX data set, prints each one's test accuracy

One thread; whoever starts it chooses the core.  The network is the default one: three times convolution (32 filters, 3x3,
same), ReLU, 2x2 max pool; then 64 fully connected units, ReLU, and the classes.  Weights start uniform in
+-sqrt(6 / fan_in), biases 0; Adam, learning rate 0.001.
"""
import gzip
import math
import os
import struct
import sys
import time

try:
    import torch
    from torch import nn
except ImportError:
    sys.exit(1)

torch.set_num_threads(1)


def network(size, channels, classes=10):
    layers, side = [], size
    for i in range(3):
        layers += [nn.Conv2d(channels if i == 0 else 32, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
        side //= 2
    layers += [nn.Flatten(), nn.Linear(32 * side * side, 64), nn.ReLU(), nn.Linear(64, classes)]
    for layer in layers:
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            bound = math.sqrt(6 / layer.weight[0].numel())
            nn.init.uniform_(layer.weight, -bound, bound)
            nn.init.zeros_(layer.bias)
    return nn.Sequential(*layers)


def serve(size, channels, batch):
    torch.manual_seed(0)
    model = network(size, channels)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.001)
    loss_of = nn.CrossEntropyLoss()
    images, labels = torch.randn(batch, channels, size, size), torch.randint(0, 10, (batch,))

    def run(steps):
        start = time.thread_time()
        for _ in range(steps):
            optimizer.zero_grad()
            loss = loss_of(model(images), labels)
            loss.backward()
            optimizer.step()
            loss.item()
        return time.thread_time() - start

    run(3)
    print("ready", torch.__version__, flush=True)
    for line in sys.stdin:
        print(run(int(line.split()[1])), flush=True)


def idx(path):
    with gzip.open(path, "rb") as f:
        data = f.read()
    dims = data[3]
    shape = struct.unpack(">" + "I" * dims, data[4:4 + 4 * dims])
    return torch.frombuffer(bytearray(data[4 + 4 * dims:]), dtype=torch.uint8).reshape(shape)


def learn(folder, epochs):
    parts = {}
    for part in ("train", "test"):
        x = idx(os.path.join(folder, f"mnist-{part}-images.idx3-ubyte.gz")).float() / 255
        y = idx(os.path.join(folder, f"mnist-{part}-labels.idx1-ubyte.gz")).long()
        parts[part] = (x.unsqueeze(1), y)
    mean, deviation = parts["train"][0].mean(), parts["train"][0].std(unbiased=False)
    (x, y), (test_x, test_y) = [((a - mean) / deviation, b) for a, b in (parts["train"], parts["test"])]
    loss_of = nn.CrossEntropyLoss()
    accuracies = []
    for seed in range(3):
        torch.manual_seed(seed)
        model = network(x.shape[2], 1)
        optimizer = torch.optim.Adam(model.parameters(), lr=0.001)
        for _ in range(epochs):
            order = torch.randperm(len(x))
            for i in range(0, len(x), 32):
                batch = order[i:i + 32]
                optimizer.zero_grad()
                loss_of(model(x[batch]), y[batch]).backward()
                optimizer.step()
        with torch.no_grad():
            accuracies.append((model(test_x).argmax(1) == test_y).float().mean().item() * 100)
    print(" ".join(f"{a:.1f}" for a in accuracies), flush=True)


if __name__ == "__main__":
    if len(sys.argv) == 5 and sys.argv[1] == "serve":
        serve(*map(int, sys.argv[2:]))
    elif len(sys.argv) in (3, 4) and sys.argv[1] == "learn":
        learn(sys.argv[2], int(sys.argv[3]) if len(sys.argv) == 4 else 8)
    else:
        sys.exit(__doc__)
