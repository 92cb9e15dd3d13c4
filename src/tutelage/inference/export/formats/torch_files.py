"""The two forms of PyTorch itself that need no code of a network: TorchScript, and the archive of `torch.export`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tutelage.inference.export.formats.base import GraphFormat, dynamic_shapes, quietly
from tutelage.inference.export.portable import Portable, Run


class TorchScriptFormat(GraphFormat):
    """A traced graph, which LibTorch also reads."""

    name, ending = "torchscript", ".pt"

    def write(self, model: Portable, file: Path, facts: Mapping[str, str]) -> None:
        """See `GraphFormat`."""
        with quietly():
            traced = torch.jit.trace(model.graph, (model.example,))
            torch.jit.save(traced, str(file), _extra_files={name: value.encode() for name, value in facts.items()})

    def open(self, file: Path, model: Portable) -> Run:
        """See `GraphFormat`."""
        with quietly():
            return _run(torch.jit.load(str(file), map_location="cpu"))


class TorchExportFormat(GraphFormat):
    """The archive of `torch.export.save`."""

    name, ending = "torch-export", ".pt2"

    def write(self, model: Portable, file: Path, facts: Mapping[str, str]) -> None:
        """See `GraphFormat`."""
        with quietly():
            program = torch.export.export(model.graph, (model.example,), dynamic_shapes=dynamic_shapes(model))
            torch.export.save(program, str(file), extra_files=dict(facts))

    def open(self, file: Path, model: Portable) -> Run:
        """See `GraphFormat`."""
        with quietly():
            return _run(torch.export.load(str(file)).module())


def _run(graph: Any) -> Run:
    def run(batch: NDArray[Any]) -> NDArray[np.float32]:
        with quietly():
            found: NDArray[np.float32] = graph(torch.from_numpy(batch)).numpy()
        return found

    return run
