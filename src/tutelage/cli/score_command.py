"""The command score. It parses its arguments and calls one function."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from tutelage import commands
from tutelage.cli.application import Integer, app, number, path
from tutelage.config import options
from tutelage.core.console import screen

Millimeters = Annotated[float, Parameter(converter=number)]


@app.command(
    sort_key=4,
    usage="Usage: tutelage score PREDICTED REFERENCE [OPTIONS]",
    help_epilogue="Example: tutelage score masks/ scans-test/labels/ --csv cases.csv",
)
def score(
    predicted: str,
    reference: str,
    /,
    *,
    against: str | None = None,
    tolerance: Millimeters = 2.0,
    classes: str | None = None,
    ignore_label: Integer | None = None,
    spacing: str | None = None,
    out: str | None = None,
    csv: str | None = None,
    overwrite: bool = False,
) -> None:
    """Score masks of any tool against reference masks of the same names.

    Parameters
    ----------
    predicted
        Folder of masks, or one mask.
    reference
        Folder of reference masks, or one mask.
    against
        Other masks for the same references, for a paired comparison. [default: none]
    tolerance
        Distance in mm up to which surfaces agree, for the surface Dice (NSD).
    classes
        Names in the order of the values 0, 1, ..., or name=value. [default: labels.json of PREDICTED, or the values]
    ignore_label
        Value of reference voxels that are not scored. [default: none]
    spacing
        Spacing in mm of masks that state none. [default: 1]
    out
        JSON file to write all scores to. [default: none]
    csv
        CSV file to write the scores of each class in each case to. [default: none]
    overwrite
        Replace files that exist.
    """
    commands.score_folders(
        predicted,
        reference,
        how=commands.MaskScoring(
            tolerance,
            () if classes is None else options.coerce(classes, tuple[str, ...], "--classes"),
            ignore_label,
            () if spacing is None else options.coerce(spacing, tuple[float, ...], "--spacing"),
        ),
        against=against,
        out=path(out),
        csv=path(csv),
        overwrite=overwrite,
        console=screen(),
    )
