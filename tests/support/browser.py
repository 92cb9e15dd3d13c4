"""Chromium, driven over WebDriver, to see pages as people see them."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

KEYS = {"Backspace": "\ue003", "Enter": "\ue007", "Escape": "\ue00c", "Space": " ", "Tab": "\ue004"}
KEYS |= {"ArrowLeft": "\ue012", "ArrowUp": "\ue013", "ArrowRight": "\ue014", "ArrowDown": "\ue015"}


class Browser:
    """Chromium, driven over WebDriver."""

    def __init__(self, address: str, session: str) -> None:
        self.address = f"{address}/session/{session}"

    def open(self, page: Path | str) -> None:
        """Load a file or an address, and forget what was logged before."""
        self.logs("browser"), self.logs("performance")
        _post(f"{self.address}/url", {"url": page if isinstance(page, str) else page.resolve().as_uri()})

    def value(self, expression: str) -> Any:
        """What an expression in JavaScript gives in the page."""
        return _post(f"{self.address}/execute/sync", {"script": f"return {expression}", "args": []})

    def wait(self, expression: str, *, seconds: float = 20.0) -> Any:
        """What an expression gives once it is true."""
        late = time.monotonic() + seconds
        while not (found := self.value(expression)):
            if time.monotonic() > late:
                raise TimeoutError(f"not true after {seconds:g} s: {expression}")
            time.sleep(0.02)
        return found

    def press(self, *keys: str) -> None:
        """Press keys, one after the other, by their name in JavaScript, as a keyboard does."""
        actions = []
        for key in keys:
            value = KEYS.get(key, key)
            actions += [{"type": "keyDown", "value": value}, {"type": "keyUp", "value": value}]
        _post(f"{self.address}/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]})

    def click(self, selector: str) -> None:
        """Click the middle of an element, as a mouse does."""
        self.drag([self._middle(selector)])

    def choose(self, selector: str, files: Sequence[Path]) -> None:
        """Choose files in an input of a form, as the window for it does."""
        found = _post(f"{self.address}/element", {"using": "css selector", "value": selector})
        text = "\n".join(str(file.resolve()) for file in files)
        _post(f"{self.address}/element/{next(iter(found.values()))}/value", {"text": text})

    def drag(self, places: Sequence[tuple[float, float]]) -> None:
        """Press the button of the mouse at the first place, move along the others, and let go."""
        moves = [{"type": "pointerMove", "duration": 0, "x": int(x), "y": int(y)} for x, y in places]
        actions = [moves[0], {"type": "pointerDown", "button": 0}, *moves[1:], {"type": "pointerUp", "button": 0}]
        mouse = {"type": "pointer", "id": "mouse", "parameters": {"pointerType": "mouse"}, "actions": actions}
        _post(f"{self.address}/actions", {"actions": [mouse]})

    def _middle(self, selector: str) -> tuple[float, float]:
        found = f"document.querySelector({json.dumps(selector)})"
        self.value(f"{found}.scrollIntoView({{block: 'center'}})")
        box = self.value(f"{found}.getBoundingClientRect().toJSON()")
        return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    def picture(self, file: Path) -> None:
        """Save what is on the screen as a PNG file."""
        with urllib.request.urlopen(f"{self.address}/screenshot", timeout=60) as answer:
            file.write_bytes(base64.b64decode(json.load(answer)["value"]))

    def logs(self, kind: str) -> list[dict[str, Any]]:
        """What was logged since the last time: "browser" is the console, "performance" what was asked for."""
        found: list[dict[str, Any]] = _post(f"{self.address}/se/log", {"type": kind})
        return found

    def requests(self) -> list[str]:
        """The addresses that were asked for since the last time."""
        events = [json.loads(entry["message"])["message"] for entry in self.logs("performance")]
        return [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]

    def set_scheme(self, scheme: str) -> None:
        """Ask for "light" or "dark"."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self._tell("Emulation.setEmulatedMedia", {"features": features})

    def set_width(self, width: int, height: int = 800, *, scale: float = 1.0) -> None:
        """The size of the window in pixels, and how many pixels of the screen are one of them."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": width < 600}
        self._tell("Emulation.setDeviceMetricsOverride", metrics)

    def dialog(self) -> str | None:
        """The text of an open dialog."""
        try:
            with urllib.request.urlopen(f"{self.address}/alert/text", timeout=30) as answer:
                return str(json.load(answer)["value"])
        except urllib.error.HTTPError:
            return None

    def _tell(self, command: str, parameters: dict[str, Any]) -> None:
        _post(f"{self.address}/goog/cdp/execute", {"cmd": command, "params": parameters})


def _post(address: str, body: dict[str, Any]) -> Any:
    request = urllib.request.Request(address, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)["value"]


@contextmanager
def open_browser() -> Iterator[Browser]:
    """A headless Chromium; a test skips where there is none."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("no chromium and chromedriver (Debian: apt-get install chromium chromium-driver)")
    with (
        tempfile.TemporaryDirectory() as profile,
        subprocess.Popen([driver, "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process,
    ):
        assert process.stdout is not None
        said = next(line for line in process.stdout if "started successfully on port" in line)
        address = f"http://127.0.0.1:{said.rstrip().rstrip('.').rpartition(' ')[2]}"
        quiet = ["background-networking", "component-update", "default-apps", "extensions", "gpu", "quic", "sync"]
        flags = ["headless", "no-sandbox", "no-first-run", f"user-data-dir={profile}"]
        options = {"binary": chromium, "args": [*flags, *(f"disable-{name}" for name in quiet)]}
        logging = {"browser": "ALL", "performance": "ALL"}
        wanted = {
            "goog:chromeOptions": options,
            "goog:loggingPrefs": logging,
            "unhandledPromptBehavior": "ignore",
        }
        try:
            session = _post(f"{address}/session", {"capabilities": {"alwaysMatch": wanted}})["sessionId"]
            yield Browser(address, session)
            urllib.request.urlopen(urllib.request.Request(f"{address}/session/{session}", method="DELETE")).close()
        finally:
            process.terminate()
            process.stdout.close()
