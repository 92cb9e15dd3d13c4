"""The application behind the page: its files, pictures by index, and the actions of a session."""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Awaitable, Callable
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from tutelage.core.errors import ConfigError, TutelageError
from tutelage.core.files import strict_json
from tutelage.core.names import shown
from tutelage.curation.web.actions import Actions, Refused
from tutelage.curation.web.guard import Address, Application, Guard

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

_KINDS = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}


def page_files() -> dict[str, tuple[bytes, str]]:
    """The content and the media type of the files of the page, by name."""
    found = {}
    for file in files("tutelage.curation.web").joinpath("page").iterdir():
        kind = _KINDS.get(file.name.rpartition(".")[2])
        if kind is not None:
            found[file.name] = (file.read_bytes(), kind)
    return found


def labeling_app(actions: Actions, address: Address, token: str) -> Application:
    """The application, guarded. The package starlette must be there.

    Only the names in `page_files` are files that it serves, and pictures have a number: no path is ever looked up.
    """
    from starlette.applications import Starlette
    from starlette.routing import Route

    served = page_files()
    routes = [
        Route("/" if name == "index.html" else f"/page/{name}", _page_file(content, kind), methods=["GET"])
        for name, (content, kind) in served.items()
    ]
    routes += [
        Route("/api/picture/{index:int}/{side:int}", _picture, methods=["GET"]),
        Route("/api/{name}", _read, methods=["GET"]),
        Route("/api/{name}", _write, methods=["POST"]),
    ]
    inner = Starlette(routes=routes, exception_handlers={404: _nothing, 405: _nothing})
    inner.router.redirect_slashes = False
    inner.state.actions = actions
    return Guard(inner, address, token)


def _page_file(content: bytes, kind: str) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        return _response(content, kind)

    return answer


async def _read(request: Request) -> Response:
    action = request.app.state.actions.reading.get(request.path_params["name"])
    if action is None:
        return _refusal("there is nothing here", 404)
    query = dict(request.query_params)
    return await _done(lambda: _json(action(query)))


async def _write(request: Request) -> Response:
    actions: Actions = request.app.state.actions
    name = request.path_params["name"]
    if name not in actions.writing:
        return _refusal("there is nothing here", 404)
    try:
        value = json.loads(await request.body())
    except (ValueError, RecursionError):
        return _refusal("the request is not JSON", 400)
    return await _done(lambda: _json(actions.write(name, value)))


async def _picture(request: Request) -> Response:
    actions: Actions = request.app.state.actions
    index, side = request.path_params["index"], request.path_params["side"]
    return await _done(lambda: _response(actions.picture(index, side), "image/jpeg"))


async def _nothing(request: Request, error: Exception) -> Response:
    return _refusal("there is nothing here", getattr(error, "status_code", 404))


async def _done(action: Callable[[], Response]) -> Response:
    """What an action gives, run in a thread, or the response that says why not."""
    from starlette.concurrency import run_in_threadpool

    try:
        return await run_in_threadpool(action)
    except Refused as refused:
        return _refusal(str(refused), refused.status)
    except Exception as error:
        return _refusal(_told(error), 400 if isinstance(error, ConfigError) else 500)


def _response(content: bytes | str, kind: str, status: int = 200) -> Response:
    from starlette.responses import Response

    return Response(content, status, media_type=kind)


def _json(value: Any) -> Response:
    return _response(strict_json(value), "application/json")


def _refusal(reason: str, status: int) -> Response:
    return _response(strict_json({"error": reason}), "application/json", status)


def _told(error: Exception) -> str:
    """What the page says about an error. Only errors of settings are told: others may hold paths."""
    if isinstance(error, ConfigError):
        return shown(str(error))
    if isinstance(error, TutelageError):
        print(f"tutelage: {shown(str(error))}", file=sys.stderr)
    else:
        traceback.print_exception(error)
    return "that did not work: the terminal in which tutelage label runs says why"
