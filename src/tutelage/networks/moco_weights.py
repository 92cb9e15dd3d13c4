"""The published checkpoints of MoCo (github.com/facebookresearch/moco): two encoders with torchvision's names."""

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
IMAGENET: Levels = ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))  # mean and standard deviation, 0 to 255
_BLOCKS = {(2, 2, 2, 2): 18, (3, 4, 6, 3): 50}
_BLOCK = re.compile(r"layer([1-4])\.(\d+)\.")


def is_moco(weights: Mapping[str, Tensor]) -> bool:
    """Whether these tensors come from MoCo training."""
    return any(name.startswith(ENCODERS["query"]) for name in weights)


def translate_moco(weights: Mapping[str, Tensor], which: str, where: str) -> Ported:
    """One of the two encoders, renamed to match this package's networks, without its projection head.

    Args:
        which: "query", the encoder that published results refer to, or "key", its moving average.

    Raises:
        CheckpointError: the encoder is missing, or is neither a ResNet-18 nor a ResNet-50. The message names `where`.
    """
    prefix = ENCODERS[which]
    encoder = {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}
    if "conv1.weight" not in encoder:
        raise CheckpointError(f"{where} has no {which} encoder: expected {prefix}conv1.weight and so on")
    left_out = {name: _reason(name, prefix) for name in weights}
    trunk = {f"trunk.{name}": value for name, value in encoder.items() if not name.startswith("fc.")}
    for name in trunk:
        del left_out[prefix + name.removeprefix("trunk.")]
    config, channels = _network(encoder, where), encoder["conv1.weight"].shape[1]
    network = build_network(config, num_classes=2, channels=channels, image_size=IMAGE_SIZE).state_dict()
    shapes = {name: tuple(value.shape) for name, value in network.items() if not name.startswith("head.")}
    given = {name: tuple(value.shape) for name, value in trunk.items()}
    differing = [name for name in {**shapes, **given} if shapes.get(name) != given.get(name)]
    if differing:
        first = differing[0]
        raise CheckpointError(
            f"{where} is not a {config.name} of MoCo: {len(differing)} tensors differ, first {first} "
            f"(expected {shapes.get(first, 'none')}, got {given.get(first, 'none')})"
        )
    trunk = {name: value.to(network[name].dtype) for name, value in trunk.items()}
    return Ported(config, 0, channels, trunk, left_out)


def _reason(name: str, prefix: str) -> str:
    if name.startswith(f"{prefix}fc."):
        return "the projection head, which is not a classifier"
    if name.startswith(tuple(ENCODERS.values())):
        return "part of the other encoder"
    return "part of the training state, not of an encoder"


def _network(encoder: Mapping[str, Tensor], where: str) -> NetworkConfig:
    """The network that the names and shapes imply."""
    found = {(int(block[1]), int(block[2])) for name in encoder if (block := _BLOCK.match(name))}
    counts = tuple(sum(group == number for group, _ in found) for number in (1, 2, 3, 4))
    if counts not in _BLOCKS:
        raise CheckpointError(f"{where} is neither a ResNet-18 nor a ResNet-50: its four groups have {counts} blocks")
    stem: Literal["small", "large"] = "small" if encoder["conv1.weight"].shape[-1] == 3 else "large"
    return NetworkConfig(name=f"resnet-{_BLOCKS[counts]}", stem=stem)


def moco_preparation(
    mean: tuple[float, ...] | None, std: tuple[float, ...] | None, image_size: int | None, *, channels: int
) -> Preparation:
    """How to prepare images: as for ImageNet, unless `mean` and `std` are given, on a scale of 0 to 255.

    There are no classes.

    Raises:
        ConfigError: a number is out of range, or the number of values is wrong.
    """
    require_both(mean, std)
    size, (means, stds) = image_size or IMAGE_SIZE, IMAGENET
    note = f"images of {size} pixels, standardized as for ImageNet"
    if mean is not None and std is not None:
        means, stds = mean, std
        note = f"images of {size} pixels, standardized with the given mean and std"
    require_usable(means, stds, size, channels)
    return Preparation(means, stds, size, (), note)
