"""MONAI's segmentation networks, selected by name and split into features and a head."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from tutelage.core.errors import MissingExtra
from tutelage.networks.dense import DenseNetwork, convolution, enlarged

LEAST_SIZE, MOST_HALVINGS, MOST_CHANNELS = 4, 4, 320  # axes are halved down to 4; channel limit as in nnU-Net
MonaiName = Literal["unet", "dynunet"]


class MonaiNetwork(DenseNetwork):
    """MONAI's `UNet` or `DynUNet`, built for patches of a given size.

    Each axis is halved up to four times, as long as its size is even and stays at least 4, so that thick slices keep
    their axis. Channels double at each level, up to 320. `unet` is MONAI's residual U-Net with instance norm and two
    residual units per level. Here it ends in features with `width` channels and a separate 1x1 convolution; MONAI's
    last layer combines the two. `dynunet` is nnU-Net's network (arXiv:1904.08128), with MONAI's head.

    Args:
        name: "unet" or "dynunet".
        num_classes: K, including the background.
        channels: of the images.
        patch_size: size of the training patches in pixels or voxels, along two or three axes.
        width: channels of the finest level; None is 16 for "unet" and 32 for "dynunet".
        dropout: probability on features within the network.
        deep_supervision: add heads at the coarser levels, for `maps`; only for "dynunet".

    Raises:
        MissingExtra: MONAI is not installed.
    """

    def __init__(
        self,
        name: MonaiName,
        *,
        num_classes: int,
        channels: int,
        patch_size: Sequence[int],
        width: int | None = None,
        dropout: float = 0.0,
        deep_supervision: bool = False,
    ) -> None:
        super().__init__()
        try:
            from monai.networks import nets
        except ModuleNotFoundError as error:
            raise MissingExtra(f"network.name 'monai:{name}'", "monai", "medical") from error
        strides = halvings(patch_size)
        dims, width = len(patch_size), width or (32 if name == "dynunet" else 16)
        widths = [min(width * 2**level, MOST_CHANNELS) for level in range(len(strides) + 1)]
        self.divisor = tuple(int(n) for n in torch.tensor([(1,) * dims, *strides]).prod(0))
        self.name, self.deep_supervision = name, deep_supervision
        self.trunk: Any
        unets: Any = nets  # MONAI's annotations do not allow strides that differ by axis
        if name == "unet":
            self.trunk = unets.UNet(
                dims, channels, width, channels=widths, strides=strides, num_res_units=2, dropout=dropout
            )
            self.head = convolution(dims)(width, num_classes, 1)
        else:
            self.trunk = unets.DynUNet(
                dims,
                channels,
                num_classes,
                kernel_size=[3] * len(widths),
                strides=[1, *strides],
                upsample_kernel_size=strides,
                filters=widths,
                dropout=dropout or None,
                deep_supervision=deep_supervision,
                deep_supr_num=max(len(strides) - 1, 1),
            )
            self.head = self.trunk.output_block
            self.trunk.output_block = nn.Identity()

    def features(self, images: Tensor) -> Tensor:
        """(B, width, *S): the input of the head."""
        return self._run(images)[0]

    def maps(self, images: Tensor) -> tuple[Tensor, ...]:
        """The logits and, with deep supervision, the upsampled logits of the coarser levels; each (B, K, *S)."""
        features, coarse = self._run(images)
        return (self.head(features), *(enlarged(logits, images.shape[2:]) for logits in coarse))

    def _run(self, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        self.require_size(images)
        if self.name == "unet":
            return self.trunk(images), []
        features = self.trunk.skip_layers(images)
        coarse = list(self.trunk.heads) if self.deep_supervision else []
        # DynUNet stores its coarse logits in a list. Left there, they would keep the graph alive and prevent copies.
        self.trunk.heads[:] = [torch.empty(0)] * len(self.trunk.heads)
        return features, coarse


def halvings(patch_size: Sequence[int]) -> list[tuple[int, ...]]:
    """The strides of a U-Net at each level: 2 along each axis whose size is even and stays at least 4, else 1."""
    sizes, strides = list(patch_size), []
    for _ in range(MOST_HALVINGS):
        stride = tuple(2 if size % 2 == 0 and size // 2 >= LEAST_SIZE else 1 for size in sizes)
        if set(stride) == {1}:
            break
        strides.append(stride)
        sizes = [size // s for size, s in zip(sizes, stride, strict=True)]
    return strides
