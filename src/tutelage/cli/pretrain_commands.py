"""The command pretrain, which trains an encoder without labels."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from tutelage import commands, config
from tutelage.cli.application import app, dotted, given_flags
from tutelage.cli.dotted import as_flag
from tutelage.cli.train_flags import PretrainFlags
from tutelage.core.console import screen
from tutelage.core.errors import ConfigError


@app.command(
    sort_key=2.2,
    usage="Usage: tutelage pretrain DATA --out RUN [OPTIONS]\n       tutelage pretrain --resume RUN",
    help_epilogue="Set any other setting by its dotted name, e.g. --method.queue-size 4096.\n"
    "Afterwards: tutelage train DATA --labels labels.csv --out runs/b --init-from RUN\n"
    "Example: tutelage pretrain photos/ --out runs/moco --budget 1h",
)
def pretrain(data: str | None = None, /, *, flags: Annotated[PretrainFlags | None, Parameter(name="*")] = None) -> None:
    """Train an encoder on images without labels, as a starting point for train.

    Parameters
    ----------
    data
        Any source that train accepts, or any folder of images.
        Labels are optional; they are only used to measure how good the features are.
    """
    given = given_flags(flags)
    resume, out = given.pop("resume", None), given.pop("out", None)
    if resume is None and data is None:
        raise ConfigError("give the images to pretrain on, or a run to resume (--resume RUN)")
    if resume is None and out is None:
        raise ConfigError("give the run folder to create: --out runs/moco")
    settings = {config.FLAGS[name]: value for name, value in given.items() if name in config.FLAGS}
    settings |= {"data.path": data} if data is not None else {}
    settings |= dotted.pop(given=settings)
    if resume is not None:
        refused = [name for name in ("preset", "config", "overwrite") if name in given] + (["out"] if out else [])
        if refused:
            raise ConfigError(
                f"--resume uses the settings of the run; it cannot be combined with {as_flag(refused[0])}"
            )
        run = commands.resume_training(Path(resume), settings, console=screen())
    else:
        cfg = commands.resolve_pretraining(settings, preset=given.get("preset"), file=given.get("config"))
        run = commands.train_run(
            cfg, Path(out), overwrite=bool(given.get("overwrite")), console=screen(), pretraining=True
        )
    if not given.get("no_report") and os.environ.get("RANK", "0") == "0":
        commands.report_after_training(run.path, screen())
