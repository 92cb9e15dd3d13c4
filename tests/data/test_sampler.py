from __future__ import annotations

import numpy as np
import pytest

from tutelage.data.sampler import StreamSampler


def sampler(n: int = 10, batch: int = 4, seed: int = 0, stream: str = "labeled") -> StreamSampler:
    return StreamSampler(np.arange(100, 100 + n), batch, seed=seed, stream=stream)


@pytest.mark.parametrize(("n", "batch"), [(10, 4), (10, 10), (7, 3), (3, 8), (1, 5)])
def test_each_pass_over_a_stream_is_one_permutation(n: int, batch: int) -> None:
    rows = np.concatenate([sampler(n, batch).rows_at(step) for step in range(4 * n)])
    passes = rows[: len(rows) // n * n].reshape(-1, n)
    assert (np.sort(passes, axis=1) == np.arange(100, 100 + n)).all()
    assert n < 3 or len({tuple(p) for p in passes}) > 1


def test_a_step_is_a_pure_function_of_seed_stream_and_step() -> None:
    one, other = sampler(), sampler()
    forwards = [one.rows_at(step) for step in range(30)]
    for step in reversed(range(30)):
        assert (other.rows_at(step) == forwards[step]).all()
    assert any((sampler(seed=1).rows_at(s) != forwards[s]).any() for s in range(3))
    assert any((sampler(stream="unlabeled").rows_at(s) != forwards[s]).any() for s in range(3))


def test_every_batch_has_the_asked_number_of_rows() -> None:
    assert all(len(sampler(7, 3).rows_at(step)) == 3 for step in range(50))


def test_an_empty_stream_is_refused() -> None:
    with pytest.raises(ValueError, match="stream 'labeled' has 0 rows"):
        sampler(n=0)
