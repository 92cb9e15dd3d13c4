"""How long the prediction of a window and the scores of a case take, and what all scores of a training add up to."""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from tutelage.config.segmentation import SegmentationConfig
from tutelage.config.settings import TrainConfig, seconds
from tutelage.data.scans.dataset import PATCH_VOXELS, ScanDataset
from tutelage.data.scans.scan_set import spread_rows
from tutelage.run.recorder import networks
from tutelage.tasks.segmentation import Segmentation
from tutelage.tasks.sliding_window import count_windows
from tutelage.training.state import Training

_TIMED = 2  # batches of windows
_MOST_ON_CPU, _PATCH_ON_GPU = 96**3, 96**3
Shape = tuple[int, ...]


def patch_voxels(train: TrainConfig, device: torch.device) -> int:
    """Voxels of a patch, where its size is not given."""
    if device.type != "cpu":
        return _PATCH_ON_GPU
    length = 1.0 if train.budget is None else seconds(train.budget) / 900.0
    return min(max(int(PATCH_VOXELS * length), PATCH_VOXELS), _MOST_ON_CPU)


@dataclass(frozen=True)
class ScoringTimes:
    """What scores are computed on, and seconds of their parts.

    Attributes:
        window: seconds to predict one.
        case: seconds to score a predicted case on the grid of its file, and to write its mask.
        networks: how many are scored.
        val, test: shapes of the prepared cases.
    """

    window: float
    case: float
    networks: int
    patch: Shape
    val: Sequence[Shape]
    test: Sequence[Shape]

    def evaluation(self, cfg: SegmentationConfig) -> float:
        """Seconds of one evaluation while training."""
        cases = [self.val[row] for row in spread_rows(len(self.val), cfg.scored_cases)]
        return self.networks * self._windows(cfg.while_training(), cases) * self.window

    def closing(self, cfg: SegmentationConfig) -> float:
        """Seconds of the scores after training."""
        turns = 2 ** len(self.patch) if cfg.flips else 1
        cases = [part[row] for part in (self.val, self.test) for row in spread_rows(len(part), cfg.scored_cases)]
        return self.networks * (turns * self._windows(cfg, cases) * self.window + self.case * len(cases))

    def _windows(self, cfg: SegmentationConfig, cases: Sequence[Shape]) -> int:
        strides = cfg.strides_of(self.patch)
        return sum(count_windows(shape, self.patch, strides) for shape in cases)


def scoring_times(data: ScanDataset, task: Segmentation, training: Training, limit: float) -> ScoringTimes | None:
    """The times, measured on empty windows and one labeled case; None if nothing is scored.

    Args:
        limit: seconds that a batch of windows may take; if it takes longer, single windows are timed.
    """
    val = [] if data.val is None else [data.val.scans.placement(row).shape for row in data.val.rows.tolist()]
    if not val and not data.test_shapes:
        return None
    window = window_time(task, training.method.student, data.channels, limit)
    return ScoringTimes(window, _case_time(data, task), len(networks(training)), task.patch_size, val, data.test_shapes)


def window_time(task: Segmentation, network: torch.nn.Module, channels: int, limit: float) -> float:
    """Seconds for the prediction of one window: in full batches, unless these take longer than `limit`."""
    patch = task.patch_size
    cfg = dataclasses.replace(task.cfg, strides=patch, overlap=None, flips=False)
    row = Segmentation(task.classes, patch_size=patch, cfg=cfg)

    def each(windows: int) -> float:
        volume = torch.zeros(1, channels, *patch[:-1], patch[-1] * windows)
        begin = time.perf_counter()
        row.predict(network, volume)
        return (time.perf_counter() - begin) / windows

    each(1)  # the first time, libraries are imported
    alone, batch = each(1), task.cfg.window_batch
    if alone * batch > limit:
        return alone
    return statistics.fmean(each(batch) for _ in range(1 if 2 * alone * batch > limit else _TIMED))


def _case_time(data: ScanDataset, task: Segmentation) -> float:
    row = int(data.labeled_rows[0])
    label, place = torch.from_numpy(data.train.label(row)).clamp(min=0), data.train.placement(row)
    probs = torch.nn.functional.one_hot(label.roll(1, 0), len(data.classes)).movedim(-1, 0).float()
    begin = time.perf_counter()
    restored = torch.from_numpy(place.restore_probabilities(probs.numpy()))[None]
    reference = torch.from_numpy(data.train.reference(row))[None]
    task.metrics().update(restored, reference, spacing=place.geometry.spacing)
    return time.perf_counter() - begin
