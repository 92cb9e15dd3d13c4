"""A run that version 0.1.0 was interrupted in: it predicts what it predicted then, and goes on to the same end."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

import tutelage

OLD = Path(__file__).parent / "version_0_1_0"
CLOSE = 1e-4  # processors and versions of torch round differently


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return shutil.copytree(OLD / "run", tmp_path / "run")


def predicted(run: Path, step: int) -> None:
    """Check the probabilities of the first 100 digits against those that version 0.1.0 wrote down."""
    found = tutelage.predict(run, "digits", device="cpu")
    with np.load(OLD / "predicted.npz") as then:
        assert found.names[:100] == then["names"].tolist()
        np.testing.assert_allclose(found.probabilities[:100], then[f"step_{step}"], atol=CLOSE)


def test_it_predicts_as_it_did(run: Path) -> None:
    predicted(run, 10)


@pytest.mark.long
@pytest.mark.filterwarnings("ignore:the last bits may differ:RuntimeWarning")
def test_it_goes_on_to_the_same_end(run: Path) -> None:
    tutelage.train(resume=run)
    predicted(run, 20)
    tutelage.report(run, out=run.with_suffix(".html"))
