"""Files of several frames: the first is read, and it is said that there are more; damaged ones are faults."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tifffile import imwrite

from tutelage.data.images.reading import ImageFault, decode_image
from tutelage.data.images.source import list_image_splits, list_images

PICTURES = [Image.fromarray(np.random.default_rng(seed).integers(0, 256, (24, 32, 3), np.uint8)) for seed in range(3)]
LOSSLESS = {"WEBP": {"lossless": True}}


def several(form: str, count: int = 3) -> bytes:
    stream = io.BytesIO()
    first, *others = PICTURES[:count]
    first.save(stream, form, save_all=True, append_images=others, **LOSSLESS.get(form, {}))
    return stream.getvalue()


def listed(folder: Path) -> list[list[str]]:
    splits, given = list_image_splits(str(folder))["train"], list_images(str(folder), role="predict")
    return [[said for said in listing.warnings if "frames" in said] for listing in (splits, given)]


@pytest.mark.parametrize(("form", "suffix"), [("GIF", "gif"), ("WEBP", "webp"), ("TIFF", "tif")])
def test_the_first_frame_is_read_and_it_is_said_that_there_are_more(form: str, suffix: str, tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"one.{suffix}").write_bytes(several(form, 1))
    assert listed(tmp_path) == [[], []]
    (tmp_path / "cat" / f"more.{suffix}").write_bytes(several(form))
    for said in listed(tmp_path):
        assert said == [
            f"{tmp_path}: 1 image with several frames or pages, of which the first is read (first: cat/more.{suffix})"
        ]
    pixels, _, _ = decode_image(several(form), at_least=8)
    apart = [np.abs(pixels[..., :3].astype(int) - np.asarray(picture)).mean() for picture in PICTURES]
    assert apart[0] == min(apart) and apart[0] < 20


def test_pages_that_are_channels_are_no_frames(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        imwrite(tmp_path / name / "a.tif", np.zeros((5, 24, 32), np.uint16), ome=True)
    assert listed(tmp_path) == [[], []]


def test_of_many_files_some_are_looked_at(tmp_path: Path) -> None:
    for number in range(250):
        (tmp_path / f"{number:03}.gif").write_bytes(several("GIF", 2))
    (said,) = listed(tmp_path)[1]
    assert "84 of 84 files that were looked at with several frames" in said


@pytest.mark.parametrize("form", ["WEBP", "AVIF", "HEIF", "GIF", "TIFF", "BMP", "PNG", "JPEG", "PPM"])
def test_an_image_without_bytes_or_with_a_few_is_a_fault(form: str) -> None:
    stream = io.BytesIO()
    try:
        PICTURES[0].save(stream, form)
    except (KeyError, OSError):
        pytest.skip(f"nothing here writes {form}")
    content = stream.getvalue()
    with pytest.raises(ImageFault, match=r"is empty \(0 bytes\)"):
        decode_image(b"", at_least=8)
    for end in (4, 12, 20, 40):
        with pytest.raises(ImageFault, match=r"cannot be decoded|is not a readable image"):
            decode_image(content[:end], at_least=8)
    if form in ("WEBP", "AVIF", "HEIF"):
        with pytest.raises(ImageFault, match=r"cannot be decoded|is not a readable image"):
            decode_image(content[: len(content) // 2], at_least=8)
