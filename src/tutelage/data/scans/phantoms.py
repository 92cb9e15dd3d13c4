"""Synthetic scans of an organ in two parts, to try things without data; each depends on (seed, number) only."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tutelage.core.errors import MissingExtra
from tutelage.core.files import make_folder
from tutelage.core.seeding import derived_seed
from tutelage.data.scans.geometry import Affine

CLASSES = ("background", "body", "tail")
_FIELD = (38.0, 38.0, 34.0)  # mm that a scan covers
_BODY, _TAIL, _TISSUE = 1.0, 0.7, 0.45  # intensities before contrast, bias and noise
_DISTRACTORS = 4  # objects per scan that are as bright as the organ
_OBLIQUE = 4  # every fourth scan is oblique

Grid = NDArray[np.float64]


@dataclass(frozen=True)
class Phantom:
    """A synthetic scan.

    Attributes:
        image: (X, Y, Z) float32.
        label: (X, Y, Z) uint8, indices of `CLASSES`; each voxel has the class that fills most of it.
        affine: (4, 4), voxels to RAS+ mm: anisotropic, and oblique in some.
    """

    image: NDArray[np.float32]
    label: NDArray[np.uint8]
    affine: Affine


def make_phantom(seed: int, number: int) -> Phantom:
    """Scan `number`: a bent, bumpy organ with a tail, among balls and tubes of the same brightness.

    Voxels at a border show a mixture (partial volume). Contrast, brightness, a smooth bias and the noise differ from
    scan to scan, so that a threshold does not find the organ and a few labels do not show all variation.
    """
    rng = np.random.default_rng(derived_seed(seed, "phantom", number))
    spacing = np.array([*([rng.uniform(0.95, 1.15)] * 2), rng.uniform(1.0, 1.5)])
    shape = tuple(int(n) for n in np.round(np.array(_FIELD) / spacing))
    axes = [(np.arange(n) - (n - 1) / 2) * step for n, step in zip(shape, spacing, strict=True)]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"))  # (3, X, Y, Z) in mm, from the center of the scan
    turned = np.tensordot(_rotation(rng, 25.0), grid - rng.normal(0.0, 2.0, (3, 1, 1, 1)), 1)

    organ, along = _organ(rng, turned)
    inside = _occupancy(organ, spacing)
    body_share = _occupancy(along + rng.uniform(0.0, 4.0) - 1.5 * _smooth(rng, turned, 8.0), spacing)
    tissue = _TISSUE + 0.07 * _smooth(rng, grid, 5.0) + 0.05 * _smooth(rng, grid, 2.5)
    image = tissue
    for _ in range(_DISTRACTORS):
        other = _occupancy(np.maximum(_distractor(rng, grid), 2.0 - organ), spacing)  # 2 mm away from the organ
        image = image + other * (rng.uniform(_TAIL, _BODY) - image)
    part = _TAIL + (_BODY - _TAIL) * body_share + 0.06 * _smooth(rng, grid, 3.0)
    image = image + inside * (part - image)
    image = image ** rng.uniform(0.8, 1.3) * np.exp(0.3 * _smooth(rng, grid, 28.0))
    image = image + rng.normal(0.0, rng.uniform(0.06, 0.1), shape)
    label = np.where(inside > 0.5, np.where(body_share > 0.5, 1, 2), 0)

    affine = np.diag([*spacing, 1.0])
    if number % _OBLIQUE == 0:
        affine[:3, :3] = _rotation(rng, 20.0) @ affine[:3, :3]
    affine[:3, 3] = rng.uniform(-40.0, 40.0, 3)
    return Phantom((rng.uniform(80, 900) * image).astype(np.float32), label.astype(np.uint8), affine)


def write_phantoms(folder: Path, numbers: Iterable[int], *, seed: int = 0) -> None:
    """Write scans as `folder/images/scan-000.nii.gz` and their masks, of the same name, in `folder/labels`.

    Raises:
        MissingExtra: nibabel is not installed.
    """
    try:
        import nibabel
    except ModuleNotFoundError as error:
        raise MissingExtra("writing NIfTI files", str(error.name), "medical") from None
    for kind in ("images", "labels"):
        make_folder(folder / kind)
    for number in numbers:
        phantom, name = make_phantom(seed, number), f"scan-{number:03d}.nii.gz"
        for kind, array in (("images", phantom.image), ("labels", phantom.label)):
            nibabel.Nifti1Image(array, phantom.affine).to_filename(folder / kind / name)


def _organ(rng: np.random.Generator, grid: Grid) -> tuple[Grid, Grid]:
    """Approximate signed distance of the organ in mm (negative inside), and the position along its axis in mm."""
    x, y, z = grid
    bend = rng.uniform(0.004, 0.02) * rng.choice((-1.0, 1.0))
    y = y - bend * (x**2 - 40.0)
    width = rng.uniform(4.2, 5.8) * (1.0 + 0.25 * np.tanh(x / 6.0))  # thick at the body, thin at the tail
    length = rng.uniform(10.5, 13.0)
    radius = np.sqrt((x / length) ** 2 + (y / width) ** 2 + (z / (0.85 * width)) ** 2)
    return (radius - 1.0) * width + 0.8 * _smooth(rng, grid, 6.0), -x


def _distractor(rng: np.random.Generator, grid: Grid) -> Grid:
    """Signed distance of a ball or of a straight tube."""
    place = rng.uniform(-16.0, 16.0, 3)
    x, y, z = np.tensordot(_rotation(rng, 180.0), grid - place[:, None, None, None], 1)
    if rng.random() < 0.5:
        return np.sqrt(x**2 + y**2 + z**2) - rng.uniform(2.5, 5.0)
    return np.sqrt(y**2 + z**2) - rng.uniform(1.2, 2.2)


def _occupancy(distance: Grid, spacing: NDArray[np.float64]) -> Grid:
    """The share of each voxel that is inside, from the signed distance of its center."""
    return np.clip(0.5 - distance / float(spacing.mean()), 0.0, 1.0)


def _smooth(rng: np.random.Generator, grid: Grid, scale: float) -> Grid:
    """A smooth random function of position, roughly standard normal, that varies over `scale` mm."""
    waves = rng.normal(0.0, 1.0 / scale, (24, 3))
    phases = rng.uniform(0.0, 2 * math.pi, 24)
    total = np.zeros(grid.shape[1:])
    for wave, phase in zip(waves, phases, strict=True):
        total += np.cos(np.tensordot(wave, grid, 1) + phase)
    return total * math.sqrt(2 / len(waves))


def _rotation(rng: np.random.Generator, degrees: float) -> NDArray[np.float64]:
    """A rotation about a random axis by at most `degrees` (Rodrigues' formula)."""
    axis = rng.normal(size=3)
    x, y, z = axis / np.linalg.norm(axis)
    angle = math.radians(rng.uniform(-degrees, degrees))
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return np.eye(3) + math.sin(angle) * cross + (1.0 - math.cos(angle)) * cross @ cross
