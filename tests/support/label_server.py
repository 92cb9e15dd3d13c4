"""The server of `tutelage label` as a process of its own, and a client that asks it as the page does."""

from __future__ import annotations

import json
import re
import time
import urllib.request
from pathlib import Path
from typing import Any

from support.starter import Started, Starter


class Client:
    """Asks a page as a browser does."""

    def __init__(self, url: str) -> None:
        self.base, _, self.token = url.partition("/#")

    def ask(self, path: str, body: Any = None) -> Any:
        headers = {"X-Tutelage-Token": self.token, "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(urllib.request.Request(self.base + path, data, headers), timeout=30) as answer:
            return json.load(answer)

    def answer(self, label: str = "red") -> str:
        """Label the next image; its name. A ValueError if there is none left."""
        item = self.ask("/api/next")
        if item is None:
            raise ValueError("no image is left")
        self.ask("/api/answer", {"index": item["index"], "label": label, "was": None})
        return str(item["name"])


def address(said: str) -> str:
    return re.findall(r"http://\S+/#\S+", said)[-1]


def serving(starter: Starter, *words: str) -> tuple[Started, Client]:
    """A process that serves a page, once it does; Ctrl+C must reach a process of its own."""
    process = starter.start(*words, cwd=Path.cwd())
    late = time.monotonic() + 60
    while True:
        process.out.seek(0)
        said = process.out.read().decode()
        if "/#" in said and said.endswith("\n"):
            return process, Client(address(said))
        assert process.poll() is None and time.monotonic() < late, process.communicate()
        time.sleep(0.02)
