"""Runs in Weights & Biases: written into the run folder for a later `wandb sync`, unless WANDB_MODE says otherwise."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tutelage.run.trackers.base import Ending, Tracker

FOLDER = "wandb"  # in the run folder, named by the package
_PROJECT = "tutelage"


class WandbTracker(Tracker):
    """A run of Weights & Biases, of which nothing leaves the machine unless WANDB_MODE is set.

    Nothing is recorded but numbers, settings and files: neither the code, nor the machine, nor what is printed.
    """

    name = "wandb"
    packages = ("wandb",)

    def __init__(self) -> None:
        self._run: Any = None

    def open(self, home: Path, title: str, known: str | None, settings: Mapping[str, Any]) -> str:
        """See `Tracker.open`."""
        import wandb

        mode: Any = os.environ.get("WANDB_MODE", "offline")
        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", _PROJECT),
            name=title,
            id=known,
            resume="allow" if known is not None and mode == "online" else None,
            mode=mode,
            dir=str(home),
            config=dict(settings),
            reinit="create_new",
            settings=wandb.Settings(
                silent=True,
                console="off",
                disable_code=True,
                disable_git=True,
                disable_job_creation=True,
                x_disable_meta=True,
                x_disable_stats=True,
                x_disable_machine_info=True,
                x_save_requirements=False,
            ),
        )
        return str(self._run.id)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """See `Tracker.log`."""
        self._run.log(dict(values), step=step)

    def keep(self, files: Sequence[Path]) -> None:
        """See `Tracker.keep`."""
        import wandb

        for file in files:
            artifact = wandb.Artifact(f"{file.stem}-{self._run.id}", type=file.stem)
            artifact.add_file(str(file), policy="immutable")
            self._run.log_artifact(artifact)

    def close(self, ending: Ending) -> None:
        """See `Tracker.close`."""
        self._run.finish(exit_code={"finished": 0, "stopped": 255, "failed": 1}[ending])
