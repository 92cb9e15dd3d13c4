"""The command line: parse, call one function, print. Nothing heavy is imported before a command runs."""

from __future__ import annotations

import dataclasses
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, CycloptsError, Group, Parameter

from tutelage import __version__, config, options
from tutelage.console import screen
from tutelage.errors import ConfigError, TutelageError, did_you_mean

_SECTIONS = {name: {o.name: o for o in options.options(cls, f"{name}.")} for name, cls in config.SECTIONS.items()}
_USUAL = Group("Usual settings", sort_key=1)
_DATA = Group("Data", sort_key=2)
_MACHINE = Group("Machine and log", sort_key=3)
_RUN = Group("Run", sort_key=4)
_GROUPS = {
    _USUAL: "method preset network image_size label_count batch_size unlabeled_ratio steps budget seed",
    _DATA: "labels unlabeled val test label_balance exclude_labeled skip_unreadable",
    _MACHINE: "device precision compile workers log_every eval_every checkpoint_every",
    _RUN: "out overwrite resume init_from config",
}
_HELP = {
    "method": "what is learned with: see tutelage methods",
    "preset": "a published or recommended setting: see tutelage methods",
    "config": "TOML file of settings, by section",
    "out": "run folder to make; it must not exist",
    "overwrite": "replace the run in the folder",
    "resume": "run folder to go on with, exactly where it stopped; its settings cannot change",
}
_FLAGS_ALONE = {"overwrite", "exclude_labeled", "skip_unreadable", "compile"}


def _train_flags() -> type:
    """The flags of `train`, as a dataclass: derived from the settings they stand for."""
    fields: list[tuple[str, Any, Any]] = []
    for group, names in _GROUPS.items():
        for name in names.split():
            dotted = config.FLAGS.get(name, "")
            option = _SECTIONS.get(dotted.split(".")[0], {}).get(dotted)
            text = _HELP.get(name) or (option.help if option else "")
            default = _default_text(option)
            kind = bool if name in _FLAGS_ALONE else str
            hint = Annotated[
                kind | None, Parameter(help=text + default, group=group, negative="", show_default=False)  # type: ignore[valid-type]
            ]
            fields.append((name, hint, dataclasses.field(default=None)))
    made = dataclasses.make_dataclass("TrainFlags", fields, frozen=True)
    made.__module__ = __name__  # where the parser resolves its annotations
    return made


def _default_text(option: options.Option | None) -> str:
    if option is None or option.default in (None, False, dataclasses.MISSING):
        return ""
    return f" [{option.default}]"


TrainFlags: Any = _train_flags()

app = App(
    name="tutelage",
    help="Train image classifiers from a few labels and many unlabeled images.",
    version=f"tutelage {__version__}",
    help_format="plaintext",
    default_parameter=Parameter(negative=""),
    help_epilogue="Example: tutelage train photos/ --labels labels.csv --out runs/a --budget 30m\n"
    "Help on a command: tutelage COMMAND --help",
)


@app.command(
    help_epilogue="Every other setting goes by its dotted name: --method.ema-decay 0.99 --optimizer.lr 0.1\n"
    "(tutelage methods NAME lists them).\n"
    "Example: tutelage train photos/ --labels labels.csv --out runs/a --method mean-teacher --budget 30m"
)
def train(data: str | None = None, /, *, flags: Annotated[TrainFlags | None, Parameter(name="*")] = None) -> None:
    """Train on a few labels and many unlabeled images.

    Parameters
    ----------
    data
        Folder of class folders (and 'unlabeled'), flat folder with --labels, tar shards, .npz file, or the word digits.
    """
    given = {} if flags is None else {k: v for k, v in dataclasses.asdict(flags).items() if v is not None}
    resume, out = given.pop("resume", None), given.pop("out", None)
    if resume is None and data is None:
        raise ConfigError("name the data to train on, or a run to go on with (--resume RUN)")
    if resume is None and out is None:
        raise ConfigError("name the run folder to make: --out runs/a")
    settings = {config.FLAGS[name]: value for name, value in given.items() if name in config.FLAGS}
    settings |= {"data.path": data} if data is not None else {}
    settings |= _dotted.pop()
    from tutelage.run import resume_run, start_run

    if resume is not None:
        refused = [name for name in ("preset", "config", "overwrite") if name in given] + (["out"] if out else [])
        if refused:
            raise ConfigError(f"--resume goes on with the run's own settings; --{refused[0]} does not go with it")
        resume_run(Path(resume), settings, console=screen())
        return
    cfg = config.resolve(settings, preset=given.get("preset"), file=given.get("config"))
    start_run(cfg, Path(out), overwrite=bool(given.get("overwrite")), console=screen())


@app.command(help_epilogue="Example: tutelage evaluate runs/a photos-test/ --out metrics.json")
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


@app.command(help_epilogue="Example: tutelage predict runs/a new/ --out predictions.csv")
def predict(
    run: str,
    data: str,
    /,
    *,
    out: str,
    network: str = "auto",
    device: str = "auto",
    workers: str = "2",
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
        workers=options.coerce(workers, int, "--workers"),
        overwrite=overwrite,
        console=screen(),
    )


