"""Writes the inputs that the fuzzers begin with, tests/fuzz/corpus/NAME/*: small, sound and a little unsound ones, of each branch that
chance would be long in finding.  Needs Python's own library alone; run it in the root of the repository.

The JPEG images are not made here: an encoder is more than a few lines.  What stands before an image, an .npz or an IDX file is
described in the fuzzer itself."""
import gzip
import json
import os
import re
import struct
import zlib


def write(kind, name, data):
    folder = os.path.join("tests/fuzz/corpus", kind)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, name), "wb") as out:
        out.write(data)


# ---- IDX


def idx(dims, data, kind=8):
    return struct.pack(">HBB", 0, kind, len(dims)) + struct.pack(f">{len(dims)}I", *dims) + data


def pair(mode, labels, images):
    return struct.pack("<BH", mode, len(labels)) + labels + images


def idx_corpus():
    labels = idx((12,), bytes(i % 3 for i in range(12)))
    grey = idx((12, 4, 4), bytes(range(192)))
    colour = idx((12, 2, 2, 3), bytes(range(144)))
    write("idx", "grey", pair(0, labels, grey))
    write("idx", "packed", pair(3, labels, grey))
    write("idx", "colour", pair(0, labels, colour))
    write("idx", "gzip", pair(0, gzip.compress(labels, mtime=0), gzip.compress(colour, mtime=0)))
    write("idx", "gzip-cut", pair(0, labels, gzip.compress(grey, mtime=0)[:-6]))
    write("idx", "floats", pair(0, labels, idx((12, 4, 4), bytes(768), 13)))
    write("idx", "huge", pair(2, labels, idx((2**31 - 1, 65536, 65536), b"")))


# ---- npz


