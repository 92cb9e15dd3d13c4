"""The command predict: writes a table of classes for images or a folder of masks for scans, and a page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from tutelage.commands.all_processes import all_processes
from tutelage.core.distributed import rank
from tutelage.core.errors import DataError, PartlyFailed
from tutelage.core.files import refuse_file
from tutelage.core.inputs import refuse_input
from tutelage.inference.images.explain.folder import refuse_maps
from tutelage.inference.images.kept_blocks import KeptBlocks
from tutelage.inference.load import load_model, model_class
from tutelage.results.report.model_pages import prediction_page
from tutelage.results.report.write import ENDINGS, write_page
from tutelage.run.reads import read_of_run


def predict_run(
    run: Path,
    data: str,
    *,
    out: Path,
    network: str,
    device: str,
    workers: int,
    report: Path | None = None,
    explain: Path | None = None,
    overwrite: bool,
    console: Console,
    **options: Any,
) -> None:
    """Write predictions for `data` to `out`, heat maps into `explain`, and a page to `report`.

    If an item cannot be read, the table has only the reason, under `error`; the other items are still predicted. If
    none can, the table is still written, no page is, and the error names the first reason.

    Args:
        **options: options of the model that exist only for some kinds of data; see `TrainedModel.predict_options`.

    Raises:
        TutelageError: the run, the source or a file is invalid, or nothing can be predicted.
        PartlyFailed: some items cannot be read; all others are written.
    """
    options["explain"] = explain
    kind = model_class(run, options, "predict_options")
    refuse_input(out, read_of_run(run))
    if explain is not None:
        others = [out] if report is None else [out, report]
        refuse_maps(explain, overwrite=overwrite, reads=(data, *read_of_run(run, data=True)), others=others)
    refuse_file(report, overwrite=overwrite, reads=(data, *read_of_run(run)), endings=ENDINGS["html"])
    if options.get("resume") and out.exists() and not KeptBlocks(out).exists():
        console.print(f"{out} is complete already", markup=False)
        return
    on = {name: value for name, value in options.items() if value is not None and value is not False}
    loading = {name: value for name, value in on.items() if name in kind.load_options}
    with all_processes(device, console, kind.shared) as (own, screen):
        model = load_model(run, network=network, device=own, **loading)
        written = model.predict_into(
            data,
            out,
            workers=workers,
            overwrite=overwrite,
            keep=report is not None,
            tell=lambda line: screen.print(Text(line)),
            **{name: value for name, value in on.items() if name not in loading},
        )
        if rank():
            return
    if written.fault:
        raise DataError(f"{written.fault}; {out} lists the reason for each")
    console.print(written.said, markup=False)
    if report is not None:
        write_page(prediction_page(run, data, model, written), report)
        console.print(f"the report is {report}", markup=False)
    if written.failed:
        raise PartlyFailed(f"{written.failed}; {out} lists the reason for each")
