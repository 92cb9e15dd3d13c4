"""How the images of a run become squares, decided once: by their shapes and by the weights that it starts from."""

from __future__ import annotations

import dataclasses
from typing import Any, get_args

from tutelage.config import RunConfig
from tutelage.data.images.framing import Filter, Framing, Mode
from tutelage.data.images.levels import Range
from tutelage.data.images.parts import ImageInventory
from tutelage.data.images.size import choose_mode
from tutelage.networks.build import timm_name
from tutelage.networks.timm_network import preparation


def mode_of(found: ImageInventory) -> Mode:
    """What `data.resize` auto means for the images that are learned from."""
    return choose_mode(found.seen)


def framing_by_default(cfg: RunConfig, mode: Mode, levels: Range | None) -> dict[str, Any]:
    """The settings of the framing, by dotted name, that a command takes which says nothing of them."""
    opened = dataclasses.replace(cfg.data, resize="auto", interpolation="auto", intensity_range=())
    data = settle_framing(dataclasses.replace(cfg, data=opened), mode, levels).data
    return {f"data.{name}": getattr(data, name) for name in ("resize", "interpolation", "intensity_range")}


def settle_framing(cfg: RunConfig, mode: Mode, levels: Range | None = None) -> RunConfig:
    """The settings with nothing about the framing left open.

    The filter is that of the pretrained network's own configuration, of the first one if several are joined. Its crop
    share is not taken: a smaller crop did not score better (docs/pretrained.md), and it hides more of the image.

    Args:
        mode: of `mode_of`, which `auto` stands for.
        levels: the values of images of more than 8 bits that become black and white, unless others are given.
    """
    data = cfg.data
    if data.interpolation == "auto" and cfg.network.starts_pretrained:
        own = preparation(timm_name(cfg.network.parts[0])).interpolation
        data = dataclasses.replace(
            data, interpolation=next((name for name in get_args(Filter) if name == own), "bicubic")
        )
    framing = Framing.of(data, mode)
    shown = data.intensity_range or levels or ()
    data = dataclasses.replace(data, resize=framing.mode, interpolation=framing.interpolation, intensity_range=shown)
    return dataclasses.replace(cfg, data=data)
