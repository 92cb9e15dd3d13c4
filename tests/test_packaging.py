"""What is installed: the container's extras exist, and the release is the same everywhere that names it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import tutelage

ROOT = Path(__file__).parents[1]


def test_the_container_installs_extras_that_exist() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    named = re.search(r"/opt/tutelage\[(.*?)\]", (ROOT / "Dockerfile").read_text())
    assert named is not None and set(named[1].split(",")) <= set(extras)


def test_every_place_names_the_same_release() -> None:
    version = tutelage.__version__
    assert f"version: {version}\n" in (ROOT / "CITATION.cff").read_text()
    assert f"## {version} " in (ROOT / "CHANGELOG.md").read_text()
    for page in ("README.md", "docs/get-started.md"):
        assert f"version {version} is released" in " ".join((ROOT / page).read_text().split())
