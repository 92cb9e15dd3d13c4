"""Serves a page until Ctrl+C."""

from __future__ import annotations

import asyncio
import errno
import signal
import socket
import threading
import webbrowser
from collections.abc import Callable
from importlib.util import find_spec
from types import FrameType
from typing import TYPE_CHECKING

from tutelage.core.errors import ConfigError, Interrupted, MissingExtra
from tutelage.core.web.guard import Address, Application
from tutelage.core.wording import named, option

if TYPE_CHECKING:
    import uvicorn

PORT = 8765


def require_packages(what: str, *more: str) -> None:
    """Check that the packages of a page are there.

    Args:
        what: what needs them, in words.
        more: packages besides those of the server.

    Raises:
        MissingExtra: one is not.
    """
    for package in ("starlette", "uvicorn", *more):
        if find_spec(package.replace("-", "_")) is None:
            raise MissingExtra(what, package, "web")


def listen(host: str, port: int | None, usual: int = PORT) -> tuple[socket.socket, Address]:
    """A socket that listens, and its address. Without a port, it is `usual`, or any that is free.

    Raises:
        ConfigError: the port is in use or not allowed, or the host is not an address of this machine.
    """
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(host, port or usual, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError):
        raise ConfigError(f"{named('host')} must be a name or an address of this machine, got '{host}'") from None
    for number in (usual, 0) if port is None else (port,):
        bound = socket.socket(family, kind, protocol)
        try:
            if family == socket.AF_INET6:
                bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind((place[0], number, *place[2:]))
            bound.listen()  # two sockets may be bound to a port, but only one listens
        except OSError as error:
            bound.close()
            if error.errno == errno.EADDRINUSE and port is None and number == usual:
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


def serve(
    app: Application,
    bound: socket.socket,
    *,
    started: Callable[[], None],
    most_connections: int | None = 200,
    patience: int = 3,
) -> None:
    """Serve `app` until SIGINT, which ends it without an error.

    Args:
        started: called in a thread of its own once the page can be opened.
        most_connections: above which a request is answered with 503 and no reason; any number if None.
        patience: seconds in which requests that were accepted are answered after a signal.

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
        timeout_graceful_shutdown=patience,
        limit_concurrency=most_connections,
    )
    in_main = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGTERM, _interrupt) if in_main else None
    try:
        threading.Thread(target=started, daemon=True).start()
        _run(uvicorn.Server(config), bound)
    except KeyboardInterrupt:
        pass
    finally:
        if in_main:
            signal.signal(signal.SIGTERM, before)
        bound.close()


def _run(server: uvicorn.Server, bound: socket.socket) -> None:
    """Run a server until a signal, which is raised here once all answers are sent.

    Where an event loop runs in this thread already, as in a notebook, the server gets a thread of its own.
    """
    if asyncio._get_running_loop() is None:
        server.run(sockets=[bound])
        return
    ended = threading.Event()  # a thread whose `join` is interrupted counts as ended, though it is not

    def run() -> None:
        try:
            server.run(sockets=[bound])
        finally:
            ended.set()

    threading.Thread(target=run, daemon=True).start()
    try:
        while not ended.wait(0.2):  # not for ever, so that signals get through
            pass
    finally:
        server.should_exit = True
        ended.wait()


def open_browser(url: str) -> None:
    """Open a page; where there is no browser, nothing happens."""
    webbrowser.open(url)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise Interrupted("stopped by SIGTERM", number)
