"""Settings given by dotted names (`--optimizer.lr 0.1`). No signature can list them: each method defines its own."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from tutelage import config
from tutelage.config import options
from tutelage.config.network_name import is_own_network
from tutelage.core.errors import ConfigError, did_you_mean, nearest

SETTINGS = {option.name: option for name, cls in config.SECTIONS.items() for option in options.options(cls, f"{name}.")}

_SHORT = {setting: flag for flag, setting in config.FLAGS.items() if setting != "data.path"}
_NAMES = "|".join(re.escape(name) for name in SETTINGS if name != "data.path")
_SETTING = re.compile(rf"(?<![\w./'\"-])({_NAMES}|method\.[a-z_]+)(?!\.?[\w(])( = )?")


class Dotted:
    """Takes dotted settings out of the command line and keeps them until the command asks for them."""

    def __init__(self) -> None:
        self._values: dict[str, Any] = {}

    def take(self, tokens: Sequence[str]) -> list[str]:
        """The tokens without `--section.name value` and `--section.name=value`, which are stored.

        Raises:
            ConfigError: a setting is unknown, has no value, or is given twice.
        """
        rest: list[str] = []
        self._values = {}
        remaining, own_network = list(tokens), _names_own_network(tokens)
        while remaining:
            token = remaining.pop(0)
            if token == "--":
                return [*rest, token, *remaining]
            if not is_dotted(token):
                rest.append(token)
                continue
            flag, equals, value = token.partition("=")
            name = flag[2:].replace("-", "_")
            if not (own_network and name.startswith("network.")):
                _check_name(name, flag)
            if not equals:
                if not remaining or (remaining[0].startswith("--") and len(remaining[0]) > 2):
                    raise ConfigError(f"{flag} needs a value: {flag} VALUE")
                value = remaining.pop(0)
            if name in self._values:
                raise ConfigError(f"{flag} is given twice: give it once")
            self._values[name] = value
        return rest

    def pop(self, given: Iterable[str] = ()) -> dict[str, Any]:
        """The stored settings, which are then forgotten.

        Args:
            given: names of the settings that were given by short flags.

        Raises:
            ConfigError: a setting was given under both of its names.
        """
        values, self._values = self._values, {}
        for name in given:
            if name in values:
                short = next(flag for flag, setting in config.FLAGS.items() if setting == name)
                usual = "DATA" if name == "data.path" else as_flag(short)
                raise ConfigError(f"{usual} and {as_flag(name)} are the same setting: give only one of them")
        return values


def _names_own_network(tokens: Sequence[str]) -> bool:
    """Whether the network may be a class from another package, whose settings only that class knows."""
    words = [word for token in tokens for word in token.split("=", 1)]
    return any(is_own_network(word) or word in ("--config", "--resume") for word in words)


def is_dotted(token: str) -> bool:
    """Whether a token of the command line is a dotted setting."""
    return token.startswith("--") and "." in token.partition("=")[0]


def with_flags(message: str) -> str:
    """A message with its settings as flags: `train.budget must be ...` becomes `--budget must be ...`."""
    return _SETTING.sub(lambda found: as_flag(_SHORT.get(found[1], found[1])) + (" " if found[2] else ""), message)


def as_flag(name: str) -> str:
    """`--train.batch-size` for `train.batch_size`."""
    return f"--{name.replace('_', '-')}"


def _check_name(name: str, flag: str) -> None:
    """Reject unknown names early. The settings of a method are checked with the method."""
    section, _, setting = name.partition(".")
    if section == "method" or name in SETTINGS:
        return
    if section not in config.SECTIONS:
        near = nearest(section, [*config.SECTIONS, "method"])
        raise ConfigError(
            f"unknown setting {flag}"
            + (
                f"; did you mean '{as_flag(f'{near}.{setting}')}'?"
                if near
                else f"; known: {', '.join(config.SECTIONS)}"
            )
        )
    inside = [other.partition(".")[2] for other in SETTINGS if other.startswith(f"{section}.")]
    near = nearest(setting, inside)
    raise ConfigError(
        f"unknown setting {flag}"
        + (f"; did you mean '{as_flag(f'{section}.{near}')}'?" if near else did_you_mean(setting, inside))
    )
