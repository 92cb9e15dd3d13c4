"""The command demo-3d: the whole workflow on synthetic scans. Does Mean Teacher gain from scans without a mask?"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tutelage import config
from tutelage.commands.train import train_run
from tutelage.config.settings import require
from tutelage.core.console import screen
from tutelage.core.errors import RunError
from tutelage.core.files import make_folder, write_atomically
from tutelage.core.intervals import interval
from tutelage.core.writable import require_makeable
from tutelage.data.scans.phantoms import CLASSES, write_phantoms
from tutelage.results.report.scan_cases import read_segmented, worst_and_median
from tutelage.results.report.scan_pictures import surfaces_plot
from tutelage.results.report.scan_sections import methods_blocks
from tutelage.results.verdict.verdict import judge, print_verdict
from tutelage.run.folder import refuse_existing
from tutelage.run.progress import clock
from tutelage.run.run_record import RunRecord

BASELINE = "supervised"
METHODS = (BASELINE, "mean-teacher")
LABELS, SCANS, TEST = 3, 24, 8
SEEDS = 2
PICTURES = "pictures"
_COLUMNS = {"dice": ("Dice", 100.0, "%"), "hd95_pooled_mm": ("HD95 pooled", 1.0, " mm")}
_MARK = "made-by-tutelage.txt"  # in the folder of a demo

Scores = dict[str, list[dict[str, Any]]]


def run_scan_demo(
    *, seeds: int, steps: int | None, out: Path | None, overwrite: bool, console: Console, first_seed: int = 0
) -> dict[str, Any]:
    """Write synthetic scans, train each method on a few masks, compare, and draw test cases of the last draw.

    Args:
        seeds: number of draws of the labels; each method is trained once per draw.
        steps: optimizer steps per run; None is the number set in the presets.
        out: folder for scans, runs and pictures; None creates a temporary one, which is kept.

    Returns:
        The results: the test scores of each method, one per draw, and the paths of the pictures.

    Raises:
        TutelageError: a number is out of range, a package is missing, or a folder already exists.
    """
    require(1 <= seeds <= 100, "--seeds", "in [1, 100]", seeds)
    require(steps is None or steps >= 1, "--steps", "at least 1", steps)
    begun = time.monotonic()
    folder = _make_folder(out, overwrite)
    draws = range(first_seed, first_seed + seeds)
    for method in METHODS:
        for seed in draws:
            refuse_existing(folder / f"{method}-{seed}", overwrite=overwrite, reads=())
    write_phantoms(folder / "scans", range(SCANS))
    write_phantoms(folder / "scans-test", range(SCANS, SCANS + TEST))
    console.print(
        f"Synthetic scans of an organ with two parts, about 35 x 35 x 30 voxels, in {folder / 'scans'}:\n"
        f"{LABELS} of {SCANS} training scans have a mask; {TEST} more scans are for testing. {', '.join(METHODS)}: "
        f"{seeds} draws of the labeled scans."
    )
    scores: Scores = {method: [] for method in METHODS}
    for number, seed in enumerate(draws, start=1):
        for method in METHODS:
            cfg = config.resolve(_settings(folder, method, seed, steps), preset=f"{method}-phantoms")
            run = train_run(cfg, folder / f"{method}-{seed}", overwrite=overwrite, console=screen(quiet=True))
            scores[method].append(run.metrics["test"][run.metrics["evaluated"]])
            dice, spent = scores[method][-1]["dice"], clock(time.monotonic() - begun)
            console.print(f"draw {number} of {seeds}, {method}: Dice {dice:.1%} ({spent} so far)")
    _print_table(scores, console)
    for method in METHODS[1:]:
        pairs = [(folder / f"{method}-{seed}", folder / f"{BASELINE}-{seed}") for seed in draws]
        print_verdict(judge(pairs), console)
    pictures = draw_pictures(folder / f"{METHODS[-1]}-{draws[-1]}", folder / f"{BASELINE}-{draws[-1]}", folder)
    console.print(f"Pictures of test scans for the last draw; runs and scans are also in {folder}:")
    for path in pictures:
        console.print(f"  {path}", soft_wrap=True)
    console.print(f"{clock(time.monotonic() - begun)} in total")
    return {"scores": scores, "labels": LABELS, "pictures": pictures}


def _make_folder(out: Path | None, overwrite: bool) -> Path:
    if out is None:
        return Path(tempfile.mkdtemp(prefix="tutelage-demo-3d-"))
    require_makeable(out)
    filled = out.exists() and any(out.iterdir())
    if filled and not overwrite:
        raise RunError(f"{out} exists and is not empty; give a new folder, or add --overwrite")
    if filled and not (out / _MARK).is_file():
        raise RunError(f"{out} holds no earlier demo, so nothing in it is replaced: give another folder (--out)")
    make_folder(out)
    write_atomically(out / _MARK, b"Made by `tutelage demo-3d`, which replaces these scans, runs and pictures.\n")
    return out


def _settings(folder: Path, method: str, seed: int, steps: int | None) -> dict[str, Any]:
    settings = {
        "data.path": str(folder / "scans"),
        "data.test": str(folder / "scans-test"),
        "data.label_count": LABELS,
        "scan.classes": ",".join(CLASSES),
        "scan.cache": str(folder / "cache"),
        "method.name": method,
        "train.seed": seed,
    }
    return settings if steps is None else settings | {"train.steps": steps}


def _print_table(scores: Mapping[str, Sequence[Mapping[str, Any]]], console: Console) -> None:
    table = Table(title=f"{TEST} test scans, {LABELS} masks to learn from: mean ± std over draws")
    table.add_column("method")
    for heading, _, _ in _COLUMNS.values():
        table.add_column(heading, justify="right")
    for method, rows in scores.items():
        words = []
        for key, (_, scale, unit) in _COLUMNS.items():
            known = [scale * row[key] for row in rows if row[key] is not None]
            found = interval(known) if known else None
            spread = "" if found is None or found.std is None else f" ± {found.std:.1f}"
            words.append("-" if found is None else f"{found.mean:.1f}{spread}{unit}")
        table.add_row(method, *words)
    console.print(table)


def draw_pictures(run: Path, supervised: Path, folder: Path) -> list[Path]:
    """Draw the worst and median test case of `supervised` for both runs, and surfaces for `run`; returns the paths."""
    record, baseline = RunRecord(run), RunRecord(supervised)
    plots = methods_blocks(record, {BASELINE: baseline}, "")
    for which, name in zip(("worst", "median"), worst_and_median(baseline.scores["per_case"]), strict=False):
        plots.append(surfaces_plot(read_segmented(record, name), f"{which}-surfaces", name))
    make_folder(folder / PICTURES)
    paths = []
    for plot in plots:
        paths.append(folder / PICTURES / f"{plot.name}.png")
        write_atomically(paths[-1], plot.png())
    return paths
