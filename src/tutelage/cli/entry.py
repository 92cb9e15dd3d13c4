"""Entry point of the command line: exit codes, and one-line error messages."""

from __future__ import annotations

import errno
import gc
import io
import sys
import sysconfig
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from cyclopts import CycloptsError

from tutelage.cli import (
    cache_command,
    calibrate_command,
    export_command,
    label_commands,
    look_commands,
    pretrain_commands,
    representation_commands,
    run_commands,
    score_command,
    serve_command,
    train_commands,
)
from tutelage.cli.application import app, dotted
from tutelage.cli.dotted import is_dotted, with_flags
from tutelage.cli.everywhere import take_everywhere, unusable_working_folder
from tutelage.cli.usage import TAKES_DOTTED, commands_of, flags_of, sentence, unknown_option, with_paths
from tutelage.core.console import LastingStream
from tutelage.core.errors import ConfigError, DataError, TutelageError, is_out_of_memory
from tutelage.core.lifeline import end_with_parent
from tutelage.core.names import shown
from tutelage.core.terminated import number_of, obey_sigterm
from tutelage.core.wording import as_flags

PACKAGE = Path(__file__).parents[1]

_OF_THE_SYSTEM = {  # errors that say what is wrong with a disk, whoever meets them first
    *(errno.EACCES, errno.EDQUOT, errno.EIO, errno.ELOOP, errno.EMFILE, errno.ENAMETOOLONG, errno.ENFILE, errno.ENOSPC),
    *(errno.EPERM, errno.EROFS, errno.ESTALE),
}
_LONGEST = 20_000  # characters of a message
# importing these modules registers their commands
COMMANDS = (
    train_commands,
    pretrain_commands,
    run_commands,
    calibrate_command,
    score_command,
    representation_commands,
    label_commands,
    look_commands,
    cache_command,
    export_command,
    serve_command,
)


def main(tokens: Sequence[str] | None = None) -> None:
    """Run a command and exit with its code.

    0, 1 for a bug in tutelage or a result that lacks some items, 2 for invalid input or output that cannot be written,
    130 or 143 after a signal, or 141 if the reader of the output went away, which ends nothing.
    """
    end_with_parent()
    obey_sigterm()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # do not fail on names that the terminal cannot show
    out, errors = LastingStream(sys.stdout), LastingStream(sys.stderr)
    sys.stdout, sys.stderr = out, errors
    warnings.formatwarning = _format_warning
    gc.set_threshold(10_000)  # garbage collection slows down the import of torch, which creates many objects
    code = run(list(sys.argv[1:] if tokens is None else tokens))
    out.flush()
    errors.flush()
    if out.fault is not None and not code:
        code = 141 if isinstance(out.fault, BrokenPipeError) else _fail(_unwritten(out.fault), 2)
    gc.freeze()  # skips a last garbage collection over all of torch's objects, which takes a second
    sys.exit(code)


def run(tokens: list[str]) -> int:
    """Run a command and return its exit code."""
    with as_flags():
        return _run(tokens)


def _run(tokens: list[str]) -> int:
    try:
        tokens = with_paths(take_everywhere(tokens), app)
        _refuse_stray(tokens)
        tokens = dotted.take(tokens)
        _call(tokens)
    except TutelageError as error:
        return _fail(with_flags(str(error)), error.exit_code, lines=isinstance(error, DataError))
    except CycloptsError as error:
        return _fail(sentence(error, app, tokens), 2)
    except KeyboardInterrupt as stopped:
        return _fail("interrupted", 128 + number_of(stopped))
    except Exception as error:
        if is_out_of_memory(error):
            return _fail("out of memory: lower the batch size or the image size, or choose a smaller network", 2)
        if isinstance(error, FileNotFoundError) and (gone := unusable_working_folder()) is not None:
            return _fail(
                f"the working folder cannot be used any more ({gone}): run the command again in another one", 2
            )
        if isinstance(error, OSError) and error.filename is not None and error.errno in _OF_THE_SYSTEM:
            return _fail(f"{error.filename}: {error.strerror}", 2)
        traceback.print_exc()
        if place := _in_own_code(error):
            return _fail(f"{place} raised {type(error).__name__}, in code that is not part of tutelage; see above", 1)
        print("tutelage: this is a bug in tutelage; please report it with the lines above", file=sys.stderr)
        return 1
    return 0


def _call(tokens: list[str]) -> None:
    """Parse the words of a command, and run it."""
    with _own_words():
        command, bound, _ = app.parse_args(tokens, exit_on_error=False, print_error=False)
    command(*bound.args, **bound.kwargs)


@contextmanager
def _own_words() -> Iterator[None]:
    """While open, the parser does not find pydantic: it would check values with it, before we do, and in its words."""
    loaded = sys.modules.pop("pydantic", None)
    try:
        yield
    finally:
        if loaded is not None:
            sys.modules["pydantic"] = loaded


def _unwritten(fault: OSError) -> str:
    return f"cannot write to the standard output: {fault.strerror or fault}; all else is done"


def _refuse_stray(tokens: list[str]) -> None:
    """Reject a dotted setting if the command does not accept any."""
    command = tokens[0] if tokens else ""
    stray = next((token for token in tokens if is_dotted(token)), None)
    if stray is None or command in TAKES_DOTTED:
        return
    if command in commands_of(app):
        known, takers = flags_of(app, command), ", ".join(TAKES_DOTTED)
        raise ConfigError(f"{unknown_option(stray, command, known)} (dotted settings are for {takers})")


def _in_own_code(error: Exception) -> str | None:
    """The innermost line, called by tutelage, that is in no installed package: a method of the user's own, for example.

    Returns:
        "FILE line N", or None if there is no such line.
    """
    ours, place = False, None
    installed = {Path(sysconfig.get_path(name)) for name in ("stdlib", "purelib", "platlib")}
    for frame in traceback.extract_tb(error.__traceback__):
        file = Path(frame.filename)
        if file.is_relative_to(PACKAGE):
            ours = True
        elif ours and file.is_file() and not any(file.is_relative_to(folder) for folder in installed):
            place = f"{file} line {frame.lineno}"
    return place


def _fail(message: str, code: int, *, lines: bool = False) -> int:
    """Print an error, on one line unless the message is a list, and return the exit code."""
    said = message if lines else shown(message)
    if len(said) > _LONGEST:  # a value of thousands of digits
        said = f"{said[: _LONGEST // 2]} ... {said[-_LONGEST // 2 :]}"
    print(f"tutelage: {said}", file=sys.stderr)
    return code


def _format_warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
) -> str:
    """Format a warning of tutelage as one line; a warning of a library keeps its location."""
    if Path(filename).is_relative_to(PACKAGE):
        return f"tutelage: warning: {shown(str(message))}\n"
    return f"{filename}:{lineno}: {category.__name__}: {message}\n"
