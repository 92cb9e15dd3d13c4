"""What a network says of images whose labels it did not learn: how sure it may be is known from them.

They are the validation images of a run, or, if it has none, the labeled images in cross-validation, or images that were
given later.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from tutelage.core.errors import RunError
from tutelage.core.seeding import derived_seed
from tutelage.run.run_arrays import read_arrays, write_arrays
from tutelage.tasks.calibration import LogProbs, fit_temperature, tempered
from tutelage.tasks.label_sets import CrossSets, LabelSets, SplitSets

FILE = "held_out.npz"
VALIDATION, FOLDS, GIVEN = "validation images", "cross-validation", "given images"
LEAST_LABELS = 100  # for a temperature
_MOST_LABELS, _MOST_NUMBERS = 5_000, 5_000_000  # that are kept, of log-probabilities and of heads
_LEAST_LOG = -80.0  # of a probability, which is not 0 then in float32


@dataclass(frozen=True)
class HeldOut:
    """Predictions for held-out images.

    Attributes:
        log_probs: (n, K) float32: their log-probabilities, before calibration.
        label: (n,) int64: their classes.
        how: they were held out.
        calibrates: whether the network can be calibrated: it ends in a linear layer.
        fold, heads: of cross-validation, (n,) the number of the head that each image was held out of, and (F, K, D + 1)
            float32 the weights and biases of these heads; see `CrossSets`.
    """

    log_probs: NDArray[np.float32]
    label: NDArray[np.int64]
    how: str
    calibrates: bool = True
    fold: NDArray[np.int64] | None = None
    heads: NDArray[np.float32] | None = None

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

    def in_folds(self, fold: NDArray[np.int64], heads: Sequence[nn.Linear]) -> HeldOut:
        """The same, with the heads of cross-validation, unless these are too large or some images were left out."""
        numbers = sum(parameter.numel() for head in heads for parameter in head.parameters())
        if len(fold) != len(self.label) or numbers > _MOST_NUMBERS:
            return self
        weights = [torch.cat([head.weight, head.bias[:, None]], dim=1).detach().cpu().numpy() for head in heads]
        return replace(self, fold=fold.astype(np.int64), heads=np.stack(weights).astype(np.float32))

    def sets(self, coverage: float) -> LabelSets | None:
        """Sets of classes with this coverage; None if the heads of cross-validation are not known.

        Raises:
            ConfigError: there are too few labels for it.
        """
        if self.how != FOLDS:
            return SplitSets.fit(self.probabilities, self.label, coverage)
        if self.fold is None or self.heads is None:
            return None
        return CrossSets.fit(np.exp(self.log_probs), self.label, self.fold, self.heads, coverage)

    @cached_property
    def temperature(self) -> float:
        """By which logits are divided; 1 if there are fewer than 100 labels, or if they do not tell another one."""
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
        how = np.array([self.how, "calibrates" if self.calibrates else ""])
        arrays: dict[str, NDArray[Any]] = {"log_probs": self.log_probs, "label": self.label, "how": how}
        if self.fold is not None and self.heads is not None:
            arrays |= {"fold": self.fold, "heads": self.heads}
        write_arrays(run / FILE, arrays)

    @staticmethod
    def read(run: Path, classes: int) -> HeldOut | None:
        """What a run with this number of classes knows; None if it knows nothing.

        Raises:
            RunError: the file is damaged.
        """
        file = run / FILE
        arrays = read_arrays(file, "file of predictions", "log_probs", "label", "how")
        if arrays is None:
            return None
        if arrays["how"].shape != (2,):
            raise RunError(f"{file} is damaged: expected log-probabilities, a label for each, and where they are from")
        how, calibrates = (str(word) for word in arrays["how"])
        more = {name: arrays[name] for name in ("fold", "heads") if name in arrays}
        found = HeldOut(arrays["log_probs"], arrays["label"], how, bool(calibrates), **more)
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
            and self._heads_fit()
        )

    def _heads_fit(self) -> bool:
        fold, heads = self.fold, self.heads
        if fold is None or heads is None:
            return fold is heads
        return (
            heads.dtype == np.float32
            and heads.ndim == 3
            and heads.shape[1] == self.log_probs.shape[1]
            and bool(np.isfinite(heads).all())
            and fold.dtype == np.int64
            and fold.shape == self.label.shape
            and bool(((fold >= 0) & (fold < len(heads))).all())
        )
