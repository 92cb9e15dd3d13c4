"""The command export: writes the model of a run as a file that other programs read."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from tutelage.core.wording import option
from tutelage.inference.export.export import Exported, export_model
from tutelage.results.card.card import card_of


def export_run(
    run: Path,
    *,
    form: str,
    out: Path,
    check: str | None,
    network: str,
    overwrite: bool,
    console: Console,
) -> None:
    """Write the model of a run to `out`, and say how far its answers are from those of the run.

    Raises:
        TutelageError: see `tutelage.export`.
    """
    done = export_model(run, out, format=form, check=check, network=network, overwrite=overwrite, card=card_of)
    for line in said(done):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def said(done: Exported) -> list[str]:
    """What was exported, in lines."""
    lines = [f"{done.path}: the model as {done.format}"]
    if done.fixed:
        lines.append(f"- the size of its windows is that of training alone: {done.fixed}")
    difference = f"the largest difference from predict is {done.difference:.1e}"
    if done.checked:
        return [*lines, f"- checked on {done.inputs} real inputs: {difference}"]
    return [
        *lines,
        f"- NOT checked on real inputs, since the data of the run cannot be read: {done.unchecked}",
        f"- on {done.inputs} inputs of noise, {difference}; name real ones with {option('check', 'DATA')}",
    ]
