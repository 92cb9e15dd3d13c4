"""What a method makes of the unlabeled stream, and what the loader gives it, for every method."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from support import ranks
from tutelage.augment.view import ImageShape
from tutelage.augment.views import build_views
from tutelage.config.augment import AugmentConfig
from tutelage.core.batch import Batch, Samples
from tutelage.data.images.loader import ImageLoader, ImageStream, pixel_statistics
from tutelage.data.sampler import StreamSampler
from tutelage.methods.base import Method

SEMI_SUPERVISED = [method for method in ranks.OF_IMAGES if method.unlabeled_views]
ROWS = 12


def trained(method: type[Method]) -> Method:
    """After a few steps, so that there is something to agree with; a network without batch norm."""
    made: Method = ranks.build(ranks.usual(method))
    ranks.train(made, lambda step: ranks.forward(made, ranks.whole_batch(made, step), step, 0))
    return made


def loss_and_gradient(method: Method, batch: Batch) -> tuple[float, Tensor]:
    method.zero_grad(set_to_none=True)
    out = ranks.forward(method, batch, ranks.STEPS - 1, 0)
    out.loss.backward()
    gradients = [p.grad.flatten() for p in method.student.parameters() if p.grad is not None]
    return float(out.loss.detach()), torch.cat(gradients)


@pytest.mark.parametrize("method", SEMI_SUPERVISED, ids=lambda m: m.name)
def test_the_unsupervised_loss_is_not_zero_and_its_gradient_reaches_the_student(method: type[Method]) -> None:
    made = trained(method)
    batch = ranks.whole_batch(made, 99)
    loss, gradient = loss_and_gradient(made, batch)
    # Without batch norm only the unsupervised loss can tell other unlabeled images from these.
    batch.unlabeled.views = tuple(1.0 - view for view in batch.unlabeled.views)
    other_loss, other_gradient = loss_and_gradient(made, batch)
    assert abs(loss - other_loss) > 1e-4
    assert float((gradient - other_gradient).norm()) > 1e-3 * float(gradient.norm())


@pytest.mark.parametrize("method", SEMI_SUPERVISED, ids=lambda m: m.name)
def test_the_gradient_goes_through_the_views_that_the_student_learns_from(method: type[Method]) -> None:
    made = trained(method)
    batch = ranks.whole_batch(made, 99)
    batch.unlabeled.views = tuple(view.requires_grad_() for view in batch.unlabeled.views)
    loss_and_gradient(made, batch)
    through = [view.grad is not None and bool(view.grad.abs().sum() > 0) for view in batch.unlabeled.views]
    assert any(through)
    for name, reached in zip(made.unlabeled_views, through, strict=True):
        # a weak view may be the teacher's alone, and so may be one of the two contrastive ones
        assert reached or name in ("weak", "contrastive"), f"nothing is learned from the {name} view"


def loader(method: Method) -> ImageLoader:
    """Batches that are whole passes over a few random images."""
    images = np.random.default_rng(0).integers(0, 256, (ROWS, 1, 16, 16), np.uint8)

    def stream(name: str, views: tuple[str, ...], labels: np.ndarray | None) -> ImageStream | None:
        if not views:
            return None
        sampler = StreamSampler(np.arange(ROWS), ROWS, seed=0, stream=name)
        return ImageStream(sampler, build_views(views, AugmentConfig(), ImageShape(1, 16, 16)), labels)

    return ImageLoader(
        images,
        labeled=stream("labeled", method.labeled_views, np.arange(ROWS) % 3),
        unlabeled=stream("unlabeled", method.unlabeled_views, None),
        normalization=pixel_statistics(images),
        seed=0,
        device=torch.device("cpu"),
        workers=0,
    )


def by_row(samples: Samples | None) -> list[Tensor]:
    """Each view with its rows in the order of the data set."""
    return [] if samples is None else [view[samples.index.argsort()] for view in samples.views]


def differing(first: Tensor, second: Tensor) -> float:
    """Share of the rows that differ; two draws of a weak view may be the same by chance."""
    return float((first != second).flatten(1).any(1).float().mean())


@pytest.mark.parametrize("method", ranks.OF_IMAGES, ids=lambda m: m.name)
def test_a_row_has_other_views_in_the_next_pass_and_in_the_other_stream(method: type[Method]) -> None:
    made = ranks.build(ranks.usual(method))
    batches = loader(made)
    first, second = batches.batch(0), batches.batch(1)
    for stream in ("labeled", "unlabeled"):
        for earlier, later in zip(by_row(getattr(first, stream)), by_row(getattr(second, stream)), strict=True):
            assert differing(earlier, later) > 0.8
    views = by_row(first.labeled) + by_row(first.unlabeled)
    for number, view in enumerate(views):
        assert all(differing(view, other) > 0.8 for other in views[:number])
