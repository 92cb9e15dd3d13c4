"""The commands that make runs: each parses, calls one function, and prints."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from tutelage import commands, config
from tutelage.cli.application import Integer, app, dotted, given_flags
from tutelage.cli.dotted import as_flag
from tutelage.cli.train_flags import CompareFlags, TrainFlags
from tutelage.core.console import screen
from tutelage.core.errors import ConfigError


@app.command(
    sort_key=2,
    usage="Usage: tutelage train DATA --out RUN [OPTIONS]\n       tutelage train --resume RUN",
    help_epilogue="Every other setting goes by its dotted name, e.g. --optimizer.lr 0.1 or\n"
    "--method.ema-decay 0.99. tutelage methods settings lists them,\n"
    "tutelage methods NAME those of a method.\n"
    "Example: tutelage train photos/ --labels labels.csv --out runs/a --budget 30m",
)
def train(data: str | None = None, /, *, flags: Annotated[TrainFlags | None, Parameter(name="*")] = None) -> None:
    """Train on a few labels and many unlabeled images or scans.

    Parameters
    ----------
    data
        Folder of class folders (and 'unlabeled'), flat folder with --labels, tar shards, .npz file, or the word digits.
        Scans to segment: images/ and labels/, dataset.json, a CSV of pairs, or .h5 files.
    """
    given = given_flags(flags)
    resume, out = given.pop("resume", None), given.pop("out", None)
    if resume is None and data is None:
        raise ConfigError("name the data to train on, or a run to go on with (--resume RUN)")
    if resume is None and out is None:
        raise ConfigError("name the run folder to make: --out runs/a")
    settings = {config.FLAGS[name]: value for name, value in given.items() if name in config.FLAGS}
    settings |= {"data.path": data} if data is not None else {}
    settings |= dotted.pop(beside=settings)
    if resume is not None:
        refused = [name for name in ("preset", "config", "overwrite") if name in given] + (["out"] if out else [])
        if refused:
            raise ConfigError(
                f"--resume goes on with the run's own settings; {as_flag(refused[0])} does not go with it"
            )
        # a run that is whole is left as it is
        reported = all((Path(resume) / name).exists() for name in ("result.json", "report.html"))
        run = commands.resume_training(Path(resume), settings, console=screen())
    else:
        reported = False
        cfg = commands.resolve_training(settings, preset=given.get("preset"), file=given.get("config"))
        run = commands.train_run(cfg, Path(out), overwrite=bool(given.get("overwrite")), console=screen())
    if not reported and not given.get("no_report") and os.environ.get("RANK", "0") == "0":
        commands.report_after_training(run.path, screen())


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
        One for each method; small or cpu take the one of that ending.
    jobs
        Runs at once; they share the processors.
    list_
        Print the command of each run that is not finished, for a scheduler or other machines, and train nothing.
    collect
        Write the table of the runs that are finished, and train nothing.
    no_report
        Make no report.html at the end.
    """
    given = given_flags(flags)
    config_file = given.pop("config", None)
    settings = {config.FLAGS[name]: value for name, value in given.items()}
    settings |= {"data.path": data} if data is not None else {}
    settings |= dotted.pop(beside=settings)
    if list_ and collect:
        raise ConfigError("--list and --collect exclude each other: give one of them")
    if not collect and (data is None or methods is None):
        raise ConfigError(f"name the {'data' if data is None else 'methods (--methods)'} to compare")
    if collect:
        if settings or methods or label_counts or presets or config_file:
            raise ConfigError("--collect goes by what the comparison was planned with: give --out alone with it")
        commands.collect_runs(Path(out), report=not no_report, console=screen())
        return
    plan = commands.plan_of(
        settings,
        methods=methods or "",
        label_counts=label_counts,
        seeds=seeds,
        presets=presets,
        config_file=config_file,
    )
    if list_:
        commands.list_runs(plan, Path(out), screen())
    else:
        commands.compare_runs(plan, Path(out), jobs=jobs, report=not no_report, console=screen())


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
    """Bring a network that a FixMatch port or MoCo trained: use it, or start a training from it.

    Parameters
    ----------
    file
        Checkpoint of a FixMatch port's wide residual network or of MoCo's ResNet-50. No code in it is run.
    out
        Run folder to make.
    form
        Code it was trained with: auto, fixmatch-pytorch, torchssl, usb, moco.
    which
        Weights in the file: ema, model, or auto (the moving average if there is one); of MoCo query (its auto) or key.
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
    commands.import_file(
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
