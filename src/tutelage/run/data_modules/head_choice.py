"""The head that suits the labels, chosen by cross-validation on cached features."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from torch import nn

from tutelage.config import RunConfig
from tutelage.core.devices import one_thread
from tutelage.core.seeding import derived_seed, own_random_state
from tutelage.data.images.dataset import ImageDataset
from tutelage.run.data_modules.feature_streams import Features, build_feature_training, new_head
from tutelage.run.estimate import Estimate
from tutelage.run.held_out import FOLDS, HeldOut
from tutelage.tasks.calibration import LogProbs
from tutelage.training.health import Health
from tutelage.training.loop import run_step
from tutelage.training.state import Training

Rows = NDArray[np.int64]

_FOLDS, _REPEATS = 4, 3
_STEPS = {"linear": 1}  # a head starts at its logistic regression
_USUAL_STEPS = 150
_LEAST_TESTED = 20  # labels that can be held out, below which a single one would decide
_MARGIN = 1.5  # standard errors by which a head must be ahead of an earlier one
_UNBALANCED = 3.0  # ratio of the labels of the largest class and of the smallest


@dataclass(frozen=True)
class HeadChoice:
    """The outcome of `choose_head`.

    Attributes:
        name: of the method.
        scores: the cross-validated score of each head in [0, 1], and its standard error; empty if there were too few
            labels.
        metric: "accuracy" or "balanced accuracy".
        reason: why, in one sentence.
        labels: the number of labels that the scores are on.
        rounds: how often each of them was predicted.
        held_out: what the chosen head says of each of them, trained without it; None if there were too few labels.
    """

    name: str
    scores: dict[str, tuple[float, float]]
    metric: str
    reason: str
    labels: int = 0
    rounds: int = 0
    held_out: HeldOut | None = field(default=None, compare=False)

    @property
    def estimate(self) -> Estimate | None:
        """The score of the chosen head, if there is one."""
        if self.name not in self.scores:
            return None
        value, error = self.scores[self.name]
        among = f"; chosen among {len(self.scores)} heads" if len(self.scores) > 1 else ""
        times = "once" if self.rounds == 1 else f"{self.rounds} times"
        how = f"each label predicted {times} by heads trained without it, in {_FOLDS} folds{among}"
        return Estimate(
            method=self.name, metric=self.metric, value=value, standard_error=error, labels=self.labels, how=how
        )

    def print(self, console: Console) -> None:
        """Say what was chosen, and why."""
        console.print(f"- head: {self.reason}", markup=False)


@own_random_state()
def choose_head(
    configs: Mapping[str, RunConfig],
    data: ImageDataset,
    features: Features,
    *,
    device: torch.device,
    widths: tuple[int, ...] = (),
) -> HeadChoice:
    """Choose among the heads of `configs` by repeated cross-validation on the labeled rows.

    Every fold trains each head without its rows, which are not in the unlabeled stream either, as new images are not,
    and scores it on them. A head that uses unlabeled images is preferred unless another is ahead of it by 1.5 standard
    errors of the differences: it costs little where it does not help, and cross-validation with few labels is noisy.

    Args:
        configs: the settings of each head by the name of its method, in the order of preference.
        widths: the columns of each network, if the features are of several.
    """
    label = data.train.labels[data.labeled_rows]
    counts = np.bincount(label, minlength=len(data.classes))
    unbalanced = is_unbalanced(label, len(data.classes))
    metric = "balanced accuracy" if unbalanced else "accuracy"
    names = list(configs)
    if counts[counts >= 2].sum() < _LEAST_TESTED:
        reason = f"{names[0]}, since {len(label)} labels are too few to compare heads on"
        return HeadChoice(names[0], {}, metric, reason)
    held: list[NDArray[np.int64]] = []
    right: dict[str, list[NDArray[np.bool_]]] = {name: [] for name in names}
    said: dict[str, list[tuple[LogProbs, nn.Linear]]] = {name: [] for name in names}
    with one_thread(device):
        for number, fold in enumerate(_folds(label, seed=next(iter(configs.values())).train.seed)):
            if number == _FOLDS and all(np.concatenate(hits).all() for hits in right.values()):
                break  # no head made a mistake: further repeats would tell nothing
            kept = np.setdiff1d(np.arange(len(label)), fold)
            part = copy.copy(data)
            part.labeled_rows = data.labeled_rows[kept]
            part.unlabeled_rows = np.setdiff1d(data.unlabeled_rows, data.labeled_rows[fold])
            held.append(fold)
            for name, cfg in configs.items():
                trained = train_head(cfg, part, features, device, widths)
                log_probs = predictor_of(trained, features, device)(data.labeled_rows[fold])
                right[name].append(log_probs.argmax(1) == label[fold])
                if number < _FOLDS:
                    said[name].append((log_probs, cast(nn.Linear, trained.head)))
    weight = row_weights(label, unbalanced)
    rows = np.concatenate(held)
    shares = {name: _per_label(np.concatenate(hits), rows, len(label)) for name, hits in right.items()}
    tested = np.unique(rows)
    scores = {name: weighted_mean(share[tested], weight[tested]) for name, share in shares.items()}
    chosen = names[0]
    for name in names[1:]:
        ahead, error = weighted_mean((shares[name] - shares[chosen])[tested], weight[tested])
        if ahead > _MARGIN * error and ahead > 0.0:
            chosen = name
    listed = ", ".join(f"{name} {100 * score:.1f}%" for name, (score, _) in scores.items())
    reason = f"{chosen}, by cross-validated {metric} on {len(tested)} labels ({listed})"
    folds, of_fold = held[:_FOLDS], said[chosen]
    held_out = HeldOut.of(np.concatenate([found for found, _ in of_fold]), label[np.concatenate(folds)], FOLDS)
    number_of_fold = np.repeat(np.arange(len(folds)), [len(fold) for fold in folds])
    held_out = held_out.in_folds(number_of_fold, [head for _, head in of_fold])
    return HeadChoice(chosen, scores, metric, reason, len(tested), int(np.bincount(rows).max()), held_out)


def _folds(label: NDArray[np.int64], *, seed: int) -> list[NDArray[np.int64]]:
    """Rows held out in turn, repeatedly; of a class with one label none is, and a class always keeps one."""
    folds = []
    for repeat in range(_REPEATS):
        draw = np.random.default_rng(derived_seed(seed, "heads", repeat))
        part = np.full(len(label), -1)
        for number in np.unique(label):
            own = draw.permutation(np.flatnonzero(label == number))
            if len(own) >= 2:
                part[own] = (np.arange(len(own)) + draw.integers(_FOLDS)) % _FOLDS
        folds += [np.flatnonzero(part == k) for k in range(_FOLDS)]
    return [fold for fold in folds if len(fold)]


def train_head(
    cfg: RunConfig, data: ImageDataset, features: Features, device: torch.device, widths: tuple[int, ...] = ()
) -> nn.Module:
    """A head after a short training, in evaluation mode; see `build_feature_training`."""
    head = new_head(cfg, data, features)
    steps = _STEPS.get(cfg.method, _USUAL_STEPS)
    training = build_feature_training(cfg, data, features, device, head, steps=steps, widths=widths)
    train_unrecorded(training)
    return training.method.predictor.eval()


def train_unrecorded(training: Training) -> None:
    """Train to the end, without a log, scores or checkpoints."""
    try:
        training.method.train()
        health = Health(training.device)
        for step in range(training.total):
            run_step(training, step, health)
    finally:
        training.loader.close()


def predictor_of(head: nn.Module, features: Features, device: torch.device) -> Callable[[Rows], LogProbs]:
    """A function from rows of `features` to the log-probabilities (n, K) that a head gives them."""

    def predict(rows: Rows) -> LogProbs:
        with torch.no_grad():
            logits = head(torch.from_numpy(features[rows]).to(device)).double()
            found: LogProbs = logits.log_softmax(1).cpu().numpy()
        return found

    return predict


def is_unbalanced(label: Rows, num_classes: int) -> bool:
    """Whether the classes of some labels differ so much in number that all classes should count alike."""
    counts = np.bincount(label, minlength=num_classes)
    return bool(counts.max() > _UNBALANCED * max(counts.min(), 1))


def row_weights(label: NDArray[np.int64], balanced: bool) -> NDArray[np.float64]:
    """The weight of each label in the score: all alike, or all classes alike."""
    if not balanced:
        return np.ones(len(label))
    weights: NDArray[np.float64] = 1.0 / np.bincount(label)[label]
    return weights


def _per_label(hits: NDArray[np.bool_], rows: NDArray[np.int64], count: int) -> NDArray[np.float64]:
    """(count,) the share of the repeats in which each label was predicted right."""
    times = np.bincount(rows, minlength=count)
    shares: NDArray[np.float64] = np.bincount(rows, weights=hits, minlength=count) / np.maximum(times, 1)
    return shares


def weighted_mean(values: NDArray[np.float64], weights: NDArray[np.float64]) -> tuple[float, float]:
    """The weighted mean and its standard error."""
    weights = weights / weights.sum()
    mean = float(weights @ values)
    return mean, float(np.sqrt(weights**2 @ (values - mean) ** 2))
