"""The rows of CSV files that people write: label tables, lists of images, and tables of scans."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from tutelage.core.regular import open_regular

_LONGEST_LINE = 1 << 16  # bytes; a longer line is no line of a table


class TableFault(Exception):
    """Raised where a table cannot be read further. The message does not name the file."""


def read_rows(file: Path) -> Iterator[tuple[int, list[str]]]:
    """The number of a line and its cells, for each row of a CSV file; an empty line has no cells.

    The file is UTF-8 (a byte-order mark is fine) with commas. Lines end with LF, CRLF or, as of old, CR. Cells stay
    text: `007` and `NA` are names. This is the csv module and not pandas, which tells no line numbers, fills up short
    rows, renames columns that appear twice, and skips or joins lines where a quotation mark is left open.

    Raises:
        TableFault: the file cannot be read or is no such table; it says why and in which line.
    """
    try:
        # any bytes, by lines of all three kinds
        with open_regular(file) as stream, io.TextIOWrapper(stream, encoding="latin-1", newline="") as text:
            reader, begin = csv.reader(_lines(text), strict=True), 1
            try:
                for cells in reader:
                    yield reader.line_num, cells
                    begin = reader.line_num + 1
            except csv.Error:
                raise TableFault(
                    f"line {begin}: is a quotation mark left open? A cell in quotation marks ends with one, and those "
                    "inside it are doubled"
                ) from None
    except OSError as error:
        raise TableFault(f"cannot be read: {error.strerror}") from error


def _lines(text: TextIO) -> Iterator[str]:
    number = 0
    while line := text.readline(_LONGEST_LINE):
        raw = line.encode("latin-1")
        number += 1
        if number == 1 and raw.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise TableFault("is UTF-16: save it as UTF-8")
        if b"\0" in raw:
            raise TableFault(f"line {number} holds a NUL byte: this is not a CSV file")
        if len(raw) == _LONGEST_LINE:
            raise TableFault(f"line {number} is longer than {_LONGEST_LINE} bytes: this is not a table of names")
        try:
            yield raw.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise TableFault(f"line {number} is not UTF-8 ({error.reason}): save the table as UTF-8") from error
