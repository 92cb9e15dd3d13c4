from __future__ import annotations

import numpy as np
import pytest
import torch

from tutelage import config
from tutelage.data.images.dataset import load_images
from tutelage.data.images.loader import Normalization
from tutelage.data.sampler import ClassSampler, StreamSampler
from tutelage.run.build import build_predictor
from tutelage.run.data_modules.image_streams import Inputs, build_training


def sampler(n: int = 10, batch: int = 4, seed: int = 0, stream: str = "labeled") -> StreamSampler:
    return StreamSampler(np.arange(100, 100 + n), batch, seed=seed, stream=stream)


@pytest.mark.parametrize(("n", "batch"), [(10, 4), (10, 10), (7, 3), (3, 8), (1, 5)])
def test_each_pass_over_a_stream_is_one_permutation(n: int, batch: int) -> None:
    rows = np.concatenate([sampler(n, batch).rows_at(step) for step in range(4 * n)])
    passes = rows[: len(rows) // n * n].reshape(-1, n)
    assert (np.sort(passes, axis=1) == np.arange(100, 100 + n)).all()
    assert n < 3 or len({tuple(p) for p in passes}) > 1


def test_a_step_is_a_pure_function_of_seed_stream_and_step() -> None:
    one, other = sampler(), sampler()
    forwards = [one.rows_at(step) for step in range(30)]
    for step in reversed(range(30)):
        assert (other.rows_at(step) == forwards[step]).all()
    assert any((sampler(seed=1).rows_at(s) != forwards[s]).any() for s in range(3))
    assert any((sampler(stream="unlabeled").rows_at(s) != forwards[s]).any() for s in range(3))


def test_every_batch_has_the_asked_number_of_rows() -> None:
    assert all(len(sampler(7, 3).rows_at(step)) == 3 for step in range(50))


def test_an_empty_stream_is_refused() -> None:
    with pytest.raises(ValueError, match="stream 'labeled' has 0 rows"):
        sampler(n=0)


SIZES = {0: 2, 3: 50, 4: 7}  # rows of each class: class 1 and 2 have none
LABELS = np.repeat(list(SIZES), list(SIZES.values()))


def by_class(batch: int = 8, seed: int = 0, stream: str = "labeled") -> ClassSampler:
    return ClassSampler(np.arange(100, 159), LABELS, batch, seed=seed, stream=stream)


@pytest.mark.parametrize("batch", [1, 2, 3, 8, 64])
def test_each_class_is_drawn_equally_often_whatever_its_size(batch: int) -> None:
    rows = np.concatenate([by_class(batch).rows_at(step) for step in range(240 // batch)])
    drawn = LABELS[rows[:240] - 100][: len(rows) // 3 * 3].reshape(-1, 3)
    assert (np.sort(drawn, axis=1) == [0, 3, 4]).all()
    assert len({tuple(order) for order in drawn}) > 1


def test_the_rows_of_a_class_come_in_passes_that_are_permutations() -> None:
    rows = np.concatenate([by_class(3).rows_at(step) for step in range(100)]) - 100
    for label, size in SIZES.items():
        own = rows[LABELS[rows] == label]
        passes = own[: len(own) // size * size].reshape(-1, size)
        expected = np.flatnonzero(label == LABELS)
        assert (np.sort(passes, axis=1) == expected).all()
        assert len({tuple(p) for p in passes}) > 1


def test_a_step_of_the_class_sampler_is_a_pure_function_of_seed_stream_and_step() -> None:
    one, other = by_class(), by_class()
    forwards = [one.rows_at(step) for step in range(30)]
    assert all(len(rows) == 8 for rows in forwards)
    for step in reversed(range(30)):
        assert (other.rows_at(step) == forwards[step]).all()
    assert any((by_class(seed=1).rows_at(s) != forwards[s]).any() for s in range(3))
    assert any((by_class(stream="unlabeled").rows_at(s) != forwards[s]).any() for s in range(3))


def test_the_setting_chooses_how_the_labeled_stream_is_drawn_and_leaves_the_unlabeled_one() -> None:
    streams = {}
    for sampling in ("rows", "classes"):
        cfg = config.resolve(
            {"data.path": "digits", "data.labeled_sampling": sampling, "train.steps": 5, "method.name": "mean-teacher"}
        )
        dataset = load_images(cfg.data, seed=0)
        student = build_predictor(cfg, num_classes=10, channels=1, image_size=8)
        inputs = Inputs(dataset.train.images, Normalization((0.0,), (1.0,)))
        training = build_training(cfg, dataset, inputs, torch.device("cpu"), student)
        streams[sampling] = training.loader.streams
        training.loader.close()
    labeled, unlabeled = streams["classes"]["labeled"], streams["classes"]["unlabeled"]
    assert labeled is not None and unlabeled is not None
    assert isinstance(labeled.sampler, ClassSampler)
    assert all(isinstance(s.sampler, StreamSampler) for s in (*streams["rows"].values(), unlabeled) if s is not None)


def test_an_empty_stream_by_class_is_refused() -> None:
    with pytest.raises(ValueError, match="stream 'labeled' has 0 rows"):
        ClassSampler(np.arange(0), np.arange(0), 4, seed=0, stream="labeled")
