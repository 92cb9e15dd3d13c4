"""The commands that use a run: each parses, calls one function, and prints."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from tutelage.cli.application import Integer, app, threads
from tutelage.cli.dotted import as_flag
from tutelage.core.console import screen
from tutelage.core.errors import ConfigError


def of_scans(run: str, for_scans: Mapping[str, object]) -> bool:
    """Whether a run segments scans.

    Args:
        for_scans: flags that only runs on scans take, by name.

    Raises:
        RunError: there is no such run.
        ConfigError: one of them is given for a run on images.
    """
    from tutelage.run.run_record import RunRecord

    scans = RunRecord(run).scans
    given = [name for name, value in for_scans.items() if value]
    if given and not scans:
        raise ConfigError(f"{as_flag(given[0])} is for runs on scans; {run} was trained on images")
    return scans


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
    network: str = "auto",
    device: str = "auto",
    out: str | None = None,
    report: str | None = None,
    csv: str | None = None,
    flips: bool = False,
    largest_component: bool = False,
    overwrite: bool = False,
) -> None:
    """Score a run on labeled images or scans: a table on the screen, and JSON.

    Parameters
    ----------
    run
        Run folder.
    data
        Labeled images: class folders, a folder with --labels, tar shards, .npz file, or digits; labeled scans.
    labels
        CSV with the columns path,label; of scans a folder of masks, or a CSV with image,label.
    network
        Which network: auto (the one that the method evaluates), student, or teacher.
    device
        auto, cpu, cuda, cuda:1, mps.
    out
        JSON file to write the metrics to.
    report
        HTML file to write a report to.
    csv
        CSV file for the scores of each class of each scan.
    flips
        Average the predictions of all mirror images of a scan.
    largest_component
        Keep the largest connected piece of each class of a scan.
    overwrite
        Replace the files.
    """
    if of_scans(run, {"csv": csv, "flips": flips, "largest_component": largest_component}):
        from tutelage.commands.evaluate_scans import evaluate_scans

        evaluate_scans(
            Path(run),
            data,
            labels=labels,
            network=network,
            device=device,
            flips=flips or None,
            largest_component=largest_component or None,
            out=None if out is None else Path(out),
            table=None if csv is None else Path(csv),
            report=None if report is None else Path(report),
            overwrite=overwrite,
            console=screen(),
        )
        return
    from tutelage.commands.evaluate import evaluate_run

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
    help_epilogue="Example: tutelage predict runs/a new/ --out predictions.csv\n"
    "         tutelage predict runs/la new-scans/ --out masks/",
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
    probabilities: bool = False,
    flips: bool = False,
    largest_component: bool = False,
    overwrite: bool = False,
) -> None:
    """Predict the class of new images, or segment new scans.

    Parameters
    ----------
    run
        Run folder.
    data
        An image, a folder (all below it), a list of paths (.txt or .csv), tar shards, .npz file; scans.
    out
        CSV file to write: path, label, confidence, a column a class. Of scans a folder: masks and a table.
    network
        Which network: auto (the one that the method evaluates), student, or teacher.
    device
        auto, cpu, cuda, cuda:1, mps.
    workers
        Threads that decode images.
    report
        HTML file to write a report to.
    probabilities
        Write the class probabilities of each scan, too.
    flips
        Average the predictions of all mirror images of a scan.
    largest_component
        Keep the largest connected piece of each class of a scan.
    overwrite
        Replace the files.
    """
    only_scans = {"probabilities": probabilities, "flips": flips, "largest_component": largest_component}
    if of_scans(run, only_scans):
        from tutelage.commands.predict_scans import predict_scans

        predict_scans(
            Path(run),
            data,
            out=Path(out),
            network=network,
            device=device,
            probabilities=probabilities,
            flips=flips or None,
            largest_component=largest_component or None,
            report=None if report is None else Path(report),
            overwrite=overwrite,
            console=screen(),
        )
        return
    from tutelage.commands.predict import predict_run

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
    from tutelage.results.report.write import plots_beside, write_report

    kind = form or ("md" if out is not None and out.endswith(".md") else "html")
    file = Path(out or f"report.{kind}")
    folder = plots_beside(file) if plots is None else Path(plots)
    write_report([Path(run) for run in runs], file, format=kind, plots=folder, device=device, overwrite=overwrite)
    screen().print(f"{file}, and its plots in {folder}")
