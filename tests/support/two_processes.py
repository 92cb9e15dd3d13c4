"""What two processes under torchrun do for `test_processes.py`, in one start, since starting takes most of the time.

`two_processes.py FILE COMMANDS METHOD ...` runs commands, which are JSON, and then trains methods on a network without
batch norm, whose losses it writes to the file.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from tutelage import cli
from tutelage.config import resolve
from tutelage.core.distributed import process_group, rank
from tutelage.data.images.dataset import load_images
from tutelage.data.images.loader import pixel_statistics
from tutelage.networks.base import Network
from tutelage.run.data_modules.image_streams import Inputs, build_training
from tutelage.training.loop import fit
from tutelage.training.signals import StopFlag
from tutelage.training.window import Window


class Plain(Network):
    """Two layers without batch norm, whose statistics would be those of a process."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.Tanh())
        self.head = nn.Linear(32, 10)

    def features(self, images: Tensor) -> Tensor:
        return self.body(images)


class Rows:
    """A recorder that keeps what is logged."""

    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []

    def tick(self, done: int) -> None: ...

    def log(self, done: int, means: Mapping[str, float]) -> None:
        self.rows.append(dict(means))

    def evaluate(self, done: int) -> None: ...

    def was_evaluated(self, done: int) -> bool:
        return True

    def save(self, done: int, window: Window) -> None: ...


def train(method: str, device: torch.device) -> list[dict[str, float]]:
    """The rows of the log of 20 steps on digits."""
    data = {"data.path": "digits", "data.label_count": 100, "train.batch_size": 16, "train.unlabeled_ratio": 1.5}
    length = {"train.steps": 20, "train.log_every": 1, "train.workers": 0}
    cfg = resolve({**data, **length, "method.name": method})
    dataset = load_images(cfg.data, seed=0)
    torch.manual_seed(0)
    training = build_training(
        cfg, dataset, Inputs(dataset.train.images, pixel_statistics(dataset.train.images)), device, Plain()
    )
    recorder = Rows()
    fit(training, recorder, StopFlag())
    return recorder.rows


if __name__ == "__main__":
    with process_group(torch.device("cpu")) as device:
        codes = [cli.run(words) for words in json.loads(sys.argv[2])]
        assert not any(codes), codes
        found = {method: train(method, device) for method in sys.argv[3:]}
        if rank() == 0:
            Path(sys.argv[1]).write_text(json.dumps(found))
