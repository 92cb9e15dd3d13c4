"""A training in the background, as a process of its own: its progress, its end, and what it says if it fails."""

from __future__ import annotations

import os
import re
import subprocess
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tutelage.core.errors import ConfigError, RunError, TutelageError
from tutelage.core.files import read_json
from tutelage.core.interpreter import interpreter
from tutelage.core.lifeline import tied
from tutelage.core.names import counted, shown
from tutelage.run.run_files import read_rows
from tutelage.run.run_record import RunRecord

_ERROR = "tutelage: "  # how the command line begins an error
_SHORT = 300  # characters of an output without one
_LAST = 4000  # bytes of the output in which an error is looked for
_PATIENCE = 20.0  # seconds that a training which is to stop has to write its checkpoint


class BackgroundTraining:
    """`tutelage train DATA --labels LABELS --out RUN`; ends with this process, or when it is stopped.

    Args:
        settings: further flags by name, such as {"budget": "2m"}; those that are True have no value.
        done: called in a thread with the folder of the run, once it is finished; what it raises is a failure, too.
    """

    def __init__(
        self, data: str, labels: Path, run: Path, settings: Mapping[str, Any], done: Callable[[Path], None]
    ) -> None:
        self.run, self._done, self._ended, self._fault, self._found = run, done, False, "", ""
        if run.exists():
            raise RunError(f"{shown(str(run))} exists; name another folder")
        if not run.absolute().parent.is_dir():
            raise RunError(f"cannot write {shown(str(run))}: there is no folder {shown(str(run.absolute().parent))}")
        flags = [word for name, value in settings.items() for word in _flag(name, value)]
        self._log = run.with_name(f"{run.name}.log")
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [*interpreter(), "-m", "tutelage", "train", data, f"--labels={labels}", f"--out={run}", *flags],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                **tied(os.environ | {"COLUMNS": "200", "NO_COLOR": "1"}),
                start_new_session=True,  # so that Ctrl-C reaches it once, from `stop`
            )
        self._thread = threading.Thread(target=self._wait, name="training", daemon=True)
        self._thread.start()

    def status(self) -> dict[str, Any]:
        """`step`, `total` (0 until it is known), `message`, `done`, `failed`."""
        step, total = self._progress()
        if not self._ended:
            message = f"step {step:,} of {total:,}" if total else "getting ready"
        else:
            message = self._fault or self._found
        return {
            "step": step,
            "total": total,
            "message": message,
            "done": self._ended and not self._fault,
            "failed": bool(self._fault),
        }

    @property
    def at_work(self) -> bool:
        """Whether it has not ended yet."""
        return not self._ended

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for its end; whether it has ended."""
        self._thread.join(timeout)
        return self._ended

    def stop(self) -> None:
        """Interrupt it if it is at work; it leaves a run that can be resumed."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._thread.join(_PATIENCE)

    def _wait(self) -> None:
        code = self._process.wait()
        try:
            if code:
                self._fault = f"training failed: {self._said() or f'it ended with code {code}'}"
            else:
                self._found = self._finished()
                self._done(self.run)
        except Exception as error:  # whatever it is, the training has ended, and another one can be started
            self._fault = f"the run is finished, but cannot be used for the next questions: {shown(str(error))}"
        finally:
            self._ended = True

    def _finished(self) -> str:
        """What became of it, with its score and where its report is."""
        record = RunRecord(self.run)
        best = record.best
        if best.scored:
            score = f"{best.headline.words} {best.score:.1%} on {counted(best.scores['n'], 'image')} ({best.part})"
        elif best.estimate is not None:
            score = f"{best.estimate.sentence}, and lower than of the whole pile where hard images were labeled"
        else:
            score = "no labels were left to score it on"
        where = shown(str(self.run))
        return f"finished: {score}. The run is {where}, its report {where}/report.html. Questions use its features now."

    def _progress(self) -> tuple[int, int]:
        try:
            rows = read_rows(self.run / "metrics.jsonl")
            total = int(read_json(self.run / "config.json")["plan"]["steps"])
        except (TutelageError, KeyError, TypeError, ValueError):
            return 0, 0  # not written yet
        return max((int(row.get("step", 0)) for row in rows), default=0), total

    def _said(self) -> str:
        """The error that the command printed, or its last lines, on one line."""
        said = self._log.read_bytes()[-_LAST:].decode(errors="replace").strip()
        _, found, error = said.rpartition(_ERROR)
        return shown(" ".join((error if found else said[-_SHORT:]).split()))


def _flag(name: str, value: Any) -> list[str]:
    if not re.fullmatch(r"[a-z][a-z0-9._-]*", name):
        raise ConfigError(f"expected a name of a setting, got '{shown(name)}'")
    words = f"--{name.replace('_', '-')}"
    return [words] if value is True else [f"{words}={value}"]
