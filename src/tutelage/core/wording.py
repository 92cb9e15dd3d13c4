"""How messages name settings and commands: as flags on the command line, as keywords in Python.

Messages say which setting they mean and leave its form to this module. Python is what a library speaks by default; the
command line switches to flags while it runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePath
from typing import Any

_by_flags = False


@contextmanager
def as_flags() -> Iterator[None]:
    """While open, settings are worded as flags and functions as commands."""
    global _by_flags
    before, _by_flags = _by_flags, True
    try:
        yield
    finally:
        _by_flags = before


def named(name: str) -> str:
    """A setting as the subject of a sentence: `--label-counts` or `label_counts`."""
    return f"--{name.replace('_', '-')}" if _by_flags else name


def option(name: str, value: Any = None) -> str:
    """A setting as it is given: `--seeds 4` or `seeds=4`; without a value, `--labels` or `labels=...`.

    In Python, settings with a dotted name go into `settings`: `settings={'method.threshold': 0.8}`.
    """
    if _by_flags:
        return named(name) if value is None or value is True else f"{named(name)} {_word(value)}"
    written = "..." if value is None else repr(str(value) if isinstance(value, PurePath) else value)
    return f"settings={{'{name}': {written}}}" if "." in name else f"{name}={written}"


def command(name: str, *arguments: Any, **options: Any) -> str:
    """A command: `tutelage probe RUN DATA`, or `tutelage.probe(run, data)`.

    Args:
        arguments: words in capitals stand for what the user fills in.
        options: see `option`.
    """
    given = [option(key, value) for key, value in options.items()]
    if _by_flags:
        return " ".join([f"tutelage {name}", *map(str, arguments), *given])
    words = [str(word).lower() if str(word).isupper() else repr(str(word)) for word in arguments]
    called = f"({', '.join([*words, *given])})" if words or given else ""
    return f"tutelage.{name.replace('-', '_')}{called}"


def _word(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ",".join(map(_word, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
