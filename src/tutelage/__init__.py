"""Train image classifiers from a few labels and many unlabeled images.

    import tutelage
    run = tutelage.train("photos/", labels="labels.csv", out="runs/a", method="mean-teacher", budget="30m")
    model = tutelage.load("runs/a")
    model.predict("new/")           # DataFrame: path, label, confidence, one column per class
    model.evaluate("photos-test/")  # metrics by name
    tutelage.pretrain("photos/", out="runs/moco", budget="1h")  # an encoder from no labels, for train(init_from=...)

To write a method of your own, derive a class from `Method`. At construction it is given a network, a `Task` and a
`Problem`; at each step a `Batch` and the `Progress`, and it returns a `StepOutput`. `EMATeacher`, `EMAConfig` and
`losses` are what most methods need. Under mixed precision a network answers in bfloat16: `at_least_float32` comes
before a softmax or a sum. To write a network of your own, derive a class from `Network`, or from `DenseNetwork` for
segmentation. `tutelage.train` takes the classes as `method=` and `network=`.

`RandAugment` and `CTAugment` are strong views for image batches. All errors that are raised on purpose derive from
`TutelageError`.

Importing this package does no work: torch is loaded when a name that needs it is first used.
"""

from __future__ import annotations

import random
from importlib import import_module
from typing import TYPE_CHECKING, Any

from tutelage.core.version import __version__

if TYPE_CHECKING:
    from tutelage.augment.ct_augment import CTAugment
    from tutelage.augment.rand_augment import RandAugment
    from tutelage.commands.api import Run, load, pretrain, train
    from tutelage.core import losses
    from tutelage.core.batch import (
        Batch,
        Labeled,
        Progress,
        PseudoLabels,
        Samples,
        SelfSupervisedBatch,
        SemiSupervisedBatch,
        StepOutput,
        SupervisedBatch,
        Unlabeled,
    )
    from tutelage.core.ema import EMATeacher
    from tutelage.core.errors import (
        CheckpointError,
        ConfigError,
        DataError,
        Interrupted,
        MissingExtra,
        NonFiniteError,
        RunError,
        TutelageError,
    )
    from tutelage.core.precision import at_least_float32
    from tutelage.inference.images.model import Model
    from tutelage.inference.scans.model import ScanModel
    from tutelage.methods.base import Method, Problem
    from tutelage.methods.ema_config import EMAConfig
    from tutelage.networks.base import Network
    from tutelage.networks.dense import DenseNetwork
    from tutelage.tasks.base import Task

__all__ = [
    "Batch",
    "CTAugment",
    "CheckpointError",
    "ConfigError",
    "DataError",
    "DenseNetwork",
    "EMAConfig",
    "EMATeacher",
    "Interrupted",
    "Labeled",
    "Method",
    "MissingExtra",
    "Model",
    "Network",
    "NonFiniteError",
    "Problem",
    "Progress",
    "PseudoLabels",
    "RandAugment",
    "Run",
    "RunError",
    "Samples",
    "ScanModel",
    "SelfSupervisedBatch",
    "SemiSupervisedBatch",
    "StepOutput",
    "SupervisedBatch",
    "Task",
    "TutelageError",
    "Unlabeled",
    "__version__",
    "at_least_float32",
    "load",
    "losses",
    "pretrain",
    "train",
]

_MODULES = {
    "augment.ct_augment": ("CTAugment",),
    "augment.rand_augment": ("RandAugment",),
    "commands.api": ("Run", "load", "pretrain", "train"),
    "core.batch": (
        "Batch",
        "Labeled",
        "Progress",
        "PseudoLabels",
        "Samples",
        "SelfSupervisedBatch",
        "SemiSupervisedBatch",
        "StepOutput",
        "SupervisedBatch",
        "Unlabeled",
    ),
    "core.ema": ("EMATeacher",),
    "core.precision": ("at_least_float32",),
    "core.errors": (
        "CheckpointError",
        "ConfigError",
        "DataError",
        "Interrupted",
        "MissingExtra",
        "NonFiniteError",
        "RunError",
        "TutelageError",
    ),
    "inference.images.model": ("Model",),
    "inference.scans.model": ("ScanModel",),
    "methods.base": ("Method", "Problem"),
    "methods.ema_config": ("EMAConfig",),
    "networks.base": ("Network",),
    "networks.dense": ("DenseNetwork",),
    "tasks.base": ("Task",),
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name != "losses" and name not in _HOME:
        raise AttributeError(f"module 'tutelage' has no attribute '{name}'")
    state = random.getstate()  # some of the packages that are imported now draw from the caller's generator
    try:
        module = import_module(f"tutelage.{_HOME.get(name, 'core.losses')}")
    finally:
        random.setstate(state)
    return module if name == "losses" else getattr(module, name)


def __dir__() -> list[str]:
    return __all__
