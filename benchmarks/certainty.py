"""How sure a model is: calibration error, coverage of sets of classes, and images unlike those of training.

    python benchmarks/certainty.py DATA --out runs/certainty [--draws 5]

DATA holds photos/cats-dogs, photos/flowers-12 and cifar10. Each run is an ordinary command with no setting but the
labels (of CIFAR-10, also 4,000 unlabeled images, so that it takes seconds); what it knows of held-out labels comes from
cross-validation of these labels, from a part of them that is held out, or from `tutelage calibrate` with further
labeled images of the training part. Test images are read once. Finished runs are skipped: rerun to resume. The figures
of each draw are kept in benchmarks/results/certainty.json, and the tables go to benchmarks/results/certainty.md.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch

import tutelage
from photos import prepare
from tutelage.data.images.dataset import load_images
from tutelage.inference.images.model import Model
from tutelage.run.run_record import RunRecord
from tutelage.tasks.class_scores import SCORES, Scored

RESULTS = Path(__file__).parent / "results"
DRAWS = RESULTS / "certainty.json"  # the figures of each draw, by the name of its run
COVERAGES = (0.9, 0.95)
UNLABELED = 4_000  # images of CIFAR-10
OTHER = {"cats-dogs": "flowers-12", "flowers-12": "cats-dogs"}


@dataclass(frozen=True)
class Row:
    """A data set, its number of labels, and of further labels for calibration, if they are not cross-validated."""

    data: str
    labels: int
    further: int = 0
    held_out: str = "cross-validation"

    @property
    def name(self) -> str:
        return f"{self.data}-{self.labels}" + (f"-{self.further}" if self.further else "")


ROWS = (
    Row("cats-dogs", 40),
    Row("flowers-12", 120),
    Row("flowers-12", 360),
    Row("flowers-12", 120, 400),
    Row("cifar10", 250),
    Row("cifar10", 1000, held_out="100 of the labels"),
    Row("cifar10", 250, 1000),
)


def train(row: Row, seed: int, data: Path, out: Path) -> Path:
    """A run by one command, unless it is there."""
    run = out / f"{row.name}-{seed}"
    if (run / "result.json").exists():
        return run
    train_part, test_part = prepare(data, row.data, out)
    command = [sys.executable, "-m", "tutelage", "train", str(train_part), "--out", str(run), "--no-report"]
    command += ["--label-count", str(row.labels), "--seed", str(seed)]
    command += [] if test_part is None else ["--test", str(test_part)]
    command += ["--data.unlabeled-count", str(UNLABELED)] if row.data == "cifar10" else []
    subprocess.run(command, check=True)
    return run


def measure(row: Row, run: Path, data: Path, out: Path) -> dict[str, float]:
    """The figures of one draw."""
    record = RunRecord(run)
    images = load_images(record.cfg.data, seed=record.cfg.train.seed)
    if row.further:
        source, table = further(row, record, out)
        tutelage.calibrate(run, source, labels=table)
    test = images.load_test()
    pixels, label = test.images.images[test.rows].transpose(0, 2, 3, 1), test.images.labels[test.rows]
    model = Model.load(run)
    plain = Model.load(run, calibrated=False).predict(pixels)
    figures = {f"{name} before": SCORES[name].compute(scored(plain, label)) for name in ("ece", "nll")}
    for coverage in COVERAGES:
        found = model.predict(pixels, coverage=coverage, unlike=True)
        sets = [set(one or ()) for one in found.label_sets]
        inside = np.array([model.classes[number] in one for number, one in zip(label, sets, strict=True)])
        figures[f"coverage {coverage}"] = float(inside.mean())
        figures[f"least {coverage}"] = min(float(inside[label == number].mean()) for number in np.unique(label))
        figures[f"size {coverage}"] = float(np.mean([len(one) for one in sets]))
    figures |= {name: SCORES[name].compute(scored(found, label)) for name in ("accuracy", "ece", "nll")}
    figures["false alarms"] = float(np.mean(np.array(found.unlike, bool)))
    if row.data in OTHER:
        other = model.predict(data / "photos" / OTHER[row.data], unlike=True)
        figures["flagged"] = float(np.mean(np.array(other.unlike, bool)))
    return figures


def scored(found: tutelage.Predictions, label: np.ndarray) -> Scored:
    return Scored(torch.from_numpy(found.probabilities), torch.from_numpy(label))


def further(row: Row, record: RunRecord, out: Path) -> tuple[Path, Path | None]:
    """Images of the training part whose labels were hidden, with a table of their labels or with the labels inside."""
    every = dataclasses.replace(record.cfg.data, label_count=None, unlabeled_count=None)
    images = load_images(every, seed=0)
    learned = set(record.split["labeled"])
    order = np.random.default_rng(0).permutation(images.labeled_rows)
    rows = [int(number) for number in order if images.train.names[number] not in learned][: row.further]
    names = [images.train.names[number] for number in rows]
    label = [images.classes[images.train.labels[number]] for number in rows]
    if row.data == "cifar10":
        file = out / "further.npz"
        pixels = images.train.images[np.array(rows)].transpose(0, 2, 3, 1)
        index = images.train.labels[np.array(rows)]
        np.savez(file, allow_pickle=False, x=pixels, y=index, classes=np.array(images.classes))
        return file, None
    table = out / "further.csv"
    pd.DataFrame({"path": names, "label": label}).to_csv(table, index=False)
    return Path(str(every.path)), table


def tables(draws: dict[str, dict[str, float]]) -> str:
    """The results as Markdown: means over draws, with their standard deviations."""
    lines = [
        "| data | labels | held out by | draws | accuracy | ECE before | ECE | NLL before | NLL | "
        "90% sets: coverage | least of a class | classes in a set | "
        "95% sets: coverage | least of a class | classes in a set | false alarms | other photos flagged |",
        "|---" * 17 + "|",
    ]
    for row in ROWS:
        facts = [found for name, found in draws.items() if name.rpartition("-")[0] == row.name]
        if not facts:
            continue
        how = f"{row.further} further labels" if row.further else row.held_out
        cells = [row.data, str(row.labels), how, str(len(facts))]
        names = ["accuracy", "ece before", "ece", "nll before", "nll"]
        names += [f"{name} {coverage}" for coverage in COVERAGES for name in ("coverage", "least", "size")]
        for name in [*names, "false alarms", "flagged"]:
            share = not name.startswith(("nll", "size", "ece"))
            cells.append(spread([one[name] for one in facts if name in one], 100.0 if share else 1.0))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def spread(values: list[float], scale: float) -> str:
    if not values:
        return "-"
    digits = 1 if scale > 1 else 3
    std = f" ({scale * statistics.stdev(values):.{digits}f})" if len(values) > 1 else ""
    return f"{scale * statistics.mean(values):.{digits}f}{std}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", default="", help="names of rows, separated by commas")
    parser.add_argument("--draws", type=int, default=5)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    draws: dict[str, dict[str, float]] = json.loads(DRAWS.read_text()) if DRAWS.exists() else {}
    for row in ROWS:
        for seed in range(given.draws if not given.only or row.name in given.only.split(",") else 0):
            run = train(row, seed, given.data, given.out)
            draws[run.name] = measure(row, run, given.data, given.out)
            DRAWS.write_text(json.dumps(dict(sorted(draws.items())), indent=1) + "\n")
    text = tables(draws)
    (RESULTS / "certainty.md").write_text(
        "# How sure a model is\n\n"
        "Mean and (standard deviation) over draws of the labels, on the test images; accuracy, coverage and alarms in "
        "%. Of CIFAR-10 (JPEG copies), 4,000 unlabeled images are used. `--unlike` asks for 5% false alarms. Other "
        "photos are all of flowers-12 for a model of cats and dogs, and the other way round.\n"
        "Made by `python benchmarks/certainty.py DATA --out runs/certainty`.\n\n" + text
    )
    print(text)


if __name__ == "__main__":
    main()
