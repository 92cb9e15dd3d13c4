"""The commands train and pretrain: the run, then its supervised baseline and its fine-tuning, where requested."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from rich.console import Console

from tutelage import config
from tutelage.commands.fine_tune import finish_fine_tuning
from tutelage.commands.run import Run
from tutelage.config import AUTO, RunConfig
from tutelage.core.devices import choose_device
from tutelage.core.distributed import from_main, process_group, restarted
from tutelage.core.errors import Interrupted
from tutelage.core.wording import option
from tutelage.results.verdict.verdict import FILE as VERDICT
from tutelage.results.verdict.verdict import judge, print_guess, print_verdict, write_verdict
from tutelage.run import baseline
from tutelage.run.data_modules.base import DataModule
from tutelage.run.run_record import BASELINE_FOLDER, RunRecord
from tutelage.run.start import resume_run, start_run
from tutelage.run.trackers.trackers import keep_in_trackers


def train_run(
    cfg: RunConfig,
    out: Path,
    *,
    overwrite: bool = False,
    console: Console,
    pretraining: bool = False,
    report: bool = False,
    begun: float | None = None,
    keep_labels: bool = False,
) -> Run:
    """Train in a new run folder, then train the baseline if the settings ask for one; see `start_run`.

    Where torchrun has started the processes again, since one was lost, the run goes on from its newest checkpoint.

    Args:
        report: whether the caller writes a report within the budget.
        begun: when the command began, in seconds of `time.monotonic`.

    Raises:
        TutelageError: as in `start_run`.
    """
    begun = time.monotonic() if begun is None else begun
    with process_group(choose_device(cfg.train.device)) if restarted() else nullcontext():
        if restarted() and from_main((out / "config.json").exists()):
            given = config.flat(cfg.given)
            if given.get("method.name") == AUTO:
                del given["method.name"]
            return resume_training(out, given, console=console)
        data = start_run(
            cfg,
            out,
            overwrite=overwrite,
            console=console,
            pretraining=pretraining,
            report=report,
            begun=begun,
            keep_labels=keep_labels,
        )
    _finish_baseline(out, console, data, begun=begun)
    finish_fine_tuning(RunRecord(out), data, begun=begun, report=report, console=console)
    _conclude(RunRecord(out), console)
    return Run(out)


def resume_training(run: Path, given: Mapping[str, Any], *, console: Console) -> Run:
    """Resume a run exactly where it stopped, then its baseline and its fine-tuning; see `resume_run`.

    Raises:
        RunError: as in `resume_run`.
    """
    begun = time.monotonic()
    resume_run(run, given, console=console)
    _finish_baseline(run, console)
    finish_fine_tuning(RunRecord(run), begun=begun, console=console)
    _conclude(RunRecord(run), console)
    return Run(run)


def _finish_baseline(
    run: Path, console: Console, data: DataModule | None = None, *, begun: float | None = None
) -> None:
    """Train or resume the supervised baseline of a finished run, and report whether unlabeled images helped.

    Does nothing if the settings ask for no baseline, or if there is already a verdict.

    Args:
        data: of the run, if it is loaded.
        begun: when the command began, in seconds of `time.monotonic`, if it trained the run, too.
    """
    record, folder = RunRecord(run), run / BASELINE_FOLDER
    if not record.cfg.train.baseline or record.verdict is not None:
        return
    console.print(f"the supervised baseline, in {folder}:")
    try:
        if (folder / "config.json").exists():
            resume_run(folder, {}, console=console)
        else:
            plan = record.config["plan"]
            end = None if begun is None else baseline.end_of_training(plan, begun)
            cfg = baseline.baseline_config(record.cfg, plan)
            start_run(cfg, folder, console=console, loaded=data, end=end)
    except Interrupted as stopped:
        message = f"stopped in the supervised baseline; resume with {option('resume', run)}"
        raise Interrupted(message, stopped.exit_code - 128) from None
    verdict = judge([(run, folder)])
    write_verdict(verdict, run)
    keep_in_trackers(run, [VERDICT], lambda line: console.print(f"- {line}"))
    print_verdict(verdict, console)


def _conclude(record: RunRecord, console: Console) -> None:
    """Say what a verdict leaves open: whether a run without one is better than guessing, and a fine-tuned network."""
    if record.verdict is None:
        print_guess(record.best, console)
    elif record.best is not record and record.baseline is not None:
        verdict = judge([(record.path, record.baseline.path)])
        write_verdict(verdict, record.path)
        console.print(verdict.remarks[-1])
