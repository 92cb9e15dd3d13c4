"""The settings of a run, as frozen dataclasses. Flags, `--help` and the docs tables are derived from them.

The settings of methods are in the files of the methods. This module imports nothing heavy, so that the command line
starts quickly.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Literal

from tutelage.core.errors import ConfigError, maybe
from tutelage.core.import_path import EXPECTED, is_import_path

BASELINE_SHARE = 0.25
LOGS = ("mlflow", "wandb", "tensorboard")


def require(holds: bool, setting: str, expected: str, got: object) -> None:
    """Raise `ConfigError("<setting> must be <expected>, got <got>")` unless `holds`."""
    if not holds:
        raise ConfigError(f"{setting} must be {expected}, got {got!r}")


@dataclass(frozen=True, kw_only=True)
class OptimizerConfig:
    """The optimizer and its schedules. Lengths are shares of the training, so that schedules scale with it."""

    name: Annotated[Literal["sgd", "adam", "adamw"], "optimizer"] = "sgd"
    lr: Annotated[float, "peak learning rate"] = 0.03
    momentum: Annotated[float, "SGD's momentum, or Adam's beta1"] = 0.9
    nesterov: Annotated[bool, "Nesterov's form of SGD's momentum"] = True
    beta2: Annotated[float, "Adam's beta2"] = 0.999
    weight_decay: Annotated[float, "L2 penalty in sgd and adam; decoupled, times the learning rate, in adamw"] = 5e-4
    decay_all: Annotated[bool, "apply weight decay to biases and normalization weights, too, not only to kernels"] = (
        False
    )
    schedule: Annotated[
        Literal["constant", "cosine-7-16", "cosine", "ramps", "step"],
        "learning-rate schedule: cosine-7-16 ends at 0.195 of the peak, cosine at 0; ramps rises and falls as sigmoids",
    ] = "cosine-7-16"
    warmup: Annotated[
        float, "linear warm-up as a share of the training; with schedule=ramps the length of the ramp-up"
    ] = 0.0
    warmup_form: Annotated[
        Literal["multiply", "before"],
        "multiply: the warm-up scales the schedule; before: the rate rises from 0, and the cosine starts after that",
    ] = "multiply"
    cosine_length: Annotated[
        float, "with schedule=cosine: where it would reach 0, as a multiple of the training; at least 1"
    ] = 1.0
    rampdown: Annotated[float, "with schedule=ramps: length of the ramp-down as a share of the training"] = 0.0
    momentum_end: Annotated[float | None, "with schedule=ramps: momentum (beta1) at the end of the ramp-down"] = None
    step_at: Annotated[
        tuple[float, ...], "with schedule=step: when the rate drops, as shares of the training, e.g. 0.5,0.75"
    ] = (0.8,)
    step_factor: Annotated[float, "with schedule=step: factor of each drop"] = 0.2
    clip_norm: Annotated[float | None, "norm to which gradients are clipped; by default they are not"] = None

    def __post_init__(self) -> None:
        for name in ("momentum", "beta2"):
            value = getattr(self, name)
            require(0.0 <= value < 1.0, f"optimizer.{name}", "in [0, 1)", value)
        require(0.0 <= self.rampdown <= 1.0, "optimizer.rampdown", "in [0, 1]", self.rampdown)
        rising = all(a < b for a, b in pairwise((-1.0, *self.step_at)))
        inside = all(0.0 <= share <= 1.0 for share in self.step_at)
        require(bool(self.step_at) and rising and inside, "optimizer.step_at", "rising shares in [0, 1]", self.step_at)
        require(self.warmup >= 0.0, "optimizer.warmup", "at least 0", self.warmup)  # above 1 it never ends
        short = self.warmup_form == "multiply" or self.warmup < 1.0
        require(short, "optimizer.warmup", "below 1 with optimizer.warmup_form = 'before'", self.warmup)
        require(self.lr > 0, "optimizer.lr", "above 0", self.lr)
        require(self.weight_decay >= 0, "optimizer.weight_decay", "at least 0", self.weight_decay)
        require(self.cosine_length >= 1, "optimizer.cosine_length", "at least 1", self.cosine_length)
        require(0 < self.step_factor <= 1, "optimizer.step_factor", "in (0, 1]", self.step_factor)
        require(self.clip_norm is None or self.clip_norm > 0, "optimizer.clip_norm", "above 0", self.clip_norm)
        require(
            self.momentum_end is None or 0.0 <= self.momentum_end < 1.0,
            "optimizer.momentum_end",
            "in [0, 1)",
            self.momentum_end,
        )
        self._refuse_what_does_nothing()

    def _refuse_what_does_nothing(self) -> None:
        used_by = {
            "cosine_length": ("schedule", "cosine"),
            "rampdown": ("schedule", "ramps"),
            "momentum_end": ("schedule", "ramps"),
            "step_at": ("schedule", "step"),
            "step_factor": ("schedule", "step"),
        }
        defaults = type(self).__dataclass_fields__
        for name, (selector, value) in used_by.items():
            if getattr(self, selector) != value and getattr(self, name) != defaults[name].default:
                raise ConfigError(
                    f"optimizer.{name} does nothing with optimizer.{selector} = {getattr(self, selector)!r}; "
                    f"it belongs to {value!r}"
                )
        for name, users in (("beta2", ("adam", "adamw")), ("nesterov", ("sgd",))):
            if self.name not in users and getattr(self, name) != defaults[name].default:
                raise ConfigError(
                    f"optimizer.{name} does nothing with optimizer.name = {self.name!r}; "
                    f"it is for {' and '.join(users)}"
                )
        if self.warmup_form != "multiply" and (self.warmup == 0 or self.schedule == "ramps"):
            raise ConfigError(
                f"optimizer.warmup_form does nothing with optimizer.warmup = {self.warmup} and optimizer.schedule = "
                f"{self.schedule!r}; it is for a warm-up above 0, in any schedule but 'ramps'"
            )
        if self.momentum_end is not None and self.rampdown == 0:
            raise ConfigError("optimizer.momentum_end does nothing with optimizer.rampdown = 0: set that too")


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Length, batches and device of the training. Everything is counted in optimizer steps."""

    steps: Annotated[int | None, "optimizer steps; by default what fits the budget"] = None
    budget: Annotated[
        str | None,
        "time for the whole command, e.g. 90s, 30m, 2h, or a number of minutes",
    ] = None
    batch_size: Annotated[int, "labeled images per step"] = 64
    unlabeled_ratio: Annotated[float, "unlabeled images per labeled image in a step (mu)"] = 1.0
    seed: Annotated[int, "seed of the split, batches, augmentation and weights"] = 0
    device: Annotated[str, "auto, cpu, cuda, cuda:1, mps"] = "auto"
    precision: Annotated[
        Literal["auto", "fp32", "bf16", "fp16"], "auto is bf16 on GPUs that support it, otherwise fp32"
    ] = "auto"
    channels_last: Annotated[bool | None, "channels-last memory format; by default everywhere but on mps"] = None
    compile: Annotated[bool, "compile networks and views by torch.compile"] = False
    deterministic: Annotated[bool, "false: cuDNN tries which algorithm is fastest; resumed runs may differ"] = True
    workers: Annotated[int, "threads that decode images and load batches ahead"] = 2
    log_every: Annotated[int | None, "steps between log lines; by default up to 50"] = None
    eval_every: Annotated[int | None, "steps between evaluations; by default there are 20"] = None
    checkpoint_every: Annotated[int | None, "steps between checkpoints; by default eval_every"] = None
    init_from: Annotated[str | None, "run folder whose network initializes this one, with its head if it fits"] = None
    backbone_lr: Annotated[float, "learning rate of a pretrained backbone, as a multiple of that of the head"] = 1.0
    freeze: Annotated[
        Literal["all"] | float, "share of the training during which a pretrained backbone is frozen, or the word all"
    ] = 0.0
    finetune: Annotated[
        bool,
        "after training a head, use the rest of the budget to fine-tune the network, and keep the better of the two",
    ] = False
    trial_share: Annotated[
        float,
        "with init_from a head: share of the budget for a trial on held-out labels; the run ends if the head is better",
    ] = 0.0
    trained_stages: Annotated[
        int | None,
        "train only this many of a backbone's last stages, and keep its batch-norm statistics; by default train all",
    ] = None
    metrics: Annotated[
        tuple[str, ...],
        "additional scores: your functions of (probs, labels), package.module:function, separated by commas",
    ] = ()
    log: Annotated[
        tuple[str, ...], "also write to mlflow, wandb or tensorboard, separated by commas (extras of these names)"
    ] = ()
    baseline: Annotated[bool, "also train a supervised baseline, and report whether the unlabeled images helped"] = (
        False
    )
    baseline_share: Annotated[
        float, "share of a budget's training time for the baseline; with train.steps, it takes as many steps as the run"
    ] = BASELINE_SHARE
    baseline_steps: Annotated[
        int | None, "with train.steps: optimizer steps of the baseline; by default as many as the run"
    ] = None

    def __post_init__(self) -> None:
        for name in ("steps", "log_every", "eval_every", "checkpoint_every", "baseline_steps"):
            value = getattr(self, name)
            require(value is None or value >= 1, f"train.{name}", "at least 1", value)
            require(value is None or value <= 10**12, f"train.{name}", "at most 10^12", value)
        require(self.batch_size >= 1, "train.batch_size", "at least 1", self.batch_size)
        require(self.batch_size <= 2**20, "train.batch_size", "at most 1048576", self.batch_size)
        require(
            0 < self.unlabeled_ratio <= 1000, "train.unlabeled_ratio", "above 0, at most 1000", self.unlabeled_ratio
        )
        for path in self.metrics:
            require(is_import_path(path), "train.metrics", EXPECTED, path)
        for name in self.log:
            if name not in LOGS:
                raise ConfigError(f"train.log must be of {', '.join(LOGS)}, got {name!r}{maybe(name, LOGS)}")
        require(len(set(self.log)) == len(self.log), "train.log", "names that differ", ",".join(self.log))
        require(0 <= self.workers <= 256, "train.workers", "in [0, 256]", self.workers)
        require(0.05 <= self.baseline_share <= 0.75, "train.baseline_share", "in [0.05, 0.75]", self.baseline_share)
        if not self.baseline and self.baseline_share != BASELINE_SHARE:
            raise ConfigError("train.baseline_share does nothing without train.baseline")
        if self.baseline_steps is not None and (self.steps is None or not self.baseline):
            raise ConfigError("train.baseline_steps does nothing without train.steps and train.baseline")
        require(0 <= self.seed < 2**63, "train.seed", "in [0, 2^63)", self.seed)
        require(0 < self.backbone_lr <= 1000, "train.backbone_lr", "above 0, at most 1000", self.backbone_lr)
        require(0.0 <= self.frozen_share <= 1.0, "train.freeze", "in [0, 1], or the word all", self.freeze)
        if self.frozen_share == 1.0 and self.backbone_lr != 1.0:
            raise ConfigError("train.backbone_lr does nothing if train.freeze = all keeps the backbone frozen")
        require(0.0 <= self.trial_share < 1.0, "train.trial_share", "in [0, 1)", self.trial_share)
        if self.finetune and self.frozen_share < 1.0:
            raise ConfigError("train.finetune does nothing without a frozen network: it follows train.freeze all")
        stages = self.trained_stages
        require(stages is None or 1 <= stages <= 100, "train.trained_stages", "in [1, 100]", stages)
        if self.frozen_share == 1.0 and stages is not None:
            raise ConfigError("train.trained_stages does nothing if train.freeze = all keeps the backbone frozen")
        if self.steps is not None and self.budget is not None:
            raise ConfigError("train.steps and train.budget are mutually exclusive: give one of them")
        if self.budget is not None:
            seconds(self.budget)

    @property
    def frozen_share(self) -> float:
        """`freeze` as a number: 1 is the whole training."""
        return 1.0 if self.freeze == "all" else float(self.freeze)

    @property
    def unlabeled_batch(self) -> int:
        """Unlabeled images per step."""
        return max(1, round(self.batch_size * self.unlabeled_ratio))


def seconds(budget: str) -> float:
    """Seconds in a time such as `"90s"`, `"30m"`, `"1.5h"`; a bare number is minutes.

    Raises:
        ConfigError: it is not a time, or not above zero.
    """
    text = budget.strip().lower()
    unit = {"s": 1.0, "m": 60.0, "h": 3600.0}.get(text[-1:])
    try:
        value = float(text if unit is None else text[:-1]) * (60.0 if unit is None else unit)
    except ValueError:
        value = float("nan")
    if not 0.0 < value < float("inf"):
        raise ConfigError(
            f"train.budget must be a time such as 90s, 30m or 2h (a bare number is minutes), got {budget!r}"
        )
    return value
