"""Many files, many classes, a long table, and a file that disappears: CPU time, memory, and what is left of it.

    python benchmarks/load.py FOLDER [--only classes]

FOLDER is for hard links to noisy JPEG files of 32 pixels, about 1 GB of names, which stay there for the next time. Each
row is one command on one core with an empty cache. The table is written to benchmarks/results/load.md.

- table: `check` and two steps of `train` on 200,000 files with a table that labels 50,000 of them.
- classes: 20 steps of `train` on 20,000 images of 1,000 classes, scored on 10,000 others.
- disappears: `predict` on 20,000 images; when the first thousand are decoded, one of the last is deleted. All others
  must have a prediction, that one an error, and the exit code must be 1.
"""

from __future__ import annotations

import argparse
import csv
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from data_path import photo
from large_pools import run as run_whole

RESULT = Path(__file__).parent / "results" / "load.md"
PHOTOS = 200  # different ones
QUICK = ["--preset", "none", "--network", "small", "--no-report", "--workers", "1"]


def link(root: Path, names: list[str]) -> Path:
    """Links to some photos under many names, unless they are there."""
    if (root / "complete").exists():
        return root
    shutil.rmtree(root, ignore_errors=True)
    contents = [photo(32, seed) for seed in range(PHOTOS)]
    for number, name in enumerate(names):
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        if number < PHOTOS:
            file.write_bytes(contents[number])
        else:
            os.link(root / names[number % PHOTOS], file)
    (root / "complete").touch()
    return root


def measured(words: list[str], folder: Path) -> tuple[float, float]:
    """CPU seconds and MB of a command of tutelage."""
    return run_whole([sys.executable, "-m", "tutelage", *words], folder / "run", folder / "cache")


def table(folder: Path) -> list[str]:
    names = [f"{number // 5000:02d}/{number:06d}.jpg" for number in range(200_000)]
    root, labels = link(folder / "files", names), folder / "labels.csv"
    labels.write_text("\n".join(["path,label", *(f"{name},{'ab'[k % 2]}" for k, name in enumerate(names[:50_000]))]))
    words = [str(root), "--labels", str(labels)]
    check = measured(["check", *words], folder)
    out = ["--out", str(folder / "run")]
    train = measured(["train", *words, "--method", "fixmatch", "--steps", "2", *QUICK, *out], folder)
    return [
        row("200,000 files, a table of 50,000 rows: check", *check),
        row("the same: two steps of FixMatch", *train),
    ]


def classes(folder: Path) -> list[str]:
    def names(each: int) -> list[str]:
        return [f"{number % 1000:03d}/{number:06d}.jpg" for number in range(1000 * each)]

    root, test = link(folder / "classes", names(20)), link(folder / "classes-test", names(10))
    words = ["train", str(root), "--test", str(test), "--method", "supervised", "--steps", "20"]
    found = measured([*words, *QUICK, "--out", str(folder / "run")], folder)
    size = (folder / "run" / "result.json").stat().st_size
    return [row(f"1,000 classes, 20 steps, 10,000 test images ({size / 1e6:.1f} MB of results)", *found)]


def disappears(folder: Path) -> list[str]:
    root = link(folder / "pool", [f"{number:05d}.jpg" for number in range(20_000)])
    model, out, last = folder / "model", folder / "found.csv", root / "19990.jpg"
    if not (model / "result.json").exists():
        source = link(folder / "two", [f"{'ab'[number % 2]}/{number:03d}.jpg" for number in range(PHOTOS)])
        measured(["train", str(source), "--method", "supervised", "--steps", "2", *QUICK, "--out", str(model)], folder)
    out.unlink(missing_ok=True)
    threading.Thread(target=delete, args=(last, lambda: len(list(folder.glob("found.csv.parts/*"))) >= 4)).start()
    try:
        found = measured(["predict", str(model), str(root), "--out", str(out)], folder)
    except SystemExit as stopped:
        said = str(stopped)
    else:
        raise SystemExit(f"expected exit code 1, got 0 in {found[0]:.0f} s")
    finally:
        if not last.exists():
            os.link(root / f"{19990 % PHOTOS:05d}.jpg", last)
    with out.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    errors = [one["path"] for one in rows if one["error"]]
    assert len(rows) == 20_000 and [Path(name).name for name in errors] == [last.name], (len(rows), errors, said)
    return ["| prediction of 20,000 images, one deleted meanwhile | 19,999 predictions, one error, exit code 1 | |"]


def delete(file: Path, begun: Callable[[], bool]) -> None:
    while not begun():
        time.sleep(0.01)
    file.unlink()


def row(what: str, seconds: float, memory: float) -> str:
    return f"| {what} | {seconds:.1f} | {memory:,.0f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", default="", choices=["", "table", "classes", "disappears"])
    given = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    given.folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for kind in (table, classes, disappears):
        if given.only in ("", kind.__name__):
            found = kind(given.folder)
            print("\n".join(found), flush=True)
            lines += found
    if not given.only:
        text = "\n".join(["| command | CPU s | MB |", "|---|---|---|", *lines])
        RESULT.write_text(f"# Load\n\nOne core, one run each, of `python benchmarks/load.py FOLDER`.\n\n{text}\n")


if __name__ == "__main__":
    main()
