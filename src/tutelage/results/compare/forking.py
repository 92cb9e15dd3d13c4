"""What a process that forks and the one that asks it say to each other, over a socket, one JSON value a line.

A request for a process is any value but a number, with two open files for its standard output and error; the answer is
the number of the process. A number asks for the exit code of that process; the answer is None while it runs.
"""

from __future__ import annotations

import gc
import json
import os
import socket
import sys
import warnings
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from typing import Any


class ServerLostError(Exception):
    """The process that forks has ended, or never began."""


def ask(link: socket.socket, request: Any, *descriptors: int) -> Any:
    """The answer to a request, with which open files are passed on.

    Raises:
        ServerLostError: the other side has ended.
    """
    try:
        socket.send_fds(link, [_line(request)], descriptors)
    except OSError as error:
        raise ServerLostError from error
    return hear(link)


def hear(link: socket.socket) -> Any:
    """What the other side says next.

    Raises:
        ServerLostError: it has ended.
    """
    said = b""
    while not said.endswith(b"\n"):
        try:
            part = link.recv(1 << 10)
        except OSError as error:
            raise ServerLostError from error
        if not part:
            raise ServerLostError
        said += part
    return json.loads(said)


def tell(link: socket.socket, answer: int | None) -> None:
    """Say something to the side that asks."""
    link.sendall(_line(answer))


def _line(value: Any) -> bytes:
    return json.dumps(value).encode() + b"\n"


def import_all(names: Sequence[str]) -> None:
    """Import what forks will need, for all of them at once."""
    gc.disable()  # a third of the time of importing
    for name in names:
        with suppress(ImportError):  # an optional package; a run says so if it needs it
            import_module(name)
    if import_module("torch").cuda.is_initialized():
        sys.exit("a GPU that is in use does not outlive a fork")  # runs are started without forks then
    gc.enable()
    gc.freeze()  # so that collections in a fork do not go through, and copy, what is imported


def serve(link: socket.socket) -> Any:
    """Answer requests until the other side closes: then None. In a fork, the request that it was made for."""
    while True:
        said, descriptors = b"", list[int]()
        while not said.endswith(b"\n"):
            part, more, _, _ = socket.recv_fds(link, 1 << 16, 2)
            if not part:
                return None
            said, descriptors = said + part, descriptors + more
        request = json.loads(said)
        if isinstance(request, int):
            pid, status = os.waitpid(request, os.WNOHANG)
            tell(link, os.waitstatus_to_exitcode(status) if pid else None)
            continue
        with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
            pid = os.fork()  # warns of the idle threads of a linear algebra library, which provides for forks
        if pid == 0:
            link.close()
            for number, descriptor in enumerate(descriptors, 1):
                os.dup2(descriptor, number)
        for descriptor in descriptors:
            os.close(descriptor)
        if pid == 0:
            return request
        tell(link, pid)
