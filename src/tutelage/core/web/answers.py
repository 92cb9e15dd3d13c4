"""Answers of a page's server: its files, values as JSON, and why something cannot be done."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Awaitable, Callable, Sequence
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from tutelage.core.errors import ConfigError, TutelageError
from tutelage.core.files import strict_json
from tutelage.core.names import shown
from tutelage.core.web.refused import Refused

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

Answer = Callable[["Request"], Awaitable["Response"]]
_SHARED = "tutelage.core.web"
_KINDS = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}


def page_files(package: str) -> dict[str, tuple[bytes, str]]:
    """The content and the media type of the files of a page, by name: its own, and those that all pages share.

    Args:
        package: that has the folder `page`.
    """
    found = {}
    for home in (_SHARED, package):
        for file in files(home).joinpath("page").iterdir():
            kind = _KINDS.get(file.name.rpartition(".")[2])
            if kind is not None:
                found[file.name] = (file.read_bytes(), kind)
    return found


def page_app(package: str, routes: Sequence[BaseRoute]) -> Starlette:
    """An application of the files of a page and of further routes. The package starlette must be there.

    Only the names in `page_files` are files that it serves: no path is ever looked up.
    """
    from starlette.applications import Starlette
    from starlette.routing import Route

    served = [
        Route("/" if name == "index.html" else f"/page/{name}", _file_answer(content, kind), methods=["GET"])
        for name, (content, kind) in page_files(package).items()
    ]
    app = Starlette(routes=[*served, *routes], exception_handlers={404: _nothing, 405: _nothing})
    app.router.redirect_slashes = False
    return app


def response(content: bytes | str, kind: str, status: int = 200) -> Response:
    """An answer with this media type."""
    from starlette.responses import Response

    return Response(content, status, media_type=kind)


def as_json(value: Any) -> Response:
    """An answer with a plain value."""
    return response(strict_json(value), "application/json")


def refusal(refused: Refused) -> Response:
    """The answer that says why a request is not done."""
    made = response(strict_json({"error": str(refused)}), "application/json", refused.status)
    if refused.retry_after is not None:
        made.headers["retry-after"] = str(refused.retry_after)
    return made


async def answered(action: Callable[[], Awaitable[Response]], command: str) -> Response:
    """What an action answers, or the answer that says why not.

    Args:
        command: in whose terminal an error is printed that the page must not tell.
    """
    try:
        return await action()
    except Refused as refused:
        return refusal(refused)
    except Exception as error:
        return refusal(Refused(_told(error, command), 400 if isinstance(error, ConfigError) else 500))


def _told(error: Exception, command: str) -> str:
    """What the page says about an error. Only errors of settings are told: others may hold paths."""
    if isinstance(error, ConfigError):
        return shown(str(error))
    if isinstance(error, TutelageError):
        print(f"tutelage: {shown(str(error))}", file=sys.stderr)
    else:
        traceback.print_exception(error)
    return f"that did not work: the terminal in which {command} runs says why"


def _file_answer(content: bytes, kind: str) -> Answer:
    async def answer(request: Request) -> Response:
        return response(content, kind)

    return answer


async def _nothing(request: Request, error: Exception) -> Response:
    return refusal(Refused("there is nothing here", getattr(error, "status_code", 404)))
