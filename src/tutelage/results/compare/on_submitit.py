"""Runs of a comparison as jobs of submitit: on SLURM, or in processes of this machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from tutelage.core.errors import ConfigError, MissingExtra
from tutelage.core.wording import named, option
from tutelage.results.compare.remote_process import RemoteProcess
from tutelage.results.compare.worker import run_command

_DAY = 24 * 60  # minutes; submitit's own default is five
_FOLDER = "submitit"


class PreemptedRun:
    """The function of a job; a job that is preempted or at its time limit is queued again, and goes on."""

    def __call__(self, words: Sequence[str], log: str, folder: str) -> int:
        return run_command(words, log, folder)

    def checkpoint(self, words: Sequence[str], log: str, folder: str) -> Any:
        """What is queued again; the run has been told to save by the end of its parent."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self, words, log, folder)


class SubmititProcess(RemoteProcess):
    """A job."""

    def __init__(self, job: Any) -> None:
        super().__init__()
        self._job = job

    def ended(self) -> bool:
        return bool(self._job.done())

    def result(self) -> int:
        return int(self._job.result())

    def cancel(self) -> None:
        self._job.cancel(check=False)


class SubmititLauncher:
    """Starts `tutelage` commands as jobs.

    Args:
        folder: for scripts and logs of jobs; workers must see it, too.
        options: parameters of submitit's executor, such as `partition`, `timeout_min`, `gpus_per_node`; and `cluster`:
            "slurm" or "local", by default SLURM where it is installed.

    Raises:
        MissingExtra: submitit is not installed.
        ConfigError: it does not know an option.
    """

    def __init__(self, folder: Path, options: Mapping[str, Any]) -> None:
        try:
            import submitit
        except ModuleNotFoundError:
            raise MissingExtra(option("launcher", "submitit"), "submitit", "submitit") from None
        own = {"timeout_min": _DAY, **options}
        cluster = own.pop("cluster", None)
        try:
            self._executor = submitit.AutoExecutor(folder / _FOLDER, cluster=cluster)
            self._executor.update_parameters(**own)
        except (NameError, TypeError, ValueError, AssertionError, RuntimeError) as error:
            raise ConfigError(f"{named('launcher_options')} of submitit: {error}") from None

    def __enter__(self) -> SubmititLauncher:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def ready(self) -> bool:
        """Whether a run can be started now."""
        return True

    def start(self, words: Sequence[str], output: IO[bytes]) -> SubmititProcess:
        """Start `tutelage WORDS` as a job, which writes to a file."""
        log = str(Path(output.name).absolute())
        return SubmititProcess(self._executor.submit(PreemptedRun(), list(words), log, str(Path.cwd())))
