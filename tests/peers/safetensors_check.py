"""Reads a network that gsos wrote with Python's safetensors, and computes it once more with numpy alone.

safetensors_check.py NETWORK.safetensors PREDICTIONS.csv FOLDER NAME=VALUE...

FOLDER holds the images 0.png, 1.png, ... of small_images.py, whose bytes are read from its test-images; PREDICTIONS.csv is
what `gsos predict --csv --top 1000` said of them.  NAME=VALUE are metadata that must be there.  Exits 1 at the first
difference."""
import csv
import json
import os
import struct
import sys

import numpy as np
from safetensors import safe_open
from safetensors.numpy import load_file


def require(condition, what):
    if not condition:
        sys.exit(f"safetensors_check: {what}")


def raw(path):
    """The file as its description says, read without the library."""
    with open(path, "rb") as f:
        data = f.read()
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + length])
    metadata = header.pop("__metadata__")
    tensors = {}
    for name, t in header.items():
        begin, end = t["data_offsets"]
        require(t["dtype"] == "F32", f"{name} is {t['dtype']}")
        tensors[name] = np.frombuffer(data[8 + length + begin : 8 + length + end], "<f4").reshape(t["shape"])
    return metadata, tensors


def expected_shapes(m):
    size = [int(m["image_height"]), int(m["image_width"])]
    kernel, stride, filters = int(m["kernel"]), int(m["stride"]), int(m["filters"])
    channels, shapes = int(m["image_channels"]), {}
    for layer in range(int(m["num_conv_layers"])):
        shapes[f"conv{layer}.weight"] = (filters, channels, kernel, kernel)
        shapes[f"conv{layer}.bias"] = (filters,)
        pad = (kernel - 1) // 2 if m["padding"] == "same" else 0
        size = [((n + 2 * pad - kernel) // stride + 1) // 2 for n in size]
        channels = filters
    units, classes = int(m["num_fc_units"]), len(json.loads(m["class_names"]))
    shapes["fc0.weight"], shapes["fc0.bias"] = (units, filters * size[0] * size[1]), (units,)
    shapes["fc1.weight"], shapes["fc1.bias"] = (classes, units), (classes,)
    return shapes


def logits(m, t, image):
    """[C][H][W] bytes to what the softmax is of, in double precision."""
    mean, deviation = (np.array(json.loads(m[key])).reshape(-1, 1, 1) for key in ("mean", "deviation"))
    kernel, stride = int(m["kernel"]), int(m["stride"])
    pad = (kernel - 1) // 2 if m["padding"] == "same" else 0
    x = (image / 255.0 - mean) / deviation
    for layer in range(int(m["num_conv_layers"])):
        w, b = (t[f"conv{layer}.{what}"].astype(np.float64) for what in ("weight", "bias"))
        x = np.pad(x, ((0, 0), (pad, pad), (pad, pad)))
        windows = np.lib.stride_tricks.sliding_window_view(x, (kernel, kernel), axis=(1, 2))[:, ::stride, ::stride]
        x = np.maximum(np.einsum("chwij,kcij->khw", windows, w) + b[:, None, None], 0)
        h, v = x.shape[1] // 2, x.shape[2] // 2
        x = x[:, : 2 * h, : 2 * v].reshape(x.shape[0], h, 2, v, 2).max(axis=(2, 4))
    x = x.reshape(-1)
    x = np.maximum(t["fc0.weight"].astype(np.float64) @ x + t["fc0.bias"], 0)
    return t["fc1.weight"].astype(np.float64) @ x + t["fc1.bias"]


def forward(m, t, image):
    """The same to class probabilities."""
    x = logits(m, t, image)
    e = np.exp(x - x.max())
    return e / e.sum()


def predictions_in(path):
    """{path of an image: {class: probability}} of what `gsos predict --csv` printed."""
    said = {}
    with open(path, newline="") as f:
        for row in csv.DictReader(f):
            said.setdefault(row["path"], {})[row["class"]] = float(row["probability"])
    return said


def images_in(folder):
    """[N][H][W][C] bytes."""
    with open(f"{folder}/test-images", "rb") as f:
        data = f.read()
    n_dims = data[3]
    dims = struct.unpack(f">{n_dims}I", data[4 : 4 + 4 * n_dims])
    return np.frombuffer(data[4 + 4 * n_dims :], np.uint8).reshape(dims[0], dims[1], dims[2], -1)


def main():
    path, predictions, folder, wanted = sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:]
    metadata, tensors = raw(path)
    with safe_open(path, framework="np") as f:
        require(f.metadata() == metadata, "the library reads other metadata")
        require(set(f.keys()) == set(tensors), "the library reads other names")
    loaded = load_file(path)
    for name, t in tensors.items():
        require(loaded[name].dtype == np.float32, f"the library reads {name} as {loaded[name].dtype}")
        require(loaded[name].shape == t.shape and np.array_equal(loaded[name], t), f"the library reads another {name}")
    shapes = expected_shapes(metadata)
    require({n: t.shape for n, t in tensors.items()} == shapes, f"shapes are not {shapes}")
    require(metadata["format"] == "pt", "the format is not pt")
    for pair in wanted:
        key, value = pair.split("=", 1)
        require(metadata.get(key) == value, f"metadata {key} is {metadata.get(key)!r}, not {value!r}")

    classes = json.loads(metadata["class_names"])
    said = predictions_in(predictions)
    require(said, "there are no predictions")
    images = images_in(folder)
    worst = 0.0
    for name, probabilities in said.items():
        image = images[int(os.path.basename(name).split(".")[0])].transpose(2, 0, 1)
        mine = forward(metadata, loaded, image)
        require(set(probabilities) == set(classes), f"{name}: classes are {sorted(probabilities)}")
        worst = max(worst, max(abs(mine[i] - probabilities[c]) for i, c in enumerate(classes)))
    # Single precision through a few hundred sums a layer, and six digits in the CSV.
    require(worst < 1e-4, f"numpy's probabilities differ by {worst:.2g}")
    print(f"{len(tensors)} tensors, {len(said)} images, largest difference {worst:.2g}")


if __name__ == "__main__":
    main()
