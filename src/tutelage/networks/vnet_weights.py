"""V-Nets of the UA-MT family (github.com/yulequan/UA-MT, github.com/icerain-alt/LASeg), with this package's names.

Both codes name the nine stages `block_one` to `block_nine`, the strided convolutions between them `..._dw` and
`..._up`, and the head `out_conv`. They differ in the strides of the coarsest level.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor

from tutelage.config.network import NetworkConfig
from tutelage.core.errors import CheckpointError
from tutelage.networks.build import build_network
from tutelage.networks.ports import Ported
from tutelage.networks.vnet import VNet

FORMS = ("ua-mt", "laseg")
_STAGES = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_OF_A_STAGE = re.compile(rf"block_({'|'.join(_STAGES)})(_dw|_up)?\.conv\..+")
_FIRST, _HEAD = "block_one.conv.0.weight", "out_conv.weight"
_COARSEST = "block_four_dw.conv.0.weight"  # the strided convolution by which the two forms are told apart
_COUNTER = "num_batches_tracked"  # of batch norm; files of old versions of PyTorch lack it
_OWN_NAMES = {"down_stages": (0, ""), "downs": (0, "_dw"), "ups": (4, "_up"), "up_stages": (5, "")}


def is_vnet(weights: Mapping[str, Tensor]) -> bool:
    """Whether these tensors have the names of a V-Net of the UA-MT family."""
    return any(_OF_A_STAGE.fullmatch(name) for name in weights)


def vnet_form(weights: Mapping[str, Tensor]) -> Literal["ua-mt", "laseg"]:
    """The code that a V-Net comes from, by the kernel that halves all three axes before the bottom, or only two."""
    kernel = tuple(weights[_COARSEST].shape[2:]) if _COARSEST in weights else ()
    return "laseg" if kernel == (2, 2, 1) else "ua-mt"


def spatial_dims(ported: Ported) -> int:
    """2 or 3: the axes of the images that a translated V-Net takes."""
    return ported.weights["head.weight"].ndim - 2


def size_fault(ported: Ported, size: tuple[int, ...]) -> str | None:
    """What is wrong with a patch size, and the nearest valid one; None if it is valid."""
    return _empty(ported.network, ported.num_classes, ported.channels, spatial_dims(ported)).size_fault(size)


def translate_vnet(weights: Mapping[str, Tensor], where: str) -> Ported:
    """The state dict of a V-Net, renamed to match this package's network; width, channels and classes from its shapes.

    Raises:
        CheckpointError: a tensor is missing or has another shape, so that it is another network. The message names
            `where`.
    """
    _require_all(weights, where)
    first, head = tuple(weights[_FIRST].shape), tuple(weights[_HEAD].shape)
    if len(first) not in (4, 5) or len(head) != len(first):
        raise CheckpointError(
            f"{where} is not a V-Net of UA-MT or LASeg: {_FIRST} and {_HEAD} must both have 5 axes, or 4 for slices, "
            f"got the shapes {first} and {head}"
        )
    (width, channels), num_classes, dims = first[:2], head[0], len(first) - 2
    if num_classes < 2:
        raise CheckpointError(
            f"{where} has one output per voxel; expected one for each class, the background included, as in UA-MT"
        )
    config = NetworkConfig(name="vnet-laseg" if vnet_form(weights) == "laseg" else "vnet", width=width)
    own = _empty(config, num_classes, channels, dims).state_dict()
    _require_shapes(weights, own, where)
    counter = torch.zeros((), dtype=torch.int64)  # where the file lacks it
    renamed = {name: weights.get(_theirs(name), counter).to(value.dtype) for name, value in own.items()}
    known = {_theirs(name) for name in own}
    left_out = {name: "not part of the V-Net" for name in weights if name not in known}
    return Ported(config, num_classes, channels, renamed, left_out)


def _empty(config: NetworkConfig, num_classes: int, channels: int, dims: int) -> VNet:
    """The network with shapes but without memory, however large the file says it is."""
    with torch.device("meta"):
        network = build_network(config, num_classes=num_classes, channels=channels, image_size=(16,) * dims)
    assert isinstance(network, VNet)
    return network


def _theirs(own: str) -> str:
    """The name in a file of this package's tensor `own`."""
    part, _, rest = own.partition(".")
    if part == "head":
        return f"out_conv.{rest}"
    level, _, tensor = rest.partition(".")
    first, kind = _OWN_NAMES[part]
    return f"block_{_STAGES[first + int(level)]}{kind}.conv.{tensor}"


def _require_all(weights: Mapping[str, Tensor], where: str) -> None:
    """Raise `CheckpointError` if a tensor is missing; both forms have the same names."""
    own = _empty(NetworkConfig(name="vnet", width=1), 2, 1, 3).state_dict()
    wanted = [_theirs(name) for name in own if not name.endswith(_COUNTER)]
    missing = [name for name in wanted if name not in weights]
    if not missing:
        return
    if not any(name.endswith("running_mean") and _OF_A_STAGE.fullmatch(name) for name in weights):
        raise CheckpointError(
            f"{where} has a V-Net without batch norm: there is no {missing[0]}; other normalizations are not supported"
        )
    raise CheckpointError(
        f"{where} is not a complete V-Net of UA-MT or LASeg: {len(missing)} of {len(wanted)} tensors are missing, "
        f"first {missing[0]}"
    )


def _require_shapes(weights: Mapping[str, Tensor], own: Mapping[str, Tensor], where: str) -> None:
    """Raise `CheckpointError` if a tensor has another shape than in the network."""
    pairs = [(_theirs(name), tuple(value.shape)) for name, value in own.items()]
    differing = [(name, shape) for name, shape in pairs if name in weights and tuple(weights[name].shape) != shape]
    if differing:
        name, shape = differing[0]
        raise CheckpointError(
            f"{where} is not a V-Net of UA-MT or LASeg: {len(differing)} tensors differ, first {name} (expected "
            f"{shape}, got {tuple(weights[name].shape)})"
        )
