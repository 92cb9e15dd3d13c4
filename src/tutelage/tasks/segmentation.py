"""One class per voxel or pixel: cross-entropy with Dice, windows over whole volumes, and the usual scores."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import product
from types import MappingProxyType
from typing import Any

import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from tutelage.config.segmentation import SegmentationConfig
from tutelage.core.errors import ConfigError, DataError
from tutelage.core.precision import at_least_float32
from tutelage.tasks.base import Task
from tutelage.tasks.components import Integer, keep_largest
from tutelage.tasks.overlap import DISTANCES, OVERLAPS
from tutelage.tasks.own_metrics import OwnMetric, try_metrics
from tutelage.tasks.segmentation_metrics import SegmentationMetrics
from tutelage.tasks.sliding_window import predict_slabs, predict_windows

IGNORED = -1
MOST_ON_DEVICE = 2**30  # bytes of a result on the network's device; larger ones are accumulated on the CPU
MOST_AT_ONCE = 2**20  # voxels of the windows that a CPU predicts at a time
TRIED_SIDE = 16  # voxels, of the random prediction that a metric of another package is tried on
_SMOOTH = 1e-5  # added to both parts of the Dice fraction: keeps loss and gradient finite without foreground


class Segmentation(Task):
    """Segment volumes (three axes) or slices (two) into `classes`, the first of which is background.

    Args:
        classes: class names, in the order of label values and logits.
        patch_size: size in voxels of the training patches, and of the windows in prediction.
        cfg: settings of loss and prediction.
        own_metrics: additional scores of each case: functions of (probs, labels).

    Raises:
        DataError: there are fewer than two classes.
        ConfigError: the patch does not have two or three axes, or the strides do not fit it.
    """

    headline = "dice"
    items = "cases"
    columns = MappingProxyType(
        {
            **{name: (overlap.heading, "{:.1%}") for name, overlap in OVERLAPS.items()},
            **{f"{name}_mm": (f"{heading}, mm", "{:.2f}") for name, heading in DISTANCES.items()},
            "empty_predictions": ("empty predictions", "{:d}"),
        }
    )

    def __init__(
        self,
        classes: Sequence[str],
        *,
        patch_size: Sequence[int],
        cfg: SegmentationConfig | None = None,
        own_metrics: tuple[OwnMetric, ...] = (),
    ) -> None:
        self.classes, self.patch_size = tuple(classes), tuple(patch_size)
        self.cfg = cfg or SegmentationConfig()
        if len(self.classes) < 2:
            raise DataError(f"segmentation needs a background and at least one more class, got {self.classes}")
        if len(self.patch_size) not in (2, 3):
            raise ConfigError(f"segmentation works on two or three axes, got the patch size {self.patch_size}")
        self.strides = self.cfg.strides_of(self.patch_size)
        self.add_metrics(own_metrics)

    def try_metrics(self, own_metrics: tuple[OwnMetric, ...]) -> None:
        """See `Task`; one small case."""
        try_metrics(own_metrics, 1, len(self.classes), [min(side, TRIED_SIDE) for side in self.patch_size])

    def loss(self, logits: Tensor, label: Tensor) -> Tensor:
        """Scalar: the weighted sum of cross-entropy and Dice loss of logits (B, K, *S) and labels (B, *S) int64.

        Voxels with the label -1 are ignored. If all voxels are ignored, the cross-entropy is 0.
        """
        logits = at_least_float32(logits)
        known = label != IGNORED
        cost = F.cross_entropy(logits, label, ignore_index=IGNORED, reduction="none")
        cross_entropy = cost.sum() / known.sum().clamp_min(1)
        return self.cfg.cross_entropy_weight * cross_entropy + self.cfg.dice_weight * self._dice_loss(
            logits, label, known
        )

    def _dice_loss(self, logits: Tensor, label: Tensor, known: Tensor) -> Tensor:
        """1 - (2 sum(p g) + e) / (sum(p^2) + sum(g^2) + e), with p the probabilities and g the one-hot labels."""
        cfg, mask = self.cfg, known[:, None]
        probs = logits.softmax(1) * mask
        target = F.one_hot(label.clamp_min(0), logits.shape[1]).movedim(-1, 1) * mask
        if cfg.dice_classes == "foreground":
            probs, target = probs[:, 1:], target[:, 1:]
        axes = (0, *range(2, logits.ndim)) if cfg.dice_sums == "batch" else tuple(range(2, logits.ndim))
        both = (probs * target).sum(axes)
        either = (probs.square() if cfg.dice_squares else probs).sum(axes) + target.sum(axes)
        return (1.0 - (2.0 * both + _SMOOTH) / (either + _SMOOTH)).mean()

    @torch.no_grad()
    def predict(self, network: nn.Module, image: Tensor) -> Tensor:
        """(B, K, *S) float32 probabilities of standardized volumes (B, C, *S) of any size, on any device.

        The network is in evaluation mode during prediction; afterwards its mode is restored. Windows are moved to its
        device one batch at a time. A large result is accumulated on the CPU.
        """
        with _evaluating(network):
            if not self.cfg.flips:
                return self._windows(network, image)
            axes = range(2, image.ndim)
            mirrored = [
                [a for a, on in zip(axes, turn, strict=True) if on] for turn in product((0, 1), repeat=len(axes))
            ]
            total = self._windows(network, image)
            for flipped in mirrored[1:]:
                total += self._windows(network, image.flip(flipped)).flip(flipped)
            return total / len(mirrored)

    @torch.no_grad()
    def predict_slabs(self, network: nn.Module, image: Tensor, axis: int) -> Iterator[tuple[int, Tensor]]:
        """What `predict` gives without mirrored copies, in slabs along an axis of *S, each with its start.

        Memory is needed for what a row of windows covers.
        """
        with _evaluating(network):
            covered = image[0, 0].numel() // image.shape[2 + axis] * self.patch_size[axis]
            how = self._how(network, image, covered)
            yield from predict_slabs(_probabilities(network), image, self.patch_size, axis=axis, **how)

    def _windows(self, network: nn.Module, image: Tensor) -> Tensor:
        return predict_windows(
            _probabilities(network), image, self.patch_size, **self._how(network, image, image[0, 0].numel())
        )

    def _how(self, network: nn.Module, image: Tensor, voxels: int) -> dict[str, Any]:
        """Settings of windows; `voxels` of an image are held at a time."""
        device = next(network.parameters()).device
        at_once = self.cfg.window_batch
        if device.type == "cpu":  # several large windows at once would take memory, and no less time
            at_once = max(1, min(at_once, MOST_AT_ONCE // math.prod(self.patch_size)))
        size = 4 * len(self.classes) * image.shape[0] * voxels
        return {
            "strides": self.strides,
            "weight": self.cfg.window_weight,
            "batch": at_once,
            "device": device,
            "result_device": device if size <= MOST_ON_DEVICE else torch.device("cpu"),
        }

    def decide(self, probs: Tensor) -> Tensor:
        """(B, *S) int64: the most probable class of each voxel of `probs` (B, K, *S), post-processed as set."""
        classes = probs.argmax(1)
        if not self.cfg.largest_component:
            return classes
        kept = [self.tidied(row) for row in classes.cpu().numpy()]
        return torch.stack([torch.from_numpy(row) for row in kept]).to(probs.device)

    def tidied(self, classes: NDArray[Integer]) -> NDArray[Integer]:
        """Class indices (*S) of a case, post-processed as set."""
        return keep_largest(classes, len(self.classes)) if self.cfg.largest_component else classes

    def metrics(self, *, distances: bool = True) -> SegmentationMetrics:
        """A new, empty collector; it is much faster without `distances`."""
        return SegmentationMetrics(self.classes, distances=distances, decide=self.decide, own_metrics=self.own_metrics)


def _probabilities(network: nn.Module) -> Callable[[Tensor], Tensor]:
    return lambda windows: network(windows).float().softmax(1)


@contextmanager
def _evaluating(network: nn.Module) -> Iterator[None]:
    """The network in evaluation mode; afterwards its mode is restored."""
    training = [module for module in network.modules() if module.training]
    network.eval()
    try:
        yield
    finally:
        for module in training:  # one by one, since parts of the network may have been in evaluation mode
            module.training = True
