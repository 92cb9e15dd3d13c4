"""Files of weights from other code: importing them, and one with code in it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from tutelage import cli


def imported(file: Path, out: Path, *words: str) -> int:
    """The exit code of importing a file as a run."""
    return cli.run(["import-weights", str(file), "--out", str(out), *words])


class MakesFolder:
    """Makes a folder when it is unpickled without care."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (self.mark,)
