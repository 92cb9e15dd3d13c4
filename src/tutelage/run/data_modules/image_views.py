"""Pictures of the views of a method on images."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from tutelage.augment.contact_sheet import contact_sheet
from tutelage.augment.ct_augment import CTAugment
from tutelage.augment.view import ImageShape
from tutelage.augment.views import build_views
from tutelage.config import RunConfig
from tutelage.core.files import write_atomically
from tutelage.data.images.dataset import ImageDataset
from tutelage.run.build import method_class

DRAWS, IMAGES = 6, 4


def save_image_views(cfg: RunConfig, dataset: ImageDataset, out: Path) -> None:
    """The contact sheet of a run: the views that its method asks for."""
    method = method_class(cfg.method)
    names = tuple(dict.fromkeys((*method.labeled_views, *method.unlabeled_views)))
    pixels = dataset.train.images
    rows = np.linspace(0, len(pixels) - 1, min(IMAGES, len(pixels))).astype(np.int64)
    save_sheet(cfg, pixels[rows], names, out, draws=DRAWS)


def decide_domain(cfg: RunConfig, flip_ok: bool) -> RunConfig:
    """The settings with `augment.domain` decided by the source, if it is auto."""
    if cfg.augment.domain != "auto":
        return cfg
    domain: Literal["natural", "symbols"] = "natural" if flip_ok else "symbols"
    return dataclasses.replace(cfg, augment=dataclasses.replace(cfg.augment, domain=domain))


def save_sheet(cfg: RunConfig, pixels: np.ndarray, names: tuple[str, ...], out: Path, *, draws: int) -> None:
    """Write a contact sheet of images (N, C, H, W) uint8."""
    ct = CTAugment(cfg.augment.ct) if cfg.augment.strong.policy == "ctaugment" else None  # before it has learned
    views = dict(zip(names, build_views(names, cfg.augment, ImageShape(*pixels.shape[1:]), ct), strict=True))
    images = torch.from_numpy(np.ascontiguousarray(pixels))
    stream = io.BytesIO()
    contact_sheet(images, views, draws_per_view=draws, seed=cfg.train.seed).save(stream, "PNG")
    write_atomically(out, stream.getvalue())
