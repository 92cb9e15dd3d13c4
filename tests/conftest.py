"""What tests of several folders share: a few digits, quick processes, and the GPU, or why its tests skip."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import torch

from support.starter import Starter
from tutelage.core.batch import StepOutput
from tutelage.core.cache_folder import VARIABLE
from tutelage.core.wording import as_flags
from tutelage.data.images.arrays import DIGITS
from tutelage.training import loop
from tutelage.training.health import Health
from tutelage.training.state import Training

WARM = 2  # first steps of a training, in which constants are copied to the device


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of cached features of all tests and the commands that they start: never that of the user."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, str(folder))
        yield folder


@pytest.fixture(scope="session")
def few_digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """120 of the bundled digits and 20 to test, as a `.npz` file that is read in a moment; not to be written to."""
    path = tmp_path_factory.mktemp("few") / "digits.npz"
    counts = {"x": 120, "y": 120, "x_test": 20, "y_test": 20}
    with np.load(DIGITS) as digits:
        np.savez(path, **{name: digits[name][:count] for name, count in counts.items()})
    return path


@pytest.fixture(scope="session")
def starter() -> Iterator[Starter]:
    """Starts processes at once; for tests that are not about the start itself."""
    with closing(Starter()) as made:
        yield made


@pytest.fixture
def by_flags() -> Iterator[None]:
    """Messages name settings as flags, as they do on the command line, where the code below it is called directly."""
    with as_flags():
        yield


@pytest.fixture
def cuda() -> torch.device:
    """The GPU that is there."""
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    return torch.device("cuda")


@pytest.fixture
def no_waiting(cuda: torch.device, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """While it is in use, a step that waits for the GPU raises RuntimeError; gives the steps that were watched."""
    run_step, watched = loop.run_step, list[int]()
    with warnings.catch_warnings(action="ignore"):  # "a prototype feature", it says the first time
        torch.cuda.set_sync_debug_mode("error")
        torch.cuda.set_sync_debug_mode("default")

    def watched_step(training: Training, step: int, health: Health) -> StepOutput:
        if step < WARM:
            return run_step(training, step, health)
        watched.append(step)
        torch.cuda.set_sync_debug_mode("error")
        try:
            return run_step(training, step, health)
        finally:
            torch.cuda.set_sync_debug_mode("default")

    monkeypatch.setattr(loop, "run_step", watched_step)
    return watched
