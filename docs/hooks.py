"""What the site shows beyond the files of docs/: other pages, examples, a list of methods, parity tables."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
RESULTS = "results/benchmarks"
SHOWN = {
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    **{
        path.relative_to(ROOT).as_posix(): f"{RESULTS}/{path.name}"
        for path in sorted((ROOT / "benchmarks" / "results").iterdir())
        if path.suffix in (".md", ".svg")
    },
    **{f"examples/{path.name}": f"examples/{path.name}" for path in sorted((ROOT / "examples").glob("*.py"))},
}
"""Files outside of docs/ that are pages, pictures, or downloads of the site, and where."""

_FILE = re.compile(r"<!-- file: (\S+) -->")
_LINK = re.compile(r"(\]\()([^)\s#:]+)(#[^)\s]*)?(\))")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """The navigation with `FOLDER/*` replaced by the pages of the folder."""
    pages = {
        "methods/*": [f"methods/{path.name}" for path in _method_pages()],
        f"{RESULTS}/*": [to for to in SHOWN.values() if to.startswith(RESULTS) and to.endswith(".md")],
    }
    for section in config.nav or []:
        for title, entries in section.items():
            if isinstance(entries, str):
                continue
            section[title] = [one for entry in entries for one in pages.get(str(entry), [entry])]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """The files of docs/ and those that are shown from outside of it."""
    for source, target in SHOWN.items():
        files.append(File.generated(config, target, abs_src_path=str(ROOT / source)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """The text of a page, its links to files of the repository turned into links within the site."""
    here = page.file.src_uri
    source = next((source for source, target in SHOWN.items() if target == here), f"docs/{here}")
    if here == "methods/README.md":
        markdown = markdown.replace("<!-- methods -->", _list_of_methods())
    if here == "parity.md":
        markdown = markdown.replace("<!-- parity -->", _parity_tables())
    markdown = _FILE.sub(lambda found: _text_of(found[1]), markdown)

    def within_site(link: re.Match[str]) -> str:
        opening, target, anchor, closing = link.groups()
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
        to = SHOWN.get(path) or (path.removeprefix("docs/") if path.startswith("docs/") else None)
        if to is None:
            return link.group()
        return f"{opening}{posixpath.relpath(to, posixpath.dirname(here) or '.')}{anchor or ''}{closing}"

    return _LINK.sub(within_site, markdown)


def _text_of(name: str) -> str:
    """A Python file of the repository as a block of code."""
    return f'```python title="{name}"\n{(ROOT / name).read_text().strip()}\n```'


def _method_pages() -> list[Path]:
    return sorted(path for path in (ROOT / "docs" / "methods").glob("*.md") if path.name != "README.md")


def _list_of_methods() -> str:
    rows = []
    for path in _method_pages():
        title, _, text = path.read_text().partition("\n")
        first = " ".join(text.strip().split("\n\n")[0].split())
        rows.append(f"| [{title.removeprefix('# ')}]({path.name}) | {first} |")
    return "\n".join(["| method | what it does |", "|---|---|", *rows])


def _parity_tables() -> str:
    parts = []
    for path in _method_pages():
        text = path.read_text()
        if "\n## Parity\n" in text:
            section = text.split("\n## Parity\n")[1].split("\n## ")[0].strip()
            title = text.partition("\n")[0].removeprefix("# ")
            parts.append(f"### [{title}](methods/{path.name})\n\n{section}\n")
    return "\n".join(parts)
