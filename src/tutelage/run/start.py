"""Starting a run, and going on with one."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from tutelage.config import RunConfig
from tutelage.core.devices import choose_device, choose_precision
from tutelage.core.distributed import barrier, rank
from tutelage.core.errors import RunError, TutelageError, is_out_of_memory
from tutelage.core.files import write_atomically
from tutelage.core.precision import float32_by_default
from tutelage.core.regular import read_regular
from tutelage.core.sealed import write_sealed
from tutelage.core.seeding import own_random_state
from tutelage.core.wording import command, option
from tutelage.data.kinds import IMAGES
from tutelage.run import baseline
from tutelage.run.batches import lowered
from tutelage.run.budget import Deadline
from tutelage.run.data_modules.base import DataModule
from tutelage.run.data_modules.recognize import MODULES, data_before_settings, module_of
from tutelage.run.doubtful_settings import warn_of_slow_averages, warn_of_unused_views
from tutelage.run.fine_tuning import check_finetune
from tutelage.run.folder import RunFolder, refuse_existing
from tutelage.run.method_by_name import method_class, resolved
from tutelage.run.method_checks import check_frozen, check_goal
from tutelage.run.own_content import LABELS
from tutelage.run.planning import plan_run
from tutelage.run.provenance import describe, refuse_changes, refuse_other_data, refuse_other_split, warn_of_changes
from tutelage.run.reads import read_by_training, refuse_among_images
from tutelage.run.recorder import restore_checkpoint, take_checkpoint
from tutelage.run.resolve import absolute
from tutelage.run.run_record import RunRecord
from tutelage.run.session import Session, open_session
from tutelage.run.trackers.trackers import require_packages
from tutelage.run.warm_start import network_of_origin
from tutelage.training.checkpoint import load_checkpoint, save_checkpoint
from tutelage.training.state import Training
from tutelage.training.window import Window


@float32_by_default()
@own_random_state()
def start_run(
    cfg: RunConfig,
    out: Path,
    *,
    overwrite: bool = False,
    console: Console,
    pretraining: bool = False,
    report: bool = False,
    begun: float | None = None,
    loaded: DataModule | None = None,
    end: float | None = None,
    keep_labels: bool = False,
) -> DataModule:
    """Train from the start, in a new run folder; gives the data, which a baseline needs not read again.

    Args:
        pretraining: without labels; the method must be for that, and else must not.
        report: whether the caller writes a report within the budget.
        begun: when the command began, and its budget, in seconds of `time.monotonic`.
        loaded: the data of another run with these settings of the data, which is not read again.
        end: as in `Session.train`.
        keep_labels: the label table goes into the run folder, which names it from then on.

    Raises:
        TutelageError: a setting, the data or the folder is not as needed, and nothing is left behind; or training was
            interrupted or not finite, and the folder holds the last good step.
    """
    begun = time.monotonic() if begun is None else begun
    cfg = resolved(absolute(cfg))
    kind, device = _accepted(cfg, out, pretraining=pretraining, overwrite=overwrite)
    with ExitStack() as stack:
        deterministic = cfg.train.deterministic
        session = open_session(stack, device, console, kind, loaded=loaded, deterministic=deterministic)
        cfg = network_of_origin(cfg, kind.kind, session.console)
        folder = _new_folder(stack, cfg, out, overwrite=overwrite) if rank() == 0 else None
        cfg = _decided(session, cfg, out, begun=begun, read=loaded is None)
        stack.enter_context(_name_batch(cfg, session.module))
        training = session.build(cfg, init_from=cfg.train.init_from)
        cfg, plan = plan_run(session, training, cfg, report=report)
        warn_of_slow_averages(training, cfg, session.console)
        warn_of_unused_views(training, cfg, session.module)
        session.stop.check()
        cfg, labels = _with_own_labels(cfg, out, keep_labels)
        if folder is not None:
            _write_start(folder, session, training, cfg, plan, labels)
        session.train(training, folder, start=0, window=Window(), begun=begun, end=end)
        return session.module


@float32_by_default()
@own_random_state()
def resume_run(run: Path, given: Mapping[str, Any], *, console: Console) -> None:
    """Go on with a run exactly where it stopped; one that is finished is left as it is.

    Args:
        given: settings by dotted name that the user repeats; each must be the run's own.

    Raises:
        RunError: `run` is no run, is in use, or its settings or data changed; or no checkpoint of it is good.
    """
    begun = time.monotonic()
    record = RunRecord(run)
    recorded = record.config
    if record.imported:
        raise RunError(
            f"{run} was imported, not trained here: start a training from it with {option('init_from', run)}"
        )
    cfg = refuse_changes(recorded, given, run)
    split = record.split  # no step depends on it, but all that is said of the run later
    if record.result is not None:
        console.print(f"{run} is finished already; its metrics are in result.json")
        return
    require_packages(cfg.train.log)
    with ExitStack() as stack:
        kind = MODULES[record.kind.name]
        device = choose_device(cfg.train.device)
        session = open_session(stack, device, console, kind, deterministic=cfg.train.deterministic)
        folder = stack.enter_context(RunFolder.open(run)) if rank() == 0 else None
        warn_of_changes(recorded, session.device)
        session.load(cfg, run)
        session.module.resume(cfg, recorded["data"], run)
        refuse_other_data(recorded, session.module.data, run, kind.kind.name)
        refuse_other_split(split, session.module.data.split_record(), run)
        stack.enter_context(_name_batch(cfg, session.module))
        training = session.build(cfg, resuming=True)
        barrier()
        checkpoint = load_checkpoint(run / "checkpoints")
        window = restore_checkpoint(training, checkpoint)
        if folder is not None:
            folder.cut(checkpoint.step, checkpoint.log)
        session.console.print(f"continuing after step {checkpoint.step} of {training.total}")
        session.train(training, folder, start=checkpoint.step, window=window, begun=begun)


def _kept(cfg: RunConfig, out: Path) -> tuple[str, ...]:
    """The label table of the folder `out`, if that is the one that is given."""
    return (LABELS,) if cfg.data.labels is not None and Path(cfg.data.labels) == out.absolute() / LABELS else ()


def _new_folder(stack: ExitStack, cfg: RunConfig, out: Path, *, overwrite: bool) -> RunFolder:
    return stack.enter_context(RunFolder.create(out, overwrite=overwrite, keeps=_kept(cfg, out)))


def _accepted(
    cfg: RunConfig, out: Path, *, pretraining: bool, overwrite: bool
) -> tuple[type[DataModule], torch.device]:
    """The module of the data and the device of a run; refuses at once what can be known to fail without the data."""
    check_goal(cfg, pretraining=pretraining)
    kind = module_of(cfg)
    with data_before_settings(cfg):
        kind.refuse(cfg)
    device = choose_device(cfg.train.device)
    choose_precision(cfg.train.precision, device)
    require_packages(cfg.train.log)
    baseline.check_baseline(cfg)
    check_finetune(cfg)
    if rank() == 0:
        refuse_existing(out, overwrite=overwrite, reads=read_by_training(cfg, out), keeps=_kept(cfg, out))
        if kind.kind == IMAGES:
            refuse_among_images(cfg.data, out)
    return kind, device


def _decided(session: Session, cfg: RunConfig, out: Path, *, begun: float, read: bool) -> RunConfig:
    """The settings with all that depends on the data, which is read first, unless another run has read it."""
    module = session.module
    if read:
        session.console.print(f"- reading the {module.kind.name}")
        cfg = session.settle(cfg, out)
    module.deadline = None if cfg.train.budget is None else Deadline(begun, cfg.train.budget)
    check_frozen(cfg)
    baseline.check_baseline(cfg)
    if read:
        session.load(cfg, out)
    asked, cfg = cfg, module.decide(cfg)
    module.lowered = lowered(asked, cfg)
    split = module.data.split_record()
    scored = split["val_images"] + split["test_images"] > 0
    baseline.check_scored(cfg.train, scored, module.kind.name)
    if cfg.train.metrics and not scored:
        session.console.print(
            f"- train.metrics: no labeled {module.kind.name} are left to score on, so these metrics are not computed "
            f"in this run; {command('evaluate')} computes them"
        )
    return cfg


def _with_own_labels(cfg: RunConfig, out: Path, keep: bool) -> tuple[RunConfig, bytes | None]:
    """The settings with the label table of the run folder, and the table, if one is to be in that folder.

    A table that is there already is kept too: an earlier run in this folder had it.
    """
    if cfg.data.labels is None:
        return cfg, None
    given, own = Path(cfg.data.labels), out.absolute() / LABELS
    if not keep and given != own:
        return cfg, None
    return dataclasses.replace(cfg, data=dataclasses.replace(cfg.data, labels=str(own))), read_regular(given)


def _write_start(
    folder: RunFolder,
    session: Session,
    training: Training,
    cfg: RunConfig,
    plan: Mapping[str, Any],
    labels: bytes | None,
) -> None:
    """Write all that the folder holds before the first step; config.json comes last, which makes it a run.

    Args:
        labels: the label table, if it goes into the folder.
    """
    folder.clear()
    module, out = session.module, folder.path
    if labels is not None:
        write_atomically(out / LABELS, labels)
    write_sealed(out / "split.json", module.data.split_record())
    module.save(out)
    module.draw_views(cfg, out / "views.png")
    save_checkpoint(folder.checkpoints, take_checkpoint(training, 0, Window()))
    folder.declare(describe(cfg, module, session.device, plan))


@contextmanager
def _name_batch(cfg: RunConfig, module: DataModule) -> Iterator[None]:
    """Say which batch did not fit, where memory does not suffice."""
    try:
        yield
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        train = cfg.train
        method = method_class(cfg.method)
        labeled = [f"{train.batch_size} labeled"] if method.labeled_views else []
        unlabeled = [f"{train.unlabeled_batch} unlabeled"] if method.unlabeled_views else []
        raise TutelageError(
            f"out of memory with batches of {' and '.join([*labeled, *unlabeled])} {module.item} and the network "
            f"'{cfg.network.name}': lower train.batch_size or {module.smaller}, or choose a smaller network"
        ) from error
