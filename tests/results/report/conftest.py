"""A run on data with hostile names, trained once, and a browser to look at its report with."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tutelage import cli

IMAGE = "<img src=x onerror=alert(1)>"
CLASSES = (IMAGE, "$\\frac{1}$ & _猫 | `b` **c**", "plain")


def write_images(folder: Path, count: int, seed: int) -> None:
    """Class folders of hostile names, with images of hostile names, a color a class."""
    rng = np.random.default_rng(seed)
    for number, name in enumerate(CLASSES):
        (folder / name).mkdir(parents=True)
        for k in range(count):
            pixels = rng.integers(0, 160, (12, 12, 3), np.uint8)
            pixels[..., number] //= 2
            Image.fromarray(pixels).save(folder / name / f"{IMAGE}{seed}{k}.png")


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Training images with few labels, test images, and images without a label."""
    folder = tmp_path_factory.mktemp("data")
    write_images(folder / "train", 30, 1)
    write_images(folder / "test", 8, 2)
    return folder


@pytest.fixture(scope="session")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of a method with pseudo-labels, its report in it."""
    out = tmp_path_factory.mktemp("runs") / "a <b>run<b>"
    words = ["--method", "fixmatch", "--method.threshold", "0.4", "--network", "small", "--label-count", "78"]
    length = ["--steps", "6", "--log-every", "2", "--eval-every", "2", "--batch-size", "6", "--device", "cpu"]
    code = cli.run(["train", str(data), "--out", str(out), "--data.val-share", "0.2", *words, *length])
    assert code == 0
    return out


class Browser:
    """Chromium, driven over WebDriver."""

    def __init__(self, address: str, session: str) -> None:
        self.address = f"{address}/session/{session}"

    def open(self, page: Path) -> None:
        """Load a file, and forget what was logged before."""
        self.logs("browser"), self.logs("performance")
        _post(f"{self.address}/url", {"url": page.resolve().as_uri()})

    def value(self, expression: str) -> Any:
        """What an expression in JavaScript gives in the page."""
        return _post(f"{self.address}/execute/sync", {"script": f"return {expression}", "args": []})

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

    def set_width(self, width: int) -> None:
        """The width of the window in pixels."""
        metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600}
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


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A headless Chromium, where there is one."""
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
