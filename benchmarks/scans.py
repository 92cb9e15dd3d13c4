"""Scans with few labels: supervised training vs. Mean Teacher and UA-MT, with the same training time for all.

    python benchmarks/scans.py hippocampus|left-atrium DATA --out runs/scans [--seeds 3] [--jobs 2] [--steps N]

Each run is an ordinary command with the preset METHOD-scan-cpu. The steps of a study take about ten minutes on one CPU
core, estimated from timed forward and backward passes; the table shows the total time of the runs. Finished runs are
skipped: rerun to resume. The table is written to benchmarks/results/.

hippocampus: a folder with `images/` and `labels/`. Every fifth name is held out for testing; 16 of the other 160,
drawn by the seed, are labeled. left-atrium: UA-MT's .h5 files with train.list and test.list; 4 of the scans in
train.list, drawn by the seed, are labeled. Volumes are resampled to 1.25 mm and scored on the grid of their files.
There is no model selection: the last step is scored.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from counted import cpu_minutes, train_counted
from tutelage.core.intervals import interval

METHODS = ("supervised", "mean-teacher", "ua-mt")
DISTANCES = ("hd95_pooled_mm", "hd95_max_directed_mm")
PER_SCAN = ("dice", "hd95_pooled_mm")
HELD_OUT = 5  # every fifth name


@dataclass(frozen=True)
class Study:
    """One data set, with the settings that all methods share.

    Attributes:
        about: description for the table.
        steps: steps in ten minutes on one core, for each of `METHODS`.
    """

    about: str
    labels: int
    seeds: int
    flags: tuple[str, ...]
    steps: tuple[int, int, int]


STUDIES = {
    "hippocampus": Study(
        about="Hippocampus (Medical Segmentation Decathlon, task 4; two parts): 160 training scans, 16 of them "
        "labeled, and 40 test scans (every fifth name)",
        labels=16,
        seeds=3,
        flags=("--scan.classes", "background,anterior,posterior"),
        steps=(4600, 2650, 1800),
    ),
    "left-atrium": Study(
        about="Left Atrium 2018 (files of UA-MT): 32 training scans, 4 of them labeled, and 8 test scans; trained at "
        "1.25 mm on patches of 64 x 64 x 40 voxels (the V-Net halves x and y four times, so 56 is not a valid size), "
        "scored at 0.625 mm",
        labels=4,
        seeds=1,
        flags=(
            *("--scan.classes", "background,atrium", "--scan.assumed-spacing", "0.625", "--scan.spacing", "1.25"),
            *("--scan.patch-size", "64,64,40", "--network.name", "vnet-laseg"),
        ),
        steps=(1500, 830, 520),
    ),
}


@dataclass(frozen=True)
class Job:
    """One run of the table."""

    study: str
    method: str
    seed: int
    steps: int

    @property
    def name(self) -> str:
        return f"{self.study}-{self.method}-{self.seed}"

    def words(self, data: str, run: Path) -> list[str]:
        """The command."""
        study = STUDIES[self.study]
        return [
            *("tutelage", "train", data, "--preset", f"{self.method}-scan-cpu", *study.flags),
            *("--label-count", str(study.labels), "--data.val-share", "0", "--steps", str(self.steps)),
            *("--scan.cache", str(run.parent / f"{self.study}-cache"), "--seed", str(self.seed)),
            *("--workers", "1", "--no-report", "--out", str(run)),
        ]


def split_by_name(data: Path, out: Path) -> Path:
    """A folder with `train/` and `test/`, which link to the files of `data`; every fifth name is for testing."""
    names = sorted(path.name for path in (data / "images").glob("*.nii.gz"))
    for number, name in enumerate(names):
        part = "test" if number % HELD_OUT == 0 else "train"
        for kind in ("images", "labels"):
            link = out / part / kind / name
            link.parent.mkdir(parents=True, exist_ok=True)
            if not link.is_symlink():
                link.symlink_to((data / kind / name).resolve())
    return out


def train(data: str, job: Job, run: Path) -> None:
    """Train, unless the run is finished."""
    train_counted(job.words(data, run), run)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", choices=STUDIES)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=None, help="default: 3 for hippocampus, 1 for left-atrium")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--steps", type=int, default=None, help="steps of every method, to try the script")
    parser.add_argument("--results", type=Path, default=Path(__file__).parent / "results")
    arguments = parser.parse_args()
    name, study = arguments.study, STUDIES[arguments.study]
    arguments.out.mkdir(parents=True, exist_ok=True)
    data = arguments.data
    if name == "hippocampus":
        data = split_by_name(data, arguments.out / "hippocampus-data")
    jobs = [
        Job(name, method, seed, arguments.steps or steps)
        for seed in range(arguments.seeds or study.seeds)
        for method, steps in zip(METHODS, study.steps, strict=True)
    ]
    train(str(data), jobs[0], arguments.out / jobs[0].name)  # first, since it prepares the scans for all runs
    with ThreadPoolExecutor(arguments.jobs) as pool:
        list(pool.map(lambda job: train(str(data), job, arguments.out / job.name), jobs[1:]))
    write_results(arguments, jobs)


def write_results(arguments: argparse.Namespace, jobs: list[Job]) -> None:
    """Write benchmarks/results/scans-STUDY.md and .json."""
    results = {job: json.loads((arguments.out / job.name / "result.json").read_text()) for job in jobs}
    minutes = {job: cpu_minutes(arguments.out / job.name) for job in jobs}
    seeds = len({job.seed for job in jobs})
    command = f"python benchmarks/scans.py {arguments.study} {arguments.study.replace('-', '_')}/ --out runs/scans"
    lines = [
        f"# {arguments.study}: few labels, ten minutes on one CPU core per run",
        "",
        f"`{command} --seeds {seeds}`",
        "",
        f"{STUDIES[arguments.study].about}. The test scans are used once, after the last step, and not for any "
        "selection. Mean ± standard deviation over n seeds, each with its own draw of the labels, for the network that "
        "the method evaluates. Dice is in percent, distances are in mm. HD95 pooled is medpy's, as in UA-MT's tables; "
        "HD95 max directed is MONAI's; `docs/segmentation-metrics.md` explains the difference. Distances are means "
        "over the masks that are not empty; the empty masks of all seeds are counted.",
        "",
        "| method | n | Dice | std over scans | HD95 pooled | HD95 max directed | empty | steps | CPU minutes |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for method in METHODS:
        rows = [job for job in jobs if job.method == method]
        tests = [test(results[job]) for job in rows]
        lines.append(
            f"| {method} | {len(rows)} | {spread([100 * t['dice'] for t in tests])} "
            f"| {statistics.fmean(100 * t['dice_std'] for t in tests):.1f} "
            f"| {' | '.join(spread([t[key] for t in tests]) for key in DISTANCES)} "
            f"| {sum(t['empty_predictions'] for t in tests)} | {rows[0].steps:,} "
            f"| {statistics.fmean(minutes[job] for job in rows):.1f} |"
        )
    lines += [
        "",
        "Paired differences from `supervised` with the same labels: the difference on each scan is averaged over "
        "seeds; then the mean over scans is given with its 95% interval (Student's t). Higher Dice and lower distance "
        "are better.",
        "",
        "| method | Dice, points | scans with higher Dice | HD95 pooled, mm | gain in Dice per seed |",
        "|---|---|---|---|---|",
    ]
    lines += [paired_row(method, jobs, results) for method in METHODS[1:]]
    lines += ["", "Dice per class:", ""]
    classes = list(test(results[jobs[0]])["per_class"])
    lines += [f"| method | {' | '.join(classes)} |", f"|---|{'---|' * len(classes)}"]
    for method in METHODS:
        tests = [test(results[job])["per_class"] for job in jobs if job.method == method]
        cells = [spread([100 * t[name]["dice"]["mean"] for t in tests]) for name in classes]
        lines.append(f"| {method} | {' | '.join(cells)} |")
    lines += ["", "Commands:", "", "```"]
    data = "hippocampus-data/" if arguments.study == "hippocampus" else "left_atrium/"
    lines += [" ".join(job.words(data, Path("runs/scans") / job.name)) for job in jobs if job.seed == 0]
    (arguments.results / f"scans-{arguments.study}.md").write_text("\n".join([*lines, "```"]) + "\n")
    facts = {job.name: {"cpu_minutes": round(minutes[job], 2), **kept(results[job])} for job in jobs}
    (arguments.results / f"scans-{arguments.study}.json").write_text(json.dumps(facts, separators=(",", ":")) + "\n")


def kept(result: dict[str, Any]) -> dict[str, Any]:
    """The test scores of both networks, and the scores per scan of the evaluated network."""
    networks = {
        name: {score: value for score, value in scores.items() if score != "per_case"}
        for name, scores in result["test"].items()
    }
    scans = {case["case"]: [case[score] for score in PER_SCAN] for case in test(result)["per_case"]}
    return {"evaluated": result["evaluated"], "test": networks, "per_scan": {"scores": PER_SCAN, **scans}}


def paired_row(method: str, jobs: list[Job], results: dict[Job, Any]) -> str:
    """The difference between a method and supervised training, scan by scan."""
    dice = differences("dice", method, jobs, results)
    distance = differences("hd95_pooled_mm", method, jobs, results)
    scores = {(job.method, job.seed): 100 * test(results[job])["dice"] for job in jobs}
    gains = [scores[method, seed] - scores[METHODS[0], seed] for seed in sorted({job.seed for job in jobs})]
    more = sum(difference > 0 for difference in dice)
    return (
        f"| {method} | {bounds([100 * difference for difference in dice])} | {more} of {len(dice)} "
        f"| {bounds(distance)} | {', '.join(f'{gain:+.1f}' for gain in gains)} |"
    )


def differences(score: str, method: str, jobs: list[Job], results: dict[Job, Any]) -> list[float]:
    """The difference on each scan, averaged over the seeds for which both scores exist; other scans are left out."""
    by_case: dict[str, list[float]] = {}
    cases = {(j.method, j.seed): {c["case"]: c[score] for c in test(results[j])["per_case"]} for j in jobs}
    for seed in sorted({job.seed for job in jobs}):
        for case, value in cases[method, seed].items():
            base = cases[METHODS[0], seed][case]
            if value is not None and base is not None:
                by_case.setdefault(case, []).append(value - base)
    return [statistics.fmean(values) for values in by_case.values()]


def test(result: dict[str, Any]) -> dict[str, Any]:
    """The test scores of the evaluated network."""
    return result["test"][result["evaluated"]]


def spread(values: Sequence[float | None]) -> str:
    """Mean, and standard deviation if there is more than one value."""
    known = [value for value in values if value is not None]
    if not known:
        return "-"
    stats = interval(known)
    return f"{stats.mean:.1f}" + ("" if stats.std is None else f" ± {stats.std:.1f}")


def bounds(values: Sequence[float]) -> str:
    """Mean and half the width of its 95% interval."""
    if not values:
        return "-"
    stats = interval(values)
    return f"{stats.mean:+.1f}" + ("" if stats.half_width is None else f" ± {stats.half_width:.1f}")


if __name__ == "__main__":
    main()
