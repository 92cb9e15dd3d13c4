"""The application behind the page and the endpoint: its files, predictions of what is sent, and its description."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tutelage.core.web.answers import answered, as_json, page_app, response
from tutelage.core.web.bodies import Bodies
from tutelage.core.web.guard import Address, Guard
from tutelage.core.web.refused import Refused
from tutelage.data.images.picture import jpeg_picture
from tutelage.data.images.reading import ImageFault
from tutelage.inference.images.model import Model
from tutelage.inference.serving.batcher import Batcher
from tutelage.inference.serving.described import described, model_facts
from tutelage.inference.serving.limits import LARGEST_IN_ALL, LARGEST_REQUEST, PATIENCE, PICTURE
from tutelage.inference.serving.openapi import openapi_of
from tutelage.inference.serving.uploads import EXPECTED, is_upload, uploads_of

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

PACKAGE = "tutelage.inference.serving"
_COMMAND = "tutelage serve"


def serving_app(model: Model, batcher: Batcher, address: Address, token: str, *, patience: float = PATIENCE) -> Guard:
    """The application, guarded. The packages starlette and python-multipart must be there.

    Args:
        batcher: of the same model.
        patience: seconds in which a request must arrive.
    """
    from starlette.routing import Route

    routes = [
        Route("/openapi.json", _description, methods=["GET"]),
        Route("/api/model", _model, methods=["GET"]),
        Route("/api/predict", _predict, methods=["POST"]),
        Route("/api/picture", _picture, methods=["POST"]),
    ]
    inner = page_app(PACKAGE, routes)
    inner.state.model, inner.state.batcher, inner.state.address = model, batcher, address
    inner.state.drawing = asyncio.Semaphore(1)  # one picture at a time, since a decoded image may be large
    bodies = Bodies(
        accepts=is_upload, expected=EXPECTED, largest=LARGEST_REQUEST, in_all=LARGEST_IN_ALL, patience=patience
    )
    return Guard(inner, address, token, bodies)


async def _description(request: Request) -> Response:
    return as_json(openapi_of(request.app.state.address.url("").rstrip("/#")))


async def _model(request: Request) -> Response:
    return as_json(model_facts(request.app.state.model))


async def _predict(request: Request) -> Response:
    async def predicted() -> Response:
        batcher: Batcher = request.app.state.batcher
        images = await uploads_of(request, most=batcher.capacity)
        coming = [asyncio.wrap_future(answer) for answer in batcher.submit(images)]
        await asyncio.wait(coming)
        return as_json(described([answer.result() for answer in coming], request.app.state.model.classes))

    return await answered(predicted, _COMMAND)


async def _picture(request: Request) -> Response:
    from starlette.concurrency import run_in_threadpool

    async def drawn() -> Response:
        framing = request.app.state.model.framing
        ((_, content),) = await uploads_of(request, most=1)
        async with request.app.state.drawing:
            try:
                made = await run_in_threadpool(
                    jpeg_picture, content, PICTURE, levels=framing.levels, most=framing.most_pixels
                )
            except ImageFault as fault:
                raise Refused(f"the image {fault}", 422) from None
        return response(made, "image/jpeg")

    return await answered(drawn, _COMMAND)
