"""Two processes with ordinary batch norm and shuffled keys are one process whose batch norm has two parts."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from torch import Tensor

from support import shuffled_ranks as ranks
from support.starter import Starter

SCRIPT = Path(ranks.__file__)
States = dict[str, dict[str, Tensor]]


@pytest.fixture(scope="module")
def by_two(starter: Starter, tmp_path_factory: pytest.TempPathFactory) -> tuple[States, States]:
    folder = tmp_path_factory.mktemp("shuffled")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    both = [starter.start(SCRIPT, folder, rank, env=environment, strict=True) for rank in ("0", "1")]
    try:
        errors = [process.communicate(timeout=180)[1] for process in both]
    finally:
        for process in both:
            process.kill()
    assert [process.returncode for process in both] == [0, 0], "\n".join(errors)
    return torch.load(folder / "0.pt"), torch.load(folder / "1.pt")


@pytest.mark.parametrize("case", list(ranks.CASES))
def test_two_processes_are_one_with_two_parts(case: str, by_two: tuple[States, States]) -> None:
    expected = ranks.train(splits=2, rank=None, **ranks.CASES[case])
    losses = torch.stack([states[case]["losses"] for states in by_two]).mean(0)
    torch.testing.assert_close(losses, expected["losses"], rtol=1e-6, atol=1e-7)
    for states in by_two:
        for name, value in expected.items():
            if name != "losses":
                torch.testing.assert_close(states[case][name], value, rtol=1e-6, atol=1e-7, msg=name)


def test_the_parts_and_the_shuffling_matter(by_two: tuple[States, States]) -> None:
    whole = ranks.train(splits=1, rank=None)
    assert float((whole["queue"] - by_two[0]["shuffled"]["queue"]).abs().max()) > 1e-3
    assert float((by_two[0]["unshuffled"]["queue"] - by_two[0]["shuffled"]["queue"]).abs().max()) > 1e-3
