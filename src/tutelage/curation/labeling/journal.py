"""What was said of which image: each answer is on the disk before it counts, and can be undone, even after a restart.

Two files. `labels.csv` is a label table with one row for each image that has an answer, at any time: `train`,
`compare`, `select` and a spreadsheet read it as it is. The history is in `labels.csv.journal` beside it, one line of
JSON for each transaction, with what was in the table before. A transaction is synced to the journal first and then to
the table; what a killed process left between the two is done at the next start. A table alone would not do: rows about
the same image that contradict each other are a fault in a label table, and rightly so.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from filelock import FileLock, Timeout

from tutelage.core.errors import DataError, RunError
from tutelage.core.files import atomic_file, remove_temporary, sync_folder
from tutelage.core.inputs import user_path
from tutelage.core.names import shown
from tutelage.core.regular import read_regular
from tutelage.curation.labeling.history import CLOSED, UNDO, History, Transaction, as_line, read_history
from tutelage.curation.labeling.label_rows import LabelRows, Said


class Journal:
    """The answers in a label table, locked against other processes while it is open.

    `adopt` comes first, since names in a table are told apart by the files that are there.

    Args:
        path: the table, which need not exist; the history is in a file beside it.

    Raises:
        RunError: another process has it open, or it cannot be written.
        DataError: the table or the history is damaged; both are left as they are.
    """

    def __init__(self, path: Path) -> None:
        self.path = user_path(path).absolute()
        self.history = self.path.with_name(f"{self.path.name}.journal")
        self._said = shown(str(path))  # in messages
        if not self.path.parent.is_dir():
            raise RunError(f"cannot write {self._said}: there is no folder {shown(str(self.path.parent))}")
        if self.path.is_dir():
            raise RunError(f"cannot write {self._said}: it is a folder, expected a CSV file or none")
        self._lock = FileLock(self.path.with_name(f"{self.path.name}.lock"), timeout=0, thread_local=False)
        self._files: dict[Path, IO[bytes]] = {}
        self._lock_it()
        try:
            found = self._read_history()
            self._steps, self._unfinished = found.steps, {} if found.closed else found.last
            self.classes, self._pending = found.classes, b""
            self._rows = LabelRows(self.path)
            self._written = self._identity()
        except BaseException:
            self._lock.release()
            raise

    def close(self) -> None:
        """Close the files and let other processes open them; safe to call twice."""
        if not self._lock.is_locked:
            return
        if self.history in self._files:
            with suppress(RunError):  # on a full disk, the next start looks at the last answer once more
                self._append(self.history, as_line(CLOSED))
        for file in self._files.values():
            file.close()
        self._files.clear()
        self._lock.release()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def said(self) -> Mapping[str, Said]:
        """What is said of each image, by name."""
        return self._rows.said

    @property
    def rejected(self) -> Iterator[tuple[str, str]]:
        """Names of images, each with a class that it is not of."""
        return (pair for step in self._steps for pair in step.rejected)

    def last(self, count: int) -> list[Transaction]:
        """The last transactions that were not undone, newest first."""
        return self._steps[: -count - 1 : -1]

    @property
    def strangers(self) -> list[str]:
        """Paths of the rows that are about no image, once `adopt` was called."""
        return self._rows.strangers

    def adopt(self, names: Sequence[str], root: Path, labels: Mapping[str, str]) -> None:
        """Match the rows of the table to images, and finish what a killed process left undone.

        Args:
            names: of all images, relative to `root`.
            labels: that are known from elsewhere, by name. Those that the table lacks get into it with the next answer.
        """
        self._rows.adopt(names, root)
        if any(self._rows.said.get(name) != said for name, said in self._unfinished.items()):
            self._put(self._unfinished)
        self._unfinished = {}
        self._rows.add({name: label for name, label in labels.items() if name not in self._rows.said})

    def name_classes(self, classes: Sequence[str], *, at_once: bool = False) -> None:
        """Remember the names of the classes in the order of their keys: with the next answer, or `at_once`.

        Raises:
            RunError: a file cannot be written.
        """
        self._pending = as_line({"classes": list(classes)}) if list(classes) != self.classes else b""
        if at_once and self._pending:
            self._append(self.history, self._pending)
            self._pending = b""
        self.classes = list(classes)

    def say(
        self,
        answers: Mapping[str, Said | None],
        rejected: Iterable[tuple[str, str]] = (),
        classes: Sequence[str] | None = None,
    ) -> None:
        """Write answers, by the name of the image, as one transaction: they are on the disk when this returns.

        Args:
            answers: what is said of images now; None is nothing.
            rejected: names of images, each with a class that it is not of; these are in the history only.
            classes: the names of all classes from now on, where one was renamed or removed.

        Raises:
            RunError: the disk is full, or a file cannot be written; then nothing is said.
        """
        before = {name: self._rows.said.get(name) for name in answers}
        change = None if classes is None else (list(self.classes), list(classes))
        step = Transaction(before, dict(answers), tuple(rejected), change)
        self._do(as_line(step.as_json()), step.after, step.before)
        self._steps.append(step)
        self.classes = self.classes if classes is None else list(classes)

    def undo(self) -> Transaction:
        """Take the last transaction back, on the disk, too; that transaction.

        Raises:
            RunError: there is none, or a file cannot be written; then nothing is undone.
        """
        if not self._steps:
            raise RunError("there is no answer to undo")
        step = self._steps[-1]
        self._do(as_line(UNDO), step.before, step.after)
        self.classes = step.classes_without(self.classes)
        return self._steps.pop()

    def _do(self, line: bytes, rows: Mapping[str, Said | None], instead: Mapping[str, Said | None]) -> None:
        """Write a line of the history, then the rows of the table; if that fails, neither."""
        size = self._append(self.history, self._pending + line)
        try:
            self._put(rows)
        except RunError:
            os.ftruncate(self._files[self.history].fileno(), size)
            self._rows.put(instead)
            raise
        self._pending = b""

    def _put(self, rows: Mapping[str, Said | None]) -> None:
        """Bring the table up to date: by lines at its end, or as a whole where another program wrote to it."""
        lines = self._rows.put(rows)
        if lines is not None and self._identity() == self._written:
            if lines:
                self._append(self.path, lines)
        else:
            if (stream := self._files.pop(self.path, None)) is not None:
                stream.close()
            with atomic_file(self.path) as file:
                file.write(self._rows.table())
            self._rows.is_written()
        self._written = self._identity()

    def _identity(self) -> tuple[int, int] | None:
        """What tells that the table is as it was left: its file and size; None if there is none."""
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_size

    def _append(self, file: Path, content: bytes) -> int:
        """Add bytes to the end of a file, all or none, and wait until they are on the disk; its size before."""
        try:
            if file not in self._files:
                new = not file.exists()
                self._files[file] = file.open("ab", buffering=0)
                if new:
                    sync_folder(file.parent)
            handle = self._files[file].fileno()
            size = os.fstat(handle).st_size
            try:
                if os.write(handle, content) != len(content):
                    raise OSError("the disk is full")
                os.fsync(handle)
            except OSError:
                os.ftruncate(handle, size)
                raise
        except OSError as error:
            raise RunError(f"cannot write {shown(str(file))}: {error.strerror or error}") from error
        return size

    def _lock_it(self) -> None:
        try:
            self._lock.acquire()
        except Timeout:
            raise RunError(f"{self._said} is open for labeling in another process: close that one first") from None
        except OSError as error:
            raise RunError(f"cannot write {self._said}: {error.strerror or error}") from error

    def _read_history(self) -> History:
        """The history; cuts off lines that are not complete, of the table only if its last answer is in the history."""
        found = read_history(self.history)
        if found.steps and not self.path.exists() and (found.closed or len(found.steps) > 1):
            raise DataError(
                f"{self._said} is gone, but its history {shown(str(self.history))} is there: put the table back, or "
                "remove the history to start anew"
            )
        _cut(self.history, found.whole)
        if not found.closed and found.last and self.path.exists():
            content = read_regular(self.path)
            _cut(self.path, content.rfind(b"\n") + 1)
        # of a process that was killed; the lock says that none is at work
        remove_temporary(self.path.parent, {self.path.name}.__contains__)
        return found


def _cut(file: Path, size: int) -> None:
    """Cut a file off after `size` bytes if it is longer."""
    if file.exists() and file.stat().st_size > size:
        os.truncate(file, size)
