"""The application behind the page: its files, pictures by index, and the actions of a session."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

from tutelage.core.web.answers import answered, as_json, page_app, refusal, response
from tutelage.core.web.guard import Address, Application, Guard
from tutelage.core.web.refused import Refused
from tutelage.curation.web.actions import Actions

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

PACKAGE = "tutelage.curation.web"
_COMMAND = "tutelage label"


def labeling_app(actions: Actions, address: Address, token: str) -> Application:
    """The application, guarded. The package starlette must be there.

    Pictures have a number: no path is ever looked up.
    """
    from starlette.routing import Route

    routes = [
        Route("/api/picture/{index:int}/{side:int}", _picture, methods=["GET"]),
        Route("/api/{name}", _read, methods=["GET"]),
        Route("/api/{name}", _write, methods=["POST"]),
    ]
    inner = page_app(PACKAGE, routes)
    inner.state.actions = actions
    return Guard(inner, address, token)


async def _read(request: Request) -> Response:
    action = request.app.state.actions.reading.get(request.path_params["name"])
    if action is None:
        return refusal(Refused("there is nothing here", 404))
    query = dict(request.query_params)
    return await _done(lambda: as_json(action(query)))


async def _write(request: Request) -> Response:
    actions: Actions = request.app.state.actions
    name = request.path_params["name"]
    if name not in actions.writing:
        return refusal(Refused("there is nothing here", 404))
    try:
        value = json.loads(await request.body())
    except (ValueError, RecursionError):
        return refusal(Refused("the request is not JSON"))
    return await _done(lambda: as_json(actions.write(name, value)))


async def _picture(request: Request) -> Response:
    actions: Actions = request.app.state.actions
    index, side = request.path_params["index"], request.path_params["side"]
    return await _done(lambda: response(actions.picture(index, side), "image/jpeg"))


async def _done(action: Callable[[], Response]) -> Response:
    """What an action gives, run in a thread, or the response that says why not."""
    from starlette.concurrency import run_in_threadpool

    return await answered(lambda: run_in_threadpool(action), _COMMAND)
