"""A network of your own. Train it on the bundled digits with `python own_network.py`."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated

from torch import Tensor, nn

import tutelage
from tutelage import Network


class PlainNet(Network):
    """Three convolutions with batch norm, then the mean over pixels: `forward(x) == head(features(x))`."""

    @dataclass(frozen=True, kw_only=True)
    class Config:
        """Settings of `PlainNet`: each is a flag, e.g. --network.width 64."""

        width: Annotated[int, "channels of each layer"] = 32
        dropout: Annotated[float, "probability that a feature is dropped in training"] = 0.0

    def __init__(self, num_classes: int, channels: int, cfg: Config) -> None:
        super().__init__()
        sizes = (channels, cfg.width, cfg.width, cfg.width)
        layers: list[nn.Module] = []
        for before, after in pairwise(sizes):
            layers += [nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.Dropout2d(cfg.dropout))
        self.head = nn.Linear(cfg.width, num_classes)

    def features(self, images: Tensor) -> Tensor:
        """(B, width), for images (B, C, H, W) of any size."""
        return self.layers(images).mean((2, 3))


if __name__ == "__main__":
    # By its import path, which the run records: `__main__` names whatever script is running.
    run = tutelage.train(
        "digits",
        out="runs/own-network",
        method="mean-teacher",
        network="own_network:PlainNet",
        settings={"network.width": 48, "method.ema_decay": 0.99},
        label_count=40,
        steps=400,
    )
    print(run.metrics["test"]["teacher"]["accuracy"])
