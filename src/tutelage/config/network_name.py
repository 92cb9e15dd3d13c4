"""The names of networks, and what they say. This module imports nothing heavy, as `network` does not."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from tutelage.core.errors import ConfigError, did_you_mean
from tutelage.core.import_path import is_import_path

NETWORK_NAMES = (
    "small",
    "conv-large",
    "wrn-28-2",
    "wrn-28-8",
    "wrn-37-2",
    "shake-shake-26-2x32d",
    "shake-shake-26-2x96d",
    "resnet-18",
    "resnet-50",
    "efficientnet-lite0",
    "efficientnet-lite1",
    "efficientnet-lite2",
    "timm:NAME",
    "vnet",
    "vnet-laseg",
    "monai:unet",
    "monai:dynunet",
)
"""The names that `--help` lists; those from `vnet` on are for segmentation. `wrn-D-K` and `shake-shake-26-2xNd` take
other numbers as well; `wrn-D-Nf` has N filters."""

EFFICIENTNET_LITE = "efficientnet-lite"
"""Family of the pretrained networks that install with the extra `pretrained`."""

JOINED = "joined"
"""Family of several pretrained networks, `NAME+NAME`, whose features are put side by side."""

DENSE_FAMILIES = ("vnet", "monai-unet", "monai-dynunet")
"""Families of networks with one prediction per pixel or voxel, for segmentation."""


@dataclass(frozen=True)
class NetworkName:
    """The parts of a network's name.

    Attributes:
        family: "small", "conv-large", "wrn", "shake-shake", "resnet", "timm", ..., "joined", or "own".
        numbers: (depth, channels of the first group) of a `wrn-D-K`, (channels,) of a `shake-shake-26-2xNd`, (depth,)
            of a `resnet-D`.
        timm: the model's name after `timm:`.
        form: of a V-Net, "ua-mt" or "laseg".
        parts: the names of the networks that are joined.
    """

    family: str
    numbers: tuple[int, ...] = ()
    timm: str = ""
    form: Literal["ua-mt", "laseg"] = "ua-mt"
    parts: tuple[str, ...] = ()

    @property
    def dense(self) -> bool:
        """Whether the network predicts each pixel or voxel, not the whole image."""
        return self.family in DENSE_FAMILIES

    @classmethod
    def parse(cls, name: str) -> NetworkName:
        """The parts of `name`.

        Raises:
            ConfigError: there is no network of that name.
        """
        if "+" in name:
            return cls(JOINED, parts=_joined(name))
        if name in ("small", "conv-large"):
            return cls(name)
        if name in ("vnet", "vnet-laseg"):
            return cls("vnet", form="laseg" if name == "vnet-laseg" else "ua-mt")
        if name in ("monai:unet", "monai:dynunet"):
            return cls(name.replace(":", "-"))
        if name in ("efficientnet-lite0", "efficientnet-lite1", "efficientnet-lite2"):
            return cls(EFFICIENTNET_LITE)
        if name.startswith("timm:") and len(name) > len("timm:"):
            return cls("timm", timm=name.removeprefix("timm:"))
        if wide := re.fullmatch(r"wrn-([1-9]\d{0,3})-([1-9]\d{0,2})(f?)", name):
            depth, width = int(wide[1]), int(wide[2]) * (1 if wide[3] else 16)
            _wide_shape(depth)
            return cls("wrn", (depth, width))
        if shake := re.fullmatch(r"shake-shake-26-2x([1-9]\d{0,3})d", name):
            return cls("shake-shake", (int(shake[1]),))
        if name in ("resnet-18", "resnet-50"):
            return cls("resnet", (int(name.removeprefix("resnet-")),))
        if is_own_network(name):
            return cls("own")
        raise ConfigError(f"network.name '{name}' is not known{did_you_mean(name, NETWORK_NAMES)}")

    @property
    def wide_shape(self) -> tuple[int, int]:
        """(groups, units per group) of a `wrn-D-K`."""
        return _wide_shape(self.numbers[0])


def _joined(name: str) -> tuple[str, ...]:
    """The names of the networks in `NAME+NAME`, each of which has published weights."""
    parts = tuple(part.strip() for part in name.split("+"))
    for part in parts:
        if not part or NetworkName.parse(part).family not in ("timm", EFFICIENTNET_LITE):
            raise ConfigError(
                f"network.name '{name}' joins pretrained networks, but '{part}' is not one: join efficientnet-lite0, "
                "efficientnet-lite1, efficientnet-lite2 and timm:NAME"
            )
    if len(set(parts)) < len(parts):
        raise ConfigError(f"network.name '{name}' names a network twice")
    return parts


def _wide_shape(depth: int) -> tuple[int, int]:
    """(groups, units per group): three groups have 6n + 4 layers (even), four have 8n + 5 (odd)."""
    for groups, constant in ((3, 4), (4, 5)):
        units, rest = divmod(depth - constant, 2 * groups)
        if rest == 0 and units >= 1:
            return groups, units
    raise ConfigError(
        f"network.name 'wrn-{depth}-...': the depth must be 6n + 4 (three groups: 16, 22, 28, 40) or 8n + 5 (four: 37)"
    )


def is_own_network(name: object) -> bool:
    """Whether a network's name is the import path of a class."""
    return isinstance(name, str) and is_import_path(name) and not name.startswith(("timm:", "monai:"))
