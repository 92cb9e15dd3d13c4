"""Which files of a run folder tutelage wrote. Only those are ever deleted: a folder may hold documents of its user."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from tutelage.core.cache_folder import is_cached
from tutelage.core.files import remove_temporary
from tutelage.data.scans.mask_folder import mask_files
from tutelage.run.curves import is_event_file
from tutelage.run.held_out import FILE as HELD_OUT
from tutelage.run.labeled_features import FILE as LABELED
from tutelage.run.own_content import BEGUN, METRICS, REPORT, RESULT, SCORED, STARTED, TIMING, foreign_content
from tutelage.run.pile import FILE as PILE
from tutelage.run.run_files import is_run
from tutelage.run.run_record import BASELINE_FOLDER, KEPT_FILE, TUNED_FOLDER
from tutelage.run.trackers.own import FOLDERS as TRACKED
from tutelage.run.trackers.own import RECORD, remove_tracked
from tutelage.training.checkpoint import checkpoint_files, is_checkpoint_file

CONTENT = (
    *BEGUN,
    *(METRICS, TIMING, RESULT, SCORED, HELD_OUT, PILE, LABELED, "verdict.json", REPORT, KEPT_FILE, RECORD),
    "config.json",  # last, so that a folder that is cleared is a run until nothing else is left
)
CHECKPOINTS, CURVES, CACHE, MASKS = "checkpoints", "tensorboard", "cache", "masks"
FOLDERS = (CHECKPOINTS, CURVES, CACHE, BASELINE_FOLDER, TUNED_FOLDER, MASKS, *TRACKED)


def remove_run(run: Path, *, cached_since: Iterable[str] | None = None) -> None:
    """Delete what tutelage wrote into the run folder `run`, and folders in it that are empty then.

    Args:
        cached_since: also delete prepared scans, except these; they are kept by default.
    """
    for inner in (BASELINE_FOLDER, TUNED_FOLDER):
        if is_run(run / inner):
            remove_run(run / inner, cached_since=())
            (run / inner / ".lock").unlink(missing_ok=True)
    remove_half_written(run)
    curves = [file for file in (run / CURVES).glob("*") if is_event_file(file.name)]
    for file in (*checkpoint_files(run / CHECKPOINTS), *mask_files(run / MASKS), *curves):
        _delete(file)
    remove_tracked(run)
    if cached_since is not None:
        remove_cached(run, cached_since)
    foreign = foreign_content(run, CONTENT)  # while config.json is there, which tells
    for name in CONTENT:
        if name not in foreign:
            _delete(run / name)
    _delete(run / STARTED)
    for name in FOLDERS:
        with suppress(OSError):  # it is missing, or holds something else
            (run / name).rmdir()


def remove_cached(run: Path, before: Iterable[str]) -> None:
    """Delete the prepared scans in the run folder `run`, except those whose names are in `before`."""
    old = set(before)
    for file in (run / CACHE).glob("*"):
        if is_cached(file.name) and file.name not in old:
            _delete(file)
    with suppress(OSError):  # not empty, or missing
        (run / CACHE).rmdir()


def remove_half_written(run: Path) -> None:
    """Delete the temporary files that a process left when it was killed."""
    for folder, own in ((run, CONTENT.__contains__), (run / CHECKPOINTS, is_checkpoint_file), (run / CACHE, is_cached)):
        remove_temporary(folder, own)


def _delete(file: Path) -> None:
    with suppress(OSError):  # gone already, or a folder
        file.unlink()
