"""Files of several frames, of which the first one is read: which there are is said, by a look at some."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from tutelage.core.names import counted, shown
from tutelage.core.regular import open_regular
from tutelage.data.images.items import Files, ImageListing, Item
from tutelage.data.images.reading import FORMATS, quiet_pillow
from tutelage.data.images.tiff import is_tiff, look_at_tiff

_SUFFIXES = (".avif", ".gif", ".heic", ".heif", ".tif", ".tiff", ".webp")
_MOST = 100  # files that are looked at, since counting frames takes as long as reading a file


def tell_of_frames(listing: ImageListing) -> ImageListing:
    """The listing, with a warning if some of its files have several frames."""
    files = [item for item in listing.items if isinstance(item.store, Files) and item.key.lower().endswith(_SUFFIXES)]
    looked = files[:: -(-len(files) // _MOST)] if files else []
    with quiet_pillow():
        several = [item for item in looked if _frames(item) > 1]
    if several:
        those = f"{len(several)} of {len(looked)} files that were looked at" if len(looked) < len(files) else ""
        said = those or counted(len(several), "image")
        first = f"(first: {shown(several[0].name)})"
        warning = f"{shown(listing.where)}: {said} with several frames or pages, of which the first is read {first}"
        if warning not in listing.warnings:
            listing.warnings.append(warning)
    return listing


def _frames(item: Item) -> int:
    """The frames of a file; 1 if it cannot be read, which is said where it is decoded, or if pages are channels."""
    file = Path(item.place)
    try:
        with open_regular(file) as stream:
            start = stream.read(4)
        if is_tiff(start) and look_at_tiff(file) is not None:
            return 1
        with Image.open(file, formats=FORMATS) as image:
            return int(getattr(image, "n_frames", 1))
    except Exception:  # damaged bytes make Pillow raise almost anything
        return 1
