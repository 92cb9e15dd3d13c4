"""Settings, flags and words that cannot be obeyed, through the real command line."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import Any

import pytest

from support.starter import Starter


def flags(*words: str) -> Callable[[Any], list[str]]:
    """Training on good photos with these words added; one that was set already is replaced."""

    def arrange(world: Any) -> list[str]:
        world.photos()
        command = list(world.train)
        for flag in words:
            if flag.startswith("--") and flag in command:
                del command[command.index(flag) : command.index(flag) + 2]
        return [*command, *words]

    return arrange


def toml(text: str | bytes, *words: str) -> Callable[[Any], list[str]]:
    """Training on good photos with a file of settings."""
    return lambda world: [*flags(*words)(world), "--config", world.write("my.toml", text)]


def last(*done: Any) -> Any:
    """The last of what was done one after the other: the command."""
    return done[-1]


def words(*command: str) -> Callable[[Any], list[str]]:
    """This command, where there are good photos."""
    return lambda world: last(world.photos(), list(command))


VALUES: dict[str, tuple[Callable[[Any], list[str]], str]] = {
    "steps that are no integer": (flags("--steps", "1.5"), r"--steps must be an integer, got '1.5'"),
    "steps that are a word": (flags("--steps", "many"), r"--steps must be an integer, got 'many'"),
    "no steps": (flags("--steps", "0"), r"--steps must be at least 1, got 0"),
    "negative steps": (flags("--steps", "-5"), r"--steps must be at least 1, got -5"),
    "steps without a value": (flags("--steps"), r"--steps.*(needs|requires) (a value|an argument)"),
    "steps followed by a flag": (flags("--steps", "--seed", "1"), r"--steps.*(needs|requires) (a value|an argument)"),
    "steps and a budget": (
        flags("--budget", "1m"),
        r"--steps and --budget are mutually exclusive: give one of them",
    ),
    "a budget that is no time": (
        words("train", "photos", "--out", "runs/a", "--budget", "soon"),
        r"--budget must be a time such as 90s, 30m or 2h \(a bare number is minutes\), got 'soon'",
    ),
    "a budget too small for ten steps": (
        words("train", "photos", "--out", "runs/a", "--batch-size", "4", "--device", "cpu", "--budget", "0.001s"),
        r"--budget 0.001s is too short .*at least 10 steps .* --budget \d+s would do",
    ),
    "a learning rate that is NaN": (flags("--optimizer.lr", "nan"), r"--optimizer.lr must be a number, got 'nan'"),
    "a learning rate that is infinite": (flags("--optimizer.lr=inf"), r"--optimizer.lr must be a number, got 'inf'"),
    "a learning rate of zero": (flags("--optimizer.lr", "0"), r"--optimizer.lr must be above 0, got 0"),
    "a negative learning rate": (flags("--optimizer.lr", "-0.1"), r"--optimizer.lr must be above 0, got -0.1"),
    "a momentum of one": (flags("--optimizer.momentum", "1"), r"--optimizer.momentum must be in \[0, 1\), got 1"),
    "an optimizer that does not exist": (
        flags("--optimizer.name", "adma"),
        r"--optimizer.name must be one of sgd, adam, adamw, got 'adma'; did you mean 'adam'\?",
    ),
    "a setting that does nothing": (
        flags("--optimizer.rampdown", "0.2"),
        r"--optimizer.rampdown does nothing with --optimizer.schedule 'cosine-7-16'; it belongs to 'ramps'",
    ),
    "a batch of nothing": (flags("--batch-size", "0"), r"--batch-size must be at least 1, got 0"),
    "a ratio of zero": (flags("--unlabeled-ratio", "0"), r"--unlabeled-ratio must be above 0"),
    "a ratio that is NaN": (flags("--unlabeled-ratio", "nan"), r"--unlabeled-ratio must be a number, got 'nan'"),
    "a ratio beyond all numbers": (flags("--unlabeled-ratio", "1e308"), r"--unlabeled-ratio must be .*at most 1000"),
    "a batch beyond all memory": (flags("--batch-size", "9999999999"), r"--batch-size must be at most 1048576"),
    "a negative seed": (flags("--seed", "-1"), r"--seed must be in \[0, 2\^63\), got -1"),
    "a seed that is too large": (flags("--seed", str(2**64)), r"--seed must be in \[0, 2\^63\), got 18446744"),
    "a thousand workers": (flags("--workers", "1000"), r"--workers must be in \[0, 256\], got 1000"),
    "evaluations every 0 steps": (flags("--eval-every", "0"), r"--eval-every must be at least 1, got 0"),
    "images of two pixels": (flags("--image-size", "2"), r"--image-size must be in \[4, 4096\], got 2"),
    "huge images": (flags("--image-size", "100000"), r"--image-size must be in \[4, 4096\], got 100000"),
    "a form of resizing that does not exist": (
        flags("--resize", "stretch"),
        r"--resize must be one of auto, crop, pad, squash, got 'stretch'",
    ),
    "a filter that does not exist": (
        flags("--data.interpolation", "nearest"),
        r"--data.interpolation must be one of auto, bicubic, bilinear, got 'nearest'",
    ),
    "a crop of more than there is": (
        flags("--data.crop-share", "1.2"),
        r"--data.crop-share must be in \[0.1, 1\], got 1.2",
    ),
    "a crop share without a crop": (
        flags("--data.crop-share", "0.9", "--resize", "squash"),
        r"--data.crop-share does nothing with --resize 'squash'; it belongs to 'crop'",
    ),
    "a balance that does not exist": (
        flags("--label-balance", "even"),
        r"--label-balance must be one of balanced, proportional, got 'even'",
    ),
    "everything held out": (flags("--data.val-share", "1"), r"--data.val-share must be in \[0, 1\), got 1"),
    "a translation out of range": (
        flags("--augment.weak.translate", "0.9"),
        r"--augment.weak.translate must be in \[0, 0.5\], got 0.9",
    ),
    "labels without a name": (flags("--labels", ""), r"--labels is empty: give it a value or leave it out"),
    "a decay above one": (
        flags("--method", "mean-teacher", "--method.ema-decay", "1.5"),
        r"--method.ema-decay must be in \[0, 1\), got 1.5",
    ),
    "a switch with a value": (flags("--compile=maybe"), r"--compile.*maybe"),
    "a dotted switch with a wrong value": (
        flags("--optimizer.nesterov", "maybe"),
        r"--optimizer.nesterov must be true or false, got 'maybe'",
    ),
}

MACHINE: dict[str, tuple[Callable[[Any], list[str]], str]] = {
    "a GPU that is not there": (flags("--device", "cuda:77"), r"device cuda:77: this machine has \d+ CUDA devices"),
    "a device that does not exist": (
        flags("--device", "gpu"),
        r"device must be auto, cpu, cuda, cuda:N or mps, got 'gpu'",
    ),
    "a device of another kind": (flags("--device", "meta"), r"device must be auto, cpu, cuda.*got 'meta'"),
    "half precision on a CPU": (flags("--precision", "fp16"), r"--precision fp16 is for GPUs; on a CPU use"),
    "a precision that does not exist": (
        flags("--precision", "fp8"),
        r"--precision must be one of auto, fp32, bf16, fp16, got 'fp8'",
    ),
}

NAMES: dict[str, tuple[Callable[[Any], list[str]], str]] = {
    "an unknown command": (words("trian", "photos"), r"[Uu]nknown command.*trian.*[Dd]id you mean.*train"),
    "an unknown option": (flags("--stpes", "5"), r"[Uu]nknown option.*--stpes; did you mean '--steps'\?"),
    "an unknown option with a value": (flags("--leraning=5"), r"unknown option --leraning"),
    "an unknown option of evaluate": (
        words("evaluate", "r", "photos", "--lables", "x"),
        r"[Uu]nknown option.*--lables.*did you mean '--labels'\?",
    ),
    "an unknown dotted setting": (
        flags("--optimizer.lrr", "1"),
        r"unknown setting --optimizer.lrr; did you mean '--optimizer.lr'\?",
    ),
    "a good dotted setting before a missing value": (
        lambda w: [*w.train, "--optimizer.lr", "0.1", "--seed"],
        r"--seed needs a value: see tutelage train --help",
    ),
    "an unknown section": (
        flags("--optimzer.lr", "1"),
        r"--optimzer.lr; did you mean '--optimizer.lr'\?",
    ),
    "a section instead of a setting": (flags("--augment.weak", "1"), r"unknown setting --augment.weak; did you mean"),
    "an unknown setting of the method": (
        flags("--method", "mean-teacher", "--method.ema-deacy", "0.9"),
        r"unknown setting --method.ema-deacy; did you mean 'ema_decay'\?",
    ),
    "a setting of another method": (
        flags("--method", "supervised", "--method.consistency-weight", "1"),
        r"unknown setting --method.consistency-weight; known: .*ema.decay",
    ),
    "a group where a value belongs": (flags("--method.name.x", "1"), r"--method|name is a single value"),
    "a dotted setting without a value": (flags("--optimizer.lr"), r"--optimizer.lr needs a value"),
    "a dotted setting given twice": (
        flags("--optimizer.lr", "1", "--optimizer.lr", "2"),
        r"--optimizer.lr is given (twice|multiple)",
    ),
    "a setting under both its names": (
        flags("--train.steps", "9"),
        r"--steps and --train.steps are the same setting: give only one of them",
    ),
    "an option given twice": (
        lambda w: [*flags()(w), "--steps", "5"],
        r"--steps (is given|specified) (twice|multiple times)",
    ),
    "a dotted setting of evaluate": (
        words("evaluate", "r", "photos", "--train.steps", "1"),
        r"unknown option --train.steps; .*\(dotted settings are for check, train, pretrain, show, compare\)",
    ),
    "an unknown method": (
        flags("--method", "mean-techer"),
        r"unknown method 'mean-techer'; did you mean 'mean-teacher'\?",
    ),
    "an unknown preset": (
        flags("--preset", "supervised-cifar10-wrn"),
        r"unknown preset 'supervised-cifar10-wrn'; did you mean 'supervised-cifar10-wrn-28-2'\?",
    ),
    "an unknown network": (
        flags("--network", "wrn28-2"),
        r"--network 'wrn28-2' is not known; did you mean 'wrn-28-2'\?",
    ),
    "a network of impossible depth": (flags("--network", "wrn-27-2"), r"'wrn-27-...': the depth must be 6n \+ 4"),
    "a network that timm does not have": (
        flags("--network", "timm:resnet81"),
        r"timm has no model 'resnet81'; did you mean|needs the package 'timm'",
    ),
    "a setting of another network": (
        flags("--network.input-noise", "0.1"),
        r"--network.input-noise is not a setting of the network 'wrn-10-1'; leave it out",
    ),
    "an unknown method or preset to explain": (
        words("methods", "mean-techer"),
        r"unknown method or preset 'mean-techer'; did you mean 'mean-teacher'\?",
    ),
    "two folders": (words("train", "photos", "more", "--out", "runs/a"), r"[Uu]nused|more"),
    "no data": (words("train", "--out", "runs/a"), r"specify the data to train on, or a run to resume"),
    "no run folder": (words("train", "photos", "--steps", "4"), r"specify the run folder to create: --out runs/a"),
    "an empty run folder name": (flags("--out", ""), r"--out"),
    "predictions without a file": (words("predict", "run", "photos"), r"--out"),
    "an evaluation without data": (words("evaluate", "run"), r"DATA"),
}

FILES: dict[str, tuple[Callable[[Any], list[str]], str]] = {
    "a settings file that is not there": (
        flags("--config", "my.toml"),
        r"cannot read the settings file my.toml: No such file",
    ),
    "a settings file that is a folder": (
        lambda w: [*flags()(w), "--config", "photos"],
        r"cannot read the settings file photos: Is a",
    ),
    "malformed TOML": (toml("[train]\nsteps = = 5\n"), r"my.toml is not valid TOML: .*line 2"),
    "TOML that is no text": (toml(b"\xff\xfe\0"), r"my.toml is not valid TOML"),
    "an unknown setting in TOML": (
        toml("[train]\nbatchsize = 4\n"),
        r"my.toml: unknown setting train.batchsize; did you mean 'batch_size'\?",
    ),
    "an unknown section in TOML": (
        toml("[trian]\nsteps = 5\n"),
        r"my.toml: unknown section trian; did you mean 'train'\?",
    ),
    "a setting without a section in TOML": (
        toml("steps = 5\n"),
        r"my.toml: steps = 5 is outside of any section; put it below \[train\]",
    ),
    "a section that is a value in TOML": (toml("train = 5\n"), r"my.toml: train = 5 is outside of any section"),
    "a float for an integer in TOML": (toml("[train]\nseed = 1.5\n"), r"--seed must be an integer, got 1.5"),
    "a switch for an integer in TOML": (toml("[train]\nseed = true\n"), r"--seed must be an integer, got True"),
    "a list for a number in TOML": (toml("[optimizer]\nlr = [1]\n"), r"--optimizer.lr must be a number, got \[1\]"),
    "NaN in TOML": (toml("[optimizer]\nlr = nan\n"), r"--optimizer.lr must be a number, got nan"),
    "a value out of range in TOML": (toml("[train]\nlog_every = 0\n"), r"--log-every must be at least 1, got 0"),
    "steps and a budget in TOML": (
        lambda w: last(
            w.photos(),
            w.write("my.toml", '[train]\nsteps = 5\nbudget = "1m"\n'),
            ["train", "photos", "--out", "a", "--config", "my.toml"],
        ),
        r"--steps and --budget are mutually exclusive",
    ),
}

AGAINST_DATA: dict[str, tuple[Callable[[Any], list[str]], str]] = {
    "more labels than there are": (
        flags("--label-count", "100"),
        r"--label-count must be at most the number of labels, 8, got 100",
    ),
    "fewer labels than classes": (
        flags("--label-count", "1"),
        r"--label-count must be at least 2, one label per class, got 1",
    ),
    "no labels": (flags("--label-count", "0"), r"--label-count must be at least 1, got 0"),
    "labels that cannot be spread evenly": (
        lambda w: last(w.image(*(f"photos/cat/x{n}.png" for n in range(9))), flags("--label-count", "12")(w)),
        r"--label-count 12 cannot be spread evenly: class 'dog' has 4 of 6; lower it to 8, or set --label-balance to",
    ),
    "no unlabeled images": (
        lambda w: last(
            w.photos(),
            [path.unlink() for path in (w.root / "photos/unlabeled").iterdir()],
            [*w.train, "--method", "mean-teacher", "--exclude-labeled"],
        ),
        r"mean-teacher learns from unlabeled images, and there are none; add some .*or use --method supervised",
    ),
    "images too small for the network": (
        flags("--network", "conv-large", "--image-size", "4", "--batch-size", "4", "--unlabeled-ratio", "1"),
        r"'conv-large' needs images of at least \d+ pixels, got 4; choose 'small', or a larger --image-size",
    ),
}

SHEETS: dict[str, tuple[Callable[[Any], list[str]], str]] = {
    "an unknown view": (
        words("show", "photos", "--out", "a.png", "--views", "weak,storng"),
        r"'storng' is not a view; did you mean 'strong'\?",
    ),
    "no view": (words("show", "photos", "--out", "a.png", "--views", ","), r"--views"),
    "a view without its policy": (
        words("show", "photos", "--out", "a.png", "--views", "probe"),
        r"the view 'probe' draws from CTAugment's rates",
    ),
    "a sheet that is no PNG": (
        words("show", "photos", "--out", "a.jpg"),
        r"cannot write a.jpg: the name must end in .png",
    ),
    "a class of no module": (
        words("methods", "nomod:Thing"),
        r"^tutelage: the class nomod:Thing: there is no module 'nomod'",
    ),
    "no draws": (words("show", "photos", "--out", "a.png", "--draws", "0"), r"--draws must be in \[1, 50\], got 0"),
    "half an image": (words("show", "photos", "--out", "a.png", "--images", "0.5"), r"--images must be an integer"),
    "a sheet in no folder": (
        words("show", "photos", "--out", "no/a.png"),
        r"no/a.png: there is no folder",
    ),
    "a sheet of nothing": (words("show", "nowhere", "--out", "a.png"), r"nowhere: no such file or folder"),
    "a demo without seeds": (words("demo", "--seeds", "0"), r"--seeds must be in \[1, 100\], got 0"),
    "a demo of half a step": (words("demo", "--steps", "0.5"), r"--steps must be an integer, got '0.5'"),
    "a demo without steps": (words("demo", "--steps", "0"), r"--steps must be at least 1, got 0"),
    "a demo in a file": (
        lambda w: ["demo", "--seeds", "1", "--steps", "1", "--out", w.write("runs", "x")],
        r"cannot create the run folder runs/supervised-0: .*runs is not a folder",
    ),
    "findings of the check over others": (
        lambda w: ["check", w.photos(), "--out", w.write("report.json", "mine")],
        r"report.json exists; name another file, or replace it with --overwrite",
    ),
    "workers of the check that are a word": (words("check", "photos", "--workers", "x"), r"--workers must be an int"),
    "negative workers of the check": (words("check", "photos", "--workers", "-1"), r"--workers must be in \[0, 256\]"),
}

CASES = VALUES | MACHINE | NAMES | FILES | AGAINST_DATA | SHEETS


@pytest.mark.parametrize("name", CASES)
def test_settings_that_cannot_be_obeyed_are_refused(name: str, world: Any, refused: Any) -> None:
    arrange, message = CASES[name]
    refused(arrange(world), message)


@pytest.mark.long
def test_a_batch_that_two_processes_cannot_share_is_refused_by_both(world: Any, starter: Starter) -> None:
    world.photos()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    two = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "OMP_NUM_THREADS": "1"}
    words = flags("--batch-size", "5")(world)
    processes = [
        starter.start("-m", "tutelage", *words, env={**os.environ, **two, "RANK": rank, "LOCAL_RANK": rank})
        for rank in "01"
    ]
    for process in processes:
        _, said = process.communicate()
        assert process.returncode == 2, said
        assert said == "tutelage: a batch of 5 rows cannot be shared equally by 2 processes\n"
    assert not (world.root / "runs").exists()
