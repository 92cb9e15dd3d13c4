"""The parts of a report that tell how good a model is, from its metrics and from predictions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from tutelage.core.intervals import share_interval
from tutelage.core.names import shown
from tutelage.results.report.blocks import Block, Cell, Section, Table, Text, Tile, Tiles
from tutelage.results.report.examples import Examples
from tutelage.results.report.galleries import confident_mistakes
from tutelage.results.report.score_plots import confidence_plot, confusion_plot, reliability_plot
from tutelage.tasks.class_scores import SCORES

_MOST_CLASSES = 200  # in the table of classes and in the confusion matrix
_PAIRS = 8
_SHOWN = ("accuracy", "balanced_accuracy", "ece", "nll", "top5_accuracy")  # scores that have a place of their own


def percent(value: float | None) -> str:
    """`75.4 %`, or a dash."""
    return "–" if value is None else f"{100 * value:.1f} %"


def score_tiles(
    scores: Mapping[str, Any], part: str, others: Mapping[str, Any] | None = None, baseline: float | None = None
) -> Tiles:
    """The numbers to see first.

    Args:
        part: which images are scored, in words.
        others: the metrics of networks that are not evaluated, by name.
        baseline: accuracy of the supervised baseline on the same images, if there is one.
    """
    n = int(scores["n"])
    low, high = share_interval(float(scores["accuracy"]), n)
    return Tiles(
        (
            Tile("accuracy", percent(scores["accuracy"]), f"95 % interval {100 * low:.1f} to {100 * high:.1f}"),
            *([] if baseline is None else [Tile("supervised baseline", percent(baseline), "without unlabeled images")]),
            *(
                Tile(f"accuracy of the {name}", percent(own["accuracy"]), "not the network that predicts")
                for name, own in (others or {}).items()
            ),
            Tile("balanced accuracy", percent(scores["balanced_accuracy"]), "mean recall of the classes"),
            Tile("calibration error", percent(scores["ece"]), "gap of confidence and accuracy"),
            *(
                Tile(score.heading, score.form.format(scores[name]))
                for name, score in SCORES.items()
                if name not in _SHOWN and scores.get(name) is not None
            ),
            Tile(f"{part} images", f"{n:,}", f"{len(scores['per_class'])} classes"),
        )
    )


def feature_tiles(scores: Mapping[str, Any], part: str, others: Mapping[str, Any] | None = None) -> Tiles:
    """The same of a pretrained encoder: how well the labels of an image's neighbors tell its own."""
    n = int(scores["n"])
    low, high = share_interval(float(scores["knn_accuracy"]), n)
    return Tiles(
        (
            Tile("kNN accuracy", percent(scores["knn_accuracy"]), f"95 % interval {100 * low:.1f} to {100 * high:.1f}"),
            *(
                Tile(f"kNN accuracy of the {name}", percent(own["knn_accuracy"]), "not the network that is kept")
                for name, own in (others or {}).items()
            ),
            Tile("effective rank", f"{scores['effective_rank']:.1f}", "directions that the features vary in"),
            Tile("spread", f"{scores['feature_spread']:.3f}", "0 where all features point the same way"),
            Tile(f"{part} images", f"{n:,}", "labeled"),
        )
    )


def class_section(scores: Mapping[str, Any], classes: tuple[str, ...], prefix: str) -> Section:
    """Confusion matrix, the pairs of classes that are mixed up most, and a row a class, the weakest first."""
    matrix = scores["confusion_matrix"]
    blocks: list[Block] = []
    if len(classes) <= _MOST_CLASSES:
        blocks.append(confusion_plot(matrix, classes, f"{prefix}confusion"))
    pairs = [
        (matrix[true][taken], true, taken)
        for true in range(len(classes))
        for taken in range(len(classes))
        if true != taken and matrix[true][taken]
    ]
    pairs.sort(key=lambda pair: (-pair[0], pair[1], pair[2]))
    if pairs:
        rows = [
            (Cell(shown(classes[true])), Cell(shown(classes[taken])), _share_of(count, sum(matrix[true])))
            for count, true, taken in pairs[:_PAIRS]
        ]
        columns = ("true class", "taken for", "images")
        blocks.append(Table(columns, tuple(rows), "Most frequent mix-ups", texts=2, half=True))
    else:
        blocks.append(Text("No image is taken for another class."))
    blocks += _class_table(scores["per_class"], classes)
    return Section("Classes", tuple(blocks))


def _share_of(count: int, total: int) -> Cell:
    return Cell(f"{count:,} of {total:,}", count / total if total else None)


def _class_table(per_class: Mapping[str, Any], classes: tuple[str, ...]) -> list[Block]:
    def weakness(name: str) -> tuple[bool, float]:
        recall = per_class[name]["recall"]
        return recall is None, recall or 0.0

    weakest = sorted(classes, key=weakness)
    rows = []
    for name in weakest[:_MOST_CLASSES]:
        row = per_class[name]
        shares = [Cell(percent(row[key]), row[key]) for key in ("recall", "precision", "f1")]
        rows.append((Cell(shown(name)), *shares, Cell(f"{row['support']:,}")))
    blocks: list[Block] = [
        Table(
            ("class", "recall", "precision", "F1", "images"),
            tuple(rows),
            "Recall: the share of a class's images that are recognized. Precision: the share of the images taken for a "
            "class that belong to it.",
        )
    ]
    if len(classes) > _MOST_CLASSES:
        blocks.append(Text(f"The {_MOST_CLASSES} weakest of {len(classes)} classes.", muted=True))
    return blocks


def calibration_section(examples: Examples, part: str, unlabeled: Examples | None, prefix: str) -> Section:
    """Whether the model is as sure as it may be, and how sure it is of images without a label."""
    right = examples.predicted == examples.label
    confidence = float(examples.confidence.mean())
    gap = confidence - float(right.mean())
    plots = [reliability_plot(examples.confidence, right, f"{prefix}reliability")]
    looked = f"From {examples.said} {part} images"
    if unlabeled is not None:
        title = "Confidence on unlabeled images"
        plots.append(confidence_plot(unlabeled.confidence, f"{prefix}unlabeled-confidence", title))
        looked += f" and {unlabeled.said} unlabeled ones"
    chance = 1.96 * math.sqrt(float((examples.confidence * (1.0 - examples.confidence)).mean()) / len(examples))
    verdict = "too sure of itself" if gap > 0.03 else "too modest" if gap < -0.03 else "about as sure as it may be"
    if chance > max(0.03, abs(gap)):  # were each image right as often as the model is sure of it
        verdict = f"on {len(examples):,} images a gap of up to {100 * chance:.0f} points may be chance"
    return Section(
        "Calibration",
        (
            Text(
                f"On average the model is {percent(confidence)} sure, and right on {percent(float(right.mean()))}: "
                f"{verdict}."
            ),
            *plots,
            Text(f"{looked}.", muted=True),
        ),
    )


def mistakes_section(examples: Examples, classes: tuple[str, ...], part: str, prefix: str) -> Section:
    """The images that the model is surest of and wrong on."""
    gallery = confident_mistakes(examples, classes, f"{prefix}mistakes")
    title = "Most confident mistakes"
    if not gallery.thumbnails:
        return Section(title, (Text(f"None of {examples.said} {part} images is taken for another class."),))
    text = f"Of {examples.said} {part} images. Some may be labeled wrongly: look before you blame the model."
    return Section(title, (Text(text, muted=True), gallery))
