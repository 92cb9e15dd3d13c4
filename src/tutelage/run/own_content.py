"""Which of the files in a run folder are those that its run wrote: told by their hashes, or by what they hold."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tutelage.core.errors import RunError
from tutelage.core.files import read_json, sha256
from tutelage.core.regular import open_regular, read_regular
from tutelage.core.sealed import SEAL, read_sealed
from tutelage.run.held_out import FILE as HELD_OUT
from tutelage.run.labeled_features import FILE as LABELED
from tutelage.run.pile import FILE as PILE

LABELS = "labels.csv"  # of a run whose labels were given in Python
METRICS, TIMING, SCORED, RESULT, REPORT = "metrics.jsonl", "timing.jsonl", "scored.npz", "result.json", "report.html"
SPLIT, VIEWS, BACKBONE = "split.json", "views.png", "backbone.safetensors"
BEGUN = (SPLIT, LABELS, VIEWS, BACKBONE)  # written before a run can be resumed; config.json has their hashes
SCORES = (METRICS, SCORED)  # result.json has their hashes
HASHES = "files"  # the entry of both
TRACKED = "trackers.json"  # the identifiers of the run in trackers, by their names
STARTED = ".started.json"  # there while the files of a new run are written

_KEYS = {  # one that each has
    SPLIT: b'"held_out"',
    RESULT: b'"evaluated"',
    "verdict.json": b'"outcome"',
    "kept.json": b'"kept"',
    "config.json": b'"settings"',
}
_PARTS = ("test_", "validation_")  # of the names of scored arrays
_PAGE = b"Made by tutelage"
_LOOKED_AT = 1 << 16  # bytes


def refuse_damaged(run: Path, name: str, content: bytes) -> None:
    """Compare a file of a finished run with its hash in result.json, if there is one.

    Raises:
        RunError: it is another one, or result.json is damaged.
    """
    known = read_sealed(run / RESULT).get(HASHES) if os.path.lexists(run / RESULT) else None
    if isinstance(known, dict) and known.get(name, "") not in ("", sha256(content)):
        raise RunError(
            f"{run / name} is damaged, or was changed by hand: its content does not match its hash in {RESULT}; "
            "restore it"
        )


def hashes_of(run: Path, names: tuple[str, ...]) -> dict[str, str]:
    """The SHA-256 of each of these files of a run, by its name, as far as they are there."""
    return {name: sha256(read_regular(file)) for name in names if (file := run / name).is_file()}


def foreign_content(run: Path, names: tuple[str, ...]) -> list[str]:
    """Those of the files `names` in a folder that no run wrote there, sorted."""
    there = [name for name in sorted(names) if (run / name).exists() or (run / name).is_symlink()]
    config = _object(run / "config.json") if there else {}
    return [name for name in there if not _is_own(run, name, config)]


def is_own_page(file: Path) -> bool:
    """Whether a file is a page that tutelage wrote."""
    try:
        return _PAGE in read_regular(file)
    except OSError:
        return False


def _is_own(run: Path, name: str, config: Mapping[str, Any]) -> bool:
    file = run / name
    try:
        if name in BEGUN:
            return _is_of_start(run, name, config)
        return _HELD[name](file) if name in _HELD else file.is_file()
    except OSError:
        return False


def _is_of_start(run: Path, name: str, config: Mapping[str, Any]) -> bool:
    """Whether a run wrote a file before its first step; `config` is its config.json, or empty."""
    file, known = run / name, config.get(HASHES)
    known = known if isinstance(known, dict) else {}
    if not config and (run / STARTED).is_file():
        return name in _object(run / STARTED).get(HASHES, ())
    if name in known:
        return bool(known[name] == sha256(read_regular(file))) or (name == SPLIT and _is_json(name)(file))
    if name == SPLIT:
        return _is_json(name)(file)
    if SPLIT in known or name == BACKBONE:
        return False
    if name == VIEWS:  # runs of earlier versions have no hash of it
        return file.is_file() and (run / "config.json").exists()
    settings = config.get("settings")
    labels = settings.get("data", {}).get("labels") if isinstance(settings, dict) else None
    return isinstance(labels, str) and Path(labels) == file.absolute()


def _object(file: Path) -> dict[str, Any]:
    try:
        found = read_sealed(file) if file.name == STARTED else read_json(file)
    except RunError:
        return {}
    return found if isinstance(found, dict) else {}


def _is_json(name: str) -> Callable[[Path], bool]:
    """Whether a file is the one of that name: by its seal or a key, so that a damaged one is known, too."""

    def check(file: Path) -> bool:
        content = read_regular(file)
        return f'"{SEAL}"'.encode() in content or _KEYS[name] in content

    return check


def _is_log(file: Path) -> bool:
    with open_regular(file) as stream:
        first = stream.read(_LOOKED_AT).partition(b"\n")[0]
    return not first or b'"step"' in first


def _is_tracked(file: Path) -> bool:
    found = set(_object(file))
    return bool(found) and found <= {"mlflow", "wandb"}


def _holds(known: Callable[[str], bool]) -> Callable[[Path], bool]:
    """Whether a file holds arrays whose names are all known."""

    def check(file: Path) -> bool:
        try:
            with open_regular(file) as stream, zipfile.ZipFile(stream) as arrays:
                return all(map(known, arrays.namelist()))
        except (zipfile.BadZipFile, ValueError, NotImplementedError):
            return False

    return check


_HELD: Mapping[str, Callable[[Path], bool]] = {
    **{name: _is_json(name) for name in _KEYS if name != SPLIT},
    METRICS: _is_log,
    TRACKED: _is_tracked,
    TIMING: _is_log,
    SCORED: _holds(lambda name: name.startswith(_PARTS)),
    HELD_OUT: _holds({"log_probs.npy", "label.npy", "how.npy", "fold.npy", "heads.npy"}.__contains__),
    PILE: _holds({"directions.npy", "distances.npy"}.__contains__),
    LABELED: _holds({"names.npy", "directions.npy"}.__contains__),
    REPORT: is_own_page,
}
