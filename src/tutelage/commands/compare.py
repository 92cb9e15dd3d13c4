"""The command compare: from the plan of the runs to their table, verdicts and report."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from tutelage import config
from tutelage.config.settings import require
from tutelage.core.console import screen
from tutelage.core.devices import choose_device
from tutelage.core.errors import ConfigError, RunError
from tutelage.core.files import write_atomically
from tutelage.core.names import shown
from tutelage.core.regular import read_regular
from tutelage.core.wording import named, option
from tutelage.core.writable import require_makeable
from tutelage.results.compare.check import check_plan
from tutelage.results.compare.collect import ComparisonTable, collect
from tutelage.results.compare.execute import LOGS, next_command, run_all
from tutelage.results.compare.launchers import HERE, LOCAL, LauncherConfig
from tutelage.results.compare.outputs import print_table, write_table
from tutelage.results.compare.plan import Combination, Plan, keep_plan, read_plan, shown_command
from tutelage.results.report import write_report
from tutelage.results.verdict.verdict import Verdict, judge, print_verdict
from tutelage.run.baseline import SUPERVISED
from tutelage.run.own_content import LABELS
from tutelage.run.run_record import RunRecord

REPORT = "report.html"


def compare_runs(
    plan: Plan,
    out: Path,
    *,
    jobs: int | None = None,
    where: LauncherConfig = HERE,
    report: bool = True,
    keep_labels: bool = False,
    console: Console,
) -> ComparisonTable:
    """Train the unfinished runs, write and print the table, and write a report unless `report` is off.

    Args:
        jobs, where: how many runs at a time, and what starts them; see `run_all`.
        keep_labels: the label table is temporary: it goes into `out`, where the runs read it.

    Raises:
        TutelageError: a setting, the data or the folder is invalid, and nothing was started; or a signal was received;
            or runs failed, after the table of the others was written.
    """
    require(jobs is None or 1 <= jobs <= 64, named("jobs"), "in [1, 64]", jobs)
    require_makeable(out)
    check_plan(plan, out, console, budgets=where.name == LOCAL)  # elsewhere, machines are others
    if keep_labels:
        plan = _with_own_labels(plan, out)
    else:
        keep_plan(plan, out)
    if plan.on_defaults and choose_device(str(plan.settings.get("train.device", "auto"))).type == "cpu":
        console.print(
            "- these are the methods' default settings, which are meant for long runs; for minutes on a CPU try "
            f"{option('presets', 'small')}, or {option('presets', 'cpu')} for images of more than 64 pixels"
        )
    failed = run_all(plan, out, jobs=jobs, where=where, console=console)
    if len(failed) == len(plan.combinations):
        raise RunError(f"all {len(failed)} runs failed, the first: {next(iter(failed.values()))}")
    table = collect_runs(out, failed=failed, report=report, console=console)
    if failed:
        names = ", ".join(one.name for one in failed)
        raise RunError(f"{len(failed)} of {len(plan.combinations)} runs failed ({names}); rerun to retry")
    return table


def _with_own_labels(plan: Plan, out: Path) -> Plan:
    """The plan with its label table in `out`, where both are kept.

    Raises:
        RunError: as `keep_plan`, or the runs in `out` have other labels.
    """
    own, content = out.absolute() / LABELS, read_regular(plan.settings["data.labels"])
    if own.exists() and own.read_bytes() != content:
        raise RunError(f"{out} holds a comparison with other labels; choose a new folder")
    plan = dataclasses.replace(plan, settings={**plan.settings, "data.labels": str(own)})
    keep_plan(plan, out)
    write_atomically(own, content)
    return plan


def list_runs(plan: Plan, out: Path, console: Console) -> None:
    """Print the command of each unfinished run, for a scheduler or another machine.

    Raises:
        TutelageError: as in `compare_runs`, before anything is started.
    """
    require_makeable(out)
    check_plan(plan, out, screen(quiet=True), budgets=False)  # of the machine that will run them, which is another
    keep_plan(plan, out)
    for one in plan.combinations:
        if not RunRecord(out / one.name).finished:
            console.print(shown_command(next_command(plan, one, out)))


def collect_runs(
    out: Path, *, failed: Mapping[Combination, str] | None = None, report: bool = True, console: Console
) -> ComparisonTable:
    """Print the table of the finished runs in `out`, with verdicts, and write it next to the runs.

    Raises:
        RunError: there is no comparison, none of its runs is finished, or the runs cannot be compared.
    """
    plan = read_plan(out)
    table = collect(plan, out)
    print_table(table, console)
    verdicts = judge_cells(table, out)
    for verdict in verdicts:
        print_verdict(verdict, console)
    judged = {verdict.method for verdict in verdicts}
    for method in dict.fromkeys(cell.method for cell in table.cells if cell.gain is not None):
        if method not in judged:
            console.print(f"{method} uses no unlabeled {table.headline.pool}, so there is no verdict on it")
    faults = [[f"{one.name} failed: {reason}; see {LOGS}/{one.name}.log"] for one, reason in (failed or {}).items()]
    write_table(table, out, notes=[*(verdict.sentences() for verdict in verdicts), *faults])
    if report:
        _write_report(
            [out / one.name for one in plan.combinations if RunRecord(out / one.name).finished], out, verdicts, console
        )
    console.print(f"results.csv, results.md and results.tex are in {out}")
    return table


def _write_report(runs: list[Path], out: Path, verdicts: list[Verdict], console: Console) -> None:
    """Write report.html next to the table. An error is only printed, since the comparison itself is complete."""
    try:
        write_report(runs, out / REPORT, verdicts=verdicts, overwrite=True)
    except Exception as error:
        console.print(f"- no report ({shown(str(error)) or type(error).__name__})")
    else:
        console.print(f"the report is {out / REPORT}")


def judge_cells(table: ComparisonTable, out: Path) -> list[Verdict]:
    """For each method that takes unlabeled images, and number of labels, the verdict on whether they helped."""
    verdicts = []
    for cell in table.cells:
        if cell.gain is None:
            continue
        baselines = {c.label_count: c for c in table.cells if c.method == SUPERVISED}[cell.label_count]
        pairs = [
            tuple(out / Combination(method, cell.label_count, seed).name for method in (cell.method, SUPERVISED))
            for seed in sorted(set(cell.scores) & set(baselines.scores))
        ]
        if all(RunRecord(run).unlabeled for run, _ in pairs):
            verdicts.append(judge([(run, baseline) for run, baseline in pairs]))
    return verdicts


def plan_of(
    settings: Mapping[str, Any],
    *,
    methods: str,
    label_counts: str | None,
    seeds: int,
    presets: str | None,
    config_file: str | None,
) -> Plan:
    """The plan for the given arguments of the command line; `train.seed` is the first seed.

    Raises:
        ConfigError: an argument is invalid.
    """
    own, names = dict(settings), tuple(_words(methods))
    first = _integer(own.pop("train.seed", "0"), named("seed"))
    require(seeds >= 1, named("seeds"), "at least 1", seeds)
    counts: Sequence[int | None] = [None]
    if label_counts is not None:
        counts = [_integer(word, named("label_counts")) for word in _words(label_counts)]
    if not counts or (label_counts is not None and any(count is None or count < 1 for count in counts)):
        raise ConfigError(f"{named('label_counts')} must be numbers above 0, separated by commas, got {label_counts!r}")
    return Plan(
        methods=names,
        label_counts=tuple(counts),
        seeds=tuple(range(first, first + seeds)),
        presets=tuple(preset for word in _words(presets or "") for preset in _presets(word, names)),
        settings=own,
        config_file=config_file,
    )


def _presets(word: str, methods: Sequence[str]) -> list[str]:
    """The preset with that name; for a suffix such as `small` or `cpu`, the preset METHOD-suffix of each method.

    Raises:
        ConfigError: some methods have a preset with that suffix and others do not.
    """
    known, of_each = config.preset_names(), {method: f"{method}-{word}" for method in methods}
    missing = [method for method, preset in of_each.items() if preset not in known]
    if word in known or len(missing) == len(methods):
        return [word]  # rejected later if it is unknown
    if missing:
        lacking = of_each[missing[0]]
        raise ConfigError(
            f"{option('presets', word)}: there is no preset {lacking}; list the presets of the methods one by one"
        )
    return list(of_each.values())


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _integer(text: Any, flag: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ConfigError(f"{flag} must be an integer, got {text!r}") from None
