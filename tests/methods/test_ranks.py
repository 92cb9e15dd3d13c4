"""Two processes on half batches each train what one process trains on the whole batch, for every method."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from torch import Tensor

from support import ranks
from support.starter import Starter

SCRIPT = Path(ranks.__file__)
States = dict[str, dict[str, Tensor]]


@pytest.fixture(scope="module")
def by_two(starter: Starter, tmp_path_factory: pytest.TempPathFactory) -> tuple[States, States]:
    """The states of both processes for all cases: started once, since starting takes most of the time."""
    folder = tmp_path_factory.mktemp("ranks")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    both = [starter.start(SCRIPT, folder, rank, env=environment, strict=True) for rank in ("0", "1")]
    try:
        errors = [process.communicate(timeout=180)[1] for process in both]
    finally:
        for process in both:
            process.kill()
    assert [process.returncode for process in both] == [0, 0], "\n".join(errors)
    return torch.load(folder / "0.pt"), torch.load(folder / "1.pt")


@pytest.mark.parametrize("case", ranks.CASES, ids=str)
def test_two_processes_train_what_one_trains(case: object, by_two: tuple[States, States]) -> None:
    expected = ranks.by_one(case) if case.why_halves is None else ranks.by_halves(case)  # type: ignore[attr-defined]
    for rank, states in enumerate(by_two):
        assert states[str(case)].keys() == expected.keys()
        for name, value in states[str(case)].items():
            torch.testing.assert_close(value, expected[name], rtol=1e-5, atol=1e-5, msg=f"{name} of process {rank}")


@pytest.mark.parametrize("case", [case for case in ranks.CASES if case.why_halves is not None], ids=str)
def test_where_the_halves_are_the_reference_the_whole_batch_indeed_differs(case: object) -> None:
    whole, halves = ranks.by_one(case), ranks.by_halves(case)
    assert any(not torch.allclose(whole[name], halves[name], rtol=1e-4, atol=1e-4) for name in whole)


def test_every_method_is_among_the_cases() -> None:
    assert {case.name for case in ranks.CASES} == {method.name for method in ranks.OF_IMAGES}
