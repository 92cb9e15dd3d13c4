"""Loading the network of a run: the one way, for models, encoders and warm starts."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tutelage.config import RunConfig
from tutelage.core.devices import choose_device
from tutelage.core.errors import CheckpointError, ConfigError
from tutelage.core.precision import float32_by_default
from tutelage.core.seeding import own_random_state
from tutelage.core.wording import named
from tutelage.data.images.loader import Normalization, unchanged
from tutelage.data.kinds import IMAGES, DataKind, kind_of
from tutelage.networks.base import Network
from tutelage.networks.frozen import FeatureHead
from tutelage.run.build import build_predictor
from tutelage.run.exported import KEY as EXPORTED
from tutelage.run.exported import NETWORK, exported_tensors
from tutelage.run.exported_size import refuse_larger
from tutelage.run.frozen_networks import FrozenNetworks
from tutelage.run.method_by_name import evaluated_network, learns_from_labels
from tutelage.run.run_record import RunRecord
from tutelage.training.checkpoint import load_checkpoint

NETWORKS = ("auto", "student", "teacher")
HEAD = "head."  # prefix of the tensors that a network does not need for its features
_PREFIXES = {"student": "method.student.", "teacher": "method.teacher.network."}


@dataclass(frozen=True)
class LoadedNetwork:
    """The network of a run in evaluation mode, on its device, with what the run recorded.

    Attributes:
        path: the run folder that it is of: that of the fine-tuning, if that is better.
        normalization: from images (B, C, S, S) uint8 to what the network takes; scans are not changed by it.
        facts: what config.json says of the data.
        classifies: whether the head predicts classes; otherwise it is `nn.Identity`.
        step: optimizer steps that the network was trained for.
    """

    network: Network
    path: Path
    normalization: Callable[[Tensor], Tensor]
    cfg: RunConfig
    facts: Mapping[str, Any]
    classifies: bool
    step: int
    device: torch.device


@float32_by_default()
@own_random_state()
def load_network(
    run: str | Path,
    *,
    kind: DataKind,
    refusal: str,
    network: str = "auto",
    device: str = "auto",
    features_only: bool = False,
) -> LoadedNetwork:
    """The network of a run, from its newest checkpoint.

    The network of a pretraining run, or of imported weights without classes, has no head: what it was trained with
    served training alone.

    Args:
        kind: the data that the run must have been trained on.
        refusal: what to say of a run on other data, after the name of the run.
        network: "student", "teacher", or "auto" for the one that the method evaluates.
        features_only: load everything but the head, which stays as it was initialized.

    Raises:
        RunError: `run` is not a run folder, or its checkpoints are damaged.
        ConfigError: the run is on other data, the method has no such network, or the device is not available.
        CheckpointError: the weights do not fit.
    """
    record = RunRecord(run).best
    if record.kind != kind:
        raise ConfigError(f"{run} {refusal}")
    cfg, facts = record.cfg, record.data
    place = choose_device(device)
    if network not in NETWORKS:
        raise ConfigError(f"{named('network')} must be one of {', '.join(NETWORKS)}, got {network!r}")
    refuse_larger(record)
    classifies = learns_from_labels(cfg.method) and bool(facts["classes"])
    normalization: Callable[[Tensor], Tensor] = unchanged
    if cfg.frozen:
        normalization = backbone = FrozenNetworks.of_run(record.path, cfg, facts, place)
        made: Network = FeatureHead(backbone.dims, len(facts["classes"]))
    else:
        if kind == IMAGES:
            normalization = Normalization.recorded(facts)
        made = build_for_features(cfg, facts) if features_only else build_for_facts(cfg, facts)
    if not classifies and not features_only:
        made.head = nn.Identity()  # type: ignore[assignment]
    step = load_weights(
        made, record.path, evaluated_network(cfg.method) if network == "auto" else network, features_only
    )
    return LoadedNetwork(made.to(place).eval(), record.path, normalization, cfg, facts, classifies, step, place)


def build_for_facts(cfg: RunConfig, facts: Mapping[str, Any]) -> Network:
    """The network of a run, without its weights."""
    size = kind_of(facts).size_of(facts)
    classes = max(1, len(facts["classes"]))
    return build_predictor(cfg, num_classes=classes, channels=facts["channels"], image_size=size, published=False)


def build_for_features(cfg: RunConfig, facts: Mapping[str, Any], *, seed: int | None = None) -> Network:
    """The network of a run with a small head, for its features in evaluation mode.

    Args:
        seed: of the weights; None takes that of the run.
    """
    network = dataclasses.replace(cfg.network, bn_splits=None)  # splits of batch norm mean nothing in evaluation mode
    train = cfg.train if seed is None else dataclasses.replace(cfg.train, seed=seed)
    seeded = dataclasses.replace(cfg, network=network, train=train)
    shape = {"channels": facts["channels"], "image_size": facts["image_size"]}
    return build_predictor(seeded, num_classes=2, published=False, **shape)


def load_weights(network: nn.Module, run: Path, which: str, features_only: bool = False) -> int:
    """Load the weights of `which` ("student" or "teacher") from the newest checkpoint of a run; returns its step.

    Raises:
        ConfigError: the method has no such network.
        CheckpointError: there is no good checkpoint, or the weights do not fit.
    """
    weights, step = stored_weights(run, which)
    if not weights:
        raise ConfigError(f"the method of {run} has no {which}")
    if features_only:
        if other := backbone_misfits(network, weights):
            raise CheckpointError(
                f"the weights in {run} do not fit its network: {misfit_text(network, weights, other)}"
            )
        load_backbone(network, weights)
        return step
    own = network.state_dict()
    if isinstance(network.head, nn.Identity):
        weights = {name: value for name, value in weights.items() if not name.startswith(HEAD)}
    other = [name for name in own | weights if _shape(own, name) != _shape(weights, name)]
    if other:
        raise CheckpointError(
            f"the weights in {run} do not fit its network: {len(other)} of {len(own)} tensors differ, first {other[0]}"
        )
    network.load_state_dict(weights)
    return step


def stored_weights(run: Path, which: str) -> tuple[dict[str, Tensor], int]:
    """The state dict of `which` in a run, or of the only network of an exported model, and its step.

    Raises:
        CheckpointError: there is no good checkpoint, or the exported file is damaged.
    """
    if EXPORTED in RunRecord(run).config:
        return exported_tensors(run, NETWORK) if which == "student" else {}, RunRecord(run).steps
    checkpoint = load_checkpoint(run / "checkpoints")
    return weights_of(checkpoint.tensors, which), checkpoint.step


def _shape(tensors: Mapping[str, Tensor], name: str) -> tuple[int, ...] | None:
    return tuple(tensors[name].shape) if name in tensors else None


def weights_of(tensors: Mapping[str, Tensor], which: str) -> dict[str, Tensor]:
    """The state dict of the student or of the teacher's network in the tensors of a checkpoint."""
    prefix = _PREFIXES[which]
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def backbone_misfits(network: nn.Module, weights: Mapping[str, Tensor]) -> list[str]:
    """The tensors of a network, except its head's, that `weights` lack or have in another shape."""
    own = network.state_dict()
    return [
        name
        for name, value in own.items()
        if not name.startswith(HEAD) and (name not in weights or weights[name].shape != value.shape)
    ]


def misfit_text(network: nn.Module, weights: Mapping[str, Tensor], misfits: Sequence[str]) -> str:
    """How many tensors differ, and the first of them, with both shapes."""
    own = network.state_dict()
    first = [
        f"{name} (expected {tuple(own[name].shape)}, got {tuple(weights[name].shape) if name in weights else 'none'})"
        for name in misfits[:3]
    ]
    return f"{len(misfits)} of {len(own)} tensors differ, first {', '.join(first)}"


def load_backbone(network: nn.Module, weights: Mapping[str, Tensor]) -> list[str]:
    """Load everything but the head; returns the names that were loaded. `backbone_misfits` must be empty."""
    taken = {name: weights[name] for name in network.state_dict() if not name.startswith(HEAD)}
    network.load_state_dict(taken, strict=False)
    return list(taken)


@torch.no_grad()
def calibrate(network: Network, temperature: float) -> None:
    """Divide the logits of a network by `temperature`, by dividing the weights of its head; see `Network.plain`."""
    for parameter in network.head.parameters():
        parameter.div_(temperature)
