"""Calibrating the model of a run on labeled images that it has not learned from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from tutelage.core.errors import ConfigError, DataError
from tutelage.core.inputs import user_path
from tutelage.core.names import counted
from tutelage.inference.images.model import Model
from tutelage.inference.images.scores import labeled_items
from tutelage.inference.model import Tell
from tutelage.run.exported import weights_file
from tutelage.run.folder import RunFolder
from tutelage.run.held_out import GIVEN, HeldOut
from tutelage.run.pile import TrainingPile
from tutelage.run.run_record import RunRecord
from tutelage.tasks.calibration import cross_fitted
from tutelage.tasks.class_scores import Scored, ece, nll

FOLDS = 5


@dataclass(frozen=True)
class Calibrated:
    """The calibration of a model.

    Attributes:
        temperature: by which its logits are divided from now on; 1 if the labels are too few.
        labels: the number of labeled images that it comes from.
        ece_before, nll_before: the calibration error and the mean log loss of the model as it was trained.
        ece, nll: those after calibration, where each image is calibrated by the others, in five folds; as before if
            the labels are too few.
    """

    temperature: float
    labels: int
    ece_before: float
    nll_before: float
    ece: float
    nll: float


def calibrate_model(
    run: Path, data: str, *, labels: str | None = None, device: str = "auto", workers: int = 2, tell: Tell
) -> Calibrated:
    """Let a run know its own predictions for labeled images that it has not learned from; they replace what it knew.

    Later predictions are calibrated with them if they are at least 100, and sets of classes rest on them. If the run
    has no features of training images, those of these images take their place.

    Args:
        data: labeled images as training takes them; those that the run learned the labels of are left out.

    Raises:
        DataError: there are no such images, one cannot be read, or a label is not a class of the model.
        ConfigError: the model was exported, or predicts no classes.
        RunError: the run folder cannot be written, or is in use.
    """
    if weights_file(run) is not None:
        raise ConfigError(f"{run} was exported from a run, and holds weights alone: calibrate the run, and export it")
    model = Model.load(run, device=device, calibrated=False)
    model.require_classes()
    record = RunRecord(run).best
    items = labeled_items(model, data, labels, tell)
    if record.cfg.data.path in (data, str(user_path(data).absolute())):
        learned = set(record.split["labeled"])
        new = [item for item in items if item.name not in learned]
        if len(new) < len(items):
            tell(f"- {counted(len(items) - len(new), 'image')} whose labels the model learned from are left out")
        items = new
    if not items:
        raise DataError(f"{data} has no labeled images that the model has not learned from")
    with RunFolder.open(record.path):
        blocks = [block for _, block in model.image_pass(workers=workers, features=True).blocks(items)]
        errors = [error for block in blocks for error in block.errors]
        if lost := [f"{item.name}: {error}" for item, error in zip(items, errors, strict=True) if error]:
            raise DataError(lost)
        rows = np.concatenate([block.rows for block in blocks])
        probs, features = rows[:, : len(model.classes)], rows[:, len(model.classes) :]
        index = {name: number for number, name in enumerate(model.classes)}
        label = np.array([index[str(item.label)] for item in items])
        log_probs = np.log(np.maximum(probs.astype(np.float64), np.finfo(np.float32).tiny))
        held_out = HeldOut.of(log_probs, label, GIVEN, calibrates=model.network.plain)
        held_out.save(record.path)
        order = np.random.default_rng(0).permutation(len(features))
        if model.known.pile is None and (pile := TrainingPile.of(features[order])) is not None:
            pile.save(record.path)
    return _measured(held_out)


def _measured(held_out: HeldOut) -> Calibrated:
    label, log_probs = torch.from_numpy(held_out.label), held_out.log_probs.astype(np.float64)
    before = Scored(torch.from_numpy(np.exp(log_probs)).float(), label)
    after = before
    if held_out.temperature != 1.0:
        after = Scored(torch.from_numpy(np.exp(cross_fitted(log_probs, held_out.label, FOLDS))).float(), label)
    return Calibrated(held_out.temperature, len(label), ece(before), nll(before), ece(after), nll(after))
