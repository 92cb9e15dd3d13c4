"""Predictions as HTML, with the images where they can still be read."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray
from PIL import Image

from tutelage.core.colors import as_rgb
from tutelage.core.html import html_table, paragraph, picture
from tutelage.data.images.framing import Framing
from tutelage.data.images.items import Item, Unreadable
from tutelage.data.images.survey import read_pixels

MOST = 12  # rows
_SIDE = 64  # pixels


def predictions_html(rows: Sequence[tuple[str, str, str]], items: Sequence[Item], caption: str, rest: int) -> str:
    """Predictions as a table.

    Args:
        rows: path, label and confidence of the first images.
        items: these images, if they are in files.
        rest: how many images have no row.
    """
    pictures = thumbnails(items)
    headings = [*([""] if pictures else []), "path", "label", "confidence"]
    shown = [[pictures[place], *row] for place, row in enumerate(rows)] if pictures else rows
    more = paragraph(f"and {rest:,} more: .to_frame() has all of them") if rest else Markup("")
    return html_table(headings, shown, caption) + more


def thumbnails(items: Sequence[Item]) -> list[Markup]:
    """A small picture of each image; empty where it cannot be read any more."""
    try:
        made = read_pixels(items, size=_SIDE, channels=3, framing=Framing(mode="pad"))
        return [Markup("") if isinstance(one, Unreadable) else picture(_png(as_rgb(one)), "") for one in made]
    except Exception:  # whatever is the matter with the images, the predictions are shown
        return []


def _png(pixels: NDArray[np.uint8]) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()
