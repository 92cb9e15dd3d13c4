"""Counts of which class is taken for which, with few classes and with thousands."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from sklearn.metrics import confusion_matrix

from tutelage.results.report.scores import class_section
from tutelage.tasks.classification import Classification
from tutelage.tasks.confusion import confusion_counts, confusion_of, confusion_to_json


@pytest.mark.parametrize("k", [2, 10, 200, 201, 900])
def test_counts_are_those_of_scikit_learn_before_and_after_json(k: int) -> None:
    draw = np.random.default_rng(0)
    label, predicted = draw.integers(0, k, 500), draw.integers(0, k, 500)
    expected = confusion_matrix(label, predicted, labels=range(k))
    counts = confusion_counts(label, predicted, k)
    np.testing.assert_array_equal(counts.toarray(), expected)
    written = json.loads(json.dumps(confusion_to_json(counts)))
    assert list(written) == ["confusion_matrix" if k <= 200 else "confusion"]
    found = confusion_of(written | {"per_class": dict.fromkeys(map(str, range(k)))})
    assert found is not None
    np.testing.assert_array_equal(found.toarray(), expected)


def test_scans_have_none() -> None:
    assert confusion_of({"dice": 0.5}) is None


def test_four_thousand_classes_take_kilobytes() -> None:
    k, n = 4000, 3000
    label = torch.arange(n) % k
    probs = torch.full((n, k), 0.1 / (k - 1))
    predicted = torch.where(torch.arange(n) % 3 == 0, (label + 1) % k, label)
    probs[torch.arange(n), predicted] = 0.9
    task = Classification([f"class {number}" for number in range(k)])
    metrics = task.metrics()
    metrics.update(probs, label)
    scores = metrics.compute()
    assert scores["accuracy"] == pytest.approx(2 / 3)
    assert len(json.dumps(scores["confusion"])) < 60_000
    section = class_section(scores, task.classes, "test-")
    assert "Most confused classes" in str(section)
    none = task.metrics().compute()
    assert none["n"] == 0 and none["confusion"]["count"] == []
