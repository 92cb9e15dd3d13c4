"""Starting from the network of another run: a warm start, not a resume."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from torch import nn

from tutelage.config import RunConfig
from tutelage.config.network import NetworkConfig
from tutelage.core.errors import ConfigError
from tutelage.data.kinds import DataKind
from tutelage.run.frozen_networks import read_backbone
from tutelage.run.method_by_name import evaluated_network, learns_from_labels
from tutelage.run.run_record import RunRecord
from tutelage.run.weights import HEAD, backbone_misfits, load_backbone, misfit_text, stored_weights

_MOST_SHOWN = 4


def warm_start(network: nn.Module, run: Path, classes: tuple[str, ...], console: Console) -> Mapping[str, Any]:
    """Load what fits of the network that `run` predicts with, and say what was and was not loaded.

    Every tensor but those of the head must fit. The head is taken where the run learned the same `classes`, in their
    order, and else stays new: that of a pretrained encoder is a projection, which classifies nothing.

    Returns:
        What the run tells of its data: how images were standardized, since its weights belong to images like that.

    Raises:
        RunError: `run` is no run folder, or its checkpoints are damaged.
        ConfigError: its network is another one.
    """
    record = RunRecord(run).best
    cfg, facts = record.cfg, record.data
    weights, step = stored_weights(record.path, evaluated_network(cfg.method))
    if cfg.frozen:
        weights |= read_backbone(record.path)
    if other := backbone_misfits(network, weights):
        raise ConfigError(
            f"train.init_from {run}: its network '{cfg.network.name}' does not fit "
            f"({misfit_text(network, weights, other)}); use the same network, image channels and network settings"
        )
    own, classifies = network.state_dict(), learns_from_labels(cfg.method) and bool(facts["classes"])
    head = {name: value for name, value in weights.items() if name.startswith(HEAD)}
    fits = {name: value.shape for name, value in head.items()} == {
        name: value.shape for name, value in own.items() if name.startswith(HEAD)
    }
    loaded = load_backbone(network, weights)
    if classifies and list(classes) == facts["classes"] and fits:
        network.load_state_dict(head, strict=False)
        loaded += head
    new = [name for name in own if name not in loaded]
    why = "the classes differ" if classifies else "it was pretrained without classes"
    said = f"; new, since {why}: {_listed(new)}" if new else ""
    left = [name for name in weights if name not in loaded]
    said += f"; left out: {_listed(left)}" if left and not classifies else ""
    console.print(f"- {len(loaded)} of {len(own)} tensors come from {run} (step {step}){said}")
    return facts


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_MOST_SHOWN]) + (f" and {len(names) - _MOST_SHOWN} more" if names[_MOST_SHOWN:] else "")


def network_of_origin(cfg: RunConfig, kind: DataKind, console: Console) -> RunConfig:
    """The settings with the network of the run that `train.init_from` names, where no network was chosen.

    Args:
        kind: of the data that will be trained on.

    Raises:
        RunError: that is no run folder.
        ConfigError: it was trained on the other kind of data.
    """
    if cfg.train.init_from is None:
        return cfg
    record = RunRecord(cfg.train.init_from).best
    if record.kind != kind:
        raise ConfigError(
            f"train.init_from {cfg.train.init_from}: it was trained on {record.kind.name}, and these are {kind.name}"
        )
    chosen = "network" in cfg.given if cfg.given else cfg.network != NetworkConfig()
    if chosen:
        return cfg
    origin = record.cfg.network
    network = dataclasses.replace(origin, pretrained=False, bn_splits=None)  # both are for how it was trained
    if network != cfg.network:
        console.print(f"- the network is that of {cfg.train.init_from}: {network.name}")
    given = {**cfg.given, "network": network.to_dict()} if cfg.given else {}
    return dataclasses.replace(cfg, network=network, given=given)
