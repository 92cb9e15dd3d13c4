"""2-D images, read with Pillow: PNG and others. Masks hold class values: gray levels or palette indices."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tutelage.core.files import write_atomically
from tutelage.core.memory import IMAGE_LIMIT, MASK_LIMIT
from tutelage.core.names import counted, enumerated, shown
from tutelage.core.regular import read_regular
from tutelage.data.images.decoding_memory import decoding_fault
from tutelage.data.images.libtiff import hear_libtiff
from tutelage.data.images.reading import MAX_PIXELS, number_of_pixels
from tutelage.data.scans.formats.common import FormatFault
from tutelage.data.scans.geometry import Geometry, plain_geometry


def read(
    path: Path, what: str, channels_last_axis: bool, assumed_spacing: tuple[float, ...]
) -> tuple[NDArray, Geometry]:
    """(C, H, W): one channel of gray levels at their original depth, or three of colors; a mask has class values."""
    content = read_regular(path)
    said: list[str] = []
    try:
        with hear_libtiff() as said, Image.open(io.BytesIO(content)) as image:
            if image.size[0] * image.size[1] > MAX_PIXELS:
                raise FormatFault(f"has {image.size[0]} x {image.size[1]} pixels, more than {MAX_PIXELS} are refused")
            limit = MASK_LIMIT if what == "label" else IMAGE_LIMIT
            if (fault := decoding_fault(image, len(content), limit=limit)) is not None:
                raise FormatFault(f"has {image.size[0]} x {image.size[1]} pixels and {fault}")
            image.load()
            array = _mask(image) if what == "label" else _intensities(image)
    except FormatFault:
        raise
    except Image.DecompressionBombError as error:
        count = number_of_pixels(error)
        raise FormatFault(f"has {count} pixels, more than {MAX_PIXELS} are refused") from None
    except Exception as error:  # damaged bytes make Pillow's decoders raise almost anything
        raise FormatFault(f"is not a readable image: {shown('; '.join([str(error), *said]))}") from None
    return array, plain_geometry(array.shape[1:], assumed_spacing)


def write(path: Path, mask: NDArray[np.uint8]) -> None:
    """Write a mask (H, W) as a gray image of its values."""
    stream = io.BytesIO()
    Image.fromarray(mask).save(stream, "PNG")
    write_atomically(path, stream.getvalue())


def _mask(image: Image.Image) -> NDArray:
    if image.mode == "1":
        return np.asarray(image).astype(np.uint8)[None]
    if image.mode not in ("L", "P", "I") and not image.mode.startswith("I;16"):
        expected = "expected one class value per pixel, gray or palette"
        raise FormatFault(f"is a mask in colors (mode {image.mode}): {expected}{_remedy(image)}")
    return np.asarray(image)[None]


def _remedy(image: Image.Image) -> str:
    """How a mask in colors becomes one of class values."""
    bands = [np.asarray(image.getchannel(number)) for number in range(len(image.getbands()))]
    varied = [number for number, band in enumerate(bands) if band.min() < band.max()]
    if len(varied) == 1:
        (one,) = varied
        name = image.getbands()[one]
        return (
            f"; only its channel {name} varies, so keep it, with Pillow: Image.open(file).getchannel({one}).save(file)"
        )
    if varied and all((bands[number] == bands[varied[0]]).all() for number in varied):
        same = f"its channels {enumerated([image.getbands()[number] for number in varied])} are equal"
        return f"; {same}, so keep one, with Pillow: Image.open(file).getchannel({varied[0]}).save(file)"
    count = len(np.unique(np.stack(bands, axis=-1).reshape(-1, len(bands)), axis=0))
    return f"; it has {counted(count, 'color')}, so save a gray image in which each color is the number of its class"


def _intensities(image: Image.Image) -> NDArray:
    if image.mode in ("L", "I", "F") or image.mode.startswith("I;16"):
        return np.asarray(image)[None]
    if image.mode in ("1", "LA", "La"):
        return np.asarray(image.convert("L"))[None]
    return np.asarray(image.convert("RGB")).transpose(2, 0, 1)
