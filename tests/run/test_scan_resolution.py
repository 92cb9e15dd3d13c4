"""The spacing that is chosen where a machine has no time for all voxels of scans."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch

from tutelage.data.scans.inventory import list_scan_parts
from tutelage.run.data_modules.scan_resolution import Resolution, choose_resolution, with_resolution
from tutelage.run.resolve import resolve_training

CPU = torch.device("cpu")


def scans(root: Path, side: int, lesion: int, count: int = 2) -> Path:
    """Scans of `side` voxels along each axis, with a cube of `lesion` voxels in it."""
    root.mkdir(parents=True)
    for number in range(count):
        with h5py.File(root / f"{number}.h5", "w") as file:
            label = np.zeros((side,) * 3, np.uint8)
            label[2 : 2 + lesion, 2 : 2 + lesion, 2 : 2 + lesion] = 1
            file["label"], file["image"] = label, np.random.default_rng(number).normal(size=label.shape) + label
    return root


def chosen(source: Path, device: torch.device = CPU, **settings: Any) -> Resolution | None:
    cfg = resolve_training({"data.path": str(source), "method.name": "supervised"} | settings)
    found = choose_resolution(cfg, list_scan_parts(cfg.data), device)
    assert with_resolution(cfg, found).scan.spacing == (cfg.scan.spacing if found is None else found.spacing)
    return found


def test_a_patch_covers_a_quarter_of_a_scan_at_the_chosen_spacing(tmp_path: Path) -> None:
    large = chosen(scans(tmp_path / "large", 80, 40))
    assert large is not None and large.spacing == pytest.approx((80 / (4 * 32**3) ** (1 / 3),) * 3, rel=1e-2)
    assert "scans of 80 x 80 x 80 voxels" in large.said() and "resampled to 1.57 x 1.57 x 1.57 mm" in large.said()
    assert chosen(scans(tmp_path / "small", 50, 20)) is None


def test_more_time_and_small_structures_keep_voxels(tmp_path: Path) -> None:
    source = scans(tmp_path / "scans", 80, 40)
    assert chosen(source, **{"train.budget": "2h"}) is None
    small = chosen(scans(tmp_path / "lesions", 80, 5))  # 125 voxels, of which 64 are to stay
    assert small is not None and small.spacing == pytest.approx(((125 / 64) ** (1 / 3),) * 3, rel=1e-2)
    assert chosen(scans(tmp_path / "tiny", 80, 4)) is None


@pytest.mark.parametrize("given", [{"scan.patch_size": "32"}, {"scan.spacing": "1"}], ids=str)
def test_what_is_given_is_kept(tmp_path: Path, given: dict[str, str]) -> None:
    assert chosen(scans(tmp_path / "scans", 80, 40), **given) is None


def test_a_gpu_takes_scans_as_they_are(tmp_path: Path) -> None:
    assert chosen(scans(tmp_path / "scans", 80, 40), torch.device("cuda")) is None
