"""The wide residual networks of three FixMatch ports, from what is known of their code: state dict and forward pass.

Known: the names of tensors; one 3x3 stem of 16 channels; groups of n units; the first unit of group 1 activates what
its shortcut and its main path see, the first unit of a later group feeds both from the raw map and ignores its bn1;
leaky slope 0.1; evaluation-mode batch norm. They differ in biases, in epsilon, in the name of the head, and with four
groups (STL-10) the first one halves the map as well.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class Port:
    stem_bias: bool
    unit_bias: bool
    head: str
    unit_epsilon: float
    last_epsilon: float


PORTS = {
    "fixmatch-pytorch": Port(False, False, "fc", 1e-5, 1e-5),
    "torchssl": Port(True, True, "fc", 1e-3, 1e-3),
    "usb": Port(True, False, "classifier", 1e-5, 1e-3),
}


def random_state(
    name: str, *, widths: tuple[int, ...], units: int, num_classes: int, seed: int = 0
) -> dict[str, Tensor]:
    """A state dict with random weights and statistics; the ignored norms hold their start, but ran."""
    port, draw = PORTS[name], torch.Generator().manual_seed(seed)
    state: dict[str, Tensor] = {}

    def convolution(key: str, out: int, channels: int, kernel: int, bias: bool) -> None:
        state[f"{key}.weight"] = torch.randn(out, channels, kernel, kernel, generator=draw) / (kernel * channels**0.5)
        if bias:
            state[f"{key}.bias"] = 0.3 * torch.randn(out, generator=draw)

    def norm(key: str, channels: int, trained: bool = True) -> None:
        state[f"{key}.weight"] = 1 + 0.3 * torch.randn(channels, generator=draw) if trained else torch.ones(channels)
        state[f"{key}.bias"] = 0.3 * torch.randn(channels, generator=draw) if trained else torch.zeros(channels)
        state[f"{key}.running_mean"] = 0.3 * torch.randn(channels, generator=draw)
        # Small, so that the epsilon matters.
        state[f"{key}.running_var"] = 0.02 + 0.05 * torch.rand(channels, generator=draw)
        state[f"{key}.num_batches_tracked"] = torch.tensor(1000)

    convolution("conv1", 16, 3, 3, port.stem_bias)
    channels = 16
    for group, width in enumerate(widths, start=1):
        for unit in range(units):
            key = f"block{group}.layer.{unit}"
            norm(f"{key}.bn1", channels, trained=group == 1 or unit > 0)
            convolution(f"{key}.conv1", width, channels, 3, port.unit_bias)
            norm(f"{key}.bn2", width)
            convolution(f"{key}.conv2", width, width, 3, port.unit_bias)
            if channels != width:
                convolution(f"{key}.convShortcut", width, channels, 1, port.unit_bias)
            channels = width
    norm("bn1", channels)
    state[f"{port.head}.weight"] = torch.randn(num_classes, channels, generator=draw) / channels**0.5
    state[f"{port.head}.bias"] = 0.3 * torch.randn(num_classes, generator=draw)
    return state


def logits(name: str, state: dict[str, Tensor], images: Tensor) -> Tensor:
    """(B, K): the port's forward pass in evaluation mode."""
    port = PORTS[name]

    def convolve(key: str, x: Tensor, stride: int = 1) -> Tensor:
        kernel = state[f"{key}.weight"]
        return F.conv2d(x, kernel, state.get(f"{key}.bias"), stride=stride, padding=kernel.shape[-1] // 2)

    def activate(key: str, x: Tensor, epsilon: float) -> Tensor:
        def column(part: str) -> Tensor:
            return state[f"{key}.{part}"][:, None, None]

        x = (x - column("running_mean")) / (column("running_var") + epsilon) ** 0.5 * column("weight") + column("bias")
        return torch.where(x > 0, x, 0.1 * x)

    groups = max(int(key[5]) for key in state if key.startswith("block"))
    units = 1 + max(int(key.split(".")[2]) for key in state if key.startswith("block1"))
    x = convolve("conv1", images)
    for group in range(1, groups + 1):
        for unit in range(units):
            key = f"block{group}.layer.{unit}"
            stride = 2 if unit == 0 and (group > 1 or groups == 4) else 1
            if unit > 0:
                main, side = activate(f"{key}.bn1", x, port.unit_epsilon), x
            elif group == 1:
                main = side = activate(f"{key}.bn1", x, port.unit_epsilon)
            else:
                main = side = x
            main = activate(f"{key}.bn2", convolve(f"{key}.conv1", main, stride), port.unit_epsilon)
            reshaped = f"{key}.convShortcut.weight" in state
            side = convolve(f"{key}.convShortcut", side, stride) if reshaped else side
            x = convolve(f"{key}.conv2", main) + side
    pooled = activate("bn1", x, port.last_epsilon).mean((2, 3))
    return pooled @ state[f"{port.head}.weight"].T + state[f"{port.head}.bias"]
