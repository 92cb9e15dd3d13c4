"""How many presses a pile takes until it is right: simulated people, without a browser; and how long an answer takes.

    python benchmarks/labeling.py DATA --out runs/label [--only cats-dogs,flowers-12,cifar10] [--seeds 3]

DATA holds photos/cats-dogs, photos/flowers-12 and cifar10 (JPEG copies). The pile is a flat folder of all photos of the
first two, and of 5,000 training images of the third, without a label; `--classes` are given. A person is an oracle
whose presses go wrong in 2 of 100 cases, and who takes 1.2 s for each:

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
import resource
import statistics
import tarfile
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console

from tutelage.core.files import write_json
from tutelage.curation.labeling.journal import Journal
from tutelage.curation.labeling.session import LabelingSession
from tutelage.curation.pile import Pile, gather
from tutelage.data.images.framing import Framing
from tutelage.data.images.items import Files, Item

RESULTS = Path(__file__).parent / "results"
PRESSES = {"cats-dogs": (10, 25, 50), "flowers-12": (20, 40, 80, 120), "cifar10": (20, 40, 100)}
TARGETS = {("cats-dogs", 25): 98, ("flowers-12", 40): 90, ("flowers-12", 120): 96}
PEOPLE = ("groups", "one by one", "random order")
WRONG, SECONDS, PAGE, POOL = 0.02, 1.2, 60, 5000
IMAGES, WIDTH, CLASSES, LABELS, ANSWERS = 20_000, 256, 10, 200, 1000


def flat_pile(name: str, data: Path, out: Path) -> tuple[Path, dict[str, str]]:
    """A folder of all images of a set, in random order, and the class of each file."""
    root, told = out / name, out / f"{name}.json"
    if not told.exists():
        root.mkdir(parents=True, exist_ok=True)
        found = list(_shards(data / name) if name == "cifar10" else _files(data / "photos" / name))
        order = np.random.default_rng(0).permutation(len(found))[: POOL if name == "cifar10" else None]
        truth = {}
        for number, row in enumerate(order):
            label, content = found[row]
            file = root / f"{number:05d}.jpg"
            file.write_bytes(content)
            truth[file.name] = label
        write_json(told, truth)
    return root, json.loads(told.read_text())


def _files(root: Path) -> Iterator[tuple[str, bytes]]:
    for file in sorted(path for path in root.rglob("*") if path.suffix in (".jpg", ".jpeg")):
        yield file.parent.name, file.read_bytes()


def _shards(root: Path) -> Iterator[tuple[str, bytes]]:
    classes = json.loads((root / "classes.json").read_text())
    for shard in sorted(root.glob("train-*")):
        with tarfile.open(shard) as tar:
            parts: dict[str, dict[str, bytes]] = {}
            for member in tar:
                stem, _, kind = member.name.partition(".")
                parts.setdefault(stem, {})[kind] = tar.extractfile(member).read()  # type: ignore[union-attr]
        for stem in sorted(parts):
            yield classes[int(parts[stem]["cls"])], parts[stem]["jpg"]


class Person:
    """An oracle whose presses sometimes go wrong; counts them.

    Args:
        truth: the class of each row.
    """

    def __init__(self, session: LabelingSession, truth: list[str], *, seed: int) -> None:
        self.session, self.truth, self.draw = session, np.array(truth), np.random.default_rng(seed)
        self.classes = sorted(set(truth))
        self.presses = 0
        self.curve: list[tuple[int, float, int, float]] = []  # presses, pool accuracy, settled, right among these
        self.estimates: list[tuple[int, float, float, float, float]] = []  # presses, accuracy, low, high, truth

    def slips(self) -> bool:
        """One press; whether it goes wrong."""
        self.presses += 1
        return bool(self.draw.random() < WRONG)

    def key(self, row: int) -> str:
        """The class that is pressed for an image."""
        truth = str(self.truth[row])
        return str(self.draw.choice([k for k in self.classes if k != truth])) if self.slips() else truth

    def answer(self) -> bool:
        """Answer a question; False if there is none."""
        asked = self.session.next()
        if asked is None:
            return False
        self.session.answer(asked["index"], self.key(asked["index"]))
        self.note()
        return True

    def page(self) -> bool:
        """Go through a page of the largest group; False if no class has unlabeled images."""
        largest = max(self.session.state()["classes"], key=lambda one: one["model"])
        if not largest["model"]:
            return False
        name = largest["name"]
        rows = [item["index"] for item in self.session.group(name, count=PAGE)["items"]]
        clicked = set()
        for row in rows:
            if self.truth[row] != name:
                clicked.add(int(self.draw.choice(rows)) if self.slips() else row)
        if self.slips():
            clicked = set()
        kept = [(row, name) for row in rows if row not in clicked]
        self.session.answer_all(kept, rejected=[(row, name) for row in sorted(clicked)])
        self.note()
        return True

    def note(self) -> None:
        """Write down how things stand."""
        made = self.session.map()["class"]
        told = np.array([self.classes[k] if k >= 0 else "" for k in made])
        state, settled = self.session.state(), self.session.settled
        right = told == self.truth
        self.curve.append(
            (self.presses, float(right.mean()), state["settled"], float(right[settled].mean()) if len(settled) else 1.0)
        )
        known = np.array([item["label"] is not None for item in self.session.items(range(len(told)))])
        if (found := state["estimate"]) is not None and not known.all():
            share = float(right[~known].mean())
            self.estimates.append((self.presses, found["accuracy"], found["low"], found["high"], share))


def simulate(pile: Pile, truth: list[str], kind: str, marks: tuple[int, ...], seed: int) -> dict[str, Any]:
    """The curve of a person on a pile."""
    with tempfile.TemporaryDirectory() as folder:
        session = LabelingSession(pile, Journal(Path(folder) / "labels.csv"), classes=sorted(set(truth)), seed=seed)
        person = Person(session, truth, seed=seed)
        if kind == "random order":
            order = np.random.default_rng(100 + seed).permutation(len(pile)).tolist()
            for before, mark in zip((0, *marks), marks, strict=False):  # what is learned does not depend on the order
                session.answer_all([(row, person.key(row)) for row in order[before:mark]])
                person.note()
        turn = 0
        while kind != "random order" and person.presses < marks[-1]:
            typical = "typical" in session.state()["asking"]
            done = person.page() if kind == "groups" and not typical and turn % 3 == 0 else person.answer()
            turn += not typical
            if not done and not person.answer():
                break
        session.close()
    return {"curve": person.curve, "estimates": person.estimates}


def latency() -> dict[str, float]:
    """Seconds from an answer to the next question, and the growth of memory over 1,000 answers."""
    draw = np.random.default_rng(0)
    centers = draw.normal(size=(60, WIDTH))
    cluster = draw.integers(60, size=IMAGES)
    rows = (centers[cluster] * 0.5 + draw.normal(size=(IMAGES, WIDTH))).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    store = Files(Path("nowhere"))
    items = [Item(f"{number:05d}.jpg", None, store, f"{number:05d}.jpg") for number in range(IMAGES)]
    classes = [f"class {number}" for number in range(CLASSES)]
    pile = Pile(items, (), np.full(IMAGES, -1), rows, "random rows", 32, 3, Framing(), 0.95)
    times, work, memory = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        session = LabelingSession(pile, Journal(Path(folder) / "labels.csv"), classes=classes)
        start = time.perf_counter() - begin
        for _ in range(ANSWERS):
            asked = session.next()
            assert asked is not None
            begin, used = time.perf_counter(), time.process_time()
            session.answer(asked["index"], classes[int(cluster[asked["index"]]) % CLASSES])
            session.next()
            times.append(time.perf_counter() - begin)
            work.append(time.process_time() - used)
            memory.append(resource_now())
        session.close()
    near = times[LABELS - 50 : LABELS + 50]
    return {
        "start": start,
        "median": statistics.median(near),
        "95": float(np.quantile(near, 0.95)),
        "95 of all": float(np.quantile(times, 0.95)),
        "processor": statistics.median(work[LABELS - 50 : LABELS + 50]),
        "processor 95": float(np.quantile(work[LABELS - 50 : LABELS + 50], 0.95)),
        "memory after 100": memory[99],
        "memory at the end": memory[-1],
    }


def resource_now() -> float:
    """The memory of this process in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


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
        "| data | presses | settled | right among them | estimate | true share | inside the interval |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, people in found.items():
        for mark in PRESSES[name]:
            points = [at(run["curve"], mark) for kind in PEOPLE for run in people[kind]]
            shares = [at(run["estimates"], mark) for kind in PEOPLE for run in people[kind] if run["estimates"]]
            inside = sum(low <= truth <= high for _, _, low, high, truth in shares)
            lines.append(
                f"| {name} | {mark} | {statistics.mean(point[2] for point in points):.0f} | "
                f"{said([point[3] for point in points])} | {said([share[1] for share in shares])} | "
                f"{said([share[4] for share in shares])} | {inside} of {len(shares)} |"
            )
    return "\n".join(lines)


