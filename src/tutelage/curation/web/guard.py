"""Refuses every request that does not come from the page itself, and adds the headers that keep the page shut."""

from __future__ import annotations

import ipaddress
import secrets
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

from tutelage.core.files import strict_json

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]

TOKEN = "x-tutelage-token"
DATA = "/api/"  # addresses below it need the token
LARGEST_BODY = 64 * 1024  # bytes
HEADERS = {
    "content-security-policy": "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; "
    "form-action 'none'; object-src 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "x-frame-options": "DENY",
}
_WILDCARDS = ("0.0.0.0", "::")


@dataclass(frozen=True)
class Address:
    """Where the server listens.

    Attributes:
        host: as it was asked for; 0.0.0.0 and :: stand for all addresses of the machine.
    """

    host: str
    port: int

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach it."""
        return self.host in ("127.0.0.1", "localhost", "::1")

    def is_own(self, name: str) -> bool:
        """Whether the Host header `name` is one that a browser sends to this server.

        A site elsewhere may let its own name point to this machine, but not change the name that the browser sends.
        """
        known = ["127.0.0.1", "localhost", "[::1]", _in_brackets(self.host)]
        if self.host in _WILDCARDS:
            known.append(socket.gethostname())
            return name in [f"{one}:{self.port}" for one in known] or self._is_number(name)
        return name in [f"{one}:{self.port}" for one in known]

    def _is_number(self, name: str) -> bool:
        """Whether `name` is an IP address, written as browsers do, with the own port."""
        host, _, port = name.rpartition(":")
        bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
        try:
            number = ipaddress.ip_address(bare)
        except ValueError:
            return False
        return port == str(self.port) and host == _in_brackets(str(number))

    def url(self, token: str) -> str:
        """The address to open. The token is behind a #, so that no browser sends it anywhere."""
        host = "127.0.0.1" if self.host == "0.0.0.0" else "::1" if self.host == "::" else self.host
        return f"http://{_in_brackets(host)}:{self.port}/#{token}"


def _in_brackets(host: str) -> str:
    return f"[{host}]" if ":" in host else host


@dataclass(frozen=True)
class Guard:
    """An ASGI application that hands to `app` only what passes all checks.

    Every response gets `HEADERS`, refusals included. There are no CORS headers, so no other site can read anything.
    """

    app: Application
    address: Address
    token: str

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return

        async def send_shut(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": _shut(message.get("headers", []))}
            await send(message)

        refusal = self._refusal(scope)
        body = b"" if refusal else await _whole_body(receive)
        if refusal or body is None:
            await _refuse(send_shut, *(refusal or _TOO_LARGE))
        else:
            await self.app(scope, _given(body, receive), send_shut)

    def _refusal(self, scope: Message) -> tuple[int, str] | None:
        """The status and the reason of a refusal; None for a request of the page."""
        given: dict[str, list[str]] = {}
        for name, value in scope["headers"]:
            given.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
        method, path = scope["method"], scope["path"]
        if method not in ("GET", "HEAD", "POST"):
            return 405, "this method is not allowed"
        hosts = given.get("host", [])
        if len(hosts) != 1 or not self.address.is_own(hosts[0]):
            return 421, "this server has another name"
        if any(site not in ("same-origin", "none") for site in given.get("sec-fetch-site", [])):
            return 403, "this request comes from another site"
        if any(origin != f"http://{hosts[0]}" for origin in given.get("origin", [])):
            return 403, "this request comes from another site"
        if (method == "POST" or path.startswith(DATA)) and not self._has_token(given):
            return 403, "this request does not have the key of this server"
        return _body_refusal(given, method)

    def _has_token(self, given: dict[str, list[str]]) -> bool:
        tokens = given.get(TOKEN, [])
        return len(tokens) == 1 and secrets.compare_digest(tokens[0].encode(), self.token.encode())


_TOO_LARGE = (413, f"a request may have {LARGEST_BODY // 1024} KiB at most")


def _body_refusal(given: dict[str, list[str]], method: str) -> tuple[int, str] | None:
    lengths = given.get("content-length", [])
    if len(lengths) > 1 or any(not length.isdecimal() for length in lengths):
        return 400, "the length of the request is not a number"
    if any(int(length) > LARGEST_BODY for length in lengths):
        return _TOO_LARGE
    kinds = [kind.lower().replace(" ", "") for kind in given.get("content-type", [])]
    if method == "POST" and kinds not in (["application/json"], ["application/json;charset=utf-8"]):
        return 415, "expected application/json"
    return None


async def _whole_body(receive: Receive) -> bytes | None:
    """The body of a request; None if it has more than `LARGEST_BODY` bytes, since it may come without its length."""
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > LARGEST_BODY:
            return None
        if not message.get("more_body", False):
            return body


def _given(body: bytes, receive: Receive) -> Receive:
    """What an application receives: a body that is there already, and then what happens to the connection."""
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    async def received() -> Message:
        return waiting.pop() if waiting else await receive()

    return received


def _shut(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    kept = [(name, value) for name, value in headers if name.decode("latin-1").lower() not in HEADERS]
    return kept + [(name.encode(), value.encode()) for name, value in HEADERS.items()]


async def _refuse(send: Send, status: int, reason: str) -> None:
    body = strict_json({"error": reason}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
