from __future__ import annotations

import numpy as np
import pytest

from tutelage.inference.images.probe.folds import deal, most_folds

LABEL = np.repeat(np.arange(3), [11, 7, 5])
DIGESTS = [str(row).encode() for row in range(len(LABEL))]


@pytest.mark.parametrize("folds", [2, 5])
def test_each_row_is_scored_once_by_what_it_is_not_in(folds: int) -> None:
    parts = deal(LABEL, DIGESTS, folds, seed=0)
    assert len(parts) == folds
    assert np.array_equal(np.sort(np.concatenate([held for _, held in parts])), np.arange(len(LABEL)))
    for rest, held in parts:
        assert np.array_equal(np.union1d(rest, held), np.arange(len(LABEL))) and not np.intersect1d(rest, held).size
        for rows in (rest, held):
            there = np.bincount(LABEL[rows], minlength=3) / np.bincount(LABEL)
            assert (there > 0).all()
        assert np.ptp([len(held) for _, held in parts]) <= 3
    other = deal(LABEL, DIGESTS, folds, seed=1)
    assert any(not np.array_equal(held, again) for (_, held), (_, again) in zip(parts, other, strict=True))


def test_copies_stay_together_and_count_as_one() -> None:
    digests = [b"twin" if row in (0, 1, 2, 15) else digest for row, digest in enumerate(DIGESTS)]  # 15 is of class 1
    for seed in range(5):
        for _, held in deal(LABEL, digests, 3, seed=seed):
            assert len(np.intersect1d(held, [0, 1, 2, 15])) in (0, 4)
    assert most_folds(LABEL, DIGESTS, 3) == 5
    assert most_folds(LABEL, DIGESTS, 4) == 0  # a class without a row
    assert (
        most_folds(LABEL, [b"one" if label == 2 else digest for label, digest in zip(LABEL, DIGESTS, strict=True)], 3)
        == 1
    )
    assert most_folds(np.repeat([0, 1], 3), [b"a", b"b", b"b", b"c", b"d", b"e"], 2) == 2
