"""A folder as the Hugging Face Hub takes it: a model card, settings, and weights."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from tutelage.core.errors import RunError
from tutelage.core.files import TEMPORARY, sync_folder, write_atomically
from tutelage.core.inputs import refuse_inputs_in
from tutelage.core.names import shown
from tutelage.core.sealed import write_sealed
from tutelage.core.wording import option
from tutelage.run.exported import WEIGHTS

HUB = "hf"
CARD, CONFIG = "README.md", "config.json"
FILES = (CARD, CONFIG, WEIGHTS)


def write_folder(folder: Path, weights: bytes, config: Mapping[str, Any], card: str) -> None:
    """Write the three files into a new folder. The hub reads `library_name`, `id2label` and `label2id`."""
    folder.mkdir()
    classes = config["data"]["classes"]
    labels = {
        "library_name": "tutelage",
        "id2label": {str(number): name for number, name in enumerate(classes)},
        "label2id": {name: number for number, name in enumerate(classes)},
    }
    write_atomically(folder / WEIGHTS, weights)
    write_sealed(folder / CONFIG, {**config, **(labels if classes else {"library_name": "tutelage"})})
    write_atomically(folder / CARD, card.encode())


def refuse_folder(out: Path, files: Iterable[str], *, overwrite: bool, reads: Iterable[Any]) -> None:
    """Check that an exported folder may be written at `out`.

    Args:
        files: what it will hold, relative to it.

    Raises:
        RunError: it is a file, a folder with other files, or one that is read; or it exists and `overwrite` is off.
    """
    if not out.absolute().parent.is_dir():
        raise RunError(f"cannot write {out}: there is no folder {out.absolute().parent}")
    if not out.exists():
        return
    if not out.is_dir():
        raise RunError(f"{out} is a file; name a folder")
    held = {entry.relative_to(out).as_posix() for entry in out.rglob("*") if not entry.is_dir() or entry.is_symlink()}
    strange = sorted(held - set(files))
    if strange:
        raise RunError(f"{out} exists and holds {shown(strange[0])}, which no exported model has; name a new folder")
    refuse_inputs_in(out, reads)
    if not overwrite and any(out.iterdir()):
        raise RunError(f"{out} exists; name another folder, or replace it with {option('overwrite', True)}")


def replace_folder(made: Path, out: Path) -> None:
    """Put a folder at `out`; what was there comes back if that fails."""
    old = out.absolute().with_name(f".{out.name}.old{TEMPORARY}{os.getpid()}")
    try:
        if out.exists():
            out.rename(old)
        try:
            made.rename(out)
        except OSError:
            with suppress(OSError):
                old.rename(out)
            raise
        sync_folder(out.absolute().parent)
    except OSError as error:
        raise RunError(f"cannot write {out}: {error.strerror or error}") from error
    shutil.rmtree(old, ignore_errors=True)
