from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tutelage.results.report import surfaces
from tutelage.results.report.surfaces import Surface, surface_of


def ball(radius: float, size: int, step: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> NDArray[np.uint8]:
    axes = [(np.arange(round(size / s)) - round(size / s) / 2 + 0.5) * s for s in step]
    x, y, z = np.meshgrid(*axes, indexing="ij")
    return (x**2 + y**2 + z**2 < radius**2).astype(np.uint8)


def areas(surface: Surface) -> NDArray[np.float64]:
    """(F, 3) area vectors, from the diagonals."""
    corners = surface.quads
    return 0.5 * np.cross(corners[:, 2] - corners[:, 0], corners[:, 3] - corners[:, 1])


def volume(surface: Surface) -> float:
    """By the divergence theorem; it is right only if the surface is closed and its normals point outwards."""
    return float((surface.quads.mean(1) * areas(surface)).sum() / 3)


def test_a_voxel_has_six_faces_that_close() -> None:
    mask = np.zeros((3, 3, 3), np.uint8)
    mask[1, 1, 1] = 2
    surface = surface_of(mask, (1.0, 1.0, 1.0))
    assert surface.quads.shape == (6, 4, 3)
    assert surface.classes.tolist() == [2] * 6
    assert sorted(map(tuple, np.rint(surface.normals).astype(int).tolist())) == sorted(
        [(1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1)]
    )


def test_faces_lie_between_the_mask_and_its_outside_alone() -> None:
    mask = np.zeros((4, 4, 4), np.uint8)
    mask[:2], mask[2:] = 1, 2  # the whole volume: its edge is outside, the border of the classes is inside
    surface = surface_of(mask, (1.0, 1.0, 1.0))
    assert len(surface.quads) == 6 * 16
    assert np.bincount(surface.classes).tolist() == [0, 48, 48]


@pytest.mark.parametrize("step", [(1.0, 1.0, 1.0), (0.5, 1.0, 2.0)])
def test_a_ball_stays_a_ball_in_mm(step: tuple[float, float, float]) -> None:
    surface = surface_of(ball(10.0, 24, step), step)
    assert volume(surface) == pytest.approx(4 / 3 * np.pi * 1000, rel=0.1)
    assert np.allclose(areas(surface).sum(0), 0.0, atol=1e-6)
    radii = np.linalg.norm(surface.quads.reshape(-1, 3) - surface.quads.reshape(-1, 3).mean(0), axis=1)
    assert radii.std() < 0.6


def test_smoothing_takes_the_steps_of_voxels_away() -> None:
    surface = surface_of(ball(10.0, 24), (1.0, 1.0, 1.0))
    outwards = surface.quads.mean(1) - surface.quads.reshape(-1, 3).mean(0)
    outwards /= np.linalg.norm(outwards, axis=1, keepdims=True)
    assert (surface.normals * outwards).sum(1).mean() > 0.97  # of plain faces of voxels it is about 0.7


def test_a_fine_mask_is_made_coarser_and_keeps_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    fine = ball(15.0, 33)
    monkeypatch.setattr(surfaces, "MOST", 2000)
    surface = surface_of(fine, (1.0, 1.0, 1.0))
    assert 0 < len(surface.quads) <= 2000
    assert volume(surface) == pytest.approx(float(fine.sum()), rel=0.15)


def test_an_empty_mask_has_no_surface() -> None:
    assert len(surface_of(np.zeros((3, 4, 5), np.uint8), (1.0, 1.0, 1.0)).quads) == 0
