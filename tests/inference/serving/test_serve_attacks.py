"""Requests that a served model must not take: from other sites, without the key, too large, too slow, or hostile."""

from __future__ import annotations

import io
import socket
import threading
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import httpx
import pytest
from PIL import Image

from support.served_model import COLORS, OWN, PORT, TOKEN, Endpoint, ServedModel, color_file, serving_model
from tutelage.core.web.answers import page_files
from tutelage.core.web.guard import HEADERS
from tutelage.inference.serving.limits import LARGEST_IN_ALL, LARGEST_REQUEST

BINARY = {"content-type": "application/octet-stream"}


def refused(answer: httpx.Response, *statuses: int) -> None:
    """Check that an answer tells nothing but a reason, and has all headers."""
    assert answer.status_code in statuses, (answer.status_code, answer.text)
    shut(answer)
    assert list(answer.json()) == ["error"]


def shut(answer: httpx.Response) -> None:
    for name, value in HEADERS.items():
        assert answer.headers.get_list(name) == [value]
    assert not any(name.startswith("access-control") for name in answer.headers)
    for word in ("Traceback", "/tmp", "site-packages", TOKEN):
        assert word not in answer.text


def test_the_page_is_served_without_the_key_and_tells_no_class(served: Endpoint) -> None:
    for name in page_files("tutelage.inference.serving"):
        answer = served.ask("GET", "/" if name == "index.html" else f"/page/{name}", {"x-tutelage-token": None})
        assert answer.status_code == 200, name
        shut(answer)
    answer = served.ask("GET", "/openapi.json", {"x-tutelage-token": None})
    shut(answer)
    assert not any(f'"{color}"' in answer.text for color in COLORS)


FORGED: dict[str, tuple[Mapping[str, str | None], int]] = {
    "no key": ({"x-tutelage-token": None}, 403),
    "another key": ({"x-tutelage-token": "x" * len(TOKEN)}, 403),
    "a part of the key": ({"x-tutelage-token": TOKEN[:-1]}, 403),
    "the key as a cookie": ({"x-tutelage-token": None, "cookie": f"x-tutelage-token={TOKEN}"}, 403),
    "the key as a password": ({"x-tutelage-token": None, "authorization": f"Bearer {TOKEN}"}, 403),
    "another origin": ({"origin": "http://evil.example"}, 403),
    "another port": ({"origin": f"http://127.0.0.1:{PORT + 1}"}, 403),
    "the origin null": ({"origin": "null"}, 403),
    "another site": ({"sec-fetch-site": "cross-site"}, 403),
    "another name of the site": ({"sec-fetch-site": "same-site"}, 403),
    "a name that points here": ({"host": f"evil.example:{PORT}"}, 421),
    "a name that begins like this one": ({"host": f"127.0.0.1.evil.example:{PORT}"}, 421),
    "the port of another server": ({"host": f"127.0.0.1:{PORT - 1}"}, 421),
    "no port": ({"host": "127.0.0.1"}, 421),
    "no name": ({"host": ""}, 421),
    "all addresses": ({"host": f"0.0.0.0:{PORT}"}, 421),
    "a negative length": ({"content-length": "-1"}, 400),
    "a length that is a word": ({"content-length": "many"}, 400),
}


