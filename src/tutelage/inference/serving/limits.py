"""How much a served model takes at once. More than that is refused with a reason, and nothing is lost silently."""

from __future__ import annotations

LARGEST_REQUEST = 64 * 2**20  # bytes
LARGEST_IN_ALL = 256 * 2**20  # bytes of all requests that are held at the same time
MOST_WAITING = 256  # images that are accepted and not yet answered
MOST_AT_ONCE = 32  # images that pass the network together
WAIT = 0.004  # seconds from its arrival for which an image waits for others
PATIENCE = 30.0  # seconds in which a request must arrive
SHUTDOWN = 60  # seconds in which accepted requests are answered after a signal
PICTURE = 480  # pixels of the longest side of a picture for the page
