"""A model that was exported from its run: a folder, or one safetensors file, which is read like the run itself.

The settings in it say how the network is built and how its input is prepared, in the form of config.json. It may come
from anybody, so it names no code and no files: those of other packages are refused before anything is imported.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import load, save
from torch import Tensor

from tutelage.config import IMPORTED
from tutelage.config.network_name import is_own_network
from tutelage.core.errors import CheckpointError, RunError
from tutelage.core.files import sha256, strict_json
from tutelage.core.regular import open_regular, read_regular
from tutelage.core.sealed import SEAL, sealed
from tutelage.core.third_party import fault_of

KEY = "exported"  # in config.json, and in the header of a safetensors file
WEIGHTS = "model.safetensors"
SUFFIX = ".safetensors"
NETWORK, BACKBONE = "network.", "backbone."  # prefixes of the tensors
_LONGEST = 2**24  # bytes of a header
_PATHS = (("scan", "crop_masks"), ("scan", "cache"), ("network", "weights"), ("train", "init_from"))


def weights_file(path: Path) -> Path | None:
    """The file of weights of an exported model; None if `path` is something else, such as a run folder."""
    if path.suffix == SUFFIX and path.is_file():
        return path
    file = path / WEIGHTS
    return file if file.is_file() else None


def exported_bytes(tensors: Mapping[str, Tensor], config: Mapping[str, Any], facts: Mapping[str, str]) -> bytes:
    """The content of a safetensors file with its settings, and with a hash of its tensors.

    Args:
        facts: more for the header, for readers that know nothing of settings.
    """
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    header = {**facts, KEY: strict_json(sealed(config)), SEAL: sha256(_data(save(plain)))}
    return save(plain, metadata=header)


def file_config(file: Path) -> dict[str, Any]:
    """The settings in the header of an exported safetensors file.

    Raises:
        RunError: the file cannot be read, or holds no settings.
    """
    with fault_of(file, "safetensors file", RunError), open_regular(file) as stream:
        length = int.from_bytes(stream.read(8), "little")
        held = _held(stream.read(length)) if length <= _LONGEST else {}
    try:
        config = json.loads(held[KEY])
    except (KeyError, TypeError, ValueError, RecursionError):
        raise RunError(f"{file} holds no model that was exported by tutelage: its header has no settings") from None
    if not isinstance(config, dict):
        raise RunError(f"{file} is damaged: its settings are no table of values")
    return config


def exported_fault(config: Mapping[str, Any]) -> str | None:
    """What the settings of an exported model must not hold, or None. Others are of a run, and none of its matter."""
    if KEY not in config:
        return None
    settings = config["settings"]
    sections = {name: section if isinstance(section, Mapping) else {} for name, section in settings.items()}
    if sections.get("method", {}).get("name") != IMPORTED:
        return "an exported model has no method"
    if is_own_network(sections.get("network", {}).get("name")):
        return "its network is code of another package, which an exported model never runs"
    if sections.get("train", {}).get("metrics"):
        return "its metrics are code of another package, which an exported model never runs"
    for section, name in _PATHS:
        if sections.get(section, {}).get(name) is not None:
            return f"it names a file, {section}.{name}"
    return None


def exported_tensors(path: Path, prefix: str) -> dict[str, Tensor]:
    """The tensors of an exported model whose names start with `prefix`, without it.

    Raises:
        CheckpointError: the file is missing or damaged.
    """
    file = weights_file(path)
    if file is None:
        raise CheckpointError(f"{path} has no {WEIGHTS}")
    with fault_of(file, "safetensors file", CheckpointError):
        content = read_regular(file)
        tensors = load(content)
        known = _held(content[8 : len(content) - len(_data(content))]).get(SEAL)
        damaged = known is not None and known != sha256(_data(content))
    if damaged:
        raise CheckpointError(f"{file} is damaged: its tensors do not match their hash")
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _held(header: bytes) -> dict[str, Any]:
    """The plain values in the header of a safetensors file."""
    held = json.loads(header).get("__metadata__", {})
    return held if isinstance(held, dict) else {}


def _data(content: bytes) -> bytes:
    """The tensors in the content of a safetensors file, without its header."""
    return content[8 + int.from_bytes(content[:8], "little") :]
