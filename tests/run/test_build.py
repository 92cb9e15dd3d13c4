from __future__ import annotations

import dataclasses
import itertools
import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import tutelage
from support.runs import unsealed
from tutelage.config import resolve
from tutelage.core.batch import Batch, Progress, Samples
from tutelage.core.errors import ConfigError
from tutelage.data.images.dataset import load_images
from tutelage.data.images.loader import pixel_statistics
from tutelage.methods import CLASSIFIERS, METHODS
from tutelage.methods.base import Method, Problem
from tutelage.methods.ema_config import EMAConfig
from tutelage.networks.base import Network
from tutelage.networks.staged import StagedNetwork
from tutelage.run.build import build_predictor, build_task, compile_networks, set_length, with_decay
from tutelage.run.data_modules.image_streams import Inputs, build_training
from tutelage.run.method_by_name import method_class, method_settings

PROBLEM = Problem(
    num_classes=10,
    train_rows=99,
    labeled_rows=40,
    unlabeled_rows=99,
    labeled_batch=4,
    unlabeled_batch=4,
    labeled_counts=(4,) * 10,
)


class Normed(StagedNetwork):
    """Two convolutions with batch norm, since tracing takes a second for each layer of a larger network."""

    channels = (1, 4, 6)

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.ModuleList(
            nn.Sequential(nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU())
            for before, after in itertools.pairwise(self.channels)
        )
        self.head = nn.Linear(6, 10)

    def stages(self, images: torch.Tensor) -> list[torch.Tensor]:
        maps = [self.body[0](images)]
        return [*maps, self.body[1](maps[-1])]


def method_of(name: str, network: str | None) -> Method:
    torch.manual_seed(0)
    student: Network = Normed()
    if network is not None:
        cfg = resolve({"data.path": "digits", "network.name": network, "method.name": name})
        student = build_predictor(cfg, num_classes=10, channels=1, image_size=8)
    kind = method_class(name)
    torch.manual_seed(0)
    return kind(student, build_task(tuple("0123456789")), PROBLEM, kind.Config())


def batch_of(method: Method) -> Batch:
    def stream(views: tuple[str, ...], label: torch.Tensor | None) -> Samples | None:
        images = tuple(torch.randn(4, 1, 8, 8) for _ in views)
        return Samples(views=images, index=torch.arange(4), label=label) if views else None

    torch.manual_seed(1)
    return Batch(stream(method.labeled_views, torch.arange(4)), stream(method.unlabeled_views, None))


def loss_of(method: Method) -> float:
    torch.manual_seed(2)
    out = method.train()(batch_of(method), Progress(5, 10))
    out.loss.backward()
    return float(out.loss.detach())


@pytest.mark.long
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("name", "network"), [*((method.name, None) for method in CLASSIFIERS), ("mean-teacher", "wrn-10-1")]
)
def test_compiled_networks_are_what_a_method_calls(name: str, network: str | None) -> None:
    torch.compiler.reset()  # else the limit of versions of one function, over all methods here, is reached
    convolutions: list[int] = []

    def counting(graph: torch.fx.GraphModule, inputs: list[torch.Tensor]) -> Callable[..., Any]:
        convolutions.append(sum("conv2d" in str(node.target) for node in graph.graph.nodes))
        return graph.forward

    plain, compiled = method_of(name, network), method_of(name, network)
    names = list(compiled.state_dict())
    compile_networks(compiled, counting)
    assert list(compiled.state_dict()) == names
    expected = loss_of(plain)
    assert loss_of(compiled) == pytest.approx(expected, rel=1e-5)
    in_network = sum(isinstance(module, nn.Conv2d) for module in plain.student.modules())
    # of student and teacher, or of the student twice
    passes = 2 if name in ("mean-teacher", "hybridnet", "mixmatch", "remixmatch") else 1
    assert convolutions == [in_network] * passes


