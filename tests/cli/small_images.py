"""A small data set for the shell tests, with nothing but Python's own library.

small_images.py FOLDER HEIGHT WIDTH CHANNELS CLASSES TRAIN TEST PNGS

writes train-images, train-labels, test-images and test-labels (IDX) and the first PNGS test images as 0.png, 1.png, ...
Class c has a bright band c of CLASSES from top to bottom, under noise."""
import os
import random
import struct
import sys
import zlib


def image(rng, label, height, width, channels, classes):
    band = height // classes
    return bytes(
        (120 if label * band <= y < (label + 1) * band else 40) + rng.randrange(100)
        for y in range(height)
        for _ in range(width * channels)
    )


def idx(path, dims, data):
    with open(path, "wb") as out:
        out.write(struct.pack(">HBB", 0, 8, len(dims)) + struct.pack(f">{len(dims)}I", *dims) + data)


def png(path, height, width, channels, data):
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    row = width * channels
    rows = b"".join(b"\0" + data[y * row : (y + 1) * row] for y in range(height))
    with open(path, "wb") as out:
        out.write(b"\x89PNG\r\n\x1a\n")
        out.write(chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0 if channels == 1 else 2, 0, 0, 0)))
        out.write(chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def main():
    folder = sys.argv[1]
    height, width, channels, classes, train, test, pngs = map(int, sys.argv[2:9])
    rng = random.Random(1)
    os.makedirs(folder, exist_ok=True)
    for part, n in (("train", train), ("test", test)):
        labels = bytes(i % classes for i in range(n))
        images = [image(rng, label, height, width, channels, classes) for label in labels]
        dims = (n, height, width) if channels == 1 else (n, height, width, channels)
        idx(f"{folder}/{part}-images", dims, b"".join(images))
        idx(f"{folder}/{part}-labels", (n,), labels)
    for i in range(pngs):
        png(f"{folder}/{i}.png", height, width, channels, images[i])


main()
