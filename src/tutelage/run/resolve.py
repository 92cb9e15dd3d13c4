"""The settings of a training or a pretraining, where they also depend on the kind of data.

Nothing here imports torch: a wrong setting is reported before it is loaded.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tutelage import config
from tutelage.config import AUTO, NO_PRESET, PRETRAINING_METHOD, PRETRAINING_PRESET, RunConfig
from tutelage.core.import_path import is_import_path
from tutelage.core.inputs import user_path
from tutelage.data.images.source import find_table
from tutelage.data.kinds import recognize_kind


def resolve_training(
    settings: Mapping[str, Any], *, preset: str | None = None, file: str | Path | None = None
) -> RunConfig:
    """The settings of a training, as `config.resolve`.

    Without a preset, or with "none", training on scans starts from the preset of the method for scans, since the
    default network is for images.

    Raises:
        ConfigError: as `config.resolve`.
    """
    plain = preset in (None, NO_PRESET)
    base = _base_of_kind(config.given_settings(settings, file)) if plain else None
    return config.resolve(settings, preset=preset, file=file, base=base)


def resolve_pretraining(
    settings: Mapping[str, Any], *, preset: str | None = None, file: str | Path | None = None
) -> RunConfig:
    """The settings of a pretraining, as `config.resolve`.

    Without a preset they start from that of the method for small images and machines, and without a method from that
    of MoCo v2; with the preset "none", from the defaults.

    Raises:
        ConfigError: as `config.resolve`.
    """
    given = dict(settings)
    if preset in (None, NO_PRESET):
        method = config.given_settings(settings, file).get("method", {}).get("name") or PRETRAINING_METHOD
        given["method.name"] = method
    if preset is None:
        preset = f"{method}-{PRETRAINING_PRESET}"
        preset = preset if preset in config.preset_names() else None
    return resolve_training(given, preset=preset, file=file)


def absolute(cfg: RunConfig) -> RunConfig:
    """The settings with absolute paths, so that a run can be gone on with from another folder."""
    data, train = cfg.data, cfg.train
    root = user_path(data.path)
    changes: dict[str, Any] = {} if data.path == "digits" else {"path": str(root.absolute())}
    scan: dict[str, Any] = {
        name: str(user_path(value).absolute())
        for name in ("cache", "crop_masks")
        if (value := getattr(cfg.scan, name)) is not None
    }
    for name in ("unlabeled", "val", "test"):
        value = getattr(data, name)
        if value is not None and value != "digits":
            changes[name] = str(user_path(value).absolute())
    if data.labels is not None:
        changes["labels"] = str((find_table(root, data.labels) or Path(data.labels)).absolute())
    if train.init_from is not None:
        train = dataclasses.replace(train, init_from=str(user_path(train.init_from).absolute()))
    network = cfg.network
    if network.weights is not None:
        network = dataclasses.replace(network, weights=str(user_path(network.weights).absolute()))
    return dataclasses.replace(
        cfg,
        network=network,
        data=dataclasses.replace(data, **changes),
        scan=dataclasses.replace(cfg.scan, **scan),
        train=train,
    )


def _base_of_kind(given: Mapping[str, Any]) -> dict[str, Any] | None:
    """The settings that training starts from where the defaults are for another kind of data; else None.

    While the method is still to be chosen, they are those of supervised training without its method: the presets of
    one kind have the same network.
    """
    data, method = given.get("data", {}), given.get("method", {}).get("name", AUTO)
    path, labels = data.get("path"), data.get("labels")
    named = method != AUTO and not is_import_path(str(method))  # a method of another package has no presets
    preset = config.base_preset(str(method) if named else "supervised")
    if not path or not recognize_kind(str(path), None if labels is None else str(labels)).from_preset:
        return None
    if preset not in config.preset_names():
        return None
    base = config.read_preset(preset)
    return {name: values for name, values in base.items() if not (name == "method" and not named)}
