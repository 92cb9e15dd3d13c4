"""A picture of what training sees: images under each view, with a caption that describes the augmentation."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from tutelage.augment.image_ops.inputs import check_images
from tutelage.augment.view import View
from tutelage.core.colors import as_rgb
from tutelage.core.seeding import generator

SMALLEST_SIDE = 112  # pixels of the sheet; smaller images are enlarged by a whole factor, nearest pixel
LARGEST_SIDE = 224  # larger images are shrunk
MARGIN, LINE, TITLE = 8, 15, 20  # pixels of the sheet
LETTER = 7  # approximate width of a letter of the captions
INK = (112, 120, 135)  # on clear paper; it can be read on a white page and on a dark one


def contact_sheet(
    images: Tensor | np.ndarray,
    views: Mapping[str, View],
    draws_per_view: int,
    seed: int,
    names: Sequence[str] | None = None,
) -> Image.Image:
    """Images under each view (rows) and draw (columns); the first column is the image as it is.

    Args:
        images: (N, C, H, W) uint8; each is shown under all views, one image after the other.
        views: by name, as shown.
        draws_per_view: columns besides the first.
        seed: the draws of a row depend on the seed, the name of the view and the number of the row.
        names: what is written below each image as it is; "original" by default.

    Raises:
        ValueError: there is no image, no view or no draw.
    """
    images = torch.as_tensor(images)
    shape = check_images(images)
    if len(images) == 0 or not views or draws_per_view < 1:
        raise ValueError(
            f"a contact sheet needs an image, a view and a draw, got {len(images)} images, {len(views)} views and "
            f"{draws_per_view} draws"
        )
    rows: list[tuple[str, list[Tensor], list[str]]] = []
    originals = ["original"] * len(images) if names is None else [f"original: {name}" for name in names]
    for image, original in zip(images.cpu(), originals, strict=True):
        for name, view in views.items():
            repeated = image.expand(draws_per_view, -1, -1, -1).contiguous()
            draws = view.draw(draws_per_view, shape, generator(seed, "contact sheet", name, len(rows)))
            changed = view.apply(repeated, draws)
            captions = [view.describe(draws, k) for k in range(draws_per_view)]
            rows.append((name, [image, *changed], [original, *captions]))
    return lay_out(rows)


def plain_sheet(images: Tensor | np.ndarray, names: Sequence[str], title: str, *, columns: int) -> Image.Image:
    """Images (N, C, H, W) uint8 as they are, with a name below each, in rows of at most `columns`."""
    shown = list(torch.as_tensor(images).cpu())
    starts = range(0, len(shown), columns)
    return lay_out([(title, shown[k : k + columns], list(names[k : k + columns])) for k in starts])


def lay_out(rows: list[tuple[str, list[Tensor], list[str]]]) -> Image.Image:
    """The sheet (RGBA, clear paper): each row has a title, images (C, H, W) uint8, and captions, as many as images."""
    tiles = [[enlarged(image) for image in images] for _, images, _ in rows]
    tile_width = max(tile.width for row in tiles for tile in row)
    tile_height = max(tile.height for row in tiles for tile in row)
    captions = [[textwrap.wrap(text, tile_width // LETTER) for text in texts] for *_, texts in rows]
    heights = [TITLE + tile_height + LINE * max(map(len, row)) + MARGIN for row in captions]
    columns = max(len(row) for row in tiles)
    sheet = Image.new("RGBA", (MARGIN + columns * (tile_width + MARGIN), MARGIN + sum(heights)), (255, 255, 255, 0))
    pen = ImageDraw.Draw(sheet)
    title_font, caption_font = ImageFont.load_default(15), ImageFont.load_default(12)
    top = MARGIN
    for (title, *_), row, texts, height in zip(rows, tiles, captions, heights, strict=True):
        pen.text((MARGIN, top), title, fill=INK, font=title_font)
        for column, (tile, lines) in enumerate(zip(row, texts, strict=True)):
            left = MARGIN + column * (tile_width + MARGIN)
            sheet.paste(tile, (left, top + TITLE))
            for k, line in enumerate(lines):
                pen.text((left, top + TITLE + tile_height + k * LINE), line, fill=INK, font=caption_font)
        top += height
    return sheet


def enlarged(image: Tensor) -> Image.Image:
    """The (C, H, W) image in RGB, at a size that can be looked at."""
    tile = Image.fromarray(as_rgb(image.numpy()))
    side = max(tile.size)
    if side < SMALLEST_SIDE:
        factor = -(-SMALLEST_SIDE // side)
        return tile.resize((tile.width * factor, tile.height * factor), Image.Resampling.NEAREST)
    if side > LARGEST_SIDE:
        tile.thumbnail((LARGEST_SIDE, LARGEST_SIDE), Image.Resampling.LANCZOS)
    return tile
