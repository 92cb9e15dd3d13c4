"""Images of 1 to 16 channels: which axis they are, what TIFF files hold, and what a run takes."""

from __future__ import annotations

import io
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from tutelage.config.data import DataConfig
from tutelage.core.colors import as_rgb
from tutelage.core.errors import DataError
from tutelage.data.images import reading
from tutelage.data.images.channels import channel_axis, channels_of, is_deep, mode_of
from tutelage.data.images.framing import FULL_CROP
from tutelage.data.images.levels import to_eight_bits, used_range
from tutelage.data.images.reading import MAX_PIXELS, ImageFault, decode_image, read_header, read_values
from tutelage.data.images.size import choose_channels
from tutelage.data.images.survey import ImageLook
from tutelage.data.images.tiff import upright


def values(*shape: int, kind: Any = np.uint8, most: int = 255) -> NDArray:
    return np.random.default_rng(0).integers(0, most, shape, endpoint=True).astype(kind)


def tiff(pixels: NDArray, **options: Any) -> bytes:
    stream = io.BytesIO()
    tifffile.imwrite(stream, pixels, **options)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("shape", "axis"),
    [
        ((3, 32, 32), 0),
        ((32, 32, 3), 2),
        ((4, 20, 30), 0),
        ((20, 30, 13), 2),
        ((13, 20, 30), 0),
        ((8, 8, 3), 2),
        ((3, 8, 8), 0),
        ((8, 8, 5), 2),
        ((5, 8, 8), 0),
        ((13, 8, 8), 0),
        ((2, 8, 10), 0),
        ((10, 8, 2), 2),
        ((20, 30, 40), None),
    ],
)
def test_the_axis_of_channels_is_told_by_the_shape(shape: tuple[int, ...], axis: int | None) -> None:
    assert channel_axis(shape) == axis


def test_modes_say_channels_and_depth() -> None:
    kinds = {"": np.uint8, ";I": np.uint16, ";F": np.float32}
    for end, kind in kinds.items():
        for channels, name in ((3, "RGB"), (5, "5 channels"), (2, "2 channels")):
            mode = mode_of(channels, np.dtype(kind))
            assert mode == name + end and channels_of(mode) == channels and is_deep(mode) == (end == ";I")
    assert [mode_of(1, np.dtype(kind)) for kind in kinds.values()] == ["L", "I", "F"]


@pytest.mark.parametrize(
    "options",
    [{}, {"compression": "zlib"}, {"byteorder": ">"}, {"bigtiff": True}, {"tile": (16, 16)}, {"predictor": True}],
    ids=str,
)
def test_all_channels_of_a_tiff_are_read(options: dict[str, Any]) -> None:
    pixels = values(20, 24, 5)
    if "predictor" in options:
        options = options | {"compression": "zlib"}
    content = tiff(pixels, photometric="minisblack", planarconfig="contig", **options)
    assert read_header(content) == ((24, 20), "5 channels")
    found, size, mode = decode_image(content, at_least=1)
    assert (size, mode) == ((24, 20), "5 channels")
    np.testing.assert_array_equal(found, pixels)
    planes = tiff(pixels.transpose(2, 0, 1), photometric="minisblack", planarconfig="separate")
    np.testing.assert_array_equal(decode_image(planes, at_least=1)[0], pixels)


@pytest.mark.parametrize("channels", [2, 4, 16])
def test_extra_samples_without_a_meaning_are_channels(channels: int, tmp_path: Path) -> None:
    pixels, extra = values(9, 7, channels), channels - (3 if channels == 4 else 1)
    photometric = "rgb" if channels == 4 else "minisblack"
    content = tiff(pixels, photometric=photometric, planarconfig="contig", extrasamples=(0,) * extra)
    assert read_header(content) == ((7, 9), f"{channels} channels")
    np.testing.assert_array_equal(decode_image(content, at_least=1)[0], pixels)
    (tmp_path / "a.tif").write_bytes(content)
    assert read_header(tmp_path / "a.tif") == ((7, 9), f"{channels} channels")


def test_channels_that_are_pages_are_read_as_imagej_and_ome_write_them() -> None:
    pixels = values(4, 9, 7, kind=np.uint16, most=4000)
    for content in (
        tiff(pixels, imagej=True, metadata={"axes": "CYX"}),
        tiff(pixels, ome=True, metadata={"axes": "CYX"}, photometric="minisblack"),
    ):
        assert read_header(content) == ((7, 9), "4 channels;I")
        np.testing.assert_array_equal(read_values(content), pixels.transpose(1, 2, 0))
    frames = tiff(pixels.astype(np.uint8), imagej=True, metadata={"axes": "TYX"})  # of a film, the first one
    np.testing.assert_array_equal(decode_image(frames, at_least=1)[0], pixels.astype(np.uint8)[0])


def test_alpha_lies_over_white_unless_four_channels_are_asked_for() -> None:
    pixels = values(8, 8, 4)
    content = tiff(pixels, photometric="rgb", extrasamples=(2,))
    found, _, mode = decode_image(content, at_least=1)
    assert mode == "RGBA"
    np.testing.assert_array_equal(FULL_CROP.to_square(found, 8, 4), pixels.transpose(2, 0, 1))
    shares = pixels[..., 3:] / 255.0
    expected = pixels[..., :3] * shares + 255.0 * (1 - shares)
    np.testing.assert_allclose(FULL_CROP.to_square(found, 8, 3), expected.transpose(2, 0, 1), atol=1.0)
    more = tiff(values(8, 8, 5), photometric="rgb", extrasamples=(0, 2))  # alpha beside another channel is left out
    np.testing.assert_array_equal(decode_image(more, at_least=1)[0], values(8, 8, 5)[..., :4])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_they_are_turned_upright_as_pillow_does(orientation: int) -> None:
    pixels = values(6, 9, 3)
    stream = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(pixels).save(stream, "PNG", exif=exif)
    np.testing.assert_array_equal(upright(pixels, orientation), decode_image(stream.getvalue(), at_least=1)[0])
    tags = [(274, "H", 1, orientation, False)]
    several = tiff(values(6, 9, 5), photometric="minisblack", planarconfig="contig", extratags=tags)
    np.testing.assert_array_equal(decode_image(several, at_least=1)[0], upright(values(6, 9, 5), orientation))


