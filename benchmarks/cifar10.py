"""CIFAR-10 with few labels and the same training time for every method: mean and spread over draws of the labels.

    python benchmarks/cifar10.py DATA --out runs/cifar10 [--labels 4000,250,40] [--jobs 2]

Each run is an ordinary command, with the method's preset for small images and a narrow network. `STEPS` is the number
of steps that take ten minutes on one CPU core; the table shows the time that the runs took. With 250 labels, some
methods are also trained for seventeen minutes. Finished runs are skipped: rerun to resume. The table is written to
benchmarks/results/, and the report on the methods with several draws to docs/results/.
"""

from __future__ import annotations

import argparse
import itertools
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from counted import cpu_minutes, train_counted
from tutelage.core.intervals import interval
from tutelage.results.report import write_report

STEPS = {  # in ten minutes on one core
    "supervised": 20_000,
    "pi-model": 12_000,
    "mean-teacher": 10_500,
    "mixmatch": 12_000,
    "freematch": 9_500,
    "fixmatch": 10_000,
}
SEEDS = {"supervised": 3, "mean-teacher": 3, "mixmatch": 3, "fixmatch": 3}  # the others have one
FEW = 1000  # fewer labels than this use the settings for few labels
FEWEST = 100  # with fewer labels than this, only the methods in SEEDS are trained
LONGER = 1.7  # multiple of ten minutes
LONG_LABELS, LONG_SEEDS = 250, {"supervised": 3, "fixmatch": 3}
FLAGS_FEW = ("--optimizer.weight-decay", "1e-2")
FIXMATCH_FEW = ("--method.passes", "separate", "--method.alignment-steps", "128")
STEPS_FEW = {"fixmatch": 7_000}  # separate passes take longer


@dataclass(frozen=True)
class Job:
    """One run of the table."""

    method: str
    labels: int
    seed: int
    longer: bool = False

    @property
    def name(self) -> str:
        return f"{self.method}-{self.labels}-{self.seed}{'-longer' if self.longer else ''}"

    @property
    def few(self) -> bool:
        return self.labels < FEW

    @property
    def flags(self) -> tuple[str, ...]:
        """Flags that differ from the preset."""
        own = FIXMATCH_FEW if self.few and self.method == "fixmatch" else ()
        return ("--network.width", "16", *(FLAGS_FEW if self.few else ()), *own)

    @property
    def steps(self) -> int:
        steps = STEPS_FEW.get(self.method, STEPS[self.method]) if self.few else STEPS[self.method]
        return round(LONGER * steps) if self.longer else steps

    @property
    def asked(self) -> bool:
        """Whether this run is part of the table."""
        if self.longer:
            return self.labels == LONG_LABELS and self.seed < LONG_SEEDS.get(self.method, 0)
        return self.seed < SEEDS.get(self.method, 0 if self.labels < FEWEST else 1)

    @property
    def in_report(self) -> bool:
        """Whether this run is part of the page in docs/."""
        return self.method in SEEDS and not self.longer

    def words(self, data: str, run: Path) -> list[str]:
        """The command."""
        return [
            *("tutelage", "train", data, "--preset", f"{self.method}-small", *self.flags),
            *("--label-count", str(self.labels), "--data.val-share", "0", "--steps", str(self.steps)),
            *("--seed", str(self.seed), "--workers", "1", "--no-report", "--out", str(run)),
        ]


def train(data: str, job: Job, run: Path) -> None:
    """Train, unless the run is finished."""
    train_counted(job.words(data, run), run)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--labels", default="4000,250,40")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--results", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--page", type=Path, default=Path(__file__).parents[1] / "docs" / "results" / "cifar10.md")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    counts = [int(count) for count in arguments.labels.split(",")]
    seeds = range(max(SEEDS.values()))
    everything = [Job(*one) for one in itertools.product(STEPS, counts, seeds, (False, True))]
    jobs = [job for job in everything if job.asked]
    # the runs with which others are compared come first
    jobs.sort(key=lambda job: (job.longer, job.method not in SEEDS, job.seed))
    with ThreadPoolExecutor(arguments.jobs) as pool:
        list(pool.map(lambda job: train(arguments.data, job, arguments.out / job.name), jobs))
    write_table(arguments, counts, jobs)
    write_page(arguments, [job for count in sorted(counts) for job in jobs if job.labels == count and job.in_report])


