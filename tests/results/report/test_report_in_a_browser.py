"""A report as a browser shows it: whole, silent, alone, and unmoved by hostile names."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from tutelage.results.report import write_report

pytestmark = pytest.mark.long

CONTRAST = """
(() => {
  const luminance = (color) => {
    const [r, g, b] = color.match(/[\\d.]+/g).slice(0, 3).map((v) => v / 255)
      .map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = luminance(getComputedStyle(document.body).backgroundColor);
  const ratio = (color) => (Math.max(luminance(color), ground) + 0.05) / (Math.min(luminance(color), ground) + 0.05);
  const texts = [...document.querySelectorAll("svg text")].map((text) => getComputedStyle(text).fill);
  const outside = texts.filter((fill) => fill !== "rgb(255, 255, 255)" || ground < 0.5);  // white stands in cells
  return {texts: outside.length, least: Math.min(...outside.map(ratio)), ground};
})()
"""


@pytest.fixture
def page(browser: Any, run: Path) -> Any:
    browser.set_scheme("light")
    browser.set_width(1100)
    browser.open(run / "report.html")
    return browser


def test_the_page_loads_without_a_word_on_the_console(page: Any) -> None:
    assert page.value("document.querySelectorAll('h2').length") >= 8
    assert page.logs("browser") == []


def test_every_picture_is_there(page: Any) -> None:
    widths = page.value("[...document.images].map((image) => image.naturalWidth)")
    assert len(widths) > 10 and min(widths) > 0
    plots = page.value("[...document.querySelectorAll('figure.plot svg')].map((s) => s.getBoundingClientRect().height)")
    assert len(plots) >= 7 and min(plots) > 100


def test_nothing_outside_of_the_page_is_asked_for(page: Any, run: Path) -> None:
    addresses = page.requests()
    assert (run / "report.html").resolve().as_uri() in addresses
    assert [a for a in addresses if not a.startswith(("data:", (run / "report.html").resolve().as_uri()))] == []


def test_a_hostile_class_or_file_name_is_shown_and_does_nothing(page: Any) -> None:
    assert page.dialog() is None
    text = page.value("document.body.innerText")
    assert "<img src=x onerror=alert(1)>" in text and "a <b>run<b>" in text
    assert page.value("[...document.images].filter((image) => !image.src.startsWith('data:')).length") == 0
    assert page.value("document.querySelectorAll('script, [onerror], header b').length") == 0


def test_a_dollar_sign_in_a_plot_is_a_dollar_sign(page: Any) -> None:
    texts = page.value("[...document.querySelectorAll('svg text')].map((text) => text.textContent)")
    assert any(text.startswith("$\\frac{1}$") for text in texts)


@pytest.mark.parametrize(("scheme", "dark"), [("light", False), ("dark", True)])
def test_the_letters_of_plots_stand_out_from_the_ground(page: Any, scheme: str, dark: bool) -> None:
    page.set_scheme(scheme)
    found = page.value(CONTRAST.strip())
    assert (found["ground"] < 0.1) is dark
    assert found["texts"] > 50
    assert found["least"] >= 4.0


@pytest.mark.parametrize("width", [360, 800, 1400])
def test_the_page_is_as_wide_as_the_window(page: Any, width: int) -> None:
    page.set_width(width)
    assert page.value("window.innerWidth") == width
    assert page.value("document.documentElement.scrollWidth") <= width


CELLS = """
[...document.querySelectorAll("table.many tbody tr")].map((row) => Object.fromEntries([...row.cells].map((cell) => {
  const box = cell.getBoundingClientRect(), label = getComputedStyle(cell, "::before");
  return [cell.dataset.column, {left: box.left, right: box.right, text: cell.innerText, label: label.content}];
})))
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_steps_accuracy_and_calibration_of_each_run(
    browser: Any, run: Path, tmp_path: Path, scheme: str
) -> None:
    other = Path(shutil.copytree(run, tmp_path / "other"))
    write_report([run, other], tmp_path / "two.html", most=10)
    browser.set_scheme(scheme)
    browser.set_width(375)
    browser.open(tmp_path / "two.html")
    rows = browser.value(CELLS.strip())
    assert len(rows) == 2
    for row in rows:
        for column in ("steps", "accuracy", "calibration error"):
            assert 0 <= row[column]["left"] < row[column]["right"] <= 375
            assert row[column]["label"] == "attr(data-column)" or column in row[column]["label"]
        assert row["steps"]["text"] == "6" and row["accuracy"]["text"].endswith("%")
    browser.set_width(1100)
    assert browser.value("getComputedStyle(document.querySelector('table.many thead')).display") != "none"
