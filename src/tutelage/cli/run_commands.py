"""The commands that use a run: each parses, calls one function, and prints."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from tutelage.cli.application import Integer, app, threads
from tutelage.console import screen


@app.command(
    sort_key=3,
    usage="Usage: tutelage evaluate RUN DATA [OPTIONS]",
    help_epilogue="Example: tutelage evaluate runs/a photos-test/ --out metrics.json",
)
def evaluate(
    run: str,
    data: str,
    /,
    *,
    labels: str | None = None,
    network: str = "auto",
    device: str = "auto",
    out: str | None = None,
    report: str | None = None,
    overwrite: bool = False,
) -> None:
    """Score a run on labeled images: a table on the screen, and JSON.

    Parameters
    ----------
    run
        Run folder.
    data
        Labeled images: class folders, a folder with --labels, tar shards, .npz file, or digits.
    labels
        CSV with the columns path,label.
    network
        Which network: auto (the one that the method evaluates), student, or teacher.
    device
        auto, cpu, cuda, cuda:1, mps.
    out
        JSON file to write the metrics to.
    report
        HTML file to write a report to.
    overwrite
        Replace the files.
    """
    from tutelage.evaluate import evaluate_run

    evaluate_run(
        Path(run),
        data,
        labels=labels,
        network=network,
        device=device,
        out=None if out is None else Path(out),
        report=None if report is None else Path(report),
        overwrite=overwrite,
        console=screen(),
    )


@app.command(
    sort_key=4,
    usage="Usage: tutelage predict RUN DATA --out FILE [OPTIONS]",
    help_epilogue="Example: tutelage predict runs/a new/ --out predictions.csv",
)
def predict(
    run: str,
    data: str,
    /,
    *,
    out: str,
    network: str = "auto",
    device: str = "auto",
    workers: Integer = 2,
    report: str | None = None,
    overwrite: bool = False,
) -> None:
    """Predict the class of new images: a CSV with path, label, confidence and one column a class.

    Parameters
    ----------
    run
        Run folder.
    data
        An image, a folder (with all folders below it), a list of paths (.txt or .csv), tar shards, or .npz file.
    out
        CSV file to write.
    network
        Which network: auto (the one that the method evaluates), student, or teacher.
    device
        auto, cpu, cuda, cuda:1, mps.
    workers
        Threads that decode images.
    report
        HTML file to write a report to.
    overwrite
        Replace the files.
    """
    from tutelage.predict import predict_run

    predict_run(
        Path(run),
        data,
        out=Path(out),
        network=network,
        device=device,
        workers=threads(workers),
        report=None if report is None else Path(report),
        overwrite=overwrite,
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
    device: str = "auto",
    overwrite: bool = False,
) -> None:
    """Write a report: how good a run is, what it gets wrong, and how it was made; several runs are compared.

    Parameters
    ----------
    runs
        Run folders.
    out
        File to write [default: report.html or report.md].
    form
        html, one page that holds everything, or md, for a repository; without it the name of the file decides.
    plots
        Folder for each plot as PNG and SVG [default: report_plots beside report.html, and so on].
    device
        auto, cpu, cuda, cuda:1, mps.
    overwrite
        Replace the file.
    """
    from tutelage.report.write import plots_beside, write_report

    kind = form or ("md" if out is not None and out.endswith(".md") else "html")
    file = Path(out or f"report.{kind}")
    folder = plots_beside(file) if plots is None else Path(plots)
    write_report([Path(run) for run in runs], file, format=kind, plots=folder, device=device, overwrite=overwrite)
    screen().print(f"{file}, and its plots in {folder}")
