"""Final scores of scans that fit the budget, and budgets that are refused before all scans are read."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from tutelage.config.segmentation import SegmentationConfig
from tutelage.core.errors import ConfigError
from tutelage.data.scans import reading
from tutelage.data.scans.inventory import list_scan_parts
from tutelage.data.scans.scan_set import spread_rows
from tutelage.run.budget import Costs, TooShort
from tutelage.run.data_modules import scan_forecast
from tutelage.run.data_modules.scan_costs import ScoringTimes
from tutelage.run.data_modules.scan_scores import fit_scores
from tutelage.run.data_modules.scans import ScanModule
from tutelage.run.resolve import resolve_training

TIMES = ScoringTimes(
    window=0.1, case=1.0, networks=2, patch=(32, 32, 32), val=[(56, 56, 56)] * 2, test=[(56, 56, 56)] * 8
)
HALF = 2 * 10 * (27 * 0.1 + 1.0)  # two networks, ten cases, 3 windows along each axis
QUARTER = 2 * 10 * (8 * 0.1 + 1.0)  # 2 windows along each axis


def test_enough_time_changes_nothing() -> None:
    assert TIMES.closing(SegmentationConfig()) == pytest.approx(HALF)
    assert fit_scores(SegmentationConfig(), TIMES, HALF + 1.0) == (SegmentationConfig(), None)


def test_windows_overlap_less_before_cases_are_left_out() -> None:
    found, said = fit_scores(SegmentationConfig(), TIMES, QUARTER + 0.1)
    assert (found.overlap, found.scored_cases) == (0.25, None)
    assert said is not None and "windows overlap by 0.25 instead of 0.5" in said and "are scored" not in said


def test_then_as_many_cases_are_scored_as_fit_and_it_is_said() -> None:
    found, said = fit_scores(SegmentationConfig(), TIMES, QUARTER / 2)
    assert found.overlap == 0.25 and found.scored_cases is not None and 1 < found.scored_cases < 8
    assert TIMES.closing(found) <= QUARTER / 2
    assert TIMES.closing(dataclasses.replace(found, scored_cases=found.scored_cases + 1)) > QUARTER / 2
    assert said is not None and f"2 of 2 validation scans and {found.scored_cases} of 8 test scans are scored" in said
    assert fit_scores(SegmentationConfig(), TIMES, 0.0)[0].scored_cases == 1


@pytest.mark.parametrize(
    "given", [{"overlap": 0.5}, {"strides": (8,)}, {"overlap": 0.75, "scored_cases": 8}], ids=lambda given: str(given)
)
def test_what_is_given_is_kept(given: dict[str, Any]) -> None:
    found, _ = fit_scores(SegmentationConfig(**given), TIMES, 1.0)
    assert {name: getattr(found, name) for name in given} == given


def test_cases_are_spread_over_their_order() -> None:
    assert spread_rows(8, None) == spread_rows(8, 9) == list(range(8))
    assert spread_rows(8, 1) == [4] and spread_rows(8, 2) == [2, 6] and spread_rows(3, 2) == [0, 2]
    assert all(len(set(spread_rows(40, most))) == most for most in range(1, 41))


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """Twelve scans of 40 voxels along each axis."""
    h5py = pytest.importorskip("h5py")
    for number in range(12):
        with h5py.File(tmp_path / f"{number:02}.h5", "w") as file:
            label = torch.zeros(40, 40, 40, dtype=torch.uint8)
            label[5:20, 5:20, 5 : 10 + number] = 1
            file["label"], file["image"] = label.numpy(), (label + torch.randn(40, 40, 40)).numpy()
    return tmp_path


def forecast(scans: Path, budget: str, **settings: Any) -> None:
    cfg = resolve_training(
        {"data.path": str(scans), "method.name": "ua-mt", "train.budget": budget, "network.width": 1} | settings
    )
    scan_forecast.check_forecast(cfg, list_scan_parts(cfg.data), torch.device("cpu"))


@pytest.mark.long
def test_a_budget_that_holds_nothing_is_refused_before_all_scans_are_read(
    scans: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []

    def slowly(case: Any, cfg: Any) -> Any:
        read.append(case.name)
        time.sleep(0.3)  # as if scans were large
        return reading.read_case(case, cfg)

    monkeypatch.setattr(scan_forecast, "read_case", slowly)
    with pytest.raises(TooShort) as caught:
        forecast(scans, "1s")
    assert len(read) == 1 and caught.value.needed > 1.0 and caught.value.costs.reading > 1.0
    forecast(scans, "30m")  # passes


def test_a_budget_that_is_too_short_names_what_helps() -> None:
    costs = Costs(reading=1.0, timing=1.0, step=0.1, evaluation=0.0, closing=60.0)
    fault = ScanModule.too_short("20s", TooShort(costs, 70.0), baseline=False)
    assert isinstance(fault, ConfigError)
    assert "--budget 70s would do; or make predictions cheaper with a smaller segmentation.overlap" in str(fault)
