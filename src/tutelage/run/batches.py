"""Batches against the data: one that is larger than its stream is lowered."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tutelage.config import RunConfig
from tutelage.core.distributed import local_rows, world_size
from tutelage.core.errors import ConfigError
from tutelage.core.wording import option
from tutelage.run.method_by_name import method_class

_SETTINGS = ("batch_size", "unlabeled_ratio")


def fit_batches(
    cfg: RunConfig,
    unlabeled_rows: NDArray[np.int64],
    items: str = "images",
    *,
    tell: Callable[[str], None] = lambda line: None,
) -> RunConfig:
    """The settings, with a batch of no more unlabeled rows than there are; labeled rows repeat within a batch.

    Args:
        items: what a row is, in the plural.
        tell: receives a line if a batch is lowered.

    Raises:
        ConfigError: a stream that the method needs is empty, or a batch cannot be shared by the processes.
    """
    method, train = method_class(cfg.method), cfg.train
    local_rows(train.batch_size)
    if not method.unlabeled_views:
        return cfg
    have, want = len(unlabeled_rows), train.unlabeled_batch
    if have == 0:
        raise ConfigError(
            f"{cfg.method} learns from unlabeled {items}, and there are none; add some (a folder 'unlabeled', or "
            f"{option('unlabeled')}), or use {option('method', 'supervised')}"
        )
    splits = 1 if method.labeled_views else cfg.network.bn_splits or 1
    new = have // (world_size() * splits) * world_size() * splits
    if want > have and new:
        if method.labeled_views:
            train = dataclasses.replace(train, unlabeled_ratio=new / train.batch_size)
            how = option("unlabeled_ratio", f"{train.unlabeled_ratio:g}")
        else:
            train = dataclasses.replace(train, batch_size=new, unlabeled_ratio=1.0)
            how = option("batch_size", new)
        what = "unlabeled batch" if method.labeled_views else "batch"
        tell(f"- the {what} of {want} is larger than the {have} {items} there are: it is lowered to {new} ({how})")
    local_rows(train.unlabeled_batch)
    own = train.unlabeled_batch // world_size()
    if own % splits:
        raise ConfigError(
            f"network.bn_splits {splits} does not divide the batch of {own} images of each process (train.batch_size): "
            "change one of them"
        )
    return dataclasses.replace(cfg, train=train)


def lowered(asked: RunConfig, cfg: RunConfig) -> dict[str, Any]:
    """The settings of batches, by dotted name, that `fit_batches` changed, as they were asked for."""
    before = {name: getattr(asked.train, name) for name in _SETTINGS}
    return {f"train.{name}": value for name, value in before.items() if value != getattr(cfg.train, name)}
