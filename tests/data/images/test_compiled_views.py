"""Views that are compiled whole, as on a GPU, give the batches of those that are not."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
import torch
from torch import Tensor

from tutelage.augment.ct_augment import CTAugment
from tutelage.augment.view import ImageShape
from tutelage.augment.views import build_views
from tutelage.config.augment import AugmentConfig, StrongConfig
from tutelage.core.batch import Batch
from tutelage.core.seeding import generator
from tutelage.data.images.loader import ImageLoader, ImageStream, Normalization
from tutelage.data.sampler import StreamSampler

ROWS = 64
Policy = Literal["randaugment", "ctaugment"]


def loader(names: tuple[str, ...], policy: Policy, compiled: str | None) -> ImageLoader:
    images = torch.randint(0, 256, (ROWS, 3, 32, 32), dtype=torch.uint8, generator=generator(0, "images")).numpy()
    config = AugmentConfig(strong=StrongConfig(policy=policy))
    ct = CTAugment(config.ct) if policy == "ctaugment" else None
    views = build_views(names, config, ImageShape(3, 32, 32), ct)
    probe = None if ct is None else build_views(("probe",), config, ImageShape(3, 32, 32), ct)[0]
    sampler = StreamSampler(np.arange(ROWS), 16, seed=0, stream="labeled")
    return ImageLoader(
        images,
        labeled=ImageStream(sampler, views, np.zeros(ROWS, np.int64), probe),
        unlabeled=None,
        normalization=Normalization((100.0, 110.0, 120.0), (50.0, 51.0, 52.0)),
        seed=0,
        device=torch.device("cpu"),
        channels_last=True,
        compiled=compiled,
    )


def tensors(batch: Batch) -> list[Tensor]:
    assert batch.labeled is not None
    return [*batch.labeled.views, *batch.labeled.extra.values()]


@pytest.mark.parametrize(
    ("names", "policy", "backend"),
    [
        pytest.param(("weak", "strong"), "randaugment", "eager", marks=pytest.mark.long),
        pytest.param(("weak", "strong"), "ctaugment", "eager", marks=pytest.mark.slow),
        pytest.param(("contrastive",), "randaugment", "eager", marks=pytest.mark.slow),
        pytest.param(("weak", "strong"), "randaugment", "inductor", marks=[pytest.mark.slow, pytest.mark.timeout(600)]),
    ],
)
def test_compiled_views_give_the_same_batches(names: tuple[str, ...], policy: Policy, backend: str) -> None:
    plain, compiled = loader(names, policy, None), loader(names, policy, backend)
    for step in range(3):
        one, other = tensors(plain.batch(step)), tensors(compiled.batch(step))
        assert len(one) == len(other) >= len(names)
        for a, b in zip(one, other, strict=True):
            assert torch.equal(a, b)
            assert a.stride() == b.stride()
    plain.close()
    compiled.close()
