"""What starts the runs of a comparison, by name: this machine, or a scheduler."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tutelage.config.settings import require
from tutelage.core.errors import ConfigError
from tutelage.core.wording import named
from tutelage.results.compare.launch import AnyLauncher, Launcher
from tutelage.results.compare.on_ray import RayLauncher
from tutelage.results.compare.on_submitit import SubmititLauncher

LOCAL = "local"
LAUNCHERS = (LOCAL, "submitit", "ray")


@dataclass(frozen=True)
class LauncherConfig:
    """A launcher, and options of it as they are given: `name=value`, separated by commas."""

    name: str = LOCAL
    options: str = ""

    def __post_init__(self) -> None:
        require(self.name in LAUNCHERS, named("launcher"), f"one of {', '.join(LAUNCHERS)}", self.name)
        if self.name == LOCAL and self.options:
            raise ConfigError(f"{named('launcher_options')} is for submitit and ray")
        self._parsed()

    def launcher(self, environment: Mapping[str, str], folder: Path, *, runs: int) -> AnyLauncher:
        """The launcher.

        Args:
            environment: of runs on this machine.
            folder: for logs of a scheduler.
            runs: how many there are to start.

        Raises:
            ConfigError: it is not installed, or does not know an option.
        """
        if self.name == "submitit":
            return SubmititLauncher(folder, self._parsed())
        if self.name == "ray":
            return RayLauncher(self._parsed())
        return Launcher(environment, runs=runs)

    def _parsed(self) -> dict[str, str | int | float]:
        parsed: dict[str, str | int | float] = {}
        for word in self.options.split(",") if self.options else ():
            name, equals, value = word.partition("=")
            if not equals or not name.strip() or not value.strip():
                expected = "name=value, separated by commas, e.g. partition=gpu,gpus_per_node=1"
                raise ConfigError(f"{named('launcher_options')} must be {expected}, got '{word}'")
            parsed[name.strip()] = _number(value.strip())
        return parsed


HERE = LauncherConfig()
"""This machine."""


def _number(text: str) -> str | int | float:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
