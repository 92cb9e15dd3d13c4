"""Networks of the timm library."""

import socket
import sys
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file

from tutelage.config.network import NetworkConfig
from tutelage.core import hub as reached
from tutelage.core.errors import CheckpointError, ConfigError, MissingExtra
from tutelage.networks.base import Network
from tutelage.networks.build import build_network
from tutelage.networks.feature_transform import FeatureTransform
from tutelage.networks.timm_network import TimmNetwork


def build(name: str, *, channels: int = 3, image_size: int = 64, **settings: Any) -> Network:
    config = NetworkConfig(name=f"timm:{name}", **({} if "weights" in settings else {"pretrained": False}) | settings)
    return build_network(config, num_classes=4, channels=channels, image_size=image_size)


@pytest.mark.parametrize(
    ("name", "channels", "image_size"),
    [("resnet10t", 3, 64), ("resnet10t", 1, 32), ("mobilenetv3_small_050", 3, 64), ("vit_tiny_patch16_224", 1, 32)],
)
def test_any_model_has_features_and_a_head(name: str, channels: int, image_size: int) -> None:
    network = build(name, channels=channels, image_size=image_size).eval()
    images = torch.randn(2, channels, image_size, image_size)
    features = network.features(images)
    assert features.shape == (2, network.head.in_features)
    torch.testing.assert_close(network(images), network.head(features))
    assert network(images).shape == (2, 4)


def test_finding_the_feature_count_leaves_the_network_as_it_was() -> None:
    network = build("resnet10t")
    assert all(module.training for module in network.modules())
    assert all(int(value) == 0 for key, value in network.state_dict().items() if key.endswith("num_batches_tracked"))


def test_dropout_falls_on_the_features() -> None:
    network = build("resnet10t", dropout=0.5)
    features = network.features(torch.randn(4, 3, 64, 64))
    assert 0.4 < (features == 0).float().mean() < 0.8


def test_a_transform_of_the_features_stands_before_the_head() -> None:
    torch.manual_seed(0)
    network = TimmNetwork("resnet18", num_classes=3, image_size=32, feature_dims=4).eval()
    pooled = network.trunk(torch.randn(6, 3, 32, 32))
    network.transform.load_state_dict(FeatureTransform.fit(pooled.detach(), 4).state_dict())
    images = torch.randn(5, 3, 32, 32)
    assert network.head.in_features == 4 and network.width == 512
    assert torch.equal(network.features(images), network.transform(network.trunk(images)))


def test_the_stages_of_a_model_are_all_its_parameters_in_order() -> None:
    network = TimmNetwork("resnet18", num_classes=3, image_size=32)
    stages = network.stages()
    assert len(stages) == 5 and stages[0][0] is network.trunk.conv1.weight
    assert {id(p) for p in stages[4]} == {id(p) for p in network.trunk.layer4.parameters()}
    assert sum(len(stage) for stage in stages) == len(list(network.trunk.parameters()))


def test_an_unknown_model_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ConfigError, match="timm has no model 'resnet81'; did you mean 'resnet"):
        build("resnet81")


def test_unknown_weights_are_refused_with_the_nearest_name() -> None:
    with pytest.raises(ConfigError, match=r"timm has no weights 'resnet18\.a1_in1'; did you mean 'resnet18\.a1_in1k'"):
        build("resnet18.a1_in1")


def test_an_image_size_that_the_model_does_not_take_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"'timm:vit_tiny_patch16_224' .* 8 pixels"):
        build("vit_tiny_patch16_224", image_size=8)


class Open:
    """A connection that could be made."""

    def close(self) -> None: ...


@pytest.mark.parametrize(
    ("reachable", "message"),
    [
        (False, "weights of 'timm:resnet10t' are not in the cache .*, and huggingface.co cannot be reached; download"),
        (True, "weights of 'timm:resnet10t' could not be loaded"),  # the client is told to be offline
    ],
)
def test_weights_that_cannot_be_had_are_one_line_at_once(
    reachable: bool, message: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    hub = pytest.importorskip("huggingface_hub.constants")
    asked = list[float]()

    def connect(place: tuple[str, int], timeout: float) -> Open:
        asked.append(timeout)
        if not reachable:
            raise OSError("no route to host")
        return Open()

    monkeypatch.setattr(hub, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(hub, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(reached, "getproxies", dict)
    monkeypatch.setattr(socket, "create_connection", connect)
    with pytest.raises(ConfigError, match=message) as caught:
        build("resnet10t", pretrained=True)
    assert "\n" not in str(caught.value)
    assert len(asked) == 1 and asked[0] <= 1.0


def test_a_missing_timm_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(MissingExtra, match=r"tutelage\[timm\]"):
        build("resnet10t")


def other_weights() -> dict[str, torch.Tensor]:
    """Those of another resnet10t, with its classifier."""
    torch.manual_seed(7)
    return timm.create_model("resnet10t").state_dict()


@pytest.mark.parametrize(("prefix", "how"), [("backbone.", "by name"), (None, "by order and shape")], ids=str)
def test_weights_of_a_file_are_loaded_and_it_is_said_which_and_how(
    prefix: str | None, how: str, tmp_path: Path
) -> None:
    given = {name: value for name, value in other_weights().items() if value.ndim}
    names = {name: f"part{n}" if prefix is None else prefix + name for n, name in enumerate(given)}
    torch.save({names[name]: value for name, value in given.items()}, tmp_path / "a.pth")
    network = build("resnet10t", weights=str(tmp_path / "a.pth"))
    assert isinstance(network, TimmNetwork)
    own = {name: value for name, value in network.trunk.state_dict().items() if value.ndim}
    assert all(torch.equal(value, given[name]) for name, value in own.items())
    left = ", ".join(names[name] for name in ("fc.weight", "fc.bias"))
    assert network.loaded == f"{len(own)} tensors from a.pth, matched {how}; left out: {left}"


def test_weights_of_a_safetensors_file_are_matched_by_name_and_never_by_its_order(tmp_path: Path) -> None:
    given = {name: value for name, value in other_weights().items() if value.ndim}
    save_file(given, tmp_path / "a.safetensors")
    network = build("resnet10t", weights=str(tmp_path / "a.safetensors"))
    assert isinstance(network, TimmNetwork) and "matched by name" in network.loaded
    assert torch.equal(network.trunk.state_dict()["conv1.0.weight"], given["conv1.0.weight"])
    save_file({f"x{name}": value for name, value in given.items()}, tmp_path / "b.safetensors")
    with pytest.raises(
        CheckpointError, match=r"b.safetensors does not fit the network by name: it has x.* keep the or"
    ):
        build("resnet10t", weights=str(tmp_path / "b.safetensors"))


def test_for_gray_images_the_colors_of_the_first_filters_in_a_file_are_summed(tmp_path: Path) -> None:
    torch.save(other_weights(), tmp_path / "a.pth")
    network = build("resnet10t", channels=1, weights=str(tmp_path / "a.pth"))
    assert isinstance(network, TimmNetwork)
    expected = other_weights()["conv1.0.weight"].sum(1, keepdim=True)
    assert torch.equal(network.trunk.state_dict()["conv1.0.weight"], expected)


def test_a_file_of_another_network_or_none_is_refused_in_one_line(tmp_path: Path) -> None:
    torch.save(timm.create_model("mobilenetv3_small_050").state_dict(), tmp_path / "other.pth")
    for name, message in (("other.pth", "other.pth does not fit the network"), ("none.pth", "cannot read .*none.pth")):
        with pytest.raises(CheckpointError, match=message) as caught:
            build("resnet10t", weights=str(tmp_path / name))
        assert "\n" not in str(caught.value)
