"""Three ways to fail, each really trained: the verdict names the right reason first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tutelage
from tutelage.data.images.arrays import DIGITS
from tutelage.results.verdict.verdict import Verdict, read_verdict

pytestmark = pytest.mark.usefixtures("by_flags")

LABELS, STEPS = 150, 60
SMALL = {
    "batch_size": 16,
    "unlabeled_ratio": 2,
    "steps": STEPS,
    "eval_every": STEPS,
    "workers": 1,
    "device": "cpu",
    "network": "wrn-10-1",
}


def digits(path: Path, *, shuffled: bool = False, other: bool = False) -> Path:
    """150 labeled digits, the others unlabeled, all test digits; something may be wrong with them."""
    rng = np.random.default_rng(0)
    with np.load(DIGITS) as file:
        x, y, test = file["x"], file["y"].astype(np.int64), {name: file[name] for name in ("x_test", "y_test")}
    order = rng.permutation(len(x))
    x, y = x[order], y[order]
    if shuffled:
        y[:LABELS] = rng.permutation(y[:LABELS])
    if other:
        slope = rng.uniform(-90, 90, (len(x) - LABELS, 1, 1)) * np.linspace(-1, 1, 8)
        x[LABELS:] = (128 + slope + rng.normal(0, 10, x[LABELS:].shape)).clip(0, 255)
    y[LABELS:] = -1
    np.savez(path, allow_pickle=False, x=x, y=y, **test)
    return path


def verdict_on(data: Path, out: Path, method: str, **settings: Any) -> Verdict:
    """That of a run and its baseline."""
    tutelage.train(data, out=out, method=method, baseline=True, settings={"method.ema_decay": 0.9} | settings, **SMALL)
    verdict = read_verdict(out)
    assert verdict is not None
    return verdict


@pytest.mark.long
@pytest.mark.parametrize("method", ["fixmatch", "mean-teacher"])
def test_shuffled_labels_are_named_first(tmp_path: Path, method: str) -> None:
    verdict = verdict_on(digits(tmp_path / "data.npz", shuffled=True), tmp_path / "run", method)
    assert verdict.outcome != "helped"
    assert verdict.causes[0].name == "labels"
    assert "--labels" in verdict.flags[0]


@pytest.mark.long
@pytest.mark.parametrize("method", ["fixmatch", "mean-teacher"])
def test_unlabeled_images_of_another_data_set_are_named_first(tmp_path: Path, method: str) -> None:
    verdict = verdict_on(digits(tmp_path / "data.npz", other=True), tmp_path / "run", method)
    assert verdict.outcome != "helped"
    assert verdict.causes[0].name == "other images"
    assert "differ in kind" in verdict.reasons[0]


@pytest.mark.long
def test_a_threshold_that_nothing_reaches_is_named_first(tmp_path: Path) -> None:
    settings = {"method.threshold": 1.0}
    verdict = verdict_on(digits(tmp_path / "data.npz"), tmp_path / "run", "fixmatch", **settings)
    assert verdict.outcome != "helped"
    assert verdict.causes[0].name == "few pseudo-labels"
    assert verdict.flags[0] == "--method.threshold 0.95"
