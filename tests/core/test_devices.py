"""How many threads small matrices get."""

from __future__ import annotations

import pytest
import torch

from tutelage.core.devices import choose_device, one_thread
from tutelage.core.errors import ConfigError


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


@pytest.mark.parametrize("name", ["cpu:1", "cpu:99", "mps:2"])
def test_a_number_of_a_device_that_is_not_there_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=f"device {name}: this machine has one {name[:3]}$"):
        choose_device(name)


def test_the_first_processor_may_be_called_so() -> None:
    assert choose_device("cpu:0").type == "cpu"
