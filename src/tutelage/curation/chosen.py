"""The table and the page of the images that were chosen for labeling."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tutelage.core.names import counted, shown, to_cell
from tutelage.core.tables import csv_bytes
from tutelage.curation.pile import Pile
from tutelage.curation.selection.choose import Choice
from tutelage.results.report.blocks import Gallery, Page, Section, Text, Thumbnail
from tutelage.results.report.galleries import thumbnail

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("path", "label", "rank", "reason")
_LABELED = "labeled before"
_MOST_SHOWN = 500  # pictures on a page


def label_table(pile: Pile, choice: Choice) -> pd.DataFrame:
    """Columns `path, label, rank, reason`: the chosen images without a label, then all images that have one.

    So it is a complete label table of the pile once it is filled in. Missing labels are None, missing ranks are <NA>.
    """
    import pandas as pd

    rows = _rows(pile, choice)
    kinds: dict[str, Any] = {"path": object, "label": object, "rank": "Int64", "reason": object}
    columns = {name: pd.Series([row[name] for row in rows], dtype=kind) for name, kind in kinds.items()}
    return pd.DataFrame(columns)


def label_csv(pile: Pile, choice: Choice) -> bytes:
    """`label_table` as CSV; paths are escaped for spreadsheets, see `to_cell`."""
    return csv_bytes([row | {"path": to_cell(row["path"])} for row in _rows(pile, choice)], COLUMNS)


def _rows(pile: Pile, choice: Choice) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = [
        {"path": pile.items[pick.row].name, "label": None, "rank": rank, "reason": pick.reason}
        for rank, pick in enumerate(choice.picks, start=1)
    ]
    rows += [
        {"path": pile.items[row].name, "label": pile.items[row].label, "rank": None, "reason": _LABELED}
        for row in np.flatnonzero(pile.labels >= 0).tolist()
    ]
    return rows


def contact_page(pile: Pile, choice: Choice, source: str, *, workers: int) -> Page:
    """A page with a picture of each chosen image, its rank, its name, and why it was chosen.

    Args:
        source: the name of the folder.
        workers: threads that decode images.
    """
    picks = choice.picks[:_MOST_SHOWN]
    pictures = pile.pixels([pick.row for pick in picks], workers=workers)
    made = tuple(
        Thumbnail(thumbnail(image), (f"{rank}. {shown(pile.items[pick.row].name)}", pick.reason))
        for rank, (pick, image) in enumerate(zip(picks, pictures, strict=True), start=1)
    )
    known = int((pile.labels >= 0).sum())
    notes = [Text(f"Chosen on {shown(pile.described)}: {choice.why}.")]
    if choice.near_duplicates:
        notes.append(
            Text(f"{counted(choice.near_duplicates, 'near-duplicate')} of other images: left out.", muted=True)
        )
    if len(picks) < len(choice.picks):
        notes.append(Text(f"The first {len(picks)} are shown; the table has all of them.", muted=True))
    return Page(
        f"{counted(len(choice.picks), 'image')} to label in {shown(source)}",
        f"{counted(len(pile), 'image')}, {known:,} labeled so far",
        (Section("The images, in the order of their rank", (*notes, Gallery("to-label", made))),),
    )
