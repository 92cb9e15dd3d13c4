"""The rules of the source layout that no linter knows. The order of imports is checked by `lint-imports`."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import tutelage

ROOT = Path(tutelage.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
LAZY = {ROOT / "__init__.py", ROOT / "commands" / "__init__.py"}  # they import their own modules when a name is used


def test_the_root_of_the_package_has_at_most_seventeen_entries() -> None:
    entries = sorted(path.name for path in ROOT.iterdir() if path.name != "__pycache__")
    assert len(entries) <= 17, entries


def test_every_folder_says_what_is_inside() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for path in FILES
        if path.name == "__init__.py" and not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert not silent


def test_no_function_imports_a_part_of_the_package() -> None:
    found = []
    for path in FILES:
        if path in LAZY:
            continue
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            for node in ast.walk(function):
                names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
                names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                found += [f"{path.relative_to(ROOT)}:{node.lineno}" for n in names if n.split(".")[0] == "tutelage"]
    assert not found


def test_the_loop_fits_on_one_page() -> None:
    assert len((ROOT / "training" / "loop.py").read_text(encoding="utf-8").splitlines()) <= 120


def test_a_source_distribution_holds_all_that_the_tests_and_readers_need() -> None:
    root = Path(__file__).parents[1]
    words = (root / "MANIFEST.in").read_text(encoding="utf-8").split()
    skipped = {"README.md", "LICENSE", "pyproject.toml", "MANIFEST.in", "src"}  # they are in it anyway
    named = {"tests", "docs", "examples", "benchmarks", "CHANGELOG.md", "CONTRIBUTING.md", "Makefile", "mkdocs.yml"}
    pages = {path.name for pattern in ("*.md", "*.cff", "*.txt") for path in root.glob(pattern)}
    assert (named | pages) - skipped <= set(words)


def test_pre_commit_runs_the_linters_of_make() -> None:
    root = Path(__file__).parents[1]
    recipe = (root / "Makefile").read_text(encoding="utf-8").split("\nlint:")[1].split("\n\n")[0]
    hooks = (root / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    for tool in ("ruff check", "ruff format", "mypy", "lint-imports"):
        assert f"$(BIN)/{tool}" in recipe and f".venv/bin/{tool}" in hooks


@pytest.mark.parametrize("room", ["images", "scans"])
def test_images_and_scans_have_files_of_the_same_names(room: str) -> None:
    shared = {"check.py", "dataset.py", "folders.py", "inventory.py", "items.py", "loader.py", "reading.py"}
    shared |= {"parts.py", "source.py", "survey.py", "tables.py"}
    assert shared <= {path.name for path in (ROOT / "data" / room).iterdir()}
    assert {"model.py", "predict.py", "prediction.py", "scores.py"} <= {
        path.name for path in (ROOT / "inference" / room).iterdir()
    }
