"""Fetching in threads what the next steps need."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

T = TypeVar("T")


class FetchAhead(Generic[T]):
    """Calls `fetch(step)` ahead of time in threads. The results do not depend on the threads.

    Args:
        fetch: a pure function of the step.
        workers: threads; 0 fetches when asked.
        prefetch: steps fetched ahead.
    """

    def __init__(self, fetch: Callable[[int], T], *, workers: int, prefetch: int) -> None:
        self._fetch, self._prefetch = fetch, prefetch
        self._threads = ThreadPoolExecutor(workers, "fetch") if workers > 0 else None
        self._ahead: dict[int, Future[T]] = {}

    def __call__(self, step: int) -> T:
        """The result for `step`. The next steps are started."""
        if self._threads is None:
            return self._fetch(step)
        for ahead in range(step, step + self._prefetch + 1):
            if ahead not in self._ahead:
                self._ahead[ahead] = self._threads.submit(self._fetch, ahead)
        for other in [s for s in self._ahead if not step <= s <= step + self._prefetch]:
            self._ahead.pop(other).cancel()
        return self._ahead.pop(step).result()

    def close(self) -> None:
        """Ends the threads."""
        if self._threads is not None:
            self._threads.shutdown(cancel_futures=True)
        self._ahead.clear()
