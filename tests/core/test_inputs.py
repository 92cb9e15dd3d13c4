from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from tutelage.core.errors import RunError
from tutelage.core.inputs import refuse_apart, refuse_input, refuse_inputs_in


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`photos/cat/a.png` and `labels.csv` in the working folder."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "photos" / "cat"
    folder.mkdir(parents=True)
    (folder / "a.png").write_text("a")
    (tmp_path / "labels.csv").write_text("path,label\n")
    return tmp_path


def test_a_file_that_is_read_is_known_by_every_name_it_has(photos: Path) -> None:
    Path("soft.csv").symlink_to("labels.csv")
    os.link("labels.csv", "hard.csv")
    for name in ("labels.csv", "./photos/../labels.csv", str(photos / "labels.csv"), "soft.csv", "hard.csv"):
        with pytest.raises(RunError, match=r"is read here, so it is never replaced"):
            refuse_input(Path(name), ["labels.csv"])
    refuse_input(Path("other.csv"), ["labels.csv", None, np.zeros(3), ["nowhere.csv"]])


def test_a_file_in_a_folder_that_is_read_is_kept_under_every_name_and_a_new_one_is_allowed(photos: Path) -> None:
    Path("soft.png").symlink_to("photos/cat/a.png")
    os.link("photos/cat/a.png", "hard.png")
    Path("elsewhere").mkdir()
    Path("elsewhere/b.png").write_text("b")
    Path("photos/dog").symlink_to("../elsewhere")  # a class folder that lies on another disk
    Path("photos/cat/c.png").symlink_to("../../far.png")
    Path("far.png").write_text("c")
    for name in ("photos/cat/a.png", "soft.png", "hard.png", "elsewhere/b.png", "far.png", "photos/cat/c.png"):
        with pytest.raises(RunError, match=r"lies in photos, which is read here, so it is never replaced"):
            refuse_input(Path(name), ["photos"])
    refuse_input(Path("photos/new.csv"), ["photos"])
    Path("photos/page.html").write_text("an earlier report, which no source reads")
    refuse_input(Path("photos/page.html"), ["photos"])
    refuse_input(Path("labels.csv"), ["photos"])


def test_a_folder_that_holds_what_is_read_is_not_replaced(photos: Path) -> None:
    for read in ("photos", "photos/cat", "photos/cat/a.png"):
        with pytest.raises(RunError, match=f"{read} is read here, so photos is never replaced"):
            refuse_inputs_in(Path("photos"), [read])
    refuse_inputs_in(Path("photos"), ["labels.csv", "photos/nothing.png"])
    refuse_inputs_in(Path("photos/cat"), ["photos"])


def test_masks_do_not_go_where_scans_are_read(photos: Path) -> None:
    Path("there").symlink_to("photos")
    for folder, where in (
        ("photos", "is photos"),
        ("there", "is photos"),
        ("photos/masks", "lies in photos"),
        ("there/cat/new/deep", "lies in photos"),
        (".", "holds photos"),
    ):
        with pytest.raises(RunError, match=rf"{where}, the folder of the scans that are read"):
            refuse_apart(Path(folder), ["photos", [Path("photos/cat/a.png")]])
    refuse_apart(Path("masks"), ["photos", [Path("photos/cat/a.png")]])
    with pytest.raises(RunError, match=r"is \S+/photos/cat, the folder"):
        refuse_apart(Path("photos/cat"), ["photos/cat/a.png"])
    refuse_apart(Path("photos/cat/masks"), ["photos/cat/a.png"])  # one scan of a folder, and a folder beside it
