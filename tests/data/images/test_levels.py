"""Images of more than 8 bits: the range that they use is found, said, stored, and taken again for predictions."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

import tutelage
from tutelage.cli.entry import run
from tutelage.config.data import DataConfig
from tutelage.core.errors import ConfigError
from tutelage.data.images.dataset import load_images
from tutelage.data.images.image_cache import ImageCache
from tutelage.data.images.inventory import take_image_inventory
from tutelage.data.images.levels import used_range
from tutelage.data.images.reader import ImageReader
from tutelage.data.images.reading import ImageFault, decode_image, read_header, read_values
from tutelage.run.run_record import RunRecord

LOW, HIGH, STEP = 500, 1300, 60  # of a camera with 12 bits, and the difference of the two classes


def png16(pixels: np.ndarray) -> bytes:
    """A 16-bit PNG of gray (H, W) or color (H, W, 3) pixels, or color with alpha (H, W, 4)."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    height, width = pixels.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, 16, {(): 0, (3,): 2, (4,): 6}[pixels.shape[2:]], 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.fixture
def camera(tmp_path: Path) -> Path:
    """Two classes of 12-bit images in 16-bit files, one brighter by 60 of 4,096 levels."""
    draw, shape = np.random.default_rng(0), (12, 12)
    for number in range(24):
        pixels = draw.integers(LOW, HIGH - STEP, shape) + STEP * (number % 2)
        pixels[0, 0], pixels[0, 1] = LOW, HIGH
        file = tmp_path / "photos" / ("dark", "light")[number % 2] / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(png16(pixels.astype(np.uint16)))
    return tmp_path / "photos"


def test_the_used_range_becomes_black_to_white(camera: Path, cache: ImageCache) -> None:
    for reader in (ImageReader(), ImageReader(cache=cache), ImageReader(cache=cache)):
        data = load_images(DataConfig(path=str(camera)), seed=0, reader=reader)
        images, labels = data.train.images, data.train.labels
        assert (images.min(), images.max()) == (0, 255) and len(np.unique(images)) > 200
        assert images[labels == 1].mean() - images[labels == 0].mean() == pytest.approx(STEP * 255 / 800, rel=0.2)
        [note] = [note for note in data.notes if "more than 8 bits" in note]
        assert "values from 500 to 1300 are scaled to black to white" in note


def test_a_range_that_is_given_is_taken_and_clips(camera: Path) -> None:
    full = load_images(DataConfig(path=str(camera), intensity_range=(0.0, 65535.0)), seed=0).train.images
    assert len(np.unique(full)) <= 4  # as most programs show such files
    some = load_images(DataConfig(path=str(camera), intensity_range=(600.0, 700.0)), seed=0).train.images
    assert (some == 255).mean() > 0.5 and (some == 0).mean() > 0.02


@pytest.mark.parametrize("given", [(1.0,), (5.0, 5.0), (9.0, 2.0), (1.0, 2.0, 3.0), (0.0, 1.0, 3.0, 2.0)])
def test_ranges_that_mean_nothing_are_refused(given: tuple[float, ...]) -> None:
    with pytest.raises(ConfigError, match=r"data\.intensity_range must be pairs of numbers, the lower one first"):
        DataConfig(path="x", intensity_range=given)


def test_all_values_of_color_of_16_bits_are_read(tmp_path: Path) -> None:
    pixels = np.arange(2 * 3 * 3, dtype=np.uint16).reshape(2, 3, 3) + 300  # which the upper 8 bits do not tell apart
    scaled = np.rint((pixels - 300.0) * 15)
    pytest.importorskip("imagecodecs")
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb")
    for content in (png16(pixels), (tmp_path / "a.tif").read_bytes()):
        assert read_header(content) == ((3, 2), "RGB;I")
        np.testing.assert_array_equal(decode_image(content, at_least=1, levels=(300.0, 317.0))[0], scaled)
        np.testing.assert_array_equal(read_values(content), pixels)
    assert used_range([pixels]) == (300.0, 317.0)  # one for all colors: what is gray stays gray


def test_of_color_of_16_bits_with_alpha_the_upper_8_are_read_which_is_said(tmp_path: Path) -> None:
    pixels = np.arange(2 * 3 * 4, dtype=np.uint16).reshape(2, 3, 4) * 2000 + 300
    content = png16(pixels)
    assert read_header(content) == ((3, 2), "RGB;16")
    np.testing.assert_array_equal(decode_image(content, at_least=1)[0], pixels >> 8)
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / "0.png").write_bytes(content)
    [warning] = [text for text in take_image_inventory(DataConfig(path=str(tmp_path))).warnings if "16 bits" in text]
    assert warning.startswith("2 color images of 16 bits: only the upper 8 bits are read")


def test_values_outside_of_what_a_mode_allows_need_a_range(tmp_path: Path) -> None:
    Image.fromarray(np.array([[-5, 70_000]], np.int32)).save(tmp_path / "a.tif")
    content = (tmp_path / "a.tif").read_bytes()
    with pytest.raises(ImageFault, match="holds values from -5 to 70000: expected 0 to 65535 in mode I"):
        decode_image(content, at_least=1)
    assert decode_image(content, at_least=1, levels=(-5.0, 70_000.0))[0].tolist() == [[0, 255]]


def test_a_few_extreme_pixels_are_ignored() -> None:
    image = np.full((100, 100), 1000, np.uint16)
    image[:50], image[0, 0], image[0, 1] = 2000, 0, 65535
    assert used_range([image]) == (1000.0, 2000.0)
    assert used_range([]) is None
    assert used_range([np.full((4, 4), 7)]) is None


def test_predictions_use_the_range_of_the_training(camera: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    given = ["--method", "supervised", "--network", "small", "--steps", "2", "--no-report", "--preset", "none"]
    assert run(["train", str(camera), "--out", str(out), *given]) == 0
    assert RunRecord(out).cfg.data.intensity_range == (LOW, HIGH)
    model = tutelage.load(out)
    one = camera / "light" / "1.png"
    whole = model.predict(camera)
    [alone] = model.predict(one)
    assert alone.probs is not None
    np.testing.assert_allclose(alone.probs, whole[whole.names.index("light/1.png")].probs, atol=1e-6)
    assert run(["train", "--resume", str(out)]) == 0
