"""The command show: a contact sheet of images under the views that training uses."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from tutelage.config import RunConfig
from tutelage.config.settings import require
from tutelage.core.files import refuse_file
from tutelage.run.data_modules.image_views import decide_domain, save_sheet
from tutelage.run.data_modules.recognize import module_of


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
        TutelageError: the data, the name of a view, or the file is invalid.
    """
    require(1 <= draws <= 50, "--draws", "in [1, 50]", draws)
    require(1 <= images <= 50, "--images", "in [1, 50]", images)
    require(bool(views), "--views", "names separated by commas, e.g. weak,strong", "")
    pixels, flip_ok = module_of(cfg).sample(cfg, images)
    refuse_file(out, overwrite=overwrite, endings=(".png",))
    save_sheet(decide_domain(cfg, flip_ok), pixels, views, out, draws=draws)
    console.print(f"{', '.join(views)}: {out}")
