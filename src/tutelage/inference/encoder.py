"""The features of a trained network: what probes, embeddings and maps are made of."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tutelage.config import RunConfig
from tutelage.core.devices import choose_device
from tutelage.core.errors import CheckpointError, ConfigError
from tutelage.core.seeding import derived_seed, own_random_state
from tutelage.data.images.items import Item, Unreadable
from tutelage.data.images.loader import Normalization
from tutelage.data.images.survey import read_pixels
from tutelage.inference.image_model import NETWORKS, weights_of
from tutelage.networks.base import Network
from tutelage.run.build import build_predictor, evaluated_network
from tutelage.run.folder import kind_of_data, read_config
from tutelage.training.checkpoint import load_checkpoint

HEAD = "head."  # how the names of tensors begin that a network does not need for its features
SETTLING_IMAGES = 512  # that give a network with random weights its batch-norm statistics


@dataclass(frozen=True)
class Encoder:
    """A network up to its features, in evaluation mode, and the preparation of images that it was trained with.

    Attributes:
        step: how many optimizer steps it was trained for.
    """

    network: Network
    normalization: Normalization
    channels: int
    image_size: int
    device: torch.device
    step: int

    @staticmethod
    def load(run: str | Path, *, network: str = "auto", device: str = "auto") -> Encoder:
        """The encoder of a run of any kind, from its newest checkpoint. Its head is not looked at.

        Args:
            network: "student", "teacher", or "auto" for the one that the method evaluates.

        Raises:
            RunError: `run` is no run folder, or its checkpoints are damaged.
            ConfigError: the method has no such network, the device is not there, or the network has no features that
                are one row an image.
        """
        path, config = Path(run), read_config(Path(run))
        if kind_of_data(config) != "images":
            raise ConfigError(f"{run} segments scans: its features are one row a voxel, not one an image")
        cfg, facts = RunConfig.from_dict(config["settings"]), config["data"]
        place = choose_device(device)
        if network not in NETWORKS:
            raise ConfigError(f"--network must be one of {', '.join(NETWORKS)}, got {network!r}")
        made = _build(cfg, channels=facts["channels"], image_size=facts["image_size"], seed=cfg.train.seed)
        checkpoint = load_checkpoint(path / "checkpoints")
        which = evaluated_network(cfg.method) if network == "auto" else network
        weights = weights_of(checkpoint.tensors, which)
        if not weights:
            raise ConfigError(f"the method of {run} has no {which}")
        if other := backbone_misfits(made, weights):
            raise CheckpointError(f"the weights in {run} do not fit its network: {misfit_text(made, weights, other)}")
        load_backbone(made, weights)
        encoder = Encoder(
            network=made.to(place).eval(),
            normalization=Normalization(tuple(facts["mean"]), tuple(facts["std"])),
            channels=facts["channels"],
            image_size=facts["image_size"],
            device=place,
            step=checkpoint.step,
        )
        shape = encoder.features(np.zeros((1, encoder.channels, *[encoder.image_size] * 2), np.uint8)).shape
        if len(shape) != 2:
            raise ConfigError(f"the network of {run} gives features of shape {tuple(shape)}, not one row an image")
        return encoder

    @torch.no_grad()
    def features(self, images: NDArray[np.uint8] | Tensor) -> Tensor:
        """(N, F) float32 on the CPU, for images (N, C, H, W) uint8 of the encoder's channels."""
        pixels = torch.as_tensor(images).to(self.device)
        return self.network.features(self.normalization(pixels)).float().cpu()

    def read(self, items: Sequence[Item], *, workers: int = 2) -> Iterator[NDArray[np.uint8] | Unreadable]:
        """(C, size, size) uint8 of each item, in order, as the encoder takes it."""
        return read_pixels(items, size=self.image_size, channels=self.channels, workers=workers)

    def fresh(self, cfg: RunConfig, images: NDArray[np.uint8], *, seed: int) -> Encoder:
        """The same network with new random weights: what its shape alone is good for.

        Args:
            cfg: the settings of the run that it is from.
            images: (N, C, H, W) uint8 that pass through it once in training mode, for its batch-norm statistics; with
                those of a new network, 0 and 1, its features would be worse than a random network's can be.
        """
        network = _build(cfg, channels=self.channels, image_size=self.image_size, seed=seed).to(self.device)
        norms = [m for m in network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
        pixels = self.normalization(torch.from_numpy(images).to(self.device))
        with torch.no_grad(), own_random_state():
            torch.manual_seed(derived_seed(seed, "settling"))
            network.start_from(pixels)
            for norm in norms:
                norm.momentum = None  # a plain mean over the one batch
            network.features(pixels)
        return dataclasses.replace(self, network=network.eval(), step=0)


def _build(cfg: RunConfig, *, channels: int, image_size: int, seed: int) -> Network:
    network = dataclasses.replace(cfg.network, bn_splits=None)  # which evaluation mode knows nothing of
    seeded = dataclasses.replace(cfg, network=network, train=dataclasses.replace(cfg.train, seed=seed))
    return build_predictor(seeded, num_classes=2, channels=channels, image_size=image_size, published=False)


def backbone_misfits(network: nn.Module, weights: Mapping[str, Tensor]) -> list[str]:
    """The tensors of a network, its head's aside, that `weights` have not or in another shape."""
    own = network.state_dict()
    return [
        name
        for name, value in own.items()
        if not name.startswith(HEAD) and (name not in weights or weights[name].shape != value.shape)
    ]


def misfit_text(network: nn.Module, weights: Mapping[str, Tensor], misfits: Sequence[str]) -> str:
    """How many tensors differ, and the first of them, with both shapes."""
    own = network.state_dict()
    first = [
        f"{name} (expected {tuple(own[name].shape)}, got {tuple(weights[name].shape) if name in weights else 'none'})"
        for name in misfits[:3]
    ]
    return f"{len(misfits)} of {len(own)} tensors differ, first {', '.join(first)}"


def load_backbone(network: nn.Module, weights: Mapping[str, Tensor]) -> list[str]:
    """Load all but the head; gives the names that were loaded. `backbone_misfits` must be empty."""
    taken = {name: weights[name] for name in network.state_dict() if not name.startswith(HEAD)}
    network.load_state_dict(taken, strict=False)
    return list(taken)
