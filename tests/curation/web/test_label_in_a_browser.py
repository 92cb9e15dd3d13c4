"""The page as a person uses it, with keys and with a mouse, in a real browser."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.browser import Browser
from support.label_page import CLASSES, Served, open_session, serving, write_photos

pytestmark = pytest.mark.long

NAME = "document.querySelector('#name').textContent"
READY = "!document.querySelector('#large').classList.contains('loading') && document.querySelector('#large').src !== ''"
SAVED = "document.querySelectorAll('#history .saved').length"
IMAGE = "<img src=x onerror=document.title='run'>"
HOSTILE = (IMAGE, "{{7*7}}", "&lt;b&gt;", "<script>document.title='run'</script>", "javascript:document.title=1")


def rows(table: Path) -> dict[str, str]:
    with table.open(encoding="utf-8", newline="") as stream:
        return {row["path"]: row["label"] for row in csv.DictReader(stream, strict=True)}


def open_page(browser: Browser, served: Served, width: int = 1280) -> None:
    browser.set_scheme("light")
    browser.set_width(width)
    browser.open("about:blank")
    browser.open(served.url)
    browser.wait(READY)


def label(browser: Browser, count: int) -> list[str]:
    """Press the key of the true class of some images, one after the other; their names."""
    names = []
    for _ in range(count):
        name = browser.wait(f"{READY} && {NAME}")
        before = browser.value("document.querySelector('#settled-parts').textContent")
        browser.press(str(CLASSES.index(Path(name).stem.partition("-")[2]) + 1))
        browser.wait(f"{READY} && {NAME} !== {name!r}")
        browser.wait(f"document.querySelector('#settled-parts').textContent !== {before!r}")
        names.append(name)
    return names


@pytest.fixture
def page(browser: Browser, served: Served) -> Iterator[Browser]:
    open_page(browser, served)
    yield browser
    assert browser.logs("browser") == []


def test_ten_images_are_labeled_by_keys_and_nothing_is_asked_for_elsewhere(page: Browser, served: Served) -> None:
    names = label(page, 10)
    assert len(set(names)) == 10
    assert rows(served.table) == {name: Path(name).stem.partition("-")[2] for name in names}
    assert page.value("document.querySelector('#settled-parts').textContent").startswith("10 by you")
    assert page.value("document.querySelector('#estimate').textContent").startswith("Not known yet: ")
    page.wait(f"{SAVED} === 5")
    assert all(a.startswith(("data:", f"http://127.0.0.1:{served.address.port}/")) for a in page.requests())
    assert "#" not in page.value("location.href")


def test_the_estimate_says_what_it_goes_by(page: Browser, served: Served) -> None:
    label(page, 22)
    found = served.session.state()["estimate"]
    said = page.value("document.querySelector('#estimate').textContent")
    best = "nearly all" if found["accuracy"] > 0.995 else f"{100 * found['accuracy']:.0f}%"
    low, high = round(100 * found["low"]), round(100 * found["high"])
    basis = f"(best guess: {best}), going by {found['labels']} images drawn at random."
    assert said == f"Of the model's labels, {low} to {high}% are right {basis}"
    assert page.value("document.querySelector('#estimate-how p').textContent") == found["how"]


def test_backspace_takes_answers_back_and_arrows_look_at_them_again(page: Browser, served: Served) -> None:
    first, second = label(page, 2)
    page.press("Backspace")
    page.wait(f"{READY} && {NAME} === {second!r}")
    page.wait("document.querySelector('#guess').textContent.indexOf('Labeled') < 0")
    assert rows(served.table) == {first: Path(first).stem.partition("-")[2]}
    page.press("ArrowLeft")
    page.wait(f"{READY} && {NAME} === {first!r}")
    assert page.value("document.querySelector('#guess').textContent").startswith("Labeled ")
    page.press("2")
    page.wait(f"{READY} && {NAME} === {second!r}")
    page.wait("document.querySelector('#live').textContent.startsWith('Saved: green')")
    assert rows(served.table)[first] == "green"


def test_space_is_not_sure_and_a_held_key_answers_once(page: Browser, served: Served) -> None:
    label(page, 1)
    name = page.value(NAME)
    page.press("Space")
    page.wait(f"{READY} && {NAME} !== {name!r}")
    page.wait("document.querySelector('#settled-parts').textContent.includes('1 not sure')")
    held = "new KeyboardEvent('keydown', {key: '1', repeat: true, bubbles: true})"
    page.value(f"document.body.dispatchEvent({held})")
    assert served.session.state()["labeled"] == 1


def test_a_click_on_a_class_labels_and_keys_go_on_working(page: Browser, served: Served) -> None:
    name = page.value(NAME)
    page.click("#classes .class:nth-child(1)")
    page.wait(f"{READY} && {NAME} !== {name!r}")
    page.wait(f"{SAVED} === 1")
    name = page.value(NAME)
    page.press("Space")
    page.wait(f"{READY} && {NAME} !== {name!r}")
    page.wait(f"{SAVED} === 2")
    state = served.session.state()
    assert (state["labeled"], state["unsure"]) == (1, 1)


def test_a_group_is_confirmed_without_the_images_that_were_clicked_out(page: Browser, served: Served) -> None:
    label(page, 6)
    page.press("]")
    page.wait("document.querySelectorAll('#group-grid .tile img[src]').length > 1")
    page.click("#group-classes .class:nth-child(2)")
    page.wait("document.querySelector('#group-grid .main').textContent.includes('green')")
    tiles = "[...document.querySelectorAll('#group-grid .tile')].map((tile) => tile.title)"
    shown = page.wait(f"{tiles}.length && {tiles}")
    page.click("#group-grid li:nth-child(2) .tile")
    assert page.value("document.querySelector('#group-grid li:nth-child(2) .tile').ariaPressed") == "false"
    page.press("Enter")
    page.wait("/^Saved: \\d/.test(document.querySelector('#live').textContent)")
    saved = rows(served.table)
    assert [name for name in shown if saved.get(name) == "green"] == [shown[0], *shown[2:]]
    assert shown[1] not in saved
    page.press("Backspace")
    page.wait("document.querySelector('#live').textContent.includes('Undone')")
    assert len(rows(served.table)) == 6


def test_images_that_were_clicked_out_are_asked_about_unless_that_was_undone(page: Browser, served: Served) -> None:
    label(page, 6)
    page.click("#tab-groups")
    page.wait("document.querySelectorAll('.tile').length > 2")
    everything = page.value("document.querySelectorAll('#group-grid .tile').length")
    page.value("document.querySelector('#group-grid .grid-bar button').click()")  # take all out
    page.press("Enter")
    page.wait(f"document.querySelector('#ask-out').textContent.includes('{everything} image')")
    page.press("Backspace")
    page.wait("document.querySelector('#ask-out').hidden")
    page.wait(f"document.querySelectorAll('#group-grid .tile').length === {everything}")
    page.click("#group-grid .tile")
    out = page.value("document.querySelector('#group-grid .tile').title")
    page.press("Enter")
    page.wait("document.querySelector('#ask-out').textContent.includes('the 1 image you')")
    page.click("#ask-out")
    page.wait(f"{READY} && {NAME} === {out!r}")


def test_enter_confirms_a_group_whose_class_was_clicked(page: Browser, served: Served) -> None:
    label(page, 6)
    page.press("]")
    page.wait("document.querySelectorAll('#group-grid .tile img[src]').length > 1")
    page.click("#group-classes .class:nth-child(2)")
    page.wait("document.activeElement.classList.contains('tile')")
    page.press("Enter")
    page.wait("/^Saved: \\d/.test(document.querySelector('#live').textContent)")
    assert len(rows(served.table)) > 6


def test_in_a_group_arrows_move_and_a_key_gives_another_class(page: Browser, served: Served) -> None:
    label(page, 6)
    page.press("]")
    page.wait("document.querySelectorAll('#group-grid .tile').length > 1")
    page.value("document.querySelector('#group-grid .tile').focus()")
    page.press("ArrowRight", "3")
    second = "document.querySelector('#group-grid li:nth-child(2) .tile')"
    assert page.value(f"document.activeElement === {second}")
    assert page.value(f"{second}.ariaLabel").endswith("blue")
    name = page.value(f"{second}.title")
    page.press("Enter")
    page.wait("/^Saved: \\d/.test(document.querySelector('#live').textContent)")
    assert rows(served.table)[name] == "blue"


def test_a_new_class_is_typed(page: Browser, served: Served) -> None:
    page.press("+")
    page.wait("document.activeElement.id === 'new-class-name'")
    page.press(*"violet", "Enter")
    page.wait("document.querySelectorAll('#classes .class:not(.add)').length === 4")
    name = page.value(NAME)
    page.press("4")
    page.wait(f"{SAVED} === 1")
    assert rows(served.table) == {name: "violet"}
    page.press("+")
    page.wait("document.querySelector('#new-class').open")
    page.press(*"red", "Enter")
    page.wait("document.querySelector('#new-class .fault').textContent.includes('already')")
    page.press("Escape")
    assert all("400" in entry["message"] for entry in page.logs("browser"))


def test_a_class_is_renamed_and_removed_and_undo_takes_it_back(page: Browser, served: Served) -> None:
    (name,) = label(page, 1)
    color = Path(name).stem.partition("-")[2]
    page.press("-")
    page.wait("document.querySelector('#edit-class').open")
    page.value(f"document.querySelector('#edit-class-old').value = {color!r}")
    page.value("document.querySelector('#edit-class-old').dispatchEvent(new Event('change'))")
    page.value("document.querySelector('#edit-class-name').select()")
    page.value("document.querySelector('#edit-class-name').focus()")
    page.press(*"violet", "Enter")
    page.wait("document.querySelector('#history').textContent.includes('violet')")
    assert rows(served.table) == {name: "violet"}
    page.press("ArrowLeft")
    page.wait(f"{READY} && document.querySelector('#guess').textContent === 'Labeled violet'")
    page.press("-")
    page.value("document.querySelector('#edit-class-old').value = 'violet'")
    page.value("document.querySelector('#edit-class-old').dispatchEvent(new Event('change'))")
    page.click("#remove-class")
    page.wait("document.querySelectorAll('#classes .class:not(.add)').length === 2")
    assert rows(served.table) == {} and not page.value("document.querySelector('#edit-class').open")
    page.press("Backspace")
    page.wait("document.querySelectorAll('#classes .class:not(.add)').length === 3")
    page.press("Backspace")
    page.wait(f"document.querySelector('#classes').textContent.includes({color!r})")
    assert rows(served.table) == {name: color}
    assert page.value(NAME) == name  # where the change was made


def test_a_reload_and_another_window_lose_nothing(page: Browser, served: Served) -> None:
    names = label(page, 4)
    page.value("location.reload()")
    page.wait(READY)
    assert page.value("document.querySelector('#settled-parts').textContent").startswith("4 by you")
    assert page.value(NAME) not in names and page.value(SAVED) == 4
    page.press("Backspace")
    page.wait(f"{READY} && {NAME} === {names[-1]!r}")


def test_what_another_window_saved_meanwhile_is_not_overwritten(page: Browser, served: Served) -> None:
    name = page.value(NAME)
    index = next(k for k, item in enumerate(served.session.pile.items) if item.name == name)
    served.session.answer(index, "blue")
    page.press("1")
    page.wait("!document.querySelector('#trouble').hidden")
    said = page.value("document.querySelector('#trouble').textContent")
    assert "Not saved" in said and "another window has saved this image as 'blue'" in said.lower()
    page.wait(f"{NAME} === {name!r} && document.querySelector('#guess').textContent.startsWith('Labeled blue')")
    assert rows(served.table) == {name: "blue"}
    (entry,) = page.logs("browser")
    assert "409" in entry["message"]
    page.press("ArrowRight")
    page.wait(f"{READY} && {NAME} !== {name!r}")
    label(page, 1)
    assert page.value("document.querySelector('#trouble').hidden")


def test_an_answer_that_cannot_be_saved_is_never_shown_as_saved(
    page: Browser, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, real = page.value(NAME), served.session.answer

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(served.session, "answer", full)
    page.press("1")
    page.wait("!document.querySelector('#trouble').hidden")
    page.wait(f"{READY} && {NAME} === {name!r}")
    assert page.value(SAVED) == 0 and not served.table.exists()
    monkeypatch.setattr(served.session, "answer", real)
    page.click("#retry")
    page.wait(f"{SAVED} === 1")
    assert rows(served.table) == {name: "red"}
    page.logs("browser")


def draw_around_all(page: Browser) -> None:
    """Draw around all points of the map, once they are there."""
    page.wait("document.querySelector('#canvas').ariaLabel")
    box = page.value("document.querySelector('#canvas').getBoundingClientRect().toJSON()")
    left, top, right, bottom = box["x"] + 8, box["y"] + 8, box["x"] + box["width"] - 8, box["y"] + box["height"] - 8
    bottom = min(bottom, 795)
    page.drag([(left, top), (right, top), (right, bottom), (left, bottom)])
    page.wait("document.querySelectorAll('#region-grid .tile').length > 5")


def test_a_region_of_the_map_is_labeled(page: Browser, served: Served) -> None:
    label(page, 6)
    page.click("#tab-map")
    draw_around_all(page)
    page.click("#region-classes .class:nth-child(3)")
    page.wait("document.activeElement.className === 'tile'")  # the images of the new class are there
    assert "blue" in page.value("document.querySelector('#region-grid .main').textContent")
    count = page.value("document.querySelectorAll('#region-grid .tile').length")
    page.press("Enter")
    page.wait("/^Saved: \\d/.test(document.querySelector('#live').textContent)")
    assert served.session.state()["labeled"] == 6 + count


def test_undo_opens_a_region_again_and_escape_leaves_it(page: Browser, served: Served) -> None:
    label(page, 6)
    page.click("#tab-map")
    draw_around_all(page)
    before = page.value("document.querySelectorAll('#region-grid .tile').length")
    page.press("Enter")
    page.wait("document.querySelector('#region-grid').textContent.includes('No image of this region')")
    page.press("Backspace")
    page.wait(f"document.querySelectorAll('#region-grid .tile').length === {before}")
    page.press("Escape")
    page.wait("document.querySelector('#region').hidden && !document.querySelector('#map-view').hidden")


def test_undo_opens_a_region_again_though_the_map_comes_late(page: Browser, served: Served) -> None:
    label(page, 6)
    page.click("#tab-map")
    draw_around_all(page)
    before = page.value("document.querySelectorAll('#region-grid .tile').length")
    maps = "performance.getEntriesByType('resource').filter((one) => one.name.endsWith('/api/map')).length"
    seen = page.value(maps)
    page.press("Enter")
    page.wait("document.querySelector('#region-grid').textContent.includes('No image of this region')")
    page.wait(f"{maps} > {seen}")
    late = "new Promise((done) => setTimeout(done, 1500)).then(() => window.quick(...all))"
    page.value("(window.quick = window.fetch, 0)")
    page.value(f"(window.fetch = (...all) => all[0] === '/api/map' ? {late} : window.quick(...all), 0)")
    page.press("Backspace")
    page.wait(f"document.querySelectorAll('#region-grid .tile').length === {before}")


def test_the_map_works_by_keyboard(page: Browser, served: Served) -> None:
    label(page, 3)
    page.press("]", "]")
    page.wait("document.querySelector('#canvas').ariaLabel")
    page.value("document.querySelector('#canvas').focus()")
    page.press(*"+" * 10, "ArrowLeft", "Enter")
    page.wait("document.querySelectorAll('#region-grid .tile').length > 1")
    assert page.value("document.activeElement.className") == "tile"


def test_without_the_key_in_the_address_the_page_says_what_to_do(browser: Browser, served: Served) -> None:
    browser.open("about:blank")
    browser.open(f"http://localhost:{served.address.port}/")  # another name, which has stored no key
    browser.wait("!document.querySelector('#trouble').hidden")
    assert "printed in the terminal" in browser.value("document.querySelector('#trouble').textContent")
    browser.logs("browser")


def test_hostile_names_of_classes_and_files_are_shown_and_do_nothing(browser: Browser, tmp_path: Path) -> None:
    files = [f"{name.replace('/', '')}{k:02d}-red.png" for k, name in enumerate((*HOSTILE, "\u202egnp.exe"))]
    session = open_session(write_photos(tmp_path / "photos", 24, names=files), tmp_path / "labels.csv", HOSTILE)
    with serving(session, tmp_path / "labels.csv") as served:
        open_page(browser, served)
        for key in "123451":
            name = browser.wait(f"{READY} && {NAME}")
            browser.press(key)
            browser.wait(f"{READY} && {NAME} !== {name!r}")
        browser.wait("document.querySelector('#settled-parts').textContent.startsWith('6 by you')")
        browser.wait("document.querySelector('#live').textContent.startsWith('Saved')")
        shown = browser.value("document.querySelector('#classes').textContent")
        assert all(name in shown for name in HOSTILE)
        for tab in ("groups", "map"):
            browser.click(f"#tab-{tab}")
            browser.wait(f"!document.querySelector('#{tab}').hidden")
        browser.wait("document.querySelectorAll('#legend li').length === 7")
        assert browser.value("document.title") == "tutelage label"
        assert browser.value("document.querySelectorAll('[onerror], bdi *, body script').length") == 0
        assert "49" not in browser.value("document.querySelector('#classes').textContent")
        assert browser.dialog() is None and browser.logs("browser") == []
    session.close()


OVERFLOW = "document.documentElement.scrollWidth <= innerWidth"
CUT = """[...document.querySelectorAll('button, p, h2')].filter((one) => one.offsetParent
  && !one.closest('.unseen, .chooser') && one.scrollWidth > one.clientWidth + 1).map((one) => one.outerHTML)"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "height"), [(390, 844), (640, 400), (1280, 800)])  # a phone; 200 % zoom; a desk
