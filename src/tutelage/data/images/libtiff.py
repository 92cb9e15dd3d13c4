"""What libtiff, with which Pillow decodes TIFF files, says of damaged ones: it writes to the terminal, unless heard."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from PIL import Image

_LONGEST = 200  # bytes of one line
_MOST = 3  # lines of one file
_Handler = ctypes.CFUNCTYPE(None, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p)  # where, format, va_list
_listening = threading.local()


@contextmanager
def hear_libtiff() -> Iterator[list[str]]:
    """While open, what libtiff says in this thread goes into the list, at most a few lines, and not to the terminal.

    Nothing is heard where Pillow was built without libtiff, or does not show its symbols.
    """
    _take_over()
    before = getattr(_listening, "lines", None)
    _listening.lines = lines = list[str]()
    try:
        yield lines
    finally:
        _listening.lines = before


@cache
def _take_over() -> tuple[Any, ...]:
    """Set libtiff's handler of errors, once; returns what must live as long as it is set."""
    try:
        library, system = ctypes.CDLL(Image.core.__file__), ctypes.CDLL(None)
        set_handler, write = library.TIFFSetErrorHandler, system.vsnprintf
    except (AttributeError, OSError, TypeError):
        return ()
    write.argtypes = (ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_void_p)
    set_handler.argtypes, set_handler.restype = (ctypes.c_void_p,), ctypes.c_void_p
    former: list[Any] = []

    def hear(where: bytes | None, form: bytes, values: int) -> None:
        lines = getattr(_listening, "lines", None)
        if lines is None:  # another program's own use of Pillow
            for handler in former:
                handler(where, form, values)
        elif len(lines) < _MOST:
            line = ctypes.create_string_buffer(_LONGEST)
            write(line, _LONGEST, form, values)
            said = line.value.decode("latin-1").rstrip(".")
            lines.append(f"{where.decode('latin-1')}: {said}" if where else said)

    handler = _Handler(hear)
    before = set_handler(ctypes.cast(handler, ctypes.c_void_p))
    if before:
        former.append(_Handler(before))
    return handler, former
