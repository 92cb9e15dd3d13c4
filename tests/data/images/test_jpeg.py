"""JPEG files decoded by libjpeg-turbo, against Pillow."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tutelage.data.images import jpeg, reading
from tutelage.data.images.jpeg import decode_jpeg, jpeg_header
from tutelage.data.images.reading import decode_image, quiet_pillow, read_header


def picture(width: int, height: int) -> Image.Image:
    """Blobs of color with a little noise, as a camera sees them."""
    draw = np.random.default_rng(0)
    blobs = Image.fromarray(draw.integers(0, 256, (5, 6, 3), np.uint8)).resize((width, height), Image.BICUBIC)
    noise = draw.integers(-8, 9, (height, width, 3))
    return Image.fromarray(np.clip(np.asarray(blobs).astype(int) + noise, 0, 255).astype(np.uint8))


def encoded(image: Image.Image, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "JPEG", **options)
    return stream.getvalue()


def by_pillow(content: bytes, at_least: int, monkeypatch: pytest.MonkeyPatch) -> NDArray[np.uint8]:
    with monkeypatch.context() as patch, quiet_pillow():
        patch.setattr(reading, "decode_jpeg", lambda content, at_least: None)
        return reading._decode_with_pillow(content, at_least)[0]


KINDS: dict[str, dict[str, Any]] = {
    "4:2:0": {"subsampling": 2},
    "4:2:2": {"subsampling": 1},
    "4:4:4": {"subsampling": 0},
    "progressive": {"progressive": True},
    "quality 20": {"quality": 20},
    "optimized": {"optimize": True},
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("at_least", [1000, 40, 17])
@pytest.mark.parametrize("size", [(300, 201), (64, 64)])
def test_pixels_are_those_of_pillow(
    kind: str, at_least: int, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    content = encoded(picture(*size), **KINDS[kind])
    pixels = decode_jpeg(content, at_least=at_least)
    assert pixels is not None
    np.testing.assert_array_equal(pixels, by_pillow(content, at_least, monkeypatch))
    gray = encoded(picture(*size).convert("L"), **KINDS[kind])
    pixels = decode_jpeg(gray, at_least=at_least)
    assert pixels is not None and pixels.ndim == 2
    np.testing.assert_array_equal(pixels, by_pillow(gray, at_least, monkeypatch))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_photos_are_turned_upright(orientation: int, monkeypatch: pytest.MonkeyPatch) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = encoded(picture(90, 50), exif=exif)
    pixels, size, mode = decode_image(content, at_least=1000)
    assert (size, mode) == ((90, 50), "RGB")
    assert pixels.shape == ((90, 50, 3) if orientation > 4 else (50, 90, 3))
    np.testing.assert_array_equal(pixels, by_pillow(content, 1000, monkeypatch))


def test_other_colors_and_other_files_are_left_to_pillow() -> None:
    for content in (encoded(picture(20, 20).convert("CMYK")), b"no image", b"", b"\xff\xd8\xff"):
        assert jpeg_header(content) is None
        assert decode_jpeg(content, at_least=1) is None


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_files_end_as_they_do_with_pillow_alone(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    content, noise = encoded(picture(48, 48), **KINDS[kind]), np.random.default_rng(1)

    def outcome(damaged: bytes, *, fast: bool) -> NDArray[np.uint8] | str:
        with monkeypatch.context() as patch, quiet_pillow():
            if not fast:
                patch.setattr(reading, "decode_jpeg", lambda content, at_least: None)
                patch.setattr(reading, "jpeg_header", lambda content: None)
            try:
                return decode_image(damaged, at_least=1000)[0]
            except reading.ImageFault as fault:
                return str(fault)

    refused = 0
    for _ in range(300):
        damaged = bytearray(content[: noise.integers(1, len(content) + 1)] if noise.random() < 0.5 else content)
        for position in noise.integers(0, len(damaged), noise.integers(0, 4)):
            damaged[position] = noise.integers(256)
        fast, slow = outcome(bytes(damaged), fast=True), outcome(bytes(damaged), fast=False)
        refused += isinstance(slow, str)
        if isinstance(slow, str) or isinstance(fast, str):
            assert isinstance(slow, str) and isinstance(fast, str)
        else:
            np.testing.assert_array_equal(fast, slow)
    assert 30 < refused < 300


def test_the_header_tells_the_size_whatever_comes_before_it(tmp_path: Any) -> None:
    file = tmp_path / "a.jpg"
    for extra in (b"", b"x" * 60_000):
        file.write_bytes(encoded(picture(40, 30), comment=extra, exif=b"Exif\0\0" + extra, icc_profile=extra * 3))
        assert read_header(file) == read_header(file.read_bytes()) == ((40, 30), "RGB")
    assert jpeg.jpeg_header(file.read_bytes()[: 1 << 16]) is None  # it lies further back: Pillow finds it
