"""What holds for every network, and what is known of each."""

import copy
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tutelage.config.network import NetworkConfig
from tutelage.core.errors import ConfigError
from tutelage.networks.base import Network
from tutelage.networks.build import build_network

EVERY = ("small", "conv-large", "wrn-10-1", "wrn-13-1", "shake-shake-26-2x8d")
PORTS = ("fixmatch-pytorch", "torchssl", "usb")
LIGHT = tuple(name for name in EVERY if name != "conv-large")


def build(name: str, *, num_classes: int = 10, channels: int = 3, image_size: int = 32, **settings: Any) -> Network:
    torch.manual_seed(0)
    config = NetworkConfig(name=name, **settings)
    return build_network(config, num_classes=num_classes, channels=channels, image_size=image_size)


def images(rows: int = 4, channels: int = 3, size: int = 32) -> Tensor:
    return torch.randn(rows, channels, size, size, generator=torch.Generator().manual_seed(1))


def parameter_count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize(
    ("name", "num_classes", "count"),
    [
        ("wrn-28-2", 10, 1_467_610),
        ("wrn-28-8", 100, 23_401_012),
        ("wrn-37-2", 10, 5_929_434),
        ("wrn-28-135f", 10, 25_976_769),
        ("conv-large", 10, 3_121_802),
        ("small", 10, 308_650),
    ],
)
def test_parameter_counts_are_the_published_ones(name: str, num_classes: int, count: int) -> None:
    assert parameter_count(build(name, num_classes=num_classes)) == count


def test_small_has_a_quarter_of_the_weights_at_half_the_width() -> None:
    network = build("small", width=16)
    assert parameter_count(network) == 78_042
    assert network.features(torch.zeros(2, 3, 32, 32)).shape == (2, 64)


@pytest.mark.parametrize(("wiring", "count"), list(zip(PORTS, (1_467_610, 1_469_642, 1_467_626), strict=True)))
def test_ports_have_their_own_counts_with_the_two_norms_that_do_nothing_there(wiring: str, count: int) -> None:
    assert parameter_count(build("wrn-28-2", wiring=wiring)) + 2 * 32 + 2 * 64 == count


@pytest.mark.parametrize(("name", "millions"), [("shake-shake-26-2x32d", 2.92), ("shake-shake-26-2x96d", 26.20)])
def test_shake_shake_with_a_second_head_has_the_published_count(name: str, millions: float) -> None:
    network = build(name)
    assert round((parameter_count(network) + parameter_count(network.head)) / 1e6, 2) == millions


def test_wrn_has_one_batch_norm_before_each_convolution_but_the_stem_and_shortcuts() -> None:
    network = build("wrn-28-2")
    kernels = [module.kernel_size for module in network.modules() if isinstance(module, nn.Conv2d)]
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    assert (kernels.count((3, 3)), kernels.count((1, 1)), len(norms)) == (25, 3, 25)
    assert all((norm.eps, norm.momentum) == (1e-3, 1e-3) for norm in norms)


@pytest.mark.parametrize(("unit", "shortcut_sees"), [(0, "activated"), (1, "raw")])
def test_each_wrn_group_begins_with_batch_norm_and_only_the_first_shares_it_with_the_shortcut(
    unit: int, shortcut_sees: str
) -> None:
    first = build("wrn-10-2").eval().units[unit]  # type: ignore[index]
    first.norm1.bias.data.fill_(0.3)
    seen: dict[str, Tensor] = {}
    first.conv1.register_forward_hook(lambda module, inputs, output: seen.update(main=inputs[0]))
    first.shortcut.register_forward_hook(lambda module, inputs, output: seen.update(shortcut=inputs[0]))
    raw = torch.randn(2, first.conv1.in_channels, 8, 8)
    first(raw)
    activated = F.leaky_relu(first.norm1(raw), 0.1)
    torch.testing.assert_close(seen["main"], activated)
    torch.testing.assert_close(seen["shortcut"], activated if shortcut_sees == "activated" else raw)


def test_convolutions_start_with_the_published_spread() -> None:
    convolution = build("wrn-28-2").units[8].conv1  # type: ignore[index, union-attr]
    assert (convolution.in_channels, convolution.out_channels) == (64, 128)
    assert convolution.weight.std().item() == pytest.approx((2 / (9 * 128)) ** 0.5, rel=0.01)


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("training", [True, False])
def test_forward_is_the_head_of_the_features(name: str, training: bool) -> None:
    network = build(name).train(training)
    torch.manual_seed(5)
    logits = network(images())
    torch.manual_seed(5)
    features = network.features(images())
    assert features.shape == (4, network.head.in_features)
    assert logits.shape == (4, 10)
    torch.testing.assert_close(logits, network.head(features))


