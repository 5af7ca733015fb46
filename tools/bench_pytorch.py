#!/usr/bin/python3
"""The same network in PyTorch, for the benchmark to compare with.

  bench_pytorch.py serve SIZE CHANNELS BATCH   answers "time STEPS" on stdin with the CPU seconds of that many training steps
  bench_pytorch.py learn DATA [EPOCHS]         trains three seeds on an IDX data set, prints each one's test accuracy
  bench_pytorch.py gpu [--limit SECONDS] [--json FILE] [--device cpu]
                                               times a training step on the GPU: eager, as a CUDA graph, by torch.compile, and
                                               of processes side by side; each row also as a line of JSON

One thread; whoever starts it chooses the core.  The network is the default one: three times convolution (32 filters, 3x3,
same), ReLU, 2x2 max pool; then 64 fully connected units, ReLU, and the classes.  Weights start uniform in
+-sqrt(6 / fan_in), biases 0; Adam, learning rate 0.001.
"""
import argparse
import gzip
import json
import math
import os
import statistics
import struct
import subprocess
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


# ---- on a GPU
#
# ----------------------------------------------------------------------------------------------------------------

SHAPES = ((28, 1, 32), (64, 3, 128))  # as tests/bench/bench_cohort.c has them
STORED = 8192


class Step:
    """A training step as gsos makes it: gather a batch of byte images on the device, normalise, forward, backward, Adam."""

    def __init__(self, mode, size, channels, batch, device):
        torch.manual_seed(0)
        self.cuda = device == "cuda"
        self.mode = mode
        self.model = network(size, channels).to(device)
        self.loss_of = nn.CrossEntropyLoss()
        fast = {"fused": True, "capturable": mode == "graph"} if self.cuda else {}
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=0.001, **fast)
        self.images = torch.randint(0, 256, (STORED, channels, size, size), dtype=torch.uint8, device=device)
        self.labels = torch.randint(0, 10, (STORED,), device=device)
        self.order = torch.stack([torch.randperm(STORED, device=device)[:batch] for _ in range(64)])
        self.rows = self.order[0].clone()
        self.forward = torch.compile(self.loss) if mode == "compile" else self.loss
        self.graph = None
        for i in range(5):  # before a capture, and to let cuDNN choose
            self(i)
        if mode == "graph":
            self.capture()
        self.wait()

    def loss(self, rows):
        x = (self.images[rows].float() / 255 - 0.5) / 0.29
        return self.loss_of(self.model(x), self.labels[rows])

    def train(self):
        self.optimizer.zero_grad(set_to_none=True)
        self.forward(self.rows).backward()
        self.optimizer.step()

    def capture(self):
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                self.train()
        torch.cuda.current_stream().wait_stream(side)
        self.optimizer.zero_grad(set_to_none=True)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self.train()
        self.graph = graph

    def __call__(self, i):
        self.rows.copy_(self.order[i % len(self.order)])
        if self.graph:
            self.graph.replay()
        else:
            self.train()

    def wait(self):
        if self.cuda:
            torch.cuda.synchronize()

    def seconds(self, steps):
        self.wait()
        start = time.perf_counter()
        for i in range(steps):
            self(i)
        self.wait()
        return time.perf_counter() - start


def time_step(step, least=5, most=15, piece_s=0.1):
    """Median and fastest microseconds of a step, over pieces of many."""
    steps = max(2, int(piece_s / (step.seconds(8) / 8 + 1e-9)))
    times = [step.seconds(steps) / steps * 1e6 for _ in range(least)]
    while len(times) < most and sum(times) * steps < 0.5e6:
        times.append(step.seconds(steps) / steps * 1e6)
    return statistics.median(times), min(times)


def gpu_settings(precision):
    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    torch.backends.cudnn.allow_tf32 = precision == "tf32"
    torch.backends.cudnn.benchmark = True


def gpu_one(mode, precision, size, channels, batch, seconds, device):
    """One of several processes: says that it is ready, waits, trains for a while, and tells its steps a second."""
    gpu_settings(precision)
    step = Step(mode, size, channels, batch, device)
    print("ready", flush=True)
    sys.stdin.readline()
    steps, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        step.seconds(20)
        steps += 20
    print(steps / (time.perf_counter() - start), flush=True)


