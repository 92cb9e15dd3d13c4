"""ResNet-18 and -50 are torchvision's, and keep small images' size in the stem."""

import pytest
import torch
from torchvision import models

from tutelage.config.network import NetworkConfig
from tutelage.networks.build import build_network
from tutelage.networks.resnet import ResNet


def build(name: str, *, image_size: int, channels: int = 3, **settings: object) -> ResNet:
    torch.manual_seed(0)
    config = NetworkConfig(name=name, **settings)  # type: ignore[arg-type]
    made = build_network(config, num_classes=10, channels=channels, image_size=image_size)
    assert isinstance(made, ResNet)
    return made


@pytest.mark.parametrize(("name", "make"), [("resnet-18", models.resnet18), ("resnet-50", models.resnet50)])
def test_features_are_torchvisions(name: str, make: object) -> None:
    theirs = make(weights=None).eval()  # type: ignore[operator]
    mine = build(name, image_size=224).eval()
    weights = {f"trunk.{key}": value for key, value in theirs.state_dict().items() if not key.startswith("fc.")}
    missing = mine.load_state_dict(weights, strict=False)
    assert (set(missing.missing_keys), missing.unexpected_keys) == ({"head.weight", "head.bias"}, [])
    theirs.fc = torch.nn.Identity()
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(mine.features(x), theirs(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("size", "stem", "map_size"), [(32, None, 4), (64, None, 8), (96, None, 3), (64, "large", 2)])
def test_the_stem_keeps_the_size_of_small_images(size: int, stem: str | None, map_size: int) -> None:
    network = build("resnet-18", image_size=size, channels=1, **({"stem": stem} if stem else {})).eval()
    with torch.no_grad():
        maps = network.stages(torch.randn(1, 1, size, size))
    assert maps[-1].shape == (1, 512, map_size, map_size)
    assert tuple(m.shape[1] for m in maps) == network.channels[1:]


def test_the_small_resnet_18_has_the_published_count_of_parameters() -> None:
    assert sum(p.numel() for p in build("resnet-18", image_size=32).parameters()) == 11_173_962


def test_the_momentum_of_batch_norm_is_that_of_the_settings() -> None:
    network = build("resnet-18", image_size=32, batch_norm_momentum=0.02)
    norms = [module for module in network.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    assert {norm.momentum for norm in norms} == {0.02}
