"""The function `compare` of the Python API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Unpack

from tutelage.commands.api import Flags
from tutelage.commands.api_guard import guarded
from tutelage.commands.api_settings import plain, settings_of
from tutelage.commands.compare import compare_runs, plan_of
from tutelage.core.console import screen
from tutelage.core.errors import ConfigError
from tutelage.core.seeding import own_random_state
from tutelage.core.wording import named
from tutelage.data.images.given_labels import is_in_memory
from tutelage.methods.base import Method
from tutelage.results.compare.collect import ComparisonTable
from tutelage.results.compare.launchers import LauncherConfig


@guarded
@own_random_state()
def compare(
    data: str | Path,
    *,
    methods: Sequence[str | type[Method]],
    out: str | Path,
    label_counts: Sequence[int] | None = None,
    seeds: int = 3,
    presets: str | Sequence[str] = (),
    config_file: str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
    jobs: int | None = None,
    launcher: str = "local",
    launcher_options: Mapping[str, Any] | None = None,
    report: bool = False,
    quiet: bool = True,
    **flags: Unpack[Flags],
) -> ComparisonTable:
    """Train methods x label counts x seeds, each run in a process of its own, and compare them on the same images.

    Runs that are finished in `out` are kept, so that a comparison that was stopped goes on.

    Args:
        data: as in `train`.
        methods: their names or classes; with "supervised" among them, the gain over it is computed.
        out: folder for the runs, and for the table as results.csv, .md and .tex.
        label_counts: numbers of labels; None uses all.
        seeds: number of draws of the labels.
        presets: names, at most one per method, or a suffix such as "small" that each method has.
        config_file, settings: as in `train`, for all runs.
        jobs: runs that train at the same time; by default one on this machine, and all on a scheduler.
        launcher: what starts the runs: "local", "submitit" or "ray".
        launcher_options: of submitit's executor or of a task of Ray, e.g. `{"partition": "gpu", "timeout_min": 600}`.
        report: also write report.html into `out`.
        quiet: print nothing.
        **flags: the common settings, as in `train`, except those that differ between the runs.

    Raises:
        TutelageError: a setting, the data or the folder is invalid, and nothing was started; or runs failed, after the
            table of the others was written.
    """
    where = LauncherConfig(launcher, launcher_options or {})
    names = [methods] if isinstance(methods, str) else [plain("methods", method) for method in methods]
    if not all(isinstance(name, str) for name in names):
        raise ConfigError(f"{named('methods')} must be names or classes of methods, got {methods!r}")
    words = [presets] if isinstance(presets, str) else list(presets)
    with settings_of(data, flags, settings) as given:
        plan = plan_of(
            {name: _word(value) for name, value in given.items()},
            methods=",".join(names),
            label_counts=None if label_counts is None else ",".join(map(str, label_counts)),
            seeds=seeds,
            presets=",".join(words) or None,
            config_file=None if config_file is None else str(config_file),
        )
        keep = is_in_memory(flags.get("labels"))
        console = screen(quiet=quiet)
        return compare_runs(plan, Path(out), jobs=jobs, where=where, report=report, keep_labels=keep, console=console)


def _word(value: Any) -> Any:
    """A value as it is given to the command line of a run."""
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else "none" if value is None else value
