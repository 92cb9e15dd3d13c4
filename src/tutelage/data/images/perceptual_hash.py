"""A perceptual hash of images: pictures that look the same have hashes that differ in few of their 64 bits."""

from __future__ import annotations

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from PIL import Image

SIDE = 32  # pixels of a thumbnail
_LOW = 8  # lowest frequencies in each direction
_AT_ONCE = 2**17  # pairs of hashes that are compared at a time: a megabyte
Thumbnails = NDArray[np.uint8]  # (N, SIDE, SIDE)
Hashes = NDArray[np.uint64]  # (N,)


def gray_thumbnail(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(SIDE, SIDE) uint8: the whole image in gray, stretched to a square; each pixel is the mean of what it covers.

    Args:
        pixels: (H, W) or (H, W, C); of other numbers of channels than 3, gray is their mean.
    """
    if pixels.ndim == 3 and pixels.shape[2] != 3:
        pixels = pixels.mean(axis=2).astype(np.uint8)
    image = Image.fromarray(pixels)
    gray = image if image.mode == "L" else image.convert("L")
    return np.asarray(gray.resize((SIDE, SIDE), Image.Resampling.BOX, reducing_gap=2.0))


def perceptual_hashes(thumbnails: Thumbnails, *, mirrored: bool = False) -> Hashes:
    """(N,) uint64: which of the 63 lowest frequencies of the cosine transform are above their median, without the mean.

    This is pHash (C. Zauner, Implementation and benchmarking of perceptual image hash functions, 2010), which also
    takes the 8 x 8 lowest frequencies of 32 x 32 gray pixels.

    Args:
        mirrored: those of the images mirrored from left to right, without a second transform: it changes the sign of
            each odd frequency of the second axis.
    """
    waves = scipy.fft.dctn(thumbnails.astype(np.float32), axes=(1, 2), norm="ortho")[:, :_LOW, :_LOW]
    if mirrored:
        waves = waves * np.where(np.arange(_LOW) % 2, -1.0, 1.0).astype(np.float32)
    rows = waves.reshape(len(thumbnails), _LOW * _LOW)[:, 1:]
    bits = np.zeros((len(thumbnails), _LOW * _LOW), bool)
    bits[:, 1:] = rows > np.median(rows, axis=1, keepdims=True)
    return np.packbits(bits, axis=1).view(">u8").astype(np.uint64).ravel()


def near_hashes(hashes: Hashes, others: Hashes, *, bits: int) -> NDArray[np.int64]:
    """(P, 2): all i < j for which `hashes[i]` and `others[j]` differ in at most `bits` bits.

    The time is that of N^2 / 2 comparisons; the memory is that of a few rows, which stay in the cache of the processor.
    """
    found, count = [np.zeros((0, 2), np.int64)], len(hashes)
    step = max(1, _AT_ONCE // max(count, 1))
    for start in range(0, count, step):
        distance = np.bitwise_count(hashes[start : start + step, None] ^ others[None, start:])
        rows, columns = np.divmod(np.flatnonzero(distance <= bits), count - start)
        later = columns > rows
        found.append(np.stack([rows[later], columns[later]], axis=1) + start)
    return np.concatenate(found)


def correlations(first: Thumbnails, second: Thumbnails) -> NDArray[np.float32]:
    """(N,) float32 in [-1, 1]: how the pixels of thumbnail i of both go together; 0 where one has a single color."""
    unit_first, unit_second = (standardized(part) for part in (first, second))
    return np.einsum("np,np->n", unit_first, unit_second)


def standardized(thumbnails: Thumbnails) -> NDArray[np.float32]:
    """(N, SIDE^2) float32: the pixels of each without their mean, divided by their norm; 0 for a single color."""
    rows = thumbnails.reshape(len(thumbnails), SIDE * SIDE).astype(np.float32)
    rows = rows - rows.mean(1, keepdims=True)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.divide(rows, norms, out=np.zeros_like(rows), where=norms > 0.0)