@pytest.mark.parametrize("name", EVERY)
def test_evaluation_mode_is_deterministic_and_rows_do_not_depend_on_each_other(name: str) -> None:
    network = build(name).eval()
    x = images()
    torch.testing.assert_close(network(x), network(x), rtol=0, atol=0)
    torch.testing.assert_close(network(x)[:1], network(x[:1]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", EVERY)
def test_the_gradient_reaches_every_parameter(name: str) -> None:
    network = build(name)
    F.cross_entropy(network(images(8)), torch.arange(8)).backward()
    dead = [key for key, value in network.named_parameters() if value.grad is None or not value.grad.any()]
    assert not dead


@pytest.mark.parametrize("name", ["wrn-10-1", "wrn-13-1"])
@pytest.mark.parametrize("wiring", PORTS)
def test_no_parameter_of_a_port_is_out_of_the_gradient_s_reach(name: str, wiring: str) -> None:
    network = build(name, wiring=wiring)
    F.cross_entropy(network(images(8)), torch.arange(8)).backward()
    # A bias before a batch norm shifts what the norm takes off again: its gradient is rounding alone.
    assert all(value.grad is not None and value.grad.isfinite().all() for value in network.parameters())


@pytest.mark.parametrize("name", LIGHT)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [8, 15, 28, 64, 96])
def test_images_of_any_size_are_taken(name: str, channels: int, size: int) -> None:
    network = build(name, channels=channels, image_size=size)
    logits = network(images(2, channels, size))
    logits.sum().backward()
    assert logits.shape == (2, 10)
    assert logits.isfinite().all()


@pytest.mark.parametrize(("channels", "size"), [(1, 12), (3, 28)])
def test_conv_large_takes_images_from_12_pixels_on(channels: int, size: int) -> None:
    network = build("conv-large", channels=channels, image_size=size)
    assert network(images(2, channels, size)).isfinite().all()


def test_conv_large_refuses_smaller_images_by_name() -> None:
    with pytest.raises(ConfigError, match=r"'conv-large' needs images of at least 12 pixels, got 8"):
        build("conv-large", image_size=8)


@pytest.mark.parametrize(
    ("image_size", "final"), [(8, 2), (16, 4), (28, 4), (32, 4), (64, 4), (96, 6), (128, 4), (224, 4)]
)
def test_small_ends_on_a_map_of_2_to_6_pixels_whatever_the_image_size(image_size: int, final: int) -> None:
    network = build("small", image_size=image_size).eval()
    with torch.no_grad():
        assert network.trunk(images(1, 3, image_size)).shape[2:] == (final, final)  # type: ignore[operator]


@pytest.mark.parametrize("name", EVERY)
def test_channels_last_changes_nothing_but_the_layout(name: str) -> None:
    network = build(name).eval()
    expected = network(images())
    network.to(memory_format=torch.channels_last)
    logits = network(images().contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", EVERY)
def test_a_network_without_weight_norm_takes_nothing_from_the_images_it_starts_from(name: str) -> None:
    network = build(name)
    before = copy.deepcopy(network.state_dict())
    network.start_from(images())
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


@pytest.mark.parametrize("name", EVERY)
def test_state_survives_a_round_trip_and_a_deep_copy(name: str) -> None:
    network = build(name)
    network(images())  # moves the batch-norm statistics
    network.eval()
    twin = copy.deepcopy(network)
    torch.manual_seed(9)
    other = build_network(NetworkConfig(name=name), num_classes=10, channels=3, image_size=32).eval()
    other.load_state_dict(network.state_dict())
    expected = network(images())
    network.head.weight.data.zero_()
    for restored in (twin, other):
        torch.testing.assert_close(restored(images()), expected, rtol=0, atol=0)


@pytest.mark.parametrize("name", EVERY)
def test_a_bf16_pass_gives_logits_near_those_of_float32(name: str) -> None:
    network = build(name).eval()
    expected = network(images())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = network(images())
    assert logits.dtype == torch.bfloat16
    assert (logits.float() - expected).abs().max() < 0.05 * expected.abs().max() + 0.05


def test_a_bf16_training_pass_of_shake_shake_has_finite_gradients() -> None:
    network = build("shake-shake-26-2x8d")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = F.cross_entropy(network(images()), torch.arange(4))
    loss.backward()
    assert all(value.grad is not None and value.grad.isfinite().all() for value in network.parameters())


@pytest.mark.parametrize(
    ("name", "settings"),
    [("small", {"dropout": 0.5}), ("small", {"input_noise": 0.5}), ("wrn-10-1", {"dropout": 0.5})],
)
def test_dropout_and_noise_act_in_training_mode_only_and_follow_the_seed(name: str, settings: dict[str, Any]) -> None:
    plain, noisy = build(name), build(name, **settings)

    def training_pass(network: Network, seed: int) -> Tensor:
        torch.manual_seed(seed)
        return network.train()(images())

    first, again, other = (training_pass(noisy, seed) for seed in (1, 1, 2))
    torch.testing.assert_close(first, again, rtol=0, atol=0)
    assert not torch.allclose(first, other)
    torch.testing.assert_close(training_pass(plain, 1), training_pass(plain, 2), rtol=0, atol=0)
    fresh = build(name, **settings).eval()
    torch.testing.assert_close(fresh(images()), build(name).eval()(images()), rtol=0, atol=0)


def test_input_noise_has_the_spread_that_was_asked_for() -> None:
    noise = build("conv-large", input_noise=0.3).trunk[0]  # type: ignore[index]
    torch.manual_seed(0)
    added = noise(torch.zeros(4, 3, 32, 32))
    assert added.std().item() == pytest.approx(0.3, rel=0.03)
    assert added.mean().item() == pytest.approx(0.0, abs=0.01)


def test_the_batch_norm_momentum_of_the_settings_reaches_every_batch_norm() -> None:
    for name in EVERY:
        norms = [m for m in build(name, batch_norm_momentum=0.03).modules() if isinstance(m, nn.BatchNorm2d)]
        assert norms
        assert {norm.momentum for norm in norms} == {0.03}
