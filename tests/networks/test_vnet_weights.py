"""V-Nets of UA-MT and LASeg under our names: the same logits, and a clear message if it is another network."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from reference.vnet import trained
from tutelage.core.errors import CheckpointError
from tutelage.networks.base import Network
from tutelage.networks.build import build_network
from tutelage.networks.ports import Ported
from tutelage.networks.vnet_weights import is_vnet, spatial_dims, translate_vnet, vnet_form

Weights = dict[str, Tensor]


def network(ported: Ported, size: tuple[int, ...]) -> Network:
    shape = {"num_classes": ported.num_classes, "channels": ported.channels}
    built = build_network(ported.network, **shape, image_size=size)  # type: ignore[arg-type]
    built.load_state_dict(ported.weights)
    return built.eval()


@pytest.mark.parametrize(
    ("form", "size", "shape", "name"),
    [
        ("ua-mt", (16, 32, 16), {"width": 2}, "vnet"),
        ("laseg", (16, 32, 24), {"width": 2}, "vnet-laseg"),
        ("ua-mt", (32, 16, 16), {"width": 3, "channels": 4, "classes": 5}, "vnet"),
        ("ua-mt", (32, 16), {"width": 2, "classes": 3, "dims": 2}, "vnet"),
    ],
)
@torch.no_grad()
def test_imported_weights_give_the_logits_of_the_original(
    form: str, size: tuple[int, ...], shape: dict[str, int], name: str
) -> None:
    theirs = trained(form, **shape)
    weights = theirs.state_dict()
    shuffled = {key: weights[key] for key in sorted(weights, reverse=True)}
    assert is_vnet(shuffled) and vnet_form(shuffled) == form
    ported = translate_vnet(shuffled, "x.pth")
    assert (ported.network.name, ported.network.width) == (name, shape["width"])
    assert (ported.num_classes, ported.channels) == (shape.get("classes", 2), shape.get("channels", 1))
    assert spatial_dims(ported) == len(size) and ported.left_out == {}
    images = torch.randn(2, ported.channels, *size, generator=torch.Generator().manual_seed(1))
    expected = theirs(images)
    assert expected.std() > 0.1 and expected.flatten(2).std(2).min() > 0.01
    torch.testing.assert_close(network(ported, size)(images), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("form", "parameters"), [("ua-mt", 9_448_866), ("laseg", 9_186_722)])
def test_the_published_size_is_recognized(form: str, parameters: int) -> None:
    with torch.device("meta"):
        theirs = trained(form, width=16)
    assert sum(value.numel() for value in theirs.parameters()) == parameters
    ported = translate_vnet(theirs.state_dict(), "x.pth")
    assert ported.network.width == 16
    assert sum(ported.weights[name].numel() for name, _ in network_of(ported)) == parameters


def network_of(ported: Ported) -> list[tuple[str, nn.Parameter]]:
    """The names of the parameters, without memory for them."""
    with torch.device("meta"):
        built = build_network(ported.network, num_classes=2, channels=1, image_size=(16, 16, 16))
    return list(built.named_parameters())


def test_counters_may_be_missing_and_half_precision_is_enlarged() -> None:
    weights = trained().state_dict()
    halves = {name: value.half() for name, value in weights.items() if not name.endswith("num_batches_tracked")}
    ported = translate_vnet(halves, "x.pth")
    assert {value.dtype for value in ported.weights.values()} == {torch.float32, torch.int64}
    assert len(ported.weights) == len(weights) > len(halves)


def test_other_tensors_are_left_out() -> None:
    more = {"out_conv2.weight": torch.zeros(1), "block_ten.conv.0.weight": torch.zeros(1)}
    ported = translate_vnet({**trained().state_dict(), **more}, "x.pth")
    assert ported.left_out == dict.fromkeys(more, "not part of the V-Net")


def without(*patterns: str) -> Callable[[Weights], Weights]:
    return lambda weights: {
        name: value for name, value in weights.items() if not any(re.search(part, name) for part in patterns)
    }


def changed(name: str, *shape: int) -> Callable[[Weights], Weights]:
    return lambda weights: {**weights, name: torch.zeros(shape)}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without("running_", "tracked"), "has a V-Net without batch norm: there is no block_one.conv.1.running_mean; "),
        (without(r"conv\.[147]\."), "has a V-Net without batch norm: there is no block_one.conv.1.weight; "),
        (
            without(r"block_six\.conv\.3\.bias", "out_conv.bias"),
            "is not a complete V-Net of UA-MT or LASeg: 2 of 176 tensors are missing, first block_six.conv.3.bias",
        ),
        (without("block_four_dw"), "6 of 176 tensors are missing, first block_four_dw.conv.0.weight"),
        (
            changed("block_two.conv.3.weight", 4, 4, 5, 5, 5),
            "is not a V-Net of UA-MT or LASeg: 1 tensors differ, first block_two.conv.3.weight (expected (4, 4, 3, 3, "
            "3), got (4, 4, 5, 5, 5))",
        ),
        (
            changed("block_four_dw.conv.0.weight", 32, 16, 3, 3, 3),
            "first block_four_dw.conv.0.weight (expected (32, 16, 2, 2, 2), got (32, 16, 3, 3, 3))",
        ),
        (
            changed("block_four_dw.conv.0.weight", 32, 16, 2, 2, 1),  # LASeg's on the way down alone
            "first block_five_up.conv.0.weight (expected (32, 16, 2, 2, 1), got (32, 16, 2, 2, 2))",
        ),
        (changed("out_conv.weight"), "out_conv.weight must both have 5 axes, or 4 for slices, got the shapes (2, 1, "),
        (changed("out_conv.weight", 1, 2, 1, 1, 1), "has one output per voxel; expected one for each class"),
        (changed("block_one.conv.0.weight", 2, 1, 3), "must both have 5 axes, or 4 for slices, got the shapes (2, 1, "),
    ],
)  # fmt: skip
def test_another_network_is_refused_with_the_first_tensor_that_differs(
    change: Callable[[Weights], Weights], message: str
) -> None:
    with pytest.raises(CheckpointError, match=re.escape(message)) as caught:
        translate_vnet(change(trained().state_dict()), "x.pth")
    assert str(caught.value).startswith("x.pth ") and "\n" not in str(caught.value)


def test_other_names_are_not_a_vnet() -> None:
    assert not is_vnet({"block1.layer.0.conv1.weight": torch.zeros(1), "out_conv.weight": torch.zeros(1)})
    assert not is_vnet({"my_block_one.conv.0.weight": torch.zeros(1), "block_ten.conv.0.weight": torch.zeros(1)})
