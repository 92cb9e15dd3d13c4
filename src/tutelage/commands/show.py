"""The command show: some images as training prepares them, under the views that it uses."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image
from rich.console import Console

from tutelage.config import AUTO, RunConfig
from tutelage.config.settings import require
from tutelage.core.devices import choose_device
from tutelage.core.files import refuse_file
from tutelage.core.wording import named
from tutelage.run.data_modules.image_views import draw_plain, draw_sheet, save_sheet, views_of
from tutelage.run.data_modules.recognize import data_before_settings, module_of
from tutelage.run.method_by_name import learns_from_labels, resolved
from tutelage.run.reads import read_by
from tutelage.run.resolve import resolve_pretraining, resolve_training

_USUAL = ("weak", "strong")  # where the method is not known, since the data cannot be trained on


def show_views(
    settings: Mapping[str, Any],
    *,
    preset: str | None = None,
    out: Path,
    views: tuple[str, ...] | None,
    draws: int,
    images: int,
    overwrite: bool,
    console: Console,
) -> None:
    """Write the picture of `draw_views` as PNG.

    Raises:
        TutelageError: a setting, the data, the name of a view, or the file is invalid.
    """
    refuse_file(out, overwrite=overwrite, reads=read_by(settings), endings=(".png",))
    sheet, what = draw_views(settings, preset=preset, views=views, draws=draws, images=images, console=console)
    save_sheet(sheet, out)
    console.print(f"{what}: {out}", markup=False)


def draw_views(
    settings: Mapping[str, Any],
    *,
    preset: str | None = None,
    views: tuple[str, ...] | None,
    draws: int,
    images: int,
    console: Console,
) -> tuple[Image.Image, str]:
    """A contact sheet of some images under each view, and what it shows, in words; how it was settled is printed.

    Args:
        settings: as of a training or a pretraining, by dotted name.
        views: None takes those of the method; a head on the features of a frozen network has no views of images.

    Raises:
        TutelageError: a setting, the data, or the name of a view is invalid.
    """
    require(1 <= draws <= 50, named("draws"), "in [1, 50]", draws)
    require(1 <= images <= 50, named("images"), "in [1, 50]", images)
    require(views != (), named("views"), "names separated by commas, e.g. weak,strong", "")
    resolve = resolve_training if learns_from_labels(settings.get("method.name", AUTO)) else resolve_pretraining
    cfg = resolved(resolve(settings, preset=preset))
    kind = module_of(cfg)
    with data_before_settings(cfg):
        kind.refuse(cfg)
    cfg, sample = kind(console, choose_device(cfg.train.device)).preview(cfg, images)
    for note in sample.notes:
        console.print(f"- {note}", markup=False)
    if cfg.frozen:
        console.print(_on_features(cfg), markup=False)
    if views is None and cfg.frozen:
        return draw_plain(sample.pixels, sample.classes), "the images as the network sees them"
    names = views or (_USUAL if cfg.method == AUTO else views_of(cfg))
    return draw_sheet(cfg, sample.pixels, sample.classes, names, draws=draws), ", ".join(names)


def _on_features(cfg: RunConfig) -> str:
    dropout = cfg.augment.features
    shares = {"weak": dropout.weak_dropout, "strong": dropout.strong_dropout}
    said = [f"{shares[view]:.0%} in the {view} view" for view in views_of(cfg) if view in shares]
    return (
        f"- the network {cfg.network.name} is frozen and sees each image once, without any view; the head sees "
        f"its features, of which dropout zeroes {' and '.join(said) or 'none'}"
    )
