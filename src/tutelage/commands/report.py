"""Writing the report of runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from rich.console import Console

from tutelage.results.report.write import plots_beside, report_after_training, write_report

__all__ = ["report_after_training", "report_runs"]


def report_runs(
    runs: Sequence[Path],
    *,
    out: Path | None,
    form: Literal["html", "md"] | None,
    plots: Path | None,
    device: str,
    overwrite: bool,
    console: Console,
) -> None:
    """Write a report on one or more runs, and its plots into a folder beside it.

    Args:
        out: file to write; None is report.html or report.md in the working directory.
        form: None goes by the name of the file.
        plots: folder of the plots; None is the one named after the report.

    Raises:
        TutelageError: there are no runs, or one is not a run, or the report cannot be written.
    """
    kind = form or ("md" if out is not None and out.name.endswith(".md") else "html")
    file = out or Path(f"report.{kind}")
    folder = plots or plots_beside(file)
    write_report(runs, file, format=kind, plots=folder, device=device, overwrite=overwrite)
    console.print(f"{file}, and its plots in {folder}")
