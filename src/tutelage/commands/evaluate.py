"""The command evaluate: scores a run on labeled data, with tables on the screen, JSON, CSV, and a page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from tutelage.commands.all_processes import all_processes
from tutelage.core.distributed import rank
from tutelage.core.files import refuse_file, write_atomically, write_json
from tutelage.inference.load import load_model, model_class
from tutelage.results.report.model_pages import evaluation_page
from tutelage.results.report.write import ENDINGS, write_page
from tutelage.run.reads import read_of_run


def evaluate_run(
    run: Path,
    data: str,
    *,
    labels: str | None,
    network: str,
    device: str,
    out: Path | None = None,
    csv: Path | None = None,
    report: Path | None = None,
    overwrite: bool,
    console: Console,
    **options: bool,
) -> dict[str, Any]:
    """Score a run on the labeled part of `data` and print tables.

    Args:
        out: JSON file for the metrics.
        csv: CSV file for the scores of each case.
        report: HTML file for a report.
        **options: options of the model that exist only for some kinds of data; see `TrainedModel.load_options`.

    Raises:
        TutelageError: the run, the data or a file is invalid.
    """
    kind = model_class(run, {"csv": csv, **options}, "score_options")
    for file, endings in ((out, (".json",)), (csv, (".csv",)), (report, ENDINGS["html"])):
        refuse_file(file, overwrite=overwrite, reads=(data, labels, *read_of_run(run)), endings=endings)
    with all_processes(device, console, kind.shared) as (own, screen):
        model = load_model(run, network=network, device=own, **{name: True for name, on in options.items() if on})
        scores = model.score(data, labels=labels, workers=2, tell=lambda line: screen.print(Text(line)))
        if rank():
            return {}
    scores.print(console)
    if out is not None:
        write_json(out, scores.metrics)
        console.print(f"the metrics are in {out}", markup=False)
    if csv is not None:
        write_atomically(csv, scores.case_table())
        console.print(f"the scores of each case are in {csv}", markup=False)
    if report is not None:
        write_page(evaluation_page(run, data, model, scores), report)
        console.print(f"the report is {report}", markup=False)
    return scores.metrics
