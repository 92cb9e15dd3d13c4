"""Intervals, mistakes and the images that a model is unsure of."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tutelage.data.images.items import Files, Item
from tutelage.results.report.examples import Examples
from tutelage.results.report.galleries import confident_mistakes, least_certain, sheet

CLASSES = ("ant", "bee", "cow")


@pytest.fixture
def examples(tmp_path: Path) -> Examples:
    """Four images, gray as their number: one right, two wrong, one without a label."""
    for k in range(4):
        Image.new("L", (8, 8), 50 * k).save(tmp_path / f"{k}.png")
    store = Files(tmp_path)
    return Examples(
        items=[Item(f"{k}.png", None, store, f"{k}.png") for k in range(4)],
        probs=np.array([[0.9, 0.1, 0.0], [0.2, 0.6, 0.2], [0.1, 0.1, 0.8], [0.4, 0.35, 0.25]], np.float32),
        label=np.array([0, 0, 1, -1]),
        total=4,
        size=8,
        channels=1,
    )


def gray(png: bytes) -> int:
    with Image.open(io.BytesIO(png)) as picture:
        value = picture.convert("L").getpixel((4, 4))
    assert isinstance(value, int)
    return value


def test_mistakes_are_the_labeled_images_that_are_wrong_the_surest_first(examples: Examples) -> None:
    gallery = confident_mistakes(examples, CLASSES, "mistakes")
    assert [one.lines for one in gallery.thumbnails] == [
        ("cow (80%)", "given: bee", "2.png"),
        ("bee (60%)", "given: ant", "1.png"),
    ]
    assert [gray(one.png) for one in gallery.thumbnails] == [100, 50]


def test_the_least_certain_come_with_their_two_likeliest_classes(examples: Examples) -> None:
    gallery = least_certain(examples, CLASSES, "uncertain")
    assert [one.lines[2] for one in gallery.thumbnails] == ["3.png", "1.png", "2.png", "0.png"]
    assert gallery.thumbnails[0].lines[:2] == ("ant (40%)", "or bee (35%)")
    assert gray(gallery.thumbnails[0].png) == 150


def test_a_sheet_shows_the_pictures_in_their_order(examples: Examples) -> None:
    with Image.open(io.BytesIO(sheet(least_certain(examples, CLASSES, "uncertain")))) as paper:
        shades = [paper.convert("L").getpixel((8 + 104 * k + 48, 56)) for k in range(4)]
    assert shades == [150, 50, 100, 0]
