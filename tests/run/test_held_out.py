"""What a run knows of held-out labels: kept, read back, and refused where it is damaged."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import nn

from tutelage.core.errors import RunError
from tutelage.run.held_out import FILE, FOLDS, VALIDATION, HeldOut
from tutelage.tasks.label_sets import CrossSets, SplitSets


def made(count: int = 120, *, calibrates: bool = True) -> HeldOut:
    draw = np.random.default_rng(0)
    log_probs = np.log(draw.dirichlet(np.ones(3), count))
    return HeldOut.of(log_probs, draw.integers(0, 3, count), FOLDS, calibrates=calibrates)


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    known = made()
    known.save(tmp_path)
    read = HeldOut.read(tmp_path, 3)
    assert read is not None and (read.how, read.calibrates) == (FOLDS, True)
    np.testing.assert_array_equal(read.log_probs, known.log_probs)
    np.testing.assert_array_equal(read.label, known.label)
    assert read.temperature == known.temperature != 1.0
    assert HeldOut.read(tmp_path / "other", 3) is None


def test_few_labels_and_networks_without_a_plain_head_are_not_calibrated(tmp_path: Path) -> None:
    assert made(99).temperature == 1.0
    assert made(100).temperature != 1.0
    plain = made(calibrates=False)
    plain.save(tmp_path)
    read = HeldOut.read(tmp_path, 3)
    assert read is not None and read.temperature == 1.0
    np.testing.assert_allclose(read.probabilities, np.exp(plain.log_probs), rtol=1e-5)


def test_a_large_set_is_cut_down_at_random() -> None:
    label = np.repeat(np.arange(3), 4_000)
    known = HeldOut.of(np.log(np.full((12_000, 3), 1 / 3)), label, FOLDS)
    assert len(known.label) == 5_000
    assert (np.bincount(known.label) > 1_500).all()


def test_heads_of_cross_validation_are_kept_unless_images_were_left_out(tmp_path: Path) -> None:
    heads = [nn.Linear(5, 3) for _ in range(4)]
    fold = np.arange(120) % 4
    known = made().in_folds(fold, heads)
    known.save(tmp_path)
    read = HeldOut.read(tmp_path, 3)
    assert read is not None and read.fold is not None and read.heads is not None
    np.testing.assert_array_equal(read.fold, fold)
    np.testing.assert_array_equal(read.heads[2, :, :5], heads[2].weight.detach().numpy())
    np.testing.assert_array_equal(read.heads[2, :, 5], heads[2].bias.detach().numpy())
    assert isinstance(read.sets(0.9), CrossSets)
    assert made().in_folds(fold[:100], heads).heads is None
    assert made().sets(0.9) is None
    assert isinstance(HeldOut.of(known.log_probs, known.label, VALIDATION).sets(0.9), SplitSets)


def written(**arrays: Any) -> bytes:
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    return stream.getvalue()


GOOD = {"log_probs": np.zeros((4, 3), np.float32), "label": np.zeros(4, np.int64), "how": np.array(["a", ""])}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"junk",
        written(**GOOD)[:-40],
        written(log_probs=GOOD["log_probs"]),
        written(**{**GOOD, "how": np.array("a")}),
        written(**{**GOOD, "how": np.array(["a", "", ""])}),
        written(**{**GOOD, "label": np.full(4, 3)}),
        written(**{**GOOD, "label": np.full(4, -1)}),
        written(**{**GOOD, "label": np.zeros(4)}),
        written(**{**GOOD, "label": np.zeros((4, 1), np.int64)}),
        written(**{**GOOD, "log_probs": np.zeros((4, 2), np.float32)}),
        written(**{**GOOD, "log_probs": np.zeros((4, 3))}),
        written(**{**GOOD, "log_probs": np.full((4, 3), np.nan, np.float32)}),
        written(**{**GOOD, "log_probs": np.array([None] * 4)}),
        written(**GOOD, fold=np.zeros(4, np.int64)),
        written(**GOOD, fold=np.full(4, 2), heads=np.zeros((2, 3, 6), np.float32)),
        written(**GOOD, fold=np.zeros(4, np.int64), heads=np.zeros((2, 4, 6), np.float32)),
        written(**GOOD, fold=np.zeros(4, np.int64), heads=np.full((2, 3, 6), np.inf, np.float32)),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(RunError, match=r"held_out\.npz is (damaged|not a readable)"):
        HeldOut.read(tmp_path, 3)
