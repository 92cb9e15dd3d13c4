"""Serves the page until Ctrl+C."""

from __future__ import annotations

import errno
import signal
import socket
import threading
import webbrowser
from collections.abc import Callable
from importlib.util import find_spec
from types import FrameType

from tutelage.core.errors import ConfigError, Interrupted, MissingExtra
from tutelage.core.wording import named, option
from tutelage.curation.web.guard import Address, Application

PORT = 8765  # tried first, unless another is asked for


def require_packages() -> None:
    """Check that the packages of the page are there.

    Raises:
        MissingExtra: one is not.
    """
    for package in ("starlette", "uvicorn"):
        if find_spec(package) is None:
            raise MissingExtra("labeling in a browser", package, "web")


def listen(host: str, port: int | None) -> tuple[socket.socket, Address]:
    """A socket that listens, and its address. Without a port, it is 8765, or any that is free.

    Raises:
        ConfigError: the port is in use or not allowed, or the host is not an address of this machine.
    """
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(host, port or PORT, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError):
        raise ConfigError(f"{named('host')} must be a name or an address of this machine, got '{host}'") from None
    for number in (PORT, 0) if port is None else (port,):
        bound = socket.socket(family, kind, protocol)
        try:
            if family == socket.AF_INET6:
                bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind((place[0], number, *place[2:]))
            bound.listen()  # two sockets may be bound to a port, but only one listens
        except OSError as error:
            bound.close()
            if error.errno == errno.EADDRINUSE and port is None and number == PORT:
                continue
            raise _not_bound(error, host, number) from None
        return bound, Address(host, bound.getsockname()[1])
    raise AssertionError("port 0 is never in use")


def _not_bound(error: OSError, host: str, port: int) -> ConfigError:
    if error.errno == errno.EADDRINUSE:
        return ConfigError(f"port {port} is in use: choose another with {option('port')}, or leave it out")
    if error.errno == errno.EACCES:
        return ConfigError(f"port {port} is not allowed for you: choose one above 1023 with {option('port')}")
    if error.errno == errno.EADDRNOTAVAIL:
        return ConfigError(f"{named('host')} must be a name or an address of this machine, got '{host}'")
    return ConfigError(f"cannot listen at port {port} of {host}: {error.strerror}")


def serve(app: Application, bound: socket.socket, *, started: Callable[[], None]) -> None:
    """Serve `app` until SIGINT, which ends it without an error.

    Args:
        started: called in a thread of its own once the page can be opened.

    Raises:
        Interrupted: SIGTERM.
    """
    import uvicorn

    config = uvicorn.Config(
        app,
        http="h11",
        ws="none",
        loop="asyncio",
        lifespan="off",
        interface="asgi3",
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=3,
        limit_concurrency=200,
    )
    in_main = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGTERM, _interrupt) if in_main else None
    try:
        threading.Thread(target=started, daemon=True).start()
        uvicorn.Server(config).run(sockets=[bound])  # raises the signals that it got once all answers are sent
    except KeyboardInterrupt:
        pass
    finally:
        if in_main:
            signal.signal(signal.SIGTERM, before)
        bound.close()


def open_browser(url: str) -> None:
    """Open a page; where there is no browser, nothing happens."""
    webbrowser.open(url)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise Interrupted("stopped by SIGTERM", number)
