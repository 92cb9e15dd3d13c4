"""Runs of a comparison as tasks of Ray: on a cluster, or on this machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from tutelage.core.errors import ConfigError, MissingExtra
from tutelage.core.wording import named, option
from tutelage.results.compare.remote_process import RemoteProcess
from tutelage.results.compare.worker import run_command


class RayProcess(RemoteProcess):
    """A task."""

    def __init__(self, ray: Any, task: Any) -> None:
        super().__init__()
        self._ray, self._task = ray, task

    def ended(self) -> bool:
        return bool(self._ray.wait([self._task], timeout=0)[0])

    def result(self) -> int:
        return int(self._ray.get(self._task))

    def cancel(self) -> None:
        self._ray.cancel(self._task)


class RayLauncher:
    """Starts `tutelage` commands as tasks of a Ray cluster, which ends with it if it was started here.

    Args:
        options: of a task, such as `num_cpus`, `num_gpus`, `resources`; and `address` of a cluster, by default that of
            `RAY_ADDRESS`, or one that is started on this machine.

    Raises:
        MissingExtra: Ray is not installed.
        ConfigError: it does not know an option, or there is no cluster.
    """

    def __init__(self, options: Mapping[str, Any]) -> None:
        try:
            import ray
        except ModuleNotFoundError:
            raise MissingExtra(option("launcher", "ray"), "ray", "ray") from None
        own = dict(options)
        address = own.pop("address", None)
        try:
            self._run = ray.remote(**{"max_retries": 0, **own})(run_command)
            ray.init(address=address, log_to_driver=False, include_dashboard=False, logging_level="error")
        except (ValueError, TypeError, AssertionError, ConnectionError, RuntimeError) as error:
            raise ConfigError(f"{named('launcher_options')} of Ray: {error}") from None
        self._ray = ray

    def __enter__(self) -> RayLauncher:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ray.shutdown()

    def ready(self) -> bool:
        """Whether a run can be started now."""
        return True

    def start(self, words: Sequence[str], output: IO[bytes]) -> RayProcess:
        """Start `tutelage WORDS` as a task, which writes to a file."""
        log = str(Path(output.name).absolute())
        return RayProcess(self._ray, self._run.remote(list(words), log, str(Path.cwd())))
