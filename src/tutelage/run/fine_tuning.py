"""Fine-tuning a network after a head was trained on its frozen features, with what is left of the budget."""

from __future__ import annotations

import dataclasses
import os

from tutelage import config
from tutelage.config import RunConfig
from tutelage.config.settings import seconds
from tutelage.core.errors import ConfigError
from tutelage.run.frozen_networks import read_backbone
from tutelage.run.method_by_name import method_class
from tutelage.run.run_record import RunRecord

LEAST = 90.0  # seconds that must be left
MANY_LABELS = 1000  # from which labels teach more than pseudo-labels, and a faster rate pays; tried with 250 and 4,000
_MANY_BATCH, _MANY_RATIO, _MANY_LR = 64, 1.0, 3e-4
TRIAL_SHARE = 0.3  # of what is left, for the trial on held-out labels
_SEMI_SUPERVISED, _SUPERVISED = "softmatch-finetuned", "supervised-finetuned"


def check_finetune(cfg: RunConfig) -> None:
    """Check that a network can be fine-tuned after the run, if the settings ask for it.

    Raises:
        ConfigError: there is no budget of which something could be left, several processes train, or several networks
            are joined.
    """
    if not cfg.train.finetune:
        return
    if len(cfg.network.parts) > 1:
        raise ConfigError(f"train.finetune is for one network, and {cfg.network.name} joins several: leave it out")
    if cfg.train.budget is None:
        raise ConfigError("train.finetune uses the rest of train.budget: give a budget, not steps")
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise ConfigError("train.finetune needs a single process: leave it out under torchrun")


def seconds_left(record: RunRecord, elapsed: float) -> float:
    """Seconds of the budget that fine-tuning may take.

    Args:
        elapsed: seconds since the command began.
    """
    return seconds(record.config["plan"]["budget"]) - elapsed


def fine_tuning_config(record: RunRecord, left: float) -> RunConfig:
    """The settings of the fine-tuning of a run whose backbone is frozen, within `left` seconds.

    It takes the unlabeled images in, as the head did or could have; but if the head that was chosen on the labels
    learns from labels alone, so does the fine-tuning. Where the run held labels out, both are compared on these;
    otherwise some are held out for a trial.
    """
    head = record.cfg
    semi = bool(method_class(head.method).unlabeled_views)
    base = config.resolve({"data.path": head.data.path}, preset=_SEMI_SUPERVISED if semi else _SUPERVISED)
    dims = read_backbone(record.path)["transform.components"].shape[1]
    batch, ratio, lr = base.train.batch_size, base.train.unlabeled_ratio, base.optimizer.lr
    if len(record.split["labeled"]) >= MANY_LABELS:
        batch, ratio, lr = _MANY_BATCH, _MANY_RATIO, _MANY_LR
    most = max(record.split["unlabeled_images"], 1) / batch
    train = dataclasses.replace(
        base.train,
        budget=f"{left:.0f}s",
        init_from=str(record.path),
        trial_share=0.0 if record.split["val_images"] else TRIAL_SHARE,
        batch_size=batch,
        unlabeled_ratio=min(ratio, most),
        metrics=head.train.metrics,
        seed=head.train.seed,
        device=head.train.device,
        precision=head.train.precision,
        workers=head.train.workers,
    )
    return dataclasses.replace(
        base,
        data=dataclasses.replace(head.data, image_size=record.data["image_size"]),
        network=dataclasses.replace(head.network, feature_dims=dims),
        augment=dataclasses.replace(base.augment, domain=head.augment.domain),
        optimizer=dataclasses.replace(base.optimizer, lr=lr),
        train=train,
    )
