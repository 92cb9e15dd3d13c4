"""The commands evaluate, predict and report, which use a run. Each parses its arguments and calls one function."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from tutelage import commands
from tutelage.cli.application import Device, Flips, LargestComponent, WhichNetwork, Workers, app, number, path, threads
from tutelage.core.console import screen


@app.command(
    sort_key=3,
    usage="Usage: tutelage evaluate RUN DATA [OPTIONS]",
    help_epilogue="Example: tutelage evaluate runs/a photos-test/ --out metrics.json\n"
    "         tutelage evaluate runs/la scans-test/ --out scores.json --csv cases.csv",
)
def evaluate(
    run: str,
    data: str,
    /,
    *,
    labels: str | None = None,
    network: WhichNetwork = "auto",
    device: Device = "auto",
    out: str | None = None,
    report: str | None = None,
    csv: str | None = None,
    flips: Flips = False,
    largest_component: LargestComponent = False,
    overwrite: bool = False,
) -> None:
    """Score a run on labeled images or scans.

    Parameters
    ----------
    run
        Run folder.
    data
        Labeled images: class folders, folder with --labels, tar shards, Parquet or .npz, or the word digits.
        Scans: folder with images/ and labels/, dataset.json, CSV with image,label, or .h5 files.
    labels
        CSV with path,label; for scans, CSV with image,label or folder of masks. [default: labels in DATA]
    out
        JSON file to write the metrics to. [default: none]
    report
        HTML file to write a report to. [default: none]
    csv
        Scans only: CSV file to write the scores of each class in each scan to. [default: none]
    overwrite
        Replace files that exist.
    """
    commands.evaluate_run(
        Path(run),
        data,
        labels=labels,
        network=network,
        device=device,
        out=path(out),
        csv=path(csv),
        report=path(report),
        flips=flips,
        largest_component=largest_component,
        overwrite=overwrite,
        console=screen(),
    )


@app.command(
    sort_key=4,
    usage="Usage: tutelage predict RUN DATA --out FILE [OPTIONS]",
    help_epilogue="Example: tutelage predict runs/a new/ --out predictions.csv\n"
    "         tutelage predict runs/la new-scans/ --out masks/",
)
def predict(
    run: str,
    data: str,
    /,
    *,
    out: str,
    network: WhichNetwork = "auto",
    device: Device = "auto",
    workers: Workers = 2,
    report: str | None = None,
    probabilities: bool = False,
    flips: Flips = False,
    largest_component: LargestComponent = False,
    coverage: Annotated[float | None, Parameter(converter=number)] = None,
    unlike: bool = False,
    explain: str | None = None,
    overwrite: bool = False,
    resume: bool = False,
) -> None:
    """Predict the classes of new images, or segment new scans.

    Parameters
    ----------
    run
        Run folder.
    data
        Image, folder (searched recursively), list (.txt, .csv), tar shards, Parquet or .npz; scan or folder of scans.
    out
        CSV file: path, label, confidence, and each class.
        Scans: a folder for masks.
    report
        HTML file to write a report to. [default: none]
    probabilities
        Scans only: also write the class probabilities.
    coverage
        Images only: sets of classes at this coverage.
    unlike
        Images only: flag images unlike those of training.
    explain
        Images only: folder for heat maps of the least certain images (at most 200), which say what speaks for their
        class, and a column with the labeled images that each image looks like.
    overwrite
        Replace files that exist.
    resume
        Images only: go on with an interrupted table.
    """
    commands.predict_run(
        Path(run),
        data,
        out=Path(out),
        network=network,
        device=device,
        workers=threads(workers),
        report=path(report),
        probabilities=probabilities,
        flips=flips,
        largest_component=largest_component,
        coverage=coverage,
        unlike=unlike,
        explain=path(explain),
        overwrite=overwrite,
        resume=resume,
        console=screen(),
    )


@app.command(
    sort_key=5.5,
    usage="Usage: tutelage report RUN... [OPTIONS]",
    help_epilogue="Example: tutelage report runs/a runs/b --out report.html",
)
def report(
    *runs: str,
    out: str | None = None,
    form: Annotated[Literal["html", "md"] | None, Parameter(name="--format")] = None,
    plots: str | None = None,
    device: Device = "auto",
    overwrite: bool = False,
) -> None:
    """Write a report on a run: how good it is, what it gets wrong, and how it was made. Several runs are compared.

    Parameters
    ----------
    runs
        One or more run folders.
    out
        File to write. [default: report.html or report.md, depending on --format]
    form
        html for one self-contained page, or md for Markdown with separate plots. [default: by the suffix of --out]
    plots
        Folder for the plots as PNG and SVG. [default: named after the report, e.g. report_plots]
    overwrite
        Replace the file if it exists.
    """
    commands.report_runs(
        [Path(run) for run in runs],
        out=path(out),
        form=form,
        plots=path(plots),
        device=device,
        overwrite=overwrite,
        console=screen(),
    )
