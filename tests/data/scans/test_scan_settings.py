from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tutelage.config import resolve
from tutelage.config.scan import ScanConfig
from tutelage.core.errors import ConfigError


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"patch_size": (0,)}, r"scan\.patch_size must be up to 3 numbers of voxels"),
        ({"patch_size": (8,) * 4}, r"scan\.patch_size must be up to 3 numbers of voxels"),
        ({"spacing": (1.0, -1.0, 1.0)}, r"scan\.spacing must be up to 3 positive numbers"),
        ({"foreground_share": 1.5}, r"scan\.foreground_share must be in \[0, 1\], got 1\.5"),
        ({"percentiles": (99.0, 1.0)}, r"scan\.percentiles must be two rising numbers"),
        ({"window": (10.0,)}, r"scan\.window must be two rising numbers"),
        ({"ignore_label": 256}, r"scan\.ignore_label must be in \[0, 255\]"),
        ({"flip_axes": (1, 1)}, r"scan\.flip_axes must be different numbers"),
        ({"crop_margin": -1}, r"scan\.crop_margin must be at least 0"),
        ({"crop_masks": "boxes"}, "go together"),
        ({"classes": ("background",)}, r"scan\.classes must be two or more"),
        ({"classes": ("a", "a")}, "repeats a name or value"),
        ({"classes": ("a", "b=0")}, "repeats a name or value"),
        ({"classes": ("a", "b=x")}, r"name=value with a value in 0\.\.255, got 'b=x'"),
        ({"classes": ("a", "b"), "ignore_label": 1}, "has the value of scan.ignore_label"),
    ],
)
def test_settings_out_of_range_are_errors_that_name_them(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ScanConfig(**settings)


def test_classes_have_their_place_as_value_unless_it_is_written() -> None:
    classes = ScanConfig(classes=("background", "edema = 2", "tumor=4")).class_values()
    assert classes == {"background": 0, "edema": 2, "tumor": 4}
    assert ScanConfig().class_values() == {}


def test_one_number_of_a_patch_stands_for_all_axes() -> None:
    assert ScanConfig(patch_size=(32,)).patch(2) == (32, 32)
    assert ScanConfig(patch_size=(8, 16, 24)).patch(3) == (8, 16, 24)
    with pytest.raises(ConfigError, match="1 or 3 numbers, one per axis of the data"):
        ScanConfig(patch_size=(8, 16)).patch(3)
    with pytest.raises(ConfigError, match="the same along the first two axes"):
        ScanConfig(patch_size=(8, 16, 24), orientation="ua-mt").patch(3)


def test_settings_are_given_by_dotted_name_and_one_of_a_view_leaves_its_others() -> None:
    cfg = resolve({"data.path": "scans", "scan.patch_size": "112,112,80", "scan.strong.noise": "0.5"})
    assert cfg.scan.patch_size == (112, 112, 80)
    assert (cfg.scan.strong.noise, cfg.scan.strong.gamma, cfg.scan.weak.noise) == (0.5, 0.3, 0.1)
    with pytest.raises(ConfigError, match=r"unknown setting scan\.patchsize; did you mean 'patch_size'"):
        resolve({"data.path": "scans", "scan.patchsize": 3})


def test_a_check_of_scans_imports_no_torch() -> None:
    code = "import sys, tutelage.data.scans.check; assert not {'torch', 'nibabel', 'monai'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_a_package_that_is_not_there_is_named_with_its_extra(tmp_path: Path) -> None:
    for package, name in (("nibabel", "a.nii.gz"), ("nrrd", "a.nrrd"), ("h5py", "a.h5")):
        (tmp_path / name).touch()
        code = (
            f"import sys; sys.modules['{package}'] = None\n"
            "from pathlib import Path\nfrom tutelage.data.scans.formats.read import read_volume\n"
            f"try: read_volume(Path({str(tmp_path / name)!r}))\nexcept Exception as e: print(type(e).__name__, e)"
        )
        said = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
        ).stdout
        assert said.startswith(f"MissingExtra reading {name} needs the package '{package}'")
        assert said.strip().endswith("pip install 'tutelage[medical]'")
