from __future__ import annotations

import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import tutelage
from tutelage.config import RunConfig, resolve
from tutelage.core.console import screen
from tutelage.core.errors import ConfigError
from tutelage.run import session as sessions
from tutelage.run.budget import Deadline
from tutelage.run.data_modules.images import ImageModule
from tutelage.run.session import Session, open_session


def config(**more: Any) -> RunConfig:
    given = {
        "data.path": "digits",
        "method.name": "mean-teacher",
        "network.name": "wrn-10-1",
        "train.budget": "1m",
        "train.workers": 0,
    }
    return resolve({**given, **more})


def opened(stack: ExitStack, cfg: RunConfig, folder: Path) -> Session:
    session = open_session(stack, torch.device("cpu"), screen(quiet=True), ImageModule)
    session.load(cfg, folder)
    return session


IMPORT = """
import sys, tempfile, time
from contextlib import ExitStack
from pathlib import Path
import torch
from tutelage.config import resolve
from tutelage.core.console import screen
from tutelage.run.data_modules.images import ImageModule
from tutelage.run.session import open_session

cfg = resolve({"data.path": "digits", "method.name": "mean-teacher", "network.name": "wrn-10-1",
               "train.budget": "1m", "train.workers": 0})
with ExitStack() as stack, tempfile.TemporaryDirectory() as folder:
    session = open_session(stack, torch.device("cpu"), screen(quiet=True), ImageModule)
    session.load(cfg, Path(folder))
    training = session.build(cfg)
    assert "sklearn.metrics" not in sys.modules
    begin = time.perf_counter()
    first = session.module.scoring.seconds_per_image(training, 5.0)
    whole = time.perf_counter() - begin
    assert "sklearn.metrics" in sys.modules
    rows = min(512, len(session.module.data.val))
    assert rows * first < whole / 2, (rows * first, whole)
    again = min(session.module.scoring.seconds_per_image(training, 2.0) for _ in range(3))
    assert first < 10 * again, (first, again)
    training.loader.close()
"""


@pytest.mark.long
def test_the_time_of_an_evaluation_is_not_that_of_the_first_import(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", IMPORT], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.long
def test_a_budget_keeps_time_for_decoding_and_scoring_the_test_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "timing_limit", lambda budget: 1.0)
    draw = np.random.default_rng(0)
    for name, count in (("train", 40), ("test", 400)):
        np.savez(
            tmp_path / f"{name}.npz", x=draw.integers(0, 255, (count, 8, 8), dtype=np.uint8), y=np.arange(count) % 2
        )
    paths = {"data.path": str(tmp_path / "train.npz"), "data.test": str(tmp_path / "test.npz")}
    with ExitStack() as stack:
        session = opened(stack, config(**paths, **{"train.batch_size": 4}), tmp_path)
        training = session.build(config(**paths, **{"train.batch_size": 4}))
        assert session.module.data.test_count == 400
        assert session.module.decoding == 0.0  # they were decoded with the others
        cfg = config(**paths, **{"train.batch_size": 4})
        assert session.plan(training, cfg, Deadline(time.monotonic(), "10m"), report=False)[0].steps >= 10
        session.module.decoding = 2.0  # 800 seconds for the test images
        before = sorted(tmp_path.rglob("*"))
        with pytest.raises(ConfigError, match=r"the final scores 8\d\d s.* \d\dm would do; or score fewer images"):
            session.plan(training, cfg, Deadline(time.monotonic(), "10m"), report=False)
        assert sorted(tmp_path.rglob("*")) == before
        training.loader.close()


def test_deterministic_kernels_are_asked_for_while_a_run_is_open() -> None:
    cudnn = torch.backends.cudnn
    before = cudnn.deterministic, cudnn.benchmark
    with ExitStack() as stack:
        open_session(stack, torch.device("cpu"), screen(quiet=True), ImageModule)
        assert (cudnn.deterministic, cudnn.benchmark) == (True, False)
    assert (cudnn.deterministic, cudnn.benchmark) == before


@pytest.mark.parametrize("deterministic", [True, False])
def test_a_run_asks_for_the_kernels_that_its_settings_say_and_leaves_the_choice_as_it_was(
    deterministic: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cudnn, fit, seen = torch.backends.cudnn, sessions.fit, []

    def watched(*given: Any, **more: Any) -> int:
        seen.append((cudnn.deterministic, cudnn.benchmark))
        return fit(*given, **more)

    monkeypatch.setattr(sessions, "fit", watched)
    before = cudnn.deterministic, cudnn.benchmark
    settings = {"train.steps": 1, "train.batch_size": 2, "data.label_count": 40, "train.deterministic": deterministic}
    tutelage.train("digits", out=tmp_path / "run", settings=settings)
    assert seen == [(deterministic, not deterministic)]
    assert (cudnn.deterministic, cudnn.benchmark) == before
