"""The pretrained networks that a network starts from, and the licenses of their weights."""

from __future__ import annotations

from tutelage.config.network import NetworkConfig
from tutelage.networks.build import timm_name
from tutelage.networks.published import WHEELS
from tutelage.networks.timm_network import preparation

UNKNOWN = "not stated"


def backbone_licenses(config: NetworkConfig) -> dict[str, str]:
    """The license of the published weights of each pretrained network, by its name; empty without any.

    Weights from a file of the user, and models of timm that name none, have the license "not stated".

    Raises:
        MissingExtra: timm is not installed.
    """
    if not config.starts_pretrained:
        return {}
    return {part.name: _license(part) for part in config.parts}


def _license(part: NetworkConfig) -> str:
    if part.weights is not None:
        return UNKNOWN
    if part.name in WHEELS:
        return WHEELS[part.name].license
    return preparation(timm_name(part)).license or UNKNOWN
