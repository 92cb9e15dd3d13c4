"""Error messages for invalid command lines: each error of the parser as one sentence."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import get_args

from cyclopts import App, CycloptsError
from cyclopts.exceptions import (
    CoercionError,
    MissingArgumentError,
    RepeatArgumentError,
    UnknownCommandError,
    UnknownOptionError,
    UnusedCliTokensError,
)

from tutelage.cli.dotted import SETTINGS, as_flag
from tutelage.core.errors import did_you_mean, nearest

_NO_NUMBER = re.compile(r"--?[^-\d.]")  # the start of an option, or of a name like one
TAKES_DOTTED = ("check", "train", "pretrain", "show", "compare")


def sentence(error: CycloptsError, app: App, tokens: Sequence[str]) -> str:
    """The message for an error that the parser raised for `tokens`."""
    command = " ".join(error.command_chain or ())
    ask = f"tutelage {command} --help".replace("  ", " ")
    name = "" if error.argument is None else error.argument.name
    if isinstance(error, UnknownOptionError):
        return unknown_option(error.token.keyword or error.token.value, command, flags_of(app, command))
    if isinstance(error, UnknownCommandError) and error.unused_tokens:
        word = error.unused_tokens[0]
        kind = "option" if word.startswith("-") else "command"
        return f"unknown {kind} '{word}'{did_you_mean(word, commands_of(app))}"
    if isinstance(error, UnusedCliTokensError) and error.unused_tokens:
        return f"'{error.unused_tokens[0]}' is one argument too many: see {ask}"
    if isinstance(error, RepeatArgumentError):
        return f"{name or error.token.keyword} is given twice: give it once"
    if isinstance(error, MissingArgumentError):
        known = flags_of(app, command)
        unknown = [t for t in tokens if t.startswith("--") and t != "--" and t.partition("=")[0] not in known]
        if unknown:  # perhaps the missing option, misspelled
            return unknown_option(unknown[0], command, known)
        given = error.keyword or name in (error.unused_tokens or [])
        what = "needs a value" if given else "is missing"
        return f"{name} {what}: see {ask}" if name else f"an argument is missing: see {ask}"
    if isinstance(error, CoercionError) and error.token is not None:
        choices = get_args(error.target_type)
        what = f"must be one of {', '.join(choices)}" if choices else "takes no value"
        return f"{error.token.keyword} {what}, got '{error.token.value}'"
    return " ".join(str(error).split())


def commands_of(app: App) -> list[str]:
    """The commands, without `--help` and the like."""
    return [name for name in app if not name.startswith("-")]


def flags_of(app: App, command: str) -> list[str]:
    """The options of a command, without the negations that the parser derives from them."""
    arguments = app[command].assemble_argument_collection() if command else ()
    return [name for argument in arguments for name in argument.names if re.match("--(?!no-)|--no-report$", name)]


def with_paths(tokens: Sequence[str], app: App) -> list[str]:
    """The tokens, in which files and folders whose name starts with a hyphen are written so that they are no options.

    Only names that are there are changed: `-P4` becomes `./-P4`.
    """
    given, command = list(tokens), tokens[0] if tokens else ""
    end = given.index("--") if "--" in given else len(given)
    files = [place for place in range(1, end) if _NO_NUMBER.match(given[place]) and _is_there(given[place])]
    if not files or command not in commands_of(app):
        return given
    options = {name for argument in app[command].assemble_argument_collection() for name in argument.names}
    options |= {*app.help_flags, *app.version_flags}
    for place in files:
        if given[place].partition("=")[0] not in options:
            given[place] = f"./{given[place]}"
    return given


def _is_there(name: str) -> bool:
    try:
        return Path(name).exists()
    except (OSError, ValueError):  # too long, or with a null character
        return False


def unknown_option(option: str, command: str, known: Iterable[str]) -> str:
    """The message for an unknown option, with the most similar one; a dotted setting also matches by its last part."""
    word = option.partition("=")[0]
    near = nearest(word, known)
    if command in TAKES_DOTTED:
        last = [setting for setting in SETTINGS if as_flag(setting.rpartition(".")[2]) == as_flag(word.strip("-"))]
        near = as_flag(last[0]) if last else near
    hint = f"; did you mean '{near}'?" if near else f"; tutelage {command} --help lists the options"
    return f"unknown option {word}{hint}"
