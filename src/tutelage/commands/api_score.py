"""The function of the Python API that scores masks: `score`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tutelage.commands.api_guard import guarded
from tutelage.commands.score import score_folders
from tutelage.core.console import screen
from tutelage.results.mask_scores.scores import MaskScores, MaskScoring


@guarded
def score(
    predicted: str | Path,
    reference: str | Path,
    *,
    against: str | Path | None = None,
    tolerance: float = 2.0,
    classes: Sequence[str] = (),
    ignore_label: int | None = None,
    spacing: float | Sequence[float] = (),
    out: str | Path | None = None,
    csv: str | Path | None = None,
    overwrite: bool = False,
    quiet: bool = True,
) -> MaskScores:
    """The scores of masks of any tool against the reference masks of the same names; no run is needed.

    Args:
        predicted, reference: folders of masks, or single files.
        against: other masks for the same references, for a paired comparison.
        tolerance: of the surface Dice, in mm.
        classes: names in the order of the values 0, 1, ..., or `name=value`; by default those in `labels.json` beside
            the predictions, or the values in the masks.
        ignore_label: value of reference voxels that are not scored.
        spacing: of masks without a geometry, in mm, one number or one for each axis; 1 mm by default.
        out: JSON file for all scores.
        csv: CSV file with a row for each class in each case.
        overwrite: replace files that exist.
        quiet: print nothing.

    Raises:
        DataError: with all faults: masks that are missing, cannot be read, lie on other grids, or hold other values.
        ConfigError: a setting is out of range.
        RunError: a file cannot be written.
    """
    steps = (float(spacing),) if isinstance(spacing, int | float) else tuple(float(step) for step in spacing)
    return score_folders(
        predicted,
        reference,
        how=MaskScoring(tolerance, classes, ignore_label, steps),
        against=against,
        out=None if out is None else Path(out),
        csv=None if csv is None else Path(csv),
        overwrite=overwrite,
        console=screen(quiet=quiet),
    )
