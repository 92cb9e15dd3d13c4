"""What a report says of one run, as HTML and as Markdown, and what it says where something is missing."""

from __future__ import annotations

import io
import json
import re
import shutil
from pathlib import Path
from xml.etree import ElementTree

import pytest
from PIL import Image

from support.runs import unsealed
from tutelage import cli
from tutelage.core.console import screen
from tutelage.core.errors import ConfigError, RunError
from tutelage.results.report import write_report
from tutelage.results.report.write import report_after_training


@pytest.fixture
def copy(run: Path, tmp_path: Path) -> Path:
    """The run, to be changed."""
    return Path(shutil.copytree(run, tmp_path / "copy"))


def text_of(run: Path, folder: Path, **settings: object) -> str:
    write_report([run], folder / "page.html", overwrite=True, most=20, **settings)  # type: ignore[arg-type]
    return (folder / "page.html").read_text()


def test_the_numbers_are_those_of_the_result(run: Path) -> None:
    page, result = (run / "report.html").read_text(), unsealed(run / "result.json")
    scores = result["test"][result["evaluated"]]
    assert f"<b>{100 * scores['accuracy']:.1f}%</b>" in page
    assert f"<b>{100 * scores['ece']:.1f}%</b>" in page
    assert f"<b>{scores['n']}</b>" in page


def test_sections_come_in_the_order_of_what_one_wants_to_know(run: Path) -> None:
    titles = re.findall("<h2>(.*?)</h2>", (run / "report.html").read_text())
    assert titles == [
        "Result",
        "Learning curves",
        "Pseudo-labels",
        "Classes",
        "Calibration",
        "Most confident mistakes",
        "Least certain unlabeled images",
        "Map of the images",
        "Augmented views",
        "How to reproduce it",
    ]


@pytest.mark.long
def test_a_run_that_is_not_finished_says_so(copy: Path, tmp_path: Path) -> None:
    (copy / "result.json").unlink()
    page = text_of(copy, tmp_path)
    assert "This run is not finished: 6 of 6 steps are logged" in page
    assert "Confusion matrix" not in page and "Learning curves" in page


def test_without_the_data_the_rest_is_there(copy: Path, tmp_path: Path) -> None:
    config = unsealed(copy / "config.json")
    config["settings"]["data"]["path"] = str(tmp_path / "gone")
    (copy / "config.json").write_text(json.dumps(config))
    page = text_of(copy, tmp_path)
    assert "no such file or folder" in page and "Confusion matrix" in page
    assert "Most confident mistakes" not in page


def test_other_data_in_its_place_is_noticed(copy: Path, data: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(data, tmp_path / "other"))
    next((other / "train" / "plain").iterdir()).unlink()
    config = unsealed(copy / "config.json")
    config["settings"]["data"]["path"] = str(other)
    (copy / "config.json").write_text(json.dumps(config))
    assert "the train images are not those that the run was trained with" in text_of(copy, tmp_path)


def test_without_weights_the_rest_is_there(copy: Path, tmp_path: Path) -> None:
    shutil.rmtree(copy / "checkpoints")
    page = text_of(copy, tmp_path)
    assert "need the data and the weights" in page and "Confusion matrix" in page


@pytest.mark.long
def test_a_verdict_in_the_run_comes_first(copy: Path, tmp_path: Path) -> None:
    cause = {"name": "few", "evidence": "<i>few</i> pass", "flag": "--method.threshold 0.8", "strength": 1.0}
    verdict = {"method": "fixmatch", "labels": 78, "outcome": "hurt", "gain": -2.0, "half_width": 1.0, "seeds": 1}
    scored = {"headline": "", "part": "test", "images": 24, "causes": [cause]}
    (copy / "verdict.json").write_text(json.dumps(verdict | scored))
    page = text_of(copy, tmp_path)
    assert "Unlabeled images hurt: -2.0 ± 1.0 points" in page
    assert "&lt;i&gt;few&lt;/i&gt; pass" in page and "Try: --method.threshold 0.8" in page
    assert "One run cannot show" not in page


