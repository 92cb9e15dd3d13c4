"""Label tables as users have them: what columns are called, and how paths are written."""

from __future__ import annotations

from pathlib import Path

import pytest

from tutelage.data.images.source import list_images
from tutelage.data.kinds import IMAGES, SCANS, recognize_kind
from tutelage.data.scans.source import list_scans


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def labels_of(root: Path, table: str, *said: str) -> dict[str, str | None]:
    """The label of each image in `root` by a table of that content, which has no fault and these warnings."""
    file = root.parent / "table.csv"
    file.write_text(table, encoding="utf-8")
    assert recognize_kind(str(root), str(file)) == IMAGES
    listing = list_images(str(root), str(file))
    assert not listing.faults
    assert [warning.removeprefix(f"{file}: ") for warning in listing.warnings] == list(said)
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


COMPOSED, DECOMPOSED = "caf\N{LATIN SMALL LETTER E WITH ACUTE}", "cafe\N{COMBINING ACUTE ACCENT}"


@pytest.mark.parametrize(
    ("image", "path", "how"),
    [
        ("sub/a.png", r"sub\a.png", "with backslashes"),
        ("sub/a.png", r".\sub\a.png", "with backslashes"),
        ("sub/A.PNG", "Sub/a.png", "in other upper and lower case"),
        (f"{COMPOSED}.png", f"{DECOMPOSED}.png", "in another Unicode form"),
        (f"{DECOMPOSED}.png", f"{COMPOSED}.png", "in another Unicode form"),
        ("sub/IMG 2.12m.png", "sub/IMG 2.12m", "without the suffix"),
        ("ISIC_1.JPG", "isic_1", "without the suffix and in other upper and lower case"),
        ("sub/a.png", "/home/eve/data/sub/a.png", "with '/home/eve/data' in front"),
        ("a.png", "/a.png", "with '/' in front"),
        ("sub/a.png", "photos/sub/a.png", "with 'photos' in front"),
        ("sub/a.png", "all/photos/sub/a.png", "with 'all/photos' in front"),
        ("sub/a.png", r"C:\x\sub\a", "with backslashes and without the suffix and with 'C:/x' in front"),
    ],
)  # fmt: skip
def test_a_path_that_can_only_mean_one_image_is_taken_for_it_and_said(
    image: str, path: str, how: str, tmp_path: Path
) -> None:
    touch(tmp_path / "all/photos", image, "b.png", "sub/c.png")
    said = f"1 path {how} (first: line 2: '{path}' is '{image}')"
    assert labels_of(tmp_path / "all/photos", f"path,label\n{path},cat\nb.png,dog\n", said) == {
        image: "cat",
        "b.png": "dog",
        "sub/c.png": None,
    }


def test_paths_of_another_machine_are_taken_if_the_same_folders_are_in_front_of_all(tmp_path: Path) -> None:
    touch(tmp_path / "photos", "cat/1.png", "dog/1.png", "dog/2.png")
    table = "path,label\n/data/x/cat/1.png,cat\n/data/x/dog/1.png,dog\n/data/x/dog/2.png,dog\n"
    said = "3 paths with '/data/x' in front (first: line 2: '/data/x/cat/1.png' is 'cat/1.png')"
    assert set(labels_of(tmp_path / "photos", table, said).values()) == {"cat", "dog"}


def test_a_path_that_is_there_as_it_is_written_means_nothing_else(tmp_path: Path) -> None:
    touch(tmp_path / "photos", r"sub\a.png", "sub/a.png", "A.png", "a.png")
    table = "path,label\n" + r"sub\a.png,1" + "\nsub/a.png,2\nA.png,3\na.png,4\n"
    assert labels_of(tmp_path / "photos", table) == {r"sub\a.png": "1", "sub/a.png": "2", "A.png": "3", "a.png": "4"}


