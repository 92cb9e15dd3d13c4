"""Parsing JSON that users hand over, with one plain sentence of what is wrong with it."""

from __future__ import annotations

import json
from typing import Any

from tutelage.core.names import shown


class JsonFault(ValueError):
    """Raised where a text is no JSON. The message says where and why, and does not name the file."""


def parse_json(content: bytes | str, *, unique: bool = False) -> Any:
    """The value of a JSON text.

    Args:
        unique: refuse an object that has a key twice, of which JSON keeps the last, and NaN and infinity, which are
            no values of JSON.

    Raises:
        JsonFault: it is no JSON.
    """
    try:
        if unique:
            return json.loads(content, object_pairs_hook=_once, parse_constant=_refuse_constant)
        return json.loads(content)
    except JsonFault:
        raise
    except json.JSONDecodeError as error:
        if not error.doc.strip():
            raise JsonFault("it is empty") from None
        raise JsonFault(f"line {error.lineno}, column {error.colno}: {_plain(error.msg)}") from None
    except UnicodeDecodeError as error:
        raise JsonFault(f"it is not UTF-8 (byte {error.start})") from None
    except RecursionError:
        raise JsonFault("it is nested too deep") from None
    except ValueError:  # of the digits of a number
        raise JsonFault("it holds a number of more than 4,300 digits") from None


def _plain(message: str) -> str:
    return f"{message[0].lower()}{message[1:]}"


def _refuse_constant(name: str) -> Any:
    raise JsonFault(f"it holds {name}, which is no value of JSON: write null for what is not known")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise JsonFault(f"'{shown(key)}' is there twice")
        found[key] = value
    return found
