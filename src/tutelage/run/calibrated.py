"""The final scores after calibration: with the probabilities that the finished run predicts."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from tutelage.core.names import counted
from tutelage.run.held_out import VALIDATION, HeldOut
from tutelage.tasks.base import Task
from tutelage.tasks.calibration import tempered
from tutelage.training.scoring import Grades

KEY = "calibration"  # in result.json
_SCORES = ("nll", "ece")  # that calibration changes; the predicted classes stay


class Calibration:
    """Learns how sure a network may be from its validation images, and scores its test images accordingly.

    Args:
        held_out: what is known before, from labels in cross-validation.
        keep: called with what the validation images tell.
        calibrates: whether the network can be calibrated; see `Network.plain`.
    """

    def __init__(
        self, task: Task, held_out: HeldOut | None, keep: Callable[[HeldOut], None], *, calibrates: bool
    ) -> None:
        self.task, self.held_out, self.keep, self.calibrates = task, held_out, keep, calibrates
        self.before: dict[str, float] = {}

    def applied(self, part: str, grades: Grades) -> Grades:
        """The grades of the evaluated network: those of validation images as they are, and others calibrated."""
        if grades.probs is None or not len(grades.probs):
            return grades
        label = grades.items["label"]
        if part == "validation":
            self.held_out = HeldOut.of(_log(grades), label, VALIDATION, calibrates=self.calibrates)
            self.keep(self.held_out)
        if part == "validation" or self.held_out is None or self.held_out.temperature == 1.0:
            return grades
        self.before = {name: grades.metrics[name] for name in _SCORES}
        probs = torch.from_numpy(np.exp(tempered(_log(grades), self.held_out.temperature))).float()
        metrics = self.task.metrics()
        metrics.update(probs, torch.from_numpy(label))
        return dataclasses.replace(grades, metrics=metrics.compute())

    @property
    def facts(self) -> dict[str, Any]:
        """For result.json; empty if nothing is calibrated."""
        held = self.held_out
        if held is None or held.temperature == 1.0:
            return {}
        known = {"temperature": held.temperature, "labels": len(held.label), "how": held.how}
        return {KEY: known | ({"before": self.before} if self.before else {})}


def calibration_said(result: Mapping[str, Any]) -> str | None:
    """One sentence on the calibration of a run, from its result.json."""
    known = result.get(KEY)
    if known is None:
        return None
    labels, before = counted(known["labels"], "held-out label"), known.get("before")
    said = f"probabilities are calibrated, with temperature {known['temperature']:.2f} from {labels} ({known['how']})"
    if before is not None:
        return f"{said}; NLL was {before['nll']:.3f} and ECE {before['ece']:.3f} before"
    return f"{said}; their own scores are from before that" if known["how"] == VALIDATION else said


def _log(grades: Grades) -> np.ndarray:
    assert grades.probs is not None
    return grades.probs.double().clamp_min(torch.finfo(torch.float32).tiny).log().numpy()
