"""How the images of a run are read: by whom, and which."""

from __future__ import annotations

from rich.console import Console

from tutelage.config import RunConfig
from tutelage.data.images.image_cache import ImageCache
from tutelage.data.images.reader import ImageReader
from tutelage.data.images.streaming import Wanted
from tutelage.run.method_by_name import method_class


def image_reader(cfg: RunConfig, console: Console | None = None, *, workers: int | None = None) -> ImageReader:
    """A reader with the cache of all commands.

    Args:
        console: where images are named that are lost during training.
        workers: threads; None takes those of the settings.
    """
    return ImageReader(
        cfg.train.workers if workers is None else workers,
        ImageCache(),
        cfg.data.memory_limit_mb << 20,
        cfg.data.max_pixels,
        tell=lambda line: None if console is None else console.print(f"- {line}"),
    )


def wanted_images(cfg: RunConfig) -> Wanted:
    """The images that a run with these settings uses: only labeled ones, if it trains from scratch on labels alone."""
    all_pass = cfg.frozen or cfg.network.feature_dims is not None or cfg.train.init_from is not None
    return Wanted(cfg.data, all_pass or bool(method_class(cfg.method).unlabeled_views))
