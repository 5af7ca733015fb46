#!/usr/bin/env python3
"""Makes configs/data: a class-balanced MNIST subset as gzip IDX.

    tools/make_mnist_subset.py SOURCE [DESTINATION]

SOURCE is a folder with the four original files (tools/fetch_data.sh mnist brings them); DESTINATION is configs/data by
default.  4,000 training and 1,000 validation images come from MNIST's training set, 1,000 test images from its test set;
no image is in two parts.  Which ones: the rows of each class are put in the order of SHA-256("gsos mnist PART ROW"), the
first 400 (100) are taken, the next 100 are the validation set.  Their order in the file: one of each class in turn, the ten
of a turn again in the order of that hash, so that every prefix has the classes in proportion (to within one image each).

Needs nothing but Python's standard library.  The pixels and labels depend on nothing but the originals; the compressed
bytes depend on zlib's version too.
"""
import gzip
import hashlib
import struct
import sys
import zlib
from pathlib import Path

CLASSES = 10


def read_idx(path):
    """The dimensions and the bytes of a gzip IDX file of unsigned bytes."""
    data = gzip.open(path).read()
    zero, kind, n_dims = struct.unpack(">HBB", data[:4])
    if zero != 0 or kind != 8:
        sys.exit(f"{path}: not an IDX file of unsigned bytes")
    dims = struct.unpack(f">{n_dims}I", data[4 : 4 + 4 * n_dims])
    return dims, data[4 + 4 * n_dims :]


def write_idx(path, dims, data):
    header = struct.pack(">HBB", 0, 8, len(dims)) + struct.pack(f">{len(dims)}I", *dims)
    compressor = zlib.compressobj(9, zlib.DEFLATED, 31, 9)  # 31: a gzip wrapper with no name and no time
    path.write_bytes(compressor.compress(header + data) + compressor.flush())
    print(f"{path}  {path.stat().st_size} bytes  {' x '.join(map(str, dims))}")


def rank(part, row):
    return hashlib.sha256(f"gsos mnist {part} {row}".encode()).digest()


def stratified(part, labels, first, count):
    """Rows [first, first + count) of every class's hashed order, one of each class in turn."""
    by_class = [[] for _ in range(CLASSES)]
    for row in sorted(range(len(labels)), key=lambda row: rank(part, row)):
        by_class[labels[row]].append(row)
    rows = []
    for turn in range(first, first + count):
        rows += sorted((members[turn] for members in by_class), key=lambda row: rank(part, row))
    return rows


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    source = Path(sys.argv[1])
    destination = Path(sys.argv[2] if len(sys.argv) == 3 else "configs/data")
    destination.mkdir(parents=True, exist_ok=True)
    for name, prefix, first, count in (
        ("train", "train", 0, 400),
        ("validation", "train", 400, 100),
        ("test", "t10k", 0, 100),
    ):
        (n, height, width), images = read_idx(source / f"{prefix}-images-idx3-ubyte.gz")
        _, labels = read_idx(source / f"{prefix}-labels-idx1-ubyte.gz")
        rows = stratified(prefix, labels, first, count)
        size = height * width
        write_idx(
            destination / f"mnist-{name}-images.idx3-ubyte.gz",
            (len(rows), height, width),
            b"".join(images[row * size : (row + 1) * size] for row in rows),
        )
        write_idx(
            destination / f"mnist-{name}-labels.idx1-ubyte.gz", (len(rows),), bytes(labels[row] for row in rows)
        )


if __name__ == "__main__":
    main()
