"""The commands: each parses, calls one function, and prints. Nothing heavy is imported before a command runs."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter, Token

from tutelage import __version__, config, options
from tutelage.cli.dotted import Dotted, as_flag
from tutelage.cli.train_flags import CompareFlags, TrainFlags
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
    given = _given(flags)
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
        # a run that is whole is left as it is
        reported = all((Path(resume) / name).exists() for name in ("result.json", "report.html"))
        run = resume_run(Path(resume), settings, console=screen())
    else:
        reported = False
        cfg = config.resolve(settings, preset=given.get("preset"), file=given.get("config"))
        run = start_run(cfg, Path(out), overwrite=bool(given.get("overwrite")), console=screen())
    if not reported and not given.get("no_report") and os.environ.get("RANK", "0") == "0":
        from tutelage.report.write import report_after_training

        report_after_training(run.path, screen())


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
    report: str | None = None,
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
    report
        HTML file to write a report to.
    overwrite
        Replace the files.
    """
    from tutelage.evaluate import evaluate_run

    evaluate_run(
        Path(run),
        data,
        labels=labels,
        network=network,
        device=device,
        out=None if out is None else Path(out),
        report=None if report is None else Path(report),
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
    report: str | None = None,
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
    report
        HTML file to write a report to.
    overwrite
        Replace the files.
    """
    from tutelage.predict import predict_run

    predict_run(
        Path(run),
        data,
        out=Path(out),
        network=network,
        device=device,
        workers=_workers(workers),
        report=None if report is None else Path(report),
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


@app.command(
    sort_key=2.5,
    usage="Usage: tutelage compare DATA --methods NAMES --out FOLDER [OPTIONS]\n"
    "       tutelage compare --collect --out FOLDER",
    help_epilogue="Each run is a `tutelage train` of its own and takes its flags and\n"
    "dotted settings; a setting of a method goes to each method that has it.\n"
    "Example: tutelage compare photos/ --methods supervised,mean-teacher,fixmatch\n"
    "         --label-counts 40,250 --seeds 3 --budget 10m --out cmp/",
)
def compare(
    data: str | None = None,
    /,
    *,
    out: str,
    methods: str | None = None,
    label_counts: str | None = None,
    seeds: Integer = 3,
    presets: str | None = None,
    jobs: Integer = 1,
    list_: Annotated[bool, Parameter(name="--list")] = False,
    collect: bool = False,
    no_report: bool = False,
    flags: Annotated[CompareFlags | None, Parameter(name="*")] = None,
) -> None:
    """Compare methods on the same labels: a table with differences to supervised training. The same command goes on.

    Parameters
    ----------
    data
        What train takes.
    out
        Folder of the runs and the table.
    methods
        Names, separated by commas; with supervised among them, the others are compared with it.
    label_counts
        Numbers of labels, separated by commas; without it all labels are used.
    seeds
        Draws of the labels for each; --seed is the first.
    presets
        Presets, at most one for each method, separated by commas.
    jobs
        Runs at once; they share the processors.
    list_
        Print the command of each run that is not finished, for a scheduler or other machines, and train nothing.
    collect
        Write the table of the runs that are finished, and train nothing.
    no_report
        Make no report.html at the end.
    """
    given = _given(flags)
    config_file = given.pop("config", None)
    settings = {config.FLAGS[name]: value for name, value in given.items()}
    settings |= {"data.path": data} if data is not None else {}
    settings |= dotted.pop(beside=settings)
    if list_ and collect:
        raise ConfigError("--list and --collect exclude each other: give one of them")
    if not collect and (data is None or methods is None):
        raise ConfigError(f"name the {'data' if data is None else 'methods (--methods)'} to compare")
    from tutelage.compare import comparison

    if collect:
        if settings or methods or label_counts or presets or config_file:
            raise ConfigError("--collect goes by what the comparison was planned with: give --out alone with it")
        comparison.gather(Path(out), report=not no_report, console=screen())
        return
    plan = comparison.plan_of(
        settings,
        methods=methods or "",
        label_counts=label_counts,
        seeds=seeds,
        presets=presets,
        config_file=config_file,
    )
    if list_:
        comparison.list_commands(plan, Path(out), screen())
    else:
        comparison.compare(plan, Path(out), jobs=jobs, report=not no_report, console=screen())


@app.command(
    sort_key=5.5,
    usage="Usage: tutelage report RUN... [OPTIONS]",
    help_epilogue="Example: tutelage report runs/a runs/b --out report.html",
)
def report(
    *runs: str,
    out: str | None = None,
    form: Annotated[Literal["html", "md"] | None, Parameter(name="--format")] = None,
    plots: str | None = None,
    device: str = "auto",
    overwrite: bool = False,
) -> None:
    """Write a report: how good a run is, what it gets wrong, and how it was made; several runs are compared.

    Parameters
    ----------
    runs
        Run folders.
    out
        File to write [default: report.html or report.md].
    form
        html, one page that holds everything, or md, for a repository; without it the name of the file decides.
    plots
        Folder for each plot as PNG and SVG [default: report_plots beside report.html, and so on].
    device
        auto, cpu, cuda, cuda:1, mps.
    overwrite
        Replace the file.
    """
    from tutelage.report.write import plots_beside, write_report

    kind = form or ("md" if out is not None and out.endswith(".md") else "html")
    file = Path(out or f"report.{kind}")
    folder = plots_beside(file) if plots is None else Path(plots)
    write_report([Path(run) for run in runs], file, format=kind, plots=folder, device=device, overwrite=overwrite)
    screen().print(f"{file}, and its plots in {folder}")


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


@app.command(
    sort_key=6.5,
    usage="Usage: tutelage import-weights FILE --out RUN [OPTIONS]",
    help_epilogue="Example: tutelage import-weights model_best.pth.tar --out runs/imported",
)
def import_weights(
    file: str,
    /,
    *,
    out: str,
    form: Annotated[str, Parameter(name="--format")] = "auto",
    which: str = "auto",
    trained_on: str = "auto",
    classes: str | None = None,
    mean: str | None = None,
    std: str | None = None,
    image_size: Integer | None = None,
    overwrite: bool = False,
) -> None:
    """Bring a network that a FixMatch port trained: predict with it, score it, or start a training from it.

    Parameters
    ----------
    file
        Checkpoint or state dict of a wide residual network (torch.save or safetensors). No code in it is run.
    out
        Run folder to make.
    form
        Code it was trained with: auto, fixmatch-pytorch, torchssl, usb.
    which
        Weights in the file: ema, model, or auto (the moving average if there is one).
    trained_on
        Data it was trained on, which says how images are standardized: auto, cifar10, cifar100, svhn, stl10.
    classes
        Text file with a class name a line, or JSON list, in the order of the outputs.
    mean
        What is subtracted from images in [0, 1], e.g. 0.49,0.48,0.45, where it is none of these data.
    std
        What they are divided by then.
    image_size
        Side of the images in pixels; without it that of the data.
    overwrite
        Replace an earlier run.
    """
    from tutelage.import_weights import import_weights as import_file

    import_file(
        Path(file),
        Path(out),
        form=form,
        which=which,
        trained_on=trained_on,
        classes=None if classes is None else Path(classes),
        mean=mean,
        std=std,
        image_size=image_size,
        overwrite=overwrite,
        console=screen(),
    )


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
    from tutelage.demo import run_demo

    run_demo(
        seeds=seeds,
        steps=steps,
        out=None if out is None else Path(out),
        overwrite=overwrite,
        console=screen(),
    )


def _given(flags: Any) -> dict[str, Any]:
    """The flags that were given, by name.

    Raises:
        ConfigError: one is empty.
    """
    given = {} if flags is None else {k: v for k, v in dataclasses.asdict(flags).items() if v is not None}
    empty = [name for name, value in given.items() if value == ""]
    if empty:
        raise ConfigError(f"{as_flag(empty[0])} is empty: give it a value or leave it out")
    return given


def _workers(number: int) -> int:
    require(0 <= number <= 256, "--workers", "in [0, 256]", number)
    return number
