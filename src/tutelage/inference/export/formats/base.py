"""What all formats have in common."""

from __future__ import annotations

import importlib.util
import logging
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import torch

from tutelage.core.errors import MissingExtra
from tutelage.inference.export.portable import Portable, Run


class GraphFormat(ABC):
    """A kind of file that holds a model as a graph.

    Attributes:
        name: in `--format`.
        ending: of the file.
        packages: modules that writing and checking it needs, with the packages that bring them.
        beside: endings of further files with the same stem.
    """

    name: ClassVar[str]
    ending: ClassVar[str]
    packages: ClassVar[Mapping[str, str]] = {}
    beside: ClassVar[tuple[str, ...]] = ()

    def require(self) -> None:
        """Check that its packages are installed.

        Raises:
            MissingExtra: one is not.
        """
        for module, package in self.packages.items():
            if importlib.util.find_spec(module) is None:
                raise MissingExtra(f"the format {self.name}", package, "export")

    @abstractmethod
    def write(self, model: Portable, file: Path, facts: Mapping[str, str]) -> None:
        """Write a graph, with facts about the model as its metadata."""

    @abstractmethod
    def open(self, file: Path, model: Portable) -> Run:
        """The graph in a file, run by the runtime that the format is for."""


@contextmanager
def quietly() -> Iterator[None]:
    """While open, nothing is said of tracing, whose results are checked, and no gradients are kept.

    Exporters try several ways, and log at length why the first ones failed.
    """
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(action="ignore"), torch.no_grad():
            yield
    finally:
        logging.disable(before)


def dynamic_shapes(model: Portable) -> tuple[dict[int, Any]]:
    """The free axes of the only input, as `torch.export` takes them."""
    dims: dict[int, Any] = {}
    for axis, free in model.free.items():
        dim = torch.export.Dim(free.name, min=1 if axis else 0)
        dims[axis] = dim if free.multiple == 1 else free.multiple * dim
    return (dims,)
