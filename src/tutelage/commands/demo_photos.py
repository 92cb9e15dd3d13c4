"""The first part of the command demo: real photos. What do a pretrained network and unlabeled images gain?"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tutelage import config
from tutelage.commands.train import train_run
from tutelage.core.console import screen
from tutelage.core.intervals import interval
from tutelage.data.images.patches import SIZE, write_patches
from tutelage.networks.published import has_pretrained
from tutelage.run.progress import clock

LABELS_PER_CLASS = 2
TRAIN, TEST = 30, 15  # patches per subject
PHOTO_SEEDS = 2  # at most
SCRATCH = "from scratch, labels alone"
ROWS: dict[str, tuple[str | None, dict[str, Any]]] = {
    SCRATCH: ("supervised-cpu", {"train.steps": 100, "data.image_size": 48}),
    "pretrained, labels alone": ("linear-features", {}),
    "pretrained, unlabeled photos too": (None, {}),
}
"""What is compared: a preset, or None for what `tutelage train` does by default, and further settings."""


def photo_seeds(first: int, count: int) -> range:
    """The seeds of up to `count` draws, but of no more than two."""
    return range(first, first + min(count, PHOTO_SEEDS))


def run_folders(folder: Path, seeds: range) -> list[list[Path]]:
    """The run folders of each draw, in the order of `ROWS`."""
    return [[folder / f"photos-{place}-{seed}" for place in range(len(ROWS))] for seed in seeds]


def run_photo_demo(folder: Path, *, seeds: range, overwrite: bool, console: Console) -> dict[str, list[float]]:
    """Train on patches of eight photos with two labels per subject, in three ways.

    Args:
        folder: for the patches and the runs.
        seeds: of the draws of the labels.
        overwrite: replace runs that are there.

    Returns:
        The test accuracy of each row for each draw; nothing if no pretrained network is installed.
    """
    if not has_pretrained():
        console.print("Photos are left out: they need a pretrained network, pip install 'tutelage[pretrained]'.")
        return {}
    begun = time.monotonic()
    train, test = write_patches(folder / "photos", train=TRAIN, test=TEST)
    subjects = sorted(path.name for path in train.iterdir())
    console.print(
        f"Gray patches of eight photos, {SIZE} x {SIZE} pixels: {', '.join(subjects)}.\n"
        f"{LABELS_PER_CLASS} labels per subject, {len(subjects) * (TRAIN - LABELS_PER_CLASS)} unlabeled patches, "
        f"{len(seeds)} draws of the labels."
    )
    accuracy: dict[str, list[float]] = {row: [] for row in ROWS}
    for number, (seed, folders) in enumerate(zip(seeds, run_folders(folder, seeds), strict=True), start=1):
        for out, (row, (preset, more)) in zip(folders, ROWS.items(), strict=True):
            settings = {
                "data.path": str(train),
                "data.test": str(test),
                "data.label_count": LABELS_PER_CLASS * len(subjects),
                "train.seed": seed,
            }
            cfg = config.resolve(settings | more, preset=preset)
            run = train_run(cfg, out, overwrite=overwrite, console=screen(quiet=True))
            accuracy[row].append(run.metrics["test"][run.metrics["evaluated"]]["accuracy"])
        said = ", ".join(f"{row} {values[-1]:.1%}" for row, values in accuracy.items())
        console.print(f"draw {number} of {len(seeds)}: {said}")
    _print_table(accuracy, TEST * len(subjects), console)
    console.print(f"photos took {clock(time.monotonic() - begun)}\n")
    return accuracy


def _print_table(accuracy: dict[str, list[float]], tested: int, console: Console) -> None:
    table = Table(title=f"Test accuracy on {tested} patches of parts of the photos that no training sees")
    for heading in ("start and images", "mean", "lowest", "highest", "draws"):
        table.add_column(heading, justify="left" if heading == "start and images" else "right")
    for row, values in accuracy.items():
        stats = interval(values)
        table.add_row(row, f"{stats.mean:.1%}", f"{min(values):.1%}", f"{max(values):.1%}", str(stats.n))
    console.print(table)
