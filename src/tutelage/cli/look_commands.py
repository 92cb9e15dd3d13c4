"""The commands check, show, methods and the demos. Each parses its arguments and calls one function."""

from __future__ import annotations

from pathlib import Path

from tutelage import commands
from tutelage.cli.application import Integer, app, dotted, path, threads
from tutelage.core.console import screen


@app.command(
    sort_key=1,
    usage="Usage: tutelage check DATA [OPTIONS]",
    help_epilogue="Settings for scans have dotted names, e.g. --scan.classes background,tumor=4.\n"
    "Example: tutelage check photos/ --labels labels.csv",
)
def check(
    data: str,
    /,
    *,
    labels: str | None = None,
    unlabeled: str | None = None,
    val: str | None = None,
    test: str | None = None,
    label_count: Integer | None = None,
    label_balance: str = "balanced",
    channels: Integer | None = None,
    skip_unreadable: bool = False,
    workers: Integer = 2,
    out: str | None = None,
    overwrite: bool = False,
) -> None:
    """Check the data for problems before training.

    Parameters
    ----------
    data
        Folder with one subfolder per class, folder with --labels, tar shards, Parquet or .npz, or the word digits.
        Scans: folder with images/ and labels/, dataset.json, CSV with image,label, or .h5 files.
    labels
        CSV with path,label (empty: unlabeled), or an export of Label Studio (.json) or CVAT (.xml).
        Scans: folder of masks, or CSV with the columns image,label. [default: labels in DATA]
    unlabeled
        Additional source of unlabeled images. [default: none]
    val
        Source of validation images. [default: part of DATA]
    test
        Source of test images. [default: test split of DATA]
    label_count
        Check that this many labels exist. [default: all]
    label_balance
        Spread: balanced or proportional.
    channels
        Of arrays and TIFF files up to 16. [default: chosen]
    skip_unreadable
        Skip images that cannot be read instead of reporting them as errors.
    workers
        Number of threads that read images.
    out
        JSON file to write the findings to. [default: none]
    overwrite
        Replace the file if it exists.
    """
    given = {
        "path": data,
        "labels": labels,
        "unlabeled": unlabeled,
        "val": val,
        "test": test,
        "label_count": label_count,
        "label_balance": label_balance,
        "channels": channels,
        "skip_unreadable": skip_unreadable,
    }
    settings = {f"data.{name}": value for name, value in given.items() if value is not None}
    settings |= dotted.pop(given=settings)
    commands.check_source(
        settings,
        workers=threads(workers),
        out=path(out),
        overwrite=overwrite,
        console=screen(),
    )


@app.command(
    sort_key=5,
    usage="Usage: tutelage show DATA --out FILE [OPTIONS]",
    help_epilogue="Example: tutelage show photos/ --out views.png",
)
def show(
    data: str,
    /,
    *,
    out: str,
    labels: str | None = None,
    method: str | None = None,
    preset: str | None = None,
    views: str | None = None,
    draws: Integer = 6,
    images: Integer = 4,
    image_size: Integer | None = None,
    resize: str | None = None,
    seed: Integer = 0,
    overwrite: bool = False,
) -> None:
    """Draw some images as training sees them: prepared, under its views, with class names.

    Parameters
    ----------
    data
        Images: any source that train accepts.
    out
        PNG file to write.
    labels
        CSV with the columns path,label, or an export of Label Studio or CVAT. [default: labels in DATA]
    method
        Method whose views are drawn. [default: the one that train chooses]
    preset
        Preset to start from, or none. [default: the one that train chooses]
    views
        Names of views, separated by commas. [default: those of the method]
    draws
        Number of random draws per view.
    images
        Number of images.
    image_size
        Side in pixels to which images are resized. [default: as in train]
    resize
        How images are made square: crop, pad, squash. [default: auto]
    seed
        Seed of the random draws.
    overwrite
        Replace the file if it exists.
    """
    settings = {
        "data.path": data,
        "data.labels": labels,
        "data.image_size": image_size,
        "data.resize": resize,
        "method.name": method,
        "train.seed": seed,
    }
    given = {name: value for name, value in settings.items() if value is not None}
    commands.show_views(
        given | dotted.pop(given=[name for name in given if name != "train.seed" or seed]),
        preset=preset,
        out=Path(out),
        views=None if views is None else tuple(view.strip() for view in views.split(",") if view.strip()),
        draws=draws,
        images=images,
        overwrite=overwrite,
        console=screen(),
    )


@app.command(sort_key=6, usage="Usage: tutelage methods [NAME]", help_epilogue="Example: tutelage methods mean-teacher")
def methods(name: str | None = None, /) -> None:
    """List methods and presets, or show the equation, source and settings of one.

    Parameters
    ----------
    name
        A method, a preset, or package.module:Class for your own code. [default: overview of all methods]
        The word settings lists the settings that all methods share; the word presets lists all presets.
    """
    commands.print_catalog(name, screen())


@app.command(sort_key=7, usage="Usage: tutelage demo [OPTIONS]", help_epilogue="Example: tutelage demo --seeds 8")
def demo(*, seeds: Integer = 4, steps: Integer = 200, out: str | None = None, overwrite: bool = False) -> None:
    """Compare trainings with few labels on bundled photos and digits, in minutes.

    Parameters
    ----------
    seeds
        Number of random draws of the labels; each method is trained once per draw. Photos take two at most.
    steps
        Optimizer steps per run on digits.
    out
        Folder to keep the runs in. [default: a temporary folder, deleted at the end]
    overwrite
        Replace existing runs in the folder.
    """
    commands.run_demo(
        seeds=seeds,
        steps=steps,
        out=path(out),
        overwrite=overwrite,
        console=screen(),
    )


@app.command(
    name="demo-3d",
    sort_key=7.1,
    usage="Usage: tutelage demo-3d [OPTIONS]",
    help_epilogue="Example: tutelage demo-3d --out demo-3d/",
)
def demo_3d(
    *, seeds: Integer = 2, steps: Integer | None = None, out: str | None = None, overwrite: bool = False
) -> None:
    """Compare supervised training and Mean Teacher on synthetic scans, in minutes, and save pictures.

    Parameters
    ----------
    seeds
        Number of random draws of the labeled scans; each method is trained once per draw.
    steps
        Optimizer steps per run. [default: as set in the presets]
    out
        Folder for scans, runs and pictures. [default: a temporary folder, which is kept]
    overwrite
        Replace existing runs in the folder.
    """
    commands.run_scan_demo(
        seeds=seeds,
        steps=steps,
        out=path(out),
        overwrite=overwrite,
        console=screen(),
    )
