"""The cost of a method beyond its network passes: a full training step vs. only the passes that it needs.

"Bare" is the necessary minimum: the forward and backward passes that the method makes on a prepared batch, with a plain
cross-entropy loss, and the optimizer step. The full step is the loop's `run_step` on a prepared batch: the method's
losses and state, the check for NaN, the optimizer, the moving average of the weights (not part of "bare", although most
methods have one), updates of the method's state, and the tally of pseudo-labels. "With views" is the same step
including loading rows and computing views, which `benchmarks/augment.py` measures separately. All three alternate in
blocks within one process and are compared block by block, since the speed of a shared machine varies.

    python benchmarks/step.py [DATA] [--network small] [--image-size 32] [--blocks 20] [--methods a,b] [--out FILE.md]
"""

from __future__ import annotations

import argparse
import copy
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from tutelage import config
from tutelage.core.batch import Batch, Progress
from tutelage.data.images.dataset import load_images
from tutelage.data.images.loader import ImageLoader, pixel_statistics
from tutelage.methods import CLASSIFIERS
from tutelage.methods.base import Method
from tutelage.run.build import build_predictor
from tutelage.run.data_modules.image_streams import Inputs, build_training
from tutelage.run.method_by_name import resolved
from tutelage.training.health import Health
from tutelage.training.loop import run_step
from tutelage.training.optimizer import build_optimizer
from tutelage.training.state import Training

Rows = tuple[int, int]  # multiples of the labeled and of the unlabeled batch


@dataclass(frozen=True)
class Passes:
    """The network passes of a method with its default settings, with the number of rows in each.

    `learned` rows go forward and backward through the student; `student` and `teacher` rows go forward without
    gradient. With `autoencoders`, the learned rows also go through a second encoder and two decoders.
    """

    learned: tuple[Rows, ...]
    student: tuple[Rows, ...] = ()
    teacher: tuple[Rows, ...] = ()
    autoencoders: bool = False

    def __str__(self) -> str:
        parts = {"learned": self.learned, "student": self.student, "teacher": self.teacher}
        words = [f"{name} {' and '.join(map(_rows, passes))}" for name, passes in parts.items() if passes]
        return ", ".join(words) + (", two auto-encoders" if self.autoencoders else "")


def _rows(rows: Rows) -> str:
    of = [(number, name) for number, name in zip(rows, "xu", strict=True) if number]
    return " + ".join(f"{number}{name}" if number > 1 else name for number, name in of)


