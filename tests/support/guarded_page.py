"""The application of the label page without a network, and what a refusal must look like."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path

import httpx

from support.label_page import TOKEN
from tutelage.core.web.guard import HEADERS, Address
from tutelage.curation.labeling.session import LabelingSession
from tutelage.curation.web.actions import Actions
from tutelage.curation.web.app import labeling_app

PORT = 8765
OWN = f"127.0.0.1:{PORT}"
ANSWER = json.dumps({"index": 0, "label": "red", "was": None})
JSON = {"content-type": "application/json"}
KEY = {"x-tutelage-token": TOKEN}


class Page:
    """The application, and how to ask it; headers are those of the page, but for those that are given."""

    def __init__(self, session: LabelingSession, table: Path, address: Address) -> None:
        self.session, self.table = session, table
        self.app = labeling_app(Actions(session, table), address, TOKEN)

    def ask(
        self, method: str, path: str, headers: Mapping[str, str | None] | None = None, body: bytes | str | None = None
    ) -> httpx.Response:
        given = {"host": OWN, **KEY, **(JSON if method == "POST" else {}), **(headers or {})}

        async def sent() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.app)  # type: ignore[arg-type]
            async with httpx.AsyncClient(transport=transport, base_url=f"http://{OWN}") as client:
                request = client.build_request(method, path, content=body)
                for name in ("user-agent", "accept", "accept-encoding", "connection"):
                    del request.headers[name]
                request.headers.encoding = "latin-1"
                for name, value in given.items():
                    request.headers.pop(name, None)
                    if value is not None:
                        request.headers[name] = value
                return await client.send(request)

        return asyncio.run(sent())


def refused(page: Page, response: httpx.Response) -> None:
    """Check that nothing was done, and that the answer says nothing and has all headers."""
    assert 400 <= response.status_code < 500, response.status_code
    assert_shut(response)
    assert list(response.json()) == ["error"]
    assert page.session.state()["labeled"] == 0 and page.session.state()["unsure"] == 0
    assert not page.table.exists()


def assert_shut(response: httpx.Response) -> None:
    for name, value in HEADERS.items():
        assert response.headers.get_list(name) == [value]
    assert not any(name.startswith("access-control") for name in response.headers)
    for word in ("Traceback", "/tmp", "site-packages", ".py"):
        assert word not in response.text or response.headers["content-type"].startswith("image/")