@pytest.mark.long
def test_plots_are_written_as_files(run: Path, tmp_path: Path) -> None:
    write_report([run], tmp_path / "page.html", plots=tmp_path / "plots", most=20)
    names = {path.stem for path in (tmp_path / "plots").iterdir()}
    assert {"accuracy", "training-0", "pseudo-labels", "pseudo-classes", "confusion", "reliability"} <= names
    for name in names:
        root = ElementTree.parse(tmp_path / "plots" / f"{name}.svg").getroot()
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        with Image.open(tmp_path / "plots" / f"{name}.png") as picture:
            assert min(picture.size) > 300


@pytest.mark.long
def test_markdown_names_pictures_that_are_there(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "docs" / "a b.md"
    out.parent.mkdir()
    assert cli.run(["report", str(run), "--out", str(out)]) == 0
    text = out.read_text()
    linked = re.findall(r"\]\(([^)]*)\)", text)
    assert len(linked) >= 10
    assert all((out.parent / name.replace("%20", " ")).is_file() for name in linked)
    assert "\\<img src=x onerror=alert(1)\\>" in text
    assert not re.search(r"(?<!\\)<", re.sub("```.*?```", "", text, flags=re.DOTALL))
    assert "\\_猫 \\| \\`b\\` \\*\\*c\\*\\*" in text


def test_a_report_is_not_overwritten_unless_asked(run: Path, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("mine")
    with pytest.raises(RunError, match="exists"):
        write_report([run], tmp_path / "page.html")
    assert (tmp_path / "page.html").read_text() == "mine"


def test_no_run_and_a_folder_that_is_no_run_are_errors(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="name one or more runs"):
        write_report([], tmp_path / "page.html")
    with pytest.raises(RunError, match="not a run folder"):
        write_report([tmp_path], tmp_path / "page.html")


def test_a_damaged_split_is_named(copy: Path, tmp_path: Path) -> None:
    (copy / "split.json").write_text("{}")
    with pytest.raises(RunError, match=r"split\.json is damaged"):
        write_report([copy], tmp_path / "page.html")


def test_a_report_that_fails_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report_after_training(tmp_path / "nothing", screen())
    said = capsys.readouterr().out
    assert said.startswith("- no report (") and said.count("\n") == 1


@pytest.mark.long
def test_a_resume_makes_the_report_of_a_run_that_was_ended_before_it(copy: Path) -> None:
    (copy / "report.html").unlink()
    assert cli.run(["train", "--resume", str(copy)]) == 0
    made = (copy / "report.html").stat().st_mtime_ns
    assert cli.run(["train", "--resume", str(copy)]) == 0
    assert (copy / "report.html").stat().st_mtime_ns == made


@pytest.mark.long
def test_the_same_run_gives_the_same_page(run: Path, tmp_path: Path) -> None:
    assert text_of(run, tmp_path) == text_of(run, tmp_path)


def test_evaluate_and_predict_write_their_own(run: Path, data: Path, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    stream = io.BytesIO()
    Image.new("RGB", (12, 12), "red").save(stream, "PNG")
    (tmp_path / "new" / "<img src=x onerror=alert(2)>.png").write_bytes(stream.getvalue())
    (tmp_path / "new" / "<b>broken.png").write_bytes(b"no image")
    one, two = tmp_path / "evaluated.html", tmp_path / "predicted.html"
    assert cli.run(["evaluate", str(run), str(data / "test"), "--report", str(one)]) == 0
    words = ["predict", str(run), str(tmp_path / "new"), "--out", str(tmp_path / "p.csv"), "--report", str(two)]
    assert cli.run(words) == 1
    assert "Reliability" in one.read_text() and "Most confident mistakes" in one.read_text()
    page = two.read_text()
    assert "How often each class is predicted" in page and "1 unreadable" in page
    assert "&lt;img src=x onerror=alert(2)&gt;.png" in page and "&lt;b&gt;broken.png" in page
    assert "<img src=x" not in one.read_text() + page
