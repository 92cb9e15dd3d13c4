"""A trained image classifier as bytes, for what pickles it: the same content as an exported safetensors file."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tutelage.core.errors import RunError
from tutelage.inference.export.config import portable_config
from tutelage.inference.export.formats.weights_file import ENDING, weights_bytes
from tutelage.inference.images.model import Model
from tutelage.inference.load import load_model
from tutelage.run.run_record import RunRecord


def model_bytes(model: Model, config: Mapping[str, Any]) -> bytes:
    """The model; `config` is that of `config_of`."""
    return weights_bytes(model, config, {})


def config_of(run: Path, model: Model) -> dict[str, Any]:
    """The settings that `model_bytes` needs of the run that the model comes from.

    Raises:
        ConfigError: its network is code of another package.
    """
    return portable_config(RunRecord(run).best, model.step)


def model_of(content: bytes, *, device: str = "auto") -> Model:
    """The model in what `model_bytes` returned.

    Raises:
        RunError: it is damaged, or holds a model of scans.
    """
    with tempfile.TemporaryDirectory(prefix="tutelage-") as folder:
        file = Path(folder) / f"model{ENDING}"
        file.write_bytes(content)
        model = load_model(file, device=device)
    if not isinstance(model, Model):
        raise RunError("the pickled model segments scans: expected a classifier of images")
    return model
