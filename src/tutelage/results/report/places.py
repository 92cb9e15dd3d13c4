"""Short names of runs and data in a report, instead of where they lie on a disk: a page is there to be shared."""

from __future__ import annotations

import dataclasses
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

from tutelage.core.inputs import real_path
from tutelage.core.names import shown
from tutelage.results.report.blocks import Plot
from tutelage.run.run_record import BASELINE_FOLDER, RunRecord

_PATHS = {  # settings that hold paths
    "data": ("path", "labels", "unlabeled", "val", "test"),
    "scan": ("cache", "crop_masks"),
    "network": ("weights",),
    "train": ("init_from",),
}
_MOST_PARTS = 3  # of a path that is still short
Piece = TypeVar("Piece")


def run_of_baseline(record: RunRecord) -> RunRecord | None:
    """The run that a supervised baseline belongs to; None for other runs."""
    above = real_path(record.path).parent
    is_baseline = real_path(record.path).name == BASELINE_FOLDER and (above / "config.json").exists()
    return RunRecord(above) if is_baseline else None


def run_names(records: Sequence[RunRecord]) -> list[str]:
    """A name for each run: the last folder, a baseline with its run's, and as many folders above as tell them apart."""
    folders = [real_path(record.home) for record in records]
    taken = [2 if run_of_baseline(record) is not None else 1 for record in records]
    for _ in range(max(len(folder.parts) for folder in folders)):
        names = [_last(folder, count) for folder, count in zip(folders, taken, strict=True)]
        of_name: dict[str, set[Path]] = {}
        for name, folder in zip(names, folders, strict=True):
            of_name.setdefault(name, set()).add(folder)
        taken = [count + (len(of_name[name]) > 1) for name, count in zip(names, taken, strict=True)]
    return [_last(folder, count) for folder, count in zip(folders, taken, strict=True)]


def _last(folder: Path, count: int) -> str:
    parts = [part for part in folder.parts if part != folder.anchor]
    return "/".join(parts[-count:])


def data_names(records: Sequence[RunRecord]) -> dict[str, str]:
    """Each absolute path in the settings of some runs, and the path from the folder that they have in common."""
    found = dict.fromkeys(path for record in records for path in _paths(record.settings))
    if not found:
        return {}
    try:
        common = os.path.commonpath([str(Path(path).parent) for path in found])
    except ValueError:  # several drives
        common = ""
    names = {path: os.path.relpath(path, common) if common else Path(path).name for path in found}
    short = {path: name if len(Path(name).parts) <= _MOST_PARTS else Path(name).name for path, name in names.items()}
    twice = {name for name, count in Counter(short.values()).items() if count > 1}
    return {path: names[path] if name in twice else name for path, name in short.items()}


def _paths(settings: Mapping[str, Any]) -> list[str]:
    values = [settings.get(section, {}).get(name) for section, names in _PATHS.items() for name in names]
    return [value for value in values if isinstance(value, str) and Path(value).is_absolute()]


def without_paths(piece: Piece, records: Sequence[RunRecord]) -> Piece:
    """A page, or a part of one, with short names instead of the absolute paths of some runs and of their data."""
    names = data_names(records)
    homes = [run for record in records for run in (run_of_baseline(record), RunRecord(record.home)) if run is not None]
    for run, name in zip(homes, run_names(homes), strict=True) if homes else ():
        for path in (run.path, run.path.absolute(), real_path(run.path)):
            if path.is_absolute():
                names[str(path)] = name
    names |= {shown(path): shown(name) for path, name in names.items()}
    longest_first = sorted(names.items(), key=lambda pair: -len(pair[0]))
    return cast(Piece, _replaced(piece, longest_first))


def _replaced(piece: Any, names: Sequence[tuple[str, str]]) -> Any:
    if isinstance(piece, str):
        for path, name in names:
            piece = piece.replace(path, name)
        return piece
    if isinstance(piece, tuple):
        return tuple(_replaced(part, names) for part in piece)
    if dataclasses.is_dataclass(piece) and not isinstance(piece, type | Plot):
        values = {field.name: _replaced(getattr(piece, field.name), names) for field in dataclasses.fields(piece)}
        return dataclasses.replace(piece, **values)
    return piece
