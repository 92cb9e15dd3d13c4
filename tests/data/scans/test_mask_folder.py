from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from tutelage.data.scans import mask_folder
from tutelage.data.scans.geometry import Geometry
from tutelage.data.scans.items import Case
from tutelage.data.scans.mask_folder import MaskFolder, mask_files
from tutelage.data.scans.reading import read_volume
from tutelage.run.own_files import remove_run

CLASSES, VALUES = ("background", 'left, or "right"'), (0, 1)
PREDICTED = np.ones((4, 5, 6), np.int64)


@pytest.fixture
def scan(tmp_path: Path) -> tuple[Case, Geometry]:
    file = tmp_path / "scans" / "=a,b.nii.gz"
    file.parent.mkdir()
    nib.save(nib.Nifti1Image(np.zeros(PREDICTED.shape, np.int16), np.eye(4)), file)
    return Case("=a,b", (file,), None), read_volume(file)[1]


@pytest.mark.parametrize("when", ["before", "after"])
def test_masks_of_a_run_that_is_killed_while_it_scores_are_known_as_its_own(
    when: str, tmp_path: Path, scan: tuple[Case, Geometry], monkeypatch: pytest.MonkeyPatch
) -> None:
    masks = tmp_path / "run" / "masks"
    masks.mkdir(parents=True)
    (masks / "notes.nii.gz").write_bytes(b"someone else's")
    folder = MaskFolder(masks, CLASSES, VALUES)
    folder.add(scan[0], PREDICTED, scan[1])
    write = mask_folder.write_mask

    def killed(*args: object, **more: object) -> None:
        if when == "after":
            write(*args, **more)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    monkeypatch.setattr(mask_folder, "write_mask", killed)
    with pytest.raises(KeyboardInterrupt):
        folder.add(scan[0], PREDICTED, scan[1])
    there = {path for path in masks.iterdir() if path.name != "notes.nii.gz"}
    assert there <= set(mask_files(masks))
    remove_run(tmp_path / "run")
    assert [path.name for path in masks.iterdir()] == ["notes.nii.gz"]


def test_the_table_is_the_same_whether_it_grew_or_was_written_at_once(
    tmp_path: Path, scan: tuple[Case, Geometry]
) -> None:
    folder = MaskFolder(tmp_path / "masks", CLASSES, VALUES)
    for _ in range(3):
        folder.add(scan[0], PREDICTED, scan[1])
    grown = (tmp_path / "masks" / "cases.csv").read_bytes()
    folder.close()
    assert (tmp_path / "masks" / "cases.csv").read_bytes() == grown
