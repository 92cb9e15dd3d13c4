"""The interface of all random transforms: draw a few numbers per row on the CPU, then change pixels on the device."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

Draws = dict[str, Tensor]  # each (B, ...) on the CPU


@dataclass(frozen=True)
class ImageShape:
    """The shape of one image, in pixels."""

    channels: int
    height: int
    width: int

    @property
    def colored(self) -> bool:
        """Whether the channels are red, green, and blue."""
        return self.channels == 3


class View(ABC):
    """A random transform of a batch in which each row has its own draw.

    `draw` is called for the rows of all ranks and sliced, so that views do not depend on the number of ranks.

    Attributes:
        learned: whether the draws depend on the training so far, so that they cannot be made ahead.
    """

    learned: bool = False

    @abstractmethod
    def draw(self, rows: int, shape: ImageShape, generator: torch.Generator) -> Draws:
        """The random numbers of `rows` images, from `generator` alone."""

    def prepare(self, draws: Draws, shape: ImageShape) -> Draws:
        """The draws, on the CPU, with whatever else `apply` wants to have computed there ahead of time."""
        return draws

    @abstractmethod
    def apply(self, images: Tensor, draws: Draws) -> Tensor:
        """(B, C, H, W) uint8 to (B, C, H', W') uint8 on the same device; `draws` may still lie on the CPU."""

    @abstractmethod
    def describe(self, draws: Draws, row: int) -> str:
        """A short description of what was done to a row: `"rotate 12, flip"`."""