def test_a_damaged_or_huge_file_is_a_fault_with_a_reason() -> None:
    content = tiff(values(40, 40, 5), photometric="minisblack", planarconfig="contig", compression="zlib")
    with pytest.raises(ImageFault, match="cannot be decoded"):
        decode_image(content[:-400], at_least=1)
    with pytest.raises(ImageFault, match=r"has 40 x 40 pixels, more than 100 are refused \(to read it: "):
        decode_image(content, at_least=1, most=100)
    for place in range(4, len(content), 7):  # each is read, or is a fault
        with suppress(ImageFault):
            decode_image(content[:place] + b"\xff" + content[place + 1 :], at_least=1, most=MAX_PIXELS)


def test_without_imagecodecs_packed_colors_are_read_by_pillow_and_other_channels_name_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def unknown(content: bytes) -> NDArray:
        raise ValueError("<COMPRESSION.LZW: 5> requires the 'imagecodecs' package")

    monkeypatch.setattr(reading, "read_tiff", unknown)
    pixels = values(6, 7, 3, kind=np.uint16, most=65535)
    np.testing.assert_array_equal(decode_image(tiff(pixels, photometric="rgb"), at_least=1)[0], pixels >> 8)
    several = tiff(values(6, 7, 5), photometric="minisblack", planarconfig="contig")
    with pytest.raises(ImageFault, match=r"requires the 'imagecodecs' package: pip install 'tutelage\[tiff\]'"):
        decode_image(several, at_least=1)


def test_each_channel_has_its_own_range_and_colors_share_one() -> None:
    dark, light = values(30, 30, most=50, kind=np.uint16), values(30, 30, most=9000, kind=np.uint16) + 1000
    pixels = np.stack([dark, light, np.full_like(dark, 7), light], axis=-1)
    levels = used_range([pixels])
    assert levels is not None and len(levels) == 8
    np.testing.assert_allclose(levels, (0, 50, 1000, 10_000, 7, 8, 1000, 10_000), atol=30)
    scaled = to_eight_bits(pixels, "4 channels;I", levels)
    assert np.abs(scaled[..., 0] - dark * (255 / 50)).max() <= 1.0 and not scaled[..., 2].any()
    assert len(used_range([pixels[..., :3]]) or ()) == 2
    with pytest.raises(ValueError, match="has 3 channels: expected 4"):
        to_eight_bits(pixels[..., :3], "RGB;I", levels)


def looks(*modes: str) -> list[ImageLook]:
    return [ImageLook((9, 9), mode, b"") for mode in modes]


@pytest.mark.parametrize(
    ("modes", "asked", "expected"),
    [
        (("L", "I"), None, 1),
        (("L", "RGB"), None, 3),
        (("RGBA", "P"), None, 3),
        (("5 channels", "5 channels;I"), None, 5),
        (("RGB", "L"), 1, 1),
        (("L",), 3, 3),
        (("RGBA", "RGBA"), 4, 4),
        (("RGBA", "4 channels"), 4, 4),
        (("RGBA", "4 channels"), 3, 3),
        ((), None, 1),
    ],
)
def test_a_run_takes_the_channels_that_all_images_have(modes: tuple, asked: int | None, expected: int) -> None:
    assert choose_channels(looks(*modes), DataConfig(path="x", channels=asked)) == expected


@pytest.mark.parametrize(
    ("modes", "asked", "message"),
    [
        (
            ("RGB", "RGB", "5 channels"),
            None,
            "different numbers of channels: 2 images with 3 channels and 1 image with 5 channels",
        ),
        (("RGB", "4 channels"), None, r"\(channels=3 takes the fourth channel for alpha\)"),
        (("5 channels",), 3, "channels=3: other numbers of channels are found: 1 image with 5 channels"),
        (("RGB", "5 channels"), 5, "channels=5: other numbers of channels are found: 1 image with 3 channels"),
        (("RGB", "RGBA"), 4, "1 image with 3 channels"),
    ],
)
def test_other_numbers_of_channels_are_counted(modes: tuple, asked: int | None, message: str) -> None:
    with pytest.raises(DataError, match=message):
        choose_channels(looks(*modes), DataConfig(path="x", channels=asked))


def test_an_image_of_another_number_of_channels_is_a_fault() -> None:
    for has, wanted in ((5, 3), (3, 5), (2, 1), (1, 4)):
        pixels = values(8, 8, has) if has > 1 else values(8, 8)
        with pytest.raises(ImageFault, match=f"has {has} channels?: expected {wanted}"):
            FULL_CROP.to_square(pixels, 8, wanted)


def test_any_image_can_be_looked_at() -> None:
    for channels in (1, 2, 3, 4, 16):
        image = values(channels, 6, 7)
        shown = as_rgb(image)
        assert shown.shape == (6, 7, 3)
        np.testing.assert_array_equal(shown[..., 0], image[0])
        np.testing.assert_array_equal(shown[..., 2], image[2 if channels >= 3 else 0])
