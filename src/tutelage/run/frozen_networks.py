"""One or several frozen pretrained networks, whose features a head sees side by side, and their file in a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from safetensors.torch import load, save
from torch import Tensor

from tutelage.config import RunConfig
from tutelage.core.errors import CheckpointError, RunError
from tutelage.core.files import sha256, write_atomically
from tutelage.core.regular import read_regular
from tutelage.data.images.loader import Normalization
from tutelage.data.images.streamed import ImageRows
from tutelage.run.budget import Deadline
from tutelage.run.exported import BACKBONE, exported_tensors, weights_file
from tutelage.run.exported import KEY as EXPORTED
from tutelage.run.frozen import FrozenBackbone
from tutelage.run.run_record import RunRecord

BACKBONE_FILE = "backbone.safetensors"
_MEAN, _STD = "normalization.mean", "normalization.std"  # (P, 3) float64, of several networks


@dataclass
class FrozenNetworks:
    """Pretrained networks without their classifiers, in the order of their names.

    Called with images (B, C, S, S) uint8 it returns what a head sees of them, (B, D) float32: it takes the place of the
    normalization of images where the network is a `FeatureHead`. Each network has its own standardization and cache,
    and its features are transformed by themselves; D is the sum of the coordinates of all.

    Attributes:
        parts: at least one.
        names: of the networks.
    """

    parts: tuple[FrozenBackbone, ...]
    names: tuple[str, ...]

    def __call__(self, images: Tensor) -> Tensor:
        """(B, D) float32 on the device of `images` (B, C, S, S) uint8; features that are cached are not recomputed."""
        raw = self.raw_features(images.cpu().numpy(), keep=False)
        return torch.from_numpy(self.transformed(raw)).to(images.device)

    @property
    def normalization(self) -> Normalization:
        """Of the first network."""
        return self.parts[0].normalization

    @property
    def fitted(self) -> bool:
        """Whether the transforms of the features are known."""
        return all(part.transform is not None for part in self.parts)

    @property
    def key(self) -> str:
        """Changes with everything that the raw features depend on besides the image."""
        return "-".join(part.key for part in self.parts)

    @property
    def widths(self) -> tuple[int, ...]:
        """The number of coordinates that a head sees of each network."""
        return tuple(part.dims for part in self.parts)

    @property
    def raw_width(self) -> int:
        """F, the number of raw features of all networks."""
        return sum(part.width for part in self.parts)

    @property
    def dims(self) -> int:
        """D, the number of coordinates that a head sees."""
        return sum(self.widths)

    @property
    def loaded(self) -> dict[str, str]:
        """What the weights of each network are, in words, by its name."""
        return {name: part.loaded for name, part in zip(self.names, self.parts, strict=True)}

    @staticmethod
    def published(cfg: RunConfig, image_size: int, device: torch.device) -> FrozenNetworks:
        """The networks that the settings name, with their published weights; see `FrozenBackbone.published`."""
        configs = cfg.network.parts
        parts = tuple(FrozenBackbone.published(config, image_size, device) for config in configs)
        return FrozenNetworks(parts, tuple(config.name for config in configs))

    @staticmethod
    def of_run(run: Path, cfg: RunConfig, facts: Mapping[str, Any], device: torch.device) -> FrozenNetworks:
        """The networks of a run.

        Raises:
            CheckpointError: their file is missing or damaged.
        """
        tensors, file, configs = read_backbone(run), weights_file(run) or run / BACKBONE_FILE, cfg.network.parts
        several = len(configs) > 1
        missing = [name for name in (_MEAN, _STD) if several and len(tensors.get(name, ())) != len(configs)]
        if missing:
            raise CheckpointError(f"{file} does not fit the network {cfg.network.name}: it lacks {missing[0]}")
        parts = []
        for number, config in enumerate(configs):
            own, mean, std = tensors, facts["mean"], facts["std"]
            if several:
                prefix = _prefix(number)
                own = {name.removeprefix(prefix): v for name, v in tensors.items() if name.startswith(prefix)}
                mean, std = tensors[_MEAN][number].tolist(), tensors[_STD][number].tolist()
            normalization = Normalization(tuple(mean), tuple(std))
            part = FrozenBackbone.restored(own, config, facts["image_size"], normalization, device, file=file)
            parts.append(part)
        return FrozenNetworks(tuple(parts), tuple(config.name for config in configs))

    def save(self, run: Path) -> None:
        """Write the networks and the transforms of their features to a run folder."""
        write_atomically(run / BACKBONE_FILE, save(self.state()))

    def state(self) -> dict[str, Tensor]:
        """The tensors of the networks and of the transforms, as `read_backbone` returns them."""
        tensors = self.parts[0].state()
        if len(self.parts) > 1:
            levels = [part.normalization for part in self.parts]
            tensors = {
                _MEAN: torch.tensor([level.mean for level in levels], dtype=torch.float64),
                _STD: torch.tensor([level.std for level in levels], dtype=torch.float64),
            }
            for number, part in enumerate(self.parts):
                tensors |= {_prefix(number) + name: value for name, value in part.state().items()}
        return {name: value.contiguous() for name, value in tensors.items()}

    def fit_transform(self, raw: NDArray[np.float32], dims: int | None) -> None:
        """Fit the transforms to the features (N, F) of the training images; `dims` is for each network."""
        for part, own in zip(self.parts, self._split(raw), strict=True):
            part.fit_transform(own, dims)

    def transformed(self, raw: NDArray[np.float32]) -> NDArray[np.float32]:
        """(N, D) float32 from the features (N, F), where each row has the norm sqrt(D)."""
        rows = [part.transformed(own) for part, own in zip(self.parts, self._split(raw), strict=True)]
        return np.concatenate(rows, axis=1)

    def raw_features(
        self,
        images: ImageRows,
        console: Console | None = None,
        *,
        keep: bool = True,
        deadline: Deadline | None = None,
    ) -> NDArray[np.float32]:
        """(N, F) float32: the features of all networks, side by side; see `FrozenBackbone.raw_features`."""
        found, later = [], [0.0] * len(self.parts)
        if deadline is not None:
            later = [sum(part.seconds_needed(images) for part in self.parts[k + 1 :]) for k in range(len(self.parts))]
        for name, part, after in zip(self.names, self.parts, later, strict=True):
            if console is not None and len(self.parts) > 1:
                console.print(f"- {name}:")
            found.append(part.raw_features(images, console, keep=keep, deadline=deadline, later=after))
        return np.concatenate(found, axis=1)

    def compile(self) -> None:
        """See `FrozenBackbone.compile`."""
        for part in self.parts:
            part.compile()

    def seconds_per_image(self, images: ImageRows) -> float:
        """The time of one image in all networks, as measured last, or else on a few of `images` (N, C, S, S)."""
        return sum(part.seconds_per_image(images) for part in self.parts)

    def _split(self, raw: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """The features of each network."""
        return np.split(raw, np.cumsum([part.width for part in self.parts])[:-1], axis=1)


def read_backbone(run: Path) -> dict[str, Tensor]:
    """The tensors of a run whose backbone is frozen: `trunk.*` and `transform.*`, after `0.`, `1.`, ... of several.

    Raises:
        CheckpointError: the file is missing or damaged.
    """
    file = run / BACKBONE_FILE
    if weights_file(run) is not None and EXPORTED in RunRecord(run).config:
        return exported_tensors(run, BACKBONE)
    try:
        content = read_regular(file)
        _check(run, content)
        return load(content)
    except RunError:
        raise
    except OSError as error:
        raise CheckpointError(f"cannot read {file}: {error.strerror or error}") from None
    except Exception as error:  # safetensors and torch raise several kinds for damaged files
        raise CheckpointError(f"{file} is damaged: {error}") from None


def _check(run: Path, content: bytes) -> None:
    """Compare the file of a run with its hash in config.json, if there is one.

    Raises:
        CheckpointError: it is another one.
    """
    known = RunRecord(run).config.get("files") if (run / "config.json").exists() else None
    if isinstance(known, dict) and known.get(BACKBONE_FILE, "") not in ("", sha256(content)):
        raise CheckpointError(f"{run / BACKBONE_FILE} is damaged: its content does not match its hash in config.json")


def _prefix(number: int) -> str:
    return f"{number}."
