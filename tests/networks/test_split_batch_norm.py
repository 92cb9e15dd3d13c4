"""Batch norm over parts of a batch equals ordinary batch norm on each part."""

import pytest
import torch
from torch import Tensor, nn

from tutelage.config.network import NetworkConfig
from tutelage.core.errors import ConfigError
from tutelage.networks.build import build_network
from tutelage.networks.split_batch_norm import SplitBatchNorm, split_batch_norm

ROWS, CHANNELS = 12, 5


def pair(splits: int) -> tuple[SplitBatchNorm, list[nn.BatchNorm2d]]:
    """The layer, and an ordinary one for each group, all with the same weights and statistics."""
    torch.manual_seed(0)
    ordinary = nn.BatchNorm2d(CHANNELS, eps=1e-3, momentum=0.3)
    for value in ordinary.state_dict().values():
        if value.is_floating_point():
            value.copy_(torch.rand_like(value) + 0.5)
    groups = [nn.BatchNorm2d(CHANNELS, eps=1e-3, momentum=0.3) for _ in range(splits)]
    for group in groups:
        group.load_state_dict(ordinary.state_dict())
    return SplitBatchNorm.like(ordinary, splits), groups


def maps(seed: int = 1) -> Tensor:
    return torch.randn(ROWS, CHANNELS, 3, 4, generator=torch.Generator().manual_seed(seed)) * 2.0 + 1.0


@pytest.mark.parametrize("splits", [1, 2, 4, 6])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_row_n_is_normalized_with_the_rows_of_its_group_n_mod_splits(
    splits: int, memory_format: torch.memory_format
) -> None:
    split, groups = pair(splits)
    x = maps().to(memory_format=memory_format).requires_grad_()
    y = x.detach().clone().requires_grad_()
    out = split(x)
    expected = torch.empty(ROWS, CHANNELS, 3, 4)
    for number, group in enumerate(groups):
        expected[number::splits] = group(y[number::splits])
    torch.testing.assert_close(out, expected)
    assert out.is_contiguous(memory_format=memory_format)
    weight = torch.randn(out.shape, generator=torch.Generator().manual_seed(2))
    (out * weight).sum().backward()
    (expected * weight).sum().backward()
    torch.testing.assert_close(x.grad, y.grad)
    torch.testing.assert_close(split.weight.grad, sum(group.weight.grad for group in groups))
    for name in ("running_mean", "running_var"):
        torch.testing.assert_close(getattr(split, name), sum(getattr(g, name) for g in groups) / splits)
    assert int(split.num_batches_tracked) == 1


def test_evaluation_mode_does_not_depend_on_the_other_rows() -> None:
    split, _ = pair(4)
    split(maps())
    split.eval()
    whole = split(maps(3))
    torch.testing.assert_close(torch.cat([split(row[None]) for row in maps(3)]), whole)


def test_a_batch_that_cannot_be_split_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"network\.bn_splits 5 does not divide a batch of 12 rows"):
        pair(5)[0](maps())


@pytest.mark.parametrize("name", ["small", "resnet-18", "wrn-10-1", "shake-shake-26-2x8d"])
def test_a_network_with_splits_has_the_weights_of_one_without(name: str) -> None:
    def build(splits: int | None) -> nn.Module:
        torch.manual_seed(0)
        config = NetworkConfig(name=name, bn_splits=splits)
        return build_network(config, num_classes=3, channels=1, image_size=8)

    plain, split = build(None), build(2)
    assert plain.state_dict().keys() == split.state_dict().keys()
    assert all(torch.equal(a, b) for a, b in zip(plain.state_dict().values(), split.state_dict().values(), strict=True))
    norms = [module for module in split.modules() if isinstance(module, nn.BatchNorm2d)]
    assert norms and all(isinstance(norm, SplitBatchNorm) for norm in norms)


def test_splitting_twice_changes_nothing() -> None:
    network = nn.Sequential(nn.BatchNorm2d(2))
    split_batch_norm(network, 2)
    first = network[0]
    split_batch_norm(network, 2)
    assert network[0] is first


def test_a_network_without_batch_norm_over_maps_has_no_such_setting() -> None:
    with pytest.raises(ConfigError, match=r"network\.bn_splits is not a setting of the network 'timm:resnet18'"):
        NetworkConfig(name="timm:resnet18", bn_splits=2)
    with pytest.raises(ConfigError, match=r"network\.bn_splits must be at least 1"):
        NetworkConfig(bn_splits=0)
