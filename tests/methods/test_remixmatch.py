"""ReMixMatch: aligned guesses, rotations, loss and gradient against a naive float64 version."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.distributions import Beta

from reference import losses, mixmatch
from reference import remixmatch as reference
from support.linear import Linear, problem
from tutelage.config import resolve
from tutelage.core.batch import Batch, Progress, Samples, StepOutput
from tutelage.core.errors import ConfigError
from tutelage.data.images.dataset import load_images
from tutelage.data.images.loader import pixel_statistics
from tutelage.methods.remixmatch import ReMixMatch, rotate
from tutelage.run.build import build_predictor
from tutelage.run.data_modules.image_streams import Inputs, build_training
from tutelage.tasks.classification import Classification

K, X, U = 3, 3, 5
PROBLEM = problem(X, U)


def build(**settings: Any) -> tuple[ReMixMatch, Batch]:
    torch.manual_seed(3)
    method = ReMixMatch(Linear(), Classification("abc"), PROBLEM, ReMixMatch.Config(**settings)).double()
    method.alignment.predicted.copy_(torch.rand_like(method.alignment.predicted).softmax(1))
    labeled = Samples((torch.randn(X, 1, 2, 2).double(),), torch.arange(X), torch.tensor([0, 2, 1]))
    views = tuple(2 * torch.randn(U, 1, 2, 2).double() for _ in method.unlabeled_views)
    return method, Batch(labeled, Samples(views, torch.arange(U)))


def step_of(method: ReMixMatch, batch: Batch, t: Progress) -> tuple[StepOutput, np.ndarray, np.ndarray, np.ndarray]:
    """The output, and the quarter turns, mixing shares and partners that this step drew."""
    torch.manual_seed(7)
    out = method(batch, t)
    torch.manual_seed(7)
    alpha, rows = method.cfg.mixup_alpha, X + (1 + method.cfg.strong_views) * U
    turns = torch.randint(4, (U,)).numpy()
    return out, turns, Beta(alpha, alpha).sample((rows,)).double().numpy(), torch.randperm(rows).numpy()


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"strong_views": 1, "alignment_steps": 0, "rampup": 0.0},
        {"strong_views": 4, "mixup_alpha": 0.3, "temperature": 0.8, "strong_weight": 2.0, "rampup": 0.5},
        {"rotation_weight": 0.0},
    ],
)
@pytest.mark.parametrize("step", [0, 3, 9])
def test_loss_and_gradient_are_those_of_the_formula(settings: dict[str, Any], step: int) -> None:
    method, batch = build(**settings)
    out, turns, shares, partners = step_of(method, batch, Progress(step, 10))
    out.loss.backward()

    assert batch.labeled is not None and batch.unlabeled is not None
    views = [view.flatten(1).numpy() for view in (batch.labeled.views[0], *batch.unlabeled.views)]
    cfg, parameters = method.cfg, list(method.student.parameters())
    parameters += [] if method.rotation_head is None else list(method.rotation_head.parameters())
    values = [p.detach().numpy().copy() for p in parameters]

    guess = [mixmatch.probs(z) for z in views[1] @ values[0].T + values[1]]
    if cfg.alignment_steps:
        guess = [reference.align(p, [0.5, 0.25, 0.25], method.alignment.predicted.tolist()) for p in guess]
    guess = [mixmatch.sharpen(p, cfg.temperature) for p in guess]
    label = np.array([[1, 0, 0], [0, 0, 1], [0, 1, 0], *guess * len(views[1:])], dtype=np.float64)
    images = mixmatch.mix(np.concatenate(views), shares, partners)
    label = mixmatch.mix(label, shares, partners)
    first_strong = batch.unlabeled.views[1].numpy()
    turned = np.stack([reference.turn(image, turn).ravel() for image, turn in zip(first_strong, turns, strict=True)])
    ramp = min(step / (cfg.rampup * 10), 1.0) if cfg.rampup else 1.0

    def loss_of(values: list[np.ndarray]) -> float:
        mixed = images @ values[0].T + values[1]
        unsupervised = mixmatch.soft_cross_entropy(mixed[X:], label[X:])
        strong = mixmatch.soft_cross_entropy(views[2] @ values[0].T + values[1], np.array(guess))
        loss = mixmatch.soft_cross_entropy(mixed[:X], label[:X])
        loss += ramp * (cfg.unlabeled_weight * unsupervised + cfg.strong_weight * strong)
        if cfg.rotation_weight:
            loss += cfg.rotation_weight * losses.cross_entropy(turned @ values[2].T + values[3], turns)
        return loss

    assert float(out.loss.detach()) == pytest.approx(loss_of(values), rel=1e-6)
    for number, parameter in enumerate(parameters):
        expected = losses.gradient(
            lambda value, number=number: loss_of([*values[:number], value, *values[number + 1 :]]), values[number]
        )
        np.testing.assert_allclose(parameter.grad.numpy(), expected, rtol=1e-5, atol=1e-6)


def test_each_image_is_turned_by_its_own_quarters() -> None:
    images = torch.arange(8 * 2 * 9, dtype=torch.float32).reshape(8, 2, 3, 3)
    turns = torch.tensor([0, 1, 2, 3, 3, 2, 1, 0])
    for image, turned, quarters in zip(images, rotate(images, turns), turns.tolist(), strict=True):
        np.testing.assert_array_equal(turned.numpy(), np.rot90(image.numpy(), quarters, (1, 2)))


@pytest.mark.parametrize("steps", [0, 1, 128])
def test_the_last_mean_predictions_are_remembered_and_the_oldest_forgotten(steps: int) -> None:
    method, batch = build(alignment_steps=steps)
    means = torch.rand(130, K).softmax(1).double()
    for mean in means:
        method.remember(StepOutput(torch.zeros(()), {}, keep={"predicted": mean}))
    torch.testing.assert_close(method.alignment.predicted, means[130 - steps :])
    assert batch.unlabeled is not None
    kept = method(batch, Progress(0, 10)).keep["predicted"]
    expected = method.student(batch.unlabeled.views[0]).softmax(1).mean(0)  # of the weak view, before alignment
    torch.testing.assert_close(kept.double(), expected.detach(), rtol=1e-5, atol=1e-6)


def test_alignment_starts_from_even_frequencies_of_what_is_predicted() -> None:
    method = ReMixMatch(Linear(), Classification("abc"), PROBLEM, ReMixMatch.Config())
    torch.testing.assert_close(method.alignment.predicted.mean(0), torch.full((K,), 1 / K))
    torch.testing.assert_close(method.alignment.target, torch.tensor([0.5, 0.25, 0.25]))


@pytest.mark.parametrize("strong_views", [1, 3])
def test_the_number_of_strong_views_reaches_the_data(strong_views: int) -> None:
    given = {"data.path": "digits", "data.label_count": 40, "train.steps": 2, "train.batch_size": 4}
    settings = {**given, "network.name": "small", "method.name": "remixmatch", "method.strong_views": strong_views}
    cfg = resolve(settings)
    data = load_images(cfg.data, seed=0)
    student = build_predictor(cfg, num_classes=10, channels=1, image_size=8)
    training = build_training(
        cfg, data, Inputs(data.train.images, pixel_statistics(data.train.images)), torch.device("cpu"), student
    )
    batch = training.loader.batch(0)
    training.loader.close()
    assert batch.unlabeled is not None and len(batch.unlabeled.views) == 1 + strong_views
    assert torch.isfinite(training.method(batch, Progress(1, 2)).loss)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"strong_views": 0}, r"method.strong_views must be in \[1, 16\], got 0"),
        ({"alignment_steps": -1}, r"method.alignment_steps must be in \[0, 2\^20\]"),
        ({"temperature": 0.0}, "method.temperature must be above 0"),
        ({"mixup_alpha": 0.0}, "method.mixup_alpha must be above 0"),
        ({"unlabeled_weight": -1.0}, "method.unlabeled_weight must be at least 0"),
        ({"strong_weight": -1.0}, "method.strong_weight must be at least 0"),
        ({"rotation_weight": -1.0}, "method.rotation_weight must be at least 0"),
        ({"rampup": 1.5}, r"method.rampup must be in \[0, 1\]"),
        ({"ema_decay": 1.0}, r"method.ema_decay must be in \[0, 1\)"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ReMixMatch.Config(**settings)


def test_the_defaults_are_those_of_the_paper_but_for_the_number_of_views() -> None:
    cfg = ReMixMatch.Config()
    assert (cfg.temperature, cfg.mixup_alpha, cfg.unlabeled_weight) == (0.5, 0.75, 1.5)
    assert (cfg.strong_weight, cfg.rotation_weight, cfg.rampup, cfg.strong_views) == (0.5, 0.5, 1 / 64, 2)
    assert cfg.alignment_steps == 128
