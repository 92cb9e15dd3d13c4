from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tutelage.data.scans.geometry import Geometry
from tutelage.data.scans.phantoms import CLASSES, make_phantom, write_phantoms


def test_a_phantom_follows_from_seed_and_number() -> None:
    one, again, other, elsewhere = (make_phantom(*key) for key in ((0, 3), (0, 3), (0, 4), (1, 3)))
    assert np.array_equal(one.image, again.image) and np.array_equal(one.label, again.label)
    assert one.image.shape != other.image.shape or not np.array_equal(one.image, other.image)
    assert one.image.shape != elsewhere.image.shape or not np.array_equal(one.image, elsewhere.image)


@pytest.mark.parametrize("number", range(6))
def test_every_phantom_has_both_parts_as_one_organ_inside_the_scan(number: int) -> None:
    label = make_phantom(0, number).label
    assert set(np.unique(label)) == {0, 1, 2}
    assert min((label == k).sum() for k in (1, 2)) > 100
    assert np.isfinite(make_phantom(0, number).image).all()


def test_brightness_alone_does_not_find_the_organ() -> None:
    phantom = make_phantom(0, 1)
    organ = phantom.label > 0
    bright = phantom.image > np.quantile(phantom.image, 1.0 - organ.mean())
    dice = 2 * (bright & organ).sum() / (bright.sum() + organ.sum())
    assert 0.2 < dice < 0.8


def test_spacings_differ_and_every_fourth_scan_is_oblique() -> None:
    phantoms = [make_phantom(0, number) for number in range(5)]
    geometries = [Geometry(phantom.label.shape, phantom.affine) for phantom in phantoms]
    assert len({round(g.spacing[2], 3) for g in geometries}) == 5
    assert all(g.spacing[2] != pytest.approx(g.spacing[0], rel=1e-3) for g in geometries)
    oblique = [np.count_nonzero(np.abs(phantom.affine[:3, :3]) > 1e-6) > 3 for phantom in phantoms]
    assert oblique == [True, False, False, False, True]


def test_written_scans_are_read_back_as_they_are(tmp_path: Path) -> None:
    from tutelage.data.scans.formats.read import read_mask, read_volume
    from tutelage.data.scans.source import list_scans

    write_phantoms(tmp_path, (0, 7))
    cases = list_scans(str(tmp_path)).cases
    assert [case.name for case in cases] == ["scan-000", "scan-007"]
    phantom = make_phantom(0, 7)
    image, geometry = read_volume(cases[1].images[0])
    assert cases[1].label is not None
    label, place = read_mask(cases[1].label)
    assert np.array_equal(image[0], phantom.image)
    assert np.array_equal(label, phantom.label)
    assert label.max() < len(CLASSES)
    for each in (geometry, place):
        assert np.allclose(each.affine, phantom.affine, atol=1e-4)
