"""The weights of FixMatch ports under our names: the same logits, and a clear word where it is another network."""

import re

import pytest
import torch
from torch import Tensor, nn

from reference import fixmatch_ports
from tutelage.core.errors import CheckpointError
from tutelage.networks.base import Network
from tutelage.networks.build import build_network
from tutelage.networks.ports import Ported, recognize, translate

NAMES = tuple(fixmatch_ports.PORTS)


def state(
    name: str, widths: tuple[int, ...] = (32, 64, 128), units: int = 1, num_classes: int = 10
) -> dict[str, Tensor]:
    return fixmatch_ports.random_state(name, widths=widths, units=units, num_classes=num_classes)


def network(ported: Ported) -> Network:
    built = build_network(ported.network, num_classes=ported.num_classes, channels=ported.channels, image_size=32)
    built.load_state_dict(ported.weights)
    return built.eval()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("widths", "units", "num_classes", "expected", "size"),
    [
        ((32, 64, 128), 4, 10, "wrn-28-2", 32),
        ((48, 96, 192), 1, 7, "wrn-10-3", 20),
        ((20, 40, 80), 2, 10, "wrn-16-20f", 16),
        ((32, 64, 128, 256), 1, 10, "wrn-13-2", 32),
    ],
)
@torch.no_grad()
def test_imported_weights_give_the_port_s_logits(
    name: str, widths: tuple[int, ...], units: int, num_classes: int, expected: str, size: int
) -> None:
    theirs = state(name, widths, units, num_classes)
    assert recognize(theirs, "x.pt") == name
    ported = translate(theirs, recognize(theirs, "x.pt"), "x.pt")
    assert (ported.network.name, ported.network.wiring) == (expected, name)
    images = torch.randn(3, 3, size, size, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    reference = fixmatch_ports.logits(name, {key: value.double() for key, value in theirs.items()}, images)
    assert reference.std() > 0.1
    torch.testing.assert_close(network(ported).double()(images), reference, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", NAMES)
@torch.no_grad()
def test_unused_norms_are_not_there_and_the_epsilon_of_the_others_matters(name: str) -> None:
    theirs = state(name)
    images = torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    ported = translate(theirs, recognize(theirs, "x.pt"), "x.pt")
    norms = [module for module in network(ported).modules() if isinstance(module, nn.BatchNorm2d)]
    assert len(norms) == 2 * 3 - 2 + 1
    changed = network(ported)
    for module in changed.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eps = 2e-2
    assert (changed(images) - network(ported)(images)).abs().max() > 1e-3


def test_only_the_norms_without_effect_and_other_heads_are_left_out() -> None:
    theirs = state("torchssl") | {"rot_classifier.weight": torch.ones(4, 128)}
    left_out = translate(theirs, "torchssl", "x.pt").left_out
    parts = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    assert set(left_out) == {f"block{group}.layer.0.bn1.{part}" for group in (2, 3) for part in parts} | {
        "rot_classifier.weight"
    }


@pytest.mark.parametrize("part", ["weight", "bias"])
def test_a_network_that_uses_these_norms_is_refused(part: str) -> None:
    theirs = state("torchssl")
    theirs[f"block2.layer.0.bn1.{part}"][3] += 0.01
    with pytest.raises(CheckpointError, match=rf"x\.pt: block2\.layer\.0\.bn1\.{part} was trained"):
        translate(theirs, "torchssl", "x.pt")


def test_weight_decay_on_these_norms_is_no_use_of_them() -> None:
    theirs = state("torchssl")
    theirs["block2.layer.0.bn1.weight"] *= 0.9
    assert translate(theirs, "torchssl", "x.pt").weights


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"block1.layer.0.conv2.weight": None},
            "1 tensors differ, first units.0.conv2.weight (expected (32, 32, 3, 3)",
        ),
        ({"block3.layer.0.conv2.weight": torch.ones(128, 127, 3, 3)}, "got (128, 127, 3, 3)"),
        ({"block1.layer.0.extra.weight": torch.ones(1)}, "first units.0.extra.weight (expected none, got (1,))"),
        ({"fc.weight": None}, "has no head: expected fc.weight or classifier.weight"),
    ],
)
def test_a_missing_a_strange_and_a_misshapen_tensor_are_named(change: dict[str, Tensor | None], message: str) -> None:
    theirs = {name: value for name, value in {**state("torchssl"), **change}.items() if value is not None}
    with pytest.raises(CheckpointError, match=re.escape(message)):
        translate(theirs, "torchssl", "x.pt")


def test_other_networks_are_not_recognized() -> None:
    with pytest.raises(
        CheckpointError, match=r"contain a wide residual network of a known port: .* got layer1\.weight"
    ):
        recognize({"layer1.weight": torch.ones(1)}, "x.pt")
