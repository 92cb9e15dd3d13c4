"""The commands that look at data, at what there is, and at a demonstration: each parses, and calls one function."""

from __future__ import annotations

from pathlib import Path

from tutelage import commands
from tutelage.cli.application import Integer, app, dotted, path, threads
from tutelage.core.console import screen


@app.command(
    sort_key=1,
    usage="Usage: tutelage check DATA [OPTIONS]",
    help_epilogue="Settings of scans go by their dotted names, e.g. --scan.classes background,tumor=4.\n"
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
    skip_unreadable: bool = False,
    workers: Integer = 2,
    out: str | None = None,
    overwrite: bool = False,
) -> None:
    """Look for what is wrong with the data, before any training.

    Parameters
    ----------
    data
        Folder of class folders, flat folder with --labels, tar shards, .npz file, or the word digits. Scans: images/
        and labels/, dataset.json, a CSV of pairs, or .h5 files.
    labels
        CSV with the columns path,label; an empty or missing label means unlabeled. Of scans a folder of masks, or a
        CSV with image,label.
    unlabeled
        A further source of unlabeled images.
    val
        Source of validation images.
    test
        Source of test images.
    label_count
        Check that so many labels can be chosen.
    label_balance
        How the chosen labels spread over classes: balanced or proportional.
    skip_unreadable
        Leave out images that cannot be read instead of counting them as faults.
    workers
        Threads that read images.
    out
        JSON file to write the findings to.
    overwrite
        Replace the file.
    """
    given = {
        "path": data,
        "labels": labels,
        "unlabeled": unlabeled,
        "val": val,
        "test": test,
        "label_count": label_count,
        "label_balance": label_balance,
        "skip_unreadable": skip_unreadable,
    }
    settings = {f"data.{name}": value for name, value in given.items() if value is not None}
    settings |= dotted.pop(beside=settings)
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
    views: str = "weak,strong",
    draws: Integer = 6,
    images: Integer = 4,
    image_size: Integer | None = None,
    seed: Integer = 0,
    overwrite: bool = False,
) -> None:
    """Draw a contact sheet: your images under each view, with the operations named.

    Parameters
    ----------
    data
        Images: any source that train takes.
    out
        PNG file to write.
    labels
        CSV with the columns path,label.
    views
        Names of views, separated by commas.
    draws
        Draws of each view.
    images
        Images shown.
    image_size
        Side in pixels to which images are resized.
    seed
        Seed of the draws.
    overwrite
        Replace the file.
    """
    settings = {"data.path": data, "data.labels": labels, "data.image_size": image_size, "train.seed": seed}
    given = {name: value for name, value in settings.items() if value is not None}
    cfg = commands.resolve_training(given | dotted.pop(beside=[name for name in given if name != "train.seed" or seed]))
    commands.show_views(
        cfg,
        out=Path(out),
        views=tuple(view.strip() for view in views.split(",") if view.strip()),
        draws=draws,
        images=images,
        overwrite=overwrite,
        console=screen(),
    )


@app.command(sort_key=6, usage="Usage: tutelage methods [NAME]", help_epilogue="Example: tutelage methods mean-teacher")
def methods(name: str | None = None, /) -> None:
    """List methods and presets, or tell all about one: equation, source, settings.

    Parameters
    ----------
    name
        A method, a preset, or the word settings for what all methods share; package.module:Class for your own.
    """
    commands.print_catalog(name, screen())


@app.command(sort_key=7, usage="Usage: tutelage demo [OPTIONS]", help_epilogue="Example: tutelage demo --seeds 8")
def demo(*, seeds: Integer = 4, steps: Integer = 400, out: str | None = None, overwrite: bool = False) -> None:
    """Compare supervised training, Mean Teacher and FixMatch on bundled images of handwritten digits, in minutes.

    Parameters
    ----------
    seeds
        Draws of the labels; each method is trained on each.
    steps
        Optimizer steps of each training.
    out
        Folder to keep the runs in.
    overwrite
        Replace the runs in it.
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
    """Segment made-up scans of an organ by supervised training and Mean Teacher, in minutes, with pictures at the end.

    Parameters
    ----------
    seeds
        Draws of the masks that are used; each method is trained on each.
    steps
        Optimizer steps of each training; without it what the presets say.
    out
        Folder for scans, runs and pictures; without it a temporary one, which stays.
    overwrite
        Replace the runs in it.
    """
    commands.run_scan_demo(
        seeds=seeds,
        steps=steps,
        out=path(out),
        overwrite=overwrite,
        console=screen(),
    )