@app.command(help_epilogue="Example: tutelage check photos/ --labels labels.csv")
def check(
    data: str,
    /,
    *,
    labels: str | None = None,
    unlabeled: str | None = None,
    val: str | None = None,
    test: str | None = None,
    label_count: str | None = None,
    workers: str = "2",
    out: str | None = None,
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
    workers
        Threads that read images.
    out
        JSON file to write the findings to.
    """
    from tutelage.check import check_and_print

    given = {
        "path": data,
        "labels": labels,
        "unlabeled": unlabeled,
        "val": val,
        "test": test,
        "label_count": label_count,
    }
    cfg = options.build(config.DataConfig, {k: v for k, v in given.items() if v is not None}, "data.")
    check_and_print(
        cfg,
        workers=options.coerce(workers, int, "--workers"),
        out=None if out is None else Path(out),
        console=screen(),
    )


@app.command(help_epilogue="Example: tutelage show photos/ --out views.png")
def show(
    data: str,
    /,
    *,
    out: str,
    labels: str | None = None,
    views: str = "weak,strong",
    draws: str = "6",
    images: str = "4",
    image_size: str | None = None,
    seed: str = "0",
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
    cfg = config.resolve({k: v for k, v in settings.items() if v is not None} | _dotted.pop())
    show_views(
        cfg,
        out=Path(out),
        views=tuple(view.strip() for view in views.split(",") if view.strip()),
        draws=options.coerce(draws, int, "--draws"),
        images=options.coerce(images, int, "--images"),
        overwrite=overwrite,
        console=screen(),
    )


@app.command(help_epilogue="Example: tutelage methods mean-teacher")
def methods(name: str | None = None, /) -> None:
    """List methods and presets, or tell all about one: equation, source, settings.

    Parameters
    ----------
    name
        A method or a preset.
    """
    from tutelage.catalog import print_catalog

    print_catalog(name, screen())


@app.command(help_epilogue="Example: tutelage demo --seeds 5")
def demo(*, seeds: str = "3", steps: str | None = None, out: str | None = None, overwrite: bool = False) -> None:
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
        seeds=options.coerce(seeds, int, "--seeds"),
        steps=None if steps is None else options.coerce(steps, int, "--steps"),
        out=None if out is None else Path(out),
        overwrite=overwrite,
        console=screen(),
    )


class _Dotted:
    """Settings given by dotted names, which no signature can list: a method's are in its file."""

    def __init__(self) -> None:
        self._values: dict[str, Any] = {}

    def take(self, tokens: Sequence[str]) -> list[str]:
        """The tokens without `--section.name value` and `--section.name=value`, which are kept."""
        rest: list[str] = []
        waiting = list(tokens)
        while waiting:
            token = waiting.pop(0)
            name, equals, value = token[2:].partition("=")
            if token == "--":
                return [*rest, token, *waiting]
            if not token.startswith("--") or "." not in name:
                rest.append(token)
                continue
            _check_dotted(name)
            if not equals:
                if not waiting or (waiting[0].startswith("--") and len(waiting[0]) > 2):
                    raise ConfigError(f"--{name} needs a value: --{name} VALUE")
                value = waiting.pop(0)
            self._values[name.replace("-", "_")] = value
        return rest

    def pop(self) -> dict[str, Any]:
        """What was kept, once."""
        values, self._values = self._values, {}
        return values


_dotted = _Dotted()


def _check_dotted(name: str) -> None:
    """Refuse unknown names early; those of a method are checked with the method."""
    unified = name.replace("-", "_")
    section = unified.split(".")[0]
    if section == "method":
        return
    if section not in _SECTIONS:
        raise ConfigError(f"unknown setting --{name}{did_you_mean(section, [*_SECTIONS, 'method'])}")
    if unified not in _SECTIONS[section]:
        raise ConfigError(f"unknown setting --{name}{did_you_mean(unified, _SECTIONS[section])}")


def main(tokens: Sequence[str] | None = None) -> None:
    """Run a command and exit: 0, 1 for a fault of ours, 2 for one in what was given, 130 or 143 after a signal."""
    sys.exit(run(list(sys.argv[1:] if tokens is None else tokens)))


def run(tokens: list[str]) -> int:
    """Run a command; gives the exit code."""
    try:
        command = tokens[0] if tokens else ""
        if any("." in token.split("=")[0] for token in tokens if token.startswith("--")) and command not in (
            "train",
            "show",
        ):
            stray = next(token for token in tokens if token.startswith("--") and "." in token.split("=")[0])
            raise ConfigError(f"unknown option {stray}: dotted settings belong to train and show")
        _dotted.pop()
        app(_dotted.take(tokens), exit_on_error=False, print_error=False, result_action="return_value")
    except TutelageError as error:
        return _fail(str(error), error.exit_code)
    except CycloptsError as error:
        return _fail(" ".join(str(error).split()), 2)
    except KeyboardInterrupt:
        return _fail("interrupted", 130)
    except BrokenPipeError:
        return 141
    except Exception:
        traceback.print_exc()
        print("tutelage: this is a fault in tutelage; please report it with the lines above", file=sys.stderr)
        return 1
    return 0


def _fail(message: str, code: int) -> int:
    print(f"tutelage: {message}", file=sys.stderr)
    return code
