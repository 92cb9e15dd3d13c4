"""The app to which all commands belong, and the helpers they share."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter, Token

from tutelage.cli.dotted import Dotted, as_flag
from tutelage.config import options
from tutelage.config.settings import require
from tutelage.core.errors import ConfigError
from tutelage.core.version import __version__


def number(kind: Any, tokens: Sequence[Token]) -> Any:
    """The number of a flag, with the fault that all flags have."""
    return options.coerce(tokens[0].value, kind, str(tokens[0].keyword))


# Flags that several commands share, with their help.
Integer = Annotated[int, Parameter(converter=number)]
WhichNetwork = Annotated[
    str, Parameter(help="Network to use: auto (the one that the method evaluates), student, or teacher.")
]
Device = Annotated[str, Parameter(help="auto, cpu, cuda, cuda:1, or mps.")]
Workers = Annotated[int, Parameter(converter=number, help="Number of threads that decode images.")]
Flips = Annotated[
    bool,
    Parameter(help="Scans only: average over all mirror images. [default: as in the run]"),
]
LargestComponent = Annotated[
    bool,
    Parameter(help="Scans only: keep the largest component of each class. [default: as in the run]"),
]


def _default_shown(value: Any) -> str | None:
    return None if value is None or value is False else str(value)


dotted = Dotted()

app = App(
    name="tutelage",
    help="Train image classifiers and segmenters of medical scans from a few labels and many unlabeled images.",
    version=f"tutelage {__version__}",
    help_format="plaintext",
    usage="Usage: tutelage COMMAND ...",
    suppress_keyboard_interrupt=False,
    default_parameter=Parameter(negative="", show_default=_default_shown),
    help_epilogue="Example: tutelage train photos/ --labels labels.csv --out runs/a\n"
    "Help for a command: tutelage COMMAND --help\n"
    "Every command takes --cache DIR, the folder of what is kept for later commands.",
)


def given_flags(flags: Any) -> dict[str, Any]:
    """The flags that were given, by name.

    Raises:
        ConfigError: a flag is empty.
    """
    given = {} if flags is None else {k: v for k, v in dataclasses.asdict(flags).items() if v is not None}
    empty = [name for name, value in given.items() if value == ""]
    if empty:
        raise ConfigError(f"{as_flag(empty[0])} is empty: give it a value or leave it out")
    return given


def threads(number: int) -> int:
    """`number`, if it is a valid number of threads.

    Raises:
        ConfigError: it is not.
    """
    require(0 <= number <= 256, "--workers", "in [0, 256]", number)
    return number


def path(text: str | None) -> Path | None:
    """The path of a file or folder; None if it was not given."""
    return None if text is None else Path(text)
