"""From image files to pixels: every mode and orientation becomes 8 bits a channel."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from tutelage.config.data import MOST_PIXELS, DataConfig
from tutelage.core.names import shown
from tutelage.core.regular import open_regular, refuse_special
from tutelage.core.wording import option
from tutelage.data.images.channels import COLOR_16, is_gray, mode_of
from tutelage.data.images.decoding_memory import decoding_fault
from tutelage.data.images.exif import orientation_of, turn_of, turned_up
from tutelage.data.images.items import HAS_HEIF
from tutelage.data.images.jpeg import decode_jpeg, jpeg_header, may_be_turned
from tutelage.data.images.levels import Range, to_eight_bits
from tutelage.data.images.libtiff import hear_libtiff
from tutelage.data.images.tiff import TiffLook, is_tiff, look_at_tiff, read_tiff, upright

if HAS_HEIF:
    import pillow_heif

Size = tuple[int, int]  # width and height, in pixels
MAX_PIXELS = DataConfig.max_pixels  # per image, unless settings allow more; above it Pillow suspects a bomb
if HAS_HEIF:
    pillow_heif.register_heif_opener()
FORMATS = (
    *(("AVIF",) if find_spec("PIL.AvifImagePlugin") else ()),  # since Pillow 11.3
    *("BMP", "GIF"),
    *(("HEIF",) if HAS_HEIF else ()),
    *("JPEG", "PNG", "PPM", "TIFF", "WEBP"),
)
_DEEP_RGB = "RGB;I"
_HAS_IMAGECODECS = find_spec("imagecodecs") is not None
_HEADER = 1 << 16  # bytes of a file in which the size of a JPEG image mostly lies


class ImageFault(Exception):
    """An image cannot be read. The message completes a sentence that starts with the file name."""


@contextmanager
def quiet_pillow() -> Iterator[None]:
    """Silence Pillow's warnings about unusual files; what cannot be read is reported as a fault.

    Enter it in the main thread, around the threads that decode.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
        warnings.filterwarnings("ignore", module=r"PIL(\.|$)")
        yield


def read_header(content: bytes | Path | NDArray[np.uint8], *, most: int = MAX_PIXELS) -> tuple[Size, str] | None:
    """The original (width, height) and mode of an image, without decoding a pixel; None if even that fails.

    An image with a good header may still be damaged: only `decode_image` tells whether it can be read.

    Args:
        most: pixels, above which an image counts as unreadable.
    """
    if isinstance(content, np.ndarray):
        return (content.shape[1], content.shape[0]), _mode_of_array(content)
    try:
        if isinstance(content, Path):
            with open_regular(content) as file:
                start = file.read(_HEADER)
        else:
            start = content
        known = jpeg_header(start)
        if known is None and is_tiff(start) and (bands := look_at_tiff(_source(content))) is not None:
            known = bands[:2], bands.mode
        if known is not None and known[0][0] * known[0][1] <= most:
            return known
        with _open(_source(content), most) as image:
            return image.size, _mode(image)
    except Exception:  # `decode_image` says what is wrong
        return None


def decode_image(
    content: bytes | NDArray, *, at_least: int, levels: Range | None = None, most: int = MAX_PIXELS
) -> tuple[NDArray[np.uint8], Size, str]:
    """The first frame of an image, upright: (H, W) uint8 if it is gray, else (H, W, C); its original size and mode.

    The size is (width, height) in the file, the mode as in `channels`. C is 3, or 4 with alpha, or the number of
    channels of an array or a TIFF file. Gray images with alpha are laid over white. A JPEG is decoded at the smallest
    scale of 1/8, 1/4, 1/2, 1 that leaves both sides at twice `at_least` pixels or more.

    Args:
        levels: the values of images of more than 8 bits that become 0 and 255. By default 0 and 65,535, or 0 and 1 of
            floating point, which must not have other values. Of colors of 16 bits with alpha Pillow takes the upper 8.
        most: pixels that an image may have.

    Raises:
        ImageFault: the content cannot be decoded, or has more pixels.
    """
    if isinstance(content, np.ndarray):
        size, mode = (content.shape[1], content.shape[0]), _mode_of_array(content)
        return (content if content.dtype == np.uint8 else _scaled(content, mode, levels)), size, mode
    if not content:
        raise ImageFault("is empty (0 bytes)")
    header = jpeg_header(content)
    if header is not None and header[0][0] * header[0][1] <= most and not may_be_turned(content):
        pixels = decode_jpeg(content, at_least=at_least)
        if pixels is not None:
            return pixels, *header
    return _decode_with_pillow(content, at_least, levels, most)


