"""A folder of heat maps: pictures of the least certain images, and a table that says which is which."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tutelage.core.errors import RunError
from tutelage.core.files import make_folder, write_atomically
from tutelage.core.inputs import lies_in, paths_in
from tutelage.core.names import counted, shown, to_cell
from tutelage.core.tables import csv_bytes
from tutelage.core.wording import option
from tutelage.core.writable import require_makeable
from tutelage.data.images.framing import Pixels
from tutelage.data.images.items import Item, Unreadable
from tutelage.inference.images.explain.grad_cam import BATCH, GradCam
from tutelage.inference.images.explain.pictures import jpeg, pair, png, thumbnail_of

MOST = 200  # pictures
TABLE = "maps.csv"
_COLUMNS = ("file", "path", "label", "confidence")
_OWN = re.compile(r"\d{3,}-[\w.-]*\.png", re.ASCII)
_KEPT = 24  # maps of which a report can show a thumbnail
_LONGEST = 60  # characters of a name in the name of a picture


@dataclass(frozen=True)
class Explained:
    """An image of which a map is wanted: its row in the table, its class, and the probability of that."""

    row: int
    predicted: int
    confidence: float


@dataclass
class LeastCertain:
    """The images with the lowest confidence, of all that come by.

    Attributes:
        most: how many are kept at most.
        found: they, the least certain first; of equal ones, the first in the table.
        seen: how many came by.
    """

    most: int = MOST
    found: list[Explained] = field(default_factory=list)
    seen: int = 0

    def look(self, start: int, probs: Iterable[NDArray[np.float32] | None]) -> None:
        """Take note of the rows from `start` on, with these probabilities (K,); None where there are none."""
        new = [
            Explained(start + place, int(row.argmax()), float(row.max()))
            for place, row in enumerate(probs)
            if row is not None
        ]
        self.seen += len(new)
        self.found = sorted(self.found + new, key=lambda one: (one.confidence, one.row))[: self.most]


@dataclass(frozen=True)
class HeatMaps:
    """The maps that were made.

    Attributes:
        shown: the first of the images, the least certain first.
        thumbnails: JPEG of each of these, beside its map.
        said: what was written where, in words.
    """

    shown: list[Explained]
    thumbnails: list[bytes]
    said: str


def refuse_maps(folder: Path, *, overwrite: bool, reads: Iterable[Any], others: Iterable[Path] = ()) -> None:
    """Check that pictures may be written into a folder.

    Args:
        overwrite: it may hold earlier pictures, which are replaced.
        reads: what the command reads: pictures in a folder of images would be taken for further images.
        others: files that the command writes.

    Raises:
        RunError: it is a file, holds something else, lies where images are read, or cannot be written.
    """
    if any(folder.absolute() == other.absolute() for other in others):
        raise RunError(f"{shown(str(folder))} is given for a file and for the folder of heat maps: name another")
    if folder.exists() and not folder.is_dir():
        raise RunError(f"{shown(str(folder))} is a file; name a folder for the heat maps")
    for path in paths_in(reads):
        if path.is_dir() and (lies_in(folder, path) or (folder.exists() and folder.samefile(path))):
            raise RunError(
                f"the folder of heat maps {shown(str(folder))} lies in {shown(str(path))}, which is read here: they "
                "would be taken for further images; give a folder elsewhere"
            )
    there = sorted(file.name for file in folder.iterdir()) if folder.exists() else []
    foreign = next((name for name in there if name != TABLE and not _OWN.fullmatch(name)), None)
    if foreign is not None:
        raise RunError(f"{shown(str(folder))} holds {shown(foreign)}, which is no heat map: give a new folder")
    if there and not overwrite:
        raise RunError(f"{shown(str(folder))} holds heat maps; replace them with {option('overwrite', True)}")
    require_makeable(folder, called="folder of heat maps")


def write_maps(
    folder: Path,
    chosen: LeastCertain,
    items: Sequence[Item],
    cam: GradCam,
    read: Callable[[Sequence[Item]], Iterator[Pixels | Unreadable]],
    classes: Sequence[str],
) -> HeatMaps:
    """Write the pictures and the table of the least certain images; earlier ones are removed.

    Args:
        items: all images, in the order of the table of predictions.
        read: (C, S, S) uint8 of items.

    Raises:
        RunError: the folder cannot be written.
    """
    make_folder(folder)
    for file in list(folder.iterdir()):
        if file.name == TABLE or _OWN.fullmatch(file.name):
            file.unlink()
    rows, kept, thumbnails = list[dict[str, str]](), list[Explained](), list[bytes]()
    stream = zip(chosen.found, read([items[one.row] for one in chosen.found]), strict=True)
    while block := list(islice(stream, BATCH)):
        good = [(one, image) for one, image in block if not isinstance(image, Unreadable)]  # they were readable before
        if not good:
            continue
        found = cam.maps(np.stack([image for _, image in good]), np.array([one.predicted for one, _ in good]))
        for (one, image), heat in zip(good, found, strict=True):
            name, label = items[one.row].name, classes[one.predicted]
            file_name = f"{len(rows) + 1:03d}-{_plain(label)}-{_plain(Path(name).name)}.png"
            picture = pair(image, heat)
            write_atomically(folder / file_name, png(picture))
            rows.append(
                {"file": file_name, "path": to_cell(name), "label": label, "confidence": f"{one.confidence:.6g}"}
            )
            if len(kept) < _KEPT:
                kept.append(one)
                thumbnails.append(jpeg(thumbnail_of(picture)))
    write_atomically(folder / TABLE, csv_bytes(rows, list(_COLUMNS), header=True))
    of = f" of the least certain of {chosen.seen:,} images" if chosen.seen > len(chosen.found) else ""
    said = f"{counted(len(rows), 'heat map')}{of}: {shown(str(folder))}"
    return HeatMaps(kept, thumbnails, said)


def _plain(name: str) -> str:
    """A name that every file system takes: letters of ASCII, digits, `_`, `.` and `-`, of limited length."""
    text = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return re.sub(r"[^\w.-]+", "_", text, flags=re.ASCII).strip(".")[-_LONGEST:]
