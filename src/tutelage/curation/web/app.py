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
    from starlette.concurrency import run_in_threadpool
    from starlette.responses import Response
    from starlette.routing import Route

    served = page_files()

    def page_file(name: str) -> Callable[[Request], Awaitable[Response]]:
        content, kind = served[name]

        async def answer(request: Request) -> Response:
            return Response(content, media_type=kind)

        return answer

    def as_json(value: Any, status: int = 200) -> Response:
        return Response(strict_json(value), status, media_type="application/json")

    async def done(request: Request, action: Callable[[], Any]) -> Any:
        """What an action gives, or the response that says why not."""
        try:
            return await run_in_threadpool(action)
        except Refused as refused:
            return as_json({"error": str(refused)}, refused.status)
        except Exception as error:
            return as_json({"error": _told(error)}, 400 if isinstance(error, ConfigError) else 500)

    async def read(request: Request) -> Response:
        name, query = request.path_params["name"], dict(request.query_params)
        if name not in actions.reading:
            return as_json({"error": "there is nothing here"}, 404)
        found = await done(request, lambda: actions.reading[name](query))
        return found if isinstance(found, Response) else as_json(found)

    async def write(request: Request) -> Response:
        name, body = request.path_params["name"], await request.body()
        if name not in actions.writing:
            return as_json({"error": "there is nothing here"}, 404)
        try:
            value = json.loads(body)
        except (ValueError, RecursionError):
            return as_json({"error": "the request is not JSON"}, 400)
        found = await done(request, lambda: actions.write(name, value))
        return found if isinstance(found, Response) else as_json(found)

    async def picture(request: Request) -> Response:
        index, side = request.path_params["index"], request.path_params["side"]
        found = await done(request, lambda: actions.picture(index, side))
        return found if isinstance(found, Response) else Response(found, media_type="image/jpeg")

    async def nothing(request: Request, error: Exception) -> Response:
        return as_json({"error": "there is nothing here"}, getattr(error, "status_code", 404))

    routes = [Route(f"/page/{name}", page_file(name), methods=["GET"]) for name in served if name != "index.html"]
    routes += [
        Route("/", page_file("index.html"), methods=["GET"]),
        Route("/api/picture/{index:int}/{side:int}", picture, methods=["GET"]),
        Route("/api/{name}", read, methods=["GET"]),
        Route("/api/{name}", write, methods=["POST"]),
    ]
    inner = Starlette(routes=routes, exception_handlers={404: nothing, 405: nothing})
    inner.router.redirect_slashes = False
    return Guard(inner, address, token)


def _told(error: Exception) -> str:
    """What the page says about an error. Only errors of settings are told: others may hold paths."""
    if isinstance(error, ConfigError):
        return shown(str(error))
    if isinstance(error, TutelageError):
        print(f"tutelage: {shown(str(error))}", file=sys.stderr)
    else:
        traceback.print_exception(error)
    return "that did not work: the terminal in which tutelage label runs says why"
