"""What train and pretrain have in common: a new run, or one that is resumed, and its report."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from tutelage import commands, config
from tutelage.cli.application import dotted, given_flags
from tutelage.cli.dotted import as_flag
from tutelage.core.console import screen
from tutelage.core.errors import ConfigError, Interrupted
from tutelage.core.terminated import number_of
from tutelage.core.wording import option


def start_or_resume(data: str | None, flags: Any, *, pretraining: bool) -> None:
    """Train as the flags say, and write a report.

    Raises:
        TutelageError: a flag is missing or does not go with another; or as `train_run` and `resume_training`.
    """
    begun = time.monotonic()
    given = given_flags(flags)
    resume, out = given.pop("resume", None), given.pop("out", None)
    if resume is None and data is None:
        needed = "the images to pretrain on" if pretraining else "the data to train on"
        raise ConfigError(f"specify {needed}, or a run to resume (--resume RUN)")
    if resume is None and out is None:
        raise ConfigError(f"specify the run folder to create: --out runs/{'moco' if pretraining else 'a'}")
    settings = {config.FLAGS[name]: value for name, value in given.items() if name in config.FLAGS}
    settings |= {"data.path": data} if data is not None else {}
    settings |= dotted.pop(given=settings)
    reported = False
    if resume is not None:
        refused = [name for name in ("preset", "config", "overwrite") if name in given] + (["out"] if out else [])
        if refused:
            raise ConfigError(
                f"--resume uses the settings of the run; it cannot be combined with {as_flag(refused[0])}"
            )
        # a run that is finished and has a report is left unchanged
        reported = all(os.path.lexists(Path(resume) / name) for name in ("result.json", "report.html"))
        run = commands.resume_training(Path(resume), settings, console=screen())
    else:
        resolve = commands.resolve_pretraining if pretraining else commands.resolve_training
        cfg = resolve(settings, preset=given.get("preset"), file=given.get("config"))
        if os.environ.get("RANK", "0") == "0":
            screen().print("- loading PyTorch")  # takes seconds, in which nothing else is said
        run = commands.train_run(
            cfg,
            Path(out),
            overwrite=bool(given.get("overwrite")),
            console=screen(),
            pretraining=pretraining,
            report=not given.get("no_report"),
            begun=begun,
        )
    if not reported and not given.get("no_report") and os.environ.get("RANK", "0") == "0":
        try:
            commands.report_after_training(run.path, screen())
        except KeyboardInterrupt as stopped:
            number = number_of(stopped)
            ended = f"stopped by {number.name} before the report was written; the run is complete"
            raise Interrupted(f"{ended}; continue with {option('resume', run.path)}", number) from None
