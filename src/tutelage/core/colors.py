"""Images of any number of channels, as something that can be looked at."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def over_white(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(H, W, 3) of an image (H, W, 4) whose fourth channel is alpha: laid over white."""
    front = Image.fromarray(image)
    return np.asarray(Image.alpha_composite(Image.new("RGBA", front.size, "white"), front).convert("RGB"))


def as_rgb(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(H, W, 3) of an image (C, H, W): a gray one in three equal channels, of more than three the first three.

    Of two channels the first is shown in gray.
    """
    shown = image[:3] if len(image) >= 3 else image[:1].repeat(3, axis=0)
    return np.ascontiguousarray(shown.transpose(1, 2, 0))
