"""Which side of an image is up, by the tag of EXIF."""

from __future__ import annotations

from PIL import Image

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


def turned_up(image: Image.Image) -> Image.Image:
    """The image upright, by the tag of EXIF."""
    turn = turn_of(image)
    return image if turn is None else image.transpose(turn)


def turn_of(image: Image.Image) -> Image.Transpose | None:
    """What makes an image upright, if anything is to be done."""
    return _UPRIGHT.get(orientation_of(image))


def orientation_of(image: Image.Image) -> int:
    """Which side is up, by the tag of EXIF; 1 where it says nothing."""
    if image.format == "PNG":  # whose EXIF may follow the pixels: Pillow decodes them to find it, once, errors and all
        image.load()
    try:
        found = int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # a damaged EXIF block says nothing about the pixels
        return 1
    return found if found in range(1, 9) else 1
