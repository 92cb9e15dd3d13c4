"""What a notebook shows of a run, of scores and of predictions, and how a training shows its progress there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import tutelage
from tutelage.core.html import cell, html_table, picture
from tutelage.core.intervals import interval
from tutelage.core.notebook import NotebookBar, in_notebook
from tutelage.data.images.given import list_given
from tutelage.data.images.items import Files, Item
from tutelage.inference.images.prediction import Prediction, Predictions
from tutelage.inference.images.scores import ImageScores
from tutelage.results.compare.collect import ComparisonTable, MethodScores
from tutelage.results.verdict.reason import Reason
from tutelage.results.verdict.verdict import Verdict

EVIL = "<script>alert(1)</script>'\"&"


def refuses_script(page: str) -> None:
    """Check that the evil name is there, and only as text."""
    assert "<script" not in page and "&lt;script&gt;" in page
    assert "alert(1)" in page


def test_cells_are_escaped_unless_they_were_made_as_html() -> None:
    assert "<script" not in html_table((EVIL,), [(EVIL, EVIL)], EVIL)
    assert "<img" in html_table((), [("a", picture(b"png", EVIL))]) and "'\"&" not in picture(b"png", EVIL)
    assert "\n" not in cell("two\nlines")


def test_predictions_show_twelve_rows_with_their_images(tmp_path: Path) -> None:
    files = Files(tmp_path)
    names = [f"{number}.png" for number in range(15)]
    for number, name in enumerate(names):
        Image.new("RGB", (90, 30), (number, 0, 0)).save(tmp_path / name)
    (tmp_path / "3.png").write_bytes(b"no image")
    made = [Prediction(name, np.array([0.25, 0.75], np.float32)) for name in names]
    made[3] = Prediction(EVIL, None, EVIL)
    found = Predictions.of(made, ("cat", EVIL), [Item(name, None, files, name) for name in names])
    page = found._repr_html_()
    refuses_script(page)
    assert page.count("<tr>") == 13 and page.count("<img") == 11
    assert "75.0%" in page and "and 3 more" in page
    for name in names:
        (tmp_path / name).unlink()
    assert found._repr_html_().count("<img") == 0


def test_predictions_hold_no_images_of_memory() -> None:
    digits = np.zeros((20, 8, 8, 1), np.uint8)
    items = list_given(digits)
    made = [Prediction(item.name, np.array([1.0, 0.0], np.float32)) for item in items]
    found = Predictions.of(made, ("a", "b"), items)
    assert found.pictured == () and "<img" not in found._repr_html_()


def test_scores_verdict_and_comparison_are_tables_of_escaped_names() -> None:
    per_class = {EVIL: {"precision": 0.5, "recall": None, "f1": 0.25, "support": 4}}
    scores = ImageScores((EVIL,), {"accuracy": 0.9, "n": 4, "per_class": per_class}, (), [], [])
    refuses_script(scores._repr_html_())
    assert "0.9" in scores._repr_html_() and "4 images" in scores._repr_html_()
    reason = Reason("rule", EVIL, "--steps 9", 0.5)
    verdict = Verdict(EVIL, 40, "helped", 2.0, 1.0, 1, "test", 100, (reason,))
    refuses_script(verdict._repr_html_())
    assert "+2.0 ± 1.0 points" in verdict._repr_html_()
    row = MethodScores(EVIL, 40, {0: 0.9}, interval([90.0]), interval([1.0, 2.0]))
    table = ComparisonTable("test", 100, 1, (row,))
    refuses_script(table._repr_html_())
    assert "90.0%" in table._repr_html_() and "points" in table._repr_html_()


def test_what_is_no_run_says_so(tmp_path: Path) -> None:
    assert "not a run folder" in tutelage.Run(tmp_path / EVIL)._repr_html_()
    refuses_script(tutelage.Run(tmp_path / EVIL)._repr_html_())


def test_the_bar_says_how_far_it_is() -> None:
    bar = NotebookBar(400)
    bar.update(100, f"loss 1.0 {EVIL}")
    assert "value='100' max='400'" in bar.page() and "step 100/400" in bar.page()
    refuses_script(bar.page())
    assert not in_notebook()


CELLS = [
    "import tutelage\n"
    "run = tutelage.train('digits', label_count=40, method='supervised', preset='none', network='small', steps=60,\n"
    "    batch_size=8, log_every=5, settings={'network.width': 4}, out='run', baseline=False, quiet=False)",
    "run",
    "model = run.model()\nmodel.predict('digits')",
    "model.evaluate('digits')",
]


@pytest.mark.long
@pytest.mark.filterwarnings("default")
def test_a_notebook_shows_one_bar_and_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in CELLS])
    resources = {"metadata": {"path": str(tmp_path)}}
    client.NotebookClient(notebook, timeout=200, kernel_name="python3", resources=resources).execute()
    first, run, predicted, scored = (one["outputs"] for one in notebook.cells)
    bars = [one for one in first if one["output_type"] == "display_data"]
    (bar,) = bars
    assert "step 60/60" in html_of(bar) and "loss" in html_of(bar)
    printed = "".join(one["text"] for one in first if one["output_type"] == "stream")
    assert "accuracy" in printed and not re.search(r"step \d+/60", printed) and "\x1b" not in printed
    assert not [one for one in first if one["output_type"] == "error"]
    assert "supervised" in html_of(run[-1]) and "accuracy" in html_of(run[-1])
    assert html_of(predicted[-1]).count("<img") == 12
    assert "355 images" in html_of(scored[-1])


def html_of(output: dict[str, Any]) -> str:
    """The HTML of a result of a cell."""
    page: str = output["data"]["text/html"]
    return page