def _decode_with_pillow(
    content: bytes, at_least: int, levels: Range | None = None, most: int = MAX_PIXELS
) -> tuple[NDArray[np.uint8], Size, str]:
    """As `decode_image`, for every format; the reference for faster decoders."""
    if (bands := _bands(content, most)) is not None:
        look, values = bands
        return (values if values.dtype == np.uint8 else _scaled(values, look.mode, levels)), look[:2], look.mode
    with _opened(content, most) as image:
        size, mode, turn = image.size, _mode(image), turn_of(image)
        if image.format == "JPEG":
            pixels = decode_jpeg(content, at_least=at_least)
            if pixels is not None:
                return pixels if turn is None else np.array(Image.fromarray(pixels).transpose(turn)), size, mode
            image.draft(image.mode, (2 * at_least, 2 * at_least))
        values = _values(image, mode, content)
        return (values if values.dtype == np.uint8 else _scaled(values, mode, levels)), size, mode


def read_values(content: bytes | NDArray, *, most: int = MAX_PIXELS) -> NDArray:
    """(H, W) or (H, W, C): the values of an image as they are in the file, for images of more than 8 bits.

    Raises:
        ImageFault: the content cannot be decoded.
    """
    if isinstance(content, np.ndarray):
        return content
    if (bands := _bands(content, most)) is not None:
        return bands[1]
    with _opened(content, most) as image:
        return _values(image, _mode(image), content)


def _values(image: Image.Image, mode: str, content: bytes) -> NDArray:
    """The values of an opened image, upright; colors of 16 bits, which Pillow does not keep, by imagecodecs."""
    if mode == _DEEP_RGB:
        import imagecodecs

        return np.ascontiguousarray(upright(imagecodecs.png_decode(content), orientation_of(image)))
    image.load()
    return np.array(_plain(turned_up(image)))


@contextmanager
def _opened(content: bytes, most: int) -> Iterator[Image.Image]:
    """The image in a file; errors of Pillow, also such as come later, become an ImageFault."""
    said: list[str] = []
    try:
        with hear_libtiff() as said, _open(io.BytesIO(content), most) as image:
            if (fault := decoding_fault(image, len(content))) is not None:
                raise ImageFault(f"has {image.size[0]} x {image.size[1]} pixels and {fault}")
            yield image
    except ImageFault:
        raise
    except UnidentifiedImageError:
        raise ImageFault(f"is not a readable image (known formats: {', '.join(FORMATS)})") from None
    except Image.DecompressionBombError as error:
        raise _too_many(count := number_of_pixels(error), str(count), most) from None
    except Exception as error:  # damaged bytes make Pillow's decoders raise almost anything
        raise ImageFault(f"cannot be decoded: {shown('; '.join([str(error), *said]))}") from error


def _open(file: Path | BinaryIO, most: int) -> Image.Image:
    """The image in a file, unless it has too many pixels. Pillow's own limit is raised for good where it is lower."""
    if Image.MAX_IMAGE_PIXELS is not None and most > 2 * Image.MAX_IMAGE_PIXELS:  # where it raises an error
        Image.MAX_IMAGE_PIXELS = most
    if isinstance(file, Path):
        refuse_special(file)
    image = Image.open(file, formats=FORMATS)
    try:
        _check_size(*image.size, most)
    except ImageFault:
        image.close()
        raise
    return image


