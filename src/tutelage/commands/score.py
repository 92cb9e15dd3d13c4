"""The command score: scores masks of any tool against reference masks, with tables, JSON, and CSV."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.text import Text

from tutelage.core.files import refuse_file, write_atomically, write_json
from tutelage.results.mask_scores.scores import MaskScores, MaskScoring, score_mask_sets
from tutelage.results.mask_scores.tables import print_mask_scores


def score_folders(
    predicted: str | Path,
    reference: str | Path,
    *,
    how: MaskScoring,
    against: str | Path | None = None,
    out: Path | None = None,
    csv: Path | None = None,
    overwrite: bool = False,
    console: Console,
) -> MaskScores:
    """Score masks, print tables, and write the files that are asked for; see `score_mask_sets`.

    Args:
        out: JSON file for all scores.
        csv: CSV file for the scores of each class in each case.

    Raises:
        TutelageError: masks or a setting are not as expected, or a file cannot be written; nothing is scored then.
    """
    reads = [one for one in (predicted, reference, against) if one is not None]
    for file, ending in ((out, ".json"), (csv, ".csv")):
        refuse_file(file, overwrite=overwrite, reads=reads, endings=(ending,))
    scores = score_mask_sets(
        predicted, reference, how=how, against=against, tell=lambda line: console.print(Text(line))
    )
    print_mask_scores(scores, console)
    if out is not None:
        write_json(out, scores.to_dict())
        console.print(f"the scores are in {out}", markup=False)
    if csv is not None:
        write_atomically(csv, scores.case_table())
        console.print(f"the scores of each case are in {csv}", markup=False)
    return scores
