"""Which network, as settings. Imports nothing heavy, since the command line reads them before it knows what to do."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from tutelage.errors import ConfigError, did_you_mean
from tutelage.settings import require

NETWORK_NAMES = (
    "small",
    "conv-large",
    "wrn-28-2",
    "wrn-28-8",
    "wrn-37-2",
    "shake-shake-26-2x32d",
    "shake-shake-26-2x96d",
    "timm:NAME",
)
"""What `--help` lists. `wrn-D-K` and `shake-shake-26-2xNd` also take other numbers; `wrn-D-Nf` has N filters."""

WiringName = Literal["original", "fixmatch-pytorch", "torchssl", "usb"]
_OWN_SETTINGS: dict[str, tuple[str, ...]] = {
    "small": ("dropout", "input_noise", "batch_norm_momentum"),
    "conv-large": ("normalization", "dropout", "input_noise", "batch_norm_momentum"),
    "wrn": ("wiring", "dropout", "batch_norm_momentum"),
    "shake-shake": ("batch_norm_momentum",),
    "timm": ("pretrained", "dropout"),
}


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """The network that is trained. A setting left at None takes the network's own default.

    Raises:
        ConfigError: the name is unknown, a value is out of range, or the network has no such setting.
    """

    name: Annotated[str, f"one of {', '.join(NETWORK_NAMES)}"] = "small"
    pretrained: Annotated[bool, "start from published weights (timm only)"] = False
    wiring: Annotated[
        WiringName | None, "of wrn: original is FixMatch's code, the others are ports with known differences"
    ] = None
    normalization: Annotated[
        Literal["batch", "mean-only"] | None, "of conv-large: batch norm, or weight norm with mean-only batch norm"
    ] = None
    dropout: Annotated[float | None, "probability that a feature is dropped in training; conv-large's own is 0.5"] = (
        None
    )
    input_noise: Annotated[
        float | None, "std of Gaussian noise on standardized images in training; conv-large's own is 0.15"
    ] = None
    batch_norm_momentum: Annotated[
        float | None,
        "share of a step in the running statistics; the own 0.001 of wrn and of mean-only is for long runs, else 0.1",
    ] = None

    def __post_init__(self) -> None:
        family = NetworkName.parse(self.name).family
        require(self.dropout is None or 0.0 <= self.dropout < 1.0, "network.dropout", "in [0, 1)", self.dropout)
        require(
            self.input_noise is None or 0.0 <= self.input_noise < float("inf"),
            "network.input_noise",
            "at least 0",
            self.input_noise,
        )
        require(
            self.batch_norm_momentum is None or 0.0 < self.batch_norm_momentum <= 1.0,
            "network.batch_norm_momentum",
            "in (0, 1]",
            self.batch_norm_momentum,
        )
        for setting in (*self.given(), *(("pretrained",) if self.pretrained else ())):
            if setting not in _OWN_SETTINGS[family]:
                having = [name for name, settings in _OWN_SETTINGS.items() if setting in settings]
                raise ConfigError(
                    f"network.{setting} is no setting of the network '{self.name}'; "
                    f"leave it out, or choose one that has it: {', '.join(having)}"
                )

    def given(self) -> dict[str, Any]:
        """The settings of the network that were set, by name: all others are the network's own."""
        settings = {
            "wiring": self.wiring,
            "normalization": self.normalization,
            "dropout": self.dropout,
            "input_noise": self.input_noise,
            "batch_norm_momentum": self.batch_norm_momentum,
        }
        return {setting: value for setting, value in settings.items() if value is not None}


@dataclass(frozen=True)
class NetworkName:
    """A network's name, taken apart.

    Attributes:
        family: "small", "conv-large", "wrn", "shake-shake" or "timm".
        numbers: (depth, channels of the first group) of a `wrn-D-K`, (channels,) of a `shake-shake-26-2xNd`.
        timm: the model's name after `timm:`.
    """

    family: str
    numbers: tuple[int, ...] = ()
    timm: str = ""

    @classmethod
    def parse(cls, name: str) -> NetworkName:
        """Take `name` apart.

        Raises:
            ConfigError: no network has that name.
        """
        if name in ("small", "conv-large"):
            return cls(name)
        if name.startswith("timm:") and len(name) > len("timm:"):
            return cls("timm", timm=name.removeprefix("timm:"))
        if wide := re.fullmatch(r"wrn-([1-9]\d{0,3})-([1-9]\d{0,2})(f?)", name):
            depth, width = int(wide[1]), int(wide[2]) * (1 if wide[3] else 16)
            _wide_shape(depth)
            return cls("wrn", (depth, width))
        if shake := re.fullmatch(r"shake-shake-26-2x([1-9]\d{0,3})d", name):
            return cls("shake-shake", (int(shake[1]),))
        raise ConfigError(f"network.name '{name}' is not known{did_you_mean(name, NETWORK_NAMES)}")

    @property
    def wide_shape(self) -> tuple[int, int]:
        """(groups, units a group) of a `wrn-D-K`."""
        return _wide_shape(self.numbers[0])


def _wide_shape(depth: int) -> tuple[int, int]:
    """Three groups have 6n + 4 layers, four have 8n + 5: an even depth and an odd one, so the depth says which."""
    for groups, constant in ((3, 4), (4, 5)):
        units, rest = divmod(depth - constant, 2 * groups)
        if rest == 0 and units >= 1:
            return groups, units
    raise ConfigError(
        f"network.name 'wrn-{depth}-...': the depth must be 6n + 4 (three groups: 16, 22, 28, 40) or 8n + 5 (four: 37)"
    )
