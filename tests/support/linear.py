"""The smallest network and problem on which a method's loss is compared with its formula."""

from __future__ import annotations

from torch import Tensor, nn

from tutelage.methods.base import Problem

CLASSES, PIXELS = 3, 4


class Linear(nn.Module):
    """A network whose features are the pixels, so that its logits are one matrix product."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(PIXELS, CLASSES)

    def features(self, images: Tensor) -> Tensor:
        return images.flatten(1)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.features(images))


def problem(labeled_batch: int, unlabeled_batch: int) -> Problem:
    """Ten rows, four of them labeled: two of the first class, one of each other."""
    return Problem(
        num_classes=CLASSES,
        train_rows=10,
        labeled_rows=4,
        unlabeled_rows=10,
        labeled_batch=labeled_batch,
        unlabeled_batch=unlabeled_batch,
        labeled_counts=(2, 1, 1),
    )
