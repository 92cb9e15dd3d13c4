"""Requests that have the key and make no sense, as from a script in the page: refused, and nothing is changed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from support.guarded_page import ANSWER, Page, assert_shut, refused
from tutelage.core.web.bodies import LARGEST_JSON

BODIES: dict[str, Any] = {
    "nothing": b"",
    "no JSON": b"{index: 0}",
    "half of it": ANSWER[:-3].encode(),
    "a list": [0, "red", None],
    "a number": 3,
    "null": None,
    "nested too deep": b"[" * 20_000,
    "other bytes": b"\xff\xfe\x00",
    "no index": {"label": "red", "was": None},
    "no label": {"index": 0, "was": None},
    "no label before": {"index": 0, "label": "red"},
    "a negative index": {"index": -1, "label": "red", "was": None},
    "an index that is too large": {"index": 24, "label": "red", "was": None},
    "a huge index": {"index": 10**30, "label": "red", "was": None},
    "an index that is true": {"index": True, "label": "red", "was": None},
    "a broken index": {"index": 0.5, "label": "red", "was": None},
    "a path as an index": {"index": "../../etc/passwd", "label": "red", "was": None},
    "a list of indexes": {"index": [0], "label": "red", "was": None},
    "an unknown class": {"index": 0, "label": "purple", "was": None},
    "a number as a class": {"index": 0, "label": 0, "was": None},
    "an object as a class": {"index": 0, "label": {"$ne": None}, "was": None},
    "a formula": {"index": 0, "label": "=cmd|' /C calc'!A0", "was": None},
    "not a number": b'{"index": NaN, "label": "red", "was": null}',
    "another label before": {"index": 0, "label": "red", "was": "green"},
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_an_answer_that_makes_no_sense_is_refused(page: Page, body: Any) -> None:
    refused(page, page.ask("POST", "/api/answer", {}, body if isinstance(body, bytes) else json.dumps(body)))


OTHER: dict[str, tuple[str, Any]] = {
    "no answers": ("answers", {"answers": []}),
    "answers that are no list": ("answers", {"answers": {"0": "red"}}),
    "an answer of two": ("answers", {"answers": [[0, "red"]]}),
    "an answer twice": ("answers", {"answers": [[0, "red", None], [0, "green", None]]}),
    "one good and one bad answer": ("answers", {"answers": [[0, "red", None], [99, "red", None]]}),
    "an answer without a class": ("answers", {"answers": [[0, None, None]]}),
    "taken out of no class": ("answers", {"answers": [[0, "red", None]], "out": [1]}),
    "taken out and in": ("answers", {"answers": [[0, "red", None]], "out": [0], "class": "red"}),
    "too many answers": ("answers", {"answers": [[k, "red", None] for k in range(501)]}),
    "nothing to undo": ("undo", {}),
    "a class without a name": ("class", {"name": "  "}),
    "a class that is a number": ("class", {"name": 3}),
    "a class that is a formula": ("class", {"name": "=1+1"}),
    "a class with control characters": ("class", {"name": "a\nb"}),
    "a class that is half a character": ("class", {"name": "\ud800"}),
    "a class that is there": ("class", {"name": "red"}),
    "a class that is too long": ("class", {"name": "x" * 101}),
    "a new name for no class": ("rename", {"name": "purple", "to": "violet"}),
    "a new name that is none": ("rename", {"name": "red"}),
    "a new name that is a list": ("rename", {"name": "red", "to": ["violet"]}),
    "a new name that is a formula": ("rename", {"name": "red", "to": "=1+1"}),
    "a new name with control characters": ("rename", {"name": "red", "to": "a\nb"}),
    "a removal of no class": ("remove", {"name": "purple"}),
    "a removal of nothing": ("remove", {}),
    "a training of own length": ("train", {"budget": "1h; rm -rf ."}),
    "a training with a list": ("train", {"budget": ["5m"]}),
    "a training without labels": ("train", {}),
    "an export of an unknown kind": ("export", {"kind": "../x", "links": True, "model": True}),
    "an export without a kind": ("export", {"links": True, "model": True}),
    "an export to a path": ("export", {"kind": ["csv"], "out": "/etc/x", "links": True, "model": True}),
    "an export with a word": ("export", {"kind": "csv", "links": "yes", "model": True}),
}


@pytest.mark.parametrize(("name", "body"), OTHER.values(), ids=OTHER)
def test_another_action_that_makes_no_sense_is_refused(page: Page, name: str, body: Any) -> None:
    before = sorted(path.name for path in page.table.parent.iterdir())
    refused(page, page.ask("POST", f"/api/{name}", {}, json.dumps(body)))
    assert sorted(path.name for path in page.table.parent.iterdir()) == before
    assert len(page.session.state()["classes"]) == 3


QUERIES = [
    *("next?after=-1", "next?after=99", "next?after=x", "next?after=1e1", "next?after=\u0661", "next?after="),
    *("group", "group?class=purple", "group?class=red&count=0", "group?class=red&count=100000", "items?indexes=99"),
    *(
        "group?class=red&start=-1",
        "group?class=red&start=99999999999999999999",
        "items?indexes=a",
        "items?indexes=0,,-1",
    ),
    "items?indexes=" + ",".join(["0"] * 501),
]


@pytest.mark.parametrize("query", QUERIES)
def test_a_question_that_makes_no_sense_is_refused(page: Page, query: str) -> None:
    refused(page, page.ask("GET", f"/api/{query}"))


def test_a_body_of_more_than_64_kib_is_refused_whatever_length_it_names(page: Page) -> None:
    large = json.dumps({"index": 0, "label": "red", "was": None, "more": "x" * LARGEST_JSON})
    for headers in ({}, {"content-length": None}, {"content-length": "20"}):
        response = page.ask("POST", "/api/answer", headers, large)
        assert response.status_code == 413
        refused(page, response)
    just = json.dumps({"index": 0, "label": "red", "was": None, "more": ""})
    just = just[:-2] + "x" * (LARGEST_JSON - len(just)) + just[-2:]
    assert page.ask("POST", "/api/answer", {}, just).status_code == 200


def test_an_error_inside_says_nothing_of_files_or_lines(
    page: Page, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> None:
        raise OSError(28, "No space left on device", "/home/me/secret/labels.csv")

    monkeypatch.setattr(page.session, "answer", broken)
    response = page.ask("POST", "/api/answer", {}, ANSWER)
    assert response.status_code == 500
    assert_shut(response)
    assert "secret" not in response.text and "terminal" in response.json()["error"]
    assert "secret" in capsys.readouterr().err
