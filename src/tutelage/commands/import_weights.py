"""The command import-weights: turns weights from other code into a run folder, which can be used like any run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from tutelage.commands.other_code.base import Family, Imported, ImportOptions
from tutelage.commands.other_code.fixmatch import FixMatchPorts
from tutelage.commands.other_code.moco import MoCoEncoders
from tutelage.commands.other_code.vnet import VNets
from tutelage.config import IMPORTED, RunConfig
from tutelage.core.errors import CheckpointError, ConfigError, maybe
from tutelage.core.version import __version__
from tutelage.networks.weights_file import ENTRIES, WeightsFile, read_weights
from tutelage.run.folder import RunFolder, refuse_existing
from tutelage.run.provenance import environment
from tutelage.training.checkpoint import Checkpoint, save_checkpoint

_FAMILIES: tuple[Family, ...] = (FixMatchPorts(), MoCoEncoders(), VNets())
_MOST_SHOWN = 6


def import_file(file: Path, out: Path, given: ImportOptions, *, overwrite: bool = False, console: Console) -> None:
    """Write the run folder `out` with the network in `file`; see `tutelage import-weights --help` for the options.

    Raises:
        ConfigError: an option is unknown, or the preparation of images is neither known nor given.
        CheckpointError: the file cannot be read without running its code, or does not contain a known network.
        RunError: the folder cannot be created.
    """
    _check_words(given)
    refuse_existing(out, overwrite=overwrite, reads=(file, given.classes))
    found = read_weights(file, given.which if given.which in ENTRIES else "auto")
    imported = _family(found, file).translate(found.weights, given, file, out)
    with RunFolder.create(out, overwrite=overwrite) as folder:
        folder.clear()
        tensors = {f"method.student.{name}": value for name, value in imported.ported.weights.items()}
        save_checkpoint(folder.checkpoints, Checkpoint(0, tensors, {}))
        folder.declare(_record(file, found, imported))
        folder.finish({"method": IMPORTED, "step": 0, "evaluated": "student", "selection": "none: not trained here"})
    _report(found, imported, console)


def _check_words(given: ImportOptions) -> None:
    """Raise `ConfigError` if an option is none of its words."""
    origins = [origin for family in _FAMILIES for origin in family.origins]
    which = [*ENTRIES, *(word for family in _FAMILIES for word in family.which)]
    for flag, value, words in (("--format", given.form, origins), ("--which", given.which, which)):
        known = ("auto", *words)
        if value not in known:
            raise ConfigError(f"{flag} must be one of {', '.join(known)}, got {value!r}{maybe(value, known)}")


def _family(found: WeightsFile, file: Path) -> Family:
    """The family that a file belongs to."""
    for family in _FAMILIES:
        if family.recognizes(found.weights):
            return family
    raise CheckpointError(
        f"{file} contains no network that can be imported: expected a wide residual network of a FixMatch port "
        "(conv1.weight, block1.layer.0.conv1.weight, ...), an encoder of MoCo (encoder_q.conv1.weight, ...), or a "
        f"V-Net of UA-MT (block_one.conv.0.weight, ...), got {', '.join(list(found.weights)[:4])}"
    )


def _record(file: Path, found: WeightsFile, imported: Imported) -> dict[str, Any]:
    """The content of config.json. There is no data, and the settings of the training are not known."""
    ported = imported.ported
    network = {"name": ported.network.name, **ported.network.given()}
    settings = {"method": {"name": IMPORTED}, "data": {"path": "unknown"}, "network": network, **imported.settings}
    return {
        "version": __version__,
        "settings": RunConfig.from_dict(settings).to_dict(),
        "plan": {"steps": 0, "budget": None},
        "data": {
            "classes": list(imported.classes),
            "channels": ported.channels,
            **imported.facts,
            "fingerprint": None,
            "parts": {},
            "notes": [f"imported from {file.name}: the data it was trained on is not known"],
        },
        "environment": environment(torch.device("cpu")),
        "imported": {
            "file": file.name,
            "sha256": found.sha256,
            "format": imported.origin,
            "entry": found.entry,
            "left_out": ported.left_out,
        },
    }


def _report(found: WeightsFile, imported: Imported, console: Console) -> None:
    ported, layers = imported.ported, list(imported.left_out.items())
    where = f"its entry {found.entry}" if found.entry else "the whole file"
    lines = [
        f"{imported.title}, from {where}: {len(ported.weights)} tensors loaded",
        f"left out: {len(ported.left_out)} tensors",
        *(f"  {layer}: {reason}" for layer, reason in layers[:_MOST_SHOWN]),
        *(["  ..."] if len(layers) > _MOST_SHOWN else []),
        *imported.notes,
    ]
    for line in lines:
        console.print(line if line.startswith("  ") else f"- {line}", markup=False, highlight=False, soft_wrap=True)
