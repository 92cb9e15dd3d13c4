"""The endpoint of a model that knows three colors, and a browser."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.browser import Browser, open_browser
from support.served_model import Endpoint, ServedModel, endpoint, serving_model


@pytest.fixture
def served() -> Iterator[Endpoint]:
    """In this process, without a network."""
    with endpoint() as found:
        yield found


@pytest.fixture
def server() -> Iterator[ServedModel]:
    """Behind a real server."""
    with serving_model() as found:
        yield found


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A headless Chromium, where there is one."""
    with open_browser() as found:
        yield found
