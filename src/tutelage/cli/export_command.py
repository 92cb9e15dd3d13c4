"""The command export, which takes a model out of its run. It parses its arguments and calls one function."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from tutelage import commands
from tutelage.cli.application import WhichNetwork, app
from tutelage.core.console import screen


@app.command(
    sort_key=5.6,
    usage="Usage: tutelage export RUN --format FORMAT --out PATH [OPTIONS]",
    help_epilogue="Example: tutelage export runs/a --format onnx --out cats.onnx",
)
def export(
    run: str,
    /,
    *,
    form: Annotated[str, Parameter(name="--format")],
    out: str,
    check: str | None = None,
    network: WhichNetwork = "auto",
    overwrite: bool = False,
) -> None:
    """Write the model of a run as a file that other programs read, once it answers as predict does.

    Parameters
    ----------
    run
        Run folder.
    form
        onnx, openvino, torchscript, torch-export, safetensors, hf (a folder for the Hugging Face Hub), or, for scans,
        monai-bundle (a folder).
    out
        File that ends in .onnx, .xml, .pt, .pt2 or .safetensors; else a folder.
    check
        Images or scans to compare both on. [default: those of the run]
    overwrite
        Replace what exists.
    """
    commands.export_run(
        Path(run), form=form, out=Path(out), check=check, network=network, overwrite=overwrite, console=screen()
    )
