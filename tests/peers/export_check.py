"""Runs what `gsos export` wrote, beside `gsos predict` and the network computed once more with numpy.

export_check.py onnx | torch FOLDER...

A folder holds a network, net.safetensors, and what was exported: net.onnx for ONNX Runtime, net.py for PyTorch; images as
small_images.py writes them; and said.csv, what `gsos predict --csv --top 1000` said of its PNGs.  Without that (of images that no
PNG can hold) numpy alone is compared with.  Exits 1 at the first difference."""
import importlib.util
import json
import os
import sys

import numpy as np
from safetensors_check import images_in, logits, predictions_in, raw, require

CLOSE = 1e-5


def onnx_outputs(path, metadata, images):
    """Probabilities and logits [N][classes] of the file, whose description is checked."""
    import onnx
    import onnxruntime

    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    said = {p.key: p.value for p in model.metadata_props}
    require(said == {k: v for k, v in metadata.items() if k != "format"}, f"the metadata are {said}")
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    shape = ["N", *(int(metadata[f"image_{side}"]) for side in ("height", "width", "channels"))]
    require((given.name, given.type, given.shape) == ("images", "tensor(uint8)", shape), f"the input is {given}")
    names = [o.name for o in session.get_outputs()]
    require(names == ["probabilities", "logits"], f"the outputs are {names}")
    all_of_them = session.run(None, {"images": images})
    one = session.run(None, {"images": images[:1]})
    for whole, first in zip(all_of_them, one):
        require(first.shape[0] == 1 and np.allclose(first, whole[:1], atol=CLOSE), "a batch of one differs")
    return all_of_them


def torch_outputs(path, metadata, images):
    import torch

    spec = importlib.util.spec_from_file_location("exported", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    require(module.CLASSES == json.loads(metadata["class_names"]), f"the classes are {module.CLASSES}")
    network = module.load()
    require(not network.training, "the network is left in training mode")
    require(network.dropout.p == float(metadata["dropout_rate"]), f"dropout is {network.dropout.p}")
    with torch.no_grad():
        out = network(torch.from_numpy(images.copy()))
        floats = network(torch.from_numpy(images.astype(np.float32)))
    require(torch.equal(out, floats), "bytes and floats give other outputs")
    return out.softmax(1).numpy(), out.numpy()


def compare(kind, folder):
    metadata, tensors = raw(f"{folder}/net.safetensors")
    images, classes = images_in(folder), json.loads(metadata["class_names"])
    outputs, path = {"onnx": (onnx_outputs, "net.onnx"), "torch": (torch_outputs, "net.py")}[kind]
    probabilities, before = outputs(f"{folder}/{path}", metadata, images)
    mine = np.array([logits(metadata, tensors, image.transpose(2, 0, 1)) for image in images])
    require(before.shape == mine.shape, f"{folder}: logits are {before.shape}, not {mine.shape}")
    # Logits are sums, whose last bits depend on their order: beside their own size.
    worst = np.abs(before - mine).max() / max(1, np.abs(mine).max())
    require(worst < CLOSE, f"{folder}: logits differ by {worst:.2g}")
    softmax = np.exp(mine - mine.max(1, keepdims=True))
    softmax /= softmax.sum(1, keepdims=True)
    worst = max(worst, np.abs(probabilities - softmax).max())
    require(worst < CLOSE, f"{folder}: numpy's probabilities differ by {worst:.2g}")
    said = predictions_in(f"{folder}/said.csv") if os.path.exists(f"{folder}/said.csv") else {}
    require(said or images.shape[3] not in (1, 3), f"{folder}: there are no predictions")
    for name, of_class in said.items():
        own = probabilities[int(os.path.basename(name).split(".")[0])]
        worst = max(worst, max(abs(own[i] - of_class[c]) for i, c in enumerate(classes)))
    require(worst < CLOSE, f"{folder}: the probabilities of gsos predict differ by {worst:.2g}")
    print(f"{os.path.basename(folder)}: {len(images)} images, {len(said)} beside gsos predict, largest difference {worst:.2g}")


for folder in sys.argv[2:]:
    compare(sys.argv[1], folder)
