"""A trained model as an exporter sees it: a graph, its input and output, and what it must answer."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tutelage.core.precision import float32_by_default
from tutelage.inference.export.graphs import ImageGraph, WindowGraph
from tutelage.inference.images.encoder import Encoder
from tutelage.inference.images.model import Model
from tutelage.inference.scans.model import ScanModel
from tutelage.networks.dense import DenseNetwork
from tutelage.tasks.representation import Representation

Run = Callable[[NDArray[Any]], NDArray[np.float32]]
_ROWS = 2  # of the example: one row would be taken for a constant


@dataclass(frozen=True)
class FreeAxis:
    """An axis of the input that may have any size, as far as it is a multiple of `multiple`."""

    name: str
    multiple: int = 1


@dataclass(frozen=True)
class Portable:
    """A graph, and what the model answers on the command line.

    Attributes:
        graph: in evaluation mode, on the CPU.
        source, result: names of the input and of the output.
        shape: of one input in training.
        example: an input (2, ...), of which each free side is at least twice its multiple: a side that becomes 1 in
            the network would be taken for a constant.
        free: axes of the input that are not fixed, by number.
        answer: what the model itself returns for an input, as an array.
    """

    graph: nn.Module
    source: str
    result: str
    shape: tuple[int, ...]
    example: Tensor
    free: Mapping[int, FreeAxis]
    answer: Run

    def fixed(self) -> Portable:
        """The same with all axes but the first fixed, for networks whose graph depends on the size."""
        example = self.example.new_zeros((_ROWS, *self.shape))
        return dataclasses.replace(self, example=example, free={0: self.free[0]})


def portable(model: Model | ScanModel) -> Portable:
    """The model as an exporter sees it; it must be on the CPU."""
    return _of_scans(model) if isinstance(model, ScanModel) else _of_images(model)


def _of_images(model: Model) -> Portable:
    classifies = not isinstance(model.task, Representation)
    size, channels = model.image_size, model.channels
    encoder = Encoder(model.network, model.normalization, channels, size, model.device, model.step, model.framing)

    def answer(images: NDArray[Any]) -> NDArray[np.float32]:
        first = np.ascontiguousarray(images.transpose(0, 3, 1, 2))
        found: NDArray[np.float32] = (model.probabilities(first) if classifies else encoder.features(first)).numpy()
        return found

    return Portable(
        ImageGraph(model.network, model.normalization, classifies).eval(),
        "images",
        "probabilities" if classifies else "features",
        (size, size, channels),
        torch.zeros((_ROWS, size, size, channels), dtype=torch.uint8),
        {0: FreeAxis("batch")},
        answer,
    )


def _of_scans(model: ScanModel) -> Portable:
    size = model.task.patch_size
    network = model.network
    multiples = network.divisor if isinstance(network, DenseNetwork) else (1,) * len(size)
    names = ("depth", "height", "width")[-len(size) :]

    @float32_by_default()
    @torch.no_grad()
    def answer(window: NDArray[Any]) -> NDArray[np.float32]:
        found: NDArray[np.float32] = network(torch.from_numpy(window)).float().softmax(1).numpy()
        return found

    large = [max(side, 2 * multiple) for side, multiple in zip(size, multiples, strict=True)]
    sides = {2 + axis: FreeAxis(name, multiples[axis]) for axis, name in enumerate(names)}
    return Portable(
        WindowGraph(network).eval(),
        "window",
        "probabilities",
        (model.channels, *size),
        torch.zeros((_ROWS, model.channels, *large)),
        {0: FreeAxis("batch"), **sides},
        answer,
    )
