"""The run folder: who may write it, and what lies in it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from filelock import FileLock, Timeout

from tutelage.core.errors import RunError
from tutelage.core.files import TEMPORARY, remove_temporary, strict_json, write_atomically, write_json
from tutelage.run.run_record import BASELINE_FOLDER, FORMAT, RunRecord, read_rows

CONTENT = (
    *("config.json", "split.json", "metrics.jsonl", "timing.jsonl", "result.json"),
    *("views.png", "scored.npz", "verdict.json", "report.html"),
)
FOLDERS = ("checkpoints", "tensorboard", "cache", BASELINE_FOLDER, "masks")


class RunFolder:
    """A run on disk, locked while it is open for writing.

    | entry | what |
    |---|---|
    | config.json | resolved settings, data facts, versions |
    | split.json | which rows are labeled, held out, unlabeled |
    | metrics.jsonl | one line a log step; the same bytes whether or not the run was interrupted |
    | timing.jsonl | images per second, which no resume can repeat |
    | checkpoints/ | the two newest, with a manifest of hashes |
    | scored.npz | given and predicted classes of the images that scored, or the scores of each case |
    | masks/ | of scans, what the network that counts makes of the test cases |
    | result.json | final metrics, written once |
    | baseline/ | the run of the supervised baseline, if there is one |
    | verdict.json | whether the unlabeled images helped, compared with the baseline |
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = FileLock(path / ".lock", timeout=0)
        self._made: list[Path] = []  # what is taken back if nothing comes of the run: a folder before those above it
        self._cached: set[Path] | None = None  # what lay in the cache of the run that is replaced, until it is

    @property
    def checkpoints(self) -> Path:
        """Where checkpoints lie."""
        return self.path / "checkpoints"

    @classmethod
    def create(cls, path: Path, *, overwrite: bool = False) -> RunFolder:
        """A new run folder, locked. Nothing of an earlier run is touched before `clear`.

        Raises:
            RunError: something is there already, it is in use, or it cannot be made.
        """
        refuse_existing(path, overwrite=overwrite)
        run = cls(path)
        made = [folder for folder in (path / ".lock", path, *path.absolute().parents) if not folder.exists()]
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(f"cannot make the run folder {path}: {error.strerror}") from None
        run._acquire()
        try:
            refuse_existing(path, overwrite=overwrite)  # again: another process may have been faster
        except RunError:
            run._lock.release()
            raise
        run._made = made
        run._cached = set((path / "cache").glob("*"))
        return run

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """An existing run, locked, to go on with.

        Raises:
            RunError: it is no run folder, or in use.
        """
        _ = RunRecord(path).config
        run = cls(path)
        run._acquire()
        run._remove_temporary()
        return run

    def _acquire(self) -> None:
        try:
            self._lock.acquire()
        except Timeout:
            raise RunError(f"{self.path} is in use by another process") from None
        except OSError as error:
            raise RunError(f"cannot write in the run folder {self.path}: {error.strerror}") from None

    def __enter__(self) -> RunFolder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._take_back()  # before the lock is free, since then another may begin here
        self._lock.release()

    def _take_back(self) -> None:
        if self.path in self._made:
            shutil.rmtree(self.path, ignore_errors=True)
        elif self._cached is not None:
            for entry in set((self.path / "cache").glob("*")) - self._cached:
                entry.unlink(missing_ok=True)
            with suppress(OSError):  # not empty, or not there
                (self.path / "cache").rmdir()
        for entry in self._made:
            with suppress(OSError):  # also of a folder that is not empty, since another run lies in it by now
                entry.unlink() if entry.name == ".lock" else entry.rmdir()

    def clear(self) -> None:
        """Everything was checked: remove an earlier run."""
        for name in CONTENT:
            (self.path / name).unlink(missing_ok=True)
        for name in ("checkpoints", "tensorboard", BASELINE_FOLDER, "masks"):
            shutil.rmtree(self.path / name, ignore_errors=True)
        self._remove_temporary()

    def _remove_temporary(self) -> None:
        for folder in (self.path, self.checkpoints, self.path / "cache"):
            remove_temporary(folder)

    def declare(self, config: Mapping[str, Any]) -> None:
        """Write config.json, the last of what defines a run: a folder that has one has a checkpoint too."""
        write_json(self.path / "config.json", {"format": FORMAT, **config})
        self._made, self._cached = [], None

    def append(self, name: str, row: Mapping[str, Any]) -> None:
        """Add a line to a `.jsonl` file.

        Raises:
            RunError: the disk is full or the file not writable.
        """
        path = self.path / name
        try:
            with path.open("a", encoding="utf-8") as stream:
                stream.write(strict_json(row) + "\n")
        except OSError as error:
            raise RunError(f"cannot write {path}: {error.strerror}") from None

    def sync(self, name: str) -> None:
        """Bring a `.jsonl` file, if it is there, to the disk.

        Raises:
            RunError: the disk is full.
        """
        path = self.path / name
        if not path.exists():
            return
        try:
            with path.open("rb") as stream:
                os.fsync(stream.fileno())
        except OSError as error:
            raise RunError(f"cannot write {path}: {error.strerror}") from None

    def rows(self, name: str) -> list[dict[str, Any]]:
        """The whole lines of a `.jsonl` file; a torn last line is left out."""
        return read_rows(self.path / name)

    def cut(self, step: int) -> None:
        """Forget the log lines after `step`: what they tell is done again."""
        for name in ("metrics.jsonl", "timing.jsonl"):
            kept = [row for row in self.rows(name) if row["step"] <= step]
            if (self.path / name).exists():
                write_atomically(self.path / name, "".join(strict_json(row) + "\n" for row in kept).encode())

    def finish(self, result: Mapping[str, Any]) -> None:
        """Write the final metrics."""
        write_json(self.path / "result.json", result)


def refuse_existing(path: Path, *, overwrite: bool) -> None:
    """Check that a new run may be written at `path`.

    Raises:
        RunError: it is a file; or a run is there and `overwrite` is off; or a folder that is no run, which is never
            overwritten.
    """
    if not path.exists():
        parent = next(p for p in path.absolute().parents if p.exists())
        if not parent.is_dir():
            raise RunError(f"cannot make the run folder {path}: {parent} is not a folder")
        return
    if not path.is_dir():
        raise RunError(f"the run folder {path} is a file; name a new folder")
    entries = {entry.name for entry in path.iterdir()}
    inside = {name for name in entries - {".lock"} if TEMPORARY not in name}
    strange = sorted(inside - {*CONTENT, *FOLDERS})
    if not inside or (".lock" in entries and "config.json" not in inside and not strange):
        return  # empty, or a run that was killed before its first step
    if "config.json" not in inside or strange:
        other = strange or sorted(inside)
        raise RunError(f"{path} exists and is not a run folder (it holds {other[0]!r}); name a new folder")
    if not overwrite:
        raise RunError(f"{path} holds a run already; go on with --resume {path}, or replace it with --overwrite")
