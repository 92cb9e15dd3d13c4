"""Weights from a file of `torch.save` or safetensors, matched to a network; nothing in a file is ever run."""

from __future__ import annotations

import io
import os
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from safetensors.torch import load as parse_safetensors
from torch import Tensor

from tutelage.core.errors import CheckpointError
from tutelage.core.files import sha256
from tutelage.core.memory import memory_fault
from tutelage.core.regular import open_regular
from tutelage.core.third_party import fault_of
from tutelage.core.zip_claims import zip_fault

ENTRIES = {"ema": ("ema_state_dict", "ema_model"), "model": ("state_dict", "model")}
_ZIP = b"PK\x03\x04"  # the first bytes of what torch.save writes
_COPIES = 2  # of the weights, while they are read
_COUNTER = "num_batches_tracked"  # of batch norm; some files lack it, and nothing depends on it


@dataclass(frozen=True)
class WeightsFile:
    """A state dict from the entry `entry` of a file; "" if the file as a whole is the state dict."""

    weights: dict[str, Tensor]
    entry: str
    sha256: str


def read_weights(file: Path, which: str = "auto") -> WeightsFile:
    """The state dict in a file that `torch.save` or safetensors wrote; nothing in it is ever run.

    Args:
        which: "ema", "model", or "auto" for the moving average if there is one. It has no effect if the file as a whole
            is a state dict.

    Raises:
        CheckpointError: the file cannot be read without running its code, or has no such weights.
    """
    try:
        with open_regular(file) as stream:
            fault = _memory_fault(stream, os.fstat(stream.fileno()).st_size)
            content = stream.read() if fault is None else b""
    except OSError as error:
        raise CheckpointError(f"cannot read {file}: {error.strerror}") from None
    if fault is not None:
        raise CheckpointError(f"{file} {fault}")
    loaded = _parse(file, content)
    if not isinstance(loaded, Mapping):
        raise CheckpointError(f"{file} must contain a state dict, got a {type(loaded).__name__}")
    entries = [entry for kind in ("ema", "model") if which in ("auto", kind) for entry in ENTRIES[kind]]
    entry = next((entry for entry in entries if isinstance(loaded.get(entry), Mapping)), "")
    held = loaded[entry] if entry else loaded
    weights = {name.removeprefix("module."): value for name, value in held.items() if isinstance(value, Tensor)}
    if not weights:
        raise CheckpointError(
            f"{file} has none of {', '.join(entries)}, and is not a state dict: it has {', '.join(map(str, loaded))}"
        )
    return WeightsFile(weights, entry, sha256(content))


def _memory_fault(stream: IO[bytes], present: int) -> str | None:
    """Why a file would take too much memory, or None; the stream is at its start again."""
    packed = stream.read(len(_ZIP)) == _ZIP
    fault = zip_fault(stream, present, stored=True) if packed else memory_fault(_COPIES * present, present)
    stream.seek(0)
    return fault


def _parse(file: Path, content: bytes) -> Any:
    if file.suffix == ".safetensors":
        with fault_of(file, "safetensors file", CheckpointError):
            return parse_safetensors(content)
    number: Any = np.float64(0).__reduce__()[0]  # accuracies are saved with the weights as NumPy numbers
    safe: list[Any] = [(number, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")]
    safe += [np.dtype, *{type(np.dtype(kind)) for kind in ("f8", "f4", "i8")}]
    with torch.serialization.safe_globals(safe), warnings.catch_warnings(action="ignore"):  # of other pickle protocols
        try:
            return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        except Exception as error:  # damaged bytes make torch raise almost anything
            if needed := re.search(r"GLOBAL (\S+)", str(error)):
                raise CheckpointError(
                    f"{file} can only be read with {needed[1]}, and code from a file is never run: if you trust the "
                    "file, save only the state dict with torch.save(model.state_dict(), 'weights.pt')"
                ) from None
            raise CheckpointError(
                f"{file} was not written by torch.save, or is damaged ({type(error).__name__})"
            ) from None


@dataclass(frozen=True)
class MatchedWeights:
    """The tensors of a file under the names of a network.

    Attributes:
        how: "by name", or "by order and shape".
        unused: names in the file that the network has no place for, such as its classifier.
    """

    tensors: dict[str, Tensor]
    how: str
    unused: tuple[str, ...]


def match_weights(own: Mapping[str, Tensor], found: Mapping[str, Tensor], file: Path) -> MatchedWeights:
    """Match the tensors of a file to all of `own`, by name, or, where names differ, by order and shape.

    Names may have one common prefix in front of those of the network, such as `backbone.`. By order, the file's
    tensors must start with those of the network; what follows is taken for a classifier. A safetensors file has no
    order but that of names, so that it is matched by name only.

    Raises:
        CheckpointError: a tensor is missing or has another shape.
    """
    wanted = [name for name in own if not name.endswith(_COUNTER)]
    given = {name: value for name, value in found.items() if not name.endswith(_COUNTER)}
    for prefix in _prefixes(given, wanted):
        if all(prefix + name in given and given[prefix + name].shape == own[name].shape for name in wanted):
            tensors = {name: given[prefix + name] for name in wanted}
            unused = tuple(name for name in given if name.removeprefix(prefix) not in tensors)
            return MatchedWeights(tensors, "by name", unused)
    names = list(given)
    if file.suffix == ".safetensors":
        raise CheckpointError(
            f"{file} does not fit the network by name: it has {names[0]}, ... where the network has {wanted[0]}, ... A "
            "safetensors file does not keep the order of tensors, by which those of a file of torch.save are matched"
        )
    for mine, other in zip(wanted, names, strict=False):
        if own[mine].shape != given[other].shape:
            raise CheckpointError(
                f"{file} does not fit the network, neither by name nor by order: it has {other} "
                f"{tuple(given[other].shape)} where the network has {mine} {tuple(own[mine].shape)}"
            )
    if len(names) < len(wanted):
        raise CheckpointError(
            f"{file} does not fit the network: it has {len(names)} tensors, and the network has {len(wanted)}"
        )
    tensors = {mine: given[other] for mine, other in zip(wanted, names, strict=False)}
    return MatchedWeights(tensors, "by order and shape", tuple(names[len(wanted) :]))


def _prefixes(given: Mapping[str, Tensor], wanted: Sequence[str]) -> list[str]:
    """Prefixes that turn the first name of the network into names of the file; "" comes first."""
    first = wanted[0]
    return ["", *sorted({name.removesuffix(first) for name in given if name.endswith(f".{first}")}, key=len)]
