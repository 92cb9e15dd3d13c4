"""The commands: each parses, calls one function, and prints. Nothing heavy is imported before a command runs."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter, Token

from tutelage import __version__, config, options
from tutelage.cli.dotted import Dotted, as_flag
from tutelage.cli.train_flags import TrainFlags
from tutelage.console import screen
from tutelage.errors import ConfigError
from tutelage.settings import require


def _number(kind: Any, tokens: Sequence[Token]) -> Any:
    return options.coerce(tokens[0].value, kind, str(tokens[0].keyword))


Integer = Annotated[int, Parameter(converter=_number)]


def _default_shown(value: Any) -> str | None:
    return None if value is None or value is False else str(value)


dotted = Dotted()

app = App(
    name="tutelage",
    help="Train image classifiers from a few labels and many unlabeled images.",
    version=f"tutelage {__version__}",
    help_format="plaintext",
    usage="Usage: tutelage COMMAND ...",
    suppress_keyboard_interrupt=False,
    default_parameter=Parameter(negative="", show_default=_default_shown),
    help_epilogue="Example: tutelage train photos/ --labels labels.csv --out runs/a\n"
    "Help on a command: tutelage COMMAND --help",
)


@app.command(
    sort_key=2,
    usage="Usage: tutelage train DATA --out RUN [OPTIONS]\n       tutelage train --resume RUN",
    help_epilogue="Every other setting goes by its dotted name, e.g. --optimizer.lr 0.1 or\n"
    "--method.ema-decay 0.99. tutelage methods settings lists them,\n"
    "tutelage methods NAME those of a method.\n"
    "Example: tutelage train photos/ --labels labels.csv --out runs/a --budget 30m",
)
def train(data: str | None = None, /, *, flags: Annotated[TrainFlags | None, Parameter(name="*")] = None) -> None:
    """Train on a few labels and many unlabeled images.

    Parameters
    ----------
    data
        Folder of class folders (and 'unlabeled'), flat folder with --labels, tar shards, .npz file, or the word digits.
    """
    given = {} if flags is None else {k: v for k, v in dataclasses.asdict(flags).items() if v is not None}
    empty = [name for name, value in given.items() if value == ""]
    if empty:
        raise ConfigError(f"{as_flag(empty[0])} is empty: give it a value or leave it out")
    resume, out = given.pop("resume", None), given.pop("out", None)
    if resume is None and data is None:
        raise ConfigError("name the data to train on, or a run to go on with (--resume RUN)")
    if resume is None and out is None:
        raise ConfigError("name the run folder to make: --out runs/a")
    settings = {config.FLAGS[name]: value for name, value in given.items() if name in config.FLAGS}
    settings |= {"data.path": data} if data is not None else {}
    settings |= dotted.pop(beside=settings)
    from tutelage.run import resume_run, start_run

    if resume is not None:
        refused = [name for name in ("preset", "config", "overwrite") if name in given] + (["out"] if out else [])
        if refused:
            raise ConfigError(
                f"--resume goes on with the run's own settings; {as_flag(refused[0])} does not go with it"
            )
        resume_run(Path(resume), settings, console=screen())
        return
    cfg = config.resolve(settings, preset=given.get("preset"), file=given.get("config"))
    start_run(cfg, Path(out), overwrite=bool(given.get("overwrite")), console=screen())


@app.command(
    sort_key=3,
    usage="Usage: tutelage evaluate RUN DATA [OPTIONS]",
    help_epilogue="Example: tutelage evaluate runs/a photos-test/ --out metrics.json",
)
def evaluate(
    run: str,
    data: str,
    /,
    *,
    labels: str | None = None,
    network: str = "auto",
    device: str = "auto",
    out: str | None = None,
    overwrite: bool = False,
) -> None:
    """Score a run on labeled images: a table on the screen, and JSON.

    Parameters
    ----------
    run
        Run folder.
    data
        Labeled images: class folders, a folder with --labels, tar shards, .npz file, or digits.
    labels
        CSV with the columns path,label.
    network
        Which network: auto (the one that the method evaluates), student, or teacher.
    device
        auto, cpu, cuda, cuda:1, mps.
    out
        JSON file to write the metrics to.
    overwrite
        Replace the file.
    """
    from tutelage.evaluate import evaluate_run

    evaluate_run(
        Path(run),
        data,
        labels=labels,
        network=network,
        device=device,
        out=None if out is None else Path(out),
        overwrite=overwrite,
        console=screen(),
    )


@app.command(
    sort_key=4,
    usage="Usage: tutelage predict RUN DATA --out FILE [OPTIONS]",
    help_epilogue="Example: tutelage predict runs/a new/ --out predictions.csv",
)
def predict(
    run: str,
    data: str,
    /,
    *,
    out: str,
    network: str = "auto",
    device: str = "auto",
    workers: Integer = 2,
    overwrite: bool = False,
) -> None:
    """Predict the class of new images: a CSV with path, label, confidence and one column a class.

    Parameters
    ----------
    run
        Run folder.
    data
        An image, a folder (with all folders below it), a list of paths (.txt or .csv), tar shards, or .npz file.
    out
        CSV file to write.
    network
        Which network: auto (the one that the method evaluates), student, or teacher.
    device
        auto, cpu, cuda, cuda:1, mps.
    workers
        Threads that decode images.
    overwrite
        Replace the file.
    """
    from tutelage.predict import predict_run

    predict_run(
        Path(run),
        data,
        out=Path(out),
        network=network,
        device=device,
        workers=_workers(workers),
        overwrite=overwrite,
        console=screen(),
    )


@app.command(
    sort_key=1,
    usage="Usage: tutelage check DATA [OPTIONS]",
    help_epilogue="Example: tutelage check photos/ --labels labels.csv",
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
        Folder of class folders, flat folder with --labels, tar shards, .npz file, or the word digits.
    labels
        CSV with the columns path,label; an empty or missing label means unlabeled.
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
    from tutelage.check import check_and_print

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
    cfg = options.build(config.DataConfig, {k: v for k, v in given.items() if v is not None}, "data.")
    check_and_print(
        cfg,
        workers=_workers(workers),
        out=None if out is None else Path(out),
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
    from tutelage.show import show_views

    settings = {"data.path": data, "data.labels": labels, "data.image_size": image_size, "train.seed": seed}
    given = {name: value for name, value in settings.items() if value is not None}
    cfg = config.resolve(given | dotted.pop(beside=[name for name in given if name != "train.seed" or seed]))
    show_views(
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
        A method, a preset, or the word settings for what all methods share.
    """
    from tutelage.catalog import print_catalog

    print_catalog(name, screen())


@app.command(sort_key=7, usage="Usage: tutelage demo [OPTIONS]", help_epilogue="Example: tutelage demo --seeds 5")
def demo(*, seeds: Integer = 5, steps: Integer = 500, out: str | None = None, overwrite: bool = False) -> None:
    """Compare supervised training with Mean Teacher on bundled images of handwritten digits, in minutes.

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
    from tutelage.demo import run_demo

    run_demo(
        seeds=seeds,
        steps=steps,
        out=None if out is None else Path(out),
        overwrite=overwrite,
        console=screen(),
    )


def _workers(number: int) -> int:
    require(0 <= number <= 256, "--workers", "in [0, 256]", number)
    return number
