"""What a command reads, by its settings and by the run folders it is given, so that nothing is written onto it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tutelage import config
from tutelage.config import RunConfig
from tutelage.config.data import DataConfig
from tutelage.core.errors import RunError
from tutelage.core.inputs import lies_in, paths_in, user_path
from tutelage.data.images.source import find_table
from tutelage.run.exported import weights_file
from tutelage.run.own_content import LABELS
from tutelage.run.own_files import CONTENT, FOLDERS
from tutelage.run.run_record import RunRecord

PATHS = (  # settings that name what is read
    *("data.path", "data.labels", "data.unlabeled", "data.val", "data.test"),
    *("scan.crop_masks", "network.weights", "train.init_from"),
)
_PAGE = "report.html"  # of a run: nothing reads it


def read_by(settings: Mapping[str, Any]) -> list[str | Path]:
    """The files and folders that settings name, by dotted name."""
    found: list[str | Path] = [settings[name] for name in PATHS if isinstance(settings.get(name), str | Path)]
    path, labels = settings.get("data.path"), settings.get("data.labels")
    if path is not None and labels is not None:
        table = find_table(user_path(path), str(labels))  # which may lie in the folder of images
        found += [] if table is None else [table]
    return [one for one in found if str(one) != "digits"]


def read_by_training(cfg: RunConfig, out: Path) -> list[str | Path]:
    """What a training into the run folder `out` reads, but for the label table of that folder, which is kept."""
    own = out.absolute() / LABELS
    return [one for one in read_by(config.flat(cfg.to_dict())) if user_path(one).absolute() != own]


def refuse_among_images(data: DataConfig, out: Path) -> None:
    """Check that a run folder is not among the images that are learned from or scored, since a run holds pictures.

    Raises:
        RunError: it lies in a folder of images, of which it would be a class, or its pictures further images.
    """
    for source in paths_in([data.path, data.unlabeled, data.val, data.test]):
        if source.is_dir() and lies_in(out, source):
            raise RunError(
                f"the run folder {out} lies in {source}, where images are read: it would be taken for a class, and its "
                "pictures for images; choose a folder elsewhere"
            )


def read_of_run(run: Path | None, *, data: bool = False) -> list[str | Path]:
    """What a command reads of a run: all that belongs to it, except its report.

    Args:
        data: also the data that it was trained on.
    """
    if run is None:
        return []
    found: list[str | Path] = [run / name for name in (*CONTENT, *FOLDERS) if name != _PAGE]
    if (weights := weights_file(run)) is not None:
        found.append(weights)
    if data:
        try:
            found += read_by(config.flat(RunRecord(run).settings))
        except RunError:  # no run, which is said where it is read
            return found
    return found
