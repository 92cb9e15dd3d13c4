"""From settings to objects: the only module that knows both."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from tutelage.augment.ct_augment import CTAugment
from tutelage.augment.feature_views import FEATURE_VIEWS
from tutelage.config import AUTO, IMPORTED, RunConfig, options, preset_names
from tutelage.config.network import OwnNetworkConfig
from tutelage.config.settings import TrainConfig
from tutelage.core.devices import choose_precision
from tutelage.core.distributed import local_rows, world_size
from tutelage.core.ema import decay_for
from tutelage.core.errors import ConfigError, did_you_mean
from tutelage.core.import_path import EXPECTED, is_import_path
from tutelage.core.precision import float32_by_default
from tutelage.core.seeding import derived_seed, own_random_state
from tutelage.core.wording import command, option
from tutelage.methods import ADDITIONS, METHODS, PRETRAINERS
from tutelage.methods.base import Method, Problem
from tutelage.methods.ema_config import EMAConfig
from tutelage.methods.own import own_method
from tutelage.networks.base import Network
from tutelage.networks.build import build_network
from tutelage.networks.own import own_settings
from tutelage.networks.staged import StagedNetwork
from tutelage.run.budget import EVALUATIONS
from tutelage.tasks.base import Task
from tutelage.tasks.classification import Classification
from tutelage.tasks.own_metrics import OwnMetric, own_metrics
from tutelage.tasks.representation import Representation
from tutelage.training.backbone import backbone_of
from tutelage.training.optimizer import build_optimizer
from tutelage.training.protocols import Batches
from tutelage.training.state import Training

_LOG_EVERY, _LOG_LINES = 50, 20  # steps between log lines, and how many there are at least


def method_class(name: str) -> type[Method]:
    """The method of that name, or that an import path `package.module:Class` names.

    Raises:
        ConfigError: there is none.
    """
    if is_import_path(name):
        return own_method(name, METHODS)
    known = {method.name: method for method in METHODS}
    if name in ADDITIONS:
        raise ConfigError(ADDITIONS[name])
    if name not in known:
        if ":" in name:
            raise ConfigError(f"method must be the name of a method or {EXPECTED}, got {name!r}")
        raise ConfigError(f"unknown method '{name}'{did_you_mean(name, known)}")
    return known[name]


def evaluated_network(name: str) -> str:
    """The network that runs of a method predict with, "student" or "teacher"; imported weights are a student's.

    Raises:
        ConfigError: there is no such method.
    """
    return "student" if name == IMPORTED else method_class(name).evaluated


def method_settings(cfg: RunConfig) -> Any:
    """The method's settings as its `Config`: as they are where they were built already, as in `resolved` settings.

    Raises:
        ConfigError: the method or one of its settings is unknown or out of range.
    """
    if isinstance(cfg.method_settings, Mapping):
        return options.build(method_class(cfg.method).Config, cfg.method_settings, "method.")
    return cfg.method_settings


def resolved(cfg: RunConfig) -> RunConfig:
    """`cfg` with the method's settings built, unless the method is to be chosen, and with all settings of a network of
    another package.

    Raises:
        ConfigError: as `method_settings` and `own_settings`.
    """
    if isinstance(cfg.network, OwnNetworkConfig) and (settings := own_settings(cfg.network)) is not None:
        network = dataclasses.replace(cfg.network, own=dataclasses.asdict(settings))
        cfg = dataclasses.replace(cfg, network=network)
    if cfg.method == AUTO:
        return cfg
    return dataclasses.replace(cfg, method_settings=method_settings(cfg))


def learns_from_labels(method: str) -> bool:
    """Whether a method needs labels; one without pretrains an encoder. One that is still to be chosen needs them."""
    return method in (AUTO, IMPORTED) or "representation" not in method_class(method).tasks


def check_goal(cfg: RunConfig, *, pretraining: bool) -> None:
    """Check that the method is for what is asked of it, and that what is imported by name is there.

    Raises:
        ConfigError: it pretrains and training is asked for, or the reverse; a pretraining asks for a baseline or for
            metrics of class probabilities; or a metric of another package cannot be imported.
    """
    others = [method.name for method in PRETRAINERS]
    if learns_from_labels(cfg.method) == pretraining:
        raise ConfigError(
            f"{cfg.method} learns from labels: use {command('train')}; to pretrain without labels use "
            f"{' or '.join(others)}"
            if pretraining
            else f"{cfg.method} learns from no labels: use "
            f"{command('pretrain', 'DATA', out='RUN', method=cfg.method)}, then {command('train')} with "
            f"{option('init_from', 'RUN')}"
        )
    if pretraining and cfg.train.metrics:
        raise ConfigError("train.metrics: a pretraining predicts no classes, so there is nothing to score by them")
    own_metrics(cfg.train.metrics)
    if pretraining and cfg.train.baseline:
        raise ConfigError("train.baseline: a pretraining has no supervised baseline; compare what is trained from it")


def check_frozen(cfg: RunConfig) -> None:
    """Check that the method goes with a frozen pretrained network, if there is one, and has one if it needs one.

    Raises:
        ConfigError: it does not, or has none.
    """
    method = method_class(cfg.method)
    if not cfg.frozen:
        if len(cfg.network.parts) > 1:
            raise ConfigError(
                f"the networks {cfg.network.name} are joined by their features, and stay as they are: add "
                f"{option('train.freeze', 'all')} without train.init_from, or choose one of them to train"
            )
        if method.needs_features:
            preset = f"{cfg.method}-features"
            also = f", or {option('preset', preset)}" if preset in preset_names() else ""
            raise ConfigError(
                f"{cfg.method} trains a head on the features of a frozen pretrained network: add "
                f"{option('network', 'efficientnet-lite0')} {option('train.freeze', 'all')}{also}"
            )
        return
    views = {*method.labeled_views, *method.unlabeled_views}
    fault = method.features_fault(method_settings(cfg))
    if not learns_from_labels(cfg.method):
        fault = "it trains the whole network"
    elif other := sorted(views - set(FEATURE_VIEWS)):
        fault = f"features have no view '{other[0]}'"
    elif cfg.augment.strong.policy == "ctaugment" and "strong" in views:
        fault = "augment.strong.policy ctaugment learns how to change images"
    if fault is not None:
        raise ConfigError(
            f"{cfg.method} cannot train a head on the features of a frozen network, since {fault}: leave out "
            "train.freeze all, or choose another method, such as softmatch"
        )


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


def check_streams(cfg: RunConfig, unlabeled_rows: NDArray[np.int64], items: str = "images") -> None:
    """Check the batches against the data.

    Args:
        items: what a row is, in the plural.

    Raises:
        ConfigError: a stream that the method needs is empty or smaller than its batch, or a batch cannot be shared by
            the processes.
    """
    method = method_class(cfg.method)
    local_rows(cfg.train.batch_size)
    if not method.unlabeled_views:
        return
    local_rows(cfg.train.unlabeled_batch)
    have, want = len(unlabeled_rows), cfg.train.unlabeled_batch
    if have == 0:
        raise ConfigError(
            f"{cfg.method} learns from unlabeled {items}, and there are none; add some (a folder 'unlabeled', or "
            f"{option('unlabeled')}), or use {option('method', 'supervised')}"
        )
    if want > have and not method.labeled_views:
        raise ConfigError(
            f"the batch of {want} (train.batch_size) is larger than the {have} {items} there are; lower it"
        )
    if want > have:
        raise ConfigError(
            f"the unlabeled batch of {want} (train.batch_size {cfg.train.batch_size} x train.unlabeled_ratio "
            f"{cfg.train.unlabeled_ratio:g}) is larger than the unlabeled stream of {have} {items}; lower one of them"
        )
    splits = cfg.network.bn_splits
    if splits is not None and not method.labeled_views and want // world_size() % splits:
        raise ConfigError(
            f"network.bn_splits {splits} does not divide the batch of {want // world_size()} images of each process "
            "(train.batch_size): change one of them"
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
