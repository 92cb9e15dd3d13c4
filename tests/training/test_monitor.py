"""Features are judged by the labels of their neighbors, and by nothing that they were learned from."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from tutelage.data.images.image_set import ImageSet, ImageSubset
from tutelage.data.images.loader import Normalization
from tutelage.networks.base import Network
from tutelage.tasks.representation import Representation
from tutelage.training.monitor import NeighborExam

CLASSES = ("dark", "light", "red")


class Pixels(Network):
    """Features are the pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.head = torch.nn.Linear(12, 2)

    def features(self, images: Tensor) -> Tensor:
        assert not self.training
        return images.flatten(1)


def blobs(count: int, seed: int) -> ImageSet:
    """(count, 3, 2, 2) images of three colors, well apart, with their classes."""
    draw = np.random.default_rng(seed)
    label = np.arange(count, dtype=np.int64) % 3
    colors = np.array([[20, 20, 220], [220, 220, 20], [220, 20, 20]], np.int64)
    images = colors[label][:, :, None, None] + draw.integers(-15, 15, (count, 3, 2, 2))
    return ImageSet(images.astype(np.uint8), label, [f"{seed}-{row}" for row in range(count)])


def exam(queries: ImageSet, bank: ImageSet | None) -> NeighborExam:
    def whole(images: ImageSet) -> ImageSubset:
        return ImageSubset(images, np.arange(len(images)))

    normalization = Normalization((128.0,) * 3, (64.0,) * 3)
    own = None if bank is None else whole(bank)
    return NeighborExam(Representation(CLASSES), whole(queries), own, normalization, torch.device("cpu"))


@pytest.mark.parametrize("with_bank", [True, False])
def test_separated_classes_are_told_apart_by_their_neighbors(with_bank: bool) -> None:
    made = exam(blobs(30, 0), blobs(21, 1) if with_bank else None)
    grades = made.score(Pixels().train())
    assert grades.metrics["knn_accuracy"] == 1.0 and grades.metrics["n"] == 30
    assert grades.items["predicted"].tolist() == grades.items["label"].tolist() == [0, 1, 2] * 10
    assert len(made) == (51 if with_bank else 30)


def test_a_row_is_never_its_own_neighbor() -> None:
    images = blobs(30, 0)
    draw = np.random.default_rng(3)
    wrong = ImageSet(images.images, draw.permutation(images.labels), images.names)
    assert exam(wrong, None).score(Pixels()).metrics["knn_accuracy"] < 0.7
    assert exam(wrong, wrong).score(Pixels()).metrics["n"] == 30


def test_the_bank_decides_what_a_query_is_taken_for() -> None:
    images = blobs(30, 0)
    turned = ImageSet(images.images, (images.labels + 1) % 3, images.names)
    grades = exam(images, turned).score(Pixels())
    assert grades.metrics["knn_accuracy"] == 0.0
    assert grades.items["predicted"].tolist() == ((images.labels + 1) % 3).tolist()


def test_a_quick_exam_has_evenly_spaced_images() -> None:
    made = exam(blobs(30, 0), blobs(21, 1)).limited(queries=4, bank=3)
    assert made.queries.rows.tolist() == [0, 9, 19, 29]
    assert made.bank is not None and made.bank.rows.tolist() == [0, 10, 20] and len(made) == 7


def test_the_network_is_left_in_the_mode_it_was_in() -> None:
    network = Pixels().train()
    exam(blobs(9, 0), None).score(network)
    assert network.training and network.head.training
