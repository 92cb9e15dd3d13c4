"""Classes from slabs of probabilities are those of all probabilities at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from tutelage.config.scan import ScanConfig
from tutelage.data.scans import decide
from tutelage.data.scans.decide import decide_slabs
from tutelage.data.scans.geometry import Geometry
from tutelage.data.scans.prepare import Placement, place
from tutelage.data.scans.reading import RawCase

TURNED = np.array([[0, 0, -2.0, 5], [1.0, 0, 0, 7], [0, 1.5, 0, 9], [0, 0, 0, 1]])


def slabs(probs: NDArray[np.float32], axis: int, thickness: list[int]) -> Iterator[tuple[int, torch.Tensor]]:
    start = 0
    for count in thickness:
        yield start, torch.from_numpy(probs).narrow(1 + axis, start, count)
        start += count


def thicknesses(length: int) -> list[int]:
    """Slabs of one plane, of several, and of none."""
    return [1, 0, *([2] * ((length - 1) // 2)), (length - 1) % 2]


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize(
    "settings",
    [{}, {"spacing": (1.7,)}, {"spacing": (0.6, 3.0, 1.0)}, {"crop": "body", "body_threshold": 0.9, "spacing": (1.2,)}],
    ids=str,
)
def test_classes_of_slabs_are_the_most_probable_ones(
    settings: dict[str, Any], axis: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decide, "_AT_ONCE", 3 * 9 * 10 * 2)  # two or three planes at a time
    image = np.zeros((1, 9, 10, 11), np.float32)
    image[0, 2:8, 1:7, 3:10] = 1.0
    case = RawCase(image, Geometry((9, 10, 11), TURNED), None, None, [])
    placement = place(case, replace(ScanConfig(intensity="none", spacing=()), **settings))
    assert_same(placement, axis)


def assert_same(placement: Placement, axis: int) -> None:
    draw = np.random.default_rng(0)
    probs = np.moveaxis(draw.dirichlet([1, 1, 1], placement.shape), -1, 0).astype(np.float32)
    expected = placement.restore_probabilities(probs)
    found = decide_slabs(placement, slabs(probs, axis, thicknesses(placement.shape[axis])), axis)
    assert found.dtype == np.uint8 and found.shape == placement.geometry.shape
    chosen = np.take_along_axis(expected, found[None].astype(np.int64), 0)[0]
    np.testing.assert_allclose(chosen, expected.max(0), atol=1e-6)  # equal but for rounding
    assert (found != expected.argmax(0)).mean() < 0.01


@pytest.mark.parametrize("axis", [0, 1])
def test_slices_of_two_axes_are_decided_by_the_same_code(axis: int) -> None:
    case = RawCase(np.ones((1, 9, 12), np.float32), Geometry((9, 12), np.eye(4)), None, None, [])
    assert_same(place(case, ScanConfig(intensity="none", spacing=(1.5,))), axis)
