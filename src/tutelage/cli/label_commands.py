"""The commands that help with labeling. Each parses its arguments and calls one function."""

from __future__ import annotations

from pathlib import Path

from tutelage import commands
from tutelage.cli.application import Integer, Workers, app, path, threads
from tutelage.core.console import screen


@app.command(
    sort_key=1.5,
    usage="Usage: tutelage select DATA --count N --out FILE [OPTIONS]",
    help_epilogue="Example: tutelage select photos/ --count 40 --out to-label.csv",
)
def select(
    data: str,
    /,
    *,
    count: Integer,
    out: str,
    labels: str | None = None,
    run: str | None = None,
    features: str | None = None,
    strategy: str = "auto",
    ignore_folders: bool = False,
    seed: Integer = 0,
    workers: Workers = 2,
    overwrite: bool = False,
) -> None:
    """Choose the images to label first, or next: a table to fill in, and a page with their pictures.

    Parameters
    ----------
    data
        Folder of images: without any label, with class folders and a folder unlabeled, or with a label table.
    count
        Number of images to choose.
    out
        CSV file to write, which train takes as --labels once its column label is filled in. The page is beside it.
    labels
        CSV with the columns path,label of the labels so far. [default: labels in DATA, or those of the run]
    run
        Run whose features and predictions are used. [default: features of the pretrained network]
    features
        Run whose features alone are used, such as one of pretrain. [default: features of the pretrained network]
    strategy
        typiclust, medoids, core-set, random, margin, or entropy. [default: typiclust, or margin with more labels]
    ignore_folders
        Take the folders in DATA as plain folders, not as classes.
    seed
        Seed of clusters and random choices.
    overwrite
        Replace files that exist.
    """
    cfg = commands.SelectConfig(
        data=data,
        count=count,
        labels=labels,
        run=path(run),
        features=path(features),
        strategy=strategy,
        seed=seed,
        ignore_folders=ignore_folders,
        workers=threads(workers),
    )
    commands.select_images(cfg, out=Path(out), overwrite=overwrite, console=screen())


@app.command(
    sort_key=1.7,
    usage="Usage: tutelage clean DATA [OPTIONS]",
    help_epilogue="Example: tutelage clean photos/ --labels labels.csv --out faults.csv --cleaned cleaned.csv",
)
def clean(
    data: str,
    /,
    *,
    labels: str | None = None,
    val: str | None = None,
    test: str | None = None,
    run: str | None = None,
    out: str | None = None,
    cleaned: str | None = None,
    workers: Workers = 2,
    overwrite: bool = False,
) -> None:
    """Find copies, wrong labels, and images that do not belong. No image is deleted, moved, or changed.

    Parameters
    ----------
    data
        Images with or without labels: any source that train accepts, or a folder without any label.
    labels
        CSV with the columns path,label. [default: labels in DATA, or those of the run]
    val
        Source of validation images, to find copies of them. [default: validation split of DATA]
    test
        Source of test images, to find copies of them. [default: test split of DATA]
    run
        Run whose features are used. [default: features of the pretrained network]
    out
        CSV file for all faults; a page with pictures is written beside it. [default: only a summary is printed]
    cleaned
        CSV file for the cleaned list, which train takes as --labels. [default: none]
    overwrite
        Replace files that exist.
    """
    cfg = commands.CleanConfig(data=data, labels=labels, val=val, test=test, run=path(run), workers=threads(workers))
    commands.clean_images(cfg, out=path(out), cleaned=path(cleaned), overwrite=overwrite, console=screen())
