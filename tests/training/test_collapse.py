from __future__ import annotations

from typing import Any

from tutelage.training.collapse import alarm


def lines(count: int, *, rank: float = 20.0, spread: float = 0.5, first: int = 100) -> list[dict[str, Any]]:
    return [{"step": first + 50 * number, "effective_rank": rank, "feature_spread": spread} for number in range(count)]


def test_three_lines_of_collapsed_features_raise_the_alarm() -> None:
    text = alarm(lines(3, rank=1.2), total=1000)
    assert text is not None and "a single direction (effective rank 1.20)" in text and "optimizer.lr" in text
    text = alarm(lines(3, spread=0.001), total=1000)
    assert text is not None and "nearly the same for all images (spread 0.001)" in text


def test_healthy_or_few_lines_do_not() -> None:
    assert alarm(lines(5), total=1000) is None
    assert alarm(lines(2, rank=1.0), total=1000) is None
    assert alarm([*lines(2, rank=1.0), *lines(1, first=200)], total=1000) is None


def test_the_first_steps_are_left_alone() -> None:
    assert alarm(lines(3, rank=1.0, first=10), total=1000) is None


def test_other_methods_are_none_of_its_business() -> None:
    assert alarm([{"step": 900, "loss": 1.0}] * 3, total=1000) is None
