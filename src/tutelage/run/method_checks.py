"""Whether a method goes with what is asked of it: with the command, and with the network."""

from __future__ import annotations

from tutelage.augment.feature_views import FEATURE_VIEWS
from tutelage.config import RunConfig, preset_names
from tutelage.core.errors import ConfigError
from tutelage.core.wording import command, option
from tutelage.methods import PRETRAINERS
from tutelage.run.method_by_name import learns_from_labels, method_class, method_settings
from tutelage.tasks.own_metrics import own_metrics


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
            else f"{cfg.method} uses no labels: use "
            f"{command('pretrain', 'DATA', out='RUN', method=cfg.method)}, then {command('train')} with "
            f"{option('init_from', 'RUN')}"
        )
    if pretraining and cfg.train.metrics:
        raise ConfigError("train.metrics: pretraining predicts no classes, so there is nothing to score")
    own_metrics(cfg.train.metrics)
    if pretraining and cfg.train.baseline:
        raise ConfigError("train.baseline: pretraining has no supervised baseline; compare runs that start from it")


def check_frozen(cfg: RunConfig) -> None:
    """Check that the method goes with a frozen pretrained network, if there is one, and has one if it needs one.

    Raises:
        ConfigError: it does not, or has none.
    """
    method = method_class(cfg.method)
    if not cfg.frozen:
        if len(cfg.network.parts) > 1:
            raise ConfigError(
                f"the networks {cfg.network.name} are joined by their features and stay frozen: add "
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
