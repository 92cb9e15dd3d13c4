"""The parts of a report about how good a model is, from its metrics and predictions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from tutelage.core.headlines import ACCURACY, NEIGHBORS, Headline
from tutelage.core.intervals import share_interval
from tutelage.core.names import shown
from tutelage.results.report import terms
from tutelage.results.report.blocks import Block, Cell, Section, Table, Text, Tile, Tiles
from tutelage.results.report.examples import Examples
from tutelage.results.report.galleries import confident_mistakes
from tutelage.results.report.score_plots import confidence_plot, confusion_plot, reliability_plot
from tutelage.tasks.class_scores import SCORES
from tutelage.tasks.confusion import confusion_of

_MOST_CLASSES = 200  # in the table of classes and in the confusion matrix
_PAIRS = 8
_SHOWN = ("accuracy", "balanced_accuracy", "ece", "nll", "top5_accuracy")  # scores that have a place of their own


def percent(value: float | None) -> str:
    """`75.4%`, or a dash."""
    return "–" if value is None else f"{100 * value:.1f}%"


def score_tiles(
    scores: Mapping[str, Any], part: str, others: Mapping[str, Any] | None = None, baseline: float | None = None
) -> Tiles:
    """The key numbers.

    Args:
        part: the name of the scored part, e.g. "test".
        others: the metrics of networks that are not evaluated, by name.
        baseline: accuracy of the supervised baseline on the same images, if there is one.
    """
    return Tiles(
        (
            _share_tile("accuracy", scores["accuracy"], scores["n"]),
            *([] if baseline is None else [Tile("supervised baseline", percent(baseline), terms.SUPERVISED)]),
            *other_networks(others, ACCURACY, "not used for predictions"),
            Tile("balanced accuracy", percent(scores["balanced_accuracy"]), "mean recall of the classes"),
            Tile("calibration error", percent(scores["ece"]), terms.ECE),
            *([Tile("NLL", f"{scores['nll']:.3f}", terms.NLL)] if scores.get("nll") is not None else []),
            *(
                Tile(score.heading, score.form.format(scores[name]))
                for name, score in SCORES.items()
                if name not in _SHOWN and scores.get(name) is not None
            ),
            Tile(f"{part} images", f"{scores['n']:,}", f"{len(scores['per_class'])} classes"),
        )
    )


def feature_tiles(scores: Mapping[str, Any], part: str, others: Mapping[str, Any] | None = None) -> Tiles:
    """The key numbers of a pretrained encoder: how well the labels of its neighbors predict the label of an image."""
    return Tiles(
        (
            _share_tile("kNN accuracy", scores["knn_accuracy"], scores["n"]),
            *other_networks(others, NEIGHBORS, "not used as the encoder"),
            Tile("effective rank", f"{scores['effective_rank']:.1f}", "directions in which the features vary"),
            Tile("spread", f"{scores['feature_spread']:.3f}", "0 if all features point the same way"),
            Tile(f"{part} images", f"{scores['n']:,}", "labeled"),
        )
    )


def other_networks(others: Mapping[str, Any] | None, score: Headline, hint: str) -> list[Tile]:
    """The headline of each network that is not evaluated, from their metrics by name."""
    return [
        Tile(f"{score.words} of the {name}", percent(own[score.key]), f"{terms.NETWORKS[name]}; {hint}")
        for name, own in (others or {}).items()
    ]


def _share_tile(label: str, share: float, n: int) -> Tile:
    low, high = share_interval(float(share), int(n))
    return Tile(label, percent(share), f"95% interval {100 * low:.1f} to {100 * high:.1f}")


def class_section(scores: Mapping[str, Any], classes: tuple[str, ...], prefix: str) -> Section:
    """The confusion matrix, the most confused pairs of classes, and one row per class, the weakest first."""
    counts = confusion_of(scores)
    assert counts is not None
    blocks: list[Block] = []
    if len(classes) <= _MOST_CLASSES:
        blocks.append(confusion_plot(counts.toarray(), classes, f"{prefix}confusion"))
    found, totals = counts.tocoo(), counts.sum(1).tolist()
    occurring = zip(found.data.tolist(), found.row.tolist(), found.col.tolist(), strict=True)
    pairs = [(count, true, taken) for count, true, taken in occurring if true != taken and count]
    pairs.sort(key=lambda pair: (-pair[0], pair[1], pair[2]))
    if pairs:
        rows = [
            (Cell(shown(classes[true])), Cell(shown(classes[taken])), _share_of(count, totals[true]))
            for count, true, taken in pairs[:_PAIRS]
        ]
        columns = ("true class", "predicted as", "images")
        blocks.append(Table(columns, tuple(rows), "Most confused classes", texts=2, half=True))
    else:
        blocks.append(Text("No image is misclassified."))
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
            "Recall: the share of a class's images that are recognized. Precision: the share of the images predicted "
            "as a class that belong to it.",
        )
    ]
    if len(classes) > _MOST_CLASSES:
        blocks.append(Text(f"The {_MOST_CLASSES} weakest of {len(classes)} classes.", muted=True))
    return blocks


def calibration_section(
    examples: Examples, part: str, unlabeled: Examples | None, prefix: str, *, how: str | None = None
) -> Section:
    """How well calibrated the model is, and its confidence on unlabeled images.

    Args:
        how: it was calibrated, if it was.
    """
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
    verdict = "overconfident" if gap > 0.03 else "underconfident" if gap < -0.03 else "well calibrated"
    if chance > max(0.03, abs(gap)):  # if each image were right as often as its confidence says
        verdict = f"on {len(examples):,} images, a gap of up to {100 * chance:.0f} points may be due to chance"
    return Section(
        "Calibration",
        (
            Text(
                f"The mean confidence is {percent(confidence)}, and {percent(float(right.mean()))} of the images "
                f"are right: {verdict}."
            ),
            *plots,
            Text(f"{looked}.", muted=True),
            *([] if how is None else [Text(f"The {how}.", muted=True)]),
        ),
    )


def mistakes_section(examples: Examples, classes: tuple[str, ...], part: str, prefix: str) -> Section:
    """The misclassified images with the highest confidence."""
    gallery = confident_mistakes(examples, classes, f"{prefix}mistakes")
    title = "Most confident mistakes"
    if not gallery.thumbnails:
        return Section(title, (Text(f"None of {examples.said} {part} images is misclassified."),))
    text = f"From {examples.said} {part} images. Some of the labels may be wrong, so check them too."
    return Section(title, (Text(text, muted=True), gallery))
