"""The first stages of a network that do not learn, run by a fast engine."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tutelage.config.network import NetworkConfig
from tutelage.core.cache_folder import VARIABLE
from tutelage.networks import frozen_front
from tutelage.networks.build import build_network
from tutelage.networks.frozen_front import front_of
from tutelage.networks.timm_network import TimmNetwork

pytest.importorskip("openvino")
pytest.importorskip("timm")
STAGES = 3  # stem and two of the seven blocks


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path))


def network(name: str = "timm:tf_efficientnet_lite0", *, channels: int = 3, seed: int = 0) -> TimmNetwork:
    """With random weights, and statistics that are those of some images; batch norm is held in evaluation mode."""
    torch.manual_seed(seed)
    config = NetworkConfig(name=name, pretrained=False)
    made = build_network(config, num_classes=4, channels=channels, image_size=64)
    assert isinstance(made, TimmNetwork)
    made.train()(images(8, channels=channels))
    return made.eval()


def images(rows: int, *, channels: int = 3) -> Tensor:
    return torch.randn(rows, channels, 64, 64, generator=torch.Generator().manual_seed(rows))


def gradients(made: TimmNetwork, x: Tensor) -> dict[str, Tensor]:
    made(x).square().sum().backward()
    return {name: p.grad for name, p in made.named_parameters() if p.requires_grad and p.grad is not None}


def counted(made: TimmNetwork, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many images pass a front from now on, by call."""
    passed: list[int] = []
    run = frozen_front.FrozenFront.__call__
    monkeypatch.setattr(frozen_front.FrozenFront, "__call__", lambda f, x: passed.append(len(x)) or run(f, x))
    return passed


def test_outputs_and_gradients_are_those_of_the_whole_network(monkeypatch: pytest.MonkeyPatch) -> None:
    plain, fast = network(), network()
    for made in (plain, fast):
        for stage in made.stages()[:STAGES]:
            for parameter in stage:
                parameter.requires_grad_(False)
    fast.hold_first(STAGES)
    passed = counted(fast, monkeypatch)
    torch.testing.assert_close(fast(images(5)), plain(images(5)), rtol=1e-4, atol=1e-4)
    expected, found = gradients(plain, images(5)), gradients(fast, images(5))
    assert found.keys() == expected.keys() and any(name.startswith("trunk.blocks.2.") for name in found)
    assert not any(
        name.startswith(("trunk.conv_stem", "trunk.bn1", "trunk.blocks.0", "trunk.blocks.1")) for name in found
    )
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-3, atol=1e-3 * float(value.abs().max()))
    assert passed == [5, 5]
    assert fast.state_dict().keys() == plain.state_dict().keys()


def test_other_weights_that_are_loaded_later_count(monkeypatch: pytest.MonkeyPatch) -> None:
    fast, other = network(), network(seed=1)
    fast.hold_first(STAGES)
    before = fast(images(2))
    torch.nn.ModuleDict({"student": fast}).load_state_dict(
        {f"student.{name}": value for name, value in other.state_dict().items()}
    )
    passed = counted(fast, monkeypatch)
    torch.testing.assert_close(fast(images(2)), other(images(2)), rtol=1e-4, atol=1e-4)
    assert passed == [2] and float((fast(images(2)) - before).detach().abs().max()) > 1e-2


def test_a_copy_shares_it_and_the_conversion_is_cached(monkeypatch: pytest.MonkeyPatch) -> None:
    fast = network()
    fast.hold_first(STAGES)
    expected = fast(images(3))
    twin, made = copy.deepcopy(fast), []
    engine = frozen_front.fast_engine
    monkeypatch.setattr(frozen_front, "fast_engine", lambda *a, **k: made.append(k["cache"]) or engine(*a, **k))
    assert torch.equal(twin(images(3)), expected) and made == []
    again = network()
    again.hold_first(STAGES)
    monkeypatch.setattr("tutelage.networks.engine._converted", lambda *given: pytest.fail("converted again"))
    assert torch.equal(again(images(3)), expected) and len(made) == 1 and made[0].is_file()


@pytest.mark.parametrize("why", ["gradient of the images", "gray", "no openvino", "float64"])
def test_the_network_itself_runs_where_the_front_cannot(why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    channels = 1 if why == "gray" else 3
    fast, plain = network(channels=channels), network(channels=channels)
    fast.hold_first(STAGES)
    passed, x = counted(fast, monkeypatch), images(2, channels=channels)
    if why == "no openvino":
        monkeypatch.setattr(frozen_front, "best_engine", lambda device: "torch")
    if why == "float64":
        fast, plain, x = fast.double(), plain.double(), x.double()
    x.requires_grad_(why == "gradient of the images")
    assert torch.equal(fast(x), plain(x)) and passed == []


def test_models_of_another_kind_have_none_and_train_all_the_same() -> None:
    made = network("timm:resnet10t")
    expected = made(images(2))
    made.hold_first(2)
    assert front_of(made.trunk, 2) is None and torch.equal(made(images(2)), expected)
    assert front_of(network().trunk, 0) is None and front_of(network().trunk, 9) is None
