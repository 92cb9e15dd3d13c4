"""The Hugging Face Hub, as far as it can be reached: its own client tries for minutes."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit
from urllib.request import getproxies

_PATIENCE = 1.0  # seconds


def unreachable_hub() -> str | None:
    """The hub's host if it cannot be reached within a second; None if it can be, or if a proxy may reach it."""
    from huggingface_hub import constants

    if getproxies():
        return None
    hub = urlsplit(constants.ENDPOINT)
    try:
        socket.create_connection((hub.hostname or "", hub.port or 443), timeout=_PATIENCE).close()
    except OSError:
        return hub.hostname or constants.ENDPOINT
    return None
