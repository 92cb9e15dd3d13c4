"""What `import tutelage` offers: `train` and `load`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypedDict, Unpack

from tutelage import config
from tutelage.console import screen
from tutelage.errors import ConfigError, did_you_mean
from tutelage.model import Model
from tutelage.run import Run, resume_run, start_run

__all__ = ["Run", "load", "train"]


class Flags(TypedDict, total=False):
    """The usual settings, named as on the command line."""

    labels: str | Path
    unlabeled: str | Path
    val: str | Path
    test: str | Path
    label_count: int
    label_balance: Literal["balanced", "proportional"]
    exclude_labeled: bool
    image_size: int
    skip_unreadable: bool
    method: str
    network: str
    batch_size: int
    unlabeled_ratio: float
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
    """Train on a few labels and many unlabeled images, or go on with a run.

    Args:
        data: folder of class folders, flat folder with `labels`, tar shards, .npz file, or `"digits"`.
        out: run folder to make.
        preset: a published or recommended setting, see `tutelage methods`.
        config_file: TOML file of settings, by section.
        settings: further settings by dotted name, e.g. `{"method.ema_decay": 0.99}`.
        overwrite: replace the run in `out`.
        resume: run folder to go on with, instead of `data` and `out`.
        quiet: print nothing.
        **flags: the usual settings, named as on the command line.

    Raises:
        TutelageError: see `tutelage.errors`.
    """
    console = screen(quiet=quiet)
    given: dict[str, Any] = {"data.path": str(data)} if data is not None else {}
    for name, value in flags.items():
        if name not in config.FLAGS:
            raise ConfigError(f"unknown setting {name}{did_you_mean(name, config.FLAGS)}")
        given[config.FLAGS[name]] = str(value) if isinstance(value, Path) else value
    twice = sorted(set(given) & set(settings or {}))
    if twice:
        raise ConfigError(f"{twice[0]} is given twice: as a flag, and in settings")
    given |= settings or {}
    if resume is not None:
        if out is not None or preset is not None or config_file is not None or overwrite:
            raise ConfigError(
                "resume goes on with the run's own settings; out, preset, config_file, overwrite do not go with it"
            )
        return resume_run(Path(resume), given, console=console)
    if out is None:
        raise ConfigError("name the run folder to make: out='runs/a'")
    return start_run(
        config.resolve(given, preset=preset, file=config_file), Path(out), overwrite=overwrite, console=console
    )


def load(run: str | Path, *, network: str = "auto", device: str = "auto") -> Model:
    """The trained model of a run; see `Model.load`."""
    return Model.load(run, network=network, device=device)
