"""Settings that no method can obey, for every method, through the real command line: refused before any training."""

from __future__ import annotations

import dataclasses
import re
from typing import Any, get_args, get_type_hints

import pytest

from support.features import FROZEN
from support.tables import check_rows
from tutelage import cli
from tutelage.methods import CLASSIFIERS, PRETRAINERS
from tutelage.methods.base import Method

SEMI_SUPERVISED = [method for method in CLASSIFIERS if method.unlabeled_views]
TOO_LARGE = ("threshold", "decay", "rampup")
SNTG = ("--method.sntg-weight", "0.5")  # without which its other settings are refused for doing nothing


def numbers(method: type[Method]) -> list[str]:
    """The settings of a method that are numbers."""
    types = get_type_hints(method.Config)
    return [
        f.name for f in dataclasses.fields(method.Config) if {int, float} & {types[f.name], *get_args(types[f.name])}
    ]


def out_of_range(setting: str) -> str:
    """A value that no setting of that name can have: shares go up to 1, all else is above or at 0."""
    return "1.5" if any(word in setting for word in TOO_LARGE) else "-1"


def command(world: Any, method: type[Method], *words: str) -> list[str]:
    """Training on good photos; a flag among `words` takes the place of the usual one."""
    if not (world.root / "photos").exists():
        world.photos()
    usual = list(world.train)
    if method.needs_features:
        words = ("--network", FROZEN["network.name"], "--train.freeze", "all", "--image-size", "32", *words)
    for flag in words:
        if flag.startswith("--") and flag in usual:
            del usual[usual.index(flag) : usual.index(flag) + 2]
    return [*usual, "--method", method.name, *words]


@pytest.mark.parametrize("method", [method for method in CLASSIFIERS if numbers(method)], ids=lambda m: m.name)
def test_a_number_out_of_range_is_refused(method: type[Method], world: Any, refused: Any) -> None:
    def check(row: tuple[str, str]) -> None:
        setting, value = row
        flag = f"--method.{setting.replace('_', '-')}"
        extra = SNTG if setting in ("sntg_margin", "sntg_distance") else ()
        message = rf"{flag} must be .*, got '?{re.escape(value)}"
        refused(command(world, method, *extra, flag, value), message)

    rows = [(setting, value) for setting in numbers(method) for value in (out_of_range(setting), "nan", "inf")]
    check_rows(rows, check, " ".join)


@pytest.mark.parametrize(
    ("method", "words"),
    [(method, words) for method in CLASSIFIERS if method.needs_features for words in ((), ("--preset", "none"))],
    ids=lambda value: value.name if isinstance(value, type) else " ".join(value),
)
def test_a_method_that_needs_features_is_refused_on_pixels_with_what_to_add(
    method: type[Method], words: tuple[str, ...], world: Any, refused: Any
) -> None:
    world.photos()
    message = (
        rf"{method.name} trains a head on the features of a frozen pretrained network: add --network "
        rf"efficientnet-lite0 --train.freeze all, or --preset {method.name}-features"
    )
    refused([*world.train, "--method", method.name, *words], message)


WITHOUT_FEATURES = [
    (["--method", "hybridnet"], "hybridnet cannot train a head on the features of a frozen network, since it rec"),
    (
        ["--method", "remixmatch"],
        r"remixmatch cannot .*, since it turns images, which --method.rotation-weight 0 leaves",
    ),
    (
        ["--method", "fixmatch", "--augment.strong.policy", "ctaugment"],
        "fixmatch cannot train a head .*, since --augment.strong.policy ctaugment learns how to change images",
    ),
    (["--method", "softmatch", "--preset", "softmatch-features", "--augment.strong.policy", "ctaugment"], "ctaugment"),
]


@pytest.mark.parametrize(("words", "message"), WITHOUT_FEATURES, ids=lambda v: v[1] if isinstance(v, list) else "")
def test_what_features_do_not_have_is_refused_before_an_image_passes(
    words: list[str], message: str, world: Any, refused: Any
) -> None:
    world.photos()
    frozen = ["--network", FROZEN["network.name"], "--train.freeze", "all", "--image-size", "32"]
    refused(["train", "photos", "--out", "runs/a", "--steps", "4", *frozen, *words], message)


@pytest.mark.parametrize("method", PRETRAINERS, ids=lambda m: m.name)
def test_a_pretraining_of_a_frozen_network_is_refused(method: type[Method], world: Any, refused: Any) -> None:
    world.photos()
    frozen = ["--network", FROZEN["network.name"], "--train.freeze", "all", "--image-size", "32"]
    words = ["pretrain", "photos", "--out", "runs/a", "--steps", "4", "--method", method.name, *frozen]
    refused(
        words, rf"{method.name} cannot train a head .*, since it trains the whole network: leave out --train.freeze"
    )


@pytest.mark.parametrize("method", SEMI_SUPERVISED, ids=lambda m: m.name)
def test_no_unlabeled_rows_a_step_are_refused(method: type[Method], world: Any, refused: Any) -> None:
    refused(command(world, method, "--unlabeled-ratio", "0"), r"--unlabeled-ratio must be above 0.*, got 0")
    refused(command(world, method, "--unlabeled-ratio", "-1"), r"--unlabeled-ratio must be above 0.*, got -1")


@pytest.mark.parametrize("method", SEMI_SUPERVISED, ids=lambda m: m.name)
def test_more_unlabeled_rows_a_step_than_exist_are_lowered_and_said(
    method: type[Method], world: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run([*command(world, method, "--unlabeled-ratio", "100"), "--no-report"]) == 0, capsys.readouterr().err
    assert re.search(
        r"- the unlabeled batch of 400 is larger than the (\d+) images there are: it is lowered to \1 "
        r"\(--unlabeled-ratio [\d.]+\)",
        capsys.readouterr().out,
    )


@pytest.mark.parametrize("method", SEMI_SUPERVISED, ids=lambda m: m.name)
def test_a_method_that_learns_from_unlabeled_images_is_refused_without_any(
    method: type[Method], world: Any, refused: Any
) -> None:
    message = rf"{method.name} learns from unlabeled images, and there are none"
    words = command(world, method, "--data.exclude-labeled", "true")
    for path in (world.root / "photos" / "unlabeled").iterdir():
        path.unlink()
    (world.root / "photos" / "unlabeled").rmdir()
    refused(words, message)
