"""The trackers of a run. What one of them does wrong is said once, and never ends the training."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any

from tutelage import config
from tutelage.core.errors import Interrupted, MissingExtra, RunError
from tutelage.core.files import read_json, write_json
from tutelage.core.names import shown
from tutelage.core.seeding import own_random_state
from tutelage.core.wording import option
from tutelage.run.run_files import is_run
from tutelage.run.run_record import BASELINE_FOLDER, TUNED_FOLDER, RunRecord
from tutelage.run.trackers.base import Ending, Tracker
from tutelage.run.trackers.mlflow_tracker import MlflowTracker
from tutelage.run.trackers.own import RECORD
from tutelage.run.trackers.wandb_tracker import WandbTracker

TRACKERS: dict[str, type[Tracker]] = {one.name: one for one in (MlflowTracker, WandbTracker)}
_SAID = 200  # characters of what a tracker says

Tell = Callable[[str], None]


def require_packages(names: Sequence[str]) -> None:
    """Check that what `--log` names is installed.

    Raises:
        MissingExtra: it is not.
    """
    needed = {**{name: one.packages for name, one in TRACKERS.items()}, "tensorboard": ("tensorboard",)}
    for name in names:
        missing = [package for package in needed[name] if find_spec(package) is None]
        if missing:
            raise MissingExtra(option("log", name), missing[0], name)


class Trackers:
    """The trackers that a run names, while they are open; numbers go to each of them that works.

    Args:
        run: the run folder, which has its config.json.
        tell: receives a sentence on a tracker that fails.
    """

    def __init__(self, run: Path, tell: Tell) -> None:
        self.run, self.tell = run, tell
        self._open: dict[str, Tracker] = {}

    def __enter__(self) -> Trackers:
        record = RunRecord(self.run)
        names = [name for name in record.cfg.train.log if name in TRACKERS]
        if names:
            settings = config.flat(record.settings) | {"plan.steps": record.steps}
            known = _known(self.run)
            for name in names:
                self._begin(name, known, settings)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        stopped = isinstance(error, Interrupted | KeyboardInterrupt)
        ending: Ending = "finished" if kind is None else "stopped" if stopped else "failed"
        self._each(lambda tracker: tracker.close(ending))

    def log(self, prefix: str, step: int, values: Mapping[str, float]) -> None:
        """One point of each curve, named `prefix/name`."""
        points = {f"{prefix}/{name}": float(value) for name, value in values.items()}
        self._each(lambda tracker: tracker.log(step, points))

    def final(self, step: int, result: Mapping[str, Any]) -> None:
        """The final scores of each part and network, and the file that holds them."""
        for part in ("validation", "test"):
            for network, scores in result.get(part, {}).items():
                numbers = {name: value for name, value in scores.items() if isinstance(value, int | float)}
                self.log(f"final/{part}/{network}", step, numbers)
        self.keep([self.run / "result.json"])

    def keep(self, files: Sequence[Path]) -> None:
        """Keep copies of those files that are there."""
        there = [file for file in files if file.is_file()]
        self._each(lambda tracker: tracker.keep(there))

    def _begin(self, name: str, known: Mapping[str, str], settings: Mapping[str, Any]) -> None:
        tracker = TRACKERS[name]()
        inner = self.run.name in (BASELINE_FOLDER, TUNED_FOLDER) and is_run(self.run.parent)
        home = self.run.parent if inner else self.run
        title = f"{home.name}/{self.run.name}" if inner else home.name

        def begin(tracker: Tracker) -> None:
            found = tracker.open(home, title, known.get(name), settings)
            write_json(self.run / RECORD, {**_known(self.run), name: found})

        self._open[name] = tracker
        self._guarded(name, tracker, begin)

    def _each(self, call: Callable[[Tracker], None]) -> None:
        for name, tracker in list(self._open.items()):
            self._guarded(name, tracker, call)

    @own_random_state()
    def _guarded(self, name: str, tracker: Tracker, call: Callable[[Tracker], None]) -> None:
        """Call a tracker; one that fails is left out from then on."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of what other packages do
                call(tracker)
        except Exception as error:
            self._open.pop(name, None)
            said = shown(" ".join(str(error).split()))[:_SAID] or type(error).__name__
            self.tell(f"warning: {name} failed, and the training goes on without it: {said}")


def keep_in_trackers(run: Path, names: Sequence[str], tell: Tell) -> None:
    """Give files of a finished run to its trackers, such as its report, which is written later."""
    if (run / RECORD).is_file() and os.environ.get("RANK", "0") == "0":
        with suppress(RunError), Trackers(run, tell) as trackers:
            trackers.keep([run / name for name in names])


def _known(run: Path) -> dict[str, str]:
    """The identifiers of a run in its trackers; without the file, or with a damaged one, new runs are begun."""
    with suppress(RunError, OSError):
        found = read_json(run / RECORD)
        return {str(name): str(value) for name, value in found.items()} if isinstance(found, dict) else {}
    return {}
