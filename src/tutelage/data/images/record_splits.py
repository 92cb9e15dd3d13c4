"""Recognizing files of records and their splits: Parquet files, and folders written by `save_to_disk`."""

from __future__ import annotations

import json
from pathlib import Path

from tutelage.core.names import first_of, shown
from tutelage.core.regular import read_regular
from tutelage.data.images.items import ImageListing
from tutelage.data.images.record_file import ARROW, PARQUET
from tutelage.data.images.records import list_records
from tutelage.data.images.split_names import SPLIT_NAMES, split_files

_STATE, _DICT = "state.json", "dataset_dict.json"  # that `save_to_disk` writes
_DATA = "data"  # the folder of Parquet files in a repository of the hub
_PARQUET_KIND, _SAVED_KIND = "Parquet files", "saved Hugging Face dataset"


def is_record_source(root: Path) -> bool:
    """Whether a path holds records rather than image files. Only names are looked at."""
    if not root.is_dir():
        return root.is_file() and root.suffix.lower() == PARQUET
    return (root / _STATE).is_file() or (root / _DICT).is_file() or bool(_parquet_files(root))


def list_record_splits(root: Path, where: str) -> dict[str, ImageListing]:
    """The splits of such a source; see `is_record_source`."""
    if root.is_file():
        return {"train": list_records(root.parent, [root], where, "Parquet file")}
    if (root / _DICT).is_file():
        return _of_dict(root, where)
    if (root / _STATE).is_file():
        return {"train": _saved(root, root, where)}

    def read(files: list[Path], where: str) -> ImageListing:
        return list_records(root, files, where, _PARQUET_KIND)

    return split_files(root, _parquet_files(root), where, read, _PARQUET_KIND)


def _parquet_files(root: Path) -> list[Path]:
    """Those in a folder, or, as repositories of the hub have it, in its folder data/."""
    for folder in (root, root / _DATA):
        if folder.is_dir() and (found := sorted(one for one in folder.iterdir() if one.suffix.lower() == PARQUET)):
            return found
    return []


def _of_dict(root: Path, where: str) -> dict[str, ImageListing]:
    folders = sorted(entry.name for entry in root.iterdir() if (entry / _STATE).is_file())
    known = {SPLIT_NAMES[name.lower()]: name for name in folders if name.lower() in SPLIT_NAMES}
    listings = {split: _saved(root, root / name, where) for split, name in known.items()}
    if not listings:
        got = first_of(folders) or "nothing"
        fault = f"{shown(where)} has no split {', '.join(SPLIT_NAMES)}: its {_DICT} goes with {got}"
        return {"train": ImageListing(_SAVED_KIND, where, faults=[fault])}
    if others := [name for name in folders if name not in known.values()]:
        first = next(iter(listings.values()))
        first.warnings.append(f"{shown(where)}: splits of other names were skipped: {first_of(others)}")
    return listings


def _saved(root: Path, folder: Path, where: str) -> ImageListing:
    """The images of a folder with a state.json, in the order that it names its files in."""
    try:
        named = [str(entry["filename"]) for entry in json.loads(read_regular(folder / _STATE))["_data_files"]]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        fault = f"{shown(str(folder / _STATE))} does not name the files of a dataset: {shown(str(error))[:300]}"
        return ImageListing(_SAVED_KIND, where, faults=[fault])
    files = [folder / Path(name).name for name in named if name.lower().endswith(ARROW)]
    missing = [file for file in files if not file.is_file()]
    if missing or not files:
        fault = (
            f"{shown(str(missing[0]))} does not exist" if missing else f"{shown(str(folder))} names no {ARROW} files"
        )
        return ImageListing(_SAVED_KIND, where, faults=[fault])
    return list_records(root, files, where, _SAVED_KIND)
