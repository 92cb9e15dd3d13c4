"""The training of a head on the cached features of a frozen backbone."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tutelage.config import RunConfig
from tutelage.core.feature_bank import FeatureBank
from tutelage.core.targets import class_weights
from tutelage.data.images.dataset import ImageDataset
from tutelage.data.images.loader import unchanged
from tutelage.networks.base import Network
from tutelage.networks.frozen import FeatureHead
from tutelage.run.data_modules.image_streams import Inputs, build_training
from tutelage.run.frozen import FrozenBackbone
from tutelage.training.state import Training

Features = NDArray[np.float32]
_START_L2 = 0.08  # of the head that fine-tuning starts from, on coordinates of size 1; as in the presets of heads


def new_head(cfg: RunConfig, data: ImageDataset, features: Features) -> FeatureHead:
    """A head that starts at the logistic regression of the labeled rows of `features` (N, D).

    Rows weigh as much in it as they are drawn often in training.
    """
    head, rows = FeatureHead(features.shape[1], len(data.classes)), data.labeled_rows
    label = torch.from_numpy(data.train.labels[rows])
    weights = None
    if cfg.data.labeled_sampling == "classes":
        weights = class_weights(torch.bincount(label, minlength=len(data.classes)))[label]
    head.start_at(torch.from_numpy(features[rows]), label, l2=cfg.optimizer.weight_decay, row_weights=weights)
    return head


def start_of_network(
    cfg: RunConfig, data: ImageDataset, backbone: FrozenBackbone, features: Features
) -> dict[str, Tensor]:
    """The tensors `transform.*` and `head.*` with which a network predicts as the logistic regression of its features.

    Args:
        backbone: the same network, frozen, with its transform fitted.
        features: (N, D) of the training images, transformed.
    """
    assert backbone.transform is not None
    optimizer = dataclasses.replace(cfg.optimizer, weight_decay=_START_L2)
    head = new_head(dataclasses.replace(cfg, optimizer=optimizer), data, features)
    parts = nn.ModuleDict({"transform": backbone.transform, "head": head.head})
    return dict(parts.state_dict())


def build_feature_training(
    cfg: RunConfig,
    data: ImageDataset,
    features: Features,
    device: torch.device,
    head: Network,
    *,
    steps: int,
    widths: tuple[int, ...] = (),
) -> Training:
    """Everything that training a head on `features` (N, D) needs; see `assemble`.

    Args:
        widths: the columns of each network, if the features are of several.
    """
    training = build_training(cfg, data, Inputs(features, unchanged), device, head, steps=steps)
    training.method.prepare(_bank(data, features, device, widths))
    return training


def _bank(data: ImageDataset, features: Features, device: torch.device, widths: tuple[int, ...]) -> FeatureBank:
    def on_device(values: NDArray[Any]) -> torch.Tensor:
        return torch.from_numpy(values).to(device)

    return FeatureBank(
        features=on_device(features),
        labeled=on_device(data.labeled_rows),
        label=on_device(data.train.labels[data.labeled_rows]),
        unlabeled=on_device(data.unlabeled_rows),
        widths=widths,
    )