def npy(descr, shape, data, version=1, order=False):
    header = f"{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}"
    header = header.ljust(64 * (len(header) // 64 + 1) - 11) + "\n"
    length = struct.pack("<H" if version == 1 else "<I", len(header))
    return b"\x93NUMPY" + bytes((version, 0)) + length + header.encode() + data


def archive(*members):
    out, directory = b"", b""
    for name, data in members:
        entry = struct.pack("<HHHIIIIHH", 20, 0, 0, 0, zlib.crc32(data), len(data), len(data), len(name), 0)
        directory += b"PK\1\2" + struct.pack("<H", 20) + entry + struct.pack("<HHHII", 0, 0, 0, 0, len(out)) + name
        out += b"PK\3\4" + entry + name + data
    end = struct.pack("<HHHHIIH", 0, 0, len(members), len(members), len(directory), len(out), 0)
    return out + directory + b"PK\5\6" + end


def npz_corpus():
    labels = npy("|u1", "(12,)", bytes(i % 3 for i in range(12)))
    wide = npy("<i8", "(12, 1)", struct.pack("<12q", *(i % 3 for i in range(12))))
    negative = npy("<i4", "(12,)", struct.pack("<12i", *(i - 1 for i in range(12))))
    grey = npy("|u1", "(12, 4, 4)", bytes(range(192)))
    colour = npy("|u1", "(12, 2, 2, 3)", bytes(range(144)), 2)
    fortran = npy("|u1", "(12, 4, 4)", bytes(192), 1, True)
    write("npz", "stored", pair(3, labels, grey))
    write("npz", "deflated", pair(15, wide, colour))
    write("npz", "negative", pair(19, negative, grey))
    write("npz", "fortran", pair(3, labels, fortran))
    write("npz", "whole", pair(0, archive((b"arr_0.npy", labels)), archive((b"arr_0.npy", grey))))
    write("npz", "several", pair(2, archive((b"a.npy", labels), (b"b.npy", labels)), grey))


# ---- CIFAR


def cifar_corpus():
    names = b"cat\ndog\nbird\n" + b"x\n" * 7
    files = b"".join(bytes((1, 3, i % 3, (i + 1) % 3, 2)) for i in range(6))
    write("cifar", "ten", bytes((0, len(names))) + names + files)
    mark = b"\xef\xbb\xbfcat\r\n\r\ndog\r\n"
    write("cifar", "mark", bytes((0, len(mark))) + mark + files)
    write("cifar", "hundred", bytes((1, len(names))) + names + bytes((1, 3, 1, 5, 1, 6, 2, 7, 1, 1, 1, 5)))


# ---- PNG


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def tiff(orientation, kind=3):
    return b"II*\0" + struct.pack("<IHHHII", 8, 1, 0x112, kind, 1, orientation) + bytes(4)


def png(width, height, depth, colour, interlace=0, before=b"", after=b"", end=True):
    bits = depth * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    if interlace:
        passes = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
        sizes = [(-(-(width - x) // dx), -(-(height - y) // dy)) for x, y, dx, dy in passes if width > x and height > y]
    else:
        sizes = [(width, height)]
    rows = b"".join(
        bytes((y % 5,)) + bytes((31 * (x + y)) % 256 for x in range((w * bits + 7) // 8))
        for w, h in sizes
        for y in range(h)
    )
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace)
    palette = chunk(b"PLTE", bytes(range(48))) if colour == 3 else b""
    body = chunk(b"IHDR", head) + before + palette + chunk(b"IDAT", zlib.compress(rows)) + after
    return b"\x89PNG\r\n\x1a\n" + body + (chunk(b"IEND", b"") if end else b"")


def png_corpus():
    def image(name, data, head=bytes((0, 7, 7))):
        write("png", name, head + data)

    raw = b"Raw profile type exif\0\0" + zlib.compress(b"\nexif\n      32\n" + tiff(6).hex().encode())
    image("grey", png(9, 5, 8, 0))
    image("bits", png(9, 5, 1, 0, 1))
    image("deep", png(9, 5, 16, 2, 1), bytes((1, 4, 9)))
    image("palette", png(9, 5, 4, 3), bytes((2, 11, 3)))
    image("alpha", png(9, 5, 8, 6), bytes((3, 20, 20)))
    image("grey-alpha", png(9, 5, 16, 4))
    image("exif", png(9, 5, 8, 2, 0, chunk(b"eXIf", tiff(6))))
    image("exif-behind", png(9, 5, 8, 2, 0, b"", chunk(b"eXIf", tiff(8, 4))))
    image("exif-raw", png(9, 5, 8, 2, 0, chunk(b"zTXt", raw)))
    image("no-end", png(9, 5, 8, 2, 0, b"", b"", False))


# ---- safetensors


def safetensors_corpus():
    tensors = {
        "__metadata__": {"format": "pt", "lr": "0.01"},
        "a": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]},
        "b\u00fc": {"dtype": "F32", "shape": [], "data_offsets": [24, 28]},
    }
    write("safetensors", "two", struct.pack("<BH", 0, 28) + json.dumps(tensors).encode())
    head = json.dumps({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    write("safetensors", "whole", b"\1" + struct.pack("<Q", len(head)) + head + bytes(4))
    write("safetensors", "network", struct.pack("<BH", 0, NETWORK_BYTES) + NETWORK.encode())


# A network as gsos writes it: two convolutions of a filter each, on grey images of 4 x 4.
def network():
    shapes = {
        "conv0.weight": [1, 1, 3, 3],
        "conv0.bias": [1],
        "conv1.weight": [1, 1, 3, 3],
        "conv1.bias": [1],
        "fc0.weight": [1, 1],
        "fc0.bias": [1],
        "fc1.weight": [2, 1],
        "fc1.bias": [2],
    }
    values = (
        "gsos_version 1 num_conv_layers 2 lr 0.01 dropout_rate 0 optimizer adam epoch 1 stride 1 padding same kernel 3 "
        "num_fc_units 1 batch_size 32 filters 1 momentum 0.9 image_height 4 image_width 4 image_channels 1 resize area "
        'data_set 0123456789abcdef class_names ["a","b"] mean [0.5] deviation [0.25]'
    ).split()
    header, at = {"__metadata__": {"format": "pt", **dict(zip(values[::2], values[1::2]))}}, 0
    for name, shape in shapes.items():
        count = 1
        for dim in shape:
            count *= dim
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [at, at + 4 * count]}
        at += 4 * count
    return json.dumps(header), at


NETWORK, NETWORK_BYTES = network()

# ---- ini files, answers of programs, databases


def text_corpora():
    def ini(name, text):
        write("ini", name, text.encode())

    ini("small", "[experiment]\ntrials = 4\nstrategies = simultaneous\n[space]\nepoch = int 1 .. 1 default 1\n")
    ini(
        "command",
        "\ufeff[experiment]\r\nobjective = command\r\ndirection = maximize\r\n[command]\r\nrun = ./p \\\r\n  \"a b\" ; c\r\n"
        "[space]\r\nx = float 0 .. 1 default 0.5\r\nn = int 1 .. 8 log default 2\r\no = ordinal 1, 2.5, 4 default 1\r\n"
        "c = categorical a, b default a\r\n[groups]\r\nfirst = x, n ratio 2\r\nsecond = o, c ratio 1\r\n"
        "[enqueue]\r\nmine = x 0.25, c b\r\n",
    )
    ini("settings", "[experiment]\nobjective = function\n[function]\nname = ackley\n\0experiment.trials=9\0space.x=\0")
    ini("wrong", "[dataset]\nimagesize = 0\n[experiment\ntrials = 1\\\n")

    def answers(name, text):
        write("command", name, text.encode())

    answers("epochs", '{"epoch": 1, "value": 0.5}\n{"epoch": 2, "value": 0.75}\n\n{"value": 0.75}\n')
    answers("trial", '{"trial": 3, "study": "grouped/0", "value": 1e-3}\n')
    answers("fail", '{"fail": "no \\u00fc memory"}\n{"value": NaN}\n{"epoch": 3, "value": -Infinity}\n')
    answers("nonsense", 'loading ...\n{"value": "1"}\n{"value": 1, "value": 2}\n[1]\n')
    answers("words", "sh -c 'exit 1' \"a b\"")

    def cells(name, *changes):
        data = b"\1"
        for column, row, kind, value in changes:
            data += bytes((column, row, kind, len(value))) + value
        write("store", name, data)

    write("store", "bytes", b"\0" + struct.pack("<I", 18) + struct.pack("<I", 5000 | 7 << 24))
    write("store", "none", b"\2")
    write("store", "header", b"\2SQLite format 3\0\x10\0\1\1\0@  " + bytes(76))
    categories = json.dumps({"name": "CategoricalDistribution", "attributes": {"choices": [1, 2.5, None, "a", True]}})
    floats = json.dumps({"name": "FloatDistribution", "attributes": {"step": None, "low": 0, "high": 1, "log": False}})
    cells("choices", (0, 0, 0, categories.encode()), (1, 0, 3, struct.pack("<d", 4)))
    cells("floats", (0, 1, 0, floats.encode()), (6, 0, 4, b""), (7, 0, 0, b"INF_POS"))
    cells("steps", (9, 0, 2, struct.pack("<q", 2**62)), (12, 1, 2, struct.pack("<q", -1)), (18, 0, 2, b"\1"))
    cells("attributes", (4, 0, 0, b'{"a": [1]}'), (4, 1, 0, b"[[[["), (4, 2, 0, b'"x"'), (16, 0, 0, b"\xff"))


def wire_corpus():
    """Frames between ranks (host/link/wire.h): a byte of how they are cut up, then the stream."""
    def text(t):
        return struct.pack("<I", len(t)) + t.encode()

    def frame(kind, body=b"", slot=1, call=7):
        return b"gsbx" + struct.pack("<HHIIQ", 1, kind, slot, call, len(body)) + body

    values = struct.pack("<Iddd", 3, 0.5, 16, 1)
    trial = struct.pack("<IQ", 2, 99) + text("grouped") + struct.pack("<II", 0, 3) + values
    event = struct.pack("<IHIIddddQ", 2, 2, 1, 3, 0.5, 0.7, 0.6, 0.01, 1000) + text("diverged: the loss")
    offer = text("beta") + text("0.1") + struct.pack("<I", 3) + text("cpu") + struct.pack("<III", 1, 8, 1) + \
        text("cpu") + struct.pack("<QQ", 1 << 33, 12345)
    write("wire", "trials", b"\x05" + frame(9, trial) + frame(10, trial + struct.pack("<Q", 4) + b"kept") + frame(11, b"\x01\0\0\0"))
    write("wire", "events", b"\xff" + frame(1, struct.pack("<I", 1) + event) + frame(1, struct.pack("<i", -3) + text("no memory")))
    write("wire", "offer", b"\x01" + frame(1, offer, 0))


def ini_words():
    """Sections, keys and the words of values, from the reference."""
    words = set()
    with open("configs/reference.ini") as lines:
        for line in lines:
            match = re.match(r"#?(\[\w+\])|#?(\w+) +=(.*)", line)
            if match:
                words.update(word for word in match.groups()[:2] if word)
                words.update(re.findall(r"[\w.]+", match.group(3) or ""))
    with open("tests/fuzz/ini.dict", "w") as out:
        out.write("# The words of configs/reference.ini, for the fuzzer of ini files: written by make_corpus.py.\n")
        out.writelines(f'"{word}"\n' for word in sorted(words))


ini_words()
idx_corpus()
npz_corpus()
cifar_corpus()
png_corpus()
safetensors_corpus()
text_corpora()
wire_corpus()
