"""The published checkpoints of MoCo (github.com/facebookresearch/moco): an encoder in torchvision's names, in pairs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

from torch import Tensor

from tutelage.config.network import NetworkConfig
from tutelage.core.errors import CheckpointError
from tutelage.networks.build import build_network
from tutelage.networks.port_data import Levels, Preparation, require_both, require_usable
from tutelage.networks.ports import Ported

ENCODERS = {"query": "encoder_q.", "key": "encoder_k."}
IMAGE_SIZE = 224
IMAGENET: Levels = ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))  # mean and deviation, levels from 0 to 255
_BLOCKS = {(2, 2, 2, 2): 18, (3, 4, 6, 3): 50}
_BLOCK = re.compile(r"layer([1-4])\.(\d+)\.")


def is_moco(weights: Mapping[str, Tensor]) -> bool:
    """Whether these are the tensors of a MoCo training."""
    return any(name.startswith(ENCODERS["query"]) for name in weights)


def translate_moco(weights: Mapping[str, Tensor], which: str, where: str) -> Ported:
    """One of the two encoders under our names, without its projection head, which classifies nothing.

    Args:
        which: "query", which is what is published results are of, or "key", its moving average.

    Raises:
        CheckpointError: that is not there, or is no ResNet-18 or ResNet-50. The message names `where`.
    """
    prefix = ENCODERS[which]
    own = {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}
    if "conv1.weight" not in own:
        raise CheckpointError(f"{where} has no {which} encoder: expected {prefix}conv1.weight and so on")
    left_out = {name: _reason(name, prefix) for name in weights}
    trunk = {f"trunk.{name}": value for name, value in own.items() if not name.startswith("fc.")}
    for name in trunk:
        del left_out[prefix + name.removeprefix("trunk.")]
    config, channels = _network(own, where), own["conv1.weight"].shape[1]
    network = build_network(config, num_classes=2, channels=channels, image_size=IMAGE_SIZE).state_dict()
    shapes = {name: tuple(value.shape) for name, value in network.items() if not name.startswith("head.")}
    given = {name: tuple(value.shape) for name, value in trunk.items()}
    other = [name for name in {**shapes, **given} if shapes.get(name) != given.get(name)]
    if other:
        raise CheckpointError(
            f"{where} is no {config.name} of MoCo: {len(other)} tensors differ, first {other[0]} "
            f"(expected {shapes.get(other[0], 'none')}, got {given.get(other[0], 'none')})"
        )
    trunk = {name: value.to(network[name].dtype) for name, value in trunk.items()}
    return Ported(config, 0, channels, trunk, left_out)


def _reason(name: str, prefix: str) -> str:
    if name.startswith(f"{prefix}fc."):
        return "the projection, which classifies nothing"
    if name.startswith(tuple(ENCODERS.values())):
        return "of the other encoder"
    return "of the training, not of an encoder"


def _network(own: Mapping[str, Tensor], where: str) -> NetworkConfig:
    """The network that the names and shapes speak of."""
    found = {(int(block[1]), int(block[2])) for name in own if (block := _BLOCK.match(name))}
    counts = tuple(sum(group == number for group, _ in found) for number in (1, 2, 3, 4))
    if counts not in _BLOCKS:
        raise CheckpointError(f"{where} is no ResNet-18 or ResNet-50: its four groups have {counts} blocks")
    stem: Literal["small", "large"] = "small" if own["conv1.weight"].shape[-1] == 3 else "large"
    return NetworkConfig(name=f"resnet-{_BLOCKS[counts]}", stem=stem)


def moco_preparation(
    mean: tuple[float, ...] | None, std: tuple[float, ...] | None, image_size: int | None, *, channels: int
) -> Preparation:
    """How images are prepared: as for ImageNet, or as it is said, in levels from 0 to 255. There are no classes.

    Raises:
        ConfigError: a number is out of range, or there are too many or too few.
    """
    require_both(mean, std)
    size, (means, stds) = image_size or IMAGE_SIZE, IMAGENET
    note = f"images of {size} pixels, standardized as for ImageNet"
    if mean is not None and std is not None:
        means, stds = mean, std
        note = f"images of {size} pixels, standardized with the mean and std that were given"
    require_usable(means, stds, size, channels)
    return Preparation(means, stds, size, (), note)
