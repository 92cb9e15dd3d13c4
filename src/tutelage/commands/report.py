"""The command report: writes a report on runs."""

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
    """Write a report on one or more runs, and its plots to a folder next to it.

    Args:
        out: file to write; None is report.html or report.md in the working directory.
        form: format of the report; None infers it from the name of the file.
        plots: folder of the plots; None names it after the report.

    Raises:
        TutelageError: no runs are given, one is not a run folder, or the report cannot be written.
    """
    kind = form or ("md" if out is not None and out.suffix.lower() == ".md" else "html")
    file = out or Path(f"report.{kind}")
    folder = plots or plots_beside(file)
    write_report(runs, file, format=kind, plots=folder, device=device, overwrite=overwrite)
    console.print(f"{file}, and its plots in {folder}")
