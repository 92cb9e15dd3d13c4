"""Where masks go: never onto or among scans that are read, and each into a file of its own."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path
from typing import Any

import nibabel
import nrrd
import numpy as np
import pytest

import tutelage
from tutelage import cli
from tutelage.core.errors import RunError
from tutelage.data.scans.formats.read import read_mask
from tutelage.inference.scans.model import ScanModel


def contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


@pytest.fixture
def new(make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A flat folder of two scans in the working folder."""
    monkeypatch.chdir(tmp_path)
    for number in range(2):
        make.save(tmp_path / "new" / f"c{number}.nii.gz", make.sphere(30 + number)[0])
    return tmp_path / "new"


def test_masks_never_replace_the_scans_they_are_predicted_for(
    finished: Path, new: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "there").symlink_to(new)
    before = contents(tmp_path)
    for data, out in (("new", "new"), ("new", "there"), ("new/c0.nii.gz", "new"), ("new", "new/masks"), ("new", ".")):
        for more in ([], ["--overwrite"]):
            assert cli.run(["predict", str(finished), data, "--out", out, *more]) == 2
            said = capsys.readouterr().err
            assert "the folder of the scans that are read: masks would replace scans or be taken for them" in said
            assert "--overwrite" not in said
            assert contents(tmp_path) == before
    with pytest.raises(RunError, match="masks would replace scans"):
        tutelage.load(finished, device="cpu").predict(["new/c0.nii.gz"], out="new", overwrite=True)
    assert contents(tmp_path) == before


