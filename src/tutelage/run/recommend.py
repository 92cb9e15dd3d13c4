"""The method that we recommend for some data and a machine, and why: what `--method auto` takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rich.console import Console

from tutelage import config
from tutelage.config import RunConfig
from tutelage.data.images.parts import ImageInventory
from tutelage.data.images.size import choose_size
from tutelage.run.build import method_class

SMALL_IMAGE = 64  # pixels: up to there images are trained on as they are, above it a processor gets them shrunk
FEW_LABELS = 100  # a class; somewhere between the 25 and the 400 that were tried


@dataclass(frozen=True, kw_only=True)
class Situation:
    """What the recommendation follows from.

    Attributes:
        labeled: labeled training images that may be used.
        unlabeled: training images whose label is missing or hidden.
        image_size: side in pixels, as they would be trained on.
        device: "cpu", "cuda" or "mps".
    """

    labeled: int
    unlabeled: int
    classes: int
    image_size: int
    device: str


@dataclass(frozen=True, kw_only=True)
class Recommendation:
    """The preset to take, and the reasons, one sentence each; `unlabeled` images or scans have no label."""

    preset: str
    reasons: tuple[str, ...]
    unlabeled: int

    def print(self, console: Console) -> None:
        """Say what was chosen, and why."""
        console.print(f"- method auto: the preset {self.preset}, since")
        for reason in self.reasons:
            console.print(f"  {reason}", markup=False)


def situation(inventory: ImageInventory, cfg: RunConfig, device: str) -> Situation:
    """What the data and the machine are like, before anything is decoded."""
    train = inventory.parts["train"]
    labels = sum(train.class_counts().values())
    images = len(train.items) + sum(len(part.items) for role, part in inventory.parts.items() if role == "unlabeled")
    used = labels if cfg.data.label_count is None else min(labels, cfg.data.label_count)
    size, _ = choose_size([look for part in inventory.parts.values() for look in part.looks], cfg.data.image_size)
    return Situation(
        labeled=used, unlabeled=images - used, classes=len(inventory.classes), image_size=size, device=device
    )


def recommend(s: Situation) -> Recommendation:
    """The preset for a situation, and what the choice rests on."""
    per_class = s.labeled / s.classes
    small = s.image_size <= SMALL_IMAGE
    place = "small" if small else "cpu"
    counts = f"{s.labeled} labels ({per_class:.3g} per class), {s.unlabeled} unlabeled images"
    facts = f"{counts}, resized to {s.image_size} pixels"
    if s.unlabeled < s.labeled:
        return Recommendation(
            unlabeled=s.unlabeled,
            preset=f"supervised-{place}",
            reasons=(f"{facts}: with fewer unlabeled images than labeled ones there is little to gain from them",),
        )
    if s.device == "cuda":
        return Recommendation(
            unlabeled=s.unlabeled,
            preset="fixmatch-gpu" if small else "fixmatch-gpu-photos",
            reasons=(
                f"{facts}: FixMatch leads the published comparisons at few labels per class, or is close behind",
                "a GPU pays for a network of 28 layers or more (published results; not measured here)",
            ),
        )
    few = per_class < FEW_LABELS
    tried = (
        "MixMatch, which needs no confident predictions, reached 52 % at 25 labels per class, FixMatch 41 %, labels "
        "alone 39 %"
        if few
        else "FixMatch reached 74 % at 400 labels per class, MixMatch 72 %, labels alone 72 %"
    )
    return Recommendation(
        unlabeled=s.unlabeled,
        preset=f"mixmatch-{place}" if few else f"fixmatch-{place}",
        reasons=(
            f"{facts}: {tried}, on CIFAR-10 with a small network and ten minutes of training",
            "without CUDA a small network sees more images in the same time",
        ),
    )


def recommend_for_scans(*, labeled: int, unlabeled: int) -> Recommendation:
    """The preset for these numbers of scans with and without labels, and the reasons."""
    facts = f"{labeled} labeled scans and {unlabeled} unlabeled ones"
    if unlabeled < labeled:
        return Recommendation(
            unlabeled=unlabeled,
            preset="supervised-scan-cpu",
            reasons=(f"{facts}: with fewer unlabeled scans than labeled ones there is little to gain from them",),
        )
    return Recommendation(
        unlabeled=unlabeled,
        preset="mean-teacher-scan-cpu",
        reasons=(
            f"{facts}: a teacher's consistency gained 3 to 4 points of Dice on the left atrium at 8 and 16 labels in "
            "long trainings (published, UA-MT against its supervised V-Net)",
            "in ten minutes without a GPU it gained 0.4 points on hippocampi with 16 labels, and lost 1.7 on left "
            "atria with 4, whose patches are five times as large: --baseline tells on your scans",
            "UA-MT's further passes of the teacher take about as long again as a step of Mean Teacher, in which more "
            "steps fit a budget",
        ),
    )


def recommended(cfg: RunConfig, choice: Recommendation) -> RunConfig:
    """The settings of the recommended preset, below those that were given.

    An unlabeled batch that was not asked for takes no more than there are without a label.
    """
    given: dict[str, Any] = config.flat({name: values for name, values in cfg.given.items() if name != "method"})
    full = config.resolve(given, preset=choice.preset)
    enough = full.train.unlabeled_batch <= choice.unlabeled or not method_class(full.method).unlabeled_views
    if enough or "train.unlabeled_ratio" in given:
        return full
    fewer = {"train.unlabeled_ratio": choice.unlabeled / full.train.batch_size}
    return config.resolve(given | fewer, preset=choice.preset)