def page(found: dict[str, dict[str, list[dict[str, Any]]]], speed: dict[str, float], seeds: int) -> str:
    return f"""# Presses until a pile is right

Pool accuracy in %: mean (standard deviation; worst) of {seeds} seeds, which draw the clusters, the model and the wrong
presses. Made by `python benchmarks/labeling.py DATA --out runs/label`, which says how people are simulated. CIFAR-10 is
a set of JPEG copies, of which the pile has {POOL:,}.

{accuracy_table(found)}

## Settled images and the estimate

Means over all people and seeds of the table above. The true share is that of the model's labels that are right, among
images without a label.

{settled_table(found)}

## From an answer to the next question

{IMAGES:,} images, {WIDTH} features, {CLASSES} classes, one thread. Around {LABELS} labels, an answer takes
{1000 * speed["processor"]:.0f} ms of processor time (median; 95th percentile: {1000 * speed["processor 95"]:.0f} ms),
and {1000 * speed["median"]:.0f} ms by the clock (95th percentile: {1000 * speed["95"]:.0f} ms; of all {ANSWERS:,}
answers: {1000 * speed["95 of all"]:.0f} ms), on a core that other work shared. The start takes {speed["start"]:.0f} s.
Memory of the process: {speed["memory after 100"]:.0f} MB after 100 answers, {speed["memory at the end"]:.0f} MB after
{ANSWERS:,}.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", default=",".join(PRESSES))
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    found: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for name in given.only.split(","):
        root, truth = flat_pile(name, given.data, given.out)
        pile: Pile | None = None
        found[name] = {}
        for kind in PEOPLE:
            for seed in range(given.seeds):
                file = given.out / f"{name}-{kind.replace(' ', '-')}-{seed}.json"
                if not file.exists():
                    pile = pile or gather({"data.path": str(root)}, console=Console())
                    labels = [truth[item.name] for item in pile.items]
                    write_json(file, simulate(pile, labels, kind, PRESSES[name], seed))
                found[name].setdefault(kind, []).append(json.loads(file.read_text()))
            print(name, kind, {m: said([at(run["curve"], m)[1] for run in found[name][kind]]) for m in PRESSES[name]})
    speed = given.out / "latency.json"
    if not speed.exists():
        write_json(speed, latency())
    text = page(found, json.loads(speed.read_text()), given.seeds)
    print(text)
    if set(found) == set(PRESSES):
        (RESULTS / "label.md").write_text(text)


if __name__ == "__main__":
    main()
