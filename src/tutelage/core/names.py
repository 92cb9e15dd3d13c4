"""Makes names from outside (files, classes) safe to print and to write into a table."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

_FORMULA = ("=", "+", "-", "@")
# marks that change the direction of what follows, and characters that cannot be seen
_HIDDEN = re.compile("[\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]")
LONGEST_CLASS = 255  # characters of a class name, as many as a file system allows for a folder
_BRIEF = 60  # characters of a name that is too long to be quoted
_ESCAPED = re.compile(r"\\(\\|x[0-9a-f]{2}|u[0-9a-f]{4})")


def shown(text: str) -> str:
    """`text` on one line, with control, direction and undecodable characters escaped, which a terminal might obey."""
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def brief(text: str) -> str:
    """`shown`, of a long text its beginning alone and how long it is."""
    if len(text) <= LONGEST_CLASS:
        return shown(text)
    return f"{shown(text[:_BRIEF])}... ({counted(len(text), 'character')})"


def enumerated(words: Sequence[str]) -> str:
    """`a`, `a and b`, or `a, b and c`."""
    return " and ".join(part for part in (", ".join(words[:-1]), *words[-1:]) if part)


def counted(number: int, one: str, many: str | None = None) -> str:
    """`1 step`, `1,000 steps`; `many` is the plural if it is not `one` with an s."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def byte_count(number: int) -> str:
    """`64 KiB`, `64 MiB`: a number of bytes in the largest unit that leaves it whole."""
    units = ("bytes", "KiB", "MiB", "GiB")
    power = next(power for power in range(len(units) - 1, -1, -1) if power == 0 or number % 1024**power == 0 < number)
    return f"{number // 1024**power:,} {units[power]}"


def first_of(names: Sequence[str], most: int = 5) -> str:
    """The first names, shown and separated by commas, with an ellipsis if there are more."""
    return ", ".join(map(brief, names[:most])) + (", ..." if len(names) > most else "")


def counted_kinds(kinds: Counter[str], most: int = 5) -> str:
    """`50 .tga, 3 without suffix and 12 more of 4 other kinds`: the numbers add up to all that was counted.

    Args:
        kinds: how many there are of each suffix, or another word for a kind; "" for no suffix.
        most: kinds that are named, the most frequent ones.
    """
    named = kinds.most_common(most)
    said = ", ".join(f"{count:,} {brief(kind) or 'without suffix'}" for kind, count in named)
    if len(kinds) <= most:
        return said
    others = kinds.total() - sum(count for _, count in named)
    return f"{said} and {others:,} more of {counted(len(kinds) - most, 'other kind')}"


def file_key(name: str) -> str:
    """What names of files have in common that some disks take for one: case of letters and Unicode form are ignored."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def to_cell(name: str) -> str:
    r"""A path as a CSV cell that no spreadsheet runs as a formula and that is valid UTF-8; `from_cell` decodes it.

    A path that starts with `= + - @` gets the prefix `./`, which names the same file. Control characters become `\x09`,
    bytes that are not UTF-8 become `\xff`, and backslashes are doubled.
    """
    cell = "".join(_escape(c) for c in name)
    return f"./{cell}" if cell.startswith(_FORMULA) else cell


def from_cell(cell: str) -> str:
    """The path that `to_cell` encoded; a leading `./` is kept."""

    def character(match: re.Match[str]) -> str:
        code = match.group(1)
        if code == "\\":
            return "\\"
        value = int(code[1:], 16)
        return chr(0xDC00 + value) if code[0] == "x" and value >= 0x80 else chr(value)

    return _ESCAPED.sub(character, cell)


def class_name_fault(name: str) -> str | None:
    """Why `name` cannot be a class name, or None: it must be safe as a table cell and as a line of text."""
    if not name.strip():
        return f"a class name is {'white space' if name else 'empty'}: give the class a name"
    if len(name) > LONGEST_CLASS:
        start, many = shown(name[:_BRIEF]), counted(len(name), "character")
        return f"class name '{start}...' has {many}: {LONGEST_CLASS} are allowed, so shorten it"
    if name.startswith(_FORMULA):
        return f"class name '{shown(name)}' starts with '{name[0]}', which spreadsheets run as a formula: rename it"
    if any(ord(c) < 0x20 or 0x7F <= ord(c) < 0xA0 or 0xD800 <= ord(c) < 0xE000 for c in name):
        return f"class name '{shown(name)}' holds control or undecodable characters: rename it"
    if _HIDDEN.search(name):
        return (
            f"class name '{shown(name)}' holds characters that are not seen, or turn the direction of text: rename it"
        )
    return None


def _escape(character: str) -> str:
    code = ord(character)
    if character == "\\":
        return "\\\\"
    if 0xDC80 <= code <= 0xDCFF:  # how Python represents a byte that is not UTF-8
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x20 or code == 0x7F:
        return f"\\x{code:02x}"
    hidden = 0x80 <= code < 0xA0 or 0xD800 <= code < 0xE000 or _HIDDEN.match(character)
    return f"\\u{code:04x}" if hidden else character