def test_masks_go_into_no_folder_that_holds_other_files_whatever_the_flags(
    finished: Path, scans: Path, new: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(scans / "train" / "labels", "labels")  # masks of a person
    before = contents(Path("labels"))
    words = ["predict", str(finished), "new", "--out", "labels"]
    for more in ([], ["--overwrite"]):
        assert cli.run([*words, *more]) == 2
        assert "labels is not empty, and holds no cases.csv of earlier masks: give a new folder\n" in (
            capsys.readouterr().err
        )
    assert contents(Path("labels")) == before


def test_earlier_masks_are_replaced_only_where_that_is_asked_for(
    finished: Path, new: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["predict", str(finished), "new", "--out", "masks"]
    assert cli.run(words) == 0
    assert cli.run(words) == 2
    assert "masks is not empty: give a new folder, or write into it with --overwrite" in capsys.readouterr().err
    assert cli.run([*words, "--overwrite"]) == 0


def test_masks_never_go_into_the_run_that_predicts_them_or_onto_its_files(
    finished: Path, new: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(finished, "run")
    before = contents(Path("run"))
    assert cli.run(["predict", "run", "new", "--out", "run/masks", "--overwrite"]) == 2
    assert "run/masks is read here, so it is never replaced" in capsys.readouterr().err
    assert contents(Path("run")) == before


def masks_of(table: Any) -> dict[str, str]:
    assert not any(table["error"]) and len(set(table["mask"])) == len(table)
    return dict(zip(table["case"], table["mask"], strict=True))


def test_each_scan_has_a_mask_of_its_own_whatever_folders_and_names_they_have(
    make: Any, finished: Path, new: Path
) -> None:
    names = ["a/x.nii.gz", "a_x.nii.gz", "a/X.nii.gz", "b/y.nii.gz", "b/y.nrrd", "c.nii.gz", "c.probs.nii.gz"]
    for number, name in enumerate(names):
        if name.endswith(".nrrd"):
            nrrd.write(f"new/{name}", make.sphere(number)[0])
        else:
            make.save(new / name, make.sphere(number)[0])
    Path("new/all.csv").write_text("image,label\n" + "".join(f"{name},\n" for name in names))
    model = tutelage.load(finished, device="cpu")
    table = model.predict("new/all.csv", out="masks", probabilities=True).to_frame()
    assert masks_of(table) == {
        "a/x": "a_x.nii.gz",
        "a_x": "a_x-2.nii.gz",
        "a/X": "a_X-3.nii.gz",
        "y.nii.gz": "y.nii.gz.nii.gz",
        "y.nrrd": "y.nrrd.nrrd",
        "c": "c.nii.gz",
        "c.probs": "c.probs-2.nii.gz",
    }
    assert len(list(Path("masks").glob("*.n*"))) == 2 * len(names)
    for case, mask in zip(table["scan"], table["mask"], strict=True):
        alone = model.predict(case).masks[0]
        np.testing.assert_array_equal(read_mask(Path("masks") / mask)[0], alone)


def test_scans_of_one_name_in_several_folders_are_told_apart(make: Any, finished: Path, new: Path) -> None:
    for number, name in enumerate(("p1/t1.nii.gz", "p2/t1.nii.gz")):
        make.save(new / name, make.sphere(number)[0])
    model = tutelage.load(finished, device="cpu")
    files: list[Any] = ["new/p1/t1.nii.gz", "new/p2/t1.nii.gz", "new/c0.nii.gz"]
    assert masks_of(model.predict(files, out="masks").to_frame()) == {
        "p1/t1": "p1_t1.nii.gz",
        "p2/t1": "p2_t1.nii.gz",
        "c0": "c0.nii.gz",
    }
    again = model.predict([files[2], files[2]], out="twice").to_frame()
    assert masks_of(again) == {"c0.nii.gz": "c0.nii.gz.nii.gz", "c0.nii.gz (2)": "c0.nii.gz (2).nii.gz"}


def test_numbered_scans_are_segmented_one_by_one_by_a_model_of_one_channel(
    make: Any, finished: Path, new: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(3):
        make.save(Path(f"many/scan_000{number}.nii.gz"), make.sphere(number)[0])
    assert cli.run(["predict", str(finished), "many", "--out", "masks"]) == 0
    assert "warning: many: 3 numbered files" in capsys.readouterr().out
    assert len(list(Path("masks").glob("scan_000?.nii.gz"))) == 3


def test_a_scan_of_two_geometries_is_named_when_it_is_segmented(
    make: Any, finished: Path, new: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = nibabel.Nifti1Image(make.sphere(3)[0], make.affine)
    image.set_qform(np.diag([3.0, 6.0, 4.5, 1.0]), 1)
    image.set_sform(make.affine, 1)
    nibabel.save(image, "new/two.nii.gz")
    assert cli.run(["predict", str(finished), "new", "--out", "masks"]) == 0
    said = capsys.readouterr().out.replace("\n", " ")
    assert said.count("warning: new/two.nii.gz states two geometries") == 1


@pytest.mark.parametrize("what", ["a header", "memory"])
def test_a_scan_that_does_not_fit_into_memory_stops_no_other(
    what: str, finished: Path, new: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    content = bytearray(gzip.decompress((new / "c0.nii.gz").read_bytes()))
    if what == "a header":
        content[42:48] = np.full(3, 30_000, np.int16).tobytes()  # dim[1] to dim[3]
        Path("new/a.nii.gz").write_bytes(gzip.compress(content))
    else:
        Path("new/a.nii.gz").write_bytes(gzip.compress(content))
        prepared, first = ScanModel._prepared, iter([True])

        def greedy(self: ScanModel, raw: Any, **more: Any) -> Any:
            if next(first, False):
                raise MemoryError
            return prepared(self, raw, **more)

        monkeypatch.setattr(ScanModel, "_prepared", greedy)
    assert cli.run(["predict", str(finished), "new", "--out", "masks"]) == 1
    assert "tutelage: 1 of 3 scans could not be segmented: a; masks lists" in capsys.readouterr().err
    assert sorted(path.name for path in Path("masks").glob("*.nii.gz")) == ["c0.nii.gz", "c1.nii.gz"]
    reason = "30000 x 30000 x 30000 voxels" if what == "a header" else "does not fit into the memory"
    assert reason in Path("masks/cases.csv").read_text()


def test_scores_and_checks_never_replace_a_list_of_scans(
    finished: Path, scans: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(scans / "train", "set")
    pairs = [{"image": f"images/c{n}.nii.gz", "label": f"labels/c{n}.nii.gz"} for n in range(4)]
    labels = {"0": "background", "1": "a", "2": "b"}
    Path("set/dataset.json").write_text(json.dumps({"labels": labels, "training": pairs}))
    rows = "".join(f"set/{pair['image']},set/{pair['label']}\n" for pair in pairs)
    Path("pairs.csv").write_text(f"image,label\n{rows}")
    before = contents(tmp_path)
    for words in (
        ["check", "set", "--out", "set/dataset.json"],
        ["check", "set/dataset.json", "--out", "set/dataset.json"],
        ["evaluate", str(finished), "set", "--out", "set/dataset.json"],
        ["evaluate", str(finished), "pairs.csv", "--csv", "pairs.csv"],
    ):
        assert cli.run([*words, "--overwrite"]) == 2
        assert "is never replaced: name another" in capsys.readouterr().err
    assert contents(tmp_path) == before
