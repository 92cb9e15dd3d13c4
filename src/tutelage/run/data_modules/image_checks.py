"""Checks of several runs on images before the first is started."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from rich.console import Console

from tutelage.config import RunConfig
from tutelage.config.data import DataConfig
from tutelage.core.errors import ConfigError
from tutelage.core.names import shown
from tutelage.core.wording import option
from tutelage.data.check import check_for_training
from tutelage.data.images.check import check_images
from tutelage.data.images.parts import ImageInventory
from tutelage.data.split import hold_out, keep_labels, leave_out
from tutelage.run.batches import fit_batches
from tutelage.run.data_modules.image_reading import image_reader


def check_image_runs(configs: Mapping[str, RunConfig], console: Console) -> None:
    """See `DataModule.check_runs`."""
    inventories: dict[DataConfig, ImageInventory] = {}
    for name, cfg in configs.items():
        source = _source(cfg)
        if source not in inventories:
            report = check_images(source, reader=image_reader(cfg))
            check_for_training(report, console)
            inventories[source] = report.inventory
        try:
            _check_run(cfg, inventories[source])
        except ConfigError as error:
            raise ConfigError(f"{name}: {error}") from None


def _source(cfg: RunConfig) -> DataConfig:
    """The settings of the source only, so that it is read once for all runs on it."""
    data = cfg.data
    return DataConfig(
        path=data.path,
        labels=data.labels,
        unlabeled=data.unlabeled,
        val=data.val,
        test=data.test,
        skip_unreadable=data.skip_unreadable,
    )


def _check_run(cfg: RunConfig, inventory: ImageInventory) -> None:
    items = [item for role in ("train", "unlabeled") if role in inventory.parts for item in inventory.parts[role].items]
    index = {name: number for number, name in enumerate(inventory.classes)}
    labels = np.array([-1 if item.label is None else index[item.label] for item in items], np.int64)
    names, data = [item.name for item in items], cfg.data
    kept = keep_labels(
        labels, names, inventory.classes, count=data.label_count, balance=data.label_balance, seed=cfg.train.seed
    )
    held = kept[:0]
    if "val" not in inventory.parts:
        held = hold_out(kept, labels, names, len(index), share=data.val_share, seed=cfg.train.seed)
    if not len(held) and not {"val", "test"} & set(inventory.parts):
        raise ConfigError(
            f"{shown(data.path)} has no test images, and {len(kept)} labels are too few to hold some out: nothing "
            f"could be scored; give labeled images with {option('test')}"
        )
    digests = [look.digest for role in inventory.learned for look in inventory.parts[role].looks]
    stream = np.setdiff1d(np.arange(len(items)), held)
    if data.exclude_labeled:
        stream = leave_out(stream, kept, digests, [])
    fit_batches(cfg, stream)
