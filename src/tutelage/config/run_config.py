"""All settings of a run as one value, and the flags that set them.

Nothing heavy is imported here: the command line reports a wrong setting before torch is loaded. The settings of the
method are checked later, in `run/method_by_name.py`, since their dataclass is part of the method's file.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tutelage.config import options
from tutelage.config.augment import AugmentConfig
from tutelage.config.data import DataConfig
from tutelage.config.network import NetworkConfig, network_config
from tutelage.config.scan import ScanConfig
from tutelage.config.segmentation import SegmentationConfig
from tutelage.config.settings import OptimizerConfig, TrainConfig
from tutelage.core.errors import ConfigError, did_you_mean

SECTIONS: dict[str, type] = {
    "data": DataConfig,
    "network": NetworkConfig,
    "augment": AugmentConfig,
    "scan": ScanConfig,
    "segmentation": SegmentationConfig,
    "optimizer": OptimizerConfig,
    "train": TrainConfig,
}
AUTO = "auto"  # the method is chosen when the data is known
DEFAULT_METHOD = AUTO
IMPORTED = "imported"  # the "method" of weights that were imported from other code; nothing is trained with it
NO_PRESET = "none"  # in place of a preset: the defaults, and nothing that is recommended for the data
DEFAULT_BUDGET = "30m"
PRETRAINING_METHOD = "moco-v2"
PRETRAINING_PRESET = "small"  # of the method, if none is named

# The common flags and their settings; every other setting is given by its dotted name.
FLAGS: dict[str, str] = {
    "data": "data.path",
    "labels": "data.labels",
    "unlabeled": "data.unlabeled",
    "val": "data.val",
    "test": "data.test",
    "label_count": "data.label_count",
    "label_balance": "data.label_balance",
    "exclude_labeled": "data.exclude_labeled",
    "image_size": "data.image_size",
    "resize": "data.resize",
    "channels": "data.channels",
    "skip_unreadable": "data.skip_unreadable",
    "method": "method.name",
    "network": "network.name",
    "metrics": "train.metrics",
    "batch_size": "train.batch_size",
    "unlabeled_ratio": "train.unlabeled_ratio",
    "steps": "train.steps",
    "budget": "train.budget",
    "seed": "train.seed",
    "device": "train.device",
    "precision": "train.precision",
    "compile": "train.compile",
    "workers": "train.workers",
    "log": "train.log",
    "log_every": "train.log_every",
    "eval_every": "train.eval_every",
    "checkpoint_every": "train.checkpoint_every",
    "init_from": "train.init_from",
    "baseline": "train.baseline",
    "baseline_share": "train.baseline_share",
}


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """The settings of a run.

    `method_settings` are the method's `Config`, or the plain values to make one of: only `run.method_by_name`, which
    knows the classes of methods, builds it, once.

    `resolve` also keeps in `given` what was given, without defaults, and in `preset` the name of the preset. With the
    method "auto" the settings are not complete: `run/recommend.py` lays `given` over the preset that it chooses.
    """

    data: DataConfig
    network: NetworkConfig
    augment: AugmentConfig
    scan: ScanConfig
    segmentation: SegmentationConfig
    optimizer: OptimizerConfig
    train: TrainConfig
    method: str
    method_settings: Any = field(default_factory=dict)
    given: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)
    preset: str | None = field(default=None, compare=False, repr=False)

    def to_dict(self) -> dict[str, Any]:
        """Nested plain values for JSON; `from_dict` reads them."""
        sections = {name: dataclasses.asdict(getattr(self, name)) for name in SECTIONS}
        sections["network"] = self.network.to_dict()
        return {"method": {"name": self.method, **self.method_values}, **sections}

    @property
    def frozen(self) -> bool:
        """Whether a head is trained on the cached features of a pretrained network that stays as it is."""
        return self.network.starts_pretrained and self.train.init_from is None and self.train.frozen_share == 1.0

    @property
    def method_values(self) -> dict[str, Any]:
        """The settings of the method as plain values."""
        settings = self.method_settings
        return dict(settings) if isinstance(settings, Mapping) else dataclasses.asdict(settings)

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> RunConfig:
        """The settings of a run from nested plain values.

        Raises:
            ConfigError: a section or a setting is unknown, has the wrong type, is out of range, or is missing.
        """
        values = dict(values)
        method = dict(values.pop("method", {}))
        name = method.pop("name", DEFAULT_METHOD)
        if not isinstance(name, str):
            raise ConfigError(f"method.name must be a string, got {name!r}")
        for section in values:
            if section not in SECTIONS:
                raise ConfigError(f"unknown section {section}{did_you_mean(section, [*SECTIONS, 'method'])}")
            if not isinstance(values[section], Mapping):
                raise ConfigError(f"{section} is a group of settings, got {values[section]!r}")
        if "path" not in values.get("data", {}):
            raise ConfigError("no data: name a folder, tar shards, an .npz file, or the word digits")
        built: dict[str, Any] = {
            section: options.build(cls, values.get(section, {}), f"{section}.")
            for section, cls in SECTIONS.items()
            if section != "network"
        }
        built["network"] = network_config(values.get("network", {}))
        _require_backbone(built["train"], built["network"])
        settings = {key.replace("-", "_"): value for key, value in method.items()}
        if name == AUTO and settings:
            raise ConfigError(
                f"method.{next(iter(settings))} is a setting of one method, and the method is auto: "
                "name the method as well"
            )
        return RunConfig(**built, method=name, method_settings=settings, given=values if name == AUTO else {})


def _require_backbone(train: TrainConfig, network: NetworkConfig) -> None:
    """Refuse settings of a pretrained backbone if there is none."""
    if train.init_from is None and not network.starts_pretrained and network.feature_dims is not None:
        raise ConfigError("network.feature_dims does nothing without pretrained weights")
    for name, none in (("backbone_lr", 1.0), ("freeze", 0.0), ("trained_stages", None)):
        if train.init_from is None and not network.starts_pretrained and getattr(train, name) != none:
            raise ConfigError(
                f"train.{name} does nothing without a pretrained backbone: give train.init_from, or a pretrained "
                "network such as efficientnet-lite0"
            )
