"""The V-Net of UA-MT and LASeg from what is known of their code: names of tensors, layers, and additive skips.

Known: nine stages of 1, 2, 3, 3, 3, 3, 3, 2, 1 convolutions of 3^3 with bias, each followed by batch norm and ReLU;
strided convolutions without overlap between them; dropout after the fifth and the ninth stage; a head of 1^3. LASeg's
coarsest level has strides of 2, 2, 1.
"""

import torch
from torch import Tensor, nn

STAGES = {"one": 1, "two": 2, "three": 3, "four": 3, "five": 3, "six": 3, "seven": 3, "eight": 2, "nine": 1}


class Block(nn.Module):
    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.conv = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.conv(x)
        return found


class NaiveVNet(nn.Module):
    """Args: `form` is "ua-mt" or "laseg"; `dims` is 3, or 2 for slices."""

    def __init__(self, form: str, *, width: int, channels: int = 1, classes: int = 2, dims: int = 3) -> None:
        super().__init__()
        conv, norm, up = (nn.Conv3d, nn.BatchNorm3d, nn.ConvTranspose3d)
        dropout: type[nn.Module] = nn.Dropout3d
        if dims == 2:
            conv, norm, up, dropout = nn.Conv2d, nn.BatchNorm2d, nn.ConvTranspose2d, nn.Dropout2d  # type: ignore[assignment]
        wide = dict(zip(STAGES, [width * n for n in (1, 2, 4, 8, 16, 8, 4, 2, 1)], strict=True))
        names = list(STAGES)
        for number, (name, depth) in enumerate(STAGES.items()):
            layers: list[nn.Module] = []
            for layer in range(depth):
                given = channels if number == layer == 0 else wide[name]
                layers += [conv(given, wide[name], 3, padding=1), norm(wide[name]), nn.ReLU()]
            setattr(self, f"block_{name}", Block(*layers))
            if name == "nine":
                continue
            then, bottom = wide[names[number + 1]], name in ("four", "five")
            stride = (2, 2, 1) if bottom and form == "laseg" else (2,) * dims
            kind, suffix = (conv, "dw") if number < 4 else (up, "up")
            strided = kind(wide[name], then, stride, stride=stride)  # type: ignore[arg-type]
            setattr(self, f"block_{name}_{suffix}", Block(strided, norm(then), nn.ReLU()))
        self.dropout = dropout(0.5)
        self.out_conv = conv(width, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        kept = []
        for name in ("one", "two", "three", "four"):
            x = getattr(self, f"block_{name}")(x)
            kept.append(x)
            x = getattr(self, f"block_{name}_dw")(x)
        x = self.dropout(self.block_five(x))
        for before, name in (("five", "six"), ("six", "seven"), ("seven", "eight"), ("eight", "nine")):
            x = getattr(self, f"block_{name}")(getattr(self, f"block_{before}_up")(x) + kept.pop())
        logits: Tensor = self.out_conv(self.dropout(x))
        return logits


def trained(form: str = "ua-mt", *, seed: int = 0, width: int = 2, **shape: int) -> NaiveVNet:
    """A network with statistics and scales of its own, in evaluation mode."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = NaiveVNet(form, width=width, **shape)
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d | nn.BatchNorm3d):
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.uniform_(module.bias, -0.3, 0.3)
                assert module.running_mean is not None and module.running_var is not None
                nn.init.uniform_(module.running_mean, -0.1, 0.1)
                nn.init.uniform_(module.running_var, 0.1, 0.5)
    return network.eval()
