"""From image files to pixels: every mode and orientation becomes 8-bit gray or RGB."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from tutelage.core.names import shown

Size = tuple[int, int]  # width and height, in pixels
MAX_PIXELS = 89_478_485  # per image; above it Pillow suspects a decompression bomb
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
_ARRAY_MODES = {(): "L", (3,): "RGB", (4,): "RGBA"}  # by the axes after height and width
_ORIENTATION = 0x0112  # EXIF tag
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


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


def read_header(content: bytes | Path | NDArray[np.uint8]) -> tuple[Size, str] | None:
    """The original (width, height) and mode of an image, without decoding a pixel; None if even that fails.

    An image with a good header may still be damaged: only `open_image` tells whether it can be read.
    """
    if isinstance(content, np.ndarray):
        return (content.shape[1], content.shape[0]), _ARRAY_MODES[content.shape[2:]]
    try:
        with Image.open(content if isinstance(content, Path) else io.BytesIO(content), formats=FORMATS) as image:
            _check_pixels(image)
            return image.size, image.mode
    except Exception:  # `open_image` says what is wrong
        return None


def open_image(content: bytes | NDArray[np.uint8], *, at_least: int) -> tuple[Image.Image, Size, str]:
    """The first frame of an image, upright, in mode L or RGB; its original (width, height) and mode.

    Transparent images are composited over white. 16-bit gray is scaled by 1/257, floating point by 255. A JPEG is
    decoded at the smallest scale of 1/8, 1/4, 1/2, 1 that leaves both sides at twice `at_least` pixels or more.

    Raises:
        ImageFault: the content cannot be decoded, or would unpack to more than `MAX_PIXELS`.
    """
    if isinstance(content, np.ndarray):
        image = Image.fromarray(content)
        return _to_eight_bits(image), image.size, image.mode
    if not content:
        raise ImageFault("is empty (0 bytes)")
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            _check_pixels(image)
            size, mode = image.size, image.mode
            if image.format == "JPEG":
                image.draft(mode, (2 * at_least, 2 * at_least))
            image.load()
            return _to_eight_bits(_upright(image)), size, mode
    except ImageFault:
        raise
    except UnidentifiedImageError:
        raise ImageFault(f"is not a readable image (known formats: {', '.join(FORMATS)})") from None
    except Image.DecompressionBombError as error:
        raise ImageFault(f"is too large: {error}") from error
    except Exception as error:  # damaged bytes make Pillow's decoders raise almost anything
        raise ImageFault(f"cannot be decoded: {shown(str(error))}") from error


def pixels_of(image: Image.Image) -> NDArray[np.uint8]:
    """(H, W) or (H, W, 3) uint8 of an image in memory, upright and converted as `open_image` does it.

    Raises:
        ImageFault: it cannot be decoded, or has more than `MAX_PIXELS`.
    """
    _check_pixels(image)
    try:
        return np.array(_to_eight_bits(_upright(image)))
    except ImageFault:
        raise
    except Exception as error:  # the file behind it may be damaged, or closed
        raise ImageFault(f"cannot be decoded: {shown(str(error))}") from error


def is_gray(mode: str) -> bool:
    """Whether a Pillow mode has no color."""
    return mode in ("1", "L", "LA", "La", "F") or mode.startswith("I")


def _check_pixels(image: Image.Image) -> None:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise ImageFault(f"has {width} x {height} pixels, more than {MAX_PIXELS} are refused")


def _upright(image: Image.Image) -> Image.Image:
    try:
        turn = _UPRIGHT.get(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # a damaged EXIF block says nothing about the pixels
        return image
    return image if turn is None else image.transpose(turn)


def _to_eight_bits(image: Image.Image) -> Image.Image:
    gray = is_gray(image.mode)
    if image.mode.startswith("I") or image.mode == "F":
        return _scaled(image)
    if "transparency" in image.info or image.mode in ("LA", "La", "PA", "RGBA", "RGBa"):
        front = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", front.size, "white"), front)
    wanted = "L" if gray else "RGB"
    return image if image.mode == wanted else image.convert(wanted)


def _scaled(image: Image.Image) -> Image.Image:
    values = np.asarray(image).astype(np.float64)
    low, high = float(values.min()), float(values.max())
    full = 1.0 if image.mode == "F" else 65535.0
    if not (low >= 0.0 and high <= full):  # also true of NaN
        raise ImageFault(f"holds values from {low:g} to {high:g}: expected 0 to {full:g} in mode {image.mode}")
    return Image.fromarray(np.rint(values * (255.0 / full)).astype(np.uint8))
