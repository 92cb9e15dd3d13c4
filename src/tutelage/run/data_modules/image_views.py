"""Pictures of the views of a method on images."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from PIL import Image

from tutelage.augment.contact_sheet import contact_sheet, plain_sheet
from tutelage.augment.ct_augment import CTAugment
from tutelage.augment.view import ImageShape
from tutelage.augment.views import build_views
from tutelage.config import RunConfig
from tutelage.config.augment import AugmentConfig
from tutelage.core.files import write_atomically
from tutelage.core.names import shown
from tutelage.data.images.dataset import ImageDataset
from tutelage.run.method_by_name import method_class

DRAWS, IMAGES, COLUMNS = 6, 4, 7


def save_image_views(cfg: RunConfig, dataset: ImageDataset, out: Path) -> None:
    """The contact sheet of a run: the views that its method asks for."""
    names = views_of(cfg)
    pixels = dataset.train.images
    rows = np.linspace(0, len(pixels) - 1, min(IMAGES, len(pixels))).astype(np.int64)
    labels = [int(label) for label in dataset.train.labels[rows]]
    classes = [dataset.classes[label] if label >= 0 else None for label in labels]
    save_sheet(draw_sheet(cfg, pixels[rows], classes, names, draws=DRAWS), out)


def decide_domain(cfg: RunConfig, flip_ok: bool) -> RunConfig:
    """The settings with `augment.domain` decided by the source, if it is auto."""
    if cfg.augment.domain != "auto":
        return cfg
    domain: Literal["natural", "symbols"] = "natural" if flip_ok else "symbols"
    return dataclasses.replace(cfg, augment=dataclasses.replace(cfg.augment, domain=domain))


def changed_views(cfg: RunConfig) -> Iterator[tuple[str, list[str]]]:
    """Each view with those of its settings that are not the default."""
    given, default = dataclasses.asdict(cfg.augment), dataclasses.asdict(AugmentConfig())
    for part, view in (("strong", "strong"), ("ct", "strong"), ("contrastive", "contrastive")):
        yield view, [f"augment.{part}.{name}" for name, value in given[part].items() if value != default[part][name]]


def views_of(cfg: RunConfig) -> tuple[str, ...]:
    """The views that the method asks for, each once."""
    method = method_class(cfg.method)
    return tuple(dict.fromkeys((*method.labeled_views, *method.unlabeled_views)))


def draw_plain(pixels: np.ndarray, classes: Sequence[str | None]) -> Image.Image:
    """A picture of images (N, C, H, W) uint8 as they are, with the names of their classes."""
    return plain_sheet(pixels, _names(classes), "as the network sees them", columns=COLUMNS)


def draw_sheet(
    cfg: RunConfig, pixels: np.ndarray, classes: Sequence[str | None], names: tuple[str, ...], *, draws: int
) -> Image.Image:
    """A contact sheet of images (N, C, H, W) uint8 under the views `names`, with the names of their classes."""
    ct = CTAugment(cfg.augment.ct) if cfg.augment.strong.policy == "ctaugment" else None  # before it has learned
    views = dict(zip(names, build_views(names, cfg.augment, ImageShape(*pixels.shape[1:]), ct), strict=True))
    images = torch.from_numpy(np.ascontiguousarray(pixels))
    return contact_sheet(images, views, draws, cfg.train.seed, _names(classes))


def _names(classes: Sequence[str | None]) -> list[str]:
    return ["no label" if name is None else shown(name) for name in classes]


def save_sheet(sheet: Image.Image, out: Path) -> None:
    """Write a picture as PNG."""
    stream = io.BytesIO()
    sheet.save(stream, "PNG")
    write_atomically(out, stream.getvalue())
