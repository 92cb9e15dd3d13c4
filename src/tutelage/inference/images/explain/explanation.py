"""Heat maps as Python code looks at them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tutelage.core.names import counted, shown

_SHOWN = 5  # rows of a repr


@dataclass(frozen=True, eq=False, repr=False)
class Explanation:
    """Which parts of images speak for a class, as `Model.explain` returns it.

    Attributes:
        names: of N images.
        labels: the class that each map is for; None where an image could not be read.
        maps: (N, S, S) float32 in [0, 1], of the images as the network sees them: 1 where the most speaks for the
            class, 0 everywhere if nothing does or the image could not be read.
        errors: why an image could not be read; empty if it could.
    """

    names: list[str]
    labels: list[str | None]
    maps: NDArray[np.float32]
    errors: list[str]

    def __len__(self) -> int:
        return len(self.names)

    def __repr__(self) -> str:
        size = self.maps.shape[-1]
        lines = [f"Explanation of {counted(len(self), 'image')}, maps of {size} x {size}"]
        for name, label, error in zip(self.names[:_SHOWN], self.labels, self.errors, strict=False):
            lines.append(f"  {shown(name)}: {error or shown(str(label))}")
        return "\n".join(lines + (["  ..."] if len(self) > _SHOWN else []))
