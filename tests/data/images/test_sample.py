from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tutelage.config.settings import DataConfig
from tutelage.core.errors import DataError
from tutelage.data.images.dataset import load_images
from tutelage.data.images.sample import sample_images


def folder(root: Path, images: int = 9) -> Path:
    draw = np.random.default_rng(0)
    for number in range(images):
        place = root / ("cat" if number % 2 else "dog") / f"{number}.png"
        place.parent.mkdir(exist_ok=True, parents=True)
        Image.fromarray(draw.integers(0, 256, (12, 12, 3), np.uint8)).save(place)
    return root


def test_the_sample_is_what_a_run_would_see(tmp_path: Path) -> None:
    config = DataConfig(path=str(folder(tmp_path / "photos")))
    pixels, flip_ok = sample_images(config, 3)
    whole = load_images(config, seed=0).train.images
    assert flip_ok
    assert (pixels == whole[[0, 4, 8]]).all()


def test_no_more_images_are_read_than_asked_for(tmp_path: Path) -> None:
    root = folder(tmp_path / "photos")
    (root / "dog" / "2.png").write_bytes(b"not an image")
    pixels, _ = sample_images(DataConfig(path=str(root)), 2)  # the first and the last
    assert pixels.shape == (2, 3, 12, 12)
    with pytest.raises(DataError, match=r"2\.png"):
        sample_images(DataConfig(path=str(root)), 9)


def test_digits_are_not_to_be_mirrored() -> None:
    pixels, flip_ok = sample_images(DataConfig(path="digits"), 4)
    assert pixels.shape == (4, 1, 8, 8)
    assert not flip_ok


def test_faults_of_the_source_are_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file or folder"):
        sample_images(DataConfig(path=str(tmp_path / "nowhere")), 4)
