"""Labels that are turned over, and masks in colors: named with the remedy."""

from __future__ import annotations

import os
import re
from itertools import product
from pathlib import Path

import nibabel
import numpy as np
import pytest
from PIL import Image

from tutelage.config.data import DataConfig
from tutelage.config.scan import ScanConfig
from tutelage.core.errors import DataError
from tutelage.data.scans.check import check_scans
from tutelage.data.scans.formats.read import read_mask
from tutelage.data.scans.items import Case
from tutelage.data.scans.reading import read_case
from tutelage.data.scans.turned_labels import believed, turned_over, warning_of_turned

DATA = Path(os.environ.get("TUTELAGE_DATA") or Path(__file__).parents[4] / "shared" / "data")
TURNS = [axes for count in product((False, True), repeat=3) if (axes := tuple(np.flatnonzero(count).tolist()))]


def scan(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Noise with a bright block in one corner, and where it is."""
    inside = np.zeros((30, 24, 20), np.bool_)
    inside[3:10, 4:10, 11:17] = True
    image = np.random.default_rng(seed).normal(size=inside.shape).astype(np.float32) + 3.0 * inside
    return image[None], inside


@pytest.mark.parametrize("axes", TURNS)
def test_a_label_that_is_turned_over_is_told_by_its_image(axes: tuple[int, ...]) -> None:
    image, inside = scan()
    assert turned_over(image, inside) is None
    found = turned_over(image, np.flip(inside, axes))
    assert found is not None and found[0] == axes
    assert found[1] < 0.3 < 2.0 < found[2]


@pytest.mark.parametrize("seed", range(20))
def test_noise_and_labels_that_fit_nothing_are_not_turned(seed: int) -> None:
    image = np.random.default_rng(seed).normal(size=(1, 30, 24, 20)).astype(np.float32)
    assert turned_over(image, scan()[1]) is None
    assert turned_over(image, np.zeros((30, 24, 20), np.bool_)) is None
    assert turned_over(image, np.ones((30, 24, 20), np.bool_)) is None


def test_a_case_whose_label_is_turned_over_under_a_header_that_agrees_has_a_warning(tmp_path: Path) -> None:
    image, inside = scan()
    for name, array in (("image", image[0]), ("mask", np.flip(inside, (0, 2)).astype(np.uint8))):
        nibabel.save(nibabel.Nifti1Image(array, np.diag([-1.0, 1.0, 2.0, 1.0])), tmp_path / f"{name}.nii.gz")
    case = Case("a", (tmp_path / "image.nii.gz",), tmp_path / "mask.nii.gz")
    (said,) = read_case(case, ScanConfig()).warnings
    assert "mask.nii.gz fits its image better turned over along axis 1 and 3 (contrast" in said
    assert said.endswith("flip its voxels and keep its header: numpy.flip(voxels, (0, 2))")


def test_real_labels_are_not_called_turned_and_most_that_are_turned_over_are_found() -> None:
    files = sorted((DATA / "hippocampus" / "labels").glob("*.nii.gz"))[::20]
    if not files:
        pytest.skip("the hippocampus scans are not here: set TUTELAGE_DATA to the folder that holds hippocampus/")
    found = 0
    for file in files:
        image = np.asarray(nibabel.load(file.parents[1] / "images" / file.name).dataobj, np.float32)[None]  # type: ignore[attr-defined]
        inside = np.asarray(nibabel.load(file).dataobj) > 0  # type: ignore[attr-defined]
        assert turned_over(image, inside) is None
        found += sum(turned_over(image, np.flip(inside, axes)) is not None for axes in TURNS)
    assert found > 0.6 * len(TURNS) * len(files)


def slices(folder: Path, *, turned: int, sound: int) -> list[str]:
    """What the check says of photos of one bright block, with a mask each, of which the first are turned over."""
    for number in range(turned + sound):
        image, inside = scan(number)
        mask = inside[:, :, 13].astype(np.uint8)
        label = mask[::-1] if number < turned else mask
        for part, array in (("images", image[0, :, :, 13] * 20 + 100), ("labels", label)):
            (folder / part).mkdir(exist_ok=True)
            Image.fromarray(array.clip(0, 255).astype(np.uint8)).save(folder / part / f"{number:02}.png")
    return check_scans(DataConfig(path=str(folder)), ScanConfig()).warnings


def test_one_slice_that_fits_better_turned_over_is_not_believed_and_several_are(tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / name).mkdir()
    assert not any("turned over" in said for said in slices(tmp_path / "a", turned=2, sound=8))
    assert sum("turned over along axis 1" in said for said in slices(tmp_path / "b", turned=4, sound=8)) == 4
    assert not any("turned over" in said for said in slices(tmp_path / "c", turned=0, sound=8))


def test_sound_slices_of_scans_are_not_called_turned_and_those_that_are_turned_over_are_found() -> None:
    files = sorted((DATA / "hippocampus" / "labels").glob("*.nii.gz"))[::5]
    if not files:
        pytest.skip("the hippocampus scans are not here: set TUTELAGE_DATA to the folder that holds hippocampus/")
    sound, turned = [], []
    for file in files:
        image = np.asarray(nibabel.load(file.parents[1] / "images" / file.name).dataobj, np.float32)  # type: ignore[attr-defined]
        inside = np.asarray(nibabel.load(file).dataobj) > 0  # type: ignore[attr-defined]
        middle = int(inside.any((0, 2)).nonzero()[0].mean())
        pixels, mask = image[None, :, middle], inside[:, middle]
        for into, label in ((sound, mask), (turned, mask[::-1])):
            found = turned_over(pixels, label)
            into.append(() if found is None else (warning_of_turned(file.name, found),))
    assert len(files) == 40
    assert believed(sound, len(files)) == []
    assert len(believed(turned, len(files))) > 0.15 * len(files)


@pytest.mark.parametrize(
    ("channels", "mode", "remedy"),
    [
        ([0, 0, 0], "RGB", r"its channels R, G and B are equal, so keep one, with Pillow: .*getchannel\(0\)"),
        ([0, 0, 0, 1], "RGBA", r"its channels R, G and B are equal, so keep one"),
        ([0, 1], "LA", r"only its channel L varies, so keep it"),
        (
            [3, 3, 3, 0],
            "RGBA",
            r"only its channel A varies, so keep it, with Pillow: Image.open\(file\).getchannel\(3\)",
        ),
        ([3, 0], "LA", r"only its channel A varies, so keep it, with Pillow: Image.open\(file\).getchannel\(1\)"),
        ([3, 0, 3], "RGB", r"only its channel G varies, so keep it, with Pillow: Image.open\(file\).getchannel\(1\)"),
        ([3, 0, 0], "RGB", r"its channels G and B are equal, so keep one, with Pillow: .*getchannel\(1\)"),
        ([0, 2, 0], "RGB", r"it has 2 colors, so save a gray image in which each color is the number of its class"),
    ],
)
def test_a_mask_in_colors_is_refused_with_the_remedy(
    channels: list[int], mode: str, remedy: str, tmp_path: Path
) -> None:
    mask = np.zeros((8, 8), np.uint8)
    mask[2:5, 2:5] = 3
    planes = np.stack([mask, np.full((8, 8), 255, np.uint8), 2 * mask, 0 * mask])[channels]
    Image.fromarray(np.ascontiguousarray(planes.transpose(1, 2, 0)), mode).save(tmp_path / "a.png")
    with pytest.raises(DataError, match=rf"a.png is a mask in colors \(mode {mode}\): .*; {remedy}"):
        read_mask(tmp_path / "a.png")
    if "keep" in remedy:  # what is advised helps
        found = re.search(r"getchannel\\\((\d)", remedy)
        Image.open(tmp_path / "a.png").getchannel(int(found[1]) if found else 0).save(tmp_path / "b.png")
        assert (read_mask(tmp_path / "b.png")[0] == mask).all()


def test_a_volume_of_colors_is_refused_with_the_remedy(tmp_path: Path) -> None:
    colors = np.zeros((4, 4, 4), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    nibabel.save(nibabel.Nifti1Image(colors, np.eye(4)), tmp_path / "a.nii")
    with pytest.raises(DataError, match=r"a.nii holds colors \(R, G, B\) in each voxel: expected one number"):
        read_mask(tmp_path / "a.nii")
