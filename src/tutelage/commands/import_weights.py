"""The command import-weights: turns weights from other code into a run folder, which can be used like any run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from tutelage.config import IMPORTED, RunConfig, options
from tutelage.config.network_name import NetworkName
from tutelage.core.errors import ConfigError, maybe
from tutelage.core.names import class_name_fault
from tutelage.core.version import __version__
from tutelage.networks.moco_weights import ENCODERS, is_moco, moco_preparation, translate_moco
from tutelage.networks.port_data import Preparation, preparation
from tutelage.networks.ports import Ported, recognize, translate
from tutelage.networks.weights_file import ENTRIES, WeightsFile, read_weights
from tutelage.run.folder import RunFolder, refuse_existing
from tutelage.run.provenance import environment
from tutelage.training.checkpoint import Checkpoint, save_checkpoint

MOCO = "moco"
FORMATS = ("auto", "fixmatch-pytorch", "torchssl", "usb", MOCO)
_MOST_SHOWN = 6


def import_file(
    file: Path,
    out: Path,
    *,
    form: str = "auto",
    which: str = "auto",
    trained_on: str = "auto",
    classes: Path | None = None,
    mean: str | None = None,
    std: str | None = None,
    image_size: int | None = None,
    overwrite: bool = False,
    console: Console,
) -> None:
    """Write the run folder `out` with the network in `file`; see `tutelage import-weights --help` for the rest.

    Raises:
        ConfigError: an option is unknown, or the preparation of images is neither known nor given.
        CheckpointError: the file cannot be read without running its code, or does not contain a known network.
        RunError: the folder cannot be created.
    """
    for flag, value, known in (("--format", form, FORMATS), ("--which", which, ("auto", *ENTRIES, *ENCODERS))):
        if value not in known:
            raise ConfigError(f"{flag} must be one of {', '.join(known)}, got {value!r}{maybe(value, known)}")
    refuse_existing(out, overwrite=overwrite)
    found = read_weights(file, which if which in ENTRIES else "auto")
    means, stds = _levels(mean, "--mean"), _levels(std, "--std")
    if is_moco(found.weights):
        _check_moco(file, form, which, trained_on, classes)
        ported = translate_moco(found.weights, "query" if which == "auto" else which, str(file))
        prepared = moco_preparation(means, stds, image_size, channels=ported.channels)
    else:
        if which in ENCODERS:
            raise ConfigError(f"--which {which} is for files of MoCo, and {file} contains no encoder_q")
        recognized = recognize(found.weights, str(file))
        if form not in ("auto", recognized):
            reason = "no encoder_q in the file" if form == MOCO else f"the biases in {file} are those of {recognized}"
            raise ConfigError(f"--format {form}: {reason}")
        ported = translate(found.weights, recognized, str(file))
        prepared = preparation(
            recognized,
            trained_on,
            num_classes=ported.num_classes,
            channels=ported.channels,
            groups=NetworkName.parse(ported.network.name).wide_shape[0],
            mean=means,
            std=stds,
            image_size=image_size,
        )
    names = prepared.classes if classes is None else read_class_names(classes, ported.num_classes)
    with RunFolder.create(out, overwrite=overwrite) as folder:
        folder.clear()
        tensors = {f"method.student.{name}": value for name, value in ported.weights.items()}
        save_checkpoint(folder.checkpoints, Checkpoint(0, tensors, {}))
        folder.declare(_record(file, found, ported, prepared, names))
        folder.finish({"method": IMPORTED, "step": 0, "evaluated": "student", "selection": "none: not trained here"})
    _report(found, ported, prepared, names, out, console)


def _check_moco(file: Path, form: str, which: str, trained_on: str, classes: Path | None) -> None:
    """Reject options that do not apply to an encoder without classes."""
    if form not in ("auto", MOCO):
        raise ConfigError(f"--format {form}: the encoder_q in {file} comes from {MOCO}")
    if which in ENTRIES:
        raise ConfigError(f"--which {which}: the encoders in {file} are {' and '.join(ENCODERS)}")
    if trained_on != "auto":
        raise ConfigError(f"--trained-on {trained_on} is for classifiers; for an encoder give --mean and --std")
    if classes is not None:
        raise ConfigError(f"--classes {classes}: the encoder in {file} has no classes to name")


def read_class_names(file: Path, count: int) -> tuple[str, ...]:
    """The class names in a text file, one per line, or in a JSON list, in the order of the outputs.

    Raises:
        ConfigError: the file cannot be read, or does not contain `count` different valid names.
    """
    try:
        text = file.read_text(encoding="utf-8")
        names = json.loads(text) if file.suffix == ".json" else [line.strip() for line in text.splitlines()]
    except (OSError, ValueError) as error:
        raise ConfigError(f"--classes {file} cannot be read: {error}") from None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ConfigError(f"--classes {file} must be a list of names")
    names = [name for name in names if name]
    if len(names) != count or len(set(names)) != count:
        raise ConfigError(f"--classes {file} must contain {count} different names, got {len(set(names))}")
    if faults := [fault for name in names if (fault := class_name_fault(name))]:
        raise ConfigError(f"--classes {file}: {faults[0]}")
    return tuple(names)


def _levels(text: str | None, flag: str) -> tuple[float, ...] | None:
    if text is None:
        return None
    shares: tuple[float, ...] = options.coerce(text, tuple[float, ...], flag)
    return tuple(255.0 * share for share in shares)


def _record(
    file: Path, found: WeightsFile, ported: Ported, prepared: Preparation, names: tuple[str, ...]
) -> dict[str, Any]:
    """The content of config.json. There is no data, and the settings of the training are not known."""
    network = {"name": ported.network.name, **ported.network.given()}
    cfg = RunConfig.from_dict({"method": {"name": IMPORTED}, "data": {"path": "unknown"}, "network": network})
    return {
        "version": __version__,
        "settings": cfg.to_dict(),
        "plan": {"steps": 0, "budget": None},
        "data": {
            "classes": list(names),
            "channels": ported.channels,
            "image_size": prepared.image_size,
            "mean": list(prepared.mean),
            "std": list(prepared.std),
            "fingerprint": None,
            "parts": {},
            "notes": [f"imported from {file.name}: the images it was trained on are not known"],
        },
        "environment": environment(torch.device("cpu")),
        "imported": {
            "file": file.name,
            "sha256": found.sha256,
            "format": ported.network.wiring or MOCO,
            "entry": found.entry,
            "left_out": ported.left_out,
        },
    }


def _report(
    found: WeightsFile, ported: Ported, prepared: Preparation, names: tuple[str, ...], out: Path, console: Console
) -> None:
    network, where = ported.network, f"its entry {found.entry}" if found.entry else "the whole file"
    layers = dict.fromkeys((f"{name.rpartition('.')[0] or name}.*", reason) for name, reason in ported.left_out.items())
    if not names:
        layers = dict.fromkeys((f"{name.partition('.')[0]}.*", reason) for name, reason in ported.left_out.items())
    wiring = "" if network.wiring is None else f", wired as {network.wiring}"
    classes = f"classes: {', '.join(names[:10])}{', ...' if len(names) > 10 else ''}; --classes renames them"
    use = (
        f"{out} can be used like any run; to start training from it: "
        f"--network {network.name} --network.wiring {network.wiring} --init-from {out}"
    )
    if not names:
        classes = "it has no classes; training adds a head for yours"
        use = f"use {out} with tutelage probe and embed; to start training from it: --init-from {out}"
    lines = [
        f"{network.name}{wiring}, from {where}: {len(ported.weights)} tensors loaded",
        f"left out: {len(ported.left_out)} tensors",
        *(f"  {layer}: {reason}" for layer, reason in list(layers)[:_MOST_SHOWN]),
        *(["  ..."] if len(layers) > _MOST_SHOWN else []),
        prepared.note,
        classes,
        use,
    ]
    for line in lines:
        console.print(line if line.startswith("  ") else f"- {line}", markup=False, highlight=False, soft_wrap=True)
