"""Refusing settings of the other kind of data."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

from tutelage.config import SECTIONS, RunConfig, flat, options
from tutelage.core.errors import ConfigError
from tutelage.core.names import shown


def changed(cfg: RunConfig, section: str) -> Iterator[str]:
    """The settings of a section that are not the default, by dotted name."""
    values = flat(dataclasses.asdict(getattr(cfg, section)), f"{section}.")
    for option in options.options(SECTIONS[section], f"{section}."):
        if values[option.name] != option.default:
            yield option.name


def refuse_changed(cfg: RunConfig, foreign: Sequence[str], whose: str, these: str) -> None:
    """Refuse settings that have no meaning for the data of `cfg`.

    Args:
        foreign: sections, or settings by dotted name.
        whose: what they are for.
        these: what the data are.

    Raises:
        ConfigError: one of them is not the default.
    """
    for setting in foreign:
        section = setting.partition(".")[0]
        for name in changed(cfg, section):
            if setting in (section, name):
                raise ConfigError(f"{name} is for {whose}; {shown(cfg.data.path)} holds {these}: leave it out")
