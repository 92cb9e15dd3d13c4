"""The cost of MoCo beyond its network passes, and the part of it that is due to the queue.

"Bare" is the necessary minimum: the student's forward and backward pass over a batch with a plain cross-entropy loss,
the key encoder's forward pass, and the optimizer step. The full step is the loop's `run_step` on a prepared batch:
shuffling, projections, the loss against the queue, the label-free statistics in the log, the check for NaN, the moving
average of the weights, and adding the keys to the queue. "Queue" is the part that grows with the queue: similarities,
loss, their gradient, and storing the keys. All three alternate in blocks within one process and are compared block by
block, since the speed of a shared machine varies.

    python benchmarks/moco_step.py [DATA] [--network small] [--queues 4096,65536] [--blocks 20] [--out FILE.md]
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import torch
import torch.nn.functional as F

from tutelage.core.batch import Batch, StepOutput
from tutelage.core.contrast import info_nce
from tutelage.data.images.dataset import load_images
from tutelage.data.images.loader import ImageLoader, pixel_statistics
from tutelage.run.build import build_predictor
from tutelage.run.data_modules.image_streams import Inputs, build_training
from tutelage.run.method_by_name import resolved
from tutelage.run.resolve import resolve_pretraining
from tutelage.training.health import Health
from tutelage.training.loop import run_step
from tutelage.training.optimizer import build_optimizer
from tutelage.training.state import Training


class Ready:
    """A loader with one prepared batch."""

    def __init__(self, batch: Batch) -> None:
        self._batch = batch

    def batch(self, step: int) -> Batch:
        return self._batch


def bare_step(training: Training) -> Callable[[int], None]:
    """The network passes of a step and the optimizer, ready to be called."""
    method: Any = training.method
    optimizer = build_optimizer(method, replace(training.schedule, lr=1e-12))  # the method is trained by the full step
    first, second = cast(Any, training.loader.batch(0).unlabeled).views
    labels = torch.randint(method.cfg.projection_size, (len(first),), device=training.device)

    def step(number: int) -> None:
        with torch.no_grad():
            method.teacher.network(second)
        loss = F.cross_entropy(method.student(first), labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    return step


def queue_step(training: Training) -> Callable[[int], None]:
    """The part of a step that uses the queue: loss, gradient of the queries, and storing the keys."""
    method: Any = training.method
    kept = method.queue.clone(), method.queue_end.clone()
    rows, size = method.problem.unlabeled_batch, method.cfg.projection_size
    query, keys = (F.normalize(torch.randn(rows, size, device=training.device), dim=1) for _ in range(2))

    def step(number: int) -> None:
        query.requires_grad_().grad = None
        loss, _ = info_nce(query, keys, method.queue, method.cfg.temperature)
        loss.backward()
        method.remember(StepOutput(loss, {}, {"keys": keys}))
        method.queue_end.copy_(kept[1])

    return step


def measure(queue_size: int, arguments: argparse.Namespace) -> dict[str, Any]:
    """Seconds of the three kinds of step, and their ratios block by block."""
    settings = {
        "data.path": arguments.data,
        "data.image_size": arguments.image_size,
        "network.name": arguments.network,
        "network.bn_splits": arguments.bn_splits,
        "method.queue_size": queue_size,
        "train.batch_size": arguments.batch_size,
        "train.steps": 10**6,
        "train.device": arguments.device,
        "train.precision": "fp32",
    }
    cfg = resolved(resolve_pretraining(settings))
    dataset = load_images(cfg.data, seed=0, needs_labels=False)
    student = build_predictor(
        cfg, num_classes=len(dataset.classes), channels=dataset.channels, image_size=dataset.image_size
    )
    device = torch.device(arguments.device)
    training = build_training(
        cfg, dataset, Inputs(dataset.train.images, pixel_statistics(dataset.train.images)), device, student.to(device)
    )
    training.method.train()
    loader, health = training.loader, Health(device)
    training.loader = cast(ImageLoader, Ready(loader.batch(0)))
    loader.close()
    kinds: dict[str, Callable[[int], object]] = {
        "bare": bare_step(training),
        "full": lambda step: run_step(training, step, health),
        "queue": queue_step(training),
    }

    def timed(do: Callable[[int], object], start: int) -> float:
        begin = time.perf_counter()
        for step in range(start, start + arguments.steps):
            do(step)
        if device.type == "cuda":
            torch.cuda.synchronize()
        return (time.perf_counter() - begin) / arguments.steps

    seconds: dict[str, list[float]] = {name: [] for name in kinds}
    for block in range(arguments.blocks + 1):
        for name, do in kinds.items():
            value = timed(do, block * arguments.steps)
            if block:  # the first is a warm-up
                seconds[name].append(value)
    assert (fault := health.first_fault()) is None, fault
    ratios = [full / bare for full, bare in zip(seconds["full"], seconds["bare"], strict=True)]
    shares = [queue / full for queue, full in zip(seconds["queue"], seconds["full"], strict=True)]
    low, _, high = statistics.quantiles(ratios, n=4)
    return {
        "queue_size": queue_size,
        **{f"{name}_ms": 1000 * statistics.median(values) for name, values in seconds.items()},
        "ratio": statistics.median(ratios),
        "quartiles": f"{low:.3f} to {high:.3f}",
        "share": statistics.median(shares),
    }


def report(rows: list[dict[str, Any]], arguments: argparse.Namespace) -> str:
    """The result as Markdown."""
    threads = f"{torch.get_num_threads()} threads" if arguments.device == "cpu" else torch.cuda.get_device_name()
    splits = f", batch norm in {arguments.bn_splits} parts" if arguments.bn_splits else ""
    head = f"""# The cost of MoCo beyond its network passes

`python benchmarks/moco_step.py --blocks {arguments.blocks} --network {arguments.network}`: {arguments.data} at
{arguments.image_size} x {arguments.image_size}, batches of {arguments.batch_size}{splits}, {threads}, torch \
{torch.__version__}, {platform.machine()}.
Median of {arguments.blocks} blocks of {arguments.steps} steps of each kind, alternating in one process.

Bare: the student's forward and backward pass, the key encoder's forward pass, and the optimizer step. Full: the loop's
whole step on a prepared batch. Queue: similarities to the queue, loss, gradient, and storing the keys.

| keys in the queue | bare | full | full / bare | quartiles | queue | queue / full |
|---|---|---|---|---|---|---|
"""
    return head + "".join(
        f"| {r['queue_size']:,} | {r['bare_ms']:.1f} ms | {r['full_ms']:.1f} ms | {r['ratio']:.3f} "
        f"| {r['quartiles']} | {r['queue_ms']:.1f} ms | {r['share']:.1%} |\n"
        for r in rows
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?", default="digits")
    parser.add_argument("--queues", default="4096,65536")
    parser.add_argument("--network", default="small")
    parser.add_argument("--bn-splits", type=int)
    parser.add_argument("--image-size", type=int, default=32)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--blocks", type=int, default=20)
    parser.add_argument("--steps", type=int, default=5, help="steps of each kind per block")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    rows = []
    for queue_size in map(int, arguments.queues.split(",")):
        rows.append(measure(queue_size, arguments))
        print(
            "{queue_size:>6} keys: bare {bare_ms:.1f} ms, full {full_ms:.1f} ms, ratio {ratio:.3f} "
            "(quartiles {quartiles}), queue {queue_ms:.1f} ms, {share:.1%} of the full step".format(**rows[-1]),
            flush=True,
        )
    if arguments.out is not None:
        arguments.out.write_text(report(rows, arguments))


if __name__ == "__main__":
    main()