@pytest.mark.parametrize(
    ("labels", "taken", "said"),
    [
        (["1", "1.0", "2"], ["1", "1", "2"], ["1 label such as '1.0' taken as '1'"]),
        (["1.0", "2.0", ""], ["1", "2", None], ["2 labels such as '1.0' taken as '1'"]),
        (["1", "1.0", "cat"], ["1", "1", "cat"], ["1 label such as '1.0' taken as '1'"]),
        (["1.0", "2.5", "2"], ["1.0", "2.5", "2"], []),
        (["1.0", "v2", "v3"], ["1.0", "v2", "v3"], []),
        (["007", "7", "8"], ["007", "7", "8"], []),
        (["0", "1", "-1"], ["0", "1", None], ["1 row with the label -1 taken as unlabeled"]),
        (["0", "1", "-1.0"], ["0", "1", None], ["1 row with the label -1 taken as unlabeled"]),
        ([COMPOSED, DECOMPOSED, "x"], [COMPOSED, COMPOSED, "x"], []),
    ],
)  # fmt: skip
def test_labels_that_mean_the_same_are_one_class_and_said(
    labels: list[str], taken: list[str | None], said: list[str], tmp_path: Path
) -> None:
    touch(tmp_path / "photos", "a.png", "b.png", "c.png")
    firsts = (place for place, label in enumerate(labels, 2) if label.endswith(("-1", ".0")))
    said = [f"{sentence} (first: line {next(firsts)})" for sentence in said]
    table = "path,label\n" + "".join(f"{name}.png,{label}\n" for name, label in zip("abc", labels, strict=True))
    assert list(labels_of(tmp_path / "photos", table, *said).values()) == taken


def test_labels_by_a_model_are_no_labels_and_that_is_said(tmp_path: Path) -> None:
    touch(tmp_path / "photos", "a.png", "b.png", "c.png", "d.png")
    found = labels_of(
        tmp_path / "photos",
        "path,label,by,confidence\na.png,cat,human,\nb.png,dog,model,0.9\nc.png,dog,Ann,\nd.png,cat,model,0.7\n",
        "2 labels by a model (column 'by') taken as unlabeled (first: line 3): delete that column to learn from these, "
        "too",
    )
    assert found == {"a.png": "cat", "b.png": None, "c.png": "dog", "d.png": None}


def test_a_list_may_have_backslashes_and_other_unicode_forms(tmp_path: Path) -> None:
    touch(tmp_path, "sub/a.png", f"{COMPOSED}.png")
    for file, head in (("l.txt", ""), ("l.csv", "path\n")):
        (tmp_path / file).write_text(f"{head}sub\\a.png\n{DECOMPOSED}.png\n", encoding="utf-8")
        listing = list_images(str(tmp_path / file), role="predict")
        assert [item.name for item in listing.items] == ["sub/a.png", f"{COMPOSED}.png"]


def test_a_table_of_scans_may_have_backslashes_and_names_what_is_near(tmp_path: Path) -> None:
    touch(tmp_path, "x/a.nii.gz", "x/b.nii.gz", "y/a.nii.gz")
    (tmp_path / "t.csv").write_text("image,label\nx\\a.nii.gz,y\\a.nii.gz\n/data/x/b.nii.gz,\nx/B.nii,\n")
    listing = list_scans(str(tmp_path / "t.csv"))
    assert [case.name for case in listing.cases] == ["x/a"]
    assert listing.faults[0].endswith("/data/x/b.nii.gz; did you mean 'x/b.nii.gz'?")
    assert listing.faults[1].endswith("x/B.nii; did you mean 'x/b.nii.gz'?")


def test_a_class_folder_has_the_name_of_a_label_whatever_its_unicode_form(tmp_path: Path) -> None:
    for root, name in (("a", COMPOSED), ("b", DECOMPOSED)):
        touch(tmp_path, f"{root}/{name}/1.png", f"{root}/dog/2.png")
        listing = list_images(str(tmp_path / root))
        assert listing.classes == (COMPOSED, "dog") and listing.items[0].label == COMPOSED
