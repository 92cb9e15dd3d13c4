"""Weight norm with mean-only batch norm, and conv-large with it."""

import copy
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import tutelage
from tutelage.config.network import NetworkConfig
from tutelage.config.settings import OptimizerConfig
from tutelage.core.ema import EMATeacher
from tutelage.networks.build import build_network
from tutelage.networks.conv_large import ConvLarge
from tutelage.networks.weight_norm import WeightNormConv2d
from tutelage.training.checkpoint import load_checkpoint
from tutelage.training.optimizer import build_optimizer


def layer(momentum: float = 0.25) -> WeightNormConv2d:
    torch.manual_seed(0)
    convolution = WeightNormConv2d(3, 5, 3, padding=1, momentum=momentum).double()
    with torch.no_grad():
        convolution.gain.copy_(torch.tensor([0.5, 1.0, 2.0, -1.0, 3.0]))
        convolution.bias.copy_(torch.arange(5.0))
    return convolution


def images(rows: int = 6, size: int = 8) -> Tensor:
    return torch.randn(rows, 3, size, size, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def naive(convolution: WeightNormConv2d, x: Tensor) -> Tensor:
    """g V / |V| * x, one output channel at a time, without mean and b."""
    maps = []
    for v, g in zip(convolution.weight, convolution.gain, strict=True):
        length = sum(value**2 for value in v.flatten().tolist()) ** 0.5
        maps.append(F.conv2d(x, (g * v / length)[None], padding=1))
    return torch.cat(maps, 1)


def test_a_training_pass_takes_the_mean_of_the_batch_off_and_adds_b() -> None:
    convolution, x = layer(), images()
    mapped = naive(convolution, x)
    mean = mapped.mean((0, 2, 3), keepdim=True)
    expected = mapped - mean + convolution.bias.view(1, -1, 1, 1)
    torch.testing.assert_close(convolution(x), expected)
    torch.testing.assert_close(convolution.running_mean, 0.25 * mean.flatten())
    assert convolution(x).mean((0, 2, 3)).tolist() == pytest.approx([0, 1, 2, 3, 4], abs=1e-12)


def test_an_evaluation_pass_takes_the_running_mean_off_and_writes_nothing() -> None:
    convolution, x = layer().eval(), images()
    convolution.running_mean.copy_(torch.arange(5.0) / 10)
    before = copy.deepcopy(convolution.state_dict())
    shift = (convolution.bias - convolution.running_mean).view(1, -1, 1, 1)
    torch.testing.assert_close(convolution(x), naive(convolution, x) + shift)
    assert all(torch.equal(value, before[name]) for name, value in convolution.state_dict().items())


def test_the_length_of_v_does_not_matter_and_its_gradient_is_orthogonal_to_it() -> None:
    convolution, x = layer(), images()
    expected = convolution(x)
    expected.square().sum().backward()
    gradient = convolution.weight.grad
    assert gradient is not None and gradient.abs().max() > 0.1
    along = (gradient * convolution.weight).flatten(1).sum(1)
    assert along.abs().max() < 1e-10 * gradient.abs().max()
    with torch.no_grad():
        convolution.weight.mul_(7.0)
    torch.testing.assert_close(convolution(x), expected)


def test_the_start_gives_each_channel_mean_0_and_unit_spread_in_both_modes() -> None:
    convolution, x = layer(), images()
    returned = convolution.start_from(x)
    for training in (True, False):
        mapped = convolution.train(training)(x)
        spread, mean = torch.std_mean(mapped, (0, 2, 3), correction=0)
        assert mean.tolist() == pytest.approx([0.0] * 5, abs=1e-12)
        assert spread.tolist() == pytest.approx([1.0] * 5)
        torch.testing.assert_close(mapped, returned)


def test_a_channel_that_is_constant_over_the_images_stays_finite() -> None:
    convolution = layer()
    assert convolution.start_from(torch.zeros(2, 3, 8, 8, dtype=torch.float64)).isfinite().all()
    assert all(value.isfinite().all() for value in convolution.state_dict().values())


def conv_large() -> ConvLarge:
    torch.manual_seed(0)
    config = NetworkConfig(name="conv-large", normalization="mean-only", input_noise=0.0)
    network = build_network(config, num_classes=10, channels=3, image_size=16)
    assert isinstance(network, ConvLarge)
    return network


def test_conv_large_with_weight_norm_has_the_published_count_and_momentum() -> None:
    network = conv_large()
    assert sum(parameter.numel() for parameter in network.parameters()) == 3_121_802
    layers = [module for module in network.modules() if isinstance(module, WeightNormConv2d)]
    assert len(layers) == 9
    assert {module.momentum for module in layers} == {0.001}
    assert not any(isinstance(module, nn.BatchNorm2d) for module in network.modules())


def test_conv_large_starts_with_unit_spread_at_the_end_of_its_trunk_in_the_passes_of_the_training() -> None:
    network, x = conv_large(), images(8, 16).float()
    network.start_from(x)
    seen: list[Tensor] = []
    last = [module for module in network.modules() if isinstance(module, WeightNormConv2d)][-1]
    last.register_forward_hook(lambda module, inputs, output: seen.append(output.clone()))
    network(x)  # with dropout of its own
    spread, mean = torch.std_mean(seen[0], (0, 2, 3), correction=0)
    assert spread.mean().item() == pytest.approx(1.0, abs=0.2)
    assert mean.abs().max() < 1e-5


def test_the_gradient_reaches_g_v_and_b_and_weight_decay_is_on_v_alone() -> None:
    network = conv_large()
    F.cross_entropy(network(images(8, 16).float()), torch.arange(8)).backward()
    assert all(p.grad is not None and p.grad.any() for p in network.parameters())
    kernels, others = build_optimizer(network, OptimizerConfig(weight_decay=0.1)).param_groups
    assert kernels["weight_decay"] == 0.1 and others["weight_decay"] == 0.0
    assert {id(p) for p in kernels["params"]} == {id(p) for n, p in network.named_parameters() if p.ndim > 1}
    gains = {id(m.gain) for m in network.modules() if isinstance(m, WeightNormConv2d)}
    assert gains <= {id(p) for p in others["params"]}


def test_the_moving_average_covers_g_v_and_b_and_leaves_the_teacher_its_own_means() -> None:
    network = conv_large()
    teacher = EMATeacher(network, 0.5, warmup=False)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(1.0)
        network(images(4, 16).float())
    start = copy.deepcopy(teacher.network.state_dict())
    teacher.update(network, 1)
    averaged = dict(teacher.network.named_parameters())
    for name, parameter in network.named_parameters():
        torch.testing.assert_close(averaged[name], 0.5 * (start[name] + parameter))
    for name, buffer in teacher.network.named_buffers():
        assert torch.equal(buffer, start[name])


@pytest.mark.long
def test_a_run_starts_from_its_images_before_the_teacher_is_copied(tmp_path: Path) -> None:
    run = tutelage.train(
        "digits",
        out=tmp_path / "run",
        steps=1,
        batch_size=4,
        network="conv-large",
        device="cpu",
        settings={"network.normalization": "mean-only", "data.image_size": 12, "optimizer.lr": 1e-12},
    )
    tensors = load_checkpoint(run.path / "checkpoints").tensors
    gains = [name for name in tensors if name.startswith("method.student.") and name.endswith("gain")]
    assert len(gains) == 9
    for name in gains:
        assert (tensors[name] - 1.0).abs().mean() > 0.05
        torch.testing.assert_close(tensors[name.replace("student", "teacher.network")], tensors[name])
    means = [tensors[name.replace("gain", "running_mean")] for name in gains]
    assert all(mean.abs().max() > 0 for mean in means)
