"""Which files of a run folder the trackers wrote, that are deleted with the run."""

from __future__ import annotations

import re
import shutil
from contextlib import suppress
from pathlib import Path

from tutelage.run.own_content import TRACKED as RECORD
from tutelage.run.trackers.mlflow_tracker import ARTIFACTS, FILES
from tutelage.run.trackers.mlflow_tracker import FOLDER as MLFLOW
from tutelage.run.trackers.wandb_tracker import FOLDER as WANDB

__all__ = ["FOLDERS", "RECORD", "remove_tracked"]

FOLDERS = (f"{MLFLOW}/{ARTIFACTS}", MLFLOW, WANDB)
_RUN_OF_MLFLOW = re.compile(r"[0-9a-f]{32}")
_OF_WANDB = re.compile(r"(offline-)?run-\d{8}_\d{6}-[a-z0-9]+|latest-run|debug(-internal)?\.log")


def remove_tracked(run: Path) -> None:
    """Delete what the trackers wrote into a run folder, by the names they give; all else is left alone."""
    made = [entry for entry in (run / MLFLOW / ARTIFACTS).glob("*") if _RUN_OF_MLFLOW.fullmatch(entry.name)]
    made += [run / MLFLOW / name for name in FILES]
    made += [entry for entry in (run / WANDB).glob("*") if _OF_WANDB.fullmatch(entry.name)]
    for entry in made:
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            with suppress(OSError):
                entry.unlink()
