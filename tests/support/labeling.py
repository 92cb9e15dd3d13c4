"""Piles that can be labeled without a picture or a network, and a process that answers in a loop.

As a script it is that process: `labeling.py FOLDER COUNT` answers for the images of `planted_pile` until COUNT have an
answer, and prints each answer once it is confirmed.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from support.blobs import blobs
from tutelage.curation.labeling.journal import Journal
from tutelage.curation.labeling.session import LabelingSession
from tutelage.curation.pile import Pile
from tutelage.data.images.framing import Framing
from tutelage.data.images.items import Files, Item

CLASSES = ("ant", "bee", "cat")


def planted_pile(root: Path, sizes: tuple[int, ...] = (60, 50, 40), *, spread: float = 0.15) -> tuple[Pile, list[str]]:
    """A pile with a cluster for each class, and the class of each row."""
    features, own = blobs(sizes, spread=spread)
    store = Files(root)
    names = [f"{number:03d}.png" for number in range(len(own))]
    items = [Item(name, None, store, name) for name in names]
    pile = Pile(items, (), np.full(len(own), -1), features, "planted rows", 32, 3, Framing(), 0.9999)
    return pile, [CLASSES[k] for k in own]


def main() -> None:
    root, count = Path(sys.argv[1]), int(sys.argv[2])
    pile, truth = planted_pile(root)
    session = LabelingSession(pile, Journal(root / "labels.csv"), classes=CLASSES)
    while session.state()["labeled"] < count:
        asked = session.next()
        assert asked is not None
        session.answer(asked["index"], truth[asked["index"]])
        print(asked["name"], truth[asked["index"]], flush=True)
        if asked["index"] % 7 == 0:  # a correction writes the whole table
            session.answer(asked["index"], "ant")
            print(asked["name"], "ant", flush=True)
    session.close()


if __name__ == "__main__":
    main()
