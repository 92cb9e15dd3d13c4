"""Scores of masks as tables on the screen."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from tutelage.core.names import shown
from tutelage.results.mask_scores.case_scores import MASK_SCORES
from tutelage.results.mask_scores.scores import MaskScores

_MOST_COLUMNS = 2  # classes side by side


def print_mask_scores(scores: MaskScores, console: Console) -> None:
    """Print warnings, the mean and spread of each score, and the differences of two sets."""
    for warning in scores.warnings:
        console.print(f"warning: {warning}", markup=False)
    title = f"{len(scores.cases)} cases: mean ± std over cases [95% interval of the mean]"
    _print(scores, scores.per_class, title, _mean, console)
    if scores.against:
        title = "difference to the other masks [95% interval], cases in which it is better, p of Wilcoxon's test"
        _print(scores, scores.differences, title, _gain, console)


def _print(scores: MaskScores, values: dict[str, Any], title: str, cell: Any, console: Console) -> None:
    names = list(values)
    console.print(title, markup=False)
    for start in range(0, len(names), _MOST_COLUMNS):
        part = names[start : start + _MOST_COLUMNS]
        table = Table("", *(Column(Text(shown(name)), justify="right", overflow="fold") for name in part))
        for score, how in MASK_SCORES.items():
            table.add_row(
                how.heading.format(tolerance=scores.tolerance), *(cell(values[name][score], how.form) for name in part)
            )
        console.print(table)


def _mean(row: dict[str, Any], form: str) -> Text:
    if row["mean"] is None:
        return Text("-")
    spread = "" if row["std"] is None else f" ± {form.format(row['std'])} {_interval(row, form)}"
    return Text(form.format(row["mean"]) + spread)


def _gain(row: dict[str, Any], form: str) -> Text:
    if row["mean"] is None:
        return Text("-")
    signed = form.replace("{:", "{:+")
    rest = "" if row["low"] is None else f" {_interval(row, signed)}"
    chance = "" if row["p"] is None else f", p {row['p']:.2g}"
    return Text(f"{signed.format(row['mean'])}{rest}, {row['better']} of {row['cases']}{chance}")


def _interval(row: dict[str, Any], form: str) -> str:
    return f"[{form.format(row['low'])}, {form.format(row['high'])}]"
