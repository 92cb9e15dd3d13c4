from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tutelage.core.errors import RunError
from tutelage.core.headlines import ACCURACY, DICE
from tutelage.results.compare.collect import collect
from tutelage.results.compare.plan import Plan
from tutelage.run.run_files import FORMAT

PLAN = Plan(methods=("supervised", "ua-mt"), label_counts=(3,), seeds=(0, 1), settings={"data.path": "scans"})

DATA = {"kind": "scans", "classes": ["background", "organ"], "channels": 1, "fingerprint": "0"}
RECORDED = {
    "plan": {"steps": 10},
    "data": DATA | {"patch_size": [8, 8, 8], "label_values": [0, 1]},
    "environment": {"tutelage": "0"},
}


def leave(out: Path, dice: dict[str, tuple[float, float | None]], **result: Any) -> None:
    """Finished runs on scans with their Dice and HD95, by the names of their folders."""
    for one in PLAN.combinations:
        if one.name not in dice:
            continue
        name, (value, distance) = one.name, dice[one.name]
        config = {"settings": PLAN.config_of(one).to_dict(), **RECORDED}
        scores = {"n": 8, "dice": value, "hd95_pooled_mm": distance}
        run = out / name
        run.mkdir(parents=True, exist_ok=True)
        made = {"headline": "dice", "evaluated": "teacher", "test": {"teacher": scores}} | result
        for file, content in (
            ("config", {"format": FORMAT, **config}),
            ("result", made),
            ("split", {"labeled": [f"a{one.seed}"], "held_out": [], "unlabeled_images": 0}),
        ):
            (run / f"{file}.json").write_text(json.dumps(content))


def test_scans_are_gathered_by_dice_paired_by_seed(tmp_path: Path) -> None:
    supervised = {"supervised-3-0": (0.5, 8.0), "supervised-3-1": (0.6, 6.0)}
    leave(tmp_path, supervised | {"ua-mt-3-0": (0.6, 5.0), "ua-mt-3-1": (0.8, None)})
    table = collect(PLAN, tmp_path)
    assert (table.headline, table.images, table.part) == (DICE, 8, "test")
    first, second = table.cells
    assert first.second is not None and second.second is not None and second.gain is not None
    assert first.summary.mean == pytest.approx(55.0)
    assert first.second.mean == 7.0
    assert (second.gain.mean, second.gain.n) == (pytest.approx(15.0), 2)
    assert (second.second.mean, second.second.n) == (5.0, 1)


def test_runs_of_other_kinds_are_no_table(tmp_path: Path) -> None:
    leave(tmp_path, {"supervised-3-0": (0.5, 8.0)})
    leave(tmp_path, {"ua-mt-3-0": (0.6, 5.0)}, headline=ACCURACY.key)
    with pytest.raises(RunError, match="of different kinds"):
        collect(PLAN, tmp_path)


def test_scans_without_any_class_have_no_score(tmp_path: Path) -> None:
    leave(tmp_path, {"supervised-3-0": (0.5, 8.0), "ua-mt-3-0": (None, None)})  # type: ignore[dict-item]
    with pytest.raises(RunError, match="ua-mt-3-0 has no Dice"):
        collect(PLAN, tmp_path)


def test_runs_of_different_data_are_no_table_not_even_on_different_seeds(tmp_path: Path) -> None:
    leave(tmp_path, {"supervised-3-0": (0.5, 8.0), "supervised-3-1": (0.6, 6.0)})
    for seed in (0, 1):
        split = tmp_path / f"supervised-3-{seed}" / "split.json"
        split.write_text(json.dumps({**json.loads(split.read_text()), "fingerprint": f"data {seed}"}))
    with pytest.raises(RunError, match=r"supervised-3-0 and .*supervised-3-1 cannot be compared: they differ in data"):
        collect(PLAN, tmp_path)