def side_by_side(n, mode, precision, shape, device, seconds):
    command = [sys.executable, os.path.abspath(__file__), "gpu-one", mode, precision, *map(str, shape), str(seconds), device]
    crew = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(n)]
    try:
        ready = [p.stdout.readline().strip() for p in crew]
        if ready != ["ready"] * n:
            raise RuntimeError("a process did not start")
        for p in crew:
            p.stdin.write("go\n")
            p.stdin.flush()
        return sum(float(p.stdout.readline()) for p in crew)
    finally:
        for p in crew:
            p.stdin.close()
            p.wait()


def gpu(arguments):
    parser = argparse.ArgumentParser(prog="bench_pytorch.py gpu")
    parser.add_argument("--limit", type=float, default=math.inf)
    parser.add_argument("--json", default=os.devnull)
    parser.add_argument("--device", default="cuda")
    options = parser.parse_args(arguments)
    device, began = options.device, time.monotonic()
    precisions = ("fp32", "tf32") if device == "cuda" else ("fp32",)
    modes = ("eager", "graph") if device == "cuda" else ("eager",)
    jobs = [("step", mode, p, shape, 1) for shape in SHAPES for p in precisions for mode in modes]
    if device == "cuda":
        jobs += [("step", "compile", p, shape, 1) for shape in SHAPES for p in precisions]
    jobs += [("processes", modes[-1], precisions[-1], SHAPES[0], n) for n in ((4, 8) if device == "cuda" else (2,))]
    print(f"PyTorch {torch.__version__}, {torch.cuda.get_device_name() if device == 'cuda' else device}")
    print(f"{'images':8} {'batch':>5}  prec {'mode':8} {'processes':>9} {'median us':>10} {'best us':>10} {'images/s':>11}")
    with open(options.json, "w", encoding="utf-8") as out:
        for kind, mode, precision, (size, channels, batch), n in jobs:
            row = {"kind": f"pytorch-{kind}", "mode": mode, "shape": f"{size}x{size}x{channels}", "batch": batch,
                   "precision": precision, "processes": n, "torch": torch.__version__}
            head = f"{row['shape']:8} {batch:5}  {precision} {mode:8} {n:9}"
            longest = 25 if mode == "compile" or kind == "processes" else 4  # seconds that such a row may take
            if time.monotonic() - began + longest > options.limit:
                row["left_out"] = "no time left"
                print(head, "left out: no time left")
            else:
                gpu_settings(precision)
                try:
                    if kind == "step":
                        row["step_us"], row["best_us"] = time_step(Step(mode, size, channels, batch, device))
                        row["images_per_s"] = batch / row["step_us"] * 1e6
                        print(head, f"{row['step_us']:10.1f} {row['best_us']:10.1f} {row['images_per_s']:11.0f}")
                    else:
                        row["images_per_s"] = batch * side_by_side(n, mode, precision, (size, channels, batch), device, 2)
                        print(head, f"{'':10} {'':10} {row['images_per_s']:11.0f}")
                except Exception as e:  # whatever torch lacks here (a compiler for torch.compile, memory): the next row
                    row["error"] = str(e).strip().split("\n")[0][:200]
                    print(head, "cannot run:", row["error"])
            sys.stdout.flush()
            out.write(json.dumps(row) + "\n")
            out.flush()


if __name__ == "__main__":
    if len(sys.argv) == 5 and sys.argv[1] == "serve":
        serve(*map(int, sys.argv[2:]))
    elif len(sys.argv) in (3, 4) and sys.argv[1] == "learn":
        learn(sys.argv[2], int(sys.argv[3]) if len(sys.argv) == 4 else 8)
    elif len(sys.argv) > 1 and sys.argv[1] == "gpu":
        gpu(sys.argv[2:])
    elif len(sys.argv) == 9 and sys.argv[1] == "gpu-one":
        gpu_one(sys.argv[2], sys.argv[3], *map(int, sys.argv[4:7]), float(sys.argv[7]), sys.argv[8])
    else:
        sys.exit(__doc__)
