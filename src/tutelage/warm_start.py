"""Starting from the network of another run: a warm start, not a resume."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from torch import nn

from tutelage.build import evaluated_network
from tutelage.config import RunConfig
from tutelage.errors import ConfigError
from tutelage.model import weights_of
from tutelage.training.checkpoint import load_checkpoint
from tutelage.training.folder import read_config


def warm_start(network: nn.Module, run: Path, classes: tuple[str, ...], console: Console) -> None:
    """Load what fits of the network that `run` predicts with, and say what was and was not loaded.

    The head is taken where `classes` are the run's, in their order, and else stays new; every other tensor must fit.

    Raises:
        RunError: `run` is no run folder, or its checkpoints are damaged.
        ConfigError: its network is another one.
    """
    config = read_config(run)
    cfg = RunConfig.from_dict(config["settings"])
    checkpoint = load_checkpoint(run / "checkpoints")
    weights = weights_of(checkpoint.tensors, evaluated_network(cfg.method))
    own, new_head = network.state_dict(), list(classes) != config["data"]["classes"]
    fitting = {
        name: value
        for name, value in weights.items()
        if name in own and value.shape == own[name].shape and not (new_head and name.startswith("head."))
    }
    other = [name for name in own if name not in fitting and not name.startswith("head.")]
    if other:
        raise ConfigError(
            f"train.init_from {run}: its network '{cfg.network.name}' does not fit ({len(other)} of {len(own)} tensors "
            f"differ, first {other[0]}); use the same network, image channels and network settings"
        )
    network.load_state_dict(fitting, strict=False)
    left = [name for name in own if name not in fitting]
    said = f"; new, since the classes differ: {', '.join(left)}" if left else ""
    console.print(f"- {len(fitting)} of {len(own)} tensors come from {run} (step {checkpoint.step}){said}")
