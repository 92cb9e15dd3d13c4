"""The page as a person uses it: files are chosen, dropped and pasted, on a wide screen and on a narrow one."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.browser import Browser
from support.served_model import ServedModel, color_file, serving_model

pytestmark = pytest.mark.long

HOSTILE = "<img src=x onerror=document.title='run'>.png"
CARDS = "[...document.querySelectorAll('.result')].map((card) => card.innerText.split(/\\s+/).join(' '))"
DONE = "/^[\\d,]+ images?(, |$)/.test(document.querySelector('#count').textContent)"


def write(folder: Path, files: dict[str, bytes]) -> list[Path]:
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return [folder / name for name in files]


def dropped(files: dict[str, bytes], kind: str) -> str:
    """JavaScript that drops or pastes files."""
    packed = json.dumps({name: base64.b64encode(content).decode() for name, content in files.items()})
    event = {
        "drop": "new DragEvent('drop', {dataTransfer: data, bubbles: true, cancelable: true})",
        "paste": "new ClipboardEvent('paste', {clipboardData: data, bubbles: true, cancelable: true})",
    }[kind]
    return (
        "(() => { const data = new DataTransfer();"
        f"for (const [name, content] of Object.entries({packed}))"
        "  data.items.add(new File([Uint8Array.from(atob(content), (c) => c.charCodeAt(0))], name));"
        f"return document.body.dispatchEvent({event}); }})()"
    )


def open_page(browser: Browser, server: ServedModel, width: int) -> None:
    browser.set_scheme("light")
    browser.set_width(width)
    browser.open("about:blank")
    browser.open(server.url)
    browser.wait("document.querySelector('#model').textContent === 'Classes: red, green, blue'")


@pytest.fixture(params=[1280, 390])
def page(browser: Browser, server: ServedModel, request: pytest.FixtureRequest) -> Iterator[Browser]:
    open_page(browser, server, request.param)
    yield browser
    assert browser.logs("browser") == []
    assert browser.value("document.title") == "tutelage serve"
    assert browser.value("document.documentElement.scrollWidth <= innerWidth")


def test_chosen_files_get_a_picture_a_class_and_bars_and_others_a_reason(
    page: Browser, server: ServedModel, tmp_path: Path
) -> None:
    files = {"a.png": color_file("red"), "b.tif": color_file("blue", form="TIFF"), "notes.txt": b"no image"}
    files |= {"c.jpg": b"", HOSTILE: color_file("green", (200, 100))}
    page.choose("#files", write(tmp_path, files))
    page.wait(DONE)
    assert page.value("document.querySelector('#count').textContent") == "5 images, 2 without an answer"
    page.wait("document.querySelectorAll('.frame img').length === 3")
    cards: list[str] = page.value(CARDS)
    assert cards[0].startswith("a.png red 9") and cards[1].startswith("b.tif blue")
    assert "notes.txt This file is not a readable image" in cards[2]
    assert "This file is empty (0 bytes)." in cards[3] and cards[4].startswith(f"{HOSTILE} green")
    tracks = "[...document.querySelectorAll('.result:first-child .track span')]"
    bars: list[float] = page.value(f"{tracks}.map((bar) => parseFloat(bar.style.width))")
    expected = server.model.predict(tmp_path / "a.png").probabilities[0]
    assert bars == pytest.approx(sorted((100 * float(p) for p in expected), reverse=True), abs=1e-3)
    page.wait("[...document.querySelectorAll('.frame img')].every((image) => image.naturalWidth > 0)")
    assert page.value("[...document.querySelectorAll('.frame img')].map((image) => image.alt)[0]") == "Picture of a.png"
    own = f"http://127.0.0.1:{server.address.port}/"
    assert all(address.startswith((own, "data:")) for address in page.requests())
    assert "#" not in page.value("location.href")


def test_files_are_dropped_pasted_and_cleared(page: Browser) -> None:
    assert page.value(dropped({"a.png": color_file("red"), "b.png": color_file("green")}, "drop")) is False
    page.wait(DONE)
    page.value(dropped({"c.png": color_file("blue")}, "paste"))
    page.wait("document.querySelector('#count').textContent === '3 images'")
    cards: list[str] = page.value(CARDS)
    assert [card.split()[:2] for card in cards] == [["c.png", "blue"], ["a.png", "red"], ["b.png", "green"]]
    assert page.value("document.querySelector('#live').textContent") == "Done: 3 images"
    page.click("#clear")
    assert page.value("document.querySelectorAll('.result').length") == 0
    assert page.value("document.querySelector('#clear').disabled")


def test_everything_is_reached_by_the_keyboard(page: Browser) -> None:
    assert page.value("document.activeElement.id") == "choose"
    listen = "addEventListener('click', (event) => { event.preventDefault(); window.asked = true; })"
    page.value(f"document.querySelector('#files').{listen}")
    page.press("Enter")
    assert page.value("window.asked") is True
    page.value(dropped({"a.png": color_file("red")}, "drop"))
    page.wait(DONE)
    page.value("document.querySelector('#clear').focus()")
    page.press("Enter")
    assert page.value("document.querySelectorAll('.result').length") == 0
    assert page.value("document.activeElement.id") == "choose"


@pytest.mark.parametrize("count", [60, pytest.param(1000, marks=pytest.mark.slow)])
def test_many_files_are_all_answered_in_their_order(browser: Browser, server: ServedModel, count: int) -> None:
    open_page(browser, server, 1280)
    drop_and_compare(browser, count)
    assert browser.logs("browser") == []


def test_a_server_that_is_full_at_times_is_asked_again(browser: Browser) -> None:
    with serving_model(capacity=2) as server:
        open_page(browser, server, 1280)
        drop_and_compare(browser, 12)
    refusals = browser.logs("browser")
    assert refusals and all(" 503 " in entry["message"] for entry in refusals)


def drop_and_compare(browser: Browser, count: int) -> None:
    """Drop files of three colors, and check that each has its class."""
    names = ("red", "green", "blue")
    content = {color: color_file(color, (60, 60)) for color in names}
    browser.value(dropped({f"{k:04d}.png": content[names[k % 3]] for k in range(count)}, "drop"))
    browser.wait(f"document.querySelector('#count').textContent === '{count:,} images'", seconds=150)
    found: list[str] = browser.value("[...document.querySelectorAll('.result b')].map((one) => one.textContent)")
    assert found == [names[k % 3] for k in range(count)]


def test_a_server_that_is_gone_is_told_and_nothing_is_forgotten(browser: Browser) -> None:
    with serving_model() as server:
        open_page(browser, server, 1280)
    browser.value(dropped({"a.png": color_file("red")}, "drop"))
    browser.wait("!document.querySelector('#trouble').hidden")
    told = browser.value("document.querySelector('#trouble p').textContent")
    assert told == "The server does not answer. Is tutelage serve still running in the terminal?"
    assert browser.value("document.querySelector('#count').textContent") == "0 of 1 image"
    browser.logs("browser")


def test_without_the_key_the_page_says_what_to_open(browser: Browser, server: ServedModel) -> None:
    browser.open("about:blank")
    browser.open(f"http://127.0.0.1:{server.address.port}/#wrong")
    browser.wait("!document.querySelector('#trouble').hidden")
    told = browser.value("document.querySelector('#trouble p').textContent")
    assert told == "Open the address that tutelage serve printed in the terminal: it holds the key of this start."
    browser.logs("browser")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_readable_in_both_schemes(browser: Browser, server: ServedModel, scheme: str) -> None:
    open_page(browser, server, 390)
    browser.set_scheme(scheme)
    browser.value(dropped({"a.png": color_file("red"), "b.png": b""}, "drop"))
    browser.wait(DONE)
    colors: dict[str, Any] = browser.value(
        "Object.fromEntries(['.best b', '.why', '.said h3', '#choose'].map((name) => {"
        "  let node = document.querySelector(name); const ink = getComputedStyle(node).color;"
        "  while (getComputedStyle(node).backgroundColor === 'rgba(0, 0, 0, 0)') node = node.parentElement;"
        "  return [name, [ink, getComputedStyle(node).backgroundColor]]; }))"
    )
    for name, pair in colors.items():
        ink, ground = (_luminance(color) for color in pair)
        assert (max(ink, ground) + 0.05) / (min(ink, ground) + 0.05) >= 4.5, (name, pair)


def _luminance(color: str) -> float:
    """Of WCAG, from `rgb(r, g, b)`."""
    channels = [int(word) / 255 for word in color[color.index("(") + 1 : -1].split(",")[:3]]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
