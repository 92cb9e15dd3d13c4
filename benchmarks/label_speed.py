"""How long an answer takes on a large pile, and whether memory grows with answers."""

from __future__ import annotations

import resource
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from tutelage.curation.labeling.journal import Journal
from tutelage.curation.labeling.session import LabelingSession
from tutelage.curation.pile import Pile
from tutelage.data.images.framing import Framing
from tutelage.data.images.items import Files, Item

IMAGES, WIDTH, CLASSES, LABELS, ANSWERS = 20_000, 256, 10, 200, 1000


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
