"""The command select and its twin: the table, the page, how labels go on from there, and wrong inputs."""

from __future__ import annotations

import csv
import os
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import tutelage
from support.pictures import pictures
from tutelage import cli
from tutelage.core.errors import TutelageError
from tutelage.core.files import read_json
from tutelage.core.names import from_cell

COUNT = 30


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """30 pictures of three kinds in deeper folders, without a label, in the working folder."""
    monkeypatch.chdir(tmp_path)
    for number, image in enumerate(pictures(COUNT, 0)[0][:, :16, :16]):
        file = Path(f"photos/a/b/{number:02d}.png")
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(file)
    return Path("photos")


def kind(path: str) -> str:
    """The true label of a picture."""
    return "rgb"[int(Path(path).stem) % 3]


def rows(file: Path | str) -> list[dict[str, str]]:
    with Path(file).open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream, strict=True))


def select(*words: str, out: str = "to-label.csv") -> list[dict[str, str]]:
    assert cli.run(["select", "photos", *words, "--out", out]) == 0
    return rows(out)


def fill(file: str, most: int = COUNT) -> None:
    """Fill in the first `most` labels that are missing, as a person would."""
    table = pd.read_csv(file)
    empty = table.index[table["label"].isna()][:most]
    table["label"] = table["label"].astype(object)
    table.loc[empty, "label"] = [kind(path) for path in table.loc[empty, "path"]]
    table.to_csv(file, index=False)


def test_the_table_is_ready_to_be_filled_in_and_has_ranks_and_reasons(photos: Path) -> None:
    found = select("--count", "6")
    assert list(found[0]) == ["path", "label", "rank", "reason"]
    assert [row["rank"] for row in found] == ["1", "2", "3", "4", "5", "6"] and {row["label"] for row in found} == {""}
    assert all((photos / row["path"]).is_file() and row["reason"].startswith("most typical of") for row in found)


def test_each_kind_of_picture_is_among_the_first(photos: Path) -> None:
    assert {kind(row["path"]) for row in select("--count", "3")} == {"r", "g", "b"}


def test_the_page_shows_each_image_with_its_rank_name_and_reason(photos: Path) -> None:
    found = select("--count", "4")
    page = Path("to-label.html").read_text()
    assert page.count("<img ") == 4 and "4 images to label in photos" in page
    assert "<nav" not in page  # it has one section
    for row in found:
        assert f"<b>{row['rank']}. {row['path']}</b><span>{row['reason']}</span>" in page
    assert str(Path.cwd()) not in page


def test_the_same_seed_chooses_the_same_images_with_any_number_of_threads(photos: Path) -> None:
    first = select("--count", "5", "--seed", "3", "--workers", "0")
    assert first == select("--count", "5", "--seed", "3", "--workers", "4", out="again.csv")
    random = [select("--count", "5", "--strategy", "random", "--seed", str(k), out=f"{k}.csv") for k in range(2)]
    assert random[0] != random[1]


