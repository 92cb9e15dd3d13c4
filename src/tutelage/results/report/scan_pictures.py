"""Pictures of a segmented case: slices through its largest error with both contours, and both surfaces in 3-D."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from mpl_toolkits.mplot3d import Axes3D
from mpl_toolkits.mplot3d.art3d import Poly3DCollection
from numpy.typing import NDArray

from tutelage.core.names import shown
from tutelage.results.report.blocks import Plot
from tutelage.results.report.drawing import INK, finished, new_figure, short, style
from tutelage.results.report.surfaces import Surface, surface_of

REFERENCE, PREDICTION = "#2f80ff", "#ff3b30"  # the same in light and dark pages, since scans are gray
_PLANES = ("sagittal", "coronal", "axial")  # perpendicular to the axes of RAS
_LETTERS = (("R", "L"), ("P", "A"), ("I", "S"))  # at the low and the high end of each axis of RAS
_WIDTH = 9.6  # inches of a wide plot
_MARGIN = 0.4  # shown around the masks, as a fraction of their extent
_LEAST = 12  # voxels, the smallest margin
_VIEW = (22.0, -58.0)  # elevation and azimuth, in degrees
_LIGHT = np.array([0.35, -0.75, 0.55])

Mask = NDArray[np.uint8]
_Entry = tuple[str, str, Literal["solid", "dashed"]]  # text, color and line of a legend entry


@dataclass(frozen=True)
class SegmentedCase:
    """A scan with its reference and predicted masks.

    Attributes:
        image: (*S) intensities, of two or three axes.
        reference, prediction: (*S) uint8 class indices, 0 is background.
        spacing: in mm along each axis.
        oriented: whether the axes point to R, A and S; else their directions are unknown.
    """

    name: str
    image: NDArray
    reference: Mask
    prediction: Mask
    spacing: tuple[float, ...]
    oriented: bool = True


@dataclass(frozen=True)
class _Cut:
    """One slice of a volume, perpendicular to `axis` at `index`; `axes` are drawn to the right and upwards."""

    axis: int
    index: int
    axes: tuple[int, int]

    def of(self, volume: NDArray) -> NDArray:
        """(right, up)."""
        return volume.take(self.index, self.axis) if volume.ndim == 3 else volume.T


def largest_error(wrong: NDArray[np.bool_], reference: NDArray[np.bool_]) -> tuple[int, ...]:
    """The slice with the most wrong voxels along each axis, or with the most of the reference if none is wrong.

    Args:
        wrong, reference: (*S).
    """
    counted = wrong if wrong.any() else reference
    axes = range(counted.ndim)
    return tuple(int(counted.sum(tuple(other for other in axes if other != axis)).argmax()) for axis in axes)


def slices_plot(
    case: SegmentedCase,
    name: str,
    title: str,
    caption: str = "",
    *,
    shows: Literal["reference", "unsure", "prediction"] = "reference",
) -> Plot:
    """Axial, coronal and sagittal slices through the largest error, with contours; one panel for an image of two axes.

    Each class has a contour: solid blue for the reference, dashed red for the prediction.

    Args:
        shows: "prediction" if there is no reference: slices go through most of the prediction. "unsure" if voxels of
            which a model is unsure stand in for the reference: slices go through most of these, in the box around the
            prediction if there is one.
    """
    first = _beside_prediction(case) if shows == "unsure" else case.reference
    cuts = _cuts(case, first > 0 if shows == "unsure" else case.prediction != case.reference)
    around = _around([first, case.prediction], case.spacing)
    with style(name):
        figure, panels = _panels([_extent(case, cut, around) for cut in cuts], rows=1)
        for axes, cut in zip(panels[0], cuts, strict=True):
            _draw_slice(axes, case, cut, around)
            _outline(axes, cut.of(case.reference), REFERENCE, "solid")
            _outline(axes, cut.of(case.prediction), PREDICTION, "dashed")
            axes.set_title(_slice_title(case, cut))
        entries: list[_Entry] = [(shows, REFERENCE, "solid"), ("prediction", PREDICTION, "dashed")]
        _legend(figure, *entries[1 if shows == "prediction" else 0 :])
        return finished(figure, name, title, caption, wide=True)


def methods_plot(case: SegmentedCase, others: Mapping[str, Mask], name: str, title: str, caption: str = "") -> Plot:
    """The same case by several methods, side by side: the reference, then the prediction of each, at the same slices.

    Args:
        others: predictions by method name, e.g. supervised first; the prediction in `case` is not drawn.
    """
    wrong = np.any([prediction != case.reference for prediction in others.values()], axis=0)
    cuts = _cuts(case, wrong)
    around = _around([case.reference, *others.values()], case.spacing)
    columns = {"reference": case.reference, **others}
    with style(name):
        figure, panels = _panels(
            [_extent(case, cuts[0], around)] * len(columns),
            rows=len(cuts),
            heights=[_extent(case, cut, around)[1] for cut in cuts],
        )
        for axes, label in zip(panels[0], columns, strict=True):
            axes.set_title(short(label))
        for row, cut in zip(panels, cuts, strict=True):
            for axes, mask in zip(row, columns.values(), strict=True):
                _draw_slice(axes, case, cut, around)
                _outline(axes, cut.of(case.reference), REFERENCE, "solid")
                if mask is not case.reference:
                    _outline(axes, cut.of(mask), PREDICTION, "dashed")
            row[0].set_ylabel(_slice_title(case, cut))
        _legend(figure, ("reference", REFERENCE, "solid"), ("prediction", PREDICTION, "dashed"))
        return finished(figure, name, title, caption, wide=True)


def surfaces_plot(case: SegmentedCase, name: str, title: str, caption: str = "") -> Plot:
    """The surfaces of reference (blue) and prediction (red) of a volume, side by side from one place.

    Classes have shades of the color, the first class the full one.
    """
    parts = {"reference": (case.reference, REFERENCE), "prediction": (case.prediction, PREDICTION)}
    surfaces = {label: surface_of(mask, case.spacing) for label, (mask, _) in parts.items()}
    corners = [surface.quads.reshape(-1, 3) for surface in surfaces.values() if len(surface.quads)]
    low, high = (
        (np.concatenate(corners).min(0), np.concatenate(corners).max(0)) if corners else (np.zeros(3), np.ones(3))
    )
    with style(name):
        figure = new_figure(_WIDTH, 4.2)
        figure.set_layout_engine("none")
        figure.set_dpi(150)  # for the rasterized surfaces: thousands of quads would make a huge SVG
        for place, (label, surface) in enumerate(surfaces.items()):
            axes = figure.add_axes((0.5 * place, 0.0, 0.5, 0.94), projection="3d")
            assert isinstance(axes, Axes3D)
            axes.set_axis_off()
            axes.view_init(*_VIEW)
            axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), zlim=(low[2], high[2]))
            axes.set_box_aspect(high - low, zoom=1.0)
            axes.set_title(label if len(surface.quads) else f"{label}: empty", loc="center", y=0.98)
            _draw_surface(axes, surface, parts[label][1])
        return finished(figure, name, title, caption, wide=True)


def _cuts(case: SegmentedCase, wrong: NDArray[np.bool_]) -> list[_Cut]:
    places = largest_error(wrong, case.reference > 0)
    if case.image.ndim == 2:
        return [_Cut(0, 0, (1, 0))]
    return [_Cut(axis, places[axis], (1 if axis == 0 else 0, 1 if axis == 2 else 2)) for axis in (2, 1, 0)]


def _beside_prediction(case: SegmentedCase) -> Mask:
    """The reference, in the box around the prediction; all of it if there is nothing there."""
    box = tuple(slice(*ends) for ends in _around([case.prediction], case.spacing, 1))
    near = np.zeros_like(case.reference)
    near[box] = case.reference[box]
    return near if near.any() else case.reference


def _around(masks: Sequence[Mask], spacing: Sequence[float], least: int = _LEAST) -> list[tuple[int, int]]:
    """The range of voxels to show along each axis, as (first, last + 1), with `least` around the masks or more."""
    there = np.any([mask > 0 for mask in masks], axis=0)
    if not there.any():
        return [(0, n) for n in there.shape]
    ends = [np.flatnonzero(_along(there, axis))[[0, -1]] for axis in range(there.ndim)]
    reach = max(step * float(last - first) for step, (first, last) in zip(spacing, ends, strict=True))
    box = []
    for n, step, (first, last) in zip(there.shape, spacing, ends, strict=True):
        margin = max(least, round(_MARGIN * reach / step))
        box.append((max(0, int(first) - margin), min(n, int(last) + 1 + margin)))
    return box


def _along(there: NDArray[np.bool_], axis: int) -> NDArray[np.bool_]:
    return np.asarray(there.any(tuple(other for other in range(there.ndim) if other != axis)))


def _extent(case: SegmentedCase, cut: _Cut, around: Sequence[tuple[int, int]]) -> tuple[float, float]:
    """Width and height of a panel in mm."""
    width, height = ((around[a][1] - around[a][0]) * case.spacing[a] for a in cut.axes)
    return width, height


def _panels(
    extents: Sequence[tuple[float, float]], *, rows: int, heights: Sequence[float] | None = None
) -> tuple[Figure, NDArray]:
    """A figure of panels with sides in proportion to mm; panels in a single row have equal height."""
    widths = [w / h for w, h in extents] if heights is None else [w for w, _ in extents]
    inches = (_WIDTH - 0.4) / max(sum(widths), 1e-6)
    tall = min(inches, 3.6) if heights is None else min(inches * sum(heights), 8.4)
    figure = new_figure(_WIDTH, tall + 0.35 * rows + 0.3)
    panels = figure.subplots(
        rows, len(extents), squeeze=False, width_ratios=widths, height_ratios=None if heights is None else heights
    )
    return figure, panels


def _draw_slice(axes: Axes, case: SegmentedCase, cut: _Cut, around: Sequence[tuple[int, int]]) -> None:
    image = cut.of(case.image).astype(float)
    low, high = np.percentile(case.image, (1.0, 99.0))
    axes.imshow(image.T, cmap="gray", origin="lower", vmin=low, vmax=max(high, low + 1e-6), interpolation="none")
    right, up = cut.axes
    axes.set_aspect(case.spacing[up] / case.spacing[right])
    (left_end, right_end), (low_end, high_end) = ((a - 0.5, b - 0.5) for a, b in (around[right], around[up]))
    flipped = (
        case.image.ndim == 3 and case.oriented and right == 0
    )  # radiological convention: the patient's right is on the left
    axes.set_xlim((right_end, left_end) if flipped else (left_end, right_end))
    axes.set_ylim((high_end, low_end) if case.image.ndim == 2 else (low_end, high_end))  # image rows go downwards
    axes.set(xticks=[], yticks=[])
    axes.grid(False)
    if case.oriented and case.image.ndim == 3:
        (west, east), (south, north) = _LETTERS[right], _LETTERS[up]
        for x, y, letter in ((0.02, 0.5, west), (0.98, 0.5, east), (0.5, 0.02, south), (0.5, 0.98, north)):
            where: Any = {"ha": "left" if x < 0.1 else "right" if x > 0.9 else "center"}
            where["va"] = "bottom" if y < 0.1 else "top" if y > 0.9 else "center"
            axes.text(x, y, letter, transform=axes.transAxes, color="#ffd60a", fontsize=8, **where)


def _outline(axes: Axes, mask: NDArray, color: str, line: str) -> None:
    """Draw the border of each class of a mask (right, up), between voxels and closed at the edge."""
    padded = np.pad(mask, 1)
    x, y = (np.arange(-1, n + 1) for n in mask.shape)
    for value in np.unique(mask[mask > 0]):
        lines = axes.contour(x, y, (padded == value).T, levels=[0.5], colors=[color], linestyles=[line], linewidths=1.5)
        lines.set_clip_on(False)  # a line at the edge of the panel would be cut in half


def _slice_title(case: SegmentedCase, cut: _Cut) -> str:
    if case.image.ndim == 2:
        return shown(case.name)
    plane = _PLANES[cut.axis] if case.oriented else f"axis {cut.axis + 1},"
    return f"{plane} {cut.index + 1} of {case.image.shape[cut.axis]}"


def _legend(figure: Figure, *entries: _Entry) -> None:
    lines = [Line2D([], [], color=color, linestyle=line) for _, color, line in entries]
    figure.legend(lines, [text for text, *_ in entries], loc="outside lower center", ncols=len(entries), labelcolor=INK)


def _draw_surface(axes: Axes3D, surface: Surface, color: str) -> None:
    if not len(surface.quads):
        return
    base = np.array([int(color[k : k + 2], 16) / 255 for k in (1, 3, 5)])
    light = _LIGHT / np.linalg.norm(_LIGHT)
    shade = 0.45 + 0.55 * np.clip(surface.normals @ light, 0.0, 1.0)
    pale = 0.5 * (1.0 - 1.0 / surface.classes)  # 0 for the first class, towards white for the others
    colors = shade[:, None] * (base + pale[:, None] * (1.0 - base))
    axes.add_collection3d(
        Poly3DCollection(
            surface.quads, facecolors=colors, edgecolors=colors, linewidths=0.2, rasterized=True, clip_on=False
        )
    )
