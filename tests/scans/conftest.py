"""Tiny scans of two spheres, one in the other, with oblique affines; and a run on them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import nibabel
import numpy as np
import pytest

import tutelage


class Scans:
    """Writes scans."""

    affine: ClassVar = np.array(
        [[-1.0, 0.1, 0.0, 3.0], [0.1, 2.0, 0.0, 5.0], [0.0, 0.0, 1.5, -7.0], [0.0, 0.0, 0.0, 1.0]]
    )
    shape: ClassVar = (18, 12, 17)
    brief: ClassVar[dict[str, Any]] = {
        "method.name": "mean-teacher",
        "scan.patch_size": (16,),
        "network.width": 1,
        "train.steps": 4,
        "train.batch_size": 2,
        "train.log_every": 2,
        "train.eval_every": 2,
        "train.workers": 0,
        "train.device": "cpu",
    }

    def sphere(self, seed: int, shape: tuple[int, ...] = shape) -> tuple[np.ndarray, np.ndarray]:
        """An image (*shape) float32 and its label (*shape) uint8 with the values 0, 1 and 2."""
        draw = np.random.default_rng(seed)
        center = [draw.uniform(0.4, 0.6) * n for n in shape]
        places = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1)
        distance = np.linalg.norm(places - center, axis=-1)
        label = ((distance < 5).astype(np.uint8) + (distance < 2.5)).astype(np.uint8)
        return (100 * label + draw.normal(0, 20, shape)).astype(np.float32), label

    def write(self, root: Path, *, count: int, labeled: int, first: int = 0) -> Path:
        """`images/` and `labels/`."""
        for seed in range(first, first + count):
            image, label = self.sphere(seed)
            self.save(root / "images" / f"c{seed}.nii.gz", image)
            if seed < first + labeled:
                self.save(root / "labels" / f"c{seed}.nii.gz", label)
        return root

    def save(self, path: Path, array: np.ndarray, affine: np.ndarray = affine) -> None:
        """A NIfTI file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        nibabel.save(nibabel.Nifti1Image(array, affine), path)


@pytest.fixture(scope="session")
def make() -> Scans:
    return Scans()


@pytest.fixture(scope="session")
def scans(make: Scans, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`train` with 7 scans, 4 of them labeled, and `test` with 2."""
    root = tmp_path_factory.mktemp("data") / "scans"
    make.write(root / "train", count=7, labeled=4)
    make.write(root / "test", count=2, labeled=2, first=20)
    return root


@pytest.fixture(scope="session")
def finished(make: Scans, scans: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run; not to be written in."""
    out = tmp_path_factory.mktemp("runs") / "a"
    tutelage.train(scans, out=out, settings=make.brief)
    return out
