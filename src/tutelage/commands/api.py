"""The functions of the Python API that train: `train` and `pretrain`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypedDict, Unpack

from torch import Tensor

from tutelage.commands.api_guard import guarded
from tutelage.commands.api_settings import settings_of
from tutelage.commands.run import Run
from tutelage.commands.train import resume_training, train_run
from tutelage.core.console import screen
from tutelage.core.errors import ConfigError, RunError
from tutelage.data.images.given_labels import Labels, is_in_memory
from tutelage.methods.base import Method
from tutelage.networks.base import Network
from tutelage.run.own_content import LABELS
from tutelage.run.resolve import resolve_pretraining, resolve_training


class PretrainFlags(TypedDict, total=False):
    """The common settings of `pretrain`, named as on the command line."""

    labels: Labels
    unlabeled: str | Path
    val: str | Path
    test: str | Path
    label_count: int
    label_balance: Literal["balanced", "proportional"]
    image_size: int
    resize: Literal["auto", "crop", "pad", "squash"]
    channels: int
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
    log: str | Sequence[str]
    log_every: int | None
    eval_every: int
    checkpoint_every: int
    init_from: str | Path


class Flags(PretrainFlags, total=False):
    """The common settings of `train`."""

    exclude_labeled: bool
    unlabeled_ratio: float
    metrics: Sequence[str | Callable[[Tensor, Tensor], Any]]
    baseline: bool
    baseline_share: float


@guarded
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
    """Train on a few labels and many unlabeled images or scans, or resume a run.

    Args:
        data: folder with one subfolder per class, folder of images with `labels`, tar shards, Parquet or .npz files,
            or `"digits"`; or scans to segment: folder with images/ and labels/, dataset.json, CSV with image,label, or
            .h5 files.
        out: run folder to create.
        preset: name of a preset to start from, see `tutelage methods presets`; `"none"` starts from the defaults, and
            None from what is recommended for the data.
        config_file: TOML file with settings, by section.
        settings: further settings by dotted name, e.g. `{"method.ema_decay": 0.99}`.
        overwrite: replace the run in `out`.
        resume: run folder to resume, instead of `data` and `out`.
        quiet: print nothing.
        **flags: the common settings, named as on the command line. `labels` is the path of a CSV file, a pandas
            DataFrame with the columns path and label, or a mapping from paths to labels, relative to the folder of
            images; None, NaN and "" stand for no label. Labels in memory are kept in the run folder. `method` and
            `network` also accept your own class, and `metrics` your own functions of (probs, labels). These must be
            defined in a module that can be imported, because the run records their import path.

    Raises:
        TutelageError: see `tutelage.core.errors`.
    """
    with settings_of(data, flags, settings) as given:
        if resume is not None:
            return _resumed(resume, given, (out, preset, config_file, overwrite), quiet=quiet)
        if out is None:
            raise ConfigError("specify the run folder to create: out='runs/a'")
        cfg = resolve_training(given, preset=preset, file=config_file)
        keep = is_in_memory(flags.get("labels"))
        return train_run(cfg, Path(out), overwrite=overwrite, console=screen(quiet=quiet), keep_labels=keep)


@guarded
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
    """Train an encoder on images without labels, or resume such a run; `train(..., init_from=RUN)` starts from it.

    Args:
        data: any source that `train` accepts, or any folder of images. Labels are optional; they are only used to
            measure how good the features are.
        preset: name of a preset to start from; None is METHOD-small, `"none"` the defaults.
        out, config_file, settings, overwrite, resume, quiet, **flags: as in `train`.

    Raises:
        TutelageError: see `tutelage.core.errors`.
    """
    with settings_of(data, flags, settings) as given:
        if resume is not None:
            return _resumed(resume, given, (out, preset, config_file, overwrite), quiet=quiet)
        if out is None:
            raise ConfigError("specify the run folder to create: out='runs/moco'")
        cfg = resolve_pretraining(given, preset=preset, file=config_file)
        keep = is_in_memory(flags.get("labels"))
        console = screen(quiet=quiet)
        return train_run(cfg, Path(out), overwrite=overwrite, console=console, pretraining=True, keep_labels=keep)


def _resumed(run: str | Path, given: Mapping[str, Any], refused: tuple[object, ...], *, quiet: bool) -> Run:
    if any(refused):
        raise ConfigError(
            "resume uses the settings of the run; it cannot be combined with out, preset, config_file or overwrite"
        )
    own, table = Path(run) / LABELS, given.get("data.labels")
    if table is not None and own.is_file():  # labels in memory, which the run has kept
        if Path(table).read_bytes() != own.read_bytes():
            raise RunError(f"resume keeps the labels of {run}, and those given differ. Start a new run to change them")
        given = {name: value for name, value in given.items() if name != "data.labels"}
    return resume_training(Path(run), given, console=screen(quiet=quiet))
