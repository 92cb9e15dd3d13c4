"""A run folder as a Python object."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tutelage.inference.images.model import Model
from tutelage.inference.load import load_model
from tutelage.inference.scans.model import ScanModel
from tutelage.run.run_record import RunRecord


@dataclass(frozen=True)
class Run:
    """A run folder."""

    path: Path

    @cached_property
    def config(self) -> dict[str, Any]:
        """The resolved settings, facts about the data, plan and versions."""
        return RunRecord(self.path).config

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """The final metrics.

        Raises:
            RunError: the run is not finished.
        """
        return RunRecord(self.path).final

    def history(self) -> list[dict[str, Any]]:
        """The lines of metrics.jsonl."""
        return RunRecord(self.path).rows

    def model(self, *, network: str = "auto", device: str = "auto") -> Model | ScanModel:
        """The trained model; see `Model.load` and `ScanModel.load`."""
        return load_model(self.path, network=network, device=device)
