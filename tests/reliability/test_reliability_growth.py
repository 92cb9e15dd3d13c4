"""A long training holds no more memory, files or threads than a short one."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch

from support.starter import Starter
from tutelage.config import resolve
from tutelage.data.images.dataset import load_images
from tutelage.data.images.loader import pixel_statistics
from tutelage.run.build import build_predictor
from tutelage.run.data_modules.image_streams import Inputs, build_training
from tutelage.run.recorder import take_checkpoint
from tutelage.training.checkpoint import save_checkpoint
from tutelage.training.loop import fit
from tutelage.training.signals import StopFlag
from tutelage.training.state import Training
from tutelage.training.window import Window

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def resident(pid: int | str = "self") -> int:
    """Bytes."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


class Measure:
    """A recorder that saves, and notes what the process holds."""

    def __init__(self, training: Training, folder: Path, at: tuple[int, ...]) -> None:
        self.training, self.folder, self.at = training, folder, at
        self.memory: dict[int, int] = {}
        self.files: dict[int, int] = {}
        self.threads: dict[int, int] = {}

    def tick(self, done: int) -> None:
        if done in self.at:
            self.memory[done] = resident()
            self.files[done] = len(list(Path("/proc/self/fd").iterdir()))
            self.threads[done] = threading.active_count()

    def log(self, done: int, means: Mapping[str, float]) -> None: ...

    def evaluate(self, done: int) -> None: ...

    def was_evaluated(self, done: int) -> bool:
        return True

    def save(self, done: int, window: Window) -> None:
        save_checkpoint(self.folder, take_checkpoint(self.training, done, window))


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("method", ["mean-teacher", "pi-model", "temporal-ensembling", "mixmatch", "fixmatch", "uda"])
def test_memory_files_and_threads_stay_as_they_are_over_3000_steps(method: str, tmp_path: Path) -> None:
    settings = {"train.steps": 3000, "train.batch_size": 8, "train.log_every": 10, "train.checkpoint_every": 100}
    cfg = resolve(
        {
            "data.path": "digits",
            "data.label_count": 40,
            "network.name": "wrn-10-1",
            "method.name": method,
            **settings,
        }
    )
    data = load_images(cfg.data, seed=0)
    student = build_predictor(cfg, num_classes=10, channels=1, image_size=8)
    training = build_training(
        cfg, data, Inputs(data.train.images, pixel_statistics(data.train.images)), torch.device("cpu"), student
    )
    recorder = Measure(training, tmp_path, at=(300, 3000))
    fit(training, recorder, StopFlag())
    training.loader.close()
    growth = recorder.memory[3000] / recorder.memory[300] - 1
    assert growth < 0.02, f"{growth:.1%} of {recorder.memory[300] / 1e6:.0f} MB"
    assert recorder.files[3000] == recorder.files[300]
    assert recorder.threads[3000] == recorder.threads[300]


def children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def test_a_killed_training_leaves_no_process(starter: Starter, tmp_path: Path) -> None:
    run = tmp_path / "run"
    tokens = ["digits", "--label-count=40", "--steps=100000", "--batch-size=4", "--workers=4", "--log-every=1"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = starter.start("-m", "tutelage", "train", *tokens, "--network=wrn-10-1", "--out", run, env=environment)
    while process.poll() is None and not (run / "metrics.jsonl").exists():
        time.sleep(0.01)
    below = children(process.pid)
    process.send_signal(signal.SIGKILL)
    _, said = process.communicate()
    assert process.returncode == -signal.SIGKILL, said
    time.sleep(0.1)
    assert [pid for pid in below if Path(f"/proc/{pid}").exists()] == []
