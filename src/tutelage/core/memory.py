"""How much memory one file may take, so that a small one cannot use up that of the machine.

Headers claim sizes before anything is unpacked: what they claim is compared with the bytes that are there. A file that
is packed more than 50-fold, as no photo or scan is, may take 0.5 GB at most, or 2.5 GB if it is a mask, since some are
packed so. No file may take more than the machine has. `--memory-limit`, or the environment variable
`TUTELAGE_MEMORY_LIMIT`, sets another limit for all files.
"""

from __future__ import annotations

import os
import re

from tutelage.core.errors import ConfigError

VARIABLE = "TUTELAGE_MEMORY_LIMIT"
FLAG = "--memory-limit"
DEFLATE = 1032  # bytes that one byte of gzip or zlib unpacks to at most
_DENSE = 50  # times that photos and scans are packed at most
IMAGE_LIMIT = 500_000_000  # bytes, for what is packed more densely
MASK_LIMIT = 2_500_000_000  # bytes, for masks: long scans of a whole body have such ones, and most of each is empty
_UNITS = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"))


def machine_memory() -> int:
    """Bytes of memory of this machine; 2^63 where that is not known."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # not on every system
        return 1 << 63


def memory_fault(needed: int, present: int, *, content: int | None = None, limit: int = IMAGE_LIMIT) -> str | None:
    """Why a file may not take that much memory, or None. It completes a sentence that starts with the file name.

    Args:
        needed: bytes of memory, all copies together.
        present: bytes of the file.
        content: bytes of what is unpacked, one copy; by default `needed`.
        limit: bytes of memory for a file that is packed more than 50-fold.
    """
    given = os.environ.get(VARIABLE)
    if given:
        limit, why = read_size(given), f"more than the {FLAG} of {given}"
    elif _DENSE * present < (content or needed) and needed <= machine_memory():
        limit = min(limit, machine_memory() // 2)
        why = f"though it has {size_text(present)}: if it is sound, read it with {FLAG} {-(-needed // 10**9)}GB"
    else:
        limit, why = machine_memory(), f"more than this machine has ({size_text(machine_memory())})"
    return f"would take {size_text(needed)} of memory, {why}" if needed > limit else None


def read_size(text: str, *, name: str = FLAG) -> int:
    """The bytes in a text such as 8GB, 500 MB or 1.5e9.

    Args:
        name: what an error calls it.

    Raises:
        ConfigError: it is none.
    """
    found = re.fullmatch(r"\s*(\d{1,12}(?:\.\d{0,6})?(?:e\d{1,2})?)\s*([kKMGT]?)i?[bB]?\s*", text)
    size = float(found[1]) * 1000.0 ** " KMGT".index(found[2].upper() or " ") if found else 0.0
    if not 1e6 <= size < 1e18:
        raise ConfigError(f"{name} must be a size such as 8GB or 500MB, at least 1MB, got {text!r}")
    return int(size)


def size_text(size: float) -> str:
    """A number of bytes with its unit, such as 1.5 GB."""
    for unit, name in _UNITS:
        if size >= unit:
            return f"{size / unit:,.3g} {name}"
    return f"{size:.0f} bytes"
