"""Gray patches of eight photos, in folders named after what the photo shows: real photos for a demonstration."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tutelage.core.errors import RunError
from tutelage.core.files import make_folder

PHOTOS = Path(__file__).with_name("sample_photos")
SIZE = 128  # pixels
TRAIN_SHARE = 0.65  # of the width of a photo, from the left
_MARK = "made-by-tutelage.txt"
_OTHERS = {"flower": "flower.jpg", "temple": "china.jpg"}  # that scikit-learn distributes, CC BY 2.0


def write_patches(folder: Path, *, train: int, test: int, seed: int = 0) -> tuple[Path, Path]:
    """Write `train` and `test` patches per subject, and return the two folders.

    Patches are at random places, and gray: their colors would give the subject away. Those for training come from the
    left part of a photo, those for testing from the right one, so that they have no pixel in common. Patches of an
    earlier demo are replaced.

    Raises:
        RunError: the folder holds something else, or cannot be written.
    """
    draw = np.random.default_rng(seed)
    _take(folder)
    for name, photo in _photos().items():
        middle = round(TRAIN_SHARE * photo.shape[1])
        for part, count, area in (("train", train, photo[:, :middle]), ("test", test, photo[:, middle:])):
            target = folder / part / name
            make_folder(target)
            for number in range(count):
                top, left = (int(draw.integers(0, length - SIZE + 1)) for length in area.shape[:2])
                patch = Image.fromarray(area[top : top + SIZE, left : left + SIZE]).convert("L")
                patch.save(target / f"{number:03d}.png")
    return folder / "train", folder / "test"


def _take(folder: Path) -> None:
    """Make the folder, with a file that says whose it is; nothing of a folder without that file is touched."""
    try:
        if folder.exists() and not (folder / _MARK).is_file() and (not folder.is_dir() or any(folder.iterdir())):
            raise RunError(f"{folder} exists and holds no patches of an earlier demo: give another folder (--out)")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / _MARK).write_text("Made by `tutelage demo`, which replaces these patches.\n", encoding="utf-8")
    except OSError as error:
        raise RunError(f"cannot write {folder}: {error.strerror}") from None


def _photos() -> dict[str, NDArray[np.uint8]]:
    from sklearn.datasets import load_sample_image

    own = {file.stem: np.asarray(Image.open(file)) for file in sorted(PHOTOS.glob("*.jpg"))}
    return own | {name: load_sample_image(file) for name, file in _OTHERS.items()}
