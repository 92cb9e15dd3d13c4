"""What would raise the score on these data, whatever the method: another network, larger images, labels of a class."""

from __future__ import annotations

import statistics

import numpy as np

from tutelage.core.names import shown
from tutelage.core.wording import command, option
from tutelage.networks.published import has_pretrained
from tutelage.results.verdict.evidence import Evidence
from tutelage.results.verdict.reason import CEILING, Reason
from tutelage.run.recommend import FEATURE_SIZES
from tutelage.tasks.confusion import confusion_of

PRETRAINED = "efficientnet-lite0"  # the network that photos start from
MORE = 10  # labels of a class to add
_SHRUNK = 0.75  # of their side; what is shrunk by less loses little
_STEP = 8  # pixels, of which a side is a multiple
_LEAST = 5  # scored images of a class, below which its recall says nothing
_SIGNIFICANT = 0.05


def from_scratch(case: Evidence) -> Reason | None:
    """A new network learns little from few labels of photos, which a pretrained one knows already."""
    if not case.photos_from_scratch or case.run.score >= CEILING:
        return None
    name, labels = case.run.settings["network"]["name"], len(case.run.split["labeled"])
    install = "" if has_pretrained() else ", after installing tutelage[pretrained]"
    shrunk = case.run.data["image_size"] < min(FEATURE_SIZES[0], case.side or 0)
    size = f" without {option('image_size')}" if shrunk else ""
    return Reason(
        "new network",
        f"the network ({shown(name)}) was trained from scratch, with {labels} labels; a network that was pretrained "
        "on photos already knows what they look like",
        f"{option('network', PRETRAINED)}{size}{install}",
        0.97 if case.no_better else 0.79,
    )


def shrunk_images(case: Evidence) -> Reason | None:
    """What tells classes apart may be lost where images were shrunk."""
    size, side, data = case.run.data.get("image_size"), case.side, case.run.settings["data"]
    if size is None or side is None or size > _SHRUNK * side or case.run.score >= CEILING:
        return None
    if case.photos_from_scratch and has_pretrained() and data["image_size"] is None:
        return None  # a pretrained network, which is advised first, gets larger ones by itself
    pretrained = case.run.cfg.network.starts_pretrained
    larger = FEATURE_SIZES[0] if pretrained else min(2 * size, max(FEATURE_SIZES))
    larger = min(larger, max(side // _STEP, 1) * _STEP)
    if larger <= size:
        return None
    return Reason(
        "small images",
        f"the images were shrunk from {side} to {size} pixels, so small details are lost",
        f"{option('image_size', larger)}",
        0.9 if case.no_better else 0.72,
    )


def weak_class(case: Evidence) -> Reason | None:
    """A class that is recognized less often than the others, or has the fewest labels, gains the most from labels."""
    run = case.run
    confused = confusion_of(run.scores)
    if confused is None or run.score >= CEILING:
        return None
    if case.no_better or case.unlearned is not None:
        return None  # what is weak at first says nothing
    counts, right = confused.sum(1), confused.diagonal()
    known = [k for k in range(len(counts)) if counts[k] >= _LEAST]
    if len(known) < 2:
        return None
    weakest = min(known, key=lambda k: right[k] / counts[k])
    labels = run.split.get("labeled_counts")
    fewest = labels is not None and 2 * labels[weakest] <= statistics.median(labels)
    if not fewest and not _is_weaker(right, counts, weakest, len(known)):
        return None
    name, recall = shown(run.classes[weakest]), right[weakest] / counts[weakest]
    others = (right.sum() - right[weakest]) / max(counts.sum() - counts[weakest], 1)
    has = "" if labels is None else f" (number of labels: {labels[weakest]})"
    seen = (
        f"{recall:.0%} of the {run.part} images of '{name}' are recognized{has}; {others:.0%} of those of other classes"
    )
    if run.settings["data"].get("label_count") is not None:  # labels are hidden for a trial
        flag = f"{option('label_count', run.labels + MORE * len(counts))}, which is {MORE} more per class"
    else:
        listed = command("predict", "RUN", "DATA", out="predictions.csv")
        flag = f"label {MORE} more images of '{name}'; {listed} lists likely ones: those with the highest p_{name}"
    return Reason("weak class", seen, flag, 0.5)


def _is_weaker(right: np.ndarray, counts: np.ndarray, weakest: int, classes: int) -> bool:
    """Whether the recall of a class is below that of the others beyond chance, if it is the lowest of `classes`."""
    from scipy import stats  # takes a second to import

    own = [right[weakest], counts[weakest] - right[weakest]]
    others = [right.sum() - own[0], counts.sum() - right.sum() - own[1]]
    return bool(stats.fisher_exact([own, others], alternative="less").pvalue * classes < _SIGNIFICANT)
