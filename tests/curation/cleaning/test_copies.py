from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from tutelage.curation.cleaning.cleaned_list import cleaned_list
from tutelage.curation.cleaning.copies import Link, copy_faults, groups_of
from tutelage.curation.cleaning.faults import MEANS, Fault, Kind, by_name, fault_table, ranked, summary
from tutelage.curation.cleaning.pictures import Pictures, path_of
from tutelage.data.images.items import Files, Item
from tutelage.data.images.survey import ImageLook

ROOT = Path("photos")


def pictures(*rows: tuple[str, str | None, int], unreadable: tuple[tuple[str, str], ...] = ()) -> Pictures:
    """Images of a path, a label and a side; those in test/ and val/ come first."""
    splits = [path.split("/")[0] if path.split("/")[0] in ("test", "val") else "" for path, _, _ in rows]
    return Pictures(
        items=[Item(path, label, Files(ROOT), path) for path, label, _ in rows],
        looks=[ImageLook((side, side), "RGB", path.encode()) for path, _, side in rows],
        splits=splits,
        paths=[path for path, _, _ in rows],
        learned=sum(map(bool, splits)),
        unreadable=list(unreadable),
        below=frozenset(path for path, *_ in (*rows, *unreadable) if not path.startswith("elsewhere")),
    )


def link(first: int, second: int, kind: Kind = Kind.RESAVED, score: float = 1.0) -> Link:
    return Link(kind, first, second, score)


def named(faults: list[Fault]) -> list[tuple[str, str, str]]:
    return [(fault.path, fault.name, fault.other) for fault in faults]


def test_rows_that_links_connect_are_a_group() -> None:
    groups = groups_of(6, [link(0, 2), link(2, 5)])
    assert groups[0] == groups[2] == groups[5]
    assert len(set(groups)) == 4
    assert len(set(groups_of(3, []))) == 3


def test_the_test_image_stays_and_its_copies_are_named() -> None:
    found = pictures(("test/a.png", "cat", 8), ("val/b.png", "cat", 99), ("c.png", "cat", 999), ("d.png", None, 9))
    faults = copy_faults(found, [link(0, 1), link(0, 2, Kind.MIRRORED), link(2, 3, Kind.EXACT)])
    assert named(faults) == [
        ("val/b.png", "re-saved copy of a test image", "test/a.png"),
        ("c.png", "mirrored copy of a test image", "test/a.png"),
        ("d.png", "exact copy of a test image", "test/a.png"),
    ]
    assert [fault.suggestion for fault in faults] == ["leave out of one of the splits", "leave out", "leave out"]


def test_copies_within_the_test_images_are_scored_twice() -> None:
    [fault] = copy_faults(pictures(("test/a.png", "cat", 8), ("test/b.png", "dog", 8)), [link(0, 1)])
    assert (fault.name, fault.suggestion) == ("re-saved copy", "scored twice")


@pytest.mark.parametrize(
    ("rows", "kept"),
    [
        ((("a.png", None, 99), ("b.png", "cat", 8)), "b.png"),
        ((("a.png", "cat", 8), ("b.png", "cat", 99)), "b.png"),
        ((("a.png", "cat", 8), ("b.png", "cat", 8)), "a.png"),
    ],
)
def test_a_labeled_image_stays_before_a_large_one_before_the_first(rows: tuple, kept: str) -> None:
    [fault] = copy_faults(pictures(*rows), [link(0, 1)])
    assert fault.other == kept


def test_copies_with_different_labels_are_disputed() -> None:
    faults = copy_faults(
        pictures(("a.png", "cat", 9), ("b.png", "dog", 8), ("c.png", None, 8)), [link(0, 1), link(0, 2)]
    )
    disputed = [fault for fault in faults if fault.kind == Kind.DISPUTED]
    assert [(fault.path, fault.other, fault.suggestion) for fault in disputed] == [("b.png", "a.png", "cat or dog?")]


def test_the_cleaned_list_says_what_becomes_of_each_image() -> None:
    found = pictures(
        ("test/a.png", "cat", 9),
        ("b.png", "cat", 9),
        ("c.png", "dog", 9),
        ("d.png", "dog", 9),
        ("e.png", "dog", 9),
        ("f.png", None, 9),
        unreadable=(("g.png", "is empty"), ("elsewhere/h.png", "is empty")),
    )
    faults = [
        Fault("test/a.png", Kind.RESAVED, "test/z.png"),
        Fault("b.png", Kind.RESAVED, "test/a.png", "test"),
        Fault("c.png", Kind.WRONG_LABEL, suggestion="label cat?", label="cat"),
        Fault("d.png", Kind.BLURRED),
        Fault("e.png", Kind.DISPUTED, "d.png", suggestion="dog or cat?"),
        Fault("f.png", Kind.NO_CLASS),
    ]
    rows = {row["path"]: row for row in csv.DictReader(io.StringIO(cleaned_list(found, faults).decode()))}
    assert {path: (row["label"], row["leave_out"]) for path, row in rows.items()} == {
        "test/a.png": ("cat", ""),
        "b.png": ("", "re-saved copy of a test image: test/a.png"),
        "c.png": ("", ""),
        "d.png": ("", ""),
        "e.png": ("", ""),
        "f.png": ("", "of no class"),
        "g.png": ("", "cannot be read"),
    }
    assert rows["c.png"]["note"] == "was dog; wrong label: label cat?"
    assert rows["d.png"]["note"] == "was dog; copies with different labels: dog or cat?"


def test_faults_are_ranked_and_summed_up() -> None:
    faults = ranked(
        [
            Fault("a.png", Kind.WRONG_LABEL, score=0.2, suggestion="label dog?"),
            Fault("b.png", Kind.WRONG_LABEL, score=0.9, suggestion="label cat?"),
            Fault("c\n.png", Kind.EXACT, "d.png"),
            Fault("e.png", Kind.CROPPED, "t.png", "test", score=0.95),
        ]
    )
    assert list(by_name(faults)) == ["cropped copy of a test image", "exact copy", "wrong label"]
    assert summary(faults) == [
        "cropped copy of a test image: 1 (first: e.png = t.png)",
        "exact copy: 1 (first: c\\n.png = d.png)",
        "wrong label: 2 (first: b.png, label cat?)",
    ]
    assert fault_table(faults).decode().splitlines()[1] == "e.png,cropped copy of a test image,t.png,0.950,"
    assert "c\\x0a.png,exact copy,d.png,1.000," in fault_table(faults).decode()


def test_each_kind_has_its_meaning_for_the_page() -> None:
    assert set(MEANS) == set(Kind)


def test_paths_are_relative_to_the_source_only_below_it(tmp_path: Path) -> None:
    inside = Item("1.png", None, Files(tmp_path / "a" / "train"), "1.png")
    outside = Item("1.png", None, Files(tmp_path), "1.png")
    assert path_of(inside, tmp_path / "a") == "train/1.png"
    assert path_of(outside, tmp_path / "a") == str(tmp_path / "1.png")
    assert path_of(inside, tmp_path) == "a/train/1.png"
