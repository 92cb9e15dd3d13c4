"""A report as Markdown, read as a Markdown reader reads it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from tutelage.results.report import write_report
from tutelage.results.report.blocks import Cell, Finding, Gallery, Page, Section, Table, Text, Thumbnail, Tile, Tiles
from tutelage.results.report.render import to_markdown

HOSTILE = "-1. *a* | `b` <c> [d](e) # $f$"
PLOTS = Path("plots")


def read(text: str) -> list[Token]:
    return MarkdownIt("commonmark").enable("table").parse(text)


def written(*blocks: Finding | Gallery | Table | Text | Tiles) -> str:
    return to_markdown(Page("page", "", (Section("section", blocks),)), PLOTS, Path("page.md"))[0]


def texts(tokens: list[Token]) -> list[str]:
    """What each paragraph, heading, or cell shows."""
    return ["".join(part.content for part in token.children or ()) for token in tokens if token.type == "inline"]


def alignments(tokens: list[Token]) -> list[str]:
    """Of the columns of each table, from its heading: "left" or "right"."""
    styles = [str(token.attrs.get("style", "none")) for token in tokens if token.type == "th_open"]
    return [style.removeprefix("text-align:") for style in styles]


def test_a_table_is_a_table_with_its_numbers_to_the_right() -> None:
    rows = ((Cell("first"), Cell(HOSTILE), Cell("-0.5")), (Cell("second"), Cell(""), Cell("0.25")))
    tokens = read(written(Text("before"), Table(("run", "note", "points"), rows, caption="after", texts=2)))
    assert alignments(tokens) == ["left", "left", "right"]
    cells = ["first", HOSTILE, "-0.5", "second", "", "0.25"]
    assert texts(tokens) == ["page", "section", "before", "run", "note", "points", *cells, "after"]


@pytest.mark.parametrize("texts_first", [0, 1, 3])
def test_a_table_has_as_many_text_columns_as_it_says(texts_first: int) -> None:
    tokens = read(written(Table(("a", "b", "c"), ((Cell("1"), Cell("2"), Cell("3")),), texts=texts_first)))
    assert alignments(tokens) == ["left"] * texts_first + ["right"] * (3 - texts_first)


def test_reasons_are_a_list_after_a_blank_line_in_the_quote() -> None:
    text = written(Finding("helped", (("few", "--method.threshold 0.8"), (HOSTILE, "more"))), Text("after"))
    assert "> **helped**\n>\n> 1. few" in text  # some readers need the blank line to see the list
    tokens = read(text)
    names = [token.type for token in tokens]
    assert names.count("blockquote_open") == names.count("ordered_list_open") == 1
    assert names.index("blockquote_open") < names.index("ordered_list_open") < names.index("blockquote_close")
    shown = ["helped", "few. Try: --method.threshold 0.8", f"{HOSTILE}. Try: more", "after"]
    assert texts(tokens) == ["page", "section", *shown]


def test_a_finding_without_reasons_is_a_quote_of_one_line() -> None:
    assert written(Finding("helped"), Text("after")).endswith("> **helped**\n\nafter\n")


def test_tiles_and_the_lines_of_thumbnails_are_lists() -> None:
    tiles = Tiles((Tile("accuracy", "95.8%", "of 355"), Tile(HOSTILE, "-1")))
    picture = Path(__file__).parents[3] / "docs" / "pictures" / "report.png"
    gallery = Gallery("pictures", (Thumbnail(picture.read_bytes(), ("cat", HOSTILE)),))
    tokens = read(written(tiles, gallery))
    names = [token.type for token in tokens]
    assert names.count("bullet_list_open") == 1 and names.count("ordered_list_open") == 1
    shown = texts(tokens)
    assert "accuracy: 95.8% (of 355)" in shown and f"{HOSTILE}: -1" in shown and f"cat, {HOSTILE}" in shown


@pytest.mark.long
def test_the_report_of_a_run_has_all_its_tables(run: Path, tmp_path: Path) -> None:
    write_report([run], tmp_path / "report.md", format="md")
    text = (tmp_path / "report.md").read_text()
    rows = re.findall(r"^\|[:|-]+\|$", text, re.MULTILINE)
    tokens = read(text)
    assert len(rows) == sum(token.type == "table_open" for token in tokens) >= 2
    assert {"left", "right"} == set(alignments(tokens))
    assert not [shown for shown in texts(tokens) if shown.startswith("|")]
