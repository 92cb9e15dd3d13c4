"""Writing a run folder."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from filelock import FileLock, Timeout

from tutelage.core.errors import RunError
from tutelage.core.files import strict_json, write_atomically
from tutelage.core.inputs import refuse_inputs_in
from tutelage.core.regular import leads_to_itself
from tutelage.core.sealed import write_sealed
from tutelage.core.wording import option
from tutelage.core.writable import TEMPORARY, require_makeable
from tutelage.run.held_out import FILE as HELD_OUT
from tutelage.run.own_content import BEGUN, HASHES, METRICS, SCORES, STARTED, TIMING, foreign_content, hashes_of
from tutelage.run.own_files import (
    CACHE,
    CHECKPOINTS,
    CONTENT,
    FOLDERS,
    remove_cached,
    remove_half_written,
    remove_run,
)
from tutelage.run.run_files import FORMAT, is_run, read_if_there, read_rows
from tutelage.run.run_record import BASELINE_FOLDER, TUNED_FOLDER, RunRecord
from tutelage.training.checkpoint import MANIFEST, GrowingLog, LogMark


class RunFolder:
    """A run folder, locked while it is open for writing. `RunRecord` reads it.

    | entry | what |
    |---|---|
    | config.json | resolved settings, data facts, versions |
    | split.json | which rows are labeled, held out, unlabeled |
    | labels.csv | the labels, if they were given in Python |
    | metrics.jsonl | one line per log step; the same bytes whether or not the run was interrupted |
    | timing.jsonl | images per second, which differ from run to run |
    | checkpoints/ | the two newest, with a manifest of hashes |
    | backbone.safetensors | the pretrained network and the transform of its features, if it stays frozen |
    | held_out.npz | predictions for images whose labels were not learned, which tell how sure the network may be |
    | pile.npz | features of some training images, which tell whether another image is like them |
    | labeled.npz | features of the labeled images, which tell which of them another image looks like |
    | scored.npz | given and predicted classes of the scored images, or the scores of each case |
    | masks/ | for scans, the masks that the evaluated network predicts for the test cases |
    | trackers.json | the identifiers of the runs in MLflow and Weights & Biases, whose folders are beside it |
    | result.json | final metrics, written once |
    | baseline/ | the run of the supervised baseline, if there is one |
    | finetuned/ | the run that fine-tuned the frozen network, if there is one |
    | kept.json | which of the two predicts, and why |
    | verdict.json | whether the unlabeled images helped, compared with the baseline |
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = FileLock(path / ".lock", timeout=0)
        self._log = GrowingLog(path / METRICS)
        self._made: list[Path] = []  # removed again if the run does not start: inner folders first
        self._cached: set[str] | None = None  # names in the cache of the run to be replaced

    @property
    def checkpoints(self) -> Path:
        """The folder of checkpoints."""
        return self.path / CHECKPOINTS

    @classmethod
    def create(cls, path: Path, *, overwrite: bool = False, keeps: Collection[str] = ()) -> RunFolder:
        """A new run folder, locked. An earlier run in it is left alone until `clear`.

        Args:
            keeps: see `refuse_existing`.

        Raises:
            RunError: something is there already, it is in use, or it cannot be created.
        """
        refuse_existing(path, overwrite=overwrite, reads=(), keeps=keeps)
        run = cls(path)
        made = [folder for folder in (path / ".lock", path, *path.absolute().parents) if not folder.exists()]
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(f"cannot create the run folder {path}: {error.strerror}") from None
        run._acquire()
        try:
            # again, since another process may have been faster
            refuse_existing(path, overwrite=overwrite, reads=(), keeps=keeps)
        except RunError:
            run._lock.release()
            raise
        run._made = made
        run._cached = {entry.name for entry in (path / CACHE).glob("*")}
        return run

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """An existing run folder, locked, to resume.

        Raises:
            RunError: it is not a run folder, or it is in use.
        """
        _ = RunRecord(path).config
        run = cls(path)
        run._acquire()
        remove_half_written(path)
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
            self._take_back()  # before releasing the lock, since then another process may start here
        self._lock.release()

    def _take_back(self) -> None:
        if self.path in self._made:
            remove_run(self.path, cached_since=())
        elif self._cached is not None:
            remove_cached(self.path, self._cached)
        for entry in self._made:
            with suppress(OSError):  # e.g. a folder that holds another run by now
                entry.unlink() if entry.name == ".lock" else entry.rmdir()

    def clear(self) -> None:
        """Remove an earlier run, once everything is checked, and begin to write: what is written is its own."""
        remove_run(self.path)
        write_sealed(self.path / STARTED, {HASHES: BEGUN})

    def declare(self, config: Mapping[str, Any]) -> None:
        """Write config.json. It is written last, so a folder that has one also has a checkpoint."""
        write_sealed(self.path / "config.json", {"format": FORMAT, **config, HASHES: hashes_of(self.path, BEGUN)})
        (self.path / STARTED).unlink(missing_ok=True)
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
        """Sync a `.jsonl` file to the disk, if it exists.

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
        """The complete lines of a `.jsonl` file; an incomplete last line is left out."""
        return read_rows(self.path / name)

    def log_mark(self) -> LogMark:
        """Of what metrics.jsonl holds now."""
        return self._log.mark()

    def cut(self, step: int, mark: LogMark) -> None:
        """Remove the log lines after `step`, when the log had that mark, since those steps are done again.

        Raises:
            RunError: the lines before are not those that were written.
        """
        metrics, timing = self.path / METRICS, self.path / TIMING
        content = read_if_there(metrics) or b""
        if LogMark.of(content[: mark.size]) != mark:
            raise RunError(
                f"{metrics} is damaged: its lines up to step {step} are not those that were written. Restore the "
                "file, or start a new run"
            )
        if len(content) > mark.size:
            write_atomically(metrics, content[: mark.size])
        self._log = GrowingLog(metrics)
        if os.path.lexists(timing):  # not synced, and of no effect on the training: what is damaged is dropped
            kept = [row for row in read_rows(timing, damaged=True) if row.get("step", step + 1) <= step]
            write_atomically(timing, "".join(strict_json(row) + "\n" for row in kept).encode())

    def finish(self, result: Mapping[str, Any]) -> None:
        """Write the final metrics, with the hashes of what else came of the run."""
        write_sealed(self.path / "result.json", {**result, HASHES: hashes_of(self.path, SCORES)})


def refuse_existing(path: Path, *, overwrite: bool, reads: Iterable[Any], keeps: Collection[str] = ()) -> None:
    """Check that a new run may be written at `path`.

    Args:
        reads: what the command reads, which must not lie in the folder; see `refuse_inputs_in`.
        keeps: files of the folder that the new run takes over.

    Raises:
        RunError: it is a file, or a run while `overwrite` is off, or a folder that is not a run, or something in it is
            read, or was not written by a run, or is a link in the place of a folder.
    """
    if not os.path.lexists(path):
        require_makeable(path, called="run folder")
        return
    if not path.is_dir():
        kind = "a link that leads to itself" if leads_to_itself(path) else "a file"
        raise RunError(f"the run folder {path} is {kind}; choose a new folder")
    _refuse_links(path)
    entries = {entry.name for entry in path.iterdir()}
    inside = {name for name in entries - {".lock", STARTED} if TEMPORARY not in name}
    strange = sorted(inside - {*CONTENT, *FOLDERS})
    saved = (path / CHECKPOINTS / MANIFEST).is_file()
    foreign = [name for name in foreign_content(path, CONTENT) if name not in keeps]
    begun = (saved or inside <= {*BEGUN, HELD_OUT, CHECKPOINTS, CACHE}) and not foreign
    if not inside or (".lock" in entries and "config.json" not in inside and not strange and begun):
        return  # empty, or a run that was killed before its first step
    if not is_run(path) or strange:
        other = strange or sorted(inside)
        raise RunError(f"{path} exists and is not a run folder (it holds {other[0]!r}); choose a new folder")
    refuse_inputs_in(path, reads)
    if not overwrite:
        raise RunError(
            f"{path} holds a run already; resume it with {option('resume', path)}, or "
            f"replace it with {option('overwrite', True)}"
        )
    require_makeable(path, called="run folder")
    if foreign:
        raise RunError(
            f"{path} holds {foreign[0]!r}, which its run did not write, so the run is not replaced: move that file "
            "away, or choose a new folder"
        )


def _refuse_links(path: Path) -> None:
    """Raise RunError if a folder in a run is a link, through which files elsewhere would be replaced."""
    runs = (path, path / BASELINE_FOLDER, path / TUNED_FOLDER)
    linked = next((run / name for run in runs for name in FOLDERS if (run / name).is_symlink()), None)
    if linked is not None:
        raise RunError(
            f"{linked} is a link, and a new run would write where it leads; remove the link, or choose a new folder"
        )
