"""Writing a report: one self-contained HTML page, or Markdown beside a folder of pictures."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

from rich.console import Console

from tutelage.config.settings import seconds
from tutelage.core.errors import ConfigError, RunError
from tutelage.core.files import make_folder, refuse_file, write_atomically
from tutelage.core.inputs import real_path, refuse_inputs
from tutelage.core.names import shown
from tutelage.core.wording import command, option
from tutelage.core.writable import require_makeable
from tutelage.results.report import embedding_map, examples
from tutelage.results.report.blocks import Chapter, Page, Plot, PointMap, Section, Text
from tutelage.results.report.comparison import comparison_sections
from tutelage.results.report.examples import MOST
from tutelage.results.report.findings import findings, judge_all
from tutelage.results.report.kinds import SECTIONS
from tutelage.results.report.places import run_names, without_paths
from tutelage.results.report.render import to_html, to_markdown
from tutelage.results.report.run_sections import how_they_were_made, run_sections, subtitle_of, title_of
from tutelage.results.verdict.verdict import Verdict, read_verdict
from tutelage.run.budget import report_limit
from tutelage.run.own_content import SCORED, is_own_page
from tutelage.run.reads import read_of_run
from tutelage.run.run_files import values_of
from tutelage.run.run_record import RunRecord
from tutelage.run.trackers.trackers import keep_in_trackers

Format = Literal["html", "md"]
FILE = "report.html"  # in a run
ENDINGS: dict[Format, tuple[str, ...]] = {"html": (".html", ".htm"), "md": (".md",)}
_DRAWING = 3.0  # seconds, without predictions
_USUAL = 2 * examples.PATIENCE + embedding_map.PATIENCE  # seconds at most
MOST_CHAPTERS = 6  # runs shown in full; a page with more would be slow to write and to open


def write_report(
    runs: Sequence[Path],
    out: Path,
    *,
    format: Format = "html",
    plots: Path | None = None,
    verdicts: Sequence[Verdict] | None = None,
    overwrite: bool = False,
    device: str = "auto",
    most: int = MOST,
    patience: float = 1.0,
) -> None:
    """Write the report of one or more runs.

    Args:
        plots: folder for PNG and SVG files of every plot. None writes them only for Markdown, into a folder beside it.
        verdicts: whether the unlabeled images helped, shown first. None reads the verdict of a single run, or compares
            several runs with the supervised ones among them.
        most: number of images of each kind to predict per run.
        patience: share of the time that predicting may usually take; in less time, fewer images are predicted.

    Raises:
        ConfigError: there are no runs.
        RunError: a folder is not a run, or the report cannot be written, or would replace what is read.
    """
    if not runs:
        raise ConfigError("name one or more runs to report on")
    reads = [one for run in runs for one in read_of_run(run, data=True)]
    refuse_file(out, overwrite=overwrite, reads=reads, endings=ENDINGS[format])
    if plots is not None or format == "md":
        plots = plots or plots_beside(out)
        require_makeable(plots)
        refuse_inputs(plots.glob("*"), reads)
    with values_of(runs):
        page = page_of(runs, verdicts=verdicts, device=device, most=most, patience=patience)
    if plots is not None and not overwrite:
        _refuse_plots(page, plots)
    write_page(page, out, format=format, plots=plots)


def refuse_page(page: Path, *, overwrite: bool, reads: Iterable[Any]) -> None:
    """Check that a page may be written whose name follows from that of a table: it replaces pages of tutelage alone.

    Raises:
        RunError: as `refuse_file`; or it is no such page.
    """
    refuse_file(page, overwrite=overwrite, reads=reads)
    if page.exists() and not is_own_page(page):
        raise RunError(f"{page} was not written by tutelage, so it is never replaced: move it away, or name another")


def _refuse_plots(page: Page, plots: Path) -> None:
    """Raise RunError if a file is there of the name of a plot."""
    made = (block.plot if isinstance(block, PointMap) else block for block in page.all_blocks())
    files = [plots / f"{plot.name}{ending}" for plot in made if isinstance(plot, Plot) for ending in (".svg", ".png")]
    if there := next((file for file in files if os.path.lexists(file)), None):
        raise RunError(f"{there} exists; name another folder, or replace it with {option('overwrite', True)}")


def page_of(
    runs: Sequence[Path],
    *,
    verdicts: Sequence[Verdict] | None = None,
    device: str = "auto",
    most: int = MOST,
    patience: float = 1.0,
) -> Page:
    """The content of a report; see `write_report`."""
    records = [_trained(run) for run in runs]
    every = with_baselines(records)
    page = _page_of(records, every, verdicts=verdicts, device=device, most=most, patience=patience)
    return without_paths(page, [RunRecord(record.home) for record in every])


def _page_of(
    records: Sequence[RunRecord],
    every: Sequence[RunRecord],
    *,
    verdicts: Sequence[Verdict] | None,
    device: str,
    most: int,
    patience: float,
) -> Page:
    """The content of a report on some runs; those of `every`, baselines included, are compared."""
    if len(records) == 1:
        record = records[0]
        looked = SECTIONS[record.kind.name].look(record, device=device, most=most, patience=patience)
        verdict = next(iter(verdicts), None) if verdicts is not None else read_verdict(record.path)
        drawn = SECTIONS[record.kind.name].map_section(record, looked, "map", device=device, patience=patience)
        return Page(title_of(record), subtitle_of(record), tuple(run_sections(record, looked, verdict, drawn)))
    judged, notes = judge_all(every) if verdicts is None else (list(verdicts), [])
    sections = comparison_sections(every)
    if judged or notes:
        title = f"Did the unlabeled {records[0].headline.pool} help?"
        sections.insert(0, Section(title, (*findings(judged), *notes)))
    chapters: list[Chapter] = []
    if len(records) <= MOST_CHAPTERS:
        for number, (record, name) in enumerate(zip(records, run_names(records), strict=True), start=1):
            looked = SECTIONS[record.kind.name].look(record, device=device, most=most, patience=patience)
            prefix = f"run-{number}-"
            drawn = SECTIONS[record.kind.name].map_section(
                record, looked, f"{prefix}map", device=device, patience=patience
            )
            inner = run_sections(record, looked, read_verdict(record.path), drawn, alone=False, prefix=prefix)
            chapters.append(Chapter(f"{shown(name)}: {title_of(record)}", subtitle_of(record), tuple(inner)))
    else:
        shows = f"{command('report', 'RUN')} shows those of one run."
        note = f"With more than {MOST_CHAPTERS} runs, details are left out; {shows}"
        sections.append(Section("Details", (Text(note, muted=True),)))
        sections += how_they_were_made(records)
    data = {title_of(record).partition(" on ")[2] for record in records}
    return Page(f"{_number(records, every)} on {', '.join(sorted(data))}", "", tuple(sections), tuple(chapters))


def with_baselines(records: Sequence[RunRecord]) -> list[RunRecord]:
    """Some runs, each followed by its own supervised baseline, if it has one that is not among them."""
    named = {real_path(record.path) for record in records}
    found = []
    for record in records:
        own = record.baseline
        found += [record] if own is None or real_path(own.path) in named else [record, own]
    return found


def _number(records: Sequence[RunRecord], every: Sequence[RunRecord]) -> str:
    more = len(every) - len(records)
    return f"{len(records)} runs" + (f" and {more} supervised baseline{'s' if more > 1 else ''}" if more else "")


def _trained(run: Path) -> RunRecord:
    """The record of a run that was trained here, read in full, so that a damaged file is named before any work.

    Raises:
        RunError: this is not a run folder, its weights were imported, or a file in it is damaged or missing.
    """
    record = RunRecord(run).best
    if record.imported:
        raise RunError(
            f"{run} was imported, so there is no training to report on; try "
            f"{command('evaluate')} with {option('report')}"
        )
    _ = record.split, record.rows, record.result
    record.refuse_damaged(SCORED)
    return record


def report_after_training(run: Path, console: Console) -> None:
    """Write the report of a finished run into its folder, in the time that its plan left for that, if it was planned.

    An error is printed as one line: the run is complete.
    """
    out = run / FILE
    try:
        plan = RunRecord(run).config["plan"]
        planned = plan.get("budget") if plan.get("report") else None
        patience = 1.0 if planned is None else patience_within(report_limit(seconds(planned)))
        if out.exists() and not is_own_page(out):
            raise RunError(f"{out} was not written by tutelage, so it is not replaced")
        write_report([run], out, overwrite=True, patience=patience)
    except Exception as error:
        console.print(f"- no report ({shown(str(error)) or type(error).__name__}); try: {command('report', run)}")
    else:
        console.print(f"the report is {out}")
        keep_in_trackers(run, [FILE], lambda line: console.print(f"- {line}"))


def patience_within(limit: float) -> float:
    """The share of the usual patience that a report of `limit` seconds has time for."""
    return min(1.0, max(0.0, limit - _DRAWING) / _USUAL)


def write_page(page: Page, out: Path, *, format: Format = "html", plots: Path | None = None) -> None:
    """Write a page to `out`, and every plot as PNG and SVG into the folder `plots`."""
    if format == "md":
        plots = plots or plots_beside(out)
    if plots is not None:
        make_folder(plots)
        for block in page.all_blocks():
            plot = block.plot if isinstance(block, PointMap) else block
            if isinstance(plot, Plot):
                write_atomically(plots / f"{plot.name}.svg", plot.svg)
                write_atomically(plots / f"{plot.name}.png", plot.png())
    if format == "md":
        assert plots is not None
        text, pictures = to_markdown(page, plots, out)
        for name, content in pictures.items():
            write_atomically(plots / name, content)
    else:
        text = to_html(page)
    write_atomically(out, text.encode("utf-8", errors="backslashreplace"))


def plots_beside(out: Path) -> Path:
    """The folder for the plots of a Markdown report."""
    return out.with_name(f"{out.stem}_plots")
