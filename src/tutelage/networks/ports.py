"""Weights of the PyTorch ports of FixMatch, renamed to match this package's networks.

The three known ports use the same tensor names in their wide residual networks. They differ in biases, in the epsilon
of batch norm, and in the name of the head.
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
    """A port's weights, converted to one of this package's networks.

    Attributes:
        network: settings of that network.
        weights: its complete state dict.
        left_out: names of the port's tensors that it does not use, and why.
    """

    network: NetworkConfig
    num_classes: int
    channels: int
    weights: dict[str, Tensor]
    left_out: dict[str, str]


def is_port(weights: Mapping[str, Tensor]) -> bool:
    """Whether these tensors have the names of a wide residual network of a port."""
    return "conv1.weight" in weights and "block1.layer.0.conv1.weight" in weights


def recognize(weights: Mapping[str, Tensor], where: str) -> WiringName:
    """The port that a state dict comes from, inferred from its biases.

    Raises:
        CheckpointError: it comes from none of them. The message names `where`.
    """
    if not is_port(weights):
        raise CheckpointError(
            f"{where} does not contain a wide residual network of a known port: expected conv1.weight, "
            f"block1.layer.0.conv1.weight and so on, got {', '.join(list(weights)[:4]) or 'nothing'}"
        )
    if "block1.layer.0.conv1.bias" in weights:
        return "torchssl"
    return "usb" if "conv1.bias" in weights else "fixmatch-pytorch"


def translate(weights: Mapping[str, Tensor], wiring: WiringName, where: str) -> Ported:
    """The state dict of a port, renamed to match this package's network.

    In every group except the first, the ports compute a batch norm and discard its result. It is left out, after a
    check that it was never trained.

    Raises:
        CheckpointError: a tensor is missing or has another shape than in that port, or such a batch norm was trained,
            so the network must be wired differently. The message names `where`.
    """
    found = [(int(unit[1]), int(unit[2])) for name in weights if (unit := _IN_UNIT.fullmatch(name))]
    groups, units = max(group for group, _ in found), 1 + max(unit for group, unit in found if group == 1)
    renamed, left_out = {}, {}
    for name, value in weights.items():
        if unit := _IN_UNIT.fullmatch(name):
            group, position, layer, part = int(unit[1]), int(unit[2]), unit[3], unit[4]
            if layer == "bn1" and group > 1 and position == 0:
                _refuse_trained(name, part, value, where)
                left_out[name] = "computed but not used by this port"
            else:
                renamed[f"units.{(group - 1) * units + position}.{_UNIT_NAMES.get(layer, layer)}.{part}"] = value
        elif outside := _OUTSIDE.fullmatch(name):
            renamed[f"{_NAMES[outside[1]]}.{outside[2]}"] = value
        else:
            left_out[name] = "not part of the classifier"
    return _fitted(renamed, left_out, groups, units, wiring, where)


def _refuse_trained(name: str, part: str, value: Tensor, where: str) -> None:
    """Raise if an unused norm was trained. Otherwise its shifts are 0 and its scales, 1 before weight decay, equal."""
    if (part == "weight" and bool((value != value[0]).any())) or (part == "bias" and bool(value.any())):
        raise CheckpointError(
            f"{where}: {name} was trained, but the known ports do not use it: this network is wired differently "
            "(as in early versions of USB), and its predictions would not be the same here"
        )


def _fitted(
    weights: dict[str, Tensor], left_out: dict[str, str], groups: int, units: int, wiring: WiringName, where: str
) -> Ported:
    """The weights, checked against the network that their shapes imply."""
    if "head.weight" not in weights:
        raise CheckpointError(f"{where} has no head: expected fc.weight or classifier.weight")
    depth = 6 * units + 4 if groups == 3 else 8 * units + 5
    width = weights["units.0.conv1.weight"].shape[0]
    size = f"{width // 16}" if width % 16 == 0 else f"{width}f"
    config = NetworkConfig(name=f"wrn-{depth}-{size}", wiring=wiring)
    num_classes, channels = weights["head.weight"].shape[0], weights["stem.weight"].shape[1]
    expected = build_network(config, num_classes=num_classes, channels=channels, image_size=32).state_dict()
    shapes = {name: tuple(value.shape) for name, value in expected.items()}
    given = {name: tuple(value.shape) for name, value in weights.items()}
    differing = [name for name in {**shapes, **given} if shapes.get(name) != given.get(name)]
    if differing:
        first = differing[0]
        raise CheckpointError(
            f"{where} is not a {config.name} of {wiring}: {len(differing)} tensors differ, first {first} "
            f"(expected {shapes.get(first, 'none')}, got {given.get(first, 'none')})"
        )
    weights = {name: weights[name].to(value.dtype) for name, value in expected.items()}
    return Ported(config, num_classes, channels, weights, left_out)
