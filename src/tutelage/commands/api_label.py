"""The functions of the Python API that help with labeling: `select` and `label`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tutelage.commands.api_guard import guarded
from tutelage.commands.label import LabelConfig, label_images
from tutelage.commands.run import Run
from tutelage.commands.select import chosen, refuse_outputs, write_chosen
from tutelage.commands.select_config import SelectConfig
from tutelage.commands.select_scans import chosen_scans, write_chosen_scans
from tutelage.core.console import screen
from tutelage.curation.chosen import label_table
from tutelage.curation.chosen_scans import scan_frame
from tutelage.curation.selection.choose import Strategy
from tutelage.data.images.given_labels import Labels, label_file
from tutelage.data.kinds import SCANS, recognize_kind

if TYPE_CHECKING:
    import pandas as pd


@guarded
def select(
    data: str | Path,
    *,
    count: int,
    labels: Labels | None = None,
    run: str | Path | Run | None = None,
    features: str | Path | Run | None = None,
    strategy: Strategy = "auto",
    seed: int = 0,
    ignore_folders: bool = False,
    out: str | Path | None = None,
    workers: int = 2,
    overwrite: bool = False,
    quiet: bool = True,
) -> pd.DataFrame:
    """Which images to label next: a table of `path, label, rank, reason`, the first one first.

    The table begins with the chosen images, whose label is None, and goes on with the images that have a label. Once
    it is filled in, `train` takes it as `labels`. Of scans, it is a table of pairs, `image, label, rank, doubt,
    reason`, and a run is needed.

    Args:
        data: folder of images: with class folders, a label table, or no label at all; or a source of scans.
        count: number of images, or scans, to choose.
        labels: those that are known, as in `train`.
        run: a trained run, whose features and probabilities are used; its labels are taken if it was trained on `data`.
        features: a run whose features alone are used, such as one of `pretrain`.
        strategy: "auto" takes "typiclust" below 40 labels per class, and "margin" from there on.
        seed: of the clusters and of random choices.
        ignore_folders: folders are no classes, so that their images have no label.
        out: CSV file to write, beside which a page with pictures is written (.html).
        workers: threads that decode images.
        overwrite: replace files that exist.
        quiet: print nothing; otherwise, what was chosen, and why.

    Raises:
        TutelageError: a setting, the data, the run or `out` is invalid.
    """
    file = None if out is None else Path(out)
    with label_file(labels) as table:
        cfg = SelectConfig(
            data=str(data),
            count=count,
            labels=table,
            run=_path(run),
            features=_path(features),
            strategy=strategy,
            seed=seed,
            ignore_folders=ignore_folders,
            workers=workers,
        )
        refuse_outputs(cfg, file, overwrite=overwrite)
        if recognize_kind(cfg.data, table) == SCANS:
            found = chosen_scans(cfg, screen(quiet=quiet))
            if file is not None:
                write_chosen_scans(found, file)
            return scan_frame(found.table)
        pile, choice = chosen(cfg, screen(quiet=quiet))
    if file is not None:
        write_chosen(pile, choice, cfg, file)
    return label_table(pile, choice)


@guarded
def label(
    data: str | Path,
    *,
    labels: str | Path = "labels.csv",
    classes: Sequence[str] = (),
    run: str | Path | Run | None = None,
    host: str = "127.0.0.1",
    port: int | None = None,
    browser: bool = True,
    ignore_folders: bool = False,
    seed: int = 0,
    workers: int = 2,
    quiet: bool = False,
) -> Path:
    """Label images on a page in the browser; the label table, which `train` takes as `labels`.

    It returns when it is interrupted (Ctrl+C, or "interrupt" in a notebook). Each answer is in the table before the
    page shows it as saved. The extra `web` must be installed.

    Args:
        data: folder of images: with class folders, a label table, or no label at all.
        labels: CSV file to write, and to go on with if it exists; or an export of Label Studio (.json) or CVAT (.xml)
            to begin with, beside which the CSV file is written.
        classes: names of classes to begin with; more can be typed on the page.
        run: a trained run, whose features are used instead of those of the pretrained network.
        host: address to listen at. Other machines can reach any other than "127.0.0.1", with the key in the address.
        port: 8765, or one that is free, unless given.
        browser: open the page in a browser.
        ignore_folders: folders are no classes, so that their images have no label.
        seed: of the clusters from which questions are chosen, and of the model.
        workers: threads that decode images.
        quiet: do not print the address of the page.

    Raises:
        TutelageError: a setting, the data or the run is invalid, the port is in use, or another process has `labels`
            open.
    """
    cfg = LabelConfig(
        data=str(data),
        labels=Path(labels),
        classes=tuple(classes),
        run=_path(run),
        host=host,
        port=port,
        browser=browser,
        ignore_folders=ignore_folders,
        seed=seed,
        workers=workers,
    )
    label_images(cfg, console=screen(quiet=quiet))
    return cfg.table


def _path(run: str | Path | Run | None) -> Path | None:
    return run.path if isinstance(run, Run) else None if run is None else Path(run)
