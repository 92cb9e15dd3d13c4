"""Weights alone, as safetensors, with the settings that rebuild the network: `tutelage.load` reads them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tutelage.inference.export.portable import Run, portable
from tutelage.inference.images.model import Model
from tutelage.inference.load import load_model
from tutelage.inference.scans.model import ScanModel
from tutelage.run.exported import BACKBONE, NETWORK, SUFFIX, exported_bytes
from tutelage.run.frozen_networks import FrozenNetworks

NAME = "safetensors"
ENDING = SUFFIX


def weights_bytes(model: Model | ScanModel, config: Mapping[str, Any], facts: Mapping[str, str]) -> bytes:
    """The content of the file."""
    tensors = {NETWORK + name: value for name, value in model.network.state_dict().items()}
    if isinstance(model, Model) and isinstance(model.normalization, FrozenNetworks):
        tensors |= {BACKBONE + name: value for name, value in model.normalization.state().items()}
    return exported_bytes(tensors, config, facts)


def open_weights(path: Path) -> Run:
    """The answers of the model in a file or an exported folder."""
    return portable(load_model(path, device="cpu")).answer
