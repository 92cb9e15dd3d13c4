"""A run on data with hostile names, trained once, and a browser to look at its report with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from support.browser import Browser, open_browser
from tutelage import cli

IMAGE = "<img src=x onerror=alert(1)>"
CLASSES = (IMAGE, "$\\frac{1}$ & _猫 | `b` **c**", "plain")


def write_images(folder: Path, count: int, seed: int) -> None:
    """Class folders of hostile names, with images of hostile names, a color a class."""
    rng = np.random.default_rng(seed)
    for number, name in enumerate(CLASSES):
        (folder / name).mkdir(parents=True)
        for k in range(count):
            pixels = rng.integers(0, 160, (12, 12, 3), np.uint8)
            pixels[..., number] //= 2
            Image.fromarray(pixels).save(folder / name / f"{IMAGE}{seed}{k}.png")


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Training images with few labels, test images, and images without a label."""
    folder = tmp_path_factory.mktemp("data")
    write_images(folder / "train", 30, 1)
    write_images(folder / "test", 8, 2)
    return folder


@pytest.fixture(scope="session")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of a method with pseudo-labels, its report in it."""
    out = tmp_path_factory.mktemp("runs") / "a <b>run<b>"
    words = ["--method", "fixmatch", "--method.threshold", "0.4", "--network", "small", "--label-count", "78"]
    length = ["--steps", "6", "--log-every", "2", "--eval-every", "2", "--batch-size", "6", "--device", "cpu"]
    code = cli.run(["train", str(data), "--out", str(out), "--data.val-share", "0.2", *words, *length])
    assert code == 0
    return out


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A headless Chromium, where there is one."""
    with open_browser() as found:
        yield found
