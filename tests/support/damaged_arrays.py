"""Damaged and hostile `.npz` files, and why they cannot be trained on: a part of the catalogue of wrong inputs."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from support.users_files import Case, last

X = np.random.default_rng(0).integers(0, 256, (12, 8, 8), np.uint8)
Y = np.arange(12) % 2


def npy(array: NDArray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=True)
    return stream.getvalue()


def claim(text: str) -> bytes:
    """An array whose header has that text."""
    header = text.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(1000)


def shaped(shape: str, descr: str = "'|u1'") -> bytes:
    return claim(f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}")


def zipped(**members: bytes) -> Callable[[Any], list[str]]:
    """Training on a file with these members; x and y are as they should be, unless they are among them."""

    def arrange(world: Any) -> list[str]:
        with zipfile.ZipFile(world.path("d.npz"), "w", zipfile.ZIP_DEFLATED) as file:
            for name, content in ({"x": npy(X), "y": npy(Y)} | members).items():
                file.writestr(name if "." in name else f"{name}.npy", content)
        return ["train", "d.npz", *world.train[2:]]

    return arrange


def changed(change: Callable[[bytearray], object]) -> Callable[[Any], list[str]]:
    """Training on a sound file whose bytes are changed."""

    def arrange(world: Any) -> list[str]:
        command = world.arrays(x=X, y=Y)
        content = bytearray((world.root / "data.npz").read_bytes())
        change(content)
        world.write("data.npz", bytes(content))
        return command

    return arrange


def bare(world: Any) -> list[str]:
    with zipfile.ZipFile(world.path("d.npz"), "w") as file:
        file.writestr("x", npy(X))
    return ["train", "d.npz", *world.train[2:]]


PICKLED = r"holds Python objects, which are not read, since they may run code: save it as numbers"
DAMAGED_ARRAYS: dict[str, Case] = {
    "images of a negative number": (zipped(x=shaped("(-5, 8, 8)")), r"d.npz 'x' claims the shape \(-5, 8, 8\): exp"),
    "images of a negative height": (zipped(x=shaped("(12, -8, -8)")), r"d.npz 'x' claims the shape \(12, -8, -8\): e"),
    "labels of a negative number": (zipped(y=shaped("(-1,)", "'<i8'")), r"d.npz 'y' claims the shape \(-1,\): expect"),
    "a length that is no number": (zipped(x=shaped("(True, 8, 8)")), r"d.npz 'x' claims the shape \(True, 8, 8\)"),
    "a shape that is no tuple": (
        zipped(x=shaped("12")),
        r"d.npz 'x' has a damaged header: save or copy the file again",
    ),
    "a header cut off": (zipped(x=claim("{'descr': '|u1', ")), r"d.npz 'x' has a damaged header"),
    "a header of two gigabytes": (
        zipped(x=b"\x93NUMPY\x02\x00" + (1 << 31).to_bytes(4, "little") + bytes(999)),
        r"d.npz 'x' has a damaged header",
    ),
    "a format to come": (zipped(x=b"\x93NUMPY\x09\x00" + bytes(300)), r"d.npz 'x' has the format 9.0: expected one of"),
    "text in place of an array": (zipped(x=b"hello"), r"d.npz 'x' is no array of NumPy: expected arrays as numpy"),
    "images that are objects": (zipped(x=npy(np.array([X, 1], object))), f"d.npz 'x' {PICKLED}"),
    "class names that are objects": (zipped(classes=npy(np.array(["a", "b"], object))), f"d.npz 'classes' {PICKLED}"),
    "class names that are numbers": (zipped(classes=npy(Y)), r"'classes' must be a list of names, got int64 of shape"),
    "a class name of 100 million characters": (
        zipped(classes=npy(np.array(["cat", "d" * 300]))[:10] + shaped("(2,)", "'<U100000000'")[10:]),
        r"d.npz 'classes' claims the shape \(2,\) \(800 MB\)",
    ),
    "a class name of 10,000 characters": (
        zipped(classes=npy(np.array(["cat", "d" * 10_000]))),
        r"d.npz: 'classes' holds names of up to 10,000 characters: 255 are allowed",
    ),
    "a class name of 300 characters": (
        zipped(classes=npy(np.array(["cat", "d" * 300]))),
        r"d.npz: class name 'd{60}\.\.\.' has 300 characters: 255 are allowed, so shorten it",
    ),
    "images without .npy": (bare, r"d.npz: no array 'x' of images; the file holds x \(without .npy\)"),
    "test images without labels": (
        zipped(x_test=npy(255 - X)),
        r"d.npz: the test images have no labels: the file has no array 'y_test', 12 integers",
    ),
    "images without any label": (
        lambda w: last(np.savez(w.path("d.npz"), x=X), ["train", "d.npz", *w.train[2:]]),
        r"d.npz has no labeled image: the file has no array 'y', 12 integers",
    ),
    "a flipped bit in the images": (
        changed(lambda c: c.__setitem__(300, c[300] ^ 16)),
        r"data.npz .x. is damaged",
    ),
    "a password": (
        changed(lambda c: c.__setitem__(c.index(b"PK\x01\x02") + 8, 1)),
        r"data.npz is encrypted: expected arrays as numpy.savez",
    ),
    "no bytes": (changed(lambda c: c.clear()), r"data.npz is empty \(0 bytes\)"),
    "a single array": (
        lambda w: ["train", w.write("d.npz", npy(X)), *w.train[2:]],
        r"d.npz is a single array: expected several as numpy.savez",
    ),
}
DAMAGED_ARRAYS = {f"arrays with {name}": case for name, case in DAMAGED_ARRAYS.items()}
