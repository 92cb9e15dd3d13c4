"""What starts the runs of a comparison, by name: this machine, or a scheduler."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

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
    """A launcher by its name, and its options."""

    name: str = LOCAL
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        require(self.name in LAUNCHERS, named("launcher"), f"one of {', '.join(LAUNCHERS)}", self.name)
        if self.name == LOCAL and self.options:
            raise ConfigError(f"{named('launcher_options')} is for submitit and ray")

    @staticmethod
    def of(name: str, options: str | None) -> LauncherConfig:
        """With options as text: `name=value`, separated by commas.

        Raises:
            ConfigError: they are not.
        """
        parsed: dict[str, str | int | float] = {}
        for word in options.split(",") if options else ():
            key, _, value = (part.strip() for part in word.partition("="))
            if not key or not value:
                expected = "name=value, separated by commas, e.g. partition=gpu,gpus_per_node=1"
                raise ConfigError(f"{named('launcher_options')} must be {expected}, got '{word}'")
            parsed[key] = _number(value)
        return LauncherConfig(name, parsed)

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
            return SubmititLauncher(folder, self.options)
        if self.name == "ray":
            return RayLauncher(self.options)
        return Launcher(environment, runs=runs)


HERE = LauncherConfig()
"""This machine."""


def _number(text: str) -> str | int | float:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
