from __future__ import annotations

import io

import pytest
import torch
from rich.console import Console

from tutelage.inference.images.scores import ImageScores
from tutelage.results.report.scores import score_tiles
from tutelage.tasks.class_scores import SCORES, ClassScore, Scored
from tutelage.tasks.classification import Classification


def brier(scored: Scored) -> float:
    """Mean squared distance of the probabilities from the one-hot label, summed over classes."""
    one_hot = torch.nn.functional.one_hot(scored.label, scored.num_classes)
    return float((scored.probs - one_hot).square().sum(1).mean())


def test_a_new_score_is_one_function_and_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SCORES, "brier", ClassScore(brier, "Brier score"))
    metrics = Classification(("cat", "dog")).metrics()
    metrics.update(torch.tensor([[0.9, 0.1], [0.4, 0.6]]), torch.tensor([0, 0]))
    scores = metrics.compute()
    assert scores["brier"] == pytest.approx((0.02 + 0.72) / 2)
    stream = io.StringIO()
    ImageScores(("cat", "dog"), scores, (), [], []).print(Console(file=stream, width=100))
    assert "brier  0.3700" in stream.getvalue()
    tiles = {tile.label: tile.value for tile in score_tiles(scores, "test").tiles}
    assert tiles["Brier score"] == "0.370"


def test_a_score_is_none_where_nothing_was_scored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SCORES, "brier", ClassScore(brier, "Brier score"))
    assert Classification(("cat", "dog")).metrics().compute()["brier"] is None
