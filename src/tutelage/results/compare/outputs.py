"""The table of a comparison, on screen and as CSV, Markdown and LaTeX files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Column, Table

from tutelage.core.console import name_column
from tutelage.core.files import write_atomically
from tutelage.core.intervals import Interval
from tutelage.core.tables import csv_bytes
from tutelage.results.compare.collect import ComparisonTable, MethodScores

_TEX = {c: f"\\{c}" for c in "&%$#_{}"} | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\^{}"}


def print_table(table: ComparisonTable, console: Console) -> None:
    """Print the table and an explanation of its numbers."""
    columns = (name_column(name) if name == "method" else Column(name, justify="right") for name in headings(table))
    screen = Table(*columns, title=title(table))
    for cell in table.cells:
        screen.add_row(*_words(cell, table))
    console.print(screen)
    console.print(reading(table))


def write_table(table: ComparisonTable, out: Path, *, notes: Sequence[Sequence[str]] = ()) -> None:
    """Write results.csv, results.md and results.tex into `out`.

    Args:
        notes: items of a list below the Markdown table: the first sentence of each, with the others nested under it.
    """
    write_atomically(out / "results.csv", to_csv(table))
    write_atomically(out / "results.md", to_markdown(table, notes).encode())
    write_atomically(out / "results.tex", to_tex(table).encode())


def headings(table: ComparisonTable) -> tuple[str, ...]:
    """Of the columns."""
    second = table.headline.second
    beside = (f"{second.words} ({second.unit})",) if second.averaged else ()
    return ("labels", "method", f"{table.headline.words} (%)", *beside, "n", "gain over supervised (points)")


def title(table: ComparisonTable) -> str:
    """What was scored."""
    return f"{table.headline.title} on {table.images} {table.part} {table.headline.item}s"


def reading(table: ComparisonTable) -> str:
    """How to read the numbers."""
    pool = table.headline.pool
    chosen = "" if table.part == "test" else f" There were no test {pool}: these {pool} also served for validation."
    gain = "gain: paired by seed, with the 95% interval of its mean (Student's t)"
    if all(cell.gain is None for cell in table.cells):
        gain = "no gain: there is no finished supervised run to compare with"
    elif any(cell.gain is not None and cell.gain.n in (2, 3) for cell in table.cells):
        gain += ", which is wide with two or three seeds; the verdict also looks at each seed"
    return f"mean ± std over seeds (n of {table.seeds}), for the evaluated network after the last step; {gain}.{chosen}"


def to_csv(table: ComparisonTable) -> bytes:
    """Unrounded numbers, one row per method and number of labels; the last column holds the scores of the seeds."""
    gain = ["gain_points", "gain_half_width", "gain_pairs"]
    key = table.headline.second.key
    second = [f"{key}_mean", f"{key}_std"] if table.headline.second.averaged else []
    means = ["n", "mean_percent", "std_percent", *second]
    columns = ["labels", "method", "part", *means, *gain, "seeds", table.headline.plural]
    rows = []
    for cell in table.cells:
        seeds = sorted(cell.scores)
        row: dict[str, object] = {"labels": cell.labels, "method": cell.method, "part": table.part}
        row |= {"n": cell.summary.n, "mean_percent": _full(cell.summary.mean), "std_percent": _full(cell.summary.std)}
        if cell.second is not None:
            row |= dict(zip(second, (_full(cell.second.mean), _full(cell.second.std)), strict=True))
        if cell.gain is not None:
            row |= dict(zip(gain, (_full(cell.gain.mean), _full(cell.gain.half_width), cell.gain.n), strict=True))
        scores = " ".join(f"{cell.scores[seed]:.6f}" for seed in seeds)
        rows.append(row | {"seeds": " ".join(map(str, seeds)), table.headline.plural: scores})
    return csv_bytes(rows, columns)


def to_markdown(table: ComparisonTable, notes: Sequence[Sequence[str]] = ()) -> str:
    """A Markdown table with an explanation and a list of notes."""
    names = headings(table)
    lines = [f"# {title(table)}", "", f"| {' | '.join(names)} |", f"|{'---|' * len(names)}"]
    lines += [f"| {' | '.join(_words(cell, table))} |" for cell in table.cells]
    lines += ["", reading(table), ""]
    for first, *others in notes:
        lines += [f"- {first}", *(f"  - {sentence}" for sentence in others)]
    return "\n".join(lines) + "\n"


def to_tex(table: ComparisonTable) -> str:
    """A LaTeX tabular (booktabs) with a rule between numbers of labels."""
    names = headings(table)
    columns = "rl" + "r" * (len(names) - 2)
    lines = [f"% {title(table)}: {reading(table)}", rf"\begin{{tabular}}{{{columns}}}", r"\toprule"]
    lines += [" & ".join(map(escape_tex, names)) + r" \\"]
    before: str | None = None
    for cell in table.cells:
        if cell.labels != before:
            lines.append(r"\midrule")
        before = cell.labels
        words = [escape_tex(word).replace("±", r"$\pm$") for word in _words(cell, table)]
        lines.append(" & ".join(words) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"]) + "\n"


def escape_tex(text: str) -> str:
    """`text` with LaTeX's special characters escaped."""
    return "".join(_TEX.get(character, character) for character in text)


def _words(cell: MethodScores, table: ComparisonTable) -> list[str]:
    count = str(cell.summary.n) if cell.summary.n == table.seeds else f"{cell.summary.n} of {table.seeds}"
    second = [_mean(cell.second)] if table.headline.second.averaged else []
    return [cell.labels, cell.method, _mean(cell.summary), *second, count, _gain(cell.gain)]


def _mean(found: Interval | None) -> str:
    if found is None:
        return "-"
    return f"{found.mean:.1f}" if found.std is None else f"{found.mean:.1f} ± {found.std:.1f}"


def _gain(gain: Interval | None) -> str:
    if gain is None:
        return "-"
    return f"{gain.mean:+.1f}" if gain.half_width is None else f"{gain.mean:+.1f} ± {gain.half_width:.1f}"


def _full(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
