"""Features by the content of images, in a file that several processes share."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from tutelage.data.images.feature_store import Features, FeatureStore

WIDTH = 7


def digest(number: int) -> bytes:
    return number.to_bytes(16, "big")


def row(number: int) -> Features:
    return np.random.default_rng(number).standard_normal(WIDTH).astype(np.float32)


def rows(numbers: range) -> list[tuple[bytes, Features]]:
    return [(digest(number), row(number)) for number in numbers]


def assert_holds(store: FeatureStore, numbers: range) -> None:
    found = store.get([digest(number) for number in numbers])
    assert len(found) == len(numbers)
    for number in numbers:
        np.testing.assert_array_equal(found[digest(number)], row(number))


@pytest.fixture
def store(tmp_path: Path) -> FeatureStore:
    return FeatureStore(tmp_path / "new" / "features.sqlite", WIDTH)


def test_what_was_put_is_got_by_another_store_and_nothing_else_is(store: FeatureStore) -> None:
    assert store.get([digest(0)]) == {} and not store.file.exists()  # asking makes no file
    store.put(rows(range(1200)))  # more than a query takes
    assert_holds(FeatureStore(store.file, WIDTH), range(1200))
    assert store.get([digest(5), digest(2000), digest(5)]).keys() == {digest(5)}
    assert store.get([]) == {}


def test_features_that_are_put_again_replace_the_others(store: FeatureStore) -> None:
    store.put([(digest(0), row(1))])
    store.put([(digest(0), row(2))])
    np.testing.assert_array_equal(store.get([digest(0)])[digest(0)], row(2))


def test_columns_of_a_matrix_and_other_precisions_are_kept_as_numbers_in_order(store: FeatureStore) -> None:
    matrix = np.arange(2 * WIDTH, dtype=np.float64).reshape(WIDTH, 2)
    store.put([(digest(0), matrix[:, 1])])  # type: ignore[list-item]
    np.testing.assert_array_equal(store.get([digest(0)])[digest(0)], matrix[:, 1].astype(np.float32))


def test_features_of_another_width_are_not_known(store: FeatureStore) -> None:
    store.put(rows(range(3)))
    assert FeatureStore(store.file, WIDTH + 1).get([digest(0)]) == {}
    assert_holds(store, range(3))


def test_threads_that_write_at_once_lose_nothing(store: FeatureStore) -> None:
    writers = [
        threading.Thread(target=lambda part=part: [store.put(rows(range(n, n + 5))) for n in range(part, part + 50, 5)])
        for part in range(0, 200, 50)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert_holds(store, range(200))


PUT = """
import sys
from pathlib import Path
import numpy as np
from tutelage.data.images.feature_store import FeatureStore
store, start = FeatureStore(Path(sys.argv[1]), 7), int(sys.argv[2])
for n in range(start, start + 40):
    row = np.random.default_rng(n).standard_normal(7).astype(np.float32)
    store.put([(n.to_bytes(16, "big"), row)])
"""


def test_processes_that_write_at_once_lose_nothing(store: FeatureStore) -> None:
    writers = [
        subprocess.Popen([sys.executable, "-c", PUT, store.file, str(start)], stderr=subprocess.PIPE, text=True)
        for start in (0, 40)
    ]
    assert [writer.communicate(timeout=60)[1] for writer in writers] == ["", ""]
    assert_holds(store, range(80))


@pytest.mark.parametrize("damage", ["text", "cut", "hole"])
@pytest.mark.parametrize("first", ["get", "put"])
def test_a_damaged_file_is_made_anew(damage: str, first: str, store: FeatureStore) -> None:
    store.put(rows(range(500)))
    content = store.file.read_bytes()
    half = len(content) // 2
    bad = {
        "text": b"no data base at all " * 100,
        "cut": content[:half],
        "hole": content[:200] + b"\xff" * (len(content) - 200),
    }
    store.file.write_bytes(bad[damage])
    if first == "get":
        found = store.get([digest(number) for number in range(500)])
        for number, value in ((number, found.get(digest(number))) for number in range(500)):
            assert value is None or np.array_equal(value, row(number))
    for _ in range(2):  # where the damage is seen while rows are written, these are lost
        store.put(rows(range(500, 510)))
    assert_holds(store, range(500, 510))
    with sqlite3.connect(store.file) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


@pytest.mark.parametrize("obstacle", ["a file is in the place of the folder", "a folder is in the place of the file"])
def test_where_nothing_can_be_written_nothing_is_kept_and_nothing_is_raised(obstacle: str, tmp_path: Path) -> None:
    if obstacle.startswith("a file"):
        (tmp_path / "new").write_text("in the way")
    else:
        (tmp_path / "new" / "features.sqlite").mkdir(parents=True)
    store = FeatureStore(tmp_path / "new" / "features.sqlite", WIDTH)
    store.put(rows(range(3)))
    assert store.get([digest(0)]) == {}


def test_a_file_that_cannot_be_written_to_is_read_and_stays(store: FeatureStore) -> None:
    store.put(rows(range(3)))
    before = store.file.read_bytes()
    store.file.chmod(0o400)
    store.file.parent.chmod(0o500)
    try:
        assert_holds(store, range(3))
        store.put(rows(range(3, 4)))
    finally:
        store.file.parent.chmod(0o700)
        store.file.chmod(0o600)
    assert store.file.read_bytes()[:16] == before[:16]
    assert_holds(store, range(3))
