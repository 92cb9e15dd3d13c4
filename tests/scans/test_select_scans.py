"""The command select for scans: which ones are least sure, the table of pairs, the page, and wrong inputs."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tutelage
from tutelage import cli
from tutelage.core.errors import TutelageError
from tutelage.curation.selection.scan_doubt import doubt, unsure_voxels
from tutelage.data.scans.source import list_scans


def probabilities(*foreground: list[float]) -> np.ndarray:
    """(K, n), the first class being the rest."""
    rows = np.array(foreground, np.float32)
    return np.concatenate([1.0 - rows.sum(0, keepdims=True), rows])


def test_doubt_is_the_mean_entropy_over_what_is_segmented() -> None:
    probs = probabilities([0.9, 0.5, 0.4, 0.0])
    own = -(0.9 * np.log(0.9) + 0.1 * np.log(0.1)) / np.log(2)
    assert doubt(probs, np.array([1, 1, 0, 0])) == pytest.approx((own + 1.0) / 2, abs=1e-6)
    third = np.full((3, 5), 1 / 3, np.float32)
    assert doubt(third, np.array([1, 2, 0, 2, 1])) == pytest.approx(1.0, abs=1e-6)
    sure = probabilities([1.0, 1.0, 0.0], [0.0, 0.0, 1.0])
    assert doubt(sure, np.array([1, 1, 2])) == pytest.approx(0.0, abs=1e-6)


def test_a_scan_in_which_nothing_is_found_has_no_doubt_and_unsure_voxels_are_below_three_quarters() -> None:
    assert doubt(probabilities([0.1, 0.4]), np.zeros(2, np.int64)) is None
    assert unsure_voxels(probabilities([0.1, 0.4, 0.9])).tolist() == [False, True, False]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Any) -> Path:
    """Scans in the working folder, five without a mask."""
    monkeypatch.chdir(tmp_path)
    make.write(Path("scans"), count=8, labeled=3)
    return Path("scans")


def rows(file: str) -> list[dict[str, str]]:
    with Path(file).open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream, strict=True))


def test_the_scans_without_a_mask_are_listed_least_sure_first_with_pictures(here: Path, finished: Path) -> None:
    assert cli.run(["select", "scans", "--run", str(finished), "--count", "4", "--out", "next.csv"]) == 0
    found = rows("next.csv")
    chosen, labeled = found[:4], found[4:]
    assert [row["rank"] for row in chosen] == ["1", "2", "3", "4"] and not any(row["label"] for row in chosen)
    assert {row["image"] for row in labeled} == {f"images/c{k}.nii.gz" for k in range(3)}
    assert all(row["label"] == row["image"].replace("images", "labels") for row in labeled)
    unsure = [float(row["doubt"] or 2) for row in chosen]
    assert unsure == sorted(unsure, reverse=True)
    everything = cli.run(["select", "scans", "--run", str(finished), "--count", "9", "--out", "all.csv"])
    assert everything == 0 and [row["image"] for row in rows("all.csv")][:4] == [row["image"] for row in chosen]
    assert len(rows("all.csv")) == 8
    page = Path("next.html").read_text()
    assert "4 scans to segment in scans" in page and page.count("<figure") >= 4 and "unsure" in page


def test_the_table_is_a_table_of_pairs_once_masks_are_named(here: Path, finished: Path, make: Any) -> None:
    assert cli.run(["select", "scans", "--run", str(finished), "--count", "2", "--out", "next.csv"]) == 0
    first = rows("next.csv")[0]["image"]
    mask = first.replace("images", "drawn")
    make.save(here / mask, make.sphere(int(Path(first).name[1]))[1])
    content = Path("next.csv").read_text().replace(f"{first},,", f"{first},{mask},")
    Path("next.csv").write_text(content)
    listing = list_scans("scans", "next.csv")
    assert not listing.faults and len(listing.cases) == 5
    assert sum(case.label is not None for case in listing.cases) == 4


def test_python_gets_the_same_table(here: Path, finished: Path) -> None:
    found = tutelage.select("scans", count=2, run=finished, out="next.csv")
    assert list(found.columns) == ["image", "label", "rank", "doubt", "reason"] and len(found) == 5
    assert found["image"].tolist() == [row["image"] for row in rows("next.csv")]
    assert found["label"][0] is None and found["rank"].tolist()[:2] == [1, 2]


def refusal(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert cli.run(words) == 2
    said = capsys.readouterr().err
    assert said.startswith("tutelage: ") and said.count("\n") == 1
    return said


def test_wrong_inputs_are_refused_with_what_to_do(
    here: Path, finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = ["--count", "2", "--out", "next.csv"]
    assert "holds scans, which are ranked by how unsure a run is of them: name one with --run" in refusal(
        ["select", "scans", *more], capsys
    )
    run = ["--run", str(finished)]
    for flag in (["--strategy", "margin"], ["--ignore-folders"]):
        assert f"{flag[0]} is for images, and scans holds scans" in refusal(
            ["select", "scans", *run, *more, *flag], capsys
        )
    for path in (here / "images").glob("c[3-7]*"):
        path.unlink()
    assert "scans has no scan without a mask, of 3 scans" in refusal(["select", "scans", *run, *more], capsys)
    assert not Path("next.csv").exists()
    assert "tutelage select scans --run RUN lists the scans" in refusal(["label", "scans", "--no-browser"], capsys)


def test_a_scan_that_cannot_be_read_is_left_out_and_named(
    here: Path, finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "images" / "c5.nii.gz").write_bytes(b"no scan")
    assert cli.run(["select", "scans", "--run", str(finished), "--count", "9", "--out", "next.csv"]) == 0
    assert "left out: c5: " in capsys.readouterr().out and len(rows("next.csv")) == 7
    with pytest.raises(TutelageError, match="no scan without a mask can be judged"):
        for path in (here / "images").glob("c[3-7]*"):
            path.write_bytes(b"no scan")
        tutelage.select("scans", count=2, run=finished)
