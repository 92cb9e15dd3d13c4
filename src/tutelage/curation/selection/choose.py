"""Which strategy suits the labels that are there, and what it chooses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray

from tutelage.core.errors import ConfigError
from tutelage.core.names import counted
from tutelage.core.seeding import derived_seed, generator
from tutelage.core.soft_head import fit_soft_head
from tutelage.core.wording import option
from tutelage.curation.selection.core_set import core_set
from tutelage.curation.selection.medoids import medoids
from tutelage.curation.selection.near_duplicates import distinct_rows
from tutelage.curation.selection.pick import Pick
from tutelage.curation.selection.random_choice import random_choice
from tutelage.curation.selection.typiclust import typiclust
from tutelage.curation.selection.uncertain import uncertain

Strategy = Literal["auto", "typiclust", "medoids", "core-set", "random", "margin", "entropy"]
STRATEGIES: tuple[Strategy, ...] = get_args(Strategy)
UNCERTAIN = ("margin", "entropy")
FEW = 40  # labels per class, below which typical images are chosen; see docs/select.md
_STEPS, _L2 = 150, 0.08  # of the head that stands in for a run, as where `train` compares heads


@dataclass(frozen=True)
class Choice:
    """Rows to label.

    Attributes:
        picks: in the order of their rank.
        strategy: that was followed.
        why: that strategy, in one sentence.
        near_duplicates: unlabeled rows that were left out for being like another one.
    """

    picks: list[Pick]
    strategy: Strategy
    why: str
    near_duplicates: int


def choose(
    features: NDArray[np.float32],
    labels: NDArray[np.int64],
    classes: Sequence[str],
    *,
    count: int,
    strategy: Strategy = "auto",
    alike: float = 1.1,
    probs: NDArray[np.float32] | None = None,
    probs_classes: Sequence[str] = (),
    seed: int = 0,
) -> Choice:
    """The rows to label next; fewer than `count` where the others are near-duplicates.

    Args:
        features: (N, D), rows of norm 1.
        labels: (N,), -1 where unknown.
        classes: K names, of the labels.
        count: at least 1.
        alike: cosine from which on two rows are near-duplicates.
        probs: (N, L) of a model, whose classes are `probs_classes`; without them, a head on the features has them.

    Raises:
        ConfigError: the strategy is uncertainty, and there are neither probabilities nor labels of two classes.
    """
    taken, why = settled(strategy, labels, has_run=probs is not None)
    distinct = distinct_rows(features, labels >= 0, alike)
    near_duplicates = int((~distinct).sum())
    rows = np.flatnonzero(distinct)
    count = min(count, int((labels[rows] < 0).sum()))
    if not count:
        return Choice([], taken, why, near_duplicates)
    own, labeled = features[rows], labels[rows] >= 0
    number = derived_seed(seed, "select") % 2**32
    if taken in UNCERTAIN and probs is None:
        probs, probs_classes = head_probabilities(features, labels, len(classes), seed=seed), classes
    match taken:
        case "typiclust":
            picks = typiclust(own, labeled, count, seed=number)
        case "medoids":
            picks = medoids(own, labeled, count, seed=number)
        case "core-set":
            picks = core_set(own, labeled, count)
        case "margin" | "entropy":
            assert probs is not None
            picks = uncertain(own, labeled, count, probs[rows], probs_classes, measure=taken, seed=number)
        case _:
            picks = random_choice(labeled, count, seed=seed)
    return Choice([Pick(int(rows[pick.row]), pick.reason) for pick in picks], taken, why, near_duplicates)


def settled(strategy: Strategy, labels: NDArray[np.int64], *, has_run: bool) -> tuple[Strategy, str]:
    """The strategy that is followed for the labels (N,) that are there, and why, in one sentence.

    Raises:
        ConfigError: see `choose`.
    """
    known = labels[labels >= 0]
    seen = len(np.unique(known))
    if strategy in UNCERTAIN:
        if not has_run and seen < 2:
            raise ConfigError(
                f"{option('strategy', strategy)} needs a run ({option('run')}) or labels of two classes, "
                f"got labels of {counted(seen, 'class', 'classes')}"
            )
        model = "the run" if has_run else "a head on the features, trained on the labels so far"
        return strategy, f"images that {model} is unsure of, and that differ from each other ({strategy})"
    said: dict[Strategy, str] = {
        "typiclust": "the most typical image of each cluster",
        "medoids": "the image nearest to the center of each cluster",
        "core-set": "images far from all that have a label",
        "random": "images at random",
    }
    if strategy != "auto":
        return strategy, f"{said[strategy]} ({strategy})"
    if seen >= 2 and len(known) >= FEW * seen:
        taken, why = settled("margin", labels, has_run=has_run)
        return taken, f"{why}, since there are {FEW} labels per class or more"
    found = f"fewer than {FEW} labels per class: {len(known)} labels of {counted(seen, 'class', 'classes')}"
    since = f"there are {found}" if len(known) else "there are no labels yet"
    return "typiclust", f"{said['typiclust']} (typiclust), since {since}"


def head_probabilities(
    features: NDArray[np.float32], labels: NDArray[np.int64], num_classes: int, *, seed: int
) -> NDArray[np.float32]:
    """(N, K) class probabilities of a linear head; see `fit_soft_head`.

    Args:
        features: (N, D), rows of norm 1.
        labels: (N,), -1 where unknown.
    """
    rows = torch.from_numpy(features) * features.shape[1] ** 0.5
    labeled, unlabeled = (torch.from_numpy(np.flatnonzero(part)) for part in (labels >= 0, labels < 0))
    weight, bias = fit_soft_head(
        rows,
        labeled,
        torch.from_numpy(labels)[labeled],
        unlabeled,
        num_classes,
        steps=_STEPS,
        l2=_L2,
        generator=generator(seed, "select", "head"),
    )
    probs: NDArray[np.float32] = (rows @ weight.T + bias).softmax(1).numpy()
    return probs
