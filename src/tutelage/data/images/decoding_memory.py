"""How much memory it takes to decode an image, by what its header says."""

from __future__ import annotations

from PIL import Image

from tutelage.core.memory import IMAGE_LIMIT, memory_fault

# bytes for each pixel, all copies together: measured with images of 89 million pixels, as `check` reads them
_BY_FORMAT = {"WEBP": 17, "GIF": 10, "HEIF": 10, "AVIF": 10}
_BY_MODE = {"RGBA": 10, "RGBa": 10, "LA": 10, "La": 10, "PA": 10, "I": 12, "F": 12, "P": 8, "CMYK": 8, "L": 3, "1": 3}
_DEEP = {3: 12, 4: 15}  # of 16 bits, by the number of channels
_OTHERS = 9


def decoding_fault(image: Image.Image, present: int, *, limit: int = IMAGE_LIMIT) -> str | None:
    """Why an image that was opened and not yet decoded is not to be decoded, or None; see `memory_fault`.

    Args:
        present: bytes of the file.
        limit: as in `memory_fault`.
    """
    if image.format == "JPEG":  # is decoded at a smaller scale
        return None
    channels, tiles = len(image.getbands()), getattr(image, "tile", None)
    deep = image.mode.startswith(("I", "F")) or bool(tiles and ";16" in str(tiles[0].args))
    taken = _BY_FORMAT.get(image.format or "", 0) or _BY_MODE.get(image.mode, _OTHERS)
    if deep:
        taken = max(taken, _DEEP.get(channels, 0))
    pixels = image.size[0] * image.size[1]
    return memory_fault(pixels * taken, present, content=pixels * channels * (1 + deep), limit=limit)
