"""Engines that run a frozen network."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from support.starter import Starter
from tutelage.config.network import NetworkConfig
from tutelage.networks import engine as engines
from tutelage.networks.build import build_network
from tutelage.networks.engine import Engine, best_engine, fast_engine
from tutelage.networks.timm_network import TimmNetwork

CPU = torch.device("cpu")
HAVE_OPENVINO = importlib.util.find_spec("openvino") is not None


@pytest.fixture(scope="module")
def trunk() -> nn.Module:
    """A small network of the layers of efficientnet-lite, with statistics of its own."""
    torch.manual_seed(0)
    layers = [
        *(nn.Conv2d(3, 16, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU6()),
        *(nn.Conv2d(16, 16, 5, padding=2, groups=16, bias=False), nn.BatchNorm2d(16), nn.ReLU6()),
        *(nn.Conv2d(16, 32, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
    ]
    network = nn.Sequential(*layers)
    network(2.0 + 3.0 * torch.randn(8, 3, 64, 64))
    network[6].weight.data *= 20.0
    return network.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def openvino(trunk: nn.Module) -> Engine:
    if not HAVE_OPENVINO:
        pytest.skip("openvino is not installed")
    return fast_engine(trunk, 64, CPU, kind="openvino")


def images(rows: int) -> Tensor:
    return torch.randn(rows, 3, 64, 64, generator=torch.Generator().manual_seed(rows))


def test_the_torch_engine_is_the_network(trunk: nn.Module) -> None:
    engine = fast_engine(trunk, 64, CPU, kind="torch")
    result = engine(images(3))
    assert result.dtype == torch.float32 and not result.requires_grad
    with torch.no_grad():
        torch.testing.assert_close(result, trunk(images(3)), rtol=1e-4, atol=1e-4)


def test_openvino_and_torch_agree_for_any_number_of_images(trunk: nn.Module, openvino: Engine) -> None:
    plain = fast_engine(trunk, 64, CPU, kind="torch")
    for rows in (1, 5):
        found, expected = openvino(images(rows)), plain(images(rows))
        assert found.shape == expected.shape == (rows, 32)
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)
    assert float(plain(images(5)).abs().max()) > 1.0  # so that 1e-4 is small


@pytest.mark.slow
@pytest.mark.skipif(not HAVE_OPENVINO, reason="openvino is not installed")
def test_they_agree_on_the_network_that_photos_pass() -> None:
    network = build_network(NetworkConfig(name="efficientnet-lite0"), num_classes=2, channels=3, image_size=64)
    assert isinstance(network, TimmNetwork)
    trunk = network.trunk.eval().requires_grad_(False)
    fast, plain = (fast_engine(trunk, 64, CPU, kind=kind) for kind in ("openvino", "torch"))
    torch.testing.assert_close(fast(images(3)), plain(images(3)), rtol=0, atol=1e-4)


def test_what_openvino_returns_stays_when_it_runs_again(openvino: Engine) -> None:
    first = openvino(images(2))
    kept = first.clone()
    openvino(images(2) + 1.0)
    assert torch.equal(first, kept)


@pytest.mark.skipif(not HAVE_OPENVINO, reason="openvino is not installed")
@pytest.mark.parametrize("fault", [None, "a flipped bit", "cut off"])
def test_a_converted_network_is_kept_and_made_anew_if_it_is_damaged(
    fault: str | None, trunk: nn.Module, openvino: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "engines" / "network"
    fast_engine(trunk, 64, CPU, kind="openvino", cache=cache)
    good, conversions = bytearray(cache.read_bytes()), []
    if fault == "a flipped bit":
        flipped = good.copy()
        flipped[-200] ^= 1
        cache.write_bytes(flipped)
    elif fault is not None:
        cache.write_bytes(good[:5000])
    convert = engines._converted
    monkeypatch.setattr(engines, "_converted", lambda *given: conversions.append(given) or convert(*given))
    again = fast_engine(trunk, 64, CPU, kind="openvino", cache=cache)
    assert len(conversions) == (0 if fault is None else 1)
    assert torch.equal(again(images(3)), openvino(images(3)))
    assert engines._read(cache) is not None


@pytest.mark.skipif(not HAVE_OPENVINO, reason="openvino is not installed")
def test_where_nothing_can_be_written_the_network_is_converted_all_the_same(
    trunk: nn.Module, openvino: Engine, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("no folder")
    engine = fast_engine(trunk, 64, CPU, kind="openvino", cache=tmp_path / "file" / "network")
    assert torch.equal(engine(images(2)), openvino(images(2)))


def test_the_best_engine_is_openvino_where_it_is_installed_and_torch_on_a_gpu(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert best_engine(torch.device("cuda")) == "torch"
    assert best_engine(CPU) == ("openvino" if HAVE_OPENVINO else "torch")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert best_engine(CPU) == "torch"


SIGNAL = """
import gc, signal
import torch
from torch import nn
from tutelage.networks.engine import fast_engine

caught = []
signal.signal(signal.SIGTERM, lambda number, frame: caught.append(number))
engines = [fast_engine(nn.Conv2d(3, 4, 3).eval(), 16, torch.device("cpu"), kind="openvino") for _ in range(2)]
while engines:
    engines.pop(0)(torch.zeros(1, 3, 16, 16))
    gc.collect()
    signal.raise_signal(signal.SIGTERM)
assert len(caught) == 2
"""


@pytest.mark.skipif(not HAVE_OPENVINO, reason="openvino is not installed")
def test_a_signal_after_engines_have_ended_is_no_fault(starter: Starter) -> None:
    process = starter.start("-c", SIGNAL)
    _, error = process.communicate()
    assert (process.returncode, error) == (0, "")
