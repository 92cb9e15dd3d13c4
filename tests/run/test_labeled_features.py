"""Which labeled images a new one looks like, and the file in a run that knows them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tutelage.core.errors import RunError
from tutelage.run.labeled_features import FILE, MOST, LabeledReference
from tutelage.run.own_content import foreign_content


def features(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, 8)).astype(np.float32)


def known(count: int = 30) -> LabeledReference:
    made = LabeledReference.of([f"{number}.png" for number in range(count)], features(count))
    assert made is not None
    return made


def test_the_nearest_are_those_with_the_largest_cosine() -> None:
    own, new = features(30), features(5, 1)
    cosines = (own / np.linalg.norm(own, axis=1, keepdims=True)) @ new.T
    expected = [tuple(f"{k}.png" for k in np.argsort(-column)[:3]) for column in cosines.T]
    assert known().nearest(new, 3) == expected
    assert known().nearest(100 * own[:4], 1) == [(f"{k}.png",) for k in range(4)]
    assert [len(names) for names in known(2).nearest(new, 3)] == [2] * 5


def test_they_are_read_as_they_were_written(tmp_path: Path) -> None:
    names = ["a/b.png", "ä.png", "\udcff.png"]
    made = LabeledReference.of(names, features(3))
    assert made is not None
    made.save(tmp_path)
    again = LabeledReference.read(tmp_path)
    assert again is not None and again.names == tuple(names) and again.run == tmp_path
    np.testing.assert_array_equal(again.directions, made.directions)
    assert LabeledReference.read(tmp_path / "none") is None
    assert foreign_content(tmp_path, (FILE,)) == []
    (tmp_path / FILE).write_bytes(b"mine")
    assert foreign_content(tmp_path, (FILE,)) == [FILE]


@pytest.mark.parametrize(
    "change",
    [
        {"names": np.array(["a"])},
        {"names": np.arange(30)},
        {"directions": np.zeros((30, 8), np.float32)},
        {"directions": np.full((30, 8), np.nan, np.float16)},
        {"directions": np.zeros(30, np.float16)},
        {"names": None},
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, change: dict[str, np.ndarray | None]) -> None:
    known().save(tmp_path)
    with np.load(tmp_path / FILE) as arrays:
        found = {name: arrays[name] for name in arrays} | change
    np.savez(tmp_path / FILE, **{name: value for name, value in found.items() if value is not None})
    with pytest.raises(RunError, match=r"labeled\.npz is (damaged|not a readable)"):
        LabeledReference.read(tmp_path)
    (tmp_path / FILE).write_bytes(b"no archive")
    with pytest.raises(RunError, match=r"labeled\.npz is (damaged|not a readable)"):
        LabeledReference.read(tmp_path)


def test_of_many_labels_some_are_kept_evenly_spaced_and_of_few_all() -> None:
    assert LabeledReference.rows(np.arange(7)).tolist() == list(range(7))
    rows = LabeledReference.rows(np.arange(9_999))
    assert len(rows) == MOST and rows[0] == 0 and rows[-1] == 9_998 and len(set(rows.tolist())) == MOST
    assert LabeledReference.of(["a"], np.full((1, 8), np.nan, np.float32)) is None
