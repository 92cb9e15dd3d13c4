"""A folder as the Hugging Face Hub takes it: a model card, settings, and weights."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from tutelage.core.errors import RunError
from tutelage.core.files import read_json, sync_folder, write_atomically
from tutelage.core.inputs import refuse_inputs_in
from tutelage.core.names import shown
from tutelage.core.regular import read_regular
from tutelage.core.sealed import write_sealed
from tutelage.core.wording import option
from tutelage.core.writable import TEMPORARY, require_writable
from tutelage.run.exported import WEIGHTS
from tutelage.run.own_content import HASHES, hashes_of

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
    write_atomically(folder / CARD, card.encode())
    named = labels if classes else {"library_name": "tutelage"}
    write_sealed(folder / CONFIG, {**config, **named, HASHES: hashes_of(folder, (CARD, WEIGHTS))})


def refuse_folder(out: Path, files: Iterable[str], *, overwrite: bool, reads: Iterable[Any]) -> None:
    """Check that an exported folder may be written at `out`.

    Args:
        files: what it will hold, relative to it.

    Raises:
        RunError: it is a file, a folder with other files, or one that is read; or it exists and `overwrite` is off.
    """
    if not out.absolute().parent.is_dir():
        raise RunError(f"cannot write {out}: there is no folder {out.absolute().parent}")
    require_writable(out)
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
    if held:
        _refuse_foreign(out, held)


def _refuse_foreign(out: Path, held: Iterable[str]) -> None:
    """Raise RunError if the files in a folder are not those that an export wrote there."""
    texts = {name: read_regular(out / name) for name in held if name.endswith(".json")}
    if not any(b"tutelage" in text for text in texts.values()):
        raise RunError(f"{out} was not exported by tutelage, so it is never replaced: name a new folder")
    if CONFIG not in texts:
        return
    config = read_json(out / CONFIG)
    known = config.get(HASHES) if isinstance(config, dict) else None
    now = hashes_of(out, (CARD, WEIGHTS))
    for name, digest in known.items() if isinstance(known, dict) else ():
        if now.get(name, digest) != digest:
            raise RunError(f"{out / name} was changed since it was exported, so it is not replaced: name a new folder")


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
