"""How many threads small matrices get."""

from __future__ import annotations

import pytest
import torch

from tutelage.core.devices import one_thread


@pytest.fixture
def three_threads() -> object:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("three_threads")
def test_on_a_processor_one_thread_computes_and_afterwards_as_many_as_before() -> None:
    with pytest.raises(RuntimeError, match="an error"), one_thread(torch.device("cpu")):
        assert torch.get_num_threads() == 1
        raise RuntimeError("an error")
    assert torch.get_num_threads() == 3


@pytest.mark.usefixtures("three_threads")
def test_on_a_gpu_nothing_changes() -> None:
    with one_thread(torch.device("cuda")):
        assert torch.get_num_threads() == 3
