"""A picture of the views of a method on scans."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tutelage.augment.contact_sheet import lay_out
from tutelage.config import RunConfig
from tutelage.core.batch import Samples
from tutelage.core.files import write_atomically
from tutelage.core.names import shown
from tutelage.data.scans.dataset import ScanDataset
from tutelage.run.data_modules.scan_streams import scan_loader
from tutelage.run.method_by_name import method_class

STEPS = 4  # of which the first patch of each stream is shown
_TINT = (230, 60, 60)  # of labels


def save_scan_views(cfg: RunConfig, data: ScanDataset, out: Path) -> None:
    """Write a slice of the first patches with each view as PNG; labeled ones also with their labels tinted.

    The slice is across the last axis: the one with the most foreground, or the middle one.
    """
    loader = scan_loader(cfg, data, method_class(cfg.method), torch.device("cpu"))
    rows = []
    for step in range(STEPS):
        batch = loader.batch(step)
        for stream, samples in (("labeled", batch.labeled), ("unlabeled", batch.unlabeled)):
            if samples is None:
                continue
            name = data.train.cases[int(samples.index[0])].name
            tiles, captions = _tiles(samples, loader.streams[stream].views)  # type: ignore[union-attr]
            rows.append((f"{stream}: {shown(name)}", tiles, captions))
    stream_out = io.BytesIO()
    lay_out(rows).save(stream_out, "PNG")
    write_atomically(out, stream_out.getvalue())


def _tiles(samples: Samples, views: tuple[str, ...]) -> tuple[list[Tensor], list[str]]:
    label = None if samples.label is None else samples.label[0].numpy()
    place = samples.views[0].shape[-1] // 2
    if label is not None and label.ndim == 3 and (label > 0).any():
        place = int((label > 0).sum((0, 1)).argmax())
    tiles, captions = [], []
    for view, name in zip(samples.views, views, strict=True):
        image = view[0, 0].numpy()
        image = image[..., place] if image.ndim == 3 else image
        tiles.append(_gray(image))
        captions.append(name)
    if label is not None:
        flat = label[..., place] if label.ndim == 3 else label
        mask = torch.from_numpy(flat > 0)
        tint = torch.tensor(_TINT, dtype=torch.float32)[:, None, None]
        mixed = 0.5 * tiles[0].expand(3, -1, -1).float() + 0.5 * tint
        tiles.append(torch.where(mask, mixed, tiles[0].float()).to(torch.uint8))
        captions.append("its label")
    return tiles, captions


def _gray(image: np.ndarray) -> Tensor:
    """(1, H, W) uint8: intensities from the first to the 99th percentile."""
    low, high = np.percentile(image, (1, 99))
    scaled = np.clip((image - low) / max(float(high - low), 1e-6), 0.0, 1.0) * 255.0
    return torch.from_numpy(scaled.astype(np.uint8))[None]
