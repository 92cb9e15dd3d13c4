"""Heads on the features of one or several frozen networks: test accuracy, and what cross-validation says of them.

    python benchmarks/heads.py DATA --out runs/heads [--only flowers-12-36] [--draws 5] [--size 224] [--validate]

DATA holds photos/cats-dogs, photos/flowers-12 and cifar10 (JPEG copies), of which 5,000 images are the unlabeled ones
and 2,000 the test. Each draw of the labels is balanced over classes. Heads have their presets. Images pass each
network once; features are in the cache of tutelage. Each head is scored on the test images and, with --validate,
cross-validated on the labels as `tutelage train` does it, if there are 20 or more. Finished cells are skipped: rerun to
resume. The table is written to benchmarks/results/heads.md.
"""

from __future__ import annotations

import argparse
import copy
import json
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from photos import prepare
from tutelage import config
from tutelage.data.images.dataset import ImageDataset, load_images
from tutelage.run.data_modules.feature_streams import Features, build_feature_training, new_head
from tutelage.run.data_modules.head_choice import choose_head, predictor_of, train_unrecorded
from tutelage.run.frozen_networks import FrozenNetworks
from tutelage.run.method_by_name import resolved

RESULTS = Path(__file__).parent / "results"
CPU = torch.device("cpu")
HEADS = ("linear", "label-propagation", "prototypes", "softmatch", "committee")
TESTED = ("softmatch", "prototypes", "linear")  # by cross-validation; a committee takes too long for a choice
NETWORKS = tuple("+".join(f"efficientnet-lite{k}" for k in range(count)) for count in (1, 2, 3))
ROWS = (
    ("cats-dogs", 10),
    ("cats-dogs", 40),
    ("flowers-12", 36),
    ("flowers-12", 120),
    ("cifar10", 40),
    ("cifar10", 250),
)
SIZES = {"cifar10": 160}
POOL, TEST = 5000, 2000  # images of CIFAR-10


def loaded(name: str, data: Path, out: Path, size: int) -> tuple[ImageDataset, np.ndarray, np.ndarray]:
    """All training images, the rows that are used, and the rows of the test images."""
    train, test = prepare(data, name, out)
    given = {"data.path": str(train), "data.image_size": SIZES.get(name, size), "data.interpolation": "bicubic"}
    cfg = config.resolve(given | ({} if test is None else {"data.test": str(test)}), preset="linear-features")
    found = load_images(cfg.data, seed=0)
    pool, tested = np.arange(len(found.train)), found.load_test().rows
    if name == "cifar10":
        draw = np.random.default_rng(0)
        pool, tested = (np.sort(draw.choice(rows, n, replace=False)) for rows, n in ((pool, POOL), (tested, TEST)))
    return found, pool, tested


def passed(networks: str, data: ImageDataset, pool: np.ndarray, tested: np.ndarray) -> tuple[Any, Features, Features]:
    """The networks, and the transformed features of all training rows (0 outside of the pool) and of the test ones."""
    cfg = config.resolve({"data.path": "x", "network.name": networks}, preset="linear-features")
    backbone = FrozenNetworks.published(cfg, data.image_size, CPU)
    raw = backbone.raw_features(data.train.images[pool])
    backbone.fit_transform(raw, None)
    features = np.zeros((len(data.train), backbone.dims), np.float32)
    features[pool] = backbone.transformed(raw)
    images = data.load_test().images.images
    return backbone, features, backbone.transformed(backbone.raw_features(images[tested]))