def test_a_training_of_unknown_length_is_refused() -> None:
    cfg = resolve(
        {
            "data.path": "digits",
            "data.label_count": 40,
            "network.name": "wrn-10-1",
            "train.budget": "1m",
            "method.name": "mean-teacher",
        }
    )
    data = load_images(cfg.data, seed=0)
    student = build_predictor(cfg, num_classes=10, channels=1, image_size=8)
    with pytest.raises(ConfigError, match="the length of the training is not known"):
        build_training(
            cfg, data, Inputs(data.train.images, pixel_statistics(data.train.images)), torch.device("cpu"), student
        )


@pytest.mark.long
def test_published_weights_are_not_fetched_where_a_checkpoint_brings_all(
    few_digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("timm")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(socket, "socket", _no_connection)
    settings = {"train.steps": 2, "train.batch_size": 2, "data.label_count": 40, "train.workers": 0}
    given: dict[str, Any] = {**settings, "network.name": "timm:resnet10t", "data.image_size": 32}
    given |= {"network.pretrained": False}
    run = tutelage.train(few_digits, out=tmp_path / "run", settings=given).path
    config = unsealed(run / "config.json")
    config["settings"]["network"]["pretrained"] = True
    (run / "config.json").write_text(json.dumps(config))
    assert tutelage.load(run).step == 2
    (run / "result.json").unlink()
    assert tutelage.train(resume=run).metrics["step"] == 2
    pretrained = {**given, "network.pretrained": None}
    started = tutelage.train(few_digits, out=tmp_path / "started", init_from=run, settings=pretrained)
    assert started.metrics["step"] == 2
    with pytest.raises(ConfigError, match=r"network\.pretrained: the weights of 'timm:resnet10t' are not in the cache"):
        tutelage.train(few_digits, out=tmp_path / "other", settings=pretrained)


def _no_connection(*arguments: Any, **more: Any) -> Any:
    raise OSError("no network in tests")


def own_decay(method: type[Method]) -> bool:
    return issubclass(method.Config, EMAConfig)


@pytest.mark.parametrize("method", [method for method in METHODS if own_decay(method)], ids=lambda m: m.name)
def test_a_decay_that_was_not_given_follows_from_the_steps_and_one_that_was_stays(method: type[Method]) -> None:
    cfg = resolve({"data.path": "digits", "method.name": method.name}, preset="none")
    assert method_settings(cfg).ema_decay is None
    assert with_decay(cfg, 240).method_settings.ema_decay == pytest.approx(0.95)
    assert with_decay(cfg, 10**6).method_settings.ema_decay == method.Config.slowest
    again = with_decay(with_decay(cfg, 240), 24)
    assert again.method_settings.ema_decay == pytest.approx(0.95)  # once, when the steps are known
    given = resolve({"data.path": "digits", "method.name": method.name, "method.ema_decay": 0.7}, preset="none")
    assert with_decay(given, 240) == given


def test_methods_without_an_average_of_their_own_are_left_alone() -> None:
    others = [method.name for method in METHODS if not own_decay(method)]
    assert {"pi-model", "moco-v2", "temporal-ensembling"} <= set(others)
    for name in others:
        cfg = resolve({"data.path": "digits", "method.name": name}, preset="none")
        assert with_decay(cfg, 240) == cfg


def test_a_planned_length_stretches_the_average_with_the_schedule() -> None:
    cfg = resolve({"data.path": "digits", "data.label_count": 40, "network.name": "wrn-10-1", "train.workers": 0})
    cfg = dataclasses.replace(cfg, method="mean-teacher")
    data = load_images(cfg.data, seed=0)
    inputs = Inputs(data.train.images, pixel_statistics(data.train.images))
    student = build_predictor(cfg, num_classes=10, channels=1, image_size=8)
    training = build_training(cfg, data, inputs, torch.device("cpu"), student, steps=10**6)
    assert training.method.teacher is not None
    assert training.method.teacher.decay == 0.999
    set_length(training, cfg, 240)
    assert training.method.teacher.decay == pytest.approx(0.95)
    training.loader.close()
