"""The command demo: the whole workflow on bundled images, first photos, then digits."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tutelage import config
from tutelage.commands.demo_photos import photo_seeds, run_folders, run_photo_demo
from tutelage.commands.train import train_run
from tutelage.config.settings import require
from tutelage.core.console import screen
from tutelage.core.intervals import Interval, interval
from tutelage.run.folder import refuse_existing
from tutelage.run.progress import clock

BASELINE = "supervised"
METHODS = (BASELINE, "mean-teacher", "fixmatch")
LABELS_PER_CLASS = 2


def run_demo(
    *,
    seeds: int,
    steps: int,
    out: Path | None,
    overwrite: bool,
    console: Console,
    first_seed: int = 0,
) -> dict[str, Any]:
    """Train on patches of photos, and the methods on the same few labels of digits, for several draws of the labels.

    Returns:
        What `run_photo_demo` returns as "photos"; of the digits, the test accuracy of each method for each seed from
        `first_seed` on, and the paired gain over supervised training of each other method, in percentage points.

    Raises:
        TutelageError: a number is out of range, or a run folder already exists.
    """
    require(1 <= seeds <= 100, "--seeds", "in [1, 100]", seeds)
    require(steps >= 1, "--steps", "at least 1", steps)
    begun = time.monotonic()
    accuracy: dict[str, list[float]] = {method: [] for method in METHODS}
    with ExitStack() as stack:
        folder = out or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tutelage-demo-")))
        for method in METHODS:
            for seed in range(first_seed, first_seed + seeds):
                refuse_existing(folder / f"{method}-{seed}", overwrite=overwrite, reads=())
        drawn = photo_seeds(first_seed, seeds)
        for path in chain(*run_folders(folder, drawn)):
            refuse_existing(path, overwrite=overwrite, reads=())
        photos = run_photo_demo(folder, seeds=drawn, overwrite=overwrite, console=console)
        console.print(
            f"Handwritten digits, 8 x 8 pixels: {LABELS_PER_CLASS} labels per class; the rest is unlabeled.\n"
            f"{', '.join(METHODS)}: {steps} steps each, {seeds} draws of the labels."
        )
        for number, seed in enumerate(range(first_seed, first_seed + seeds), start=1):
            for method in METHODS:
                settings = {
                    "data.path": "digits",
                    "data.label_count": 10 * LABELS_PER_CLASS,
                    "method.name": method,
                    "train.seed": seed,
                    "train.steps": steps,
                }
                cfg = config.resolve(settings, preset=f"{method}-digits")
                run = train_run(cfg, folder / f"{method}-{seed}", overwrite=overwrite, console=screen(quiet=True))
                scores = run.metrics["test"][run.metrics["evaluated"]]
                accuracy[method].append(scores["accuracy"])
            console.print(f"draw {number} of {seeds}: " + ", ".join(f"{m} {accuracy[m][-1]:.1%}" for m in METHODS))
        gains = {method: _gain(accuracy, method) for method in METHODS if method != BASELINE}
        _print_table(accuracy, gains, steps, console)
        kept = f"; the runs are in {folder}" if out is not None else ""
        console.print(f"{clock(time.monotonic() - begun)} in total{kept}")
    return {"photos": photos, "accuracy": accuracy, "steps": steps, "labels": 10 * LABELS_PER_CLASS, "gains": gains}


def _gain(accuracy: Mapping[str, Sequence[float]], method: str) -> Interval:
    return interval([100.0 * (b - a) for a, b in zip(accuracy[BASELINE], accuracy[method], strict=True)])


def _print_table(
    accuracy: Mapping[str, Sequence[float]], gains: Mapping[str, Interval], steps: int, console: Console
) -> None:
    table = Table(title=f"Test accuracy on digits, {10 * LABELS_PER_CLASS} labels, {steps} steps")
    for heading in ("method", "mean", "std", "lowest", "highest", "draws"):
        table.add_column(heading, justify="left" if heading == "method" else "right")
    for method, values in accuracy.items():
        stats = interval(values)
        std = "-" if stats.std is None else f"{100 * stats.std:.1f}"
        table.add_row(method, f"{stats.mean:.1%}", std, f"{min(values):.1%}", f"{max(values):.1%}", str(stats.n))
    console.print(table)
    for method, gain in gains.items():
        console.print(f"Paired gain of {method}: {_in_words(gain)}")


def _in_words(gain: Interval) -> str:
    if gain.half_width is None:
        return f"{gain.mean:+.1f} points (one draw: no interval; try --seeds 4)"
    verdict = "the interval is above zero" if gain.above_zero else "the interval is not above zero"
    low, high = gain.mean - gain.half_width, gain.mean + gain.half_width
    return f"{gain.mean:+.1f} points, 95% interval {low:+.1f} to {high:+.1f} (paired t, n = {gain.n}): {verdict}."
