from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tutelage.config.data import DataConfig
from tutelage.data.images.check import check_images
from tutelage.data.images.copies import Copy, exact_copies, similar_copies
from tutelage.data.images.items import Files, Item
from tutelage.data.images.survey import ImageLook, survey_images


def picture(seed: int, size: tuple[int, int] = (96, 64)) -> Image.Image:
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 12, 3), np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


def looked_at(root: Path) -> tuple[list[Item], list[ImageLook]]:
    names = sorted(path.relative_to(root).as_posix() for path in root.rglob("*.*"))
    items = [Item(name, None, Files(root), name) for name in names]
    looks = [look for look in survey_images(items, thumbnails=True) if isinstance(look, ImageLook)]
    return items, looks


def test_each_way_to_copy_a_picture_is_told_from_the_others(tmp_path: Path) -> None:
    image = picture(1)
    image.save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes())
    image.save(tmp_path / "c.bmp")
    image.save(tmp_path / "d.webp", lossless=True)
    image.save(tmp_path / "e.jpg", quality=60)
    image.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(tmp_path / "f.png")
    picture(2).save(tmp_path / "g.png")
    items, looks = looked_at(tmp_path)
    assert exact_copies(looks) == [Copy("exact", 0, 1)]
    found = {(copy.kind, copy.first, copy.second) for copy in similar_copies(items, looks, mirrored=True)}
    assert {("pixels", 0, 2), ("pixels", 0, 3), ("resaved", 0, 4), ("mirrored", 0, 5)} <= found
    assert not [each for each in found if 6 in each[1:] or 1 in each[1:]]
    assert not [copy for copy in similar_copies(items, looks) if copy.kind == "mirrored"]


def test_small_images_are_copies_only_if_all_pixels_are_equal(tmp_path: Path) -> None:
    small = picture(1, (12, 8))
    small.save(tmp_path / "a.png")
    small.save(tmp_path / "b.bmp")
    changed = np.asarray(small).copy()
    changed[0, 0, 0] ^= 1
    Image.fromarray(changed).save(tmp_path / "c.png")
    items, looks = looked_at(tmp_path)
    assert similar_copies(items, looks) == [Copy("pixels", 0, 1)]


def test_a_jpeg_and_its_pixels_in_another_format_are_equal(tmp_path: Path) -> None:
    picture(1, (960, 640)).save(tmp_path / "a.jpg", quality=85)  # large enough to be decoded at a smaller scale
    Image.open(tmp_path / "a.jpg").save(tmp_path / "b.png")
    items, looks = looked_at(tmp_path)
    assert similar_copies(items, looks) == [Copy("pixels", 0, 1)]


def test_the_check_names_test_images_that_were_saved_again_in_the_training_set(tmp_path: Path) -> None:
    for number in range(6):
        for split in ("train", "test"):
            path = tmp_path / split / ("cat" if number % 2 else "dog") / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            picture(number if split == "train" else 100 + number).save(path)
    for number in range(3):
        picture(100 + number).save(tmp_path / "train" / "cat" / f"leak-{number}.jpg", quality=70)
    warnings = check_images(DataConfig(path=str(tmp_path)), similar=True).warnings
    [leak] = [warning for warning in warnings if "saved again" in warning]
    assert leak.startswith("3 copies that were saved again between test and train (first: ")
    assert "leak-0.jpg" in leak
    [mixed] = [warning for warning in warnings if "different labels" in warning]
    assert mixed.startswith("2 of these copies")
    assert not [w for w in check_images(DataConfig(path=str(tmp_path))).warnings if "saved again" in w]


def test_too_many_images_are_not_compared_and_the_check_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("cat/1.png", "cat/2.bmp", "dog/3.png", "dog/4.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        picture(1 if name < "dog" else ord(name[4])).save(tmp_path / name)
    config = DataConfig(path=str(tmp_path))
    assert ["equal pixels" in warning for warning in check_images(config, similar=True).warnings] == [True]
    monkeypatch.setattr("tutelage.data.images.copies.MOST_COMPARED", 3)
    [warning] = check_images(config, similar=True).warnings
    assert warning.startswith("4 images are too many to find copies among them")
