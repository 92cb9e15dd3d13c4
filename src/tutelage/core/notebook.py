"""A line in a notebook that is replaced in place, so that a long training fills no cell."""

from __future__ import annotations

import sys
import time
from importlib import import_module
from typing import Any

from markupsafe import Markup

from tutelage.core.html import cell

_EVERY = 0.25  # seconds between two updates


def in_notebook() -> bool:
    """Whether the code runs in a kernel of Jupyter, which shows HTML; not in IPython on a terminal."""
    shell = sys.modules.get("IPython")
    found = None if shell is None else shell.get_ipython()
    return found is not None and hasattr(found, "kernel")


class NotebookBar:
    """A progress bar as HTML, needing no package but those of the notebook itself."""

    def __init__(self, total: int) -> None:
        self.total, self.done, self.text = total, 0, ""
        self._handle: Any = None
        self._shown = 0.0

    def update(self, done: int, text: str | None = None) -> None:
        """Show how far it is; what comes too soon after the last update is shown with the next one."""
        self.done, self.text = done, self.text if text is None else text
        if self._handle is not None and time.monotonic() - self._shown >= _EVERY:
            self._show()

    def start(self) -> None:
        """Show it for the first time."""
        self._show()

    def stop(self) -> None:
        """Show where it ended."""
        self._show()

    def _show(self) -> None:
        ipython: Any = import_module("IPython.display")  # which has no types
        self._shown = time.monotonic()
        page = ipython.HTML(self.page())
        if self._handle is None:
            self._handle = ipython.display(page, display_id=True)
        else:
            self._handle.update(page)

    def page(self) -> str:
        """The bar with its text."""
        bar = Markup("<progress value='{}' max='{}'></progress> step {:,}/{:,}").format(
            self.done, self.total, self.done, self.total
        )
        return bar + Markup(" <span style='white-space:pre'>{}</span>").format(cell(self.text))
