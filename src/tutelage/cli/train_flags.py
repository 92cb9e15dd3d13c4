"""The flags of `tutelage train` and `compare`, derived from the settings they set."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Annotated, Any, get_origin

from cyclopts import Group, Parameter, Token

from tutelage import config
from tutelage.cli.dotted import SETTINGS
from tutelage.config import options

_COMMON = Group("Common settings", sort_key=1)
_DATA = Group("Data", sort_key=2)
_MACHINE = Group("Device and logging", sort_key=3)
_RUN = Group("Run", sort_key=4)
_GROUPS = {  # what is not listed stands in the group of its section
    _COMMON: "method preset network image_size resize channels label_count batch_size unlabeled_ratio "
    "steps budget seed",
    _DATA: "labels unlabeled val test label_balance exclude_labeled skip_unreadable",
    _MACHINE: "device precision compile workers log log_every eval_every checkpoint_every",
    _RUN: "out overwrite resume init_from config metrics baseline baseline_share no_report",
}
_HELP = {
    "method": f"training method (see tutelage methods), or package.module:Class [default: {config.DEFAULT_METHOD}]",
    "metrics": "your own scores as package.module:function, separated by commas [default: none]",
    "preset": "preset to start from, or none (see tutelage methods presets) [default: for the data]",
    "image_size": "side of the images in pixels [default: chosen]",
    "resize": "to squares: crop, pad, squash [default: auto]",
    "channels": "of arrays and TIFF files up to 16 [default: chosen]",
    "val": "validation images, else some labels are held out",
    "workers": "threads that load images ahead [default: 2]",
    "log": "also write to mlflow, wandb, or tensorboard [default: none]",
    "seed": "seed of all random choices [default: 0]",
    "config": "TOML file with settings, by section [default: none]",
    "out": "run folder to create; it must not exist",
    "overwrite": "replace the run in the folder",
    "no_report": "do not write report.html at the end",
    "resume": "run folder to resume, exactly where the run stopped",
}
_BY_PRESET = {"network", "batch_size", "unlabeled_ratio"}  # flags whose default nearly every preset changes
_CHOICES_IN_HELP = {"resize"}
_FLAGS_ALONE = {"overwrite", "baseline", "no_report", "exclude_labeled", "skip_unreadable", "compile"}


def _as_given(kind: Any, tokens: Sequence[Token]) -> str:
    """The token itself: settings from flags, files and Python are all parsed by `options.py`."""
    return tokens[0].value


def _flags(class_name: str, left_out: str = "", help_texts: Mapping[str, str] = MappingProxyType({})) -> type:
    """A dataclass of flags, derived from the settings they set, without those in `left_out`."""
    fields: list[tuple[str, Any, Any]] = []
    for group, names in _grouped().items():
        for name in (name for name in names if name not in left_out.split()):
            option = SETTINGS.get(config.FLAGS.get(name, ""))
            text = help_texts.get(name) or _HELP.get(name) or (_text(name, option) if option else "")
            kind = bool if name in _FLAGS_ALONE else str if name in _CHOICES_IN_HELP else _kind(option)
            parameter = Parameter(help=text, group=group, converter=None if kind is bool else _as_given)
            fields.append((name, Annotated[kind | None, parameter], dataclasses.field(default=None)))
    flags = dataclasses.make_dataclass(class_name, fields, frozen=True)
    flags.__module__ = __name__  # where the parser resolves its annotations
    return flags


def _grouped() -> dict[Group, list[str]]:
    """The names of all flags by their group, in the order of the help."""
    groups = {group: names.split() for group, names in _GROUPS.items()}
    listed = {"data", *(name for names in groups.values() for name in names)}
    for name, setting in config.FLAGS.items():
        if name not in listed:
            groups[_DATA if setting.startswith("data.") else _COMMON].append(name)
    return groups


def _kind(option: options.Option | None) -> Any:
    """The type of a flag for the parser; lists are one token, separated by commas."""
    return str if option is None or get_origin(option.type) is tuple else option.type


def _text(name: str, option: options.Option) -> str:
    """The help of a setting, with its default if that is a number or a word."""
    default = "as in the preset" if name in _BY_PRESET else option.default
    if isinstance(default, bool) or not isinstance(default, int | float | str):
        return option.help
    return (
        f"{option.help} [default: {default:g}]" if isinstance(default, float) else f"{option.help} [default: {default}]"
    )


TrainFlags: Any = _flags("TrainFlags")
CompareFlags: Any = _flags(
    "CompareFlags", left_out="method preset label_count out overwrite resume metrics baseline baseline_share no_report"
)
PretrainFlags: Any = _flags(
    "PretrainFlags",
    left_out="unlabeled_ratio exclude_labeled metrics baseline baseline_share",
    help_texts={
        "method": f"self-supervised method, see tutelage methods [default: {config.PRETRAINING_METHOD}]",
        "preset": "preset to start from, or none for the defaults [default: METHOD-small]",
        "network": "network to train: small, resnet-18, resnet-50, ... (tutelage methods settings lists all)",
        "batch_size": "images per step [default: as set in the preset]",
        "label_count": "number of labels that the kNN monitor uses [default: all]",
        "val": "labeled images that the kNN monitor scores [default: hold out part of the labels]",
    },
)
