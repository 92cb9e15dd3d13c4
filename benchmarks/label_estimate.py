"""Whether the estimate of `tutelage label` holds the truth: simulated people on several piles.

    python benchmarks/label_estimate.py DATA --out runs/label [--only digits,fashion] [--first 100] [--seeds 3]

Piles: photos/cats-dogs, photos/flowers-12 and 5,000 images of cifar10 (JPEG copies) in DATA; the digits of
scikit-learn; 5,000 images of Fashion-MNIST (Debian package dataset-fashion-mnist); and one dog in ten, of cats-dogs.
People are those of labeling.py, who label in groups or one by one, with 2 wrong presses in 100. The truth is the share
of the model's labels that are right, among images without a label, at that moment. The interval was chosen with the
first three piles and seeds 0 to 6; run it with others. Estimates are kept in estimate.json: rerun to resume.
"""

from __future__ import annotations

import argparse
import gzip
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from label_people import POOL, flat_pile, simulate
from tutelage.core.files import write_json
from tutelage.curation.encoding import unit_rows
from tutelage.curation.pile import Pile, gather
from tutelage.data.images.framing import Framing
from tutelage.data.images.items import Files, Item

PHOTOS = ("cats-dogs", "flowers-12", "cifar10")
SETS = (*PHOTOS, "digits", "fashion", "one-in-ten")
PEOPLE = ("groups", "one by one")
MARKS = (25, 50, 80, 120)
FASHION = Path("/usr/share/datasets/fashion-mnist")


def pile_of(name: str, data: Path, out: Path, fashion: Path) -> tuple[Pile, list[str]]:
    """A pile, and the class of each image."""
    if name in PHOTOS:
        root, truth = flat_pile(name, data, out)
        pile = gather({"data.path": str(root)}, console=Console())
        return pile, [truth[item.name] for item in pile.items]
    if name == "one-in-ten":
        pile, truths = pile_of("cats-dogs", data, out, fashion)
        cats, dogs = (np.flatnonzero(np.array(truths) == kind) for kind in sorted(set(truths)))
        rows = np.sort(np.concatenate([cats, np.random.default_rng(1).choice(dogs, len(cats) // 9, replace=False)]))
        return _planted(pile.features[rows], pile.alike), [truths[row] for row in rows]
    if name == "digits":
        digits = load_digits()
        return _planted(_of_pixels(digits.data / 16.0), 0.99), [str(label) for label in digits.target]
    images = gzip.decompress((fashion / "train-images-idx3-ubyte.gz").read_bytes())[16:]
    labels = gzip.decompress((fashion / "train-labels-idx1-ubyte.gz").read_bytes())[8:]
    rows = np.random.default_rng(0).permutation(len(labels))[:POOL]
    pixels = np.frombuffer(images, np.uint8).reshape(-1, 784)[rows] / 255.0
    return _planted(_of_pixels(pixels), 0.99), [str(labels[row]) for row in rows]


def _of_pixels(pixels: NDArray) -> NDArray[np.float32]:
    """What `tutelage` takes of images that are too small for the pretrained network."""
    return unit_rows(PCA(64, svd_solver="full").fit_transform(pixels.astype(np.float32)))


def _planted(features: NDArray[np.float32], alike: float) -> Pile:
    items = [Item(f"{row:05d}.png", None, Files(Path("nowhere")), "") for row in range(len(features))]
    return Pile(items, (), np.full(len(items), -1), features, "features", 32, 3, Framing(), alike)


def table(found: dict[str, list[list[float]]], what: str) -> str:
    lines = [
        f"| {what} | estimates | interval holds the truth | width | too high | too low |",
        "|---|---|---|---|---|---|",
    ]
    for name, rows in found.items():
        _, low, high, truth = np.array(rows).T
        inside = int(((low <= truth) & (truth <= high)).sum())
        lines.append(
            f"| {name} | {len(rows)} | {inside} | {100 * (high - low).mean():.0f} ({100 * (high - low).std():.0f}) | "
            f"{int((truth < low).sum())} | {int((truth > high).sum())} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", default=",".join(SETS))
    parser.add_argument("--fashion", type=Path, default=FASHION, help="folder of the two files of Fashion-MNIST")
    parser.add_argument("--first", type=int, default=100, help="the first seed")
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    torch.set_num_threads(1)
    given.out.mkdir(parents=True, exist_ok=True)
    file = given.out / "estimate.json"
    runs: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    by_set, by_presses = defaultdict(list), defaultdict(list)
    for name in given.only.split(","):
        pile, truth = pile_of(name, given.data, given.out, given.fashion)
        for kind in PEOPLE:
            for seed in range(given.first, given.first + given.seeds):
                key = f"{name} {kind} {seed}"
                if key not in runs:
                    runs[key] = simulate(pile, truth, kind, MARKS, seed)["estimates"]
                    write_json(file, runs)
                for mark in MARKS:
                    before = [row for row in runs[key] if row[0] <= mark]
                    if before:
                        by_set[f"{name}, {kind}"].append(before[-1][1:])
                        by_presses[str(mark)].append(before[-1][1:])
        print(table(by_set, "pile, person"), flush=True)
    print(table(by_presses, "presses"))


if __name__ == "__main__":
    main()
