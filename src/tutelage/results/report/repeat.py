"""The commands that reproduce a run, from its record."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from tutelage import config
from tutelage.config import RunConfig
from tutelage.core.names import shown
from tutelage.results.report.places import run_of_baseline
from tutelage.run.method_by_name import learns_from_labels, resolved
from tutelage.run.recommend import SMALL_IMAGE
from tutelage.run.resolve import resolve_pretraining
from tutelage.run.run_record import RunRecord

_ALONE = (
    "data.exclude_labeled",
    "data.skip_unreadable",
    "train.compile",
    "train.baseline",
    "train.finetune",
)  # flags without a value
# said otherwise: the planned steps of a run and of its baseline replace a budget
_LEFT_OUT = ("data.path", "train.seed", "train.budget", "train.baseline_share", "train.baseline_steps")


def train_commands(records: Sequence[RunRecord], names: Mapping[str, str] = MappingProxyType({})) -> list[str]:
    """The commands of several runs; runs that differ only in the seed, and are named for it, become a loop.

    The command of a run trains its supervised baseline too, so that has no command of its own.

    Args:
        names: short forms of paths.
    """
    records = [record for record in records if run_of_baseline(record) is None] or records
    groups: dict[str, list[RunRecord]] = {}
    for record in records:
        seed = record.cfg.train.seed
        stem = record.name.removesuffix(f"-{seed}")
        looped = _command(record, f"{quoted(f'runs/{stem}-')}$seed", ("--seed $seed",), names)
        alike = groups.setdefault(train_command(record, names) if stem == record.name else looped, [])
        if seed not in (other.cfg.train.seed for other in alike):  # same name in another folder: same command
            alike.append(record)
    return [
        train_command(alike[0], names)
        if len(alike) == 1
        else f"for seed in {' '.join(str(record.cfg.train.seed) for record in alike)}; do {command}\ndone"
        for command, alike in groups.items()
    ]


def train_command(record: RunRecord, names: Mapping[str, str] = MappingProxyType({})) -> str:
    """`tutelage train ...` (or `pretrain`) with every setting that is not the default; it reproduces the run.

    A run planned from a time budget gets its planned number of steps, since a new plan would differ; so does its
    baseline. A fine-tuning is repeated with the run that it followed, and its lengths follow from the same budget; a
    baseline is repeated with its run.

    Args:
        names: short forms of paths; those that are not in it are given as they are.
    """
    if record.home != record.path:
        record = RunRecord(record.home)
    record = run_of_baseline(record) or record
    seed = record.cfg.train.seed
    return _command(record, quoted(f"runs/{record.name}"), () if seed == 0 else (f"--seed {seed}",), names)


def _command(record: RunRecord, out: str, seed: Sequence[str], names: Mapping[str, str]) -> str:
    verb = "pretrain" if record.pretrained else "train"
    processes = record.config["environment"].get("processes", 1)
    start = f"torchrun --nproc-per-node {processes} --no-python " if processes > 1 else ""
    first = f"{start}tutelage {verb} {quoted(names.get(record.cfg.data.path, record.cfg.data.path))}"
    plain = [f"--preset {config.NO_PRESET}"] if _gets_recommended(record) else []
    return " \\\n  ".join([first, f"--out {out}", *plain, *_settings(record, names), *seed])


def _gets_recommended(record: RunRecord) -> bool:
    """Whether a command that names the method would take more than it says from a preset for photos."""
    cfg, size = record.cfg, record.data.get("image_size", 0)
    return not record.pretrained and (cfg.network.starts_pretrained or size > SMALL_IMAGE)


def _settings(record: RunRecord, names: Mapping[str, str]) -> list[str]:
    """The flags of a command, except its folder and seed."""
    short = {setting: flag for flag, setting in config.FLAGS.items()}
    flags, by_default = [], record.data.get("framing_by_default", {})
    for name, (value, default) in changed_settings(record.cfg, from_preset=record.kind.from_preset).items():
        planned = name == "train.steps" and record.cfg.train.finetune
        decay = name == "method.ema_decay" and record.config["plan"].get("ema_decay") is not None
        if name in _LEFT_OUT or planned or decay or (name in by_default and value == by_default[name]):
            continue  # a decay that follows from the number of steps follows again
        flag = f"--{short.get(name, name).replace('_', '-')}"
        text = _text(value)
        text = names.get(text, text)
        if name in _ALONE and default is False:
            flags.append(flag)
        else:
            flags.append(f"{flag}={quoted(text)}" if text.startswith("-") else f"{flag} {quoted(text)}")
    train, baseline = record.cfg.train, record.baseline
    if train.finetune:
        flags.append(f"--budget {quoted(record.config['plan']['budget'])}")
    steps = train.baseline_steps if baseline is None else baseline.cfg.train.steps
    if train.baseline and steps not in (None, train.steps):
        flags.append(f"--train.baseline-steps {steps}")
    return flags


def changed_settings(cfg: RunConfig, *, from_preset: bool = False) -> dict[str, tuple[Any, Any]]:
    """The settings that are not the default, by dotted name: value and default; method and steps are always there.

    Args:
        from_preset: whether what is not given is as in the preset of the method; see `DataKind`.
    """
    defaults = _defaults(cfg, from_preset)
    network = defaults["network.name"]
    if cfg.network.name != network:  # what a preset sets for its network is not what another one starts from
        defaults = _defaults(cfg, from_preset, {"network.name": cfg.network.name}) | {"network.name": network}
    changed = {name: (value, defaults.get(name)) for name, value in flat(cfg.to_dict()).items()}
    kept = ("method.name", "train.steps")
    return {name: pair for name, pair in changed.items() if name in kept or _text(pair[0]) != _text(pair[1])}


def _defaults(cfg: RunConfig, from_preset: bool, more: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What a command gives that names data and method, and `more`, by dotted name."""
    given = {"method.name": cfg.method, "data.path": cfg.data.path, **(more or {})}
    if not learns_from_labels(cfg.method):
        return flat(resolved(resolve_pretraining(given)).to_dict())
    preset = config.base_preset(cfg.method) if from_preset else None
    preset = preset if preset in config.preset_names() else None  # a method of another package has none
    return flat(resolved(config.resolve(given, preset=preset)).to_dict())


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings by dotted name."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found


def _text(value: Any) -> str:
    """A value as the command line takes it."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def quoted(text: str) -> str:
    """A word quoted for the shell; control characters are written as `$'...'`."""
    if text.isprintable():
        return shlex.quote(text)
    return "$'" + shown(text).replace("'", "\\'") + "'"
