"""Photos with few labels: what `tutelage train` reaches with its defaults, and what scikit-learn does on its features.

    python benchmarks/photos.py DATA --out runs/photos [--only cats-dogs-10,flowers-12-36] [--draws 5]

DATA holds photos/cats-dogs, photos/flowers-12 and cifar10. Each run is an ordinary command on one core, with no setting
but the labels and, in some rows, a budget: it passes all images through the network, chooses a head, trains it, scores
the test images once, and fine-tunes the network with what is left of the budget.
Each draw of labels starts with an empty cache, so that its time is that of a first command. The rows of scikit-learn
see the same transformed features and labels as the run, and the last column fine-tunes the whole network on the labels
alone, for as many CPU seconds as the run took, but for no more than 100 epochs or 500 steps; `--timm-draws 2` does so
for the first two draws only. Finished runs are skipped: rerun to resume. The scores of each draw are kept in
benchmarks/results/photos.json, and the table that is made from them is written to benchmarks/results/photos.md.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.semi_supervised import LabelSpreading, SelfTrainingClassifier

from timm_fine_tuning import fine_tune
from tutelage.data.images.dataset import load_images
from tutelage.run.frozen_networks import FrozenNetworks
from tutelage.run.run_record import RunRecord

RESULTS = Path(__file__).parent / "results"
DRAWS = RESULTS / "photos.json"  # what each draw gave, by the name of its run
TEST_PHOTOS = 400  # of cats and dogs, drawn once
UNLABELED = -1
TIMM = "timm, fine-tuned on the labels"


@dataclass(frozen=True)
class Row:
    """One row of the table: a data set, its number of labels, and the budget of the runs, if they have one."""

    data: str
    labels: int
    budget: str | None = None

    @property
    def name(self) -> str:
        return f"{self.data}-{self.labels}" + (f"-{self.budget}" if self.budget else "")


ROWS = (
    Row("cats-dogs", 10),
    Row("cats-dogs", 40),
    Row("flowers-12", 36),
    Row("flowers-12", 120),
    Row("flowers-12", 36, "15m"),
    Row("flowers-12", 120, "15m"),
    Row("cifar10", 40, "30m"),
    Row("cifar10", 250, "30m"),
    Row("cifar10", 4000, "30m"),
)


def prepare(data: Path, name: str, out: Path) -> tuple[Path, Path | None]:
    """The training and the test source of a data set; cats and dogs are split once, at random."""
    if name == "cifar10":
        return data / name, None
    source = data / "photos" / name
    if name != "cats-dogs":
        return source / "train", source / "test"
    split = out / "data" / name
    if not split.exists():
        photos = sorted(path for path in source.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
        order = np.random.default_rng(0).permutation(len(photos))
        for place, number in enumerate(order):
            part, photo = "test" if place < TEST_PHOTOS else "train", photos[number]
            folder = split / part / photo.parent.name
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{number}-{photo.name}").symlink_to(photo.resolve())
    return split / "train", split / "test"


def train(row: Row, seed: int, data: Path, out: Path) -> Path:
    """One command on one core with an empty cache; its CPU seconds are written beside the run."""
    run = out / f"{row.name}-{seed}"
    if _facts(run):
        return run
    shutil.rmtree(run, ignore_errors=True)
    train_part, test_part = prepare(data, row.data, out)
    cache = out / "cache"
    shutil.rmtree(cache, ignore_errors=True)
    command = [sys.executable, "-m", "tutelage", "train", str(train_part), "--out", str(run), "--no-report"]
    command += ["--label-count", str(row.labels), "--seed", str(seed)]
    command += ["--budget", row.budget] if row.budget else []
    command += [] if test_part is None else ["--test", str(test_part)]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    own = {"TUTELAGE_CACHE": str(cache), "OMP_NUM_THREADS": "1"}
    subprocess.run(command, check=True, env=os.environ | own)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    record = RunRecord(run)
    scores = {"accuracy": _test_accuracy(record.best), "head_accuracy": _test_accuracy(record)}
    _write(run, {"cpu_seconds": seconds, "head": record.cfg.method, "peers": {}} | scores)
    return run


def score_peers(run: Path, cache: Path, *, with_timm: bool) -> None:
    """Adds to the facts of a run what the others score on its labels, unless that is there."""
    facts = _facts(run)
    if not facts["peers"]:
        _write(run, facts | {"peers": scikit_learn(run, cache)})
    facts = _facts(run)
    if with_timm and TIMM not in facts["peers"]:
        _write(run, facts | {"peers": facts["peers"] | {TIMM: timm(run, facts["cpu_seconds"])}})


def _facts(run: Path) -> dict[str, Any]:
    """The CPU seconds of a finished run and the scores of the others; empty if there is no such run."""
    path = run.parent / f"{run.name}.json"
    if not (run / "result.json").exists() or not path.exists():
        return {}
    facts: dict[str, Any] = json.loads(path.read_text())
    return facts


def _write(run: Path, facts: dict[str, Any]) -> None:
    (run.parent / f"{run.name}.json").write_text(json.dumps(facts))


def scikit_learn(run: Path, cache: Path) -> dict[str, float]:
    """Test accuracy of classifiers of scikit-learn on the run's features, labels and unlabeled images."""
    os.environ["TUTELAGE_CACHE"] = str(cache)
    record = RunRecord(run)
    data = load_images(record.cfg.data, seed=record.cfg.train.seed)
    backbone = FrozenNetworks.of_run(run, record.cfg, record.data, torch.device("cpu"))
    test = data.load_test()
    features = backbone.transformed(backbone.raw_features(data.train.images)) / backbone.dims**0.5
    scored = backbone.transformed(backbone.raw_features(test.images.images[test.rows])) / backbone.dims**0.5
    rows, label = data.labeled_rows, data.train.labels[data.labeled_rows]
    pool = np.union1d(rows, data.unlabeled_rows)
    partly = np.full(len(data.train), UNLABELED)
    partly[rows] = label

    def logistic() -> LogisticRegression:
        return LogisticRegression(C=1.0 / (3e-4 * len(rows)), max_iter=2000)

    fitted: dict[str, Any] = {"LogisticRegression": logistic().fit(features[rows], label)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if len(pool) <= 15_000:  # its graph takes hours beyond
            fitted["LabelSpreading"] = LabelSpreading(kernel="knn", n_neighbors=10).fit(features[pool], partly[pool])
        fitted["SelfTrainingClassifier"] = SelfTrainingClassifier(logistic()).fit(features[pool], partly[pool])
    return {name: float((model.predict(scored) == test.labels).mean()) for name, model in fitted.items()}


def timm(run: Path, seconds: float) -> float:
    """Test accuracy of a plain fine-tuning of timm's model on the labels, for as many CPU seconds as the run took."""
    record = RunRecord(run)
    data = load_images(record.cfg.data, seed=record.cfg.train.seed)
    test, rows = data.load_test(), data.labeled_rows
    torch.set_num_threads(1)
    images, shown = data.train.images[rows], test.images.images[test.rows]
    label = data.train.labels[rows]
    plain = fine_tune(images, label, shown, len(data.classes), cpu_seconds=seconds, seed=record.cfg.train.seed)
    return float((plain == test.labels).mean())


def keep(run: Path) -> dict[str, dict[str, Any]]:
    """Adds what a draw gave to the draws that are kept, and returns all of them by the names of their runs."""
    draws: dict[str, dict[str, Any]] = json.loads(DRAWS.read_text()) if DRAWS.exists() else {}
    draws[run.name] = _facts(run)
    DRAWS.write_text(json.dumps(dict(sorted(draws.items())), indent=1) + "\n")
    return draws


def table(draws: dict[str, dict[str, Any]]) -> str:
    """The results as a Markdown table: means over draws, with their standard deviations."""
    names = ("LogisticRegression", "LabelSpreading", "SelfTrainingClassifier", TIMM)
    lines = [
        "| data | labels | budget | draws | tutelage | of it the head | heads chosen | CPU seconds | "
        f"{' | '.join(names)} |",
        "|---" * 12 + "|",
    ]
    for row in ROWS:
        facts = [facts for name, facts in draws.items() if name.rpartition("-")[0] == row.name]
        if not facts:
            continue
        heads = [fact["head"] for fact in facts]
        counted = ", ".join(f"{head} {heads.count(head)}" for head in dict.fromkeys(heads))
        seconds = statistics.mean(fact["cpu_seconds"] for fact in facts)
        own = [_spread([fact[name] for fact in facts]) for name in ("accuracy", "head_accuracy")]
        others = [_spread([fact["peers"].get(name) for fact in facts]) for name in names]
        lines.append(
            f"| {row.data} | {row.labels} | {row.budget or '-'} | {len(facts)} | {' | '.join(own)} | "
            f"{counted} | {seconds:.0f} | {' | '.join(others)} |"
        )
    return "\n".join(lines) + "\n"


def _test_accuracy(record: RunRecord) -> float:
    accuracy: float = record.final["test"][record.final["evaluated"]]["accuracy"]
    return accuracy


def _spread(scores: list[float | None]) -> str:
    known = [100.0 * score for score in scores if score is not None]
    if not known:
        return "-"
    spread = f" ({statistics.stdev(known):.1f})" if len(known) > 1 else ""
    count = f", n = {len(known)}" if len(known) < len(scores) else ""
    return f"{statistics.mean(known):.1f}{spread}{count}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", default="", help="names of rows, separated by commas")
    parser.add_argument("--first-draw", type=int, default=0)
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--timm-draws", type=int, help="draws for which timm is fine-tuned too (default: all)")
    given = parser.parse_args()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # one core, for the runs too
    given.out.mkdir(parents=True, exist_ok=True)
    rows = [row for row in ROWS if not given.only or row.name in given.only.split(",")]
    draws: dict[str, dict[str, Any]] = {}
    for seed in range(given.first_draw, given.first_draw + given.draws):
        for row in rows:
            run = train(row, seed, given.data, given.out)
            with_timm = given.timm_draws is None or seed - given.first_draw < given.timm_draws
            score_peers(run, given.out / "cache", with_timm=with_timm)
            draws = keep(run)
    text = table(draws)
    (RESULTS / "photos.md").write_text(
        "# Photos with few labels\n\n"
        "Test accuracy in %, mean and (standard deviation) over draws of the labels, balanced over classes. "
        "`tutelage train` with no setting but the labels, on one core; CPU seconds of the whole command with an empty "
        "cache, without the report. scikit-learn's classifiers see the same features and labels.\n"
        "CIFAR-10 is a set of JPEG copies. Made by `python benchmarks/photos.py DATA --out runs/photos`.\n\n" + text
    )
    print(text)


if __name__ == "__main__":
    main()
