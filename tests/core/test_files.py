from __future__ import annotations

import os
from pathlib import Path

import pytest

from tutelage.core.errors import RunError
from tutelage.core.files import atomic_file, write_atomically


def test_a_file_is_there_only_when_all_of_it_is(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    with atomic_file(path) as stream:
        stream.write(b"first,")
        stream.flush()
        assert not path.exists()
        stream.write(b"second")
    assert path.read_bytes() == b"first,second"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt(), OSError(28, "No space left on device")])
def test_an_error_while_writing_leaves_what_was_there(error: BaseException, tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    write_atomically(path, b"before")
    expected = RunError if isinstance(error, OSError) else type(error)
    with pytest.raises(expected) as caught, atomic_file(path, what="the table") as stream:
        stream.write(b"half")
        raise error
    if isinstance(error, OSError):
        assert str(caught.value) == "cannot write the table: No space left on device"
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_named_with_the_file_and_its_size(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    write_atomically(path, b"before")
    (tmp_path / f"table.csv.tmp-{os.getpid()}").symlink_to("/dev/full")
    with pytest.raises(RunError, match=r"cannot write .*table\.csv \(5 bytes\): No space left on device"):
        write_atomically(path, b"after")
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_not_there_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"cannot write .*gone/table\.csv \(1 bytes\): No such file or directory"):
        write_atomically(tmp_path / "gone" / "table.csv", b"x")
