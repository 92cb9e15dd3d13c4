"""The command pretrain, which trains an encoder without labels."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from tutelage.cli.application import app
from tutelage.cli.start import start_or_resume
from tutelage.cli.train_flags import PretrainFlags


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
    start_or_resume(data, flags, pretraining=True)
