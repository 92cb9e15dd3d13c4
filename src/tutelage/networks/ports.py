"""Weights of the FixMatch ports in PyTorch, under this package's names.

The three known ports name the tensors of their wide residual networks alike, and differ in biases, in the epsilon of
batch norm and in the name of the head.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from tutelage.config.network import NetworkConfig, WiringName
from tutelage.core.errors import CheckpointError
from tutelage.networks.build import build_network

_NAMES = {"conv1": "stem", "bn1": "norm", "fc": "head", "classifier": "head"}
_UNIT_NAMES = {"bn1": "norm1", "conv1": "conv1", "bn2": "norm2", "conv2": "conv2", "convShortcut": "shortcut"}
_IN_UNIT = re.compile(r"block([1-9])\.layer\.(\d+)\.(\w+)\.(\w+)")
_OUTSIDE = re.compile(r"(conv1|bn1|fc|classifier)\.(\w+)")


@dataclass(frozen=True)
class Ported:
    """A port's weights as those of one of our networks.

    Attributes:
        network: its settings.
        weights: its whole state dict.
        left_out: names of the port's tensors that have no place in it, and why.
    """

    network: NetworkConfig
    num_classes: int
    channels: int
    weights: dict[str, Tensor]
    left_out: dict[str, str]


def recognize(weights: Mapping[str, Tensor], where: str) -> WiringName:
    """The port that a state dict is from, by its biases.

    Raises:
        CheckpointError: from none of them. The message names `where`.
    """
    if "conv1.weight" not in weights or "block1.layer.0.conv1.weight" not in weights:
        raise CheckpointError(
            f"{where} holds no wide residual network of a known port: expected conv1.weight, "
            f"block1.layer.0.conv1.weight and so on, got {', '.join(list(weights)[:4]) or 'nothing'}"
        )
    if "block1.layer.0.conv1.bias" in weights:
        return "torchssl"
    return "usb" if "conv1.bias" in weights else "fixmatch-pytorch"


def translate(weights: Mapping[str, Tensor], wiring: WiringName, where: str) -> Ported:
    """The state dict of a port under our names.

    In each group but the first, the ports compute a batch norm whose result they do not use. It is left out, once it
    was seen that it has learned nothing.

    Raises:
        CheckpointError: a tensor is missing or has another shape than in that port, or such a batch norm has learned
            something, so that the network is wired in another way. The message names `where`.
    """
    found = [(int(unit[1]), int(unit[2])) for name in weights if (unit := _IN_UNIT.fullmatch(name))]
    groups, units = max(group for group, _ in found), 1 + max(unit for group, unit in found if group == 1)
    renamed, left_out = {}, {}
    for name, value in weights.items():
        if unit := _IN_UNIT.fullmatch(name):
            group, position, layer, part = int(unit[1]), int(unit[2]), unit[3], unit[4]
            if layer == "bn1" and group > 1 and position == 0:
                _refuse_trained(name, part, value, where)
                left_out[name] = "this port computes it and does not use it"
            else:
                renamed[f"units.{(group - 1) * units + position}.{_UNIT_NAMES.get(layer, layer)}.{part}"] = value
        elif outside := _OUTSIDE.fullmatch(name):
            renamed[f"{_NAMES[outside[1]]}.{outside[2]}"] = value
        else:
            left_out[name] = "no part of the classifier"
    return _fitted(renamed, left_out, groups, units, wiring, where)


def _refuse_trained(name: str, part: str, value: Tensor, where: str) -> None:
    """An unused norm keeps its start, 1 and 0; weight decay at most makes all its scales smaller alike."""
    if (part == "weight" and bool((value != value[0]).any())) or (part == "bias" and bool(value.any())):
        raise CheckpointError(
            f"{where}: {name} was trained, while the known ports do not use it: this network is wired in another way "
            "(early versions of USB were) and would predict something else here"
        )


def _fitted(
    weights: dict[str, Tensor], left_out: dict[str, str], groups: int, units: int, wiring: WiringName, where: str
) -> Ported:
    """Checked against the network that the shapes speak of."""
    if "head.weight" not in weights:
        raise CheckpointError(f"{where} has no head: expected fc.weight or classifier.weight")
    depth = 6 * units + 4 if groups == 3 else 8 * units + 5
    width = weights["units.0.conv1.weight"].shape[0]
    size = f"{width // 16}" if width % 16 == 0 else f"{width}f"
    config = NetworkConfig(name=f"wrn-{depth}-{size}", wiring=wiring)
    num_classes, channels = weights["head.weight"].shape[0], weights["stem.weight"].shape[1]
    own = build_network(config, num_classes=num_classes, channels=channels, image_size=32).state_dict()
    shapes = {name: tuple(value.shape) for name, value in own.items()}
    given = {name: tuple(value.shape) for name, value in weights.items()}
    other = [name for name in {**shapes, **given} if shapes.get(name) != given.get(name)]
    if other:
        raise CheckpointError(
            f"{where} is no {config.name} of {wiring}: {len(other)} tensors differ, first {other[0]} "
            f"(expected {shapes.get(other[0], 'none')}, got {given.get(other[0], 'none')})"
        )
    weights = {name: weights[name].to(value.dtype) for name, value in own.items()}
    return Ported(config, num_classes, channels, weights, left_out)
