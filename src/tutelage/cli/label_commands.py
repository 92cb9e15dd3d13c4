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

    Of scans, those for which a mask would help most, by how unsure --run is of them.

    Parameters
    ----------
    data
        Folder of images: without any label, with class folders and a folder unlabeled, or with a label table.
        Or any source of scans that train accepts.
    count
        Number of images, or scans, to choose.
    out
        CSV file to write, which train takes as --labels once its column label is filled in. The page is beside it.
    labels
        CSV with the columns path,label of the labels so far, or an export of Label Studio or CVAT. [default: labels in
        DATA, or those of the run]
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
        strategy=strategy,  # type: ignore[arg-type]  # checked there
        seed=seed,
        ignore_folders=ignore_folders,
        workers=threads(workers),
    )
    commands.select_images(cfg, out=Path(out), overwrite=overwrite, console=screen())


@app.command(
    sort_key=1.6,
    usage="Usage: tutelage label DATA [OPTIONS]",
    help_epilogue="Example: tutelage label photos/ --labels labels.csv --classes cat,dog",
)
def label(
    data: str,
    /,
    *,
    labels: str = "labels.csv",
    classes: str | None = None,
    run: str | None = None,
    port: Integer | None = None,
    host: str = "127.0.0.1",
    no_browser: bool = False,
    ignore_folders: bool = False,
    seed: Integer = 0,
    workers: Workers = 2,
) -> None:
    """Label images on a page in the browser, while a model learns from each answer and sorts the rest.

    Parameters
    ----------
    data
        Folder of images: without any label, with class folders and a folder unlabeled, or with a label table.
    labels
        CSV file of labels to write, and to go on with if it exists. Every answer is in it before it is shown as saved.
        With an export of Label Studio (.json) or CVAT (.xml), labeling begins with its labels; the CSV is beside it.
    classes
        Names of classes, separated by commas. More can be typed on the page. [default: those of known labels]
    run
        Run whose features are used. [default: features of the pretrained network]
    port
        Port of the page. [default: 8765, or one that is free]
    host
        Address at which the page is served. Other machines can reach any other than the default.
    no_browser
        Do not open the page in a browser.
    ignore_folders
        Take the folders in DATA as plain folders, not as classes.
    seed
        Seed of the clusters from which questions are chosen, and of the model.
    """
    cfg = commands.LabelConfig(
        data=data,
        labels=Path(labels),
        classes=_names(classes),
        run=path(run),
        port=port,
        host=host,
        browser=not no_browser,
        ignore_folders=ignore_folders,
        seed=seed,
        workers=threads(workers),
    )
    commands.label_images(cfg, console=screen())


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
        CSV with the columns path,label, or an export of Label Studio or CVAT. [default: labels in DATA, or those of the
        run]
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


def _names(words: str | None) -> tuple[str, ...]:
    return () if words is None else tuple(word.strip() for word in words.split(","))
