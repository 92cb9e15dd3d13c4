"""Requests that do not come from the page: all are refused, and none changes a label or reads a file."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.label_page import TOKEN, Served
from tutelage.curation.labeling.session import Session
from tutelage.curation.web.actions import Actions
from tutelage.curation.web.app import labeling_app, page_files
from tutelage.curation.web.guard import HEADERS, LARGEST_BODY, Address

PORT = 8765
OWN = f"127.0.0.1:{PORT}"
ANSWER = json.dumps({"index": 0, "label": "red", "was": None})
JSON = {"content-type": "application/json"}
KEY = {"x-tutelage-token": TOKEN}


class Page:
    """The application, and how to ask it; headers are those of the page, but for those that are given."""

    def __init__(self, session: Session, table: Path, address: Address) -> None:
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


@pytest.fixture
def page(session: Session, tmp_path: Path) -> Page:
    return Page(session, tmp_path / "labels.csv", Address("127.0.0.1", PORT))


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


def test_what_the_page_asks_for_is_answered_with_all_headers(page: Page) -> None:
    for path in ("/", *(f"/page/{name}" for name in page_files() if name != "index.html")):
        response = page.ask("GET", path, {"x-tutelage-token": None})
        assert response.status_code == 200, path
        for name, value in HEADERS.items():
            assert response.headers.get_list(name) == [value]
        assert TOKEN not in response.text
    for path in ("/api/state", "/api/next", "/api/next?after=0", "/api/items?indexes=0,1", "/api/map"):
        response = page.ask("GET", path)
        assert response.status_code == 200, path
        assert_shut(response)
    picture = page.ask("GET", "/api/picture/0/160")
    assert picture.status_code == 200 and picture.content.startswith(b"\xff\xd8\xff")
    assert picture.headers["content-type"] == "image/jpeg"
    done = page.ask("POST", "/api/answer", {"origin": f"http://{OWN}", "sec-fetch-site": "same-origin"}, ANSWER)
    assert done.status_code == 200 and done.json()["labeled"] == 1


HOSTS = [
    *("127.0.0.1.evil.example:8765", "localhost.evil:8765", "evil.example", "evil.example:8765", "127.0.0.1"),
    *("127.0.0.1:8766", "localhost", "[::1]", "[::1]:80", "0.0.0.0:8765", "127.0.0.2:8765", "LOCALHOST.:8765"),
    *("127.0.0.1:8765@evil.example", "evil.example#127.0.0.1:8765", "127.0.0.1:8765.evil.example", "2130706433:8765"),
    *("0x7f.1:8765", "127.1:8765", "127.0.0.1:08765", ""),
]


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_another_host_is_refused(page: Page, host: str, method: str) -> None:
    path = "/api/state" if method == "GET" else "/api/answer"
    response = page.ask(method, path, {"host": host}, ANSWER if method == "POST" else None)
    assert response.status_code == 421
    refused(page, response)


@pytest.mark.parametrize("host", [OWN, f"localhost:{PORT}", f"[::1]:{PORT}"])
def test_the_three_names_of_this_machine_are_answered(page: Page, host: str) -> None:
    assert page.ask("GET", "/api/state", {"host": host}).status_code == 200


FORGED: dict[str, Mapping[str, str | None]] = {
    "no token": {"x-tutelage-token": None},
    "an empty token": {"x-tutelage-token": ""},
    "another token": {"x-tutelage-token": "x" * len(TOKEN)},
    "a part of the token": {"x-tutelage-token": TOKEN[:-1]},
    "the token and more": {"x-tutelage-token": TOKEN + "x"},
    "the token in upper case": {"x-tutelage-token": TOKEN.upper()},
    "the token twice": {"x-tutelage-token": f"{TOKEN}, {TOKEN}"},
    "the token as a cookie": {"x-tutelage-token": None, "cookie": f"x-tutelage-token={TOKEN}"},
    "the token as a password": {"x-tutelage-token": None, "authorization": f"Bearer {TOKEN}"},
    "a token of other letters": {"x-tutelage-token": "\u00e9".encode().decode("latin-1")},
    "another origin": {"origin": "http://evil.example"},
    "an origin that sounds alike": {"origin": f"http://{OWN}.evil.example"},
    "another port": {"origin": "http://127.0.0.1:8766"},
    "another scheme": {"origin": f"https://{OWN}"},
    "another name of this machine": {"origin": f"http://localhost:{PORT}"},
    "the origin null": {"origin": "null"},
    "an empty origin": {"origin": ""},
    "two origins": {"origin": f"http://{OWN} http://evil.example"},
    "from another site": {"sec-fetch-site": "cross-site"},
    "from another name of the site": {"sec-fetch-site": "same-site"},
    "from nowhere known": {"sec-fetch-site": "evil"},
    "a form": {"content-type": "application/x-www-form-urlencoded"},
    "a form with a file": {"content-type": "multipart/form-data; boundary=x"},
    "plain text": {"content-type": "text/plain"},
    "no type": {"content-type": None},
    "JSON and text": {"content-type": "application/json, text/plain"},
    "nearly JSON": {"content-type": "application/jsonp"},
    "a negative length": {"content-length": "-1"},
    "a length that is a word": {"content-length": "many"},
    "a length in other digits": {"content-length": "\u00b2".encode().decode("latin-1")},
}


@pytest.mark.parametrize("headers", FORGED.values(), ids=FORGED)
def test_a_forged_answer_is_refused(page: Page, headers: Mapping[str, str | None]) -> None:
    refused(page, page.ask("POST", "/api/answer", headers, ANSWER))


READ = [name for name, headers in FORGED.items() if "content-type" not in headers and "content-length" not in headers]


@pytest.mark.parametrize("name", READ)
@pytest.mark.parametrize("path", ["/api/state", "/api/picture/0/160"])
def test_a_forged_look_is_refused(page: Page, name: str, path: str) -> None:
    refused(page, page.ask("GET", path, FORGED[name]))


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "BREW", "PROPFIND"])
def test_other_methods_are_refused(page: Page, method: str) -> None:
    response = page.ask(method, "/api/answer", JSON, ANSWER)
    assert response.status_code == 405
    refused(page, response)


@pytest.mark.parametrize("name", ["answer", "answers", "undo", "class", "train", "export"])
def test_a_look_never_writes(page: Page, name: str) -> None:
    response = page.ask("GET", f"/api/{name}?index=0&label=red&was=", JSON, ANSWER)
    assert response.status_code == 404
    refused(page, response)
    assert page.ask("HEAD", f"/api/{name}").status_code == 404


PATHS = [
    *("/../secret.png", "/page/../secret.png", "/page/..%2fsecret.png", "/page/%2e%2e/secret.png"),
    *("/page/%252e%252e%252fsecret.png", "/page/..\\secret.png", "/page/..%5csecret.png", "//etc/passwd"),
    *("/etc/passwd", "/page//etc/passwd", "/page/%2fetc%2fpasswd", "/photos/00-red.png", "/page/", "/page"),
    *("/page/index.html%00.png", "/page/app.py", "/page/../app.py", "/labels.csv", "/page/\\\\host\\share"),
    *("/api/picture/../0/160", "/api/picture/00-red.png/160", "/api/picture/%2e%2e%2fsecret.png/160"),
    *("/api/picture/-1/160", "/api/picture/24/160", "/api/picture/999999999999999999999999/160"),
    *("/api/picture/0/100000", "/api/picture/0/0", "/api/picture/0/161", "/api/picture/0x0/160", "/api/picture/0"),
    *("/api/__class__", "/api/write", "/api/session", "/api/state/", "/api/", "/api", "/API/state", "/.git/config"),
    *("/api/picture/link/160", "/page/link.png", "/file:///etc/passwd", "/page/..;/secret.png"),
]


@pytest.mark.parametrize("path", PATHS)
def test_nothing_is_served_but_the_page_and_pictures_by_number(page: Page, path: str) -> None:
    (page.table.parent / "secret.png").write_bytes(b"secret")
    (page.table.parent / "photos" / "link.png").symlink_to("/etc/passwd")
    url = httpx.URL(f"http://{OWN}").copy_with(raw_path=path.encode())
    response = page.ask("GET", str(url))
    assert response.status_code == 404
    refused(page, response)


BODIES: dict[str, Any] = {
    "nothing": b"",
    "no JSON": b"{index: 0}",
    "half of it": ANSWER[:-3].encode(),
    "a list": [0, "red", None],
    "a number": 3,
    "null": None,
    "nested too deep": b"[" * 20_000,
    "other bytes": b"\xff\xfe\x00",
    "no index": {"label": "red", "was": None},
    "no label": {"index": 0, "was": None},
    "no label before": {"index": 0, "label": "red"},
    "a negative index": {"index": -1, "label": "red", "was": None},
    "an index that is too large": {"index": 24, "label": "red", "was": None},
    "a huge index": {"index": 10**30, "label": "red", "was": None},
    "an index that is true": {"index": True, "label": "red", "was": None},
    "a broken index": {"index": 0.5, "label": "red", "was": None},
    "a path as an index": {"index": "../../etc/passwd", "label": "red", "was": None},
    "a list of indexes": {"index": [0], "label": "red", "was": None},
    "an unknown class": {"index": 0, "label": "purple", "was": None},
    "a number as a class": {"index": 0, "label": 0, "was": None},
    "an object as a class": {"index": 0, "label": {"$ne": None}, "was": None},
    "a formula": {"index": 0, "label": "=cmd|' /C calc'!A0", "was": None},
    "not a number": b'{"index": NaN, "label": "red", "was": null}',
    "another label before": {"index": 0, "label": "red", "was": "green"},
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_an_answer_that_makes_no_sense_is_refused(page: Page, body: Any) -> None:
    refused(page, page.ask("POST", "/api/answer", {}, body if isinstance(body, bytes) else json.dumps(body)))


OTHER: dict[str, tuple[str, Any]] = {
    "no answers": ("answers", {"answers": []}),
    "answers that are no list": ("answers", {"answers": {"0": "red"}}),
    "an answer of two": ("answers", {"answers": [[0, "red"]]}),
    "an answer twice": ("answers", {"answers": [[0, "red", None], [0, "green", None]]}),
    "one good and one bad answer": ("answers", {"answers": [[0, "red", None], [99, "red", None]]}),
    "an answer without a class": ("answers", {"answers": [[0, None, None]]}),
    "taken out of no class": ("answers", {"answers": [[0, "red", None]], "out": [1]}),
    "taken out and in": ("answers", {"answers": [[0, "red", None]], "out": [0], "class": "red"}),
    "too many answers": ("answers", {"answers": [[k, "red", None] for k in range(501)]}),
    "nothing to undo": ("undo", {}),
    "a class without a name": ("class", {"name": "  "}),
    "a class that is a number": ("class", {"name": 3}),
    "a class that is a formula": ("class", {"name": "=1+1"}),
    "a class with control characters": ("class", {"name": "a\nb"}),
    "a class that is half a character": ("class", {"name": "\ud800"}),
    "a class that is there": ("class", {"name": "red"}),
    "a class that is too long": ("class", {"name": "x" * 101}),
    "a training of own length": ("train", {"budget": "1h; rm -rf ."}),
    "a training with a list": ("train", {"budget": ["5m"]}),
    "a training without labels": ("train", {}),
    "an export of an unknown kind": ("export", {"kind": "../x", "links": True, "model": True}),
    "an export without a kind": ("export", {"links": True, "model": True}),
    "an export to a path": ("export", {"kind": ["csv"], "out": "/etc/x", "links": True, "model": True}),
    "an export with a word": ("export", {"kind": "csv", "links": "yes", "model": True}),
}


@pytest.mark.parametrize(("name", "body"), OTHER.values(), ids=OTHER)
def test_another_action_that_makes_no_sense_is_refused(page: Page, name: str, body: Any) -> None:
    before = sorted(path.name for path in page.table.parent.iterdir())
    refused(page, page.ask("POST", f"/api/{name}", {}, json.dumps(body)))
    assert sorted(path.name for path in page.table.parent.iterdir()) == before
    assert len(page.session.state()["classes"]) == 3


QUERIES = [
    *("next?after=-1", "next?after=99", "next?after=x", "next?after=1e1", "next?after=\u0661", "next?after="),
    *("group", "group?class=purple", "group?class=red&count=0", "group?class=red&count=100000", "items?indexes=99"),
    *(
        "group?class=red&start=-1",
        "group?class=red&start=99999999999999999999",
        "items?indexes=a",
        "items?indexes=0,,-1",
    ),
    "items?indexes=" + ",".join(["0"] * 501),
]


@pytest.mark.parametrize("query", QUERIES)
def test_a_question_that_makes_no_sense_is_refused(page: Page, query: str) -> None:
    refused(page, page.ask("GET", f"/api/{query}"))


def test_a_body_of_more_than_64_kib_is_refused_whatever_length_it_names(page: Page) -> None:
    large = json.dumps({"index": 0, "label": "red", "was": None, "more": "x" * LARGEST_BODY})
    for headers in ({}, {"content-length": None}, {"content-length": "20"}):
        response = page.ask("POST", "/api/answer", headers, large)
        assert response.status_code == 413
        refused(page, response)
    just = json.dumps({"index": 0, "label": "red", "was": None, "more": ""})
    just = just[:-2] + "x" * (LARGEST_BODY - len(just)) + just[-2:]
    assert page.ask("POST", "/api/answer", {}, just).status_code == 200


def test_an_error_inside_says_nothing_of_files_or_lines(
    page: Page, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> None:
        raise OSError(28, "No space left on device", "/home/me/secret/labels.csv")

    monkeypatch.setattr(page.session, "answer", broken)
    response = page.ask("POST", "/api/answer", {}, ANSWER)
    assert response.status_code == 500
    assert_shut(response)
    assert "secret" not in response.text and "terminal" in response.json()["error"]
    assert "secret" in capsys.readouterr().err


def test_there_are_eighty_attacks_and_more() -> None:
    counts = [2 * len(HOSTS), len(FORGED), 2 * len(READ), 8, 6, len(PATHS), len(BODIES), len(OTHER), len(QUERIES)]
    assert sum(counts) >= 80


def raw(served: Served, *lines: str, body: str = "") -> bytes:
    """What a request of these very lines is answered with."""
    with socket.create_connection(("127.0.0.1", served.address.port), timeout=5) as link:
        link.sendall(("\r\n".join([*lines, "Connection: close", "", ""]) + body).encode())
        found = b""
        while block := link.recv(65536):
            found += block
    return found


def test_a_doubled_or_missing_host_is_refused_on_the_wire(served: Served) -> None:
    own, key = f"Host: 127.0.0.1:{served.address.port}", f"X-Tutelage-Token: {TOKEN}"
    assert b" 200 " in raw(served, "GET /api/state HTTP/1.1", own, key).splitlines()[0]
    attacks = [
        ["GET /api/state HTTP/1.1", own, own, key],
        ["GET /api/state HTTP/1.1", own, "Host: evil.example", key],
        ["GET /api/state HTTP/1.1", "Host: evil.example", own, key],
        ["GET /api/state HTTP/1.1", key],
        ["GET /api/state HTTP/1.0", key],
        ["GET /api/state HTTP/1.1", "Host:", key],
        ["GET /api/state HTTP/1.1", own, key, key],
        ["GET http://evil.example/api/state HTTP/1.1", "Host: evil.example", key],
        ["GET /api/state HTTP/1.1", own, key, "Origin: http://evil.example", f"Origin: http://{own[6:]}"],
    ]
    for lines in attacks:
        status = raw(served, *lines).splitlines()[0]
        assert b" 400 " in status or b" 421 " in status or b" 403 " in status, (lines, status)
    length = f"Content-Length: {len(ANSWER)}"
    post = ["POST /api/answer HTTP/1.1", own, "Content-Type: application/json"]
    assert b" 403 " in raw(served, *post, length, body=ANSWER).splitlines()[0]
    upgrade = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: x"]
    assert b" 101 " not in raw(served, "GET /api/state HTTP/1.1", own, *upgrade)
    assert served.session.state()["labeled"] == 0