def test_later_rounds_keep_the_labels_and_choose_others(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = select("--count", "3")
    fill("to-label.csv")
    second = select("--count", "4", "--labels", "to-label.csv", out="second.csv")
    assert [row["label"] for row in second[:4]] == [""] * 4
    assert not {row["path"] for row in first} & {row["path"] for row in second[:4]}
    kept = {row["path"]: row["label"] for row in second[4:]}
    assert kept == {row["path"]: kind(row["path"]) for row in first}
    assert {row["reason"] for row in second[4:]} == {"labeled before"} and {row["rank"] for row in second[4:]} == {""}
    assert (
        "typiclust), since there are fewer than 40 labels per class: 3 labels of 3 classes" in capsys.readouterr().out
    )


def test_with_many_labels_images_are_chosen_that_a_head_on_the_features_wavers_on(photos: Path) -> None:
    draw = np.random.default_rng(0)  # r and g alone, mixed, so that there is something to be unsure of
    for number in range(100):
        pixels = draw.integers(0, 255, (16, 16, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(photos / "a" / "b" / f"{100 + number}.png")
    table = [f"a/b/{100 + k}.png,{'xy'[k % 2]}" for k in range(80)]
    Path("labels.csv").write_text("\n".join(["path,label", *table]) + "\n")
    found = select("--count", "4", "--labels", "labels.csv")
    assert all(re.match(r"the model (wavers between|holds) [xy] \(\d+%\)", row["reason"]) for row in found[:4])


def test_train_takes_the_filled_table_and_rows_left_empty_are_unlabeled(photos: Path) -> None:
    found = select("--count", "12")
    fill("to-label.csv", most=9)
    words = ["--method", "supervised", "--preset", "none", "--network", "wrn-10-1", "--steps", "2", "--batch-size", "4"]
    words += ["--device", "cpu", "--no-report"]
    assert cli.run(["train", "photos", "--labels", "to-label.csv", "--out", "run", *words]) == 0
    split = read_json(Path("run/split.json"))
    assert sorted(split["labeled"]) == sorted(row["path"] for row in found[:9])
    assert split["train_images"] == COUNT and set(split["classes"]) <= set("rgb")


def test_python_returns_the_table_and_writes_the_same_file(photos: Path) -> None:
    table = tutelage.select(photos, count=5, labels={"a/b/00.png": "r", "a/b/01.png": "g"}, out="python.csv")
    assert list(table.columns) == ["path", "label", "rank", "reason"] and len(table) == 7
    assert table["rank"].tolist()[:5] == [1, 2, 3, 4, 5] and table["rank"].isna().sum() == 2
    assert table["label"].tolist() == [None] * 5 + ["r", "g"]
    assert [row["path"] for row in rows("python.csv")] == table["path"].tolist()
    assert Path("python.html").is_file()
    table.loc[:4, "label"] = [kind(path) for path in table.loc[:4, "path"]]
    assert len(tutelage.select(photos, count=3, labels=table)) == 10


def test_copies_of_labeled_images_and_of_each_other_are_left_out(
    photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(10):
        (photos / f"copy{number}.png").write_bytes((photos / "a" / "b" / f"{number:02d}.png").read_bytes())
    Path("labels.csv").write_text("path,label\ncopy0.png,r\ncopy1.png,g\n")
    found = select("--count", "38", "--labels", "labels.csv", "--strategy", "random")
    chosen = [row["path"] for row in found if not row["label"]]
    assert len(chosen) == 28 and not {"a/b/00.png", "a/b/01.png"} & set(chosen)
    assert all((f"copy{k}.png" in chosen) != (f"a/b/{k:02d}.png" in chosen) for k in range(2, 10))
    said = capsys.readouterr().out
    assert "left out: 10 near-duplicates" in said and "28 instead of 38 images" in said


def test_odd_names_are_safe_in_the_table_and_on_the_page_and_train_finds_them_again(photos: Path) -> None:
    odd = ("=cmd.png", "a,b.png", 'a"b.png', "a\nb.png", "<img src=x onerror=alert(1)>.png", "back\\x41.png", "猫.png")
    images = sorted((photos / "a" / "b").iterdir())
    for name, image in zip((*odd, os.fsdecode(b"\xff.png")), images, strict=False):
        image.rename(photos / name)
    found = select("--count", str(COUNT), "--strategy", "random")
    assert {Path(from_cell(row["path"])).name for row in found} >= {*odd, os.fsdecode(b"\xff.png")}
    assert not any(row["path"].startswith("=") for row in found)
    assert "<img src=x" not in Path("to-label.html").read_text()
    Path("to-label.csv").write_text(re.sub(r",,(\d+),", r",cat,\1,", Path("to-label.csv").read_text(encoding="utf-8")))
    report = tutelage.check(photos, labels="to-label.csv")
    assert (
        report.parts["train"].labeled == COUNT
        and [fault for fault in report.faults if "only one class" not in fault] == []
    )


WRONG = {
    "more images than have no label": (
        ["--count", "31"],
        "photos has 30 images without a label, fewer than --count 31",
    ),
    "no image": (["--count", "0"], "--count must be at least 1, got 0"),
    "a count that is no number": (["--count", "many"], "--count must be an integer, got 'many'"),
    "an unknown strategy": (["--count", "3", "--strategy", "best"], "--strategy must be one of auto, typiclust"),
    "uncertainty without a model": (
        ["--count", "3", "--strategy", "margin"],
        "--strategy margin needs a run (--run) or labels of two classes, got labels of 0 classes",
    ),
    "two runs": (["--count", "3", "--run", "a", "--features", "b"], "--run and --features are mutually exclusive"),
    "no run": (["--count", "3", "--run", "a"], "a is not a run folder"),
    "no table": (["--count", "3", "--labels", "none.csv"], "none.csv: no such file"),
    "a table of other images": (["--count", "3", "--labels", "other.csv"], "other.csv line 2: 'x.png' is not a file"),
    "a file that exists": (["--count", "3", "--out", "there.csv"], "there.csv exists"),
    "a page that exists": (["--count", "3", "--out", "page.csv"], "page.html exists"),
    "a file of another kind": (["--count", "3", "--out", "to-label.txt"], "the name must end in .csv"),
    "no folder to write to": (["--count", "3", "--out", "none/a.csv"], "there is no folder"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_input_is_refused_and_nothing_is_written(
    photos: Path, case: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words, message = WRONG[case]
    for file in ("there.csv", "page.html"):
        Path(file).write_text("mine")
    Path("other.csv").write_text("path,label\nx.png,cat\n")
    before = sorted(Path().iterdir())
    assert cli.run(["select", "photos", *words, *([] if "--out" in words else ["--out", "to-label.csv"])]) == 2
    said = capsys.readouterr()
    assert message in said.err and "Traceback" not in said.err
    assert "passing" not in said.out and "passing" not in said.err  # no feature was computed for it
    assert sorted(Path().iterdir()) == before
    assert Path("there.csv").read_text() == Path("page.html").read_text() == "mine"


def test_class_folders_without_an_unlabeled_image_name_the_way_out(
    photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (photos / "a" / "b").rename(photos / "may")
    (photos / "june").mkdir()
    (photos / "may" / "00.png").rename(photos / "june" / "00.png")
    (photos / "a").rmdir()
    assert cli.run(["select", "photos", "--count", "3", "--out", "a.csv"]) == 2
    assert "its folders are taken as classes (--ignore-folders takes them as plain" in capsys.readouterr().err
    assert len(select("--count", "3", "--ignore-folders")) == 3


@pytest.mark.parametrize("data", ["digits", "arrays.npz", "none"])
def test_sources_that_take_no_table_are_refused(photos: Path, data: str, capsys: pytest.CaptureFixture[str]) -> None:
    np.savez("arrays.npz", x=np.zeros((4, 8, 8), np.uint8))
    assert cli.run(["select", data, "--count", "3", "--out", "a.csv"]) == 2
    said = capsys.readouterr().err
    assert f"{data} is no folder of images" in said or f"{data}: no such file or folder" in said


def test_files_are_replaced_if_that_is_asked_for(photos: Path) -> None:
    Path("to-label.csv").write_text("mine")
    assert len(select("--count", "3", "--overwrite")) == 3
    with pytest.raises(TutelageError, match="overwrite=True"):
        tutelage.select(photos, count=3, out="to-label.csv")
