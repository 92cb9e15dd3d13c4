"""The commands train, compare and import-weights. Each parses its arguments and calls the library."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from tutelage import commands, config
from tutelage.cli.application import Integer, app, dotted, given_flags
from tutelage.cli.start import start_or_resume
from tutelage.cli.train_flags import CompareFlags, TrainFlags
from tutelage.core.console import screen
from tutelage.core.errors import ConfigError


@app.command(
    sort_key=2,
    usage="Usage: tutelage train DATA --out RUN [OPTIONS]\n       tutelage train --resume RUN",
    help_epilogue="Set any other setting by its dotted name, e.g. --optimizer.lr 0.1.\n"
    "tutelage methods settings lists the settings that all methods share;\n"
    "tutelage methods NAME lists those of a method.\n"
    "Example: tutelage train photos/ --labels labels.csv --out runs/a --budget 30m",
)
def train(data: str | None = None, /, *, flags: Annotated[TrainFlags | None, Parameter(name="*")] = None) -> None:
    """Train on a few labels and many unlabeled images or scans.

    Parameters
    ----------
    data
        Folder with class subfolders (and 'unlabeled') or --labels, tar shards, Parquet or .npz, or the word digits.
        Scans to segment: folder with images/ and labels/, dataset.json, CSV with image,label, or .h5 files.
    """
    start_or_resume(data, flags, pretraining=False)


@app.command(
    sort_key=2.5,
    usage="Usage: tutelage compare DATA --methods NAMES --out FOLDER [OPTIONS]\n"
    "       tutelage compare --collect --out FOLDER",
    help_epilogue="Each run is a `tutelage train` and accepts its flags and dotted settings;\n"
    "a setting of a method is passed to every method that has it.\n"
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
    jobs: Integer | None = None,
    launcher: str = "local",
    launcher_options: str | None = None,
    list_: Annotated[bool, Parameter(name="--list")] = False,
    collect: bool = False,
    no_report: bool = False,
    flags: Annotated[CompareFlags | None, Parameter(name="*")] = None,
) -> None:
    """Compare methods on the same labels, with a table of the results. Rerun to resume.

    Parameters
    ----------
    data
        Any source that train accepts.
    out
        Folder for the runs and the table.
    methods
        Methods, e.g. supervised,fixmatch; others are compared with supervised.
    label_counts
        Numbers of labels, e.g. 40,250 [default: all]
    seeds
        Draws of the labels; --seed is the first.
    presets
        Names; or small or cpu, that of each method; or none, the defaults.
    jobs
        Runs at the same time. [default: 1, or all on a scheduler]
    launcher
        local, submitit (SLURM) or ray.
    launcher_options
        Its options, e.g. partition=gpu,gpus_per_node=1
    list_
        Print the commands of the unfinished runs, and train nothing.
    collect
        Write the table of the finished runs, and train nothing.
    no_report
        Do not write report.html at the end.
    """
    given = given_flags(flags)
    config_file = given.pop("config", None)
    settings = {config.FLAGS[name]: value for name, value in given.items()}
    settings |= {"data.path": data} if data is not None else {}
    settings |= dotted.pop(given=settings)
    if list_ and collect:
        raise ConfigError("--list and --collect are mutually exclusive: give only one of them")
    if not collect and (data is None or methods is None):
        raise ConfigError(f"specify the {'data' if data is None else 'methods (--methods)'} to compare")
    if collect:
        if settings or methods or label_counts or presets or config_file:
            raise ConfigError("--collect uses the settings of the planned comparison: give only --out with it")
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
        where = commands.LauncherConfig.of(launcher, launcher_options)
        commands.compare_runs(plan, Path(out), jobs=jobs, where=where, report=not no_report, console=screen())


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
    patch_size: str | None = None,
    intensity: str | None = None,
    overwrite: bool = False,
) -> None:
    """Import a network trained by a FixMatch port, MoCo, or UA-MT, as a run.

    Parameters
    ----------
    file
        Checkpoint of a FixMatch port's wide residual network, MoCo's ResNet, or a V-Net of UA-MT. No code in it is run.
    out
        Run folder to create.
    form
        Code that wrote the checkpoint: auto, fixmatch-pytorch, torchssl, usb, moco, ua-mt, laseg.
    which
        Weights to import: ema, model, or auto (ema if present). MoCo: query (auto) or key.
    trained_on
        Data set that sets how images are standardized: auto, cifar10, cifar100, svhn, stl10.
    classes
        Text file with one class name per line, in the order of the outputs, or a JSON list. [default: known names]
    mean
        Mean per channel of images in [0, 1], e.g. 0.49,0.48,0.45. [default: that of the data set]
    std
        Standard deviation per channel of images in [0, 1]; give it together with --mean.
    image_size
        Side of the images in pixels. [default: that of the data set]
    patch_size
        V-Net: patch size in voxels. [default: 112,112,80]
    intensity
        V-Net: value of scan.intensity. [default: zscore]
    overwrite
        Replace an existing run.
    """
    options = commands.ImportOptions(
        form=form,
        which=which,
        trained_on=trained_on,
        classes=None if classes is None else Path(classes),
        mean=mean,
        std=std,
        image_size=image_size,
        patch_size=patch_size,
        intensity=intensity,
    )
    commands.import_file(Path(file), Path(out), options, overwrite=overwrite, console=screen())
