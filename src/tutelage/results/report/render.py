"""Rendering a page as self-contained HTML, or as Markdown with links to its pictures."""

from __future__ import annotations

import base64
import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from tutelage.core.version import __version__
from tutelage.results.report.blocks import Gallery, Page, Picture
from tutelage.results.report.galleries import sheet

_SPECIAL = re.compile(r"[\\`*_\[\]<>#|$~&!]|^[-+=]|^\d+(?=[.)]\s)")


def to_html(page: Page) -> str:
    """One self-contained page. All text is escaped; its content security policy allows no loading and no scripts."""
    environment = _environment(autoescape=True)
    environment.filters["data_uri"] = _data_uri
    environment.filters["svg"] = Markup  # from matplotlib, which escapes text
    environment.filters["slug"] = _slug
    return environment.get_template("page.html").render(page=page, version=__version__)


def to_markdown(page: Page, plots: Path, out: Path) -> tuple[str, dict[str, bytes]]:
    """Markdown for a page at `out`, and the pictures by file name that go into `plots` beside the plots."""
    pictures: dict[str, bytes] = {}
    for block in page.all_blocks():
        if isinstance(block, Gallery) and block.thumbnails:
            pictures[f"{block.name}.png"] = sheet(block)
        elif isinstance(block, Picture):
            pictures[f"{block.name}.png"] = block.png
    folder = Path(os.path.relpath(plots.absolute(), out.absolute().parent)).as_posix()
    environment = _environment(autoescape=False, finalize=_plain)
    environment.filters["link"] = lambda name: Markup(quote(f"{folder}/{name}"))
    environment.filters["fenced"] = _fenced
    text = environment.get_template("page.md").render(page=page, version=__version__)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n", pictures


def _environment(**settings: Any) -> Environment:
    return Environment(
        loader=PackageLoader("tutelage.results.report", "templates"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        **settings,
    )


def _data_uri(picture: bytes) -> str:
    kind = "png" if picture.startswith(b"\x89PNG") else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode()}"


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _plain(value: Any) -> Any:
    """Text escaped for Markdown; text that is Markdown already is left alone.

    It is called for each `{{ ... }}` of a template, literals too, so a template has its own Markdown outside of them.
    """
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return Markup(_SPECIAL.sub(_escaped, " ".join(value.split())))


def _escaped(found: re.Match[str]) -> str:
    return found[0] + "\\" if found[0].isdecimal() else "\\" + found[0]  # "1\\." does not start a list


def _fenced(text: str) -> Markup:
    """A code block, fenced by more backticks than it contains in a row."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return Markup(f"{fence}\n{text}\n{fence}")
