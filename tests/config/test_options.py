from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

import pytest

from tutelage.config import options
from tutelage.core.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Inner:
    rate: Annotated[float, "a rate"] = 0.5
    names: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Outer:
    count: Annotated[int, "how many"]
    kind: Literal["one", "two"] = "one"
    on: bool = False
    limit: float | None = None
    inner: Inner = field(default_factory=Inner)


def test_plain_values_become_nested_dataclasses() -> None:
    made = options.build(Outer, {"count": 3, "kind": "two", "inner": {"rate": 1, "names": ["a", "b"]}})
    assert made == Outer(count=3, kind="two", inner=Inner(rate=1.0, names=("a", "b")))


def test_texts_of_flags_become_typed_values() -> None:
    made = options.build(Outer, {"count": "3", "on": "yes", "limit": "1e-3", "inner": {"names": "a, b"}})
    assert made == Outer(count=3, on=True, limit=1e-3, inner=Inner(names=("a", "b")))


@pytest.mark.parametrize(("given", "names"), [("a,b", ("a", "b")), (["a"], ("a",)), ("a", ("a",)), ((), ())])
def test_a_list_is_a_text_with_commas_or_a_list(given: object, names: tuple[str, ...]) -> None:
    assert options.build(Inner, {"names": given}).names == names


def test_a_single_number_stands_for_a_list_of_one() -> None:
    assert options.coerce(0.8, tuple[float, ...], "step_at") == (0.8,)
    assert options.coerce("0.5, 0.75", tuple[float, ...], "step_at") == (0.5, 0.75)
    with pytest.raises(ConfigError, match="step_at must be a number, got 'late'"):
        options.coerce("0.5,late", tuple[float, ...], "step_at")


def test_none_as_text_clears_an_optional_setting() -> None:
    assert options.build(Outer, {"count": 1, "limit": "none"}).limit is None


def test_dashes_in_names_are_underscores() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Dashed:
        two_words: int = 0

    assert options.build(Dashed, {"two-words": 2}).two_words == 2


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"count": 1.5}, "count must be an integer, got 1.5"),
        ({"count": "1.5"}, "count must be an integer, got '1.5'"),
        ({"count": 2.0}, "count must be an integer, got 2.0"),
        ({"count": True}, "count must be an integer, got True"),
        ({"count": 1, "on": "perhaps"}, "on must be true or false, got 'perhaps'"),
        ({"count": 1, "limit": "nan"}, "limit must be a number, got 'nan'"),
        ({"count": 1, "limit": "inf"}, "limit must be a number, got 'inf'"),
        ({"count": 1, "kind": "onne"}, "kind must be one of one, two, got 'onne'; did you mean 'one'?"),
        ({"count": 1, "inner": 3}, "inner is a group of settings, got 3"),
        ({"count": 1, "inner": {"rat": 1}}, "unknown setting inner.rat; did you mean 'rate'?"),
        ({"count": 1, "cuont": 1}, "unknown setting cuont; did you mean 'count'?"),
        ({"kind": "one"}, "count is missing"),
        ({"count": "9" * 400 + ".0"}, "count must be an integer"),
    ],
)
def test_what_does_not_fit_is_an_error_that_says_what_was_expected(values: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        options.build(Outer, values)
    assert str(caught.value).startswith(message)


def test_options_are_listed_with_dotted_names_help_and_defaults() -> None:
    listed = {option.name: option for option in options.options(Outer, "outer.")}
    assert listed["outer.inner.rate"].help == "a rate"
    assert listed["outer.inner.rate"].default == 0.5
    assert list(listed) == [
        "outer.count",
        "outer.kind",
        "outer.on",
        "outer.limit",
        "outer.inner.rate",
        "outer.inner.names",
    ]
