"""What a network says of images whose labels it did not learn: how sure it may be is known from them.

They are the validation images of a run, or, if it has none, the labeled images in cross-validation or in a trial.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from tutelage.core.errors import RunError
from tutelage.core.files import write_atomically
from tutelage.core.regular import open_regular
from tutelage.core.seeding import derived_seed
from tutelage.tasks.calibration import LogProbs, fit_temperature, tempered

FILE = "held_out.npz"
VALIDATION, FOLDS, TRIAL, GIVEN = "validation images", "cross-validation", "a trial of the fine-tuning", "given images"
LEAST_LABELS = 100  # for a temperature
_MOST_LABELS, _MOST_NUMBERS = 5_000, 5_000_000  # that are kept
_LEAST_LOG = -80.0  # of a probability, which is not 0 then in float32


@dataclass(frozen=True)
class HeldOut:
    """Predictions for held-out images.

    Attributes:
        log_probs: (n, K) float32: their log-probabilities, before calibration.
        label: (n,) int64: their classes.
        how: they were held out.
        calibrates: whether the network can be calibrated: it ends in a linear layer.
    """

    log_probs: NDArray[np.float32]
    label: NDArray[np.int64]
    how: str
    calibrates: bool = True

    @staticmethod
    def of(
        log_probs: LogProbs | NDArray[np.float32], label: NDArray[np.int64], how: str, *, calibrates: bool = True
    ) -> HeldOut:
        """At most 5,000 of them, drawn at random."""
        most = min(_MOST_LABELS, max(1, _MOST_NUMBERS // log_probs.shape[1]))
        rows = np.arange(len(label))
        if len(rows) > most:
            rows = np.sort(np.random.default_rng(derived_seed(0, "held out")).permutation(rows)[:most])
        kept = np.maximum(log_probs[rows], _LEAST_LOG).astype(np.float32)
        return HeldOut(kept, label[rows].astype(np.int64), how, calibrates)

    @cached_property
    def temperature(self) -> float:
        """By which logits are divided; 1 if there are fewer than 100 labels."""
        if not self.calibrates or len(self.label) < LEAST_LABELS:
            return 1.0
        return fit_temperature(self.log_probs.astype(np.float64), self.label)

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """(n, K): after calibration."""
        found: NDArray[np.float64] = np.exp(tempered(self.log_probs.astype(np.float64), self.temperature))
        return found

    def save(self, run: Path) -> None:
        """Write them into a run folder."""
        stream, how = io.BytesIO(), np.array([self.how, "calibrates" if self.calibrates else ""])
        np.savez_compressed(stream, allow_pickle=False, log_probs=self.log_probs, label=self.label, how=how)
        write_atomically(run / FILE, stream.getvalue())

    @staticmethod
    def read(run: Path, classes: int) -> HeldOut | None:
        """Those of a run with so many classes; None if it has none.

        Raises:
            RunError: the file is damaged.
        """
        file = run / FILE
        if not file.exists():
            return None
        try:
            with open_regular(file) as stream, np.load(stream, allow_pickle=False) as arrays:
                how, calibrates = (str(word) for word in arrays["how"])
                found = HeldOut(arrays["log_probs"], arrays["label"], how, bool(calibrates))
        except (OSError, KeyError, TypeError, ValueError, EOFError, BadZipFile, MemoryError) as error:
            raise RunError(f"{file} is damaged: {error}") from None
        if not found._fits(classes):
            raise RunError(f"{file} is damaged: expected log-probabilities of {classes} classes and a label for each")
        return found

    def _fits(self, classes: int) -> bool:
        log_probs, label = self.log_probs, self.label
        return (
            log_probs.dtype == np.float32
            and label.dtype == np.int64
            and label.ndim == 1
            and log_probs.shape == (len(label), classes)
            and bool(np.isfinite(log_probs).all())
            and bool(((label >= 0) & (label < classes)).all())
        )
