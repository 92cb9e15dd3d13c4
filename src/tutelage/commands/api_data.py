"""The functions of the Python API that look at data before training: `check` and `show`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from PIL import Image

from tutelage.commands.api_guard import guarded
from tutelage.commands.api_settings import settings_of
from tutelage.commands.check import checked
from tutelage.commands.show import draw_views
from tutelage.core.console import screen
from tutelage.core.files import refuse_file, write_json
from tutelage.core.seeding import own_random_state
from tutelage.data.check import CheckReport
from tutelage.data.images.given_labels import Labels
from tutelage.methods.base import Method
from tutelage.run.data_modules.image_views import save_sheet
from tutelage.run.reads import read_by


@guarded
@own_random_state()
def check(
    data: str | Path,
    *,
    labels: Labels | None = None,
    unlabeled: str | Path | None = None,
    val: str | Path | None = None,
    test: str | Path | None = None,
    label_count: int | None = None,
    label_balance: Literal["balanced", "proportional"] = "balanced",
    skip_unreadable: bool = False,
    settings: Mapping[str, Any] | None = None,
    workers: int = 2,
    out: str | Path | None = None,
    overwrite: bool = False,
) -> CheckReport:
    """What is in the data, and what is wrong with it: every image or scan is read once.

    Faults are returned, not raised: see `ok`, `faults`, `warnings` and `parts` of the report, or call its
    `raise_faults`.

    Args:
        data, labels, unlabeled, val, test: as in `train`.
        label_count: check that this many labels exist.
        label_balance: how they are spread over classes.
        skip_unreadable: images that cannot be read are no faults.
        settings: of the sections data and scan, by dotted name.
        workers: threads that read files.
        out: JSON file to write the findings to.
        overwrite: replace the file if it exists.

    Raises:
        ConfigError: a setting is unknown, out of range, or for another kind of data.
        RunError: `out` cannot be written.
    """
    given: dict[str, Any] = {"labels": labels, "unlabeled": unlabeled, "val": val, "test": test}
    given |= {"label_count": label_count, "label_balance": label_balance, "skip_unreadable": skip_unreadable}
    file = None if out is None else Path(out)
    with settings_of(data, {name: value for name, value in given.items() if value is not None}, settings) as named:
        refuse_file(file, overwrite=overwrite, reads=read_by(named), endings=(".json",))
        report = checked(named, workers=workers)[1]
    if file is not None:
        write_json(file, report.to_dict())
    return report


@guarded
@own_random_state()
def show(
    data: str | Path,
    *,
    labels: Labels | None = None,
    method: str | type[Method] | None = None,
    preset: str | None = None,
    views: str | Sequence[str] | None = None,
    draws: int = 6,
    images: int = 4,
    image_size: int | None = None,
    resize: Literal["auto", "crop", "pad", "squash"] | None = None,
    seed: int | None = None,
    settings: Mapping[str, Any] | None = None,
    out: str | Path | None = None,
    overwrite: bool = False,
    quiet: bool = True,
) -> Image.Image:
    """Some images as training sees them: prepared, under its views, with class names and the names of the operations.

    Args:
        data, labels: as in `train`.
        method: whose views are drawn; None takes the one that `train` chooses.
        preset: as in `train`.
        views: their names; None takes those of the method.
        draws: random draws per view, in [1, 50].
        images: number of images, in [1, 50].
        image_size: side in pixels to which images are resized; None chooses it as `train` does.
        resize: how images become square; None chooses it as `train` does.
        seed: of the draws; None is 0.
        settings: further settings by dotted name, e.g. of augment.
        out: PNG file to write, too.
        overwrite: replace the file if it exists.
        quiet: print nothing; otherwise, what was chosen, and why.

    Raises:
        TutelageError: a setting, the data, the name of a view, or the file is invalid.
    """
    file = None if out is None else Path(out)
    flags: dict[str, Any] = {"labels": labels, "method": method, "image_size": image_size}
    flags |= {"resize": resize, "seed": seed}
    names = (views,) if isinstance(views, str) else None if views is None else tuple(views)
    with settings_of(data, {name: value for name, value in flags.items() if value is not None}, settings) as named:
        refuse_file(file, overwrite=overwrite, reads=read_by(named), endings=(".png",))
        console = screen(quiet=quiet)
        sheet, _ = draw_views(named, preset=preset, views=names, draws=draws, images=images, console=console)
    if file is not None:
        save_sheet(sheet, file)
    return sheet
