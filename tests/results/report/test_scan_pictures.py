from __future__ import annotations

import io
import re
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tutelage.results.report.blocks import Plot
from tutelage.results.report.scan_pictures import (
    PREDICTION,
    REFERENCE,
    SegmentedCase,
    largest_error,
    methods_plot,
    slices_plot,
    surfaces_plot,
)


def box(low: tuple[int, ...], high: tuple[int, ...], shape: tuple[int, ...] = (20, 24, 16)) -> NDArray[np.uint8]:
    mask = np.zeros(shape, np.uint8)
    mask[tuple(slice(a, b) for a, b in zip(low, high, strict=True))] = 1
    return mask


def case(reference: NDArray[np.uint8], prediction: NDArray[np.uint8], **changes: object) -> SegmentedCase:
    image = np.random.default_rng(0).normal(size=reference.shape)
    return replace(SegmentedCase("a <b>", image, reference, prediction, (1.0,) * reference.ndim), **changes)


def pixels(plot: Plot, color: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows and columns of the pixels of a color in the drawn plot."""
    picture = np.asarray(Image.open(io.BytesIO(plot.png())).convert("RGB")).astype(int)
    wanted = [int(color[k : k + 2], 16) for k in (1, 3, 5)]
    return np.nonzero((np.abs(picture - wanted) < 30).all(-1))  # type: ignore[return-value]


def test_the_slices_are_those_with_the_most_wrong_voxels() -> None:
    wrong = np.zeros((5, 6, 7), bool)
    wrong[1, 2:4, 3] = wrong[4, 5, 3] = True
    assert largest_error(wrong, np.zeros_like(wrong)) == (1, 2, 3)


def test_where_all_is_right_the_slices_are_those_with_the_most_of_the_reference() -> None:
    reference = box((3, 3, 3), (8, 8, 8)) > 0
    reference[5, 0:24, 5] = True
    assert largest_error(np.zeros_like(reference), reference) == (5, 3, 5)


def test_three_planes_are_named_by_their_directions_where_these_are_known() -> None:
    reference = box((5, 5, 5), (12, 12, 10))
    one = case(reference, np.roll(reference, 2, 0))
    text = slices_plot(one, "slices", "title").svg.decode()
    assert all(f"{plane} " in text for plane in ("axial", "coronal", "sagittal"))
    text = slices_plot(replace(one, oriented=False), "slices", "title").svg.decode()
    assert "axis 3, " in text and "axial" not in text


@pytest.mark.parametrize("prediction", [box((0, 0, 0), (20, 24, 16)), box((0, 0, 0), (0, 0, 0))])
def test_contours_are_closed_at_the_edge_and_an_empty_mask_has_none(prediction: NDArray[np.uint8]) -> None:
    plot = slices_plot(case(box((5, 5, 5), (12, 12, 10)), prediction), "slices", "title")
    if not prediction.any():  # of a scan that is found whole, the slices with the most wrong voxels pass the organ by
        assert len(pixels(plot, REFERENCE)[0]) > 500
    drawn = len(pixels(plot, PREDICTION)[0])
    assert (drawn > 1500) if prediction.any() else (drawn < 150)  # the legend alone


def test_voxels_are_drawn_in_their_size_in_mm() -> None:
    shape, spacing = (48, 48, 16), (1.0, 1.0, 3.0)
    axes = [(np.arange(n) - (n - 1) / 2) * s for n, s in zip(shape, spacing, strict=True)]
    x, y, z = np.meshgrid(*axes, indexing="ij")
    ball = (x**2 + y**2 + z**2 < 15**2).astype(np.uint8)
    rows, columns = pixels(slices_plot(case(ball, ball * 0, spacing=spacing), "slices", "title"), REFERENCE)
    above = rows < 0.8 * rows.max()  # without the legend
    rows, columns = rows[above], columns[above]
    first, last = np.split(np.unique(columns), np.flatnonzero(np.diff(np.unique(columns)) > 20) + 1)[1][[0, -1]]
    coronal = rows[(columns >= first) & (columns <= last)]
    assert np.ptp(coronal) == pytest.approx(last - first, rel=0.12)  # a ball is round across thick slices too


def test_an_image_of_two_axes_has_one_panel() -> None:
    mask = box((5, 5), (12, 15), (24, 30))
    plot = slices_plot(case(mask, np.roll(mask, 3, 1)), "slices", "title")
    assert plot.svg.count(b"<image") == 1
    assert len(pixels(plot, PREDICTION)[0]) > 200
    three = methods_plot(case(mask, mask), {"supervised": np.roll(mask, 2, 0), "ua-mt": mask}, "methods", "title")
    assert three.svg.count(b"<image") == 3


def test_methods_stand_side_by_side_at_the_same_slices() -> None:
    reference = box((5, 5, 5), (12, 12, 10))
    plot = methods_plot(
        case(reference, reference), {"supervised": np.roll(reference, 3, 0), "<i>": reference}, "methods", "title"
    )
    text = plot.svg.decode()
    assert text.count("<image") == 9
    assert "supervised" in text and "&lt;i&gt;" in text and "<i>" not in text


def test_surfaces_are_blue_and_red_and_an_empty_one_is_said() -> None:
    reference = box((5, 5, 5), (12, 12, 10))
    text = surfaces_plot(case(reference, reference), "surfaces", "title").svg.decode()
    assert text.count("<image") == 2 and "empty" not in text
    assert "prediction: empty" in surfaces_plot(case(reference, 0 * reference), "surfaces", "t").svg.decode()
    nothing = surfaces_plot(case(0 * reference, 0 * reference), "surfaces", "t").svg.decode()
    assert "reference: empty" in nothing


def test_unsure_voxels_at_the_border_of_the_scan_do_not_choose_the_slices() -> None:
    prediction, near = box((5, 5, 5), (12, 12, 10)), box((5, 5, 7), (12, 7, 8))
    border = near | box((0, 0, 0), (20, 24, 1))

    def titles(unsure: NDArray[np.uint8]) -> list[str]:
        text = slices_plot(case(unsure, prediction), "slices", "title", shows="unsure").svg.decode()
        return re.findall(r"(?:axial|coronal|sagittal) [^<]*", text)

    assert len(titles(near)) == 3 and titles(border) == titles(near)
    text = slices_plot(case(border, np.zeros_like(border)), "slices", "title", shows="unsure").svg.decode()
    assert "axial" in text  # where nothing is segmented, all of them count
