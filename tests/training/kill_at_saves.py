"""Trains, kills it at its saves, and prints what was found as JSON: a process of its own, for `test_kill.py`.

What training needs is imported once and no tensor is made here, so that each fork is a fresh and quick start. A child
writes a byte to a pipe when a save opens its file, which it learns from Python's audit events; up to 8 ms later it is
killed.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import random
import signal
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from tutelage import cli
from tutelage.config import resolve
from tutelage.data.images.dataset import load_images
from tutelage.data.images.loader import pixel_statistics
from tutelage.run.build import build_predictor
from tutelage.run.data_modules.image_streams import Inputs, build_training
from tutelage.run.recorder import take_checkpoint
from tutelage.training.loop import fit
from tutelage.training.signals import StopFlag
from tutelage.training.state import Training
from tutelage.training.window import Window

for late in ("torch._dynamo", "sklearn.metrics", "tutelage.run.start", "tutelage.run.curves"):
    importlib.import_module(late)  # by an optimizer, by the scores, by the command: seconds in every fork otherwise
LATEST_KILL = 0.008  # seconds after the save began
LATEST_MOMENT = 2.0  # seconds after the start, of kills that are not aimed at a save
SETTINGS = {
    "data.path": "digits",
    "method.name": "mean-teacher",
    "data.label_count": 40,
    "train.batch_size": 4,
    "train.unlabeled_ratio": 2,
    "train.log_every": 3,
    "train.eval_every": 5,
    "train.checkpoint_every": 1,
    "train.workers": 1,
}


SAVES = {name: value for name, value in SETTINGS.items() if name.endswith("_every")} | {"train.workers": 1}
COMMANDS: dict[str, tuple[str, str, dict[str, object]]] = {  # a command, its data beside the run, its settings
    "mean-teacher": ("train", "digits", {name: value for name, value in SETTINGS.items() if name != "data.path"}),
    "moco": (
        "pretrain",
        "digits",
        {"method": "moco-v2", "network": "small", "batch_size": 8, "method.queue_size": 64, "preset": "none", **SAVES},
    ),
    "ua-mt": (
        "train",
        "scans",
        {
            "method": "ua-mt",
            "preset": "none",
            "network": "vnet",
            "network.width": 2,
            "scan.patch_size": "32,32,32",
            "label_count": 3,
            "batch_size": 1,
            "unlabeled_ratio": 1,
            **SAVES,
            "train.eval_every": 50,
        },
    ),
}


def main(run: Path, kind: str, kills: int, steps: int) -> None:
    child = train_with_direct_saves if kind == "direct" else lambda run, steps: train_by_command(run, steps, kind)
    unreadable = damaged_file if kind == "direct" else damaged_entries
    draw, done, broken, starts = random.Random(kills), 0, 0, 0
    while True:
        aim = (draw.choice((1, 1, 2, 3)), draw.uniform(0, LATEST_KILL)) if done < kills else None
        if aim is not None and kind in ("moco", "ua-mt") and draw.random() < 0.5:
            aim = (0, draw.uniform(0.0, LATEST_MOMENT))  # at any moment, of the start too
        starts += 1
        code = attempt(lambda: child(run, steps), aim)
        if code == -signal.SIGKILL:
            done += 1
            broken += unreadable(run)
            if kind == "direct" and unreadable(run):
                (run / "last.pt").unlink()  # a direct save leaves nothing to resume from
        if code != -signal.SIGKILL or (kind == "direct" and done == kills):
            break
    print(json.dumps({"kills": done, "unreadable": broken, "starts": starts, "code": code, **digests(run)}))


def attempt(child: Callable[[], int], aim: tuple[int, float] | None) -> int:
    """The exit code of a forked `child`; with an aim (which save, seconds after it begins) it is killed then."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        sys.addaudithook(lambda event, values: tell_of_saves(event, values, writing))
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        os._exit(child())
    os.close(writing)
    if aim is not None:
        number, delay = aim
        begun = 0
        while begun < number and (bytes_read := os.read(reading, 1)):
            begun += len(bytes_read)
        if begun == number:
            time.sleep(delay)
            os.kill(pid, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    os.close(reading)
    return code


def tell_of_saves(event: str, values: tuple[Any, ...], pipe: int) -> None:
    if event == "open" and isinstance(values[1], str) and "w" in values[1]:
        name = Path(os.fsdecode(values[0])).name
        if name.startswith("step-") or name == "last.pt":
            os.write(pipe, b".")


def train_by_command(run: Path, steps: int, kind: str) -> int:
    """The real command, in this process: starts the run, or resumes it."""
    warnings.simplefilter("error")  # falling back to an older checkpoint would be a warning
    if (run / "config.json").exists():
        return cli.run([COMMANDS[kind][0], "--resume", str(run), "--no-report"])
    command, data, settings = COMMANDS[kind]
    source = data if data == "digits" else str(run.parent / data)
    given = [f"--{name}={value}" for name, value in settings.items()]
    return cli.run([command, source, f"--train.steps={steps}", *given, "--out", str(run), "--no-report"])


def damaged_entries(run: Path) -> int:
    """How many checkpoints that the manifest names are not what it says; 1 if a run has no manifest."""
    if not (run / "config.json").exists():
        return 0  # killed before the run began
    try:
        entries = json.loads((run / "checkpoints" / "manifest.json").read_text())["checkpoints"]
        files = [(run / "checkpoints" / entry["file"]).read_bytes() for entry in entries]
    except (OSError, ValueError, KeyError):
        return 1
    return sum(hashlib.sha256(c).hexdigest() != e["sha256"] for c, e in zip(files, entries, strict=True))


class DirectRecorder:
    """What most training scripts do: `torch.save` straight to the final name, once a step."""

    def __init__(self, training: Training, run: Path) -> None:
        self.training, self.path = training, run / "last.pt"

    def tick(self, done: int) -> None: ...

    def log(self, done: int, means: Mapping[str, float]) -> None: ...

    def evaluate(self, done: int) -> None: ...

    def was_evaluated(self, done: int) -> bool:
        return True

    def save(self, done: int, window: Window) -> None:
        tensors = {name: value.clone() for name, value in take_checkpoint(self.training, done, window).tensors.items()}
        sys.audit("open", str(self.path), "w", 0)  # torch opens files where Python's audit does not see it
        torch.save({"step": done, "tensors": tensors}, self.path)


def train_with_direct_saves(run: Path, steps: int) -> int:
    """The same training with a recorder that saves directly; it resumes from the file, if there is one."""
    run.mkdir(exist_ok=True)
    cfg = resolve({**SETTINGS, "train.steps": steps})
    data = load_images(cfg.data, seed=0)
    student = build_predictor(cfg, num_classes=10, channels=1, image_size=8)
    training = build_training(
        cfg, data, Inputs(data.train.images, pixel_statistics(data.train.images)), torch.device("cpu"), student
    )
    path, start = run / "last.pt", 0
    if path.exists():
        saved = torch.load(path)
        state = {k.removeprefix("method."): v for k, v in saved["tensors"].items() if k.startswith("method.")}
        training.method.load_state_dict(state)
        start = saved["step"]
    fit(training, DirectRecorder(training, run), StopFlag(), start=start)
    return 0


def damaged_file(run: Path) -> int:
    """Whether the one file cannot be read: asked of a child, since nothing is loaded here."""

    def read() -> int:
        try:
            torch.load(run / "last.pt")
        except (OSError, RuntimeError, ValueError, EOFError, KeyError):
            return 1
        return 0

    return attempt(read, None) if (run / "last.pt").exists() else 0


def digests(run: Path) -> dict[str, Any]:
    """Of a finished run: the hash of its newest checkpoint file, and its log and result."""
    if not (run / "result.json").exists():
        return {}
    newest = json.loads((run / "checkpoints" / "manifest.json").read_text())["checkpoints"][-1]
    return {
        "step": newest["step"],
        "weights": hashlib.sha256((run / "checkpoints" / newest["file"]).read_bytes()).hexdigest(),
        "metrics": (run / "metrics.jsonl").read_text(),
        "result": (run / "result.json").read_text(),
        "left": sorted(p.name for p in run.rglob("*.tmp-*")),
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
