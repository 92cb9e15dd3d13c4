"""A person who labels in the page of `tutelage label`: presses real keys in Chromium, and clicks with a real mouse."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from label_people import Person
from tutelage.curation.labeling.journal import Journal
from tutelage.curation.labeling.session import LabelingSession
from tutelage.curation.pile import Pile

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support.browser import Browser, open_browser
from support.label_page import serving

PAGES, QUESTIONS = 3, 6  # in a row, since changing the view takes a key
LONG = 180.0  # seconds, on a machine that does other work
LOADING = "document.querySelector('#large').classList.contains('loading')"
IMAGE = f"({LOADING} ? '' : document.querySelector('#name').textContent)"
TILES = "[...document.querySelectorAll('#group-grid .tile')].map((tile) => tile.title)"
SAVED = "document.querySelector('#history li') && !document.querySelector('#history li:not(.saved)')"


class PersonAtPage(Person):
    """Uses keys wherever there is one. Every key and every click counts, also those that change the view or the class.

    While typical images are asked about, it answers them; then it goes through three pages of groups, always of the
    class with the most images, and answers six questions, in turn.
    """

    def __init__(self, browser: Browser, session: LabelingSession, truth: list[str], *, seed: int) -> None:
        super().__init__(session, truth, seed=seed)
        self.browser = browser
        self.rows = {item.name: row for row, item in enumerate(session.pile.items)}
        self.keys = {one["name"]: one["key"] for one in session.state()["classes"]}

    def answer(self) -> bool:
        if self.session.next() is None:
            return False
        name = self.browser.wait(IMAGE, seconds=LONG)
        version = self.session.state()["version"]
        self.browser.press(self.keys[self.key(self.rows[name])])
        self._saved(version)
        if self.session.next() is not None:
            self.browser.wait(f"{IMAGE} && {IMAGE} !== {json.dumps(name)}", seconds=LONG)
        return True

    def groups(self, pages: int) -> None:
        """Go to the groups, through some pages, and back."""
        self._press("]")
        for _ in range(pages):
            classes = self.session.state()["classes"]
            most = max(range(len(classes)), key=lambda k: classes[k]["model"])
            name = classes[most]["name"]
            if not classes[most]["model"]:
                break
            heading = "document.querySelector('#group-grid .grid-heading').textContent"
            takes = f"{heading}.includes({json.dumps(f'takes for {name}.')})"
            if not self.browser.value(takes):
                self.presses += 1
                self.browser.click(f"#group-classes .class:nth-child({most + 1})")
                self.browser.wait(f"{takes} && document.activeElement.classList.contains('tile')")
            shown = self.browser.wait(f"{TILES}.length && {TILES}")
            rows = [self.rows[title] for title in shown]
            clicked = {int(self.draw.choice(rows)) if self.slips() else row for row in rows if self.truth[row] != name}
            if self.slips():
                clicked = set()
            for row in sorted(clicked):
                self.browser.click(f"#group-grid li:nth-child({rows.index(row) + 1}) .tile")
            version = self.session.state()["version"]
            self.browser.press("Enter")
            self._saved(version)
            self.browser.wait(f"JSON.stringify({TILES}) !== {json.dumps(json.dumps(shown, separators=(',', ':')))}")
        self._press("[")

    def _press(self, key: str) -> None:
        self.presses += 1
        self.browser.press(key)

    def _saved(self, version: int) -> None:
        self.browser.wait(SAVED, seconds=LONG)
        assert self.session.state()["version"] > version, "nothing was saved"
        self.note()


def simulate_in_browser(pile: Pile, truth: list[str], presses: int, seed: int) -> dict[str, Any]:
    """The curve of a person who uses the page, up to a number of presses."""
    with tempfile.TemporaryDirectory() as folder, open_browser() as browser:
        table = Path(folder) / "labels.csv"
        session = LabelingSession(pile, Journal(table), classes=sorted(set(truth)), seed=seed)
        with serving(session, table) as served:
            browser.set_width(1280, 800)
            browser.open(served.url)
            person = PersonAtPage(browser, session, truth, seed=seed)
            while person.presses < presses:
                if "typical" in session.state()["asking"]:
                    person.answer()
                    continue
                if session.next() is None:
                    break
                person.groups(PAGES)
                for _ in range(QUESTIONS):
                    if person.presses < presses:
                        person.answer()
        session.close()
    return {"curve": person.curve, "estimates": person.estimates}
