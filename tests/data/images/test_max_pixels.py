"""Images of more pixels than are read by default: refused with the setting that reads them, or read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tutelage.config.data import DataConfig
from tutelage.core.errors import ConfigError, DataError
from tutelage.data.images.dataset import load_images
from tutelage.data.images.framing import Framing
from tutelage.data.images.image_cache import ImageCache
from tutelage.data.images.reader import ImageReader
from tutelage.data.images.reading import ImageFault, decode_image, read_header

WIDTH, HEIGHT = 160, 120


def write(path: Path) -> bytes:
    pixels = np.linspace(0, 255, WIDTH * HEIGHT * 3).reshape(HEIGHT, WIDTH, 3).astype(np.uint8)
    Image.fromarray(pixels).save(path)
    return path.read_bytes()


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp"])
def test_an_image_above_the_limit_is_refused_with_the_setting_that_reads_it(suffix: str, tmp_path: Path) -> None:
    content = write(tmp_path / f"a.{suffix}")
    with pytest.raises(ImageFault, match=r"has 160 x 120 pixels, more than 19199 are refused \(to read it: .*19200"):
        decode_image(content, at_least=10, most=19_199)
    assert read_header(content, most=19_199) is None
    pixels, size, _ = decode_image(content, at_least=10, most=19_200)
    assert size == (160, 120) and read_header(content, most=19_200) == ((160, 120), "RGB")
    assert pixels.shape == ((30, 40, 3) if suffix == "jpg" else (120, 160, 3))  # a JPEG shrinks while it is unpacked


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_the_limit_of_pillow_is_raised_with_it(suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = write(tmp_path / f"a.{suffix}")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 5000)  # above twice that, Pillow refuses
    with pytest.raises(ImageFault, match=r"are refused"):
        decode_image(content, at_least=10, most=6000)
    assert decode_image(content, at_least=10, most=19_200)[1] == (160, 120)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    root = tmp_path / "photos"
    for name in ("a/0.png", "a/1.jpg", "b/0.png", "b/1.jpg"):
        (root / name).parent.mkdir(exist_ok=True, parents=True)
        write(root / name)
    return root


def test_the_cache_keeps_no_refusal_for_another_limit(photos: Path, cache: ImageCache) -> None:
    low = ImageReader(cache=cache, most_pixels=10_000)
    for _ in range(2):
        with pytest.raises(DataError, match=r"(?s)b/1\.jpg has 160 x 120 pixels"):
            load_images(DataConfig(path=str(photos), max_pixels=10_000), seed=0, reader=low)
    data = load_images(DataConfig(path=str(photos)), seed=0, reader=ImageReader(cache=cache))
    assert len(data.train) == 4


def test_predictions_have_the_limit_of_the_run() -> None:
    assert Framing.of(DataConfig(path="photos", max_pixels=10_000)).most_pixels == 10_000
    assert Framing.of(DataConfig(path="photos")).most_pixels == 89_478_485
    with pytest.raises(ConfigError, match=r"max_pixels must be in"):
        DataConfig(path="photos", max_pixels=0)
