"""The training of a method on images: its streams with the views that it asks for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tutelage.augment.ct_augment import CTAugment
from tutelage.augment.feature_views import build_feature_views
from tutelage.augment.view import ImageShape, View
from tutelage.augment.views import build_views
from tutelage.config import RunConfig
from tutelage.config.settings import TrainConfig
from tutelage.data.images.dataset import ImageDataset
from tutelage.data.images.loader import ImageLoader, ImageStream
from tutelage.data.images.streamed import StreamedImages
from tutelage.data.sampler import ClassSampler, Sampler, StreamSampler
from tutelage.methods.base import Method, Problem
from tutelage.networks.base import Network
from tutelage.run.build import assemble, build_task
from tutelage.training.state import Training


@dataclass(frozen=True)
class Inputs:
    """What a network sees of the training images: their pixels (N, C, H, W) uint8, or features (N, D) float32."""

    rows: NDArray[Any] | StreamedImages
    normalization: Callable[[Tensor], Tensor]

    @property
    def cached(self) -> bool:
        """Whether these are features."""
        return self.rows.ndim == 2


def build_training(
    cfg: RunConfig,
    dataset: ImageDataset,
    inputs: Inputs,
    device: torch.device,
    student: Network,
    *,
    steps: int | None = None,
) -> Training:
    """Everything that training on images needs; see `assemble`."""
    return assemble(
        cfg,
        student,
        device,
        task=build_task(dataset.classes, cfg.method),
        problem=_problem(cfg.train, dataset),
        loader=lambda method, channels_last: _build_loader(
            cfg, dataset, inputs, method, device, channels_last=channels_last and not inputs.cached
        ),
        steps=steps,
        truth=torch.from_numpy(dataset.hidden_labels).to(device) if (dataset.hidden_labels >= 0).any() else None,
    )


def _problem(train: TrainConfig, dataset: ImageDataset) -> Problem:
    labels = dataset.train.labels[dataset.labeled_rows]
    return Problem(
        num_classes=len(dataset.classes),
        train_rows=len(dataset.train.images),
        labeled_rows=len(dataset.labeled_rows),
        unlabeled_rows=len(dataset.unlabeled_rows),
        labeled_batch=train.batch_size,
        unlabeled_batch=train.unlabeled_batch,
        labeled_counts=tuple(np.bincount(labels, minlength=len(dataset.classes)).tolist()),
    )


def _build_loader(
    cfg: RunConfig,
    dataset: ImageDataset,
    inputs: Inputs,
    method: Method,
    device: torch.device,
    *,
    channels_last: bool,
) -> ImageLoader:
    """Both streams, with the views that the method asks for."""
    train = cfg.train
    ct = method.policy if isinstance(method.policy, CTAugment) else None

    def build(names: tuple[str, ...]) -> tuple[View, ...]:
        if inputs.cached:
            return build_feature_views(names, cfg.augment.features)
        return build_views(names, cfg.augment, ImageShape(*inputs.rows.shape[1:]), ct)

    def stream(name: str, rows: Any, batch: int, views: tuple[str, ...], labels: Any) -> ImageStream | None:
        if not views:
            return None
        sampler: Sampler = StreamSampler(rows, batch, seed=train.seed, stream=name)
        if labels is not None and cfg.data.labeled_sampling == "classes":
            sampler = ClassSampler(rows, labels[rows], batch, seed=train.seed, stream=name)
        probe = None if ct is None or labels is None else build(("probe",))[0]
        return ImageStream(sampler, build(views), labels, probe)

    return ImageLoader(
        inputs.rows,
        labeled=stream("labeled", dataset.labeled_rows, train.batch_size, method.labeled_views, dataset.train.labels),
        unlabeled=stream("unlabeled", dataset.unlabeled_rows, train.unlabeled_batch, method.unlabeled_views, None),
        normalization=inputs.normalization,
        seed=train.seed,
        device=device,
        workers=train.workers,
        channels_last=channels_last,
        compiled="inductor" if train.compile and device.type != "cpu" else None,
    )
