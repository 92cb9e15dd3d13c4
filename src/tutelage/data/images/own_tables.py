"""Label tables that a folder brings along in the form of another tool, where it has no labels.csv."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tutelage.data.images.metadata import columns_of

_METADATA = ("metadata.csv", "metadata.jsonl")  # of Hugging Face datasets
_FIFTYONE = ("labels.json", "data")
_KAGGLE = "train.csv"
_KAGGLE_FOLDERS = ("train_images", "train", "images", "train_image")


@dataclass(frozen=True)
class OwnTable:
    """A table and the folder that its paths are relative to.

    Attributes:
        beside: folders beside that of the images, which the table says nothing of.
    """

    file: Path
    images: Path
    beside: tuple[str, ...] = ()


def own_table(root: Path) -> OwnTable | None:
    """The table in a folder: metadata.csv, or labels.json beside data/, or train.csv beside a folder of images."""
    for name in _METADATA:
        if (root / name).is_file() and columns_of(root / name) is not None:
            return OwnTable(root / name, root)
    table, data = _FIFTYONE
    if (root / table).is_file() and (root / data).is_dir():
        return OwnTable(root / table, root / data)
    if (root / _KAGGLE).is_file() and columns_of(root / _KAGGLE) is not None:
        folder = next((name for name in _KAGGLE_FOLDERS if (root / name).is_dir()), None)
        if folder is not None and not any(entry.is_dir() for entry in (root / folder).iterdir()):
            return OwnTable(root / _KAGGLE, root / folder, _others(root, folder))
    return None


def _others(root: Path, folder: str) -> tuple[str, ...]:
    return tuple(sorted(e.name for e in root.iterdir() if e.is_dir() and e.name != folder and e.name[0] != "."))
