"""Cropped copies: pairs with similar features of which one is found inside the other, mirrored or not."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from tutelage.data.images.perceptual_hash import SIDE, Thumbnails

COSINE = 0.75  # of features, from which on a pair is looked at
NEAREST = 5  # of each image, at most
MOST_PAIRS = 10_000  # that are looked at, which takes a millisecond or two each
CORRELATION = 0.9  # of the part and the whole, at least; docs/clean.md says how these were chosen
_WORTH_REFINING = 0.7
_SIDES = (32, 30, 28, 26, 24)  # to which a part is shrunk: it shows 75% of the whole or more in each direction
_BLOCK = 512  # rows of features, or pairs, in memory at a time
Pairs = NDArray[np.int64]  # (P, 2)
Gray = NDArray[np.float32]  # (P, SIDE, SIDE)


def close_pairs(features: NDArray[np.float32], *, cosine: float = COSINE, nearest: int = NEAREST) -> Pairs:
    """(P, 2) int64, i < j, in ascending order: each row and those of its nearest ones that are at least so similar.

    Of more than `MOST_PAIRS` the most similar ones are returned.

    Args:
        features: (N, D), rows of norm 1.
    """
    found, k = [np.zeros((0, 2), np.int64)], min(nearest, len(features) - 1)
    for start in range(0, len(features) if k > 0 else 0, _BLOCK):
        similarity = features[start : start + _BLOCK] @ features.T
        rows = np.arange(len(similarity))
        similarity[rows, rows + start] = -2.0  # no row is its own neighbor
        near = np.argpartition(similarity, -k, axis=1)[:, -k:]
        which, place = np.nonzero(np.take_along_axis(similarity, near, axis=1) >= cosine)
        found.append(np.stack([which + start, near[which, place]], axis=1))
    pairs = np.unique(np.sort(np.concatenate(found), axis=1), axis=0)
    if len(pairs) > MOST_PAIRS:
        similarity = np.einsum("pd,pd->p", features[pairs[:, 0]], features[pairs[:, 1]])
        pairs = pairs[np.sort(np.argsort(-similarity, kind="stable")[:MOST_PAIRS])]
    return pairs


def overlap(first: Thumbnails, second: Thumbnails) -> NDArray[np.float32]:
    """(P,) float32 in [-1, 1]: the best correlation of one thumbnail, or its mirror image, with a part of the other.

    Parts show 75 to 100% of the width and of the height. All sizes are tried where one with equal shares correlates.

    Args:
        first, second: (P, 32, 32).
    """
    a, b = first.astype(np.float32), second.astype(np.float32)
    best = _best(a, b, [(side, side) for side in _SIDES])
    worth = np.flatnonzero(best >= _WORTH_REFINING)
    sizes = [(height, width) for height in _SIDES for width in _SIDES if height != width]
    best[worth] = np.maximum(best[worth], _best(a[worth], b[worth], sizes))
    return best


def cropped_pairs(features: NDArray[np.float32], thumbnails: Thumbnails) -> tuple[Pairs, NDArray[np.float32]]:
    """Pairs of rows, i < j, of which one is a crop of the other, and their correlation.

    Args:
        features: (N, D), rows of norm 1.
        thumbnails: (N, 32, 32) of `gray_thumbnail`.
    """
    pairs = close_pairs(features)
    scores = [np.zeros(0, np.float32)]
    for start in range(0, len(pairs), _BLOCK):
        first, second = pairs[start : start + _BLOCK].T
        scores.append(overlap(thumbnails[first], thumbnails[second]))
    score = np.concatenate(scores)
    return pairs[score >= CORRELATION], score[score >= CORRELATION]


def _best(a: Gray, b: Gray, sizes: list[tuple[int, int]]) -> NDArray[np.float32]:
    best = np.full(len(a), -1.0, np.float32)
    for whole, part in ((a, b), (b, a)):
        for turned in (part, part[:, :, ::-1]):
            for height, width in sizes:
                best = np.maximum(best, _correlation_inside(whole, turned, height, width))
    return best


def _correlation_inside(whole: Gray, part: Gray, height: int, width: int) -> NDArray[np.float32]:
    """(P,) the best correlation of `part`, shrunk to height x width, over all its places in `whole`."""
    template = np.einsum("hi,pij,wj->phw", _shrinking(height), part, _shrinking(width), optimize=True)
    template = template - template.mean(axis=(1, 2), keepdims=True)
    norm = np.sqrt(np.square(template).sum(axis=(1, 2)))[:, None, None]
    windows = sliding_window_view(whole, (height, width), axis=(1, 2))
    product = np.einsum("pyxhw,phw->pyx", windows, template, optimize=True)
    total, square = _window_sums(whole, height, width), _window_sums(np.square(whole), height, width)
    deviation = np.sqrt(np.maximum(square - total**2 / (height * width), 0.0))
    scale = norm * deviation
    return np.divide(product, scale, out=np.zeros_like(scale), where=scale > 1.0).max(axis=(1, 2)).astype(np.float32)


def _window_sums(values: Gray, height: int, width: int) -> NDArray[np.float64]:
    """The sums over all windows, from sums over all rectangles that start in the corner."""
    corner = np.pad(values.astype(np.float64).cumsum(axis=1).cumsum(axis=2), ((0, 0), (1, 0), (1, 0)))
    upper, lower = corner[:, :-height], corner[:, height:]
    sums: NDArray[np.float64] = lower[:, :, width:] - lower[:, :, :-width] - upper[:, :, width:] + upper[:, :, :-width]
    return sums


@cache
def _shrinking(side: int) -> NDArray[np.float32]:
    """(side, SIDE): the mean of the pixels that each of `side` equal intervals covers."""
    edges = np.linspace(0.0, SIDE, side + 1)
    pixels = np.arange(SIDE)
    shared = np.minimum(edges[1:, None], pixels + 1.0) - np.maximum(edges[:-1, None], pixels)
    covered = np.maximum(shared, 0.0)
    return (covered / covered.sum(axis=1, keepdims=True)).astype(np.float32)
