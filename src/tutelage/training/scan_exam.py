"""Scores a network on labeled cases: whole volumes, predicted in overlapping windows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tutelage.data.scans.mask_folder import MaskFolder
from tutelage.data.scans.scan_set import ScanSubset
from tutelage.methods.base import Method
from tutelage.tasks.segmentation import Segmentation
from tutelage.tasks.segmentation_metrics import SegmentationMetrics
from tutelage.training.scoring import Exam, Grades


@dataclass(frozen=True)
class KeptMasks:
    """Where to write the masks predicted by `network`."""

    network: nn.Module
    folder: MaskFolder


@dataclass(frozen=True)
class ScanExam(Exam):
    """Some labeled cases.

    Attributes:
        on_files: score on the voxel grid of the files, with surface distances; otherwise on the preprocessed grid and
            by overlap only, which is quick.
        kept: also write the masks of one network; needs `on_files`.
    """

    task: Segmentation
    part: ScanSubset
    on_files: bool
    kept: KeptMasks | None = None

    def __len__(self) -> int:
        return len(self.part)

    def first(self, most: int) -> ScanExam:
        """The same exam with at most `most` cases."""
        return replace(self, part=ScanSubset(self.part.scans, self.part.rows[:most]))

    def score(
        self, network: nn.Module, *, method: Method[Any] | None = None, check: Callable[[], None] = lambda: None
    ) -> Grades:
        """The metrics of `SegmentationMetrics`; the items are its arrays: `case`, `dice` and the other scores.

        Args:
            method: ignored.
            check: called before each batch of windows; it may raise to stop early.
        """
        metrics = self.task.metrics(distances=self.on_files)
        kept = self.kept.folder if self.kept is not None and self.kept.network is network else None
        hook = network.register_forward_pre_hook(lambda module, inputs: check())
        try:
            for row in self.part.rows.tolist():
                probs = self.task.predict(network, prepared_image(self.part, row))
                if self.on_files:
                    self._score_on_file(metrics, row, probs, kept)
                else:
                    self._score(metrics, row, probs)
        finally:
            hook.remove()
        if kept is not None:
            kept.close()
        return Grades(metrics.compute(), metrics.items())

    def _score(self, metrics: SegmentationMetrics, row: int, probs: Tensor) -> None:
        scans = self.part.scans
        label = torch.from_numpy(scans.label(row))[None]
        metrics.update(probs, label, spacing=scans.placement(row).spacing, names=[scans.cases[row].name])

    def _score_on_file(self, metrics: SegmentationMetrics, row: int, probs: Tensor, kept: MaskFolder | None) -> None:
        scans, place = self.part.scans, self.part.scans.placement(row)
        restored = torch.from_numpy(place.restore_probabilities(probs[0].float().cpu().numpy()))[None]
        reference = torch.from_numpy(scans.reference(row))[None]
        metrics.update(restored, reference, spacing=place.geometry.spacing, names=[scans.cases[row].name])
        if kept is not None:
            kept.add(scans.cases[row], self.task.decide(restored)[0].numpy(), place.geometry)


def prepared_image(part: ScanSubset, row: int) -> Tensor:
    """(1, C, *S) float32 on the CPU: the standardized image of a case."""
    return torch.from_numpy(np.array(part.scans.image(row), np.float32))[None]
