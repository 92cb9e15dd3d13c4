"""Networks that show the maps on the way to their features: what an auto-encoder is built over."""

from __future__ import annotations

import copy
from abc import abstractmethod
from typing import ClassVar

from torch import Tensor, nn

from tutelage.networks.base import Network, initialize
from tutelage.networks.decoder import Decoder


class StagedNetwork(Network):
    """A network whose features are pooled from the last of a few maps.

    Attributes:
        channels: of the images, then of the map of each stage.
        decoder_layers: convolutions for each stage in the decoder that mirrors it.
    """

    channels: tuple[int, ...]
    decoder_layers: ClassVar[int] = 1

    @abstractmethod
    def stages(self, images: Tensor) -> list[Tensor]:
        """Maps (B, C, H, W), from the first stage to the last; none is changed in place afterwards."""

    def pooled(self, last: Tensor) -> Tensor:
        """(B, F): the features, from the last map."""
        return last.mean((2, 3))

    def features(self, images: Tensor) -> Tensor:
        """(B, F): what the linear head sees."""
        return self.pooled(self.stages(images)[-1])

    def decoder(self) -> Decoder:
        """A new decoder, from the last map to an image through maps like those of the other stages."""
        return Decoder(self.channels, self.decoder_layers)

    def encoder(self) -> StagedNetwork:
        """A network of the same shape with weights of its own, drawn anew, and without a head."""
        twin = copy.deepcopy(self)
        initialize(twin)
        for module in twin.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.reset_parameters()  # the network may have begun from a trained one
        twin.head = nn.Identity()  # type: ignore[assignment]
        return twin
