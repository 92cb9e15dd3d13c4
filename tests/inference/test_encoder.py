"""Encoders of runs: features in evaluation mode, and the same network with random weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import tutelage
from tutelage.config import RunConfig
from tutelage.core.errors import ConfigError
from tutelage.inference.images.encoder import Encoder

SMALL = {"train.batch_size": 8, "network.width": 8}
pytestmark = pytest.mark.usefixtures("by_flags")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    settings = {"method.name": "mean-teacher", "train.steps": 4, "train.workers": 0, "network.dropout": 0.5}
    out = tmp_path_factory.mktemp("runs") / "a"
    return tutelage.train("digits", out=out, settings=settings | SMALL, device="cpu").path


def images(count: int = 6) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 1, 8, 8), np.uint8)


@pytest.mark.parametrize("network", ["student", "teacher"])
def test_features_are_those_that_the_head_sees(run: Path, network: str) -> None:
    encoder = Encoder.load(run, network=network, device="cpu")
    model = tutelage.load(run, network=network, device="cpu")
    features = encoder.features(images())
    assert torch.equal(features, encoder.features(images()))  # nothing is dropped
    probs = model.network.head(features).softmax(1)  # type: ignore[operator]
    torch.testing.assert_close(probs, model.probabilities(images()))
    assert encoder.step == 4


def test_a_network_that_is_not_there_is_refused(run: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--network must be one of auto, student, teacher"):
        Encoder.load(run, network="pupil", device="cpu")
    settings = {"method.name": "pi-model", "train.steps": 1, "train.workers": 0}
    other = tutelage.train("digits", out=tmp_path / "b", settings=settings | SMALL, device="cpu").path
    with pytest.raises(ConfigError, match="has no teacher"):
        Encoder.load(other, network="teacher", device="cpu")


def test_random_weights_are_new_settled_on_images_and_follow_from_the_seed(run: Path) -> None:
    encoder, pixels = Encoder.load(run, device="cpu"), images(32)
    cfg = RunConfig.from_dict(tutelage.Run(run).config["settings"])
    first, again, other = (encoder.fresh(cfg, pixels, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(first.features(pixels), again.features(pixels))
    assert not torch.equal(first.features(pixels), other.features(pixels))
    assert not torch.equal(first.features(pixels), encoder.features(pixels))
    assert first.step == 0
    norm = next(m for m in first.network.modules() if isinstance(m, torch.nn.BatchNorm2d))
    seen: list[torch.Tensor] = []
    norm.register_forward_hook(lambda module, given, out: seen.append(given[0]))
    first.features(pixels)
    torch.testing.assert_close(norm.running_mean, seen[0].mean((0, 2, 3)), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(norm.running_var, seen[0].var((0, 2, 3)), rtol=1e-4, atol=1e-5)
