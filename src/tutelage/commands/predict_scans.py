"""Segmenting new scans into a folder of masks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

from tutelage.core.errors import RunError
from tutelage.core.files import refuse_file
from tutelage.core.names import shown
from tutelage.data.scans.items import Case
from tutelage.data.scans.mask_folder import TABLE, MaskFolder
from tutelage.data.scans.masks import write_probabilities
from tutelage.inference.scan_model import ScanModel, list_to_predict


def predict_scans(
    run: Path,
    data: str,
    *,
    out: Path,
    network: str,
    device: str,
    probabilities: bool,
    flips: bool | None,
    largest_component: bool | None,
    report: Path | None,
    overwrite: bool,
    console: Console,
) -> None:
    """Write a mask a scan into `out`, beside a table and the names of the label values, and a page to `report`.

    A scan that cannot be read has its reason in the table and no mask; the rest is done.

    Raises:
        TutelageError: the run, the source or the folder is not as needed.
    """
    refuse_folder(out, overwrite=overwrite)
    refuse_file(report, overwrite=overwrite)
    cases = list_to_predict(data)
    model = ScanModel.load(run, network=network, device=device, flips=flips, largest_component=largest_component)
    folder = write_masks(model, cases, out, probabilities=probabilities, overwrite=overwrite, console=console)
    failed = sum(1 for row in folder.rows if row["error"])
    said = f", {failed} of them not segmented (see the column error of {TABLE})" if failed else ""
    console.print(f"{len(cases)} scans{said}: masks and {TABLE} are in {out}", markup=False)
    if report is not None:
        from tutelage.results.report.small_scan_pages import scan_prediction_page
        from tutelage.results.report.write import write_page

        write_page(scan_prediction_page(run, data, model, cases, folder), report)
        console.print(f"the report is {report}", markup=False)


def write_masks(
    model: ScanModel,
    cases: Sequence[Case],
    out: Path,
    *,
    probabilities: bool = False,
    overwrite: bool = False,
    console: Console | None = None,
) -> MaskFolder:
    """Segment cases one after the other; see `predict_scans`."""
    refuse_folder(out, overwrite=overwrite)
    folder = MaskFolder(out, model.classes, model.values)
    for number, made in enumerate(model.predictions(cases), start=1):
        if made.geometry is None or made.predicted is None or made.probs is None:
            row = folder.fail(made.case, made.error)
        else:
            row = folder.add(made.case, made.predicted, made.geometry)
            if probabilities:
                write_probabilities(out, made.case.name, made.probs, made.geometry, like=made.case.images[0])
        if console is not None:
            console.print(Text(f"{number} of {len(cases)}: {shown(made.case.name)}: {row['error'] or row['mask']}"))
    folder.close()
    return folder


def refuse_folder(path: Path, *, overwrite: bool) -> None:
    """Check that masks may be written into a folder.

    Raises:
        RunError: it is a file, its parent is none, or it is not empty and `overwrite` is off.
    """
    if path.exists() and not path.is_dir():
        raise RunError(f"{path} is a file: name a folder for the masks")
    parent = next(p for p in path.absolute().parents if p.exists())
    if not parent.is_dir():
        raise RunError(f"cannot make the folder {path}: {parent} is not a folder")
    if path.exists() and any(path.iterdir()) and not overwrite:
        raise RunError(f"{path} is not empty: name a new folder, or write into it with --overwrite")
