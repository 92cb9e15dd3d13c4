"""The V-Net of the UA-MT family: nine plain stages with additive skip connections."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from tutelage.networks.dense import DenseNetwork, convolution, enlarged

_LAYERS = (1, 2, 3, 3, 3)  # convolutions per stage, from the finest to the coarsest; the decoder mirrors them


class VNet(DenseNetwork):
    """V-Net as in UA-MT's code (arXiv:1907.07034), after Milletari et al. 2016 (arXiv:1606.04797).

    The stages consist of 3^d convolutions with batch norm and ReLU, without residual connections. Convolutions of
    stride 2 connect the encoder's stages, transposed ones the decoder's. The output of each encoder stage is added to
    the input of the decoder stage at the same level. Whole channels are dropped at the bottom and before the head. The
    initial weights are PyTorch's. With the defaults, one channel and two classes, the network has 9,448,866 parameters;
    in the form "laseg" it has 9,186,722.

    Args:
        num_classes: K, including the background.
        channels: of the images.
        spatial_dims: 3 for volumes, 2 for slices.
        width: channels of the finest stage; the others have 2, 4, 8 and 16 times as many.
        dropout: probability of dropping a channel in training.
        form: "ua-mt", or "laseg", which does not halve the last axis before the bottom stage.
        deep_supervision: add a head at each coarser stage of the decoder, for `maps`.

    Raises:
        ValueError: `form` is "laseg" and `spatial_dims` is 2.
    """

    def __init__(
        self,
        *,
        num_classes: int,
        channels: int = 1,
        spatial_dims: int = 3,
        width: int = 16,
        dropout: float = 0.5,
        form: Literal["ua-mt", "laseg"] = "ua-mt",
        deep_supervision: bool = False,
    ) -> None:
        super().__init__()
        if form == "laseg" and spatial_dims != 3:
            raise ValueError(f"the form 'laseg' is for volumes with three axes, got {spatial_dims}")
        self.deep_supervision, dims = deep_supervision, spatial_dims
        bottom = (2, 2, 1) if form == "laseg" else (2,) * dims
        strides = [(2,) * dims] * 3 + [bottom]
        self.divisor = tuple(8 * stride for stride in bottom)
        widths = [width * 2**level for level in range(5)]

        self.down_stages = nn.ModuleList(
            [_stage(channels if level == 0 else w, w, _LAYERS[level], dims) for level, w in enumerate(widths)]
        )
        steps = list(zip(widths, widths[1:], strides, strict=False))
        self.downs = nn.ModuleList([_resized(convolution(dims), above, w, stride) for above, w, stride in steps])
        transposed = nn.ConvTranspose3d if dims == 3 else nn.ConvTranspose2d
        upwards = list(zip(widths[1:], widths, strides, _LAYERS, strict=False))[::-1]
        self.ups = nn.ModuleList([_resized(transposed, below, w, stride) for below, w, stride, _ in upwards])
        self.up_stages = nn.ModuleList([_stage(w, w, layers, dims) for _, w, _, layers in upwards])
        self.dropout = nn.Dropout3d(dropout) if dims == 3 else nn.Dropout2d(dropout)
        self.head = convolution(dims)(width, num_classes, 1)
        coarser = widths[1:-1] if deep_supervision else []
        self.coarse_heads = nn.ModuleList([convolution(dims)(w, num_classes, 1) for w in coarser])

    def features(self, images: Tensor) -> Tensor:
        """(B, width, *S): the output of the decoder's finest stage, after dropout."""
        return self.dropout(self._decoded(images)[-1])

    def maps(self, images: Tensor) -> tuple[Tensor, ...]:
        """The logits and, with deep supervision, the upsampled logits of three coarser stages; each (B, K, *S)."""
        *coarse, finest = self._decoded(images)
        logits = self.head(self.dropout(finest))
        stages = coarse[::-1][: len(self.coarse_heads)]
        small = (head(stage) for head, stage in zip(self.coarse_heads, stages, strict=True))
        return (logits, *(enlarged(one, images.shape[2:]) for one in small))

    def _decoded(self, images: Tensor) -> list[Tensor]:
        """The decoder's maps, from coarse to fine."""
        self.require_size(images)
        skips = [self.down_stages[0](images)]
        for down, stage in zip(self.downs, list(self.down_stages)[1:], strict=True):
            skips.append(stage(down(skips[-1])))
        last, decoded = self.dropout(skips.pop()), []
        for up, stage in zip(self.ups, self.up_stages, strict=True):
            last = stage(up(last) + skips.pop())
            decoded.append(last)
        return decoded


def _stage(channels: int, out: int, layers: int, dims: int) -> nn.Sequential:
    parts: list[nn.Module] = []
    for layer in range(layers):
        parts += [convolution(dims)(channels if layer == 0 else out, out, 3, padding=1), _norm(out, dims), _relu()]
    return nn.Sequential(*parts)


def _resized(kind: type[nn.Module], channels: int, out: int, stride: tuple[int, ...]) -> nn.Sequential:
    """A convolution whose kernel size equals its stride, so that its windows do not overlap."""
    return nn.Sequential(kind(channels, out, stride, stride=stride), _norm(out, len(stride)), _relu())


def _norm(channels: int, dims: int) -> nn.Module:
    return nn.BatchNorm3d(channels) if dims == 3 else nn.BatchNorm2d(channels)


def _relu() -> nn.Module:
    return nn.ReLU(inplace=True)
