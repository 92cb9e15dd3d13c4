"""The settings that training on scans starts from: those of a preset, since a network for images is none for scans."""

from __future__ import annotations

from tutelage import config
from tutelage.config import RunConfig

SUFFIX = "-scan-cpu"


def base_preset(method: str) -> str:
    """The preset that a method for scans starts from."""
    return f"{method}{SUFFIX}"


def with_defaults(cfg: RunConfig, preset: str) -> RunConfig:
    """The settings that were given, over those of `preset`; as they are where the user named a preset, or for a run
    that was made by another one and has all of its settings."""
    from tutelage.build import resolved
    from tutelage.run_record import absolute

    if cfg.preset is not None or not cfg.given:
        return cfg
    return resolved(absolute(config.resolve(config.flat(cfg.given), preset=preset)))
