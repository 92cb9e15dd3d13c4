"""The maps that networks show, and the decoders over them."""

from __future__ import annotations

import pytest
import torch

from tutelage.config.network import NetworkConfig
from tutelage.networks.build import build_network
from tutelage.networks.staged import StagedNetwork

CASES = [
    (NetworkConfig(name="small"), 1, 9),
    (NetworkConfig(name="small"), 3, 30),
    (NetworkConfig(name="conv-large"), 3, 14),
    (NetworkConfig(name="conv-large", normalization="mean-only"), 3, 14),
    (NetworkConfig(name="wrn-10-1"), 3, 11),
    (NetworkConfig(name="wrn-13-1"), 3, 17),
    (NetworkConfig(name="wrn-16-1", wiring="torchssl"), 3, 17),
    (NetworkConfig(name="shake-shake-26-2x4d"), 3, 13),
]


def built(config: NetworkConfig, channels: int, size: int) -> StagedNetwork:
    torch.manual_seed(0)
    network = build_network(config, num_classes=4, channels=channels, image_size=size)
    assert isinstance(network, StagedNetwork)
    return network


@pytest.mark.parametrize(("config", "channels", "size"), CASES, ids=lambda v: getattr(v, "name", None))
def test_features_are_pooled_from_the_last_map_and_channels_are_those_of_the_maps(
    config: NetworkConfig, channels: int, size: int
) -> None:
    network = built(config, channels, size).eval()
    images = torch.randn(2, channels, size, size)
    maps = network.stages(images)
    assert (images.shape[1], *(m.shape[1] for m in maps)) == network.channels
    torch.testing.assert_close(network.pooled(maps[-1]), network.features(images))
    torch.testing.assert_close(network.head(network.features(images)), network(images))


@pytest.mark.parametrize(("config", "channels", "size"), CASES, ids=lambda v: getattr(v, "name", None))
def test_a_decoder_gives_an_image_and_maps_like_those_of_the_encoder(
    config: NetworkConfig, channels: int, size: int
) -> None:
    network = built(config, channels, size)
    images = torch.randn(2, channels, size, size)
    maps = network.stages(images)
    kept = [m.detach().clone() for m in maps]
    image, decoded = network.decoder()(maps, images)
    assert image.shape == images.shape
    assert [d.shape for d in decoded] == [m.shape for m in maps[:-1]]
    (image.sum() + sum(d.square().sum() for d in decoded)).backward()
    for name, parameter in network.named_parameters():
        assert (parameter.grad is None) == name.startswith("head."), name
    for map_, before in zip(maps, kept, strict=True):
        torch.testing.assert_close(map_, before, msg="a map was changed in place")


def test_an_encoder_of_its_own_has_the_same_shape_other_weights_and_no_head() -> None:
    network = built(NetworkConfig(name="small"), 1, 8)
    other = network.encoder()
    mine, theirs = dict(network.named_parameters()), dict(other.named_parameters())
    assert set(mine) - set(theirs) == {"head.weight", "head.bias"}
    convolutions = [name for name, p in theirs.items() if p.ndim == 4]
    assert convolutions and not any(torch.equal(mine[name], theirs[name]) for name in convolutions)
    images = torch.randn(2, 1, 8, 8)
    assert other(images).shape == network.features(images).shape


def test_an_encoder_of_a_trained_network_takes_nothing_from_its_batch_norm() -> None:
    network = built(NetworkConfig(name="small"), 1, 8)
    fresh = network.encoder().state_dict()
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.weight.fill_(3.0)
                module.running_mean.fill_(2.0)
    for name, value in network.encoder().state_dict().items():
        if value.ndim < 2:
            assert torch.equal(value, fresh[name]), name


def test_an_encoder_with_weight_norm_begins_at_the_scale_of_the_network() -> None:
    network = built(NetworkConfig(name="conv-large", normalization="mean-only", dropout=0.0), 3, 14)
    images = torch.randn(64, 3, 14, 14)
    network.start_from(images)
    for mine, theirs in zip(network.stages(images), network.encoder().stages(images), strict=True):
        assert 0.3 < float((theirs.std() / mine.std()).detach()) < 3.0
