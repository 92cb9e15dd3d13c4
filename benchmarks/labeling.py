"""How many presses a pile takes until it is right: simulated people; and how long an answer takes.

    python benchmarks/labeling.py DATA --out runs/label [--only cats-dogs,flowers-12,cifar10] [--seeds 3] [--browsers 1]

DATA holds photos/cats-dogs, photos/flowers-12 and cifar10 (JPEG copies). The pile is a flat folder of all photos of the
first two, and of 5,000 training images of the third, without a label; `--classes` are given. A person is an oracle
whose presses go wrong in 2 of 100 cases, and who takes 1.2 s for each:

- in the browser: uses the page in Chromium, by keys and mouse; see label_browser.py. Every key and click counts.
- groups: answers questions while they are about typical images; then, in turn, goes through a page of 60 images of the
  class with the most unlabeled ones, and answers two questions. On a page, each wrong image is clicked out (a press
  each), and the rest is confirmed (one press).
- one by one: answers questions only.
- random order: labels images at random, one by one.

A wrong key is another class. A wrong click hits another image of the page, and the wrong one stays in. After a wrong
confirmation, all images of the page are taken as they are. Pool accuracy counts the labels of the person and, for the
rest, those of the model. The time of an answer is measured on 20,000 random rows with planted clusters. Finished parts
are skipped: rerun to resume. All tables are written to benchmarks/results/label.md.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from label_browser import simulate_in_browser
from label_people import POOL, flat_pile, simulate
from label_speed import ANSWERS, CLASSES, IMAGES, LABELS, WIDTH, latency
from tutelage.core.files import write_json
from tutelage.curation.pile import Pile, gather

RESULTS = Path(__file__).parent / "results"
PRESSES = {"cats-dogs": (10, 25, 50), "flowers-12": (20, 40, 80, 120), "cifar10": (20, 40, 100)}
TARGETS = {("cats-dogs", 25): 98, ("flowers-12", 40): 90, ("flowers-12", 120): 96}
BROWSER = "in the browser"
PEOPLE = (BROWSER, "groups", "one by one", "random order")
SECONDS = 1.2  # a press


def at(curve: list[list[float]], presses: int) -> list[float]:
    """The last point of a curve before or at a number of presses."""
    return [point for point in curve if point[0] <= presses][-1]


def said(values: list[float]) -> str:
    mean, worst = 100 * statistics.mean(values), 100 * min(values)
    return f"{mean:.1f} ({100 * statistics.stdev(values):.1f}; {worst:.1f})" if len(values) > 1 else f"{mean:.1f}"


def accuracy_table(found: dict[str, dict[str, list[dict[str, Any]]]]) -> str:
    lines = ["| data | presses | seconds | target | " + " | ".join(PEOPLE) + " |", "|---" * (4 + len(PEOPLE)) + "|"]
    for name, people in found.items():
        for mark in PRESSES[name]:
            cells = [said([at(run["curve"], mark)[1] for run in people[kind]]) for kind in PEOPLE]
            target = TARGETS.get((name, mark), "")
            lines.append(f"| {name} | {mark} | {mark * SECONDS:.0f} | {target} | {' | '.join(cells)} |")
    return "\n".join(lines)


def settled_table(found: dict[str, dict[str, list[dict[str, Any]]]]) -> str:
    lines = [
        "| data | presses | settled | right among them | estimates | width of the interval | it holds the truth |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, people in found.items():
        for mark in PRESSES[name]:
            points = [at(run["curve"], mark) for kind in PEOPLE for run in people[kind]]
            runs = [run for kind in PEOPLE for run in people[kind]]
            shares = [at(run["estimates"], mark) for run in runs if run["estimates"] and run["estimates"][0][0] <= mark]
            inside = sum(low <= truth <= high for _, _, low, high, truth in shares)
            width = said([high - low for _, _, low, high, _ in shares]) if shares else "-"
            lines.append(
                f"| {name} | {mark} | {statistics.mean(point[2] for point in points):.0f} | "
                f"{said([point[3] for point in points])} | {len(shares)} of {len(runs)} | {width} | "
                f"{inside} of {len(shares)} |"
            )
    return "\n".join(lines)


def page(found: dict[str, dict[str, list[dict[str, Any]]]], speed: dict[str, float]) -> str:
    counts = ", ".join(f"{kind}: {len(next(iter(found.values()))[kind])}" for kind in PEOPLE)
    return f"""# Presses until a pile is right

Pool accuracy in %: mean (standard deviation; worst) over seeds ({counts}), which draw the clusters, the model and the
wrong presses. Made by `python benchmarks/labeling.py DATA --out runs/label`, which says how people are simulated.
CIFAR-10 is a set of JPEG copies, of which the pile has {POOL:,}.

{accuracy_table(found)}

## Settled images and the estimate

Over all people and seeds of the table above. The estimate is the 95% interval of the share of the model's labels that
are right, among images without a label; there is none before five images drawn at random have a label. Who labels in an
order of their own is not asked about these.

{settled_table(found)}

## From an answer to the next question

{IMAGES:,} images, {WIDTH} features, {CLASSES} classes, one thread. Around {LABELS} labels, an answer takes
{1000 * speed["processor"]:.0f} ms of processor time (median; 95th percentile: {1000 * speed["processor 95"]:.0f} ms),
and {1000 * speed["median"]:.0f} ms by the clock (95th percentile: {1000 * speed["95"]:.0f} ms; of all {ANSWERS:,}
answers: {1000 * speed["95 of all"]:.0f} ms), on a core that other work shared. The start takes {speed["start"]:.1f} s.
Memory of the process: {speed["memory after 100"]:.0f} MB after 100 answers, {speed["memory at the end"]:.0f} MB after
{ANSWERS:,}.
"""


def simulated(name: str, kind: str, seed: int, pile: Pile, truth: list[str]) -> dict[str, Any]:
    if kind == BROWSER:
        return simulate_in_browser(pile, truth, PRESSES[name][-1], seed)
    return simulate(pile, truth, kind, PRESSES[name], seed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", default=",".join(PRESSES))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--browsers", type=int, default=1, help="seeds in the browser")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    found: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for name in given.only.split(","):
        root, truth = flat_pile(name, given.data, given.out)
        pile: Pile | None = None
        found[name] = {kind: [] for kind in PEOPLE}
        for kind in PEOPLE:
            for seed in range(given.browsers if kind == BROWSER else given.seeds):
                file = given.out / f"{name}-{kind.replace(' ', '-')}-{seed}.json"
                if not file.exists():
                    pile = pile or gather({"data.path": str(root)}, console=Console())
                    write_json(file, simulated(name, kind, seed, pile, [truth[item.name] for item in pile.items]))
                found[name][kind].append(json.loads(file.read_text()))
            print(name, kind, {m: said([at(run["curve"], m)[1] for run in found[name][kind]]) for m in PRESSES[name]})
    speed = given.out / "latency.json"
    if not speed.exists():
        write_json(speed, latency())
    text = page(found, json.loads(speed.read_text()))
    print(text)
    if set(found) == set(PRESSES):
        (RESULTS / "label.md").write_text(text)


if __name__ == "__main__":
    main()
