"""The sorted pile for other tools: a table, class folders, Label Studio, CVAT."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Literal, get_args

from tutelage.core.errors import ConfigError, RunError
from tutelage.core.files import refuse_file, strict_json, write_atomically
from tutelage.core.names import file_key, shown, to_cell
from tutelage.core.tables import csv_bytes
from tutelage.core.writable import TEMPORARY
from tutelage.curation.labeling.exchange import to_cvat, to_label_studio
from tutelage.curation.labeling.sorted_pile import SortedPile
from tutelage.data.images.folders import UNLABELED, is_unlabeled
from tutelage.data.images.items import Files

Kind = Literal["csv", "folders", "label-studio", "cvat"]
KINDS: tuple[Kind, ...] = get_args(Kind)
_ENDINGS = {"csv": ".csv", "label-studio": ".json", "cvat": ".xml"}
_SPLITS = ("train", "val", "valid", "validation", "test")  # folders that are no classes


def export(pile: SortedPile, kind: Kind, out: Path, *, links: bool = True) -> int:
    """Write a sorted pile to `out`, which must not exist; the number of images with a label.

    - csv: `path,label,by,confidence`, one row for each image with a label.
    - folders: a folder of images for each class, and `unlabeled/`, with links to the files or with copies.
    - label-studio: tasks of Label Studio for a tag `<Choices name="choice" toName="image">`. Labels of people are
      annotations, those of the model are predictions.
    - cvat: "CVAT for images 1.1", with a tag for each image with a label, of the source manual, or auto for the model.

    Raises:
        ConfigError: the kind is unknown, or the ending of `out` is another.
        RunError: `out` exists or cannot be written, or a name cannot be used in it.
    """
    if kind not in KINDS:
        raise ConfigError(f"expected one of {', '.join(KINDS)}, got '{shown(str(kind))}'")
    if kind == "folders":
        _write_folders(pile, out, links=links)
    else:
        refuse_file(out, overwrite=False, reads=(), endings=(_ENDINGS[kind],))
        write_atomically(out, {"csv": _to_csv, "label-studio": _to_json, "cvat": to_cvat}[kind](pile))
    return int((pile.label >= 0).sum())


def _to_csv(pile: SortedPile) -> bytes:
    rows = [
        {
            "path": to_cell(item.name),
            "label": label,
            "by": "human" if human else "model",
            "confidence": None if confidence is None else f"{confidence:.4f}",
        }
        for item, label, human, confidence in pile.rows()
        if label is not None
    ]
    return csv_bytes(rows, ("path", "label", "by", "confidence"))


def _to_json(pile: SortedPile) -> bytes:
    return (strict_json(to_label_studio(pile), indent=1) + "\n").encode()


def _write_folders(pile: SortedPile, out: Path, *, links: bool) -> None:
    """Class folders, complete or not at all."""
    if out.exists():
        raise RunError(f"{shown(str(out))} exists; name another folder")
    if not out.absolute().parent.is_dir():
        raise RunError(f"cannot write {shown(str(out))}: there is no folder {shown(str(out.absolute().parent))}")
    used = {label for _, label, _, _ in pile.rows() if label is not None}
    classes = [name for name in pile.classes if name in used]  # an empty folder is a class without an image
    for name in classes:
        bad = name in (".", "..") or name.startswith(".") or any(c in name for c in '/\\:*?"<>|')
        if bad or is_unlabeled(name) or name.lower() in _SPLITS:
            raise ConfigError(f"the class '{shown(name)}' cannot be the name of a folder of a class: export a table")
    made = out.with_name(f"{out.name}{TEMPORARY}{os.getpid()}")
    try:
        made.mkdir()
    except OSError as error:
        raise RunError(f"cannot write {shown(str(out))}: {error.strerror or error}") from error
    try:
        for name in (*classes, UNLABELED[0]):
            (made / name).mkdir()
        _fill(pile, made, links=links)
        made.rename(out)
    except OSError as error:
        raise RunError(f"cannot write {shown(str(out))}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _fill(pile: SortedPile, made: Path, *, links: bool) -> None:
    used: set[tuple[str, str]] = set()
    for item, label, _, _ in pile.rows():
        if not isinstance(item.store, Files):
            raise RunError(f"{shown(item.place)} is no file of its own: class folders are for files")
        folder, flat = label or UNLABELED[0], item.name.replace("/", "__")  # folders in class folders are no classes
        path, again = flat, 1
        while (folder, file_key(path)) in used:
            again += 1
            path = f"{Path(flat).stem}-{again}{Path(flat).suffix}"
        used.add((folder, file_key(path)))
        source = Path(item.place).absolute()
        if links:
            (made / folder / path).symlink_to(source)
        else:
            shutil.copy2(source, made / folder / path)
