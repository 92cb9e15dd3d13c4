from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest

from tutelage.config.scan import ScanConfig
from tutelage.data.scans.items import Case
from tutelage.data.scans.reading import read_case
from tutelage.data.scans.scan_set import case_key


@pytest.mark.parametrize(("degrees", "times"), [(30.0, 1.0), (0.0, 3.0)])
def test_a_file_of_two_geometries_is_named_with_both_and_a_setting_says_which_counts(
    degrees: float, times: float, tmp_path: Path
) -> None:
    turn = np.radians(degrees)
    other = np.eye(4)
    other[:2, :2] = [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]
    other[:3, :3] *= times
    paths = []
    for name in ("image", "label"):
        array = np.zeros((9, 8, 7), np.uint8)
        array[3:5, 3:5, 3:5] = 1
        file = nibabel.Nifti1Image(array, np.eye(4))
        file.set_sform(np.eye(4), 1)
        file.set_qform(other, 1)
        paths.append(tmp_path / f"{name}.nii.gz")
        nibabel.save(file, paths[-1])
    case = Case("image", (paths[0],), paths[1])
    for form, affine in (("sform", np.eye(4)), ("qform", other)):
        raw = read_case(case, ScanConfig(nifti_form=form))  # type: ignore[arg-type]
        np.testing.assert_allclose(raw.geometry.affine, affine, atol=1e-6)
        assert len(raw.warnings) == 2 and f"The {form} counts (scan.nifti_form)" in raw.warnings[0]
        assert "voxels of 1 x 1 x 1 mm, axes RAS by its sform, of " in raw.warnings[0]
    assert case_key(case, ScanConfig()) != case_key(case, ScanConfig(nifti_form="qform"))


def test_two_geometries_that_differ_by_rounding_are_one(tmp_path: Path) -> None:
    affine = np.array([[-1.0, 0.1, 0.0, 3.0], [0.1, 2.0, 0.0, 5.0], [0.0, 0.0, 1.5, -7.0], [0.0, 0.0, 0.0, 1.0]])
    file = nibabel.Nifti1Image(np.arange(504, dtype=np.float32).reshape(9, 8, 7), affine)
    file.set_qform(affine, 1)
    nibabel.save(file, tmp_path / "a.nii.gz")
    assert not read_case(Case("a", (tmp_path / "a.nii.gz",), None), ScanConfig()).warnings
