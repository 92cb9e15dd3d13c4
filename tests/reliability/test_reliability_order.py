"""Which rows a step sees, and under which views, follows from the step alone."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np
import pytest
import torch

from tutelage.augment.view import ImageShape
from tutelage.augment.views import build_views
from tutelage.config.augment import AugmentConfig
from tutelage.config.data import DataConfig
from tutelage.data.images.dataset import load_images
from tutelage.data.images.loader import ImageLoader, ImageStream, pixel_statistics
from tutelage.data.sampler import StreamSampler

BATCHES = 50


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return load_images(DataConfig(path="digits"), seed=0).train.images


def loader(images: np.ndarray, *, workers: int, prefetch: int, seed: int = 0) -> ImageLoader:
    shape = ImageShape(*images.shape[1:])

    def stream(name: str, rows: int, batch: int, views: tuple[str, ...], labels: np.ndarray | None) -> ImageStream:
        sampler = StreamSampler(np.arange(rows), batch, seed=seed, stream=name)
        return ImageStream(sampler, build_views(views, AugmentConfig(), shape), labels)

    return ImageLoader(
        images,
        labeled=stream("labeled", 40, 16, ("weak", "weak"), np.arange(len(images)) % 10),
        unlabeled=stream("unlabeled", len(images), 48, ("weak", "strong"), None),
        normalization=pixel_statistics(images),
        seed=seed,
        device=torch.device("cpu"),
        workers=workers,
        prefetch=prefetch,
    )


def digest(loader: ImageLoader, steps: Iterable[int]) -> str:
    seen = hashlib.sha256()
    for step in steps:
        batch = loader.batch(step)
        for samples in (batch.labeled, batch.unlabeled):
            assert samples is not None
            for tensor in (*samples.views, samples.index, *([] if samples.label is None else [samples.label])):
                seen.update(tensor.numpy().tobytes())
    loader.close()
    return seen.hexdigest()


@pytest.mark.long
def test_neither_workers_nor_prefetch_change_a_batch(images: np.ndarray) -> None:
    found = {
        digest(loader(images, workers=workers, prefetch=prefetch), range(BATCHES))
        for workers in (0, 1, 2, 4)
        for prefetch in (1, 4)
    }
    assert len(found) == 1
    assert digest(loader(images, workers=1, prefetch=1, seed=1), range(BATCHES)) not in found


def test_a_batch_does_not_depend_on_those_before_it(images: np.ndarray) -> None:
    whole = digest(loader(images, workers=2, prefetch=2), range(30, 40))
    reader = loader(images, workers=2, prefetch=2)
    for step in (0, 1, 2, 35, 7):
        reader.batch(step)
    assert digest(reader, range(30, 40)) == whole
