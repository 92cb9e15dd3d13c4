"""The classification task against scikit-learn and the naive loops of `reference/`."""

import json
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch
from sklearn import metrics as sklearn
from torch import Tensor, nn

from reference import calibration, losses
from tutelage.core.errors import DataError, NonFiniteError
from tutelage.tasks.classification import Classification


def names(num_classes: int) -> tuple[str, ...]:
    return tuple(f"class {chr(97 + k)}" for k in range(num_classes))


def predictions(num_classes: int, rows: int = 300, absent: int | None = None) -> tuple[Tensor, Tensor]:
    """Probabilities that are better than chance, and labels among which `absent` does not occur."""
    draw = torch.Generator().manual_seed(num_classes)
    label = torch.randint(num_classes, (rows,), generator=draw)
    if absent is not None:
        label[label == absent] = (absent + 1) % num_classes
    logits = torch.randn(rows, num_classes, generator=draw)
    logits[torch.arange(rows), label] += 1.0
    return logits.softmax(1), label


def score(probs: Tensor, label: Tensor, batch: int = 64) -> dict[str, Any]:
    collector = Classification(names(probs.shape[1])).metrics()
    for part, answer in zip(probs.split(batch), label.split(batch), strict=True):
        collector.update(part, answer)
    return collector.compute()


@pytest.mark.parametrize("num_classes", [2, 3, 6, 10])
def test_all_metrics_agree_with_scikit_learn(num_classes: int) -> None:
    probs, label = predictions(num_classes)
    scores, predicted, all_labels = score(probs, label), probs.argmax(1), list(range(num_classes))
    assert scores["n"] == 300
    assert scores["accuracy"] == pytest.approx(sklearn.accuracy_score(label, predicted))
    assert scores["balanced_accuracy"] == pytest.approx(sklearn.balanced_accuracy_score(label, predicted))
    assert scores["nll"] == pytest.approx(sklearn.log_loss(label, probs.numpy(), labels=all_labels), rel=1e-5)
    assert scores["confusion_matrix"] == sklearn.confusion_matrix(label, predicted, labels=all_labels).tolist()
    expected = sklearn.precision_recall_fscore_support(label, predicted, labels=all_labels)
    got = [[row[key] for row in scores["per_class"].values()] for key in ("precision", "recall", "f1", "support")]
    np.testing.assert_allclose(got, expected, rtol=1e-6)
    assert tuple(scores["per_class"]) == names(num_classes)


@pytest.mark.parametrize("num_classes", [6, 10])
def test_top_5_accuracy_agrees_with_scikit_learn(num_classes: int) -> None:
    probs, label = predictions(num_classes)
    expected = sklearn.top_k_accuracy_score(label, probs.numpy(), k=5, labels=list(range(num_classes)))
    assert score(probs, label)["top5_accuracy"] == pytest.approx(expected)


def test_top_5_accuracy_is_left_out_with_five_classes_or_fewer() -> None:
    assert "top5_accuracy" not in score(*predictions(5))


@pytest.mark.parametrize("num_classes", [2, 10])
def test_the_calibration_error_is_that_of_the_naive_loop(num_classes: int) -> None:
    probs, label = predictions(num_classes)
    expected = calibration.expected_calibration_error(probs.double().numpy(), label.numpy(), 15)
    assert score(probs, label)["ece"] == pytest.approx(expected, abs=1e-6)
    assert expected > 0.01


def test_batches_make_no_difference() -> None:
    probs, label = predictions(4)
    assert score(probs, label, batch=7) == score(probs, label, batch=300)


def test_a_class_that_does_not_occur_has_no_recall_and_does_not_count_in_balanced_accuracy() -> None:
    probs, label = predictions(4, absent=2)
    scores = score(probs, label)
    assert scores["per_class"]["class c"]["recall"] is None
    assert scores["per_class"]["class c"]["support"] == 0
    recalls = [row["recall"] for row in scores["per_class"].values() if row["support"]]
    assert scores["balanced_accuracy"] == pytest.approx(sum(recalls) / 3)


def test_a_class_that_is_never_predicted_has_no_precision_but_an_f1_of_0() -> None:
    scores = score(torch.tensor([[0.9, 0.1], [0.8, 0.2]]), torch.tensor([0, 1]))
    assert scores["per_class"]["class b"] == {"precision": None, "recall": 0.0, "f1": 0.0, "support": 1}


def test_a_class_that_neither_occurs_nor_is_predicted_has_no_f1() -> None:
    scores = score(torch.tensor([[0.9, 0.1, 0.0], [0.2, 0.8, 0.0]]), torch.tensor([0, 1]))
    assert scores["per_class"]["class c"] == {"precision": None, "recall": None, "f1": None, "support": 0}
    assert scores["accuracy"] == scores["balanced_accuracy"] == 1.0


