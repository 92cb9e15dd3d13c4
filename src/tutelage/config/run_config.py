"""All settings of a run as one value, merged from a preset, a TOML file and flags, in this order.

Nothing heavy is imported here: the command line answers a wrong setting before torch is loaded. Only the settings of
the method wait: their dataclass lies in the method's file, and `run.build` checks them.
"""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from tutelage.config import options
from tutelage.config.augment import AugmentConfig
from tutelage.config.network import NetworkConfig, is_own_network, network_config, takes
from tutelage.config.scan import ScanConfig
from tutelage.config.segmentation import SegmentationConfig
from tutelage.config.settings import DataConfig, OptimizerConfig, TrainConfig
from tutelage.core.errors import ConfigError, did_you_mean
from tutelage.core.import_path import is_import_path

SECTIONS: dict[str, type] = {
    "data": DataConfig,
    "network": NetworkConfig,
    "augment": AugmentConfig,
    "scan": ScanConfig,
    "segmentation": SegmentationConfig,
    "optimizer": OptimizerConfig,
    "train": TrainConfig,
}
AUTO = "auto"  # what stands for the method that is chosen when the data is known
DEFAULT_METHOD = AUTO
IMPORTED = "imported"  # what stands for the method where weights were brought from another code: nothing trains so
DEFAULT_BUDGET = "30m"

# The usual flags, and the setting each of them stands for; every other setting goes by its dotted name.
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

    `method_settings` are the method's `Config`, or the plain values to make one of: only `run.build`, which knows the
    classes of methods, builds it, once.

    Of settings that `resolve` made, `given` holds those that were given, without defaults, and `preset` the name of one
    that was given. With the method "auto" these are not yet all: `recommend.py` lays those given over the preset that
    it chooses.
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
        """Nested plain values, ready for JSON; `from_dict` reads them back."""
        sections = {name: dataclasses.asdict(getattr(self, name)) for name in SECTIONS}
        sections["network"] = self.network.to_dict()
        return {"method": {"name": self.method, **self.method_values}, **sections}

    @property
    def method_values(self) -> dict[str, Any]:
        """The settings of the method as plain values."""
        settings = self.method_settings
        return dict(settings) if isinstance(settings, Mapping) else dataclasses.asdict(settings)

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> RunConfig:
        """The settings in nested plain values.

        Raises:
            ConfigError: a section or a setting is unknown, of a wrong type, out of range, or missing.
        """
        values = dict(values)
        method = dict(values.pop("method", {}))
        name = method.pop("name", DEFAULT_METHOD)
        if not isinstance(name, str):
            raise ConfigError(f"method.name must be a text, got {name!r}")
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
        settings = {key.replace("-", "_"): value for key, value in method.items()}
        if name == AUTO and settings:
            raise ConfigError(
                f"method.{next(iter(settings))} is a setting of one method, and the method is to be chosen: name it too"
            )
        return RunConfig(**built, method=name, method_settings=settings, given=values if name == AUTO else {})


def resolve(settings: Mapping[str, Any], *, preset: str | None = None, file: str | Path | None = None) -> RunConfig:
    """The settings of a run: defaults, then the preset, then the TOML file, then `settings` by dotted name.

    What a preset sets for its network and a chosen one does not have is left out. Without a preset, scans start from
    that of the method for scans, since a network for images is none for them.
    Without steps and without a budget, a budget of 30 minutes is taken.

    Raises:
        ConfigError: as `RunConfig.from_dict`; or the preset or the file is not there or not valid TOML; or the preset
            has settings of another method.
    """
    sources = [*([] if file is None else [read_toml(Path(file))]), nested(settings)]
    given = _laid(sources if preset is None else [_fitting(read_preset(preset), _laid(sources)), *sources])
    merged = given if preset is not None else _laid([_start_of_scans(given), given])
    if preset is not None:
        _refuse_preset(preset, merged.get("method", {}).get("name", DEFAULT_METHOD))
    if merged.get("train", {}).get("steps") is None and merged.get("train", {}).get("budget") is None:
        merge(merged, {"train": {"budget": DEFAULT_BUDGET}})
    return dataclasses.replace(RunConfig.from_dict(merged), given=given, preset=preset)