def drawn(data: ImageDataset, pool: np.ndarray, count: int, seed: int) -> ImageDataset:
    """The data with `count` labels, as many of each class."""
    draw, labels, classes = np.random.default_rng(1000 + seed), data.train.labels, len(data.classes)
    own = [draw.choice(pool[labels[pool] == k], count // classes, replace=False) for k in range(classes)]
    part = copy.copy(data)
    part.labeled_rows, part.unlabeled_rows = np.sort(np.concatenate(own)), pool
    return part


def settings(head: str, networks: str, seed: int) -> config.RunConfig:
    given = {"data.path": "x", "network.name": networks, "train.seed": seed, "train.workers": 0}
    return resolved(config.resolve(given, preset=f"{head}-features"))


def cells(given: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """The outcome of each data set, number of labels, networks and draw."""
    names = dict.fromkeys(name for name, count in ROWS if not given.only or f"{name}-{count}" in given.only.split(","))
    for name in names:
        counts = [n for other, n in ROWS if other == name and (not given.only or f"{name}-{n}" in given.only)]
        data, pool, tested = loaded(name, given.data, given.out, given.size)
        truth = data.load_test().labels if name != "cifar10" else data.load_test().images.labels[tested]
        for networks in NETWORKS:
            backbone, features, scored = passed(networks, data, pool, tested)
            for count in counts:
                for seed in range(given.draws):
                    file = given.out / f"{name}-{count}-{networks}-{data.image_size}-{seed}.json"
                    if not file.exists():
                        part = drawn(data, pool, count, seed)
                        found = outcome(part, networks, seed, features, scored, truth, backbone.widths)
                        if given.validate:
                            found |= validated(part, networks, seed, features, backbone.widths)
                        file.write_text(json.dumps({"data": name, "labels": count, "networks": networks} | found))
                        print(file.stem, found, flush=True)
                    yield json.loads(file.read_text())


def outcome(
    data: ImageDataset,
    networks: str,
    seed: int,
    features: Features,
    scored: Features,
    truth: np.ndarray,
    widths: tuple[int, ...],
) -> dict[str, Any]:
    """Test accuracy and CPU seconds of each head."""
    found: dict[str, Any] = {"test": {}, "seconds": {}}
    for head in HEADS:
        begin, cfg = time.process_time(), settings(head, networks, seed)
        start = new_head(cfg, data, features)
        assert cfg.train.steps is not None
        training = build_feature_training(cfg, data, features, CPU, start, steps=cfg.train.steps, widths=widths)
        train_unrecorded(training)
        predict = predictor_of(training.method.predictor.eval(), scored, CPU)
        found["test"][head] = float((predict(np.arange(len(truth))).argmax(1) == truth).mean())
        found["seconds"][head] = time.process_time() - begin
    return found


def validated(
    data: ImageDataset, networks: str, seed: int, features: Features, widths: tuple[int, ...]
) -> dict[str, Any]:
    """The head that cross-validation chooses, and the scores of all."""
    heads = {head: settings(head, networks, seed) for head in TESTED}
    choice = choose_head(heads, data, features, device=CPU, widths=widths)
    return {"chosen": choice.name, "validated": {head: score for head, (score, _) in choice.scores.items()}}


def spread(scores: list[float]) -> str:
    if not scores:
        return "-"
    mean = f"{100 * statistics.mean(scores):.1f}"
    return f"{mean} ({100 * statistics.stdev(scores):.1f})" if len(scores) > 1 else mean


def table(found: list[dict[str, Any]]) -> str:
    """Means over draws, with their standard deviations, in percent."""
    columns = ["data", "labels", "networks", *HEADS]
    if any("chosen" in cell for cell in found):
        columns += [f"cross-validated: {', '.join(TESTED)}", "chosen"]
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    for name, count in ROWS:
        for networks in NETWORKS:
            own = [c for c in found if (c["data"], c["labels"], c["networks"]) == (name, count, networks)]
            if not own:
                continue
            tests = [spread([cell["test"][head] for cell in own]) for head in HEADS]
            folds = [spread([c["validated"][head] for c in own if c.get("validated")]) for head in TESTED]
            chosen = [cell.get("chosen", "-") for cell in own]
            counted = ", ".join(f"{head} {chosen.count(head)}" for head in dict.fromkeys(chosen))
            short = networks.replace("efficientnet-", "")
            row = [name, str(count), short, *tests, ", ".join(folds), counted]
            lines.append(f"| {' | '.join(row[: len(columns)])} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", default="", help="rows such as flowers-12-36, separated by commas")
    parser.add_argument("--validate", action="store_true", help="cross-validate as well")
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--size", type=int, default=224, help="side of photos in pixels; CIFAR-10 has 160")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    text = table(list(cells(given)))
    (RESULTS / "heads.md").write_text(
        "# Heads on frozen features\n\nTest accuracy in %, mean (standard deviation) over draws of the labels, "
        "balanced over classes. Cross-validated: accuracy on the labels, in folds, as `tutelage train` chooses among "
        "heads.\nMade by `python benchmarks/heads.py DATA --out runs/heads`. CIFAR-10 is a set of JPEG copies, of "
        f"which 5,000 images are unlabeled and 2,000 the test, at 160 pixels; photos have {given.size}.\n\n" + text
    )
    print(text)


if __name__ == "__main__":
    main()
