"""What heads on the features of a frozen network are tested with: the settings of small runs, and made-up features."""

from __future__ import annotations

from typing import Any

import numpy as np

from tutelage.methods.base import Method
from tutelage.run.data_modules.feature_streams import Features

FROZEN: dict[str, Any] = {"network.name": "efficientnet-lite0", "train.freeze": "all", "data.image_size": 32}
"""A pretrained network that stays as it is, at a size at which an image passes in a moment."""


def with_network(method: type[Method], settings: dict[str, Any]) -> dict[str, Any]:
    """The settings, with a frozen network in place of that of the settings if the method needs features."""
    if not method.needs_features:
        return settings
    return {name: value for name, value in settings.items() if not name.startswith("network.")} | FROZEN


def clusters(label: np.ndarray, *, width: int = 12, distance: float = 3.0, seed: int = 0) -> Features:
    """(N, width) float32: rows of a class lie around a place of its own, `distance` standard deviations from 0."""
    draw = np.random.default_rng(seed)
    places = distance * np.linalg.qr(draw.standard_normal((width, width)))[0]
    features: Features = (places[label] + draw.standard_normal((len(label), width))).astype(np.float32)
    return features
