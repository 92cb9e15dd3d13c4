"""Probes a run with simple classifiers on its frozen features, for several numbers of labels."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tutelage.augment.view import ImageShape
from tutelage.augment.weak import WeakCrop
from tutelage.config.augment import WeakConfig
from tutelage.config.settings import require
from tutelage.core.console import warn
from tutelage.core.errors import ConfigError, DataError, maybe
from tutelage.core.inputs import user_path
from tutelage.core.intervals import interval
from tutelage.core.names import shown
from tutelage.core.seeding import generator
from tutelage.core.wording import named, option
from tutelage.data.split import keep_labels
from tutelage.inference.images.encoder import SETTLING_IMAGES, Encoder
from tutelage.inference.images.probe.bench import Bench, View
from tutelage.inference.images.probe.data import LabeledFeatures, Parts, list_labeled, read_labeled, split_off_test
from tutelage.inference.images.probe.folds import deal, most_folds
from tutelage.inference.model import Tell
from tutelage.run.run_record import RunRecord

KINDS = ("knn", "linear", "logistic")
USUAL_COUNTS = (4, 25, 400)  # labels per class; 40, 250 and 4,000 with ten classes
OWN, RANDOM = "run", "random"
SMALLEST_CROP = 0.08  # in the published augmentation: RandomResizedCrop's default


@dataclass(frozen=True, kw_only=True)
class ProbeConfig:
    """Settings of a probe; see `tutelage probe --help`."""

    label_counts: tuple[int | None, ...] | None = None  # an entry None means all labels; None, the usual counts
    seeds: int = 5
    kinds: tuple[str, ...] | None = None  # None: all that are installed
    random: bool = True
    augment: bool = False
    label_balance: Literal["balanced", "proportional"] = "balanced"

    def __post_init__(self) -> None:
        require(1 <= self.seeds <= 1000, named("seeds"), "in [1, 1000]", self.seeds)
        for kind in self.kinds or ():
            if kind not in KINDS:
                raise ConfigError(
                    f"{named('kind')} must be one of {', '.join(KINDS)}, got {kind!r}{maybe(kind, KINDS)}"
                )
        if self.augment and self.kinds is not None and "linear" not in self.kinds:
            raise ConfigError(
                f"{named('augment')} does nothing without the linear probe: add linear to {named('kind')}"
            )


def parse_counts(text: str) -> tuple[int | None, ...]:
    """The numbers in `"40,250,all"`; None stands for all.

    Raises:
        ConfigError: a part is neither a number above 0 nor the word all, or is repeated.
    """
    parts = [part.strip() for part in text.split(",") if part.strip()]
    require(bool(parts), named("label_counts"), "numbers, or the word all, separated by commas", text)
    for part in parts:
        good = part == "all" or (part.isdecimal() and int(part) >= 1)
        require(good, named("label_counts"), "numbers above 0, or the word all, separated by commas", part)
    counts = tuple(None if part == "all" else int(part) for part in parts)
    require(len(set(counts)) == len(counts), named("label_counts"), "different numbers", text)
    return counts


def probe(
    run: Path,
    data: str,
    cfg: ProbeConfig,
    *,
    labels: str | None = None,
    test: str | None = None,
    network: str = "auto",
    device: str = "auto",
    workers: int = 2,
    tell: Tell | None = None,
) -> dict[str, Any]:
    """Probe the encoder of a run on labeled images; returns the content of `table`, ready for JSON.

    Raises:
        TutelageError: the run or the data is invalid.
    """
    record = RunRecord(run)
    parts = list_labeled(data, labels=labels, test=test, tell=tell or warn)
    encoder = Encoder.load(run, network=network, device=device)
    encoders = [encoder, *_untrained(encoder, record, parts, workers)] if cfg.random else [encoder]
    if tell is not None:
        tell(f"computing the features of {len(parts.train) + len(parts.test or ())} images")
    learn, scored, folds, note = _features(parts, encoders, cfg, data, workers)
    notes = [text for text in (note, _seen_note(record, data, learn, scored)) if text]
    kinds = cfg.kinds or KINDS
    counts = [None] if folds else _counts(cfg, learn, parts.classes)
    rows = []
    for number, name in enumerate((OWN, RANDOM)[: len(encoders)]):
        view = _augmented(encoders[number], learn, flip=parts.flip_ok) if cfg.augment else None
        bench = Bench(learn, scored, number, parts.classes, view, not encoders[number].principal_components)
        rows += [_row(bench, kind, count, folds, cfg) | {"encoder": name} for count in counts for kind in kinds]
    return {
        "run": str(run),
        "step": encoder.step,
        "network": record.cfg.network.name,
        "method": record.method,
        "data": data,
        "classes": list(parts.classes),
        "features": learn.features[0].shape[1],
        "labeled_images": len(learn),
        "test_images": 0 if folds else len(scored),
        "settings": dataclasses.asdict(cfg) | {"kinds": list(kinds), "label_counts": counts},
        "notes": notes,
        "rows": rows,
    }


def _untrained(encoder: Encoder, record: RunRecord, parts: Parts, workers: int) -> list[Encoder]:
    """The same network with random weights, settled on some images; none where too few images can be read."""
    few = [parts.train[k] for k in np.linspace(0, len(parts.train) - 1, SETTLING_IMAGES).astype(int)]
    few = list({id(item): item for item in few}.values())
    pixels = [image for image in encoder.read(few, workers=workers) if isinstance(image, np.ndarray)]
    if len(pixels) <= 1:  # unreadable images are all reported later
        return []
    return [encoder.fresh(record.cfg, np.stack(pixels), seed=0)]


def _features(
    parts: Parts, encoders: Sequence[Encoder], cfg: ProbeConfig, data: str, workers: int
) -> tuple[LabeledFeatures, LabeledFeatures, int, str]:
    """What probes learn from and are scored on, the number of folds if these are the same, and what is said of it."""
    learn = read_labeled(parts.train, parts.classes, encoders, workers=workers, keep_pixels=cfg.augment)
    if parts.test is not None:
        scored = read_labeled(parts.test, parts.classes, encoders, workers=workers)
        return learn, scored, 0, _copies_note(learn, scored)
    learn, scored = split_off_test(learn, parts.classes)
    if len(scored):
        return learn, scored, 0, "no test images were given: a fifth of the labels is held out for scoring"
    folds = _folds(learn, parts.classes, cfg, data)
    return learn, learn, folds, _folds_note(len(learn), folds)


def _counts(cfg: ProbeConfig, learn: LabeledFeatures, classes: Sequence[str]) -> list[int | None]:
    """The requested numbers of labels, validated; by default, the usual ones that are available, and all."""
    if cfg.label_counts is None:
        least = int(np.bincount(learn.label, minlength=len(classes)).min())
        return [*(count * len(classes) for count in USUAL_COUNTS if count < least), None]
    for count in cfg.label_counts:
        try:
            _draw(learn, classes, count, cfg, 0)
        except DataError as error:
            raise DataError(str(error).replace(named("label_count"), named("label_counts"), 1)) from None
    return list(cfg.label_counts)


def _draw(
    learn: LabeledFeatures, classes: Sequence[str], count: int | None, cfg: ProbeConfig, seed: int
) -> NDArray[np.int64]:
    return keep_labels(learn.label, learn.names, classes, count=count, balance=cfg.label_balance, seed=seed)


def _row(bench: Bench, kind: str, count: int | None, folds: int, cfg: ProbeConfig) -> dict[str, Any]:
    accuracy = _by_folds(bench, kind, folds, cfg) if folds else _accuracy(bench, kind, count, cfg)
    over = interval(accuracy)
    used = len(bench.learn) if count is None else count
    used = used * (folds - 1) // folds if folds else used
    return {"kind": kind, "labels": used, "accuracy": accuracy, "mean": over.mean, "std": over.std}


def _accuracy(bench: Bench, kind: str, count: int | None, cfg: ProbeConfig) -> list[float]:
    """The accuracy of each seed, with its own draw of labels; with all labels, only SGD depends on the seed."""
    seeds = range(cfg.seeds) if count is not None or kind == "linear" else range(1)
    draws = (_draw(bench.learn, bench.classes, count, cfg, seed) for seed in seeds)
    return [bench.right(kind, rows, seed) / len(bench.scored) for seed, rows in zip(seeds, draws, strict=True)]


def _by_folds(bench: Bench, kind: str, folds: int, cfg: ProbeConfig) -> list[float]:
    """The accuracy of each seed, with its own folds: each fold is scored by a probe trained on the others."""
    accuracy = []
    for seed in range(cfg.seeds):
        right = 0
        for rest, held in deal(bench.learn.label, bench.learn.digests, folds, seed=seed):
            right += bench.part(rest, held).right(kind, np.arange(len(rest)), seed)
        accuracy.append(right / len(bench.learn))
    return accuracy


def _folds(learn: LabeledFeatures, classes: Sequence[str], cfg: ProbeConfig, data: str) -> int:
    """Number of folds if there are too few labels to hold out a fifth of them.

    Raises:
        DataError: numbers of labels were requested, or a class has only one image.
    """
    folds = most_folds(learn.label, learn.digests, len(classes))
    few = f"{shown(data)} has no test images, and too few labels ({len(learn)}) to hold out a fifth of them"
    if cfg.label_counts not in (None, (None,)):
        raise DataError(
            f"{few}, so {named('label_counts')} can only be all: give labeled test images with {option('test')}"
        )
    if folds < 2:
        raise DataError(
            f"{few}: give labeled test images with {option('test')}, or label at least two images per class"
        )
    return folds


def _folds_note(labels: int, folds: int) -> str:
    return (
        f"no test images were given, and {labels} labels are too few to hold out a fifth of them: they are split into "
        f"{folds} folds, and each fold is scored by probes trained on the others. The spread is over such splits; "
        f"with {labels} images, an accuracy is known to within about {98 / labels**0.5:.0f} points"
    )


def _augmented(encoder: Encoder, learn: LabeledFeatures, *, flip: bool) -> View:
    """Features of augmented images as in the published protocol: cropped, resized and flipped anew in each epoch."""
    pixels = learn.pixels
    assert pixels is not None
    crop = WeakCrop(WeakConfig(crop="resized", smallest_crop=SMALLEST_CROP, flip=flip))

    def features(epoch: int, rows: NDArray[np.int64], seed: int) -> Tensor:
        images = torch.from_numpy(pixels[rows])
        # each row comes first in at most one batch per epoch
        draw = generator(seed, "linear probe", "crop", epoch, int(rows[0]))
        draws = crop.draw(len(rows), ImageShape(*images.shape[1:]), draw)
        return encoder.features(crop.apply(images, draws))

    return features


def _copies_note(learn: LabeledFeatures, scored: LabeledFeatures) -> str:
    copies = len(set(learn.digests) & set(scored.digests))
    return f"{copies} of the test images are copies of labeled ones: the scores are too high" if copies else ""


def _seen_note(record: RunRecord, data: str, learn: LabeledFeatures, scored: LabeledFeatures) -> str:
    """A warning if the run was trained on labels of the same data, which makes the scores of probes too high."""
    same = record.cfg.data.path in (data, str(user_path(data).absolute()))
    if record.imported or record.pretrained or not same:
        return ""
    labeled = set(record.split["labeled"])
    if not labeled:
        return ""
    seen = len(labeled & set(scored.names))
    held = f", including {seen} of the scored images" if seen else ""
    return f"the run ({shown(record.method)}) was itself trained on {len(labeled)} labels of this data{held}"
