"""The settings of the network. This module imports nothing heavy, so that the command line starts quickly."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from tutelage.config import options
from tutelage.config.network_name import EFFICIENTNET_LITE, JOINED, NETWORK_NAMES, NetworkName, is_own_network
from tutelage.config.settings import require
from tutelage.core.errors import ConfigError

WiringName = Literal["original", "fixmatch-pytorch", "torchssl", "usb"]
_OWN_SETTINGS: dict[str, tuple[str, ...]] = {
    "small": ("width", "dropout", "input_noise", "batch_norm_momentum", "bn_splits"),
    "conv-large": ("normalization", "dropout", "input_noise", "batch_norm_momentum"),
    "wrn": ("wiring", "dropout", "batch_norm_momentum", "bn_splits"),
    "shake-shake": ("batch_norm_momentum", "bn_splits"),
    "resnet": ("stem", "batch_norm_momentum", "bn_splits"),
    "efficientnet-lite": ("weights", "feature_dims", "dropout"),
    "timm": ("pretrained", "weights", "feature_dims", "dropout"),
    "joined": ("pretrained", "feature_dims"),
    "vnet": ("width", "dropout", "deep_supervision"),
    "monai-unet": ("width", "dropout"),
    "monai-dynunet": ("width", "dropout", "deep_supervision"),
    "own": (),
}


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """The network that is trained. A setting of None means the network's own default.

    Raises:
        ConfigError: the name is unknown, a value is out of range, or the network has no such setting.
    """

    name: Annotated[str, f"{', '.join(NETWORK_NAMES)}, A+B, or package.module:Class"] = "small"
    pretrained: Annotated[
        bool | None,
        "for timm: start from published weights, from its hub or cache (the default), or from random weights",
    ] = None
    weights: Annotated[
        str | None, "start from the weights in this .pth or .safetensors file (efficientnet-lite and timm)"
    ] = None
    feature_dims: Annotated[
        int | None,
        "for a pretrained network: principal components of the features that its head sees, of each network if several "
        "are joined; by default 256 if it is frozen, else the features themselves",
    ] = None
    wiring: Annotated[
        WiringName | None,
        "for wrn: original is FixMatch's wiring, the others are those of ports with known differences",
    ] = None
    normalization: Annotated[
        Literal["batch", "mean-only"] | None, "for conv-large: batch norm, or weight norm with mean-only batch norm"
    ] = None
    dropout: Annotated[
        float | None, "dropout probability; by default 0.5 in conv-large and vnet, and none in others"
    ] = None
    width: Annotated[
        int | None,
        "channels of the finest level; by default 16 in vnet and monai:unet, 32 in small and monai:dynunet",
    ] = None
    deep_supervision: Annotated[bool | None, "add heads at the coarser levels; for supervised and urpc"] = None
    input_noise: Annotated[
        float | None,
        "standard deviation of Gaussian noise on the standardized training images; by default 0.15 in conv-large",
    ] = None
    batch_norm_momentum: Annotated[
        float | None,
        "weight of a step in the running statistics; by default 0.1, but 0.001 in wrn and mean-only, for long runs",
    ] = None
    stem: Annotated[
        Literal["small", "large"] | None,
        "for resnet: small keeps the size of the image, large divides it by 4; the default depends on the image size",
    ] = None
    bn_splits: Annotated[
        int | None, "batch norm over this many parts of a batch, as on several GPUs; for MoCo's shuffling on one device"
    ] = None

    def __post_init__(self) -> None:
        family = NetworkName.parse(self.name).family
        require(self.bn_splits is None or self.bn_splits >= 1, "network.bn_splits", "at least 1", self.bn_splits)
        require(self.dropout is None or 0.0 <= self.dropout < 1.0, "network.dropout", "in [0, 1)", self.dropout)
        require(self.weights != "", "network.weights", "the name of a file", "")
        require(
            self.feature_dims is None or 2 <= self.feature_dims <= 4096,
            "network.feature_dims",
            "in [2, 4096]",
            self.feature_dims,
        )
        require(self.width is None or 1 <= self.width <= 1024, "network.width", "in [1, 1024]", self.width)
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
        beside = {
            "pretrained": bool(self.pretrained),
            "weights": self.weights is not None,
            "feature_dims": self.feature_dims is not None,
            "bn_splits": self.bn_splits is not None,
        }
        for setting in (*self.given(), *(name for name, given in beside.items() if given)):
            if setting not in _OWN_SETTINGS[family]:
                having = [name for name, settings in _OWN_SETTINGS.items() if setting in settings]
                raise ConfigError(
                    f"network.{setting} is not a setting of the network '{self.name}'; "
                    f"leave it out, or choose a network that has it: {', '.join(having)}"
                )

    def given(self) -> dict[str, Any]:
        """The settings of the network's class that were set, by name; the others have the network's own defaults."""
        settings = {
            "wiring": self.wiring,
            "normalization": self.normalization,
            "dropout": self.dropout,
            "input_noise": self.input_noise,
            "batch_norm_momentum": self.batch_norm_momentum,
            "stem": self.stem,
            "width": self.width,
            "deep_supervision": self.deep_supervision,
        }
        return {setting: value for setting, value in settings.items() if value is not None}

    @property
    def starts_pretrained(self) -> bool:
        """Whether training starts from weights that were published, or from those of a file."""
        own = NetworkName.parse(self.name).family in (EFFICIENTNET_LITE, JOINED)
        return self.from_hub or self.weights is not None or own

    @property
    def from_hub(self) -> bool:
        """Whether timm brings the weights, from its hub or its cache."""
        return NetworkName.parse(self.name).family == "timm" and self.weights is None and self.pretrained is not False

    @property
    def parts(self) -> tuple[NetworkConfig, ...]:
        """The settings of each of the networks that are joined; of a single network, its own."""
        names = NetworkName.parse(self.name).parts
        return tuple(dataclasses.replace(self, name=name) for name in names) or (self,)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON; `network_config` reads them back."""
        return dataclasses.asdict(self)


@dataclass(frozen=True, kw_only=True)
class OwnNetworkConfig(NetworkConfig):
    """A network of another package, `package.module:Class`, with the settings of its own `Config`.

    Attributes:
        own: plain values; they are checked when the class is imported.
    """

    own: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON; `network_config` reads them back."""
        return {"name": self.name, "bn_splits": self.bn_splits, **self.own}


def network_config(values: Mapping[str, Any]) -> NetworkConfig:
    """The settings in plain values; of a network of another package those that only its class knows are kept as given.

    Raises:
        ConfigError: one is unknown, of a wrong type or out of range.
    """
    if not is_own_network(values.get("name")):
        return options.build(NetworkConfig, values, "network.")
    shared = {name: value for name, value in values.items() if name.replace("-", "_") in ("name", "bn_splits")}
    own = {name.replace("-", "_"): value for name, value in values.items() if name not in shared}
    return OwnNetworkConfig(**options.typed(NetworkConfig, shared, "network."), own=own)


def takes(network: str, setting: str) -> bool:
    """Whether the network of that name has the setting.

    Raises:
        ConfigError: there is no network of that name.
    """
    return setting in _OWN_SETTINGS[NetworkName.parse(network).family]
