"""The streams of patches that a method asks for."""

from __future__ import annotations

import torch

from tutelage.config import RunConfig
from tutelage.data.sampler import StreamSampler
from tutelage.data.scans.dataset import ScanDataset
from tutelage.data.scans.loader import ScanLoader, ScanStream
from tutelage.data.scans.scan_set import Rows
from tutelage.methods.base import Method


def scan_loader(
    cfg: RunConfig,
    data: ScanDataset,
    method: Method | type[Method],
    device: torch.device,
    *,
    channels_last: bool = False,
    workers: int = 0,
) -> ScanLoader:
    """Both streams, with the views that the method asks for."""
    train = cfg.train

    def stream(name: str, rows: Rows, batch: int, views: tuple[str, ...]) -> ScanStream | None:
        if not views:
            return None
        return ScanStream(StreamSampler(rows, batch, seed=train.seed, stream=name), views, name == "labeled")

    return ScanLoader(
        data.train,
        labeled=stream("labeled", data.labeled_rows, train.batch_size, method.labeled_views),
        unlabeled=stream("unlabeled", data.unlabeled_rows, train.unlabeled_batch, method.unlabeled_views),
        scan=data.scan,
        patch_size=data.patch_size,
        seed=train.seed,
        device=device,
        workers=workers,
        channels_last=channels_last,
    )
