"""Networks that expose their intermediate maps, so that an auto-encoder can be built from them."""

from __future__ import annotations

import copy
from abc import abstractmethod
from typing import ClassVar

from torch import Tensor, nn

from tutelage.networks.base import Network, initialize
from tutelage.networks.decoder import Decoder


class StagedNetwork(Network):
    """A network whose features are pooled from the last of several maps.

    Attributes:
        channels: of the images, then of each stage's map.
        decoder_layers: convolutions per stage in the matching decoder.
    """

    channels: tuple[int, ...]
    decoder_layers: ClassVar[int] = 1

    @abstractmethod
    def stages(self, images: Tensor) -> list[Tensor]:
        """Maps (B, C, H, W), from the first stage to the last; none is later modified in place."""

    def pooled(self, last: Tensor) -> Tensor:
        """(B, F): the features, pooled from the last map."""
        return last.mean((2, 3))

    def features(self, images: Tensor) -> Tensor:
        """(B, F): the input of the linear head."""
        return self.pooled(self.stages(images)[-1])

    def decoder(self) -> Decoder:
        """A new decoder, which reconstructs the image and the maps of the other stages from the last map."""
        return Decoder(self.channels, self.decoder_layers)

    def encoder(self) -> StagedNetwork:
        """A copy of this network with newly initialized weights and without a head."""
        encoder = copy.deepcopy(self)
        initialize(encoder)
        for module in encoder.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.reset_parameters()  # this network may have been initialized from a trained one
        encoder.head = nn.Identity()  # type: ignore[assignment]
        return encoder
