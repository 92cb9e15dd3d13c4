"""The overhead of the loop: a full training step vs. only the network passes and the optimizer on a ready batch.

The full step loads rows, computes views, normalizes, runs the method, checks for NaN, steps the optimizer, updates the
teacher, and logs. The bare step runs the same network passes (student forward and backward on all rows; for Mean
Teacher also the teacher's forward pass) and the same optimizer on a prepared batch. Both alternate in blocks within one
process and are compared block by block, since the speed of a shared machine varies.

    python benchmarks/loop_overhead.py [DATA] [--network small] [--image-size 32] [--blocks 20] [--out FILE.json]
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import torch
import torch.nn.functional as F

from tutelage import config
from tutelage.data.images.dataset import load_images
from tutelage.data.images.loader import pixel_statistics
from tutelage.run.build import build_predictor
from tutelage.run.data_modules.image_streams import Inputs, build_training
from tutelage.run.folder import RunFolder
from tutelage.run.method_by_name import resolved
from tutelage.training.loop import fit
from tutelage.training.optimizer import build_optimizer
from tutelage.training.signals import StopFlag
from tutelage.training.state import Training
from tutelage.training.window import Window

STEPS = 10  # per block


class Lines:
    """Writes log lines like a run; evaluations and checkpoints, about twenty per run, are left out."""

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder

    def tick(self, done: int) -> None: ...

    def log(self, done: int, means: Mapping[str, float]) -> None:
        self.folder.append("metrics.jsonl", {"step": done, "kind": "training", **means})

    def evaluate(self, done: int) -> None: ...

    def was_evaluated(self, done: int) -> bool:
        return True

    def save(self, done: int, window: Window) -> None: ...


def bare_step(training: Training, images: torch.Tensor, labels: torch.Tensor, optimizer: torch.optim.Optimizer) -> None:
    """The network passes of a step, and the optimizer."""
    logits = training.method.student(images)
    loss = F.cross_entropy(logits[: len(labels)], labels)
    if training.method.unlabeled_views:
        assert training.method.teacher is not None
        target = training.method.teacher(images).softmax(1)
        loss = loss + (logits.softmax(1) - target).square().mean()
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()


def measure(method: str, arguments: argparse.Namespace, folder: Path) -> dict[str, float | int | str]:
    """Seconds of both kinds of step, and their ratio."""
    settings = {
        "data.path": arguments.data,
        "data.image_size": arguments.image_size,
        "network.name": arguments.network,
        "method.name": method,
        "train.batch_size": arguments.batch_size,
        "train.steps": 10**6,
        "train.device": "cpu",
    }
    cfg = resolved(config.resolve(settings))
    dataset = load_images(cfg.data, seed=0)
    inputs = Inputs(dataset.train.images, pixel_statistics(dataset.train.images))
    student = build_predictor(
        cfg, num_classes=len(dataset.classes), channels=dataset.channels, image_size=dataset.image_size
    )
    training = build_training(cfg, dataset, inputs, torch.device("cpu"), student)
    training.eval_every = training.checkpoint_every = 10**9
    batch = training.loader.batch(0)
    assert batch.labeled is not None and batch.labeled.label is not None
    streams = [batch.labeled] + ([batch.unlabeled] if batch.unlabeled is not None else [])
    images, labels = torch.cat([stream.views[0] for stream in streams]), batch.labeled.label
    optimizer = build_optimizer(training.method.student, cfg.optimizer)

    bare, full = [], []
    with RunFolder.create(folder / method) as run, StopFlag() as stop:
        for block in range(arguments.blocks + 1):
            begin = time.perf_counter()
            for _ in range(STEPS):
                bare_step(training, images, labels, optimizer)
            middle = time.perf_counter()
            training.total = (block + 1) * STEPS
            fit(training, Lines(run), stop, start=block * STEPS)
            end = time.perf_counter()
            if block:  # the first is a warm-up
                bare.append((middle - begin) / STEPS)
                full.append((end - middle) / STEPS)
    training.loader.close()
    ratios = [f / b for f, b in zip(full, bare, strict=True)]
    low, median, high = statistics.quantiles(ratios, n=4)
    return {
        "method": method,
        "bare_ms": 1000 * statistics.median(bare),
        "full_ms": 1000 * statistics.median(full),
        "ratio": median,
        "ratio_quartiles": f"{low:.3f} to {high:.3f}",
        "blocks": len(ratios),
        "rows": len(images),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?", default="digits")
    parser.add_argument("--network", default="small")
    parser.add_argument("--image-size", type=int, default=32)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--blocks", type=int, default=20)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = [measure(method, arguments, Path(folder)) for method in ("supervised", "mean-teacher")]
    for row in rows:
        print(
            f"{row['method']:>14}: bare {row['bare_ms']:.1f} ms, full {row['full_ms']:.1f} ms, "
            f"ratio {row['ratio']:.3f} (quartiles {row['ratio_quartiles']}, {row['blocks']} blocks of {STEPS} steps)"
        )
    if arguments.out is not None:
        facts = {"network": arguments.network, "image_size": arguments.image_size, "threads": torch.get_num_threads()}
        versions = {"torch": torch.__version__, "python": platform.python_version(), "processor": platform.machine()}
        arguments.out.write_text(json.dumps({**facts, **versions, "results": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
