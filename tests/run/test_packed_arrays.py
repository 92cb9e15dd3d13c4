"""The arrays of a run that unpack to far more than they are."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from tutelage.core.errors import RunError
from tutelage.run.run_arrays import read_arrays, write_arrays
from tutelage.run.scored import FILE, read_scored


@pytest.mark.parametrize("which", ["arrays", "scored"])
def test_arrays_of_a_run_keep_to_the_memory_limit(which: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_arrays(tmp_path / FILE, {"test_label": np.zeros(1 << 20, np.int64)})

    def read() -> object:
        return read_arrays(tmp_path / FILE, "file") if which == "arrays" else read_scored(tmp_path, "test", "label")

    assert read() is not None
    monkeypatch.setenv("TUTELAGE_MEMORY_LIMIT", "5MB")
    tracemalloc.start()
    try:
        with pytest.raises(RunError, match=r"scored\.npz would take 16\.8 MB of memory, more than the --memory-limit"):
            read()
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
