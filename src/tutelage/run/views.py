"""Pictures of what the networks will see."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from rich.console import Console

from tutelage.augment.contact_sheet import contact_sheet
from tutelage.augment.ct_augment import CTAugment
from tutelage.augment.view import ImageShape
from tutelage.augment.views import build_views
from tutelage.config import RunConfig
from tutelage.config.settings import require
from tutelage.core.errors import ConfigError, RunError
from tutelage.core.files import refuse_file, write_atomically
from tutelage.core.names import shown
from tutelage.data.images.dataset import Dataset
from tutelage.data.images.sample import sample_images
from tutelage.data.scans.source import is_scan_source
from tutelage.run.build import method_class

DRAWS, IMAGES = 6, 4


def show_views(
    cfg: RunConfig,
    *,
    out: Path,
    views: tuple[str, ...],
    draws: int,
    images: int,
    overwrite: bool,
    console: Console,
) -> None:
    """Write a contact sheet of some images under each view.

    Raises:
        TutelageError: the data, a view's name or the file is not as needed.
    """
    require(1 <= draws <= 50, "--draws", "in [1, 50]", draws)
    require(1 <= images <= 50, "--images", "in [1, 50]", images)
    require(bool(views), "--views", "names separated by commas, e.g. weak,strong", "")
    if is_scan_source(cfg.data.path, cfg.data.labels):
        raise ConfigError(f"{shown(cfg.data.path)} holds scans: a run on them draws its patches into views.png")
    refuse_file(out, overwrite=overwrite)
    if out.suffix.lower() != ".png":
        raise RunError(f"{out}: name a .png file")
    pixels, flip_ok = sample_images(cfg.data, images, workers=cfg.train.workers)
    _save_sheet(decide_domain(cfg, flip_ok), pixels, views, out, draws=draws)
    console.print(f"{', '.join(views)}: {out}")


def save_run_views(cfg: RunConfig, dataset: Dataset, out: Path) -> None:
    """The contact sheet of a run: the views that its method asks for."""
    method = method_class(cfg.method)
    names = tuple(dict.fromkeys((*method.labeled_views, *method.unlabeled_views)))
    pixels = dataset.train.images
    rows = np.linspace(0, len(pixels) - 1, min(IMAGES, len(pixels))).astype(np.int64)
    _save_sheet(cfg, pixels[rows], names, out, draws=DRAWS)


def decide_domain(cfg: RunConfig, flip_ok: bool) -> RunConfig:
    """The settings with `augment.domain` decided by the source, where it is auto."""
    if cfg.augment.domain != "auto":
        return cfg
    domain: Literal["natural", "symbols"] = "natural" if flip_ok else "symbols"
    return dataclasses.replace(cfg, augment=dataclasses.replace(cfg.augment, domain=domain))


def _save_sheet(cfg: RunConfig, pixels: np.ndarray, names: tuple[str, ...], out: Path, *, draws: int) -> None:
    """Write a contact sheet of images (N, C, H, W) uint8."""
    ct = CTAugment(cfg.augment.ct) if cfg.augment.strong.policy == "ctaugment" else None  # before it has learned
    views = dict(zip(names, build_views(names, cfg.augment, ImageShape(*pixels.shape[1:]), ct), strict=True))
    images = torch.from_numpy(np.ascontiguousarray(pixels))
    stream = io.BytesIO()
    contact_sheet(images, views, draws_per_view=draws, seed=cfg.train.seed).save(stream, "PNG")
    write_atomically(out, stream.getvalue())
