"""Whether an image is like those of training: how often that is said of others, and of those that are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tutelage.core.errors import RunError
from tutelage.run.pile import FALSE_ALARMS, FILE, TrainingPile


def features(count: int, seed: int, shift: float = 0.0) -> np.ndarray:
    draw = np.random.default_rng(seed)
    return (draw.normal(size=(count, 16)) @ np.diag(np.linspace(0.2, 2, 16)) + 1 + shift).astype(np.float32)


def test_the_share_of_false_alarms_is_as_stated() -> None:
    shares = []
    for seed in range(40):
        pile = TrainingPile.of(features(600, seed))
        assert pile is not None
        shares.append((pile.typicality(features(300, 1_000 + seed)) <= FALSE_ALARMS).mean())
    assert 0.035 < np.mean(shares) <= 0.055


def test_others_are_told_and_the_measure_is_that_of_the_definition() -> None:
    shown = features(90, 0)
    pile = TrainingPile.of(shown)
    assert pile is not None and len(pile.distances) == 30
    foreign = -features(50, 1)
    assert (pile.typicality(foreign) <= FALSE_ALARMS).all()
    unit = shown / np.linalg.norm(shown, axis=1, keepdims=True)
    near = [np.sort(1 - unit[30:] @ row)[4] for row in unit[:30]]
    np.testing.assert_allclose(np.sort(near), pile.distances, atol=2e-3)
    own = pile.typicality(shown[:30])
    assert sorted(np.round(own * 31)) == pytest.approx(list(range(2, 32)), abs=1)


def test_it_is_read_as_it_was_written_and_few_images_make_none(tmp_path: Path) -> None:
    pile = TrainingPile.of(features(200, 0))
    assert pile is not None
    pile.save(tmp_path)
    read = TrainingPile.read(tmp_path)
    assert read is not None
    np.testing.assert_array_equal(read.typicality(features(50, 1)), pile.typicality(features(50, 1)))
    assert TrainingPile.of(features(56, 0)) is None
    assert TrainingPile.read(tmp_path / "other") is None


@pytest.mark.parametrize("content", [b"", b"junk", b"PK\x03\x04"])
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(RunError, match=r"pile\.npz is (damaged|not a readable)"):
        TrainingPile.read(tmp_path)
