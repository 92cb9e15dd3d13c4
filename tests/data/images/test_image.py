import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tutelage.core.colors import over_white
from tutelage.data.images.channels import is_gray
from tutelage.data.images.framing import FULL_CROP
from tutelage.data.images.reading import ImageFault, decode_image, quiet_pillow


def encode(image: Image.Image, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def pixels_of(content: bytes) -> NDArray[np.uint8]:
    with quiet_pillow():
        return decode_image(content, at_least=1000)[0]


def ramp() -> NDArray[np.uint8]:
    return np.linspace(0, 255, 48).round().astype(np.uint8).reshape(6, 8)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_photos_are_turned_upright(orientation: int) -> None:
    upright = np.arange(48, dtype=np.uint8).reshape(6, 8) * 5
    undo = {  # how a camera held that way stores the upright picture
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.T,
        6: np.rot90(upright, 1),
        7: upright[::-1, ::-1].T,
        8: np.rot90(upright, -1),
    }
    stored = Image.fromarray(np.ascontiguousarray(undo[orientation]))
    exif = Image.Exif()
    exif[0x0112] = orientation
    for kind in ("PNG", "TIFF"):
        np.testing.assert_array_equal(pixels_of(encode(stored, kind, exif=exif)), upright)


def test_a_damaged_exif_block_does_not_cost_the_image() -> None:
    content = encode(Image.fromarray(ramp()), "PNG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff garbage")
    np.testing.assert_array_equal(pixels_of(content), ramp())


def test_sixteen_bits_are_scaled_not_clipped() -> None:
    deep = (ramp().astype(np.uint16)) * 257
    for kind in ("PNG", "TIFF", "PPM"):
        np.testing.assert_array_equal(pixels_of(encode(Image.fromarray(deep), kind)), ramp())


def test_floating_point_from_0_to_1_is_scaled() -> None:
    content = encode(Image.fromarray(ramp().astype(np.float32) / 255), "TIFF")
    np.testing.assert_array_equal(pixels_of(content), ramp())


def test_floating_point_of_unknown_range_is_refused() -> None:
    for value in (300.0, -1.0, np.nan):
        content = encode(Image.fromarray(np.full((4, 4), value, np.float32)), "TIFF")
        with pytest.raises(ImageFault, match="expected 0 to 1 in mode F"):
            pixels_of(content)


def test_transparency_lies_over_white() -> None:
    color = np.array([[[255, 0, 0, 255], [0, 0, 255, 0], [0, 0, 0, 127]]], np.uint8)
    expected = [[[255, 0, 0], [255, 255, 255], [128, 128, 128]]]
    np.testing.assert_array_equal(over_white(pixels_of(encode(Image.fromarray(color), "PNG"))), expected)
    wide = np.repeat(color, 3, axis=0)
    shown = FULL_CROP.to_square(pixels_of(encode(Image.fromarray(wide), "PNG")), 3, 3)
    np.testing.assert_array_equal(shown[:, 0].T[None], expected)
    np.testing.assert_array_equal(FULL_CROP.to_square(wide, 3, 4), wide.transpose(2, 0, 1))  # a fourth channel
    gray = np.array([[[10, 255], [10, 0]]], np.uint8)
    np.testing.assert_array_equal(pixels_of(encode(Image.fromarray(gray), "PNG")), [[10, 255]])


def test_palettes_are_looked_up_and_their_transparent_color_is_white() -> None:
    image = Image.new("P", (3, 1))
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    image.putdata([0, 1, 2])
    colors = [[[255, 0, 0], [0, 255, 0], [0, 0, 255]]]
    np.testing.assert_array_equal(pixels_of(encode(image, "PNG")), colors)
    colors[0][1] = [255, 255, 255]
    np.testing.assert_array_equal(over_white(pixels_of(encode(image, "PNG", transparency=1))), colors)


def test_one_bit_and_cmyk_become_gray_and_color() -> None:
    bits = Image.fromarray(ramp() > 100)
    np.testing.assert_array_equal(pixels_of(encode(bits, "PNG")), np.where(ramp() > 100, 255, 0))
    cmyk = Image.new("CMYK", (4, 4), (0, 255, 255, 0))
    red, green, blue = pixels_of(encode(cmyk, "JPEG", quality=100))[0, 0].tolist()
    assert red > 240
    assert max(green, blue) < 15


def test_of_an_animation_the_first_frame_is_taken() -> None:
    frames = [Image.new("L", (4, 4), level) for level in (30, 200)]
    content = encode(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert np.unique(pixels_of(content)).tolist() == [30]


def test_the_original_size_and_mode_are_told() -> None:
    content = encode(Image.new("RGB", (640, 480)), "JPEG")
    image, size, mode = decode_image(content, at_least=30)
    assert (size, mode) == ((640, 480), "RGB")
    assert image.shape == (60, 80, 3)  # decoded at 1/8: still twice 30 or more
    assert decode_image(content, at_least=31)[0].shape == (120, 160, 3)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"this is text", "is not a readable image"),
        (encode(Image.fromarray(ramp()), "PNG")[:60], "cannot be decoded"),
        (encode(Image.effect_noise((64, 64), 50), "JPEG")[:600], "cannot be decoded"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n", "is not a readable image"),
    ],
    ids=["zero bytes", "text", "truncated PNG", "truncated JPEG", "PostScript"],
)
def test_what_cannot_be_read_says_why(content: bytes, message: str) -> None:
    with pytest.raises(ImageFault, match=message):
        pixels_of(content)


