"""Heat maps of a model: of images that are handed over, and of the least certain images of a table, in a folder."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tutelage.core.errors import ConfigError, did_you_mean
from tutelage.core.wording import named
from tutelage.data.images.framing import Framing
from tutelage.data.images.items import Item, Unreadable
from tutelage.data.images.survey import read_pixels
from tutelage.inference.images.explain.explanation import Explanation
from tutelage.inference.images.explain.folder import HeatMaps, LeastCertain, refuse_maps, write_maps
from tutelage.inference.images.explain.grad_cam import BATCH, GradCam
from tutelage.networks.base import Network


class Explainable(Protocol):
    """A model that predicts classes; see `Model`."""

    @property
    def network(self) -> Network: ...

    @property
    def normalization(self) -> Callable[[Tensor], Tensor]: ...

    @property
    def channels(self) -> int: ...

    @property
    def image_size(self) -> int: ...

    @property
    def device(self) -> torch.device: ...

    @property
    def framing(self) -> Framing: ...

    @property
    def classes(self) -> tuple[str, ...]: ...

    def probabilities(self, images: np.ndarray, /) -> Tensor: ...


def grad_cam(model: Explainable) -> GradCam:
    """What makes the maps of a model; see `GradCam`."""
    size, device = model.image_size, model.device
    return GradCam(model.network, model.normalization, channels=model.channels, size=size, device=device)


def explain_items(model: Explainable, items: Sequence[Item], *, label: str | None = None, workers: int) -> Explanation:
    """The maps of images, for the class `label`, or else for the class of each that the model predicts.

    Raises:
        ConfigError: there is no such class, or no map can be made.
    """
    classes, size = model.classes, model.image_size
    if label is not None and label not in classes:
        raise ConfigError(f"{named('label')} {label!r} is not a class of the model{did_you_mean(label, list(classes))}")
    cam = grad_cam(model)
    found = Explanation([item.name for item in items], [], np.zeros((len(items), size, size), np.float32), [])
    pixels = read_pixels(items, size=size, channels=model.channels, framing=model.framing, workers=workers)
    waiting: list[tuple[int, NDArray[np.uint8]]] = []

    def pass_on() -> None:
        images = np.stack([image for _, image in waiting])
        target = np.full(len(images), classes.index(label)) if label else model.probabilities(images).argmax(1).numpy()
        found.maps[[place for place, _ in waiting]] = cam.maps(images, target)
        for (place, _), number in zip(waiting, target, strict=True):
            found.labels[place] = classes[int(number)]
        waiting.clear()

    for place, image in enumerate(pixels):
        found.labels.append(None)
        found.errors.append(image.reason if isinstance(image, Unreadable) else "")
        if not isinstance(image, Unreadable):
            waiting.append((place, image))
        if len(waiting) == BATCH:
            pass_on()
    if waiting:
        pass_on()
    return found


@dataclass
class MapWriter:
    """Writes the maps of the least certain images of a table, once all of them have come by.

    Attributes:
        folder: where to.
        cam: makes them.
        chosen: the least certain images.
    """

    model: Explainable
    folder: Path
    cam: GradCam
    chosen: LeastCertain = field(default_factory=LeastCertain)

    @staticmethod
    def of(
        model: Explainable, folder: str | Path | None, *, out: Path, data: Any, overwrite: bool, resume: bool
    ) -> MapWriter | None:
        """One that will succeed, as far as can be told before the work; None if there is no folder.

        Raises:
            ConfigError: captum is not installed, the network has no maps, or the table is resumed.
            RunError: the folder is refused; see `refuse_maps`.
        """
        if folder is None:
            return None
        if resume:
            raise ConfigError(
                f"{named('explain')} does not go with {named('resume')}: let the table become complete first, and then "
                "predict those images of which you want heat maps"
            )
        refuse_maps(Path(folder), overwrite=overwrite, reads=(data,), others=(out,))
        return MapWriter(model, Path(folder), grad_cam(model))

    def look(self, start: int, probs: Iterable[NDArray[np.float32] | None]) -> None:
        """See `LeastCertain.look`."""
        self.chosen.look(start, probs)

    def write(self, items: Sequence[Item]) -> HeatMaps | None:
        """Write the maps; none if no image could be read."""
        if not self.chosen.found:
            return None
        model = self.model

        def read(some: Sequence[Item]) -> Any:
            return read_pixels(some, size=model.image_size, channels=model.channels, framing=model.framing)

        return write_maps(self.folder, self.chosen, items, self.cam, read, model.classes)
