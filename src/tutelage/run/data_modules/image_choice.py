"""The settings that follow from images once they are found: those that are recommended, with the framing decided."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from rich.console import Console

from tutelage.config import RunConfig
from tutelage.data.images.framing import Mode
from tutelage.data.images.levels import Range
from tutelage.data.images.parts import ImageInventory
from tutelage.run.data_modules.image_framing import mode_of, settle_framing
from tutelage.run.method_by_name import resolved
from tutelage.run.recommend import Recommendation, recommend_for_images, recommended
from tutelage.run.resolve import absolute


@dataclass(frozen=True)
class ImageChoice:
    """What is recommended for images, None where the settings are complete, and how they are prepared by default.

    Attributes:
        mode: how `auto` frames them.
        levels: of images of more than 8 bits: the values that become black and white.
    """

    recommendation: Recommendation | None = None
    mode: Mode = "crop"
    levels: Range | None = None

    @classmethod
    def of(cls, found: ImageInventory, cfg: RunConfig, device: str) -> ImageChoice:
        """The choice for images that were found, on "cpu", "cuda" or "mps"."""
        levels = None if found.decoding is None else found.decoding.framing.levels
        return cls(recommend_for_images(found, cfg, device), mode_of(found), levels)

    def print(self, console: Console) -> None:
        """Say what is recommended, and why."""
        if self.recommendation is not None:
            self.recommendation.print(console)

    def settings(self, cfg: RunConfig) -> RunConfig:
        """The settings, with what was not given as chosen."""
        return self._settled(cfg, self.recommendation)

    def heads(self, cfg: RunConfig) -> dict[str, RunConfig]:
        """The settings of the heads on frozen features to choose among, by the name of the method."""
        if (choice := self.recommendation) is None:
            return {}
        return {
            head: self._settled(cfg, dataclasses.replace(choice, preset=f"{head}-features")) for head in choice.heads
        }

    def _settled(self, cfg: RunConfig, choice: Recommendation | None) -> RunConfig:
        full = cfg if choice is None else resolved(absolute(recommended(cfg, choice)))
        return settle_framing(full, self.mode, self.levels)
