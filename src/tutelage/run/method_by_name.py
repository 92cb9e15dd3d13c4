"""The method that settings name: its class, its settings, and whether it learns from labels."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from tutelage.config import AUTO, IMPORTED, RunConfig, options
from tutelage.config.network import OwnNetworkConfig
from tutelage.core.errors import ConfigError, did_you_mean
from tutelage.core.import_path import EXPECTED, is_import_path
from tutelage.methods import ADDITIONS, METHODS
from tutelage.methods.base import Method
from tutelage.methods.own import own_method
from tutelage.networks.own import own_settings


def method_class(name: str) -> type[Method]:
    """The method of that name, or that an import path `package.module:Class` names.

    Raises:
        ConfigError: there is none.
    """
    if is_import_path(name):
        return own_method(name, METHODS)
    known = {method.name: method for method in METHODS}
    if name in ADDITIONS:
        raise ConfigError(ADDITIONS[name])
    if name not in known:
        if ":" in name:
            raise ConfigError(f"method must be the name of a method or {EXPECTED}, got {name!r}")
        raise ConfigError(f"unknown method '{name}'{did_you_mean(name, known)}")
    return known[name]


def evaluated_network(name: str) -> str:
    """The network that runs of a method predict with, "student" or "teacher"; imported weights are a student's.

    Raises:
        ConfigError: there is no such method.
    """
    return "student" if name == IMPORTED else method_class(name).evaluated


def method_settings(cfg: RunConfig) -> Any:
    """The method's settings as its `Config`: as they are where they were built already, as in `resolved` settings.

    Raises:
        ConfigError: the method or one of its settings is unknown or out of range.
    """
    if isinstance(cfg.method_settings, Mapping):
        return options.build(method_class(cfg.method).Config, cfg.method_settings, "method.")
    return cfg.method_settings


def resolved(cfg: RunConfig) -> RunConfig:
    """`cfg` with the method's settings built, unless the method is to be chosen, and with all settings of a network of
    another package.

    Raises:
        ConfigError: as `method_settings` and `own_settings`.
    """
    if isinstance(cfg.network, OwnNetworkConfig) and (settings := own_settings(cfg.network)) is not None:
        network = dataclasses.replace(cfg.network, own=dataclasses.asdict(settings))
        cfg = dataclasses.replace(cfg, network=network)
    if cfg.method == AUTO:
        return cfg
    return dataclasses.replace(cfg, method_settings=method_settings(cfg))


def learns_from_labels(method: str) -> bool:
    """Whether a method needs labels; one without pretrains an encoder. One that is still to be chosen needs them."""
    return method in (AUTO, IMPORTED) or "representation" not in method_class(method).tasks
