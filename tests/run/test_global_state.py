"""The library leaves the global state of its caller alone: random numbers, threads, default dtype."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import tutelage
from support.runs import unsealed
from tutelage.core.seeding import own_random_state

SHORT: dict[str, Any] = {"steps": 2, "batch_size": 8, "label_count": 40, "workers": 0}


def state() -> list[Any]:
    numpy = np.random.get_state()
    assert isinstance(numpy, tuple)
    return [
        torch.get_rng_state().tolist(),
        torch.initial_seed(),
        random.getstate(),
        numpy[1].tolist(),
        numpy[2:],
        torch.get_num_threads(),
        torch.get_default_dtype(),
        torch.is_grad_enabled(),
        torch.are_deterministic_algorithms_enabled(),
        (torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark),
    ]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("state") / "run"
    tutelage.train("digits", out=out, method="mean-teacher", **SHORT)
    return out


def train(run: Path) -> None:
    tutelage.train("digits", out=run.parent / "other", method="fixmatch", **SHORT, overwrite=True)


def resume(run: Path) -> None:
    (run / "result.json").unlink()
    tutelage.train(resume=run)


def pretrain(run: Path) -> None:
    settings = {"steps": 2, "batch_size": 8, "workers": 0, "settings": {"method.queue_size": 16}}
    tutelage.pretrain("digits", out=run.parent / "pretrained", **settings)  # type: ignore[arg-type]


def predict(run: Path) -> None:
    model = tutelage.load(run)
    assert isinstance(model, tutelage.Model)
    assert len(model.evaluate("digits")) > 3
    assert model.probabilities(np.zeros((2, 1, 8, 8), np.uint8)).shape == (2, 10)


def look(run: Path) -> None:
    assert tutelage.check("digits").ok
    tutelage.show("digits", draws=1, images=1)
    tutelage.probe(run, "digits", label_counts=[40], seeds=1, kind="knn")
    tutelage.embed(run, "digits")
    tutelage.report(run, out=run.parent / "report.html", overwrite=True)


@pytest.mark.long
@pytest.mark.parametrize("act", [train, resume, pretrain, predict, look, tutelage.load], ids=lambda act: act.__name__)
def test_the_global_state_is_as_it_was(act: Callable[[Path], Any], run: Path) -> None:
    torch.manual_seed(5)
    random.seed(5)
    np.random.seed(5)
    torch.rand(3)
    before = state()
    act(run)
    assert state() == before


def embed(run: Path) -> None:
    model = tutelage.load(run)
    assert isinstance(model, tutelage.Model)
    assert len(model.embed("digits")) > 300


@pytest.mark.long
def test_the_default_type_of_the_caller_does_not_matter(run: Path, tmp_path: Path) -> None:
    before = unsealed(run / "result.json")
    del before["files"]  # whose hashes are of no interest in Python
    copy = Path(shutil.copytree(run, tmp_path / "copy"))
    torch.set_default_dtype(torch.float64)
    try:
        again = tutelage.train("digits", out=tmp_path / "again", method="mean-teacher", **SHORT)
        for act in (train, resume, pretrain, predict, embed, look):
            act(copy)
            assert torch.get_default_dtype() == torch.float64
        model = tutelage.load(run)
        assert {value.dtype for value in model.network.parameters()} == {torch.float32}
    finally:
        torch.set_default_dtype(torch.float32)
    assert again.metrics == before


def test_it_is_put_back_after_an_error_too() -> None:
    torch.manual_seed(5)
    before = state()
    with pytest.raises(ValueError, match="no"), own_random_state():
        torch.manual_seed(1)
        torch.rand(3), random.random(), np.random.rand(2)
        raise ValueError("no")
    assert state() == before


def test_a_failed_training_leaves_it_alone(tmp_path: Path) -> None:
    before = state()
    with pytest.raises(tutelage.NonFiniteError):
        settings = {"optimizer.lr": 1e38}
        tutelage.train("digits", out=tmp_path / "a", method="fixmatch", settings=settings, **SHORT | {"steps": 20})
    assert state() == before


FIRST_USE = """
import os, random, sys
import numpy as np, torch

def state():
    return random.getstate(), str(np.random.get_state()), torch.get_rng_state().tolist()

for name in sys.argv[1:]:
    if os.fork() == 0:
        import tutelage
        before = state()
        getattr(tutelage, name)
        os._exit(state() != before)
    code = os.waitstatus_to_exitcode(os.wait()[1])
    if code != 0:
        sys.exit(f"{name}: {code}")
"""


def test_the_first_use_of_a_name_leaves_the_random_state_alone() -> None:
    names = ["load", "losses", "Model", "Method", "train"]
    done = subprocess.run([sys.executable, "-c", FIRST_USE, *names], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
