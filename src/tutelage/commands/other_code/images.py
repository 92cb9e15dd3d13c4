"""What families of networks on images share: options, and the facts of a run."""

from __future__ import annotations

from typing import Any

from tutelage.commands.other_code.base import ImportOptions, refuse
from tutelage.config import options
from tutelage.networks.port_data import Preparation

_FOR_SCANS = ("--patch-size", "--intensity")


def levels_of(given: ImportOptions) -> tuple[tuple[float, ...] | None, tuple[float, ...] | None]:
    """The given mean and standard deviation, on a scale of 0 to 255.

    Raises:
        ConfigError: they are not numbers.
    """
    return _levels(given.mean, "--mean"), _levels(given.std, "--std")


def refuse_for_scans(given: ImportOptions, contents: str) -> None:
    """Raise `ConfigError` if an option was given that is for scans only."""
    refuse(given, _FOR_SCANS, "networks on scans", contents)


def image_facts(prepared: Preparation) -> dict[str, Any]:
    """What config.json says of the data."""
    return {"image_size": prepared.image_size, "mean": list(prepared.mean), "std": list(prepared.std)}


def _levels(text: str | None, flag: str) -> tuple[float, ...] | None:
    if text is None:
        return None
    shares: tuple[float, ...] = options.coerce(text, tuple[float, ...], flag)
    return tuple(255.0 * share for share in shares)
