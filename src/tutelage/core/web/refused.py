"""Why a request is not done."""

from __future__ import annotations


class Refused(Exception):
    """A request that cannot be done; its message is shown on the page, and holds no path.

    Attributes:
        status: of the answer, 400 to 599.
        retry_after: seconds after which it may be worth another try; None if it never is.
    """

    def __init__(self, message: str, status: int = 400, *, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.status, self.retry_after = status, retry_after
