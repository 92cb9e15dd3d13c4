"""The endpoint's answers as plain values for JSON, and the description of the model that the page shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tutelage.core.version import __version__
from tutelage.data.images.reading import FORMATS
from tutelage.inference.images.model import Model
from tutelage.inference.images.prediction import Prediction
from tutelage.inference.serving.limits import LARGEST_REQUEST, MOST_WAITING


def described(predictions: Sequence[Prediction], classes: Sequence[str]) -> dict[str, Any]:
    """The predictions of a request, in order; numbers and the class are None where an image could not be read."""
    return {"predictions": [_one(prediction, classes) for prediction in predictions]}


def _one(prediction: Prediction, classes: Sequence[str]) -> dict[str, Any]:
    found = {"name": prediction.name, "label": None, "confidence": None, "probabilities": None, "error": None}
    if prediction.probs is None:
        return found | {"error": prediction.error}
    best = int(prediction.probs.argmax())
    return found | {
        "label": classes[best],
        "confidence": float(prediction.probs[best]),
        "probabilities": {name: float(p) for name, p in zip(classes, prediction.probs, strict=True)},
    }


def model_facts(model: Model) -> dict[str, Any]:
    """The classes of a model, what its images are, and how much a request may carry."""
    return {
        "classes": list(model.classes),
        "image_size": model.image_size,
        "channels": model.channels,
        "formats": list(FORMATS),
        "largest_request": LARGEST_REQUEST,
        "most_images": MOST_WAITING,
        "version": __version__,
    }
