"""The bridge from a pretrained network: how fast its backbone moves, and that it can stand still to the last bit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

import tutelage
from support.runs import checkpoints, cut_back
from tutelage.config import resolve
from tutelage.config.settings import OptimizerConfig, TrainConfig
from tutelage.core.errors import ConfigError
from tutelage.methods import CLASSIFIERS
from tutelage.training import checkpoint
from tutelage.training.backbone import Backbone
from tutelage.training.optimizer import build_optimizer
from tutelage.training.schedule import set_schedule

BRIEF: dict[str, Any] = {
    "data.label_count": 20,
    "train.batch_size": 4,
    "train.unlabeled_ratio": 1,
    "train.workers": 0,
    "train.log_every": 2,
    "train.eval_every": 2,
    "train.checkpoint_every": 1,
    "train.steps": 4,
    "network.dropout": 0.3,
    "network.width": 8,
}


Train = Callable[..., Path]


@pytest.fixture(scope="module")
def train(few_digits: Path) -> Train:
    """Trains on a few digits, `more` in place of the usual settings."""

    def trained(out: Path, **more: Any) -> Path:
        settings = BRIEF | {"method.name": "mean-teacher"} | {name.replace("__", "."): v for name, v in more.items()}
        return tutelage.train(few_digits, out=out, settings=settings, device="cpu").path

    return trained


@pytest.fixture(autouse=True)
def every_checkpoint_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "KEEP", 9)


@pytest.fixture(scope="module")
def origin(train: Train, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(tmp_path_factory.mktemp("origin") / "a", train__seed=3, method__name="supervised")


def state(run: Path, step: int) -> dict[str, Tensor]:
    return load_file(run / "checkpoints" / f"step-{step:08d}.safetensors")


def backbone(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """That of student and teacher, weights and batch-norm statistics."""
    places = ("method.student.", "method.teacher.network.")
    return {n: v for n, v in tensors.items() if n.startswith(places) and ".head." not in n}


@pytest.mark.parametrize("method", [method.name for method in CLASSIFIERS if not method.needs_features])
def test_a_frozen_backbone_stands_still_in_student_and_teacher_and_the_head_learns(
    method: str, train: Train, origin: Path, tmp_path: Path
) -> None:
    run = train(
        tmp_path / "run", method__name=method, train__init_from=str(origin), train__freeze="all", train__steps=2
    )
    source, end = backbone(state(origin, 4)), backbone(state(run, 2))
    for name, value in end.items():
        place = name.replace("method.student.", "method.teacher.network.")
        assert torch.equal(value, source[place]), name
    assert {name.replace("method.student.", "method.teacher.network.") for name in end} == {
        name for name in source if name.startswith("method.teacher.")
    }
    heads = [state(run, step)["method.student.head.weight"] for step in (1, 2)]
    assert not torch.equal(*heads)


@pytest.mark.parametrize("method", [method.name for method in CLASSIFIERS if method.needs_features])
def test_a_method_that_needs_features_is_refused_on_the_network_of_another_run(
    method: str, train: Train, origin: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=f"{method} trains a head on the features of a frozen pretrained network"):
        train(tmp_path / "run", method__name=method, train__init_from=str(origin), train__freeze="all")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_a_backbone_frozen_for_half_of_the_training_moves_in_the_other_half(
    optimizer: str, train: Train, origin: Path, tmp_path: Path
) -> None:
    run = train(tmp_path / "run", train__init_from=str(origin), train__freeze=0.75, optimizer__name=optimizer)
    still, moved = backbone(state(run, 3)), backbone(state(run, 4))
    source = backbone(state(origin, 4))
    for name, value in still.items():
        if name.startswith("method.student."):
            teacher = name.replace("method.student.", "method.teacher.network.")
            assert torch.equal(value, source[teacher]), name
            assert torch.equal(value, still[teacher]), name
    changed = [name for name in moved if not torch.equal(moved[name], still[name])]
    assert any("running_mean" in name for name in changed)
    assert any(name.startswith("method.student.") and name.endswith("weight") for name in changed)


@pytest.mark.parametrize("freeze", [0.5, 0.75, "all"])
def test_a_resumed_run_is_bit_equal_whether_it_stopped_frozen_or_later(
    freeze: float | str, train: Train, origin: Path, tmp_path: Path
) -> None:
    bridge = {"train__init_from": str(origin), "train__freeze": freeze}
    bridge |= {} if freeze == "all" else {"train__backbone_lr": 0.1}
    whole = train(tmp_path / "whole", **bridge)
    for step in (1, 3):
        part = cut_back(whole, tmp_path / f"from-{step}", step)
        tutelage.train(resume=part)
        assert checkpoints(part)[-1] == checkpoints(whole)[-1]


def test_the_backbone_has_its_own_learning_rate() -> None:
    trunk, head = torch.nn.Conv2d(1, 2, 3), torch.nn.Linear(2, 2)
    part = Backbone(student=[trunk], teacher=[], lr_factor=0.1, frozen=0.0)
    model = torch.nn.ModuleList([trunk, head])
    cfg = OptimizerConfig(lr=0.5, schedule="constant")
    optimizer = build_optimizer(model, cfg, part)
    set_schedule(optimizer, 0, 10, cfg)
    rates = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    assert [rates[id(p)] for p in (trunk.weight, trunk.bias)] == pytest.approx([0.05, 0.05])
    assert [rates[id(p)] for p in (head.weight, head.bias)] == [0.5, 0.5]
    decay = {id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    assert decay[id(trunk.weight)] > 0 and decay[id(trunk.bias)] == 0


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"freeze": 1.5, "init_from": "a"}, r"train.freeze must be in \[0, 1\], or the word all, got 1.5"),
        ({"freeze": "all", "backbone_lr": 0.1, "init_from": "a"}, "train.backbone_lr does nothing if train.freeze"),
        ({"backbone_lr": 0.0, "init_from": "a"}, "train.backbone_lr must be above 0"),
    ],
)
def test_wrong_settings_are_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TrainConfig(**given)


@pytest.mark.parametrize(("setting", "value"), [("freeze", "all"), ("freeze", 0.5), ("backbone_lr", 0.1)])
def test_settings_of_a_backbone_are_refused_where_none_is_pretrained(setting: str, value: float | str) -> None:
    given = {"data.path": "digits", f"train.{setting}": value}
    message = f"train.{setting} does nothing without a pretrained backbone: give train.init_from, or a pretrained"
    with pytest.raises(ConfigError, match=message):
        resolve(given)
    for backbone in ({"train.init_from": "a"}, {"network.name": "efficientnet-lite0"}):
        assert getattr(resolve(given | backbone).train, setting) == value
    weights = {"network.name": "timm:resnet10t", "network.weights": "a.pth"}
    assert getattr(resolve(given | weights).train, setting) == value


def test_a_share_that_is_none_is_refused_in_words(train: Train, origin: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"train\.freeze must be a number, got 'some'"):
        train(tmp_path / "run", train__init_from=str(origin), train__freeze="some")


def test_the_normalization_is_that_of_the_origin_also_after_it_is_gone(origin: Path, tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    images = draw.integers(200, 256, (24, 8, 8), np.uint8)
    np.savez(tmp_path / "bright.npz", x=images, y=np.arange(24) % 10)
    settings = BRIEF | {"method.name": "supervised", "train.steps": 1, "train.init_from": str(origin)}
    del settings["data.label_count"]
    run = tutelage.train(tmp_path / "bright.npz", out=tmp_path / "run", settings=settings, device="cpu")
    wanted = tutelage.Run(origin).config["data"]
    assert (run.config["data"]["mean"], run.config["data"]["std"]) == (wanted["mean"], wanted["std"])
    assert wanted["mean"][0] < 150
