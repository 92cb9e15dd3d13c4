"""The server of local pages: where it listens, and where it runs."""

from __future__ import annotations

import _thread
import asyncio
from typing import Any

import httpx
import pytest

from tutelage.core.errors import ConfigError
from tutelage.core.names import byte_count
from tutelage.core.web.server import listen, serve


async def hello(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})


@pytest.mark.parametrize("inside", [False, True], ids=["alone", "in a running event loop, as a notebook has"])
def test_it_serves_until_it_is_interrupted(inside: bool) -> None:
    bound, address = listen("127.0.0.1", None, 0)
    found: list[str] = []

    def ask() -> None:
        found.append(httpx.get(f"http://127.0.0.1:{address.port}/", verify=False, trust_env=False).text)
        _thread.interrupt_main()

    def run() -> None:
        serve(hello, bound, started=ask)

    async def cell() -> None:
        run()

    if inside:
        loop = asyncio.new_event_loop()
        loop.run_until_complete(cell())
        loop.close()
    else:
        run()
    assert found == ["hello"] and bound.fileno() == -1


def test_a_port_in_use_is_named_and_the_usual_one_gives_way() -> None:
    taken, address = listen("127.0.0.1", None, 0)
    with taken:
        with pytest.raises(ConfigError, match=f"port {address.port} is in use"):
            listen("127.0.0.1", address.port)
        other, place = listen("127.0.0.1", None, address.port)
        other.close()
        assert place.port != address.port


@pytest.mark.parametrize(
    ("number", "said"), [(0, "0 bytes"), (1000, "1,000 bytes"), (65536, "64 KiB"), (64 * 2**20, "64 MiB")]
)
def test_bytes_are_told_in_the_largest_unit_that_leaves_them_whole(number: int, said: str) -> None:
    assert byte_count(number) == said
