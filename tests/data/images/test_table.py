from pathlib import Path

import pytest

from tutelage.data.images.tables import Row, read_table


def rows_of(tmp_path: Path, content: bytes) -> list[tuple[int, str, str | None]]:
    file = tmp_path / "labels.csv"
    file.write_bytes(content)
    rows, faults = read_table(file)
    assert faults == []
    return [(row.line, row.path, row.label) for row in rows]


@pytest.mark.parametrize(
    "content",
    [
        b"path,label\na.png,cat\nb.png,\n",
        b"\xef\xbb\xbfpath,label\na.png,cat\nb.png,\n",
        b"path,label\r\na.png,cat\r\nb.png,\r\n",
        b'"path","label"\n"a.png","cat"\n"b.png",""',
        b"Path, Label \na.png, cat \nb.png,\n",
        b"id,label,path\n7,cat,a.png\n8,,b.png\n",
    ],
    ids=["plain", "byte-order mark", "CRLF", "quoted", "spaces and capitals", "further column"],
)
def test_the_ways_people_write_a_label_table_are_read(tmp_path: Path, content: bytes) -> None:
    assert [row[1:] for row in rows_of(tmp_path, content)] == [("a.png", "cat"), ("b.png", None)]


def test_labels_stay_text(tmp_path: Path) -> None:
    words = ["007", "NA", "None", "null", "nan", "true", "1e5", "1"]
    content = "path,label\n" + "".join(f"{word}.png,{word}\n" for word in words)
    assert [row[2] for row in rows_of(tmp_path, content.encode())] == words


def test_lines_are_counted_across_blank_lines_and_quoted_line_ends(tmp_path: Path) -> None:
    content = b'path,label\n\n"a\nb.png",cat\nc.png,dog\n'
    assert rows_of(tmp_path, content) == [(4, "a\nb.png", "cat"), (5, "c.png", "dog")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"path,label\n", "has a header and no rows"),
        (b"a.png,cat\nb.png,dog\n", "line 1: no column 'path'"),
        (b"file,label\na.png,cat\n", "line 1: no column 'path'"),
        (b"path,class\na.png,cat\n", "line 1: no column 'label'"),
        (b"image,image_url,label\na.png,u,cat\n", "line 1: image and image_url may each name the images: rename the"),
        (b"path;label\na.png;cat\n", "line 1: columns are separated by semicolons"),
        (b"path\tlabel\na.png\tcat\n", "line 1: columns are separated by tabs"),
        (b"path,label,label\na.png,cat,cat\n", "line 1: the column 'label' appears twice"),
        (b"path,label,leave_out,leave_out\na.png,cat,,\n", "line 1: the column 'leave_out' appears twice"),
        (b"path,label\na.png\n", "line 2: expected 2 cells as in the header, got 1"),
        (b"path,label\na,b.png,cat\n", "line 2: expected 2 cells as in the header, got 3"),
        (b"path,label\n,cat\n", "line 2: the path is empty"),
        (b"path,label\na.png,  \n", "line 2: the label is only white space"),
        (b'path,label\na.png,cat\n"b.png,dog\n', "is a quotation mark left open?"),
        ("path,label\na.png,cat\n".encode("utf-16"), "is UTF-16"),
        ("path,label\na.png,Bär\n".encode("latin-1"), "line 2 is not UTF-8"),
        (b"path,label\na.png,c\0t\n", "line 2 holds a NUL byte"),
        (b"path,label\n" + b"a" * (1 << 20) + b",cat\n", "line 2 is longer than"),
    ],
)
def test_each_fault_of_a_table_is_one_sentence_with_file_and_line(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "labels.csv"
    file.write_bytes(content)
    _, faults = read_table(file)
    assert len(faults) == 1
    assert faults[0].startswith(str(file))
    assert message in faults[0]


def test_all_bad_rows_are_reported_and_good_ones_kept(tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    file.write_text("path,label\na.png\nb.png,dog\n,cat\n")
    rows, faults = read_table(file)
    assert rows == [Row(3, "b.png", "dog")]
    assert [fault.split(": ")[0].rpartition(" ")[2] for fault in faults] == ["2", "4"]


def test_a_missing_table_and_a_folder_are_faults(tmp_path: Path) -> None:
    assert "no such file" in read_table(tmp_path / "none.csv")[1][0]
    assert "is a folder" in read_table(tmp_path)[1][0]


def test_a_list_of_paths_needs_no_labels(tmp_path: Path) -> None:
    file = tmp_path / "new.csv"
    file.write_text("path\na.png\n")
    assert read_table(file, needs_label=False) == ([Row(2, "a.png", None)], [])


def test_a_row_with_text_in_leave_out_is_left_out_and_has_no_label(tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    file.write_text("path,label,leave_out\na.png,cat,\nb.png,cat,a copy\nc.png,,  \n")
    assert [(row.path, row.label, row.left_out) for row in read_table(file)[0]] == [
        ("a.png", "cat", False),
        ("b.png", None, True),
        ("c.png", None, False),
    ]
