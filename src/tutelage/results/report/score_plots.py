"""Plots of scores: confusion matrix, calibration, confidence, and the headline over the number of labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.collections import PatchCollection
from matplotlib.colors import to_rgba
from matplotlib.patches import Rectangle
from matplotlib.ticker import FixedLocator, NullLocator, StrMethodFormatter

from tutelage.core.headlines import ACCURACY, Headline
from tutelage.core.intervals import Interval
from tutelage.results.report.blocks import Plot
from tutelage.results.report.drawing import INK, RULE, SERIES, SOFT, as_percent, finished, new_figure, short, style
from tutelage.tasks.class_scores import ECE_BINS

_WRITTEN = 12  # classes; with more, a cell of the confusion matrix has no room for a number
_NAMED = 40  # classes; with more, the axes have no room for names


def confusion_plot(counts: np.ndarray, classes: Sequence[str], name: str) -> Plot:
    """The confusion matrix (K, K); each row is a true class, with shades in proportion to its share of the row."""
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1.0)
    k = len(classes)
    side = min(9.0, max(4.6, 0.30 * min(k, _NAMED)))
    with style(name):
        figure = new_figure(side, side * 0.92)
        axes = figure.add_subplot()
        cells = [(row, column) for row in range(k) for column in range(k) if counts[row, column]]
        colors = [to_rgba(SERIES[0] if r == c else SERIES[4], 0.04 + 0.86 * shares[r, c]) for r, c in cells]
        squares = [Rectangle((column - 0.5, row - 0.5), 1, 1) for row, column in cells]
        axes.add_collection(PatchCollection(squares, facecolors=colors, edgecolors="none"))
        if k <= _WRITTEN:
            for row, column in cells:
                color = "white" if shares[row, column] > 0.66 else INK
                text = f"{counts[row, column]:.0f}"
                axes.text(column, row, text, ha="center", va="center", color=color, fontsize=8 if len(text) < 5 else 6)
        axes.set(xlim=(-0.5, k - 0.5), ylim=(k - 0.5, -0.5), aspect="equal", xlabel="predicted", ylabel="true")
        axes.grid(False)
        if k <= _NAMED:
            names = [short(text, 12) for text in classes]
            axes.set_xticks(range(k), names, rotation=90 if max(map(len, names)) > 3 else 0)
            axes.set_yticks(range(k), names)
        return finished(
            figure, name, "Confusion matrix", "Rows are true classes. Blue is correct, red is wrong.", wide=k > _WRITTEN
        )


def reliability_plot(confidence: np.ndarray, right: np.ndarray, name: str) -> Plot:
    """Accuracy over confidence in bins of equal width, with the share of images in each bin.

    Args:
        confidence: (N,) probability of the predicted class.
        right: (N,) bool.
    """
    places = np.minimum((confidence * ECE_BINS).astype(int), ECE_BINS - 1)
    counts = np.bincount(places, minlength=ECE_BINS)
    hits = np.bincount(places, weights=right.astype(float), minlength=ECE_BINS)
    filled = counts > 0
    middle = (np.arange(ECE_BINS) + 0.5) / ECE_BINS
    with style(name):
        figure = new_figure(height=3.6)
        axes, below = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
        axes.plot([0, 1], [0, 1], color=SOFT, linestyle=(0, (4, 3)), linewidth=1.0)
        heights = hits[filled] / counts[filled]
        axes.bar(middle[filled], heights, 0.9 / ECE_BINS, color=SERIES[0], alpha=0.75)
        axes.set(ylim=(0, 1), xlim=(0, 1), ylabel="accuracy")
        below.bar(middle, counts / max(len(confidence), 1), 0.9 / ECE_BINS, color=SOFT, alpha=0.6)
        below.set(xlabel="confidence", ylabel="images")
        for each in (axes, below):
            each.yaxis.set_major_formatter(as_percent)
        below.xaxis.set_major_formatter(as_percent)
        return finished(
            figure,
            name,
            "Reliability",
            "Below the dashed line the model is overconfident, above it underconfident.",
        )


def confidence_plot(confidence: np.ndarray, name: str, title: str) -> Plot:
    """A histogram of the confidence, the probability (N,) of the predicted class."""
    with style(name):
        figure = new_figure(height=2.4)
        axes = figure.add_subplot()
        weights = np.full(len(confidence), 1.0 / max(len(confidence), 1))
        axes.hist(confidence, bins=20, range=(0, 1), weights=weights, color=SERIES[0], alpha=0.75, rwidth=0.9)
        axes.set(xlim=(0, 1), xlabel="confidence", ylabel="images")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(as_percent)
        return finished(figure, name, title, "")


def label_efficiency_plot(
    curves: Mapping[str, Mapping[int, Interval]], name: str, part: str, score: Headline = ACCURACY
) -> Plot:
    """The headline over the number of labels, one curve per method, with a band of one standard deviation if n > 1.

    Args:
        curves: by method and number of labels.
        part: which images are scored.
    """
    with style(name):
        figure = new_figure(height=3.4)
        axes = figure.add_subplot()
        lines, texts = [], []
        for number, (method, points) in enumerate(curves.items()):
            color = SERIES[number % len(SERIES)]
            counts = sorted(points)
            means = np.array([points[count].mean for count in counts])
            spread = np.array([points[count].std or 0.0 for count in counts])
            lines += axes.plot(counts, means, color=color, marker="o", markersize=4)
            axes.fill_between(counts, means - spread, means + spread, color=color, alpha=0.16, linewidth=0)
            axes.errorbar(counts, means, spread, color=color, linestyle="none", capsize=2.5, linewidth=1)
            texts.append(short(method, 34))
        ticks = sorted({count for points in curves.values() for count in points})
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(FixedLocator(ticks))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        axes.yaxis.set_major_formatter(as_percent)
        axes.set(xlabel="labels", ylabel=f"{part} {score.words}")
        axes.legend(lines, texts, loc="best", edgecolor=RULE)
        return finished(
            figure,
            name,
            f"{score.title} over the number of labels",
            "Mean and one standard deviation over the runs.",
        )
