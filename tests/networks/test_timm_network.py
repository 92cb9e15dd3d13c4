"""Networks of the timm library."""

import sys

import pytest
import torch

from tutelage.config.network import NetworkConfig
from tutelage.core.errors import ConfigError, MissingExtra
from tutelage.networks.base import Network
from tutelage.networks.build import build_network


def build(name: str, *, channels: int = 3, image_size: int = 64, **settings: float) -> Network:
    config = NetworkConfig(name=f"timm:{name}", **settings)  # type: ignore[arg-type]
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


def test_an_unknown_model_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ConfigError, match="timm has no model 'resnet81'; did you mean 'resnet"):
        build("resnet81")


def test_unknown_weights_are_refused_with_the_nearest_name() -> None:
    with pytest.raises(ConfigError, match=r"timm has no weights 'resnet18\.a1_in1'; did you mean 'resnet18\.a1_in1k'"):
        build("resnet18.a1_in1")


def test_an_image_size_that_the_model_does_not_take_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"'timm:vit_tiny_patch16_224' .* 8 pixels"):
        build("vit_tiny_patch16_224", image_size=8)


def test_weights_that_cannot_be_had_are_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    hub = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(hub, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(hub, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ConfigError, match="weights of 'timm:resnet10t' could not be loaded") as caught:
        build("resnet10t", pretrained=True)
    assert "\n" not in str(caught.value)


def test_a_missing_timm_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(MissingExtra, match=r"tutelage\[timm\]"):
        build("resnet10t")
