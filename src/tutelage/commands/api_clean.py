"""The function of the Python API that finds what is wrong with a pile of images: `clean`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tutelage.commands.api_guard import guarded
from tutelage.commands.clean import CleanConfig, examined, refuse_outputs, write_outputs
from tutelage.commands.run import Run
from tutelage.core.console import screen
from tutelage.curation.cleaning.faults import COLUMNS
from tutelage.data.images.given_labels import Labels, label_file

if TYPE_CHECKING:
    import pandas as pd


@guarded
def clean(
    data: str | Path,
    *,
    labels: Labels | None = None,
    val: str | Path | None = None,
    test: str | Path | None = None,
    run: str | Path | Run | None = None,
    out: str | Path | None = None,
    cleaned: str | Path | None = None,
    workers: int = 2,
    overwrite: bool = False,
    quiet: bool = True,
) -> pd.DataFrame:
    """What is wrong with a pile of images: a table of `path, fault, other, score, suggestion`, the surest first.

    Found are copies, also of test and validation images, labels that are probably wrong, images that do not belong, and
    images of poor quality. No image is deleted, moved or changed.

    Args:
        data, labels, val, test: as in `train`.
        run: whose features are used; None takes those of the pretrained network.
        out: CSV file to write the table to, too, beside which a page with pictures is written (.html).
        cleaned: CSV file for the cleaned list, which `train` takes as `labels`.
        workers: threads that decode images.
        overwrite: replace files that exist.
        quiet: print nothing; otherwise, what was done, and what could not be judged.

    Raises:
        TutelageError: a setting, the data, the run or a file is invalid.
    """
    import pandas as pd  # slow to import

    table, listed = (None if file is None else Path(file) for file in (out, cleaned))
    with label_file(labels) as own:
        cfg = CleanConfig(
            data=str(data),
            labels=own,
            val=None if val is None else str(val),
            test=None if test is None else str(test),
            run=run.path if isinstance(run, Run) else None if run is None else Path(run),
            workers=workers,
        )
        refuse_outputs(cfg, table, listed, overwrite=overwrite)
        found = examined(cfg, screen(quiet=quiet))
    write_outputs(cfg, found, table, listed)
    rows = [(fault.path, fault.name, fault.other, fault.score, fault.suggestion) for fault in found.faults]
    return pd.DataFrame(rows, columns=list(COLUMNS))
