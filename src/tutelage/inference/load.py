"""Loads the trained model of a run, for any kind of data."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tutelage.core.errors import ConfigError
from tutelage.core.wording import named
from tutelage.inference.images.model import Model
from tutelage.inference.model import TrainedModel
from tutelage.inference.scans.model import ScanModel
from tutelage.run.run_record import RunRecord

MODELS: dict[str, type[TrainedModel]] = {model.kind: model for model in (Model, ScanModel)}


def model_class(
    run: str | Path, given: Mapping[str, object] | None = None, takes: str = "load_options"
) -> type[TrainedModel]:
    """The model class of a run.

    Args:
        given: flags that exist only for some kinds of data, by name; False and None count as not given.
        takes: the class attribute that lists the flags that the model accepts.

    Raises:
        RunError: `run` is not a run folder.
        ConfigError: a flag was given that the model does not accept.
    """
    kind = RunRecord(run).kind.name
    model = MODELS[kind]
    for name, value in (given or {}).items():
        if value and name not in getattr(model, takes):
            others = [other.kind for other in MODELS.values() if name in getattr(other, takes)]
            raise ConfigError(f"{named(name)} is for runs on {' and '.join(others)}; {run} was trained on {kind}")
    return model


def load_model(run: str | Path, *, network: str = "auto", device: str = "auto", **options: object) -> Model | ScanModel:
    """The trained model of a run, for images or scans; see `Model.load` and `ScanModel.load`.

    Args:
        **options: further arguments of the model's `load`.
    """
    return model_class(run).load(run, network=network, device=device, **options)  # type: ignore[attr-defined]
