"""What is known of images, and their pixels, kept in the user's cache folder for later commands."""

from __future__ import annotations

import contextlib
import hashlib
import math
import time
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

import numpy as np
from filelock import FileLock

from tutelage.core.cache_folder import cache_folder
from tutelage.core.cache_room import make_room, mark_used, may_fit
from tutelage.core.errors import RunError
from tutelage.core.files import atomic_file
from tutelage.data.images.framing import Pixels
from tutelage.data.images.items import DOUBTFUL, Item, Unreadable
from tutelage.data.images.levels import Range
from tutelage.data.images.pixel_file import Shape, read_pixel_file, write_pixel_file
from tutelage.data.images.reading import MAX_PIXELS
from tutelage.data.images.survey import ImageLook, Looks

FOLDER = "images"
VERSION = 1  # of what is kept; raise it when decoding or resizing gives other pixels
_FEW = 256  # images; fewer are read again faster than they are looked up
_BROKEN = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error)


class ImageCache:
    """What images are, and arrays of their pixels, looked up by paths, sizes and times of their files.

    Several processes, also on several machines, may use the folder at the same time. What is damaged counts as missing,
    and where nothing can be written, nothing is kept.

    Args:
        folder: None takes `images` in the cache folder.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or cache_folder() / FOLDER

    def key(self, items: Sequence[Item], levels: Range | None = None, *, most: int = MAX_PIXELS) -> str | None:
        """A name that changes with paths, sizes and times of change of the files of `items`, and with their order.

        Args:
            levels: of images of more than 8 bits: the values that become black and white; some may not be readable
                without them.
            most: pixels that an image may have; larger ones cannot be read.

        Returns:
            None where there are few images, some have no file, or one has changed a moment ago.
        """
        if len(items) < _FEW:
            return None
        first = (VERSION, levels) if most == MAX_PIXELS else (VERSION, levels, most)
        digest, newest = hashlib.blake2b(repr(first).encode(), digest_size=16), 0
        for _, group in groupby(items, key=lambda item: id(item.store)):
            run = list(group)
            for stamp in run[0].store.stamps([item.key for item in run]):
                if stamp is None:
                    return None
                digest.update(repr(stamp).encode())
                newest = max(newest, stamp.modified, stamp.changed)
        return None if time.time_ns() - newest < DOUBTFUL * 1e9 else digest.hexdigest()

    def looks(self, key: str, count: int) -> Looks | None:
        """What `keep_looks` kept of `count` images."""
        file = self.folder / f"{key}.npz"
        try:
            with file.open("rb") as stream, np.load(stream, allow_pickle=False) as found:
                sizes, modes = found["sizes"].tolist(), found["modes"].tolist()
                digests, reasons = found["digests"].tobytes(), found["reasons"].tolist()
        except _BROKEN:
            return None
        if not len(sizes) == len(modes) == len(reasons) == len(digests) // 16 == count:
            return None
        mark_used(file)
        return [
            Unreadable(reasons[row])
            if reasons[row]
            else ImageLook(tuple(sizes[row]), modes[row], digests[16 * row : 16 * row + 16])
            for row in range(count)
        ]

    def keep_looks(self, key: str, looks: Looks) -> None:
        """Keep what images are; those that cannot be read stay so until their files change."""
        known = [look if isinstance(look, ImageLook) else ImageLook((0, 0), "", bytes(16)) for look in looks]
        with contextlib.suppress(OSError, RunError):
            self.folder.mkdir(parents=True, exist_ok=True)
            with atomic_file(self.folder / f"{key}.npz") as stream:
                np.savez(
                    stream,
                    sizes=np.array([look.size for look in known], np.int32).reshape(-1, 2),
                    modes=np.array([look.mode for look in known], str),
                    digests=np.frombuffer(b"".join(look.digest for look in known), np.uint8),
                    reasons=np.array([look.reason if isinstance(look, Unreadable) else "" for look in looks], str),
                )

    def pixels(self, name: str, row: tuple[int, int, int]) -> Pixels | None:
        """The array of that name, with rows of shape `row`, mapped into memory; a damaged one is deleted."""
        file = self.folder / f"{name}.npy"
        found = read_pixel_file(file, row)
        if found is not None:
            mark_used(file)
        return found

    def has(self, name: str) -> bool:
        """Whether there is an array of that name."""
        return (self.folder / f"{name}.npy").is_file()

    def could_hold(self, needed: int) -> bool:
        """Whether `needed` bytes fit after older files are deleted."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            return may_fit(self.folder, needed)
        except OSError:
            return False

    def fill(self, name: str, rows: Iterator[Pixels], shape: Shape) -> Pixels | None:
        """The rows that come, at most `shape[0]`, as a file that is mapped into memory; None if there is no room.

        Raises:
            OSError: the file could not be written to its end; `rows` has been used up.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            room = make_room(self.folder, math.prod(shape))
        except OSError:
            room = False
        return write_pixel_file(self.folder / f"{name}.npy", rows, shape) if room else None

    @contextlib.contextmanager
    def locked(self, key: str) -> Iterator[None]:
        """While one process reads these images, others wait, and then find what it kept."""
        with contextlib.ExitStack() as stack:
            with contextlib.suppress(OSError):
                (self.folder / "locks").mkdir(parents=True, exist_ok=True)
                stack.enter_context(FileLock(self.folder / "locks" / key[:2]))
            yield
