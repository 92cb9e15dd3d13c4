"""What the page can ask of a session: each action checks what it is given, and answers with plain values for JSON."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from tutelage.core.names import shown
from tutelage.core.web.refused import Refused
from tutelage.curation.labeling.session import LabelingSession

SIDES = (160, 320, 800, 1600)  # pixels, of pictures
_MOST_ITEMS = 500  # of one request
EXPORTS = {"csv": ".csv", "folders": "", "label-studio": ".json", "cvat": ".xml"}  # endings of what is written
BUDGETS = ("5m", "15m", "1h")


class Actions:
    """The actions of one session, by the name that the page uses.

    Exports and runs are written beside the label table, under names that are chosen here: the page names no path.

    Attributes:
        table: the label table.
        reading: change nothing; they take the words of a query.
        writing: take a JSON object. They run one at a time, so that what an answer is based on cannot change meanwhile.
    """

    def __init__(self, session: LabelingSession, table: Path) -> None:
        self.session, self.table = session, table
        self.lock = threading.Lock()
        self.reading: dict[str, Callable[[Mapping[str, str]], Any]] = {
            "state": self.state,
            "next": self.next,
            "group": self.group,
            "items": self.items,
            "map": self.map,
        }
        self.writing: dict[str, Callable[[Mapping[str, Any]], Any]] = {
            "answer": self.answer,
            "answers": self.answers,
            "undo": self.undo,
            "class": self.add_class,
            "rename": self.rename,
            "remove": self.remove,
            "train": self.train,
            "export": self.export,
        }

    def write(self, name: str, body: Any) -> Any:
        """Run a writing action.

        Raises:
            Refused: the request is invalid, or another window was faster.
        """
        if not isinstance(body, dict):
            raise Refused("expected a JSON object")
        with self.lock:
            return self.writing[name](body)

    def state(self, query: Mapping[str, str]) -> Any:
        return self._shut(self.session.state())

    def next(self, query: Mapping[str, str]) -> Any:
        after = query.get("after")
        return self.session.next(None if after is None else self._index(_number(after)))

    def group(self, query: Mapping[str, str]) -> Any:
        name = _one_of(self._classes(), query.get("class"))
        start, many = _number(query.get("start", "0")), _number(query.get("count", "60"))
        if not 1 <= many <= _MOST_ITEMS:
            raise Refused(f"count must be in [1, {_MOST_ITEMS}]")
        return self.session.group(name, start=start, count=many)

    def items(self, query: Mapping[str, str]) -> Any:
        words = [word for word in query.get("indexes", "").split(",") if word]
        if len(words) > _MOST_ITEMS:
            raise Refused(f"at most {_MOST_ITEMS} images at a time")
        return self.session.items([self._index(_number(word)) for word in words])

    def map(self, query: Mapping[str, str]) -> Any:
        return self.session.map()

    def picture(self, index: int, side: int) -> bytes:
        """A JPEG file.

        Raises:
            Refused: there is no such image, or no such size.
        """
        if side not in SIDES or not 0 <= index < len(self.session.pile):
            raise Refused("there is no such picture", 404)
        return self.session.picture(index, side)

    def answer(self, body: Mapping[str, Any]) -> Any:
        """One image; `was` is the label that the page showed before."""
        index = self._index(body.get("index"))
        label = self._label(body, "label")
        self._refuse_conflicts({index: self._label(body, "was")})
        return self._shut(self.session.answer(index, label))

    def answers(self, body: Mapping[str, Any]) -> Any:
        """Several images: `answers` is a list of [index, label, was]; `out` are images that are not of `class`."""
        given, out = body.get("answers"), body.get("out", [])
        if not isinstance(given, list) or not isinstance(out, list) or not 1 <= len(given) + len(out) <= _MOST_ITEMS:
            raise Refused(f"answers must be a list of 1 to {_MOST_ITEMS} answers")
        known = self._classes()
        rows = [row if isinstance(row, list) and len(row) == 3 else [None, None, None] for row in given]
        pairs = [(self._index(index), _one_of(known, label)) for index, label, _ in rows]
        rejected = [(self._index(index), _one_of(known, body.get("class"))) for index in out]
        if len({index for index, _ in pairs + rejected}) < len(pairs) + len(rejected):
            raise Refused("an image is answered twice")
        shown_before = [None if was is None else _one_of(known, was) for _, _, was in rows]
        self._refuse_conflicts({index: was for (index, _), was in zip(pairs, shown_before, strict=True)})
        return self._shut(self.session.answer_all(pairs, rejected=rejected))

    def undo(self, body: Mapping[str, Any]) -> Any:
        if not self.session.state()["last"]:
            raise Refused("there is nothing to undo", 409)
        done = self.session.undo()
        return {"state": self._shut(done["state"]), "index": done["index"]}

    def add_class(self, body: Mapping[str, Any]) -> Any:
        name = body.get("name")
        if not isinstance(name, str):
            raise Refused("a class needs a name")
        return self._shut(self.session.add_class(name))

    def rename(self, body: Mapping[str, Any]) -> Any:
        """Give a class another name, `to`; one of another class makes one class of both."""
        name, new = _one_of(self._classes(), body.get("name")), body.get("to")
        if not isinstance(new, str):
            raise Refused("a class needs a name")
        return self._shut(self.session.change_class(name, new))

    def remove(self, body: Mapping[str, Any]) -> Any:
        """Remove a class, and the labels of its images."""
        return self._shut(self.session.change_class(_one_of(self._classes(), body.get("name")), None))

    def train(self, body: Mapping[str, Any]) -> Any:
        """Start a training in the background; `budget` is how long it may take, or null."""
        budget = body.get("budget")
        if budget is not None and budget not in BUDGETS:
            raise Refused(f"budget must be one of {', '.join(BUDGETS)}")
        state = self.session.state()
        if state["training"] and not state["training"]["done"] and not state["training"]["failed"]:
            raise Refused("a training is at work", 409)
        if sum(one["human"] > 0 for one in state["classes"]) < 2:
            raise Refused("a training needs labels of two classes or more", 409)
        run = self._free("run", "")
        return self._shut(self.session.start_training(run, {} if budget is None else {"budget": budget}))

    def export(self, body: Mapping[str, Any]) -> Any:
        """Write the labels in another form: `kind`, `links`, and `model` for the labels of the model, too."""
        kind, links, model = body.get("kind"), body.get("links"), body.get("model")
        if not isinstance(kind, str) or kind not in EXPORTS:
            raise Refused(f"kind must be one of {', '.join(EXPORTS)}")
        if not isinstance(links, bool) or not isinstance(model, bool):
            raise Refused("links and model must be true or false")
        out = self._free(kind, EXPORTS[kind])
        images = self.session.export(kind, out, links=links, model=model)  # type: ignore[arg-type]
        return {"written": shown(out.name), "images": images}

    def _free(self, what: str, ending: str) -> Path:
        """A path beside the label table at which there is nothing yet."""
        names = (f"{self.table.stem}-{what}{'' if k == 1 else f'-{k}'}{ending}" for k in count(1))
        return next(path for path in map(self.table.with_name, names) if not path.exists())

    def _shut(self, state: dict[str, Any]) -> dict[str, Any]:
        """A state whose messages of a training name files without their folder."""
        if state["training"] is None:
            return state
        message = state["training"]["message"].replace(f"{shown(str(self.table.parent))}/", "")
        return state | {"training": state["training"] | {"message": message}}

    def _classes(self) -> list[str]:
        return [one["name"] for one in self.session.state()["classes"]]

    def _index(self, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < len(self.session.pile):
            raise Refused("there is no such image")
        return value

    def _label(self, body: Mapping[str, Any], name: str) -> str | None:
        """A class, or None; a missing one is refused."""
        if name not in body:
            raise Refused(f"'{name}' is missing")
        return None if body[name] is None else _one_of(self._classes(), body[name])

    def _refuse_conflicts(self, before: Mapping[int, str | None]) -> None:
        """Check that no other window has changed the label of these images.

        Raises:
            Refused: one has; nothing is saved.
        """
        now = {item["index"]: item for item in self.session.items(list(before))}
        changed = [index for index, label in before.items() if now[index]["label"] != label]
        if changed:
            found = now[changed[0]]["label"]
            said = f"as '{shown(found)}'" if found is not None else "as not labeled"
            which = "this image" if len(before) == 1 else "an image of these"
            raise Refused(f"another window has saved {which} {said} meanwhile: nothing is saved", 409)


def _one_of(classes: Sequence[str], value: Any) -> str:
    if not isinstance(value, str) or value not in classes:
        raise Refused("there is no such class")
    return value


def _number(word: str) -> int:
    if not word.isascii() or not word.isdecimal() or len(word) > 9:
        raise Refused("expected a number")
    return int(word)
