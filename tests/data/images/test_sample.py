from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tutelage.config.data import DataConfig
from tutelage.core.errors import DataError
from tutelage.data.images.dataset import load_images
from tutelage.data.images.inventory import read_image_headers
from tutelage.data.images.sample import ImageSample, sample_images


def folder(root: Path, images: int = 9) -> Path:
    draw = np.random.default_rng(0)
    for number in range(images):
        place = root / ("cat" if number % 2 else "dog") / f"{number}.png"
        place.parent.mkdir(exist_ok=True, parents=True)
        Image.fromarray(draw.integers(0, 256, (12, 12, 3), np.uint8)).save(place)
    return root


def sampled(config: DataConfig, count: int) -> ImageSample:
    found = read_image_headers(dataclasses.replace(config, skip_unreadable=True))
    return sample_images(config, found, count)


def test_the_sample_is_what_a_run_would_see(tmp_path: Path) -> None:
    config = DataConfig(path=str(folder(tmp_path / "photos")))
    sample = sampled(config, 3)
    whole = load_images(config, seed=0).train.images
    assert sample.flip_ok
    assert sample.classes == ["cat", "dog", "dog"]
    assert (sample.pixels == whole[[0, 4, 8]]).all()


def test_size_and_framing_follow_from_all_images_not_only_from_those_that_are_shown(tmp_path: Path) -> None:
    root = folder(tmp_path / "photos")
    for number in range(4):
        Image.new("RGB", (90, 30)).save(root / "cat" / f"wide-{number}.png")
    config = DataConfig(path=str(root))
    sample = sampled(config, 2)
    assert (sample.pixels == load_images(config, seed=0).train.images[[0, -1]]).all()
    assert "padded" in sample.notes[1]


def test_no_more_images_are_read_than_asked_for(tmp_path: Path) -> None:
    root = folder(tmp_path / "photos")
    (root / "dog" / "2.png").write_bytes(b"not an image")
    assert sampled(DataConfig(path=str(root)), 2).pixels.shape == (2, 3, 12, 12)  # the first and the last
    with pytest.raises(DataError, match=r"2\.png"):
        sampled(DataConfig(path=str(root)), 9)


def test_digits_are_not_to_be_mirrored() -> None:
    sample = sampled(DataConfig(path="digits"), 4)
    assert sample.pixels.shape == (4, 1, 8, 8)
    assert not sample.flip_ok


def test_faults_of_the_source_are_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file or folder"):
        sampled(DataConfig(path=str(tmp_path / "nowhere")), 4)
