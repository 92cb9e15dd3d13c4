"""The flags of `tutelage train` and `compare`, derived from the settings that they stand for."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Annotated, Any, get_origin

from cyclopts import Group, Parameter, Token

from tutelage import config
from tutelage.cli.dotted import SETTINGS
from tutelage.config import options

_USUAL = Group("Usual settings", sort_key=1)
_DATA = Group("Data", sort_key=2)
_MACHINE = Group("Machine and log", sort_key=3)
_RUN = Group("Run", sort_key=4)
_GROUPS = {
    _USUAL: "method preset network image_size label_count batch_size unlabeled_ratio steps budget seed",
    _DATA: "labels unlabeled val test label_balance exclude_labeled skip_unreadable",
    _MACHINE: "device precision compile workers log_every eval_every checkpoint_every",
    _RUN: "out overwrite resume init_from config metrics baseline baseline_share no_report",
}
_HELP = {
    "method": f"what to learn with (see tutelage methods), or package.module:Class [default: {config.DEFAULT_METHOD}]",
    "metrics": "your own scores, package.module:function",
    "preset": "the settings of a published result: tutelage methods lists them",
    "config": "TOML file of settings, by section",
    "out": "run folder to make; it must not exist",
    "overwrite": "replace the run in the folder",
    "no_report": "make no report.html at the end",
    "resume": "run folder to go on with, exactly where it stopped",
}
_FLAGS_ALONE = {"overwrite", "baseline", "no_report", "exclude_labeled", "skip_unreadable", "compile"}


def _as_given(kind: Any, tokens: Sequence[Token]) -> str:
    """The word itself: settings from flags, files and Python are all read by `options.py`."""
    return tokens[0].value


def _flags(made_name: str, left_out: str = "", told: Mapping[str, str] = MappingProxyType({})) -> type:
    """Flags as a dataclass: derived from the settings they stand for, but for those `left_out`; `told` is help text."""
    fields: list[tuple[str, Any, Any]] = []
    for group, names in _GROUPS.items():
        for name in (name for name in names.split() if name not in left_out.split()):
            option = SETTINGS.get(config.FLAGS.get(name, ""))
            text = told.get(name) or _HELP.get(name) or (option.help + _default_text(option) if option else "")
            kind = bool if name in _FLAGS_ALONE else _kind(option)
            parameter = Parameter(help=text, group=group, converter=None if kind is bool else _as_given)
            fields.append((name, Annotated[kind | None, parameter], dataclasses.field(default=None)))
    made = dataclasses.make_dataclass(made_name, fields, frozen=True)
    made.__module__ = __name__  # where the parser resolves its annotations
    return made


def _kind(option: options.Option | None) -> Any:
    """What the parser takes a flag for: lists are one word, separated by commas."""
    return str if option is None or get_origin(option.type) is tuple else option.type


def _default_text(option: options.Option) -> str:
    if isinstance(option.default, bool) or not isinstance(option.default, int | float | str):
        return ""
    return f" [default: {option.default:g}]" if isinstance(option.default, float) else f" [default: {option.default}]"


TrainFlags: Any = _flags("TrainFlags")
CompareFlags: Any = _flags(
    "CompareFlags", left_out="method preset label_count out overwrite resume metrics baseline baseline_share no_report"
)
PretrainFlags: Any = _flags(
    "PretrainFlags",
    left_out="unlabeled_ratio exclude_labeled metrics baseline baseline_share",
    told={
        "method": f"a method that learns without labels, see tutelage methods [default: {config.PRETRAINING_METHOD}]",
        "preset": "settings to start from [default: METHOD-small]",
        "network": "what is trained: small, resnet-18, resnet-50, ...; tutelage methods settings lists all",
        "batch_size": "images a step",
        "label_count": "show the monitor so many labels only",
        "val": "labeled images for the monitor; without it a part of the labels is held out",
    },
)
