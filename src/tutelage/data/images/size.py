"""The size, the number of channels and the framing that all images of a run are decoded with."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence

from tutelage.config.data import DataConfig
from tutelage.core.errors import DataError
from tutelage.core.names import counted
from tutelage.core.wording import option
from tutelage.data.images.channels import COLOR_16, channels_of, is_deep
from tutelage.data.images.framing import Framing, Mode
from tutelage.data.images.levels import Range
from tutelage.data.images.survey import ImageLook

_COLORS = (1, 3)
_WITH_ALPHA = ("RGBA", "RGBa", COLOR_16)
_LARGEST_DEFAULT = 224  # pixels; larger only on request
_SIZE_STEP = 8
_WIDE = 0.4  # share of the area; a crop takes a third of a photo of 3:2, and 44% of one of 16:9
_QUANTILE = 0.75  # of that share over the images
_MUCH = 0.34  # share of the area, above which it is said: a little more than a third, which 3:2 loses


def choose_size(looks: Sequence[ImageLook], asked: int | None, mode: Mode = "crop") -> tuple[int, str]:
    """The side in pixels that images are decoded to, and a sentence that says why; `asked` takes precedence."""
    if asked is not None:
        return asked, f"images are resized to {asked} x {asked}"
    sizes = {look.size for look in looks}
    which, side_of = ("long", max) if mode == "pad" else ("short", min)
    side = round(statistics.median(side_of(look.size) for look in looks))
    if len(sizes) == 1 and side <= _LARGEST_DEFAULT:
        width, height = next(iter(sizes))
        notes = {"crop": "the middle of", "pad": "padded from", "squash": "stretched from"}
        return side, f"images are {side} x {side}, " + (
            "as they are" if width == height else f"{notes[mode]} {width} x {height}"
        )
    size = min(_LARGEST_DEFAULT, max(_SIZE_STEP, round(side / _SIZE_STEP) * _SIZE_STEP))
    what = f"the median of their {which} sides is {side}" if len(sizes) > 1 else f"they have {side}"
    return size, f"images are resized to {size} x {size} ({what}; change it with {option('image_size')})"


def choose_channels(looks: Sequence[ImageLook], config: DataConfig) -> int:
    """The number that settings name; or 1 if all images are gray, 3 if some have colors, or as many as all have.

    Raises:
        DataError: images have other numbers of channels than that, or several.
    """
    asked = config.channels
    alpha = _WITH_ALPHA if asked == 4 else ()
    found = Counter(4 if look.mode in alpha else channels_of(look.mode) for look in looks)
    if asked is None:
        several = [number for number in found if number not in _COLORS]
        if several and len(found) > 1:
            raise DataError(f"images have different numbers of channels: {_listed(found)}{_hint_of_alpha(found)}")
        return several[0] if several else max(found, default=1)
    fits = {*_COLORS, 4} if asked in _COLORS else {asked}
    if others := {number: count for number, count in found.items() if number not in fits}:
        raise DataError(f"{option('channels', asked)}: other numbers of channels are found: {_listed(others)}")
    return asked


def _listed(found: Mapping[int, int]) -> str:
    return " and ".join(
        f"{counted(count, 'image')} with {counted(number, 'channel')}" for number, count in sorted(found.items())
    )


def _hint_of_alpha(found: Mapping[int, int]) -> str:
    """What makes images of four channels go with the others, if these are gray or color."""
    return f" ({option('channels', 3)} takes the fourth channel for alpha)" if set(found) <= {1, 3, 4} else ""


def choose_framing(looks: Sequence[ImageLook], config: DataConfig) -> Framing:
    """The framing that settings name, with the mode of `choose_mode` where they leave it open."""
    return Framing.of(config, choose_mode(looks))


def choose_mode(looks: Sequence[ImageLook]) -> Mode:
    """Pad if a quarter of the images or more would lose more than two fifths of their area to a crop, else crop.

    The middle of a photo of 3:1 may show nothing of what it is a photo of.
    """
    return "pad" if _high(_cut_shares(looks)) > _WIDE else "crop"


def framing_note(looks: Sequence[ImageLook], framing: Framing) -> str | None:
    """A sentence on what is left out of images, or what becomes of them instead; None if they stay as they are."""
    cuts = _cut_shares(looks)
    if framing.mode != "crop":
        done = "padded to squares with their mean color" if framing.mode == "pad" else "stretched to squares"
        much = _said(cuts, "at least", "a quarter of the images")
        square = f"images are {done}: a centered square would leave out {much} ({option('resize', 'crop')} uses it)"
        return square if any(cuts) else None
    what = "the centered square"
    if framing.crop_share < 1.0:
        what += f" whose side is {framing.crop_share:g} of the shorter side (data.crop_share)"
    much_cut = sum(cut > _MUCH for cut in cuts)
    if much_cut:
        whole = f"{option('resize', 'pad')} keeps whole images"
        lost = f", and {much_cut} of {len(cuts)} lose more than a third of their area ({whole})"
    elif any(cuts):
        lost = f", which leaves out {_said(cuts, 'at most', 'three quarters of the images')}"
    else:
        lost = ""
    return f"images are cropped to {what}{lost}" if lost or framing.crop_share < 1.0 else None


def levels_note(looks: Sequence[ImageLook], levels: Range | None) -> str | None:
    """A sentence on the values of images of more than 8 bits; None if there are no such images."""
    deep = sum(is_deep(look.mode) for look in looks)
    if not deep or levels is None:
        return None
    pairs = list(zip(levels[::2], levels[1::2], strict=True))
    said = ", ".join(f"{low:g} to {high:g}" for low, high in pairs)
    each = " of the channels" if len(pairs) > 1 else ""
    given = ",".join(f"{level:g}" for level in levels)
    return (
        f"of {counted(deep, 'image')} with more than 8 bits, values from {said}{each} are scaled to black to white "
        f"(change it with {option('data.intensity_range', given)})"
    )


def alpha_note(looks: Sequence[ImageLook], channels: int) -> str | None:
    """A sentence on what becomes of transparency; None if there is none, or it is a channel."""
    alpha = sum(look.mode in _WITH_ALPHA for look in looks)
    if not alpha or channels == 4:
        return None
    taken = option("channels", 4)
    return f"{counted(alpha, 'image')} with an alpha channel: laid over white ({taken} takes it as a fourth channel)"


def _cut_shares(looks: Sequence[ImageLook]) -> list[float]:
    """The shares of the areas outside the largest square of each image."""
    return [1.0 - min(look.size) / max(look.size) for look in looks]


def _said(shares: Sequence[float], bound: str, of: str) -> str:
    """The share that one image in four reaches or exceeds, in percent: of each image if it is the same for all."""
    low, high = (round(100 * share) for share in (min(shares, default=0.0), max(shares, default=0.0)))
    return f"{high}% of each image" if low == high else f"{bound} {100 * _high(shares):.0f}% of {of}"


def _high(shares: Sequence[float]) -> float:
    """The share that one image in four reaches or exceeds."""
    return sorted(shares)[int(_QUANTILE * len(shares))] if shares else 0.0
