"""What every segmentation network is: features at each pixel or voxel, then one linear layer there."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from tutelage.networks.base import Network


class DenseNetwork(Network):
    """Standardized images (B, C, *S) to logits (B, K, *S), through features (B, F, *S); S has two or three axes.

    Attributes:
        head: from features to logits, a 1x1 convolution.
        divisor: what the sizes of S must be multiples of, axis by axis.
    """

    head: nn.Module  # type: ignore[assignment]
    divisor: tuple[int, ...]

    @abstractmethod
    def features(self, images: Tensor) -> Tensor:
        """(B, F, *S): what the head sees at each place.

        Raises:
            ValueError: a size of S is no multiple of `divisor`.
        """

    def size_fault(self, size: Sequence[int]) -> str | None:
        """What is wrong with images of that size, with the nearest size that is right; None if it is right."""
        if len(size) != len(self.divisor):
            return f"takes images of {len(self.divisor)} axes, got size {tuple(size)}"
        if not any(length % divisor for length, divisor in zip(size, self.divisor, strict=True)):
            return None
        near = tuple(max(round(n / d), 1) * d for n, d in zip(size, self.divisor, strict=True))
        return f"takes sizes that are multiples of {self.divisor}, got {tuple(size)}; the nearest is {near}"

    def require_size(self, images: Tensor) -> None:
        """Raise ValueError if images (B, C, *S) have a size that the network does not take."""
        if fault := self.size_fault(images.shape[2:]):
            raise ValueError(f"{type(self).__name__} {fault}")


def convolution(spatial_dims: int) -> type[nn.Conv2d] | type[nn.Conv3d]:
    """The convolution over so many axes, two or three."""
    return nn.Conv3d if spatial_dims == 3 else nn.Conv2d


def enlarged(logits: Tensor, size: Sequence[int]) -> Tensor:
    """(B, K, *size): `logits` of a coarser level, interpolated linearly along each axis."""
    mode = "trilinear" if logits.ndim == 5 else "bilinear"
    return F.interpolate(logits, size=tuple(size), mode=mode, align_corners=False)
