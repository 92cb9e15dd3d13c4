"""The size and the number of channels that all images of a run are decoded to."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from tutelage.data.images.reading import is_gray
from tutelage.data.images.survey import ImageLook

_LARGEST_DEFAULT = 224  # pixels; larger only on request
_SIZE_STEP = 8


def choose_size(looks: Sequence[ImageLook], asked: int | None) -> tuple[int, str]:
    """The side in pixels that images are decoded to, and a sentence that says why; `asked` takes precedence."""
    if asked is not None:
        return asked, f"images are resized to {asked} x {asked}"
    sizes = {look.size for look in looks}
    short = round(statistics.median(min(look.size) for look in looks))
    if len(sizes) == 1 and short <= _LARGEST_DEFAULT:
        width, height = next(iter(sizes))
        note = "as they are" if width == height else f"the middle of {width} x {height}"
        return short, f"images are {short} x {short}, {note}"
    size = min(_LARGEST_DEFAULT, max(_SIZE_STEP, round(short / _SIZE_STEP) * _SIZE_STEP))
    what = f"the median of their short sides is {short}" if len(sizes) > 1 else f"they have {short}"
    return size, f"images are resized to {size} x {size} ({what}; change it with --image-size)"


def choose_channels(looks: Sequence[ImageLook]) -> int:
    """1 if all images are gray, else 3."""
    return 1 if all(is_gray(look.mode) for look in looks) else 3