def write_page(arguments: argparse.Namespace, jobs: list[Job]) -> None:
    """The report on some runs, with the path of the data replaced by its name."""
    write_report([arguments.out / job.name for job in jobs], arguments.page, format="md", overwrite=True)
    page = arguments.page.read_text()
    arguments.page.write_text(page.replace(str(Path(arguments.data).resolve()), "cifar10/"))


def write_table(arguments: argparse.Namespace, counts: list[int], jobs: list[Job]) -> None:
    """Write benchmarks/results/cifar10.md and .json."""
    results = {job: json.loads((arguments.out / job.name / "result.json").read_text()) for job in jobs}
    minutes = {job: cpu_minutes(arguments.out / job.name) for job in jobs}
    lines = [
        "# CIFAR-10 (JPEG copies), six to ten minutes on one CPU core per run",
        "",
        f"`python benchmarks/cifar10.py cifar10/ --out runs/cifar10 --labels {arguments.labels}`",
        "",
        "The 5,000 test images are used once, after the last step, and not for any selection. Scores are in percent, "
        "mean ± standard deviation over n draws of the labels, for the network that the method evaluates. The gain is "
        "the difference from supervised training on the same labels, on average and for each draw. With 5,000 images, "
        "the 95% interval of one run's accuracy is about ±1.3 points. Weight decay and FixMatch's settings were chosen "
        "on 3,000 other training images, with 250 and 4,000 labels. The runs of seventeen minutes, the third draws of "
        "Mean Teacher and MixMatch, and all runs with 40 labels were added after the others had been scored.",
    ]
    for count, longer in dict.fromkeys((count, longer) for longer in (False, True) for count in counts):
        here = [job for job in jobs if (job.labels, job.longer) == (count, longer)]
        if not here:
            continue
        lines += ["", f"## {count:,} labels{', seventeen minutes' if longer else ''}", ""]
        lines += [
            "| method | n | accuracy | gain | by draw | NLL | ECE | steps | CPU minutes |",
            "|---|---|---|---|---|---|---|---|---|",
        ]
        base = {job.seed: score(results[job], "accuracy") for job in here if job.method == "supervised"}
        for method in STEPS:
            rows = [job for job in here if job.method == method]
            if not rows:
                continue
            gains = [score(results[job], "accuracy") - base[job.seed] for job in rows]
            took = sum(minutes[job] for job in rows) / len(rows)
            lines.append(
                f"| {method} | {len(rows)} | {cell([score(results[job], 'accuracy') for job in rows], 100, 1)} "
                f"| {'-' if method == 'supervised' else cell(gains, 100, 1, sign='+')} "
                f"| {'-' if method == 'supervised' else ' '.join(f'{100 * gain:+.1f}' for gain in gains)} "
                f"| {cell([score(results[job], 'nll') for job in rows], 1, 2)} "
                f"| {cell([score(results[job], 'ece') for job in rows], 1, 3)} | {rows[0].steps:,} | {took:.1f} |"
            )
    lines += ["", "Commands:", "", "```"]
    lines += [" ".join(job.words("cifar10/", Path("runs/cifar10") / job.name)) for job in jobs if job.seed == 0]
    (arguments.results / "cifar10.md").write_text("\n".join([*lines, "```"]) + "\n")
    facts = {job.name: {"cpu_minutes": round(minutes[job], 2), "test": numbers(results[job])} for job in jobs}
    (arguments.results / "cifar10.json").write_text(json.dumps(facts, indent=2) + "\n")


def numbers(result: dict) -> dict[str, dict[str, float]]:
    """The test scores of each network that are single numbers."""
    return {
        network: {name: value for name, value in part.items() if isinstance(value, int | float)}
        for network, part in result["test"].items()
    }


def score(result: dict, name: str) -> float:
    """A test score of the evaluated network."""
    return float(result["test"][result["evaluated"]][name])


def cell(values: list[float], factor: float, digits: int, sign: str = "") -> str:
    """Mean, and standard deviation if there is more than one value."""
    stats = interval([factor * value for value in values])
    return f"{stats.mean:{sign}.{digits}f}" + ("" if stats.std is None else f" ± {stats.std:.{digits}f}")


if __name__ == "__main__":
    main()
