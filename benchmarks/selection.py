"""Which images to label: accuracy with labels chosen by each strategy of `tutelage select`, and with random ones.

    python benchmarks/selection.py DATA --out runs/select [--only cats-dogs,flowers-12,cifar10] [--draws 5]

DATA holds photos/cats-dogs, photos/flowers-12 and cifar10 (JPEG copies), of which 5,000 training images are the pool,
and 2,000 test images are scored on. Each image passes the frozen EfficientNet-Lite0 once: photos at 256 pixels, those
of CIFAR-10 at 160. Principal components are fitted to the pool; test images are never used to choose. Labels are chosen
from none: at once, or in rounds of 10, 30 and 60 more, each of which continues from the labels before. Heads on the
features: logistic regression, and SoftMatch's head, which learns from the unlabeled images too. In a last table, labels
of CIFAR-10 are doubled by each strategy; `--strategy auto` switches by what that gave. All tables are written to
benchmarks/results/select.md.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from photos import prepare
from tutelage import config
from tutelage.core.logistic import fit_logistic
from tutelage.core.seeding import generator
from tutelage.core.soft_head import fit_soft_head
from tutelage.curation.encoding import unit_rows
from tutelage.curation.selection.choose import choose
from tutelage.data.images.items import Item
from tutelage.data.images.source import list_images
from tutelage.data.images.survey import read_pixels
from tutelage.run.frozen_networks import FrozenNetworks

RESULTS = Path(__file__).parent / "results"
CPU = torch.device("cpu")
SETS, COUNTS = ("cats-dogs", "flowers-12", "cifar10"), (10, 40, 100)
POOL, TEST = 5000, 2000  # images of CIFAR-10
SIZES = {"cifar10": 160}
ALIKE, L2, STEPS = 0.9, 0.08, 150
ONCE = ("typiclust", "medoids", "core-set")
ROUNDS = ("typiclust", "medoids", "core-set", "margin", "entropy", "auto")
ROWS = ("random", "random, balanced", *ONCE, *(f"{name}, in rounds" for name in ROUNDS))
HEADS = ("logistic", "softmatch")
LATER, LATER_SET = (100, 200, 400), "cifar10"  # labels, which are doubled; `auto` switches by what this gave
LATER_TITLE = (
    "## Later rounds, CIFAR-10 (JPEG copies)\n\nLabels that `typiclust` chose from none, and as many more by each "
    "strategy; test accuracy in %, as above."
)
LATER_ROWS = ("random", "typiclust", "medoids", "margin", "entropy")


def features_of(name: str, data: Path, out: Path) -> dict[str, np.ndarray]:
    """Features (rows of norm 1) and classes of the pool and of the test images; computed once."""
    file = out / f"{name}.npz"
    if not file.exists():
        train, test = prepare(data, name, out)
        parts = list_images(str(train)), list_images(str(test or train), role="test")
        listed = [part.items for part in parts]
        if name == "cifar10":
            draw = np.random.default_rng(0)
            listed = [
                [items[row] for row in np.sort(draw.choice(len(items), count, replace=False))]
                for items, count in zip(listed, (POOL, TEST), strict=True)
            ]
        size = SIZES.get(name, 256)
        cfg = config.resolve({"data.path": "x"}, preset="linear-features")
        networks = FrozenNetworks.published(cfg, size, CPU)
        pool, tested = (networks.raw_features(decoded(items, size)) for items in listed)
        networks.fit_transform(pool, None)
        classes = parts[0].classes
        np.savez(
            file,
            pool=unit_rows(networks.transformed(pool)),
            test=unit_rows(networks.transformed(tested)),
            label=[classes.index(str(item.label)) for item in listed[0]],
            truth=[classes.index(str(item.label)) for item in listed[1]],
        )
    return dict(np.load(file))


def decoded(items: Sequence[Item], size: int) -> np.ndarray:
    return np.stack(list(read_pixels(items, size=size, channels=3)))  # type: ignore[arg-type]


def chosen(strategy: str, have: np.ndarray, known: dict[str, np.ndarray], count: int, seed: int) -> np.ndarray:
    """The rows that have labels once `count` more were chosen."""
    label, classes = known["label"], int(known["label"].max()) + 1
    draw = np.random.default_rng(1000 + seed)
    if strategy == "random":
        return draw.choice(len(label), count, replace=False)
    if strategy == "random, balanced":
        shares = np.bincount(draw.permutation(classes)[np.arange(count) % classes], minlength=classes)
        return np.concatenate(
            [draw.choice(np.flatnonzero(label == k), shares[k], replace=False) for k in range(classes)]
        )
    seen = np.full(len(label), -1)
    seen[have] = label[have]
    names = [str(k) for k in range(classes)]
    if strategy in ("margin", "entropy") and not len(have):
        strategy = "typiclust"  # there is no model yet
    found = choose(known["pool"], seen, names, count=count, strategy=strategy, alike=ALIKE, seed=seed)  # type: ignore[arg-type]
    return np.concatenate([have, [pick.row for pick in found.picks]]).astype(np.int64)


def doubled(strategy: str, known: dict[str, np.ndarray], count: int, seed: int) -> np.ndarray:
    """The rows that have labels once as many as TypiClust chose from none were chosen by another strategy."""
    have = chosen("typiclust", np.zeros(0, np.int64), known, count, seed)
    if strategy != "random":
        return chosen(strategy, have, known, count, seed)
    rest = np.setdiff1d(np.arange(len(known["label"])), have)
    return np.concatenate([have, np.random.default_rng(2000 + seed).choice(rest, count, replace=False)])


def scores(rows: np.ndarray, known: dict[str, np.ndarray], seed: int) -> dict[str, float]:
    """Test accuracy of each head that is trained on the labels of `rows`."""
    pool, test = (torch.from_numpy(known[part]) * known[part].shape[1] ** 0.5 for part in ("pool", "test"))
    rows = np.sort(rows)
    label, classes = torch.from_numpy(known["label"][rows]), int(known["label"].max()) + 1
    taken = torch.from_numpy(rows)
    heads = {
        "logistic": fit_logistic(pool[taken], label, classes, l2=L2),
        "softmatch": fit_soft_head(
            pool, taken, label, torch.arange(len(pool)), classes, steps=STEPS, l2=L2, generator=generator(seed, "bench")
        ),
    }
    truth = torch.from_numpy(known["truth"])
    return {name: float(((test @ w.T + b).argmax(1) == truth).double().mean()) for name, (w, b) in heads.items()}


def cells(name: str, known: dict[str, np.ndarray], draws: int, rows: Sequence[str]) -> dict[str, Any]:
    """The scores of each strategy, by row of the table, then by number of labels: one for each draw."""
    found: dict[str, Any] = {}
    for row in rows:
        strategy, rounds = row.removesuffix(", in rounds"), row.endswith(", in rounds")
        found[row] = {count: [] for count in COUNTS}
        for seed in range(draws):
            have = np.zeros(0, np.int64)
            for count in COUNTS:
                have = have if rounds else have[:0]
                have = chosen(strategy, have, known, count - len(have), seed)
                classes = len(np.unique(known["label"][have]))
                found[row][count].append(scores(have, known, seed) | {"classes": classes, "labels": len(have)})
        print(name, row, {c: said([v["logistic"] for v in found[row][c]]) for c in COUNTS}, flush=True)
    return found


def later(known: dict[str, np.ndarray], draws: int) -> dict[str, Any]:
    """As `cells`, of labels that are doubled."""
    found: dict[str, Any] = {row: {} for row in LATER_ROWS}
    for count in LATER:
        for row in LATER_ROWS:
            own = [scores(doubled(row, known, count, seed), known, seed) for seed in range(draws)]
            found[row][str(count)] = own
            print("doubled", row, count, {head: said([v[head] for v in own]) for head in HEADS}, flush=True)
    return found


def later_table(found: dict[str, Any]) -> str:
    columns = [(head, count) for head in HEADS for count in LATER]
    lines = [f"| strategy | {' | '.join(f'{head}, {count} + {count}' for head, count in columns)} |"]
    lines += ["|---" * (len(columns) + 1) + "|"]
    for row in LATER_ROWS:
        lines.append(f"| {row} | {' | '.join(said([d[head] for d in found[row][str(c)]]) for head, c in columns)} |")
    return "\n".join(lines)


def said(values: Sequence[float]) -> str:
    mean, worst = 100 * statistics.mean(values), 100 * min(values)
    return f"{mean:.1f} ({100 * statistics.stdev(values):.1f}; {worst:.1f})" if len(values) > 1 else f"{mean:.1f}"


def table(found: dict[str, dict[str, Any]], head: str) -> str:
    columns = [(name, count) for name in found for count in COUNTS]
    lines = [f"| strategy | {' | '.join(f'{name}, {count}' for name, count in columns)} |"]
    lines += ["|---" * (len(columns) + 1) + "|"]
    for row in ROWS:
        own = [said([draw[head] for draw in found[name][row][str(count)]]) for name, count in columns]
        lines.append(f"| {row} | {' | '.join(own)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", default=",".join(SETS))
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--features-only", action="store_true", help="compute features, and no more")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    found: dict[str, dict[str, Any]] = {}
    for name in given.only.split(","):
        known = features_of(name, given.data, given.out)
        if not given.features_only:
            file = given.out / f"{name}.json"
            if not file.exists():
                file.write_text(json.dumps(cells(name, known, given.draws, ROWS)))
            found[name] = json.loads(file.read_text())
    more = given.out / "later.json"
    if not given.features_only and not more.exists() and LATER_SET in found:
        more.write_text(json.dumps(later(features_of(LATER_SET, given.data, given.out), given.draws)))
    if found:
        titles = {"logistic": "Logistic regression", "softmatch": "SoftMatch's head"}
        tables = "\n\n".join(f"## {titles[head]}\n\n{table(found, head)}" for head in HEADS)
        (RESULTS / "select.md").write_text(
            "# Which images to label\n\nTest accuracy in %: mean (standard deviation; worst) of "
            f"{given.draws} draws (seeds), by data set and number of labels. Labels are chosen from none: at once, or "
            "in rounds of 10, 30 and 60 more. In rounds, `margin` and `entropy` begin with `typiclust`, since there is "
            "no model yet.\nMade by `python benchmarks/selection.py DATA --out runs/select`. CIFAR-10 is a set of JPEG "
            f"copies; its pool is {POOL:,} training images, and {TEST:,} test images are scored on.\n\n{tables}\n"
            + (f"\n{LATER_TITLE}\n\n{later_table(json.loads(more.read_text()))}\n" if more.exists() else "")
        )


if __name__ == "__main__":
    main()
