"""Images per second of the strong view (weak, RandAugment, Cutout), computed per image and per batch.

    OMP_WAIT_POLICY=passive python benchmarks/augment.py [--seconds 2] [--kornia FOLDER]

All pipelines run in one process on the same images and end with float32 tensors, as a network needs them. Writes
`results/augment.json` and `results/augment.md` next to this file. FOLDER contains kornia, which is not a dependency;
without it kornia is left out, and the table says so. OMP_WAIT_POLICY matters if other processes are running: by
default, GNU OpenMP's threads busy-wait for each other, which slows down all tensor pipelines on occupied cores.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import PIL
import torch
from torch import Tensor

from augment_peers import as_batch, kornia_pipeline, lean_pillow_pipeline, pillow_pipeline, torchvision_pipeline
from tutelage.augment import cutout, operations, rand_augment, weak
from tutelage.augment.rand_augment import RandAugment
from tutelage.augment.view import ImageShape
from tutelage.augment.weak import Weak
from tutelage.config.augment import StrongConfig, WeakConfig
from tutelage.core.seeding import generator

RESULTS = Path(__file__).parent / "results"
SIZES = ((32, 448), (96, 64))  # side in pixels, images per batch
TARGETS = {32: 15.0, 96: 4.0}  # speedup over Pillow, on one thread


def photos(side: int, rows: int) -> np.ndarray:
    """(rows, side, side, 3) uint8 crops of the two sample photos in scikit-learn."""
    from sklearn.datasets import load_sample_images

    found = load_sample_images().images
    chance = random.Random(0)
    crops = []
    for row in range(rows):
        photo = found[row % len(found)]
        top, left = chance.randrange(photo.shape[0] - side), chance.randrange(photo.shape[1] - side)
        crops.append(photo[top : top + side, left : left + side])
    return np.stack(crops)


def our_pipeline(arrays: np.ndarray) -> Callable[[], Tensor]:
    """(d): this package, including the random draws."""
    images, view = as_batch(arrays), RandAugment(StrongConfig(), Weak(WeakConfig()))
    shape, rows = ImageShape(*images.shape[1:]), len(images)
    draw = iter(range(10**9))
    return lambda: view.apply(images, view.draw(rows, shape, generator(0, "benchmark", next(draw)))).float().div_(255)


def seconds_of(function: Callable[[], Any]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def race(pipelines: dict[str, Callable[[], Tensor]], seconds: float) -> dict[str, list[float]]:
    """Seconds per batch of each pipeline, run in turns so that load on the machine affects all of them."""
    runs = {name: max(1, round(seconds / 10 / seconds_of(run))) for name, run in pipelines.items()}
    times: dict[str, list[float]] = {name: [] for name in pipelines}
    for _ in range(10):
        for name, run in pipelines.items():
            times[name] += [seconds_of(run) for _ in range(runs[name])]
    return times


def shares(arrays: np.ndarray, batches: int = 60) -> dict[str, float]:
    """Share of each kernel in the time of `our_pipeline`; the rest is sorting rows and calling torch."""
    spent: Counter[str] = Counter()

    def timed(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any, **named: Any) -> Any:
            start = time.perf_counter()
            result = function(*given, **named)
            spent[name] += time.perf_counter() - start
            return result

        return call

    kinds = {"brightness": "color mix", "color": "color mix", "contrast": "color mix", "sharpness": "3x3 filter"}
    watched: list[tuple[Any, str, str]] = [
        (weak, "flip_and_translate", "weak"),
        (operations, "affine_fixed", "affine"),
        (operations, "slide_lines", "affine"),
        (cutout, "erase", "cutout"),
        (RandAugment, "draw", "draws"),
    ]
    kept = [getattr(owner, name) for owner, name, _ in watched]
    kept_operations = rand_augment.OPERATIONS
    try:
        for (owner, name, label), function in zip(watched, kept, strict=True):
            setattr(owner, name, timed(label, function))
        rand_augment.OPERATIONS = tuple(
            replace(op, pixels=op.pixels and timed(kinds.get(op.name, "table"), op.pixels)) for op in kept_operations
        )
        run = our_pipeline(arrays)
        run()
        spent.clear()
        total = sum(seconds_of(run) for _ in range(batches))
    finally:
        for (owner, name, _), function in zip(watched, kept, strict=True):
            setattr(owner, name, function)
        rand_augment.OPERATIONS = kept_operations
    parts = {name: value / total for name, value in spent.most_common()}
    return {**parts, "sorting and calling": 1 - sum(parts.values())}


def measure(seconds: float) -> dict[str, Any]:
    """The measurements for all sizes and numbers of threads."""
    rows = []
    for side, batch in SIZES:
        arrays = photos(side, batch)
        for threads in (1, 2):
            torch.set_num_threads(threads)
            random.seed(0)
            torch.manual_seed(0)
            pipelines: dict[str, Callable[[], Tensor]] = {
                "(a) Pillow": pillow_pipeline(arrays),
                "(a') Pillow, lean": lean_pillow_pipeline(arrays),
                "(b) torchvision v2": torchvision_pipeline(arrays),
                "(d) tutelage": our_pipeline(arrays),
            }
            kornia = kornia_pipeline(arrays)
            if kornia is not None:
                pipelines["(c) kornia"] = kornia
            times = race(pipelines, seconds)
            rate = {name: batch / statistics.median(values) for name, values in sorted(times.items())}
            rows.append(
                {
                    "side": side,
                    "batch": batch,
                    "threads": threads,
                    "images_per_second": {name: round(value) for name, value in rate.items()},
                    "batches_timed": {name: len(values) for name, values in sorted(times.items())},
                    "times_pillow": {name: round(value / rate["(a) Pillow"], 2) for name, value in rate.items()},
                    "shares": {name: round(value, 3) for name, value in shares(arrays).items()},
                }
            )
    versions = {"python": platform.python_version(), "torch": torch.__version__, "pillow": PIL.__version__}
    versions |= {"torchvision": version("torchvision"), "numpy": np.__version__}
    if "kornia" in sys.modules:
        versions["kornia"] = sys.modules["kornia"].__version__
    return {
        "cpus": os.cpu_count(),
        "machine": platform.machine(),
        "load_average": [round(load, 1) for load in os.getloadavg()],  # over the last 1, 5 and 15 minutes
        "omp_wait_policy": os.environ.get("OMP_WAIT_POLICY", "default"),
        "versions": versions,
        "results": rows,
    }


def as_markdown(report: dict[str, Any]) -> str:
    """The report as tables."""
    named = ", ".join(f"{name} {number}" for name, number in report["versions"].items())
    lines = [
        "# Strong view: images per second",
        "",
        "RandAugment (2 operations, each with probability 0.5), Cutout, flip and translation; float32 at the end. "
        "Median over batches; all pipelines run in turns in one process. "
        f"{report['cpus']} CPUs ({report['machine']}), load average at the end {report['load_average'][0]}, "
        f"OMP_WAIT_POLICY {report['omp_wait_policy']}; {named}. "
        "Images: crops of scikit-learn's two sample photos.",
        "",
        "| pixels | batch | threads | pipeline | images/s | times (a) | batches timed |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in report["results"]:
        head = f"| {row['side']}x{row['side']} | {row['batch']} | {row['threads']} "
        for name, rate in row["images_per_second"].items():
            lines.append(
                f"{head}| {name} | {rate:,} | {row['times_pillow'][name]:.1f} | {row['batches_timed'][name]} |"
            )
    if "kornia" not in report["versions"]:
        lines += ["", "(c) kornia: not installed, left out."]
    lines += ["", "Share of the time of (d) by kernel:", ""]
    names = list(report["results"][0]["shares"])
    lines += ["| pixels | threads | " + " | ".join(names) + " |", "|---" * (len(names) + 2) + "|"]
    for row in report["results"]:
        parts = " | ".join(f"{row['shares'].get(name, 0.0):.0%}" for name in names)
        lines.append(f"| {row['side']}x{row['side']} | {row['threads']} | {parts} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Measure, write both files, and report whether the targets are met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=2.0, help="seconds per pipeline, size and number of threads")
    parser.add_argument("--kornia", type=Path, help="folder that contains kornia")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    if options.kornia is not None:
        sys.path.append(str(options.kornia))
    report = measure(options.seconds)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "augment.json").write_text(json.dumps(report, indent=2) + "\n")
    (options.out / "augment.md").write_text(as_markdown(report))
    print(as_markdown(report))
    met = True
    for row in report["results"]:
        if row["threads"] == 1:
            reached, target = row["times_pillow"]["(d) tutelage"], TARGETS[row["side"]]
            met &= reached >= target
            print(f"{row['side']}x{row['side']}, one thread: {reached:.1f} times (a), target {target:.0f}")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
