"""FixMatch's loss and gradient against a naive float64 version written from its algorithm 1."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from reference import fixmatch as reference
from reference.losses import gradient
from support.linear import Linear, problem
from tutelage.core.batch import Batch, Progress, Samples
from tutelage.core.errors import ConfigError
from tutelage.methods.fixmatch import FixMatch
from tutelage.tasks.classification import Classification

K, X, U = 3, 2, 5
PROBLEM = problem(X, U)


def build(**settings: object) -> tuple[FixMatch, Batch]:
    torch.manual_seed(3)
    method = FixMatch(Linear(), Classification("abc"), PROBLEM, FixMatch.Config(**settings)).double()  # type: ignore[arg-type]
    labeled = Samples((torch.randn(X, 1, 2, 2).double(),), torch.arange(X), torch.tensor([0, 2]))
    views = (3 * torch.randn(U, 1, 2, 2).double(), torch.randn(U, 1, 2, 2).double())
    return method, Batch(labeled, Samples(views, torch.arange(U)))


def logits_of(batch: Batch, weight: np.ndarray, bias: np.ndarray) -> list[list[list[float]]]:
    assert batch.labeled is not None and batch.unlabeled is not None
    images = (batch.labeled.views[0], *batch.unlabeled.views)
    return [(view.flatten(1).numpy() @ weight.T + bias).tolist() for view in images]


@pytest.mark.parametrize("passes", ["joint", "separate", "kept"])
@pytest.mark.parametrize("settings", [{}, {"threshold": 0.6}, {"threshold": 0.7, "unlabeled_weight": 3.0}])
def test_loss_and_gradient_are_those_of_the_formula(settings: dict[str, float], passes: str) -> None:
    method, batch = build(**settings, passes=passes)
    out = method(batch, Progress(0, 10))
    out.loss.backward()
    weight, bias = (p.detach().numpy().copy() for p in method.student.parameters())
    fixed = logits_of(batch, weight, bias)[1]

    def loss_of(weight: np.ndarray, bias: np.ndarray) -> float:
        x, weak, strong = logits_of(batch, weight, bias)
        cfg = method.cfg
        return reference.fixmatch_loss(
            x, [0, 2], weak, strong, threshold=cfg.threshold, unlabeled_weight=cfg.unlabeled_weight, pseudo_from=fixed
        )

    assert float(out.loss.detach()) == pytest.approx(loss_of(weight, bias), rel=1e-6)
    head = method.student.head
    expected = gradient(lambda w: loss_of(w, bias), weight), gradient(lambda b: loss_of(weight, b), bias)
    np.testing.assert_allclose(head.weight.grad.numpy(), expected[0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(head.bias.grad.numpy(), expected[1], rtol=1e-5, atol=1e-6)


def test_pseudo_labels_below_the_threshold_add_nothing_and_still_count_in_the_mean() -> None:
    method, batch = build(threshold=0.7)
    out = method(batch, Progress(0, 10))
    kept = out.pseudo_labels.weight
    assert 0 < int(kept.sum()) < U and set(kept.tolist()) == {0.0, 1.0}
    method.cfg = FixMatch.Config(threshold=0.0)
    everything = method(batch, Progress(0, 10))
    probs = method.student(batch.unlabeled.views[0]).detach().softmax(1)
    assert torch.equal(everything.pseudo_labels.label, probs.argmax(1))
    rows = torch.nn.functional.cross_entropy(
        method.student(batch.unlabeled.views[1]), probs.argmax(1), reduction="none"
    ).detach()
    assert float(out.log["unsupervised"]) == pytest.approx(float((rows * kept).sum() / U), rel=1e-5)


def test_the_threshold_itself_is_enough() -> None:
    method, _ = build(threshold=0.75)
    assert method.pseudo_label_weight(torch.tensor([[0.75, 0.25, 0.0], [0.74, 0.26, 0.0]])).tolist() == [1.0, 0.0]


def test_with_alignment_pseudo_labels_are_those_of_predictions_scaled_to_the_frequencies_of_the_labels() -> None:
    method, batch = build(alignment_steps=2, threshold=0.0)
    frequency, seen = np.array([0.5, 0.25, 0.25]), [np.full(3, 1 / 3), np.full(3, 1 / 3)]
    for step in range(4):
        batch.unlabeled.views = (batch.unlabeled.views[0] + step, batch.unlabeled.views[1])
        out = method(batch, Progress(step, 10))
        probs = method.student(batch.unlabeled.views[0]).detach().softmax(1).numpy()
        ratio = (frequency + 1e-6) / (np.mean(seen[-2:], axis=0) + 1e-6)
        scaled = np.array([[p * r for p, r in zip(row, ratio, strict=True)] for row in probs])
        scaled = scaled / scaled.sum(1, keepdims=True)
        assert out.pseudo_labels.label.tolist() == scaled.argmax(1).tolist()
        weights = FixMatch.pseudo_label_weight(method, torch.from_numpy(probs))
        assert weights.tolist() == [1.0] * U
        np.testing.assert_allclose(method.guess(torch.from_numpy(probs)).numpy(), scaled, rtol=1e-5)
        method.remember(out)
        seen.append(probs.mean(0))


def test_no_gradient_reaches_the_weak_branch() -> None:
    method, batch = build(threshold=0.0)
    weak = batch.unlabeled.views[0].requires_grad_()
    method(batch, Progress(0, 10)).loss.backward()
    assert weak.grad is None or not weak.grad.any()


@pytest.mark.parametrize(
    ("setting", "value"),
    [("threshold", 1.5), ("threshold", -0.1), ("unlabeled_weight", -1.0), ("ema_decay", 1.0)],
)
def test_a_setting_out_of_range_is_an_error_that_names_it(setting: str, value: float) -> None:
    with pytest.raises(ConfigError, match=f"method.{setting} must be"):
        FixMatch.Config(**{setting: value})  # type: ignore[arg-type]