@pytest.mark.parametrize("side", [10_000, 30_000])
def test_decompression_bombs_are_refused_before_they_unpack(side: int) -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))
    bomb = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1 << 20))) + chunk(b"IEND", b"")
    with pytest.raises(ImageFault, match=r"has (10000 x 10000|900000000) pixels, more than"):
        pixels_of(bomb)


FORMATS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "PNG": ("PNG", "RGB", {}),
    "PNG, palette": ("PNG", "P", {}),
    "PNG, alpha": ("PNG", "RGBA", {}),
    "JPEG": ("JPEG", "RGB", {}),
    "JPEG, CMYK": ("JPEG", "CMYK", {}),
    "GIF": ("GIF", "P", {}),
    "BMP": ("BMP", "RGB", {}),
    "TIFF": ("TIFF", "RGB", {"compression": "tiff_lzw"}),
    "WEBP": ("WEBP", "RGB", {}),
    "PPM": ("PPM", "RGB", {}),
}


@pytest.mark.parametrize("name", FORMATS)
def test_600_damaged_files_of_a_format_load_or_are_one_fault(name: str) -> None:
    kind, mode, options = FORMATS[name]
    noise = np.random.default_rng(0)
    picture = Image.fromarray(noise.integers(0, 256, (32, 32, 3), np.uint8)).resize((48, 48))
    content = encode(picture.convert(mode), kind, **options)
    faults = 0
    for _ in range(600):
        damaged = bytearray(content[: noise.integers(1, len(content) + 1)] if noise.random() < 0.3 else content)
        for position in noise.integers(0, len(damaged), 4):
            damaged[position] = noise.integers(256)
        try:
            assert pixels_of(bytes(damaged)).dtype == np.uint8
        except ImageFault as fault:
            faults += 1
            assert str(fault).isprintable()
    assert 0 < faults <= 600


@pytest.mark.parametrize(("mode", "gray"), [("1", True), ("LA", True), ("I;16", True), ("F", True), ("P", False)])
def test_modes_without_color_are_known(mode: str, gray: bool) -> None:
    assert is_gray(mode) is gray


def test_a_png_whose_pixels_are_damaged_is_refused() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(noise).save(stream, "PNG")
    damaged = bytearray(stream.getvalue())
    damaged[512:1024] = b"\xff" * 512
    with pytest.raises(ImageFault, match="cannot be decoded"):
        decode_image(bytes(damaged), at_least=32)
    assert decode_image(stream.getvalue(), at_least=32)[0].shape == (64, 64, 3)
