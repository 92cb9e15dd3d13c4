"""The features of a trained network, as used by probes, embeddings and maps."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tutelage.config import RunConfig
from tutelage.core.errors import ConfigError
from tutelage.core.precision import float32_by_default
from tutelage.core.seeding import derived_seed, own_random_state
from tutelage.data.images.framing import FULL_CROP, Framing
from tutelage.data.images.items import Item, Unreadable
from tutelage.data.images.survey import read_pixels
from tutelage.data.kinds import IMAGES
from tutelage.inference.images.passes import ImagePass, pass_key
from tutelage.networks.base import Network
from tutelage.run.frozen_networks import FrozenNetworks
from tutelage.run.weights import build_for_features, load_network

SETTLING_IMAGES = 512  # from which a network with random weights gets its batch-norm statistics


@dataclass(frozen=True)
class Encoder:
    """A network up to its features, in evaluation mode, with the image preparation it was trained with.

    Attributes:
        step: number of optimizer steps it was trained for.
    """

    network: Network
    normalization: Callable[[Tensor], Tensor]
    channels: int
    image_size: int
    device: torch.device
    step: int
    framing: Framing = FULL_CROP

    @staticmethod
    def load(run: str | Path, *, network: str = "auto", device: str = "auto") -> Encoder:
        """The encoder of a run of any kind, from its newest checkpoint. The head is ignored.

        Args:
            network: "student", "teacher", or "auto" for the one that the method evaluates.

        Raises:
            RunError: `run` is not a run folder, or its checkpoints are damaged.
            ConfigError: the method has no such network, the device is not available, or the network does not return
                one row of features per image.
        """
        refusal = "segments scans: it has one row of features per voxel, not per image"
        loaded = load_network(run, kind=IMAGES, refusal=refusal, network=network, device=device, features_only=True)
        facts = loaded.facts
        encoder = Encoder(
            network=loaded.network,
            normalization=loaded.normalization,
            channels=facts["channels"],
            image_size=facts["image_size"],
            device=loaded.device,
            step=loaded.step,
            framing=Framing.of(loaded.cfg.data),
        )
        shape = encoder.features(np.zeros((1, encoder.channels, *[encoder.image_size] * 2), np.uint8)).shape
        if len(shape) != 2:
            raise ConfigError(f"the network of {run} returns features of shape {tuple(shape)}, not one row per image")
        return encoder

    @property
    def principal_components(self) -> bool:
        """Whether the features are principal components: the variance of each then tells how much it matters."""
        return isinstance(self.normalization, FrozenNetworks)

    @float32_by_default()
    @torch.no_grad()
    def features(self, images: NDArray[np.uint8] | Tensor) -> Tensor:
        """(N, F) float32 on the CPU, for images (N, C, H, W) uint8 with the encoder's number of channels."""
        pixels = torch.as_tensor(images).to(self.device)
        return self.network.features(self.normalization(pixels)).float().cpu()

    def read(self, items: Sequence[Item], *, workers: int = 2) -> Iterator[NDArray[np.uint8] | Unreadable]:
        """(C, size, size) uint8 of each item, in order, with the encoder's size, channels and framing."""
        return read_pixels(items, size=self.image_size, channels=self.channels, framing=self.framing, workers=workers)

    def image_pass(self, *, workers: int = 2) -> ImagePass:
        """How images pass the network to get their features."""
        return ImagePass(
            read=lambda items: self.read(items, workers=workers),
            network=lambda images: self.features(images).numpy(),
            key=lambda: pass_key(
                self.network, self.normalization, "features", self.image_size, self.channels, self.framing.key
            ),
        )

    @float32_by_default()
    def fresh(self, cfg: RunConfig, images: NDArray[np.uint8], *, seed: int) -> Encoder:
        """The same network with new random weights: the baseline for trained weights.

        Args:
            cfg: the settings of the encoder's run.
            images: (N, C, H, W) uint8, passed through the network once in training mode to set its batch-norm
                statistics. The initial statistics, 0 and 1, would make the baseline too weak.
        """
        normalization, channels = self.normalization, self.channels
        if isinstance(normalization, FrozenNetworks):
            normalization, channels = normalization.normalization, 3
        facts = {"channels": channels, "image_size": self.image_size}
        network = build_for_features(cfg, facts, seed=seed).to(self.device)
        norms = [m for m in network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
        pixels = normalization(torch.from_numpy(images).to(self.device))
        with torch.no_grad(), own_random_state():
            torch.manual_seed(derived_seed(seed, "settling"))
            network.start_from(pixels)
            for norm in norms:
                norm.momentum = None  # a plain average over this single batch
            network.features(pixels)
        return dataclasses.replace(self, network=network.eval(), normalization=normalization, step=0)
