"""The command calibrate: makes the probabilities of a run as sure as they are right, on labeled images."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.text import Text

from tutelage.core.wording import command
from tutelage.inference.images.calibrate import Calibrated, calibrate_model
from tutelage.run.held_out import LEAST_LABELS


def calibrate_run(
    run: Path, data: str, *, labels: str | None = None, device: str = "auto", workers: int = 2, console: Console
) -> Calibrated:
    """Calibrate the model of a run, and say what that changed; see `calibrate_model`.

    Raises:
        TutelageError: the run or the data is invalid.
    """
    found = calibrate_model(
        run, data, labels=labels, device=device, workers=workers, tell=lambda line: console.print(Text(line))
    )
    console.print(f"{found.labels} labeled images that {run} has not learned from", markup=False)
    if found.labels < LEAST_LABELS:
        console.print(f"- probabilities stay as they are: {LEAST_LABELS} labels are needed to calibrate them")
    elif found.temperature == 1.0:
        console.print(
            f"- probabilities stay as they are: these labels do not show that they are off (ECE {found.ece:.3f})"
        )
    else:
        console.print(
            f"- probabilities are calibrated from now on, with temperature {found.temperature:.2f}: ECE "
            f"{found.ece:.3f}, {found.ece_before:.3f} before; NLL {found.nll:.3f}, {found.nll_before:.3f} before "
            "(each image calibrated by the others, in five folds)"
        )
    coverage = command("predict", "RUN", "DATA", out="FILE", coverage=0.9)
    console.print(f"- {coverage} gives sets of classes that rest on these labels")
    return found