def passes_of(method: Method[Any], batch: Batch) -> Passes:
    """The passes that a forward pass of `method` makes, seen at the first layer of its student and its teacher.

    The unlabeled batch must be more than eight times the labeled one, so that numbers of rows tell both apart.
    """
    assert batch.labeled is not None
    x, u = len(batch.labeled), 0 if batch.unlabeled is None else len(batch.unlabeled)
    assert u == 0 or u > 8 * x
    seen: dict[str, list[Rows]] = {"learned": [], "student": [], "teacher": []}

    def watch(network: nn.Module, name: str) -> RemovableHandle:
        def see(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            rows = len(inputs[0])
            kind = "learned" if name == "student" and torch.is_grad_enabled() else name
            seen[kind].append((rows // x, 0) if u == 0 else (rows % u // x, rows // u))

        return first_layer(network).register_forward_pre_hook(see)

    hooks = [watch(method.student, "student")]
    if method.teacher is not None:
        hooks.append(watch(method.teacher.network, "teacher"))
    method.train()(batch, Progress(0, 10))
    for hook in hooks:
        hook.remove()
    passes = {name: tuple(rows) for name, rows in seen.items()}
    return Passes(**passes, autoencoders=hasattr(method, "other_decoder"))


def first_layer(network: nn.Module) -> nn.Module:
    """The first layer with weights."""
    return next(module for module in network.modules() if next(module.parameters(recurse=False), None) is not None)


class Ready:
    """A loader with one prepared batch."""

    def __init__(self, batch: Batch) -> None:
        self._batch = batch

    def batch(self, step: int) -> Batch:
        return self._batch


def bare_step(training: Training, passes: Passes) -> Callable[[], None]:
    """The network passes of a step and the optimizer, ready to be called."""
    method: Any = training.method
    x, u = method.problem.labeled_batch, method.problem.unlabeled_batch
    counts = [labeled * x + unlabeled * u for labeled, unlabeled in passes.learned + passes.student + passes.teacher]
    shape = training.loader.batch(0).labeled.views[0].shape[1:]  # type: ignore[union-attr]
    images = torch.randn(max(counts), *shape, device=training.device)
    labels = torch.randint(method.problem.num_classes, (max(counts),), device=training.device)
    optimizer = build_optimizer(method, replace(training.schedule, lr=1e-12))  # the method is trained by the full step

    def of(rows: Rows) -> Tensor:
        return images[: rows[0] * x + rows[1] * u]

    def learn(rows: Tensor) -> Tensor:
        if not passes.autoencoders:
            return F.cross_entropy(method.student(rows), labels[: len(rows)])
        maps, other_maps = method.student.stages(rows), method.other_encoder.stages(rows)
        loss = F.cross_entropy(method.student.head(method.student.pooled(maps[-1])), labels[: len(rows)])
        for decoder, encoded in ((method.decoder, maps), (method.other_decoder, other_maps)):
            image, decoded = decoder(encoded, rows)
            loss = loss + sum(part.square().mean() for part in (image, *decoded))
        return loss

    def step() -> None:
        with torch.no_grad():
            for rows in passes.student:
                method.student(of(rows))
            for rows in passes.teacher:
                method.teacher.network(of(rows))
        loss = torch.stack([learn(of(rows)) for rows in passes.learned]).sum()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    return step


def measure(method: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Seconds of the three kinds of step, and their ratios block by block."""
    settings = {
        "data.path": arguments.data,
        "data.image_size": arguments.image_size,
        "network.name": arguments.network,
        "method.name": method,
        "train.batch_size": arguments.batch_size,
        "train.unlabeled_ratio": arguments.unlabeled_ratio,
        "train.steps": 10**6,
        "train.device": arguments.device,
        "train.precision": "fp32",
    }
    cfg = resolved(config.resolve(settings))
    dataset = load_images(cfg.data, seed=0)
    student = build_predictor(
        cfg, num_classes=len(dataset.classes), channels=dataset.channels, image_size=dataset.image_size
    )
    device = torch.device(arguments.device)
    inputs = Inputs(dataset.train.images, pixel_statistics(dataset.train.images))
    few = replace(cfg, train=replace(cfg.train, batch_size=2, unlabeled_ratio=16.0))
    trial = build_training(few, dataset, inputs, device, copy.deepcopy(student).to(device))
    passes = passes_of(trial.method, trial.loader.batch(0))
    trial.loader.close()
    training = build_training(cfg, dataset, inputs, device, student.to(device))
    training.method.train()
    loader, health = training.loader, Health(device)
    ready, bare = cast(ImageLoader, Ready(loader.batch(0))), bare_step(training, passes)

    def timed(do: Callable[[int], object], start: int) -> float:
        begin = time.perf_counter()
        for step in range(start, start + arguments.steps):
            do(step)
        if device.type == "cuda":
            torch.cuda.synchronize()
        return (time.perf_counter() - begin) / arguments.steps

    seconds: dict[str, list[float]] = {"bare": [], "full": [], "views": []}
    for block in range(arguments.blocks + 1):
        start = 2 * block * arguments.steps
        bare_time = timed(lambda step: bare(), start)
        training.loader = ready
        full_time = timed(lambda step: run_step(training, step, health), start)
        training.loader = loader
        views_time = timed(lambda step: run_step(training, step, health), start + arguments.steps)
        if block:  # the first is a warm-up
            for name, value in (("bare", bare_time), ("full", full_time), ("views", views_time)):
                seconds[name].append(value)
    loader.close()
    assert (fault := health.first_fault()) is None, fault
    ratios = {
        name: [value / least for value, least in zip(seconds[name], seconds["bare"], strict=True)]
        for name in ("full", "views")
    }
    low, _, high = statistics.quantiles(ratios["full"], n=4)
    return {
        "method": method,
        "passes": str(passes),
        **{f"{name}_ms": 1000 * statistics.median(values) for name, values in seconds.items()},
        **{f"{name}_ratio": statistics.median(values) for name, values in ratios.items()},
        "quartiles": f"{low:.3f} to {high:.3f}",
    }


def report(rows: list[dict[str, Any]], arguments: argparse.Namespace) -> str:
    """The result as Markdown."""
    x, u = arguments.batch_size, round(arguments.batch_size * arguments.unlabeled_ratio)
    threads = f"{torch.get_num_threads()} threads" if arguments.device == "cpu" else torch.cuda.get_device_name()
    head = f"""# The cost of a method beyond its network passes

`python benchmarks/step.py --blocks {arguments.blocks} --network {arguments.network}`: {arguments.data} at
{arguments.image_size} x {arguments.image_size}, x = {x} labeled and u = {u} unlabeled rows, {threads}, torch \
{torch.__version__}, {platform.machine()}.
Median of {arguments.blocks} blocks of {arguments.steps} steps of each kind, alternating in one process.

Bare: the passes in the second column (learned: forward and backward; student, teacher: forward only) with a plain
cross-entropy on random rows, and the optimizer step. Full: the loop's whole step on a prepared batch, including the
moving average of the weights, which bare leaves out. With views: also loads rows and computes views.

| method | passes | bare | full | full / bare | quartiles | with views | with views / bare |
|---|---|---|---|---|---|---|---|
"""
    return head + "".join(
        f"| {r['method']} | {r['passes']} | {r['bare_ms']:.1f} ms | {r['full_ms']:.1f} ms | {r['full_ratio']:.3f} "
        f"| {r['quartiles']} | {r['views_ms']:.1f} ms | {r['views_ratio']:.3f} |\n"
        for r in rows
    )


def main() -> None:
    names = [method.name for method in CLASSIFIERS if not method.needs_features]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?", default="digits")
    parser.add_argument("--methods", default=",".join(names))
    parser.add_argument("--network", default="small")
    parser.add_argument("--image-size", type=int, default=32)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--unlabeled-ratio", type=float, default=1.0)
    parser.add_argument("--blocks", type=int, default=20)
    parser.add_argument("--steps", type=int, default=5, help="steps of each kind per block")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    rows = []
    for method in arguments.methods.split(","):
        rows.append(measure(method, arguments))
        print(
            "{method:>20}: bare {bare_ms:.1f} ms, full {full_ms:.1f} ms, ratio {full_ratio:.3f} "
            "(quartiles {quartiles}), with views {views_ms:.1f} ms, ratio {views_ratio:.3f}".format(**rows[-1]),
            flush=True,
        )
    if arguments.out is not None:
        arguments.out.write_text(report(rows, arguments))


if __name__ == "__main__":
    main()
