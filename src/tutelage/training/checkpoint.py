"""Checkpoints as safetensors and JSON, without pickle. A manifest, written last, holds the hash of each."""

from __future__ import annotations

import hashlib
import json
import re
import warnings
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load as parse
from safetensors.torch import save as serialize
from torch import Tensor

from tutelage.core.errors import CheckpointError, RunError
from tutelage.core.files import make_folder, read_json, require_space, sha256, strict_json, write_atomically
from tutelage.core.regular import read_regular
from tutelage.core.sealed import unsealed, write_sealed

FORMAT = 1
MANIFEST = "manifest.json"
KEEP = 2
_ENTRY: Mapping[str, type] = {"file": str, "step": int, "bytes": int, "sha256": str}
_MARK: Mapping[str, type] = {"size": int, "sha256": str}
_NAME = re.compile(r"step-\d{8,}(-\d+)?\.safetensors")


@dataclass(frozen=True)
class LogMark:
    """How much of the log was written before a checkpoint: its bytes, and their hash."""

    size: int
    sha256: str

    @staticmethod
    def of(content: bytes) -> LogMark:
        """Of a log with that content."""
        return LogMark(len(content), sha256(content))


NO_LOG = LogMark.of(b"")


class GrowingLog:
    """A log that only grows, as far as it was read: what was read once is not read again."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._size, self._hash = 0, hashlib.sha256()

    def mark(self) -> LogMark:
        """Of what the log holds now; a log that is missing holds nothing."""
        if self.file.exists():
            with self.file.open("rb") as stream:
                stream.seek(self._size)
                added = stream.read()
            self._hash.update(added)
            self._size += len(added)
        return LogMark(self._size, self._hash.hexdigest())


@dataclass(frozen=True)
class Checkpoint:
    """The contents of a checkpoint: named tensors, plain values that describe them, and the log up to it."""

    step: int
    tensors: Mapping[str, Tensor]
    values: Mapping[str, Any]
    log: LogMark = NO_LOG


def save_checkpoint(folder: Path, checkpoint: Checkpoint) -> Path:
    """Write a checkpoint and keep the two newest; older ones are deleted only once the manifest lists this one.

    Raises:
        RunError: it cannot be written (earlier checkpoints are untouched).
        CheckpointError: it holds NaN or infinity; such a state is never saved.
    """
    make_folder(folder)
    before, other = _read_manifest(folder)
    path = _free(folder, f"step-{checkpoint.step:08d}", {*other, *(entry["file"] for entry in before)})
    size = sum(tensor.nbytes for tensor in checkpoint.tensors.values())
    require_space(path, 2 * size)  # leaves room for the log
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in checkpoint.tensors.items()}
    bad = first_non_finite(tensors)
    if bad is not None:
        raise CheckpointError(f"step {checkpoint.step}: {bad} holds NaN or infinity; not saved")
    content = serialize(tensors, metadata={"values": strict_json(checkpoint.values)})
    # first listed, then written, since only files that the manifest lists are ever deleted
    _write_manifest(folder, before, {*other, path.name} - {e["file"] for e in before})
    write_atomically(path, content)
    entry = {"file": path.name, "step": checkpoint.step, "bytes": len(content), "sha256": sha256(content)}
    entry["log"] = asdict(checkpoint.log)
    old = [e for e in before if e["step"] < checkpoint.step]
    kept = [*old[-(KEEP - 1) :], entry]
    stale = {*other, *(e["file"] for e in before)} - {e["file"] for e in kept}
    _write_manifest(folder, kept, stale)
    for name in stale:
        (folder / name).unlink(missing_ok=True)
    return path


def _free(folder: Path, stem: str, own: Container[str]) -> Path:
    """A file that is one of `own`, or does not exist: a file of someone else is never written over."""
    path, number = folder / f"{stem}.safetensors", 1
    while path.name not in own and path.exists():
        number += 1
        path = folder / f"{stem}-{number}.safetensors"
    return path


def checkpoint_files(folder: Path) -> list[Path]:
    """The files that `save_checkpoint` wrote into `folder`, by the manifest, which comes last; no other ones."""
    try:
        listed, other = _read_manifest(folder)
    except CheckpointError:
        return [folder / MANIFEST]
    return [folder / name for name in (*(entry["file"] for entry in listed), *sorted(other), MANIFEST)]


def is_checkpoint_file(name: str) -> bool:
    """Whether `save_checkpoint` gives files such names."""
    return name == MANIFEST or _NAME.fullmatch(name) is not None


def load_checkpoint(folder: Path) -> Checkpoint:
    """The newest checkpoint whose size and hash match the manifest; warns if a newer one is damaged.

    Raises:
        CheckpointError: there is none, or it is in a newer format.
    """
    damaged: list[str] = []
    for entry in reversed(entries(folder)):
        path = folder / entry["file"]
        try:
            content = read_regular(path)
        except OSError as error:
            damaged.append(f"{path.name} ({error.strerror})")
            continue
        if len(content) != entry["bytes"] or sha256(content) != entry["sha256"]:
            damaged.append(f"{path.name} (its content does not match its hash)")
            continue
        if damaged:
            warnings.warn(f"damaged: {', '.join(damaged)}; resuming from {path.name}", RuntimeWarning, stacklevel=2)
        return _parse(path, content, entry)
    if damaged:
        raise CheckpointError(f"no usable checkpoint in {folder}; damaged: {', '.join(damaged)}")
    raise CheckpointError(f"no checkpoint in {folder}")


def _parse(path: Path, content: bytes, entry: Mapping[str, Any]) -> Checkpoint:
    try:
        tensors = parse(content)
        length = int.from_bytes(content[:8], "little")
        values = json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["values"])
    except Exception as error:  # whatever safetensors raises on damaged bytes
        raise CheckpointError(f"{path} is not a checkpoint: {error}") from None
    mark = entry.get("log", asdict(NO_LOG))
    return Checkpoint(entry["step"], tensors, values, LogMark(mark["size"], mark["sha256"]))


def entries(folder: Path) -> list[dict[str, Any]]:
    """The manifest's entries, oldest first; empty if there is no manifest.

    Raises:
        CheckpointError: it is damaged, or in a newer format.
    """
    return _read_manifest(folder)[0]


def _holds(entry: Any, kinds: Mapping[str, type]) -> bool:
    return isinstance(entry, dict) and all(isinstance(entry.get(name), kind) for name, kind in kinds.items())


def _write_manifest(folder: Path, listed: Sequence[Mapping[str, Any]], other: Iterable[str]) -> None:
    """List the checkpoints that may be loaded, and files that are about to be written or deleted."""
    there = sorted(name for name in other)
    write_sealed(folder / MANIFEST, {"format": FORMAT, "checkpoints": list(listed), "other": there})


def _read_manifest(folder: Path) -> tuple[list[dict[str, Any]], set[str]]:
    path = folder / MANIFEST
    if not path.exists():
        return [], set()
    try:
        manifest = read_json(path)
        if manifest["format"] > FORMAT:
            raise CheckpointError(f"{path} is in format {manifest['format']}; this version reads up to {FORMAT}")
        manifest = unsealed(path, manifest)
        found = sorted(manifest["checkpoints"], key=lambda entry: entry["step"])
        other = {name for name in manifest.get("other", ()) if (folder / name).exists()}
        for name in (*(entry["file"] for entry in found), *other):
            if Path(name).name != name:
                raise CheckpointError(f"{path} names a file outside its folder: {name!r}")
        for entry in found:
            if not _holds(entry, _ENTRY) or not _holds(entry.get("log", asdict(NO_LOG)), _MARK):
                raise CheckpointError(f"{path} is damaged: an entry lacks its size or hash")
    except (KeyError, TypeError, RunError) as error:
        if isinstance(error, RunError):
            raise CheckpointError(str(error)) from None
        raise CheckpointError(f"{path} is damaged: its keys and values are not those of a manifest") from None
    return found, other


def first_non_finite(tensors: Mapping[str, Tensor]) -> str | None:
    """The name of the first floating-point tensor that holds NaN or infinity, or None."""
    floating = {name: tensor for name, tensor in tensors.items() if tensor.is_floating_point()}
    if not floating:
        return None
    # a sum is finite only if all of its terms are: one wait for the device, not one for each tensor
    sums = torch.stack([tensor.detach().sum().float() for tensor in floating.values()])
    if bool(torch.isfinite(sums).all()):
        return None
    for name, tensor in floating.items():  # which one it is, or none if sums of large numbers overflowed
        if not bool(torch.isfinite(tensor).all()):
            return name
    return None


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimizer's state as named tensors; its hyperparameters follow from the settings and the step."""
    state = optimizer.state_dict()["state"]
    return {
        f"optimizer.{number}.{name}": value
        for number, entry in state.items()
        for name, value in entry.items()
        if value is not None
    }


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Restore what `optimizer_tensors` returned, each tensor in the memory format of its parameter."""
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith("optimizer."):
            _, number, key = name.split(".", 2)
            state.setdefault(int(number), {})[key] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    for parameter, entry in optimizer.state.items():
        for name, value in entry.items():
            if value.shape == parameter.shape:
                entry[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)
