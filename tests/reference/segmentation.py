"""Segmentation as naive float64 loops: losses from the formulas, surfaces from medpy's definition, plain windows."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from scipy import ndimage

Array = np.ndarray


def softmax(logits: Array) -> Array:
    """(B, K, *S) to (B, K, *S)."""
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def cross_entropy(logits: Array, label: Array) -> float:
    """Mean of -ln p of the label over the voxels that have one."""
    probs = softmax(logits)
    costs = []
    for place in np.ndindex(label.shape):
        if label[place] >= 0:
            costs.append(-math.log(probs[(place[0], label[place], *place[1:])]))
    return sum(costs) / len(costs) if costs else 0.0


def dice_loss(
    logits: Array, label: Array, *, classes: str = "foreground", sums: str = "batch", squares: bool = True
) -> float:
    """1 - (2 sum(p g) + 1e-5) / (sum(p^2) + sum(g^2) + 1e-5), per class (and row), averaged."""
    probs, losses = softmax(logits), []
    rows = [range(len(label))] if sums == "batch" else [[row] for row in range(len(label))]
    for chosen in rows:
        for k in range(1 if classes == "foreground" else 0, logits.shape[1]):
            both = mine = true = 0.0
            for row in chosen:
                for place in np.ndindex(label.shape[1:]):
                    if label[(row, *place)] >= 0:
                        p, g = probs[(row, k, *place)], float(label[(row, *place)] == k)
                        both, mine, true = both + p * g, mine + (p * p if squares else p), true + g
            losses.append(1 - (2 * both + 1e-5) / (mine + true + 1e-5))
    return sum(losses) / len(losses)


def supervised(logits: Array, label: Array) -> float:
    """Half cross-entropy, half Dice: UA-MT's."""
    return 0.5 * (cross_entropy(logits, label) + dice_loss(logits, label))


def entropy(logits: Array) -> float:
    """Mean over voxels of -sum p ln p / ln K."""
    probs = softmax(logits)
    return float(-(probs * np.log(probs)).sum(1).mean() / math.log(logits.shape[1]))


def masked_consistency(student: Array, teacher: Array, passes: Sequence[Array], threshold: float) -> float:
    """UA-MT: sum(mask (p - q)^2) / (K sum(mask)), mask where the entropy of the mean softmax is below the threshold."""
    p, q = softmax(student), softmax(teacher)
    mean = sum(softmax(one) for one in passes) / len(passes)
    total = count = 0.0
    for row in range(len(p)):
        for place in np.ndindex(p.shape[2:]):
            at = (row, slice(None), *place)
            if -sum(m * math.log(m + 1e-6) for m in mean[at]) < threshold:
                total += sum((a - b) ** 2 for a, b in zip(p[at], q[at], strict=True))
                count += len(p[at])
    return total / count if count else 0.0


def cross_pseudo_supervision(first: Array, second: Array) -> float:
    """Each network's cross-entropy with the other's most probable classes."""
    return cross_entropy(first, second.argmax(1)) + cross_entropy(second, first.argmax(1))


def pyramid_consistency(levels: Sequence[Array]) -> float:
    """URPC: mean over levels of mean(e^-v (q - p)^2) / mean(e^-v) + mean(v), v = KL(q || p), q the mean of the p."""
    probs = [softmax(level) for level in levels]
    mean = sum(probs) / len(probs)
    terms = []
    for p in probs:
        v = (mean * (np.log(mean) - np.log(p))).sum(1, keepdims=True)
        terms.append((np.exp(-v) * (mean - p) ** 2).mean() / np.exp(-v).mean() + v.mean())
    return float(sum(terms) / len(terms))


def surface(mask: Array) -> Array:
    """The mask without its erosion by the face neighbors; beyond the volume is outside."""
    faces = ndimage.generate_binary_structure(mask.ndim, 1)
    return mask ^ ndimage.binary_erosion(mask, structure=faces, iterations=1, border_value=0)


def directed_distances(of: Array, to: Array, spacing: Sequence[float] | None = None) -> Array:
    """Of each surface voxel of one mask, the Euclidean distance to the nearest surface voxel of the other."""
    return ndimage.distance_transform_edt(~surface(to), sampling=spacing)[surface(of)]


def distances(prediction: Array, reference: Array, spacing: Sequence[float] | None = None) -> dict[str, float]:
    """medpy's hd95, asd and assd, and the larger of the two directed percentiles."""
    there = directed_distances(prediction, reference, spacing)
    back = directed_distances(reference, prediction, spacing)
    return {
        "hd95_pooled": float(np.percentile(np.hstack((there, back)), 95)),
        "hd95_max_directed": max(float(np.percentile(there, 95)), float(np.percentile(back, 95))),
        "asd_to_reference": float(there.mean()),
        "assd_pooled": float(np.hstack((there, back)).mean()),
    }


def window_starts(size: int, window: int, stride: int) -> list[int]:
    """n = ceil((size - window) / stride) + 1 starts, each at most size - window."""
    count = math.ceil((size - window) / stride) + 1
    return [min(stride * number, size - window) for number in range(count)]


def predict_windows(
    probabilities: Callable[[Array], Array], volume: Array, window: Sequence[int], strides: Sequence[int]
) -> Array:
    """(K, *S) from (C, *S), one window after the other: the sums of probabilities over the counts of windows.

    `probabilities` maps (1, C, *window) to (1, K, *window). A smaller volume is padded with zeros on both sides.
    """
    sides = [
        (max(w - s, 0) // 2, max(w - s, 0) - max(w - s, 0) // 2) for s, w in zip(volume.shape[1:], window, strict=True)
    ]
    padded = np.pad(volume, [(0, 0), *sides])
    total: Array | None = None
    counts = np.zeros(padded.shape[1:], dtype=np.float32)
    starts = [window_starts(*axis) for axis in zip(padded.shape[1:], window, strides, strict=True)]
    for place in np.stack(np.meshgrid(*starts, indexing="ij"), -1).reshape(-1, len(window)):
        box = tuple(slice(start, start + w) for start, w in zip(place, window, strict=True))
        probs = probabilities(padded[(slice(None), *box)][None])[0]
        if total is None:
            total = np.zeros((len(probs), *padded.shape[1:]), dtype=np.float32)
        total[(slice(None), *box)] += probs
        counts[box] += 1
    assert total is not None
    inner = tuple(slice(before, before + size) for (before, _), size in zip(sides, volume.shape[1:], strict=True))
    return (total / counts)[(slice(None), *inner)]