def _laid(sources: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Nested settings, each over those before; the last that says how long to train decides."""
    merged: dict[str, Any] = {}
    for source in sources:
        train = source.get("train", {})
        for one, other in (("steps", "budget"), ("budget", "steps")):
            if train.get(one) is not None and train.get(other) is None:
                merged.get("train", {}).pop(other, None)
        merge(merged, source)
    return merged


def base_preset(method: str) -> str:
    """The preset that a method for scans starts from."""
    return f"{method}-scan-cpu"


def _start_of_scans(given: Mapping[str, Any]) -> dict[str, Any]:
    """What settings for scans start from; nothing for other data, or a method that is not for scans.

    While the method is to be chosen, that of supervised training, but for the method: all have the same network.
    """
    from tutelage.data.scans.source import is_scan_source

    data, method = given.get("data", {}), given.get("method", {}).get("name", AUTO)
    labels = data.get("labels")
    named = method != AUTO and not is_import_path(str(method))  # a method of another package has no presets
    preset = base_preset(str(method) if named else "supervised")
    if not data.get("path") or not is_scan_source(str(data["path"]), None if labels is None else str(labels)):
        return {}
    start = _fitting(read_preset(preset), given) if preset in preset_names() else {}
    return {name: values for name, values in start.items() if not (name == "method" and not named)}


def _fitting(preset: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """A preset without those settings of its network that the one named in `given` does not have."""
    chosen = given.get("network", {}).get("name")
    if not isinstance(chosen, str) or "network" not in preset:
        return dict(preset)
    kept = {name: value for name, value in preset["network"].items() if name == "name" or takes(chosen, name)}
    return {**preset, "network": kept}


def _refuse_preset(preset: str, method: object) -> None:
    """Raise if the preset holds settings of another method; one without any of its own goes with each."""
    own = read_preset(preset).get("method", {})
    name = own.get("name", DEFAULT_METHOD)
    if method != name and set(own) != {"name"}:
        raise ConfigError(
            f"the preset {preset} is for the method {name}, not {method}: leave one out, or take a preset of {method}"
        )


def nested(settings: Mapping[str, Any]) -> dict[str, Any]:
    """`{"train.steps": 5}` as `{"train": {"steps": 5}}`."""
    tree: dict[str, Any] = {}
    for name, value in settings.items():
        parts = name.replace("-", "_").split(".")
        if len(parts) < 2 or not all(parts):
            raise ConfigError(f"unknown setting {name}{did_you_mean(name, FLAGS.values())}")
        merge(tree, _path(parts, value))
    return tree


def flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """`{"train": {"steps": 5}}` as `{"train.steps": 5}`: the reverse of `nested`."""
    names: dict[str, Any] = {}
    for name, value in tree.items():
        names |= flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": value}
    return names


def _path(parts: list[str], value: Any) -> dict[str, Any]:
    return {parts[0]: value if len(parts) == 1 else _path(parts[1:], value)}


def merge(into: dict[str, Any], values: Mapping[str, Any]) -> None:
    """Lay nested `values` over `into`, in place. Names of settings are unified to underscores."""
    for raw, value in values.items():
        key = raw.replace("-", "_")
        if isinstance(value, Mapping):
            inner = into.setdefault(key, {})
            if not isinstance(inner, dict):
                raise ConfigError(f"{key} is a single value and a group of settings at once")
            merge(inner, value)
        else:
            into[key] = value


def preset_names() -> list[str]:
    """The presets in the package, sorted."""
    folder = resources.files("tutelage.config") / "presets"
    return sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))


def read_preset(name: str) -> dict[str, Any]:
    """The settings of a preset, without its description.

    Raises:
        ConfigError: there is none of that name.
    """
    return {key: value for key, value in preset_table(name).items() if key != "preset"}


def preset_table(name: str) -> dict[str, Any]:
    """A preset's whole TOML table, `[preset]` (description, source) included."""
    if name not in preset_names():
        raise ConfigError(f"unknown preset '{name}'{did_you_mean(name, preset_names())}")
    text = (resources.files("tutelage.config") / "presets" / f"{name}.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def read_toml(path: Path) -> dict[str, Any]:
    """The settings in a TOML file.

    Raises:
        ConfigError: it is not there, not readable, or not valid TOML (the message names the line); or a section, a
            setting or the type of a value is wrong.
    """
    try:
        with path.open("rb") as stream:
            table = tomllib.load(stream)
    except OSError as error:
        raise ConfigError(f"cannot read the settings file {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from None
    for section, values in table.items():
        try:
            _check_section(section, values)
        except ConfigError as error:
            raise ConfigError(f"{path}: {error}") from None
    return table


def _check_section(section: str, values: Any) -> None:
    """Check names and types in a part of the settings; those of a method wait for it."""
    if not isinstance(values, Mapping):
        word = section.replace("-", "_")
        homes = [name for name, cls in SECTIONS.items() if word in {field.name for field in dataclasses.fields(cls)}]
        where = f"; write it below [{homes[0]}]" if homes else ""
        raise ConfigError(f"{section} = {values!r} stands outside of a section{where}")
    if section not in (*SECTIONS, "method"):
        raise ConfigError(f"unknown section {section}{did_you_mean(section, [*SECTIONS, 'method'])}")
    if section != "method" and not (section == "network" and is_own_network(values.get("name"))):
        options.typed(SECTIONS[section], values, f"{section}.")
