"""Training on cached features: every method of images that can, and where a head starts."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from support.features import FROZEN, clusters
from tutelage.config import RunConfig, resolve
from tutelage.core.errors import ConfigError
from tutelage.data.images.dataset import ImageDataset, load_images
from tutelage.methods import CLASSIFIERS
from tutelage.methods.base import Method
from tutelage.run.data_modules.feature_streams import Features, build_feature_training, new_head
from tutelage.run.method_by_name import resolved
from tutelage.run.method_checks import check_frozen
from tutelage.training.health import Health
from tutelage.training.loop import run_step

CPU = torch.device("cpu")
STEPS = 30


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 images in three classes, 12 of them labeled; their pixels mean nothing."""
    label = np.arange(60) % 3
    path = tmp_path_factory.mktemp("source") / "images.npz"
    images = np.random.default_rng(0).integers(0, 256, (60, 4, 4, 3), np.uint8)
    np.savez(path, x=images, y=np.where(np.arange(60) < 12, label, -1))
    return path


def config(source: Path, method: str, **more: Any) -> RunConfig:
    given = {"data.path": str(source), "data.val_share": 0.0, "method.name": method, "train.workers": 0}
    lengths = {"train.steps": STEPS, "train.batch_size": 6, "train.unlabeled_ratio": 2.0}
    return resolved(resolve(FROZEN | given | lengths | {"optimizer.lr": 0.05} | more))


def loaded(cfg: RunConfig) -> tuple[ImageDataset, Features, np.ndarray]:
    """The data, features that tell its classes apart, and all classes."""
    label = np.arange(60) % 3
    return load_images(dataclasses.replace(cfg.data, image_size=None), seed=0), clusters(label, distance=5.0), label


def able() -> list[Any]:
    return [
        pytest.param(method, {"method.rotation_weight": 0.0} if method.name == "remixmatch" else {}, id=method.name)
        for method in CLASSIFIERS
        if method.name != "hybridnet"
    ]


@pytest.mark.parametrize(("method", "more"), able())
def test_every_method_trains_a_head_on_features(method: type[Method], more: dict[str, Any], source: Path) -> None:
    cfg = config(source, method.name, **more)
    check_frozen(cfg)
    data, features, label = loaded(cfg)
    head = new_head(cfg, data, features)
    torch.nn.init.zeros_(head.head.weight)  # not where it starts already, so that it has to learn
    torch.nn.init.zeros_(head.head.bias)
    training = build_feature_training(cfg, data, features, CPU, head, steps=STEPS)
    training.method.train()
    health = Health(CPU)
    for step in range(STEPS):
        run_step(training, step, health)
    training.loader.close()
    assert health.first_fault() is None
    with torch.no_grad():
        for network in (training.method.student, training.method.predictor):
            right = network.eval()(torch.from_numpy(features)).argmax(1).numpy() == label
            assert right.mean() > 0.9


@pytest.mark.parametrize(
    ("method", "more", "message"),
    [
        ("hybridnet", {}, "hybridnet cannot train a head .* since it reconstructs images"),
        ("remixmatch", {}, "remixmatch .* since it turns images, which method.rotation_weight 0 leaves out"),
        ("fixmatch", {"augment.strong.policy": "ctaugment"}, "fixmatch .* since augment.strong.policy ctaugment"),
        ("moco-v2", {}, "moco-v2 .* since it trains the whole network"),
        ("linear", {"train.freeze": 0.0}, "linear trains a head on the features of a frozen pretrained network: add"),
        (
            "label-propagation",
            {"train.freeze": 0.5},
            r"label-propagation trains .* --preset label-propagation-features",
        ),
    ],
)
@pytest.mark.usefixtures("by_flags")
def test_what_does_not_go_together_is_refused(method: str, more: dict[str, Any], message: str, source: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        check_frozen(config(source, method, **more))


def test_ctaugment_is_no_obstacle_to_a_method_without_a_strong_view(source: Path) -> None:
    check_frozen(config(source, "supervised", **{"augment.strong.policy": "ctaugment"}))


def test_the_parts_of_a_method_that_only_images_have_are_refused_in_words_where_it_is_built(source: Path) -> None:
    cfg = config(source, "hybridnet")
    data, features, _ = loaded(cfg)
    with pytest.raises(ConfigError, match="hybridnet needs a network that shows its maps"):
        build_feature_training(cfg, data, features, CPU, new_head(cfg, data, features), steps=2)


@pytest.mark.parametrize("sampling", ["rows", "classes"])
def test_a_head_starts_where_the_loss_of_the_rows_as_they_are_drawn_is_least(sampling: str, source: Path) -> None:
    cfg = config(source, "linear", **{"data.labeled_sampling": sampling, "optimizer.weight_decay": 0.05})
    data, features, _ = loaded(cfg)
    data.labeled_rows = data.labeled_rows[[0, 1, 2, 3, 6, 9]]  # four of the first class, one of each other
    head = new_head(cfg, data, features)
    rows, label = torch.from_numpy(features[data.labeled_rows]), torch.tensor([0, 1, 2, 0, 0, 0])
    shares = torch.full((6,), 1 / 6) if sampling == "rows" else torch.tensor([1 / 12, 1 / 3, 1 / 3, *[1 / 12] * 3])
    loss = (F.cross_entropy(head(rows), label, reduction="none") * shares).sum()
    (loss + 0.025 * head.head.weight.square().sum()).backward()
    assert float(head.head.weight.grad.abs().max()) < 1e-4
    assert float(head.head.weight.detach().abs().max()) > 0.1


def test_features_are_seen_as_they_are_and_held_out_rows_never(source: Path) -> None:
    cfg = config(source, "softmatch", **{"augment.features.weak_dropout": 0.0})
    data, features, _ = loaded(cfg)
    data.unlabeled_rows = np.setdiff1d(data.unlabeled_rows, [50, 51])
    training = build_feature_training(cfg, data, features, CPU, new_head(cfg, data, features), steps=STEPS)
    seen = set[int]()
    for step in range(STEPS):
        batch = training.loader.batch(step)
        assert batch.labeled is not None and batch.unlabeled is not None
        weak, strong = batch.unlabeled.views
        np.testing.assert_array_equal(weak.numpy(), features[batch.unlabeled.index])
        assert 0.3 < float((strong == 0).float().mean()) < 0.7
        seen |= set(batch.unlabeled.index.tolist())
    training.loader.close()
    assert seen == set(range(60)) - {50, 51}
