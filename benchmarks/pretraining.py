"""The value of pretraining without labels on CIFAR-10, when its time is taken from the training that follows.

    python benchmarks/pretraining.py DATA --out runs/pretraining [--minutes 17] [--seeds 2] [--jobs 2]
                                     [--methods fixmatch,supervised]

For each seed, one encoder is pretrained for half of the minutes, and another is trained on all labels for the same
time. Both are probed. Then each method is trained twice with few labels: from scratch for all of the minutes, and from
the pretrained encoder for half of them. Minutes are converted to steps on one CPU core with `STEPS`, so that the load
of the machine has no effect; the tables show the time that the runs took. With only FixMatch and two numbers of labels,
the total is 4 x minutes x seeds.

Each run is an ordinary command, with the method's preset for small images and a narrow network. Finished runs are
skipped: rerun to resume. The tables and the picture are written to benchmarks/results/.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from counted import cpu_minutes, run_counted, train_counted
from tutelage.core.intervals import interval

STEPS = {"moco-v2": 430, "supervised": 2_000, "fixmatch": 700}  # in one minute on one core
SHARE = 0.5  # of the minutes, for pretraining
NARROW = ("--network.width", "16")
FEW = {  # flags that differ from the preset with few labels; chosen for training from scratch, see cifar10.py
    "supervised": ("--optimizer.weight-decay", "1e-2"),
    "fixmatch": (
        *("--optimizer.weight-decay", "1e-2"),
        *("--method.passes", "separate", "--method.alignment-steps", "128"),
    ),
}
ENCODERS = {"moco-v2": "pretrained", "supervised-all": "supervised, all labels", "random": "random weights"}
STARTS = ("scratch", "pretrained")
DRAWS = 3  # of the labels of a probe


@dataclass(frozen=True)
class Job:
    """One training run: of an encoder if `labels` is None, otherwise with few labels from `start`."""

    method: str
    seed: int
    minutes: float
    labels: int | None = None
    start: str = "scratch"

    @property
    def name(self) -> str:
        if self.labels is not None:
            return f"{self.method}-{self.labels}-{self.start}-{self.seed}"
        return f"{self.method}{'-all' if self.method == 'supervised' else ''}-{self.seed}"

    @property
    def steps(self) -> int:
        own = self.minutes if self.labels is not None and self.start == "scratch" else SHARE * self.minutes
        return max(1, round(own * STEPS[self.method]))

    def words(self, data: str, out: Path) -> list[str]:
        """The command."""
        verb = "pretrain" if self.method == "moco-v2" else "train"
        few = () if self.labels is None else ("--label-count", str(self.labels), *FEW[self.method])
        start = () if self.start == "scratch" else ("--init-from", str(out / f"moco-v2-{self.seed}"))
        return [
            *("tutelage", verb, data, "--preset", f"{self.method}-small", *NARROW, *few, *start),
            *("--data.val-share", "0", "--steps", str(self.steps), "--seed", str(self.seed)),
            *("--workers", "1", "--no-report", "--out", str(out / self.name)),
        ]


def train(job: Job, data: str, out: Path) -> None:
    """Train, unless the run is finished."""
    train_counted(job.words(data, out), out / job.name)


def probe(run: Path, data: str, counts: Sequence[str]) -> None:
    """Probe a run, unless that is done; random weights are probed only with the pretrained encoder."""
    file = run.with_name(f"{run.name}-probe.json")
    if not file.exists():
        random = [] if run.name.startswith("moco") else ["--no-random"]
        counted = ["--label-counts", ",".join(counts), "--seeds", str(DRAWS), "--workers", "1"]
        run_counted(["tutelage", "probe", str(run), data, *counted, *random, "--out", str(file)], file.with_suffix(""))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=17.0)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--methods", default="fixmatch", help=f"some of {','.join(FEW)}")
    parser.add_argument("--labels", default="40,250")
    parser.add_argument("--bank", type=int, default=4000, help="labels in the bank of the kNN monitor")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--results", type=Path, default=Path(__file__).parent / "results")
    given = parser.parse_args()
    given.methods = given.methods.split(",")
    if unknown := set(given.methods) - set(FEW):
        parser.error(f"--methods: expected some of {', '.join(FEW)}, got {', '.join(sorted(unknown))}")
    given.out.mkdir(parents=True, exist_ok=True)
    counts, seeds = [int(count) for count in given.labels.split(",")], range(given.seeds)
    encoders = [Job(method, seed, given.minutes) for seed in seeds for method in ("moco-v2", "supervised")]
    few = [
        Job(method, seed, given.minutes, count, start)
        for seed in seeds
        for count in counts
        for method in given.methods
        for start in STARTS
    ]
    with ThreadPoolExecutor(given.jobs) as pool:
        list(pool.map(lambda job: train(job, given.data, given.out), encoders))
        runs = [given.out / job.name for job in encoders]
        list(pool.map(lambda run: probe(run, given.data, [*map(str, counts), str(given.bank), "all"]), runs))
        list(pool.map(lambda job: train(job, given.data, given.out), few))
    facts = collect(given, counts, [*encoders, *few])
    (given.results / "pretraining.json").write_text(json.dumps(facts, indent=2) + "\n")
    write_tables(given, counts, facts, [*encoders, *few])
    draw(given, counts, facts)


def collect(given: argparse.Namespace, counts: Sequence[int], jobs: Sequence[Job]) -> dict[str, Any]:
    """All numbers, in percent: per run, and per encoder, probe, number of labels and seed."""
    accuracy, curves, probes = {}, {}, []
    for job in jobs:
        run = given.out / job.name
        result = json.loads((run / "result.json").read_text())
        if job.labels is not None:
            accuracy[job.name] = 100 * result["test"][result["evaluated"]]["accuracy"]
            continue
        if job.method == "moco-v2":
            lines = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
            rows = [line for line in lines if line["kind"] == "validation"]
            curves[job.name] = [(row["step"], 100 * row["student"]["knn_accuracy"]) for row in rows]
        for row in json.loads(run.with_name(f"{run.name}-probe.json").read_text())["rows"]:
            encoder = "random" if row["encoder"] == "random" else job.name.removesuffix(f"-{job.seed}")
            probes.append(
                {"encoder": encoder, "seed": job.seed, "kind": row["kind"], "labels": row["labels"]}
                | {"accuracy": 100 * row["mean"]}
            )
    minutes = {job.name: cpu_minutes(given.out / job.name) for job in jobs}
    return {
        "minutes": given.minutes,
        "labels": list(counts),
        "steps": {job.name: job.steps for job in jobs},
        "cpu_minutes": {name: round(value, 2) for name, value in minutes.items()},
        "test_accuracy": accuracy,
        "neighbors_while_pretraining": curves,
        "probes": probes,
    }


def probed(facts: dict[str, Any], encoder: str, kind: str, labels: int) -> list[float]:
    """The accuracy of each seed."""
    wanted = {"encoder": encoder, "kind": kind, "labels": labels}
    return [row["accuracy"] for row in facts["probes"] if wanted.items() <= row.items()]


def few_labels(facts: dict[str, Any], method: str, labels: int, start: str, seeds: int) -> list[float]:
    """The test accuracy of each seed."""
    return [facts["test_accuracy"][f"{method}-{labels}-{start}-{seed}"] for seed in range(seeds)]


def cell(values: Sequence[float], sign: str = "") -> str:
    """Mean, and standard deviation if there is more than one value."""
    stats = interval(list(values))
    return f"{stats.mean:{sign}.1f}" + ("" if stats.std is None else f" ± {stats.std:.1f}")


def took(facts: dict[str, Any], jobs: Sequence[Job]) -> str:
    """CPU minutes of a run, on average."""
    return f"{sum(facts['cpu_minutes'][job.name] for job in jobs) / len(jobs):.1f}"


def write_tables(given: argparse.Namespace, counts: Sequence[int], facts: dict[str, Any], jobs: Sequence[Job]) -> None:
    """Write benchmarks/results/pretraining.md."""
    pretraining = [job for job in jobs if job.method == "moco-v2"]
    supervised = [job for job in jobs if job.labels is None and job.method == "supervised"]
    lines = [
        "# Pretraining without labels at equal total time",
        "",
        f"`python benchmarks/pretraining.py cifar10/ --out runs/pretraining --minutes {given.minutes:g} --seeds "
        f"{given.seeds}`: CIFAR-10 (JPEG copies), small network of width 16, {given.minutes:g} minutes on one core "
        f"per run ({pretraining[0].steps:,} steps of pretraining take half of that). Test images are used once, after "
        f"the last step, and not for any selection. Percent; mean ± standard deviation over {given.seeds} seeds.",
        "",
        "## The encoder, frozen",
        "",
        f"Pretraining took {took(facts, pretraining)} CPU minutes, supervised training {took(facts, supervised)}. "
        f"Each number is the mean of {DRAWS} draws of the labels; random weights are the same for all seeds.",
        "",
        "| probe | labels | " + " | ".join(ENCODERS.values()) + " |",
        "|:--|--:|" + "--:|" * len(ENCODERS),
    ]
    for kind, labels in dict.fromkeys((row["kind"], row["labels"]) for row in facts["probes"]):
        columns = [probed(facts, encoder, kind, labels) for encoder in ENCODERS]
        columns[-1] = columns[-1][:1]
        lines.append(f"| {kind} | {labels:,} | {' | '.join(map(cell, columns))} |")
    lines += [
        "",
        "## Few labels, same planned time",
        "",
        "Both ways were planned to take the same total time, half of it for pretraining. The CPU minutes in this table "
        "do not include pretraining. The gain is the paired difference.",
        "",
        "| method | labels | from scratch | pretrained | gain | steps | CPU minutes |",
        "|:--|--:|--:|--:|--:|--:|--:|",
    ]
    for method in given.methods:
        for count in counts:
            both = [few_labels(facts, method, count, start, given.seeds) for start in STARTS]
            gains = [after - before for before, after in zip(*both, strict=True)]
            rows = [[j for j in jobs if (j.method, j.labels, j.start) == (method, count, start)] for start in STARTS]
            lines.append(
                f"| {method} | {count:,} | {cell(both[0])} | {cell(both[1])} | {cell(gains, '+')} "
                f"| {rows[0][0].steps:,}; {rows[1][0].steps:,} | {took(facts, rows[0])}; {took(facts, rows[1])} |"
            )
    lines += [
        "",
        "![kNN accuracy over time, and accuracy with few labels](pretraining.svg)",
        "",
        "Commands:",
        "",
        "```",
    ]
    lines += [" ".join(job.words("cifar10/", Path("runs/pretraining"))) for job in jobs if job.seed == 0]
    (given.results / "pretraining.md").write_text("\n".join([*lines, "```"]) + "\n")


def draw(given: argparse.Namespace, counts: Sequence[int], facts: dict[str, Any]) -> None:
    """Draw benchmarks/results/pretraining.svg: kNN accuracy over time, and one dot per run with few labels."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    colors = {"moco-v2": "#3b6fb6", "supervised-all": "#d1812e", "random": "#777777"}
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for curve in facts["neighbors_while_pretraining"].values():
        left.plot(*zip(*curve, strict=True), color=colors["moco-v2"], alpha=0.8)
    for encoder, name in ENCODERS.items():
        level = interval(probed(facts, encoder, "knn", given.bank)).mean
        left.axhline(level, color=colors[encoder], ls="--", lw=1, label=f"{name}, test images")
    left.plot([], [], color=colors["moco-v2"], label="pretrained, during training")
    left.set(xlabel="steps of pretraining", ylabel=f"kNN accuracy, {given.bank:,} labels, %")
    left.legend(fontsize=8)
    groups = [(method, count) for method in given.methods for count in counts]
    for start, color, offset in zip(STARTS, ("#777777", "#3b6fb6"), (-0.12, 0.12), strict=True):
        for place, (method, count) in enumerate(groups):
            values = few_labels(facts, method, count, start, given.seeds)
            right.plot([place + offset] * len(values), values, "o", color=color, alpha=0.8, ms=5)
        right.plot([], [], "o", color=color, label=start if start == "pretrained" else "from scratch")
    right.set_xticks(range(len(groups)), [f"{method}\n{count} labels" for method, count in groups], fontsize=8)
    right.set(ylabel="test accuracy, %", title="same planned total time")
    right.grid(axis="y", alpha=0.3)
    right.legend(fontsize=8)
    figure.savefig(given.results / "pretraining.svg")


if __name__ == "__main__":
    main()
