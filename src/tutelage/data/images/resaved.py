"""Images that are the same picture in another file: saved again, in another format, quality or size, or mirrored."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tutelage.data.images.perceptual_hash import (
    SIDE,
    Thumbnails,
    correlations,
    near_hashes,
    perceptual_hashes,
    standardized,
)

BITS = 10  # of 64 by which the hashes of two files of a picture differ at most
ALIKE = 0.93  # correlation of their thumbnails, at least; docs/clean.md says how both were chosen
SMALLEST = 32  # pixels; shorter sides show too little to tell two pictures apart
_FLAT = 2.0  # gray levels, deviation of a thumbnail that has nothing to compare
_ENOUGH, _MOST_COMMON = 20, 0.9
_BLOCK = 4096  # pairs whose thumbnails are in memory at a time
Pairs = NDArray[np.int64]  # (P, 2)


def resaved_pairs(thumbnails: Thumbnails, *, mirrored: bool = False) -> tuple[Pairs, NDArray[np.float32]]:
    """All pairs of rows, the smaller row first, that show the same picture, and the correlation of their thumbnails.

    Images of one color are in no pair. The hashes of all pairs are compared: 20,000 images take seconds.

    Args:
        thumbnails: (N, 32, 32), of `gray_thumbnail`.
        mirrored: find those pairs of which one is the mirror image of the other, instead.

    Returns:
        (P, 2) int64, and (P,) float32 in [`required_correlation`, 1].
    """
    rows = np.flatnonzero(thumbnails.reshape(len(thumbnails), SIDE * SIDE).std(axis=1) >= _FLAT)
    seen = thumbnails[rows]
    turned, least = seen[:, :, ::-1] if mirrored else seen, required_correlation(seen)
    hashes = perceptual_hashes(seen)
    others = perceptual_hashes(seen, mirrored=True) if mirrored else hashes
    near = near_hashes(hashes, others, bits=BITS)
    pairs, scores = [np.zeros((0, 2), np.int64)], [np.zeros(0, np.float32)]
    for start in range(0, len(near), _BLOCK):
        block = near[start : start + _BLOCK]
        score = correlations(seen[block[:, 0]], turned[block[:, 1]])
        pairs.append(rows[block[score >= least]])
        scores.append(score[score >= least])
    return np.concatenate(pairs), np.concatenate(scores)


def required_correlation(thumbnails: Thumbnails) -> float:
    """From which correlation on two images are taken as one picture: 0.93 where images have nothing in common.

    Photos of a fixed camera correlate without being copies. The distance to 1 is therefore multiplied by 1 - m, where m
    is the mean correlation of two images of the set, at most 0.9; sets of fewer than 20 images are too small to know m.
    """
    count = len(thumbnails)
    if count < _ENOUGH:
        return ALIKE
    mean = standardized(thumbnails).mean(axis=0)
    common = (count * float(mean @ mean) - 1.0) / (count - 1)
    return 1.0 - (1.0 - ALIKE) * (1.0 - min(max(common, 0.0), _MOST_COMMON))
