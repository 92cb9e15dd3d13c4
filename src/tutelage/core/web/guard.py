"""Refuses every request that does not come from the page itself, and adds the headers that keep the page shut."""

from __future__ import annotations

import ipaddress
import secrets
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from tutelage.core.files import strict_json
from tutelage.core.web.bodies import Bodies, Message, Receive
from tutelage.core.web.refused import Refused

Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]

TOKEN = "x-tutelage-token"
DATA = "/api/"  # addresses below it need the token
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

    Attributes:
        token: the key of this start, which addresses below `DATA` and all POST requests need.
        bodies: what requests may carry; 64 KiB of JSON by default.
    """

    app: Application
    address: Address
    token: str
    bodies: Bodies = field(default_factory=Bodies)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return

        async def send_shut(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": _shut(message.get("headers", []))}
            await send(message)

        try:
            self._check(scope)
            async with self.bodies.taken(receive) as body:
                await self.app(scope, _given(body, receive), send_shut)
        except Refused as refused:
            await _refuse(send_shut, refused)

    def _check(self, scope: Message) -> None:
        """Check what is known of a request before its body.

        Raises:
            Refused: it is not one of the page.
        """
        given: dict[str, list[str]] = {}
        for name, value in scope["headers"]:
            given.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
        method, path = scope["method"], scope["path"]
        if method not in ("GET", "HEAD", "POST"):
            raise Refused("this method is not allowed", 405)
        hosts = given.get("host", [])
        if len(hosts) != 1 or not self.address.is_own(hosts[0]):
            raise Refused("this server has another name", 421)
        if any(site not in ("same-origin", "none") for site in given.get("sec-fetch-site", [])):
            raise Refused("this request comes from another site", 403)
        if any(origin != f"http://{hosts[0]}" for origin in given.get("origin", [])):
            raise Refused("this request comes from another site", 403)
        if (method == "POST" or path.startswith(DATA)) and not self._has_token(given):
            raise Refused("this request does not have the key of this server", 403)
        self.bodies.check(given, method)

    def _has_token(self, given: Mapping[str, Sequence[str]]) -> bool:
        tokens = given.get(TOKEN, [])
        return len(tokens) == 1 and secrets.compare_digest(tokens[0].encode(), self.token.encode())


def _given(body: bytes, receive: Receive) -> Receive:
    """What an application receives: a body that is there already, and then what happens to the connection."""
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    async def received() -> Message:
        return waiting.pop() if waiting else await receive()

    return received


def _shut(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    kept = [(name, value) for name, value in headers if name.decode("latin-1").lower() not in HEADERS]
    return kept + [(name.encode(), value.encode()) for name, value in HEADERS.items()]


async def _refuse(send: Send, refused: Refused) -> None:
    body = strict_json({"error": str(refused)}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if refused.retry_after is not None:
        headers.append((b"retry-after", str(refused.retry_after).encode()))
    await send({"type": "http.response.start", "status": refused.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