@pytest.mark.parametrize(("headers", "status"), FORGED.values(), ids=FORGED)
@pytest.mark.parametrize("path", ["/api/predict", "/api/picture"])
def test_a_forged_request_is_refused(
    served: Endpoint, path: str, headers: Mapping[str, str | None], status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(served.batcher, "submit", lambda images: pytest.fail("it was taken"))
    refused(served.ask("POST", path, {**BINARY, **headers}, color_file("red")), status)


@pytest.mark.parametrize("name", [name for name, (headers, _) in FORGED.items() if "content-length" not in headers])
def test_a_forged_look_at_the_model_is_refused(served: Endpoint, name: str) -> None:
    headers, status = FORGED[name]
    refused(served.ask("GET", "/api/model", headers), status)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"])
def test_other_methods_are_refused(served: Endpoint, method: str) -> None:
    refused(served.ask(method, "/api/predict", BINARY, color_file("red")), 405)


PATHS = [
    *("/../secret.png", "/page/..%2fsecret.png", "/page/%2e%2e/secret.png", "/page/%252e%252e%252fsecret.png"),
    *("/page/..\\secret.png", "//etc/passwd", "/page//etc/passwd", "/page/%2fetc%2fpasswd", "/page/", "/page"),
    *("/page/index.html%00.png", "/page/app.py", "/file:///etc/passwd", "/page/..;/secret.png", "/.git/config"),
    *("/api/predict/x", "/api/model/", "/api/", "/api", "/API/model", "/api/__class__", "/docs", "/config.json"),
]


@pytest.mark.parametrize("path", PATHS)
def test_nothing_but_the_page_and_the_endpoint_is_served(
    served: Endpoint, path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secret.png").write_bytes(b"secret")
    refused(served.ask("GET", str(httpx.URL(f"http://{OWN}").copy_with(raw_path=path.encode()))), 404)
    refused(served.ask("GET", "/api/predict"), 405)


HOSTILE = [
    *("../../etc/passwd", "/etc/passwd", "..\\..\\boot.ini", "<img src=x onerror=alert(1)>.png", "'><script>.png"),
    *("javascript:alert(1)", "{{7*7}}", "=cmd|' /C calc'!A0", "a\u202egnp.exe", "猫.png", "a;b.png", "con"),
]


def test_names_of_files_are_only_told_back(served: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    answer = served.predict(*[(name, color_file("red")) for name in HOSTILE])
    shut(answer)
    assert answer.headers["content-type"] == "application/json"
    assert [one["name"] for one in answer.json()["predictions"]] == HOSTILE
    assert list(tmp_path.iterdir()) == []


def test_a_body_that_is_too_large_is_refused_before_it_is_read(served: Endpoint) -> None:
    async def endless() -> AsyncIterator[bytes]:
        pytest.fail("it was read")
        yield b""

    for length in (LARGEST_REQUEST + 1, 10**12):
        headers = {**BINARY, "content-length": str(length), "transfer-encoding": None}
        refused(served.ask("POST", "/api/predict", headers, endless()), 413)


def test_a_body_that_hides_its_length_is_read_no_further_than_allowed(served: Endpoint) -> None:
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        while True:
            read += 2**22
            yield bytes(2**22)

    refused(served.ask("POST", "/api/predict", BINARY, endless()), 413)
    assert read <= LARGEST_REQUEST + 2**23
    assert served.app.bodies._held == 0


def test_more_bytes_than_the_server_holds_at_once_are_refused_until_there_is_room(served: Endpoint) -> None:
    served.app.bodies._held = LARGEST_IN_ALL - 10
    answer = served.predict(("a.png", color_file("red")))
    refused(answer, 503)
    assert int(answer.headers["retry-after"]) >= 1
    served.app.bodies._held = 0
    assert served.predict(("a.png", color_file("red"))).status_code == 200


def test_an_image_that_is_small_in_its_file_and_large_in_memory_is_refused(served: Endpoint) -> None:
    stream = io.BytesIO()
    Image.new("1", (9600, 9600)).save(stream, "PNG")
    assert len(stream.getvalue()) < 50_000
    begin = time.monotonic()
    (found,) = served.predict(("bomb.png", stream.getvalue())).json()["predictions"]
    assert "has 9600 x 9600 pixels, more than 89478485 are refused" in found["error"]
    assert time.monotonic() - begin < 5


def raw(server: ServedModel, *lines: str, body: bytes = b"") -> bytes:
    """What a request of these very lines is answered with."""
    with socket.create_connection(("127.0.0.1", server.address.port), timeout=20) as link:
        link.sendall("\r\n".join([*lines, "Connection: close", "", ""]).encode() + body)
        found = b""
        while block := link.recv(65536):
            found += block
    return found


def test_a_doubled_host_is_refused_on_the_wire(server: ServedModel) -> None:
    own, key = f"Host: 127.0.0.1:{server.address.port}", f"X-Tutelage-Token: {TOKEN}"
    assert b" 200 " in raw(server, "GET /api/model HTTP/1.1", own, key).splitlines()[0]
    for lines in ([own, own, key], [own, "Host: evil.example", key], [key], [own, key, key], [own, key, "Origin: x"]):
        status = raw(server, "GET /api/model HTTP/1.1", *lines).splitlines()[0]
        assert any(code in status for code in (b" 400 ", b" 403 ", b" 421 ")), (lines, status)


def test_only_this_machine_can_connect(server: ServedModel) -> None:
    others = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)} - {"127.0.0.1"}
    for other in sorted(map(str, others)) or ["127.0.0.2"]:
        with pytest.raises(OSError), socket.create_connection((other, server.address.port), timeout=2):
            pass


@pytest.mark.long
def test_slow_clients_hold_up_nobody_and_are_sent_away() -> None:
    with serving_model(patience=1.5) as server:
        begun = [
            "POST /api/predict HTTP/1.1",
            f"Host: 127.0.0.1:{server.address.port}",
            f"X-Tutelage-Token: {TOKEN}",
            "Content-Type: image/png",
            "Content-Length: 1000",
        ]
        slow = [socket.create_connection(("127.0.0.1", server.address.port), timeout=20) for _ in range(60)]
        for link in slow[:40]:
            link.sendall("\r\n".join([*begun, "", "a"]).encode())  # and then nothing more; the last 20 say nothing
        begin = time.monotonic()
        assert server.post(color_file("green")).json()["predictions"][0]["label"] == "green"
        assert time.monotonic() - begin < 1.5
        answers = [link.recv(4096) for link in slow[:40]]
        assert all(answer.startswith(b"HTTP/1.1 408 ") for answer in answers)
        for link in slow:
            link.close()


@pytest.mark.long
def test_fifty_requests_at_once_lose_nothing() -> None:
    with serving_model() as server:
        together, found = threading.Barrier(50), dict[int, str]()

        def ask(number: int) -> None:
            content = color_file(tuple(COLORS)[number % 3], (300, 200), "JPEG", noise=number)
            together.wait(30)
            found[number] = server.post(content).json()["predictions"][0]["label"]

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(50)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert found == {number: tuple(COLORS)[number % 3] for number in range(50)}


@pytest.mark.long
def test_a_full_server_says_so_and_clients_that_come_back_get_all_answers() -> None:
    with serving_model(capacity=4) as server:
        statuses, labels = list[int](), list[str]()

        def ask(number: int) -> None:
            while True:
                answer = server.post(color_file(tuple(COLORS)[number % 3], (300, 300)))
                statuses.append(answer.status_code)
                if answer.status_code == 200:
                    labels.append(answer.json()["predictions"][0]["label"])
                    return
                assert answer.status_code == 503 and int(answer.headers["retry-after"]) >= 1
                shut(answer)
                time.sleep(0.2)

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(24)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert sorted(labels) == sorted(tuple(COLORS)[number % 3] for number in range(24))
        assert 503 in statuses


@pytest.mark.long
def test_a_client_that_goes_away_leaves_no_bytes_behind() -> None:
    with serving_model() as server:
        for _ in range(20):
            with socket.create_connection(("127.0.0.1", server.address.port), timeout=20) as link:
                lines = ["POST /api/predict HTTP/1.1", f"Host: 127.0.0.1:{server.address.port}"]
                lines += [f"X-Tutelage-Token: {TOKEN}", "Content-Type: image/png", "Content-Length: 100000", "", ""]
                link.sendall("\r\n".join(lines).encode() + bytes(5000))
        assert server.post(color_file("red"), timeout=20).status_code == 200
        late = time.monotonic() + 10
        while server.app.bodies._held:
            assert time.monotonic() < late
            time.sleep(0.01)
