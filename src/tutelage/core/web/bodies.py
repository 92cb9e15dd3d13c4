"""The bodies of requests: of which kind, how large, and how long the server waits for them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from tutelage.core.names import byte_count
from tutelage.core.web.refused import Refused

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]

LARGEST_JSON = 64 * 1024  # bytes


def is_json(kind: str) -> bool:
    """Whether a Content-Type is that of JSON."""
    return kind.lower().replace(" ", "") in ("application/json", "application/json;charset=utf-8")


class Bodies:
    """What requests may carry, and the bytes of all that are there at once.

    Attributes:
        accepts: whether a POST request may have this Content-Type.
        expected: the accepted ones, in words.
        largest: bytes of one body.
        in_all: bytes of all bodies that are held at the same time, from their first byte to the answer; any number if
            None.
        patience: seconds for which a body is waited for; any time if None.
    """

    def __init__(
        self,
        *,
        accepts: Callable[[str], bool] = is_json,
        expected: str = "application/json",
        largest: int = LARGEST_JSON,
        in_all: int | None = None,
        patience: float | None = None,
    ) -> None:
        self.accepts, self.expected, self.largest = accepts, expected, largest
        self.in_all, self.patience = in_all, patience
        self._held = 0

    def check(self, given: Mapping[str, Sequence[str]], method: str) -> None:
        """Check the headers of a request, before any byte of its body is read.

        Raises:
            Refused: its length or its kind is not allowed, or there is no room for it now.
        """
        lengths = given.get("content-length", [])
        if len(lengths) > 1 or any(not length.isdecimal() for length in lengths):
            raise Refused("the length of the request is not a number")
        self._check_room(sum(map(int, lengths)), 0)
        kinds = given.get("content-type", [])
        if method == "POST" and (len(kinds) != 1 or not self.accepts(kinds[0])):
            raise Refused(f"expected {self.expected}", 415)

    @asynccontextmanager
    async def taken(self, receive: Receive) -> AsyncIterator[bytes]:
        """The whole body of a request, which counts as held until the block ends.

        Raises:
            Refused: it has more bytes than it may, which it may not have named before; or it does not come.
        """
        body = bytearray()
        try:
            await self._read(receive, body)
            yield bytes(body)
        finally:
            self._held -= len(body)

    async def _read(self, receive: Receive, body: bytearray) -> None:
        try:
            async with asyncio.timeout(self.patience):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise Refused("the request ended early")
                    chunk = message.get("body", b"")
                    self._check_room(len(body) + len(chunk), len(body))
                    body += chunk
                    self._held += len(chunk)
                    if not message.get("more_body", False):
                        return
        except TimeoutError:
            raise Refused(f"the request did not arrive within {self.patience:g} s", 408) from None

    def _check_room(self, length: int, own: int) -> None:
        """Check that a body may have `length` bytes, of which `own` are held already."""
        if length > self.largest:
            raise Refused(f"a request may have {byte_count(self.largest)} at most", 413)
        if self.in_all is not None and self._held - own + length > self.in_all:
            raise Refused("too many requests at once: try again in a moment", 503, retry_after=1)
