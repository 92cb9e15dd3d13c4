"""The command calibrate. It parses its arguments and calls one function."""

from __future__ import annotations

from pathlib import Path

from tutelage import commands
from tutelage.cli.application import Device, Workers, app, threads
from tutelage.core.console import screen


@app.command(
    sort_key=5.55,
    usage="Usage: tutelage calibrate RUN DATA [OPTIONS]",
    help_epilogue="Example: tutelage calibrate runs/a photos-checked/",
)
def calibrate(
    run: str, data: str, /, *, labels: str | None = None, device: Device = "auto", workers: Workers = 2
) -> None:
    """Make the probabilities of a run as sure as they are right, by labeled images that it has not learned from.

    A run with validation images, or with at least 100 labels on frozen features, is calibrated when it is trained.

    Parameters
    ----------
    run
        Run folder, on images.
    data
        Labeled images: class folders, folder of images with --labels, tar shards, .npz file, or the word digits.
    labels
        CSV with path,label. [default: labels in DATA]
    """
    commands.calibrate_run(Path(run), data, labels=labels, device=device, workers=threads(workers), console=screen())
