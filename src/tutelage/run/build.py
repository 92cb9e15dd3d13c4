"""From settings to objects: the network, the task, and all that training needs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, cast

import torch

from tutelage.augment.ct_augment import CTAugment
from tutelage.config import AUTO, RunConfig
from tutelage.config.settings import TrainConfig
from tutelage.core.devices import choose_precision
from tutelage.core.ema import decay_for
from tutelage.core.errors import ConfigError
from tutelage.core.precision import float32_by_default
from tutelage.core.seeding import derived_seed, own_random_state
from tutelage.methods import METHODS
from tutelage.methods.base import Method, Problem
from tutelage.methods.ema_config import EMAConfig
from tutelage.networks.base import Network
from tutelage.networks.build import build_network
from tutelage.networks.staged import StagedNetwork
from tutelage.run.budget import EVALUATIONS
from tutelage.run.method_by_name import learns_from_labels, method_class, method_settings
from tutelage.tasks.base import Task
from tutelage.tasks.classification import Classification
from tutelage.tasks.own_metrics import OwnMetric
from tutelage.tasks.representation import Representation
from tutelage.training.backbone import backbone_of
from tutelage.training.optimizer import build_optimizer
from tutelage.training.protocols import Batches
from tutelage.training.state import Training

_LOG_EVERY, _LOG_LINES = 50, 20  # steps between log lines, and how many there are at least


def build_task(
    classes: tuple[str, ...], method: str = AUTO, own_metrics: tuple[OwnMetric, ...] = ()
) -> Classification | Representation:
    """The task of a data set of images, for a method."""
    return Classification(classes, own_metrics) if learns_from_labels(method) else Representation(classes)


@float32_by_default()
def build_predictor(
    cfg: RunConfig, *, num_classes: int, channels: int, image_size: int | tuple[int, ...], published: bool = True
) -> Network:
    """The network of the settings, with the weights that follow from the seed; the caller's random state stays.

    Args:
        image_size: side of images in pixels, or size of the patches of scans.
        published: fetch published weights where the settings ask for them; off where a checkpoint brings all weights.
    """
    outputs = num_classes if learns_from_labels(cfg.method) else max(num_classes, 1)  # where the projection comes
    with own_random_state():
        torch.manual_seed(derived_seed(cfg.train.seed, "weights"))
        return build_network(
            cfg.network, num_classes=outputs, channels=channels, image_size=image_size, published=published
        )


def assemble(
    cfg: RunConfig,
    student: Network,
    device: torch.device,
    *,
    task: Task,
    problem: Problem,
    loader: Callable[[Method, bool], Batches],
    steps: int | None = None,
    axes: int = 2,
    truth: torch.Tensor | None = None,
) -> Training:
    """Method, optimizer and streams.

    Args:
        loader: from the method, which says what views it takes, and whether channels come last in memory.
        steps: the length of the training; None takes `train.steps`. `set_length` changes it.
        axes: of an image, without channels.
        truth: as in `Training`.

    Raises:
        ConfigError: neither says how long; or a setting does nothing in the method.
    """
    steps = cfg.train.steps if steps is None else steps
    if steps is None:
        raise ConfigError("train.steps: the length of the training is not known; plan it from train.budget first")
    method_type, train = method_class(cfg.method), cfg.train
    if cfg.network.deep_supervision and not method_type.deep_supervision:
        able = ", ".join(method.name for method in METHODS if method.deep_supervision)
        raise ConfigError(f"network.deep_supervision does nothing in {cfg.method}: leave it out, or choose {able}")
    cfg = with_decay(cfg, steps)
    precision = choose_precision(train.precision, device)
    channels_last = train.channels_last
    if channels_last is None:  # the parts of a split batch lie together where channels come first
        channels_last = device.type != "mps" and cfg.network.bn_splits is None
    torch.manual_seed(derived_seed(train.seed, "method"))
    method = method_type(student, task, problem, method_settings(cfg)).to(device)
    if channels_last:
        method = method.to(memory_format=torch.channels_last_3d if axes == 3 else torch.channels_last)
    backbone = None if cfg.frozen else backbone_of(method, method.student, train)
    if train.compile:
        compile_networks(method)

    if cfg.augment.strong.policy == "ctaugment" and "strong" in (*method.labeled_views, *method.unlabeled_views):
        method.policy = CTAugment(cfg.augment.ct).to(device)
    eval_every, checkpoint_every = _intervals(train, steps)
    return Training(
        method=method,
        loader=loader(method, channels_last),
        optimizer=build_optimizer(method, cfg.optimizer, backbone),
        schedule=cfg.optimizer,
        total=steps,
        seed=train.seed,
        device=device,
        precision=precision,
        log_every=log_interval(train, steps),
        eval_every=eval_every,
        checkpoint_every=checkpoint_every,
        truth=truth,
        backbone=backbone,
    )


def compile_networks(method: Method, backend: str | Callable[..., Any] = "inductor") -> None:
    """Compile the features of student and teacher, or the maps they are pooled from: all but the last layer.

    `forward` of a network goes through its features, and so does a method that asks for maps, features and head apart,
    which a compiled `forward` would leave as it is. No name in a state dict changes.
    """
    networks = [method.student] + ([] if method.teacher is None else [method.teacher.network])
    for network in networks:
        if isinstance(network, StagedNetwork):
            cast(Any, network).stages = torch.compile(network.stages, backend=backend)
        else:
            cast(Any, network).features = torch.compile(cast(Network, network).features, backend=backend)


def with_decay(cfg: RunConfig, steps: int) -> RunConfig:
    """The settings with the decay of the teacher's average for `steps` steps, if there is a teacher and none was given.

    A training and its resumption take it from here, once, when the number of steps is known.
    """
    settings = method_settings(cfg)
    if not isinstance(settings, EMAConfig) or settings.ema_decay is not None:
        return cfg
    decay = decay_for(steps, settings.slowest)
    return dataclasses.replace(cfg, method_settings=dataclasses.replace(settings, ema_decay=decay))


def set_length(training: Training, cfg: RunConfig, steps: int) -> None:
    """Stretch the schedules to `steps`, and the teacher's average unless its decay was given.

    Evaluations and checkpoints come every twentieth of the steps by default, and log lines at least as often.
    """
    training.total, training.log_every = steps, log_interval(cfg.train, steps)
    settings = method_settings(with_decay(cfg, steps))
    if training.method.teacher is not None and isinstance(settings, EMAConfig):
        assert settings.ema_decay is not None
        training.method.teacher.decay = settings.ema_decay
    training.eval_every, training.checkpoint_every = _intervals(cfg.train, steps)


def log_interval(train: TrainConfig, steps: int) -> int:
    """Steps between log lines: by default 50, or as many as give a learning curve of 20 points."""
    return train.log_every or min(_LOG_EVERY, max(1, steps // _LOG_LINES))


def _intervals(train: TrainConfig, steps: int) -> tuple[int, int]:
    eval_every = train.eval_every or max(1, steps // EVALUATIONS)
    return eval_every, train.checkpoint_every or eval_every
