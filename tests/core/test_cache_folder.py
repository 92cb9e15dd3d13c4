"""Where features are kept for later commands."""

from __future__ import annotations

from pathlib import Path

import pytest

from tutelage.core.cache_folder import VARIABLE, cache_folder


def test_the_variable_names_the_folder_and_without_it_the_users_cache_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "mine"))
    assert cache_folder() == tmp_path / "mine"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv(VARIABLE, "~/mine")
    assert cache_folder() == tmp_path / "mine"
    monkeypatch.setenv(VARIABLE, "")
    assert cache_folder().name == "tutelage"
    assert not cache_folder().exists()


def test_no_test_writes_to_the_cache_of_the_user(own_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    assert cache_folder() == own_cache
    assert own_cache.is_relative_to(tmp_path_factory.getbasetemp())
