"""Files as users have them, and why they cannot be trained on: a part of the catalogue of wrong inputs.

Each entry is a function that builds the input in a folder of its own and returns the command, and what the message
must match.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Case = tuple[Callable[[Any], list[str]], str]


def png(name: str) -> bytes:
    """An image that follows from `name`."""
    seed, stream = int(hashlib.sha256(name.encode()).hexdigest()[:8], 16), io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def last(*done: Any) -> Any:
    """The last of what was done one after the other: the command."""
    return done[-1]


KINDS: dict[str, Case] = {
    "images in a column of their own, which are not there": (
        lambda w: w.table("image,label\na.png,cat\nb.png,dog\nx.png,cat\n"),
        r"labels.csv line 4: 'x.png' is not a file in .*photos",
    ),
    "ids of images beside their paths": (
        lambda w: w.table("image_id,path,label\n7,a.png,cat\n8,b.png,dog\n9,x.png,cat\n"),
        r"labels.csv line 4: 'x.png' is not a file in .*photos",
    ),
    "a table of paths and two columns of images": (
        lambda w: w.table("image,path,image_id,label\nx.nii,a.png,1,cat\ny.nii,x.png,2,dog\n"),
        r"labels.csv line 3: 'x.png' is not a file in .*photos",
    ),
    "two columns of images and none of paths": (
        lambda w: w.table("image,image_id,label\na.png,1,cat\n"),
        r"labels.csv line 1: image and image_id may each name the images: rename the one that does to 'path'",
    ),
    "a table as the data": (
        lambda w: last(w.table("path,label\na.png,cat\n"), ["train", "labels.csv", *w.train[2:]]),
        r"labels.csv is a table alone: name the folder of its images, and the table with --labels .*labels.csv",
    ),
    "a table with images as the data": (
        lambda w: last(w.table("image,label\na.png,cat\n"), ["train", "labels.csv", *w.train[2:]]),
        r"labels.csv is a table alone: name the folder of its images",
    ),
    "folders for scans without any": (
        lambda w: last(w.path("photos/images/x"), w.path("photos/labels/x"), w.train),
        r"photos/images holds no scans \(known suffixes: \.nii",
    ),
    "folders for scans without any, and a method for images": (
        lambda w: last(w.path("photos/images/x"), w.path("photos/labels/x"), [*w.train, "--method", "fixmatch"]),
        r"photos/images holds no scans",
    ),
    "no such folder, and a method for scans": (
        lambda w: [*w.train[:4], "--method", "ua-mt"],
        r"photos: no such file or folder",
    ),
    "a folder without images, and a setting for scans": (
        lambda w: last(w.path("photos/cat/x"), [*w.train, "--scan.spacing", "1,1,1"]),
        r"photos holds no images",
    ),
    "boxes in a folder of labels": (
        lambda w: last(w.image("photos/images/a.jpg"), w.write("photos/labels/a.txt", "0 1 1 2 2"), w.train),
        r"photos: class 'labels' has no labeled image",
    ),
}

ROWS = "path,label\na.png,cat\nb.png,cat\nc.png,dog\nd.png,dog\n"


def rows(*more: str, images: tuple[str, ...] = ()) -> Callable[[Any], list[str]]:
    """Training with a good table and further rows; `images` are there besides a.png to h.png."""
    return lambda w: last(w.image(*(f"photos/{name}" for name in images)), w.table(ROWS + "\n".join(more)))


PATHS: dict[str, Case] = {
    "an image in a folder that is not named": (
        rows("x.png,cat", images=("sub/x.png",)),
        r"line 6: 'x.png' is not a file in .*photos; did you mean 'sub/x.png'\?",
    ),
    "an image with another suffix": (
        rows("x.jpg,cat", images=("x.png",)),
        r"line 6: 'x.jpg' is not a file in .*photos; did you mean 'x.png'\?",
    ),
    "backslashes to nothing": (rows(r"sub\x.png,cat"), r"line 6: 'sub\\x.png' is not a file in .*photos"),
    "backslashes to another folder": (
        rows(r"other\x.png,cat", images=("sub/x.png",)),
        r"line 6: 'other\\x.png' is not a file in .*; did you mean 'sub/x.png'\?",
    ),
    "an id of two images": (
        rows("x,cat", images=("x.png", "x.jpg")),
        r"line 6: 'x' may be 'x.jpg' or 'x.png': write which",
    ),
    "an id of no image": (rows("ISIC_0000001,cat"), r"line 6: 'ISIC_0000001' is not a file in .*photos"),
    "an id of an image in a folder": (
        rows("x,cat", images=("sub/x.png",)),
        r"line 6: 'x' is not a file in .*; did you mean 'sub/x.png'\?",
    ),
    "folders of another machine that differ": (
        rows("/data/one/e.png,cat", "/data/one/f.png,cat", "/data/two/g.png,cat"),
        r"line 8: '/data/two/g.png' lies outside .*photos \(in front is '/data/two', and '/data/one' of most paths\); "
        r"did you mean 'g.png'\?",
    ),
    "folders of another machine, and no such image": (
        rows(r"C:\Users\x\photos\z.png,cat"),
        r"line 6: 'C:\\Users\\x\\photos\\z.png' lies outside .*photos",
    ),
    "a path above the folder to an image in it": (
        rows("../e.png,cat"),
        r"line 6: '../e.png' lies outside .*photos; did you mean 'e.png'\?",
    ),
    "two forms of a name that are two files": (
        rows(
            "caf\N{COMBINING ACUTE ACCENT}e.png,cat",
            images=("CAF\N{COMBINING ACUTE ACCENT}e.png", "CAF\N{COMBINING ACUTE ACCENT}E.png"),
        ),
        r"line 6: .* may be .* or .*: write which",
    ),
    "one image written in two ways with two labels": (
        rows(r".\a.png,dog"),
        r"line 6: '.\\a.png' is labeled 'dog' here and 'cat' in line 2",
    ),
    "an id and a path of one image with two labels": (
        rows("a,dog"),
        r"line 6: 'a' is labeled 'dog' here and 'cat' in line 2",
    ),
}

LABELS: dict[str, Case] = {
    "-1 alone": (
        lambda w: w.table("path,label\na.png,-1\nb.png,-1\n"),
        r"photos has no labeled image",
    ),
    "a class that only -1 leaves": (
        lambda w: w.table("path,label\na.png,1\nb.png,-1\n"),
        r"photos has only one class \('1'\)",
    ),
    "one class written in two ways": (
        lambda w: w.table("path,label\na.png,1\nb.png,1.0\n"),
        r"photos has only one class \('1'\)",
    ),
    "one class in two Unicode forms": (
        lambda w: w.table(
            "path,label\na.png,caf\N{LATIN SMALL LETTER E WITH ACUTE}\nb.png,cafe\N{COMBINING ACUTE ACCENT}\n"
        ),
        r"photos has only one class",
    ),
    "a negative class": (
        lambda w: w.table("path,label\na.png,0\nb.png,-2\n"),
        r"class name '-2' starts with '-', which spreadsheets run as a formula: rename it",
    ),
    "one image of two classes but for the point": (
        lambda w: w.table("path,label\na.png,1\na.png,2.0\nb.png,2\n"),
        r"line 3: 'a.png' is labeled '2' here and '1' in line 2",
    ),
}


def shard(w: Any, *members: str, name: str = "photos/train-0.tar") -> list[str]:
    """Training on a shard with these members: images by their suffix, labels with the class 1, and other text."""
    pictures = {member: member.endswith(("png", "jpg")) for member in members}
    w.image(*(f"made/{member}" for member, picture in pictures.items() if picture))
    path = w.root / "made"
    w.shard(name, {member: (path / member).read_bytes() if picture else b"1" for member, picture in pictures.items()})
    return w.train


MEMBERS: dict[str, Case] = {
    "a dot before the suffix of a label alone": (
        lambda w: shard(w, "IMG 2.1m.png", "IMG 2.2m.cls"),
        r"train-0.tar: sample 'IMG 2.2m' has a label and no image",
    ),
    "one class, with a dot before the suffix": (
        lambda w: shard(w, "IMG 2.1m.png", "IMG 2.1m.cls", "IMG 2.2m.png", "IMG 2.2m.cls"),
        r"photos has only one class \('1'\)",
    ),
    "two images with dots and one label": (
        lambda w: shard(w, "a.left.png", "a.right.png", "a.cls"),
        r"train-0.tar: sample 'a' has two images, a.right.png is the second",
    ),
    "a label twice, with a dot before the suffix": (
        lambda w: shard(w, "a.b.png", "a.b.cls", "a.b.CLS"),
        r"train-0.tar: sample 'a.b' has two labels",
    ),
    "labels in .json": (
        lambda w: shard(w, "a.png", "a.json", "b.png", "b.json"),
        r"photos has no labeled image: the label of KEY.jpg in a shard is KEY.cls",
    ),
    "labels in .txt": (
        lambda w: shard(w, "a.png", "a.txt", "b.png", "b.txt", name="photos/a.tar.gz"),
        r"photos has no labeled image: the label of KEY.jpg in a shard is KEY.cls",
    ),
    "a tar of class folders": (
        lambda w: shard(w, "cat/a.png", "cat/b.png", "dog/c.png"),
        r"photos has no labeled image: the folders inside the shards \('cat', 'dog'\) are no labels: unpack them, or "
        r"add KEY.cls to each image",
    ),
    "a tar of class folders in a folder": (
        lambda w: (
            shard(w, "all/cat/a.png", "all/dog/c.png", name="photos.tar") and ["train", "photos.tar", *w.train[2:]]
        ),
        r"photos.tar has no labeled image: the folders inside the shards \('cat', 'dog'\) are no labels",
    ),
}


def uint8(*shape: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def labels(count: int) -> NDArray[np.int64]:
    return np.arange(count) % 2


EMPTY: dict[str, Case] = {
    "arrays of no images": (
        lambda w: w.arrays(x=uint8(0, 8, 8), y=labels(0)),
        r"data.npz: 'x' holds no images: leave it out, or save it again",
    ),
    "images without rows": (
        lambda w: w.arrays(x=uint8(12, 0, 8)),
        r"data.npz: 'x' holds images without pixels, of shape \(0, 8\)",
    ),
    "images without columns": (lambda w: w.arrays(x=uint8(12, 8, 0)), r"data.npz: 'x' holds images without pixels"),
    "color images without rows": (
        lambda w: w.arrays(x=uint8(12, 0, 8, 3)),
        r"data.npz: 'x' holds images without pixels",
    ),
    "images without rows, channels first": (
        lambda w: w.arrays(x=uint8(12, 3, 0, 8)),
        r"data.npz: 'x' holds images without pixels, of shape \(3, 0, 8\)",
    ),
    "images without channels": (lambda w: w.arrays(x=uint8(12, 8, 8, 0)), r"data.npz: 'x' holds images without pixels"),
    "validation arrays of no images": (
        lambda w: w.arrays(x_val=uint8(0, 8, 8), y_val=labels(0)),
        r"data.npz: 'x_val' holds no images: leave it out",
    ),
    "test images without pixels": (
        lambda w: w.arrays(x_test=uint8(4, 8, 0), y_test=labels(4)),
        r"data.npz: 'x_test' holds images without pixels",
    ),
    "test arrays of a wrong type": (
        lambda w: w.arrays(x_test=np.zeros((4, 8, 8), np.bool_), y_test=labels(4)),
        r"data.npz: 'x_test' must be of integers, or of floats in \[0, 1\], got bool",
    ),
    "test arrays without labels": (
        lambda w: w.arrays(x_test=uint8(4, 8, 8)),
        r"data.npz: the test images have no labels",
    ),
    "a scalar for images": (lambda w: w.arrays(x=np.uint8(3)), r"data.npz: 'x' must be \(N, H, W\).*got shape \(\)"),
    "a scalar for labels": (lambda w: w.arrays(y=np.int64(3)), r"'y' must be 12 integers.*of shape \(\)"),
    "labels in a column": (lambda w: w.arrays(y=labels(12)[:, None]), r"'y' must be 12 integers.*of shape \(12, 1\)"),
    "labels above all integers": (
        lambda w: w.arrays(y=np.array([0, 1] * 5 + [1, 2**63], np.uint64)),
        r"data.npz: 'y' row 11 is 9223372036854775808",
    ),
    "images of complex numbers": (
        lambda w: w.arrays(x=np.zeros((12, 8, 8), complex)),
        r"'x' must be of integers.*complex128",
    ),
    "arrays without a class name": (
        lambda w: w.arrays(classes=np.array(["", "dog"])),
        r"data.npz: a class name is empty: give the class a name",
    ),
    "a class name of white space in arrays": (
        lambda w: w.arrays(classes=np.array(["cat", "  "])),
        r"data.npz: a class name is white space: give the class a name",
    ),
    "arrays with an empty list of classes": (
        lambda w: w.arrays(classes=np.array([], dtype="U3")),
        r"data.npz: 'y' row 0 is 0: expected none",
    ),
    "a class folder whose name is a space": (
        lambda w: last(w.photos(classes=(" ", "dog")), w.train),
        r"photos: a class name is white space: give the class a name",
    ),
    "a label of a shard that is white space": (
        lambda w: last(w.write("photos/classes.json", '[" ", "b"]'), shard(w, "a.png", "a.cls")),
        r"photos: a class name is white space: give the class a name",
    ),
    "a list of classes that is empty": (
        lambda w: last(w.write("photos/classes.json", "[]"), shard(w, "a.png", "a.cls")),
        r"train-0.tar/a.png: label '1' is not a class: classes.json names 0 of them",
    ),
    "a folder of test images without any": (
        lambda w: last(w.photos("photos/train"), w.path("photos/test/cat/x"), w.train),
        r"photos/test holds no images",
    ),
    "a folder of validation images without any": (
        lambda w: last(w.photos("photos/train"), w.path("photos/val/x"), w.train),
        r"photos/val holds no images",
    ),
    "a split of unlabeled images without any": (
        lambda w: last(w.photos("photos/train"), w.path("photos/unlabeled/x"), w.train),
        r"photos/unlabeled holds no images",
    ),
    "a shard to test with that has no images": (
        lambda w: last(w.shard("photos/test-0.tar", {"a.txt": b"x"}), shard(w, "a.png", "a.cls")),
        r"photos/test-0.tar holds no images",
    ),
    "whole numbers in two ways in a shard": (
        lambda w: last(w.shard("photos/train-1.tar", {"a.png": png("a"), "a.cls": b"1.0"}), shard(w, "b.png", "b.cls")),
        r"photos has only one class \('1'\)",
    ),
}


def drawn(w: Any, draw: Callable[[int], Image.Image], suffix: str = "png") -> list[str]:
    """Training on class folders of images that follow from a number."""
    for number in range(8):
        draw(number).save(w.path(f"photos/{'cd'[number % 2]}/{number}.{suffix}"))
    return w.train


def noise(number: int, *shape: int) -> NDArray[np.uint8]:
    return np.random.default_rng(number).integers(0, 256, shape, np.uint8)


ODD_BUT_FINE: dict[str, Callable[[Any], list[str]]] = {
    "images of one pixel": lambda w: w.arrays(x=uint8(12, 1, 1)),
    "images of one column": lambda w: w.arrays(x=uint8(12, 8, 1)),
    "images of one row": lambda w: drawn(w, lambda n: Image.fromarray(noise(n, 1, 60, 3))),
    "two images": lambda w: w.arrays(x=uint8(2, 8, 8), y=labels(2)),
    "black and white": lambda w: drawn(w, lambda n: Image.fromarray(noise(n, 8, 8)).convert("1")),
    "print colors": lambda w: drawn(w, lambda n: Image.fromarray(noise(n, 8, 8, 3)).convert("CMYK"), "jpg"),
    "one value of 16 bits": lambda w: drawn(w, lambda n: Image.fromarray(np.full((8, 8), 70 + n, np.uint16))),
    "one image copied": lambda w: drawn(w, lambda n: Image.fromarray(np.zeros((8, 8), np.uint8))),
    "floats of 16 bits": lambda w: w.arrays(x=np.zeros((12, 8, 8), np.float16)),
    "test images of another size": lambda w: w.arrays(x_test=uint8(4, 16, 16, 3), y_test=labels(4)),
    "commas in class names": lambda w: last(w.photos(classes=("a, b", "c d")), w.train),
    "an empty folder of unlabeled images": lambda w: last(
        w.image("photos/a/1.png", "photos/b/1.png"), w.path("photos/unlabeled/x"), w.train
    ),
    "a byte-order mark in a label": lambda w: last(
        w.shard("photos/1.tar", {"a.png": png("a"), "a.cls": b"\xef\xbb\xbf0", "b.png": png("b"), "b.cls": b"1"}),
        w.train,
    ),
    "paths of another machine": lambda w: w.table("image_id,label\n/d/x/a.png,1.0\n/d/x/b.png,2\n/d/x/c.png,-1\n"),
}


def slices(w: Any, mask: Callable[[], Image.Image], suffix: str = "png") -> list[str]:
    """Training on slices with masks."""
    for number in range(3):
        Image.fromarray(noise(number, 16, 16)).save(w.path(f"photos/images/{number}.png"))
        mask().save(w.path(f"photos/labels/{number}.{suffix}"))
    return ["train", "photos", "--out", "runs/a", "--steps", "2", "--batch-size", "2", "--device", "cpu"]


def square(*channels: int) -> Image.Image:
    """A mask with a square; in each channel its value."""
    mask = np.zeros((16, 16, len(channels)), np.uint8)
    mask[4:9, 4:9] = channels
    return Image.fromarray(mask[..., 0] if len(channels) == 1 else mask)


MASKS: dict[str, Case] = {
    "masks in colors that are gray": (
        lambda w: slices(w, lambda: square(1, 1, 1)),
        r"labels/0.png is a mask in colors \(mode RGB\): .*its channels R, G and B are equal, so keep one, with Pillow",
    ),
    "masks in colors": (
        lambda w: slices(w, lambda: square(200, 100, 0)),
        r"labels/0.png is a mask in colors \(mode RGB\): .*it has 2 colors, so save a gray image",
    ),
    "masks in one of four channels": (
        lambda w: slices(w, lambda: square(0, 0, 0, 1)),
        r"labels/0.png is a mask in colors \(mode RGBA\): .*only its channel A varies, so keep it, .*\(3\)",
    ),
    "masks as JPEG": (
        lambda w: slices(w, lambda: square(1), "jpg"),
        r"labels/0.jpg is a JPEG, which changes label values: save masks as .png",
    ),
    "masks without anything": (
        lambda w: slices(w, lambda: square(0)),
        r"photos has only one class, the background",
    ),
}

USERS_FILES: dict[str, Case] = MASKS | EMPTY | MEMBERS | KINDS | PATHS | LABELS