def pixels_of(image: Image.Image) -> NDArray:
    """(H, W), (H, W, 3) or with alpha (H, W, 4) of an image in memory, upright; uint8, unless it has more than 8 bits.

    Raises:
        ImageFault: it cannot be decoded, or has no pixels or more than `MAX_PIXELS`.
    """
    _check_size(*image.size)
    if 0 in image.size:
        raise ImageFault(f"has no pixels: its size is {image.width} x {image.height}")
    try:
        return np.array(_plain(turned_up(image)))
    except ImageFault:
        raise
    except Exception as error:  # the file behind it may be damaged, or closed
        raise ImageFault(f"cannot be decoded: {shown(str(error))}") from error


def _mode(image: Image.Image) -> str:
    """The mode of Pillow, `COLOR_16` or `_DEEP_RGB`; to be asked before the image is loaded."""
    if image.mode not in ("RGB", "RGBA") or image.format not in ("PNG", "TIFF"):
        return image.mode
    tiles = getattr(image, "tile", None)  # how the pixels are stored
    if not tiles or ";16" not in str(tiles[0].args):
        return image.mode
    return _DEEP_RGB if image.mode == "RGB" and image.format == "PNG" and _HAS_IMAGECODECS else COLOR_16


def _mode_of_array(content: NDArray) -> str:
    return mode_of(content.shape[2] if content.ndim == 3 else 1, content.dtype)


def _source(content: bytes | Path) -> Path | io.BytesIO:
    return content if isinstance(content, Path) else io.BytesIO(content)


def _bands(content: bytes, most: int) -> tuple[TiffLook, NDArray] | None:
    """The values of a TIFF file that Pillow does not read in full; None of all other files. Raises `ImageFault`."""
    if not is_tiff(content):
        return None
    look = None
    try:
        look = look_at_tiff(io.BytesIO(content))
        if look is None:
            return None
        _check_size(look.width, look.height, most)
        return look, read_tiff(content)
    except ImageFault:
        raise
    except Exception as error:  # damaged bytes make it raise almost anything
        if look is not None and look.mode == _DEEP_RGB and "imagecodecs" in str(error):
            return None  # Pillow can unpack it, and reads the upper 8 bits
        hint = ": pip install 'tutelage[tiff]'" if "imagecodecs" in str(error) else ""
        raise ImageFault(f"cannot be decoded: {shown(str(error))}{hint}") from error


def _scaled(values: NDArray, mode: str, levels: Range | None) -> NDArray[np.uint8]:
    try:
        return to_eight_bits(values, mode, levels)
    except ValueError as error:
        raise ImageFault(str(error)) from None


def _check_size(width: int, height: int, most: int = MAX_PIXELS) -> None:
    if width * height > most:
        raise _too_many(width * height, f"{width} x {height}", most)


def number_of_pixels(error: Image.DecompressionBombError) -> int:
    """The pixels of an image that Pillow refuses, which it says in words alone."""
    found = re.search(r"\((\d+) pixels\)", str(error))
    return int(found[1]) if found else 2 * MAX_PIXELS


def _too_many(count: int, said: str, most: int) -> ImageFault:
    more = f" (to read it: {option('data.max_pixels', count)})" if most < count <= MOST_PIXELS else ""
    return ImageFault(f"has {said} pixels, more than {most} are refused{more}")


def _plain(image: Image.Image) -> Image.Image:
    """In mode L, RGB or RGBA; transparent gray images over white, and those of more than 8 bits as they are."""
    if image.mode.startswith("I") or image.mode == "F":
        return image
    wanted = "L" if is_gray(image.mode) else "RGB"
    if "transparency" in image.info or image.mode in ("LA", "La", "PA", "RGBA", "RGBa"):
        front = image.convert("RGBA")
        if wanted == "RGB":
            return front
        image = Image.alpha_composite(Image.new("RGBA", front.size, "white"), front)
    return image if image.mode == wanted else image.convert(wanted)