def test_nothing_is_cut_off(page: Browser, width: int, height: int, scheme: str) -> None:
    label(page, 4)
    page.set_scheme(scheme)
    page.set_width(width, height)
    for tab in ("single", "groups", "map"):
        page.click(f"#tab-{tab}")
        page.wait(f"!document.querySelector('#{tab}').hidden")
        assert page.value(OVERFLOW), tab
        assert page.value(CUT) == [], tab
    page.click("#tab-single")
    if height >= 800:
        bottom = page.value("document.querySelector('.moves').getBoundingClientRect().bottom + scrollY")
        assert bottom <= height


def test_touch_targets_are_large_enough_on_a_phone(page: Browser, served: Served) -> None:
    page.set_width(390, 844)
    boxes: Any = page.value(
        "[...document.querySelectorAll('button')].filter((one) => one.offsetParent)"
        ".map((one) => one.getBoundingClientRect()).map((box) => [box.width, box.height])"
    )
    assert len(boxes) > 8 and min(min(box) for box in boxes) >= 34


def test_the_address_of_a_new_start_works_in_the_same_tab(browser: Browser, served: Served) -> None:
    browser.open(f"http://127.0.0.1:{served.address.port}/#of-an-earlier-start")
    browser.wait("!document.querySelector('#trouble').hidden")
    browser.value(f"location.hash = {served.url.partition('#')[2]!r}")
    browser.wait(f"{READY} && document.querySelector('#trouble').hidden")
    assert browser.value(NAME) in {item.name for item in served.session.pile.items}
    browser.logs("browser")
