"""The settings that an exported model takes along: how its network is built and its input prepared, and no paths."""

from __future__ import annotations

from typing import Any

from tutelage.config import IMPORTED, RunConfig
from tutelage.config.network_name import is_own_network
from tutelage.core.errors import ConfigError
from tutelage.core.version import __version__
from tutelage.core.wording import option
from tutelage.data.kinds import kind_of
from tutelage.run.exported import KEY
from tutelage.run.run_files import FORMAT
from tutelage.run.run_record import RunRecord

_FRAMING = ("image_size", "resize", "crop_share", "interpolation", "channels", "intensity_range", "max_pixels")


def portable_config(record: RunRecord, step: int) -> dict[str, Any]:
    """The settings of the model of a run, in the form of config.json.

    Args:
        step: optimizer steps that the network was trained for.

    Raises:
        ConfigError: the model needs code of another package, or files.
    """
    cfg, facts = record.cfg, record.data
    require_portable(cfg)
    kept = ("kind", "channels", *kind_of(facts).facts)
    data = {name: facts[name] for name in kept if name in facts}
    return {
        "format": FORMAT,
        "version": __version__,
        KEY: True,
        "settings": _settings(cfg),
        "plan": {"steps": step, "budget": None},
        "data": {**data, "classes": [] if record.pretrained else list(record.classes), "fingerprint": None},
        "environment": {"tutelage": __version__},
    }


def require_portable(cfg: RunConfig) -> None:
    """Raise `ConfigError` if a model needs more than its weights and plain settings."""
    graph = f"{option('format', 'onnx')} and other graphs need no code"
    if is_own_network(cfg.network.name):
        raise ConfigError(f"the network {cfg.network.name} is code of another package, which no file holds: {graph}")
    if cfg.scan.crop_masks is not None:
        raise ConfigError(
            f"the model crops scans to the masks in {cfg.scan.crop_masks}, which would stay behind: {graph} or masks"
        )


def _settings(cfg: RunConfig) -> dict[str, Any]:
    data, network = cfg.to_dict()["data"], cfg.network.to_dict()
    network |= {"weights": None, "bn_splits": None}  # of training alone
    if not cfg.network.starts_pretrained and cfg.network.feature_dims is not None:
        network["pretrained"] = None  # the setting is refused otherwise; no weights are fetched when it is loaded
    settings = {
        "method": {"name": IMPORTED},
        "data": {"path": "unknown", **{name: data[name] for name in _FRAMING}},
        "network": network,
        "scan": {**cfg.to_dict()["scan"], "cache": None},
        "segmentation": cfg.to_dict()["segmentation"],
        "train": {"freeze": "all" if cfg.frozen else 0.0},
    }
    return RunConfig.from_dict(settings).to_dict()
