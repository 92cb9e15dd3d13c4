"""A process that answers in a loop, without a model: `answering.py FOLDER COUNT` prints what is confirmed.

It imports the journal only, so that it is at work in a moment.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tutelage.curation.labeling.journal import Journal
from tutelage.curation.labeling.label_rows import Said


def main() -> None:
    root, count = Path(sys.argv[1]), int(sys.argv[2])
    names = [f"{number:03d}.png" for number in range(5000)]
    with Journal(root / "labels.csv") as journal:
        journal.adopt(names, root, {})
        for row, name in enumerate(names):
            if name in journal.said or len(journal.said) >= count:
                continue
            for label in ("bee", "ant") if row % 7 == 0 else ("bee",):  # a correction writes the whole table
                journal.say({name: Said(label)})
                print(name, label, flush=True)


if __name__ == "__main__":
    main()
