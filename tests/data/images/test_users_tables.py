"""Label tables as users have them: what columns are called, and how paths are written."""

from __future__ import annotations

from pathlib import Path

import pytest

from tutelage.data.images.source import list_images
from tutelage.data.kinds import IMAGES, SCANS, recognize_kind


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def labels_of(root: Path, table: str) -> dict[str, str | None]:
    """The label of each image in `root` by a table of that content, which has no fault."""
    file = root.parent / "table.csv"
    file.write_text(table, encoding="utf-8")
    assert recognize_kind(str(root), str(file)) == IMAGES
    listing = list_images(str(root), str(file))
    assert not listing.faults
    return {item.name: item.label for item in listing.items}


@pytest.mark.parametrize(
    "table",
    [
        "image,label\na.png,mel\nb.png,nevus\nc.png,\n",
        "image_id,label\na.png,mel\nb.png,nevus\n",
        "label, Image_Path\nmel,a.png\nnevus,b.png\n",
        "image_id,path,label\n17,a.png,mel\n18,b.png,nevus\n",
        "image,image_2,path,label\nx.nii,y.nii,a.png,mel\nx.nii,y.nii,b.png,nevus\n",
    ],
)
def test_a_column_of_images_does_not_make_photos_scans(table: str, tmp_path: Path) -> None:
    touch(tmp_path / "photos", "a.png", "b.png", "c.png")
    assert labels_of(tmp_path / "photos", table) == {"a.png": "mel", "b.png": "nevus", "c.png": None}


def test_tables_of_scans_are_told_by_their_files(tmp_path: Path) -> None:
    touch(tmp_path / "x", "a.nii.gz", "a.png", "a_mask", "masks/a_mask")
    tables = {
        "image,label\nx/a.nii.gz,\n": SCANS,
        "image,label\nx/a.nii.gz,sick\n": SCANS,
        "image,label\nx/a.png,x/a_mask.png\n": SCANS,
        "image,label\nx/a.png,x/masks/a_mask\n": SCANS,
        "image,label\n": SCANS,
        "image,label\nx/a.png,sick\n": IMAGES,
        "image,label\nx/a.png,v2.5\n": IMAGES,
        "image_2,label\nx/a.mha,\n": SCANS,
        "path,image,label\nx/a.png,x/a.nii.gz,x/b.nii.gz\n": IMAGES,
    }
    for content, kind in tables.items():
        (tmp_path / "t.csv").write_text(content)
        assert recognize_kind(str(tmp_path), str(tmp_path / "t.csv")) == kind, content
        assert recognize_kind(str(tmp_path / "t.csv")) == kind, content


def test_folders_are_told_by_their_files(tmp_path: Path) -> None:
    touch(tmp_path, "boxes/images/a.jpg", "boxes/labels/a.txt", "slices/images/a.png", "slices/labels/a.png")
    touch(
        tmp_path, "network/cat/a.jpg", "network/dog/b.jpg", "network/model.h5", "volumes/a.h5", "volumes/preview/a.txt"
    )
    kinds = {"boxes": IMAGES, "slices": SCANS, "network": IMAGES, "volumes": SCANS}
    assert {name: recognize_kind(str(tmp_path / name)) for name in kinds} == kinds
