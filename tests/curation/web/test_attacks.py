"""Requests that do not come from the page: all are refused, and none changes a label or reads a file."""

from __future__ import annotations

import socket
from collections.abc import Mapping

import httpx
import pytest

from support.guarded_page import ANSWER, JSON, OWN, PORT, Page, assert_shut, refused
from support.label_page import TOKEN, Served
from tutelage.core.web.answers import page_files
from tutelage.core.web.guard import HEADERS


def test_what_the_page_asks_for_is_answered_with_all_headers(page: Page) -> None:
    for path in ("/", *(f"/page/{name}" for name in page_files("tutelage.curation.web") if name != "index.html")):
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


@pytest.mark.parametrize("name", ["answer", "answers", "undo", "class", "rename", "remove", "train", "export"])
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


def test_there_are_eighty_attacks_and_more() -> None:
    assert 2 * len(HOSTS) + len(FORGED) + 2 * len(READ) + len(PATHS) >= 80


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
