"""What `import tutelage` offers: `train`, `pretrain` and `load`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypedDict, Unpack

from torch import Tensor

from tutelage import config
from tutelage.commands.run import Run
from tutelage.commands.train import resume_training, train_run
from tutelage.core.console import screen
from tutelage.core.errors import ConfigError, did_you_mean
from tutelage.core.import_path import import_path
from tutelage.inference.images.model import Model
from tutelage.inference.load import load_model
from tutelage.inference.scans.model import ScanModel
from tutelage.methods import METHODS
from tutelage.methods.base import Method
from tutelage.networks.base import Network
from tutelage.run.resolve import resolve_pretraining, resolve_training

__all__ = ["Run", "load", "pretrain", "train"]


class PretrainFlags(TypedDict, total=False):
    """The usual settings of `pretrain`, named as on the command line."""

    labels: str | Path
    unlabeled: str | Path
    val: str | Path
    test: str | Path
    label_count: int
    label_balance: Literal["balanced", "proportional"]
    image_size: int
    skip_unreadable: bool
    method: str | type[Method]
    network: str | type[Network]
    batch_size: int
    steps: int
    budget: str
    seed: int
    device: str
    precision: Literal["auto", "fp32", "bf16", "fp16"]
    compile: bool
    workers: int
    log_every: int
    eval_every: int
    checkpoint_every: int
    init_from: str | Path


class Flags(PretrainFlags, total=False):
    """The usual settings of `train`."""

    exclude_labeled: bool
    unlabeled_ratio: float
    metrics: Sequence[str | Callable[[Tensor, Tensor], Any]]
    baseline: bool
    baseline_share: float


def train(
    data: str | Path | None = None,
    *,
    out: str | Path | None = None,
    preset: str | None = None,
    config_file: str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
    overwrite: bool = False,
    resume: str | Path | None = None,
    quiet: bool = True,
    **flags: Unpack[Flags],
) -> Run:
    """Train on a few labels and many unlabeled images or scans, or go on with a run.

    Args:
        data: folder of class folders, flat folder with `labels`, tar shards, .npz file, or `"digits"`; or scans to
            segment: images/ and labels/, dataset.json, a CSV of pairs, or .h5 files.
        out: run folder to make.
        preset: a published or recommended setting, see `tutelage methods`.
        config_file: TOML file of settings, by section.
        settings: further settings by dotted name, e.g. `{"method.ema_decay": 0.99}`.
        overwrite: replace the run in `out`.
        resume: run folder to go on with, instead of `data` and `out`.
        quiet: print nothing.
        **flags: the usual settings, named as on the command line. `method` and `network` also take your own class, and
            `metrics` your own functions of (probs, labels): of a module that can be imported, since the run records
            their import path.

    Raises:
        TutelageError: see `tutelage.core.errors`.
    """
    given = _settings(data, flags, settings)
    if resume is not None:
        return _resumed(resume, given, (out, preset, config_file, overwrite), quiet=quiet)
    if out is None:
        raise ConfigError("name the run folder to make: out='runs/a'")
    cfg = resolve_training(given, preset=preset, file=config_file)
    return train_run(cfg, Path(out), overwrite=overwrite, console=screen(quiet=quiet))


def pretrain(
    data: str | Path | None = None,
    *,
    out: str | Path | None = None,
    preset: str | None = None,
    config_file: str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
    overwrite: bool = False,
    resume: str | Path | None = None,
    quiet: bool = True,
    **flags: Unpack[PretrainFlags],
) -> Run:
    """Train an encoder on images without labels, or go on with that; `train(..., init_from=RUN)` starts from it.

    Args:
        data: what `train` takes, or any folder of images: labels are not needed, and only tell how good the features
            are.
        preset: settings to start from; without it those for small images and machines.
        out, config_file, settings, overwrite, resume, quiet, **flags: as in `train`.

    Raises:
        TutelageError: see `tutelage.core.errors`.
    """
    given = _settings(data, flags, settings)
    if resume is not None:
        return _resumed(resume, given, (out, preset, config_file, overwrite), quiet=quiet)
    if out is None:
        raise ConfigError("name the run folder to make: out='runs/moco'")
    cfg = resolve_pretraining(given, preset=preset, file=config_file)
    return train_run(cfg, Path(out), overwrite=overwrite, console=screen(quiet=quiet), pretraining=True)


def _settings(data: str | Path | None, flags: Mapping[str, Any], settings: Mapping[str, Any] | None) -> dict[str, Any]:
    """What was given, by dotted name."""
    given: dict[str, Any] = {"data.path": str(data)} if data is not None else {}
    for name, value in flags.items():
        if name not in config.FLAGS:
            raise ConfigError(f"unknown setting {name}{did_you_mean(name, config.FLAGS)}")
        given[config.FLAGS[name]] = _plain(name, value)
    twice = sorted(set(given) & set(settings or {}))
    if twice:
        raise ConfigError(f"{twice[0]} is given twice: as a flag, and in settings")
    return given | dict(settings or {})


def _plain(name: str, value: Any) -> Any:
    """A value as it is written down; classes and functions by the name under which they are found again."""
    if isinstance(value, Path):
        return str(value)
    if inspect.isclass(value) and value in METHODS:
        return value.name
    if inspect.isclass(value) or callable(value):
        return import_path(value, name)
    return tuple(_plain(name, item) for item in value) if isinstance(value, list | tuple) else value


def _resumed(run: str | Path, given: Mapping[str, Any], of_a_new_run: tuple[object, ...], *, quiet: bool) -> Run:
    if any(of_a_new_run):
        raise ConfigError(
            "resume goes on with the run's own settings; out, preset, config_file, overwrite do not go with it"
        )
    return resume_training(Path(run), given, console=screen(quiet=quiet))


def load(run: str | Path, *, network: str = "auto", device: str = "auto") -> Model | ScanModel:
    """The trained model of a run, for images or scans; see `Model.load` and `ScanModel.load`."""
    return load_model(run, network=network, device=device)