def test_rows_without_a_label_are_left_out() -> None:
    probs, label = predictions(3)
    hidden = label.clone()
    hidden[::2] = -1
    assert score(probs, hidden) == score(probs[1::2], label[1::2])


def test_nothing_to_score_gives_none_for_every_number() -> None:
    scores = score(torch.full((3, 7), 1 / 7), torch.full((3,), -1))
    assert scores["n"] == 0
    keys = ("accuracy", "top5_accuracy", "balanced_accuracy", "nll", "ece")
    assert {scores[key] for key in keys} == {None}
    assert set(scores) == set(score(*predictions(7)))
    assert Classification(names(2)).metrics().compute()["n"] == 0


def test_a_sure_and_wrong_prediction_has_a_finite_nll() -> None:
    scores = score(torch.tensor([[1.0, 0.0]]), torch.tensor([1]))
    assert scores["nll"] == pytest.approx(-np.log(np.finfo(np.float32).eps), rel=1e-6)


@pytest.mark.parametrize("absent", [None, 1])
def test_the_scores_are_strict_json(absent: int | None) -> None:
    scores = score(*predictions(3, absent=absent))
    assert json.loads(json.dumps(scores, allow_nan=False)) == scores


def test_probabilities_a_rounding_error_above_1_are_not_taken_for_logits() -> None:
    probs = torch.tensor([[1.0 + 1e-6, 0.0], [0.0, 1.0]])
    assert score(probs, torch.tensor([0, 1]))["ece"] == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("label", [3, -2])
def test_a_label_that_is_no_class_is_refused(label: int) -> None:
    with pytest.raises(DataError, match=rf"labels must be in 0\.\.2 .* got \[{label}\]"):
        score(torch.full((1, 3), 1 / 3), torch.tensor([label]))


def test_broken_predictions_are_an_error_and_not_a_score() -> None:
    probs = torch.tensor([[0.5, 0.5], [float("nan"), 0.5]])
    with pytest.raises(NonFiniteError, match="1 of 2 predictions"):
        score(probs, torch.tensor([0, 1]))


@pytest.mark.parametrize("classes", [(), ("cat",)])
def test_fewer_than_two_classes_are_refused(classes: tuple[str, ...]) -> None:
    with pytest.raises(DataError, match="at least two classes"):
        Classification(classes)


def test_the_loss_and_its_gradient_are_those_of_the_formula() -> None:
    logits = torch.randn(5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    label = torch.tensor([0, 2, 1, 1, 0])
    loss = Classification(names(3)).loss(logits, label)
    loss.backward()
    assert loss.item() == pytest.approx(losses.cross_entropy(logits.detach().numpy(), label.numpy()))
    expected = losses.gradient(lambda z: losses.cross_entropy(z, label.numpy()), logits.detach().numpy())
    assert logits.grad is not None
    np.testing.assert_allclose(logits.grad.numpy(), expected, rtol=1e-6, atol=1e-8)


@pytest.fixture
def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5), nn.Flatten(), nn.Linear(4 * 36, 2))


def test_predictions_are_made_in_evaluation_mode_without_gradient_and_sum_to_1(network: nn.Sequential) -> None:
    images = torch.randn(5, 3, 8, 8)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    probs = Classification(names(2)).predict(network, images)
    torch.testing.assert_close(probs.sum(1), torch.ones(5))
    assert not probs.requires_grad
    torch.testing.assert_close(probs, network.eval()(images).softmax(1))
    torch.testing.assert_close(dict(network.state_dict()), before, rtol=0, atol=0)


def test_predicting_leaves_every_part_in_the_mode_it_was_in(network: nn.Sequential) -> None:
    network.train()
    network[1].eval()  # a frozen batch norm
    modes = [module.training for module in network.modules()]
    Classification(names(2)).predict(network, torch.randn(5, 3, 8, 8))
    assert [module.training for module in network.modules()] == modes
    with pytest.raises(RuntimeError):
        Classification(names(2)).predict(network, torch.randn(5, 9, 8, 8))
    assert [module.training for module in network.modules()] == modes


def test_predictions_are_float32_under_autocast(network: nn.Sequential) -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        probs = Classification(names(2)).predict(network, torch.randn(5, 3, 8, 8))
    assert probs.dtype == torch.float32
    torch.testing.assert_close(probs.sum(1), torch.ones(5))


def test_sklearn_metrics_is_not_imported_before_it_is_needed() -> None:
    code = "import sys, tutelage.tasks.classification; sys.exit('sklearn.metrics' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
