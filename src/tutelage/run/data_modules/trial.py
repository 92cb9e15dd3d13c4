"""Whether fine-tuning is better than the head that it starts from, tried on labels that are held out for it."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from torch import Tensor, nn

from tutelage.config import RunConfig
from tutelage.config.settings import seconds
from tutelage.core.devices import one_thread
from tutelage.core.errors import ConfigError
from tutelage.core.seeding import derived_seed
from tutelage.data.images.dataset import ImageDataset
from tutelage.data.images.loader import Normalization
from tutelage.data.images.streamed import ImageRows
from tutelage.networks.base import Network
from tutelage.run.budget import LEAST_STEPS, timing_limit, timing_patience
from tutelage.run.build import set_length
from tutelage.run.data_modules.head_choice import (
    Rows,
    is_unbalanced,
    predictor_of,
    row_weights,
    train_head,
    train_unrecorded,
    weighted_mean,
)
from tutelage.run.data_modules.image_streams import Inputs, build_training
from tutelage.run.estimate import BY_TRIAL, Estimate
from tutelage.run.frozen_networks import FrozenNetworks
from tutelage.run.run_record import RunRecord
from tutelage.tasks.calibration import LogProbs
from tutelage.training.plan import TRIAL_LENGTH, step_time

_BATCH = 64
HELD_SHARE = 0.25  # of the labels of each class
LEAST_HELD = 20  # labels, below which a single one would decide


@dataclass(frozen=True)
class Trial:
    """The outcome of fine-tuning without some labels, scored on them.

    Attributes:
        labels: that were held out.
        metric: "accuracy" or "balanced accuracy".
        head, tuned: scores in [0, 1] of the head on frozen features, and of the network fine-tuned from it.
        head_loss, tuned_loss: their log loss, the mean of -log p of the true class.
        error: the standard error of `tuned`.
        steps: that it was fine-tuned for.
    """

    labels: int
    metric: str
    head: float
    tuned: float
    head_loss: float
    tuned_loss: float
    error: float
    steps: int

    @property
    def better(self) -> bool:
        """Whether fine-tuning is to be kept: by the score, or if that is the same, by the log loss."""
        return (self.tuned, -self.tuned_loss) > (self.head, -self.head_loss)

    def estimate(self, method: str) -> Estimate:
        """The score of the fine-tuned network as an estimate for the run that continues from it."""
        how = "trained without these labels, before training continued with all of them"
        return Estimate(
            method=method,
            metric=self.metric,
            value=self.tuned,
            standard_error=self.error,
            labels=self.labels,
            how=how,
            by=BY_TRIAL,
        )

    @property
    def said(self) -> str:
        """The outcome in words."""
        said = (
            f"{100 * self.tuned:.1f}% against {100 * self.head:.1f}% for the head, {self.metric} on {self.labels} "
            "labels that were held out for this"
        )
        if self.tuned != self.head:
            return said
        return f"{said}, and a log loss of {self.tuned_loss:.3f} against {self.head_loss:.3f}"


def rows_to_hold(label: Rows, *, seed: int) -> Rows:
    """Sorted positions in `label` (n,) to hold out: a quarter of each class; none if that is less than 20 in all."""
    draw = np.random.default_rng(derived_seed(seed, "trial"))
    held = []
    for number in np.unique(label):
        own = draw.permutation(np.flatnonzero(label == number))
        held.append(own[: int(HELD_SHARE * len(own) + 0.5)] if len(own) > 1 else own[:0])
    rows = np.sort(np.concatenate(held))
    return rows if len(rows) >= LEAST_HELD else rows[:0]


def without(data: ImageDataset, held: Rows) -> ImageDataset:
    """The data without the labels at positions `held` of its labeled rows, which stay in the unlabeled stream."""
    part = copy.copy(data)
    part.labeled_rows = np.delete(data.labeled_rows, held)
    return part


def judged(
    data: ImageDataset,
    held: Rows,
    *,
    head: Callable[[Rows], LogProbs],
    tuned: Callable[[Rows], LogProbs],
    steps: int,
) -> Trial:
    """The scores of both on the held-out labels.

    Args:
        head, tuned: from rows (n,) of the training images to the logarithms of their class probabilities (n, K).
    """
    rows = data.labeled_rows[held]
    label = data.train.labels[data.labeled_rows]
    unbalanced = is_unbalanced(label, len(data.classes))
    weight, truth = row_weights(label[held], unbalanced), label[held]

    def scored(log_probs: LogProbs) -> tuple[float, float, float]:
        """Accuracy, its standard error, and log loss."""
        loss, _ = weighted_mean(-log_probs[np.arange(len(truth)), truth], weight)
        return *weighted_mean((log_probs.argmax(1) == truth).astype(np.float64), weight), loss

    (of_head, _, head_loss), (of_tuned, error, tuned_loss) = scored(head(rows)), scored(tuned(rows))
    metric = "balanced accuracy" if unbalanced else "accuracy"
    return Trial(len(held), metric, of_head, of_tuned, head_loss, tuned_loss, error, steps)


def predictor_of_images(
    network: nn.Module, images: ImageRows, normalization: Normalization, device: torch.device
) -> Callable[[Rows], LogProbs]:
    """A function from rows of `images` (N, C, S, S) to the log-probabilities (n, K) that a network gives them."""

    def predict(rows: Rows) -> LogProbs:
        network.eval()
        with torch.no_grad():
            blocks = np.array_split(rows, max(1, len(rows) // _BATCH))
            pixels = (normalization(torch.from_numpy(images[block]).to(device)) for block in blocks)
            found: LogProbs = torch.cat([network(part).double().log_softmax(1).cpu() for part in pixels]).numpy()
        return found

    return predict


def try_fine_tuning(
    cfg: RunConfig,
    data: ImageDataset,
    network: Network,
    normalization: Normalization,
    device: torch.device,
    console: Console,
) -> tuple[Trial, dict[str, Tensor]]:
    """Fine-tune a network without some labels, and compare it on these with a head that has not seen them either.

    It takes `train.trial_share` of the budget. `rows_to_hold` must find some labels.

    Args:
        cfg: the settings of a run that starts from one whose backbone is frozen.
        network: with the weights of that run.

    Returns:
        The outcome, and the weights of the fine-tuned network.

    Raises:
        ConfigError: fewer than ten steps fit.
    """
    assert cfg.train.init_from is not None and cfg.train.budget is not None
    begun, budget = time.monotonic(), seconds(cfg.train.budget)
    origin, available = RunRecord(Path(cfg.train.init_from)), cfg.train.trial_share * budget
    console.print(f"- a trial of fine-tuning on held-out labels, for about {available:.0f} s")
    held = rows_to_hold(data.train.labels[data.labeled_rows], seed=cfg.train.seed)
    part = without(data, held)
    backbone = FrozenNetworks.of_run(origin.path, origin.cfg, origin.data, device)
    features = backbone.transformed(backbone.raw_features(data.train.images))
    with one_thread(device):
        head = train_head(origin.cfg, part, features, device)
    network.head.load_state_dict(head.head.state_dict())  # type: ignore[union-attr]
    training = build_training(cfg, part, Inputs(data.train.images, normalization), device, network, steps=TRIAL_LENGTH)
    tuned = predictor_of_images(training.method.predictor, data.train.images, normalization, device)
    tuned(part.labeled_rows[:1])  # makes the engine of its first stages, which is no part of a step's time
    each = step_time(training, timing_limit(available), patience=timing_patience(budget))
    steps = int((available - (time.monotonic() - begun)) / each)
    if steps < LEAST_STEPS:
        training.loader.close()
        raise ConfigError(
            f"a step takes {each:.1f} s, and the {available:.0f} s for a trial must hold at least {LEAST_STEPS}"
        )
    set_length(training, cfg, steps)
    train_unrecorded(training)
    trial = judged(data, held, head=predictor_of(head, features, device), tuned=tuned, steps=steps)
    return trial, {name: value.detach().cpu() for name, value in training.method.predictor.state_dict().items()}
