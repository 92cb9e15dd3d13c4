"""The table of a comparison, on the screen and as files for a spreadsheet, a repository, and a paper."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table as ScreenTable

from tutelage.compare.collect import Cell, Table
from tutelage.files import write_atomically
from tutelage.intervals import Interval

HEADINGS = ("labels", "method", "accuracy (%)", "n", "gain over supervised (points)")
_TEX = {c: f"\\{c}" for c in "&%$#_{}"} | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\^{}"}


def print_table(table: Table, console: Console) -> None:
    """Print the table, and what its numbers are."""
    screen = ScreenTable(title=title(table))
    for heading in HEADINGS:
        screen.add_column(heading, justify="left" if heading == "method" else "right")
    for cell in table.cells:
        screen.add_row(*_words(cell, table.seeds))
    console.print(screen)
    console.print(reading(table))


def write_table(table: Table, out: Path, *, notes: Sequence[Sequence[str]] = ()) -> None:
    """Write results.csv, results.md and results.tex into `out`.

    Args:
        notes: go below the Markdown table: of each the first sentence, and below it the others.
    """
    write_atomically(out / "results.csv", to_csv(table).encode())
    write_atomically(out / "results.md", to_markdown(table, notes).encode())
    write_atomically(out / "results.tex", to_tex(table).encode())


def title(table: Table) -> str:
    """What was scored."""
    return f"Accuracy on {table.images} {table.part} images"


def reading(table: Table) -> str:
    """How to read the numbers."""
    chosen = "" if table.part == "test" else " There were no test images: these also showed how training went."
    gain = "gain: paired by seed, with the 95 % interval of its mean (Student's t)"
    if all(cell.gain is None for cell in table.cells):
        gain = "no gain: there is no finished run of supervised training to compare with"
    return (
        f"mean ± std over seeds (n of {table.seeds}), of the network that the method evaluates after its last step; "
        f"{gain}.{chosen}"
    )


def to_csv(table: Table) -> str:
    """Numbers in full, one row a method and number of labels; `accuracies` are those of the seeds, in their order."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    gain = ["gain_points", "gain_half_width", "gain_pairs"]
    writer.writerow(["labels", "method", "part", "n", "mean_percent", "std_percent", *gain, "seeds", "accuracies"])
    for cell in table.cells:
        seeds = sorted(cell.accuracy)
        pairs = ["", "", ""] if cell.gain is None else [_full(cell.gain.mean), _full(cell.gain.half_width), cell.gain.n]
        means = [cell.summary.n, _full(cell.summary.mean), _full(cell.summary.std)]
        values = " ".join(f"{cell.accuracy[seed]:.6f}" for seed in seeds)
        writer.writerow([cell.labels, cell.method, table.part, *means, *pairs, " ".join(map(str, seeds)), values])
    return text.getvalue()


def to_markdown(table: Table, notes: Sequence[Sequence[str]] = ()) -> str:
    """A table for a repository, with how to read it and a list of notes, each with its own list."""
    lines = [f"# {title(table)}", "", f"| {' | '.join(HEADINGS)} |", f"|{'---|' * len(HEADINGS)}"]
    lines += [f"| {' | '.join(_words(cell, table.seeds))} |" for cell in table.cells]
    lines += ["", reading(table), ""]
    for first, *others in notes:
        lines += [f"- {first}", *(f"  - {sentence}" for sentence in others)]
    return "\n".join(lines) + "\n"


def to_tex(table: Table) -> str:
    """A tabular for a paper (booktabs); rules stand between numbers of labels."""
    lines = [f"% {title(table)}: {reading(table)}", r"\begin{tabular}{rlrrr}", r"\toprule"]
    lines += [" & ".join(map(escape_tex, HEADINGS)) + r" \\"]
    before: str | None = None
    for cell in table.cells:
        if cell.labels != before:
            lines.append(r"\midrule")
        before = cell.labels
        words = [escape_tex(word).replace("±", r"$\pm$") for word in _words(cell, table.seeds)]
        lines.append(" & ".join(words) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"]) + "\n"


def escape_tex(text: str) -> str:
    """`text` so that LaTeX prints it and runs none of it."""
    return "".join(_TEX.get(character, character) for character in text)


def _words(cell: Cell, seeds: int) -> list[str]:
    count = str(cell.summary.n) if cell.summary.n == seeds else f"{cell.summary.n} of {seeds}"
    std = "" if cell.summary.std is None else f" ± {cell.summary.std:.1f}"
    return [cell.labels, cell.method, f"{cell.summary.mean:.1f}{std}", count, _gain(cell.gain)]


def _gain(gain: Interval | None) -> str:
    if gain is None:
        return "-"
    return f"{gain.mean:+.1f}" if gain.half_width is None else f"{gain.mean:+.1f} ± {gain.half_width:.1f}"


def _full(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
