"""The OpenAPI description of the endpoint. It names no class, since it is served without the key."""

from __future__ import annotations

from typing import Any

from tutelage.core.version import __version__
from tutelage.inference.serving.limits import LARGEST_REQUEST, MOST_WAITING

_TEXT, _NUMBER = {"type": "string"}, {"type": "number", "minimum": 0, "maximum": 1}
_FILE = {"type": "string", "format": "binary"}
_REASONS = {
    "400": "The request makes no sense: a damaged form, or one without files.",
    "403": "The request does not have the key of this start, or comes from another site.",
    "408": "The request did not arrive in time.",
    "413": f"More than {MOST_WAITING} images, or more than {LARGEST_REQUEST} bytes.",
    "415": "Another Content-Type.",
    "421": "The Host header is not that of this server.",
    "500": "The network failed; the terminal of the server says why.",
    "503": "Too many images are waiting: nothing of the request was taken. Retry-After says when to try again.",
}


def openapi_of(url: str) -> dict[str, Any]:
    """The description, in the form of OpenAPI 3.1.

    Args:
        url: of the server, without a slash at the end.
    """
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "tutelage serve",
            "version": __version__,
            "description": "Classes of images, by a trained model. Nothing that is sent is stored.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": url}],
        "security": [{"key": []}],
        "paths": {
            "/api/predict": {"post": _predict()},
            "/api/model": {
                "get": {
                    "operationId": "model",
                    "summary": "The classes, and what a request may carry",
                    "responses": {"200": _answer("What is served.", "Model"), **_refusals("403", "421")},
                }
            },
            "/api/picture": {"post": _picture()},
        },
        "components": {
            "securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X-Tutelage-Token"}},
            "schemas": _schemas(),
        },
    }


def _predict() -> dict[str, Any]:
    files = {"type": "object", "additionalProperties": {"oneOf": [_FILE, {"type": "array", "items": _FILE}]}}
    bodies = {
        "multipart/form-data": {"schema": files},
        "application/octet-stream": {"schema": _FILE},
        "image/*": {"schema": _FILE},
    }
    return {
        "operationId": "predict",
        "summary": "The class of each image",
        "description": "One image as the body, or several as files of a form, whose field names do not matter. An "
        "image that cannot be read is no error of the request: its `error` says why.",
        "requestBody": {"required": True, "content": bodies},
        "responses": {"200": _answer("One prediction for each image, in order.", "Predictions"), **_refusals()},
    }


def _picture() -> dict[str, Any]:
    bodies = {"application/octet-stream": {"schema": _FILE}, "image/*": {"schema": _FILE}}
    pictured = {"description": "The picture.", "content": {"image/jpeg": {"schema": _FILE}}}
    return {
        "operationId": "picture",
        "summary": "An image as a small JPEG picture, for a browser that cannot show it itself",
        "requestBody": {"required": True, "content": bodies},
        "responses": {"200": pictured, **_refusals(*_REASONS, "422")},
    }


def _answer(description: str, schema: str) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    return {"description": description, "content": content}


def _refusals(*statuses: str) -> dict[str, Any]:
    """The refusals of a request, all by default."""
    reasons = _REASONS | {"422": "The image cannot be read."}
    found = {status: _answer(reasons[status], "Refusal") for status in statuses or _REASONS}
    if "503" in found:
        seconds = {"description": "Seconds.", "schema": {"type": "integer", "minimum": 1}}
        found["503"] |= {"headers": {"Retry-After": seconds}}
    return found


def _schemas() -> dict[str, Any]:
    number, one = {"type": "integer", "minimum": 1}, {"$ref": "#/components/schemas/Prediction"}
    prediction = {
        "name": _TEXT | {"description": "Of the file; `image 0` of a body."},
        "label": {"type": ["string", "null"], "description": "The most probable class."},
        "confidence": _NUMBER | {"type": ["number", "null"], "description": "Its probability."},
        "probabilities": {"type": ["object", "null"], "additionalProperties": _NUMBER},
        "error": {"type": ["string", "null"], "description": "Why the image could not be read."},
    }
    model = {
        "classes": {"type": "array", "items": _TEXT, "description": "In the order of the probabilities."},
        "image_size": number | {"description": "Side of the square that the network sees, in pixels."},
        "channels": number,
        "formats": {"type": "array", "items": _TEXT},
        "largest_request": number | {"description": "Bytes."},
        "most_images": number | {"description": "Of one request."},
        "version": _TEXT,
    }
    return {
        "Prediction": _object(prediction),
        "Predictions": _object({"predictions": {"type": "array", "items": one, "minItems": 1}}),
        "Model": _object(model),
        "Refusal": _object({"error": _TEXT}),
    }


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
