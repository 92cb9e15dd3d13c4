from __future__ import annotations

from pathlib import Path

import pytest

from tutelage.data.csv_rows import TableFault, read_rows
from tutelage.data.scans.tables import is_pair_table, list_pair_table


def test_cells_stay_as_they_are_and_lines_are_counted(tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_bytes(b'\xef\xbb\xbfpath,path,label\r\n\r\n007,NA,"two\nlines, quoted ""so"""\n , 1.0,\n')
    assert list(read_rows(table)) == [
        (1, ["path", "path", "label"]),
        (2, []),
        (4, ["007", "NA", 'two\nlines, quoted "so"']),
        (5, [" ", " 1.0", ""]),
    ]


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b'image,label\na.nii,b.nii\n"c.nii,d.nii\n', "line 3: is a quotation mark left open"),
        ("image,label\n".encode("utf-16"), "is UTF-16: save it as UTF-8"),
        (b"image,label\na.nii,b\xff.nii\n", "line 2 is not UTF-8 .*: save the table as UTF-8"),
        (b"image,label\na.nii,\0\n", "line 2 holds a NUL byte"),
        (b"image,label\n" + b"a" * (1 << 17) + b",b\n", "line 2 is longer than 65536 bytes"),
    ],
)
def test_what_is_no_table_is_named_with_its_line(content: bytes, fault: str, tmp_path: Path) -> None:
    table = tmp_path / "pairs.csv"
    table.write_bytes(content)
    with pytest.raises(TableFault, match=fault):
        list(read_rows(table))
    listing = list_pair_table(table, "pairs.csv")
    assert len(listing.faults) == 1 and listing.faults[0].startswith(f"{table} ")
    assert not listing.cases
    assert is_pair_table(table) == (b"image" in content[:5])


def test_a_table_that_is_not_there_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(TableFault, match="cannot be read: No such file or directory"):
        list(read_rows(tmp_path / "gone.csv"))
    assert not is_pair_table(tmp_path / "gone.csv")
