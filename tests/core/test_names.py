import csv
import io
import os
import posixpath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tutelage.core.names import class_name_fault, from_cell, shown, to_cell

ODD_NAMES = [
    "=cmd|' /C calc'!A0.png",
    "+1.png",
    "-2.png",
    "@x.png",
    "\tx.png",
    "\rx.png",
    "a\nb.png",
    "a\\x41.png",
    "a,b\";'.png",
    "<img src=x onerror=alert(1)>.png",
    "\u202egnp.exe.png",
    "\x1b[2J.png",
    "猫.png",
    os.fsdecode(b"caf\xe9.png"),
    "./=x.png",
]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_cell_survives_a_utf8_csv_file_and_names_the_same_path(name: str) -> None:
    file = io.StringIO()
    csv.writer(file).writerow([to_cell(name)])
    text = file.getvalue().encode("utf-8").decode("utf-8")
    [[cell]] = csv.reader(io.StringIO(text))
    assert posixpath.normpath(from_cell(cell)) == posixpath.normpath(name)


@pytest.mark.parametrize("name", ODD_NAMES)
def test_no_cell_starts_as_a_formula(name: str) -> None:
    assert to_cell(name)[0] not in "=+-@\t\r\n"


def test_ordinary_paths_stay_as_they_are() -> None:
    assert to_cell("cat/1.jpg") == "cat/1.jpg"
    assert to_cell("=x.png") == "./=x.png"


@settings(deadline=None)
@given(st.text(st.characters(exclude_characters="/"), min_size=1))
def test_every_name_comes_back(name: str) -> None:
    assert from_cell(to_cell(name)).removeprefix("./") == name.removeprefix("./")


@pytest.mark.parametrize("name", ODD_NAMES)
def test_what_is_shown_holds_nothing_that_a_terminal_obeys(name: str) -> None:
    assert shown(name).isprintable()
    shown(name).encode("utf-8")


def test_readable_text_is_shown_as_it_is() -> None:
    assert shown("Katze 猫 é.png") == "Katze 猫 é.png"
    assert shown("a\x1b[2Jb") == r"a\x1b[2Jb"


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("=1+1", "formula"),
        ("-1", "formula"),
        ("a\nb", "control"),
        ("\udcff", "und"),
        ("a\x7f", "control"),
        ("a\x85b", "control"),
        ("\u202egod", "direction"),
        ("a\u200f", "direction"),
        ("\u2066x", "direction"),
        ("a\u200b", "not seen"),
        ("\ufeffcat", "not seen"),
    ],
)
def test_class_names_that_break_tables_are_faults(name: str, part: str) -> None:
    assert part in (class_name_fault(name) or "")


@pytest.mark.parametrize("name", ["cat", "007", "NA", "a b", "猫", "1e5", "שלום", "кот", "می\u200cخواهم", "café"])
def test_ordinary_class_names_are_no_faults(name: str) -> None:
    assert class_name_fault(name) is None
