"""The base class of segmentation networks: features at each pixel or voxel, followed by one linear layer."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from tutelage.networks.base import Network


class DenseNetwork(Network):
    """Maps standardized images (B, C, *S) to logits (B, K, *S), through features (B, F, *S).

    S has two or three axes.

    Attributes:
        head: maps features to logits; a 1x1 convolution.
        divisor: the size of each axis of S must be a multiple of this.
    """

    head: nn.Module  # type: ignore[assignment]
    divisor: tuple[int, ...]

    @abstractmethod
    def features(self, images: Tensor) -> Tensor:
        """(B, F, *S): the input of the head at each pixel or voxel.

        Raises:
            ValueError: a size in S is not a multiple of `divisor`.
        """

    def size_fault(self, size: Sequence[int]) -> str | None:
        """What is wrong with an image size, and the nearest valid size; None if the size is valid."""
        if len(size) != len(self.divisor):
            return f"expects images with {len(self.divisor)} axes, got size {tuple(size)}"
        if not any(length % divisor for length, divisor in zip(size, self.divisor, strict=True)):
            return None
        near = tuple(max(round(n / d), 1) * d for n, d in zip(size, self.divisor, strict=True))
        return f"expects sizes that are multiples of {self.divisor}, got {tuple(size)}; the nearest is {near}"

    def require_size(self, images: Tensor) -> None:
        """Raise ValueError if the network does not accept the size of `images` (B, C, *S)."""
        if fault := self.size_fault(images.shape[2:]):
            raise ValueError(f"{type(self).__name__} {fault}")


def convolution(spatial_dims: int) -> type[nn.Conv2d] | type[nn.Conv3d]:
    """The convolution class for two or three spatial axes."""
    return nn.Conv3d if spatial_dims == 3 else nn.Conv2d


def enlarged(logits: Tensor, size: Sequence[int]) -> Tensor:
    """(B, K, *size): `logits` of a coarser level, upsampled by linear interpolation along each axis."""
    mode = "trilinear" if logits.ndim == 5 else "bilinear"
    return F.interpolate(logits, size=tuple(size), mode=mode, align_corners=False)
