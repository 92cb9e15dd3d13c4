"""Why a tutorial's Mean Teacher stops at 82%: each suspected cause is one change to the preset `mean-teacher-puzzle`.

    python benchmarks/puzzle.py DATA --out runs/puzzle [--labels 1000] [--seeds 2] [--steps 4000] [--jobs 2]

Each run is an ordinary command; finished runs are skipped: rerun to resume. The table and the picture are written to
benchmarks/results/.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tutelage.core.intervals import Interval, interval

SOFTMAX = ("--method.consistency", "mse")
RECIPE = (
    *("--method.rampup", "0.4"),
    *("--optimizer.weight-decay", "5e-4"),
    *("--augment.weak.crop", "shift"),
    *("--batch-size", "64"),
    *("--unlabeled-ratio", "1"),
    *("--optimizer.lr", "0.03"),
    *("--optimizer.schedule", "cosine-7-16"),
)


@dataclass(frozen=True)
class Variant:
    """One change: its name, the question it answers, and its flags."""

    name: str
    question: str
    flags: tuple[str, ...]


VARIANTS = (
    Variant("base", "the tutorial's settings: squared difference of raw logits, weight 1", ()),
    Variant("no consistency", "is 82% reached without consistency?", ("--method.consistency-weight", "0")),
    Variant("softmax x 1", "softmax first, same weight", (*SOFTMAX, "--method.consistency-weight", "1")),
    Variant("softmax x 10", "softmax first, weight 10", (*SOFTMAX, "--method.consistency-weight", "10")),
    Variant("softmax x 50", "softmax first, weight 50", (*SOFTMAX, "--method.consistency-weight", "50")),
    Variant("softmax x 100", "softmax first, weight 100", (*SOFTMAX, "--method.consistency-weight", "100")),
    Variant("short ramp", "full weight while the learning rate is high", ("--method.rampup", "0.025")),
    Variant("weight decay", "5e-4 instead of 1e-4", ("--optimizer.weight-decay", "5e-4")),
    Variant("shift", "reflected shift instead of a random crop", ("--augment.weak.crop", "shift")),
    Variant(
        "half labeled",
        "64 + 64 rows, lr 0.03, instead of 16 + 112",
        ("--batch-size", "64", "--unlabeled-ratio", "1", "--optimizer.lr", "0.03"),
    ),
    Variant("cosine", "7/16 cosine instead of two drops", ("--optimizer.schedule", "cosine-7-16")),
    Variant(
        "all of them",
        "softmax x 50, weight decay, shift, 64 + 64 rows, cosine: the recipe of FixMatch's code",
        (*SOFTMAX, "--method.consistency-weight", "50", *RECIPE),
    ),
    Variant(
        "all but consistency",
        "how much of that is due to the recipe alone?",
        (*SOFTMAX, "--method.consistency-weight", "0", *RECIPE),
    ),
)
DROPPED = {  # settings of the preset that have no effect with a change
    "all of them": ("optimizer.step_at", "optimizer.step_factor"),
    "all but consistency": ("optimizer.step_at", "optimizer.step_factor"),
    "cosine": ("optimizer.step_at", "optimizer.step_factor"),
}
DEFAULTS = {"optimizer.step_at": "0.8", "optimizer.step_factor": "0.2"}


def command(data: str, variant: Variant, seed: int, run: Path, labels: int, steps: int) -> list[str]:
    """The command of a run."""
    reset = [word for name in DROPPED.get(variant.name, ()) for word in (f"--{name.replace('_', '-')}", DEFAULTS[name])]
    return [
        *(sys.executable, "-m", "tutelage", "train", data, "--preset", "mean-teacher-puzzle"),
        *("--label-count", str(labels), "--data.val-share", "0", "--seed", str(seed), "--steps", str(steps)),
        *(*variant.flags, *reset, "--workers", "1", "--no-report", "--out", str(run)),
    ]


def train(words: list[str], run: Path) -> None:
    """Run a command, unless its run is finished; an interrupted run is resumed."""
    if (run / "result.json").exists():
        return
    if (run / "config.json").exists():
        words = [*words[:4], "--resume", str(run), "--no-report"]
    with run.with_suffix(".log").open("a") as log:
        subprocess.run(words, stdout=log, stderr=log, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"})


def scores(run: Path) -> dict[str, float]:
    """Test accuracy of both networks, in percent."""
    result = json.loads((run / "result.json").read_text())
    return {name: 100 * part["accuracy"] for name, part in result["test"].items()}


def cell(values: list[float]) -> str:
    """Mean and standard deviation."""
    stats = interval(values)
    return f"{stats.mean:.1f}" + ("" if stats.std is None else f" ± {stats.std:.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--labels", type=int, default=1000)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--results", type=Path, default=Path(__file__).parent / "results")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    runs = {
        (variant.name, seed): arguments.out / f"{variant.name.replace(' ', '-')}-{seed}"
        for seed in range(arguments.seeds)
        for variant in VARIANTS
    }
    with ThreadPoolExecutor(arguments.jobs) as pool:
        jobs = []
        for (name, seed), run in runs.items():
            variant = next(v for v in VARIANTS if v.name == name)
            words = command(arguments.data, variant, seed, run, arguments.labels, arguments.steps)
            jobs.append(pool.submit(train, words, run))
        for job in jobs:
            job.result()
    measured = {v.name: [scores(runs[v.name, seed]) for seed in range(arguments.seeds)] for v in VARIANTS}
    gains = {
        name: interval([a["teacher"] - b["teacher"] for a, b in zip(rows, measured["no consistency"], strict=True)])
        for name, rows in measured.items()
    }
    write_table(arguments, measured, gains)
    draw(arguments, measured)


def write_table(
    arguments: argparse.Namespace, measured: dict[str, list[dict[str, float]]], gains: dict[str, Interval]
) -> None:
    """Write benchmarks/results/puzzle.md and .json."""
    given = f"--labels {arguments.labels} --seeds {arguments.seeds} --steps {arguments.steps}"
    lines = [
        "# Why does a tutorial's Mean Teacher stop at 82%?",
        "",
        f"`python benchmarks/puzzle.py cifar10/ --out runs/puzzle {given}`: CIFAR-10 (JPEG copies), {arguments.labels} "
        f"labels, 5,000 test images scored once, after the last step; {arguments.seeds} seeds, mean ± std; paired "
        "differences from the run without consistency with the same seed.",
        "",
        "| variant | teacher % | student % | teacher vs. no consistency | question |",
        "|---|---|---|---|---|",
    ]
    for variant in VARIANTS:
        rows = measured[variant.name]
        gain = gains[variant.name]
        against = "-" if variant.name == "no consistency" else f"{gain.mean:+.1f}"
        if variant.name != "no consistency" and gain.std is not None:
            against += f" ± {gain.std:.1f}"
        lines.append(
            f"| {variant.name} | {cell([row['teacher'] for row in rows])} | {cell([row['student'] for row in rows])} "
            f"| {against} | {variant.question} |"
        )
    (arguments.results / "puzzle.md").write_text("\n".join(lines) + "\n")
    facts = {"labels": arguments.labels, "steps": arguments.steps, "test_accuracy_percent": measured}
    (arguments.results / "puzzle.json").write_text(json.dumps(facts, indent=2) + "\n")


def draw(arguments: argparse.Namespace, measured: dict[str, list[dict[str, float]]]) -> None:
    """Draw benchmarks/results/puzzle.svg: one dot per seed, for teacher and student."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4.2), layout="constrained")
    for network, color, offset in (("teacher", "#3b6fb6", -0.15), ("student", "#d1812e", 0.15)):
        for place, rows in enumerate(measured.values()):
            values = [row[network] for row in rows]
            axes.plot(values, [place + offset] * len(values), "o", color=color, alpha=0.8, ms=5)
            axes.plot([sum(values) / len(values)], [place + offset], "|", color=color, ms=14, mew=2)
        axes.plot([], [], "o", color=color, label=network)
    axes.set_yticks(range(len(measured)), list(measured))
    axes.invert_yaxis()
    axes.set_xlabel("test accuracy, %")
    axes.grid(axis="x", alpha=0.3)
    axes.legend(loc="best")
    figure.savefig(arguments.results / "puzzle.svg")


if __name__ == "__main__":
    main()
