"""A pile of 24 pictures, its session, and a browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.browser import Browser, open_browser
from support.guarded_page import PORT, Page
from support.label_page import Served, open_session, serving, write_photos
from tutelage.core.web.guard import Address
from tutelage.curation.labeling.session import LabelingSession


@pytest.fixture
def session(tmp_path: Path) -> Iterator[LabelingSession]:
    """A session without an answer, whose table is labels.csv."""
    made = open_session(write_photos(tmp_path / "photos", 24), tmp_path / "labels.csv")
    yield made
    made.close()


@pytest.fixture
def served(session: LabelingSession, tmp_path: Path) -> Iterator[Served]:
    """The page of the session, behind a real server."""
    with serving(session, tmp_path / "labels.csv") as found:
        yield found


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A headless Chromium, where there is one."""
    with open_browser() as found:
        yield found


@pytest.fixture
def page(session: LabelingSession, tmp_path: Path) -> Page:
    return Page(session, tmp_path / "labels.csv", Address("127.0.0.1", PORT))
